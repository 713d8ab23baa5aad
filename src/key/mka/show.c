/*
 * A picture of the KaY for whoever asks, and the words for it.
 */
#include "key/mka/mka_i.h"

#include <string.h>

static const char *const result_names[MKA_RESULT_COUNT] = {
	[MKA_OK] = "ok",
	[MKA_NOT_MKPDU] = "not-mkpdu",
	[MKA_MALFORMED] = "malformed",
	[MKA_VERSION] = "version",
	[MKA_CKN_UNKNOWN] = "ckn-unknown",
	[MKA_AGILITY] = "algorithm-agility",
	[MKA_ICV_WRONG] = "icv-wrong",
	[MKA_OWN_MI] = "own-mi",
	[MKA_REPLAYED] = "replayed",
	[MKA_DUPLICATE_SCI] = "duplicate-sci",
	[MKA_NOT_LIVE] = "not-live",
	[MKA_SAK_REFUSED] = "sak-refused",
	[MKA_TOO_MANY_PEERS] = "too-many-peers",
};

const char *mka_result_name(enum mka_result r)
{
	return r < MKA_RESULT_COUNT ? result_names[r] : "?";
}

void mka_show(const struct mka *m, struct mka_show *out)
{
	const struct sak *s = sak_in_use(m);
	const struct actor *a = m->principal;

	*out = (struct mka_show){
		.state = cp_state_name(m->cp),
		.mn = a->mn,
		.sci = m->cfg.sci,
		.key_server = a->self,
		.key_server_sci = a->ks_sci,
		.secured = s != NULL,
		.suite = s ? s->suite : m->cfg.suite,
		.an = s ? s->an : 0,
		.sak_since_ns = s ? s->since : 0,
		.saks = m->saks,
		.rx_mkpdus = a->rx_mkpdus,
		.tx_mkpdus = a->tx_mkpdus,
		.alone_since_ns = m->alone_since,
		.suspended_until_ns = m->suspended_until,
		.suspend_ask_ns = m->ask_until,
		.suspend_granted = suspend_granted(m),
		.version = MKPDU_VERSION,
		.peers_max = m->peers_max,
		.peer_count = a->peer_count,
	};
	memcpy(out->mi, a->mi, MKA_MI_LEN);
	if (s) {
		struct wr w = wr_init(out->key_id, sizeof(out->key_id));

		wr_bytes(&w, s->ki.mi, MKA_MI_LEN);
		wr_u32(&w, s->ki.kn);
	}
	memcpy(out->results, m->results, sizeof(out->results));
	for (unsigned i = 0; i < a->peer_count; i++) {
		const struct peer *p = &a->peers[i];

		out->peers[i] = (struct mka_peer_show){
			.mn = p->mn,
			.sci = p->sci,
			.priority = p->priority,
			.live = p->live,
			.heard_ns = p->heard,
			.version = p->version,
			.announced = p->announced,
			.suites = p->suites,
			.suites_unknown = p->suites_unknown,
			.delay_protect = p->delay_protect,
			.can_suspend = p->can_suspend,
			.suspend_until_ns = p->suspend_until,
			.suspend_heard = a->suspend_mn && p->heard_mn >= a->suspend_mn,
		};
		memcpy(out->peers[i].mi, p->mi, MKA_MI_LEN);
	}
}
