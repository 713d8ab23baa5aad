/*
 * fuzz_ikev2: an IKEv2 engine with one IKE SA that stands and a peer that may begin another, and
 * what it is thrown. The first octet of the input says how: datagrams as they are; chains of
 * payloads that are sealed with the peer's keys, the first octet of each being its exchange and
 * the next the type of its first payload; or a record to load. Datagrams and chains stand behind
 * two octets of length each.
 *
 * Held: what does not verify changes nothing; the engine comes to rest; whatever came, its records
 * load again.
 */
#include "fuzz.h"

#include "key/ikev2/ikev2_lan.h"

#include <stdlib.h>
#include <string.h>

enum how { RAW, SEALED, RECORD, HOW_COUNT };

/* The pair, made once; every input starts from node 1's record. */
static struct {
	struct lan *l;
	struct ikev2_peer peer;
	uint8_t record[IKEV2_SAVE_MAX];
	size_t len;
} pair;

static void pair_make(void)
{
	struct lan *l = lan_new(2);
	unsigned slot = 0;

	log_init("fuzz", LOG_LVL_ERROR);
	log_set_level(LOG_LVL_ERROR);
	for (unsigned i = 0; i < 2; i++) {
		struct ikev2_peer p = lan_peer(l, i, !i);

		lan_start(l, i);
		MUST(!ikev2_peer_set(l->nodes[i].e, &p, l->now));
		pair.peer = p;
	}
	MUST(lan_until(l, lan_both, 5 * NS_PER_S));
	lan_run(l, l->now + NS_PER_S);
	while (!l->nodes[1].record_len[slot])
		MUST(++slot < 64);
	pair.len = l->nodes[1].record_len[slot];
	memcpy(pair.record, l->nodes[1].records[slot], pair.len);
	pair.l = l;
}

static void count_up(void *ctx, void *buf, size_t n)
{
	uint32_t *next = ctx;
	uint8_t *p = buf;

	while (n--)
		*p++ = (uint8_t)(++*next * 2654435761u >> 24);
}

static int64_t no_wall(void *ctx)
{
	(void)ctx;
	return 1800000000;
}

static int no_sign(void *ctx, uint32_t id, uint16_t key, enum sign_scheme s, const void *data,
		   size_t len)
{
	(void)ctx;
	(void)id;
	(void)key;
	(void)s;
	(void)data;
	(void)len;
	return -1;
}

static int check_sa(void *ctx, const struct sink_esp *sa)
{
	(void)ctx;
	MUST(sa->suite < ESP_SUITE_COUNT && sa->mode < ESP_MODE_COUNT && sa->spi >= ESP_SPI_MIN);
	MUST(sa->key.len == esp_suites[sa->suite].key_len + esp_suites[sa->suite].salt_len);
	MUST(esp_selectors_valid(&sa->ts));
	return 0;
}

static void no_retire(void *ctx, uint16_t tunnel, enum sink_direction d, uint32_t spi)
{
	(void)ctx;
	(void)tunnel;
	(void)d;
	(void)spi;
}

static struct ikev2 *victim_new(uint32_t *next)
{
	struct ikev2_config cfg = {.slots = 8};
	struct ikev2_env env = {.ctx = next,
				.random = count_up,
				.wall = no_wall,
				.sign = no_sign,
				.sink = {NULL, check_sa, check_sa, no_retire}};
	struct ikev2 *e = ikev2_new(&cfg, &env, pair.l->now);

	MUST(e && !ikev2_peer_set(e, &pair.peer, pair.l->now));
	return e;
}

static uint64_t live_on(struct ikev2 *e, uint64_t now, uint64_t span)
{
	static uint8_t record[IKEV2_SAVE_MAX];
	static struct ikev2_datagram d;
	uint64_t end = now + span;
	unsigned turns = 0, slot;

	for (;;) {
		struct wr w = wr_init(record, sizeof(record));
		uint64_t at;

		while (ikev2_save_next(e, &slot, &w)) {
			MUST(!w.bad && slot < 8);
			w = wr_init(record, sizeof(record));
		}
		while (ikev2_output(e, &d))
			;
		at = ikev2_deadline(e);
		if (at > end)
			return end;
		now = at > now ? at : now;
		ikev2_expire(e, now);
		MUST(++turns < 2000);
	}
}

/* Every record that the engine would write now loads. */
static void records_hold(struct ikev2 *e, uint64_t now)
{
	static uint8_t record[IKEV2_SAVE_MAX];
	uint32_t next = 7;
	struct ikev2 *n = victim_new(&next);

	for (const struct ike_sa *sa = e->sas; sa; sa = sa->next) {
		struct wr w = wr_init(record, sizeof(record));
		struct rd r;

		if (sa->state < ST_UP || sa->state > ST_CLOSING || !sa->peer)
			continue;
		save_sa(sa, &w);
		MUST(!w.bad);
		r = rd_init(record, wr_len(&w));
		MUST(ikev2_load(n, (unsigned)sa->slot, &r, now) == 0);
	}
	ikev2_free(n);
}

static void throw_one(struct ikev2 *e, const uint8_t *p, size_t len, uint64_t now, enum how how)
{
	uint64_t digest = ikev2_digest(e);
	enum ikev2_result r =
		ikev2_input(e, &pair.l->nodes[1].at, &pair.l->nodes[0].at, p, len, now);

	if (how == RAW && r > IKEV2_OK && r <= IKEV2_ICV && r != IKEV2_COOKIE_ASKED)
		MUST(digest == ikev2_digest(e));
}

/* A chain in an Encrypted payload of node 0's, as its next request. */
static void throw_sealed(struct ikev2 *e, const uint8_t *p, size_t len, uint64_t now)
{
	const struct ike_sa *sa = lan_sa_of(&pair.l->nodes[0], LAN_TUNNEL(1));
	const struct ike_sa *theirs = ike_sa_find(e, sa->spi_r);
	uint8_t msg[4096];
	struct wr w = wr_init(msg, sizeof(msg));
	struct ike_head h = {.spi_i = sa->spi_i,
			     .spi_r = sa->spi_r,
			     .next = IKE_PL_SK,
			     .version = IKE_VERSION,
			     .flags = IKE_FLAG_INITIATOR};

	if (len < 2 || !theirs)
		return;
	h.exchange = (uint8_t)(IKE_AUTH + p[0] % 3);
	h.id = theirs->their_id;
	h.len = (uint32_t)(IKE_HEAD_LEN + 4 + 8 + len - 2 + 1 + 16);
	ike_head_build(&h, &w);
	wr_u8(&w, p[1]);
	wr_u8(&w, 0);
	wr_u16(&w, (uint16_t)(h.len - IKE_HEAD_LEN));
	wr_u64(&w, 1ull << 40);
	wr_bytes(&w, p + 2, len - 2);
	wr_zero(&w, 17);
	MUST(!w.bad && !seal_close(keys_out(sa), msg, IKE_HEAD_LEN + 4, h.len));
	throw_one(e, msg, h.len, now, SEALED);
}

static void messages(struct ikev2 *e, struct rd *r, enum how how)
{
	uint64_t now = pair.l->now;

	for (unsigned i = 0; i < 6 && rd_left(r) > 2; i++) {
		size_t n = rd_u16(r);
		const uint8_t *p;

		n = n < rd_left(r) ? n : rd_left(r);
		n = n < 2000 ? n : 2000;
		p = rd_bytes(r, n);
		if (how == SEALED)
			throw_sealed(e, p, n, now);
		else
			throw_one(e, p, n, now, RAW);
		now = live_on(e, now, NS_PER_S / 2);
	}
	records_hold(e, now);
	live_on(e, now, 100 * NS_PER_S);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_init(data, size), record;
	enum how how = rd_u8(&r) % HOW_COUNT;
	uint32_t next = 1;
	struct ikev2 *e;

	if (!pair.l)
		pair_make();
	e = victim_new(&next);
	record = how == RECORD ? r : rd_init(pair.record, pair.len);
	if (ikev2_load(e, 0, &record, pair.l->now) == 0)
		ikev2_loaded(e, pair.l->now);
	else
		MUST(how == RECORD);
	if (how == RECORD)
		live_on(e, pair.l->now, 30 * NS_PER_S);
	else
		messages(e, &r, how);
	ikev2_free(e);
	return 0;
}
