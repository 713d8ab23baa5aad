/*
 * fuzz_sectag: the whole receive path of a wan interface, from the bytes of the carrier to the
 * overlays. It has two ports: one with the tags in clear of the set-up's choice, and one in VLAN 9
 * whose SecY knows nobody. The input is one octet of set-up and then frames, each an octet of how,
 * two of length, and the octets: raw, or as user data that is given a SecTAG of the input's choice
 * and a right ICV, so that what lies behind the ICV is reached as well; either behind the first
 * port's tags or not.
 */
#include "fuzz.h"

#include "base/log.h"
#include "base/rd.h"
#include "fwd/path.h"
#include "wire/eth.h"

#include <stdlib.h>
#include <string.h>

enum { SECY = 1, OVERLAY, WAN, OTHER, OTHER_OVERLAY, OTHER_WAN, POOL = 256, FRAME_MAX = 1600 };

/* The octet of set-up. */
enum {
	SETUP_VLAN = 1,
	SETUP_WINDOW = 2,
	SETUP_NO_REPLAY = 4,
	SETUP_XPN = 8,
	SETUP_STAG = 16, /* a service tag around the VLAN */
	SETUP_CTAG = 32, /* a second tag around it */
	SETUP_SHOULD_SECURE = 64,
};

/* And of a frame. */
enum { HOW_SEALED = 1, HOW_TAGS = 2 };

static const uint8_t key[32] = {0x6b};
static const uint64_t peer = UINT64_C(0x0200000000010001);

static struct {
	struct fwd *f;
	struct pkt_pool *pool;
	struct port *overlay, *wan, *other_overlay, *other_wan; /* far ends */
	const struct fwd_port *port;
	struct aead_key *aead;
} net;

static void hear(void *ctx, const struct msg *m)
{
	(void)ctx;
	(void)m;
}

static struct port *port_make(uint16_t id, uint8_t kind, uint16_t vlan, uint8_t setup)
{
	struct port *near = port_memory_new(128, net.pool), *far = port_memory_new(128, net.pool);
	struct msg_port_give give = {.port = id, .kind = kind, .vlan = vlan, .eapol_type = 0x888e};

	if (setup & (SETUP_STAG | SETUP_CTAG)) {
		give.vlan = 5;
		give.outer_type = setup & SETUP_STAG ? ETH_TYPE_STAG : ETH_TYPE_CTAG;
		give.outer_vlan = 6;
	}
	give.clear = setup & SETUP_SHOULD_SECURE;
	port_memory_join(near, far);
	MUST(fwd_port_add(net.f, &give, near) == 0);
	return far;
}

/* Everything as new, but for the allocations. */
static void net_reset(uint8_t setup, enum macsec_suite suite)
{
	struct msg m = {.type = MSG_SECY_DEL, .secy = SECY};
	void *area;

	if (!net.f) {
		log_set_level(LOG_LVL_ERROR);
		area = aligned_alloc(64, fwd_state_size());
		MUST(area);
		memset(area, 0, fwd_state_size());
		net.pool = pkt_pool_new(POOL, FRAME_MAX);
		net.f = fwd_new(area, fwd_state_size(), net.pool, hear, NULL);
		MUST(net.f);
		net.overlay = port_make(OVERLAY, MSG_PORT_OVERLAY, 0, 0);
		net.other_overlay = port_make(OTHER_OVERLAY, MSG_PORT_OVERLAY, 0, 0);
		m = (struct msg){.type = MSG_SECY_ADD};
		m.secy_add = (struct msg_secy){.secy = OTHER,
					       .overlay = OTHER_OVERLAY,
					       .wan = OTHER_WAN,
					       .sci = UINT64_C(0x0200000000020009),
					       .window = 64,
					       .send_sci = true,
					       .replay_protect = true};
		MUST(fwd_control(net.f, &m) == 0);
		m = (struct msg){.type = MSG_SECY_DEL, .secy = SECY};
		net.aead = aead_key_new(key, sizeof(key));
		MUST(net.aead);
	}
	if (net.wan) {
		net.wan->ops->close(net.wan);
		net.other_wan->ops->close(net.other_wan);
	}
	/* The one that is given last is the interface's. */
	net.other_wan = port_make(OTHER_WAN, MSG_PORT_WAN, 9, 0);
	net.wan = port_make(WAN, MSG_PORT_WAN, setup & SETUP_VLAN ? 5 : 0, setup);
	net.port = fwd_port_find(net.f, WAN);
	MUST(fwd_control(net.f, &m) == 0);
	m = (struct msg){.type = MSG_SECY_ADD};
	m.secy_add = (struct msg_secy){.secy = SECY,
				       .overlay = OVERLAY,
				       .wan = WAN,
				       .sci = UINT64_C(0x0200000000020001),
				       .window = setup & SETUP_WINDOW ? 64 : 0,
				       .send_sci = true,
				       .replay_protect = !(setup & SETUP_NO_REPLAY),
				       .should_secure = setup & SETUP_SHOULD_SECURE};
	MUST(fwd_control(net.f, &m) == 0);
	m = (struct msg){.type = MSG_SA_RECEIVE};
	m.sa = (struct msg_sa){
		.secy = SECY, .an = 1, .suite = (uint8_t)suite, .sci = peer, .pn = 1};
	MUST(secret_set(&m.sa.key, key, sizeof(key)) == 0);
	MUST(fwd_control(net.f, &m) == 0);
	memset(net.f->fates, 0, sizeof(net.f->fates));
}

/* Fills p with user data that carries the input's SecTAG octets and a right ICV. */
static void frame_seal(struct pkt *p, struct rd *r, bool xpn)
{
	uint8_t *tag = p->data + ETH_ADDRS_LEN, base[AEAD_NONCE_LEN] = {0};
	size_t head = ETH_ADDRS_LEN + MACSEC_TAG_SCI_LEN, n = rd_left(r);
	struct aead_op op = {.data = p->data + head,
			     .aad = p->data,
			     .len = (uint32_t)n,
			     .aad_len = (uint32_t)head};
	uint32_t pn = n > 3 ? r->p[3] : 1;

	memset(p->data, 2, ETH_ADDRS_LEN);
	macsec_build(tag, 1, true, pn, peer, n);
	if (n > 4 && r->p[4] & 1) /* integrity only */
		tag[2] &= 0xf3;
	rd_copy(r, op.data, n);
	if (!(tag[2] & MACSEC_TCI_E)) {
		op.aad_len += op.len;
		op.data += op.len;
		op.len = 0;
	}
	op.tag = p->data + head + n;
	if (!xpn)
		macsec_nonce_base(base, MACSEC_GCM_AES_256, peer, 0, base);
	macsec_nonce(op.nonce, base, pn);
	aead_seal(net.aead, &op, 1);
	p->len = (uint32_t)(head + n + MACSEC_ICV_LEN);
}

static void tags_put(struct pkt *p)
{
	uint8_t addrs[ETH_ADDRS_LEN];

	memcpy(addrs, p->data, sizeof(addrs));
	p->data -= net.port->tag_len;
	p->len += net.port->tag_len;
	memcpy(p->data, addrs, sizeof(addrs));
	memcpy(p->data + ETH_ADDRS_LEN, net.port->tag, net.port->tag_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_init(data, size);
	uint8_t setup = rd_u8(&r);
	bool xpn = setup & SETUP_XPN, clear = setup & SETUP_SHOULD_SECURE;
	uint64_t fates = 0;
	unsigned frames = 0, n;
	struct pkt v[PKT_BURST];

	net_reset(setup, xpn ? MACSEC_GCM_AES_XPN_256 : MACSEC_GCM_AES_256);
	while (rd_left(&r) && frames < PKT_BURST) {
		uint8_t how = rd_u8(&r);
		uint16_t len = rd_u16(&r) % 1500;
		struct rd frame = rd_block(&r, len < rd_left(&r) ? len : rd_left(&r));
		struct pkt p;

		MUST(pkt_alloc(net.pool, &p));
		if (how & HOW_SEALED) {
			frame_seal(&p, &frame, xpn);
		} else {
			p.len = (uint32_t)rd_left(&frame);
			rd_copy(&frame, p.data, p.len);
		}
		if (how & HOW_TAGS && p.len >= ETH_ADDRS_LEN)
			tags_put(&p);
		p.mark = how;
		MUST(net.wan->ops->tx(net.wan, &p, 1) == 1);
		frames++;
	}
	while (fwd_poll(net.f))
		;
	MUST(net.wan->ops->rx(net.wan, v, PKT_BURST) == 0); /* nothing is ever sent in answer */
	n = net.overlay->ops->rx(net.overlay, v, PKT_BURST);
	MUST(n == net.f->fates[FATE_SENT_OVERLAY]);
	/* No key is in use to send, so what comes in clear is taken where the file says so. */
	for (unsigned i = 0; i < n; i++) {
		MUST(v[i].len >= ETH_HEAD_LEN);
		MUST(v[i].mark & PKT_OPENED || (clear && v[i].mark & PKT_CLEAR));
		pkt_release(net.pool, &v[i]);
	}
	MUST(net.other_overlay->ops->rx(net.other_overlay, v, PKT_BURST) == 0);
	for (unsigned i = 0; i < FATE_COUNT; i++)
		fates += net.f->fates[i];
	MUST(fates == frames); /* each has exactly one fate */
	MUST(net.pool->free == POOL);
	return 0;
}
