/* SAs: installed, moved on, retired, and taken over from a predecessor. */
#include "sa/sa.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "sa/table.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct sa_config) <= SA_RECORD / 2 - RECORD_HEAD, "an SA fits its record");
_Static_assert(sizeof(struct secy_config) <= SECY_RECORD / 2 - RECORD_HEAD, "so does a SecY");
_Static_assert(offsetof(struct sa, counters) == 64, "what a packet touches is one cache line");

void sa_describe(const struct sa *sa, struct sa_config *c)
{
	*c = (struct sa_config){
		.secy = sa->secy->config.secy,
		.an = sa->an,
		.suite = sa->suite,
		.direction = sa->direction,
		.conf = sa->conf,
		.ssci = sa->ssci,
		.sci = sa->sci,
		.pn = sa->next,
		.limit = sa->bound,
	};
	memcpy(c->key_id, sa->key_id, sizeof(c->key_id));
}

static struct sa_slot *slot_of(struct sa_table *t, const struct sa *sa)
{
	return &t->area->slots[sa->slot];
}

/* The earlier of three quarters of all numbers (802.1X's threshold of a suite) and three quarters
 * of the way from here to where they end. */
void sa_threshold_set(struct sa *sa, uint64_t end)
{
	uint64_t left = sa->bound - sa->next;

	sa->threshold = sa->bound - left / 4;
	if (sa->threshold > end - end / 4)
		sa->threshold = end - end / 4;
	sa->report_at = 0;
}

void sa_tag_make(struct sa *sa)
{
	const struct secy_config *y = &sa->secy->config;

	sa->tag_len = (uint8_t)macsec_build(sa->tag, sa->an, sa->conf != MACSEC_CONF_NONE, 0,
					    y->send_sci ? y->sci : 0, MACSEC_SHORT_LEN);
	/* What stands for the SCI then is the source address (9.5), see macsec_out. */
	if (!y->send_sci && (y->sci & 0xffff) == 1)
		sa->tag[2] |= MACSEC_TCI_ES;
}

static void transmit_prepare(struct sa *sa)
{
	sa_tag_make(sa);
	sa_threshold_set(sa, sa_suite_end(sa->suite));
}

/* The transmit SA with the highest order is the one in use. */
static void current_choose(struct secy *y)
{
	y->tx_current = NULL;
	for (unsigned an = 0; an < MACSEC_AN_COUNT; an++)
		if (y->tx[an] && (!y->tx_current || y->tx[an]->order > y->tx_current->order))
			y->tx_current = y->tx[an];
}

struct sa *sa_attach(struct sa_table *t, struct secy *y, const struct sa_config *c, uint16_t slot)
{
	struct sa *sa = aligned_alloc(64, (sizeof(*sa) + 63) & ~(size_t)63);

	if (!sa)
		return NULL;
	memset(sa, 0, sizeof(*sa));
	sa->key = aead_key_new(c->key, c->key_len);
	if (!sa->key) {
		free(sa);
		return NULL;
	}
	sa->an = c->an;
	sa->suite = c->suite;
	sa->conf = c->conf;
	sa->clear = macsec_confs[c->conf].clear;
	sa->direction = c->direction;
	sa->xpn = macsec_suites[c->suite].xpn;
	sa->ssci = c->ssci;
	sa->sci = c->sci;
	sa->order = c->order;
	sa->secy = y;
	sa->slot = slot;
	sa->live = &t->area->slots[slot].live;
	memcpy(sa->key_id, c->key_id, sizeof(sa->key_id));
	memcpy(sa->fingerprint, t->area->slots[slot].fingerprint, sizeof(sa->fingerprint));
	macsec_nonce_base(sa->nonce, c->suite, c->sci, c->ssci, c->salt);
	if (c->direction == SA_TRANSMIT) {
		sa->bound = c->limit;
		y->tx[c->an] = sa;
	} else {
		sa->sc = sc_get(t, y, c->sci);
		if (!sa->sc) {
			aead_key_free(sa->key);
			free(sa);
			return NULL;
		}
		sa->bound = c->pn;
		sa->window = c->window;
		sa->protect = y->config.replay_protect;
		sa->ring_at = c->ring;
		sa->ring_words = c->ring_words;
		sa->ring = t->area->rings + c->ring;
		sa->ring_mask = c->ring_words * 64 - 1;
		sa->sc->sa[c->an] = sa;
	}
	t->sas[slot] = sa;
	sa_print_enter(t, sa);
	return sa;
}

void sa_detach(struct sa_table *t, struct sa *sa)
{
	struct secy *y = sa->secy;

	sa_print_leave(t, sa);
	t->sas[sa->slot] = NULL;
	if (sa->direction == SA_TRANSMIT) {
		y->tx[sa->an] = NULL;
		if (y->tx_current == sa)
			y->tx_current = NULL;
		sa_counters_add(&y->tx_counters, &sa->counters);
	} else {
		sa->sc->sa[sa->an] = NULL;
		sa_counters_add(&sa->sc->counters, &sa->counters);
		sc_put(t, sa->sc);
	}
	aead_key_free(sa->key);
	secret_wipe(sa, sizeof(*sa)); /* the nonce base holds the salt */
	free(sa);
}

void sa_retire(struct sa_table *t, struct sa *sa)
{
	struct sa_slot *slot = slot_of(t, sa);
	uint32_t at = sa->ring_at, words = sa->ring_words;

	if (sa->direction == SA_TRANSMIT)
		sa_tomb_add(t->area, sa->fingerprint, sa->next);
	sa_detach(t, sa);
	secret_wipe(slot, sizeof(*slot));
	if (words)
		sa_ring_give(&t->rings, at, words);
}

static struct sa **place_of(struct sa_table *t, struct secy *y, const struct sa_config *c)
{
	struct sc *sc;

	(void)t;
	if (c->direction == SA_TRANSMIT)
		return &y->tx[c->an];
	for (sc = y->scs; sc; sc = sc->next)
		if (sc->sci == c->sci)
			return &sc->sa[c->an];
	return NULL;
}

struct sa *sa_find(const struct sa_table *t, const struct sa_config *c)
{
	struct secy *y = secy_find(t, c->secy);
	struct sa **p = y && c->an < MACSEC_AN_COUNT ? place_of((struct sa_table *)t, y, c) : NULL;

	if (!p || !*p || (*p)->sci != c->sci ||
	    memcmp((*p)->key_id, c->key_id, sizeof(c->key_id)) != 0)
		return NULL;
	return *p;
}

static bool config_valid(const struct secy *y, const struct sa_config *c)
{
	if (c->an >= MACSEC_AN_COUNT || c->suite >= MACSEC_SUITE_COUNT || !c->sci ||
	    c->conf >= MACSEC_CONF_COUNT || !macsec_conf_fits(&macsec_suites[c->suite], c->conf) ||
	    c->direction > SA_TRANSMIT || c->key_len != macsec_suites[c->suite].key_len)
		return false;
	/* Our own SCI is what we transmit with, and nobody else's. */
	return (c->direction == SA_TRANSMIT) == (c->sci == y->config.sci);
}

void sa_numbers_move(struct sa *sa, uint64_t pn, uint64_t limit, uint64_t end)
{
	if (!limit || limit > end)
		limit = end;
	if (sa->direction == SA_TRANSMIT) {
		if (pn > sa->next)
			sa->next = pn < sa->bound ? pn : sa->bound;
		if (limit > sa->bound) {
			sa->bound = limit;
			sa_threshold_set(sa, end);
		}
	} else {
		if (pn > sa->bound)
			sa->bound = pn;
		if (sa->next < sa->bound)
			sa->next = sa->bound;
	}
	sa_live_put(sa->live, &sa->turn, sa->next);
}

/* Numbers move upwards only; what is written to the area is what may be forgotten last. */
static int sa_move(struct sa_table *t, struct sa *sa, const struct sa_config *c)
{
	struct sa_slot *slot = slot_of(t, sa);
	struct sa_config was;
	int rc = (int)record_get(slot->record, SA_RECORD, &was, sizeof(was));

	if (rc < 0)
		return rc;
	sa_numbers_move(sa, c->pn, c->limit, sa_suite_end(sa->suite));
	if (sa->direction == SA_TRANSMIT) {
		if (sa->secy->tx_current != sa)
			sa->order = ++t->order;
		was.limit = sa->bound;
		was.order = sa->order;
	} else {
		was.pn = sa->bound;
	}
	rc = record_put(slot->record, SA_RECORD, &was, sizeof(was));
	secret_wipe(&was, sizeof(was));
	return rc;
}

static struct sa **print_bucket(const struct sa_table *t, const uint8_t *fingerprint)
{
	uint32_t v;

	memcpy(&v, fingerprint, sizeof(v));
	return &((struct sa_table *)t)->prints[v % PRINT_BUCKETS];
}

void sa_print_enter(struct sa_table *t, struct sa *sa)
{
	struct sa **bucket = print_bucket(t, sa->fingerprint);

	sa->next_of_print = *bucket;
	*bucket = sa;
}

void sa_print_leave(struct sa_table *t, struct sa *sa)
{
	struct sa **p = print_bucket(t, sa->fingerprint);

	while (*p != sa)
		p = &(*p)->next_of_print;
	*p = sa->next_of_print;
}

int sa_nonce_guard(const struct sa_table *t, const uint8_t fingerprint[AEAD_FINGERPRINT_LEN],
		   uint8_t direction, const struct sa *replaced, uint64_t *pn)
{
	uint64_t past = 0, tomb;

	for (const struct sa *sa = *print_bucket(t, fingerprint); sa; sa = sa->next_of_print) {
		if (memcmp(sa->fingerprint, fingerprint, AEAD_FINGERPRINT_LEN) != 0)
			continue;
		if (sa == replaced)
			past = sa->next;
		else if (direction == SA_TRANSMIT || sa->direction == SA_TRANSMIT)
			return -EEXIST;
	}
	if (direction == SA_RECEIVE)
		return 0;
	tomb = sa_tomb_find(t->area, fingerprint);
	if (tomb > past)
		past = tomb;
	if (past == SA_TOMB_NEVER)
		return -EEXIST;
	if (*pn < past)
		*pn = past;
	return 0;
}

static int fingerprint_make(const struct sa_config *c, uint8_t fingerprint[AEAD_FINGERPRINT_LEN])
{
	uint8_t base[AEAD_NONCE_LEN];

	macsec_nonce_base(base, c->suite, c->sci, c->ssci, c->salt);
	return aead_fingerprint(c->key, c->key_len, base, fingerprint);
}

int sa_ring_blank(struct sa_table *t, uint32_t window, uint32_t *at, uint32_t *words)
{
	int64_t where;

	*words = sa_ring_words(window);
	where = sa_ring_take(&t->rings, *words);
	if (where < 0)
		return (int)where;
	*at = (uint32_t)where;
	memset(t->area->rings + *at, 0, *words * sizeof(t->area->rings[0]));
	return 0;
}

void sa_jump(struct sa *sa)
{
	/* Numbers reserved for a burst may be on the wire although never recorded as sent. */
	sa->next = sa->next < sa->bound && sa->bound - sa->next > SA_RESTART_JUMP
			   ? sa->next + SA_RESTART_JUMP
			   : sa->bound;
	sa_live_put(sa->live, &sa->turn, sa->next);
}

/* Writes the SA to a free slot of the area, live number first, and attaches it. */
static struct sa *sa_create(struct sa_table *t, struct secy *y, struct sa_config *c,
			    const uint8_t fingerprint[AEAD_FINGERPRINT_LEN])
{
	struct sa_slot *slot;
	struct sa *sa;
	uint16_t i = 0;
	int rc;

	while (i < SA_SLOT_MAX && t->sas[i])
		i++;
	if (i == SA_SLOT_MAX) {
		errno = ENOSPC;
		return NULL;
	}
	slot = &t->area->slots[i];
	memcpy(slot->fingerprint, fingerprint, AEAD_FINGERPRINT_LEN);
	sa_live_init(&slot->live, c->pn);
	sa = sa_attach(t, y, c, i);
	if (!sa)
		return NULL;
	sa->next = c->pn;
	rc = record_put(slot->record, SA_RECORD, c, sizeof(*c));
	if (rc < 0) {
		sa_detach(t, sa);
		errno = -rc;
		return NULL;
	}
	return sa;
}

struct sa *sa_install(struct sa_table *t, const struct sa_config *asked)
{
	struct secy *y = secy_find(t, asked->secy);
	struct sa_config c = *asked, was;
	uint8_t fingerprint[AEAD_FINGERPRINT_LEN];
	struct sa *sa = NULL, *old, **place;
	int rc = -ENOENT;

	if (!y)
		goto out;
	rc = -EINVAL;
	if (!config_valid(y, &c))
		goto out;
	sa = sa_find(t, &c);
	if (sa) {
		rc = sa_move(t, sa, &c);
		goto chosen;
	}
	place = place_of(t, y, &c);
	old = place ? *place : NULL;
	if (!c.pn)
		c.pn = 1;
	rc = fingerprint_make(&c, fingerprint);
	if (rc == 0)
		rc = sa_nonce_guard(t, fingerprint, c.direction, old, &c.pn);
	if (rc < 0)
		goto out;
	if (!c.limit || c.limit > sa_suite_end(c.suite))
		c.limit = sa_suite_end(c.suite);
	if (c.direction == SA_TRANSMIT && c.pn > c.limit)
		c.pn = c.limit;
	if (c.direction == SA_TRANSMIT) {
		c.order = ++t->order;
	} else {
		c.window = y->config.window;
		rc = sa_ring_blank(t, c.window, &c.ring, &c.ring_words);
	}
	if (rc < 0)
		goto out;
	if (old) {
		sa_describe(old, &was);
		sa_retire(t, old);
		t->gone(t->ctx, &was);
	}
	sa = sa_create(t, y, &c, fingerprint);
	if (!sa) {
		rc = -errno;
		if (c.ring_words)
			sa_ring_give(&t->rings, c.ring, c.ring_words);
		goto out;
	}
	if (c.direction == SA_TRANSMIT)
		transmit_prepare(sa);
chosen:
	if (sa->direction == SA_TRANSMIT)
		current_choose(y);
out:
	secret_wipe(&c, sizeof(c));
	if (rc < 0) {
		errno = -rc;
		return NULL;
	}
	return sa;
}

/* Why the SA in a slot cannot be taken over, or NULL when it was. */
static const char *sa_adopt(struct sa_table *t, struct sa_config *c, uint16_t slot)
{
	struct secy *y = secy_find(t, c->secy);
	uint64_t next;
	uint8_t turn;
	struct sa *sa;

	if (!y || !config_valid(y, c))
		return "its SecY is not there";
	if (sa_find(t, c))
		return "it is there twice";
	if (sa_live_get(&t->area->slots[slot].live, &turn, &next) < 0)
		return "its packet number is damaged";
	if (c->direction == SA_RECEIVE &&
	    !sa_ring_adopt(&t->rings, c->window, c->ring, c->ring_words))
		return "its replay window is damaged";
	sa = sa_attach(t, y, c, slot);
	if (!sa)
		return "no memory";
	sa->turn = turn;
	sa->next = next;
	if (c->direction == SA_TRANSMIT) {
		sa_jump(sa);
		transmit_prepare(sa);
		if (sa->order > t->order)
			t->order = sa->order;
	}
	return NULL;
}

void sa_adopt_all(struct sa_table *t)
{
	struct log_limit damaged = LOG_LIMIT(8, NS_PER_S);

	for (uint16_t i = 0; i < SA_SLOT_MAX; i++) {
		struct sa_slot *slot = &t->area->slots[i];
		const uint8_t blank[AEAD_FINGERPRINT_LEN] = {0};
		struct sa_config c = {0};
		ssize_t n = record_get(slot->record, SA_RECORD, &c, sizeof(c));
		const char *why = n == sizeof(c) ? sa_adopt(t, &c, i) : "its record is damaged";

		if (why && n != -ENOENT) {
			log_limited(&damaged, LOG_LVL_ERROR, "state area: SA %u is not used: %s", i,
				    why);
			if (memcmp(slot->fingerprint, blank, sizeof(blank)) != 0)
				sa_tomb_add(t->area, slot->fingerprint, SA_TOMB_NEVER);
			secret_wipe(slot, sizeof(*slot));
			secret_wipe(c.key, sizeof(c.key));
			t->gone(t->ctx, &c);
		}
		secret_wipe(&c, sizeof(c));
	}
	for (struct secy *y = secy_next(t, NULL); y; y = secy_next(t, y))
		current_choose(y);
}
