/*
 * classify: what a frame from a wan port is, up to the SA it names (802.1AE-2018 10.6, figure
 * 10-5). Whatever the carrier delivers ends here by name.
 */
#include "fwd/path.h"
#include "sa/replay.h"
#include "wire/eth.h"
#include "wire/macsec.h"

#include <string.h>

static const enum fwd_fate defect_fates[MACSEC_DEFECT_COUNT] = {
	[MACSEC_TAG_OK] = FATE_SENT_OVERLAY,
	[MACSEC_TAG_CUT] = FATE_DROP_TAG_CUT,
	[MACSEC_TAG_ETHERTYPE] = FATE_DROP_CLEAR,
	[MACSEC_TAG_VERSION_1] = FATE_DROP_TAG_VERSION,
	[MACSEC_TAG_ES_AND_SC] = FATE_DROP_TAG_ES_SC,
	[MACSEC_TAG_SCB_AND_SC] = FATE_DROP_TAG_SCB_SC,
	[MACSEC_TAG_SL_RESERVED] = FATE_DROP_TAG_SL,
	[MACSEC_TAG_SL_CUT] = FATE_DROP_TAG_SHORT,
	[MACSEC_TAG_SL_EXCESS] = FATE_DROP_TAG_EXCESS,
	[MACSEC_TAG_E_WITHOUT_C] = FATE_DROP_TAG_E,
	[MACSEC_TAG_C_WITHOUT_E] = FATE_DROP_TAG_C,
};

/* Counts at the SecY, if the port has one. */
static enum fwd_fate drop_at_secy(struct fwd_port *wan, enum sa_count what, enum fwd_fate fate)
{
	if (wan->secy)
		wan->secy->counters.v[what]++;
	return fate;
}

/* A frame without a SecTAG that a should-secure SecY takes; bridges' own are nobody's. */
static bool takes_clear(const struct fwd_port *wan, const struct pkt *p, uint16_t type)
{
	static const uint8_t reserved[5] = {0x01, 0x80, 0xc2, 0, 0};

	return wan->clear && wan->secy && wan->secy->takes_clear && type != ETH_TYPE_CTAG &&
	       type != ETH_TYPE_STAG &&
	       (memcmp(p->data, reserved, sizeof(reserved)) != 0 || p->data[5] > 0x0f);
}

/* Takes the tags out, of so many bytes. */
static void tags_cut(struct pkt *p, uint8_t len)
{
	if (!len)
		return;
	eth_addrs_move(p->data + len, p->data);
	p->data += len;
	p->len -= len;
}

/*
 * Finds the port of the tags in clear and takes them out of the frame. FATE_SENT_OVERLAY: without
 * a tag it is MACsec, or *clear. What the tags hold beyond the port's identifiers is the
 * carrier's affair.
 */
static enum fwd_fate tags_strip(struct fwd *f, struct fwd_hint *hint, struct pkt *p, bool *clear)
{
	struct rd r = rd_init(p->data, p->len);
	struct eth_clear e;

	/* Mostly it is what the frame before it was. */
	if (fwd_type_behind_tags(hint->wan, &r) == ETH_TYPE_MACSEC) {
		tags_cut(p, hint->wan->tag_len);
		return FATE_SENT_OVERLAY;
	}
	r = rd_init(p->data, p->len);
	e = eth_read_clear(&r);
	if (r.bad)
		return FATE_DROP_RUNT;
	if (e.tags != hint->wan->tags) {
		struct fwd_port *other = fwd_wan_find(f, hint->wan->port, e.tags);

		if (!other)
			return e.tags > eth_tags(0, 0, ETH_VID_MASK) ? FATE_DROP_STAG
								     : FATE_DROP_VLAN;
		*hint = (struct fwd_hint){.wan = other};
	}
	if (e.type != ETH_TYPE_MACSEC) {
		if (e.type == ETH_TYPE_EAPOL ||
		    (hint->wan->eapol_type && e.type == hint->wan->eapol_type))
			return FATE_DROP_EAPOL;
		if (!takes_clear(hint->wan, p, e.type))
			return FATE_DROP_CLEAR;
		*clear = true;
	}
	tags_cut(p, e.len);
	return FATE_SENT_OVERLAY;
}

/* The port whose bypass rules a frame that is not ciphertext of ours may fit: the one with its tags,
 * or else the one with all of them but the innermost, which may be a host's. */
static struct fwd_port *bypass_port(struct fwd *f, const struct fwd_port *wan, const struct pkt *p)
{
	struct rd r = rd_init(p->data, p->len);
	struct eth_clear e = eth_read_clear(&r);
	struct fwd_port *by = r.bad ? NULL : fwd_wan_find(f, wan->port, e.tags);

	if (r.bad || by)
		return by && by->bypasses ? by : NULL;
	if (e.tags >> 24 == 1) /* two tags of 802.1Q */
		by = fwd_wan_find(f, wan->port, e.tags >> 12 & ETH_VID_MASK);
	if (!by)
		by = fwd_wan_find(f, wan->port, 0);
	return by && by->bypasses ? by : NULL;
}

/*
 * What check and disabled let through unverified: a frame whose sender left its user data as it
 * was (C clear), which tc and the parser know to be neither encrypted nor changed.
 */
static bool lets_through(const struct secy *y, const struct macsec_tag *t)
{
	return y && y->config.validate != MACSEC_STRICT && !(t->tci & MACSEC_TCI_C);
}

static enum fwd_fate sc_of(struct fwd *f, struct fwd_hint *hint, const struct macsec_tag *t)
{
	struct fwd_port *wan = hint->wan;
	enum fwd_fate why = FATE_DROP_UNKNOWN_SCI;

	if (hint->sc && hint->sc->sci == t->sci && t->tci & MACSEC_TCI_SC)
		return FATE_SENT_OVERLAY;
	hint->sc = NULL;
	if (t->tci & (MACSEC_TCI_SC | MACSEC_TCI_ES | MACSEC_TCI_SCB)) {
		hint->sc = sc_find(f->sas, wan->id, t->sci);
		if (!hint->sc && t->tci & MACSEC_TCI_SCB)
			return drop_at_secy(wan, IN_PKTS_NO_SCI, FATE_DROP_SCB);
		if (!hint->sc && wan->secy->config.sci == t->sci)
			why = FATE_DROP_OWN_SCI;
	} else { /* of the only sender there is (9.9), or of nobody */
		hint->sc = wan->secy->sc_count == 1 ? wan->secy->scs : NULL;
		why = FATE_DROP_NO_SCI;
	}
	if (hint->sc)
		return FATE_SENT_OVERLAY;
	if (why != FATE_DROP_OWN_SCI && lets_through(wan->secy, t)) {
		wan->secy->counters.v[IN_PKTS_UNKNOWN_SCI]++;
		return FATE_SENT_OVERLAY;
	}
	return drop_at_secy(wan, IN_PKTS_NO_SCI, why);
}

static void again_note(struct fwd_hint *hint, const struct fwd_rx *rx, const struct macsec_tag *t)
{
	hint->again = t->tci & MACSEC_TCI_SC && !hint->wan->tag_len;
	hint->tci_an = t->tci | t->an;
	hint->sci = htobe64(t->sci);
	hint->like = *rx;
}

enum fwd_fate classify_wan(struct fwd *f, struct pkt *p, struct fwd_rx *rx, struct fwd_hint *hint)
{
	bool clear = hint->again = false;
	enum fwd_fate fate = tags_strip(f, hint, p, &clear);
	struct fwd_port *wan = hint->wan;
	enum macsec_defect defect;
	struct macsec_tag t;
	struct sc *sc;
	struct sa *sa;

	if (fate != FATE_SENT_OVERLAY && fate != FATE_DROP_EAPOL) {
		struct fwd_port *by = bypass_port(f, hint->wan, p);

		if (by && by->secy && rules_in(by, p)) {
			*rx = (struct fwd_rx){.secy = by->secy};
			return FATE_RECEIVED_BYPASS;
		}
	}
	if (fate == FATE_DROP_RUNT || fate == FATE_DROP_CLEAR || fate == FATE_DROP_EAPOL)
		return drop_at_secy(wan, IN_PKTS_NO_TAG, fate);
	if (fate != FATE_SENT_OVERLAY)
		return fate; /* another network's frame: none of the SecY's business */
	if (!wan->secy)
		return FATE_DROP_NO_SECY;
	if (clear) {
		wan->secy->counters.v[IN_PKTS_UNTAGGED]++;
		*rx = (struct fwd_rx){
			.secy = wan->secy, .secure = p->len - ETH_ADDRS_LEN, .clear = true};
		return FATE_SENT_OVERLAY;
	}
	defect = macsec_parse(&t, p->data, p->len);
	if (defect != MACSEC_TAG_OK)
		return drop_at_secy(wan, IN_PKTS_BAD_TAG, defect_fates[defect]);
	fate = sc_of(f, hint, &t);
	if (fate != FATE_SENT_OVERLAY)
		return fate;
	sc = hint->sc;
	*rx = (struct fwd_rx){.secy = sc ? sc->secy : wan->secy,
			      .secure = t.secure,
			      .tag_len = t.len,
			      .encrypted = t.tci & MACSEC_TCI_E};
	if (!sc)
		return FATE_SENT_OVERLAY;
	sa = sc->sa[t.an];
	if (!sa && lets_through(sc->secy, &t)) {
		sc->counters.v[IN_PKTS_UNUSED_SA]++;
		return FATE_SENT_OVERLAY;
	}
	if (!sa) {
		sc->counters.v[IN_PKTS_NOT_USING_SA]++;
		return FATE_DROP_NO_SA;
	}
	rx->pn = sa->xpn ? macsec_pn_recover(t.pn, sa->next) : t.pn;
	if (!rx->pn) {
		sc->secy->counters.v[IN_PKTS_BAD_TAG]++;
		return FATE_DROP_TAG_PN_ZERO;
	}
	switch (sa_replay_check(sa, rx->pn)) {
	case SA_LATE:
		sa->counters.v[IN_PKTS_LATE]++;
		return FATE_DROP_LATE;
	case SA_DUPLICATE:
		sa->counters.v[IN_PKTS_LATE]++;
		return FATE_DROP_DUPLICATE;
	default:
		break;
	}
	if (sc->secy->config.validate == MACSEC_DISABLED) {
		bool through = lets_through(sc->secy, &t);

		sa->counters.v[through ? IN_PKTS_UNCHECKED : IN_PKTS_NOT_VALID]++;
		return through ? FATE_SENT_OVERLAY : FATE_DROP_NOT_VALID;
	}
	rx->sa = sa;
	again_note(hint, rx, &t);
	return FATE_SENT_OVERLAY;
}
