/*
 * Malformed and forged MKPDUs. A row is a defect, the clause of IEEE 802.1X-2020 it offends and
 * the counter that must move. That counter moves by one and no other; the state's digest stays;
 * the sink is not called; nothing is sent. The victim is a member of a settled group of three
 * whose key server the frames claim to be from.
 *
 * The first table needs no key: what anybody on the wire can send. The frames of the second have
 * a right ICV: a member gone mad, or old frames of a sane one.
 */
#include "crypto/cmac.h"
#include "crypto/keywrap.h"
#include "crypto/mka_kdf.h"
#include "key/mka/mka_lan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define VICTIM 1
#define BODY 18 /* where the EAPOL packet body starts */

struct scene {
	struct lan *l;
	struct mka *v;       /* the victim */
	uint8_t frame[2048]; /* what is thrown at it */
	size_t len;
	struct lan_frame old; /* an earlier frame of the key server */
	struct mkpdu p;       /* a right next MKPDU of the key server, to be spoilt */
	uint8_t list[8 * MKPDU_PEER_LEN];
	uint8_t wrapped[MKPDU_WRAPPED_MAX];
	struct secret ick;
};

static void put_entry(uint8_t *at, const struct mka *m)
{
	struct wr w = wr_init(at, MKPDU_PEER_LEN);

	wr_bytes(&w, m->principal->mi, MKA_MI_LEN);
	wr_u32(&w, m->principal->mn);
}

/* The MKPDU the key server could send next: it lists both others and distributes a next SAK. */
static void scene_right(struct scene *s)
{
	const struct mka *m = s->l->nodes[0].m;
	const struct actor *ks = m->principal;
	static const uint8_t sak[32] = {1, 2, 3};
	static const uint8_t tlvs[] = {0xe0, 10, 0, 2, 0, 0x80, 0xc2, 0, 1, 0, 0, 4};

	put_entry(s->list, s->l->nodes[2].m);
	put_entry(s->list + MKPDU_PEER_LEN, s->l->nodes[1].m);
	assert_int_equal(keywrap_wrap(ks->kek.b, ks->kek.len, sak, 32, s->wrapped), 0);
	s->p = (struct mkpdu){
		.version = 3,
		.priority = m->cfg.priority,
		.capability = MKPDU_CAPABLE_CONF_0,
		.key_server = true,
		.desired = true,
		.sci = m->cfg.sci,
		.mi = ks->mi,
		.mn = ks->mn + 1,
		.agility = MKPDU_AGILITY,
		.ckn = ks->key.ckn,
		.ckn_len = ks->key.ckn_len,
		.present = 1u << MKPDU_LIVE | 1u << MKPDU_SAK_USE | 1u << MKPDU_DIST_SAK |
			   1u << MKPDU_ANNOUNCEMENT | 1u << MKPDU_XPN,
		.announcement = {tlvs, sizeof(tlvs)},
		.live = {.v = s->list, .count = 2, .ks_ssci = 3},
		.use.old = {.mi = m->sak[SAK_OLD].ki.mi,
			    .kn = m->sak[SAK_OLD].ki.kn,
			    .lpn = 1,
			    .an = m->sak[SAK_OLD].an,
			    .tx = true,
			    .rx = true},
		.sak = {.an = 2,
			.offset = MKPDU_CONF_0,
			.kn = 77,
			.suite = macsec_suites[MACSEC_GCM_AES_XPN_256].id,
			.wrapped = s->wrapped,
			.wrapped_len = 40},
	};
}

static void scene_icv(struct scene *s)
{
	s->frame[16] = (uint8_t)((s->len - BODY + MKPDU_ICV_LEN) >> 8);
	s->frame[17] = (uint8_t)(s->len - BODY + MKPDU_ICV_LEN);
	assert_int_equal(cmac_aes(s->ick.b, s->ick.len, s->frame, s->len, s->frame + s->len), 0);
	s->len += MKPDU_ICV_LEN;
}

/* s->p as a frame, without its ICV. */
static void scene_frame(struct scene *s)
{
	struct wr w = wr_init(s->frame, sizeof(s->frame) - MKPDU_ICV_LEN);

	wr_bytes(&w, s->v->cfg.destination, 6);
	wr_u32(&w, (uint32_t)(s->p.sci >> 32));
	wr_u16(&w, (uint16_t)(s->p.sci >> 16));
	wr_u16(&w, 0x888e);
	wr_u8(&w, EAPOL_VERSION);
	wr_u8(&w, EAPOL_TYPE_MKA);
	wr_u16(&w, 0);
	mkpdu_build(&s->p, &w);
	assert_false(w.bad);
	s->len = wr_len(&w);
}

static void scene_sealed(struct scene *s)
{
	scene_frame(s);
	scene_icv(s);
}

/* Where the parameter set of that type starts in the frame. */
static size_t set_at(const struct scene *s, uint8_t type)
{
	size_t at = BODY;

	for (bool basic = true; at + 4 <= s->len; basic = false) {
		size_t len = (size_t)(s->frame[at + 2] & 15) << 8 | s->frame[at + 3];

		if (!basic && s->frame[at] == type)
			return at;
		at += 4 + (len + 3) / 4 * 4;
	}
	fail();
	return 0;
}

static void set_len(struct scene *s, size_t at, size_t len)
{
	s->frame[at + 2] = (uint8_t)((s->frame[at + 2] & 0xf0) | len >> 8);
	s->frame[at + 3] = (uint8_t)len;
}

static void scene_init(struct scene *s)
{
	const struct mka_key *key;
	struct secret kek;

	memset(s, 0, sizeof(*s));
	s->l = lan_new(3, NULL);
	for (unsigned i = 0; i < 3; i++)
		lan_start(s->l, i);
	assert_true(lan_until(s->l, lan_agreed, 10 * NS_PER_S));
	s->old = s->l->last[0];
	lan_run(s->l, s->l->now + 21 * NS_PER_S);
	s->v = s->l->nodes[VICTIM].m;
	key = &s->v->principal->key;
	assert_int_equal(mka_kdf_keys(&key->cak, key->ckn, key->ckn_len, &s->ick, &kek), 0);
	scene_right(s);
	scene_sealed(s);
}

/* --- without the CAK: the right frame, changed on the way --- */

static void nothing(struct scene *s, unsigned arg)
{
	s->len = arg;
}

static void byte_xor(struct scene *s, unsigned arg)
{
	s->frame[arg & 0xffff] ^= (uint8_t)(arg >> 16 ? arg >> 16 : 1);
}

static void tagged(struct scene *s, unsigned arg)
{
	memmove(s->frame + 16, s->frame + 12, s->len - 12);
	memcpy(s->frame + 12, (const uint8_t[]){0x81, 0, (uint8_t)(arg >> 8), (uint8_t)arg}, 4);
	s->len += 4;
}

static void eapol_version(struct scene *s, unsigned arg)
{
	s->frame[14] = (uint8_t)arg;
}

static void eapol_length(struct scene *s, unsigned arg)
{
	s->frame[16] = (uint8_t)(arg >> 8);
	s->frame[17] = (uint8_t)arg;
}

static void basic_length(struct scene *s, unsigned arg)
{
	set_len(s, BODY, arg);
}

static void oversized(struct scene *s, unsigned arg)
{
	memset(s->frame + s->len, 0, arg - s->len);
	s->len = arg;
}

static void another_ckn(struct scene *s, unsigned arg)
{
	s->p.ckn = (const uint8_t *)"abcdefghijklmnopq";
	s->p.ckn_len = (uint8_t)arg;
	scene_sealed(s);
}

static void icv_byte(struct scene *s, unsigned arg)
{
	s->frame[s->len - 16 + arg] ^= 0x80;
}

static void icv_zero(struct scene *s, unsigned arg)
{
	(void)arg;
	memset(s->frame + s->len - 16, 0, 16);
}

static void icv_of_another_cak(struct scene *s, unsigned arg)
{
	(void)arg;
	s->ick.b[0] ^= 1;
	scene_sealed(s);
}

static void icv_of_an_old_frame(struct scene *s, unsigned arg)
{
	(void)arg;
	memcpy(s->frame + s->len - 16, s->old.b + s->old.len - 16, 16);
}

static void to_us_alone(struct scene *s, unsigned arg)
{
	(void)arg;
	memcpy(s->frame, (const uint8_t[]){2, 0, 0, 0, 0, VICTIM + 1}, 6);
}

static void in_set(struct scene *s, unsigned arg)
{
	s->frame[set_at(s, (uint8_t)(arg >> 8)) + (arg & 0xff)] ^= 1;
}

/* Ends after so many parameter sets, the EAPOL length right, the ICV the last 16 octets left. */
static void cut_after(struct scene *s, unsigned arg)
{
	static const uint8_t types[] = {MKPDU_LIVE, MKPDU_SAK_USE, MKPDU_DIST_SAK,
					MKPDU_ANNOUNCEMENT, MKPDU_XPN};

	s->len = set_at(s, types[arg]) + 16;
	eapol_length(s, (unsigned)(s->len - BODY));
}

static void cut_to(struct scene *s, unsigned arg)
{
	s->len -= arg;
	eapol_length(s, (unsigned)(s->len - BODY));
}

static void one_more_set(struct scene *s, unsigned arg)
{
	memmove(s->frame + s->len - 16 + arg, s->frame + s->len - 16, 16);
	memset(s->frame + s->len - 16, 0, arg);
	s->frame[s->len - 16] = 9;
	s->frame[s->len - 13] = (uint8_t)(arg - 4);
	s->len += arg;
	eapol_length(s, (unsigned)(s->len - BODY));
}

/* --- with it --- */

static void again(struct scene *s, unsigned arg)
{
	struct lan_frame *f = arg ? &s->old : &s->l->last[0];

	memcpy(s->frame, f->b, f->len);
	s->len = f->len;
}

static void mn_is(struct scene *s, unsigned arg)
{
	s->p.mn = arg ? s->l->nodes[0].m->principal->mn + 1 - arg : 0;
	scene_sealed(s);
}

static void reflected(struct scene *s, unsigned arg)
{
	(void)arg;
	memcpy(s->frame, s->l->last[VICTIM].b, s->l->last[VICTIM].len);
	s->len = s->l->last[VICTIM].len;
}

static const uint8_t stranger[MKA_MI_LEN] = "a stranger..";

static void our_sci_another_mi(struct scene *s, unsigned arg)
{
	(void)arg;
	s->p.mi = stranger;
	s->p.sci = s->v->cfg.sci;
	scene_sealed(s);
}

static void their_sci_another_mi(struct scene *s, unsigned arg)
{
	s->p.mi = stranger;
	s->p.present = 0;
	if (arg) { /* lists us, with a number from long ago */
		s->list[MKPDU_PEER_LEN + 15] = 1;
		s->p.present = 1u << MKPDU_LIVE;
	}
	scene_sealed(s);
}

static void their_mi_another_sci(struct scene *s, unsigned arg)
{
	(void)arg;
	s->p.sci ^= 0xff0000;
	scene_sealed(s);
}

static void mka_version(struct scene *s, unsigned arg)
{
	s->p.version = (uint8_t)arg;
	scene_sealed(s);
}

/* The body length of a set is another than its type may have; the set is as long as it says. */
static void set_sized(struct scene *s, unsigned arg)
{
	uint8_t type = (uint8_t)(arg >> 12);
	size_t len = arg & 0xfff, padded = (len + 3) / 4 * 4;

	s->p.present = 0;
	scene_frame(s);
	memset(s->frame + s->len, 0, 4 + padded);
	s->frame[s->len] = type;
	set_len(s, s->len, len);
	s->len += 4 + padded;
	scene_icv(s);
}

static void set_claims(struct scene *s, unsigned arg)
{
	scene_frame(s);
	set_len(s, set_at(s, (uint8_t)(arg >> 12)), arg & 0xfff);
	scene_icv(s);
}

static void set_twice(struct scene *s, unsigned arg)
{
	size_t at, len;

	scene_frame(s);
	at = set_at(s, (uint8_t)arg);
	len = 4 + ((size_t)(s->frame[at + 2] & 15) << 8 | s->frame[at + 3]);
	memcpy(s->frame + s->len, s->frame + at, len);
	s->len += len;
	scene_icv(s);
}

/* An announcement whose TLVs cannot be. */
static void tlvs_are(struct scene *s, unsigned arg)
{
	static const struct {
		uint8_t len, v[14];
	} bodies[] = {
		{1, {0xe0}},           /* half a head */
		{4, {0xe0, 10, 0, 2}}, /* cut in its first suite */
		{3, {0xde, 2, 0}},     /* access information cut */
		{4, {0xe1, 0, 0, 0}},  /* 256 octets */
		{13, {0xe0, 11, 0, 2, 0, 0x80, 0xc2, 0, 1, 0, 0, 4, 0}},    /* a suite and a bit */
		{13, {0xe0, 10, 0, 2, 0, 0x80, 0xc2, 0, 1, 0, 0, 4, 0xe0}}, /* half a head behind */
		{4, {0xfe, 9, 1, 2}}, /* organizationally specific, cut */
	};

	s->p.announcement.tlvs = bodies[arg].v;
	s->p.announcement.len = bodies[arg].len;
	scene_sealed(s);
}

static void icv_indicator(struct scene *s, unsigned arg)
{
	scene_frame(s);
	memcpy(s->frame + s->len, (const uint8_t[]){255, 0, 0, (uint8_t)arg, 9, 0, 0, 0}, 8);
	s->len += arg == 16 ? 8 : 4; /* a set after it, or a wrong length */
	scene_icv(s);
}

static void bad_wrap(struct scene *s, unsigned arg)
{
	s->wrapped[arg] ^= 1;
	scene_sealed(s);
}

static void short_key(struct scene *s, unsigned arg)
{
	s->p.sak.wrapped_len = 24;
	s->p.sak.suite = macsec_suites[arg].id;
	scene_sealed(s);
}

static void long_key(struct scene *s, unsigned arg)
{
	s->p.sak.suite = macsec_suites[arg].id;
	scene_sealed(s);
}

static void kn_zero(struct scene *s, unsigned arg)
{
	s->p.sak.kn = arg;
	scene_sealed(s);
}

static void offset_is(struct scene *s, unsigned arg)
{
	s->p.sak.offset = (uint8_t)arg;
	scene_sealed(s);
}

static void member_twice(struct scene *s, unsigned arg)
{
	(void)arg;
	memcpy(s->list + 2 * MKPDU_PEER_LEN, s->list, MKPDU_PEER_LEN);
	s->p.live.count = 3;
	scene_sealed(s);
}

static void server_in_its_own_list(struct scene *s, unsigned arg)
{
	(void)arg;
	put_entry(s->list + 2 * MKPDU_PEER_LEN, s->l->nodes[0].m);
	s->p.live.count = 3;
	scene_sealed(s);
}

struct row {
	const char *defect, *clause;
	enum mka_result counter;
	void (*spoil)(struct scene *s, unsigned arg);
	unsigned arg;
};

#define SET(type, len) ((unsigned)(type) << 12 | (len))
#define IN(type, at) ((unsigned)(type) << 8 | (at))

static const struct row without_the_cak[] = {
	{"no octets at all", "11.4", MKA_NOT_MKPDU, nothing, 0},
	{"ends within the addresses", "11.4", MKA_NOT_MKPDU, nothing, 13},
	{"another destination", "11.1.1", MKA_NOT_MKPDU, byte_xor, 5},
	{"a group address as source", "11.1.2", MKA_NOT_MKPDU, byte_xor, 6},
	{"another EtherType", "11.1.4", MKA_NOT_MKPDU, byte_xor, 13},
	{"a tag where there is none", "11.1.4", MKA_NOT_MKPDU, tagged, 10},
	{"a priority tag", "11.1.4", MKA_NOT_MKPDU, tagged, 0xe000},
	{"EAP instead of MKA", "11.3.2", MKA_NOT_MKPDU, byte_xor, 15 | 5 << 16},
	{"an announcement instead of MKA", "11.3.2", MKA_NOT_MKPDU, byte_xor, 15 | 1 << 16},
	{"EAPOL version 2", "11.3.1", MKA_VERSION, eapol_version, 2},
	{"EAPOL version 0", "11.3.1", MKA_VERSION, eapol_version, 0},
	{"a body longer than the frame", "11.4", MKA_MALFORMED, eapol_length, 500},
	{"no body", "11.11.2 a", MKA_MALFORMED, eapol_length, 0},
	{"a body of 28 octets", "11.11.2 a", MKA_MALFORMED, eapol_length, 28},
	{"a body that is no multiple of 4", "11.11.2 b", MKA_MALFORMED, eapol_length, 101},
	{"a basic parameter set without CKN", "11.11.2 c", MKA_MALFORMED, basic_length, 28},
	{"a basic parameter set of no octets", "11.11.2 c", MKA_MALFORMED, basic_length, 0},
	{"a CKN of 33 octets", "11.11.2 c", MKA_MALFORMED, basic_length, 61},
	{"a basic parameter set over all", "11.11.2 c", MKA_MALFORMED, basic_length, 0xfff},
	{"a frame longer than any MKPDU", "11.4", MKA_MALFORMED, oversized, 1600},
	{"another CKN of the same length", "11.11.2 d", MKA_CKN_UNKNOWN, byte_xor, BODY + 32},
	{"a CKN that begins like ours", "11.11.2 d", MKA_CKN_UNKNOWN, another_ckn, 15},
	{"a CKN that goes on after ours", "11.11.2 d", MKA_CKN_UNKNOWN, another_ckn, 17},
	{"another algorithm agility", "11.11.2 e", MKA_AGILITY, byte_xor, BODY + 31},
	{"the first octet of the ICV wrong", "9.4.1", MKA_ICV_WRONG, icv_byte, 0},
	{"the last octet of the ICV wrong", "9.4.1", MKA_ICV_WRONG, icv_byte, 15},
	{"an ICV of zeroes", "9.4.1", MKA_ICV_WRONG, icv_zero, 0},
	{"an ICV by another CAK", "9.4.1", MKA_ICV_WRONG, icv_of_another_cak, 0},
	{"an ICV taken from another frame", "9.4.1", MKA_ICV_WRONG, icv_of_an_old_frame, 0},
	{"another source address", "9.4.1", MKA_ICV_WRONG, byte_xor, 11},
	{"sent on to us alone", "9.4.1", MKA_ICV_WRONG, to_us_alone, 0},
	{"another MKA version", "9.4.1", MKA_ICV_WRONG, byte_xor, BODY},
	{"a better priority", "9.4.1", MKA_ICV_WRONG, byte_xor, BODY + 1},
	{"the key server flag taken away", "9.4.1", MKA_ICV_WRONG, byte_xor,
	 BODY + 2 + (0x80 << 16)},
	{"another SCI", "9.4.1", MKA_ICV_WRONG, byte_xor, BODY + 4},
	{"another member identifier", "9.4.1", MKA_ICV_WRONG, byte_xor, BODY + 12},
	{"a larger message number", "9.4.1", MKA_ICV_WRONG, byte_xor, BODY + 24},
	{"somebody else in the live list", "9.4.1", MKA_ICV_WRONG, in_set, IN(MKPDU_LIVE, 4)},
	{"another SSCI", "9.4.1", MKA_ICV_WRONG, in_set, IN(MKPDU_LIVE, 1)},
	{"another key in use", "9.4.1", MKA_ICV_WRONG, in_set, IN(MKPDU_SAK_USE, 28)},
	{"another association number", "9.4.1", MKA_ICV_WRONG, in_set, IN(MKPDU_DIST_SAK, 1)},
	{"another cipher suite", "9.4.1", MKA_ICV_WRONG, in_set, IN(MKPDU_DIST_SAK, 15)},
	{"another wrapped SAK", "9.4.1", MKA_ICV_WRONG, in_set, IN(MKPDU_DIST_SAK, 40)},
	{"another lowest packet number", "9.4.1", MKA_ICV_WRONG, in_set, IN(MKPDU_XPN, 7)},
	{"a suspension asked for", "9.18", MKA_ICV_WRONG, in_set, IN(MKPDU_XPN, 1)},
	{"another number to refuse below", "9.10.1", MKA_ICV_WRONG, in_set, IN(MKPDU_SAK_USE, 43)},
	{"another suite announced", "11.12", MKA_ICV_WRONG, in_set, IN(MKPDU_ANNOUNCEMENT, 15)},
	{"another length of a TLV", "11.12", MKA_ICV_WRONG, in_set, IN(MKPDU_ANNOUNCEMENT, 5)},
	{"cut after the basic parameter set", "9.4.1", MKA_ICV_WRONG, cut_after, 0},
	{"cut after the live list", "9.4.1", MKA_ICV_WRONG, cut_after, 1},
	{"cut after the SAK use", "9.4.1", MKA_ICV_WRONG, cut_after, 2},
	{"cut after the distributed SAK", "9.4.1", MKA_ICV_WRONG, cut_after, 3},
	{"cut after the announcement", "9.4.1", MKA_ICV_WRONG, cut_after, 4},
	{"four octets missing at the end", "9.4.1", MKA_ICV_WRONG, cut_to, 4},
	{"the ICV missing", "9.4.1", MKA_ICV_WRONG, cut_to, 16},
	{"one parameter set more", "9.4.1", MKA_ICV_WRONG, one_more_set, 8},
};

static const struct row with_the_cak[] = {
	{"the last frame again", "9.4.3", MKA_REPLAYED, again, 0},
	{"a frame of 20 s ago again", "9.4.3", MKA_REPLAYED, again, 1},
	{"the last message number again", "9.4.3", MKA_REPLAYED, mn_is, 1},
	{"a message number from before", "9.4.3", MKA_REPLAYED, mn_is, 4},
	{"message number 0", "9.4.2", MKA_MALFORMED, mn_is, 0},
	{"our own frame come back", "9.4.2", MKA_OWN_MI, reflected, 0},
	{"our SCI under another identifier", "9.4.4", MKA_DUPLICATE_SCI, our_sci_another_mi, 0},
	{"a live SCI under another identifier", "9.4.4", MKA_DUPLICATE_SCI, their_sci_another_mi,
	 0},
	{"the same, proved by an old number", "9.4.4", MKA_DUPLICATE_SCI, their_sci_another_mi, 1},
	{"a known identifier under another SCI", "9.4.4", MKA_DUPLICATE_SCI, their_mi_another_sci,
	 0},
	{"MKA version 0", "11.11.1", MKA_VERSION, mka_version, 0},
	{"a live list of 15 octets", "11.11.1", MKA_MALFORMED, set_sized, SET(MKPDU_LIVE, 15)},
	{"a live list of 24 octets", "11.11.1", MKA_MALFORMED, set_sized, SET(MKPDU_LIVE, 24)},
	{"a potential list of 17 octets", "11.11.1", MKA_MALFORMED, set_sized,
	 SET(MKPDU_POTENTIAL, 17)},
	{"a SAK use of 36 octets", "11.11.1", MKA_MALFORMED, set_sized, SET(MKPDU_SAK_USE, 36)},
	{"a SAK use of 44 octets", "11.11.1", MKA_MALFORMED, set_sized, SET(MKPDU_SAK_USE, 44)},
	{"a distributed SAK of 4 octets", "11.11.1", MKA_MALFORMED, set_sized,
	 SET(MKPDU_DIST_SAK, 4)},
	{"a distributed SAK of 27 octets", "11.11.1", MKA_MALFORMED, set_sized,
	 SET(MKPDU_DIST_SAK, 27)},
	{"a distributed SAK of 44 octets", "11.11.1", MKA_MALFORMED, set_sized,
	 SET(MKPDU_DIST_SAK, 44)},
	{"a distributed SAK of 60 octets", "11.11.1", MKA_MALFORMED, set_sized,
	 SET(MKPDU_DIST_SAK, 60)},
	{"an XPN set of 4 octets", "11.11.1", MKA_MALFORMED, set_sized, SET(MKPDU_XPN, 4)},
	{"an XPN set of 12 octets", "11.11.1", MKA_MALFORMED, set_sized, SET(MKPDU_XPN, 12)},
	{"a live list over the end", "11.11.2", MKA_MALFORMED, set_claims, SET(MKPDU_LIVE, 0xff0)},
	{"an XPN set over the end", "11.11.2", MKA_MALFORMED, set_claims, SET(MKPDU_XPN, 28)},
	{"a live list that eats the SAK use", "11.11.2", MKA_MALFORMED, set_claims,
	 SET(MKPDU_LIVE, 48)},
	{"two live lists", "11.11.2", MKA_MALFORMED, set_twice, MKPDU_LIVE},
	{"two SAK uses", "11.11.2", MKA_MALFORMED, set_twice, MKPDU_SAK_USE},
	{"two distributed SAKs", "11.11.2", MKA_MALFORMED, set_twice, MKPDU_DIST_SAK},
	{"two announcements", "11.11.2", MKA_MALFORMED, set_twice, MKPDU_ANNOUNCEMENT},
	{"two XPN sets", "11.11.2", MKA_MALFORMED, set_twice, MKPDU_XPN},
	{"an XPN set of no octets", "11.11.1", MKA_MALFORMED, set_sized, SET(MKPDU_XPN, 0)},
	{"an announcement of no octets", "11.11.1", MKA_MALFORMED, set_sized,
	 SET(MKPDU_ANNOUNCEMENT, 0)},
	{"an announcement over the end", "11.11.2", MKA_MALFORMED, set_claims,
	 SET(MKPDU_ANNOUNCEMENT, 0xff0)},
	{"an announcement shorter than its TLV", "11.12", MKA_MALFORMED, set_claims,
	 SET(MKPDU_ANNOUNCEMENT, 8)},
	{"half the head of a TLV", "11.12", MKA_MALFORMED, tlvs_are, 0},
	{"a list of suites cut in the first", "11.12", MKA_MALFORMED, tlvs_are, 1},
	{"access information that is cut", "11.12", MKA_MALFORMED, tlvs_are, 2},
	{"a TLV longer than the set", "11.12", MKA_MALFORMED, tlvs_are, 3},
	{"suites that are not whole", "11.12", MKA_MALFORMED, tlvs_are, 4},
	{"half a TLV behind a whole one", "11.12", MKA_MALFORMED, tlvs_are, 5},
	{"somebody's own TLV that is cut", "11.12", MKA_MALFORMED, tlvs_are, 6},
	{"an ICV indicator of 8 octets", "11.11.1", MKA_MALFORMED, icv_indicator, 8},
	{"an ICV indicator that is not last", "11.11.1", MKA_MALFORMED, icv_indicator, 16},
	{"a SAK badly wrapped at its start", "9.8.2", MKA_SAK_REFUSED, bad_wrap, 0},
	{"a SAK badly wrapped at its end", "9.8.2", MKA_SAK_REFUSED, bad_wrap, 39},
	{"a key too short for its suite", "9.8.2", MKA_SAK_REFUSED, short_key,
	 MACSEC_GCM_AES_XPN_256},
	{"a key too long for its suite", "9.8.2", MKA_SAK_REFUSED, long_key,
	 MACSEC_GCM_AES_XPN_128},
	{"key number 0", "9.8", MKA_SAK_REFUSED, kn_zero, 0},
	{"a confidentiality offset of 30", "11.11.1", MKA_SAK_REFUSED, offset_is, MKPDU_CONF_30},
	{"a member listed twice", "9.10", MKA_SAK_REFUSED, member_twice, 0},
	{"the key server in its own list", "9.10", MKA_SAK_REFUSED, server_in_its_own_list, 0},
};

/* Throws s->frame at the victim: one counter moves, nothing else. */
static bool only_counts(struct scene *s, const char *what, enum mka_result want)
{
	struct mka *v = s->v;
	uint64_t before[MKA_RESULT_COUNT], digest = mka_digest(v), deadline = mka_deadline(v);
	unsigned retired = s->l->nodes[VICTIM].retired;
	uint8_t out[MKA_FRAME_MAX];
	struct lan_sa sas[8];
	enum mka_result got;
	bool good = true;

	memcpy(before, v->results, sizeof(before));
	memcpy(sas, s->l->nodes[VICTIM].sas, sizeof(sas));
	got = mka_input(v, s->frame, s->len, s->l->now);
	before[want]++;
	good &= got == want && !memcmp(before, v->results, sizeof(before));
	good &= digest == mka_digest(v) && mka_output(v, out) == 0;
	good &= retired == s->l->nodes[VICTIM].retired && mka_deadline(v) == deadline;
	good &= !memcmp(sas, s->l->nodes[VICTIM].sas, sizeof(sas));
	if (!good)
		fprintf(stderr, "%s: %s instead of %s, or the state changed\n", what,
			mka_result_name(got), mka_result_name(want));
	return good;
}

static void run_rows(const struct row *rows, size_t n)
{
	bool good = true;

	for (size_t i = 0; i < n; i++) {
		struct scene s;

		scene_init(&s);
		rows[i].spoil(&s, rows[i].arg);
		good &= only_counts(&s, rows[i].defect, rows[i].counter);
		lan_free(s.l);
	}
	assert_true(good);
}

static void who_has_no_cak_moves_one_counter_and_nothing_else(void **state)
{
	(void)state;
	run_rows(without_the_cak, sizeof(without_the_cak) / sizeof(without_the_cak[0]));
}

static void who_has_it_and_errs_moves_one_counter_and_nothing_else(void **state)
{
	(void)state;
	run_rows(with_the_cak, sizeof(with_the_cak) / sizeof(with_the_cak[0]));
}

static void right_frame_is_taken(void **state)
{
	struct scene s;
	uint64_t digest;

	(void)state; /* else the tables would prove nothing */
	scene_init(&s);
	digest = mka_digest(s.v);
	assert_int_equal(mka_input(s.v, s.frame, s.len, s.l->now), MKA_OK);
	assert_int_not_equal(digest, mka_digest(s.v));
	assert_true(s.v->sak[SAK_LATEST].held);
	assert_int_equal(s.v->sak[SAK_LATEST].ki.kn, 77);
	lan_free(s.l);
}

static void suspension_beyond_the_limit_is_cut_to_it(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	s.p.present &= ~(1u << MKPDU_DIST_SAK);
	s.p.xpn.suspension = 255;
	scene_sealed(&s);
	assert_int_equal(mka_input(s.v, s.frame, s.len, s.l->now), MKA_OK);
	assert_int_equal(s.v->suspended_until, s.l->now + MKA_SUSPENSION_LIMIT_S * NS_PER_S);
	lan_free(s.l);
}

static void from_node_2(struct scene *s);

static void suspension_by_who_is_not_key_server_is_none(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	from_node_2(&s);
	s.p.present &= ~(1u << MKPDU_DIST_SAK);
	s.p.xpn.suspension = 60;
	scene_sealed(&s);
	assert_int_equal(mka_input(s.v, s.frame, s.len, s.l->now), MKA_OK);
	assert_int_equal(s.v->suspended_until, 0);
	lan_free(s.l);
}

static void suspension_that_proves_nothing_is_none(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	s.p.present = 1u << MKPDU_XPN; /* authentic, but it does not list us */
	s.p.xpn.suspension = 60;
	scene_sealed(&s);
	assert_int_equal(mka_input(s.v, s.frame, s.len, s.l->now), MKA_NOT_LIVE);
	assert_int_equal(s.v->suspended_until, 0);
	lan_free(s.l);
}

static void every_flipped_bit_is_found(void **state)
{
	struct scene s;
	uint64_t digest;

	(void)state;
	scene_init(&s);
	digest = mka_digest(s.v);
	for (size_t bit = 0; bit < s.len * 8; bit++) {
		s.frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(mka_input(s.v, s.frame, s.len, s.l->now), MKA_OK);
		s.frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(digest, mka_digest(s.v));
	lan_free(s.l);
}

static void every_shorter_frame_is_refused(void **state)
{
	struct scene s;
	uint64_t digest;
	size_t len;

	(void)state;
	scene_init(&s);
	digest = mka_digest(s.v);
	len = s.len;
	for (size_t n = 0; n < len; n++) {
		uint8_t b[2048];

		memcpy(b, s.frame, n);
		assert_int_not_equal(mka_input(s.v, b, n, s.l->now), MKA_OK);
		if (n < BODY)
			continue;
		b[16] = (uint8_t)((n - BODY) >> 8);
		b[17] = (uint8_t)(n - BODY);
		assert_int_not_equal(mka_input(s.v, b, n, s.l->now), MKA_OK);
	}
	assert_int_equal(digest, mka_digest(s.v));
	lan_free(s.l);
}

/* The same MKPDU with the set and without it leaves the same state: the set itself did nothing. */
static void set_changes_nothing(void (*spoil)(struct scene *s), enum mka_result want)
{
	struct scene a, b;

	scene_init(&a);
	scene_init(&b);
	spoil(&a);
	spoil(&b);
	b.p.present &= ~(1u << MKPDU_DIST_SAK);
	b.p.live.ks_ssci = 0;
	scene_sealed(&a);
	scene_sealed(&b);
	assert_int_equal(mka_input(a.v, a.frame, a.len, a.l->now), want);
	assert_int_equal(mka_input(b.v, b.frame, b.len, b.l->now), MKA_OK);
	assert_int_equal(mka_digest(a.v), mka_digest(b.v));
	lan_free(a.l);
	lan_free(b.l);
}

static void from_node_2(struct scene *s)
{
	struct mka *other = s->l->nodes[2].m;

	s->p.mi = other->principal->mi;
	s->p.mn = other->principal->mn + 1;
	s->p.sci = other->cfg.sci;
	s->p.priority = other->cfg.priority;
	put_entry(s->list, s->l->nodes[0].m);
}

static void suite_not_configured(struct scene *s)
{
	s->v->cfg.accept_suites = 1u << MACSEC_GCM_AES_XPN_128;
}

static void suite_unknown(struct scene *s)
{
	s->p.sak.suite = 0x0080c20001000099;
}

static void no_macsec_at_all(struct scene *s)
{
	s->p.sak.plain = true;
}

static void sak_of_somebody_who_is_not_key_server_is_ignored(void **state)
{
	(void)state;
	set_changes_nothing(from_node_2, MKA_SAK_REFUSED);
}

static void sak_of_a_suite_not_configured_is_ignored(void **state)
{
	(void)state;
	set_changes_nothing(suite_not_configured, MKA_SAK_REFUSED);
	set_changes_nothing(suite_unknown, MKA_SAK_REFUSED);
}

static void no_encryption(struct scene *s)
{
	s->p.sak.offset = MKPDU_NO_CONF;
}

static void key_server_cannot_talk_us_out_of_encryption(void **state)
{
	(void)state;
	set_changes_nothing(no_encryption, MKA_SAK_REFUSED);
}

static void key_server_cannot_talk_us_out_of_macsec(void **state)
{
	(void)state;
	set_changes_nothing(no_macsec_at_all, MKA_SAK_REFUSED);
}

static void flood_of_strangers_is_bounded(void **state)
{
	struct scene s;
	unsigned refused = 0;
	uint64_t sent;

	(void)state; /* members, all of them, or old frames of such */
	scene_init(&s);
	sent = s.v->principal->tx_mkpdus;
	s.p.present = 0;
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t mi[MKA_MI_LEN] = {(uint8_t)i, (uint8_t)(i >> 8), 7};
		uint8_t out[MKA_FRAME_MAX];

		s.p.mi = mi;
		s.p.sci = 0x0600000000000001 + ((uint64_t)i << 16);
		scene_sealed(&s);
		refused +=
			mka_input(s.v, s.frame, s.len, s.l->now + i * 1000) == MKA_TOO_MANY_PEERS;
		while (mka_output(s.v, out))
			;
	}
	assert_int_equal(s.v->principal->peer_count, MKA_PEERS_MAX);
	assert_int_equal(refused, 20000 - (MKA_PEERS_MAX - 2));
	assert_int_equal(peers_live(s.v->principal), 2);
	assert_true(s.v->principal->tx_mkpdus - sent <=
		    2); /* 20 ms of it: news are told ten times a second */
	lan_free(s.l);
}

static void proven_newcomer_displaces_who_proved_nothing(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	for (unsigned i = 0; i <= MKA_PEERS_MAX; i++) {
		uint8_t mi[MKA_MI_LEN] = {(uint8_t)i, 9};

		s.p.mi = mi;
		s.p.sci = 0x0600000000000001 + ((uint64_t)i << 16);
		s.p.key_server = false;
		s.p.present = i == MKA_PEERS_MAX ? 1u << MKPDU_LIVE : 0;
		scene_sealed(&s);
		assert_int_equal(mka_input(s.v, s.frame, s.len, s.l->now),
				 i == MKA_PEERS_MAX       ? MKA_OK
				 : i >= MKA_PEERS_MAX - 2 ? MKA_TOO_MANY_PEERS
							  : MKA_NOT_LIVE);
	}
	assert_int_equal(peers_live(s.v->principal), 3);
	lan_free(s.l);
}

static void unknown_parameter_sets_are_skipped(void **state)
{
	struct scene s;

	(void)state; /* 11.11.2: for what later versions add */
	scene_init(&s);
	s.p.version = 9;
	scene_frame(&s);
	memcpy(s.frame + s.len,
	       (const uint8_t[]){77, 1, 0xf0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 78, 0, 0, 0}, 16);
	s.len += 16;
	scene_icv(&s);
	assert_int_equal(mka_input(s.v, s.frame, s.len, s.l->now), MKA_OK);
	assert_int_equal(s.v->sak[SAK_LATEST].ki.kn, 77);
	lan_free(s.l);
}

static void icv_indicator_of_16_octets_is_understood(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	scene_frame(&s);
	memcpy(s.frame + s.len, (const uint8_t[]){255, 0, 0, 16}, 4);
	s.len += 4;
	scene_icv(&s);
	assert_int_equal(mka_input(s.v, s.frame, s.len, s.l->now), MKA_OK);
	lan_free(s.l);
}

static void octets_behind_the_body_are_padding(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	memset(s.frame + s.len, 0x5a, 40);
	s.len += 40;
	assert_int_equal(mka_input(s.v, s.frame, s.len, s.l->now), MKA_OK);
	lan_free(s.l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_frame_is_taken),
		cmocka_unit_test(who_has_no_cak_moves_one_counter_and_nothing_else),
		cmocka_unit_test(who_has_it_and_errs_moves_one_counter_and_nothing_else),
		cmocka_unit_test(suspension_beyond_the_limit_is_cut_to_it),
		cmocka_unit_test(suspension_by_who_is_not_key_server_is_none),
		cmocka_unit_test(suspension_that_proves_nothing_is_none),
		cmocka_unit_test(every_flipped_bit_is_found),
		cmocka_unit_test(every_shorter_frame_is_refused),
		cmocka_unit_test(sak_of_somebody_who_is_not_key_server_is_ignored),
		cmocka_unit_test(sak_of_a_suite_not_configured_is_ignored),
		cmocka_unit_test(key_server_cannot_talk_us_out_of_encryption),
		cmocka_unit_test(key_server_cannot_talk_us_out_of_macsec),
		cmocka_unit_test(flood_of_strangers_is_bounded),
		cmocka_unit_test(proven_newcomer_displaces_who_proved_nothing),
		cmocka_unit_test(unknown_parameter_sets_are_skipped),
		cmocka_unit_test(icv_indicator_of_16_octets_is_understood),
		cmocka_unit_test(octets_behind_the_body_are_padding),
	};

	log_init("test", LOG_LVL_ERROR);
	printf("# %zu classes of malformed or forged MKPDUs\n",
	       sizeof(without_the_cak) / sizeof(without_the_cak[0]) +
		       sizeof(with_the_cak) / sizeof(with_the_cak[0]));
	return cmocka_run_group_tests_name("key/mka/hostile", tests, NULL, NULL);
}
