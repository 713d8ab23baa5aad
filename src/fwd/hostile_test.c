/*
 * hostile: frames that a carrier, or somebody on it, may deliver. A row is a defect, the clause
 * of 802.1AE-2018 it offends, and the one counter it may move; the state area must not change.
 */
#include "fwd/node_test.h"

#include "sa/table.h"

#include <stdio.h>

#define NONE SA_COUNT_COUNT

/* Two peers, so that a frame without SCI is ambiguous; a speaks to b, c is there. */
struct scene {
	struct node a, b, c;
	uint8_t inner[200], wire[2048];
	size_t inner_len, len;
};

/* One change a line reads best. */
/* clang-format off */
typedef void change_fn(struct scene *s);

static void change_version(struct scene *s) { s->wire[14] |= 0x80; }
static void change_es_sc(struct scene *s) { s->wire[14] |= 0x40; }
static void change_scb_sc(struct scene *s) { s->wire[14] |= 0x10; }
static void change_sl_bit7(struct scene *s) { s->wire[15] = 0x40; }
static void change_sl_bit8(struct scene *s) { s->wire[15] = 0x80; }
static void change_sl_48(struct scene *s) { s->wire[15] = 48; }
static void change_sl_low(struct scene *s) { s->wire[15] = 20; }
static void change_e_only(struct scene *s) { s->wire[14] &= 0xfb; }
static void change_c_only(struct scene *s) { s->wire[14] &= 0xf7; }
static void change_no_ec(struct scene *s) { s->wire[14] &= 0xf3; }
static void change_an(struct scene *s) { s->wire[14] ^= 2; }
static void change_sci(struct scene *s) { s->wire[24] ^= 0x11; }
static void change_own(struct scene *s) { s->wire[25] = s->b.id; }
static void change_no_sc(struct scene *s) { s->wire[14] &= 0xdf; }
static void change_scb(struct scene *s) { s->wire[14] = (s->wire[14] & 0xdf) | 0x10; }
static void change_es(struct scene *s) { s->wire[14] = (s->wire[14] & 0xdf) | 0x40; }
static void change_icv(struct scene *s) { s->wire[s->len - 1] ^= 1; }
static void change_data(struct scene *s) { s->wire[40] ^= 0x80; }
static void change_dst(struct scene *s) { s->wire[0] ^= 0x02; }
static void change_src(struct scene *s) { s->wire[11] ^= 0x01; }
static void change_pn_near(struct scene *s) { s->wire[19] += 3; }
static void change_pn_far(struct scene *s) { s->wire[16] ^= 0x40; }
static void change_pn_half(struct scene *s) { s->wire[16] ^= 0x80; }
static void change_grow(struct scene *s) { s->len++; }
static void change_shrink(struct scene *s) { s->len--; }
static void change_cut_data(struct scene *s) { s->len = 28 + 47 + 16; }
static void change_cut_icv(struct scene *s) { s->len = 28 + 8; }
static void change_cut_tag(struct scene *s) { s->len = 17; }
static void change_cut_sci(struct scene *s) { s->len = 25; }
static void change_cut_all(struct scene *s) { s->len = 13; }
static void change_nothing(struct scene *s) { s->len = 0; }
static void change_ipv4(struct scene *s) { memcpy(s->wire + 12, "\x08\x00\x45", 3); }
static void change_arp(struct scene *s) { memcpy(s->wire + 12, "\x08\x06", 2); }
static void change_eapol(struct scene *s) { memcpy(s->wire + 12, "\x88\x8e", 2); }
static void change_eapol_own(struct scene *s) { memcpy(s->wire + 12, "\x87\x6f", 2); }
static void change_length_field(struct scene *s) { memcpy(s->wire + 12, "\x00\x2e", 2); }

static void tag_insert(struct scene *s, const char *tag)
{
	memmove(s->wire + 16, s->wire + 12, s->len - 12);
	memcpy(s->wire + 12, tag, 4);
	s->len += 4;
}

static void change_vlan(struct scene *s) { tag_insert(s, "\x81\x00\x00\x07"); }
static void change_stag(struct scene *s) { tag_insert(s, "\x88\xa8\x00\x07"); }

static void change_two_tags(struct scene *s)
{
	tag_insert(s, "\x81\x00\x00\x00");
	tag_insert(s, "\x81\x00\x00\x00");
}

static void change_pn_zero(struct scene *s) { memset(s->wire + 16, 0, 4); }

/* Frames of a that b has had already, and one that is behind the window. */
static void change_replay(struct scene *s)
{
	uint8_t out[2048];

	assert_int_equal(node_receive(&s->b, s->wire, s->len, out), s->inner_len);
}

static void change_late(struct scene *s)
{
	uint8_t wire[2048], out[2048];

	for (unsigned i = 0; i < 65; i++) {
		size_t n = node_send(&s->a, s->inner, s->inner_len, wire);

		assert_int_equal(node_receive(&s->b, wire, n, out), s->inner_len);
	}
}

/* The same SCI and AN, another key: somebody who cannot know ours. */
static void change_key(struct scene *s)
{
	struct node other;
	struct msg m;

	node_init(&other, s->a.id, 0);
	m = node_sa(MSG_SA_TRANSMIT, node_sci(s->a.id), 1, 99, MACSEC_GCM_AES_XPN_256);
	m.sa.pn = 1000;
	assert_int_equal(fwd_control(other.f, &m), 0);
	s->len = node_send(&other, s->inner, s->inner_len, s->wire);
	assert_int_not_equal(s->len, 0);
	node_fini(&other);
}

/* c's own frame, told to be a's. */
static void change_impersonate(struct scene *s)
{
	for (unsigned i = 0; i < 9; i++) /* to a number that b has not had of a */
		s->len = node_send(&s->c, s->inner, s->inner_len, s->wire);
	s->wire[25] = s->a.id;
	s->wire[14] |= 1; /* AN */
}

static const struct row {
	const char *defect, *clause;
	change_fn *change;
	enum fwd_fate fate;
	unsigned counter; /* enum sa_count, or NONE */
	enum macsec_suite suite;
	unsigned inner;   /* octets of the inner frame; 0: 114 */
} rows[] = {
	{"version bit set", "9.12 c", change_version, FATE_DROP_TAG_VERSION, IN_PKTS_BAD_TAG, 3, 0},
	{"ES and SC", "9.12 d", change_es_sc, FATE_DROP_TAG_ES_SC, IN_PKTS_BAD_TAG, 3, 0},
	{"SCB and SC", "9.12 d", change_scb_sc, FATE_DROP_TAG_SCB_SC, IN_PKTS_BAD_TAG, 3, 0},
	{"SL with bit 7", "9.12 e", change_sl_bit7, FATE_DROP_TAG_SL, IN_PKTS_BAD_TAG, 3, 0},
	{"SL with bit 8", "9.12 e", change_sl_bit8, FATE_DROP_TAG_SL, IN_PKTS_BAD_TAG, 3, 0},
	{"SL of 48", "9.7", change_sl_48, FATE_DROP_TAG_SL, IN_PKTS_BAD_TAG, 3, 0},
	{"SL below the length", "9.12 i", change_sl_low, FATE_DROP_TAG_EXCESS, IN_PKTS_BAD_TAG, 3, 0},
	{"SL above the length", "9.12 i", change_sl_low, FATE_DROP_TAG_SHORT, IN_PKTS_BAD_TAG, 3, 30},
	{"no SL and 47 octets", "9.12 i", change_cut_data, FATE_DROP_TAG_SHORT, IN_PKTS_BAD_TAG, 3, 0},
	{"shorter than an ICV", "9.12 i", change_cut_icv, FATE_DROP_TAG_SHORT, IN_PKTS_BAD_TAG, 3, 0},
	{"ends within the SecTAG", "9.12 a", change_cut_tag, FATE_DROP_TAG_CUT, IN_PKTS_BAD_TAG, 3, 0},
	{"ends within the SCI", "9.12 a", change_cut_sci, FATE_DROP_TAG_CUT, IN_PKTS_BAD_TAG, 3, 0},
	{"E without C", "9.5", change_e_only, FATE_DROP_TAG_E, IN_PKTS_BAD_TAG, 3, 0},
	{"C without E", "9.5", change_c_only, FATE_DROP_TAG_C, IN_PKTS_BAD_TAG, 3, 0},
	{"PN 0", "9.8, 10.6", change_pn_zero, FATE_DROP_TAG_PN_ZERO, IN_PKTS_BAD_TAG, 0, 0},
	{"PN 0 of 64 bits", "9.8, 10.6", change_pn_zero, FATE_DROP_TAG_PN_ZERO, IN_PKTS_BAD_TAG, 3, 0},
	{"SCI of nobody", "10.6.1", change_sci, FATE_DROP_UNKNOWN_SCI, IN_PKTS_NO_SCI, 3, 0},
	{"our own SCI", "10.6.1", change_own, FATE_DROP_OWN_SCI, IN_PKTS_NO_SCI, 3, 0},
	{"no SCI among many", "9.9", change_no_sc, FATE_DROP_NO_SCI, IN_PKTS_NO_SCI, 3, 0},
	{"single copy broadcast", "9.5", change_scb, FATE_DROP_SCB, IN_PKTS_NO_SCI, 3, 0},
	{"end station of nobody", "9.5", change_es, FATE_DROP_UNKNOWN_SCI, IN_PKTS_NO_SCI, 3, 0},
	{"AN without an SA", "10.6.1", change_an, FATE_DROP_NO_SA, IN_PKTS_NOT_USING_SA, 3, 0},
	{"replayed", "10.6.2", change_replay, FATE_DROP_DUPLICATE, IN_PKTS_LATE, 3, 0},
	{"older than the window", "10.6.2", change_late, FATE_DROP_LATE, IN_PKTS_LATE, 3, 0},
	{"older, 32-bit PN", "10.6.2", change_late, FATE_DROP_LATE, IN_PKTS_LATE, 1, 0},
	{"ICV altered", "10.6.3", change_icv, FATE_DROP_NOT_VALID, IN_PKTS_NOT_VALID, 3, 0},
	{"data altered", "10.6.3", change_data, FATE_DROP_NOT_VALID, IN_PKTS_NOT_VALID, 3, 0},
	{"destination altered", "10.6.3", change_dst, FATE_DROP_NOT_VALID, IN_PKTS_NOT_VALID, 3, 0},
	{"source altered", "10.6.3", change_src, FATE_DROP_NOT_VALID, IN_PKTS_NOT_VALID, 3, 0},
	{"PN a little ahead", "10.6.3", change_pn_near, FATE_DROP_NOT_VALID, IN_PKTS_NOT_VALID, 3, 0},
	{"PN far ahead", "10.6.3", change_pn_far, FATE_DROP_NOT_VALID, IN_PKTS_NOT_VALID, 3, 0},
	{"PN of the other half", "10.6.2", change_pn_half, FATE_DROP_NOT_VALID, IN_PKTS_NOT_VALID, 3, 0},
	{"E and C cleared", "10.6.3", change_no_ec, FATE_DROP_NOT_VALID, IN_PKTS_NOT_VALID, 3, 0},
	{"an octet more", "10.6.3", change_grow, FATE_DROP_NOT_VALID, IN_PKTS_NOT_VALID, 3, 0},
	{"an octet less", "10.6.3", change_shrink, FATE_DROP_NOT_VALID, IN_PKTS_NOT_VALID, 3, 0},
	{"short, an octet more", "9.12 i", change_grow, FATE_DROP_TAG_EXCESS, IN_PKTS_BAD_TAG, 3, 42},
	{"short, an octet less", "9.12 i", change_shrink, FATE_DROP_TAG_SHORT, IN_PKTS_BAD_TAG, 3, 42},
	{"another's key", "10.6.3", change_key, FATE_DROP_NOT_VALID, IN_PKTS_NOT_VALID, 3, 0},
	{"another's SCI", "10.6.3", change_impersonate, FATE_DROP_NOT_VALID, IN_PKTS_NOT_VALID, 3, 0},
	{"clear IPv4", "10.6", change_ipv4, FATE_DROP_CLEAR, IN_PKTS_NO_TAG, 3, 0},
	{"clear ARP", "10.6", change_arp, FATE_DROP_CLEAR, IN_PKTS_NO_TAG, 3, 0},
	{"an LLC frame", "10.6", change_length_field, FATE_DROP_CLEAR, IN_PKTS_NO_TAG, 3, 0},
	{"EAPOL", "10.6", change_eapol, FATE_DROP_EAPOL, IN_PKTS_NO_TAG, 3, 0},
	{"EAPOL by our EtherType", "10.6", change_eapol_own, FATE_DROP_EAPOL, IN_PKTS_NO_TAG, 3, 0},
	{"shorter than a header", "10.6", change_cut_all, FATE_DROP_RUNT, IN_PKTS_NO_TAG, 3, 0},
	{"empty", "10.6", change_nothing, FATE_DROP_RUNT, IN_PKTS_NO_TAG, 3, 0},
	{"another VLAN", "802.1Q", change_vlan, FATE_DROP_VLAN, NONE, 3, 0},
	{"a service tag", "802.1Q", change_stag, FATE_DROP_STAG, NONE, 3, 0},
	{"two tags", "802.1Q", change_two_tags, FATE_DROP_STAG, NONE, 3, 0},
};
/* clang-format on */

static uint64_t digest_of(const struct node *n)
{
	const uint64_t *w = n->area;
	uint64_t h = 1;

	for (size_t i = 0; i < fwd_state_size() / sizeof(*w); i++)
		h = (h ^ w[i]) * UINT64_C(0x100000001b3);
	return h;
}

static void scene_set(struct scene *s, const struct row *row)
{
	node_init(&s->a, 1, 64);
	node_init(&s->b, 2, 64);
	node_init(&s->c, 3, 64);
	node_key(&s->a, &s->b, 1, 1, row->suite);
	node_key(&s->c, &s->b, 0, 2, row->suite); /* b transmits with this one now */
	s->inner_len = row->inner ? row->inner : 114;
	node_frame(s->inner, s->inner_len, 0x40);
	for (unsigned i = 0; i < 3; i++) {
		s->len = node_send(&s->a, s->inner, s->inner_len, s->wire);
		assert_int_not_equal(node_receive(&s->b, s->wire, s->len, s->wire), 0);
	}
	s->len = node_send(&s->a, s->inner, s->inner_len, s->wire);
	assert_int_not_equal(s->len, 0);
}

/* No octets of the inner frame's payload are left in the buffer that was dropped last. */
static void no_plaintext_left(struct scene *s)
{
	struct pkt p = {0};

	assert_true(pkt_alloc(s->b.pool, &p));
	assert_null(memmem(p.buf, 2048, s->inner + 16, 12));
	pkt_release(s->b.pool, &p);
}

static void row_try(const struct row *row)
{
	struct sa_counters before, after;
	uint64_t fates[FATE_COUNT], digest;
	uint8_t out[2048];
	struct scene s;

	scene_set(&s, row);
	row->change(&s);
	before = node_counters(&s.b);
	memcpy(fates, s.b.f->fates, sizeof(fates));
	digest = digest_of(&s.b);
	assert_int_equal(node_receive(&s.b, s.wire, s.len, out), 0);
	after = node_counters(&s.b);
	for (unsigned i = 0; i < SA_COUNT_COUNT; i++)
		if (after.v[i] - before.v[i] != (i == row->counter))
			fail_msg("%s (%s): %s went from %llu to %llu", row->defect, row->clause,
				 sa_count_names[i], (unsigned long long)before.v[i],
				 (unsigned long long)after.v[i]);
	for (unsigned i = 0; i < FATE_COUNT; i++)
		if (s.b.f->fates[i] - fates[i] != (i == row->fate))
			fail_msg("%s (%s): fate %s", row->defect, row->clause, fwd_fate_names[i]);
	if (digest_of(&s.b) != digest)
		fail_msg("%s (%s): the state area changed", row->defect, row->clause);
	if (row->counter == IN_PKTS_NOT_VALID)
		no_plaintext_left(&s);
	/* And a good one still comes through. */
	s.len = node_send(&s.a, s.inner, s.inner_len, s.wire);
	assert_int_equal(node_receive(&s.b, s.wire, s.len, out), s.inner_len);
	node_fini(&s.a);
	node_fini(&s.b);
	node_fini(&s.c);
}

/* The same behind a good frame, with which it shares all that was not changed. */
static void row_try_behind(const struct row *row)
{
	struct sa_counters counters[2];
	uint8_t good[2048], out[2048];
	struct scene s[2];

	for (unsigned i = 0; i < 2; i++) {
		struct node *b = &s[i].b;
		size_t len;

		scene_set(&s[i], row);
		row->change(&s[i]);
		len = node_send(&s[i].a, s[i].inner, s[i].inner_len, good);
		node_give(b, b->wan, good, len);
		if (i)
			node_give(b, b->wan, s[i].wire, s[i].len);
		fwd_poll(b->f);
		assert_int_equal(node_take(b, b->overlay, out), s[i].inner_len);
		assert_int_equal(node_take(b, b->overlay, out), 0);
		counters[i] = node_counters(b);
	}
	for (unsigned i = 0; i < SA_COUNT_COUNT; i++)
		if (counters[1].v[i] - counters[0].v[i] != (i == row->counter))
			fail_msg("%s (%s) behind another: %s", row->defect, row->clause,
				 sa_count_names[i]);
	for (unsigned i = 0; i < FATE_COUNT; i++)
		if (s[1].b.f->fates[i] - s[0].b.f->fates[i] != (i == row->fate))
			fail_msg("%s (%s) behind another: fate %s", row->defect, row->clause,
				 fwd_fate_names[i]);
	if (digest_of(&s[0].b) != digest_of(&s[1].b))
		fail_msg("%s (%s) behind another: the state area changed", row->defect,
			 row->clause);
	for (unsigned i = 0; i < 2; i++) {
		node_fini(&s[i].a);
		node_fini(&s[i].b);
		node_fini(&s[i].c);
	}
}

static void each_defect_moves_its_own_counter_behind_a_good_frame(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		row_try_behind(&rows[i]);
}

static void each_defect_moves_its_own_counter_and_no_state(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		row_try(&rows[i]);
}

static void reordered_frames_pass_within_the_window_and_once(void **state)
{
	uint8_t wire[40][2048], out[2048];
	struct scene s;
	size_t n = 0;

	(void)state;
	scene_set(&s, &(const struct row){.suite = MACSEC_GCM_AES_XPN_128});
	for (unsigned i = 0; i < 40; i++)
		n = node_send(&s.a, s.inner, s.inner_len, wire[i]);
	for (unsigned i = 0; i < 40; i++)
		assert_int_not_equal(node_receive(&s.b, wire[i * 7 % 40], n, out), 0);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(node_receive(&s.b, wire[i], n, out), 0);
	assert_int_equal(s.b.f->fates[FATE_DROP_DUPLICATE], 40);
	node_fini(&s.a);
	node_fini(&s.b);
	node_fini(&s.c);
}

static void two_copies_in_one_burst_pass_once(void **state)
{
	uint8_t out[2048];
	struct scene s;

	(void)state;
	scene_set(&s, &(const struct row){.suite = MACSEC_GCM_AES_256});
	for (unsigned i = 0; i < 5; i++)
		node_give(&s.b, s.b.wan, s.wire, s.len);
	fwd_poll(s.b.f);
	assert_int_equal(node_take(&s.b, s.b.overlay, out), s.inner_len);
	assert_int_equal(node_take(&s.b, s.b.overlay, out), 0);
	assert_int_equal(s.b.f->fates[FATE_DROP_DUPLICATE], 4);
	node_fini(&s.a);
	node_fini(&s.b);
	node_fini(&s.c);
}

static void strict_window_drops_whatever_is_overtaken(void **state)
{
	uint8_t in[100], one[2048], two[2048], out[2048];
	struct node a, b;
	size_t n;

	(void)state;
	node_init(&a, 1, 0);
	node_init(&b, 2, 0);
	node_key(&a, &b, 0, 1, MACSEC_GCM_AES_XPN_256);
	node_frame(in, sizeof(in), 1);
	n = node_send(&a, in, sizeof(in), one);
	assert_int_equal(node_send(&a, in, sizeof(in), two), n);
	assert_int_equal(node_receive(&b, two, n, out), sizeof(in));
	assert_int_equal(node_receive(&b, one, n, out), 0);
	assert_int_equal(b.f->fates[FATE_DROP_LATE], 1);
	node_fini(&a);
	node_fini(&b);
}

static void integrity_only_frame_of_a_peer_is_validated(void **state)
{
	uint8_t in[100], wire[2048], out[2048], key[32], base[12];
	struct aead_op op = {.aad = wire};
	struct sa_counters n;
	struct aead_key *k;
	struct node b;
	struct msg m;

	(void)state;
	node_init(&b, 2, 0);
	m = node_sa(MSG_SA_RECEIVE, node_sci(1), 0, 5, MACSEC_GCM_AES_256);
	assert_int_equal(fwd_control(b.f, &m), 0);
	node_frame(in, sizeof(in), 9);
	memcpy(wire, in, 12);
	macsec_build(wire + 12, 0, false, 1, node_sci(1), sizeof(in) - 12);
	memcpy(wire + 28, in + 12, sizeof(in) - 12);
	op.data = op.tag = wire + 28 + sizeof(in) - 12;
	op.aad_len = 28 + sizeof(in) - 12;
	memset(key, 5, sizeof(key));
	k = aead_key_new(key, sizeof(key));
	macsec_nonce_base(base, MACSEC_GCM_AES_256, node_sci(1), 0, base);
	macsec_nonce(op.nonce, base, 1);
	aead_seal(k, &op, 1);
	aead_key_free(k);
	assert_int_equal(node_receive(&b, wire, sizeof(in) + 32, out), sizeof(in));
	assert_memory_equal(out, in, sizeof(in));
	n = node_counters(&b);
	assert_int_equal(n.v[IN_OCTETS_VALIDATED], sizeof(in) - 12);
	assert_int_equal(n.v[IN_OCTETS_DECRYPTED], 0);
	assert_int_equal(n.v[IN_PKTS_OK], 1);
	node_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_defect_moves_its_own_counter_and_no_state),
		cmocka_unit_test(each_defect_moves_its_own_counter_behind_a_good_frame),
		cmocka_unit_test(reordered_frames_pass_within_the_window_and_once),
		cmocka_unit_test(two_copies_in_one_burst_pass_once),
		cmocka_unit_test(strict_window_drops_whatever_is_overtaken),
		cmocka_unit_test(integrity_only_frame_of_a_peer_is_validated),
	};

	printf("# %zu classes of malformed or forged frames of the packet path\n",
	       sizeof(rows) / sizeof(rows[0]));
	return cmocka_run_group_tests_name("fwd/hostile", tests, NULL, NULL);
}
