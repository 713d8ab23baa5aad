/*
 * handshakes: what IKE handshakes cost, the initiator's part and the responder's, beside the
 * primitives they cannot do without.
 *
 *   handshakes [--json FILE] [--seconds N] [--cpu N] [--auth NAME]
 *
 * Two engines as the daemon runs them, on one pinned core, with nothing between them: IKE_SA_INIT
 * and IKE_AUTH with the first child SA, or GSA_AUTH with a group of MEMBERS (the initiator is a member
 * then, the responder the key server), strong proposals, X25519. Every call into an engine is
 * timed, with the records it writes and the datagrams it sends; the signer's signature is part of
 * it, forward, the kernel's sockets and the record of the
 * group, which is written once for all registrations that wait, are not. Engines are made anew for each handshake, untimed.
 *
 * The primitives are measured by themselves, in turns with the handshakes, so that what else the
 * machine does falls on both alike: one key pair and one shared secret, one signature made, one
 * checked, one certificate chain of two checked. A handshake and its primitives are one window
 * (bench/common.h). Medians are printed. "rest" is everything but these: prf, sealing, codecs,
 * records.
 */
#include "common.h"
#include "gk.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/dh.h"
#include "crypto/x509_make.h"
#include "key/gikev2/agent.h"
#include "key/ikev2/ikev2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { DATAGRAMS = 8, ENDS = 2, INITIATOR = 0, RESPONDER = 1 };

#define MEMBERS 1000
#define WALL INT64_C(1800000000)
#define BOOT (1000 * NS_PER_S)

static const struct kind {
	const char *name;
	bool cert, group;
	enum x509_key key;
	enum sign_scheme scheme; /* what proves a key of that kind */
} kinds[] = {
	{"psk", false, false, X509_KEY_ED25519, SIGN_ED25519},
	{"ed25519", true, false, X509_KEY_ED25519, SIGN_ED25519},
	{"ecdsa-p256", true, false, X509_KEY_ECDSA_256, SIGN_ECDSA_SHA2_256},
	{"rsa-2048", true, false, X509_KEY_RSA_2048, SIGN_RSA_PSS_SHA2_256},
	{"gsa-psk", false, true, X509_KEY_ED25519, SIGN_ED25519},
	{"gsa-ecdsa-p256", true, true, X509_KEY_ECDSA_256, SIGN_ECDSA_SHA2_256},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* One end: an engine and what it is handed. */
struct end {
	struct ikev2 *e;
	struct esp_end at;
	struct sign_key *key;
	uint8_t cert[2048];
	struct x509_der chain;
	struct x509_trust *trust;
	unsigned ready; /* SAs its forward has for sending */
	struct agent *agent;
	struct gm *member;
	uint32_t sign_id;
	uint8_t sig[SIGN_MAX];
	size_t sig_len;
};

enum what { T_INITIATOR, T_RESPONDER, T_DH, T_SIGN, T_CHECK, T_CHAIN, T_COUNT };

static struct windows turns; /* one a handshake; nanoseconds */

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void randomness(void *ctx, void *buf, size_t n)
{
	(void)ctx;
	if (getrandom(buf, n, 0) != (ssize_t)n)
		die("no randomness");
}

static int64_t wall(void *ctx)
{
	(void)ctx;
	return WALL;
}

static int sign(void *ctx, uint32_t id, uint16_t key, enum sign_scheme s, const void *data,
		size_t len)
{
	struct end *n = ctx;

	(void)key;
	n->sig_len = sizeof(n->sig);
	if (sign_make(n->key, s, data, len, n->sig, &n->sig_len))
		die("a signature");
	n->sign_id = id;
	return 0;
}

static int receive(void *ctx, const struct sink_esp *sa)
{
	(void)ctx;
	(void)sa;
	return 0;
}

static int transmit(void *ctx, const struct sink_esp *sa)
{
	struct end *n = ctx;

	(void)sa;
	n->ready++;
	return 0;
}

static void retire(void *ctx, uint16_t tunnel, enum sink_direction d, uint32_t spi)
{
	(void)ctx;
	(void)tunnel;
	(void)d;
	(void)spi;
}

static void event(void *ctx, enum ikev2_event ev, uint16_t tunnel, const char *text)
{
	(void)ctx;
	(void)tunnel;
	if (ev != IKEV2_EV_UP)
		die(text);
}

static struct gks *server; /* of the group */

static bool may(void *ctx, uint16_t tunnel)
{
	(void)ctx;
	return tunnel > 0;
}

/* The group's side of an end. */
static void end_joins(struct end *n, bool call)
{
	static const struct ikev2_id id = {.type = IKE_ID_KEY, .len = 5, .b = "bench"};

	agent_engine(n->agent, n->e);
	n->member = call ? gk_member() : NULL;
	if (call ? agent_join(n->agent, &id, 1, n->member)
		 : agent_serve(n->agent, &id, server, may, NULL))
		die("a group");
	if (call)
		agent_expire(n->agent, BOOT);
}

static void end_stop(struct end *n)
{
	ikev2_free(n->e);
	agent_free(n->agent);
	gm_free(n->member);
	n->agent = NULL;
	n->member = NULL;
}

static void end_start(struct end *n, const struct end *other, const struct kind *k, bool call)
{
	struct ikev2_config cfg = {.slots = 8};
	struct ikev2_env env = {.ctx = n,
				.random = randomness,
				.wall = wall,
				.sign = sign,
				.event = event,
				.sink = {n, receive, transmit, retire}};
	struct ikev2_peer p = {.tunnel = 1,
			       .name = "bench",
			       .local = n->at,
			       .remote = other->at,
			       .local_id = {.type = IKE_ID_FQDN, .len = 5, .b = "node0"},
			       .remote_id = {.type = IKE_ID_FQDN, .len = 5, .b = "node0"},
			       .auth = k->cert ? IKEV2_AUTH_CERT : IKEV2_AUTH_PSK,
			       .trust = n->trust,
			       .chain = &n->chain,
			       .chain_count = 1,
			       .schemes = 1u << k->scheme,
			       .mode = ESP_TUNNEL,
			       .ts = {1, 1, {esp_ts_any(4)}, {esp_ts_any(4)}},
			       .window = 1024,
			       .start = call};

	if (k->group) {
		p.role = call ? IKEV2_KEY_SERVER : IKEV2_MEMBER;
		p.keep = true;
		p.start = false;
		n->agent = agent_new();
		env.group = agent_ops(n->agent);
	}
	p.local_id.b[4] = (uint8_t)('0' + n->at.addr[3]);
	p.remote_id.b[4] = (uint8_t)('0' + other->at.addr[3]);
	n->ready = 0;
	n->e = ikev2_new(&cfg, &env, BOOT);
	if (secret_set(&p.psk, "correct horse battery", 21) < 0 || !n->e ||
	    ikev2_peer_set(n->e, &p, BOOT))
		die("an engine");
	if (k->group)
		end_joins(n, call);
}

static bool done(struct end v[ENDS], const struct kind *k)
{
	struct gm_show s;

	if (!k->group)
		return v[INITIATOR].ready && v[RESPONDER].ready;
	gm_show(v[INITIATOR].member, &s);
	return s.registered;
}

/* Datagrams on their way: a message comes in fragments when it is long. */
struct wire {
	struct ikev2_datagram v[DATAGRAMS];
	unsigned count;
};

/* What follows every call, as the daemon does it. */
static void end_flush(struct end *n, struct wire *out)
{
	static uint8_t record[IKEV2_SAVE_MAX];
	struct wr w = wr_init(record, sizeof(record));
	unsigned slot;

	if (n->sign_id) {
		uint32_t id = n->sign_id;

		n->sign_id = 0;
		ikev2_signed(n->e, id, n->sig, n->sig_len, BOOT);
	}
	while (ikev2_save_next(n->e, &slot, &w))
		w = wr_init(record, sizeof(record));
	for (out->count = 0; out->count < DATAGRAMS; out->count++)
		if (!ikev2_output(n->e, &out->v[out->count]))
			break;
}

/* One handshake: nanoseconds of each end. */
static void handshake(struct end v[ENDS], const struct kind *k, uint64_t spent[ENDS])
{
	static struct wire wire[ENDS]; /* to each of them */
	unsigned who = INITIATOR;

	for (unsigned i = 0; i < ENDS; i++)
		end_start(&v[i], &v[!i], k, i == INITIATOR);
	spent[INITIATOR] = now();
	ikev2_expire(v[INITIATOR].e, BOOT);
	end_flush(&v[INITIATOR], &wire[RESPONDER]);
	spent[INITIATOR] = now() - spent[INITIATOR];
	spent[RESPONDER] = 0;
	for (who = RESPONDER; wire[who].count; who = !who) {
		uint64_t t = now();

		for (unsigned i = 0; i < wire[who].count; i++) {
			const struct ikev2_datagram *d = &wire[who].v[i];

			ikev2_input(v[who].e, &d->remote, &d->local, d->b, d->len, BOOT);
		}
		end_flush(&v[who], &wire[!who]);
		spent[who] += now() - t;
	}
	if (!done(v, k))
		die("a handshake came to nothing");
	for (unsigned i = 0; i < ENDS; i++)
		end_stop(&v[i]);
}

static void primitives(struct end v[ENDS], const struct kind *k)
{
	static const uint8_t octets[700]; /* about as much as IKE signs */
	uint8_t pub[2][DH_PUBLIC_MAX], shared[DH_PUBLIC_MAX], spki[1024], sig[SIGN_MAX];
	struct dh_key a, b;
	size_t n = sizeof(sig), spki_len;
	uint64_t t;

	if (dh_make(&b, DH_X25519, randomness, NULL) || dh_public(&b, pub[1]))
		die("DH");
	t = now();
	if (dh_make(&a, DH_X25519, randomness, NULL) || dh_public(&a, pub[0]) ||
	    dh_shared(&a, pub[1], dh_public_len(DH_X25519), shared))
		die("DH");
	window_add(&turns, T_DH, now() - t);
	if (!k->cert)
		return;
	spki_len = x509_public(v[0].chain, spki, sizeof(spki));
	t = now();
	if (sign_make(v[0].key, k->scheme, octets, sizeof(octets), sig, &n))
		die("a signature");
	window_add(&turns, T_SIGN, now() - t);
	t = now();
	if (sign_check(spki, spki_len, k->scheme, octets, sizeof(octets), sig, n))
		die("a signature does not verify");
	window_add(&turns, T_CHECK, now() - t);
	t = now();
	if (x509_check(v[1].trust, &v[0].chain, 1, WALL) != X509_FINE)
		die("a certificate");
	window_add(&turns, T_CHAIN, now() - t);
}

static void ends_make(struct end v[ENDS], const struct kind *k)
{
	struct x509_make m = {.common_name = "CA",
			      .usage = X509_FOR_CA,
			      .serial = {1},
			      .from = WALL - 1000,
			      .until = WALL + 1000000};
	struct sign_key *ca_key = x509_key_new(k->key);
	uint8_t ca[2048], spki[1024];
	struct x509_der anchor = {ca, 0};

	anchor.len = x509_make_cert(&m, spki, sign_key_public(ca_key, spki, sizeof(spki)), NULL,
				    ca_key, ca, sizeof(ca));
	for (unsigned i = 0; i < ENDS; i++) {
		char name[6] = "node1";

		name[4] = (char)('1' + i);
		m = (struct x509_make){.common_name = name,
				       .names = {{X509_DNS, name, 5}},
				       .name_count = 1,
				       .usage = X509_FOR_IKE,
				       .serial = {2, (uint8_t)i},
				       .from = WALL - 1000,
				       .until = WALL + 1000000};
		v[i].at = (struct esp_end){4, {10, 0, 0, (uint8_t)(i + 1)}, IKEV2_PORT};
		v[i].key = x509_key_new(k->key);
		v[i].chain.p = v[i].cert;
		v[i].chain.len =
			x509_make_cert(&m, spki, sign_key_public(v[i].key, spki, sizeof(spki)),
				       &anchor, ca_key, v[i].cert, sizeof(v[i].cert));
		v[i].trust = x509_trust_new();
		if (!v[i].chain.len || x509_trust_add(v[i].trust, ca, anchor.len) != 1)
			die("certificates");
	}
	sign_key_free(ca_key);
}

static void row(FILE *json, const struct kind *k, bool initiator, double us, const double cost[])
{
	static unsigned rows;
	double parts = 0;

	for (unsigned i = T_DH; i < T_COUNT; i++)
		parts += cost[i];
	printf("%-14s %-9s %9.1f %10.0f %8.1f %8.1f %8.1f %8.1f %8.1f %5u/%-5u\n", k->name,
	       initiator ? "initiator" : "responder", us, 1e6 / us, cost[T_DH], cost[T_SIGN],
	       cost[T_CHECK], cost[T_CHAIN], us - parts, turns.kept, turns.n);
	fflush(stdout);
	if (json)
		fprintf(json,
			"%s  {\"auth\": \"%s\", \"role\": \"%s\", \"us\": %.1f, \"per_second\": "
			"%.0f, \"dh_us\": %.1f, \"sign_us\": %.1f, \"verify_us\": %.1f, "
			"\"chain_us\": %.1f, \"windows\": %u, \"kept\": %u}",
			rows++ ? ",\n" : "", k->name, initiator ? "initiator" : "responder", us,
			1e6 / us, cost[T_DH], cost[T_SIGN], cost[T_CHECK], cost[T_CHAIN], turns.n,
			turns.kept);
}

static void measure(const struct kind *k, double seconds, FILE *json)
{
	static struct end v[ENDS];
	uint64_t end, spent[ENDS];
	double cost[T_COUNT];

	memset(v, 0, sizeof(v));
	ends_make(v, k);
	if (k->group)
		server = gk_server(MEMBERS, MEMBERS);
	for (unsigned i = 0; i < 20; i++) /* warms up */
		handshake(v, k, spent);
	end = now() + (uint64_t)(seconds * 1e9);
	windows_reset(&turns);
	while (now() < end && turns.n < WINDOWS_MAX) {
		window_open(&turns);
		window_reference(&turns);
		handshake(v, k, spent);
		window_reference(&turns);
		primitives(v, k);
		window_reference(&turns);
		window_add(&turns, T_INITIATOR, spent[INITIATOR]);
		window_add(&turns, T_RESPONDER, spent[RESPONDER]);
		window_close(&turns);
	}
	windows_keep(&turns);
	for (unsigned i = 0; i < T_COUNT; i++)
		cost[i] = windows_median(&turns, i) / 1000;
	row(json, k, true, cost[T_INITIATOR], cost);
	row(json, k, false, cost[T_RESPONDER], cost);
	for (unsigned i = 0; i < ENDS; i++) {
		sign_key_free(v[i].key);
		x509_trust_free(v[i].trust);
	}
	if (k->group)
		gk_server_free(server);
}

int main(int argc, char **argv)
{
	const char *only = NULL, *file = NULL;
	double seconds = 3;
	FILE *json = NULL;
	int cpu = -1;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--json"))
			file = argv[i + 1];
		else if (!strcmp(argv[i], "--seconds"))
			seconds = atof(argv[i + 1]);
		else if (!strcmp(argv[i], "--cpu"))
			cpu = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--auth"))
			only = argv[i + 1];
	}
	bench_name = "bench/handshakes";
	log_set_level(LOG_LVL_ERROR);
	pin(cpu);
	json = file ? fopen(file, "w") : NULL;
	if (file && !json)
		die(file);
	if (json)
		fprintf(json, "{\"rows\": [\n");
	printf("IKE handshakes, X25519, 1 core; microseconds, medians\n"
	       "%-14s %-9s %9s %10s %8s %8s %8s %8s %8s %11s\n",
	       "auth", "", "each", "per second", "DH", "sign", "verify", "chain", "rest", "kept");
	for (unsigned i = 0; i < KINDS; i++)
		if (!only || !strcmp(only, kinds[i].name))
			measure(&kinds[i], seconds, json);
	if (json) {
		fprintf(json, "\n]}\n");
		if (fclose(json))
			die(file);
	}
	return 0;
}
