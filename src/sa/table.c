/* SecYs and SCs, and the way from a frame's SCI to them. */
#include "sa/table.h"

#include "base/log.h"
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

static unsigned sci_bucket(uint64_t sci)
{
	return (unsigned)((sci * UINT64_C(0x9e3779b97f4a7c15)) >> 40) & (SC_BUCKETS - 1);
}

struct sc *sc_find(const struct sa_table *t, uint16_t wan, uint64_t sci)
{
	struct sc *sc = t->buckets[sci_bucket(sci)];

	while (sc && (sc->sci != sci || sc->secy->config.wan != wan))
		sc = sc->next_in_bucket;
	return sc;
}

struct sc *sc_get(struct sa_table *t, struct secy *y, uint64_t sci)
{
	struct sc **bucket = &t->buckets[sci_bucket(sci)], *sc;

	for (sc = y->scs; sc; sc = sc->next)
		if (sc->sci == sci)
			return sc;
	sc = calloc(1, sizeof(*sc));
	if (!sc)
		return NULL;
	sc->sci = sci;
	sc->secy = y;
	sc->next_in_bucket = *bucket;
	*bucket = sc;
	sc->next = y->scs;
	y->scs = sc;
	y->sc_count++;
	return sc;
}

void sc_put(struct sa_table *t, struct sc *sc)
{
	struct sc **p;

	for (unsigned an = 0; an < MACSEC_AN_COUNT; an++)
		if (sc->sa[an])
			return;
	for (p = &t->buckets[sci_bucket(sc->sci)]; *p != sc; p = &(*p)->next_in_bucket)
		;
	*p = sc->next_in_bucket;
	for (p = &sc->secy->scs; *p != sc; p = &(*p)->next)
		;
	*p = sc->next;
	sc->secy->sc_count--;
	sa_counters_add(&sc->secy->counters, &sc->counters);
	free(sc);
}

struct secy *secy_find(const struct sa_table *t, uint16_t secy)
{
	for (unsigned i = 0; i < SA_SECY_MAX; i++)
		if (t->secys[i] && t->secys[i]->config.secy == secy)
			return t->secys[i];
	return NULL;
}

struct secy *secy_next(const struct sa_table *t, const struct secy *y)
{
	for (unsigned i = y ? y->slot + 1u : 0; i < SA_SECY_MAX; i++)
		if (t->secys[i])
			return t->secys[i];
	return NULL;
}

static void *secy_record(struct sa_table *t, unsigned slot)
{
	return t->area->secys[slot].record;
}

static struct secy *secy_attach(struct sa_table *t, const struct secy_config *c, unsigned slot)
{
	struct secy *y = calloc(1, sizeof(*y));

	if (y) {
		y->config = *c;
		y->slot = (uint16_t)slot;
		t->secys[slot] = y;
	}
	return y;
}

int secy_add(struct sa_table *t, const struct secy_config *c)
{
	struct secy *y = secy_find(t, c->secy);
	unsigned slot = 0;

	if (!c->secy || c->window > SA_WINDOW_MAX || !c->sci ||
	    c->validate >= MACSEC_VALIDATE_COUNT)
		return -EINVAL;
	if (!y) {
		while (slot < SA_SECY_MAX && t->secys[slot])
			slot++;
		if (slot == SA_SECY_MAX)
			return -ENOSPC;
		y = secy_attach(t, c, slot);
		if (!y)
			return -ENOMEM;
	}
	for (unsigned an = 0; an < MACSEC_AN_COUNT; an++) {
		struct sa_config was;

		if (!y->tx[an] || y->config.sci == c->sci)
			continue;
		sa_describe(y->tx[an], &was);
		sa_retire(t, y->tx[an]);
		t->gone(t->ctx, &was);
	}
	y->config = *c;
	for (unsigned an = 0; an < MACSEC_AN_COUNT; an++)
		if (y->tx[an])
			sa_tag_make(y->tx[an]);
	for (unsigned i = 0; i < SA_SLOT_MAX; i++)
		if (t->sas[i] && t->sas[i]->secy == y)
			t->sas[i]->protect = c->replay_protect;
	return record_put(secy_record(t, y->slot), SECY_RECORD, c, sizeof(*c));
}

void secy_del(struct sa_table *t, struct secy *y)
{
	for (unsigned i = 0; i < SA_SLOT_MAX; i++)
		if (t->sas[i] && t->sas[i]->secy == y)
			sa_retire(t, t->sas[i]);
	record_clear(secy_record(t, y->slot), SECY_RECORD);
	t->secys[y->slot] = NULL;
	free(y);
}

static void secy_adopt_all(struct sa_table *t)
{
	for (unsigned i = 0; i < SA_SECY_MAX; i++) {
		struct secy_config c;
		ssize_t n = record_get(secy_record(t, i), SECY_RECORD, &c, sizeof(c));

		if (n == -ENOENT)
			continue;
		c.name[sizeof(c.name) - 1] = 0;
		if (n == sizeof(c) && c.secy && c.window <= SA_WINDOW_MAX &&
		    !secy_find(t, c.secy) && secy_attach(t, &c, i))
			continue;
		log_error("state area: SecY record %u is damaged, its SAs are not used", i);
		record_clear(secy_record(t, i), SECY_RECORD);
	}
}

struct sa_table *sa_table_new(void *area, size_t size, sa_gone_fn *gone, esp_gone_fn *esp_gone,
			      void *ctx)
{
	struct sa_table *t;

	if (size < sizeof(struct sa_area) || (uintptr_t)area % 64) {
		errno = EINVAL;
		return NULL;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->area = area;
	t->gone = gone;
	t->esp_gone = esp_gone;
	t->ctx = ctx;
	t->hard_next = UINT64_MAX;
	if (sa_area_claim(t->area)) {
		secy_adopt_all(t);
		sa_adopt_all(t);
		tunnel_adopt_all(t);
	}
	return t;
}

void sa_table_free(struct sa_table *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < SA_SLOT_MAX; i++)
		if (t->sas[i])
			sa_detach(t, t->sas[i]);
	for (unsigned i = 0; i < ESP_SLOT_MAX; i++)
		if (t->esps[i])
			esp_detach(t, t->esps[i]);
	for (unsigned i = 0; i < t->tunnel_top; i++)
		free(t->tunnels[i]);
	for (unsigned i = 0; i < SA_SECY_MAX; i++)
		free(t->secys[i]);
	free(t);
}
