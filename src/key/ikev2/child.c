/*
 * Child SAs at the sink (RFC 7296 §2.8, §2.17): receive before transmit, and a receive SA that
 * outlives its deletion by as long as packets may be on their way.
 *
 * Whoever asked for a child sends with it as soon as it has the answer, for the other receives
 * since before it answered. Whoever answered sends with it once there is proof that the other
 * receives: a packet on it, or the deletion of the one it replaces.
 */
#include "key/ikev2/ikev2_i.h"

#include <stdlib.h>
#include <string.h>

struct child_sa *child_new(struct ike_sa *sa, int suite, bool esn, enum esp_mode mode,
			   uint32_t spi_in, uint32_t spi_out, const struct esp_selectors *ts,
			   uint64_t now)
{
	uint64_t life = sa->peer->cfg.child_rekey_ns;
	struct child_sa *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->suite = (uint8_t)suite;
	c->mode = (uint8_t)mode;
	c->esn = esn;
	c->spi_in = spi_in;
	c->spi_out = spi_out;
	c->ts = *ts;
	c->since = now;
	c->rekey_at = life ? now + jitter(sa->e, life) : IKEV2_NEVER;
	/* Past its time by a quarter and a minute it goes, rekeyed or not. */
	c->close_at = life ? now + life / 4 * 5 + 60 * NS_PER_S : IKEV2_NEVER;
	c->send_at = now + SEND_NS;
	return c;
}

void child_free(struct child_sa *c)
{
	secret_wipe(c, sizeof(*c));
	free(c);
}

static void take(struct rd *r, struct secret *s, size_t len)
{
	s->len = (uint8_t)len;
	rd_copy(r, s->b, len);
}

int child_keys(struct ike_sa *sa, struct child_sa *c, bool initiator, const uint8_t *shared,
	       size_t shared_len, const struct nonce *ni, const struct nonce *nr)
{
	const struct esp_suite_info *s = &esp_suites[c->suite];
	const struct prf_piece v[] = {{shared, shared_len}, {ni->b, ni->len}, {nr->b, nr->len}};
	size_t key = (size_t)s->key_len + s->salt_len, auth = s->auth_len;
	uint8_t mat[2 * (ESP_KEY_MAX + ESP_AUTH_KEY_MAX)];
	struct rd r = rd_init(mat, 2 * (key + auth));
	int err = prf_plus(keys_prf(&sa->suite), sa->keys.d.b, sa->keys.d.len, v, 3, mat,
			   2 * (key + auth));

	/* Those of what the exchange's initiator sends come first. */
	take(&r, initiator ? &c->key_out : &c->key_in, key);
	take(&r, initiator ? &c->auth_out : &c->auth_in, auth);
	take(&r, initiator ? &c->key_in : &c->key_out, key);
	take(&r, initiator ? &c->auth_in : &c->auth_out, auth);
	secret_wipe(mat, sizeof(mat));
	return err;
}

static struct esp_end end_of(const struct ike_sa *sa, const struct esp_end *e)
{
	struct esp_end end = *e;

	end.port = sa->encap ? end.port : 0;
	return end;
}

static struct sink_esp describe(const struct ike_sa *sa, const struct child_sa *c, bool out)
{
	struct sink_esp s = {
		.tunnel = sa->peer->cfg.tunnel,
		.suite = c->suite,
		.mode = c->mode,
		.esn = c->esn,
		.spi = out ? c->spi_out : c->spi_in,
		.window = out ? 0 : sa->peer->cfg.window,
		.local = end_of(sa, &sa->local),
		.remote = end_of(sa, &sa->remote),
		.ts = c->ts,
		.key = out ? c->key_out : c->key_in,
		.auth = out ? c->auth_out : c->auth_in,
		.hard_at =
			sa->peer->cfg.child_rekey_ns
				? c->since + sa->peer->cfg.child_rekey_ns / 2 * 3 + 120 * NS_PER_S
				: 0,
	};

	return s;
}

static void receive(struct ike_sa *sa, struct child_sa *c, uint64_t until)
{
	struct sink_esp s = describe(sa, c, false);

	s.hard_at = until ? until : s.hard_at;
	sa->e->env.sink.add_receive(sa->e->env.sink.ctx, &s);
	secret_wipe(&s, sizeof(s));
}

static void transmit(struct ike_sa *sa, struct child_sa *c)
{
	struct sink_esp s = describe(sa, c, true);

	sa->e->env.sink.use_transmit(sa->e->env.sink.ctx, &s);
	secret_wipe(&s, sizeof(s));
}

void child_add(struct ike_sa *sa, struct child_sa *c)
{
	struct child_sa **end = &sa->children;

	while (*end)
		end = &(*end)->next;
	*end = c;
	c->next = NULL;
	sa->child_count++;
	tell_over(sa->peer);
	keys_log_child(sa, c);
	receive(sa, c, 0);
	sa->dirty = true;
	sa->e->timed = false;
}

void child_send_late(struct ike_sa *sa, struct child_sa *c, uint64_t now)
{
	bool others = sa->peer->carried;

	for (const struct child_sa *o = sa->children; o; o = o->next)
		others |= o->sending && o->state != CHILD_CLOSING;
	if (others)
		c->send_at = now + SEND_NS; /* nothing is lost by waiting */
	else
		child_send(sa, c);
}

void child_send(struct ike_sa *sa, struct child_sa *c)
{
	if (c->sending)
		return;
	c->sending = true;
	c->send_at = IKEV2_NEVER;
	transmit(sa, c);
	sa->dirty = true;
}

void child_resync(struct ike_sa *sa, struct child_sa *c)
{
	receive(sa, c, 0);
	if (c->sending)
		transmit(sa, c);
}

/* Whether some other child of the peer sends. */
static bool another_sends(const struct ike_sa *sa, const struct child_sa *but)
{
	for (const struct ike_sa *o = sa->e->sas; o; o = o->next)
		for (const struct child_sa *c = o->children; c && o->peer == sa->peer; c = c->next)
			if (c != but && c->sending && c->state != CHILD_CLOSING)
				return true;
	return false;
}

/* What sent goes: what waited for proof that the peer receives has it now. */
static void others_send(struct ike_sa *sa)
{
	for (struct ike_sa *o = sa->e->sas; o; o = o->next)
		for (struct child_sa *c = o->children; c && o->peer == sa->peer; c = c->next)
			if (c->state == CHILD_UP && !c->want_close)
				child_send(o, c);
}

void child_drop(struct ike_sa *sa, struct child_sa *c, bool linger, uint64_t now)
{
	const struct sink_esp_ops *s = &sa->e->env.sink;
	struct child_sa **at = &sa->children;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	sa->child_count--;
	if (!another_sends(sa, c))
		others_send(sa);
	if (c->sending)
		s->retire(s->ctx, sa->peer->cfg.tunnel, SINK_TRANSMIT, c->spi_out);
	if (linger)
		receive(sa, c, now + LINGER_NS);
	else
		s->retire(s->ctx, sa->peer->cfg.tunnel, SINK_RECEIVE, c->spi_in);
	child_free(c);
	sa->dirty = true;
	sa->e->timed = false;
}

struct child_sa *child_by_in(const struct ike_sa *sa, uint32_t spi)
{
	for (struct child_sa *c = sa->children; c; c = c->next)
		if (c->spi_in == spi)
			return c;
	return NULL;
}

struct child_sa *child_by_out(const struct ike_sa *sa, uint32_t spi)
{
	for (struct child_sa *c = sa->children; c; c = c->next)
		if (c->spi_out == spi)
			return c;
	return NULL;
}

static bool taken(const struct ikev2 *e, uint32_t spi)
{
	for (const struct ike_sa *sa = e->sas; sa; sa = sa->next)
		if (child_by_in(sa, spi) || sa->first_spi == spi ||
		    (sa->req.kind && (uint32_t)sa->req.spi == spi))
			return true;
	return false;
}

uint32_t child_spi(struct ikev2 *e)
{
	uint32_t spi;

	do
		e->env.random(e->env.ctx, &spi, sizeof(spi));
	while (spi < ESP_SPI_MIN || taken(e, spi));
	return spi;
}

bool child_usable(const struct ike_sa *sa)
{
	for (const struct ike_sa *o = sa->e->sas; o; o = o->next)
		for (const struct child_sa *c = o->children; c && o->peer == sa->peer; c = c->next)
			if (c->state == CHILD_UP && !c->want_close)
				return true;
	return false;
}

bool child_rekeys(const struct child_sa *c)
{
	return c->want_rekey && c->sending && c->state == CHILD_UP;
}
