/*
 * transit: packets that an overlay's peer sent and that the kernel would send on into an overlay,
 * out of the same or another one, go there without the way up into the kernel and back.
 *
 * The kernel's own routes decide (fib/fib.h, written by control), and it is told apart what it alone
 * can do: only an authenticated IPv4 packet without options, or an IPv6 packet without hop-by-hop
 * options, from a host to a host, with a TTL to spare, whose source is routed back to where it came
 * from, by a next hop whose MAC address the kernel knows as reachable, and that fits, is taken. All
 * else goes to the overlay's interface as ever, and the kernel says what is to be said.
 *
 * It passes by netfilter, policy rules and tc: so it is open only as long as the parent says that
 * there are none (src/proc/hooks.h), or the file that it does not matter. From here on a packet is as
 * one that was read from the overlay's interface: it bears no mark, and leaves only if it is sealed.
 */
#include "fib/fib.h"
#include "fwd/path.h"
#include "wire/eth.h"

/* What the packet before this one in a burst was: packets come in flows. */
struct flow {
	uint32_t src, dst;
	uint64_t way; /* 0: there was none */
	uint32_t mtu;
};

static uint32_t host_order(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

/* An address of one host that may be routed. */
static bool host4(uint32_t a)
{
	return a >> 24 != 0 && a >> 24 != 127 && a >> 28 < 14;
}

static bool host6(const uint8_t *a)
{
	static const uint8_t low[8]; /* unspecified, loopback, IPv4-compatible */

	return a[0] != 0xff && !(a[0] == 0xfe && (a[1] & 0xc0) == 0x80) &&
	       memcmp(a, low, sizeof(low)) != 0;
}

static uint64_t way_of(const struct fib *fib, uint16_t hop, uint32_t *mtu)
{
	*mtu = __atomic_load_n(&fib->hops[hop].mtu, __ATOMIC_RELAXED);
	return __atomic_load_n(&fib->hops[hop].way, __ATOMIC_ACQUIRE);
}

/* The way to the destination, if the source is behind the port that it came from; or 0. */
static uint64_t way4(const struct fib *fib, uint16_t from, const uint8_t *h, struct flow *last)
{
	uint32_t src = host_order(h + 12), dst = host_order(h + 16), mtu;

	if (src == last->src && dst == last->dst)
		return last->way;
	*last = (struct flow){.src = src, .dst = dst};
	if (!host4(src) || !host4(dst) ||
	    way_of(fib, fib4_lookup(fib, src), &mtu) >> FIB_HOP_PORT_SHIFT != from)
		return 0;
	last->way = way_of(fib, fib4_lookup(fib, dst), &last->mtu);
	return last->way;
}

static uint64_t way6(const struct fib *fib, uint16_t from, const uint8_t *h, uint32_t *mtu)
{
	if (!host6(h + 8) || !host6(h + 24) ||
	    way_of(fib, fib6_lookup(fib, h + 8), mtu) >> FIB_HOP_PORT_SHIFT != from)
		return 0;
	return way_of(fib, fib6_lookup(fib, h + 24), mtu);
}

/* Where a packet goes on, as fib_hop has it; 0: the kernel's. */
static uint64_t way(const struct fib *fib, const struct fwd_port *in, uint32_t forwards,
		    const struct pkt *p, struct flow *last)
{
	const uint8_t *h = p->data + ETH_HEAD_LEN;
	uint32_t len, mtu = 0;
	uint64_t to = 0;

	if (p->mark != PKT_OPENED || p->len < ETH_HEAD_LEN + IP4_HEAD_LEN ||
	    memcmp(p->data, in->mac, ETH_ADDR_LEN) != 0)
		return 0;
	if (p->data[12] == ETH_TYPE_IPV4 >> 8 && p->data[13] == (ETH_TYPE_IPV4 & 0xff)) {
		len = ip4_plain_len(h, p->len - ETH_HEAD_LEN);
		if (!len || h[8] <= 1 || !(forwards & FIB_PORT_FORWARD4))
			return 0;
		to = way4(fib, in->id, h, last);
		mtu = last->mtu;
	} else if (p->data[12] == ETH_TYPE_IPV6 >> 8 && p->data[13] == (ETH_TYPE_IPV6 & 0xff) &&
		   p->len >= ETH_HEAD_LEN + IP6_HEAD_LEN) {
		len = IP6_HEAD_LEN + ((uint32_t)h[4] << 8 | h[5]);
		if (h[0] >> 4 != 6 || len > p->len - ETH_HEAD_LEN || h[6] == IP_HOP_BY_HOP ||
		    h[7] <= 1 || !(forwards & FIB_PORT_FORWARD6))
			return 0;
		to = way6(fib, in->id, h, &mtu);
	} else {
		return 0;
	}
	return len <= mtu ? to : 0;
}

/* Has the entries for all of a burst's destinations fetched at once: with many routes each is in
 * another place, and one after the other would wait for each. What is no IPv4 packet does no harm. */
static void fetch(const struct fib *fib, const struct pkt *v, unsigned n)
{
	uint32_t dst[PKT_BURST];

	for (unsigned i = 0; i < n; i++) {
		dst[i] = v[i].len < ETH_HEAD_LEN + IP4_HEAD_LEN
				 ? 0
				 : host_order(v[i].data + ETH_HEAD_LEN + 16);
		__builtin_prefetch(&fib->root4[dst[i] >> 16]);
	}
	for (unsigned i = 0; i < n; i++) {
		uint32_t e = fib_load(&fib->root4[dst[i] >> 16]);

		if (e & FIB_CHILD)
			__builtin_prefetch(&fib->tables4[e & (FIB_TABLES - 1)][dst[i] >> 8 & 0xff]);
	}
}

static void mac_of(uint64_t to, uint8_t mac[ETH_ADDR_LEN])
{
	for (unsigned i = 0; i < ETH_ADDR_LEN; i++)
		mac[i] = (uint8_t)(to >> (40 - 8 * i));
}

/* What a router does to a packet. The header is whole, and its TTL more than 1. */
static void hop(struct pkt *p, const struct fwd_port *out, const uint8_t mac[ETH_ADDR_LEN])
{
	uint8_t *h = p->data + ETH_HEAD_LEN;
	uint16_t from, to, sum;

	memcpy(p->data, mac, ETH_ADDR_LEN);
	memcpy(p->data + ETH_ADDR_LEN, out->mac, ETH_ADDR_LEN);
	p->mark = 0;
	if (h[0] >> 4 == 6) {
		h[7]--;
		return;
	}
	memcpy(&from, h + 8, sizeof(from));
	h[8]--;
	memcpy(&to, h + 8, sizeof(to));
	memcpy(&sum, h + 10, sizeof(sum));
	sum = ip_checksum_update(sum, from, to);
	memcpy(h + 10, &sum, sizeof(sum));
}

unsigned transit_take(struct fwd *f, const struct fwd_port *in, struct pkt *v, unsigned n)
{
	struct fwd_transit *t = f->transit;
	const struct fib *fib = t->fib;
	struct flow last = {0};
	uint64_t to[PKT_BURST];
	uint32_t forwards, turn;
	unsigned k = 0;

	if (n > PKT_BURST || in->id >= FIB_PORTS || !fib_live(fib, f->now))
		return n;
	forwards = fib_load(&fib->ports[in->id]);
	turn = fib_begin(fib);
	fetch(fib, v, n);
	for (unsigned i = 0; i < n; i++)
		to[i] = way(fib, in, forwards, &v[i], &last);
	if (!fib_same(fib, turn))
		return n; /* the kernel knows */
	for (unsigned i = 0; i < n; i++) {
		struct fwd_port *out =
			to[i] ? t->overlays[(to[i] >> FIB_HOP_PORT_SHIFT) & (FIB_PORTS - 1)] : NULL;
		uint8_t mac[ETH_ADDR_LEN];

		mac_of(to[i], mac);
		/* Back to whom it came from: the kernel tells him of the shorter way. */
		if (!out || out->id != to[i] >> FIB_HOP_PORT_SHIFT || t->n == PKT_BURST ||
		    memcmp(mac, v[i].data + ETH_ADDR_LEN, sizeof(mac)) == 0) {
			pkt_keep(v, k++, i);
			continue;
		}
		hop(&v[i], out, mac);
		t->out[t->n] = out;
		t->v[t->n++] = v[i];
	}
	return k;
}

void transit_send(struct fwd *f)
{
	struct fwd_transit *t = f->transit;
	unsigned n = t->n;

	t->n = 0;
	f->fates[FATE_TRANSIT] += n;
	for (unsigned i = 0, end; i < n; i = end) {
		struct fwd_port *out = t->out[i];

		for (end = i + 1; end < n && t->out[end] == out;)
			end++;
		if (out->tunnels)
			esp_out(f, out, t->v + i, end - i);
		else
			macsec_out(f, out->secy, t->v + i, end - i);
	}
}

void transit_relink(struct fwd *f)
{
	struct fwd_transit *t = &f->transit_state;

	memset(t->overlays, 0, sizeof(t->overlays));
	for (unsigned i = 0; i < f->port_count; i++)
		if (f->ports[i].port && f->ports[i].kind == MSG_PORT_OVERLAY &&
		    f->ports[i].id < FIB_PORTS)
			t->overlays[f->ports[i].id] = &f->ports[i];
}

void fwd_routes(struct fwd *f, const struct fib *fib)
{
	f->transit_state.fib = fib;
	if (!fib)
		f->transit = NULL;
}

void fwd_transit(struct fwd *f, bool open)
{
	works_drain(f);
	f->transit = open && f->transit_state.fib ? &f->transit_state : NULL;
}
