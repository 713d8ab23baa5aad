/*
 * transit: a hub between two spokes. What goes on by the kernel's routes goes on as the kernel would
 * send it, sealed; and each kind of packet that is the kernel's to judge goes up to it as it came.
 */
#include "fwd/esp_node_test.h"

#include <stdio.h>

#define SPOKE_A 1
#define HUB 2
#define SPOKE_B 3
#define TUNNEL_B 9
#define NOW (5 * UINT64_C(1000000000))

/* The hub's tunnels lead to both spokes; the test is the kernel, the carrier and spoke B. */
struct world {
	struct node a, hub, b;
	void *area;
	struct fib_writer *w;
};

static void tunnel_to_b(struct world *w, const struct esp_setup *s)
{
	struct msg m = {.type = MSG_SECY_DEL, .secy = NODE_SECY};

	node_init(&w->b, SPOKE_B, 0);
	assert_int_equal(fwd_control(w->b.f, &m), 0);
	esp_ports_add(&w->b, s);
	m = esp_tunnel(HUB, SPOKE_B, TUNNEL_B, s);
	assert_int_equal(fwd_control(w->b.f, &m), 0);
	m = esp_tunnel(SPOKE_B, HUB, TUNNEL_B, s);
	assert_int_equal(fwd_control(w->hub.f, &m), 0);
	m = esp_sa(HUB, SPOKE_B, false, 5, s);
	m.esp.tunnel = TUNNEL_B;
	assert_int_equal(fwd_control(w->b.f, &m), 0);
	m = esp_sa(HUB, SPOKE_B, true, 5, s);
	m.esp.tunnel = TUNNEL_B;
	assert_int_equal(fwd_control(w->hub.f, &m), 0);
}

static void prefix(struct world *w, unsigned family, uint8_t first, uint8_t second, uint16_t hop)
{
	uint8_t addr[16] = {first, second};

	assert_int_equal(fib_put(w->w, family, addr, 16, hop), 0);
}

static void world_init(struct world *w)
{
	const struct esp_setup s = {.mode = ESP_TUNNEL};
	uint8_t mac[6];

	esp_pair(&w->a, &w->hub, &s);
	esp_key(&w->a, &w->hub, 1, &s);
	tunnel_to_b(w, &s);
	w->area = aligned_alloc(64, (fib_size() + 63) / 64 * 64);
	assert_non_null(w->area);
	memset(w->area, 0, fib_size()); /* as a memfd begins */
	w->w = fib_writer_new(w->area, fib_size());
	assert_non_null(w->w);
	esp_peer_mac(mac, SPOKE_A);
	fib_hop_set(w->w, 1, NODE_OVERLAY, mac, 1400);
	esp_peer_mac(mac, SPOKE_B);
	fib_hop_set(w->w, 2, NODE_OVERLAY, mac, 1400);
	prefix(w, 4, 10, 1, 1); /* hosts as esp_frame() has them: from 10.1/16, to 10.2/16 */
	prefix(w, 4, 10, 2, 2);
	prefix(w, 6, 0xfd, 1, 1);
	prefix(w, 6, 0xfd, 2, 2);
	fib_port_set(w->w, NODE_OVERLAY, FIB_PORT_FORWARD4 | FIB_PORT_FORWARD6);
	fib_live_set(w->w, NOW + 1);
	fwd_tick(w->hub.f, NOW);
	fwd_routes(w->hub.f, w->area);
	fwd_transit(w->hub.f, true);
}

static void world_fini(struct world *w)
{
	node_fini(&w->a);
	node_fini(&w->hub);
	node_fini(&w->b);
	fib_writer_free(w->w);
	free(w->area);
}

/* Sends a frame at an interface's far end; reads one there, 0 bytes: nothing. */
static void put(struct port *port, struct pkt_pool *pool, const uint8_t *frame, size_t len)
{
	struct pkt p;

	assert_true(pkt_alloc(pool, &p));
	memcpy(p.data, frame, len);
	p.len = (uint32_t)len;
	assert_int_equal(port->ops->tx(port, &p, 1), 1);
}

static size_t get(struct port *port, struct pkt_pool *pool, uint8_t *frame)
{
	struct pkt p;
	size_t len;

	if (port->ops->rx(port, &p, 1) != 1)
		return 0;
	len = p.len;
	memcpy(frame, p.data, len);
	pkt_release(pool, &p);
	return len;
}

/* A packet from spoke A to the hub, which sees it as one that was verified. */
static void to_hub(struct world *w, const uint8_t *frame, size_t len)
{
	uint8_t cipher[2048];

	put(w->a.overlay, w->a.pool, frame, len);
	fwd_poll(w->a.f);
	len = get(w->a.wan, w->a.pool, cipher);
	assert_true(len > 0);
	put(w->hub.wan, w->hub.pool, cipher, len);
	fwd_poll(w->hub.f);
}

static size_t frame_make(uint8_t *frame, unsigned family, size_t len)
{
	return esp_frame(frame, family, HUB, len, 0, false);
}

/* What the hub's kernel got is the packet as it was. */
static void kernel_gets(struct world *w, const uint8_t *frame, size_t len, const char *what)
{
	uint8_t got[2048], cipher[2048];
	size_t n = get(w->hub.overlay, w->hub.pool, got);

	if (n != len || memcmp(got + ETH_HEAD_LEN, frame + ETH_HEAD_LEN, len - ETH_HEAD_LEN) != 0)
		fail_msg("%s: the kernel did not get it as it was", what);
	if (get(w->hub.wan, w->hub.pool, cipher))
		fail_msg("%s: and it went on", what);
	assert_int_equal(fate_of(&w->hub, FATE_TRANSIT), 0);
}

static void a_packet_goes_on_sealed_a_hop_older(unsigned family)
{
	static struct world w;
	uint8_t frame[2048], cipher[2048], got[2048], *ip = got + ETH_HEAD_LEN;
	struct ip parsed;
	size_t len = frame_make(frame, family, 200), n;

	world_init(&w);
	to_hub(&w, frame, len);
	assert_int_equal(get(w.hub.overlay, w.hub.pool, got), 0);
	assert_int_equal(fate_of(&w.hub, FATE_TRANSIT), 1);
	assert_int_equal(fate_of(&w.hub, FATE_SENT_WAN), 1);
	n = get(w.hub.wan, w.hub.pool, cipher);
	assert_true(n > len);
	assert_null(memmem(cipher, n, frame + ETH_HEAD_LEN + 60, 16));
	put(w.b.wan, w.b.pool, cipher, n);
	fwd_poll(w.b.f);
	assert_int_equal(get(w.b.overlay, w.b.pool, got), len);
	assert_int_equal(ip_parse(&parsed, ip, len - ETH_HEAD_LEN), IP_OK); /* its sum, too */
	assert_int_equal(parsed.ttl, 59);
	/* And nothing else is different. */
	ip[family == 4 ? 8 : 7]++;
	if (family == 4)
		memcpy(ip + 10, frame + ETH_HEAD_LEN + 10, 2);
	assert_memory_equal(ip, frame + ETH_HEAD_LEN, len - ETH_HEAD_LEN);
	world_fini(&w);
}

static void ipv4_goes_on_sealed_a_hop_older(void **state)
{
	(void)state;
	a_packet_goes_on_sealed_a_hop_older(4);
}

static void ipv6_goes_on_sealed_a_hop_older(void **state)
{
	(void)state;
	a_packet_goes_on_sealed_a_hop_older(6);
}

static void sum_again(uint8_t *ip)
{
	uint16_t sum = 0;

	memcpy(ip + 10, &sum, 2);
	sum = ip_checksum(ip_sum(ip, (ip[0] & 15u) * 4));
	memcpy(ip + 10, &sum, 2);
}

/* Each takes one thing away that a packet needs to go on. */
enum lack {
	LACK_OPEN,
	LACK_LIFE,
	LACK_FORWARDING,
	LACK_TTL,
	LACK_ROUTE,
	LACK_NEIGHBOUR,
	LACK_SOURCE,
	LACK_OTHER_WAY,
	LACK_ROOM,
	LACK_BACK,
	LACK_PORT,
	LACK_OPTIONS,
	LACK_MULTICAST,
	LACK_LOOPBACK,
	LACK_SOURCE_CLASS,
	LACKS
};

static void lack(struct world *w, enum lack what, unsigned family, uint8_t *frame)
{
	uint8_t *ip = frame + ETH_HEAD_LEN, *src = ip + (family == 4 ? 12 : 8),
		*dst = ip + (family == 4 ? 16 : 24), mac[6];
	const uint8_t none[6] = {0}, two[16] = {family == 4 ? 10 : 0xfd, 2},
		      one[16] = {family == 4 ? 10 : 0xfd, 1};

	esp_peer_mac(mac, SPOKE_B);
	switch (what) {
	case LACK_OPEN:
		fwd_transit(w->hub.f, false);
		break;
	case LACK_LIFE:
		fib_live_set(w->w, NOW);
		break;
	case LACK_FORWARDING:
		fib_port_set(w->w, NODE_OVERLAY,
			     family == 4 ? FIB_PORT_FORWARD6 : FIB_PORT_FORWARD4);
		break;
	case LACK_TTL:
		ip[family == 4 ? 8 : 7] = 1;
		break;
	case LACK_ROUTE:
		assert_int_equal(fib_del(w->w, family, two, 16), 0);
		break;
	case LACK_NEIGHBOUR:
		fib_hop_set(w->w, 2, 0, none, 0);
		break;
	case LACK_SOURCE: /* nobody knows the way back */
		assert_int_equal(fib_del(w->w, family, one, 16), 0);
		break;
	case LACK_OTHER_WAY: /* that of another port */
		fib_hop_set(w->w, 1, 77, mac, 1400);
		break;
	case LACK_ROOM:
		fib_hop_set(w->w, 2, NODE_OVERLAY, mac, 199);
		break;
	case LACK_BACK: /* to whom it came from */
		assert_int_equal(fib_put(w->w, family, two, 16, 1), 0);
		break;
	case LACK_PORT: /* one that forward does not have */
		fib_hop_set(w->w, 2, 99, mac, 1400);
		break;
	case LACK_OPTIONS:
		if (family == 4)
			memcpy(ip + 20, (const uint8_t[]){1, 1, 1, 1}, 4);
		else
			memcpy(ip + 40, (const uint8_t[]){IP_UDP, 0, 1, 4, 0, 0, 0, 0}, 8);
		ip[0] = family == 4 ? 0x46 : 0x60;
		if (family == 6)
			ip[6] = IP_HOP_BY_HOP;
		break;
	case LACK_MULTICAST:
		dst[0] = family == 4 ? 239 : 0xff;
		dst[1] = 5;
		break;
	case LACK_LOOPBACK:
		memset(dst, 0, family == 4 ? 4 : 16);
		dst[0] = family == 4 ? 127 : 0;
		dst[family == 4 ? 3 : 15] = 1;
		break;
	default:
		src[0] = family == 4 ? 224 : 0xfe;
		src[1] = 0x80;
	}
	if (family == 4)
		sum_again(ip);
}

static void whatever_is_the_kernels_goes_up_as_it_came(void **state)
{
	static struct world w;
	uint8_t frame[2048];
	char what[64];

	(void)state;
	for (unsigned family = 4; family <= 6; family += 2)
		for (unsigned i = 0; i < LACKS; i++) {
			size_t len = frame_make(frame, family, 200);

			snprintf(what, sizeof(what), "lack %u of IPv%u", i, family);
			world_init(&w);
			/* A way for everything, where nothing of it is to be found wanting. */
			if (i >= LACK_OPTIONS)
				for (unsigned b = 0; b < 256; b++) {
					uint8_t any[16] = {(uint8_t)b};

					fib_put(w.w, family, any, 8, b == 10 || b == 0xfd ? 1 : 2);
				}
			lack(&w, i, family, frame);
			to_hub(&w, frame, len);
			kernel_gets(&w, frame, len, what);
			world_fini(&w);
		}
}

/* Without a mark, or with another one than the AEAD's, nothing goes on. */
static void only_what_was_verified_goes_on(void **state)
{
	static const uint16_t marks[] = {
		0,       PKT_UNVERIFIED, PKT_CLEAR,  PKT_BYPASSED,
		PKT_OWN, PKT_LOCAL,      PKT_SEALED, PKT_OPENED | PKT_BYPASSED};
	static struct world w;
	struct fwd_port *overlay;
	struct pkt p;

	(void)state;
	world_init(&w);
	overlay = fwd_port_find(w.hub.f, NODE_OVERLAY);
	for (size_t i = 0; i <= sizeof(marks) / sizeof(marks[0]); i++) {
		bool right = i == sizeof(marks) / sizeof(marks[0]);

		assert_true(pkt_alloc(w.hub.pool, &p));
		p.len = (uint32_t)frame_make(p.data, 4, 100);
		memcpy(p.data, esp_tap_mac, 6);
		esp_peer_mac(p.data + 6, SPOKE_A);
		p.mark = right ? PKT_OPENED : marks[i];
		assert_int_equal(transit_take(w.hub.f, overlay, &p, 1), !right);
		if (!right)
			pkt_release(w.hub.pool, &p);
	}
	/* And what goes on bears none: it has to be sealed to leave. */
	assert_int_equal(w.hub.f->transit->n, 1);
	assert_int_equal(w.hub.f->transit->v[0].mark, 0);
	guard_wan(w.hub.f, fwd_port_find(w.hub.f, NODE_WAN), w.hub.f->transit->v, 1);
	assert_int_equal(fate_of(&w.hub, FATE_GUARD_UNSEALED), 1);
	w.hub.f->transit->n = 0;
	world_fini(&w);
}

/* Without a key for the next tunnel it is held or dropped, as one from the kernel. */
static void without_a_key_nothing_leaves(void **state)
{
	static struct world w;
	struct msg m = {.type = MSG_ESP_RETIRE};
	uint8_t frame[2048], got[2048];
	size_t len = frame_make(frame, 4, 200);

	(void)state;
	world_init(&w);
	m.esp_retire.tunnel = TUNNEL_B;
	m.esp_retire.direction = SA_TRANSMIT;
	m.esp_retire.spi = 0x10000 + 5 * 256 + SPOKE_B;
	assert_int_equal(fwd_control(w.hub.f, &m), 0);
	to_hub(&w, frame, len);
	assert_int_equal(get(w.hub.wan, w.hub.pool, got), 0);
	assert_int_equal(get(w.hub.overlay, w.hub.pool, got), 0);
	assert_int_equal(fate_of(&w.hub, FATE_TRANSIT), 1);
	assert_int_equal(fate_of(&w.hub, FATE_DROP_NO_TX_SA), 1);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_goes_on_sealed_a_hop_older),
		cmocka_unit_test(ipv6_goes_on_sealed_a_hop_older),
		cmocka_unit_test(whatever_is_the_kernels_goes_up_as_it_came),
		cmocka_unit_test(only_what_was_verified_goes_on),
		cmocka_unit_test(without_a_key_nothing_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
