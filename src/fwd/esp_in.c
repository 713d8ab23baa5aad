/*
 * esp_in: packets from a wan port, verified, decrypted, and handed to the overlay of their tunnel
 * (RFC 4303 section 3.4, RFC 4301 section 5.2). Nothing of a packet is used before its ICV was
 * right; the replay window has its say once more after that. What comes out is then held against
 * the selectors of its SA, whoever the sender is.
 */
#include "base/clock.h"
#include "fwd/path.h"
#include "sa/replay.h"
#include "wire/ip.h"

#include <endian.h>
#include <string.h>

static void op_prepare(struct aead_op *op, const struct pkt *p, const struct esp_rx *rx,
		       uint8_t aad[12])
{
	const struct sa *sa = rx->sa;
	uint8_t *esp = p->data + rx->at;
	const uint64_t seq = htobe64(rx->seq);

	op->data = esp + ESP_HEAD_LEN + sa->esp.iv_len;
	op->len = rx->len;
	op->tag = op->data + rx->len;
	op->aad = esp;
	op->aad_len = ESP_HEAD_LEN;
	if (sa->esp.esn) {
		memcpy(aad, esp, 4);
		memcpy(aad + 4, &seq, 8);
		op->aad = aad;
		op->aad_len = 12;
	}
	memcpy(op->nonce, sa->nonce, 4);
	memcpy(op->nonce + 4, esp + ESP_HEAD_LEN, 8); /* the sender's choice, not our guess */
}

static void moved_say(struct fwd *f, struct sa *sa, const struct esp_rx *rx)
{
	struct msg m = {.type = MSG_ESP_REPORT};

	sa->esp.moved_at = f->now + NS_PER_S;
	m.esp_report.tunnel = sa->esp.tunnel->config.tunnel;
	m.esp_report.direction = SA_RECEIVE;
	m.esp_report.event = ESP_MOVED;
	m.esp_report.spi = sa->esp.spi;
	m.esp_report.seq = sa->next;
	m.esp_report.packets = sa->esp.counts[ESP_PKTS];
	m.esp_report.octets = sa->esp.counts[ESP_OCTETS];
	m.esp_report.remote.family = rx->family;
	memcpy(m.esp_report.remote.addr, rx->src, rx->family == 4 ? 4 : 16);
	m.esp_report.remote.port = rx->sport;
	f->say(f->ctx, &m);
}

/* Whether a peer behind a NAT, for that is what UDP is for, is elsewhere now. An older packet says
 * nothing of that. What follows from it is control's to decide. */
static bool has_moved(const struct fwd *f, const struct sa *sa, const struct esp_rx *rx)
{
	return sa->esp.remote.port && rx->seq + 1 == sa->next && f->now >= sa->esp.moved_at &&
	       (rx->sport != sa->esp.remote.port ||
		memcmp(rx->src, sa->esp.remote.addr, rx->family == 4 ? 4 : 16) != 0);
}

static enum fwd_fate verified(struct fwd *f, const struct esp_rx *rx, const struct aead_op *op)
{
	struct sa *sa = rx->sa;

	if (!op->ok) {
		sa->esp.counts[ESP_NOT_VALID]++;
		return FATE_DROP_NOT_VALID;
	}
	switch (sa_replay_accept(sa, rx->seq)) {
	case SA_LATE:
	case SA_DELAYED:
		sa->esp.counts[ESP_REPLAY]++;
		return FATE_DROP_LATE;
	case SA_DUPLICATE:
		sa->esp.counts[ESP_REPLAY]++;
		return FATE_DROP_DUPLICATE;
	case SA_FRESH:
		break;
	}
	if (has_moved(f, sa, rx))
		moved_say(f, sa, rx);
	if (!sa->esp.used) {
		sa->esp.used = true;
		esp_report(f, sa, ESP_USED);
	}
	return FATE_SENT_OVERLAY;
}

static enum fwd_fate malformed(struct sa *sa, enum fwd_fate why)
{
	sa->esp.counts[ESP_MALFORMED]++;
	return why;
}

static bool selectors_fit(const struct sa *sa, const struct ip *ip)
{
	struct esp_flow local = {.family = ip->family,
				 .protocol = ip->protocol,
				 .has_ports = ip->has_ports,
				 .port = ip->dport,
				 .addr = ip->dst};
	struct esp_flow remote = local;

	if (ip->family == 4 ? sa->esp.any4 : sa->esp.any6)
		return true;
	remote.port = ip->sport;
	remote.addr = ip->src;
	return esp_ts_match(sa->esp.ts.local, sa->esp.ts.local_count, &local) &&
	       esp_ts_match(sa->esp.ts.remote, sa->esp.ts.remote_count, &remote);
}

/* Transport mode: the outer header comes back in front of what it was for. */
static enum fwd_fate transport_restore(struct pkt *p, const struct esp_rx *rx, uint8_t *payload,
				       size_t len, uint8_t next)
{
	uint32_t head = rx->head;

	memmove(payload - head, p->data, head);
	p->data = payload - head;
	p->len = (uint32_t)(head + len);
	p->data[rx->next_at] = next;
	if (rx->family == 4) {
		uint16_t sum = 0;

		p->data[2] = (uint8_t)(p->len >> 8);
		p->data[3] = (uint8_t)p->len;
		memcpy(p->data + 10, &sum, 2);
		sum = ip_checksum(ip_sum(p->data, head));
		memcpy(p->data + 10, &sum, 2);
	} else {
		ip_len_set(p->data, p->len);
	}
	return FATE_SENT_OVERLAY;
}

/* What was encrypted, as an IP packet at p->data; *tos: its own, before ECN has its say. */
static enum fwd_fate unwrap(struct pkt *p, const struct esp_rx *rx, struct ip *ip)
{
	struct sa *sa = rx->sa;
	uint8_t *payload = p->data + rx->at + ESP_HEAD_LEN + sa->esp.iv_len, next = 0;
	size_t len = rx->len;

	if (esp_trailer_parse(payload, &len, &next) != ESP_TRAILER_OK)
		return malformed(sa, FATE_DROP_ESP_PADDING);
	if (next == IP_NO_NEXT) {
		sa->esp.counts[ESP_DUMMY]++;
		return FATE_DROP_ESP_DUMMY;
	}
	if (sa->esp.mode == ESP_TRANSPORT) {
		transport_restore(p, rx, payload, len, next);
	} else if (next == IP_IPV4 || next == IP_IPV6) {
		p->data = payload;
		p->len = (uint32_t)len;
	} else {
		return malformed(sa, FATE_DROP_NEXT_HEADER);
	}
	if (ip_parse(ip, p->data, p->len) != IP_OK ||
	    (sa->esp.mode == ESP_TUNNEL && ip->family != (next == IP_IPV4 ? 4 : 6)))
		return malformed(sa, FATE_DROP_ESP_INNER);
	p->len = ip->len; /* the rest is there to hide its length (RFC 4303 section 2.7) */
	return FATE_SENT_OVERLAY;
}

/* After the packet is out: is it for this SA, and what the way did to it. */
static enum fwd_fate judge(struct fwd *f, struct pkt *p, const struct esp_rx *rx)
{
	struct fwd_tunnel *t = &f->tunnels[rx->sa->esp.tunnel->slot];
	struct sa *sa = rx->sa;
	enum fwd_fate fate;
	struct ip ip;
	int ecn;

	fate = unwrap(p, rx, &ip);
	if (fate != FATE_SENT_OVERLAY)
		return fate;
	if (!selectors_fit(sa, &ip)) {
		sa->esp.counts[ESP_SELECTOR]++;
		return FATE_DROP_SELECTOR;
	}
	if (sa->esp.mode == ESP_TRANSPORT) {
		/* A NAT on the way changed addresses that the sum is over (RFC 3948 3.1.2). */
		if (sa->esp.local.port)
			ip_upper_checksum_set(p->data, &ip);
	} else {
		ecn = ip_ecn_decapsulate(ip.tos, rx->tos);
		if (ecn < 0)
			return FATE_DROP_ECN;
		if (ecn != (ip.tos & IP_TOS_ECN))
			ip_tos_set(p->data, (uint8_t)((ip.tos & IP_TOS_DSCP) | ecn));
	}
	if (ip.protocol == IP_TCP && t->tunnel->tx)
		ip_mss_clamp(p->data, &ip,
			     (uint16_t)(tunnel_room(f, t, t->tunnel->tx) - ip.upper - 20));
	sa->esp.counts[ESP_PKTS]++;
	sa->esp.counts[ESP_OCTETS] += p->len;
	p->mark |= PKT_OPENED;
	return FATE_SENT_OVERLAY;
}

/* The kernel receives it from its neighbour, the peer. */
static void eth_push(struct pkt *p, const struct fwd_tunnel *t)
{
	bool four = p->data[0] >> 4 == 4;
	const uint16_t type = htobe16(four ? ETH_TYPE_IPV4 : ETH_TYPE_IPV6);
	const uint8_t *dst = p->data + (four ? 16 : 24);
	uint8_t mac[ETH_ADDR_LEN];

	memcpy(mac, t->overlay->mac, sizeof(mac));
	if (four && dst[0] == 0xff && dst[1] == 0xff && dst[2] == 0xff && dst[3] == 0xff) {
		memset(mac, 0xff, sizeof(mac));
	} else if (four && dst[0] >> 4 == 14) { /* RFC 1112 section 6.4 */
		memcpy(mac, (const uint8_t[]){1, 0, 0x5e, dst[1] & 0x7f, dst[2], dst[3]}, 6);
	} else if (!four && dst[0] == 0xff) { /* RFC 2464 section 7 */
		memcpy(mac, (const uint8_t[]){0x33, 0x33, dst[12], dst[13], dst[14], dst[15]}, 6);
	}
	p->data -= ETH_HEAD_LEN;
	p->len += ETH_HEAD_LEN;
	memcpy(p->data, mac, sizeof(mac));
	memcpy(p->data + ETH_ADDR_LEN, t->tunnel->config.peer, ETH_ADDR_LEN);
	memcpy(p->data + ETH_ADDRS_LEN, &type, sizeof(type));
}

/* Hands a run of packets to the overlay they are for. */
static void deliver(struct fwd *f, struct fwd_port *overlay, struct pkt *v, unsigned n)
{
	if (n)
		guard_overlay(f, overlay, v, n);
}

static void finish(struct fwd *f, struct pkt *v, unsigned n)
{
	struct fwd_port *overlay = NULL;
	unsigned out = 0;

	for (unsigned i = 0; i < n; i++) {
		struct fwd_tunnel *t = &f->tunnels[f->esp_rx[i].sa->esp.tunnel->slot];
		enum fwd_fate fate = verified(f, &f->esp_rx[i], &f->ops[i]);

		if (fate == FATE_SENT_OVERLAY)
			fate = judge(f, &v[i], &f->esp_rx[i]);
		if (fate == FATE_SENT_OVERLAY && !t->overlay)
			fate = FATE_DROP_NO_PORT;
		if (fate != FATE_SENT_OVERLAY) {
			fwd_drop(f, &v[i], fate);
			continue;
		}
		eth_push(&v[i], t);
		if (overlay != t->overlay) {
			deliver(f, overlay, v, out);
			out = 0;
		}
		overlay = t->overlay;
		pkt_keep(v, out++, i);
	}
	deliver(f, overlay, v, out);
}

void esp_in(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n)
{
	struct esp_rx *rx = f->esp_rx;
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		enum fwd_fate fate = esp_classify(f, wan, &v[i], &rx[k]);

		if (fate == FATE_SENT_OVERLAY) {
			op_prepare(&f->ops[k], &v[i], &rx[k], f->aad[k]);
			pkt_keep(v, k++, i);
		} else {
			fwd_drop(f, &v[i], fate);
		}
	}
	for (unsigned i = 0, end; i < k; i = end) {
		for (end = i + 1; end < k && rx[end].sa == rx[i].sa;)
			end++;
		aead_open(rx[i].sa->key, f->ops + i, end - i);
	}
	finish(f, v, k);
}
