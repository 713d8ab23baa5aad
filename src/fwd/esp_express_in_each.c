/*
 * esp_express_in_each: the short way of ESP's decryption where packets of many SAs come mixed, as they
 * do at a hub: the mirror image of esp_express_each.c. Packets go through stages together, whosever
 * they are, and each stage asks for the memory that the next one reads.
 */
#include "fwd/esp_express_in.h"

#define TOGETHER 16 /* packets: what is asked for all of them fits the first cache */

/* What stands where for packets that go through the stages together. */
struct each {
	uint32_t spi[TOGETHER], udp[TOGETHER]; /* esp_spi_of() */
	const struct esp_way *way[TOGETHER];
	const struct aead_key *key[TOGETHER];
};

/* Asks for the ways of the packets up to the first that is no ESP. Returns how many. */
static unsigned ways_fetch(struct fwd *f, const struct pkt *v, unsigned n, struct each *e)
{
	for (unsigned i = 0; i < n; i++) {
		if (!esp_spi_of(&v[i], &e->spi[i], &e->udp[i]))
			return i;
		__builtin_prefetch(esp_way_place(f, e->spi[i]));
	}
	return n;
}

/* Finds them, and asks for their SAs. Returns how many have one, of one overlay. */
static unsigned ways_find(struct fwd *f, const struct fwd_port *wan, unsigned n, struct each *e)
{
	for (unsigned i = 0; i < n; i++) {
		const struct esp_way *w = esp_way_find(f, wan, e->spi[i], e->udp[i]);

		if (!w || (i && w->overlay != e->way[0]->overlay))
			return i;
		e->way[i] = w;
		__builtin_prefetch(w->sa, 1);
		__builtin_prefetch(&w->sa->esp, 1);
	}
	return n;
}

/* The whole of a sequence number, if it is new as far as is known before the tag, and its upper half
 * that of the highest accepted. */
static inline bool number_of(const struct sa *sa, bool esn, uint32_t low, uint64_t *seq)
{
	*seq = low;
	if (esn) {
		const uint64_t top = sa->next ? sa->next - 1 : 0;
		const uint32_t most = (sa->window ? sa->window : 1) - 1, end = (uint32_t)top;

		if (end >= most ? low < end - most : low >= end - most)
			return false;
		*seq |= top & ~(uint64_t)UINT32_MAX;
	}
	return *seq >= sa->next || (*seq && !sa_replay_check(sa, *seq));
}

/*
 * Tells the AEAD what to do, up to the first that has to go another way. Returns how many. Among these
 * is one whose way is another SPI's by now, for two may share a place of the table: has_shape()
 * compares SPIs and sends it the long way.
 */
static unsigned look(struct fwd *f, const struct pkt *v, unsigned n, struct each *e)
{
	for (unsigned i = 0; i < n; i++) {
		const struct esp_way *w = e->way[i];
		const struct sa *sa = w->sa;
		uint32_t len;

		if (!has_shape(w, &v[i], &len) || sa->esp.wrong == ESP_WRONG_MAX ||
		    !number_of(sa, w->esn,
			       be32toh(word(v[i].data + ETH_HEAD_LEN + IP4_HEAD_LEN + w->udp + 4)),
			       &f->seqs[i]))
			return i;
		op_fill(w, word(sa->nonce), &v[i], len, f->seqs[i], &f->ops[i], f->aad[i]);
		e->key[i] = sa->key;
		__builtin_prefetch(sa->key);
		__builtin_prefetch(sa->live, 1);
		__builtin_prefetch(&sa->ring[(f->seqs[i] & sa->ring_mask) / 64], 1);
	}
	return n;
}

/* Its number follows on the highest accepted: it is accepted, as esp_verified() would do it. */
static inline bool accept_next(struct fwd *f, struct sa *sa, uint64_t seq)
{
	if (seq != sa->next || seq > UINT64_MAX - PKT_BURST)
		return false;
	sa_replay_accept_run(sa, 1);
	sa->esp.wrong = 0;
	esp_used_note(f, sa);
	return true;
}

/* Packets that went through the AEAD. Returns how many are left for the overlay. */
static unsigned settle(struct fwd *f, struct pkt *v, unsigned n, const struct each *e)
{
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		struct sa *sa = e->way[i]->sa;
		const bool accepted = f->ops[i].ok && accept_next(f, sa, f->seqs[i]);
		enum fwd_fate fate;

		if (accepted && unwrap(e->way[i], &v[i], &f->ops[i])) {
			sa->esp.counts[ESP_PKTS]++;
			sa->esp.counts[ESP_OCTETS] += v[i].len - ETH_HEAD_LEN;
			pkt_keep(v, k++, i);
			continue;
		}
		fate = esp_express_judge(f, e->way[i], &v[i], i, accepted);
		if (fate == FATE_SENT_OVERLAY)
			pkt_keep(v, k++, i);
		else
			fwd_drop(f, &v[i], fate);
	}
	return k;
}

unsigned esp_express_in_each(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n,
			     unsigned *left)
{
	struct each e;

	n = ways_fetch(f, v, n < TOGETHER ? n : TOGETHER, &e);
	n = ways_find(f, wan, n, &e);
	if (n > 1)
		n = look(f, v, n, &e);
	if (n < 2)
		return 0;
	aead_open_each(e.key, f->ops, n);
	*left = settle(f, v, n, &e);
	return n;
}
