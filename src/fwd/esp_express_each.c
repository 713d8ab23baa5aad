/*
 * esp_express_each: the short way of ESP's encryption where packets of many SAs come mixed, as they
 * do at a hub. A run of one packet is worth nothing, so here a burst goes through stages as one,
 * whosever its packets are: their tunnels are found, their SAs, their keys; each stage asks for the
 * memory that the next one reads, which with a thousand SAs is not at hand.
 */
#include "fwd/esp_express.h"

#define LINE 64 /* bytes of a cache line */

/* What stands where for the packets of a burst. */
struct each {
	uint64_t mac[PKT_BURST]; /* where they go: eth_dst_word() */
	struct fwd_tunnel *tunnel[PKT_BURST];
	const struct aead_key *key[PKT_BURST];
};

static inline void fetch(const void *p)
{
	__builtin_prefetch(p, 0, 3);
}

static inline void fetch_to_write(const void *p)
{
	__builtin_prefetch(p, 1, 3);
}

/* The tunnels of the packets up to the first that has to go another way. Returns how many. */
static unsigned tunnels_find(struct fwd *f, const struct fwd_port *overlay, const struct pkt *v,
			     unsigned n, struct each *e)
{
	for (unsigned i = 0; i < n; i++) {
		struct fwd_tunnel *t = NULL;

		if (v[i].len >= ETH_HEAD_LEN && !(v[i].data[0] & 1)) {
			e->mac[i] = eth_dst_word(v[i].data);
			t = f->buckets[tunnel_bucket(e->mac[i])];
		}
		if (!t) {
			n = i;
			break;
		}
		e->tunnel[i] = t;
		fetch(t);
		fetch((const uint8_t *)t + LINE);
		fetch((const uint8_t *)t + 2 * LINE);
	}
	for (unsigned i = 0; i < n; i++) {
		struct fwd_tunnel *t = tunnel_in_bucket(e->tunnel[i], overlay, e->mac[i]);

		if (!t || !esp_express_ready(f, t) || (i && t->wan != e->tunnel[0]->wan))
			return i;
		e->tunnel[i] = t;
		fetch_to_write(t->express.sa);
		fetch_to_write(t->express.sa->esp.counts);
	}
	return n;
}

/* Wraps packets for the queue under numbers that are theirs from here on. Returns how many. */
static unsigned wrap(struct fwd *f, struct each *e, struct pkt *to, const struct pkt *v, unsigned n)
{
	const size_t stride = f->pool->stride;

	for (unsigned i = 0; i < n; i++)
		fetch_to_write(e->tunnel[i]->express.sa->live);
	for (unsigned i = 0; i < n; i++) {
		const struct fwd_tunnel *t = e->tunnel[i];
		struct sa *sa = t->express.sa;
		uint8_t *ip = v[i].data + ETH_HEAD_LEN;
		uint32_t len = esp_express_len(&v[i], t->express.room, stride);
		uint64_t seq;

		if (!len || !sa_reserve(sa, 1, &seq))
			return i;
		to[i].buf = v[i].buf;
		to[i].mark = 0;
		esp_wrap(&t->wrapping, esp_salt(sa), &to[i], ip, len, IP_IPV4,
			 (uint8_t)(t->express.tos | (ip[1] & t->express.tos_from)),
			 t->express.df | (ip[6] & t->express.df_from), &f->ops[i], f->aad[i], seq);
		e->key[i] = sa->key;
		fetch(sa->key);
		sa->esp.counts[ESP_PKTS]++;
		sa->esp.counts[ESP_OCTETS] += len;
	}
	return n;
}

unsigned esp_express_each(struct fwd *f, const struct fwd_port *overlay, struct pkt *v, unsigned n)
{
	struct each e;
	struct pkt *to;
	unsigned room, sealed;

	n = tunnels_find(f, overlay, v, n, &e);
	if (!n)
		return 0;
	esp_flush(f, &f->batch);
	to = esp_queue_at(f, e.tunnel[0]->wan, &room);
	n = wrap(f, &e, to, v, n < room ? n : room);
	if (!n)
		return 0;
	sealed = aead_seal_each(e.key, f->ops, n);
	for (unsigned i = 0; sealed < n && i < n; i++)
		if (!f->ops[i].ok)
			e.tunnel[i]->express.sa->esp.counts[ESP_PKTS]--;
	f->queue.n += esp_express_mark(f, to, n, sealed == n);
	return n;
}
