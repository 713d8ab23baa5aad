/*
 * Groups over real IKE SAs: IKE_SA_INIT, proofs by shared secret and by certificate, GSA_AUTH,
 * GSA_REGISTRATION and GSA_INBAND_REKEY, over a network that loses, with GSA_REKEY beside them. Node 0
 * is the key server, the others are members.
 *
 * With GIKE_FRAMES=DIR the exchanges of one test are written there, frames and keys, for tshark to judge
 * (test/vectors/test_gike_frames.py).
 */
#include "key/gikev2/agent.h"
#include "key/gikev2/policy_test.h"
#include "key/ikev2/ikev2_lan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define STEP (100 * NS_PER_MS)
#define GROUPS 2
#define SPIS 64

struct place { /* what one node has of one group */
	struct gm *gm;
	unsigned count; /* SAs it receives by */
	struct {
		uint32_t spi;
		struct secret key;
	} sa[SPIS];
	uint32_t transmit;
};

static struct net {
	struct lan *l;
	struct sign_key *key;
	struct agent *agents[LAN_NODES];
	struct ikev2_group_ops real; /* the key server's, without what is between */
	struct gks *gks[GROUPS];
	struct gks_config cfg;
	bool barred[LAN_NODES], lies; /* lies: the key server's answers are no answers */
	struct place v[LAN_NODES][GROUPS];
	unsigned exchanges[64]; /* requests seen by type */
	unsigned loss;          /* in a hundred */
	uint64_t rnd;
	uint16_t objection; /* what node 1 says of every answer; 0: what it thinks */
	struct ikev2_group_ops member1;
	FILE *pcap;
} net;

static uint32_t rnd(uint32_t below)
{
	net.rnd = net.rnd * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(net.rnd >> 33) % below;
}

static void random_bytes(void *ctx, void *buf, size_t n)
{
	uint8_t *b = buf;

	(void)ctx;
	while (n--)
		*b++ = (uint8_t)rnd(256);
}

static int add_receive(void *ctx, const struct sink_group *sa)
{
	struct place *p = ctx;

	for (unsigned i = 0; i < p->count; i++)
		if (p->sa[i].spi == sa->spi)
			return 0;
	assert_true(p->count < SPIS);
	p->sa[p->count].spi = sa->spi;
	p->sa[p->count++].key = sa->key;
	return 0;
}

static int use_transmit(void *ctx, const struct sink_group *sa)
{
	struct place *p = ctx;

	p->transmit = sa->spi;
	return 0;
}

static void retire(void *ctx, uint16_t group, enum sink_direction d, uint32_t spi)
{
	struct place *p = ctx;

	(void)group;
	if (d == SINK_TRANSMIT && p->transmit == spi)
		p->transmit = 0;
	for (unsigned i = 0; d == SINK_RECEIVE && i < p->count; i++)
		if (p->sa[i].spi == spi)
			p->sa[i] = p->sa[--p->count];
}

static void sign(void *ctx, uint32_t id, const void *data, size_t len)
{
	struct gks **g = ctx;
	uint8_t sig[SIGN_MAX];
	size_t n = sizeof(sig);

	assert_int_equal(sign_make(net.key, SIGN_ED25519, data, len, sig, &n), 0);
	gks_signed(*g, id, sig, n, net.l->now);
}

static struct ikev2_id group_id(unsigned i)
{
	struct ikev2_id id = {.type = IKE_ID_KEY, .len = 7};

	memcpy(id.b, "group 0", 7);
	id.b[6] = (uint8_t)('0' + i);
	return id;
}

static bool may(void *ctx, uint16_t tunnel)
{
	(void)ctx;
	return !net.barred[tunnel - LAN_TUNNEL(0)];
}

static void save(struct gks *g)
{
	static uint8_t b[GKS_SAVE_MAX(64)];
	struct wr w = wr_init(b, sizeof(b));

	if (gks_dirty(g))
		gks_save(g, &w);
	assert_false(w.bad);
	assert_true(gks_settled(g));
}

/* The record is written before the answer leaves. */
static uint16_t saved_request(void *ctx, uint16_t tunnel, const struct ikev2_id *group,
			      const struct ike_chain *c, const struct ikev2_group_keys *k,
			      struct ike_out *o, uint64_t now)
{
	uint16_t error;

	if (net.lies) {
		ike_put_bytes(o, IKE_PL_GSA, "x", 1);
		ike_put_bytes(o, IKE_PL_KD, "x", 1);
		return 0;
	}
	error = net.real.request(ctx, tunnel, group, c, k, o, now);
	for (unsigned i = 0; i < GROUPS; i++)
		save(net.gks[i]);
	return error;
}

static uint16_t objecting(void *ctx, uint16_t tunnel, const struct ikev2_id *group,
			  const struct ike_chain *c, const struct ikev2_group_keys *k, uint64_t now)
{
	uint16_t error = net.member1.answer(ctx, tunnel, group, c, k, now);

	return net.objection ? net.objection : error;
}

static void put16(uint8_t *b, size_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

/* As IPv4 and UDP, without checksums. */
static void frame_write(const struct ikev2_datagram *d)
{
	uint8_t h[28] = {0x45, [8] = 64, [9] = 17};
	uint32_t record[4] = {(uint32_t)(net.l->now / NS_PER_S), 0, (uint32_t)(sizeof(h) + d->len),
			      (uint32_t)(sizeof(h) + d->len)};

	put16(h + 2, sizeof(h) + d->len);
	memcpy(h + 12, d->remote.addr, 4); /* as the one who gets it sees the ends */
	memcpy(h + 16, d->local.addr, 4);
	put16(h + 20, d->remote.port);
	put16(h + 22, d->local.port);
	put16(h + 24, 8 + d->len);
	fwrite(record, sizeof(record), 1, net.pcap);
	fwrite(h, sizeof(h), 1, net.pcap);
	fwrite(d->b, d->len, 1, net.pcap);
}

static bool lossy(struct lan *l, unsigned from, unsigned to, struct ikev2_datagram *d)
{
	size_t at = d->local.port == IKEV2_PORT_NAT ? 4 : 0;

	(void)l;
	(void)from;
	(void)to;
	if (net.pcap)
		frame_write(d);
	if (d->len > at + 19 && d->b[at + 18] < 64 && !(d->b[at + 19] & IKE_FLAG_RESPONSE))
		net.exchanges[d->b[at + 18]]++;
	return rnd(100) < net.loss;
}

static void gks_make(void)
{
	net.cfg = (struct gks_config){.suite = ESP_AES_GCM_16_256,
				      .flow_count = 1,
				      .flows = {policy_any},
				      .rekey = policy_rekey,
				      .tek_period_s = 300,
				      .kek_period_s = 700,
				      .atd_s = 5,
				      .dtd_s = 30,
				      .sender_bits = 16,
				      .senders_max = 2,
				      .members_max = 20,
				      .copies = 3,
				      .copy_gap_ns = NS_PER_S};
	policy_sign_with(&net.cfg, net.key);
	for (unsigned i = 0; i < GROUPS; i++) {
		const struct gks_env env = {&net.gks[i], random_bytes, sign};

		net.gks[i] = gks_new(&net.cfg, &env, net.l->now);
		assert_non_null(net.gks[i]);
	}
}

static void peers_set(unsigned i, bool cert, bool keep)
{
	for (unsigned j = i ? 0 : 1; j < (i ? 1 : net.l->count); j++) {
		struct ikev2_peer p = lan_peer(net.l, i, j);

		p.role = i ? IKEV2_KEY_SERVER : IKEV2_MEMBER;
		p.keep = keep;
		p.start = false;
		p.key_log = true;
		if (cert)
			lan_use_cert(net.l, i, &p);
		assert_int_equal(ikev2_peer_set(net.l->nodes[i].e, &p, net.l->now), 0);
	}
}

static void net_new(unsigned nodes, bool cert, bool keep, uint64_t seed)
{
	memset(&net, 0, sizeof(net));
	net.rnd = seed;
	net.l = lan_new(nodes);
	net.l->drop = lossy;
	net.key = policy_key();
	if (cert)
		lan_certify(net.l, X509_KEY_ECDSA_256);
	gks_make();
	for (unsigned i = 0; i < nodes; i++) {
		struct lan_node *n = &net.l->nodes[i];

		net.agents[i] = agent_new();
		n->group = agent_ops(net.agents[i]);
		if (i == 0) {
			net.real = n->group;
			n->group.request = saved_request;
		} else if (i == 1) {
			net.member1 = n->group;
			n->group.answer = objecting;
		}
		lan_start(net.l, i);
		agent_engine(net.agents[i], n->e);
		peers_set(i, cert, keep);
	}
	for (unsigned g = 0; g < GROUPS; g++) {
		struct ikev2_id id = group_id(g);

		assert_int_equal(agent_serve(net.agents[0], &id, net.gks[g], may, NULL), 0);
	}
}

static void join(unsigned i, unsigned group)
{
	struct place *p = &net.v[i][group];
	const struct gm_config cfg = {.group = (uint16_t)group,
				      .sends = true,
				      .sender_ids = 1,
				      .spread_ns = 2 * NS_PER_S,
				      .ask_sag = i % 2};
	const struct gm_env env = {p, random_bytes, {p, add_receive, use_transmit, retire}};
	struct ikev2_id id = group_id(group);

	p->gm = gm_new(&cfg, &env, net.l->now);
	assert_int_equal(agent_join(net.agents[i], &id, LAN_TUNNEL(0), p->gm), 0);
}

static void net_free(void)
{
	lan_free(net.l);
	for (unsigned i = 0; i < LAN_NODES; i++) {
		agent_free(net.agents[i]);
		for (unsigned g = 0; g < GROUPS; g++)
			gm_free(net.v[i][g].gm);
	}
	for (unsigned g = 0; g < GROUPS; g++)
		gks_free(net.gks[g]);
	sign_key_free(net.key);
}

/* GSA_REKEY messages to all members that have one. */
static void multicast(unsigned g)
{
	static uint8_t b[REKEY_MESSAGE_MAX], copy[REKEY_MESSAGE_MAX];

	for (;;) {
		struct wr w = wr_init(b, sizeof(b));

		save(net.gks[g]);
		if (!gks_output(net.gks[g], &w))
			return;
		assert_int_equal(b[18], IKE_GSA_REKEY);
		for (unsigned i = 1; i < net.l->count; i++) {
			if (!net.v[i][g].gm || rnd(100) < net.loss)
				continue;
			memcpy(copy, b, wr_len(&w));
			gm_input(net.v[i][g].gm, copy, wr_len(&w), net.l->now);
		}
	}
}

static void run(uint64_t ns)
{
	for (uint64_t end = net.l->now + ns; net.l->now < end;) {
		for (unsigned g = 0; g < GROUPS; g++) {
			if (net.l->now >= gks_deadline(net.gks[g]))
				gks_expire(net.gks[g], net.l->now);
			multicast(g);
		}
		for (unsigned i = 0; i < net.l->count; i++) {
			if (net.l->now >= agent_deadline(net.agents[i]))
				agent_expire(net.agents[i], net.l->now);
			lan_flush(net.l, i);
		}
		lan_run(net.l, net.l->now + STEP);
	}
}

static bool registered(unsigned i, unsigned g)
{
	struct gm_show s;

	gm_show(net.v[i][g].gm, &s);
	return s.registered;
}

static bool hears(unsigned i, unsigned from, unsigned g)
{
	const struct place *to = &net.v[i][g], *p = &net.v[from][g];

	for (unsigned j = 0; j < to->count; j++)
		for (unsigned k = 0; k < p->count && to->sa[j].spi == p->transmit; k++)
			if (p->sa[k].spi == p->transmit)
				return secret_equal(p->sa[k].key.b, to->sa[j].key.b,
						    p->sa[k].key.len);
	return false;
}

static void all_hear(unsigned first, unsigned g)
{
	for (unsigned i = first; i < net.l->count; i++) {
		assert_true(registered(i, g));
		for (unsigned j = first; j < net.l->count; j++)
			assert_true(hears(i, j, g));
	}
}

static uint16_t last_error(unsigned i)
{
	struct agent_show s;

	assert_true(agent_show(net.agents[i], 0, &s));
	return s.error;
}

static unsigned stand(unsigned i)
{
	return lan_stand(&net.l->nodes[i], LAN_TUNNEL(0));
}

static void by_secret_and_by_certificate(void **state)
{
	(void)state;
	for (unsigned cert = 0; cert < 2; cert++) {
		net_new(4, cert, false, 1);
		for (unsigned i = 1; i < 4; i++)
			join(i, 0);
		run(3 * NS_PER_S);
		all_hear(1, 0);
		assert_int_equal(net.exchanges[IKE_GSA_AUTH], 3);
		assert_int_equal(net.exchanges[IKE_AUTH], 0);
		assert_int_equal(net.l->nodes[0].signatures, cert ? 3 : 0);
		assert_int_equal(stand(1), 1);
		run(12 * NS_PER_S); /* of no more use, the key server closes them */
		assert_int_equal(stand(1), 0);
		assert_int_equal(net.exchanges[IKE_INFORMATIONAL], 3);
		all_hear(1, 0);
		run(700 * NS_PER_S); /* two rekeys of data, one of the Rekey SA */
		all_hear(1, 0);
		assert_int_equal(net.exchanges[IKE_GSA_AUTH], 3);
		assert_int_equal(net.l->nodes[0].adds, 0); /* no child anywhere */
		net_free();
	}
}

static void a_second_group_over_the_same_ike_sa(void **state)
{
	uint16_t tunnel = LAN_TUNNEL(1);

	(void)state;
	net_new(3, false, true, 2);
	join(1, 0);
	join(2, 0);
	run(2 * NS_PER_S);
	assert_int_equal(ikev2_group_inband(net.l->nodes[0].e, tunnel, net.l->now), 0);
	run(NS_PER_S);
	assert_int_equal(net.exchanges[IKE_GSA_INBAND_REKEY], 1);
	/* Under new keys of the IKE SA there is another default key (§3.1.1). */
	assert_int_equal(ikev2_rekey(net.l->nodes[1].e, LAN_TUNNEL(0), IKEV2_REKEY_IKE, net.l->now),
			 0);
	run(2 * NS_PER_S);
	gks_exclude(net.gks[0], LAN_TUNNEL(2), net.l->now);
	run(5 * NS_PER_S);
	assert_int_equal(ikev2_group_inband(net.l->nodes[0].e, tunnel, net.l->now), 0);
	run(NS_PER_S);
	assert_int_equal(net.exchanges[IKE_GSA_INBAND_REKEY], 2);
	assert_true(hears(1, 1, 0));
	join(1, 1);
	join(2, 1);
	run(3 * NS_PER_S);
	assert_true(net.exchanges[IKE_GSA_REGISTRATION] >= 2);
	assert_true(registered(1, 1) && registered(2, 1));
	assert_true(hears(1, 2, 1) && hears(2, 1, 1));
	/* Now nothing says which group it would be about. */
	assert_int_equal(ikev2_group_inband(net.l->nodes[0].e, tunnel, net.l->now), 0);
	run(NS_PER_S);
	assert_int_equal(net.exchanges[IKE_GSA_INBAND_REKEY], 2);
	/* A key server that begins anew from its records goes on in the same IKE SAs. */
	lan_restart(net.l, 0, true);
	agent_engine(net.agents[0], net.l->nodes[0].e);
	assert_int_equal(stand(1), 1);
	gks_reset(net.gks[1], net.l->now);
	run(20 * NS_PER_S);
	assert_true(registered(1, 1) && registered(2, 1));
	assert_int_equal(net.exchanges[IKE_GSA_AUTH], 2);
	net_free();
}

static FILE *file_open(const char *dir, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return fopen(path, "wb");
}

static void every_exchange_in_frames(void **state)
{
	static const uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 101 /* raw IP */};
	const char *dir = getenv("GIKE_FRAMES");
	FILE *keys;

	(void)state;
	net_new(2, false, true, 8);
	if (dir) {
		net.pcap = file_open(dir, "gike.pcap");
		assert_non_null(net.pcap);
		fwrite(head, sizeof(head), 1, net.pcap);
	}
	join(1, 0);
	run(2 * NS_PER_S);
	assert_int_equal(ikev2_group_inband(net.l->nodes[0].e, LAN_TUNNEL(1), net.l->now), 0);
	run(NS_PER_S);
	join(1, 1);
	run(2 * NS_PER_S);
	assert_true(registered(1, 0) && registered(1, 1));
	assert_int_equal(net.exchanges[IKE_GSA_AUTH], 1);
	assert_int_equal(net.exchanges[IKE_GSA_REGISTRATION], 1);
	assert_int_equal(net.exchanges[IKE_GSA_INBAND_REKEY], 1);
	if (dir) {
		fclose(net.pcap);
		keys = file_open(dir, "keys");
		assert_non_null(keys);
		fputs(net.l->nodes[1].key_line[IKEV2_TABLE_IKE], keys);
		fclose(keys);
		net.pcap = NULL;
	}
	net_free();
}

static void who_is_refused(void **state)
{
	struct ikev2_peer p;
	struct out o;

	(void)state;
	net_new(5, false, true, 3);
	net.barred[1] = true;
	p = lan_peer(net.l, 2, 0); /* another secret */
	p.role = IKEV2_KEY_SERVER;
	p.start = false;
	secret_set(&p.psk, "wrong", 5);
	assert_int_equal(ikev2_peer_set(net.l->nodes[2].e, &p, net.l->now), 0);
	p = lan_peer(net.l, 3, 0); /* what is no member asks for a pair */
	p.start = true;
	assert_int_equal(ikev2_peer_set(net.l->nodes[3].e, &p, net.l->now), 0);
	join(1, 0);
	join(2, 0);
	{
		const struct gm_config cfg = {.group = 1, .spread_ns = NS_PER_S};
		const struct gm_env env = {&net.v[4][0],
					   random_bytes,
					   {&net.v[4][0], add_receive, use_transmit, retire}};
		struct ikev2_id none = group_id(7);

		net.v[4][0].gm = gm_new(&cfg, &env, net.l->now);
		assert_int_equal(agent_join(net.agents[4], &none, LAN_TUNNEL(0), net.v[4][0].gm),
				 0);
	}
	run(4 * NS_PER_S);
	assert_int_equal(last_error(1), IKE_N_AUTHORIZATION_FAILED);
	assert_int_equal(last_error(4), IKE_N_INVALID_GROUP_ID);
	assert_int_equal(stand(1), 1); /* the proofs were good: the IKE SA stands (§2.3.1) */
	assert_int_equal(stand(2), 0);
	assert_true(net.l->nodes[0].events[IKEV2_EV_AUTH_FAILED] > 0);
	assert_int_equal(stand(3), 0); /* without a key wrap algorithm (§4.5.4) */
	assert_true(net.l->nodes[3].events[IKEV2_EV_NO_PROPOSAL] > 0);
	for (unsigned i = 1; i < 5; i++)
		assert_int_equal(net.v[i][0].count, 0);
	/* Authorized, it is let in when it asks again; excluded and told so, out and refused. */
	net.barred[1] = false;
	run(15 * NS_PER_S);
	assert_true(registered(1, 0));
	assert_int_equal(gks_exclude(net.gks[0], LAN_TUNNEL(1), net.l->now), 0);
	assert_int_equal(ikev2_group_inband(net.l->nodes[0].e, LAN_TUNNEL(1), net.l->now), 0);
	run(NS_PER_S);
	assert_false(registered(1, 0));
	run(40 * NS_PER_S);
	assert_int_equal(net.v[1][0].count, 0);
	assert_int_equal(last_error(1), IKE_N_AUTHORIZATION_FAILED);
	/* A GSA_INBAND_REKEY that says nothing is none. */
	out_init(&o);
	message_request(lan_sa_of(&net.l->nodes[0], LAN_TUNNEL(1)), IKE_GSA_INBAND_REKEY,
			EX_GSA_INBAND, &o, net.l->now);
	run(NS_PER_S);
	assert_int_equal(net.l->nodes[1].e->stats.results[IKEV2_PAYLOADS], 1);
	net_free();
}

/* An IKE SA of a group makes no children, and its exchanges are for that role alone. */
static void what_may_not_be_asked(void **state)
{
	struct ike_sa *sa;
	struct out o;

	(void)state;
	net_new(2, false, true, 4);
	join(1, 0);
	run(2 * NS_PER_S);
	assert_int_equal(ikev2_group_inband(net.l->nodes[1].e, LAN_TUNNEL(0), net.l->now), -ENOENT);
	struct ikev2_id id = group_id(0);

	assert_int_equal(ikev2_group_register(net.l->nodes[0].e, LAN_TUNNEL(1), &id, net.l->now),
			 -EINVAL);
	sa = lan_sa_of(&net.l->nodes[0], LAN_TUNNEL(1)); /* the key server registers? */
	out_init(&o);
	id_put(&o, IKE_PL_IDG, &id);
	message_request(sa, IKE_GSA_REGISTRATION, EX_GSA_REPORT, &o, net.l->now);
	run(NS_PER_S);
	assert_int_equal(net.l->nodes[1].e->stats.results[IKEV2_REFUSED], 1);
	sa = lan_sa_of(&net.l->nodes[1], LAN_TUNNEL(0));
	assert_int_equal(ikev2_rekey(net.l->nodes[1].e, LAN_TUNNEL(0), IKEV2_NEW_CHILD, net.l->now),
			 0);
	assert_false(sa->want_child);
	sa->want_child = true;
	sa->e->timed = false;
	run(NS_PER_S);
	assert_int_equal(net.l->nodes[0].e->stats.results[IKEV2_LIMIT], 1);
	assert_int_equal(net.l->nodes[0].adds + net.l->nodes[1].adds, 0);
	/* A member tells no keys (§2.4.2). */
	out_init(&o);
	ike_put_bytes(&o.o, IKE_PL_GSA, "x", 1);
	ike_put_bytes(&o.o, IKE_PL_KD, "x", 1);
	message_request(sa, IKE_GSA_INBAND_REKEY, EX_GSA_INBAND, &o, net.l->now);
	run(NS_PER_S);
	assert_int_equal(net.l->nodes[0].e->stats.results[IKEV2_REFUSED], 2); /* as above */
	/* A registration without IDg is no registration. */
	out_init(&o);
	message_request(sa, IKE_GSA_REGISTRATION, EX_GSA_REPORT, &o, net.l->now);
	run(NS_PER_S);
	assert_int_equal(net.l->nodes[0].e->stats.results[IKEV2_PAYLOADS], 1);
	net_free();
}

/* §2.3.2: a member that cannot follow says so, and is none any more. */
static void who_objects_is_no_member(void **state)
{
	(void)state;
	net_new(2, false, true, 5);
	net.objection = IKE_N_NO_PROPOSAL;
	join(1, 0);
	run(2 * NS_PER_S);
	assert_int_equal(net.exchanges[IKE_GSA_REGISTRATION], 1);
	assert_false(gks_is_member(net.gks[0], LAN_TUNNEL(1)));
	net_free();
}

static void a_key_server_that_lies(void **state)
{
	(void)state;
	net_new(2, false, true, 6);
	net.lies = true;
	join(1, 0);
	run(2 * NS_PER_S);
	assert_int_equal(last_error(1), IKE_N_REGISTRATION_FAILED);
	assert_int_equal(net.exchanges[IKE_GSA_REGISTRATION], 1); /* it is told */
	assert_int_equal(net.v[1][0].count, 0);
	assert_false(registered(1, 0));
	net.lies = false;
	run(20 * NS_PER_S);
	assert_true(registered(1, 0));
	net_free();
}

/* A wish ends with the peer that it is for: it is refused, and made again. */
static void a_peer_that_goes(void **state)
{
	struct agent_show s;

	(void)state;
	for (unsigned how = 0; how < 3; how++) {
		struct ikev2 *e;

		net_new(2, false, true, 7);
		e = net.l->nodes[1].e;
		lan_stop(net.l, 0);
		net.l->nodes[0].e = NULL;
		join(1, 0);
		agent_expire(net.agents[1], net.l->now);
		assert_true(agent_show(net.agents[1], 0, &s) && s.asking);
		if (how == 0) {
			ikev2_peer_remove(e, LAN_TUNNEL(0), net.l->now);
		} else if (how == 1) {
			assert_int_equal(ikev2_down(e, LAN_TUNNEL(0), net.l->now), 0);
		} else { /* nobody answers */
			lan_flush(net.l, 1);
			lan_run(net.l, net.l->now + 120 * NS_PER_S);
		}
		assert_true(agent_show(net.agents[1], 0, &s) && !s.asking);
		assert_int_equal(s.failures, 1);
		net_free();
	}
}

/* Loss, an exclusion in between, and a key server that is away for a while. */
static void over_a_bad_network(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 12; seed++) {
		net_new(7, seed % 3 == 1, seed % 2, 100 + seed);
		net.loss = 25;
		for (unsigned i = 1; i < 7; i++)
			join(i, 0);
		run(60 * NS_PER_S);
		all_hear(1, 0);
		assert_int_equal(gks_exclude(net.gks[0], LAN_TUNNEL(1), net.l->now), 0);
		run(40 * NS_PER_S);
		for (unsigned i = 2; i < 7; i++)
			assert_false(hears(1, i, 0));
		lan_restart(net.l, 0, true);
		agent_engine(net.agents[0], net.l->nodes[0].e);
		run(700 * NS_PER_S);
		net.loss = 0;
		run(60 * NS_PER_S);
		all_hear(2, 0);
		assert_false(registered(1, 0));
		net_free();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_secret_and_by_certificate),
		cmocka_unit_test(a_second_group_over_the_same_ike_sa),
		cmocka_unit_test(every_exchange_in_frames),
		cmocka_unit_test(who_is_refused),
		cmocka_unit_test(what_may_not_be_asked),
		cmocka_unit_test(who_objects_is_no_member),
		cmocka_unit_test(a_key_server_that_lies),
		cmocka_unit_test(a_peer_that_goes),
		cmocka_unit_test(over_a_bad_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
