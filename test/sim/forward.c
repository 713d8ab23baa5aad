/*
 * A node's forward, modelled: SAs by (SCI, AN), packet numbers, replay windows, and the reports
 * it gives. Requests take a moment to be carried out; one that was on its way when forward died
 * is lost. The model refuses what the real one could not know: a key that was retired coming back.
 */
#include "sim.h"

#include <string.h>

/* What delay protection promises, with room for the drift of two clocks and the network's delay. */
#define DELAY_BOUND (1600 * NS_PER_MS)

enum verb { VERB_RECEIVE, VERB_TRANSMIT, VERB_RETIRE, VERB_SYNCED };

struct request {
	enum verb verb;
	unsigned fwd_life;
	struct sink_sa sa;
};

static bool key_retired(const struct forward *f, const uint8_t *key_id)
{
	for (unsigned i = 0; i < f->retired_count; i++)
		if (!memcmp(f->retired[i], key_id, MACSEC_KEY_ID_LEN))
			return true;
	return false;
}

static void say(struct node *n, const struct sink_sa *sa, enum sink_direction d, bool installed,
		uint64_t pn)
{
	struct sink_report r = {.secy = sa->secy,
				.an = sa->an,
				.direction = (uint8_t)d,
				.installed = installed,
				.sci = sa->sci,
				.pn = pn};

	memcpy(r.key_id, sa->key_id, sizeof(r.key_id));
	if (!n->m)
		return;
	mka_report(n->m, &r, node_time(n, n->s->now));
	node_done(n);
}

static void ask(struct node *n, enum verb verb, const struct sink_sa *sa)
{
	struct request q = {.verb = verb, .fwd_life = n->fwd.life, .sa = *sa};

	sim_log(n->s, "node %u: %s AN %u key %02x%02x…%u of %012llx", n->i,
		(const char *const[]){"receive", "transmit", "retire", "sync"}[verb], sa->an,
		sa->key_id[0], sa->key_id[1], sa->key_id[15], (unsigned long long)sa->sci >> 16);
	/* One socket: what was asked first is done first. */
	sim_at(n->s, n->s->now + 2 * NS_PER_MS, EV_REPORT, n->i, 0, 0, &q, sizeof(q));
}

int fwd_add_receive(void *ctx, const struct sink_sa *sa)
{
	ask(ctx, VERB_RECEIVE, sa);
	return 0;
}

int fwd_use_transmit(void *ctx, const struct sink_sa *sa)
{
	ask(ctx, VERB_TRANSMIT, sa);
	return 0;
}

void fwd_retire(void *ctx, uint16_t secy, const uint8_t key_id[MACSEC_KEY_ID_LEN], uint64_t sci)
{
	struct sink_sa sa = {.secy = secy, .sci = sci};

	memcpy(sa.key_id, key_id, sizeof(sa.key_id));
	ask(ctx, VERB_RETIRE, &sa);
}

/* The last octet of a node's MAC address is its number. */
static struct rx_sa *rx_slot(struct forward *f, const struct sink_sa *sa)
{
	return &f->rx[(sa->sci >> 16 & 0xff) % SIM_NODES * MACSEC_AN_COUNT + sa->an];
}

static void do_receive(struct node *n, const struct sink_sa *sa)
{
	struct rx_sa *slot = rx_slot(&n->fwd, sa);

	if (key_retired(&n->fwd, sa->key_id))
		sim_violate(n->s, "node %u receives with a key it had retired", n->i);
	if (!slot->used || memcmp(slot->sa.key_id, sa->key_id, MACSEC_KEY_ID_LEN))
		*slot = (struct rx_sa){.used = true, .sa = *sa};
	if (sa->pn > slot->floor)
		slot->floor = sa->pn;
	say(n, sa, SINK_RECEIVE, true, 1);
}

static void do_transmit(struct node *n, const struct sink_sa *sa)
{
	int slot = -1;

	if (key_retired(&n->fwd, sa->key_id))
		sim_violate(n->s, "node %u transmits with a key it had retired", n->i);
	for (int i = 0; i < SIM_TX_SAS; i++) {
		struct tx_sa *t = &n->fwd.tx[i];

		if (t->used && t->sa.an == sa->an) {
			slot = i;
			break;
		}
		if (!t->used && slot < 0)
			slot = i;
	}
	if (slot < 0) {
		sim_violate(n->s, "node %u has no room for a transmit SA", n->i);
		return;
	}
	if (!n->fwd.tx[slot].used ||
	    memcmp(n->fwd.tx[slot].sa.key_id, sa->key_id, MACSEC_KEY_ID_LEN))
		n->fwd.tx[slot] = (struct tx_sa){.used = true, .sa = *sa, .next = sa->pn};
	n->fwd.in_use = slot;
	say(n, sa, SINK_TRANSMIT, true, n->fwd.tx[slot].next);
}

static void do_retire(struct node *n, const struct sink_sa *sa)
{
	struct forward *f = &n->fwd;

	if (!sa->sci && f->retired_count < sizeof(f->retired) / sizeof(f->retired[0]))
		memcpy(f->retired[f->retired_count++], sa->key_id, MACSEC_KEY_ID_LEN);
	for (unsigned i = 0; i < SIM_RX_SAS; i++)
		if (f->rx[i].used && (!sa->sci || f->rx[i].sa.sci == sa->sci) &&
		    !memcmp(f->rx[i].sa.key_id, sa->key_id, MACSEC_KEY_ID_LEN))
			f->rx[i].used = false;
	for (int i = 0; !sa->sci && i < SIM_TX_SAS; i++)
		if (f->tx[i].used && !memcmp(f->tx[i].sa.key_id, sa->key_id, MACSEC_KEY_ID_LEN)) {
			f->tx[i].used = false;
			if (f->in_use == i)
				f->in_use = -1;
		}
}

void fwd_deliver(struct node *n, const struct event *e)
{
	const struct request *q = e->body;

	if (q->fwd_life != n->fwd.life)
		return; /* it went to a process that is no more */
	switch (q->verb) {
	case VERB_RECEIVE:
		do_receive(n, &q->sa);
		break;
	case VERB_TRANSMIT:
		do_transmit(n, &q->sa);
		break;
	case VERB_RETIRE:
		do_retire(n, &q->sa);
		break;
	case VERB_SYNCED:
		if (q->sa.ssci != n->life || !n->m)
			return;
		for (unsigned i = 0; i < SIM_RX_SAS && n->m; i++)
			if (n->fwd.rx[i].used)
				say(n, &n->fwd.rx[i].sa, SINK_RECEIVE, true, 1);
		for (unsigned i = 0; i < SIM_TX_SAS && n->m; i++)
			if (n->fwd.tx[i].used)
				say(n, &n->fwd.tx[i].sa, SINK_TRANSMIT, true, n->fwd.tx[i].next);
		if (!n->m)
			return;
		mka_synced(n->m, node_time(n, n->s->now));
		node_done(n);
		break;
	}
}

void fwd_sync(struct node *n)
{
	struct sink_sa sa = {.ssci = n->life};

	ask(n, VERB_SYNCED, &sa);
}

void fwd_restart(struct node *n, bool kept)
{
	struct forward *f = &n->fwd;
	unsigned life = f->life + 1;

	if (!kept) {
		memset(f, 0, sizeof(*f));
		f->in_use = -1;
	}
	f->life = life;
	n->up_at = n->s->now;
	for (unsigned i = 0; i < SIM_TX_SAS; i++)
		f->tx[i].next = n->s->bug == SIM_PN_REUSED ? 1 : f->tx[i].next + 65536;
	if (n->m) {
		mka_resync(n->m);
		fwd_sync(n);
	}
}

void fwd_poll(struct node *n)
{
	for (unsigned i = 0; i < SIM_TX_SAS && n->m; i++)
		if (n->fwd.tx[i].used)
			say(n, &n->fwd.tx[i].sa, SINK_TRANSMIT, true, n->fwd.tx[i].next);
}

/* The nonce under its key: SSCI and PN over the salt, or SCI and PN (802.1AE-2018 14.5, 14.7). */
static uint64_t nonce_digest(const struct sink_sa *sa, uint64_t pn)
{
	uint64_t h = sim_digest(1, sa->key.b, sa->key.len);

	if (!macsec_suites[sa->suite].xpn) {
		h = sim_digest(h, &sa->sci, sizeof(sa->sci));
	} else {
		h = sim_digest(h, &sa->ssci, sizeof(sa->ssci));
		h = sim_digest(h, sa->salt, sizeof(sa->salt));
	}
	return sim_digest(h, &pn, sizeof(pn));
}

void fwd_send(struct node *n)
{
	struct tx_sa *t = n->fwd.in_use < 0 ? NULL : &n->fwd.tx[n->fwd.in_use];
	struct sim *s = n->s;
	struct data d;

	if (!t)
		return;
	d = (struct data){.from = n->i, .sa = t->sa, .pn = t->next++, .sent_at = s->now};
	s->packets++;
	/* Somebody on the wire holds it back. The clocks of forward's reports and of the hellos
	 * are in the bound, so what must not pass is held for longer than the bound itself. */
	if (n->cfg.delay_protect && s->calm && sim_chance(s, 20))
		d.hold = DELAY_BOUND + sim_below(s, 3000) * NS_PER_MS;
	if (sim_nonce_seen(s, nonce_digest(&d.sa, d.pn)))
		sim_violate(s, "node %u sent a nonce twice: AN %u, packet %llu", n->i, d.sa.an,
			    (unsigned long long)d.pn);
	for (unsigned i = 0; i < s->count; i++) {
		const struct node *to = &s->nodes[i];

		d.owed[i] = !d.hold && net_perfect(s) && s->now >= s->calm_since + SETTLE &&
			    i != n->i && to->on && !to->no_place && s->now >= to->good_at &&
			    s->now >= n->good_at;
	}
	net_data(n, &d);
}

static uint64_t *seen_word(struct rx_sa *r, uint64_t pn)
{
	return &r->seen[pn % SIM_WINDOW / 64];
}

static const char *verdict(struct node *n, const struct data *d)
{
	struct rx_sa *r = rx_slot(&n->fwd, &d->sa);

	if (!r->used || r->sa.sci != d->sa.sci || r->sa.an != d->sa.an)
		return "no SA";
	if (r->sa.suite != d->sa.suite || r->sa.key.len != d->sa.key.len ||
	    memcmp(r->sa.key.b, d->sa.key.b, d->sa.key.len))
		return "another key";
	if (r->sa.ssci != d->sa.ssci || memcmp(r->sa.salt, d->sa.salt, MACSEC_SALT_LEN))
		return "another nonce";
	if (d->pn + SIM_WINDOW <= r->top || d->pn < r->floor)
		return "late";
	if (d->pn <= r->top && *seen_word(r, d->pn) >> d->pn % 64 & 1)
		return "replayed";
	for (uint64_t pn = r->top + 1; pn <= d->pn && pn <= r->top + SIM_WINDOW; pn++)
		*seen_word(r, pn) &= ~(UINT64_C(1) << pn % 64);
	*seen_word(r, d->pn) |= UINT64_C(1) << d->pn % 64;
	if (d->pn > r->top)
		r->top = d->pn;
	return NULL;
}

/* Its MKPDUs came and were heard all the time. */
static bool undisturbed(const struct node *n, uint64_t since)
{
	return n->m && since >= n->good_at && since >= n->up_at + 2 * NS_PER_S &&
	       since >= n->s->calm_since + SETTLE;
}

void fwd_receive(struct node *n, const struct data *d, bool genuine)
{
	const char *why = verdict(n, d);
	struct sim *s = n->s;

	if (!why && sim_nonce_seen(s, sim_digest(nonce_digest(&d->sa, d->pn), &n->i, sizeof(n->i))))
		sim_violate(s, "node %u took a packet of node %u twice", n->i, d->from);
	if (!why)
		n->got[d->from]++;
	if (d->hold && genuine && n->cfg.delay_protect && net_perfect(s) &&
	    s->now >= s->calm_since + SETTLE && undisturbed(n, d->sent_at) &&
	    undisturbed(&s->nodes[d->from], d->sent_at)) {
		s->kinds[SIM_DELAYED]++;
		if (!why)
			sim_violate(s, "node %u took a packet of node %u that was %.1f s late",
				    n->i, d->from, (double)d->hold / 1e9);
	}
	if (why && d->owed[n->i] && genuine && s->calm && n->good_at <= s->now &&
	    s->nodes[d->from].good_at <= s->now)
		sim_violate(s, "packet %llu of node %u (AN %u) dropped at node %u: %s",
			    (unsigned long long)d->pn, d->from, d->sa.an, n->i, why);
}
