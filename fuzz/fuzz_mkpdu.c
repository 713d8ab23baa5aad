/*
 * fuzz_mkpdu: an MKA participant that is settled in a group of three, and what it is thrown. The
 * first octet of the input says how: frames as they are; EAPOL packet bodies that get headers and
 * a right ICV; or a record to load. Frames and bodies stand behind two octets of length each.
 *
 * Held: the codec writes what it reads; a frame without a right ICV changes nothing; after
 * whatever came, the record loads again and leaves the state as it was; the engine does not spin.
 */
#include "fuzz.h"

#include "base/clock.h"
#include "crypto/cmac.h"
#include "key/mka/mka_lan.h"

#include <stdlib.h>
#include <string.h>

enum how { RAW, SEALED, RECORD, HOW_COUNT };

/* The group, made once; every input starts from the victim's record. */
static struct {
	struct lan *l;
	uint8_t record[MKA_SAVE_MAX];
	size_t len;
} group;

static void group_make(void)
{
	struct wr w = wr_init(group.record, sizeof(group.record));
	struct mka_config cfgs[3] = {lan_config(0), lan_config(1), lan_config(2)};

	log_init("fuzz", LOG_LVL_ERROR);
	for (unsigned i = 0; i < 3; i++) {
		cfgs[i].delay_protect = cfgs[i].replay_protect = true;
		cfgs[i].keep_sak_ns = 20 * NS_PER_S;
	}
	group.l = lan_new(3, cfgs);
	for (unsigned i = 0; i < 3; i++)
		lan_start(group.l, i);
	MUST(lan_until(group.l, lan_agreed, 10 * NS_PER_S));
	lan_run(group.l, group.l->now + 20 * NS_PER_S);
	mka_save(group.l->nodes[1].m, &w);
	MUST(!w.bad);
	group.len = wr_len(&w);
}

static void zero_random(void *ctx, void *buf, size_t n)
{
	uint8_t *count = ctx;

	memset(buf, ++*count, n);
}

static int no_sa(void *ctx, const struct sink_sa *sa)
{
	(void)ctx;
	MUST(sa->an < MACSEC_AN_COUNT && sa->suite < MACSEC_SUITE_COUNT);
	MUST(sa->key.len == macsec_suites[sa->suite].key_len);
	return 0;
}

static void no_retire(void *ctx, uint16_t secy, const uint8_t key_id[MACSEC_KEY_ID_LEN],
		      uint64_t sci)
{
	(void)ctx;
	(void)secy;
	(void)key_id;
	(void)sci;
}

static struct mka *victim_new(uint8_t *count)
{
	struct mka_env env = {count, zero_random, {NULL, no_sa, no_sa, no_retire}};
	struct mka *m = mka_new(&group.l->nodes[1].cfg, &env, group.l->now);

	MUST(m);
	return m;
}

static bool codec_holds(const uint8_t *body, size_t len)
{
	uint8_t out[2048], twice[2048];
	struct wr w = wr_init(out, sizeof(out) - MKPDU_ICV_LEN), v = wr_init(twice, sizeof(twice));
	struct mkpdu p, q;

	if (mkpdu_parse(&p, body, len))
		return false;
	mkpdu_build(&p, &w);
	MUST(!w.bad);
	memset(out + wr_len(&w), 0, MKPDU_ICV_LEN);
	MUST(mkpdu_parse(&q, out, wr_len(&w) + MKPDU_ICV_LEN) == 0);
	MUST(q.present == p.present && q.mn == p.mn && q.live.count == p.live.count);
	mkpdu_build(&q, &v);
	MUST(!v.bad && wr_len(&v) == wr_len(&w) && !memcmp(out, twice, wr_len(&w)));
	return true;
}

/* A body as a frame of node 0, with the ICV over it. */
static size_t frame_seal(const struct mka *m, const uint8_t *body, size_t len, uint8_t out[2048])
{
	struct wr w = wr_init(out, 2048 - MKPDU_ICV_LEN);

	wr_bytes(&w, m->cfg.destination, 6);
	wr_bytes(&w, (const uint8_t[]){2, 0, 0, 0, 0, 1}, 6);
	wr_u16(&w, m->cfg.ethertype);
	wr_u8(&w, EAPOL_VERSION);
	wr_u8(&w, EAPOL_TYPE_MKA);
	wr_u16(&w, (uint16_t)(len + MKPDU_ICV_LEN));
	wr_bytes(&w, body, len);
	MUST(!w.bad);
	MUST(!cmac_aes(m->principal->ick.b, m->principal->ick.len, out, wr_len(&w),
		       out + wr_len(&w)));
	return wr_len(&w) + MKPDU_ICV_LEN;
}

/* Time passes: timers run, frames are built, and none of it without end. */
static uint64_t live_on(struct mka *m, uint64_t now, uint64_t span)
{
	uint64_t end = now + span;
	uint8_t out[MKA_FRAME_MAX];
	unsigned turns = 0;

	for (;;) {
		while (mka_output(m, out))
			;
		if (mka_deadline(m) > end)
			return end;
		now = mka_deadline(m) > now ? mka_deadline(m) : now;
		mka_expire(m, now);
		MUST(mka_deadline(m) > now && ++turns < 1000);
	}
}

static void record_holds(const struct mka *m, uint64_t now)
{
	uint8_t buf[MKA_SAVE_MAX], count = 0;
	struct wr w = wr_init(buf, sizeof(buf));
	struct mka *n = victim_new(&count);
	struct rd r;

	mka_save(m, &w);
	MUST(!w.bad);
	r = rd_init(buf, wr_len(&w));
	MUST(mka_load(n, &r, now) == 0);
	MUST(!memcmp(n->principal->mi, m->principal->mi, MKA_MI_LEN));
	MUST(n->principal->mn > m->principal->mn);
	MUST(n->principal->peer_count == m->principal->peer_count);
	mka_free(n);
}

static void throw(struct mka * m, const uint8_t *frame, size_t len, uint64_t now)
{
	uint64_t digest = mka_digest(m);
	enum mka_result r = mka_input(m, frame, len, now);

	if (r >= MKA_NOT_MKPDU && r <= MKA_ICV_WRONG)
		MUST(digest == mka_digest(m));
}

static void frames(struct mka *m, struct rd *r, enum how how)
{
	uint64_t now = group.l->now;
	uint8_t buf[2048];

	for (unsigned i = 0; i < 8 && rd_left(r) > 2; i++) {
		size_t n = rd_u16(r);
		const uint8_t *p;

		n = n < rd_left(r) ? n : rd_left(r);
		n = n < 1500 ? n : 1500;
		p = rd_bytes(r, n);
		if (how == SEALED) {
			codec_holds(p, n);
			n = frame_seal(m, p, n, buf);
			throw(m, buf, n, now);
		} else {
			throw(m, p, n, now);
		}
		now = live_on(m, now, NS_PER_S / 2);
	}
	record_holds(m, live_on(m, now, 30 * NS_PER_S));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_init(data, size), record;
	enum how how = rd_u8(&r) % HOW_COUNT;
	uint8_t count = 0;
	struct mka *m;

	if (!group.l)
		group_make();
	m = victim_new(&count);
	record = how == RECORD ? r : rd_init(group.record, group.len);
	if (mka_load(m, &record, group.l->now) == 0 && how == RECORD) {
		mka_synced(m, group.l->now);
		live_on(m, group.l->now, 30 * NS_PER_S);
	} else if (how != RECORD) {
		frames(m, &r, how);
	}
	mka_free(m);
	return 0;
}
