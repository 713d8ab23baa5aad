/*
 * esp_seal: the second half of esp_out, for packets of any kind. Those that have their SA get ESP's
 * parts around them, are encrypted by runs of one SA, and wait in the queue of their wan port with
 * the Ethernet header of the way to the peer. What most packets are comes ready sealed from
 * esp_express_out.c to the same queue.
 */
#include "fwd/esp_wrap.h"
#include "wire/eth.h"
#include "wire/ip.h"

#include <endian.h>
#include <string.h>

/* The header in front of the ESP header, by now at p->data, for a packet of `len` bytes. */
static void outer_finish(const struct sa *sa, uint8_t *outer, const struct esp_tx *x, uint32_t len,
			 uint16_t id)
{
	uint32_t udp = sa->esp.local.port ? UDP_HEAD_LEN : 0;
	uint32_t at = sa->esp.around - ESP_HEAD_LEN - udp;

	if (sa->esp.mode == ESP_TRANSPORT) {
		outer[x->insert_at] = udp ? IP_UDP : IP_ESP;
		if (outer[0] >> 4 == 4) {
			uint16_t sum = 0;

			memcpy(outer + 10, &sum, sizeof(sum));
			outer[2] = (uint8_t)(len >> 8);
			outer[3] = (uint8_t)len;
			sum = ip_checksum(ip_sum(outer, (outer[0] & 15u) * 4u));
			memcpy(outer + 10, &sum, sizeof(sum));
		} else {
			ip_len_set(outer, len);
		}
		at = x->insert;
	} else if (sa->esp.local.family == 4) {
		const uint16_t total = htobe16((uint16_t)len), flags = htobe16(x->df ? 0x4000 : 0);
		const uint16_t tos = htobe16(x->tos);
		uint16_t sum;

		id = x->df ? 0 : id; /* one that is never fragmented needs none (RFC 6864) */
		outer[1] = x->tos;
		memcpy(outer + 2, &total, 2);
		memcpy(outer + 4, &id, 2);
		memcpy(outer + 6, &flags, 2);
		sum = ip_checksum(sa->esp.head_sum + tos + total + id + flags);
		memcpy(outer + 10, &sum, 2);
	} else {
		outer[0] = (uint8_t)(6u << 4 | x->tos >> 4);
		outer[1] = (uint8_t)(x->tos << 4);
		ip_len_set(outer, len);
	}
	if (udp) {
		const uint16_t n = htobe16((uint16_t)(len - at));

		memcpy(outer + at + 4, &n, 2);
	}
}

/* Puts ESP's parts around the payload and tells the AEAD what to do. */
static void wrap(struct sa *sa, struct pkt *p, const struct esp_tx *x, struct aead_op *op,
		 uint8_t aad[12], uint64_t seq)
{
	uint8_t *payload = p->data + x->insert, *esp, *outer;
	uint32_t len = p->len - x->insert, iv = sa->esp.iv_len;
	unsigned pad = (unsigned)(-(len + ESP_TRAILER_LEN)) & (sa->esp.align - 1u);
	const uint64_t seq_be = htobe64(seq);
	uint8_t headers[IP6_HEAD_LEN];

	esp_trailer_build(payload + len, pad, x->next);
	esp = payload - iv - ESP_HEAD_LEN;
	outer = esp + ESP_HEAD_LEN - sa->esp.around - x->insert;
	if (!x->insert) {
		memcpy(esp + ESP_HEAD_LEN - ESP_OUTER_MAX, sa->esp.head, ESP_OUTER_MAX);
	} else if (x->insert <= sizeof(headers)) { /* what moves may not be overwritten first */
		memcpy(headers, p->data, x->insert);
		memcpy(esp + ESP_HEAD_LEN - ESP_OUTER_MAX, sa->esp.head, ESP_OUTER_MAX);
		memcpy(outer, headers, x->insert);
	} else {
		memmove(outer, p->data, x->insert);
		memcpy(outer + x->insert, sa->esp.head + ESP_OUTER_MAX - sa->esp.around,
		       sa->esp.around);
	}
	memcpy(esp + 4, (const uint8_t *)&seq_be + 4, 4);
	if (sa->esp.esn) {
		memcpy(aad, esp, 4);
		memcpy(aad + 4, &seq_be, 8);
		op->aad = aad;
		op->aad_len = 12;
	} else {
		op->aad = esp;
		op->aad_len = ESP_HEAD_LEN;
	}
	memcpy(op->nonce, sa->nonce, 4);
	memcpy(op->nonce + 4, &seq_be, 8);
	if (iv == sizeof(seq_be))
		memcpy(esp + ESP_HEAD_LEN, &seq_be, sizeof(seq_be));
	op->data = payload;
	op->len = len + pad + ESP_TRAILER_LEN;
	op->tag = payload + op->len;
	p->data = outer;
	p->len = (uint32_t)(op->tag + sa->esp.icv_len - outer);
	outer_finish(sa, outer, x, p->len, htobe16((uint16_t)seq));
}

/* IPv6 wants a checksum in UDP; over ciphertext, so it is made last. */
static void udp6_finish(const struct sa *sa, struct pkt *p, const struct esp_tx *x)
{
	uint32_t at = (x->insert ? x->insert : IP6_HEAD_LEN), len = p->len - at;
	uint16_t sum;

	if (!sa->esp.local.port || sa->esp.local.family != 6)
		return;
	sum = ip_checksum(ip_pseudo_sum(6, sa->esp.local.addr, sa->esp.remote.addr, IP_UDP, len) +
			  ip_sum(p->data + at, len));
	if (!sum)
		sum = UINT16_MAX;
	memcpy(p->data + at + 6, &sum, sizeof(sum));
}

static void eth_push(struct pkt *p, const struct fwd_tunnel *t, uint8_t family, uint8_t tos)
{
	const uint16_t type = htobe16(family == 4 ? ETH_TYPE_IPV4 : ETH_TYPE_IPV6);

	p->data -= t->eth_len;
	p->len += t->eth_len;
	if (t->eth_len == ETH_HEAD_LEN) {
		memcpy(p->data, t->eth, ETH_HEAD_LEN);
	} else {
		memcpy(p->data, t->eth, t->eth_len);
		for (unsigned at = 14; at < t->eth_len; at += ETH_VLAN_TAG_LEN)
			p->data[at] |= tos & 0xe0; /* the IP precedence is the priority */
	}
	memcpy(p->data + t->eth_len - sizeof(type), &type, sizeof(type));
}

/* A run of packets of one SA. Returns how many are left, sealed, at v. */
static unsigned seal(struct fwd *f, struct sa *sa, struct pkt *v, struct esp_tx *x, unsigned n)
{
	const bool is_usual = esp_wrap_usual(sa, x->tunnel);
	struct esp_wrapping w;
	uint64_t first, octets = 0;
	unsigned got = sa_reserve(sa, n, &first), k = 0;

	for (unsigned i = got; i < n; i++)
		fwd_drop(f, &v[i], FATE_DROP_PN_EXHAUSTED);
	if (is_usual)
		w = esp_wrapping_of(sa, x->tunnel);
	for (unsigned i = 0; i < got; i++) {
		octets += v[i].len - x[i].insert;
		if (is_usual)
			esp_wrap(&w, esp_salt(sa), &v[i], v[i].data, v[i].len, x[i].next, x[i].tos,
				 x[i].df, &f->ops[i], f->aad[i], first + i);
		else
			wrap(sa, &v[i], &x[i], &f->ops[i], f->aad[i], first + i);
	}
	aead_seal(sa->key, f->ops, got);
	for (unsigned i = 0; i < got; i++) {
		if (!f->ops[i].ok) {
			fwd_drop(f, &v[i], FATE_DROP_SEAL);
			continue;
		}
		v[i].mark |= PKT_SEALED;
		if (!is_usual) {
			udp6_finish(sa, &v[i], &x[i]);
			eth_push(&v[i], x[i].tunnel, sa->esp.local.family, x[i].tos);
		}
		pkt_keep(v, k++, i);
	}
	sa->esp.counts[ESP_PKTS] += k;
	sa->esp.counts[ESP_OCTETS] += octets;
	if (got < n)
		fwd_carriers(f);
	return k;
}

enum fwd_fate esp_way_out(const struct fwd_tunnel *t)
{
	static const uint8_t none[ETH_ADDR_LEN];

	if (!t->wan)
		return FATE_DROP_NO_PORT;
	return memcmp(t->tunnel->config.next_hop, none, sizeof(none)) ? FATE_SENT_WAN
								      : FATE_DROP_NO_NEXT_HOP;
}

void esp_send(struct fwd *f)
{
	struct esp_queue *q = &f->queue;
	unsigned n = q->n;

	q->n = 0;
	if (n)
		guard_wan(f, q->wan, q->v, n);
}

struct pkt *esp_queue_at(struct fwd *f, struct fwd_port *wan, unsigned *room)
{
	struct esp_queue *q = &f->queue;

	if (q->wan != wan || q->n == PKT_BURST)
		esp_send(f);
	q->wan = wan;
	*room = PKT_BURST - q->n;
	return q->v + q->n;
}

static void queue(struct fwd *f, struct fwd_port *wan, const struct pkt *v, unsigned n)
{
	while (n) {
		unsigned room;
		struct pkt *to = esp_queue_at(f, wan, &room);

		if (room > n)
			room = n;
		memcpy(to, v, room * sizeof(*v));
		f->queue.n += room;
		v += room;
		n -= room;
	}
}

void esp_flush(struct fwd *f, struct esp_batch *b)
{
	unsigned n = b->n;

	b->n = 0;
	for (unsigned i = 0, end; i < n; i = end) {
		struct fwd_tunnel *t = b->x[i].tunnel;
		enum fwd_fate fate = esp_way_out(t);
		unsigned k;

		for (end = i + 1; end < n && b->x[end].sa == b->x[i].sa;)
			end++;
		if (fate != FATE_SENT_WAN) {
			for (unsigned j = i; j < end; j++)
				fwd_drop(f, &b->v[j], fate);
			continue;
		}
		k = seal(f, b->x[i].sa, b->v + i, b->x + i, end - i);
		queue(f, t->wan, b->v + i, k);
	}
}
