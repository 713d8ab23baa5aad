/*
 * esp_node_test: two nodes of node_test.h without SecY, and tunnels between them: outer and inner
 * addresses, packets, and what a keying protocol does.
 */
#pragma once

#include "fwd/node_test.h"
#include "sa/table.h"
#include "wire/ip.h"

#define ESP_TUNNEL_ID 7
#define ESP_MTU 1500

/* How two nodes speak. Zero is a tunnel of AES-GCM-128 over IPv4. */
struct esp_setup {
	uint8_t outer; /* 6, or IPv4 */
	uint8_t suite;
	uint8_t mode;
	bool esn, udp, hold;
	uint32_t window; /* 0: 64 */
	uint16_t mtu;    /* 0: ESP_MTU */
	uint16_t vlan;
	uint8_t dscp; /* 0: copied; else 1 more than it is */
	uint8_t df;
};

static const uint8_t esp_tap_mac[6] = {2, 0, 0, 0, 9, 9};
static const uint8_t esp_wan_mac[6] = {2, 0, 0, 0, 9, 8};
static const uint8_t esp_gateway[6] = {2, 0, 0, 0, 1, 1};

static inline void esp_peer_mac(uint8_t mac[6], unsigned id)
{
	memcpy(mac, (const uint8_t[]){2, 0, 10, 255, 0, (uint8_t)id}, 6);
}

static inline void esp_outer(uint8_t addr[16], unsigned family, unsigned id)
{
	memset(addr, 0, 16);
	if (family == 6)
		memcpy(addr, (const uint8_t[]){0x20, 1, 0xd, 0xb8}, 4);
	else
		memcpy(addr, (const uint8_t[]){192, 0, 2, (uint8_t)id}, 4);
	if (family == 6)
		addr[15] = (uint8_t)id;
}

static inline struct msg_ts esp_any(uint8_t family)
{
	struct msg_ts ts = {.family = family, .port_hi = UINT16_MAX};

	memset(ts.hi, 0xff, family == 4 ? 4 : 16);
	return ts;
}

static inline void esp_ports_add(struct node *n, const struct esp_setup *s)
{
	const uint8_t kinds[] = {MSG_PORT_OVERLAY, MSG_PORT_WAN};

	n->overlay->ops->close(n->overlay);
	n->wan->ops->close(n->wan);
	for (unsigned i = 0; i < 2; i++) {
		struct port *near = port_memory_new(1024, n->pool);
		struct msg_port_give give = {.port = i ? NODE_WAN : NODE_OVERLAY, .kind = kinds[i]};
		struct port **far = i ? &n->wan : &n->overlay;

		memcpy(give.mac, i ? esp_wan_mac : esp_tap_mac, 6);
		give.vlan = i ? s->vlan : 0;
		*far = port_memory_new(1024, n->pool);
		port_memory_join(near, *far);
		assert_int_equal(fwd_port_add(n->f, &give, near), 0);
	}
}

static inline struct msg esp_tunnel(unsigned peer, unsigned own, uint16_t tunnel,
				    const struct esp_setup *s)
{
	struct msg m = {.type = MSG_TUNNEL_ADD};

	m.tunnel_add = (struct msg_tunnel){.tunnel = tunnel,
					   .overlay = NODE_OVERLAY,
					   .wan = NODE_WAN,
					   .mtu = s->mtu ? s->mtu : ESP_MTU,
					   .dscp = s->dscp ? (uint8_t)(s->dscp - 1) : 0xff,
					   .df = s->df,
					   .hold = s->hold,
					   .inner4 = {10, 255, 0, (uint8_t)own},
					   .inner6 = {0xfd, [15] = (uint8_t)own},
					   .name = "peer"};
	memcpy(m.tunnel_add.next_hop, esp_gateway, 6);
	esp_peer_mac(m.tunnel_add.peer, peer);
	return m;
}

/* The SA from node `from` to node `to`, as either of them installs it. */
static inline struct msg esp_sa(unsigned from, unsigned to, bool transmit, unsigned key,
				const struct esp_setup *s)
{
	struct msg m = {.type = transmit ? MSG_ESP_TRANSMIT : MSG_ESP_RECEIVE};
	const struct esp_suite_info *suite = &esp_suites[s->suite];
	uint8_t bytes[64];

	memset(bytes, (int)(key * 16 + from), sizeof(bytes));
	m.esp.tunnel = ESP_TUNNEL_ID;
	m.esp.suite = s->suite;
	m.esp.mode = s->mode;
	m.esp.esn = s->esn;
	m.esp.spi = 0x10000 + key * 256 + to;
	m.esp.window = transmit ? 0 : s->window ? s->window : 64;
	m.esp.local.family = m.esp.remote.family = s->outer == 6 ? 6 : 4;
	esp_outer(m.esp.local.addr, s->outer, transmit ? from : to);
	esp_outer(m.esp.remote.addr, s->outer, transmit ? to : from);
	if (s->udp)
		m.esp.local.port = m.esp.remote.port = 4500;
	m.esp.ts_local.count = m.esp.ts_remote.count = 2;
	m.esp.ts_local.v[0] = m.esp.ts_remote.v[0] = esp_any(4);
	m.esp.ts_local.v[1] = m.esp.ts_remote.v[1] = esp_any(6);
	assert_int_equal(secret_set(&m.esp.key, bytes, suite->key_len + suite->salt_len), 0);
	assert_int_equal(secret_set(&m.esp.auth, bytes, suite->auth_len), 0);
	return m;
}

static inline void esp_key(struct node *a, struct node *b, unsigned key, const struct esp_setup *s)
{
	struct node *v[2] = {a, b};
	struct msg m;

	for (unsigned i = 0; i < 2; i++) {
		m = esp_sa(v[i ^ 1]->id, v[i]->id, false, key, s);
		assert_int_equal(fwd_control(v[i]->f, &m), 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		m = esp_sa(v[i]->id, v[i ^ 1]->id, true, key, s);
		assert_int_equal(fwd_control(v[i]->f, &m), 0);
	}
}

/* Two nodes, 1 and 2, with a tunnel between them and no keys. */
static inline void esp_pair(struct node *a, struct node *b, const struct esp_setup *s)
{
	struct node *v[2] = {a, b};

	for (unsigned i = 0; i < 2; i++) {
		struct msg m = {.type = MSG_SECY_DEL, .secy = NODE_SECY};

		node_init(v[i], (uint8_t)(i + 1), 0);
		assert_int_equal(fwd_control(v[i]->f, &m), 0);
		esp_ports_add(v[i], s);
		m = esp_tunnel(2 - i, i + 1, ESP_TUNNEL_ID, s);
		assert_int_equal(fwd_control(v[i]->f, &m), 0);
		v[i]->vlan = s->vlan;
	}
}

/* A UDP packet of `len` bytes from one host to the other, in an Ethernet frame for peer `to`. */
static inline size_t esp_frame(uint8_t *frame, unsigned family, unsigned to, size_t len,
			       uint8_t tos, bool df)
{
	size_t head = family == 4 ? IP4_HEAD_LEN : IP6_HEAD_LEN;
	uint8_t src[16] = {10, 1, 0, 1}, dst[16] = {10, 2, 0, 2}, *p = frame + ETH_HEAD_LEN;

	if (family == 6) {
		memcpy(src, (const uint8_t[]){0xfd, 1, 0, 0}, 4);
		memcpy(dst, (const uint8_t[]){0xfd, 2, 0, 0}, 4);
		src[15] = 1;
		dst[15] = 2;
	}
	esp_peer_mac(frame, to);
	memcpy(frame + 6, esp_tap_mac, 6);
	frame[12] = family == 4 ? 0x08 : 0x86;
	frame[13] = family == 4 ? 0x00 : 0xdd;
	ip_build(p, (uint8_t)family, src, dst, IP_UDP, tos, 60, 77, df, (uint32_t)len);
	for (size_t i = head; i < len; i++)
		p[i] = (uint8_t)(i * 3 + len);
	if (len >= head + 8)
		memcpy(p + head, (const uint8_t[]){0x13, 0x88, 0, 53}, 4);
	return ETH_HEAD_LEN + len;
}

static inline uint64_t fate_of(const struct node *n, enum fwd_fate fate)
{
	return n->f->fates[fate];
}
