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

static void peers_show(const struct actor *a, struct mka_peer_show *out)
{
	for (unsigned i = 0; i < a->peer_count; i++) {
		const struct peer *p = &a->peers[i];

		out[i] = (struct mka_peer_show){
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
		memcpy(out[i].mi, p->mi, MKA_MI_LEN);
	}
}

static void actor_show(const struct actor *a, struct mka_key_show *out)
{
	out->runs = true;
	out->principal = a == a->m->principal;
	out->overtime_ns = a->overtime_at;
	memcpy(out->mi, a->mi, MKA_MI_LEN);
	out->mn = a->mn;
	out->key_server = a->self;
	out->key_server_sci = a->ks_sci;
	out->rx_mkpdus = a->rx_mkpdus;
	out->tx_mkpdus = a->tx_mkpdus;
	memcpy(out->results, a->results, sizeof(out->results));
	out->peer_count = a->peer_count;
	out->live_count = peers_live(a);
	peers_show(a, out->peers);
}

static void keys_show(const struct mka *m, struct mka_show *out)
{
	out->key_count = m->cfg.key_count;
	for (unsigned i = 0; i < m->cfg.key_count; i++) {
		const struct mka_key *k = &m->cfg.keys[i];
		struct mka_key_show *o = &out->keys[i];

		o->ckn_len = k->ckn_len;
		memcpy(o->ckn, k->ckn, sizeof(o->ckn));
		o->fallback = k->fallback;
		o->start = k->start;
		o->end = k->end;
		o->time = key_time(m, k, m->stepped_at);
		FOR_EACH_ACTOR (m, a)
			if (key_equal(&a->key, k))
				actor_show(a, o);
	}
}

void mka_show(const struct mka *m, struct mka_show *out)
{
	const struct sak *s = sak_in_use(m);
	const struct actor *a = m->principal;

	*out = (struct mka_show){
		.state = cp_state_name(m->cp),
		.sci = m->cfg.sci,
		.secured = s != NULL,
		.suite = s ? s->suite : m->cfg.suite,
		.conf = s ? s->conf : m->cfg.conf,
		.an = s ? s->an : 0,
		.sak_since_ns = s ? s->since : 0,
		.saks = m->saks,
		.alone_since_ns = m->alone_since,
		.suspended_until_ns = m->suspended_until,
		.suspend_ask_ns = m->ask_until,
		.suspend_granted = suspend_granted(m),
		.version = MKPDU_VERSION,
		.peers_max = m->peers_max,
	};
	if (a) {
		out->mn = a->mn;
		memcpy(out->mi, a->mi, MKA_MI_LEN);
		out->key_server = a->self;
		out->key_server_sci = a->ks_sci;
		out->rx_mkpdus = a->rx_mkpdus;
		out->tx_mkpdus = a->tx_mkpdus;
		out->peer_count = a->peer_count;
		peers_show(a, out->peers);
	}
	if (s) {
		struct wr w = wr_init(out->key_id, sizeof(out->key_id));

		wr_bytes(&w, s->ki.mi, MKA_MI_LEN);
		wr_u32(&w, s->ki.kn);
	}
	memcpy(out->results, m->results, sizeof(out->results));
	keys_show(m, out);
}
