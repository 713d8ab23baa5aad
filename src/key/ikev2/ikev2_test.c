/* The engine against itself: two nodes, all that may happen between them when nobody is hostile. */
#include "key/ikev2/ikev2_lan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void set(struct lan *l, unsigned me, unsigned other,
		void (*change)(struct lan *l, unsigned me, struct ikev2_peer *p))
{
	struct ikev2_peer p = lan_peer(l, me, other);

	if (change)
		change(l, me, &p);
	assert_int_equal(ikev2_peer_set(l->nodes[me].e, &p, l->now), 0);
}

static struct lan *pair(void (*change)(struct lan *l, unsigned me, struct ikev2_peer *p))
{
	struct lan *l = lan_new(2);

	lan_start(l, 0);
	lan_start(l, 1);
	set(l, 0, 1, change);
	set(l, 1, 0, change);
	return l;
}

#define T0 LAN_TUNNEL(0)
#define T1 LAN_TUNNEL(1)

static struct lan *established(void (*change)(struct lan *l, unsigned me, struct ikev2_peer *p))
{
	struct lan *l = pair(change);

	assert_true(lan_until(l, lan_both, 5 * NS_PER_S));
	lan_run(l, l->now + NS_PER_S);
	return l;
}

static unsigned children(const struct lan_node *n)
{
	unsigned count = 0;

	for (const struct ike_sa *sa = n->e->sas; sa; sa = sa->next)
		for (const struct child_sa *c = sa->children; c; c = c->next)
			count += c->state == CHILD_UP && !c->want_close;
	return count;
}

/* One IKE SA and one child on each side, and they hear each other. */
static void check_one(struct lan *l)
{
	assert_true(lan_both(l));
	assert_int_equal(lan_stand(&l->nodes[0], T1), 1);
	assert_int_equal(lan_stand(&l->nodes[1], T0), 1);
	assert_int_equal(children(&l->nodes[0]), 1);
	assert_int_equal(children(&l->nodes[1]), 1);
	assert_int_equal(l->nodes[0].e->stats.sas, 1);
	assert_int_equal(l->nodes[1].e->stats.sas, 1);
}

/* Time passes in small steps, and at none of them does one not hear the other. */
static void run_heard(struct lan *l, uint64_t span)
{
	for (uint64_t end = l->now + span; l->now < end;) {
		lan_run(l, l->now + NS_PER_MS / 2);
		assert_true(lan_both(l));
	}
}

static void psk_comes_up_in_four_messages(void **state)
{
	struct lan *l = pair(NULL);

	(void)state;
	assert_true(lan_until(l, lan_both, 2 * NS_PER_S));
	assert_int_equal(l->sent, 4);
	lan_run(l, l->now + 10 * NS_PER_S);
	assert_int_equal(l->sent, 4);
	check_one(l);
	lan_free(l);
}

static void other_calls(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)l;
	p->start = me == 1;
}

static void either_end_may_call(void **state)
{
	struct lan *l = established(other_calls);

	(void)state;
	check_one(l);
	assert_true(lan_sa_of(&l->nodes[1], T0)->initiator);
	lan_free(l);
}

static void both_call(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)l;
	(void)me;
	p->start = true;
}

static void both_call_at_once_and_one_stays(void **state)
{
	struct lan *l = pair(both_call);

	(void)state;
	assert_true(lan_until(l, lan_both, 2 * NS_PER_S));
	run_heard(l, 12 * NS_PER_S);
	check_one(l);
	lan_free(l);
}

static void what_an_earlier_life_sends_by_is_used_until_the_peer_is_heard(void **state)
{
	struct lan *l = pair(NULL);
	struct sink_esp_report r = {
		.tunnel = T0, .direction = SINK_RECEIVE, .event = SINK_ESP_USED};

	(void)state;
	ikev2_carried(l->nodes[1].e, T0, true);
	lan_run(l, l->now + 60 * NS_PER_S);
	assert_true(lan_hears(l, 1, 0));
	assert_null(lan_transmit_sa(&l->nodes[1], T0)); /* the initiator may have died of it */
	r.spi = lan_sa_of(&l->nodes[1], T0)->children->spi_in;
	ikev2_report(l->nodes[1].e, &r, l->now);
	lan_flush(l, 1);
	assert_true(lan_both(l));
	lan_free(l);
	/* Or until there is nothing of it left. */
	l = pair(NULL);
	ikev2_carried(l->nodes[1].e, T0, true);
	lan_run(l, l->now + 60 * NS_PER_S);
	ikev2_carried(l->nodes[1].e, T0, false);
	lan_run(l, l->now + 120 * NS_PER_S);
	assert_true(lan_both(l));
	check_one(l);
	lan_free(l);
}

static void with_cert(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	lan_use_cert(l, me, p);
}

static void certificates_of_every_kind(void **state)
{
	static const enum x509_key kinds[] = {X509_KEY_ED25519, X509_KEY_ECDSA_256,
					      X509_KEY_ECDSA_384, X509_KEY_ECDSA_521,
					      X509_KEY_RSA_2048};

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct lan *l = lan_new(2);

		lan_certify(l, kinds[i]);
		lan_start(l, 0);
		lan_start(l, 1);
		set(l, 0, 1, with_cert);
		set(l, 1, 0, with_cert);
		assert_true(lan_until(l, lan_both, 2 * NS_PER_S));
		assert_int_equal(l->nodes[0].signatures, 1);
		lan_free(l);
	}
}

static bool first_gone(struct lan *l)
{
	return !lan_stand(&l->nodes[0], LAN_TUNNEL(1)) && !lan_stand(&l->nodes[1], LAN_TUNNEL(0));
}

/* As the daemon does when it has read a new list: the peer is set anew. */
static void a_certificate_revoked_later_closes_what_it_let_in(void **state)
{
	(void)state;
	for (unsigned how = 0; how < 3; how++) {
		struct lan *l = lan_new(3);

		lan_certify(l, X509_KEY_ECDSA_256);
		for (unsigned i = 0; i < 3; i++)
			lan_start(l, i);
		set(l, 0, 1, with_cert);
		set(l, 1, 0, with_cert);
		set(l, 0, 2, with_cert);
		set(l, 2, 0, with_cert);
		lan_run(l, l->now + 2 * NS_PER_S);
		assert_int_equal(lan_stand(&l->nodes[0], LAN_TUNNEL(1)), 1);
		assert_int_equal(lan_stand(&l->nodes[0], LAN_TUNNEL(2)), 1);
		set(l, 0, 1, with_cert); /* nobody is revoked: nothing happens */
		lan_run(l, l->now + NS_PER_S);
		assert_int_equal(lan_stand(&l->nodes[0], LAN_TUNNEL(1)), 1);
		if (how == 1) { /* its successor of a rekeying knows it too */
			assert_int_equal(
				ikev2_rekey(l->nodes[0].e, LAN_TUNNEL(1), IKEV2_REKEY_IKE, l->now),
				0);
			lan_flush(l, 0);
			lan_run(l, l->now + 2 * NS_PER_S);
		}
		lan_revoke(l, 1);
		if (how == 2) { /* and so does that of a control that was killed */
			lan_restart(l, 0, true);
			set(l, 0, 2, with_cert);
		}
		set(l, 0, 1, with_cert);
		assert_true(lan_until(l, first_gone, 2 * NS_PER_S));
		lan_run(l, l->now + 60 * NS_PER_S); /* nor is it let in again */
		assert_true(first_gone(l));
		assert_int_equal(lan_stand(&l->nodes[0], LAN_TUNNEL(2)), 1);
		lan_free(l);
	}
}

static void with_cert_of_old(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	with_cert(l, me, p);
	p->strength = IKEV2_COMPATIBLE;
}

/* The signer takes so many bytes and not one more. */
static void what_is_signed_has_room_for_the_longest_cookie_and_nonce(void **state)
{
	struct lan *l = lan_new(2);
	size_t longest = 0;

	(void)state;
	lan_certify(l, X509_KEY_ED25519);
	for (unsigned i = 0; i < 2; i++) {
		lan_start(l, i);
		set(l, i, 1 - i, with_cert_of_old);
	}
	assert_true(lan_until(l, lan_both, 2 * NS_PER_S));
	for (unsigned i = 0; i < 2; i++)
		if (l->nodes[i].signed_max > longest)
			longest = l->nodes[i].signed_max;
	printf("# the longest that is signed: %zu bytes\n", longest);
	/* A cookie of 64 bytes with its notification, a nonce of 256, a DH value of 512, a MAC of 64. */
	assert_true(longest + 8 + 64 + 256 + 512 + 64 <= IKEV2_SIGNED_MAX);
	lan_free(l);
}

static bool forget_hashes(uint8_t *b, size_t len)
{
	static const uint8_t notify[4] = {0, 0, IKE_N_SIGNATURE_HASHES >> 8,
					  IKE_N_SIGNATURE_HASHES & 0xff};
	uint8_t *at = memmem(b, len, notify, sizeof(notify));

	if (at)
		at[2] = 0x7f; /* a status nobody knows */
	return at;
}

/* Nobody says which hashes it knows, as before RFC 7427: the sender's own copy is the same. */
static bool old_boxes(struct lan *l, unsigned from, unsigned to, struct ikev2_datagram *d)
{
	(void)to;
	if (d->len > 18 && d->b[18] == IKE_SA_INIT && forget_hashes(d->b, d->len))
		for (struct ike_sa *sa = l->nodes[from].e->sas; sa; sa = sa->next) {
			struct bytes *kept = sa->initiator ? &sa->init_i : &sa->init_r;

			if (kept->b)
				forget_hashes(kept->b, kept->len);
		}
	return false;
}

/* The same done by somebody on the way. */
static bool hashes_taken_away(struct lan *l, unsigned from, unsigned to, struct ikev2_datagram *d)
{
	(void)l;
	(void)from;
	(void)to;
	if (d->len > 18 && d->b[18] == IKE_SA_INIT)
		forget_hashes(d->b, d->len);
	return false;
}

static void old_cert(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	lan_use_cert(l, me, p);
	p->strength = IKEV2_COMPATIBLE;
}

static const struct {
	enum x509_key kind;
	uint8_t method;
	const char *name;
} old_kinds[] = {{X509_KEY_RSA_2048, IKE_AUTH_RSA, "rsa-sha1"},
		 {X509_KEY_ECDSA_256, IKE_AUTH_ECDSA_256, "ecdsa"},
		 {X509_KEY_ECDSA_384, IKE_AUTH_ECDSA_384, "ecdsa"},
		 {X509_KEY_ECDSA_521, IKE_AUTH_ECDSA_521, "ecdsa"}};

/* Two nodes with certificates, on a network of old boxes or with somebody on the way. */
static struct lan *old_pair(enum x509_key kind,
			    void (*change)(struct lan *l, unsigned me, struct ikev2_peer *p),
			    bool (*drop)(struct lan *l, unsigned from, unsigned to,
					 struct ikev2_datagram *d))
{
	struct lan *l = lan_new(2);

	lan_certify(l, kind);
	l->drop = drop;
	lan_start(l, 0);
	lan_start(l, 1);
	set(l, 0, 1, change);
	set(l, 1, 0, change);
	return l;
}

static void old_boxes_sign_by_the_methods_they_know(void **state)
{
	struct ikev2_sa_show s;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct lan *l = old_pair(old_kinds[i].kind, old_cert, old_boxes);

		assert_true(lan_until(l, lan_both, 2 * NS_PER_S));
		for (unsigned n = 0; n < 2; n++) {
			assert_int_equal(l->nodes[n].e->sas->auth_method, old_kinds[i].method);
			assert_true(ikev2_show(l->nodes[n].e, 0, &s));
			assert_string_equal(s.auth, old_kinds[i].name);
		}
		lan_free(l);
	}
}

static void old_methods_are_for_compatible_peers_alone(void **state)
{
	struct lan *l = old_pair(X509_KEY_RSA_2048, with_cert, old_boxes);

	(void)state;
	lan_run(l, l->now + 5 * NS_PER_S);
	assert_int_equal(lan_stand(&l->nodes[0], T1) + lan_stand(&l->nodes[1], T0), 0);
	lan_free(l);
	/* The caller would do it, who is called does not. */
	l = lan_new(2);
	lan_certify(l, X509_KEY_ECDSA_256);
	l->drop = old_boxes;
	lan_start(l, 0);
	lan_start(l, 1);
	set(l, 0, 1, old_cert);
	set(l, 1, 0, with_cert);
	lan_run(l, l->now + 500 * NS_PER_MS);
	assert_int_equal(l->nodes[1].e->stats.results[IKEV2_AUTHENTICATION], 1);
	assert_int_equal(lan_stand(&l->nodes[1], T0), 0);
	lan_free(l);
}

/* Compatible with what is old, yet nobody between two that are not makes them use it. */
static void old_methods_cannot_be_forced(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct lan *l = old_pair(old_kinds[i].kind, old_cert, hashes_taken_away);

		lan_run(l, l->now + 500 * NS_PER_MS);
		assert_int_equal(l->nodes[1].e->stats.results[IKEV2_AUTHENTICATION], 1);
		assert_int_equal(lan_stand(&l->nodes[0], T1) + lan_stand(&l->nodes[1], T0), 0);
		lan_free(l);
		l = old_pair(old_kinds[i].kind, old_cert, NULL);
		assert_true(lan_until(l, lan_both, 2 * NS_PER_S));
		assert_int_equal(l->nodes[0].e->sas->auth_method, IKE_AUTH_SIGNATURE);
		lan_free(l);
	}
}

static void signer_may_take_its_time(void **state)
{
	struct lan *l = lan_new(2);

	(void)state;
	lan_certify(l, X509_KEY_ED25519);
	for (unsigned i = 0; i < 2; i++) {
		lan_start(l, i);
		l->nodes[i].sign_slow = true;
	}
	set(l, 0, 1, with_cert);
	set(l, 1, 0, with_cert);
	for (unsigned i = 0; i < 2; i++) { /* the initiator's, then the responder's */
		struct lan_node *n = &l->nodes[i];

		lan_run(l, l->now + 5 * NS_PER_S);
		assert_false(lan_both(l));
		assert_int_not_equal(n->sign_id, 0);
		ikev2_signed(n->e, n->sign_id + 7, n->sig, n->sig_len, l->now); /* not asked for */
		ikev2_signed(n->e, n->sign_id, n->sig, n->sig_len, l->now);
		lan_flush(l, i);
	}
	assert_true(lan_until(l, lan_both, 10 * NS_PER_S));
	lan_free(l);
	l = lan_new(2);
	lan_certify(l, X509_KEY_ED25519);
	lan_start(l, 0);
	lan_start(l, 1);
	l->nodes[1].sign_fails = true;
	set(l, 0, 1, with_cert);
	set(l, 1, 0, with_cert);
	lan_run(l, l->now + 5 * NS_PER_S);
	assert_int_equal(lan_stand(&l->nodes[0], T1), 0);
	assert_int_equal(lan_stand(&l->nodes[1], T0), 0);
	lan_free(l);
}

/* Long chains do not fit a datagram: IKE_AUTH goes in fragments, and none is longer than it may. */
static size_t longest;

static bool watch_length(struct lan *l, unsigned from, unsigned to, struct ikev2_datagram *d)
{
	(void)l;
	(void)from;
	(void)to;
	longest = d->len > longest ? d->len : longest;
	return false;
}

static void large_certificates_go_in_fragments(void **state)
{
	struct lan *l = lan_new(2);

	(void)state;
	lan_certify(l, X509_KEY_RSA_2048);
	for (unsigned i = 0; i < 2; i++) {
		struct lan_node *n = &l->nodes[i];

		n->chain[1] = n->chain[0]; /* twice the same: long, and harmless */
		n->chain_count = 2;
		lan_start(l, i);
	}
	set(l, 0, 1, with_cert);
	set(l, 1, 0, with_cert);
	l->drop = watch_length;
	longest = 0;
	assert_true(lan_until(l, lan_both, 2 * NS_PER_S));
	assert_true(l->sent >= 6);
	assert_true(longest <= FRAGMENT_MAX && longest > 1000);
	assert_true(l->nodes[0].e->stats.results[IKEV2_FRAGMENT_MORE] >= 1);
	lan_free(l);
}

static const uint16_t group_numbers[] = {IKE_DH_X25519,   IKE_DH_ECP_256,   IKE_DH_ECP_384,
					 IKE_DH_ECP_521,  IKE_DH_MODP_2048, IKE_DH_MODP_3072,
					 IKE_DH_MODP_4096};
static struct ike_proposal ike_one, esp_one;

static void one_suite(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)l;
	(void)me;
	p->ike_offer = &ike_one;
	p->esp_offer = &esp_one;
	p->ike_offer_count = p->esp_offer_count = 1;
}

static void every_algorithm(void **state)
{
	static const struct {
		uint16_t encr, bits, integ;
		enum esp_suite suite;
	} rows[] = {
		{IKE_ENCR_AES_GCM_16, 128, 0, ESP_AES_GCM_16_128},
		{IKE_ENCR_AES_GCM_16, 256, 0, ESP_AES_GCM_16_256},
		{IKE_ENCR_CHACHA20_POLY1305, 0, 0, ESP_CHACHA20_POLY1305},
		{IKE_ENCR_AES_CBC, 128, IKE_INTEG_SHA2_256_128, ESP_AES_CBC_128_SHA2_256_128},
		{IKE_ENCR_AES_CBC, 256, IKE_INTEG_SHA2_384_192, ESP_AES_CBC_256_SHA2_384_192},
		{IKE_ENCR_AES_CBC, 256, IKE_INTEG_SHA2_512_256, ESP_AES_CBC_256_SHA2_512_256},
	};
	static const uint16_t prfs[] = {IKE_PRF_SHA2_256, IKE_PRF_SHA2_384, IKE_PRF_SHA2_512};

	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		const unsigned k = i % 6;
		struct lan *l;

		ike_one = (struct ike_proposal){.protocol = IKE_PROTO_IKE, .count = 3};
		ike_one.t[0] =
			(struct ike_transform){IKE_T_ENCR, rows[k].encr, rows[k].bits, false};
		ike_one.t[1] = (struct ike_transform){IKE_T_PRF, prfs[i % 3], 0, false};
		ike_one.t[2] = (struct ike_transform){IKE_T_DH, group_numbers[i], 0, false};
		esp_one = (struct ike_proposal){.protocol = IKE_PROTO_ESP, .count = 3};
		esp_one.t[0] = ike_one.t[0];
		esp_one.t[1] = (struct ike_transform){IKE_T_ESN, i & 1, 0, false};
		esp_one.t[2] = ike_one.t[2];
		if (rows[k].integ)
			ike_one.t[ike_one.count++] = esp_one.t[esp_one.count++] =
				(struct ike_transform){IKE_T_INTEG, rows[k].integ, 0, false};
		l = established(one_suite);
		assert_int_equal(lan_transmit_sa(&l->nodes[0], T1)->suite, rows[k].suite);
		assert_int_equal(lan_transmit_sa(&l->nodes[0], T1)->esn, i & 1);
		ikev2_rekey(l->nodes[0].e, T1, IKEV2_REKEY_CHILD, l->now); /* with a DH exchange */
		run_heard(l, 50 * NS_PER_MS);
		ikev2_rekey(l->nodes[1].e, T0, IKEV2_REKEY_IKE, l->now);
		run_heard(l, 50 * NS_PER_MS);
		lan_run(l, l->now + 20 * NS_PER_S);
		check_one(l);
		assert_int_equal(l->nodes[0].e->stats.child_rekeys, 1);
		assert_int_equal(l->nodes[0].e->stats.rekeys, 1);
		lan_free(l);
	}
}

static void mixed_strength(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)l;
	p->strength = me ? IKEV2_COMPATIBLE : IKEV2_STRONG;
}

static void strong_and_compatible_meet_at_the_strong_end(void **state)
{
	struct lan *l = established(mixed_strength);

	(void)state;
	assert_int_equal(lan_transmit_sa(&l->nodes[0], T1)->suite, ESP_AES_GCM_16_256);
	assert_true(lan_transmit_sa(&l->nodes[0], T1)->esn);
	lan_free(l);
}

static struct ike_proposal only_ecp_384 = {.protocol = IKE_PROTO_IKE,
					   .count = 3,
					   .t = {{IKE_T_ENCR, IKE_ENCR_AES_GCM_16, 256, false},
						 {IKE_T_PRF, IKE_PRF_SHA2_384, 0, false},
						 {IKE_T_DH, IKE_DH_ECP_384, 0, false}}};

static void responder_wants_ecp_384(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)l;
	if (me == 1) {
		p->ike_offer = &only_ecp_384;
		p->ike_offer_count = 1;
	}
}

static void invalid_ke_makes_the_initiator_ask_again(void **state)
{
	struct lan *l = established(responder_wants_ecp_384);

	(void)state;
	assert_int_equal(l->sent, 6);
	assert_int_equal(lan_sa_of(&l->nodes[0], T1)->suite.group, IKE_DH_ECP_384);
	assert_int_equal(l->nodes[1].e->stats.results[IKEV2_GROUP], 1);
	lan_free(l);
}

static void cookie_is_asked_for_when_many_are_half_open(void **state)
{
	struct lan *l = lan_new(3);
	struct ikev2_peer any;

	(void)state;
	l->nodes[1].cfg.cookie_above = 1;
	for (unsigned i = 0; i < 3; i++)
		lan_start(l, i);
	any = lan_peer(l, 1, 2);
	any.start = false;
	assert_int_equal(ikev2_peer_set(l->nodes[1].e, &any, l->now), 0);
	set(l, 2, 1, both_call);
	lan_run(l, l->now + NS_PER_MS / 2);
	l->nodes[2].up = false; /* its IKE_SA_INIT is on the way, and nothing follows */
	lan_run(l, l->now + 2 * NS_PER_MS);
	assert_int_equal(l->nodes[1].e->half_open, 1);
	set(l, 0, 1, NULL);
	set(l, 1, 0, NULL);
	assert_true(lan_until(l, lan_both, 5 * NS_PER_S));
	assert_int_equal(l->nodes[1].e->stats.results[IKEV2_COOKIE_ASKED], 1);
	assert_int_equal(l->nodes[0].e->stats.results[IKEV2_COOKIE_ASKED], 1);
	lan_run(l, l->now + 31 * NS_PER_S); /* and the half-open one is forgotten */
	assert_int_equal(l->nodes[1].e->half_open, 0);
	lan_free(l);
}

static void rekey(struct lan *l, unsigned i, enum ikev2_what what)
{
	ikev2_rekey(l->nodes[i].e, LAN_TUNNEL(!i), what, l->now);
}

/* Either end or both, children or IKE SAs or one of each, with the calls some time apart: no
 * moment without keys on both sides, and in the end one of each. */
static void rekeying_from_either_end_and_both_at_once(void **state)
{
	static const uint64_t apart[] = {
		0, NS_PER_MS / 4, NS_PER_MS, 3 * NS_PER_MS / 2, 2 * NS_PER_MS, 3 * NS_PER_MS};
	struct lan *l = established(NULL);

	(void)state;
	for (unsigned round = 0; round < 6 * 4 * 4; round++) {
		enum ikev2_what first = round & 1 ? IKEV2_REKEY_IKE : IKEV2_REKEY_CHILD;
		enum ikev2_what second = round & 2 ? IKEV2_REKEY_IKE : IKEV2_REKEY_CHILD;
		unsigned a = round >> 2 & 1;

		rekey(l, a, first);
		lan_run(l, l->now + apart[round / 16]);
		if (!(round & 8))
			rekey(l, !a, second);
		run_heard(l, 100 * NS_PER_MS);
		lan_run(l, l->now + 20 * NS_PER_S);
		check_one(l);
	}
	assert_true(l->nodes[0].e->stats.rekeys >= 48);
	assert_true(l->nodes[0].e->stats.child_rekeys >= 48);
	assert_int_equal(l->nodes[0].e->stats.lost + l->nodes[1].e->stats.lost, 0);
	lan_free(l);
}

static void quick(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)l;
	(void)me;
	p->ike_rekey_ns = 70 * NS_PER_S;
	p->child_rekey_ns = 20 * NS_PER_S;
}

static void rekeys_by_its_own_clock_for_an_hour(void **state)
{
	struct lan *l = established(quick);

	(void)state;
	for (unsigned i = 0; i < 3600; i++) {
		lan_run(l, l->now + NS_PER_S);
		assert_true(lan_both(l));
	}
	assert_true(l->nodes[0].e->stats.rekeys >= 50);
	assert_true(l->nodes[0].e->stats.child_rekeys >= 170);
	assert_int_equal(l->nodes[0].e->stats.lost, 0);
	lan_free(l);
}

static void reauth(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)l;
	(void)me;
	p->ike_reauth_ns = 100 * NS_PER_S;
}

static void reauthentication_makes_before_it_breaks(void **state)
{
	struct lan *l = established(reauth);
	uint64_t spi = sa_spi(lan_sa_of(&l->nodes[0], T1));

	(void)state;
	run_heard(l, NS_PER_S);
	for (unsigned i = 0; i < 3000; i++) {
		lan_run(l, l->now + 100 * NS_PER_MS);
		assert_true(lan_both(l));
	}
	lan_run(l, l->now + 12 * NS_PER_S);
	check_one(l);
	assert_true(l->nodes[0].e->stats.established >= 3);
	assert_true(sa_spi(lan_sa_of(&l->nodes[0], T1)) != spi);
	lan_free(l);
}

static void either_may_call(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)l;
	(void)me;
	p->ike_reauth_ns = 1000 * NS_PER_S;
}

static void both_reauthenticate_at_once_and_one_stays(void **state)
{
	struct lan *l = established(either_may_call);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		ikev2_rekey(l->nodes[i].e, LAN_TUNNEL(!i), IKEV2_REAUTH, l->now);
		ikev2_expire(l->nodes[i].e, l->now);
		lan_flush(l, i);
	}
	run_heard(l, 2 * NS_PER_S);
	lan_run(l, l->now + 200 * NS_PER_S);
	check_one(l);
	lan_free(l);
}

static void down_takes_everything_away(void **state)
{
	struct lan *l = established(NULL);

	(void)state;
	assert_int_equal(ikev2_down(l->nodes[0].e, T1, l->now), 0);
	lan_run(l, l->now + 15 * NS_PER_S);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(l->nodes[i].e->stats.sas, 0);
		for (unsigned j = 0; j < LAN_SAS; j++)
			assert_false(l->nodes[i].sas[j].used);
	}
	assert_int_equal(ikev2_up(l->nodes[0].e, T1, l->now), 0);
	assert_true(lan_until(l, lan_both, 5 * NS_PER_S));
	assert_int_equal(ikev2_up(l->nodes[0].e, 9999, l->now), -2);
	ikev2_peer_remove(l->nodes[0].e, T1, l->now);
	lan_flush(l, 0);
	lan_run(l, l->now + 15 * NS_PER_S);
	assert_int_equal(l->nodes[0].e->stats.sas, 0);
	assert_int_equal(l->nodes[1].e->stats.sas, 0);
	lan_free(l);
}

static void silent_peer_is_noticed_and_called_again(void **state)
{
	struct lan *l = established(NULL);

	(void)state;
	l->nodes[1].up = false;
	lan_run(l, l->now + 90 * NS_PER_S);
	lan_run(l, l->now + 30 * NS_PER_S);
	assert_int_equal(lan_stand(&l->nodes[0], T1), 0);
	assert_int_equal(children(&l->nodes[0]), 0);
	l->nodes[1].up = true;
	lan_restart(l, 1, false);
	assert_true(lan_until(l, lan_both, 30 * NS_PER_S));
	lan_free(l);
}

static void traffic_spares_the_liveness_check(void **state)
{
	struct lan *l = established(NULL);
	const struct sink_esp *tx = lan_transmit_sa(&l->nodes[1], T0);
	unsigned sent = l->sent;

	(void)state;
	for (unsigned i = 1; i <= 30; i++) {
		struct sink_esp_report r = {.tunnel = T1,
					    .direction = SINK_RECEIVE,
					    .event = SINK_ESP_INSTALLED,
					    .spi = tx->spi,
					    .packets = i};

		lan_run(l, l->now + 5 * NS_PER_S);
		ikev2_report(l->nodes[0].e, &r, l->now);
	}
	assert_int_equal(l->nodes[0].e->stats.sent + l->nodes[1].e->stats.sent, l->sent);
	assert_true(l->sent - sent <= 14); /* those of the end without traffic */
	lan_free(l);
}

static void first_contact(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)me;
	(void)p;
	l->nodes[0].cfg.initial_contact = true;
}

static void who_knows_nothing_says_so(void **state)
{
	struct lan *l = lan_new(2);

	(void)state;
	first_contact(l, 0, NULL);
	lan_start(l, 0);
	lan_start(l, 1);
	set(l, 0, 1, NULL);
	set(l, 1, 0, NULL);
	assert_true(lan_until(l, lan_both, 5 * NS_PER_S));
	lan_restart(l, 0, false); /* all is gone, as after a boot */
	for (unsigned i = 0; i < LAN_SAS; i++)
		l->nodes[0].sas[i].used = false;
	lan_run(l, l->now + 100 * NS_PER_MS);
	check_one(l);
	lan_free(l);
}

static unsigned to_drop;

static bool drop_some(struct lan *l, unsigned from, unsigned to, struct ikev2_datagram *d)
{
	(void)l;
	(void)from;
	(void)to;
	(void)d;
	return to_drop && to_drop-- % 2 == 0;
}

static void lost_datagrams_are_sent_again(void **state)
{
	struct lan *l = pair(NULL);

	(void)state;
	l->drop = drop_some;
	to_drop = 13;
	assert_true(lan_until(l, lan_both, 60 * NS_PER_S));
	to_drop = 13;
	rekey(l, 0, IKEV2_REKEY_IKE);
	lan_run(l, l->now + 60 * NS_PER_S);
	to_drop = 13;
	rekey(l, 1, IKEV2_REKEY_CHILD);
	lan_run(l, l->now + 90 * NS_PER_S);
	check_one(l);
	assert_int_equal(l->nodes[0].e->stats.rekeys, 1);
	assert_int_equal(l->nodes[0].e->stats.lost, 0);
	lan_free(l);
}

static void childless(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)l;
	(void)me;
	p->childless = true;
}

static void childless_ike_sa_gets_its_child_when_it_is_asked_for(void **state)
{
	struct lan *l = pair(childless);

	(void)state;
	lan_run(l, l->now + 10 * NS_PER_S);
	assert_int_equal(l->sent, 4);
	assert_int_equal(lan_stand(&l->nodes[0], T1), 1);
	assert_int_equal(children(&l->nodes[0]), 0);
	assert_int_equal(ikev2_rekey(l->nodes[0].e, T1, IKEV2_NEW_CHILD, l->now), 0);
	assert_true(lan_until(l, lan_both, NS_PER_S));
	check_one(l);
	lan_free(l);
}

static void lost_by_forward_a_child_is_replaced(void **state)
{
	struct lan *l = established(NULL);
	struct sink_esp_report r = {
		.tunnel = T1, .direction = SINK_RECEIVE, .event = SINK_ESP_GONE};
	uint32_t spi = lan_transmit_sa(&l->nodes[1], T0)->spi;

	(void)state;
	r.spi = spi;
	ikev2_report(l->nodes[0].e, &r, l->now);
	lan_run(l, l->now + 10 * NS_PER_S);
	check_one(l);
	assert_true(lan_transmit_sa(&l->nodes[1], T0)->spi != spi);
	lan_free(l);
}

static void on_demand(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)l;
	(void)me;
	p->start = false;
}

static void waiting_packet_brings_it_up(void **state)
{
	struct lan *l = pair(on_demand);
	struct sink_esp_report r = {.tunnel = T1, .event = SINK_ESP_ACQUIRE};

	(void)state;
	lan_run(l, l->now + 10 * NS_PER_S);
	assert_int_equal(l->sent, 0);
	ikev2_report(l->nodes[0].e, &r, l->now);
	assert_true(lan_until(l, lan_both, NS_PER_S));
	lan_free(l);
}

static void transport(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)l;
	(void)me;
	p->mode = ESP_TRANSPORT;
	p->ts = (struct esp_selectors){0};
}

static void transport_mode_between_the_two_addresses(void **state)
{
	struct lan *l = established(transport);
	const struct sink_esp *sa = lan_transmit_sa(&l->nodes[0], T1);

	(void)state;
	assert_int_equal(sa->mode, ESP_TRANSPORT);
	assert_int_equal(sa->ts.local_count, 1);
	assert_memory_equal(sa->ts.local[0].lo, l->nodes[0].at.addr, 4);
	assert_memory_equal(sa->ts.remote[0].hi, l->nodes[1].at.addr, 4);
	rekey(l, 1, IKEV2_REKEY_CHILD);
	lan_run(l, l->now + 20 * NS_PER_S);
	check_one(l);
	lan_free(l);
}

static void nets(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	struct esp_ts *mine = &p->ts.local[0], *theirs = &p->ts.remote[0];

	(void)l;
	if (me == 0)
		return; /* asks for everything */
	memcpy(mine->lo, (uint8_t[]){10, 1, 0, 0}, 4);
	memcpy(mine->hi, (uint8_t[]){10, 1, 255, 255}, 4);
	memcpy(theirs->lo, (uint8_t[]){10, 2, 0, 0}, 4);
	memcpy(theirs->hi, (uint8_t[]){10, 2, 255, 255}, 4);
	theirs->protocol = 6;
}

static void selectors_are_narrowed(void **state)
{
	struct lan *l = established(nets);
	const struct sink_esp *sa = lan_transmit_sa(&l->nodes[0], T1);

	(void)state;
	assert_memory_equal(sa->ts.remote[0].lo, ((uint8_t[]){10, 1, 0, 0}), 4);
	assert_memory_equal(sa->ts.local[0].hi, ((uint8_t[]){10, 2, 255, 255}), 4);
	assert_int_equal(sa->ts.local[0].protocol, 6);
	rekey(l, 0, IKEV2_REKEY_CHILD);
	lan_run(l, l->now + 20 * NS_PER_S);
	check_one(l);
	lan_free(l);
}

static void apart(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)l;
	p->ts.local[0] = p->ts.remote[0] = esp_ts_any(4);
	memset(p->ts.local[0].lo, me ? 10 : 20, 4);
	memset(p->ts.local[0].hi, me ? 10 : 20, 4);
	memset(p->ts.remote[0].lo, 30, 4);
	memset(p->ts.remote[0].hi, 30, 4);
}

static void without_selectors_in_common_the_ike_sa_stands_alone(void **state)
{
	struct lan *l = pair(apart);

	(void)state;
	lan_run(l, l->now + 5 * NS_PER_S);
	assert_int_equal(lan_stand(&l->nodes[0], T1), 1);
	assert_int_equal(children(&l->nodes[0]) + children(&l->nodes[1]), 0);
	assert_true(l->sent <= 6);
	lan_free(l);
}

static bool ppk_of[2], ppk_must[2];

static void ppk(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)l;
	if (!ppk_of[me])
		return;
	p->ppk_id = (struct ikev2_id){.type = IKE_ID_KEY, .len = 4, .b = "pqk1"};
	secret_set(&p->ppk, "a key that no quantum computer..", 32);
	p->ppk_required = ppk_must[me];
}

static void post_quantum_keys(void **state)
{
	static const struct {
		bool have[2], must[2], up, used;
	} rows[] = {
		{{true, true}, {true, true}, true, true},
		{{true, true}, {false, false}, true, true},
		{{true, false}, {false, false}, true, false},
		{{false, true}, {false, false}, true, false},
		{{true, false}, {true, false}, false, false},
		{{false, true}, {false, true}, false, false},
	};

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned k = i / 2;
		struct lan *l = lan_new(2);

		memcpy(ppk_of, rows[k].have, sizeof(ppk_of));
		memcpy(ppk_must, rows[k].must, sizeof(ppk_must));
		lan_certify(l, X509_KEY_ED25519);
		for (unsigned n = 0; n < 2; n++) {
			struct ikev2_peer p = lan_peer(l, n, !n);

			lan_start(l, n);
			ppk(l, n, &p);
			if (i & 1)
				lan_use_cert(l, n, &p);
			assert_int_equal(ikev2_peer_set(l->nodes[n].e, &p, l->now), 0);
		}
		assert_int_equal(lan_until(l, lan_both, 3 * NS_PER_S), rows[k].up);
		for (unsigned n = 0; rows[k].up && n < 2; n++)
			assert_int_equal(lan_sa_of(&l->nodes[n], LAN_TUNNEL(!n))->ppk,
					 rows[k].used);
		lan_free(l);
	}
}

static void ppk_that_only_one_has_is_done_without(void **state)
{
	struct lan *l = lan_new(2);

	(void)state;
	for (unsigned n = 0; n < 2; n++) {
		struct ikev2_peer p = lan_peer(l, n, !n);

		lan_start(l, n);
		ppk_of[n] = true;
		ppk_must[n] = false;
		ppk(l, n, &p);
		p.ppk_id.b[0] = (uint8_t)('p' + n); /* another name */
		assert_int_equal(ikev2_peer_set(l->nodes[n].e, &p, l->now), 0);
	}
	assert_true(lan_until(l, lan_both, 3 * NS_PER_S));
	assert_false(lan_sa_of(&l->nodes[0], T1)->ppk);
	rekey(l, 0, IKEV2_REKEY_IKE);
	lan_run(l, l->now + 20 * NS_PER_S);
	check_one(l);
	lan_free(l);
}

static void any_address(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)l;
	if (me == 1)
		p->remote = (struct esp_end){0};
}

static void behind_a_nat_it_goes_on_through_udp(void **state)
{
	struct lan *l = lan_new(2);
	const struct sink_esp *sa;

	(void)state;
	l->nat = true;
	lan_start(l, 0);
	lan_start(l, 1);
	set(l, 0, 1, any_address);
	set(l, 1, 0, any_address);
	assert_true(lan_until(l, lan_both, 5 * NS_PER_S));
	sa = lan_transmit_sa(&l->nodes[0], T1);
	assert_int_equal(sa->local.port, 4500);
	assert_int_equal(sa->remote.port, 4500);
	sa = lan_transmit_sa(&l->nodes[1], T0);
	assert_int_equal(sa->local.port, 4500);
	assert_int_equal(sa->remote.port, 44500);
	assert_memory_equal(sa->remote.addr, ((uint8_t[]){203, 0, 113, 9}), 4);
	assert_true(lan_sa_of(&l->nodes[0], T1)->nat_local);
	assert_true(lan_sa_of(&l->nodes[1], T0)->nat_remote);
	rekey(l, 0, IKEV2_REKEY_IKE);
	run_heard(l, 50 * NS_PER_MS);
	rekey(l, 1, IKEV2_REKEY_CHILD);
	run_heard(l, 50 * NS_PER_MS);
	lan_run(l, l->now + 100 * NS_PER_S);
	check_one(l);
	/* Keepalives: one octet, which is no IKE. */
	assert_true(l->nodes[1].e->stats.results[IKEV2_NOT_IKE] >= 2);
	lan_free(l);
}

static void encap(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)l;
	p->encap = me == 0;
}

static void through_udp_although_there_is_no_nat(void **state)
{
	struct lan *l = established(encap);

	(void)state;
	assert_int_equal(lan_transmit_sa(&l->nodes[0], T1)->local.port, 4500);
	assert_int_equal(lan_transmit_sa(&l->nodes[1], T0)->remote.port, 4500);
	lan_free(l);
}

static void clocks_of_one_second(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	quick(l, me, p);
}

/* Killed and continued by a successor at every message of an IKE rekey and a child rekey, either
 * end: as if nothing had been. */
static unsigned kill_at, kill_whom;

static bool count_down(struct lan *l, unsigned from, unsigned to, struct ikev2_datagram *d)
{
	(void)l;
	(void)from;
	(void)to;
	(void)d;
	if (kill_at)
		kill_at--;
	return false;
}

static void successor_continues_at_any_message(void **state)
{
	(void)state;
	for (unsigned whom = 0; whom < 2; whom++)
		for (unsigned when = 1; when <= 10; when++) {
			struct lan *l = established(clocks_of_one_second);
			bool killed = false;

			l->drop = count_down;
			kill_at = when;
			kill_whom = whom;
			rekey(l, 0, when & 1 ? IKEV2_REKEY_IKE : IKEV2_REKEY_CHILD);
			rekey(l, 1, when & 2 ? IKEV2_REKEY_IKE : IKEV2_REKEY_CHILD);
			for (unsigned i = 0; i < 200000 && l->now < 1100 * NS_PER_S; i++) {
				lan_run(l, l->now + NS_PER_MS / 2);
				if (!killed && !kill_at) {
					lan_restart(l, whom, true);
					killed = true;
				}
				assert_true(lan_both(l));
			}
			assert_true(killed);
			lan_run(l, l->now + 20 * NS_PER_S);
			assert_int_equal(lan_stand(&l->nodes[0], T1), 1);
			assert_int_equal(lan_stand(&l->nodes[1], T0), 1);
			assert_int_equal(l->nodes[0].e->stats.lost + l->nodes[1].e->stats.lost, 0);
			lan_free(l);
		}
}

static void both_ends_are_replaced_at_once(void **state)
{
	struct lan *l = established(NULL);
	unsigned adds = l->nodes[0].adds;
	uint64_t spi = sa_spi(lan_sa_of(&l->nodes[0], T1));

	(void)state;
	rekey(l, 0, IKEV2_REKEY_CHILD);
	lan_run(l, l->now + NS_PER_MS / 2);
	lan_restart(l, 0, true);
	lan_restart(l, 1, true);
	run_heard(l, 50 * NS_PER_MS);
	lan_run(l, l->now + 20 * NS_PER_S);
	check_one(l);
	assert_true(sa_spi(lan_sa_of(&l->nodes[0], T1)) == spi);
	assert_true(l->nodes[0].adds > adds);
	lan_free(l);
}

static void without_records_it_comes_up_beside_what_is_there(void **state)
{
	struct lan *l = established(NULL);

	(void)state;
	lan_restart(l, 0, false); /* forward kept its SAs: they are orphans */
	run_heard(l, 500 * NS_PER_MS);
	assert_int_equal(lan_stand(&l->nodes[0], T1), 1);
	lan_run(l, l->now + 200 * NS_PER_S); /* and the peer finds its old one dead */
	assert_int_equal(lan_stand(&l->nodes[1], T0), 1);
	assert_true(lan_both(l));
	lan_free(l);
}

static void damaged_records_are_refused(void **state)
{
	struct lan *l = established(NULL);
	struct lan_node *n = &l->nodes[0];
	struct ikev2_peer p = lan_peer(l, 0, 1);
	unsigned slot = 0, refused = 0;

	(void)state;
	while (!n->record_len[slot])
		slot++;
	for (size_t len = 0; len <= n->record_len[slot]; len++) {
		struct rd r = rd_init(n->records[slot], len);

		lan_stop(l, 0);
		lan_start(l, 0);
		assert_int_equal(ikev2_peer_set(n->e, &p, l->now), 0);
		if (ikev2_load(n->e, slot, &r, l->now) != 0)
			refused++;
	}
	assert_int_equal(refused, n->record_len[slot]);
	lan_free(l);
}

static void failed_negotiation_is_explained(void **state)
{
	uint8_t b[512];
	struct wr w = wr_init(b, sizeof(b));
	struct ike_proposal theirs = only_ecp_384;
	struct ikev2_peer p = {.strength = IKEV2_STRONG};
	const struct ike_proposal *ours;
	char text[1024], small[40];
	unsigned n;

	(void)state;
	theirs.num = 1;
	theirs.t[2].id = IKE_DH_MODP_2048;
	ike_put_proposal(&w, &theirs, true);
	ours = offer_ike(&p, &n);
	select_explain(ours, n, (struct ike_bytes){b, wr_len(&w)}, text, sizeof(text));
	assert_string_equal(
		text,
		"no DH group in common; ours: aes-gcm-16-256|chacha20-poly1305 "
		"prf-hmac-sha2-384|prf-hmac-sha2-512|prf-hmac-sha2-256 x25519|ecp-384|ecp-256; "
		"theirs: aes-gcm-16-256 prf-hmac-sha2-384 modp-2048");
	select_explain(ours, n, (struct ike_bytes){b, wr_len(&w)}, small, sizeof(small));
	assert_int_equal(strlen(small), sizeof(small) - 1);
}

static void cbc_alone(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	static const struct ike_proposal cbc = {
		.protocol = IKE_PROTO_IKE,
		.count = 4,
		.t = {{IKE_T_ENCR, IKE_ENCR_AES_CBC, 256, false},
		      {IKE_T_PRF, IKE_PRF_SHA2_256, 0, false},
		      {IKE_T_INTEG, IKE_INTEG_SHA2_256_128, 0, false},
		      {IKE_T_DH, IKE_DH_MODP_2048, 0, false}}};

	(void)l;
	p->start = me == 0;
	if (me)
		return;
	p->ike_offer = &cbc;
	p->ike_offer_count = 1;
}

/* Both ends say why, at once; and no more of it once it is up. */
static void why_it_is_down_is_told_on_both_ends(void **state)
{
	struct lan *l = pair(cbc_alone);
	struct ikev2_peer_show p;

	(void)state;
	lan_run(l, l->now + NS_PER_S);
	assert_true(ikev2_peer_show(l->nodes[0].e, T1, &p));
	assert_string_equal(p.trouble, "said in clear: the peer takes none of our IKE proposals "
				       "(NO_PROPOSAL_CHOSEN); ours: aes-cbc-256 prf-hmac-sha2-256 "
				       "hmac-sha2-256-128 modp-2048");
	assert_true(p.wanted);
	assert_true(ikev2_peer_show(l->nodes[1].e, T0, &p));
	assert_non_null(strstr(p.trouble, "no encryption in common; ours: aes-gcm-16-256"));
	assert_non_null(strstr(p.trouble, "theirs: aes-cbc-256 "));
	lan_run(l, l->now + 300 * NS_PER_S); /* told once, however often it is tried */
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(l->nodes[i].events[IKEV2_EV_NO_PROPOSAL], 1);
	set(l, 0, 1, NULL);
	assert_true(lan_until(l, lan_both, 120 * NS_PER_S));
	assert_true(ikev2_peer_show(l->nodes[0].e, T1, &p));
	assert_string_equal(p.trouble, "");
	assert_false(ikev2_peer_show(l->nodes[0].e, 77, &p));
	lan_free(l);
}

static void events_of_a_life(void **state)
{
	struct lan *l = established(reauth);
	struct lan_node *n = l->nodes;
	struct ikev2_peer_show p;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(n[i].events[IKEV2_EV_UP], 1);
		ikev2_rekey(n[i].e, LAN_TUNNEL(!i), IKEV2_REKEY_IKE, l->now);
		lan_run(l, l->now + 5 * NS_PER_S);
		ikev2_rekey(n[i].e, LAN_TUNNEL(!i), IKEV2_REKEY_CHILD, l->now);
		lan_run(l, l->now + 5 * NS_PER_S);
	}
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(n[i].events[IKEV2_EV_REKEYED], 2);
		assert_int_equal(n[i].events[IKEV2_EV_CHILD_REKEYED], 2);
		assert_int_equal(n[i].events[IKEV2_EV_DOWN], 0);
	}
	ikev2_rekey(n[0].e, T1, IKEV2_REAUTH, l->now);
	lan_run(l, l->now + 5 * NS_PER_S);
	assert_int_equal(n[0].events[IKEV2_EV_REAUTHENTICATED], 1);
	assert_int_equal(n[0].events[IKEV2_EV_DOWN] + n[1].events[IKEV2_EV_DOWN], 0);
	lan_stop(l, 1);
	lan_run(l, l->now + 300 * NS_PER_S);
	assert_int_equal(n[0].events[IKEV2_EV_DOWN], 1);
	assert_true(ikev2_peer_show(n[0].e, T1, &p));
	assert_non_null(strstr(p.trouble, "no answer"));
	lan_free(l);
}

static void key_log(struct lan *l, unsigned me, struct ikev2_peer *p)
{
	(void)l;
	p->key_log = me == 1;
}

/* The tables of Wireshark: a line for each IKE SA, and two for each child, of a peer that has them
 * logged, once it is known who it is. */
static void keys_are_told_where_the_file_says_so_alone(void **state)
{
	struct lan *l = established(key_log);
	struct lan_node *n = l->nodes;
	const struct child_sa *c = n[1].e->sas->children;
	char spi[64];

	(void)state;
	assert_int_equal(n[0].key_lines[IKEV2_TABLE_IKE] + n[0].key_lines[IKEV2_TABLE_ESP], 0);
	assert_int_equal(n[1].key_lines[IKEV2_TABLE_IKE], 1);
	assert_int_equal(n[1].key_lines[IKEV2_TABLE_ESP], 2);
	snprintf(spi, sizeof(spi), "\"IPv4\",\"10.0.0.2\",\"10.0.0.1\",\"0x%08x\",\"AES-GCM",
		 c->spi_out);
	assert_int_equal(strncmp(n[1].key_line[IKEV2_TABLE_ESP], spi, strlen(spi)), 0);
	assert_non_null(strstr(n[1].key_line[IKEV2_TABLE_IKE], "AES-GCM-256 with 16 octet ICV"));
	ikev2_rekey(n[0].e, T1, IKEV2_REKEY_IKE, l->now);
	lan_run(l, l->now + 5 * NS_PER_S);
	assert_int_equal(n[1].key_lines[IKEV2_TABLE_IKE], 2);
	ikev2_rekey(n[0].e, T1, IKEV2_REKEY_CHILD, l->now);
	lan_run(l, l->now + 5 * NS_PER_S);
	assert_int_equal(n[1].key_lines[IKEV2_TABLE_ESP], 4);
	lan_free(l);
}

/* Down by command: neither the other end, nor a packet, nor the file set again brings it up. */
static void what_is_held_down_stays_down(void **state)
{
	struct lan *l = established(NULL);
	const struct sink_esp_report waits = {
		.tunnel = T0, .direction = SINK_TRANSMIT, .event = SINK_ESP_ACQUIRE};
	struct ikev2_peer_show p;

	(void)state;
	assert_int_equal(ikev2_down(l->nodes[1].e, T0, l->now), 0);
	lan_run(l, l->now + 120 * NS_PER_S);
	ikev2_report(l->nodes[1].e, &waits, l->now);
	set(l, 1, 0, NULL);
	lan_run(l, l->now + 120 * NS_PER_S);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(lan_stand(&l->nodes[i], LAN_TUNNEL(!i)), 0);
	assert_true(ikev2_peer_show(l->nodes[1].e, T0, &p));
	assert_true(p.held);
	assert_int_equal(ikev2_rekey(l->nodes[1].e, T0, IKEV2_REKEY_CHILD, l->now), -ENOTCONN);
	assert_int_equal(ikev2_up(l->nodes[1].e, T0, l->now), 0);
	assert_true(lan_until(l, lan_both, 5 * NS_PER_S));
	lan_free(l);
}

static void identities_in_words(void **state)
{
	static const uint8_t dn[] = {0x30, 0x1e, 0x31, 0x0d, 0x30, 0x0b, 0x06, 0x03,
				     0x55, 0x04, 0x0a, 0x0c, 0x04, 'A',  'c',  'm',
				     'e',  0x31, 0x0d, 0x30, 0x0b, 0x06, 0x03, 0x55,
				     0x04, 0x03, 0x0c, 0x04, 'f',  'r',  'a',  '\n'};
	const struct {
		struct ikev2_id id;
		const char *text;
	} rows[] = {
		{{0}, "any"},
		{{.type = IKE_ID_IPV4, .len = 4, .b = {192, 0, 2, 1}}, "192.0.2.1"},
		{{.type = IKE_ID_IPV6, .len = 16, .b = {0x20, 1, 0xd, 0xb8}}, "2001:db8::"},
		{{.type = IKE_ID_FQDN, .len = 4, .b = "fra1"}, "fra1"},
		{{.type = IKE_ID_RFC822, .len = 5, .b = "a@b\033c"}, "a@b?c"},
		{{.type = IKE_ID_KEY, .len = 8, .b = "branch17"}, "branch17"},
		{{.type = IKE_ID_KEY, .len = 3, .b = {1, 2, 3}}, "key id of 3 octets"},
		{{.type = IKE_ID_DN, .len = 3, .b = {0x30, 9, 9}}, "a DN that is none"},
	};
	struct ikev2_id id = {.type = IKE_ID_DN, .len = sizeof(dn)};
	char text[128];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(ikev2_id_text(&rows[i].id, text, sizeof(text)), rows[i].text);
	memcpy(id.b, dn, sizeof(dn));
	assert_string_equal(ikev2_id_text(&id, text, sizeof(text)), "CN=fra\\0A,O=Acme");
	assert_string_equal(ikev2_id_text(&rows[2].id, text, 4), "200"); /* cut, yet ended */
}

static void pictures(void **state)
{
	struct lan *l = established(NULL);
	struct ikev2_sa_show s;

	(void)state;
	assert_true(ikev2_show(l->nodes[0].e, 0, &s));
	assert_int_equal(s.tunnel, T1);
	assert_string_equal(s.state, "established");
	assert_string_equal(s.auth, "psk");
	assert_string_equal(s.suite, "aes-gcm-16-256 prf-hmac-sha2-384 x25519");
	assert_int_equal(s.child_count, 1);
	assert_true(s.children[0].up && s.children[0].sending && s.children[0].esn);
	assert_false(ikev2_show(l->nodes[0].e, 1, &s));
	lan_free(l);
}

static void peers_that_cannot_be_are_refused(void **state)
{
	struct lan *l = lan_new(2);
	struct ikev2_peer p;

	(void)state;
	lan_start(l, 0);
	p = lan_peer(l, 0, 1);
	p.tunnel = 0;
	assert_int_equal(ikev2_peer_set(l->nodes[0].e, &p, l->now), -22);
	p = lan_peer(l, 0, 1);
	p.psk.len = 0;
	assert_int_equal(ikev2_peer_set(l->nodes[0].e, &p, l->now), -22);
	p = lan_peer(l, 0, 1);
	p.auth = IKEV2_AUTH_CERT;
	assert_int_equal(ikev2_peer_set(l->nodes[0].e, &p, l->now), -22);
	p = lan_peer(l, 0, 1);
	p.ppk_required = true;
	assert_int_equal(ikev2_peer_set(l->nodes[0].e, &p, l->now), -22);
	p = lan_peer(l, 0, 1);
	p.remote.family = 0; /* to be called, but where? */
	assert_int_equal(ikev2_peer_set(l->nodes[0].e, &p, l->now), -22);
	p = lan_peer(l, 0, 1);
	p.ts = (struct esp_selectors){0};
	assert_int_equal(ikev2_peer_set(l->nodes[0].e, &p, l->now), -22);
	lan_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(psk_comes_up_in_four_messages),
		cmocka_unit_test(either_end_may_call),
		cmocka_unit_test(both_call_at_once_and_one_stays),
		cmocka_unit_test(what_an_earlier_life_sends_by_is_used_until_the_peer_is_heard),
		cmocka_unit_test(certificates_of_every_kind),
		cmocka_unit_test(old_boxes_sign_by_the_methods_they_know),
		cmocka_unit_test(a_certificate_revoked_later_closes_what_it_let_in),
		cmocka_unit_test(what_is_signed_has_room_for_the_longest_cookie_and_nonce),
		cmocka_unit_test(old_methods_are_for_compatible_peers_alone),
		cmocka_unit_test(old_methods_cannot_be_forced),
		cmocka_unit_test(signer_may_take_its_time),
		cmocka_unit_test(large_certificates_go_in_fragments),
		cmocka_unit_test(every_algorithm),
		cmocka_unit_test(strong_and_compatible_meet_at_the_strong_end),
		cmocka_unit_test(invalid_ke_makes_the_initiator_ask_again),
		cmocka_unit_test(cookie_is_asked_for_when_many_are_half_open),
		cmocka_unit_test(rekeying_from_either_end_and_both_at_once),
		cmocka_unit_test(rekeys_by_its_own_clock_for_an_hour),
		cmocka_unit_test(reauthentication_makes_before_it_breaks),
		cmocka_unit_test(both_reauthenticate_at_once_and_one_stays),
		cmocka_unit_test(down_takes_everything_away),
		cmocka_unit_test(silent_peer_is_noticed_and_called_again),
		cmocka_unit_test(traffic_spares_the_liveness_check),
		cmocka_unit_test(who_knows_nothing_says_so),
		cmocka_unit_test(lost_datagrams_are_sent_again),
		cmocka_unit_test(childless_ike_sa_gets_its_child_when_it_is_asked_for),
		cmocka_unit_test(lost_by_forward_a_child_is_replaced),
		cmocka_unit_test(waiting_packet_brings_it_up),
		cmocka_unit_test(transport_mode_between_the_two_addresses),
		cmocka_unit_test(selectors_are_narrowed),
		cmocka_unit_test(without_selectors_in_common_the_ike_sa_stands_alone),
		cmocka_unit_test(post_quantum_keys),
		cmocka_unit_test(ppk_that_only_one_has_is_done_without),
		cmocka_unit_test(behind_a_nat_it_goes_on_through_udp),
		cmocka_unit_test(through_udp_although_there_is_no_nat),
		cmocka_unit_test(successor_continues_at_any_message),
		cmocka_unit_test(both_ends_are_replaced_at_once),
		cmocka_unit_test(without_records_it_comes_up_beside_what_is_there),
		cmocka_unit_test(damaged_records_are_refused),
		cmocka_unit_test(failed_negotiation_is_explained),
		cmocka_unit_test(why_it_is_down_is_told_on_both_ends),
		cmocka_unit_test(events_of_a_life),
		cmocka_unit_test(keys_are_told_where_the_file_says_so_alone),
		cmocka_unit_test(what_is_held_down_stays_down),
		cmocka_unit_test(identities_in_words),
		cmocka_unit_test(pictures),
		cmocka_unit_test(peers_that_cannot_be_are_refused),
	};

	log_init("test", LOG_LVL_ERROR);
	return cmocka_run_group_tests_name("key/ikev2/ikev2", tests, NULL, NULL);
}
