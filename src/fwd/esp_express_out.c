/*
 * esp_express_out: the short way through esp_out for what most packets are: whole IPv4 packets
 * without options that fit their tunnel and begin no TCP connection, for a peer whose newest SA takes
 * every packet and is of the usual kind (esp_wrap.h). Each is looked at once and wrapped where it
 * stands; a run of one SA is sealed together. Whatever differs is left to esp_out, in its place in
 * the order.
 */
#include "fwd/esp_wrap.h"

static inline uint64_t mac_of(const uint8_t *frame)
{
	uint64_t w;

	memcpy(&w, frame, sizeof(w));
	return w & be64toh(UINT64_C(0xffffffffffff) << 16);
}

static bool takes_all(const struct sa *sa, const struct fwd_tunnel *t)
{
	return sa && sa->esp.any4 && esp_wrap_usual(sa, t) && esp_way_out(t) == FATE_SENT_WAN;
}

/* What holds for all packets to that MAC address. */
static void express_set(struct fwd *f, const struct fwd_port *overlay, struct esp_express *e,
			const uint8_t *mac)
{
	struct fwd_tunnel *t = mac[0] & 1 ? NULL : tunnel_by_mac(f, overlay, mac);
	const struct tunnel_config *c;

	*e = (struct esp_express){.mac = mac_of(mac)};
	if (!t || !takes_all(t->tunnel->tx, t))
		return;
	c = &t->tunnel->config;
	e->tunnel = t;
	e->sa = t->tunnel->tx;
	e->room = tunnel_room(f, t, e->sa);
	e->tos_from = IP_TOS_ECN;
	if (c->dscp == TUNNEL_DSCP_COPY)
		e->tos_from = UINT8_MAX;
	else
		e->tos = (uint8_t)(c->dscp << 2);
	e->df_from = c->df == TUNNEL_DF_COPY ? IP4_FLAG_DF : 0;
	e->df = c->df == TUNNEL_DF_SET ? IP4_FLAG_DF : 0;
}

/* Bytes of a frame's packet, or 0: it has to go another way. */
static inline uint32_t look(const struct esp_express *e, const struct pkt *p, size_t stride)
{
	const uint8_t *ip = p->data + ETH_HEAD_LEN;
	uint32_t len;

	if (p->len < ETH_HEAD_LEN + IP4_HEAD_LEN || mac_of(p->data) != e->mac ||
	    p->data[12] != ETH_TYPE_IPV4 >> 8 || p->data[13] != (ETH_TYPE_IPV4 & 0xff))
		return 0;
	len = ip4_plain_len(ip, p->len - ETH_HEAD_LEN);
	if (len > e->room || !ip4_plain_whole(ip) || ip4_plain_opens_tcp(ip, len) ||
	    pkt_headroom(p) + ETH_HEAD_LEN < ESP_OUT_HEADROOM ||
	    pkt_headroom(p) + ETH_HEAD_LEN + len + ESP_OUT_TAILROOM > stride)
		return 0;
	return len;
}

/* The mark for what was sealed; the rest ends here. Returns how many are left at v. */
static unsigned mark(struct fwd *f, struct pkt *v, unsigned n, bool all)
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

unsigned esp_express_out(struct fwd *f, const struct fwd_port *overlay, struct esp_express *e,
			 struct pkt *v, unsigned n)
{
	const size_t stride = f->pool->stride;
	struct esp_wrapping w;
	struct pkt *to;
	uint64_t first, octets = 0;
	unsigned room, k = 0;
	uint32_t len;

	if (v->len < ETH_HEAD_LEN)
		return 0;
	if (mac_of(v->data) != e->mac)
		express_set(f, overlay, e, v->data);
	len = e->tunnel ? look(e, v, stride) : 0;
	if (!len)
		return 0;
	esp_flush(f, &f->batch);
	to = esp_queue_at(f, e->tunnel->wan, &room);
	n = sa_ahead(e->sa, n < room ? n : room, &first);
	if (!n)
		return 0;
	w = esp_wrapping_of(e->sa, e->tunnel);
	do {
		uint8_t *ip = v[k].data + ETH_HEAD_LEN;

		to[k].buf = v[k].buf;
		to[k].mark = 0;
		esp_wrap(&w, &to[k], ip, len, IP_IPV4, (uint8_t)(e->tos | (ip[1] & e->tos_from)),
			 e->df | (ip[6] & e->df_from), &f->ops[k], f->aad[k], first + k);
		octets += len;
	} while (++k < n && (len = look(e, &v[k], stride)));
	/* They count as used from here on, and not before any of them is. */
	sa_reserve(e->sa, k, &first);
	n = mark(f, to, k, aead_seal(e->sa->key, f->ops, k) == k);
	f->queue.n += n;
	e->sa->esp.counts[ESP_PKTS] += n;
	e->sa->esp.counts[ESP_OCTETS] += octets;
	return k;
}
