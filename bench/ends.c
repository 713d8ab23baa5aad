#include "ends.h"

#include "common.h"

#include "wire/esp.h"
#include "wire/eth.h"
#include "wire/ip.h"
#include "wire/macsec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OVERLAY = 1, WAN = 2, SECY = 1, TUNNEL = 1, WINDOW = 1024 };

const struct path paths[PATHS] = {
	{"macsec-xpn-256", MACSEC_GCM_AES_XPN_256, .key_len = 32},
	{"macsec-xpn-128", MACSEC_GCM_AES_XPN_128, .key_len = 16},
	{"esp-tunnel-gcm-256", ESP_AES_GCM_16_256, .esp = true, .key_len = 32},
	{"esp-tunnel-gcm-128", ESP_AES_GCM_16_128, .esp = true, .key_len = 16},
	{"esp-udp-gcm-256", ESP_AES_GCM_16_256, .esp = true, .udp = true, .key_len = 32},
};

const struct size sizes[SIZES] = {
	{"64", 64}, {"512", 512}, {"1400", 1400}, {"9000", 9000}, {"imix", 0},
};

uint32_t size_of(const struct size *s, unsigned i)
{
	static const uint16_t imix[12] = {64, 512, 64, 64, 1400, 64, 512, 64, 512, 64, 512, 64};

	return s->octets ? s->octets : imix[i % 12];
}

static void hear(void *ctx, const struct msg *m)
{
	(void)ctx;
	if (m->type == MSG_SA_REPORT && !m->sa_report.installed)
		die("an SA was not installed");
}

static void mac_of(uint8_t mac[ETH_ADDR_LEN], unsigned id)
{
	memcpy(mac, (const uint8_t[]){2, 0, 10, 0, 0, (uint8_t)id}, ETH_ADDR_LEN);
}

static struct port *port_make(struct fwd *f, uint16_t id, uint8_t kind, unsigned ring,
			      struct pkt_pool *pool)
{
	struct port *near = port_memory_new(ring, pool), *far = port_memory_new(ring, pool);
	struct msg_port_give give = {.port = id, .kind = kind};

	if (!near || !far)
		die("ports");
	mac_of(give.mac, 100u + id);
	port_memory_join(near, far);
	if (fwd_port_add(f, &give, near) < 0)
		die("ports");
	return far;
}

static uint64_t sci_of(unsigned id)
{
	return UINT64_C(0x0200000000000001) | (uint64_t)id << 16;
}

static void macsec_make(const struct path *path, unsigned id, struct fwd *f)
{
	const uint8_t key[32] = {7};
	struct msg m = {.type = MSG_SECY_ADD};

	m.secy_add = (struct msg_secy){.secy = SECY,
				       .overlay = OVERLAY,
				       .wan = WAN,
				       .sci = sci_of(id),
				       .window = WINDOW,
				       .send_sci = true,
				       .replay_protect = true,
				       .name = "bench"};
	if (fwd_control(f, &m) < 0)
		die("SecY");
	for (unsigned i = 0; i < 2; i++) {
		unsigned who = i ? id : id ^ 3;

		m = (struct msg){.type = i ? MSG_SA_TRANSMIT : MSG_SA_RECEIVE};
		m.sa = (struct msg_sa){.secy = SECY,
				       .suite = path->suite,
				       .sci = sci_of(who),
				       .ssci = who,
				       .pn = 1};
		if (secret_set(&m.sa.key, key, path->key_len) < 0 || fwd_control(f, &m) < 0)
			die("SA");
	}
}

/* Of end `id` in tunnel n: end 2 has another address in each, as many peers would. */
static void address_of(struct msg_end *e, unsigned id, unsigned n, bool udp)
{
	e->family = 4;
	memcpy(e->addr, (const uint8_t[]){192, 0, 2, 1}, 4);
	if (id == 2)
		memcpy(e->addr, (const uint8_t[]){198, 18, (uint8_t)(n >> 8), (uint8_t)n}, 4);
	e->port = udp ? ESP_UDP_PORT : 0;
}

/* What the kernel's neighbour table has for the peer of tunnel n. */
static void peer_of(uint8_t mac[ETH_ADDR_LEN], unsigned n)
{
	memcpy(mac, (const uint8_t[]){2, 0, 10, 1, (uint8_t)(n >> 8), (uint8_t)n}, ETH_ADDR_LEN);
}

/* As if drawn at random, as the daemon draws them, and no two the same. */
static uint32_t spi_of(unsigned to, unsigned n)
{
	uint32_t spi = 0x10000u * to + n;

	spi = (spi ^ spi >> 16) * 0x85ebca6bu;
	spi = (spi ^ spi >> 13) * 0xc2b2ae35u;
	return spi ^ spi >> 16;
}

static void esp_make(const struct path *path, unsigned id, unsigned n, struct fwd *f)
{
	const uint16_t tunnel = (uint16_t)(TUNNEL + n);
	struct msg m = {.type = MSG_TUNNEL_ADD};
	uint8_t key[ESP_KEY_MAX] = {7, (uint8_t)(n >> 8), (uint8_t)n};

	m.tunnel_add = (struct msg_tunnel){.tunnel = tunnel,
					   .overlay = OVERLAY,
					   .wan = WAN,
					   .mtu = 9300,
					   .next_hop = {2, 1},
					   .dscp = UINT8_MAX,
					   .name = "bench"};
	peer_of(m.tunnel_add.peer, n);
	if (fwd_control(f, &m) < 0)
		die("tunnel");
	for (unsigned i = 0; i < 2; i++) {
		unsigned to = i ? id ^ 3 : id;

		m = (struct msg){.type = i ? MSG_ESP_TRANSMIT : MSG_ESP_RECEIVE};
		m.esp = (struct msg_esp){.tunnel = tunnel,
					 .suite = path->suite,
					 .esn = true,
					 .spi = spi_of(to, n),
					 .window = WINDOW};
		address_of(&m.esp.local, id, n, path->udp);
		address_of(&m.esp.remote, id ^ 3, n, path->udp);
		m.esp.ts_local.count = 1;
		m.esp.ts_local.v[0] = (struct msg_ts){.family = 4, .port_hi = UINT16_MAX};
		memset(m.esp.ts_local.v[0].hi, 0xff, 4);
		m.esp.ts_remote = m.esp.ts_local;
		key[ESP_KEY_MAX - 1] = key[path->key_len] = (uint8_t)to;
		if (secret_set(&m.esp.key, key, path->key_len + 4u) < 0 || fwd_control(f, &m) < 0)
			die("SA");
	}
}

struct end end_make(const struct path *path, unsigned id, unsigned sas, unsigned ring,
		    struct pkt_pool *pool)
{
	struct end e = {0};

	e.area = aligned_alloc(64, fwd_state_size());
	if (!e.area)
		die("memory");
	memset(e.area, 0, fwd_state_size());
	e.f = fwd_new(e.area, fwd_state_size(), pool, hear, NULL);
	if (!e.f)
		die("forward");
	e.overlay = port_make(e.f, OVERLAY, MSG_PORT_OVERLAY, ring, pool);
	e.wan = port_make(e.f, WAN, MSG_PORT_WAN, ring, pool);
	if (!path->esp)
		macsec_make(path, id, e.f);
	for (unsigned n = 0; n < sas && path->esp; n++)
		esp_make(path, id, n, e.f);
	return e;
}

void end_free(struct end *e)
{
	fwd_free(e->f);
	e->overlay->ops->close(e->overlay);
	e->wan->ops->close(e->wan);
	free(e->area);
}

void frame_fill(struct pkt *p, const struct path *path, uint32_t len, unsigned sa)
{
	static const uint8_t from[ETH_ADDR_LEN] = {2, 0, 10, 0, 0, 1};
	static const uint8_t src[4] = {10, 1, 0, 1}, dst[4] = {10, 2, 0, 1};

	p->data = p->buf + PKT_HEADROOM;
	p->len = len;
	p->mark = 0;
	peer_of(p->data, sa);
	memcpy(p->data + ETH_ADDR_LEN, from, sizeof(from));
	p->data[12] = ETH_TYPE_IPV4 >> 8;
	p->data[13] = ETH_TYPE_IPV4 & 0xff;
	if (path->esp)
		ip_build(p->data + ETH_HEAD_LEN, 4, src, dst, IP_UDP, 0, 64, 1, true,
			 len - ETH_HEAD_LEN);
}

void ring_give(struct port *far, struct pkt *v)
{
	errno = 0;
	if (far->ops->tx(far, v, PKT_BURST) != PKT_BURST)
		die("a ring is full");
}

void ring_take(struct port *far, struct pkt *v)
{
	errno = 0;
	if (far->ops->rx(far, v, PKT_BURST) != PKT_BURST)
		die("frames were lost");
}

void path_raw(const struct path *path, const struct pkt *p, struct raw_op *op)
{
	if (path->esp) {
		uint32_t len = p->len - ETH_HEAD_LEN;

		op->data = p->data + ETH_HEAD_LEN;
		op->len = len + esp_pad_len(&esp_suites[path->suite], len) + ESP_TRAILER_LEN;
		op->aad = p->data - 16;
		op->aad_len = 12; /* SPI and extended sequence number */
	} else {
		op->aad = p->data - MACSEC_TAG_SCI_LEN;
		op->aad_len = ETH_ADDRS_LEN + MACSEC_TAG_SCI_LEN;
		op->data = p->data + ETH_ADDRS_LEN;
		op->len = p->len - ETH_ADDRS_LEN;
	}
}
