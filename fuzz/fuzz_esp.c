/*
 * fuzz_esp: both directions of a tunnel. The input is one octet of set-up and then frames, each
 * an octet of how, two of length, and the octets: a frame from the carrier as it is; or what
 * stands behind an ESP header, trailer included, sealed under the right key, so that what lies
 * behind the ICV is reached as well; or a frame from the overlay.
 */
#include "fuzz.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/rd.h"
#include "fwd/path.h"
#include "wire/eth.h"
#include "wire/ip.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { TUNNEL = 1, OVERLAY, WAN, POOL = 256, FRAME_MAX = 1600, SPI_IN = 0x1001, SPI_OUT };
enum { SETUP_V6 = 1, SETUP_UDP = 2, SETUP_TRANSPORT = 4, SETUP_ESN = 8, SETUP_NARROW = 16 };
enum { HOW_SEAL = 1, HOW_OVERLAY = 2 };

static const uint8_t key_in[36] = {0x6b}, key_out[36] = {0x6c};
static const uint8_t here4[4] = {192, 0, 2, 1}, there4[4] = {192, 0, 2, 2};
static const uint8_t here6[16] = {0x20, 1, [15] = 1}, there6[16] = {0x20, 1, [15] = 2};

static struct {
	struct fwd *f;
	struct pkt_pool *pool;
	struct port *overlay, *wan; /* far ends */
	struct aead_key *aead;
} net;

static void hear(void *ctx, const struct msg *m)
{
	(void)ctx;
	(void)m;
}

static struct port *port_make(uint16_t id, uint8_t kind)
{
	struct port *near = port_memory_new(128, net.pool), *far = port_memory_new(128, net.pool);
	struct msg_port_give give = {.port = id, .kind = kind, .mac = {2, 0, 0, 0, 0, 9}};

	port_memory_join(near, far);
	MUST(fwd_port_add(net.f, &give, near) == 0);
	return far;
}

static void net_start(void)
{
	void *area = aligned_alloc(64, fwd_state_size());

	log_set_level(LOG_LVL_ERROR);
	MUST(area);
	memset(area, 0, fwd_state_size());
	net.pool = pkt_pool_new(POOL, FRAME_MAX);
	net.f = fwd_new(area, fwd_state_size(), net.pool, hear, NULL);
	MUST(net.f);
	net.overlay = port_make(OVERLAY, MSG_PORT_OVERLAY);
	net.wan = port_make(WAN, MSG_PORT_WAN);
	net.aead = aead_key_new(key_in, 32);
	MUST(net.aead);
}

static struct msg_ts any(uint8_t family)
{
	struct msg_ts ts = {.family = family, .port_hi = UINT16_MAX};

	memset(ts.hi, 0xff, family == 4 ? 4 : 16);
	return ts;
}

static struct msg sa_make(uint8_t setup, bool transmit)
{
	struct msg m = {.type = transmit ? MSG_ESP_TRANSMIT : MSG_ESP_RECEIVE};
	bool v6 = setup & SETUP_V6;

	m.esp = (struct msg_esp){.tunnel = TUNNEL,
				 .suite = ESP_AES_GCM_16_256,
				 .mode = setup & SETUP_TRANSPORT ? ESP_TRANSPORT : ESP_TUNNEL,
				 .esn = setup & SETUP_ESN,
				 .spi = transmit ? SPI_OUT : SPI_IN,
				 .window = 64};
	m.esp.local.family = m.esp.remote.family = v6 ? 6 : 4;
	memcpy(m.esp.local.addr, v6 ? here6 : here4, v6 ? 16 : 4);
	memcpy(m.esp.remote.addr, v6 ? there6 : there4, v6 ? 16 : 4);
	m.esp.local.port = m.esp.remote.port = setup & SETUP_UDP ? ESP_UDP_PORT : 0;
	m.esp.ts_local.count = m.esp.ts_remote.count = 2;
	m.esp.ts_local.v[0] = m.esp.ts_remote.v[0] = any(4);
	m.esp.ts_local.v[1] = m.esp.ts_remote.v[1] = any(6);
	if (setup & SETUP_NARROW) { /* so that protocols and ports are looked at */
		m.esp.ts_local.v[0].protocol = IP_UDP;
		m.esp.ts_local.v[0].port_hi = 1023;
	}
	MUST(secret_set(&m.esp.key, transmit ? key_out : key_in, 36) == 0);
	return m;
}

/* Everything as new, but for the allocations. */
static void net_reset(uint8_t setup)
{
	struct msg m = {.type = MSG_TUNNEL_DEL, .secy = TUNNEL};

	if (!net.f)
		net_start();
	MUST(fwd_control(net.f, &m) == 0);
	m = (struct msg){.type = MSG_TUNNEL_ADD};
	m.tunnel_add = (struct msg_tunnel){.tunnel = TUNNEL,
					   .overlay = OVERLAY,
					   .wan = WAN,
					   .mtu = 1400,
					   .next_hop = {2, 0, 0, 0, 0, 1},
					   .peer = {2, 0, 0, 0, 0, 2},
					   .dscp = 255,
					   .inner4 = {10, 0, 0, 1},
					   .inner6 = {0xfd, 1},
					   .name = "peer"};
	MUST(fwd_control(net.f, &m) == 0);
	for (unsigned i = 0; i < 2; i++) {
		m = sa_make(setup, i);
		MUST(fwd_control(net.f, &m) == 0);
	}
	fwd_tick(net.f, NS_PER_S);
	memset(net.f->fates, 0, sizeof(net.f->fates));
}

/* Fills p with an ESP packet whose encrypted part is the input's, and whose ICV is right. */
static void frame_seal(struct pkt *p, struct rd *r, uint8_t setup, uint32_t seq)
{
	bool v6 = setup & SETUP_V6, udp = setup & SETUP_UDP;
	size_t head = ETH_HEAD_LEN + (v6 ? 40u : 20u) + (udp ? UDP_HEAD_LEN : 0u);
	size_t n = rd_left(r) & ~(size_t)3, len = 8 + 8 + n + 16;
	const uint32_t esp[4] = {htobe32(SPI_IN), htobe32(seq), 0, htobe32(seq)};
	const uint32_t aad[3] = {htobe32(SPI_IN), 0, htobe32(seq)};
	const uint8_t eth[ETH_HEAD_LEN] = {
		2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, v6 ? 0x86 : 0x08, v6 ? 0xdd : 0x00};
	struct aead_op op = {.data = p->data + head + 16, .len = (uint32_t)n};

	memcpy(p->data, eth, sizeof(eth));
	ip_build(p->data + ETH_HEAD_LEN, v6 ? 6 : 4, v6 ? there6 : there4, v6 ? here6 : here4,
		 udp ? IP_UDP : IP_ESP, (uint8_t)(seq & 3), 64, 0, true,
		 (uint32_t)(head - ETH_HEAD_LEN + len));
	if (udp) {
		const uint16_t h[4] = {htobe16(ESP_UDP_PORT), htobe16(ESP_UDP_PORT),
				       htobe16((uint16_t)(UDP_HEAD_LEN + len)), 0};

		memcpy(p->data + head - UDP_HEAD_LEN, h, sizeof(h));
	}
	memcpy(p->data + head, esp, sizeof(esp));
	rd_copy(r, op.data, n);
	op.aad = setup & SETUP_ESN ? (const uint8_t *)aad : p->data + head;
	op.aad_len = setup & SETUP_ESN ? 12 : 8;
	op.tag = op.data + n;
	memcpy(op.nonce, key_in + 32, 4);
	memcpy(op.nonce + 4, esp + 2, 8);
	aead_seal(net.aead, &op, 1);
	p->len = (uint32_t)(head + len);
}

static unsigned drain(struct port *far, uint16_t marks)
{
	struct pkt v[PKT_BURST];
	unsigned n, sum = 0;

	while ((n = far->ops->rx(far, v, PKT_BURST)) != 0) {
		sum += n;
		for (unsigned i = 0; i < n; i++) {
			MUST(v[i].len >= ETH_HEAD_LEN && v[i].mark & marks);
			pkt_release(net.pool, &v[i]);
		}
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_init(data, size);
	uint8_t setup = rd_u8(&r);
	unsigned frames = 0;

	net_reset(setup);
	while (rd_left(&r) && frames < PKT_BURST / 2) {
		uint8_t how = rd_u8(&r);
		uint16_t len = rd_u16(&r) % 1500;
		struct rd frame = rd_block(&r, len < rd_left(&r) ? len : rd_left(&r));
		struct port *far = how & HOW_OVERLAY ? net.overlay : net.wan;
		struct pkt p;

		MUST(pkt_alloc(net.pool, &p));
		if ((how & (HOW_SEAL | HOW_OVERLAY)) == HOW_SEAL) {
			frame_seal(&p, &frame, setup, ++frames);
		} else {
			p.len = (uint32_t)rd_left(&frame);
			rd_copy(&frame, p.data, p.len);
			frames++;
		}
		p.mark = how;
		MUST(far->ops->tx(far, &p, 1) == 1);
	}
	while (fwd_poll(net.f))
		;
	MUST(drain(net.wan, PKT_SEALED) == net.f->fates[FATE_SENT_WAN]);
	MUST(drain(net.overlay, PKT_OPENED | PKT_OWN) == net.f->fates[FATE_SENT_OVERLAY]);
	MUST(!net.f->fates[FATE_GUARD_UNSEALED] && !net.f->fates[FATE_GUARD_MALFORMED] &&
	     !net.f->fates[FATE_GUARD_UNOPENED]);
	fwd_tick(net.f, 1000 * NS_PER_S); /* what waits for its other pieces is given up */
	MUST(net.pool->free == POOL);
	return 0;
}
