/*
 * ike_peer: the IKEv2 engine with UDP sockets, for tests against strangers. It is no daemon: one
 * peer, no privileges dropped, keys from files. Run in a network namespace of its own.
 *
 *   ike_peer local=A remote=B local-id=NAME remote-id=NAME [psk=TEXT | key=F cert=F ca=F [crl=F]]
 *            [ppk-id=TEXT ppk=TEXT ppk-required=1] [ts-local=LO-HI] [ts-remote=LO-HI]
 *            [mode=transport] [start=1] [compatible=1] [encap=1] [childless=1] [pfs=0]
 *            [child-rekey=S] [ike-rekey=S] [dpd=S] [keylog=F] [verbose=1]
 *
 * Commands on standard input, one a line: up, down, rekey-child, rekey-ike, reauth, new-child,
 * show, quit. Standard output has one JSON object a line: `sa` when a key goes to the sink,
 * `retire`, and the answer to `show`.
 *
 * ESP in UDP that comes in is opened with the keys the sink was given, and an ICMP echo request in
 * it is answered the same way: enough to see that keys, SPIs and directions agree. Only suites
 * without ESN, whose authenticated head is what the packet shows.
 */
#include "base/js.h"
#include "crypto/seal.h"
#include "key/ikev2/ikev2.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define SAS 64
#define TUNNEL 1

struct esp_sa {
	bool used, transmit;
	struct sink_esp sa;
	uint32_t seq; /* transmit: last used; receive: highest seen */
	unsigned packets;
};

static struct state {
	struct ikev2 *e;
	struct ikev2_peer peer;
	int fd[2]; /* 500, 4500 */
	uint16_t port[2];
	struct esp_sa sas[SAS];
	unsigned newest; /* transmit SA in use */
	unsigned esp_in, esp_bad, esp_replies;
	struct sign_key *key;
	uint8_t cert[8][4096];
	struct x509_der chain[8];
	FILE *keylog;
} st;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "ike_peer: %s: %s\n", what, why);
	exit(2);
}

static void say(struct js *j)
{
	char *text = js_print(j, false, NULL);

	puts(text);
	fflush(stdout);
	free(text);
	js_free(j);
}

static void random_fill(void *ctx, void *buf, size_t n)
{
	(void)ctx;
	while (n) {
		ssize_t got = getrandom(buf, n < 256 ? n : 256, 0);

		if (got <= 0)
			abort();
		buf = (uint8_t *)buf + got;
		n -= (size_t)got;
	}
}

static int64_t wall(void *ctx)
{
	(void)ctx;
	return time(NULL);
}

static int sign(void *ctx, uint32_t id, uint16_t key, enum sign_scheme s, const void *data,
		size_t len)
{
	uint8_t sig[SIGN_MAX];
	size_t n = sizeof(sig);

	(void)ctx;
	(void)key;
	if (!st.key || sign_make(st.key, s, data, len, sig, &n))
		return -EIO;
	ikev2_signed(st.e, id, sig, n, clock_now());
	return 0;
}

static void keylog(void *ctx, enum ikev2_table table, const char *line)
{
	(void)ctx;
	if (table != IKEV2_TABLE_IKE)
		return;
	fprintf(st.keylog, "%s\n", line);
	fflush(st.keylog);
}

static struct esp_sa *sa_named(bool transmit, uint32_t spi)
{
	for (unsigned i = 0; i < SAS; i++)
		if (st.sas[i].used && st.sas[i].transmit == transmit && st.sas[i].sa.spi == spi)
			return &st.sas[i];
	return NULL;
}

static void tell_sa(const struct sink_esp *sa, const char *what)
{
	struct js *j = js_object();

	js_set_text(j, "event", what);
	js_set_format(j, "spi", "%08x", sa->spi);
	js_set_text(j, "suite", esp_suites[sa->suite].name);
	js_set_bool(j, "esn", sa->esn);
	js_set_bool(j, "transport", sa->mode == ESP_TRANSPORT);
	js_set_u64(j, "port", sa->remote.port);
	js_set_hex(j, "key", sa->key.b, sa->key.len);
	js_set_hex(j, "auth", sa->auth.b, sa->auth.len);
	say(j);
}

static int install(const struct sink_esp *sa, bool transmit)
{
	struct esp_sa *s = sa_named(transmit, sa->spi);

	if (s) {
		s->sa = *sa;
		return 0;
	}
	for (s = st.sas; s < st.sas + SAS && s->used;)
		s++;
	if (s == st.sas + SAS)
		return -ENOSPC;
	*s = (struct esp_sa){.used = true, .transmit = transmit, .sa = *sa};
	if (transmit)
		st.newest = (unsigned)(s - st.sas);
	tell_sa(sa, transmit ? "transmit" : "receive");
	return 0;
}

static int add_receive(void *ctx, const struct sink_esp *sa)
{
	(void)ctx;
	return install(sa, false);
}

static int use_transmit(void *ctx, const struct sink_esp *sa)
{
	(void)ctx;
	return install(sa, true);
}

static void retire(void *ctx, uint16_t tunnel, enum sink_direction d, uint32_t spi)
{
	struct esp_sa *s = sa_named(d == SINK_TRANSMIT, spi);

	(void)ctx;
	(void)tunnel;
	if (s)
		s->used = false;
}

static socklen_t to_sockaddr(const struct esp_end *e, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *in = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	if (e->family == 6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(e->port);
		memcpy(&in6->sin6_addr, e->addr, 16);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(e->port);
	memcpy(&in->sin_addr, e->addr, 4);
	return sizeof(*in);
}

static struct esp_end from_sockaddr(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;
	const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
	struct esp_end e = {.family = ss->ss_family == AF_INET6 ? 6 : 4};

	e.port = ntohs(e.family == 6 ? in6->sin6_port : in->sin_port);
	memcpy(e.addr, e.family == 6 ? (const void *)&in6->sin6_addr : (const void *)&in->sin_addr,
	       e.family == 6 ? 16 : 4);
	return e;
}

static void send_to(const struct esp_end *local, const struct esp_end *remote, const uint8_t *b,
		    size_t len)
{
	struct sockaddr_storage ss;
	socklen_t n = to_sockaddr(remote, &ss);

	sendto(st.fd[local->port == st.port[1]], b, len, 0, (struct sockaddr *)&ss, n);
}

/* Cipher and keys of an SA for sealing single packets. */
static struct seal_key seal_of(const struct sink_esp *sa)
{
	const struct esp_suite_info *s = &esp_suites[sa->suite];
	struct seal_key k = {.key = sa->key, .auth = sa->auth, .hash_bits = s->hash_bits};

	k.cipher = s->encr == IKE_ENCR_AES_GCM_16          ? SEAL_AES_GCM_16
		   : s->encr == IKE_ENCR_CHACHA20_POLY1305 ? SEAL_CHACHA20_POLY1305
							   : SEAL_AES_CBC;
	return k;
}

static uint16_t sum(const uint8_t *p, size_t n)
{
	uint32_t s = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		s += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (n & 1)
		s += (uint32_t)p[n - 1] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

/* An ICMP echo request in IPv4 becomes its reply, in place. */
static bool echo(uint8_t *ip, size_t len)
{
	size_t head = len >= 20 ? (ip[0] & 15u) * 4u : 0;
	uint8_t addr[4];
	uint16_t check;

	if (len < 28 || ip[0] >> 4 != 4 || ip[9] != 1 || head < 20 || len < head + 8 ||
	    ip[head] != 8)
		return false;
	memcpy(addr, ip + 12, 4);
	memcpy(ip + 12, ip + 16, 4);
	memcpy(ip + 16, addr, 4);
	ip[head] = 0;
	ip[head + 2] = ip[head + 3] = 0;
	check = sum(ip + head, len - head);
	ip[head + 2] = (uint8_t)(check >> 8);
	ip[head + 3] = (uint8_t)check;
	return true;
}

static void reply(const uint8_t *ip, size_t len, const struct esp_end *to)
{
	struct esp_sa *tx = &st.sas[st.newest];
	const struct esp_suite_info *s = &esp_suites[tx->sa.suite];
	struct esp_end local = {.port = st.port[1]};
	uint8_t b[4096];
	struct wr w = wr_init(b, sizeof(b));
	unsigned pad = esp_pad_len(s, len);
	struct seal_key k;

	if (!tx->used || !tx->transmit)
		return;
	k = seal_of(&tx->sa);
	wr_u32(&w, tx->sa.spi);
	wr_u32(&w, ++tx->seq);
	if (s->iv_len == 16)
		random_fill(NULL, wr_room(&w, 16), 16);
	else
		wr_u64(&w, tx->seq);
	wr_bytes(&w, ip, len);
	esp_trailer_build(wr_room(&w, pad + 2), pad, 4);
	wr_zero(&w, s->icv_len);
	if (!w.bad && !seal_close(&k, b, 8, wr_len(&w)))
		send_to(&local, to, b, wr_len(&w));
	st.esp_replies++;
	tx->packets++;
}

static void esp_input(uint8_t *b, size_t len, const struct esp_end *from)
{
	struct rd r = rd_init(b, len);
	struct esp_sa *rx = sa_named(false, rd_u32(&r));
	struct sink_esp_report used = {
		.tunnel = TUNNEL, .direction = SINK_RECEIVE, .event = SINK_ESP_USED};
	struct seal_key k;
	uint8_t next;
	size_t n;

	st.esp_in++;
	if (!rx || rx->sa.esn) {
		st.esp_bad++;
		return;
	}
	k = seal_of(&rx->sa);
	if (seal_open(&k, b, 8, len)) {
		st.esp_bad++;
		return;
	}
	n = len - 8 - seal_iv_len(&k) - seal_icv_len(&k);
	if (esp_trailer_parse(b + 8 + seal_iv_len(&k), &n, &next) != ESP_TRAILER_OK) {
		st.esp_bad++;
		return;
	}
	used.spi = rx->sa.spi;
	used.packets = ++rx->packets;
	ikev2_report(st.e, &used, clock_now());
	if (echo(b + 8 + seal_iv_len(&k), n))
		reply(b + 8 + seal_iv_len(&k), n, from);
}

static void show(void)
{
	struct js *j = js_object(), *sas = js_set_array(j, "sas"), *results;
	struct ikev2_sa_show s;
	struct ikev2_stats stats;

	ikev2_stats(st.e, &stats);
	js_set_text(j, "event", "show");
	for (unsigned i = 0; ikev2_show(st.e, i, &s); i++) {
		struct js *o = js_push_object(sas), *children = js_set_array(o, "children");

		js_set_text(o, "state", s.state);
		js_set_bool(o, "initiator", s.initiator);
		js_set_format(o, "spi_i", "%016llx", (unsigned long long)s.spi_i);
		js_set_format(o, "spi_r", "%016llx", (unsigned long long)s.spi_r);
		js_set_text(o, "suite", s.suite);
		js_set_text(o, "auth", s.auth);
		js_set_bool(o, "ppk", s.ppk);
		js_set_bool(o, "encap", s.encap);
		for (unsigned c = 0; c < s.child_count; c++) {
			struct js *child = js_push_object(children);

			js_set_format(child, "in", "%08x", s.children[c].spi_in);
			js_set_format(child, "out", "%08x", s.children[c].spi_out);
			js_set_bool(child, "up", s.children[c].up);
			js_set_bool(child, "sending", s.children[c].sending);
		}
	}
	results = js_set_object(j, "results");
	for (unsigned i = 0; i < IKEV2_RESULT_COUNT; i++)
		if (stats.results[i])
			js_set_u64(results, ikev2_result_name(i), stats.results[i]);
	js_set_u64(j, "established", stats.established);
	js_set_u64(j, "rekeys", stats.rekeys);
	js_set_u64(j, "child_rekeys", stats.child_rekeys);
	js_set_u64(j, "lost", stats.lost);
	js_set_u64(j, "esp_in", st.esp_in);
	js_set_u64(j, "esp_bad", st.esp_bad);
	js_set_u64(j, "esp_replies", st.esp_replies);
	say(j);
}

static size_t slurp(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f)
		die(path, strerror(errno));
	n = fread(buf, 1, size, f);
	fclose(f);
	return n;
}

static void set_end(struct esp_end *e, const char *text)
{
	if (inet_pton(AF_INET, text, e->addr) == 1)
		e->family = 4;
	else if (inet_pton(AF_INET6, text, e->addr) == 1)
		e->family = 6;
	else if (strcmp(text, "any") != 0)
		die(text, "no address");
}

/* An address, or a name. */
static void set_id(struct ikev2_id *id, const char *text)
{
	struct esp_end e = {0};

	if (inet_pton(AF_INET, text, e.addr) == 1 || inet_pton(AF_INET6, text, e.addr) == 1) {
		set_end(&e, text);
		id->type = e.family == 6 ? IKE_ID_IPV6 : IKE_ID_IPV4;
		id->len = e.family == 6 ? 16 : 4;
		memcpy(id->b, e.addr, id->len);
		return;
	}
	id->type = strchr(text, '@') ? IKE_ID_RFC822 : IKE_ID_FQDN;
	id->len = (uint16_t)strlen(text);
	memcpy(id->b, text, id->len);
}

static void set_ts(struct esp_ts *ts, char *text)
{
	char *dash = strchr(text, '-');
	struct esp_end lo = {0}, hi = {0};

	if (!dash)
		die(text, "LO-HI");
	*dash = 0;
	set_end(&lo, text);
	set_end(&hi, dash + 1);
	*ts = esp_ts_any(lo.family);
	memcpy(ts->lo, lo.addr, 16);
	memcpy(ts->hi, hi.addr, 16);
}

static void set_trust(const char *ca, const char *crl)
{
	struct x509_trust *t = x509_trust_new();
	static char text[65536];
	size_t n = slurp(ca, text, sizeof(text));

	if (x509_trust_add(t, text, n) < 1)
		die(ca, "no certificates");
	if (crl) {
		n = slurp(crl, text, sizeof(text));
		if (x509_trust_add_crl(t, text, n) < 1)
			die(crl, "no revocation lists");
	}
	st.peer.trust = t;
}

static void set_cert(const char *path)
{
	static char text[65536];
	size_t n = slurp(path, text, sizeof(text));
	unsigned i = st.peer.chain_count++;

	st.chain[i].p = st.cert[i];
	st.chain[i].len = x509_load(text, n, st.cert[i], sizeof(st.cert[i]));
	if (!st.chain[i].len)
		die(path, "no certificate");
	st.peer.chain = st.chain;
	st.peer.auth = IKEV2_AUTH_CERT;
}

static void set_key(const char *path)
{
	static char text[65536];
	size_t n = slurp(path, text, sizeof(text));

	st.key = sign_key_load(text, n);
	if (!st.key)
		die(path, "no key");
	st.peer.schemes = sign_key_schemes(st.key);
	secret_wipe(text, sizeof(text));
}

static const char *ca_path, *crl_path;

static uint64_t seconds(const char *v)
{
	return strtoull(v, NULL, 10) * NS_PER_S;
}

static void option(const char *name, char *v)
{
	struct ikev2_peer *p = &st.peer;

	if (!strcmp(name, "local"))
		set_end(&p->local, v);
	else if (!strcmp(name, "remote"))
		set_end(&p->remote, v);
	else if (!strcmp(name, "local-id"))
		set_id(&p->local_id, v);
	else if (!strcmp(name, "remote-id"))
		set_id(&p->remote_id, v);
	else if (!strcmp(name, "psk"))
		secret_set(&p->psk, v, strlen(v));
	else if (!strcmp(name, "key"))
		set_key(v);
	else if (!strcmp(name, "cert"))
		set_cert(v);
	else if (!strcmp(name, "ca"))
		ca_path = v;
	else if (!strcmp(name, "crl"))
		crl_path = v;
	else if (!strcmp(name, "ppk-id")) {
		p->ppk_id.type = IKE_ID_KEY;
		p->ppk_id.len = (uint16_t)strlen(v);
		memcpy(p->ppk_id.b, v, strlen(v));
	} else if (!strcmp(name, "ppk"))
		secret_set(&p->ppk, v, strlen(v));
	else if (!strcmp(name, "ppk-required"))
		p->ppk_required = atoi(v);
	else if (!strcmp(name, "ts-local"))
		set_ts(&p->ts.local[0], v);
	else if (!strcmp(name, "ts-remote"))
		set_ts(&p->ts.remote[0], v);
	else if (!strcmp(name, "mode"))
		p->mode = !strcmp(v, "transport") ? ESP_TRANSPORT : ESP_TUNNEL;
	else if (!strcmp(name, "start"))
		p->start = atoi(v);
	else if (!strcmp(name, "compatible"))
		p->strength = atoi(v) ? IKEV2_COMPATIBLE : IKEV2_STRONG;
	else if (!strcmp(name, "encap"))
		p->encap = atoi(v);
	else if (!strcmp(name, "childless"))
		p->childless = atoi(v);
	else if (!strcmp(name, "pfs"))
		p->pfs = atoi(v);
	else if (!strcmp(name, "child-rekey"))
		p->child_rekey_ns = seconds(v);
	else if (!strcmp(name, "ike-rekey"))
		p->ike_rekey_ns = seconds(v);
	else if (!strcmp(name, "dpd"))
		p->dpd_ns = seconds(v);
	else if (!strcmp(name, "keylog"))
		st.keylog = fopen(v, "w");
	else if (!strcmp(name, "verbose"))
		log_set_level(LOG_LVL_DEBUG);
	else
		die(name, "no such option");
}

static void open_sockets(void)
{
	for (unsigned i = 0; i < 2; i++) {
		struct esp_end at = st.peer.local;
		struct sockaddr_storage ss;
		int one = 1;
		socklen_t n;

		st.port[i] = i ? IKEV2_PORT_NAT : IKEV2_PORT;
		at.port = st.port[i];
		n = to_sockaddr(&at, &ss);
		st.fd[i] = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		setsockopt(st.fd[i], SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (st.fd[i] < 0 || bind(st.fd[i], (struct sockaddr *)&ss, n))
			die("bind", strerror(errno));
	}
}

static void receive(unsigned i)
{
	struct esp_end local = st.peer.local, remote;
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	static uint8_t b[65536];
	ssize_t len = recvfrom(st.fd[i], b, sizeof(b), 0, (struct sockaddr *)&ss, &n);

	if (len < 0)
		return;
	local.port = st.port[i];
	remote = from_sockaddr(&ss);
	if (i && len > 8 && (b[0] | b[1] | b[2] | b[3]))
		esp_input(b, (size_t)len, &remote);
	else
		ikev2_input(st.e, &local, &remote, b, (size_t)len, clock_now());
}

static bool command(char *line)
{
	static const struct {
		const char *word;
		enum ikev2_what what;
	} rekeys[] = {{"rekey-child", IKEV2_REKEY_CHILD},
		      {"rekey-ike", IKEV2_REKEY_IKE},
		      {"reauth", IKEV2_REAUTH},
		      {"new-child", IKEV2_NEW_CHILD}};

	line[strcspn(line, "\n")] = 0;
	if (!strcmp(line, "quit"))
		return false;
	if (!strcmp(line, "show"))
		show();
	if (!strcmp(line, "up"))
		ikev2_up(st.e, TUNNEL, clock_now());
	if (!strcmp(line, "down"))
		ikev2_down(st.e, TUNNEL, clock_now());
	for (unsigned i = 0; i < 4; i++)
		if (!strcmp(line, rekeys[i].word))
			ikev2_rekey(st.e, TUNNEL, rekeys[i].what, clock_now());
	return true;
}

static void settle(void)
{
	static uint8_t record[IKEV2_SAVE_MAX];
	struct ikev2_datagram d;
	unsigned slot;
	struct wr w = wr_init(record, sizeof(record));

	while (ikev2_save_next(st.e, &slot, &w)) {
		if (w.bad)
			die("record", "too long");
		w = wr_init(record, sizeof(record));
	}
	while (ikev2_output(st.e, &d))
		send_to(&d.local, &d.remote, d.b, d.len);
}

static void run(void)
{
	struct pollfd p[3] = {{st.fd[0], POLLIN, 0}, {st.fd[1], POLLIN, 0}, {0, POLLIN, 0}};
	char line[128];

	for (;;) {
		uint64_t now = clock_now(), at = ikev2_deadline(st.e);
		uint64_t wait = at > now ? (at - now) / NS_PER_MS + 1 : 0;

		if (poll(p, 3, wait > 1000 ? 1000 : (int)wait) < 0 && errno != EINTR)
			die("poll", strerror(errno));
		for (unsigned i = 0; i < 2; i++)
			if (p[i].revents)
				receive(i);
		if (p[2].revents && (!fgets(line, sizeof(line), stdin) || !command(line)))
			return;
		if (clock_now() >= ikev2_deadline(st.e))
			ikev2_expire(st.e, clock_now());
		settle();
	}
}

int main(int argc, char **argv)
{
	struct ikev2_config cfg = {.initial_contact = true};
	struct ikev2_env env = {
		.random = random_fill,
		.wall = wall,
		.sign = sign,
		.sink = {NULL, add_receive, use_transmit, retire},
	};

	log_init("ike_peer", LOG_LVL_INFO);
	st.peer = (struct ikev2_peer){
		.tunnel = TUNNEL,
		.name = "stranger",
		.ts = {.local_count = 1,
		       .remote_count = 1,
		       .local = {esp_ts_any(4)},
		       .remote = {esp_ts_any(4)}},
		.window = 1024,
		.pfs = true,
		.dpd_ns = 30 * NS_PER_S,
	};
	setvbuf(stdin, NULL, _IONBF, 0);
	for (int i = 1; i < argc; i++) {
		char *eq = strchr(argv[i], '=');

		if (!eq)
			die(argv[i], "NAME=VALUE");
		*eq = 0;
		option(argv[i], eq + 1);
	}
	if (ca_path)
		set_trust(ca_path, crl_path);
	if (st.peer.mode == ESP_TRANSPORT)
		st.peer.ts = (struct esp_selectors){0};
	if (st.keylog)
		env.keylog = keylog;
	st.peer.key_log = st.keylog != NULL;
	open_sockets();
	st.e = ikev2_new(&cfg, &env, clock_now());
	if (!st.e || ikev2_peer_set(st.e, &st.peer, clock_now()))
		die("peer", "a field is out of range");
	run();
	ikev2_free(st.e);
	return 0;
}
