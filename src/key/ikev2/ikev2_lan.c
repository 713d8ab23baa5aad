#include "key/ikev2/ikev2_lan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALL 1800000000ll

static void lan_random(void *ctx, void *buf, size_t n)
{
	struct lan_node *node = ctx;
	uint8_t *p = buf;

	while (n--) { /* splitmix64, a byte a step */
		uint64_t z = node->random += 0x9e3779b97f4a7c15ull;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
		z = (z ^ z >> 27) * 0x94d049bb133111ebull;
		*p++ = (uint8_t)(z >> 31);
	}
}

static int64_t lan_wall(void *ctx)
{
	struct lan_node *n = ctx;

	return n->lan->wall;
}

static int lan_sign(void *ctx, uint32_t id, uint16_t key, enum sign_scheme s, const void *data,
		    size_t len)
{
	struct lan_node *n = ctx;

	(void)key;
	n->signatures++;
	n->signed_max = len > n->signed_max ? len : n->signed_max;
	n->sig_len = sizeof(n->sig);
	if (!n->key || n->sign_fails || sign_make(n->key, s, data, len, n->sig, &n->sig_len))
		return -1;
	if (n->sign_slow)
		n->sign_id = id;
	else
		ikev2_signed(n->e, id, n->sig, n->sig_len, n->lan->now);
	return 0;
}

static void lan_event(void *ctx, enum ikev2_event ev, uint16_t tunnel, const char *text)
{
	struct lan_node *n = ctx;

	(void)tunnel;
	n->events[ev]++;
	log_debug("node %u: %s: %s", n->index, ikev2_event_name(ev), text);
}

static void lan_keylog(void *ctx, enum ikev2_table table, const char *line)
{
	struct lan_node *n = ctx;

	n->key_lines[table]++;
	snprintf(n->key_line[table], sizeof(n->key_line[table]), "%s", line);
}

static bool alive(const struct lan *l, const struct lan_sa *s)
{
	return s->used && (!s->until || s->until > l->now);
}

static struct lan_sa *sa_find_named(struct lan_node *n, bool transmit, uint16_t tunnel,
				    uint32_t spi)
{
	for (unsigned i = 0; i < LAN_SAS; i++)
		if (n->sas[i].used && n->sas[i].transmit == transmit &&
		    n->sas[i].sa.tunnel == tunnel && n->sas[i].sa.spi == spi)
			return &n->sas[i];
	return NULL;
}

static int install(struct lan_node *n, const struct sink_esp *sa, bool transmit)
{
	struct lan_sa *s = sa_find_named(n, transmit, sa->tunnel, sa->spi);

	for (unsigned i = 0; !s && i < LAN_SAS; i++)
		if (!alive(n->lan, &n->sas[i])) {
			s = &n->sas[i];
			s->used = false;
		}
	if (!s)
		abort();
	if (!s->used)
		s->order = ++n->lan->order;
	s->used = true;
	s->transmit = transmit;
	s->sa = *sa;
	s->until = sa->hard_at;
	return 0;
}

static int lan_add_receive(void *ctx, const struct sink_esp *sa)
{
	struct lan_node *n = ctx;

	n->adds++;
	return install(n, sa, false);
}

static int lan_use_transmit(void *ctx, const struct sink_esp *sa)
{
	struct lan_node *n = ctx;

	n->uses++;
	return install(n, sa, true);
}

static void lan_retire(void *ctx, uint16_t tunnel, enum sink_direction d, uint32_t spi)
{
	struct lan_node *n = ctx;
	struct lan_sa *s = sa_find_named(n, d == SINK_TRANSMIT, tunnel, spi);

	n->retires++;
	if (s)
		secret_wipe(s, sizeof(*s));
}

const struct sink_esp *lan_transmit_sa(const struct lan_node *n, uint16_t tunnel)
{
	const struct lan_sa *best = NULL;

	for (unsigned i = 0; i < LAN_SAS; i++)
		if (n->sas[i].transmit && alive(n->lan, &n->sas[i]) &&
		    n->sas[i].sa.tunnel == tunnel && (!best || n->sas[i].order > best->order))
			best = &n->sas[i];
	return best ? &best->sa : NULL;
}

bool lan_hears(const struct lan *l, unsigned to, unsigned from)
{
	const struct sink_esp *tx = lan_transmit_sa(&l->nodes[from], LAN_TUNNEL(to));

	for (unsigned i = 0; tx && i < LAN_SAS; i++) {
		const struct lan_sa *s = &l->nodes[to].sas[i];

		if (alive(l, s) && !s->transmit && s->sa.spi == tx->spi &&
		    s->sa.suite == tx->suite && s->sa.esn == tx->esn && s->sa.mode == tx->mode &&
		    s->sa.key.len == tx->key.len && !memcmp(s->sa.key.b, tx->key.b, tx->key.len) &&
		    s->sa.auth.len == tx->auth.len &&
		    !memcmp(s->sa.auth.b, tx->auth.b, tx->auth.len))
			return true;
	}
	return false;
}

bool lan_both(struct lan *l)
{
	return lan_hears(l, 0, 1) && lan_hears(l, 1, 0);
}

unsigned lan_stand(const struct lan_node *n, uint16_t tunnel)
{
	unsigned count = 0;

	for (const struct ike_sa *sa = n->e->sas; sa; sa = sa->next)
		count += sa->peer && sa->peer->cfg.tunnel == tunnel && sa->state == ST_UP;
	return count;
}

struct ike_sa *lan_sa_of(const struct lan_node *n, uint16_t tunnel)
{
	for (struct ike_sa *sa = n->e->sas; sa; sa = sa->next)
		if (sa->peer && sa->peer->cfg.tunnel == tunnel && sa->state == ST_UP)
			return sa;
	return NULL;
}

static void set_id(struct ikev2_id *id, unsigned i)
{
	*id = (struct ikev2_id){.type = IKE_ID_FQDN, .len = 5};
	memcpy(id->b, "node", 4);
	id->b[4] = (uint8_t)('0' + i);
}

struct ikev2_peer lan_peer(const struct lan *l, unsigned me, unsigned other)
{
	struct ikev2_peer p = {
		.tunnel = LAN_TUNNEL(other),
		.local = l->nodes[me].at,
		.remote = l->nodes[other].at,
		.auth = IKEV2_AUTH_PSK,
		.mode = ESP_TUNNEL,
		.ts = {.local_count = 1,
		       .remote_count = 1,
		       .local = {esp_ts_any(4)},
		       .remote = {esp_ts_any(4)}},
		.window = 1024,
		.start = me < other,
		.ike_rekey_ns = 3600 * NS_PER_S,
		.child_rekey_ns = 1800 * NS_PER_S,
		.dpd_ns = 30 * NS_PER_S,
		.pfs = true,
	};

	p.local.port = p.remote.port = 0;
	p.name[0] = (char)('a' + other);
	set_id(&p.local_id, me);
	set_id(&p.remote_id, other);
	secret_set(&p.psk, "correct horse battery", 21);
	return p;
}

struct lan *lan_new(unsigned count)
{
	struct lan *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->now = 1000 * NS_PER_S;
	l->delay = NS_PER_MS;
	l->wall = WALL;
	l->count = count;
	for (unsigned i = 0; i < count; i++) {
		l->nodes[i].lan = l;
		l->nodes[i].index = i;
		l->nodes[i].random = i * 1000003ull;
		l->nodes[i].at = (struct esp_end){4, {10, 0, 0, (uint8_t)(i + 1)}, IKEV2_PORT};
	}
	return l;
}

void lan_start(struct lan *l, unsigned i)
{
	struct lan_node *n = &l->nodes[i];
	struct ikev2_env env = {
		.ctx = n,
		.random = lan_random,
		.wall = lan_wall,
		.sign = lan_sign,
		.event = lan_event,
		.keylog = lan_keylog,
		.sink = {n, lan_add_receive, lan_use_transmit, lan_retire},
		.group = n->group,
	};

	n->e = ikev2_new(&n->cfg, &env, l->now);
	if (!n->e)
		abort();
	n->up = true;
}

void lan_stop(struct lan *l, unsigned i)
{
	ikev2_free(l->nodes[i].e);
	l->nodes[i].e = NULL;
	l->nodes[i].up = false;
}

void lan_restart(struct lan *l, unsigned i, bool with_records)
{
	struct lan_node *n = &l->nodes[i];
	struct ikev2_peer peers[LAN_NODES * 2];
	unsigned count = 0;

	for (struct peer *p = n->e->peers; p; p = p->next)
		peers[count++] = p->cfg;
	lan_stop(l, i);
	lan_start(l, i);
	for (unsigned j = 0; j < count; j++)
		ikev2_peer_set(n->e, &peers[j], l->now);
	for (unsigned s = 0; s < 64; s++) {
		struct rd r = rd_init(n->records[s], n->record_len[s]);

		if (with_records && n->record_len[s] && ikev2_load(n->e, s, &r, l->now))
			abort();
		if (!with_records)
			n->record_len[s] = 0;
	}
	ikev2_loaded(n->e, l->now);
	secret_wipe(peers, sizeof(peers));
	lan_flush(l, i);
}

void lan_free(struct lan *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		struct lan_node *n = &l->nodes[i];

		ikev2_free(n->e);
		sign_key_free(n->key);
		x509_trust_free(n->trust);
		for (unsigned s = 0; s < 64; s++) {
			if (n->records[s])
				secret_wipe(n->records[s], IKEV2_SAVE_MAX);
			free(n->records[s]);
		}
	}
	for (unsigned i = 0; i < l->wire_count; i++)
		free(l->wire[i]);
	sign_key_free(l->ca_key);
	secret_wipe(l, sizeof(*l));
	free(l);
}

void lan_certificate(struct lan *l, unsigned i, enum x509_usage usage)
{
	struct lan_node *n = &l->nodes[i];
	char name[6] = "node0";
	struct x509_make m = {.common_name = name,
			      .names = {{X509_DNS, name, 5}},
			      .name_count = 1,
			      .usage = usage,
			      .serial = {2, (uint8_t)i},
			      .from = WALL - 1000,
			      .until = WALL + 100000};
	struct x509_der anchor = {l->ca, l->ca_len};
	uint8_t spki[1024];

	name[4] = (char)('0' + i);
	n->chain[0].p = n->cert;
	n->chain[0].len = x509_make_cert(&m, spki, sign_key_public(n->key, spki, sizeof(spki)),
					 &anchor, l->ca_key, n->cert, sizeof(n->cert));
	n->chain_count = 1;
	if (!n->chain[0].len)
		abort();
}

void lan_certify(struct lan *l, enum x509_key kind)
{
	struct x509_make ca = {.common_name = "CA",
			       .usage = X509_FOR_CA,
			       .serial = {1},
			       .from = WALL - 1000,
			       .until = WALL + 1000000};
	uint8_t spki[1024];

	sign_key_free(l->ca_key);
	l->ca_key = x509_key_new(kind);
	l->ca_len = x509_make_cert(&ca, spki, sign_key_public(l->ca_key, spki, sizeof(spki)), NULL,
				   l->ca_key, l->ca, sizeof(l->ca));
	for (unsigned i = 0; i < l->count; i++) {
		struct lan_node *n = &l->nodes[i];

		sign_key_free(n->key);
		n->key = x509_key_new(kind);
		lan_certificate(l, i, X509_FOR_IKE);
		x509_trust_free(n->trust);
		n->trust = x509_trust_new();
		if (x509_trust_add(n->trust, l->ca, l->ca_len) != 1)
			abort();
	}
}

void lan_revoke(struct lan *l, unsigned i)
{
	const uint8_t serial[1][X509_SERIAL_LEN] = {{2, (uint8_t)i}};
	struct x509_der anchor = {l->ca, l->ca_len};
	uint8_t crl[2048];
	size_t n = x509_make_crl(anchor, l->ca_key, serial, 1, 1, WALL - 10, WALL + 100000, crl,
				 sizeof(crl));

	for (unsigned j = 0; j < l->count; j++)
		if (x509_trust_add_crl(l->nodes[j].trust, crl, n) != 1)
			abort();
}

void lan_use_cert(struct lan *l, unsigned i, struct ikev2_peer *p)
{
	struct lan_node *n = &l->nodes[i];

	p->auth = IKEV2_AUTH_CERT;
	p->trust = n->trust;
	p->chain = n->chain;
	p->chain_count = n->chain_count;
	p->schemes = sign_key_schemes(n->key);
}

/* The address a node's datagrams seem to come from. */
static struct esp_end seen_from(const struct lan *l, unsigned from, const struct esp_end *local)
{
	struct esp_end e = *local;

	if (l->nat && from == 0) {
		e = (struct esp_end){4, {203, 0, 113, 9}, (uint16_t)(40000 + local->port)};
	}
	return e;
}

static unsigned owner(const struct lan *l, const struct esp_end *to)
{
	struct esp_end nat = {4, {203, 0, 113, 9}, 0};

	if (l->nat && end_same(to, &nat))
		return 0;
	for (unsigned i = 0; i < l->count; i++)
		if (end_same(&l->nodes[i].at, to))
			return i;
	return LAN_NODES;
}

static void save(struct lan_node *n)
{
	uint8_t *b = malloc(IKEV2_SAVE_MAX);
	struct wr w = wr_init(b, IKEV2_SAVE_MAX);
	unsigned slot;

	if (!b)
		abort();
	while (ikev2_save_next(n->e, &slot, &w)) {
		if (slot >= 64 || w.bad)
			abort();
		if (!n->records[slot])
			n->records[slot] = calloc(1, IKEV2_SAVE_MAX);
		memcpy(n->records[slot], b, wr_len(&w));
		n->record_len[slot] = wr_len(&w);
		w = wr_init(b, IKEV2_SAVE_MAX);
	}
	secret_wipe(b, IKEV2_SAVE_MAX);
	free(b);
}

void lan_flush(struct lan *l, unsigned i)
{
	struct lan_node *n = &l->nodes[i];

	save(n);
	while (ikev2_output(n->e, &n->last)) {
		struct lan_datagram *d = malloc(sizeof(*d));
		unsigned to = owner(l, &n->last.remote);

		if (!d)
			abort();
		d->d = n->last;
		d->d.remote = seen_from(l, i, &n->last.local);
		d->d.local = n->last.remote;
		d->to = to;
		d->at = l->now + l->delay;
		l->sent++;
		if (to == LAN_NODES || l->wire_count == LAN_DATAGRAMS ||
		    (l->drop && l->drop(l, i, to, &d->d))) {
			free(d);
			continue;
		}
		if (l->nat && to == 0) { /* back through it */
			d->d.local.port = (uint16_t)(d->d.local.port - 40000);
			memcpy(d->d.local.addr, l->nodes[0].at.addr, 4);
		}
		l->wire[l->wire_count++] = d;
	}
}

enum ikev2_result lan_throw(struct lan *l, unsigned from, unsigned to, const uint8_t *b, size_t len)
{
	return ikev2_input(l->nodes[to].e, &l->nodes[to].at, &l->nodes[from].at, b, len, l->now);
}

/* The next thing that happens, if it happens by then. */
static bool lan_one(struct lan *l, uint64_t until)
{
	unsigned wire = LAN_DATAGRAMS, node = LAN_NODES;
	uint64_t at = IKEV2_NEVER;

	for (unsigned i = 0; i < l->wire_count; i++)
		if (l->wire[i]->at < at) {
			at = l->wire[i]->at;
			wire = i;
		}
	for (unsigned i = 0; i < l->count; i++)
		if (l->nodes[i].up && ikev2_deadline(l->nodes[i].e) < at) {
			at = ikev2_deadline(l->nodes[i].e);
			node = i;
		}
	if (at > until)
		return false;
	if (at > l->now)
		l->now = at;
	if (node < LAN_NODES) {
		ikev2_expire(l->nodes[node].e, l->now);
		lan_flush(l, node);
	} else {
		struct lan_datagram *d = l->wire[wire];

		memmove(&l->wire[wire], &l->wire[wire + 1],
			(--l->wire_count - wire) * sizeof(l->wire[0]));
		if (l->nodes[d->to].up) {
			ikev2_input(l->nodes[d->to].e, &d->d.local, &d->d.remote, d->d.b, d->d.len,
				    l->now);
			lan_flush(l, d->to);
		}
		free(d);
	}
	return true;
}

void lan_run(struct lan *l, uint64_t until)
{
	while (lan_one(l, until))
		;
	l->now = until;
}

bool lan_until(struct lan *l, bool (*cond)(struct lan *l), uint64_t within)
{
	uint64_t end = l->now + within;

	while (!cond(l))
		if (!lan_one(l, end))
			return false;
	return true;
}
