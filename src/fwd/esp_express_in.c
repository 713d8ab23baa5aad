/*
 * esp_express_in: the short way through esp_in for what most packets are: from the very address and
 * port that a tunnel-mode SA for all of IPv4 has for its peer, over IPv4, behind no tags; and within,
 * a whole IPv4 packet without options to a host that begins no TCP connection. Each is looked at once
 * in front of the AEAD, for a run of one SA, and once behind it. Whatever differs is esp_in's: in
 * front, in its place in the order; behind, by the functions that the long way has.
 */
#include "fwd/path.h"
#include "sa/replay.h"
#include "wire/ip.h"

#include <endian.h>
#include <string.h>

#define IV_LEN 8 /* of every suite that takes this way */

static inline uint32_t word(const uint8_t *p)
{
	uint32_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

static inline uint64_t wide(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* Which SA it is, and what its packets have in common. */
static void hint_set(struct fwd *f, const struct fwd_port *wan, struct esp_hint *h, uint32_t spi,
		     bool udp)
{
	struct sa *sa = esp_lookup(f->sas, be32toh(spi));
	static const uint8_t from_of[8] = {0, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff};
	uint8_t from[8] = {0};
	const uint16_t ports[2] = {sa ? htobe16(sa->esp.remote.port) : 0,
				   sa ? htobe16(sa->esp.local.port) : 0};

	*h = (struct esp_hint){.spi = spi,
			       .udp = udp ? UDP_HEAD_LEN : 0,
			       .known = true,
			       .strangers = h->strangers};
	if (!sa || sa->esp.mode != ESP_TUNNEL || !sa->esp.any4 || sa->esp.iv_len != IV_LEN ||
	    sa->esp.align != 4 || sa->esp.icv_len != AEAD_TAG_LEN || sa->esp.local.family != 4 ||
	    udp != (sa->esp.local.port != 0) || wan->tag_len)
		return;
	h->tunnel = &f->tunnels[sa->esp.tunnel->slot];
	if (h->tunnel->wan != wan || !h->tunnel->overlay)
		return;
	h->sa = sa;
	h->esn = sa->esp.esn;
	from[1] = udp ? IP_UDP : IP_ESP;
	memcpy(from + 4, sa->esp.remote.addr, 4);
	h->from = wide(from);
	h->from_of = wide(from_of);
	memcpy(&h->to, sa->esp.local.addr, 4);
	memcpy(&h->ports, ports, sizeof(h->ports));
	memcpy(&h->salt, sa->nonce, sizeof(h->salt));
}

bool esp_express_knows(struct fwd *f, const struct fwd_port *wan, struct esp_hint *h,
		       const struct pkt *p)
{
	const uint8_t *ip = p->data + ETH_HEAD_LEN;
	uint32_t spi, udp;

	if (p->len < ETH_HEAD_LEN + IP4_HEAD_LEN + UDP_HEAD_LEN + ESP_HEAD_LEN ||
	    p->data[12] != ETH_TYPE_IPV4 >> 8 || p->data[13] != (ETH_TYPE_IPV4 & 0xff) ||
	    (ip[9] != IP_ESP && ip[9] != IP_UDP))
		return false;
	udp = ip[9] == IP_UDP ? UDP_HEAD_LEN : 0;
	spi = word(ip + IP4_HEAD_LEN + udp);
	if (!h->known || h->spi != spi || h->udp != udp)
		hint_set(f, wan, h, spi, udp);
	return h->sa && h->sa->esp.wrong < ESP_WRONG_MAX;
}

/*
 * The whole of an extended sequence number as esp_esn_recover() has it, where the upper half is that
 * of the highest accepted: so it is for lower halves from `low` on, `span` and no more.
 */
static void numbers_set(struct esp_hint *h)
{
	const uint64_t top = h->sa->next ? h->sa->next - 1 : 0;
	const uint32_t low = (uint32_t)top, most = (h->sa->window ? h->sa->window : 1) - 1;

	h->next = h->sa->next;
	if (!h->sa->esp.esn) {
		h->high = 0;
		h->low = 0;
		h->span = UINT32_MAX;
		return;
	}
	h->high = top & ~(uint64_t)UINT32_MAX;
	h->low = low >= most ? low - most : 0;
	h->span = low >= most ? UINT32_MAX - h->low : low - most - 1;
}

/* The outer header is the SA's: IPv4 without options, not in pieces, from and to where it is. */
static inline bool outer_fits(const struct esp_hint *h, const uint8_t *ip)
{
	static const uint8_t head_of[8] = {0xff, 0, 0, 0, 0, 0, 0x3f, 0xff}, head[8] = {0x45};

	return (wide(ip) & wide(head_of)) == wide(head) && (wide(ip + 8) & h->from_of) == h->from &&
	       word(ip + 16) == h->to && ip4_plain_sums_up(ip);
}

/* The packet has the shape and no check refuses it: tells the AEAD what to do. */
static inline __attribute__((always_inline)) bool look(const struct esp_hint *h,
						       const struct pkt *p, struct aead_op *op,
						       uint8_t aad[12], uint64_t *seq)
{
	const uint32_t least = IP4_HEAD_LEN + h->udp + ESP_HEAD_LEN + IV_LEN + AEAD_TAG_LEN;
	const uint8_t *ip = p->data + ETH_HEAD_LEN;
	uint8_t *esp = p->data + ETH_HEAD_LEN + IP4_HEAD_LEN + h->udp;
	uint32_t room = p->len - (ETH_HEAD_LEN + least), len, low;
	uint64_t seq_be;

	if (p->len < ETH_HEAD_LEN + least + ESP_TRAILER_LEN || word(esp) != h->spi ||
	    p->data[12] != ETH_TYPE_IPV4 >> 8 || p->data[13] != (ETH_TYPE_IPV4 & 0xff) ||
	    !outer_fits(h, ip))
		return false;
	len = ((uint32_t)ip[2] << 8 | ip[3]) - least;
	if (len - ESP_TRAILER_LEN > room - ESP_TRAILER_LEN || len & 3)
		return false;
	if (h->udp && (word(ip + IP4_HEAD_LEN) != h->ports ||
		       ((uint32_t)ip[24] << 8 | ip[25]) != len + least - IP4_HEAD_LEN))
		return false;
	low = be32toh(word(esp + 4));
	*seq = h->high | low;
	if (low - h->low > h->span || (*seq < h->next && (!*seq || sa_replay_check(h->sa, *seq))))
		return false;
	seq_be = htobe64(*seq);
	memcpy(aad, &h->spi, sizeof(h->spi));
	memcpy(aad + 4, &seq_be, sizeof(seq_be));
	op->aad = h->esn ? aad : esp;
	op->aad_len = h->esn ? 12 : ESP_HEAD_LEN;
	op->data = esp + ESP_HEAD_LEN + IV_LEN;
	op->len = len;
	op->tag = op->data + len;
	memcpy(op->nonce, &h->salt, sizeof(h->salt));
	memcpy(op->nonce + 4, esp + ESP_HEAD_LEN, IV_LEN); /* the sender's choice, not our guess */
	return true;
}

/* What esp_classify() would have said of a packet that was looked at. */
static struct esp_rx rx_of(const struct esp_hint *h, struct pkt *p, const struct aead_op *op,
			   uint64_t seq)
{
	p->data += ETH_HEAD_LEN;
	p->len -= ETH_HEAD_LEN;
	return (struct esp_rx){.sa = h->sa,
			       .seq = seq,
			       .at = IP4_HEAD_LEN + h->udp,
			       .len = op->len,
			       .head = IP4_HEAD_LEN,
			       .next_at = 9,
			       .tos = p->data[1],
			       .family = 4,
			       .sport = h->sa->esp.remote.port,
			       .src = p->data + 12};
}

/* All packets from the first on that verified and whose numbers follow on the highest accepted,
 * at once. in_order: so do those of all of them. Returns how many they are. */
static unsigned accept_run(struct fwd *f, struct sa *sa, const struct aead_op *op, unsigned n,
			   bool in_order)
{
	const uint64_t next = sa->next;
	unsigned k = in_order ? n : 0;

	if (next > UINT64_MAX - PKT_BURST)
		return 0;
	while (k < n && op[k].ok && f->seqs[k] == next + k)
		k++;
	if (!k)
		return 0;
	sa_replay_accept_run(sa, k);
	sa->esp.wrong = 0;
	esp_used_note(f, sa);
	return k;
}

/* Bytes of the trailer that ends there, behind an IPv4 packet and at most 3 octets of padding; or 0:
 * it is another. */
static inline uint32_t trailer_of(const uint8_t *end)
{
	static const uint64_t ends[4] = {
		UINT64_C(0x0400) << 48,
		UINT64_C(0x040101) << 40,
		UINT64_C(0x04020201) << 32,
		UINT64_C(0x0403030201) << 24,
	};
	const uint64_t all = le64toh(wide(end - 8));
	const uint32_t pad = (uint8_t)(all >> 48);

	return pad < 4 && !((all ^ ends[pad]) >> (48 - 8 * pad)) ? pad + ESP_TRAILER_LEN : 0;
}

/* The inner packet in the frame that the overlay gets, eth: what stands in front of it. False, and
 * nothing is done: it is another kind. */
static inline bool unwrap(struct pkt *p, const struct aead_op *op, uint32_t outer,
			  const uint8_t eth[ETH_HEAD_LEN])
{
	uint8_t *h = op->data;
	uint32_t trailer, len, ecn;

	if (op->len < IP4_HEAD_LEN + 4 + ESP_TRAILER_LEN)
		return false;
	trailer = trailer_of(h + op->len);
	len = trailer ? ip4_plain_len(h, op->len - trailer) : 0;
	ecn = *(h - outer + 1) & IP_TOS_ECN;
	if (!len || h[16] >= 224 || ip4_plain_opens_tcp(h, len) ||
	    (ecn && ecn != (h[1] & IP_TOS_ECN)))
		return false;
	memcpy(h - ETH_HEAD_LEN, eth, ETH_HEAD_LEN);
	p->data = h - ETH_HEAD_LEN;
	p->len = len + ETH_HEAD_LEN;
	p->mark = PKT_OPENED;
	return true;
}

/* Any packet that was looked at, as esp_in's long way would have it from there on. */
static __attribute__((noinline)) enum fwd_fate judge(struct fwd *f, const struct esp_hint *h,
						     struct pkt *p, unsigned i, bool accepted)
{
	const struct esp_rx rx = rx_of(h, p, &f->ops[i], f->seqs[i]);
	enum fwd_fate fate = accepted ? FATE_SENT_OVERLAY : esp_verified(f, &rx, &f->ops[i]);

	return fate == FATE_SENT_OVERLAY ? esp_judge(f, p, &rx) : fate;
}

/* Drops what did not verify, so that it is in no run's way. Returns how many are left. */
static __attribute__((noinline)) unsigned drop_invalid(struct fwd *f, const struct esp_hint *h,
						       struct pkt *v, unsigned n)
{
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!f->ops[i].ok) {
			fwd_drop(f, &v[i], judge(f, h, &v[i], i, false));
			continue;
		}
		pkt_keep(v, k, i);
		f->ops[k] = f->ops[i];
		f->seqs[k++] = f->seqs[i];
	}
	return k;
}

/* Packets that were looked at, decrypted if they verify. Returns how many are left for the overlay. */
static unsigned settle(struct fwd *f, const struct esp_hint *h, struct pkt *v, unsigned n,
		       bool in_order)
{
	const uint32_t outer = IP4_HEAD_LEN + h->udp + ESP_HEAD_LEN + IV_LEN;
	struct sa *sa = h->sa;
	const bool all = aead_open(sa->key, f->ops, n) == n;
	unsigned good;
	uint8_t eth[ETH_HEAD_LEN];
	uint64_t octets = 0;
	unsigned k = 0, express = 0;

	if (!all)
		n = drop_invalid(f, h, v, n);
	good = accept_run(f, sa, f->ops, n, all && in_order);
	memcpy(eth, h->tunnel->overlay->mac, ETH_ADDR_LEN);
	memcpy(eth + ETH_ADDR_LEN, h->tunnel->tunnel->config.peer, ETH_ADDR_LEN);
	eth[ETH_ADDRS_LEN] = ETH_TYPE_IPV4 >> 8;
	eth[ETH_ADDRS_LEN + 1] = ETH_TYPE_IPV4 & 0xff;
	for (unsigned i = 0; i < n; i++) {
		enum fwd_fate fate;

		if (i < good && unwrap(&v[i], &f->ops[i], outer, eth)) {
			octets += v[i].len;
			express++;
			pkt_keep(v, k++, i);
			continue;
		}
		fate = judge(f, h, &v[i], i, i < good);
		if (fate == FATE_SENT_OVERLAY)
			pkt_keep(v, k++, i);
		else
			fwd_drop(f, &v[i], fate);
	}
	sa->esp.counts[ESP_PKTS] += express;
	sa->esp.counts[ESP_OCTETS] += octets - (uint64_t)express * ETH_HEAD_LEN;
	return k;
}

/*
 * What is not worth the end of a run: IPv4 that is no ESP at all or cut short, and packets of the run's
 * own SPI that did not look right. Those of no SA are looked for only where one was in this burst
 * already, for else a packet of another SPI has an SA. What came in pieces and ICMP always are worth it.
 */
static bool may_be_garbage(const struct fwd *f, const struct esp_hint *h, const struct pkt *p)
{
	const uint8_t *ip = p->data + ETH_HEAD_LEN, *esp = ip + IP4_HEAD_LEN;
	uint32_t spi;

	if (p->len < ETH_HEAD_LEN || p->data[12] != ETH_TYPE_IPV4 >> 8 ||
	    p->data[13] != (ETH_TYPE_IPV4 & 0xff))
		return false;
	if (p->len < ETH_HEAD_LEN + IP4_HEAD_LEN)
		return true;
	if (ip[6] & 0x3f || ip[7] || ip[9] == IP_ICMP)
		return false;
	if (ip[9] == IP_UDP)
		esp += UDP_HEAD_LEN;
	else if (ip[9] != IP_ESP)
		return true;
	if (p->data + p->len < esp + ESP_HEAD_LEN)
		return true;
	spi = word(esp);
	return spi == h->spi || !spi || (h->strangers && !esp_lookup(f->sas, be32toh(spi)));
}

/* Drops garbage between two packets of a run in its place, by its name. False: it was none. */
static __attribute__((noinline)) bool drop_garbage(struct fwd *f, struct fwd_port *wan,
						   const struct esp_hint *h, struct pkt *p)
{
	const struct pkt as_it_was = *p;
	struct esp_rx rx;
	enum fwd_fate fate;

	if (!may_be_garbage(f, h, p))
		return false;
	fate = esp_classify(f, wan, p, &rx);
	if (fate == FATE_SENT_OVERLAY) {
		*p = as_it_was;
		return false;
	}
	if (fate == FATE_DROP_UNKNOWN_SPI)
		early_keep(f, wan, p, be32toh(word(p->data + rx.at)));
	else
		fwd_drop(f, p, fate);
	return true;
}

/* A packet of another SA, as far as its place tells. */
static inline bool is_others(const struct esp_hint *h, const struct pkt *p)
{
	const uint32_t at = ETH_HEAD_LEN + IP4_HEAD_LEN + h->udp;

	return !h->strangers && p->len >= at + ESP_HEAD_LEN &&
	       p->data[ETH_HEAD_LEN + 9] == (h->udp ? IP_UDP : IP_ESP) && word(p->data + at) &&
	       word(p->data + at) != h->spi;
}

static __attribute__((noinline)) bool look_again(struct fwd *f, const struct esp_hint *h,
						 const struct pkt *p, unsigned k)
{
	return look(h, p, &f->ops[k], f->aad[k], &f->seqs[k]);
}

/* Goes on with a run of *k packets behind garbage; i: the first that did not look right. Returns where
 * the run ends. */
static __attribute__((noinline)) unsigned run_on(struct fwd *f, struct fwd_port *wan,
						 const struct esp_hint *h, struct pkt *v,
						 unsigned n, unsigned *k)
{
	unsigned i = *k;

	for (; i < n; i++) {
		if (look_again(f, h, &v[i], *k)) {
			pkt_keep(v, *k, i);
			++*k;
		} else if (is_others(h, &v[i]) || !drop_garbage(f, wan, h, &v[i])) {
			break;
		}
	}
	return i;
}

unsigned esp_express_in(struct fwd *f, struct fwd_port *wan, struct esp_hint *hint, struct pkt *v,
			unsigned n, unsigned *left)
{
	struct esp_hint h;
	uint64_t gaps = 0, next;
	unsigned k = 0, end;

	if (!esp_express_knows(f, wan, hint, v))
		return 0;
	numbers_set(hint);
	h = *hint;
	next = h.next;
	for (; k < n && look(&h, &v[k], &f->ops[k], f->aad[k], &f->seqs[k]); k++)
		gaps |= f->seqs[k] ^ next++;
	end = k;
	if (k && k < n && !is_others(&h, &v[k])) {
		end = run_on(f, wan, &h, v, n, &k);
		gaps = 1; /* not looked for */
	}
	*left = k ? settle(f, &h, v, k, !gaps) : 0;
	return end;
}
