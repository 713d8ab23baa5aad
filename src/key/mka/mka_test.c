/* Participants on a LAN without loss: who becomes key server, when keys change, what is sent. */
#include "key/mka/mka_lan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct mka_show show(struct lan *l, unsigned i)
{
	struct mka_show s;

	mka_show(l->nodes[i].m, &s);
	return s;
}

static struct lan *started(unsigned n)
{
	struct lan *l = lan_new(n, NULL);

	for (unsigned i = 0; i < n; i++)
		lan_start(l, i);
	return l;
}

static void two_agree_on_an_xpn_256_sak(void **state)
{
	struct lan *l = started(2);

	(void)state;
	assert_true(lan_until(l, lan_agreed, 3 * NS_PER_S));
	assert_true(show(l, 0).key_server);
	assert_false(show(l, 1).key_server);
	assert_int_equal(show(l, 1).key_server_sci, l->nodes[0].cfg.sci);
	assert_int_equal(show(l, 0).suite, MACSEC_GCM_AES_XPN_256);
	assert_int_equal(lan_transmit_sa(&l->nodes[0])->key.len, 32);
	lan_free(l);
}

static void four_agree_on_one_sak(void **state)
{
	struct lan *l = started(4);

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	lan_run(l, l->now + 30 * NS_PER_S);
	assert_true(lan_agreed(l));
	assert_int_equal(show(l, 3).saks, show(l, 0).saks);
	lan_free(l);
}

/* --- who serves --- */

static struct lan *configured(unsigned n, void (*change)(struct mka_config *c, unsigned i))
{
	struct mka_config cfg[LAN_NODES] = {0};
	struct lan *l;

	for (unsigned i = 0; i < n; i++) {
		cfg[i] = lan_config(i);
		change(&cfg[i], i);
	}
	l = lan_new(n, cfg);
	for (unsigned i = 0; i < n; i++)
		lan_start(l, i);
	return l;
}

static void backwards(struct mka_config *c, unsigned i)
{
	c->priority = (uint8_t)(9 - i);
}

static void alike(struct mka_config *c, unsigned i)
{
	(void)i;
	c->priority = 16;
}

static void unwilling(struct mka_config *c, unsigned i)
{
	(void)i;
	c->priority = 255;
}

static void first_unwilling(struct mka_config *c, unsigned i)
{
	c->priority = i ? 200 : 255;
}

static void lowest_priority_value_serves(void **state)
{
	struct lan *l = configured(3, backwards);

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	assert_true(show(l, 2).key_server);
	assert_int_equal(show(l, 0).key_server_sci, l->nodes[2].cfg.sci);
	lan_free(l);
}

static void lower_sci_serves_among_equals(void **state)
{
	struct lan *l = configured(3, alike);

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	assert_true(show(l, 0).key_server);
	lan_free(l);
}

static void priority_255_never_serves(void **state)
{
	struct lan *l = configured(2, first_unwilling);

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	assert_true(show(l, 1).key_server);
	lan_free(l);
	l = configured(2, unwilling);
	lan_run(l, l->now + 30 * NS_PER_S);
	assert_int_equal(show(l, 0).key_server_sci, 0);
	assert_false(show(l, 0).secured);
	assert_int_equal(show(l, 0).peer_count, 1);
	assert_true(show(l, 0).peers[0].live);
	lan_free(l);
}

static bool lan_everybody_hears(struct lan *l)
{
	for (unsigned i = 0; i < l->count; i++)
		for (unsigned j = 0; j < l->count; j++)
			if (i != j && l->nodes[i].up && l->nodes[j].up &&
			    !lan_hears(&l->nodes[i], &l->nodes[j]))
				return false;
	return true;
}

static void key_server_that_dies_is_replaced_and_no_frame_is_lost(void **state)
{
	struct lan *l = started(4);
	uint64_t end;

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	l->nodes[0].up = false;
	for (end = l->now + 30 * NS_PER_S; l->now < end; lan_run(l, l->now + 10 * NS_PER_MS))
		assert_true(lan_everybody_hears(l));
	assert_true(lan_agreed(l));
	assert_true(show(l, 1).key_server);
	assert_int_equal(show(l, 1).peer_count, 2);
	lan_free(l);
}

static void newcomer_joins_and_no_frame_of_the_others_is_lost(void **state)
{
	struct lan *l = lan_new(3, NULL);
	uint64_t end;

	(void)state;
	lan_start(l, 1);
	lan_start(l, 2);
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	lan_start(l, 0); /* and will serve from now on */
	for (end = l->now + 20 * NS_PER_S; l->now < end; lan_run(l, l->now + 10 * NS_PER_MS)) {
		assert_true(lan_hears(&l->nodes[1], &l->nodes[2]));
		assert_true(lan_hears(&l->nodes[2], &l->nodes[1]));
	}
	assert_true(lan_agreed(l));
	assert_true(show(l, 0).key_server);
	lan_free(l);
}

/* --- keys --- */

static void several_joins_are_gathered_into_one_sak(void **state)
{
	struct lan *l = started(8);

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	lan_run(l, l->now + 20 * NS_PER_S);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(show(l, i).saks, 1);
	lan_free(l);
}

static void sscis_count_scis_downwards_from_1(void **state)
{
	struct lan *l = started(4);

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(lan_transmit_sa(&l->nodes[i])->ssci, 4 - i);
	lan_free(l);
}

static void every_suite_and_both_cak_lengths(void **state)
{
	(void)state;
	for (unsigned suite = 0; suite < MACSEC_SUITE_COUNT; suite++)
		for (uint8_t cak = 16; cak <= 32; cak = (uint8_t)(cak + 16)) {
			struct mka_config cfg[2] = {lan_config(0), lan_config(1)};
			struct lan *l;
			const struct sink_sa *sa;

			for (unsigned i = 0; i < 2; i++) {
				cfg[i].suite = suite;
				cfg[i].accept_suites = 1u << suite;
				cfg[i].keys[0].cak.len = cak;
			}
			l = lan_new(2, cfg);
			lan_start(l, 0);
			lan_start(l, 1);
			assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
			sa = lan_transmit_sa(&l->nodes[0]);
			assert_int_equal(sa->suite, suite);
			assert_int_equal(sa->key.len, macsec_suites[suite].key_len);
			assert_int_equal(sa->ssci != 0, macsec_suites[suite].xpn);
			lan_free(l);
		}
}

/* Both ends get the offset that the key server distributes, and encrypt by it. */
static void offset_is_distributed_and_obeyed(void **state)
{
	(void)state;
	for (unsigned conf = 0; conf < MACSEC_CONF_COUNT; conf++) {
		struct mka_config cfg[2] = {lan_config(0), lan_config(1)};
		struct lan *l;

		for (unsigned i = 0; i < 2; i++) {
			cfg[i].suite = MACSEC_GCM_AES_256;
			cfg[i].conf = conf;
		}
		l = lan_new(2, cfg);
		lan_start(l, 0);
		lan_start(l, 1);
		assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(lan_transmit_sa(&l->nodes[i])->conf, conf);
			for (unsigned k = 0; k < LAN_SAS; k++)
				if (l->nodes[i].sas[k].used)
					assert_int_equal(l->nodes[i].sas[k].sa.conf, conf);
		}
		lan_free(l);
	}
}

static void offset_50_by_node_0(struct mka_config *c, unsigned i)
{
	c->suite = MACSEC_GCM_AES_256;
	if (i == 0)
		c->conf = MACSEC_CONF_50;
}

/* Node 1 says that it knows no offset: it is not given one. */
static void offset_is_not_distributed_to_who_knows_none(void **state)
{
	struct lan *l = configured(2, offset_50_by_node_0);

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	assert_int_equal(lan_transmit_sa(&l->nodes[0])->conf, MACSEC_CONF_0);
	assert_int_equal(lan_transmit_sa(&l->nodes[1])->conf, MACSEC_CONF_0);
	lan_free(l);
}

static void offset_50_here_30_there(struct mka_config *c, unsigned i)
{
	c->suite = MACSEC_GCM_AES_256;
	c->conf = i ? MACSEC_CONF_30 : MACSEC_CONF_50;
}

static void sak_that_leaves_more_in_clear_than_the_file_is_refused(void **state)
{
	struct lan *l = configured(2, offset_50_here_30_there);

	(void)state;
	lan_run(l, l->now + 20 * NS_PER_S);
	assert_false(show(l, 1).secured);
	assert_true(show(l, 1).results[MKA_SAK_REFUSED] > 3);
	assert_null(lan_transmit_sa(&l->nodes[0]));
	lan_free(l);
}

static void accept_only_128(struct mka_config *c, unsigned i)
{
	if (i)
		c->accept_suites = 1u << MACSEC_GCM_AES_128;
}

static void sak_of_another_suite_is_refused_and_shown(void **state)
{
	struct lan *l = configured(2, accept_only_128);

	(void)state;
	lan_run(l, l->now + 20 * NS_PER_S);
	assert_false(show(l, 1).secured);
	assert_true(show(l, 1).results[MKA_SAK_REFUSED] > 3);
	assert_true(show(l, 1).peers[0].live);
	assert_null(lan_transmit_sa(&l->nodes[0]));
	lan_free(l);
}

static void rekey_soon(struct mka_config *c, unsigned i)
{
	(void)i;
	c->rekey_ns = 10 * NS_PER_S;
}

static void rekeys_on_time_through_all_ans_and_no_frame_is_lost(void **state)
{
	struct lan *l = configured(3, rekey_soon);
	unsigned ans = 0;
	uint64_t end;

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	for (end = l->now + 60 * NS_PER_S; l->now < end; lan_run(l, l->now + 10 * NS_PER_MS)) {
		assert_true(lan_everybody_hears(l));
		ans |= 1u << lan_transmit_sa(&l->nodes[0])->an;
	}
	assert_int_equal(ans, 15);
	assert_in_range(show(l, 0).saks, 5, 7);
	lan_free(l);
}

static void report_pn(struct lan *l, unsigned i, uint64_t pn)
{
	const struct sink_sa *sa = lan_transmit_sa(&l->nodes[i]);
	struct sink_report r = {.secy = sa->secy,
				.an = sa->an,
				.direction = SINK_TRANSMIT,
				.installed = true,
				.sci = sa->sci,
				.pn = pn};

	memcpy(r.key_id, sa->key_id, sizeof(r.key_id));
	mka_report(l->nodes[i].m, &r, l->now);
	lan_flush(l, i);
}

static void rekeys_before_packet_numbers_end_whoever_sends(void **state)
{
	(void)state;
	for (unsigned who = 0; who < 2; who++) {
		struct lan *l = started(2);

		assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
		report_pn(l, who, 0xbfffffffffffffff);
		lan_run(l, l->now + 20 * NS_PER_S);
		assert_int_equal(show(l, 0).saks, 1);
		report_pn(l, who, 0xc000000000000001);
		lan_run(l, l->now + 10 * NS_PER_S);
		assert_int_equal(show(l, 0).saks, 2);
		assert_int_equal(show(l, 1).saks, 2);
		assert_true(lan_agreed(l));
		lan_free(l);
	}
}

static unsigned deaf; /* who hears nobody, as a bit set */

static bool drop_for_the_deaf(struct lan *l, unsigned from, unsigned to, const uint8_t *frame,
			      size_t len)
{
	(void)l;
	(void)frame;
	(void)len;
	return deaf & 1u << to || deaf & 0x100u << from;
}

static void nobody_sends_before_everybody_receives(void **state)
{
	struct lan *l = configured(3, rekey_soon);
	uint8_t an;

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	an = lan_transmit_sa(&l->nodes[0])->an;
	l->drop = drop_for_the_deaf;
	lan_run(l, l->now + 9 * NS_PER_S);
	deaf = 1u << 2; /* does not get the next SAK */
	lan_run(l, l->now + 4 * NS_PER_S);
	assert_int_equal(lan_transmit_sa(&l->nodes[0])->an, an);
	assert_int_equal(lan_transmit_sa(&l->nodes[1])->an, an);
	assert_true(l->nodes[1].m->sak[SAK_LATEST].rx);
	deaf = 0;
	lan_run(l, l->now + 3 * NS_PER_S);
	assert_int_not_equal(lan_transmit_sa(&l->nodes[0])->an, an);
	assert_true(lan_agreed(l));
	lan_free(l);
}

static void who_is_alone_has_no_key_and_another_name(void **state)
{
	struct lan *l = started(2);
	struct mka_show before;

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	before = show(l, 1);
	l->nodes[0].up = false;
	lan_run(l, l->now + 5 * NS_PER_S);
	assert_true(show(l, 1).secured);
	lan_run(l, l->now + 2 * NS_PER_S);
	assert_false(show(l, 1).secured);
	assert_null(lan_transmit_sa(&l->nodes[1]));
	assert_memory_not_equal(before.mi, show(l, 1).mi, MKA_MI_LEN);
	l->nodes[0].up = true;
	assert_true(lan_until(l, lan_agreed, 20 * NS_PER_S));
	lan_free(l);
}

static void gcm_128(struct mka_config *c, unsigned i)
{
	(void)i;
	c->suite = MACSEC_GCM_AES_128;
}

static void xpn_128(struct mka_config *c, unsigned i)
{
	(void)i;
	c->suite = MACSEC_GCM_AES_XPN_128;
}

/* Node 1 forgets that node 2 was listed with the SAK, as if the key server had not listed it. */
static void unlist(struct lan *l)
{
	struct sak *s = &l->nodes[1].m->sak[SAK_OLD];

	for (unsigned i = 0; i < s->member_count; i++)
		if (s->members[i].sci == l->nodes[2].cfg.sci)
			s->members[i] = s->members[--s->member_count];
	for (unsigned i = 0; i < LAN_SAS; i++)
		if (l->nodes[1].sas[i].sa.sci == l->nodes[2].cfg.sci)
			l->nodes[1].sas[i] = (struct lan_sa){0};
}

static void peer_that_uses_a_sak_unlisted_is_received_unless_an_ssci_is_needed(void **state)
{
	(void)state;
	for (unsigned xpn = 0; xpn < 2; xpn++) {
		struct lan *l = configured(3, xpn ? xpn_128 : gcm_128);

		assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
		lan_run(l, l->now + 10 * NS_PER_S);
		unlist(l);
		lan_run(l, l->now + 3 * NS_PER_S);
		assert_int_equal(lan_hears(&l->nodes[1], &l->nodes[2]), !xpn);
		lan_free(l);
	}
}

/* --- restarts --- */

static size_t record_of(struct mka *m, uint8_t *buf)
{
	struct wr w = wr_init(buf, MKA_SAVE_MAX);

	mka_save(m, &w);
	assert_false(w.bad);
	return wr_len(&w);
}

static void successor_with_the_record_is_the_same_member(void **state)
{
	(void)state;
	for (unsigned who = 0; who < 2; who++) { /* key server, member */
		struct lan *l = started(3);
		uint8_t record[MKA_SAVE_MAX];
		struct mka_show before, after;
		size_t len;

		assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
		lan_run(l, l->now + 10 * NS_PER_S);
		before = show(l, who);
		len = record_of(l->nodes[who].m, record);
		lan_run(l, l->now + NS_PER_S);
		lan_restart(l, who, record, len);
		lan_run(l, l->now + 30 * NS_PER_S);
		after = show(l, who);
		assert_memory_equal(before.mi, after.mi, MKA_MI_LEN);
		assert_memory_equal(before.key_id, after.key_id, MACSEC_KEY_ID_LEN);
		assert_int_equal(before.an, after.an);
		assert_true(after.mn >= before.mn + 1000);
		assert_int_equal(after.saks, before.saks);
		assert_int_equal(l->nodes[who].retired, 0);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(show(l, i).saks, 1);
		assert_true(lan_agreed(l));
		lan_free(l);
	}
}

static void successor_without_it_is_a_new_member_with_a_fresh_sak(void **state)
{
	(void)state;
	for (unsigned who = 0; who < 2; who++) {
		struct lan *l = started(3);
		uint8_t before[MACSEC_KEY_ID_LEN];

		assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
		lan_run(l, l->now + 10 * NS_PER_S);
		memcpy(before, show(l, 2).key_id, sizeof(before));
		lan_restart(l, who, NULL, 0);
		/* A known SCI under a new identifier is taken as soon as it proves itself. */
		lan_run(l, l->now + 4 * NS_PER_S);
		assert_memory_not_equal(show(l, 2).key_id, before, sizeof(before));
		lan_run(l, l->now + 10 * NS_PER_S);
		assert_true(lan_agreed(l));
		assert_int_equal(show(l, 2).peer_count, 2);
		lan_free(l);
	}
}

static void sak_that_forward_lost_is_replaced_not_repeated(void **state)
{
	(void)state;
	for (unsigned who = 0; who < 2; who++) {
		struct lan *l = started(2);
		uint8_t before[MACSEC_KEY_ID_LEN];

		assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
		lan_run(l, l->now + 10 * NS_PER_S);
		memcpy(before, show(l, 0).key_id, sizeof(before));
		memset(l->nodes[who].sas, 0, sizeof(l->nodes[who].sas));
		mka_resync(l->nodes[who].m);
		lan_report_all(l, who);
		assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
		for (unsigned i = 0; i < LAN_SAS; i++)
			assert_memory_not_equal(l->nodes[who].sas[i].sa.key_id, before,
						sizeof(before));
		lan_free(l);
	}
}

static void records_of_others_and_spoilt_ones_are_refused(void **state)
{
	struct lan *l = started(2);
	uint8_t record[MKA_SAVE_MAX];
	size_t len;
	uint64_t digest;

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	len = record_of(l->nodes[0].m, record);
	digest = mka_digest(l->nodes[1].m);
	for (size_t n = 0; n <= len; n++) {
		struct rd r = rd_init(record, n); /* of another SCI, and cut */

		assert_int_equal(mka_load(l->nodes[1].m, &r, l->now), -EBADMSG);
	}
	assert_int_equal(mka_digest(l->nodes[1].m), digest);
	digest = mka_digest(l->nodes[0].m);
	for (size_t n = 0; n < len; n++) {
		struct rd r = rd_init(record, n);

		assert_int_equal(mka_load(l->nodes[0].m, &r, l->now), -EBADMSG);
	}
	assert_int_equal(mka_digest(l->nodes[0].m), digest);
	lan_free(l);
}

static void new_name_before_message_numbers_run_out(void **state)
{
	struct lan *l = started(2);
	struct mka_show before;

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	before = show(l, 1);
	l->nodes[1].m->principal->mn = MKA_MN_LIMIT - 2;
	lan_run(l, l->now + 20 * NS_PER_S);
	assert_memory_not_equal(before.mi, show(l, 1).mi, MKA_MI_LEN);
	assert_true(show(l, 1).mn < 100);
	assert_true(lan_agreed(l));
	lan_free(l);
}

/* --- on the wire --- */

static void wan(struct mka_config *c, unsigned i)
{
	(void)i;
	c->vlan = 100;
	c->pcp = 5;
	c->ethertype = 0x876f;
	memset(c->destination, 0xff, 6);
}

static void tag_destination_and_ethertype_are_as_configured(void **state)
{
	struct lan *l = configured(2, wan);
	const uint8_t head[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,    0,    0, 0,
				0,    1,    0x81, 0x00, 0xa0, 100,  0x87, 0x6f, 3, 5};

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	assert_memory_equal(l->last[0].b, head, sizeof(head));
	lan_free(l);
}

static void qinq(struct mka_config *c, unsigned i)
{
	wan(c, i);
	c->outer_type = 0x88a8;
	c->outer_vlan = 200;
}

static void both_tags_are_as_configured(void **state)
{
	struct lan *l = configured(2, qinq);
	const uint8_t head[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,    0,   0,    0,    0, 1,
				0x88, 0xa8, 0xa0, 200,  0x81, 0x00, 0xa0, 100, 0x87, 0x6f, 3, 5};

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	assert_memory_equal(l->last[0].b, head, sizeof(head));
	lan_free(l);
}

/* What stands in the tags besides the identifiers is not authenticated and not looked at; a frame
 * under other identifiers is another network's. */
static void frames_under_other_tags_are_not_for_us(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
		enum mka_result result;
	} rows[] = {
		{13, 0xa9, MKA_NOT_MKPDU}, {12, 0x81, MKA_NOT_MKPDU}, {15, 201, MKA_NOT_MKPDU},
		{14, 0xa1, MKA_NOT_MKPDU}, {17, 0x01, MKA_NOT_MKPDU}, {16, 0x88, MKA_NOT_MKPDU},
		{19, 101, MKA_NOT_MKPDU},  {18, 0xa8, MKA_NOT_MKPDU}, {14, 0x10, MKA_OK},
		{18, 0xf0, MKA_OK},
	};
	struct lan *l = configured(2, qinq);

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lan_frame f;
		uint64_t digest = mka_digest(l->nodes[1].m);

		lan_run(l, l->now + 3 * NS_PER_S);
		f = l->last[0];
		digest = mka_digest(l->nodes[1].m);
		f.b[rows[i].at] = rows[i].value;
		/* One that is ours was had already. */
		assert_int_equal(mka_input(l->nodes[1].m, f.b, f.len, l->now),
				 rows[i].result == MKA_OK ? MKA_REPLAYED : rows[i].result);
		assert_true(mka_digest(l->nodes[1].m) == digest);
	}
	lan_free(l);
}

static void each_other(struct mka_config *c, unsigned i)
{
	memcpy(c->destination, (const uint8_t[]){2, 0, 0, 0, 0, (uint8_t)(2 - i)}, 6);
}

static void unicast_destinations_work(void **state)
{
	struct lan *l = configured(2, each_other);

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	lan_free(l);
}

static void long_ckn_and_slow_times(struct mka_config *c, unsigned i)
{
	(void)i;
	memset(c->keys[0].ckn, 'x', 32);
	c->keys[0].ckn_len = 31;
	c->hello_ns = 500 * NS_PER_MS;
	c->life_ns = 2 * NS_PER_S;
	c->retire_ns = NS_PER_S;
}

static void other_times_and_ckn_lengths(void **state)
{
	struct lan *l = configured(3, long_ckn_and_slow_times);

	(void)state;
	assert_true(lan_until(l, lan_agreed, 5 * NS_PER_S));
	l->nodes[2].up = false;
	lan_run(l, l->now + 3 * NS_PER_S);
	assert_int_equal(show(l, 0).peer_count, 1);
	lan_free(l);
}

static void hellos_come_when_they_should(void **state)
{
	struct lan *l = started(2);
	unsigned sent;

	(void)state;
	assert_true(lan_until(l, lan_agreed, 10 * NS_PER_S));
	lan_run(l, l->now + 10 * NS_PER_S);
	sent = l->sent;
	lan_run(l, l->now + 20 * NS_PER_S);
	assert_in_range(l->sent - sent, 19, 21); /* two nodes, every 2 s */
	lan_free(l);
}

static void configurations_that_cannot_be_are_refused(void **state)
{
	const struct mka_env env = {0};
	struct mka_config c;

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		c = lan_config(0);                                                                 \
		change;                                                                            \
		assert_null(mka_new(&c, &env, 0));                                                 \
		assert_int_equal(errno, EINVAL);                                                   \
	} while (0)
	(void)state;
	REFUSED(c.keys[0].cak.len = 24);
	REFUSED(c.keys[0].cak.len = 0);
	REFUSED(c.keys[0].ckn_len = 0);
	REFUSED(c.keys[0].ckn_len = 33);
	REFUSED(c.sci = 0);
	REFUSED(c.suite = MACSEC_SUITE_COUNT);
	REFUSED(c.conf = MACSEC_CONF_COUNT);
	REFUSED(c.conf = MACSEC_CONF_30);
	REFUSED(c.accept_suites = 0);
	REFUSED(c.hello_ns = 0);
	REFUSED(c.life_ns = c.hello_ns);
	REFUSED(c.vlan = 4095);
	REFUSED(c.outer_vlan = 5);
	REFUSED((c.outer_type = 0x88a8, c.outer_vlan = 5));
	REFUSED((c.outer_type = 0x88a8, c.vlan = 5));
	REFUSED((c.outer_type = 0x9100, c.vlan = 5, c.outer_vlan = 5));
	REFUSED((c.outer_type = 0x8100, c.vlan = 5, c.outer_vlan = 4095));
	REFUSED(c.pcp = 8);
	REFUSED(c.ethertype = 0x5ff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_agree_on_an_xpn_256_sak),
		cmocka_unit_test(four_agree_on_one_sak),
		cmocka_unit_test(lowest_priority_value_serves),
		cmocka_unit_test(lower_sci_serves_among_equals),
		cmocka_unit_test(priority_255_never_serves),
		cmocka_unit_test(key_server_that_dies_is_replaced_and_no_frame_is_lost),
		cmocka_unit_test(newcomer_joins_and_no_frame_of_the_others_is_lost),
		cmocka_unit_test(several_joins_are_gathered_into_one_sak),
		cmocka_unit_test(sscis_count_scis_downwards_from_1),
		cmocka_unit_test(every_suite_and_both_cak_lengths),
		cmocka_unit_test(offset_is_distributed_and_obeyed),
		cmocka_unit_test(offset_is_not_distributed_to_who_knows_none),
		cmocka_unit_test(sak_that_leaves_more_in_clear_than_the_file_is_refused),
		cmocka_unit_test(sak_of_another_suite_is_refused_and_shown),
		cmocka_unit_test(rekeys_on_time_through_all_ans_and_no_frame_is_lost),
		cmocka_unit_test(rekeys_before_packet_numbers_end_whoever_sends),
		cmocka_unit_test(nobody_sends_before_everybody_receives),
		cmocka_unit_test(who_is_alone_has_no_key_and_another_name),
		cmocka_unit_test(
			peer_that_uses_a_sak_unlisted_is_received_unless_an_ssci_is_needed),
		cmocka_unit_test(successor_with_the_record_is_the_same_member),
		cmocka_unit_test(successor_without_it_is_a_new_member_with_a_fresh_sak),
		cmocka_unit_test(sak_that_forward_lost_is_replaced_not_repeated),
		cmocka_unit_test(records_of_others_and_spoilt_ones_are_refused),
		cmocka_unit_test(new_name_before_message_numbers_run_out),
		cmocka_unit_test(tag_destination_and_ethertype_are_as_configured),
		cmocka_unit_test(both_tags_are_as_configured),
		cmocka_unit_test(frames_under_other_tags_are_not_for_us),
		cmocka_unit_test(unicast_destinations_work),
		cmocka_unit_test(other_times_and_ckn_lengths),
		cmocka_unit_test(hellos_come_when_they_should),
		cmocka_unit_test(configurations_that_cannot_be_are_refused),
	};

	log_init("test", LOG_LVL_ERROR);
	return cmocka_run_group_tests_name("key/mka/mka", tests, NULL, NULL);
}
