/*
 * Announcements (IEEE 802.1X-2020 11.11.1, 11.12): what a participant can do, told within its
 * MKPDUs. For the eyes of operators: nothing is decided by it, but where the suites of a CA do not
 * fit it says whose.
 */
#include "key/mka/mka_i.h"

void announce_fill(const struct mka *m, uint8_t tlvs[ANNOUNCE_MAX], struct mkpdu *p)
{
	struct mkpdu_suite v[MACSEC_SUITE_COUNT];
	struct wr w = wr_init(tlvs, ANNOUNCE_MAX);
	unsigned n = 0;

	for (unsigned i = 0; i < MACSEC_SUITE_COUNT; i++)
		if (m->cfg.accept_suites & 1u << i)
			v[n++] = (struct mkpdu_suite){macsec_suites[i].id,
						      macsec_suites[i].xpn ? MKPDU_CAPABLE_CONF_0
									   : MKPDU_CAPABLE_CONF};
	mkpdu_tlv_suites(&w, v, n);
	p->announcement.tlvs = tlvs;
	p->announcement.len = (uint16_t)wr_len(&w);
	p->present |= 1u << MKPDU_ANNOUNCEMENT;
}

void announce_take(struct peer *peer, const struct mkpdu *p)
{
	struct rd r = rd_init(p->announcement.tlvs, p->announcement.len), value;
	struct mkpdu_suite suite;
	struct mkpdu_tlv t;

	if (!(p->present & 1u << MKPDU_ANNOUNCEMENT))
		return;
	while (mkpdu_tlv_next(&r, &t)) {
		if (t.type != MKPDU_TLV_SUITES)
			continue;
		peer->announced = true;
		peer->suites = peer->suites_unknown = 0;
		value = rd_init(t.v, t.len);
		while (mkpdu_suite_next(&value, &suite)) {
			int known = macsec_suite_by_id(suite.id);

			if (known >= 0)
				peer->suites |= (uint8_t)(1u << known);
			else
				peer->suites_unknown++;
		}
	}
}
