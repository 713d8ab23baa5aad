/*
 * fuzz_sectag: the whole receive path of a wan port, from the bytes of the carrier to the
 * overlay. The input is one octet of set-up and then frames, each an octet of how, two of
 * length, and the octets: raw, or as user data that is given a SecTAG of the input's choice and a
 * right ICV, so that what lies behind the ICV is reached as well.
 */
#include "base/log.h"
#include "base/rd.h"
#include "fwd/path.h"
#include "wire/eth.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x)                                                                                    \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

enum { SECY = 1, OVERLAY, WAN, POOL = 256, FRAME_MAX = 1600 };

static const uint8_t key[32] = {0x6b};
static const uint64_t peer = UINT64_C(0x0200000000010001);

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

static struct port *port_make(uint16_t id, uint8_t kind, uint16_t vlan)
{
	struct port *near = port_memory_new(128, net.pool), *far = port_memory_new(128, net.pool);
	struct msg_port_give give = {.port = id, .kind = kind, .vlan = vlan, .eapol_type = 0x888e};

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
		net.overlay = port_make(OVERLAY, MSG_PORT_OVERLAY, 0);
		net.aead = aead_key_new(key, sizeof(key));
		MUST(net.aead);
	}
	if (net.wan)
		net.wan->ops->close(net.wan);
	net.wan = port_make(WAN, MSG_PORT_WAN, setup & 1 ? 5 : 0);
	MUST(fwd_control(net.f, &m) == 0);
	m = (struct msg){.type = MSG_SECY_ADD};
	m.secy_add = (struct msg_secy){.secy = SECY,
				       .overlay = OVERLAY,
				       .wan = WAN,
				       .sci = UINT64_C(0x0200000000020001),
				       .window = setup & 2 ? 64 : 0,
				       .send_sci = true,
				       .replay_protect = !(setup & 4)};
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_init(data, size);
	uint8_t setup = rd_u8(&r);
	bool xpn = setup & 8;
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
		if (how & 1) {
			frame_seal(&p, &frame, xpn);
		} else {
			p.len = (uint32_t)rd_left(&frame);
			rd_copy(&frame, p.data, p.len);
		}
		p.mark = how;
		MUST(net.wan->ops->tx(net.wan, &p, 1) == 1);
		frames++;
	}
	while (fwd_poll(net.f))
		;
	MUST(net.wan->ops->rx(net.wan, v, PKT_BURST) == 0); /* nothing is ever sent in answer */
	n = net.overlay->ops->rx(net.overlay, v, PKT_BURST);
	MUST(n == net.f->fates[FATE_SENT_OVERLAY]);
	for (unsigned i = 0; i < n; i++) {
		MUST(v[i].len >= ETH_HEAD_LEN && v[i].mark & PKT_OPENED);
		pkt_release(net.pool, &v[i]);
	}
	for (unsigned i = 0; i < FATE_COUNT; i++)
		fates += net.f->fates[i];
	MUST(fates == frames); /* each has exactly one fate */
	MUST(pkt_pool_available(net.pool) == POOL);
	return 0;
}
