/* SAs of ESP: installed, changed, retired, and taken over from a predecessor. */
#include "sa/esp.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "sa/table.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct esp_config) <= ESP_RECORD / 2 - RECORD_HEAD, "an SA fits its record");

const char *const esp_count_names[ESP_COUNT_COUNT] = {
	[ESP_PKTS] = "packets",         [ESP_OCTETS] = "octets",
	[ESP_REPLAY] = "replays",       [ESP_NOT_VALID] = "not-valid",
	[ESP_SELECTOR] = "no-selector", [ESP_MALFORMED] = "malformed",
	[ESP_DUMMY] = "dummies",
};

static struct sa **bucket_of(struct sa_table *t, uint32_t spi)
{
	return &t->spis[(spi * UINT32_C(0x9e3779b1)) >> 20 & (SPI_BUCKETS - 1)];
}

struct sa *esp_lookup(const struct sa_table *t, uint32_t spi)
{
	struct sa *sa = *bucket_of((struct sa_table *)t, spi);

	while (sa && sa->esp.spi != spi)
		sa = sa->esp.next_in_bucket;
	return sa;
}

struct sa *esp_find(const struct sa_table *t, uint16_t tunnel, uint8_t direction, uint32_t spi)
{
	struct tunnel *n = tunnel_find(t, tunnel);
	struct sa *sa = !n ? NULL : direction == SA_TRANSMIT ? n->tx : n->rx;

	while (sa && sa->esp.spi != spi)
		sa = sa->esp.next;
	return sa;
}

void esp_describe(const struct sa *sa, struct esp_config *c)
{
	*c = (struct esp_config){
		.tunnel = sa->esp.tunnel->config.tunnel,
		.direction = sa->direction,
		.suite = sa->suite,
		.mode = sa->esp.mode,
		.esn = sa->esp.esn,
		.spi = sa->esp.spi,
		.seq = sa->next,
		.limit = sa->bound,
		.hard_at = sa->esp.hard_at,
		.local = sa->esp.local,
		.remote = sa->esp.remote,
	};
}

static bool end_valid(const struct esp_end *e)
{
	static const uint8_t zero[16];
	size_t n = e->family == 4 ? 4 : 16;

	return (e->family == 4 || e->family == 6) && memcmp(e->addr, zero, n) != 0 &&
	       memcmp(e->addr + n, zero, 16 - n) == 0;
}

static bool config_valid(const struct esp_config *c)
{
	const struct esp_suite_info *s = &esp_suites[c->suite];

	if (c->suite >= ESP_SUITE_COUNT || c->direction > SA_TRANSMIT ||
	    c->mode >= ESP_MODE_COUNT || c->spi < ESP_SPI_MIN || c->window > ESP_WINDOW_MAX)
		return false;
	if (c->key_len != s->key_len + s->salt_len || c->auth_len != s->auth_len)
		return false;
	return end_valid(&c->local) && end_valid(&c->remote) &&
	       c->local.family == c->remote.family && !c->local.port == !c->remote.port &&
	       esp_selectors_valid(&c->ts);
}

static bool ts_any(const struct esp_ts *ts, unsigned n, uint8_t family)
{
	const struct esp_ts any = esp_ts_any(family);

	for (unsigned i = 0; i < n; i++)
		if (memcmp(&ts[i], &any, sizeof(any)) == 0)
			return true;
	return false;
}

static void salt_base(uint8_t base[AEAD_NONCE_LEN], const struct esp_config *c)
{
	const struct esp_suite_info *s = &esp_suites[c->suite];

	memset(base, 0, AEAD_NONCE_LEN);
	memcpy(base, c->key + s->key_len, s->salt_len);
}

/* Headers as they stand in front of every packet, but for lengths, numbers, TOS and DF. */
static void head_make(struct esp *e)
{
	size_t ip = e->mode == ESP_TRANSPORT ? 0
		    : e->local.family == 4   ? IP4_HEAD_LEN
					     : IP6_HEAD_LEN;
	size_t udp = e->local.port ? UDP_HEAD_LEN : 0;
	const uint16_t ports[2] = {htobe16(e->local.port), htobe16(e->remote.port)};
	const uint32_t spi = htobe32(e->spi);
	uint8_t *at = e->head + ESP_OUTER_MAX - ip - udp - ESP_HEAD_LEN;

	memset(e->head, 0, sizeof(e->head));
	e->around = (uint8_t)(ip + udp + ESP_HEAD_LEN);
	if (ip) {
		ip_build(at, e->local.family, e->local.addr, e->remote.addr, udp ? IP_UDP : IP_ESP,
			 0, 64, 0, false, (uint32_t)ip);
		memset(at + (e->local.family == 4 ? 2 : 4), 0, 2);
		if (e->local.family == 4)
			memset(at + 10, 0, 2);
		e->head_sum = ip_sum(at, ip);
	}
	if (udp)
		memcpy(at + ip, ports, sizeof(ports));
	memcpy(at + ip + udp, &spi, sizeof(spi));
}

static enum aead_alg alg_of(uint8_t suite)
{
	switch (esp_suites[suite].hash_bits) {
	case 256:
		return AEAD_AES_CBC_HMAC_SHA2_256;
	case 384:
		return AEAD_AES_CBC_HMAC_SHA2_384;
	case 512:
		return AEAD_AES_CBC_HMAC_SHA2_512;
	}
	return suite == ESP_CHACHA20_POLY1305 ? AEAD_CHACHA20_POLY1305 : AEAD_AES_GCM;
}

static struct aead_key *key_make(const struct esp_config *c)
{
	const struct aead_material m = {.alg = alg_of(c->suite),
					.key = c->key,
					.len = esp_suites[c->suite].key_len,
					.auth = c->auth,
					.auth_len = c->auth_len};

	return aead_key_make(&m);
}

static void list_enter(struct sa_table *t, struct sa *sa)
{
	struct tunnel *n = sa->esp.tunnel;
	struct sa **p = sa->direction == SA_TRANSMIT ? &n->tx : &n->rx, **bucket;

	while (sa->direction == SA_TRANSMIT && *p && (*p)->order > sa->order)
		p = &(*p)->esp.next;
	sa->esp.next = *p;
	*p = sa;
	if (sa->direction == SA_TRANSMIT)
		return;
	bucket = bucket_of(t, sa->esp.spi);
	sa->esp.next_in_bucket = *bucket;
	*bucket = sa;
}

static void list_leave(struct sa_table *t, struct sa *sa)
{
	struct tunnel *n = sa->esp.tunnel;
	struct sa **p = sa->direction == SA_TRANSMIT ? &n->tx : &n->rx;

	while (*p != sa)
		p = &(*p)->esp.next;
	*p = sa->esp.next;
	if (sa->direction == SA_TRANSMIT)
		return;
	for (p = bucket_of(t, sa->esp.spi); *p != sa; p = &(*p)->esp.next_in_bucket)
		;
	*p = sa->esp.next_in_bucket;
}

/* The earliest end of a lifetime is known. */
static void hard_note(struct sa_table *t, uint64_t hard_at)
{
	if (hard_at && hard_at < t->hard_next)
		t->hard_next = hard_at;
}

/* Makes the process's side of an SA that stands in the slot of the area, whose keys c holds. */
static struct sa *attach(struct sa_table *t, struct tunnel *n, const struct esp_config *c,
			 uint16_t slot)
{
	const struct esp_suite_info *s = &esp_suites[c->suite];
	struct sa *sa = aligned_alloc(64, (sizeof(*sa) + 63) & ~(size_t)63);

	if (!sa)
		return NULL;
	memset(sa, 0, sizeof(*sa));
	sa->key = key_make(c);
	if (!sa->key) {
		free(sa);
		return NULL;
	}
	sa->suite = c->suite;
	sa->direction = c->direction;
	sa->order = c->order;
	sa->slot = slot;
	sa->live = &t->area->esp_live[slot];
	sa->bound = c->direction == SA_TRANSMIT ? c->limit : c->seq;
	sa->protect = true;
	sa->window = c->window;
	memcpy(sa->fingerprint, t->area->esps[slot].fingerprint, sizeof(sa->fingerprint));
	salt_base(sa->nonce, c);
	if (c->direction == SA_RECEIVE) {
		sa->ring_at = c->ring;
		sa->ring_words = c->ring_words;
		sa->ring = t->area->rings + c->ring;
		sa->ring_mask = c->ring_words * 64 - 1;
	}
	sa->esp = (struct esp){
		.tunnel = n,
		.spi = c->spi,
		.mode = c->mode,
		.iv_len = s->iv_len,
		.icv_len = s->icv_len,
		.align = s->align,
		.esn = c->esn,
		.local = c->local,
		.remote = c->remote,
		.hard_at = c->hard_at,
		.ts = c->ts,
	};
	sa->esp.any4 = ts_any(c->ts.local, c->ts.local_count, 4) &&
		       ts_any(c->ts.remote, c->ts.remote_count, 4);
	sa->esp.any6 = ts_any(c->ts.local, c->ts.local_count, 6) &&
		       ts_any(c->ts.remote, c->ts.remote_count, 6);
	head_make(&sa->esp);
	t->esps[slot] = sa;
	list_enter(t, sa);
	sa_print_enter(t, sa);
	hard_note(t, c->hard_at);
	return sa;
}

void esp_detach(struct sa_table *t, struct sa *sa)
{
	struct tunnel *n = sa->esp.tunnel;

	list_leave(t, sa);
	sa_print_leave(t, sa);
	t->esps[sa->slot] = NULL;
	if (sa->slot < t->esp_full)
		t->esp_full = sa->slot;
	for (unsigned i = 0; i < ESP_COUNT_COUNT; i++)
		n->gone[sa->direction][i] += sa->esp.counts[i];
	aead_key_free(sa->key);
	secret_wipe(sa, sizeof(*sa)); /* the nonce base holds the salt */
	free(sa);
}

void esp_retire(struct sa_table *t, struct sa *sa)
{
	struct esp_slot *slot = &t->area->esps[sa->slot];
	uint32_t at = sa->ring_at, words = sa->ring_words;

	if (sa->direction == SA_TRANSMIT)
		sa_tomb_add(t->area, sa->fingerprint, sa->next);
	esp_detach(t, sa);
	secret_wipe(slot, sizeof(*slot));
	if (words)
		sa_ring_give(&t->rings, at, words);
}

/* Retires it and says so. */
static void dismiss(struct sa_table *t, struct sa *sa)
{
	struct esp_config was;

	esp_describe(sa, &was);
	esp_retire(t, sa);
	t->esp_gone(t->ctx, &was);
}

void esp_expire(struct sa_table *t, uint64_t now)
{
	if (now < t->hard_next)
		return;
	t->hard_next = UINT64_MAX;
	for (unsigned i = 0; i < ESP_SLOT_MAX; i++) {
		if (t->esps[i] && t->esps[i]->esp.hard_at && now >= t->esps[i]->esp.hard_at)
			dismiss(t, t->esps[i]);
		else if (t->esps[i])
			hard_note(t, t->esps[i]->esp.hard_at);
	}
}

/* What may change of an SA that is there, here and in the area. 0 or -errno. */
static int move(struct sa_table *t, struct sa *sa, const struct esp_config *c)
{
	struct esp_slot *slot = &t->area->esps[sa->slot];
	struct esp_config was;
	int rc = (int)record_get(slot->record, ESP_RECORD, &was, sizeof(was));

	if (rc < 0)
		return rc;
	sa->esp.local = was.local = c->local;
	sa->esp.remote = was.remote = c->remote;
	sa->esp.hard_at = was.hard_at = c->hard_at;
	hard_note(t, c->hard_at);
	head_make(&sa->esp);
	sa_numbers_move(sa, c->seq, c->limit, esp_end_of(sa->esp.esn));
	if (sa->direction == SA_TRANSMIT) {
		was.limit = sa->bound;
		if (sa->esp.tunnel->tx != sa) {
			list_leave(t, sa);
			sa->order = was.order = ++t->order;
			list_enter(t, sa);
		}
	} else {
		was.seq = sa->bound;
	}
	rc = record_put(slot->record, ESP_RECORD, &was, sizeof(was));
	secret_wipe(&was, sizeof(was));
	return rc;
}

/* Writes the SA to a free slot of the area, live number first, and attaches it. */
static struct sa *create(struct sa_table *t, struct tunnel *n, struct esp_config *c,
			 const uint8_t fingerprint[AEAD_FINGERPRINT_LEN])
{
	struct esp_slot *slot;
	struct sa *sa;
	uint16_t i;
	int rc;

	while (t->esp_full < ESP_SLOT_MAX && t->esps[t->esp_full])
		t->esp_full++;
	if (t->esp_full == ESP_SLOT_MAX) {
		errno = ENOSPC;
		return NULL;
	}
	i = (uint16_t)t->esp_full;
	slot = &t->area->esps[i];
	memcpy(slot->fingerprint, fingerprint, AEAD_FINGERPRINT_LEN);
	sa_live_init(&t->area->esp_live[i], c->seq);
	sa = attach(t, n, c, i);
	if (!sa)
		return NULL;
	sa->next = c->seq;
	if (c->direction == SA_TRANSMIT)
		sa_threshold_set(sa, esp_end_of(c->esn));
	rc = record_put(slot->record, ESP_RECORD, c, sizeof(*c));
	if (rc < 0) {
		esp_detach(t, sa);
		errno = -rc;
		return NULL;
	}
	return sa;
}

/* What is not control's to choose; and what nobody may have twice. 0 or -errno. */
static int complete(struct sa_table *t, struct esp_config *c, const struct sa *old,
		    const uint8_t fingerprint[AEAD_FINGERPRINT_LEN])
{
	uint64_t end = esp_end_of(c->esn);
	int rc;

	if (!c->seq)
		c->seq = 1;
	rc = sa_nonce_guard(t, fingerprint, c->direction, old, &c->seq);
	if (rc < 0)
		return rc;
	if (!c->limit || c->limit > end)
		c->limit = end;
	if (c->direction == SA_TRANSMIT) {
		if (c->seq > c->limit)
			c->seq = c->limit;
		c->order = ++t->order;
		return 0;
	}
	return sa_ring_blank(t, c->window, &c->ring, &c->ring_words);
}

struct sa *esp_install(struct sa_table *t, const struct esp_config *asked)
{
	struct tunnel *n = tunnel_find(t, asked->tunnel);
	struct esp_config c = *asked;
	uint8_t fingerprint[AEAD_FINGERPRINT_LEN], base[AEAD_NONCE_LEN];
	struct sa *sa = NULL, *old;
	int rc = -ENOENT;

	if (!n)
		goto out;
	rc = -EINVAL;
	if (!config_valid(&c))
		goto out;
	salt_base(base, &c);
	rc = aead_fingerprint(c.key, esp_suites[c.suite].key_len, base, fingerprint);
	if (rc < 0)
		goto out;
	old = esp_find(t, c.tunnel, c.direction, c.spi);
	if (old && memcmp(old->fingerprint, fingerprint, sizeof(fingerprint)) == 0) {
		rc = move(t, old, &c);
		sa = old;
		goto out;
	}
	rc = -EADDRINUSE;
	if (c.direction == SA_RECEIVE && !old && esp_lookup(t, c.spi))
		goto out;
	rc = complete(t, &c, old, fingerprint);
	if (rc < 0)
		goto out;
	if (old)
		dismiss(t, old);
	sa = create(t, n, &c, fingerprint);
	if (!sa) {
		rc = -errno;
		if (c.ring_words)
			sa_ring_give(&t->rings, c.ring, c.ring_words);
	}
out:
	secret_wipe(&c, sizeof(c));
	if (rc < 0) {
		errno = -rc;
		return NULL;
	}
	return sa;
}

/* Why the SA in a slot cannot be taken over, or NULL when it was. */
static const char *adopt(struct sa_table *t, struct esp_config *c, uint16_t slot)
{
	struct tunnel *n = tunnel_find(t, c->tunnel);
	uint64_t next;
	uint8_t turn;
	struct sa *sa;

	if (!n || !config_valid(c))
		return "its tunnel is not there";
	if (esp_find(t, c->tunnel, c->direction, c->spi) ||
	    (c->direction == SA_RECEIVE && esp_lookup(t, c->spi)))
		return "it is there twice";
	if (sa_live_get(&t->area->esp_live[slot], &turn, &next) < 0)
		return "its sequence number is damaged";
	if (c->direction == SA_RECEIVE &&
	    !sa_ring_adopt(&t->rings, c->window, c->ring, c->ring_words))
		return "its replay window is damaged";
	sa = attach(t, n, c, slot);
	if (!sa)
		return "no memory";
	sa->turn = turn;
	sa->next = next;
	if (c->direction == SA_TRANSMIT) {
		sa_jump(sa);
		sa_threshold_set(sa, esp_end_of(c->esn));
		if (sa->order > t->order)
			t->order = sa->order;
	}
	return NULL;
}

void esp_adopt_all(struct sa_table *t)
{
	struct log_limit damaged = LOG_LIMIT(8, NS_PER_S);

	for (uint16_t i = 0; i < ESP_SLOT_MAX; i++) {
		struct esp_slot *slot = &t->area->esps[i];
		const uint8_t blank[AEAD_FINGERPRINT_LEN] = {0};
		struct esp_config c = {0};
		ssize_t n = record_get(slot->record, ESP_RECORD, &c, sizeof(c));
		const char *why = n == sizeof(c) ? adopt(t, &c, i) : "its record is damaged";

		secret_wipe(c.key, sizeof(c.key));
		secret_wipe(c.auth, sizeof(c.auth));
		if (!why || n == -ENOENT)
			continue;
		log_limited(&damaged, LOG_LVL_ERROR, "state area: SA %u of ESP is not used: %s", i,
			    why);
		if (memcmp(slot->fingerprint, blank, sizeof(blank)) != 0)
			sa_tomb_add(t->area, slot->fingerprint, SA_TOMB_NEVER);
		secret_wipe(slot, sizeof(*slot));
		t->esp_gone(t->ctx, &c);
	}
}
