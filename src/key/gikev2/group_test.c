/*
 * A key server and a member, side by side: what is refused and by which word, and that what did not
 * verify changes nothing. What they do over time is the simulator's (test/sim/gike_sim.c).
 */
#include "crypto/keywrap.h"
#include "key/gikev2/member.h"
#include "key/gikev2/policy_test.h"
#include "key/gikev2/server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define SECOND 1000000000ull
#define ATD 12

static uint64_t rnd_state, now;
static struct sign_key *key;
static struct gks *server;
static struct gks_config config;
static struct secret gsk_w = {.len = 32};
static unsigned installed, retired;
static uint32_t sends_as; /* the last Sender-ID used */

static void random_bytes(void *ctx, void *buf, size_t n)
{
	uint8_t *b = buf;

	(void)ctx;
	while (n--)
		*b++ = (uint8_t)((rnd_state = rnd_state * 6364136223846793005ull + 1) >> 56);
}

static int add_receive(void *ctx, const struct sink_group *sa)
{
	(void)ctx;
	(void)sa;
	installed++;
	return 0;
}

static int use_transmit(void *ctx, const struct sink_group *sa)
{
	(void)ctx;
	sends_as = sa->sender;
	return 0;
}

static void retire(void *ctx, uint16_t group, enum sink_direction d, uint32_t spi)
{
	(void)ctx;
	(void)group;
	(void)spi;
	retired += d == SINK_RECEIVE;
}

static void sign(void *ctx, uint32_t id, const void *data, size_t len)
{
	uint8_t sig[SIGN_MAX];
	size_t n = sizeof(sig);

	(void)ctx;
	assert_int_equal(sign_make(key, config.scheme, data, len, sig, &n), 0);
	gks_signed(server, id, sig, n, now);
}

static int setup(void **state)
{
	const struct gks_env env = {NULL, random_bytes, sign};

	(void)state;
	rnd_state = 7;
	now = 1000 * SECOND;
	installed = retired = 0;
	key = policy_key();
	config = (struct gks_config){.suite = ESP_AES_GCM_16_256,
				     .flow_count = 1,
				     .flows = {policy_any},
				     .rekey = policy_rekey,
				     .tek_period_s = 3600,
				     .kek_period_s = 7200,
				     .atd_s = ATD,
				     .dtd_s = 3 * ATD,
				     .sender_bits = 8,
				     .senders_max = 200,
				     .members_max = 4,
				     .burst = 4,
				     .every_ns = 60 * SECOND,
				     .copies = 1};
	policy_sign_with(&config, key);
	server = gks_new(&config, &env, now);
	assert_non_null(server);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gks_free(server);
	sign_key_free(key);
	return 0;
}

static struct gm *member_new(uint32_t senders)
{
	const struct gm_config cfg = {
		.group = 1, .sends = senders > 0, .sender_ids = senders, .ask_sag = true};
	const struct gm_env env = {NULL, random_bytes, {NULL, add_receive, use_transmit, retire}};

	return gm_new(&cfg, &env, now);
}

/* Payloads that are written into b, and read. */
struct text {
	struct wr w;
	struct ike_out o;
	struct ike_chain c;
	uint8_t b[8192];
};

static void text_begin(struct text *t)
{
	t->w = wr_init(t->b, sizeof(t->b));
	wr_u8(&t->w, 0);
	t->o = ike_out_init(&t->w, 0);
	t->o.w = &t->w;
}

static enum ike_error text_end(struct text *t)
{
	assert_false(t->w.bad);
	return ike_chain_parse(&t->c, t->b[0], t->b + 1, wr_len(&t->w) - 1, false);
}

static uint16_t ask(const struct gm *m, uint32_t id, struct text *answer)
{
	static struct text request;
	uint16_t refused;

	text_begin(&request);
	gm_request(m, &request.o);
	assert_int_equal(text_end(&request), 0);
	text_begin(answer);
	refused = gks_register(server, id, &gsk_w, &request.c, &answer->o, now);
	if (!refused)
		assert_int_equal(text_end(answer), 0);
	return refused;
}

static void save(void)
{
	static uint8_t b[GKS_SAVE_MAX(16)];
	struct wr w = wr_init(b, sizeof(b));

	if (gks_dirty(server))
		gks_save(server, &w);
	assert_false(w.bad);
	assert_true(gks_settled(server));
}

static bool in_group(const struct gm *m)
{
	struct gm_show s;

	gm_show(m, &s);
	return s.registered;
}

static size_t message(uint8_t b[REKEY_MESSAGE_MAX])
{
	struct wr w = wr_init(b, REKEY_MESSAGE_MAX);

	assert_false(gks_output(server, &w)); /* not before there is a record */
	save();
	assert_true(gks_output(server, &w));
	save();
	return wr_len(&w);
}

static void refusals(void **state)
{
	static struct text answer, request;
	struct gm *m = member_new(1), *many = member_new(200);
	const struct ike_proposal weak = {.num = 1,
					  .protocol = IKE_PROTO_ESP,
					  .count = 1,
					  .t = {{IKE_T_ENCR, IKE_ENCR_AES_CBC, 128, false}}};

	(void)state;
	assert_int_equal(gks_exclude(server, 5, now), 0);
	assert_int_equal(ask(m, 5, &answer), IKE_N_AUTHORIZATION_FAILED);
	gks_readmit(server, 5);
	for (uint32_t id = 1; id <= 4; id++)
		assert_int_equal(ask(m, id, &answer), 0);
	assert_int_equal(ask(m, 5, &answer), IKE_N_REGISTRATION_FAILED); /* the group is full */
	assert_int_equal(ask(m, 4, &answer), 0);                         /* but not for them */

	text_begin(&request); /* SAg without what the group uses */
	ike_open(&request.o, IKE_PL_SA);
	ike_put_proposal(request.o.w, &weak, true);
	ike_close(&request.o);
	assert_int_equal(text_end(&request), 0);
	text_begin(&answer);
	assert_int_equal(gks_register(server, 1, &gsk_w, &request.c, &answer.o, now),
			 IKE_N_NO_PROPOSAL);
	text_begin(&request); /* GROUP_SENDER of three octets */
	ike_put_notify(&request.o, IKE_N_GROUP_SENDER, "abc", 3);
	assert_int_equal(text_end(&request), 0);
	assert_int_equal(gks_register(server, 1, &gsk_w, &request.c, &answer.o, now),
			 IKE_N_INVALID_SYNTAX);

	/* All Sender-IDs are asked for: when none is left, all have to come anew, and wait. */
	save();
	assert_int_equal(ask(many, 1, &answer), 0);
	assert_int_equal(ask(many, 1, &answer), 0);
	assert_int_equal(ask(m, 2, &answer), IKE_N_REGISTRATION_FAILED);
	assert_false(gks_is_member(server, 1));
	now += ATD * SECOND;
	assert_int_equal(ask(m, 2, &answer), 0);
	gm_free(m);
	gm_free(many);
}

/* A backup is older than what has been done since: nothing of that is done again. */
static void a_restored_backup_uses_nothing_twice(void **state)
{
	static uint8_t record[GKS_SAVE_MAX(16)], old[REKEY_MESSAGE_MAX], b[REKEY_MESSAGE_MAX];
	static struct text answer;
	const struct gks_env env = {NULL, random_bytes, sign};
	struct gm *m = member_new(1), *late = member_new(1);
	struct wr w = wr_init(record, sizeof(record));
	struct gks_show before, after;
	struct rd r;

	(void)state;
	assert_int_equal(ask(m, 1, &answer), 0);
	assert_int_equal(gm_registered(m, &answer.c, &gsk_w, now), GM_OK);
	assert_int_equal(gks_exclude(server, 4, now), 0);
	gks_save(server, &w); /* the backup */
	now += 3600 * SECOND;
	gks_expire(server, now);
	assert_int_equal(gm_input(m, old, message(old), now), GM_OK);
	assert_int_equal(ask(late, 2, &answer), 0);
	assert_int_equal(gm_registered(late, &answer.c, &gsk_w, now), GM_OK);
	assert_int_equal(sends_as, 1);
	gks_show(server, &before);

	gks_free(server);
	server = gks_new(&config, &env, now);
	r = rd_init(record, wr_len(&w));
	assert_int_equal(gks_restore(server, &r, now), 0);
	gks_show(server, &after);
	assert_int_equal(after.members, 0);
	assert_int_equal(after.excluded, 1);
	assert_int_not_equal(after.spi[0], before.spi[0]);
	assert_false(gks_is_member(server, 1));
	/* Who has the Rekey SA of the backup is told, under an IV that was never used. */
	assert_int_equal(gm_input(m, b, message(b), now), GM_OK);
	assert_memory_equal(b, old, IKE_REKEY_SPI_LEN);
	assert_true(b[IKE_HEAD_LEN + IKE_PAYLOAD_HEAD] & 0x80);
	assert_false(old[IKE_HEAD_LEN + IKE_PAYLOAD_HEAD] & 0x80);
	assert_false(in_group(m));
	now += ATD * SECOND;
	installed = 0;
	assert_int_equal(ask(m, 1, &answer), 0);
	assert_int_equal(gm_registered(m, &answer.c, &gsk_w, now), GM_OK);
	assert_int_equal(installed, 1); /* Sender-IDs count anew, under new keys */
	assert_int_equal(ask(late, 4, &answer), IKE_N_AUTHORIZATION_FAILED);
	gm_free(m);
	gm_free(late);
}

/* One that asks again and again gets no Sender-IDs for it, and keeps nobody else from theirs. */
static void a_member_that_asks_too_often(void **state)
{
	static struct text answer;
	struct gm *m = member_new(1);
	struct gks_show s;

	(void)state;
	assert_int_equal(ask(m, 1, &answer), 0); /* with this one it becomes known */
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(ask(m, 1, &answer), 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(ask(m, 1, &answer), IKE_N_REGISTRATION_FAILED);
	gks_show(server, &s);
	assert_int_equal(s.sender_next, 5);
	assert_int_equal(ask(m, 2, &answer), 0);
	now += 59 * SECOND;
	assert_int_equal(ask(m, 1, &answer), IKE_N_REGISTRATION_FAILED);
	now += SECOND;
	assert_int_equal(ask(m, 1, &answer), 0);
	assert_int_equal(ask(m, 1, &answer), IKE_N_REGISTRATION_FAILED);
	now += 3600 * SECOND;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(ask(m, 1, &answer), 0);
	assert_int_equal(ask(m, 1, &answer), IKE_N_REGISTRATION_FAILED);
	gm_free(m);
}

static void answers_that_are_cut_or_changed(void **state)
{
	static struct text answer, bad;
	struct gm *m = member_new(1);
	size_t n;

	(void)state;
	assert_int_equal(ask(m, 1, &answer), 0);
	n = wr_len(&answer.w);
	for (size_t i = 1; i < n; i++)
		for (unsigned cut = 0; cut < 2; cut++) {
			memcpy(bad.b, answer.b, n);
			bad.b[i] = (uint8_t)(bad.b[i] ^ (cut ? 0 : 1u << i % 8));
			if (ike_chain_parse(&bad.c, bad.b[0], bad.b + 1, cut ? i - 1 : n - 1,
					    false))
				continue;
			struct gm_show s;

			if (gm_registered(m, &bad.c, &gsk_w, now) == GM_OK) {
				gm_free(m); /* times, selectors and the like may be any */
				m = member_new(1);
				installed = 0;
				continue;
			}
			gm_show(m, &s);
			assert_false(s.registered);
			assert_int_equal(s.sas, 0);
			assert_int_equal(installed, 0);
		}
	assert_int_equal(gm_registered(m, &answer.c, &gsk_w, now), GM_OK);
	gm_free(m);
}

static void rekeys_that_do_not_verify_change_nothing(void **state)
{
	static struct text answer;
	static uint8_t good[REKEY_MESSAGE_MAX], bad[REKEY_MESSAGE_MAX];
	struct gm *m = member_new(1);
	uint64_t digest;
	size_t n;

	(void)state;
	assert_int_equal(ask(m, 1, &answer), 0);
	assert_int_equal(gm_registered(m, &answer.c, &gsk_w, now), GM_OK);
	save();
	now += 3600 * SECOND;
	gks_expire(server, now);
	n = message(good);
	digest = gm_digest(m);
	for (size_t i = 0; i < n; i++) {
		memcpy(bad, good, n);
		bad[i] ^= (uint8_t)(1u << i % 8);
		assert_int_not_equal(gm_input(m, bad, n, now), GM_OK);
		assert_int_not_equal(gm_input(m, bad, i, now), GM_OK);
		assert_true(gm_digest(m) == digest);
	}
	memcpy(bad, good, n);
	assert_int_equal(gm_input(m, bad, n, now), GM_OK);
	assert_true(gm_digest(m) != digest);
	digest = gm_digest(m);
	assert_int_equal(gm_input(m, good, n, now), GM_MESSAGE); /* again */
	assert_true(gm_digest(m) == digest);
	gm_free(m);
}

/* §2.3.3: an answer that was written before a rekey that has arrived is not taken. */
static void an_answer_that_was_overtaken(void **state)
{
	static struct text first, second;
	static uint8_t b[REKEY_MESSAGE_MAX];
	struct gm *m = member_new(1);
	uint64_t digest;

	(void)state;
	assert_int_equal(ask(m, 1, &first), 0);
	assert_int_equal(gm_registered(m, &first.c, &gsk_w, now), GM_OK);
	assert_int_equal(sends_as, 0);
	assert_int_equal(ask(m, 1, &second), 0);
	save();
	now += 3600 * SECOND;
	gks_expire(server, now);
	assert_int_equal(gm_input(m, b, message(b), now), GM_OK);
	assert_int_equal(installed, 2);
	digest = gm_digest(m);
	assert_int_equal(gm_registered(m, &second.c, &gsk_w, now), GM_STALE);
	assert_true(gm_wants_at(m) <= now + 6 * SECOND); /* that alone has changed */
	assert_true(gm_digest(m) != digest);
	assert_int_equal(retired, 0);
	assert_int_equal(ask(m, 1, &second), 0);
	assert_int_equal(gm_registered(m, &second.c, &gsk_w, now), GM_OK);
	assert_int_equal(sends_as, 2);
	assert_string_equal(gm_result_name(GM_STALE), "stale");
	gm_free(m);
}

/* What another key server may say: a Rekey SA or keys for data, or both, a Sender-ID or none. */
static void say(struct text *t, bool rekey, bool data, bool sender)
{
	static struct gike_gsa gsa;
	static struct gike_kd kd;
	static uint8_t wrapped[2][96];
	const uint8_t keymat[68] = {7};
	struct gike_policy *p;
	size_t len;

	gsa = (struct gike_gsa){.has_sender_bits = sender, .sender_bits = sender ? 8 : 0};
	kd = (struct gike_kd){.sender_count = sender, .senders = {5}};
	if (rekey) {
		p = &gsa.v[gsa.count++];
		*p = (struct gike_policy){.protocol = IKE_PROTO_GIKE_UPDATE,
					  .spi_len = IKE_REKEY_SPI_LEN,
					  .spi = {1},
					  .from = config.rekey.from,
					  .to = config.rekey.to,
					  .count = 3,
					  .t = {{IKE_T_ENCR, IKE_ENCR_AES_GCM_16, 256, false},
						{IKE_T_KWA, IKE_KW_5649_256, 0, false},
						{IKE_T_GCAUTH, IKE_GCAUTH_IMPLICIT, 0, false}},
					  .has_lifetime = true,
					  .lifetime = 1000};
		assert_int_equal(keywrap_pad(gsk_w.b, gsk_w.len, keymat, 68, wrapped[0], &len), 0);
		kd.v[kd.count++] = (struct gike_bag){
			IKE_PROTO_GIKE_UPDATE, IKE_REKEY_SPI_LEN, {1}, kd.key_count, 1};
		kd.keys[kd.key_count++] = (struct gike_wrapped){0, 0, {wrapped[0], len}};
	}
	if (data) {
		p = &gsa.v[gsa.count++];
		*p = (struct gike_policy){.protocol = IKE_PROTO_ESP,
					  .spi_len = IKE_ESP_SPI_LEN,
					  .spi = {2},
					  .from = config.flows[0].from,
					  .to = config.flows[0].to,
					  .count = 2,
					  .t = {{IKE_T_ENCR, IKE_ENCR_AES_GCM_16, 256, false},
						{IKE_T_ESN, IKE_SN_UNSPECIFIED, 0, false}},
					  .has_lifetime = rekey, /* else the key server ends it */
					  .lifetime = 1000};
		assert_int_equal(keywrap_pad(gsk_w.b, gsk_w.len, keymat, 36, wrapped[1], &len), 0);
		kd.v[kd.count++] =
			(struct gike_bag){IKE_PROTO_ESP, IKE_ESP_SPI_LEN, {2}, kd.key_count, 1};
		kd.keys[kd.key_count++] = (struct gike_wrapped){0, 0, {wrapped[1], len}};
	}
	text_begin(t);
	ike_open(&t->o, IKE_PL_GSA);
	gike_gsa_build(&gsa, t->o.w);
	ike_close(&t->o);
	ike_open(&t->o, IKE_PL_KD);
	gike_kd_build(&kd, t->o.w);
	ike_close(&t->o);
	assert_int_equal(text_end(t), 0);
}

/* §2.4.1.4: a sender that holds no Sender-ID MUST NOT install keys for data, and registers. */
static void nobody_sends_without_a_sender_id(void **state)
{
	static struct text t;
	struct gm *m = member_new(1), *receiver = member_new(0);

	(void)state;
	say(&t, true, false, false);
	assert_int_equal(gm_registered(m, &t.c, &gsk_w, now), GM_OK);
	assert_int_equal(gm_registered(receiver, &t.c, &gsk_w, now), GM_OK);
	assert_int_equal(gm_wants_at(m), GM_NEVER);
	say(&t, false, true, false);
	assert_int_equal(gm_inband(m, &t.c, &gsk_w, now), GM_SENDER);
	assert_int_equal(installed, 0);
	assert_true(gm_wants_at(m) <= now);
	assert_int_equal(gm_inband(receiver, &t.c, &gsk_w, now), GM_OK);
	assert_int_equal(installed, 1);
	say(&t, true, true, true);
	assert_int_equal(gm_registered(m, &t.c, &gsk_w, now), GM_OK);
	assert_int_equal(sends_as, 5);
	gm_free(m);
	gm_free(receiver);
}

/* §2.3.3: without a Rekey SA a member is in the group as long as its IKE SA stands. */
static void a_member_without_a_rekey_sa(void **state)
{
	static struct text t;

	(void)state;
	for (unsigned rekey = 0; rekey < 2; rekey++) {
		struct gm *m = member_new(1);

		say(&t, rekey, true, true);
		assert_int_equal(gm_registered(m, &t.c, &gsk_w, now), GM_OK);
		assert_true(in_group(m));
		gm_cut(m, now);
		assert_int_equal(in_group(m), rekey);
		assert_int_equal(gm_wants_at(m) != GM_NEVER, !rekey);
		gm_free(m);
	}
}

/* §2.4.3: a Delete of all SPIs of GIKE_UPDATE, also by GSA_INBAND_REKEY. */
static void a_member_that_is_told_it_is_out(void **state)
{
	static struct text t, answer;
	struct gm *m = member_new(1);

	(void)state;
	assert_int_equal(ask(m, 1, &answer), 0);
	assert_int_equal(gm_registered(m, &answer.c, &gsk_w, now), GM_OK);
	text_begin(&t);
	gks_put_out(&t.o);
	assert_int_equal(text_end(&t), 0);
	assert_int_equal(gm_inband(m, &t.c, &gsk_w, now), GM_OK);
	assert_false(in_group(m));
	assert_int_equal(gm_inband(m, &t.c, &gsk_w, now), GM_UNKNOWN);
	assert_int_equal(retired, 0);
	now += 3 * ATD * SECOND; /* DTD */
	gm_expire(m, now);
	assert_int_equal(retired, 1);
	assert_true(gm_wants_at(m) <= now);
	gm_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(a_restored_backup_uses_nothing_twice, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_member_that_asks_too_often, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_that_are_cut_or_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(rekeys_that_do_not_verify_change_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_answer_that_was_overtaken, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_sends_without_a_sender_id, setup, teardown),
		cmocka_unit_test_setup_teardown(a_member_without_a_rekey_sa, setup, teardown),
		cmocka_unit_test_setup_teardown(a_member_that_is_told_it_is_out, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
