/*
 * esp_express_out: the short way through esp_out for what most packets are: whole IPv4 packets
 * without options that fit their tunnel and begin no TCP connection, for a peer whose newest SA takes
 * every packet and is of the usual kind (esp_wrap.h). Each is looked at once and wrapped where it
 * stands; a run of one SA is sealed together, and packets that come mixed go by esp_express_each().
 * Whatever differs is left to esp_out, in its place in the order.
 */
#include "fwd/esp_express.h"

static bool takes_all(const struct sa *sa, const struct fwd_tunnel *t)
{
	return sa && sa->esp.any4 && esp_wrap_usual(sa, t) && esp_way_out(t) == FATE_SENT_WAN;
}

void esp_express_make(struct fwd *f, struct fwd_tunnel *t)
{
	const struct tunnel_config *c = &t->tunnel->config;
	struct esp_express *e = &t->express;

	*e = (struct esp_express){.epoch = f->epoch};
	if (!takes_all(t->tunnel->tx, t))
		return;
	e->sa = t->tunnel->tx;
	e->room = tunnel_room(f, t, e->sa);
	e->tos_from = IP_TOS_ECN;
	if (c->dscp == TUNNEL_DSCP_COPY)
		e->tos_from = UINT8_MAX;
	else
		e->tos = (uint8_t)(c->dscp << 2);
	e->df_from = c->df == TUNNEL_DF_COPY ? IP4_FLAG_DF : 0;
	e->df = c->df == TUNNEL_DF_SET ? IP4_FLAG_DF : 0;
	t->wrapping = esp_wrapping_of(e->sa, t);
}

unsigned esp_express_mark(struct fwd *f, struct pkt *v, unsigned n, bool all)
{
	unsigned k = 0;

	for (; all && k < n; k++)
		v[k].mark = PKT_SEALED;
	for (unsigned i = k; i < n; i++) {
		if (!f->ops[i].ok) {
			fwd_drop(f, &v[i], FATE_DROP_SEAL);
			continue;
		}
		v[i].mark = PKT_SEALED;
		pkt_keep(v, k++, i);
	}
	return k;
}

/* What follows the first packet on its way, as far as it is the same tunnel's. */
static inline uint32_t look(const struct pkt *p, uint64_t mac, uint32_t room, size_t stride)
{
	return p->len >= ETH_HEAD_LEN && eth_dst_word(p->data) == mac
		       ? esp_express_len(p, room, stride)
		       : 0;
}

/* Packets of one tunnel. */
static unsigned run(struct fwd *f, struct fwd_tunnel *t, struct pkt *v, unsigned n)
{
	/* Copies, since a packet's own stores could otherwise be to them for all that the compiler
	 * knows. */
	const struct esp_wrapping w = t->wrapping;
	const struct esp_express e = t->express;
	const uint32_t salt = esp_salt(e.sa);
	const uint64_t mac = t->mac;
	const size_t stride = f->pool->stride;
	struct pkt *to;
	uint64_t first, octets = 0;
	unsigned room, k = 0;
	uint32_t len = look(v, mac, e.room, stride);

	if (!len)
		return 0;
	esp_flush(f, &f->batch);
	to = esp_queue_at(f, t->wan, &room);
	n = sa_ahead(e.sa, n < room ? n : room, &first);
	if (!n)
		return 0;
	do {
		uint8_t *ip = v[k].data + ETH_HEAD_LEN;

		to[k].buf = v[k].buf;
		to[k].mark = 0;
		esp_wrap(&w, salt, &to[k], ip, len, IP_IPV4,
			 (uint8_t)(e.tos | (ip[1] & e.tos_from)), e.df | (ip[6] & e.df_from),
			 &f->ops[k], f->aad[k], first + k);
		octets += len;
	} while (++k < n && (len = look(&v[k], mac, e.room, stride)));
	/* They count as used from here on, and not before any of them is. */
	sa_reserve(e.sa, k, &first);
	n = esp_express_mark(f, to, k, aead_seal(e.sa->key, f->ops, k) == k);
	f->queue.n += n;
	e.sa->esp.counts[ESP_PKTS] += n;
	e.sa->esp.counts[ESP_OCTETS] += octets;
	return k;
}

unsigned esp_express_out(struct fwd *f, const struct fwd_port *overlay, struct pkt *v, unsigned n)
{
	struct fwd_tunnel *t;

	if (v->len < ETH_HEAD_LEN || v->data[0] & 1)
		return 0;
	if (n > 1 && v[1].len >= ETH_HEAD_LEN && eth_dst_word(v->data) != eth_dst_word(v[1].data))
		return esp_express_each(f, overlay, v, n);
	t = tunnel_by_word(f, overlay, eth_dst_word(v->data));
	return t && esp_express_ready(f, t) ? run(f, t, v, n) : 0;
}
