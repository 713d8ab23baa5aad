/*
 * Building an MKPDU from the state as it is (IEEE 802.1X-2020 11.11.3).
 */
#include "key/mka/mka_i.h"

#include "base/log.h"
#include "crypto/cmac.h"
#include "crypto/keywrap.h"

#include <string.h>

#define TAG_8021Q 0x8100

struct lists {
	uint8_t live[MKA_PEERS_MAX * MKPDU_PEER_LEN];
	uint8_t potential[MKA_PEERS_MAX * MKPDU_PEER_LEN];
	uint8_t wrapped[MKPDU_WRAPPED_MAX];
	uint8_t tlvs[ANNOUNCE_MAX];
};

/* One of the lists, larger SCIs first: the order of the SSCIs. */
static void list_fill(const struct actor *a, bool live, uint8_t *v, struct mkpdu_list *l)
{
	struct wr w = wr_init(v, MKA_PEERS_MAX * MKPDU_PEER_LEN);
	uint64_t below = UINT64_MAX;

	for (;;) {
		const struct peer *next = NULL;

		for (unsigned i = 0; i < a->peer_count; i++) {
			const struct peer *p = &a->peers[i];

			if (p->live == live && p->sci < below && (!next || p->sci > next->sci))
				next = p;
		}
		if (!next)
			break;
		wr_bytes(&w, next->mi, MKA_MI_LEN);
		wr_u32(&w, next->mn);
		below = next->sci;
		l->count++;
	}
	l->v = v;
}

/*
 * Peers under one CAK are told also of SAKs that were distributed under another: a key server
 * among them needs to know which association numbers are taken, and delay protection which packet
 * numbers are past. But as keys that are not in use: wpa_supplicant discards what claims to use a
 * key that it does not know.
 */
static void use_fill(const struct actor *a, const struct sak *s, struct mkpdu_key_use *u,
		     uint32_t *lpn_high)
{
	uint64_t lpn = s->pn > 1 ? s->pn - 1 : 1;

	if (a->m->cfg.delay_protect)
		lpn = delay_lpn(a->m, s, a->tx_last);

	*lpn_high = 0;
	*u = (struct mkpdu_key_use){.lpn = 1};
	if (!s->held)
		return;
	*u = (struct mkpdu_key_use){
		.mi = s->ki.mi,
		.kn = s->ki.kn,
		.lpn = (uint32_t)lpn,
		.an = s->an,
		.tx = s->actor == a && s->tx,
		.rx = s->actor == a && s->rx,
	};
	*lpn_high = (uint32_t)(lpn >> 32);
}

static int sak_fill(const struct actor *a, const struct sak *s, struct mkpdu *p, uint8_t *wrapped)
{
	int err = keywrap_wrap(a->kek.b, a->kek.len, s->key.b, s->key.len, wrapped);

	if (err)
		return err;
	p->sak.an = s->an;
	p->sak.offset = mka_conf_codes[s->conf];
	p->sak.kn = s->ki.kn;
	p->sak.suite = macsec_suites[s->suite].id;
	p->sak.wrapped = wrapped;
	p->sak.wrapped_len = (uint8_t)(s->key.len + KEYWRAP_OVERHEAD);
	p->present |= 1u << MKPDU_DIST_SAK;
	if (macsec_suites[s->suite].xpn)
		p->live.ks_ssci = (uint8_t)s->ssci;
	return 0;
}

static int body_build(const struct actor *a, struct wr *w)
{
	const struct mka *m = a->m;
	struct lists lists;
	const struct sak *latest = &m->sak[SAK_LATEST], *old = &m->sak[SAK_OLD];
	struct mkpdu p = {
		.version = MKPDU_VERSION,
		.priority = m->cfg.priority,
		.capability = m->cfg.conf == MACSEC_CONF_30 || m->cfg.conf == MACSEC_CONF_50
				      ? MKPDU_CAPABLE_CONF
				      : MKPDU_CAPABLE_CONF_0,
		.desired = true,
		.key_server = m->cfg.priority != 255 && (!a->elected || a->self),
		.sci = m->cfg.sci,
		.mi = a->mi,
		.mn = a->mn,
		.agility = MKPDU_AGILITY,
		.ckn = a->key.ckn,
		.ckn_len = a->key.ckn_len,
	};
	int err = 0;

	list_fill(a, true, lists.live, &p.live);
	list_fill(a, false, lists.potential, &p.potential);
	/* The set with the suspension time comes always: it says that we know of suspension. */
	p.present = (p.live.count ? 1u << MKPDU_LIVE : 0) |
		    (p.potential.count ? 1u << MKPDU_POTENTIAL : 0) | 1u << MKPDU_XPN;
	p.xpn.suspension = suspend_told(a);
	if (latest->held || old->held) {
		p.present |= 1u << MKPDU_SAK_USE;
		p.use.delay_protect = m->cfg.delay_protect;
		use_fill(a, latest, &p.use.latest, &p.xpn.latest_lpn);
		use_fill(a, old, &p.use.old, &p.xpn.old_lpn);
	}
	/* A SAK takes more room than what we announce, which can wait for the next hello. */
	if (server_distributes(a))
		err = sak_fill(a, sak_newest(m), &p, lists.wrapped);
	else
		announce_fill(m, lists.tlvs, &p);
	if (!err)
		mkpdu_build(&p, w);
	return err;
}

static size_t frame_build(struct actor *a, uint8_t buf[MKA_FRAME_MAX])
{
	const struct mka *m = a->m;
	uint8_t plain[MKA_FRAME_MAX], icv[CMAC_LEN];
	struct wr w = wr_init(plain, sizeof(plain) - 8), out = wr_init(buf, MKA_FRAME_MAX);
	size_t hole;

	wr_bytes(&w, m->cfg.destination, 6);
	wr_u32(&w, (uint32_t)(m->cfg.sci >> 32));
	wr_u16(&w, (uint16_t)(m->cfg.sci >> 16));
	wr_u16(&w, m->cfg.ethertype);
	wr_u8(&w, EAPOL_VERSION);
	wr_u8(&w, EAPOL_TYPE_MKA);
	hole = wr_hole16(&w);
	if (body_build(a, &w))
		goto fail;
	wr_fill16(&w, hole, MKPDU_ICV_LEN);
	if (w.bad || cmac_aes(a->ick.b, a->ick.len, plain, wr_len(&w), icv))
		goto fail;
	wr_bytes(&w, icv, sizeof(icv));
	wr_bytes(&out, plain, 12);
	if (m->cfg.outer_type) {
		wr_u16(&out, m->cfg.outer_type);
		wr_u16(&out, (uint16_t)(m->cfg.pcp << 13 | m->cfg.outer_vlan));
	}
	if (m->cfg.vlan) {
		wr_u16(&out, TAG_8021Q);
		wr_u16(&out, (uint16_t)(m->cfg.pcp << 13 | m->cfg.vlan));
	}
	wr_bytes(&out, plain + 12, wr_len(&w) - 12);
	if (w.bad || out.bad)
		goto fail;
	a->tx_mkpdus++;
	return wr_len(&out);
fail:
	log_error("mka secy %u: cannot build an MKPDU", m->cfg.secy);
	return 0;
}

size_t mka_output(struct mka *m, uint8_t buf[MKA_FRAME_MAX])
{
	FOR_EACH_ACTOR (m, a) {
		size_t n;

		if (!a->tx_pending)
			continue;
		a->tx_pending = false;
		n = frame_build(a, buf);
		if (n)
			return n;
	}
	return 0;
}
