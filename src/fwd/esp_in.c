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

static inline uint32_t word(const uint8_t *p)
{
	uint32_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

static uint32_t spi_of(const struct pkt *p, const struct esp_rx *rx)
{
	return be32toh(word(p->data + rx->at));
}

static inline void op_prepare(struct aead_op *op, const struct pkt *p, const struct esp_rx *rx,
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

void esp_used_note(struct fwd *f, struct sa *sa)
{
	if (sa->esp.used)
		return;
	sa->esp.used = true;
	esp_report(f, sa, ESP_USED);
}

enum fwd_fate esp_verified(struct fwd *f, const struct esp_rx *rx, const struct aead_op *op)
{
	struct sa *sa = rx->sa;

	if (!op->ok) {
		sa->esp.counts[ESP_NOT_VALID]++;
		if (sa->esp.wrong < ESP_WRONG_MAX)
			sa->esp.wrong++;
		return FATE_DROP_NOT_VALID;
	}
	sa->esp.wrong = 0;
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
	esp_used_note(f, sa);
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

enum fwd_fate esp_judge(struct fwd *f, struct pkt *p, const struct esp_rx *rx)
{
	struct fwd_tunnel *t = &f->tunnels[rx->sa->esp.tunnel->slot];
	struct sa *sa = rx->sa;
	enum fwd_fate fate;
	struct ip ip;
	int ecn;

	if (!t->overlay)
		return FATE_DROP_NO_PORT;
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
	eth_push(p, t);
	return FATE_SENT_OVERLAY;
}

/*
 * What esp_verified() does, at once for all packets from the first on that verified, whose numbers
 * follow on the highest accepted, and whose peer is where it was. Returns how many they are.
 */
static unsigned verified_run(struct fwd *f, const struct esp_rx *rx, const struct aead_op *op,
			     unsigned n)
{
	struct sa *sa = rx->sa;
	const uint64_t next = sa->next;
	unsigned k = 0;

	if (next > UINT64_MAX - PKT_BURST)
		return 0;
	while (k < n && op[k].ok && rx[k].seq == next + k)
		k++;
	if (!k)
		return 0;
	sa_replay_accept_run(sa, k);
	sa->esp.wrong = 0;
	if (has_moved(f, sa, &rx[k - 1]))
		moved_say(f, sa, &rx[k - 1]);
	esp_used_note(f, sa);
	return k;
}

/* Packets of one SA, decrypted if they verify. Returns how many are left for the overlay. */
static unsigned settle(struct fwd *f, struct pkt *v, const struct esp_rx *rx, struct aead_op *ops,
		       unsigned n)
{
	struct sa *sa = rx->sa;
	unsigned k = 0, good;

	if (sa->esp.wrong == ESP_WRONG_MAX)
		esp_resync(f, sa, rx, ops);
	aead_open(sa->key, ops, n);
	good = verified_run(f, rx, ops, n);
	for (unsigned i = 0; i < n; i++) {
		enum fwd_fate fate =
			i < good ? FATE_SENT_OVERLAY : esp_verified(f, &rx[i], &ops[i]);

		if (fate == FATE_SENT_OVERLAY)
			fate = esp_judge(f, &v[i], &rx[i]);
		if (fate == FATE_SENT_OVERLAY)
			pkt_keep(v, k++, i);
		else
			fwd_drop(f, &v[i], fate);
	}
	return k;
}

/* Packets on their way to an overlay, at the front of the burst that they came in. */
struct arrivals {
	struct fwd_port *overlay;
	struct pkt *v;
	unsigned n;
};

static void deliver(struct fwd *f, struct arrivals *a)
{
	unsigned n = a->n;

	a->n = 0;
	if (n && f->transit)
		n = transit_take(f, a->overlay, a->v, n);
	if (n)
		guard_overlay(f, a->overlay, a->v, n);
}

/* The last of them, and what went on from there: nothing of the burst is needed any more. */
static void deliver_all(struct fwd *f, struct arrivals *a)
{
	deliver(f, a);
	if (f->transit && f->transit->n)
		transit_send(f);
}

/* n more, which stand further behind in the burst. */
static void arrive(struct fwd *f, struct arrivals *a, struct fwd_port *overlay, const struct pkt *v,
		   unsigned n)
{
	if (a->overlay != overlay)
		deliver(f, a);
	a->overlay = overlay;
	if (a->v + a->n != v)
		memmove(a->v + a->n, v, n * sizeof(*v));
	a->n += n;
}

/* Packets that were classified, the first of them to v. */
static void finish(struct fwd *f, struct arrivals *a, struct pkt *v, unsigned n)
{
	const struct esp_rx *rx = f->esp_rx;

	for (unsigned i = 0, end; i < n; i = end) {
		struct fwd_tunnel *t = &f->tunnels[rx[i].sa->esp.tunnel->slot];
		unsigned k;

		for (end = i + 1; end < n && rx[end].sa == rx[i].sa;)
			end++;
		k = settle(f, v + i, rx + i, f->ops + i, end - i);
		arrive(f, a, t->overlay, v + i, k);
	}
}

/* The long way, for the packets from the first on that do not take the short one. Returns how many
 * they were. */
static unsigned long_in(struct fwd *f, struct fwd_port *wan, struct esp_hint *hint,
			struct arrivals *a, struct pkt *v, unsigned n)
{
	struct esp_rx *rx = f->esp_rx;
	unsigned k = 0, i = 0;

	do {
		enum fwd_fate fate = esp_classify(f, wan, &v[i], &rx[k]);

		if (fate == FATE_SENT_OVERLAY) {
			op_prepare(&f->ops[k], &v[i], &rx[k], f->aad[k]);
			pkt_keep(v, k++, i);
		} else if (fate == FATE_DROP_UNKNOWN_SPI) {
			early_keep(f, wan, &v[i], spi_of(&v[i], &rx[k]));
			hint->strangers = true;
		} else {
			fwd_drop(f, &v[i], fate);
		}
	} while (++i < n && !esp_express_knows(f, wan, hint, &v[i]));
	finish(f, a, v, k);
	return i;
}

void esp_in(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n)
{
	struct arrivals a = {.v = v};
	struct esp_hint hint = {0};

	for (unsigned i = 0; i < n;) {
		unsigned left, took = esp_express_in(f, wan, &hint, v + i, n - i, &left);

		if (took)
			arrive(f, &a, &f->ports[hint.way.overlay], v + i, left);
		else
			took = long_in(f, wan, &hint, &a, v + i, n - i);
		i += took;
	}
	deliver_all(f, &a);
}

void esp_in_early(struct fwd *f, const struct sa *sa)
{
	struct fwd_port *wan = f->tunnels[sa->esp.tunnel->slot].wan;
	struct esp_rx *rx = f->esp_rx;
	struct pkt v[FWD_EARLY];
	struct arrivals a = {.v = v};
	unsigned n = wan ? early_take(f, wan->id, sa->esp.spi, v) : 0, k = 0;

	for (unsigned i = 0; i < n; i++) {
		enum fwd_fate fate = esp_classify_ip(f, wan, &v[i], &rx[k]);

		if (fate == FATE_SENT_OVERLAY) {
			op_prepare(&f->ops[k], &v[i], &rx[k], f->aad[k]);
			pkt_keep(v, k++, i);
		} else {
			fwd_drop(f, &v[i], fate);
		}
	}
	finish(f, &a, v, k);
	deliver_all(f, &a);
}
