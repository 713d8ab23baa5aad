/*
 * esp_express: the short way of ESP against the long one. Two nodes get the same packets under the
 * same keys: one by one where the selectors of the SAs, cut in halves, make every packet go the long
 * way, and in bursts of any size where most go the short way. What leaves must be the same bytes in
 * the same order for each SA, and so must be what became of the rest.
 */
#include "base/clock.h"
#include "fwd/esp_express_in.h"
#include "fwd/esp_node_test.h"

#define PEERS 5 /* nodes 2 to 6, of tunnels ESP_TUNNEL_ID and the next ones */

struct frame {
	size_t len;
	uint8_t b[2048];
};

static void selectors_halve(struct msg_selectors *s)
{
	s->count = 4;
	for (unsigned i = 0; i < 2; i++) {
		s->v[i] = esp_any(4);
		s->v[i + 2] = esp_any(6);
		(i ? s->v[i].lo : s->v[i].hi)[0] = i ? 0x80 : 0x7f;
		(i ? s->v[i + 2].lo : s->v[i + 2].hi)[0] = i ? 0x80 : 0x7f;
	}
}

/* Not all peers agree on the same: packets of several kinds meet in one burst. */
static struct esp_setup setup_of(const struct esp_setup *s, unsigned peer)
{
	struct esp_setup one = *s;

	if (peer == 1)
		one.suite = ESP_CHACHA20_POLY1305;
	if (peer == 2)
		one.esn = !s->esn;
	return one;
}

/* A tunnel to each peer, and an SA each way; node 1 is the one at hand. */
static void node_make(struct node *n, unsigned id, const struct esp_setup *s, bool halves)
{
	struct msg m = {.type = MSG_SECY_DEL, .secy = NODE_SECY};

	node_init(n, (uint8_t)id, 0);
	assert_int_equal(fwd_control(n->f, &m), 0);
	esp_ports_add(n, s);
	n->vlan = s->vlan;
	for (unsigned peer = 0; peer < PEERS; peer++) {
		/* The far node plays both peers. */
		unsigned own = id == 1 ? 1 : 2 + peer, other = id == 1 ? 2 + peer : 1;
		struct esp_setup one = setup_of(s, peer);

		m = esp_tunnel(id == 1 ? other : 2 + peer, id, (uint16_t)(ESP_TUNNEL_ID + peer), s);
		assert_int_equal(fwd_control(n->f, &m), 0);
		for (unsigned tx = 0; tx < 2; tx++) {
			m = esp_sa(tx ? own : other, tx ? other : own, tx, peer + 1, &one);
			m.esp.tunnel = (uint16_t)(ESP_TUNNEL_ID + peer);
			if (halves) {
				selectors_halve(&m.esp.ts_local);
				selectors_halve(&m.esp.ts_remote);
			}
			assert_int_equal(fwd_control(n->f, &m), 0);
		}
	}
}

static void sum_set(uint8_t *ip)
{
	uint16_t sum = 0;

	memcpy(ip + 10, &sum, 2);
	sum = ip_checksum(ip_sum(ip, IP4_HEAD_LEN));
	memcpy(ip + 10, &sum, 2);
}

/* What hosts may send, and some things that none should. */
static void frame_make(struct rng *r, struct frame *f)
{
	uint8_t *ip = f->b + ETH_HEAD_LEN;
	unsigned kind = pick(r, 40);
	size_t len = 20 + pick(r, pick(r, 4) ? 200 : 1600);

	if (kind == 1 && len < 40)
		len = 40;
	f->len = esp_frame(f->b, kind == 1 ? 6 : 4, 2 + pick(r, PEERS), len, (uint8_t)pick(r, 256),
			   pick(r, 2));
	switch (kind) {
	case 2: /* TCP, with whatever flags */
		ip[9] = IP_TCP;
		sum_set(ip);
		break;
	case 3: /* options, or what looks like them */
		ip[0] = (uint8_t)(0x40 | pick(r, 16));
		sum_set(ip);
		break;
	case 4: /* a piece */
		ip[6] = (uint8_t)pick(r, 64);
		ip[7] = (uint8_t)pick(r, 2);
		sum_set(ip);
		break;
	case 5:
		ip[10 + pick(r, 2)] ^= (uint8_t)(1 + pick(r, 255));
		break;
	case 6: /* a length that is not the frame's */
		ip_len_set(ip, pick(r, 1700));
		sum_set(ip);
		break;
	case 7: /* to all, to nobody, cut short, of no such kind */
		f->b[pick(r, 14)] ^= (uint8_t)(1u << pick(r, 8));
		break;
	case 8:
		f->len = pick(r, 40) + 1;
		break;
	case 9: /* padded, as short frames are */
		f->len += pick(r, 30);
		break;
	case 10: /* anything else */
		for (unsigned i = 0; i < 3; i++)
			f->b[pick(r, (uint32_t)f->len)] = (uint8_t)pick(r, 256);
		break;
	default:
		break;
	}
}

/* Where a node's frames were, in the order in which they came out there. */
static unsigned taken(struct node *n, struct port *far, struct frame *v, unsigned max)
{
	unsigned k = 0;

	while (k < max && (v[k].len = node_take(n, far, v[k].b)))
		k++;
	return k;
}

/* A wire frame's SPI, if it has one where an overlay's packets to a peer have it. */
static uint32_t spi_at(const struct frame *f, uint32_t at)
{
	uint32_t spi = 0;

	if (at && f->len >= at + 4)
		memcpy(&spi, f->b + at, 4);
	return spi;
}

/* The same frames in v and w, and for each SPI at `at` in the same order. */
static void same(struct frame *v, unsigned n, struct frame *w, unsigned m, uint32_t at)
{
	assert_int_equal(n, m);
	for (unsigned i = 0; i < n; i++) {
		unsigned k = 0;

		while (k < m && (!w[k].len || spi_at(&w[k], at) != spi_at(&v[i], at)))
			k++;
		assert_true(k < m);
		assert_int_equal(v[i].len, w[k].len);
		assert_memory_equal(v[i].b, w[k].b, v[i].len);
		w[k].len = 0;
	}
}

/* A changed copy of a packet is told by the replay window where the packet itself was settled before
 * it, and by its ICV where both are in one run: these count as one. */
static void refused_join(uint64_t fates[FATE_COUNT])
{
	fates[FATE_DROP_NOT_VALID] += fates[FATE_DROP_DUPLICATE] + fates[FATE_DROP_LATE];
	fates[FATE_DROP_DUPLICATE] = fates[FATE_DROP_LATE] = 0;
}

static void same_sa(const struct sa *a, const struct sa *b)
{
	uint64_t x[ESP_COUNT_COUNT], y[ESP_COUNT_COUNT];

	memcpy(x, a->esp.counts, sizeof(x));
	memcpy(y, b->esp.counts, sizeof(y));
	x[ESP_NOT_VALID] += x[ESP_REPLAY];
	y[ESP_NOT_VALID] += y[ESP_REPLAY];
	x[ESP_REPLAY] = y[ESP_REPLAY] = 0;
	assert_int_equal(a->next, b->next);
	assert_memory_equal(x, y, sizeof(x));
}

static void same_counts(struct node *x, struct node *y)
{
	uint64_t a[FATE_COUNT], b[FATE_COUNT];

	memcpy(a, x->f->fates, sizeof(a));
	memcpy(b, y->f->fates, sizeof(b));
	refused_join(a);
	refused_join(b);
	for (unsigned i = 0; i < FATE_COUNT; i++)
		if (a[i] != b[i])
			fail_msg("%s: %lu in bursts, %lu one by one", fwd_fate_names[i], a[i],
				 b[i]);
	for (unsigned peer = 0; peer < PEERS; peer++) {
		struct tunnel *m = tunnel_find(x->f->sas, (uint16_t)(ESP_TUNNEL_ID + peer));
		struct tunnel *n = tunnel_find(y->f->sas, (uint16_t)(ESP_TUNNEL_ID + peer));

		same_sa(m->tx, n->tx);
		same_sa(m->rx, n->rx);
	}
}

static struct esp_setup setup_pick(struct rng *r, unsigned round)
{
	const uint8_t suites[] = {ESP_AES_GCM_16_256, ESP_AES_GCM_16_128, ESP_CHACHA20_POLY1305,
				  ESP_AES_CBC_256_SHA2_256_128};

	return (struct esp_setup){.suite = suites[round % 8 < 5 ? round % 2 : pick(r, 4)],
				  .outer = round % 8 == 7 ? 6 : 4,
				  .esn = pick(r, 2),
				  .udp = pick(r, 2),
				  .vlan = round % 8 == 6 ? 5 : 0,
				  .dscp = pick(r, 2) ? (uint8_t)(1 + pick(r, 64)) : 0,
				  .df = (uint8_t)pick(r, TUNNEL_DF_COUNT),
				  .window = 256};
}

/* Where the SPI of an outer packet is; 0: not looked for. */
static uint32_t spi_place(const struct esp_setup *s)
{
	return ETH_HEAD_LEN + (s->vlan ? ETH_VLAN_TAG_LEN : 0u) +
	       (s->outer == 6 ? IP6_HEAD_LEN : IP4_HEAD_LEN) + (s->udp ? UDP_HEAD_LEN : 0u);
}

/* A burst through x, one by one through y; what came out of each is compared. */
static unsigned burst_out(struct rng *r, struct node *x, struct node *y, uint32_t at)
{
	static struct frame v[512], w[512];
	unsigned n = 1 + pick(r, PKT_BURST), got = 0, icmp = 0, k;
	struct frame f;

	for (unsigned i = 0; i < n; i++) {
		frame_make(r, &f);
		node_give(x, x->overlay, f.b, f.len);
		node_give(y, y->overlay, f.b, f.len);
		fwd_poll(y->f);
		got += taken(y, y->wan, w + got, 512 - got);
	}
	fwd_poll(x->f);
	k = taken(x, x->wan, v, 512);
	same(v, k, w, got, at);
	icmp = taken(x, x->overlay, v, 512);
	same(v, icmp, w, taken(y, y->overlay, w, 512), 0);
	same_counts(x, y);
	return k;
}

static void bursts_leave_as_single_packets_do(void **state)
{
	struct rng r = {0x9e3779b97f4a7c15};
	unsigned left = 0;

	(void)state;
	for (unsigned round = 0; round < 48; round++) {
		struct esp_setup s = setup_pick(&r, round);
		struct node x, y;

		node_make(&x, 1, &s, false);
		node_make(&y, 1, &s, true);
		for (unsigned i = 0; i < 20; i++) {
			fwd_tick(x.f, i * 2 * NS_PER_S);
			fwd_tick(y.f, i * 2 * NS_PER_S);
			left += burst_out(&r, &x, &y, spi_place(&s));
		}
		node_fini(&x);
		node_fini(&y);
	}
	assert_true(left > 20000);
}

/* What a carrier, or somebody on it, does to a packet. */
static void carry(struct rng *r, struct frame *f, uint32_t at)
{
	uint8_t *ip = f->b + ETH_HEAD_LEN;

	switch (pick(r, 20)) {
	case 0:
		f->b[pick(r, (uint32_t)f->len)] ^= (uint8_t)(1u << pick(r, 8));
		break;
	case 1: /* a header, the SPI, the number */
		f->b[pick(r, at + 8)] ^= (uint8_t)(1u << pick(r, 8));
		break;
	case 2:
		f->len -= pick(r, 20);
		break;
	case 3: /* one field of a header that is right otherwise */
		ip[pick(r, IP4_HEAD_LEN)] ^= (uint8_t)(1u << pick(r, 8));
		if (ip[0] == 0x45)
			sum_set(ip);
		break;
	case 4: /* congestion */
		if (ip[0] == 0x45) {
			ip[1] |= IP_TOS_ECN;
			sum_set(ip);
		}
		break;
	case 5: /* the sender is elsewhere now */
		if (ip[0] == 0x45) {
			ip[14 + pick(r, 2)]++;
			sum_set(ip);
		}
		break;
	default:
		break;
	}
}

/* Packets of z on their way, some of them changed, doubled, late or overtaken. */
static unsigned wire_make(struct rng *r, struct node *z, struct frame *v, unsigned max, uint32_t at)
{
	static struct frame old;
	unsigned n = 0;
	struct frame f;

	while (n < max) {
		frame_make(r, &f);
		node_give(z, z->overlay, f.b, f.len);
		fwd_poll(z->f);
		while (n < max && (v[n].len = node_take(z, z->wan, v[n].b))) {
			if (n && !pick(r, 10)) {
				f = v[n];
				v[n] = v[n - 1];
				v[n - 1] = f;
			}
			carry(r, &v[n++], at);
			if (n < max && !pick(r, 30)) {
				v[n] = v[pick(r, n)];
				n++;
			}
			if (n < max && old.len && !pick(r, 60))
				v[n++] = old;
		}
		if (n && !pick(r, 100))
			old = v[n - 1];
		while (node_take(z, z->wan, f.b) || node_take(z, z->overlay, f.b))
			;
	}
	return n;
}

static unsigned burst_in(struct rng *r, struct node *z, struct node *x, struct node *y, uint32_t at)
{
	static struct frame v[512], w[512];
	unsigned n = wire_make(r, z, v, 1 + pick(r, PKT_BURST), at), got = 0, k;

	for (unsigned i = 0; i < n; i++) {
		node_give(x, x->wan, v[i].b, v[i].len);
		node_give(y, y->wan, v[i].b, v[i].len);
		fwd_poll(y->f);
		got += taken(y, y->overlay, w + got, 512 - got);
	}
	fwd_poll(x->f);
	k = taken(x, x->overlay, v, 512);
	same(v, k, w, got, 8); /* the peer's address says whose it is */
	same_counts(x, y);
	return k;
}

static unsigned said(const struct node *n, uint8_t event)
{
	unsigned k = 0;

	for (unsigned i = 0; i < n->said_count && i < NODE_SAID; i++)
		k += n->said[i].type == MSG_ESP_REPORT && n->said[i].esp_report.event == event;
	return k;
}

static void bursts_arrive_as_single_packets_do(void **state)
{
	struct rng r = {0x2545f4914f6cdd1d};
	unsigned came = 0, moved = 0;

	(void)state;
	for (unsigned round = 0; round < 48; round++) {
		struct esp_setup s = setup_pick(&r, round);
		struct node x, y, z;

		node_make(&x, 1, &s, false);
		node_make(&y, 1, &s, true);
		node_make(&z, 2, &s, false);
		for (unsigned i = 0; i < 20; i++) {
			fwd_tick(x.f, i * 2 * NS_PER_S);
			fwd_tick(y.f, i * 2 * NS_PER_S);
			fwd_tick(z.f, i * 2 * NS_PER_S);
			came += burst_in(&r, &z, &x, &y, spi_place(&s));
		}
		assert_int_equal(said(&x, ESP_USED), said(&y, ESP_USED));
		moved += said(&x, ESP_MOVED);
		node_fini(&x);
		node_fini(&y);
		node_fini(&z);
	}
	assert_true(came > 15000);
	assert_true(moved > 3);
}

/* The numbers end within a burst: what has one leaves, and nothing else. */
static void numbers_end_within_a_burst(void **state)
{
	struct esp_setup s = {.suite = ESP_AES_GCM_16_256, .esn = true};
	uint8_t in[2048], out[2048];
	struct node a, b;
	struct msg m;
	size_t n;

	(void)state;
	esp_pair(&a, &b, &s);
	m = esp_sa(1, 2, true, 1, &s);
	m.esp.seq_limit = 11;
	assert_int_equal(fwd_control(a.f, &m), 0);
	m = esp_sa(1, 2, false, 1, &s);
	assert_int_equal(fwd_control(b.f, &m), 0);
	n = esp_frame(in, 4, 2, 100, 0, false);
	for (unsigned i = 0; i < 30; i++)
		node_give(&a, a.overlay, in, n);
	fwd_poll(a.f);
	for (unsigned i = 1; i < 11; i++) {
		size_t len = node_take(&a, a.wan, out);

		assert_int_equal(out[14 + 20 + 7], i);
		assert_int_equal(node_receive(&b, out, len, in), n);
	}
	assert_int_equal(node_take(&a, a.wan, out), 0);
	assert_int_equal(fate_of(&a, FATE_DROP_PN_EXHAUSTED), 20);
	node_fini(&a);
	node_fini(&b);
}

/* The same where packets of other SAs stand between. */
static void numbers_end_within_a_mixed_burst(void **state)
{
	struct esp_setup s = {.suite = ESP_AES_GCM_16_256};
	unsigned left = 0;
	uint8_t in[2048], out[2048];
	struct node a;
	struct msg m;
	size_t n;

	(void)state;
	node_make(&a, 1, &s, false);
	m = esp_sa(1, 2, true, 77, &s); /* newer than the one that is there */
	m.esp.tunnel = ESP_TUNNEL_ID;
	m.esp.seq_limit = 6;
	assert_int_equal(fwd_control(a.f, &m), 0);
	for (unsigned i = 0; i < 12 * PEERS; i++) {
		n = esp_frame(in, 4, 2 + i % PEERS, 100, 0, false);
		node_give(&a, a.overlay, in, n);
	}
	fwd_poll(a.f);
	while (node_take(&a, a.wan, out)) {
		const uint32_t last = htobe32(left / PEERS + 1);

		/* Each SA's own numbers, in order; behind the end of the first one it is missing. */
		if (left < 5 * PEERS)
			assert_memory_equal(out + ETH_HEAD_LEN + IP4_HEAD_LEN + 4, &last, 4);
		left++;
	}
	assert_int_equal(left, 12 * PEERS - 7);
	assert_int_equal(fate_of(&a, FATE_DROP_PN_EXHAUSTED), 7);
	node_fini(&a);
}

/* The table of ways keeps one SPI for each place: packets of two that share one come alternately. */
static void spis_that_share_a_place_are_told_apart(void **state)
{
	const struct esp_setup s = {.suite = ESP_AES_GCM_16_256, .window = 256};
	uint32_t spi[2] = {0x40000001, 0x40000001};
	uint8_t in[2048], out[2048];
	unsigned came = 0;
	struct node x, z;
	struct msg m;
	size_t n;

	(void)state;
	node_make(&x, 1, &s, false);
	node_make(&z, 2, &s, false);
	do
		spi[1]++;
	while (esp_way_place(x.f, htobe32(spi[0])) != esp_way_place(x.f, htobe32(spi[1])));
	for (unsigned i = 0; i < 2; i++) {
		unsigned peer = 3 * i; /* both of the same kind */

		for (unsigned tx = 0; tx < 2; tx++) {
			m = esp_sa(2 + peer, 1, tx, 50, &s);
			m.esp.tunnel = (uint16_t)(ESP_TUNNEL_ID + peer);
			m.esp.spi = spi[i];
			assert_int_equal(fwd_control(tx ? z.f : x.f, &m), 0);
		}
	}
	for (unsigned i = 0; i < PKT_BURST; i++) {
		n = esp_frame(in, 4, i % 2 ? 5 : 2, 100 + i, 0, false);
		node_give(&z, z.overlay, in, n);
	}
	fwd_poll(z.f);
	while ((n = node_take(&z, z.wan, out)))
		node_give(&x, x.wan, out, n);
	fwd_poll(x.f);
	while ((n = node_take(&x, x.overlay, out))) {
		assert_int_equal(n, ETH_HEAD_LEN + 100 + came);
		came++;
	}
	assert_int_equal(came, PKT_BURST);
	assert_int_equal(fate_of(&x, FATE_DROP_NOT_VALID), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(esp_lookup(x.f->sas, spi[i])->esp.counts[ESP_PKTS], PKT_BURST / 2);
	node_fini(&x);
	node_fini(&z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bursts_leave_as_single_packets_do),
		cmocka_unit_test(bursts_arrive_as_single_packets_do),
		cmocka_unit_test(numbers_end_within_a_burst),
		cmocka_unit_test(numbers_end_within_a_mixed_burst),
		cmocka_unit_test(spis_that_share_a_place_are_told_apart),
	};

	return cmocka_run_group_tests_name("fwd/esp_express", tests, NULL, NULL);
}
