/* A group member: what it is told, what it installs, and when it asks again. */
#include "key/gikev2/fault.h"
#include "key/gikev2/member_i.h"

#include <stdlib.h>
#include <string.h>

#define RETRY (5 * SECOND) /* after a registration that failed, and the random wait */

struct gm *gm_new(const struct gm_config *cfg, const struct gm_env *env, uint64_t now)
{
	struct gm *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->cfg = *cfg;
	m->env = *env;
	m->register_at = now;
	return m;
}

void gm_free(struct gm *m)
{
	if (!m)
		return;
	secret_wipe(m, sizeof(*m));
	free(m);
}

uint64_t gm_wants_at(const struct gm *m)
{
	return m->register_at;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void want_within(struct gm *m, uint64_t at, uint64_t spread_ns)
{
	uint64_t wait = 0;

	m->env.random(m->env.ctx, &wait, sizeof(wait));
	m->register_at = earlier(m->register_at, at + (spread_ns ? wait % spread_ns : 0));
}

static void want(struct gm *m, uint64_t at)
{
	want_within(m, at, m->cfg.spread_ns);
}

void gm_failed(struct gm *m, uint64_t now)
{
	m->register_at = GM_NEVER;
	want(m, now + RETRY);
}

static void put_sag(struct ike_out *o)
{
	static const struct ike_proposal ours[] = {
		{.num = 1,
		 .protocol = IKE_PROTO_GIKE_UPDATE,
		 .count = 8,
		 .t = {{IKE_T_ENCR, IKE_ENCR_AES_GCM_16, 256, false},
		       {IKE_T_ENCR, IKE_ENCR_AES_GCM_16, 128, false},
		       {IKE_T_ENCR, IKE_ENCR_CHACHA20_POLY1305, 0, false},
		       {IKE_T_KWA, IKE_KW_5649_256, 0, false},
		       {IKE_T_KWA, IKE_KW_5649_192, 0, false},
		       {IKE_T_KWA, IKE_KW_5649_128, 0, false},
		       {IKE_T_GCAUTH, IKE_GCAUTH_SIGNATURE, 0, false},
		       {IKE_T_GCAUTH, IKE_GCAUTH_IMPLICIT, 0, false}}},
		{.num = 1,
		 .protocol = IKE_PROTO_ESP,
		 .count = 5,
		 .t = {{IKE_T_ENCR, IKE_ENCR_AES_GCM_16, 256, false},
		       {IKE_T_ENCR, IKE_ENCR_AES_GCM_16, 128, false},
		       {IKE_T_ENCR, IKE_ENCR_CHACHA20_POLY1305, 0, false},
		       {IKE_T_ESN, IKE_SN_UNSPECIFIED, 0, false},
		       {IKE_T_ESN, IKE_ESN_NO, 0, false}}},
	};

	ike_open(o, IKE_PL_SA);
	for (unsigned i = 0; i < 2; i++)
		ike_put_proposal(o->w, &ours[i], i == 1);
	ike_close(o);
}

void gm_request(const struct gm *m, struct ike_out *o)
{
	if (m->cfg.ask_sag)
		put_sag(o);
	if (m->cfg.sends)
		gike_put_sender(o, m->cfg.sender_ids);
}

static struct data_sa *find(struct gm *m, uint32_t spi)
{
	for (unsigned i = 0; i < m->sa_count; i++)
		if (m->sas[i].s.spi == spi)
			return &m->sas[i];
	return NULL;
}

static bool same_traffic(const struct sink_group *a, const struct sink_group *b)
{
	return !memcmp(&a->from, &b->from, sizeof(a->from)) &&
	       !memcmp(&a->to, &b->to, sizeof(a->to));
}

static void data_drop(struct gm *m, struct data_sa *s)
{
	unsigned i = (unsigned)(s - m->sas);

	if (s->sending)
		m->env.sink.retire(m->env.sink.ctx, m->cfg.group, SINK_TRANSMIT, s->s.spi);
	m->env.sink.retire(m->env.sink.ctx, m->cfg.group, SINK_RECEIVE, s->s.spi);
	secret_clear(&s->s.key);
	memmove(s, s + 1, (m->sa_count - i - 1) * sizeof(*s));
	secret_wipe(&m->sas[--m->sa_count], sizeof(*s));
}

static void data_send(struct gm *m, struct data_sa *s)
{
	s->send_at = GM_NEVER;
	s->sending = true;
	m->env.sink.use_transmit(m->env.sink.ctx, &s->s);
	for (unsigned i = 0; i < m->sa_count; i++) {
		struct data_sa *o = &m->sas[i];

		if (o == s || !o->sending || !same_traffic(&o->s, &s->s))
			continue;
		o->sending = false;
		m->env.sink.retire(m->env.sink.ctx, m->cfg.group, SINK_TRANSMIT, o->s.spi);
	}
}

/* When it sends by a new SA: ATD later, for others may not have it yet; never by one that ends before
 * the one it sends by. */
static uint64_t send_time(const struct gm *m, const struct data_sa *s, uint64_t now)
{
	if (faulty(GIKEV2_FAULT_SEND_EARLY))
		return now;
	for (unsigned i = 0; i < m->sa_count; i++)
		if (m->sas[i].sending && same_traffic(&m->sas[i].s, &s->s) &&
		    m->sas[i].s.hard_at > s->s.hard_at)
			return GM_NEVER;
	return now + (uint64_t)m->atd * SECOND;
}

static void data_take(struct gm *m, struct data_sa *new, bool at_once, uint64_t now)
{
	struct data_sa *s = find(m, new->s.spi);

	if (!s) {
		s = &m->sas[m->sa_count++];
		*s = *new;
		s->s.sender_bits = m->sender_bits;
		s->s.sender = m->sender;
		if (m->cfg.sends)
			s->send_at = send_time(m, s, now);
		for (unsigned i = 0; faulty(GIKEV2_FAULT_RETIRE_EARLY) && i + 1 < m->sa_count; i++)
			m->sas[i].gone_at = now;
	}
	m->env.sink.add_receive(m->env.sink.ctx, &s->s);
	if (m->cfg.sends && (s->send_at <= now || (at_once && send_time(m, s, now) != GM_NEVER)))
		data_send(m, s);
}

/* SAs that the others of the same traffic have outlived need not be registered for. */
static void softs_settle(struct gm *m, const struct news *n)
{
	for (unsigned i = 0; i < m->sa_count; i++)
		for (unsigned j = 0; j < n->sa_count; j++)
			if (m->sas[i].s.spi != n->sas[j].s.spi &&
			    same_traffic(&m->sas[i].s, &n->sas[j].s) &&
			    m->sas[i].s.hard_at < n->sas[j].s.hard_at)
				m->sas[i].soft_at = GM_NEVER;
}

static void wide_take(struct gm *m, enum gike_where where)
{
	if (m->gsa.has_atd || where == GIKE_REGISTRATION)
		m->atd = m->gsa.atd;
	if (m->gsa.has_dtd || where == GIKE_REGISTRATION)
		m->dtd = m->gsa.dtd;
	if (where != GIKE_REGISTRATION)
		return;
	m->sender_bits = (uint8_t)m->gsa.sender_bits;
	m->sender_count = m->kd.sender_count;
	m->sender = m->sender_count ? m->kd.senders[0] : 0;
}

static void kek_drop(struct gm *m, unsigned i)
{
	for (; i + 1 < m->kek_count; i++)
		m->keks[i] = m->keks[i + 1];
	rekey_sa_wipe(&m->keks[--m->kek_count].sa);
}

static void kek_take(struct gm *m, const struct kek *k, bool replaces, uint64_t now)
{
	while (m->kek_count && (replaces || m->kek_count == GM_KEKS_MAX))
		kek_drop(m, m->kek_count - 1);
	if (m->kek_count) {
		m->keks[1] = m->keks[0];
		m->keks[1].gone_at = now + (uint64_t)m->dtd * SECOND;
		m->keks[1].soft_at = GM_NEVER;
	}
	m->keks[0] = *k;
	m->kek_count++;
}

/* The first of a registration for some traffic is what others send by now. When all were excluded,
 * those who still have the keys of before send by them until others are registered too. */
static bool sends_at_once(const struct gm *m, const struct news *n, unsigned i)
{
	for (unsigned j = 0; j < i; j++)
		if (same_traffic(&n->sas[j].s, &n->sas[i].s))
			return false;
	for (unsigned j = 0; !m->registered && j < m->sa_count; j++)
		if (m->sas[j].sending && same_traffic(&m->sas[j].s, &n->sas[i].s))
			return false;
	return true;
}

/* An answer that was written before something that is known by now (§2.3.3). */
static bool stale(const struct gm *m, const struct news *n)
{
	const uint8_t *spi = n->kek.sa.spi;

	if (!n->has_kek)
		return false;
	for (unsigned i = 1; i < m->kek_count; i++)
		if (!memcmp(m->keks[i].sa.spi, spi, IKE_REKEY_SPI_LEN))
			return true;
	if (m->kek_count && !memcmp(m->keks[0].sa.spi, spi, IKE_REKEY_SPI_LEN))
		return n->kek.expected < m->keks[0].expected;
	return !memcmp(m->out_of, spi, IKE_REKEY_SPI_LEN);
}

/* Keys the sink is told of: receivers first. */
static void news_take(struct gm *m, struct news *n, enum gike_where where, uint64_t now)
{
	bool registration = where == GIKE_REGISTRATION;

	m->mode = n->mode;
	if (n->sa_count || n->has_kek)
		wide_take(m, where);
	for (unsigned i = 0; registration && i < m->sa_count;) { /* it MUST replace them (§2.3.3) */
		bool stays = !m->registered; /* all were excluded, and its time is set */

		for (unsigned j = 0; j < n->sa_count; j++)
			stays |= n->sas[j].s.spi == m->sas[i].s.spi;
		if (stays)
			i++;
		else
			data_drop(m, &m->sas[i]);
	}
	for (unsigned i = 0; i < n->sa_count; i++) { /* of what is known, what may change does */
		struct data_sa *s = find(m, n->sas[i].s.spi);

		if (!s)
			continue;
		s->s.hard_at = n->sas[i].s.hard_at;
		s->soft_at = n->sas[i].soft_at;
		s->gone_at = s->last_at = GM_NEVER;
		if (s->s.sender == m->sender)
			continue;
		s->s.sender_bits = m->sender_bits; /* it is another one from now on */
		s->s.sender = m->sender;
		if (s->sending)
			data_send(m, s);
	}
	for (unsigned i = 0; i < n->sa_count; i++)
		data_take(m, &n->sas[i], registration && sends_at_once(m, n, i), now);
	softs_settle(m, n);
	if (n->has_kek)
		kek_take(m, &n->kek, registration, now);
	if (n->has_path) {
		lkh_path_wipe(&m->path);
		m->path = n->path;
	}
}

static bool room_for(const struct gm *m, const struct news *n, bool registration)
{
	return registration || m->sa_count + n->sa_count <= GM_SAS_MAX;
}

static enum gm_result follow(struct gm *m, const struct ike_chain *c, const struct secret *gsk_w,
			     enum gike_where where, uint64_t now)
{
	struct news n;
	enum gm_result res = news_read(m, c, gsk_w, where, &n, now);

	if (res == GM_OK && where != GIKE_REGISTRATION && m->cfg.sends && n.sa_count &&
	    !m->sender_count)
		res = GM_SENDER;
	if (res == GM_OK && where == GIKE_REGISTRATION && stale(m, &n))
		res = GM_STALE;
	if (res == GM_OK && !room_for(m, &n, where == GIKE_REGISTRATION))
		res = GM_ROOM;
	if (res == GM_OK)
		news_take(m, &n, where, now);
	secret_wipe(&n, sizeof(n));
	return res;
}

/* What takes over from an SA that is sent by does when that one's time is over at the latest. */
static void sends_settle(struct gm *m)
{
	for (unsigned i = 0; i < m->sa_count; i++) {
		struct data_sa *next = NULL;

		for (unsigned j = 0; m->sas[i].sending && j < m->sa_count; j++)
			if (m->sas[j].send_at != GM_NEVER &&
			    (!next || m->sas[j].send_at < next->send_at) &&
			    same_traffic(&m->sas[i].s, &m->sas[j].s))
				next = &m->sas[j];
		if (next)
			next->send_at = earlier(next->send_at,
						earlier(m->sas[i].s.hard_at, m->sas[i].last_at));
	}
}

static void sends_due(struct gm *m, uint64_t now)
{
	sends_settle(m);
	for (unsigned i = 0; i < m->sa_count; i++) {
		struct data_sa *s = &m->sas[i];

		if (now >= s->send_at && send_time(m, s, now) == GM_NEVER)
			s->send_at = GM_NEVER;
		else if (now >= s->send_at)
			data_send(m, s);
	}
	sends_settle(m);
}

enum gm_result gm_registered(struct gm *m, const struct ike_chain *answer,
			     const struct secret *gsk_w, uint64_t now)
{
	enum gm_result res = follow(m, answer, gsk_w, GIKE_REGISTRATION, now);

	if (res != GM_OK) {
		gm_failed(m, now);
		return res;
	}
	sends_due(m, now);
	m->registered = true;
	m->register_at = GM_NEVER;
	return GM_OK;
}

/* It goes DTD later, and is not sent by after last. */
static void data_delete(struct gm *m, struct data_sa *s, uint64_t last, uint64_t now)
{
	if (s->gone_at == GM_NEVER) {
		s->gone_at = now + (uint64_t)m->dtd * SECOND;
		s->last_at = now + last * SECOND;
	}
	s->soft_at = GM_NEVER;
}

/*
 * It is out of the group, and no rekey is for it. What protects data goes DTD later, like all that is
 * deleted. All others are told the same within ATD; so it asks again after that, in a while (§2.4.3),
 * and sends as before until ATD before others forget the keys.
 */
static void out(struct gm *m, uint64_t now)
{
	uint64_t left = m->dtd > 2u * m->atd ? m->dtd - 2u * m->atd : 0;

	for (unsigned i = 0; i < m->sa_count; i++)
		data_delete(m, &m->sas[i], m->atd + left, now);
	if (m->kek_count)
		memcpy(m->out_of, m->keks[0].sa.spi, sizeof(m->out_of));
	while (m->kek_count)
		kek_drop(m, m->kek_count - 1);
	lkh_path_wipe(&m->path);
	m->registered = false;
	m->register_at = GM_NEVER;
	want_within(m, now + (uint64_t)m->atd * SECOND,
		    left ? earlier(left * SECOND, m->cfg.spread_ns) : m->cfg.spread_ns);
}

static bool has_spi(const struct ike_delete *d, const uint8_t *spi)
{
	for (unsigned i = 0; i < d->count; i++)
		if (!memcmp(d->spis + (size_t)i * d->spi_len, spi, d->spi_len))
			return true;
	return false;
}

/* An SPI of zero: all of that protocol (§2.4.3). */
static void deletes(struct gm *m, const struct ike_chain *c, uint64_t now)
{
	static const uint8_t zero[IKE_REKEY_SPI_LEN];

	for (unsigned i = 0; i < c->count; i++)
		if (c->v[i].type == IKE_PL_DELETE &&
		    c->v[i].del.protocol == IKE_PROTO_GIKE_UPDATE && has_spi(&c->v[i].del, zero)) {
			out(m, now);
			return;
		}
	for (unsigned i = 0; i < c->count; i++) {
		const struct ike_delete *d = &c->v[i].del;

		if (c->v[i].type != IKE_PL_DELETE || d->protocol != IKE_PROTO_ESP)
			continue;
		for (unsigned k = 0; k < m->sa_count; k++) {
			uint8_t spi[IKE_ESP_SPI_LEN];
			struct wr w = wr_init(spi, sizeof(spi));

			wr_u32(&w, m->sas[k].s.spi);
			if (has_spi(d, zero) || has_spi(d, spi))
				data_delete(m, &m->sas[k], m->atd, now);
		}
	}
}

enum gm_result gm_inband(struct gm *m, const struct ike_chain *request, const struct secret *gsk_w,
			 uint64_t now)
{
	enum gm_result res;

	if (!m->registered)
		return GM_UNKNOWN;
	res = follow(m, request, gsk_w, GIKE_INBAND, now);
	if (res == GM_OK)
		deletes(m, request, now);
	else
		want(m, now);
	sends_due(m, now);
	return res;
}

void gm_cut(struct gm *m, uint64_t now)
{
	if (m->registered && !m->kek_count)
		out(m, now);
}

/* Somebody speaks under an SPI that was promised: a rekey was lost (§4.4.2.2.3). */
static bool promised(const struct gm *m, const uint8_t *msg)
{
	for (unsigned i = 0; m->kek_count && i < m->keks[0].next_count; i++)
		if (!memcmp(m->keks[0].next[i], msg, IKE_REKEY_SPI_LEN))
			return true;
	return false;
}

enum gm_result gm_input(struct gm *m, uint8_t *msg, size_t len, uint64_t now)
{
	struct rekey_in in;
	enum gm_result res;
	struct kek *k = NULL;
	struct secret gsk_w;
	uint8_t spi[IKE_REKEY_SPI_LEN];

	if (len < sizeof(spi))
		return GM_UNKNOWN;
	memcpy(spi, msg, sizeof(spi));
	for (unsigned i = 0; i < m->kek_count; i++)
		if (!memcmp(m->keks[i].sa.spi, spi, sizeof(spi)))
			k = &m->keks[i];
	if (!k) {
		if (promised(m, spi))
			want(m, now);
		return GM_UNKNOWN;
	}
	m->message =
		rekey_open(&k->sa, faulty(GIKEV2_FAULT_REPLAY) ? 0 : k->expected, msg, len, &in);
	if (m->message != REKEY_OK)
		return GM_MESSAGE;
	gsk_w = k->sa.wrap;
	if (in.head.id > k->expected) /* one was lost, or comes too late to be taken */
		want(m, now);
	if (in.head.id < UINT32_MAX)
		k->expected = in.head.id + 1;
	res = follow(m, &in.chain, &gsk_w, GIKE_REKEY, now);
	secret_clear(&gsk_w);
	if (res == GM_OK)
		deletes(m, &in.chain, now);
	sends_due(m, now);
	if (res != GM_OK)
		want(m, now); /* the key server's words, and not to be followed: ask it */
	return res;
}

void gm_expire(struct gm *m, uint64_t now)
{
	for (unsigned i = 0; i < m->sa_count;) {
		struct data_sa *s = &m->sas[i];

		if (now >= s->soft_at) {
			s->soft_at = GM_NEVER;
			want(m, now);
		}
		if (now >= s->s.hard_at || now >= s->gone_at) {
			data_drop(m, s);
			continue;
		}
		i++;
	}
	sends_due(m, now);
	for (unsigned i = 0; i < m->kek_count;) {
		if (now >= m->keks[i].soft_at) {
			m->keks[i].soft_at = GM_NEVER;
			want(m, now);
		}
		if (now >= m->keks[i].hard_at || now >= m->keks[i].gone_at)
			kek_drop(m, i);
		else
			i++;
	}
	if (m->registered && !m->sa_count) {
		m->registered = false;
		want(m, now);
	}
}

uint64_t gm_deadline(const struct gm *m)
{
	uint64_t at = GM_NEVER;

	for (unsigned i = 0; i < m->sa_count; i++) {
		const struct data_sa *s = &m->sas[i];

		at = earlier(at, earlier(earlier(s->soft_at, s->send_at),
					 earlier(s->gone_at, s->s.hard_at)));
	}
	for (unsigned i = 0; i < m->kek_count; i++)
		at = earlier(at, earlier(m->keks[i].soft_at,
					 earlier(m->keks[i].gone_at, m->keks[i].hard_at)));
	return at;
}

void gm_show(const struct gm *m, struct gm_show *out)
{
	*out = (struct gm_show){.registered = m->registered,
				.sas = m->sa_count,
				.sender = m->sender,
				.message = m->message,
				.payload = m->payload};
	for (unsigned i = 0; i < m->sa_count; i++)
		if (m->sas[i].sending)
			out->sending = m->sas[i].s.spi;
}

uint64_t gm_digest(const struct gm *m)
{
	uint64_t h = 0xcbf29ce484222325ull;
	const struct {
		const void *p;
		size_t n;
	} v[] = {
		{&m->registered, sizeof(m->registered)},
		{&m->sa_count, sizeof(m->sa_count)},
		{m->sas, sizeof(m->sas)},
		{m->keks, sizeof(m->keks)},
		{&m->path, sizeof(m->path)},
		{&m->sender, sizeof(m->sender)},
		{&m->register_at, sizeof(m->register_at)},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		for (size_t j = 0; j < v[i].n; j++)
			h = (h ^ ((const uint8_t *)v[i].p)[j]) * 0x100000001b3ull;
	return h;
}

const char *gm_result_name(enum gm_result r)
{
	static const char *const names[GM_RESULT_COUNT] = {
		[GM_OK] = "ok",           [GM_MESSAGE] = "message",
		[GM_PAYLOAD] = "payload", [GM_ALGORITHM] = "algorithm",
		[GM_KEYS] = "keys",       [GM_EXCLUDED] = "excluded",
		[GM_ROOM] = "room",       [GM_UNKNOWN] = "unknown",
		[GM_SENDER] = "sender",   [GM_STALE] = "stale",
	};

	return r < GM_RESULT_COUNT ? names[r] : "?";
}
