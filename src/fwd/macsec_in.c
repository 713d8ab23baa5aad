/*
 * macsec_in: frames from a wan port, verified, decrypted and handed to the overlay of their SecY
 * (802.1AE-2018 10.6). Nothing of a frame is used before its ICV was right; the replay window
 * has its say once more after that, for two copies may travel in one burst. Where the file sets
 * validate to check or disabled, frames that did not verify go on too, under a mark of their own;
 * so do frames without a SecTAG where it says should-secure and no key is in use.
 */
#include "fwd/bridge.h"
#include "fwd/path.h"
#include "sa/replay.h"
#include "wire/eth.h"

#include <string.h>

static inline void op_prepare(struct aead_op *op, const struct pkt *p, const struct fwd_rx *rx)
{
	uint32_t head = ETH_ADDRS_LEN + rx->tag_len, clear = rx->sa->clear;

	if (!rx->encrypted)
		clear = rx->secure;
	else if (clear == MACSEC_CLEAR_ALL)
		clear = 0; /* it says so itself */
	else if (clear > rx->secure)
		clear = rx->secure;
	op->aad = p->data;
	op->aad_len = head + clear;
	op->data = p->data + head + clear;
	op->len = rx->secure - clear;
	op->tag = p->data + head + rx->secure;
	macsec_nonce(op->nonce, rx->sa->nonce, rx->pn);
}

enum fwd_fate macsec_verdict(const struct fwd_rx *rx, const struct aead_op *op)
{
	struct sa *sa = rx->sa;

	if (!sa)
		return rx->secure < 2 ? FATE_DROP_INNER_RUNT : FATE_SENT_OVERLAY;
	if (!op->ok && !rx->encrypted && rx->secy->config.validate == MACSEC_CHECK) {
		sa->counters.v[IN_PKTS_INVALID]++;
		return rx->secure < 2 ? FATE_DROP_INNER_RUNT : FATE_SENT_OVERLAY;
	}
	if (!op->ok) {
		sa->counters.v[IN_PKTS_NOT_VALID]++;
		return FATE_DROP_NOT_VALID;
	}
	switch (sa_replay_accept(sa, rx->pn)) {
	case SA_LATE:
		sa->counters.v[IN_PKTS_LATE]++;
		return FATE_DROP_LATE;
	case SA_DUPLICATE:
		sa->counters.v[IN_PKTS_LATE]++;
		return FATE_DROP_DUPLICATE;
	case SA_DELAYED:
		sa->counters.v[IN_PKTS_DELAYED]++;
		break;
	case SA_FRESH:
		sa->counters.v[IN_PKTS_OK]++;
		break;
	}
	sa->counters.v[rx->encrypted ? IN_OCTETS_DECRYPTED : IN_OCTETS_VALIDATED] += rx->secure;
	return rx->secure < 2 ? FATE_DROP_INNER_RUNT : FATE_SENT_OVERLAY;
}

/*
 * The most usual case at once: all frames from the first on that verified and whose numbers follow
 * on the highest accepted. They may go on; returns how many they are. The rest has macsec_verdict().
 */
static unsigned accept_run(const struct fwd_rx *rx, const struct aead_op *op, unsigned n)
{
	struct sa *sa = rx->sa;
	uint64_t next = sa->next, octets = 0;
	unsigned k = 0;

	if (next > UINT64_MAX - PKT_BURST)
		return 0;
	while (k < n && op[k].ok && rx[k].pn == next + k && rx[k].secure >= 2 &&
	       rx[k].encrypted == rx->encrypted)
		octets += rx[k++].secure;
	if (!k)
		return 0;
	sa_replay_accept_run(sa, k);
	sa->counters.v[IN_PKTS_OK] += k;
	sa->counters.v[rx->encrypted ? IN_OCTETS_DECRYPTED : IN_OCTETS_VALIDATED] += octets;
	return k;
}

/* The frame that was protected: addresses, then the user data. */
static inline void unwrap(struct pkt *p, const struct fwd_rx *rx, bool verified)
{
	eth_addrs_move(p->data + rx->tag_len, p->data);
	p->data += rx->tag_len;
	p->len = ETH_ADDRS_LEN + rx->secure;
	p->mark |= verified ? PKT_OPENED : rx->clear ? PKT_CLEAR : PKT_UNVERIFIED;
}

/* from: the secure channel of all of them, NULL where it is not known. */
static void deliver(struct fwd *f, struct secy *y, const struct sc *from, struct pkt *v, unsigned n)
{
	struct fwd_port *overlay = fwd_port_find(f, y->config.overlay);
	struct bridge *b = overlay ? NULL : bridge_find(f, y->config.secy);

	if (b) {
		bridge_in(f, b, y, from ? from->sci : 0, v, n);
		return;
	}
	if (overlay && overlay->kind == MSG_PORT_OVERLAY) {
		if (f->transit)
			n = transit_take(f, overlay, v, n);
		guard_overlay(f, overlay, v, n);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		fwd_drop(f, &v[i], FATE_DROP_NO_PORT);
}

/* What was received of one SA and is opened, or of none; from there on they go to y's overlay. */
static unsigned settle(struct fwd *f, struct pkt *v, const struct fwd_rx *rx,
		       const struct aead_op *ops, unsigned n)
{
	unsigned k = 0, at = 0;

	if (rx->sa)
		k = at = accept_run(rx, ops, n);
	for (unsigned i = 0; i < k; i++)
		unwrap(&v[i], &rx[i], true);
	for (; at < n; at++) {
		enum fwd_fate fate = macsec_verdict(&rx[at], &ops[at]);

		if (fate != FATE_SENT_OVERLAY) {
			fwd_drop(f, &v[at], fate);
			continue;
		}
		unwrap(&v[at], &rx[at], rx[at].sa && ops[at].ok);
		pkt_keep(v, k++, at);
	}
	return k;
}

/* Frames on their way to an overlay, at the front of the burst that they came in. */
struct arrivals {
	struct secy *secy;
	const struct sc *from;
	struct pkt *v;
	unsigned n;
};

static void arrived(struct fwd *f, struct arrivals *a)
{
	unsigned n = a->n;

	a->n = 0;
	if (n)
		deliver(f, a->secy, a->from, a->v, n);
}

/* n more, which stand further behind in the burst. */
static void arrive(struct fwd *f, struct arrivals *a, const struct fwd_rx *rx, const struct pkt *v,
		   unsigned n)
{
	const struct sc *from = rx->sa ? rx->sa->sc : NULL;

	if (a->secy != rx->secy || a->from != from)
		arrived(f, a);
	a->secy = rx->secy;
	a->from = from;
	if (a->v + a->n != v)
		memmove(a->v + a->n, v, n * sizeof(*v));
	a->n += n;
}

/* Finds whose they are: all of them, or from the first on up to one behind which the short way may go
 * on. Returns how many they were; *left of them are left for the cryptography. */
static unsigned classified(struct fwd *f, struct fwd_hint *hint, bool all, struct pkt *v,
			   unsigned n, struct fwd_rx *rx, struct aead_op *ops, unsigned *left)
{
	unsigned k = 0, i = 0;

	do {
		enum fwd_fate fate = FATE_SENT_OVERLAY;

		if (!classify_again(&v[i], &rx[k], hint))
			fate = classify_wan(f, &v[i], &rx[k], hint);
		if (fate == FATE_SENT_OVERLAY) {
			if (rx[k].sa)
				op_prepare(&ops[k], &v[i], &rx[k]);
			pkt_keep(v, k++, i);
		} else if (fate == FATE_RECEIVED_BYPASS) {
			f->fates[fate]++;
			deliver(f, rx[k].secy, NULL, &v[i], 1);
		} else {
			fwd_drop(f, &v[i], fate);
			hint->garbage = true;
		}
	} while (++i < n && (all || !macsec_express_knows(hint)));
	*left = k;
	return i;
}

/* The end of the run of one SA and SecY that begins at i. */
static unsigned run_end(const struct fwd_rx *rx, unsigned i, unsigned n)
{
	unsigned end = i + 1;

	while (end < n && rx[end].sa == rx[i].sa && rx[end].secy == rx[i].secy)
		end++;
	return end;
}

/* The long way, for the frames from the first on that do not take the short one. Returns how many
 * they were. */
static unsigned long_in(struct fwd *f, struct fwd_hint *hint, struct arrivals *a, struct pkt *v,
			unsigned n)
{
	const struct fwd_rx *rx = f->rx;
	unsigned left, took = classified(f, hint, false, v, n, f->rx, f->ops, &left);

	for (unsigned i = 0, end; i < left; i = end) {
		end = run_end(rx, i, left);
		if (rx[i].sa)
			aead_open(rx[i].sa->key, f->ops + i, end - i);
		arrive(f, a, &rx[i], v + i, settle(f, v + i, rx + i, f->ops + i, end - i));
	}
	return took;
}

/* Every frame that lanes had was opened, or not. */
static void opened(struct fwd *f, struct fwd_work *w, struct pkt *v, unsigned n)
{
	struct arrivals a = {.v = v};

	(void)n;
	for (const struct lane_run *run = w->job.run; run < w->job.run + w->job.runs; run++) {
		const struct fwd_rx *rx = w->rx + run->at;

		arrive(f, &a, rx, v + run->at,
		       settle(f, v + run->at, rx, w->ops + run->at, run->n));
	}
	arrived(f, &a);
}

/* The way by the lanes. */
static void share_in(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n)
{
	struct fwd_hint hint = {.wan = wan};
	struct fwd_work *w = f->work;
	struct lane_run *run = w->job.run;
	unsigned left;

	(void)classified(f, &hint, true, v, n, w->rx, w->ops, &left);
	if (!left)
		return;
	for (unsigned i = 0, end; i < left; i = end) {
		end = run_end(w->rx, i, left);
		*run++ = (struct lane_run){.key = w->rx[i].sa ? w->rx[i].sa->key : NULL,
					   .at = (uint16_t)i,
					   .n = (uint16_t)(end - i)};
	}
	w->job.open = true;
	w->job.runs = (unsigned)(run - w->job.run);
	w->finish = opened;
	work_hand(f, v, left);
}

void macsec_in(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n)
{
	struct fwd_hint hint = {.wan = wan};
	struct arrivals a = {.v = v};

	if (work_wanted(f, v, n)) {
		share_in(f, wan, v, n);
		return;
	}
	for (unsigned i = 0; i < n;) {
		unsigned left, took = macsec_express_in(f, &hint, v + i, n - i, &left);

		if (took)
			arrive(f, &a, &hint.like, v + i, left);
		else
			took = long_in(f, &hint, &a, v + i, n - i);
		i += took;
	}
	arrived(f, &a);
	if (f->transit && f->transit->n)
		transit_send(f);
}
