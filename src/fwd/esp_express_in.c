/*
 * esp_express_in: the short way through esp_in for what most packets are: from the very address and
 * port that a tunnel-mode SA for all of IPv4 has for its peer, over IPv4, behind no tags; and within,
 * a whole IPv4 packet without options to a host that begins no TCP connection. Each is looked at once
 * in front of the AEAD, for a run of one SA, and once behind it. Whatever differs is esp_in's: in
 * front, in its place in the order; behind, by the functions that the long way has.
 */
#include "fwd/esp_express_in.h"

/* A way for what the SA's packets have in common, or for none of them. */
static void way_set(struct fwd *f, struct esp_way *w, struct sa *sa)
{
	const struct fwd_tunnel *t = &f->tunnels[sa->esp.tunnel->slot];
	const uint16_t ports[2] = {htobe16(sa->esp.remote.port), htobe16(sa->esp.local.port)};
	uint8_t from[8] = {0};

	if (sa->esp.mode != ESP_TUNNEL || !sa->esp.any4 || sa->esp.iv_len != IV_LEN ||
	    sa->esp.align != 4 || sa->esp.icv_len != AEAD_TAG_LEN || sa->esp.local.family != 4 ||
	    !t->wan || t->wan->tag_len || !t->overlay)
		return;
	w->sa = sa;
	w->wan = (uint8_t)(t->wan - f->ports);
	w->overlay = (uint8_t)(t->overlay - f->ports);
	w->udp = sa->esp.local.port ? UDP_HEAD_LEN : 0;
	w->esn = sa->esp.esn;
	from[1] = w->udp ? IP_UDP : IP_ESP;
	memcpy(from + 4, sa->esp.remote.addr, 4);
	w->from = wide(from);
	memcpy(&w->to, sa->esp.local.addr, 4);
	memcpy(&w->ports, ports, sizeof(w->ports));
	memcpy(w->eth, t->overlay->mac, ETH_ADDR_LEN);
	memcpy(w->eth + ETH_ADDR_LEN, t->tunnel->config.peer, ETH_ADDR_LEN);
	w->eth[ETH_ADDRS_LEN] = ETH_TYPE_IPV4 >> 8;
	w->eth[ETH_ADDRS_LEN + 1] = ETH_TYPE_IPV4 & 0xff;
}

bool esp_way_make(struct fwd *f, struct esp_way *w, uint32_t spi)
{
	struct sa *sa = esp_lookup(f->sas, be32toh(spi));

	if (!sa)
		return false;
	*w = (struct esp_way){.epoch = f->epoch, .spi = spi};
	way_set(f, w, sa);
	return true;
}

bool esp_express_knows(struct fwd *f, const struct fwd_port *wan, struct esp_hint *h,
		       const struct pkt *p)
{
	const struct esp_way *w;
	uint32_t spi, udp;

	if (!esp_spi_of(p, &spi, &udp))
		return false;
	if (!h->known || h->way.spi != spi || h->way.udp != udp) {
		w = esp_way_find(f, wan, spi, udp);
		h->way = w ? *w : (struct esp_way){.spi = spi, .udp = (uint8_t)udp};
		h->known = true;
	}
	return h->way.sa && h->way.sa->esp.wrong < ESP_WRONG_MAX;
}

/*
 * The whole of an extended sequence number as esp_esn_recover() has it, where the upper half is that
 * of the highest accepted: so it is for lower halves from `low` on, `span` and no more.
 */
static void numbers_set(struct esp_hint *h)
{
	const uint64_t top = h->way.sa->next ? h->way.sa->next - 1 : 0;
	const uint32_t low = (uint32_t)top, most = (h->way.sa->window ? h->way.sa->window : 1) - 1;

	h->next = h->way.sa->next;
	h->salt = word(h->way.sa->nonce);
	if (!h->way.sa->esp.esn) {
		h->high = 0;
		h->low = 0;
		h->span = UINT32_MAX;
		return;
	}
	h->high = top & ~(uint64_t)UINT32_MAX;
	h->low = low >= most ? low - most : 0;
	h->span = low >= most ? UINT32_MAX - h->low : low - most - 1;
}

/* The packet has the shape and no check refuses it: tells the AEAD what to do. */
static inline __attribute__((always_inline)) bool look(const struct esp_hint *h,
						       const struct pkt *p, struct aead_op *op,
						       uint8_t aad[12], uint64_t *seq)
{
	uint32_t len, low;

	if (!has_shape(&h->way, p, &len))
		return false;
	low = be32toh(word(p->data + ETH_HEAD_LEN + IP4_HEAD_LEN + h->way.udp + 4));
	*seq = h->high | low;
	if (low - h->low > h->span ||
	    (*seq < h->next && (!*seq || sa_replay_check(h->way.sa, *seq))))
		return false;
	op_fill(&h->way, h->salt, p, len, *seq, op, aad);
	return true;
}

/* What esp_classify() would have said of a packet that was looked at. */
static struct esp_rx rx_of(const struct esp_way *w, struct pkt *p, const struct aead_op *op,
			   uint64_t seq)
{
	p->data += ETH_HEAD_LEN;
	p->len -= ETH_HEAD_LEN;
	return (struct esp_rx){.sa = w->sa,
			       .seq = seq,
			       .at = IP4_HEAD_LEN + w->udp,
			       .len = op->len,
			       .head = IP4_HEAD_LEN,
			       .next_at = 9,
			       .tos = p->data[1],
			       .family = 4,
			       .sport = w->sa->esp.remote.port,
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

__attribute__((noinline)) enum fwd_fate esp_express_judge(struct fwd *f, const struct esp_way *w,
							  struct pkt *p, unsigned i, bool accepted)
{
	const struct esp_rx rx = rx_of(w, p, &f->ops[i], f->seqs[i]);
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
			fwd_drop(f, &v[i], esp_express_judge(f, &h->way, &v[i], i, false));
			continue;
		}
		pkt_keep(v, k, i);
		f->ops[k] = f->ops[i];
		f->seqs[k++] = f->seqs[i];
	}
	return k;
}

/* Takes what is within out of the packets from the first on that are as usual. Returns how many. A
 * function of its own, like look_run(), so that the compiler keeps what each packet needs at hand. */
static __attribute__((noinline)) unsigned unwrap_run(const struct esp_way *way, struct pkt *v,
						     const struct aead_op *ops, unsigned n,
						     uint64_t *octets)
{
	const struct esp_way w = *way; /* nobody else's: a packet's stores are none to it */
	uint64_t all = 0;
	unsigned k = 0;

	for (; k < n && unwrap(&w, &v[k], &ops[k]); k++)
		all += v[k].len - ETH_HEAD_LEN;
	*octets += all;
	return k;
}

/* Packets that were looked at, decrypted if they verify. Returns how many are left for the overlay. */
static unsigned settle(struct fwd *f, const struct esp_hint *h, struct pkt *v, unsigned n,
		       bool in_order)
{
	struct sa *sa = h->way.sa;
	const bool all = aead_open(sa->key, f->ops, n) == n;
	unsigned good, k = 0, express = 0;
	uint64_t octets = 0;

	if (!all)
		n = drop_invalid(f, h, v, n);
	good = accept_run(f, sa, f->ops, n, all && in_order);
	for (unsigned i = 0; i < n; i++) {
		unsigned m =
			i < good ? unwrap_run(&h->way, v + i, f->ops + i, good - i, &octets) : 0;
		enum fwd_fate fate;

		if (k != i && m)
			memmove(v + k, v + i, m * sizeof(*v));
		express += m;
		k += m;
		i += m;
		if (i == n)
			break;
		fate = esp_express_judge(f, &h->way, &v[i], i, i < good);
		if (fate == FATE_SENT_OVERLAY)
			pkt_keep(v, k++, i);
		else
			fwd_drop(f, &v[i], fate);
	}
	sa->esp.counts[ESP_PKTS] += express;
	sa->esp.counts[ESP_OCTETS] += octets;
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
	return spi == h->way.spi || !spi || (h->strangers && !esp_lookup(f->sas, be32toh(spi)));
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
	const uint32_t at = ETH_HEAD_LEN + IP4_HEAD_LEN + h->way.udp;

	return !h->strangers && p->len >= at + ESP_HEAD_LEN &&
	       p->data[ETH_HEAD_LEN + 9] == (h->way.udp ? IP_UDP : IP_ESP) && word(p->data + at) &&
	       word(p->data + at) != h->way.spi;
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

/* Looks at the packets from the first on that are the hint's. Returns how many; *in_order: their
 * numbers follow on each other and on the highest accepted. */
static __attribute__((noinline)) unsigned look_run(struct fwd *f, const struct esp_hint *hint,
						   const struct pkt *v, unsigned n, bool *in_order)
{
	const struct esp_hint h = *hint; /* as in unwrap_run() */
	uint64_t gaps = 0, next = h.next;
	unsigned k = 0;

	for (; k < n && look(&h, &v[k], &f->ops[k], f->aad[k], &f->seqs[k]); k++)
		gaps |= f->seqs[k] ^ next++;
	*in_order = !gaps;
	return k;
}

unsigned esp_express_in(struct fwd *f, struct fwd_port *wan, struct esp_hint *h, struct pkt *v,
			unsigned n, unsigned *left)
{
	unsigned k = 0, end;
	bool in_order;

	if (!esp_express_knows(f, wan, h, v))
		return 0;
	if (n > 1 && is_others(h, &v[1])) {
		k = esp_express_in_each(f, wan, v, n, left);
		if (k)
			return k;
	}
	numbers_set(h);
	end = k = look_run(f, h, v, n, &in_order);
	if (k && k < n && !is_others(h, &v[k])) {
		end = run_on(f, wan, h, v, n, &k);
		in_order = false; /* not looked for */
	}
	*left = k ? settle(f, h, v, k, in_order) : 0;
	return end;
}
