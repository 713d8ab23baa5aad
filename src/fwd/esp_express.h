/*
 * esp_express: what the ways of esp_express_out() for one SA (esp_express_out.c) and for many
 * (esp_express_each.c) have in common. Private to src/fwd.
 */
#pragma once

#include "fwd/esp_wrap.h"

/* Fills t->express and t->wrapping anew. */
void esp_express_make(struct fwd *f, struct fwd_tunnel *t);

/* The tunnel's packets may go the short way. */
static inline bool esp_express_ready(struct fwd *f, struct fwd_tunnel *t)
{
	if (t->express.epoch != f->epoch)
		esp_express_make(f, t);
	return t->express.sa;
}

/* Bytes of the packet in a frame with a whole header, or 0: it has to go another way. */
static inline uint32_t esp_express_len(const struct pkt *p, uint32_t room, size_t stride)
{
	const uint8_t *ip = p->data + ETH_HEAD_LEN;
	uint32_t len;

	if (p->len < ETH_HEAD_LEN + IP4_HEAD_LEN || p->data[12] != ETH_TYPE_IPV4 >> 8 ||
	    p->data[13] != (ETH_TYPE_IPV4 & 0xff))
		return 0;
	len = ip4_plain_len(ip, p->len - ETH_HEAD_LEN);
	if (len > room || !ip4_plain_whole(ip) || ip4_plain_opens_tcp(ip, len) ||
	    pkt_headroom(p) + ETH_HEAD_LEN < ESP_OUT_HEADROOM ||
	    pkt_headroom(p) + ETH_HEAD_LEN + len + ESP_OUT_TAILROOM > stride)
		return 0;
	return len;
}

/* The mark for what was sealed; the rest ends here. Returns how many are left at v. */
unsigned esp_express_mark(struct fwd *f, struct pkt *v, unsigned n, bool all);

/* The packets from the first on that are what most are, whatever tunnels they are for. */
unsigned esp_express_each(struct fwd *f, const struct fwd_port *overlay, struct pkt *v, unsigned n);
