/*
 * macsec_express_in: the short way through macsec_in for what most frames are: encrypted as a whole,
 * behind no tags in clear, with an explicit SCI, and under the SA of the frame before. Each is looked
 * at once in front of the AEAD, for a run, and once behind it. Whatever differs is macsec_in's, in its
 * place in the order.
 */
#include "fwd/path.h"
#include "sa/replay.h"

#include <string.h>

#define HEAD (ETH_ADDRS_LEN + MACSEC_TAG_SCI_LEN)

/* What holds for the run: a copy, since a frame's own stores could otherwise be to it for all that
 * the compiler knows. */
struct express {
	const struct sa *sa;
	uint32_t type_tci; /* network order, the short length left out */
	uint32_t salt;     /* of the nonce, what is in front of the part with the packet number */
	uint64_t salt_pn;  /* and that part */
	uint64_t sci;      /* network order */
	uint64_t next, high;
};

static struct express express_of(const struct fwd_hint *hint)
{
	const struct sa *sa = hint->like.sa;
	const uint8_t tag[4] = {MACSEC_ETHERTYPE >> 8, MACSEC_ETHERTYPE & 0xff, hint->tci_an};
	struct express e = {.sa = sa, .sci = hint->sci, .next = sa->next};

	e.high = sa->xpn ? sa->next & ~(uint64_t)UINT32_MAX : 0;
	memcpy(&e.type_tci, tag, sizeof(e.type_tci));
	memcpy(&e.salt, sa->nonce, sizeof(e.salt));
	memcpy(&e.salt_pn, sa->nonce + sizeof(e.salt), sizeof(e.salt_pn));
	return e;
}

/* A number that is not above all that were accepted: its upper half is the one at hand, and the
 * window does not refuse it. */
static bool older_fits(const struct sa *sa, uint64_t pn)
{
	return pn && macsec_pn_recover((uint32_t)pn, sa->next) == pn &&
	       sa_replay_check(sa, pn) == SA_FRESH;
}

/* The frame has the shape and no check refuses it: tells the AEAD what to do. */
static inline bool look(const struct express *e, const struct pkt *p, struct aead_op *op,
			uint64_t *number)
{
	uint32_t secure = p->len - (HEAD + MACSEC_ICV_LEN), type_tci, low;
	uint8_t *data = p->data, *tag = data + ETH_ADDRS_LEN;
	uint64_t sci, pn, last;

	if (p->len < HEAD + MACSEC_ICV_LEN + 2)
		return false;
	memcpy(&type_tci, tag, sizeof(type_tci));
	memcpy(&low, tag + 4, sizeof(low));
	memcpy(&sci, tag + MACSEC_TAG_LEN, sizeof(sci));
	type_tci ^= e->type_tci; /* leaves the short length */
	if (type_tci != (secure < MACSEC_SHORT_LEN ? htobe32(secure) : 0) || sci != e->sci)
		return false;
	pn = e->high | be32toh(low);
	if (pn - e->next >= UINT64_C(1) << 31 && !older_fits(e->sa, pn))
		return false;
	*number = pn;
	last = e->salt_pn ^ htobe64(pn);
	op->data = data + HEAD;
	op->aad = data;
	op->tag = data + HEAD + secure;
	op->len = secure;
	op->aad_len = HEAD;
	memcpy(op->nonce, &e->salt, sizeof(e->salt));
	memcpy(op->nonce + sizeof(e->salt), &last, sizeof(last));
	return true;
}

/* The frame that was protected: addresses, then the user data. */
static inline void unwrap(struct pkt *p)
{
	eth_addrs_move(p->data + MACSEC_TAG_SCI_LEN, p->data);
	p->data += MACSEC_TAG_SCI_LEN;
	p->len -= MACSEC_TAG_SCI_LEN + MACSEC_ICV_LEN;
	p->mark = PKT_OPENED;
}

/* All frames verified, and their numbers follow on the highest accepted. */
static void accept_all(struct sa *sa, struct pkt *v, unsigned n)
{
	uint64_t octets = 0;

	sa_replay_accept_run(sa, n);
	for (unsigned i = 0; i < n; i++) {
		unwrap(&v[i]);
		octets += v[i].len;
	}
	sa->counters.v[IN_PKTS_OK] += n;
	sa->counters.v[IN_OCTETS_DECRYPTED] += octets - (uint64_t)n * ETH_ADDRS_LEN;
}

/* Each by itself. Returns how many are left. */
static unsigned accept_each(struct fwd *f, const struct fwd_hint *hint, struct pkt *v, unsigned n)
{
	struct fwd_rx rx = hint->like;
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		enum fwd_fate fate;

		rx.pn = f->seqs[i];
		rx.secure = f->ops[i].len;
		fate = macsec_verdict(&rx, &f->ops[i]);
		if (fate != FATE_SENT_OVERLAY) {
			fwd_drop(f, &v[i], fate);
			continue;
		}
		unwrap(&v[i]);
		pkt_keep(v, k++, i);
	}
	return k;
}

/* Drops what did not verify, so that it is in no run's way. Returns how many are left. */
static unsigned drop_invalid(struct fwd *f, const struct fwd_hint *hint, struct pkt *v, unsigned n)
{
	struct fwd_rx rx = hint->like;
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		rx.pn = f->seqs[i];
		rx.secure = f->ops[i].len;
		if (!f->ops[i].ok) {
			fwd_drop(f, &v[i], macsec_verdict(&rx, &f->ops[i]));
			continue;
		}
		pkt_keep(v, k, i);
		f->ops[k] = f->ops[i];
		f->seqs[k++] = f->seqs[i];
	}
	return k;
}

static bool in_order(const struct fwd *f, uint64_t next, unsigned n)
{
	uint64_t gaps = 0;

	for (unsigned i = 0; i < n; i++)
		gaps |= f->seqs[i] ^ next++;
	return !gaps;
}

/* Frames that were opened, all of them or not, and are in some order. Returns how many are left. */
static __attribute__((noinline)) unsigned settle(struct fwd *f, const struct fwd_hint *hint,
						 struct pkt *v, unsigned n, bool all)
{
	struct sa *sa = hint->like.sa;

	if (!all)
		n = drop_invalid(f, hint, v, n);
	if (sa->next >= UINT64_MAX - PKT_BURST || !in_order(f, sa->next, n))
		return accept_each(f, hint, v, n);
	if (n)
		accept_all(sa, v, n);
	return n;
}

/*
 * Drops garbage between two frames of a run in its place, by its name. False, and nothing is done: it
 * was none, or the port is one where a frame may be taken that does not verify or is not MACsec's, or it
 * has a tag in clear.
 */
static bool drop_garbage(struct fwd *f, const struct fwd_hint *hint, struct pkt *p)
{
	const struct fwd_port *wan = hint->wan;
	struct fwd_hint other = *hint;
	struct rd r = rd_init(p->data, p->len);
	struct eth_clear e = eth_read_clear(&r);
	enum fwd_fate fate;
	struct fwd_rx rx;

	if (wan->bypasses || wan->clear || !wan->secy ||
	    wan->secy->config.validate != MACSEC_STRICT || (!r.bad && e.tags))
		return false;
	fate = classify_wan(f, p, &rx, &other);
	if (fate == FATE_SENT_OVERLAY)
		return false;
	fwd_drop(f, p, fate);
	return true;
}

/* Goes on with a run of k frames behind garbage. Returns where the run ends. */
static __attribute__((noinline)) unsigned run_on(struct fwd *f, const struct fwd_hint *hint,
						 struct pkt *v, unsigned n, unsigned k,
						 unsigned *left)
{
	const struct express e = express_of(hint);
	unsigned i = k;

	for (; i < n; i++) {
		if (look(&e, &v[i], &f->ops[k], &f->seqs[k]))
			pkt_keep(v, k++, i);
		else if (!drop_garbage(f, hint, &v[i]))
			break;
	}
	*left = 0;
	if (k)
		*left = settle(f, hint, v, k, aead_open(e.sa->key, f->ops, k) == k);
	return i;
}

bool macsec_express_knows(const struct fwd_hint *hint)
{
	const struct sa *sa = hint->like.sa;

	return hint->again && hint->like.encrypted && (!sa->clear || sa->clear == MACSEC_CLEAR_ALL);
}

unsigned macsec_express_in(struct fwd *f, const struct fwd_hint *hint, struct pkt *v, unsigned n,
			   unsigned *left)
{
	struct express e;
	uint64_t gaps = 0, next;
	unsigned k = 0;
	bool all;

	if (!macsec_express_knows(hint))
		return 0;
	e = express_of(hint);
	next = e.next;
	for (; k < n && look(&e, &v[k], &f->ops[k], &f->seqs[k]); k++)
		gaps |= f->seqs[k] ^ next++;
	if (k < n && hint->garbage)
		return run_on(f, hint, v, n, k, left);
	if (!k)
		return 0;
	*left = k;
	all = aead_open(e.sa->key, f->ops, k) == k;
	if (all && !gaps && e.next < UINT64_MAX - PKT_BURST)
		accept_all(hint->like.sa, v, k);
	else
		*left = settle(f, hint, v, k, all);
	return k;
}
