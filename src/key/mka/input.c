/*
 * From a received frame to what may be believed of it (IEEE 802.1X-2020 9.4.1, 11.11.2, 11.11.4).
 *
 * Before the ICV stands only what is needed to find the key: addresses, tag, EtherType, lengths,
 * CKN, algorithm agility. They decide under which name a frame is dropped and nothing else. After
 * it, the sender is somebody who has the CAK, but the frame may still be old, his own mistake, or
 * ours come back: every test comes before the first change.
 */
#include "key/mka/mka_i.h"

#include "base/log.h"
#include "crypto/cmac.h"
#include "crypto/keywrap.h"

#include <inttypes.h>
#include <string.h>

#define ETH_HEAD_LEN 14
#define TAG_8021Q 0x8100

/* Where the parts of the frame are that the ICV covers. */
struct framed {
	const uint8_t *macs;  /* both addresses */
	const uint8_t *eapol; /* EtherType, EAPOL header, body */
	const uint8_t *body;
	size_t body_len;
};

static bool addressed(const struct mka *m, const uint8_t *macs)
{
	uint8_t own[6];

	for (unsigned i = 0; i < 6; i++)
		own[i] = (uint8_t)(m->cfg.sci >> (56 - 8 * i));
	if (macs[6] & 1)
		return false;
	return !memcmp(macs, m->cfg.destination, 6) || !memcmp(macs, own, 6);
}

static bool tag_skip(struct rd *r, uint16_t type, uint16_t vlan)
{
	uint16_t got = rd_u16(r), tci = rd_u16(r);

	return got == type && (tci & 0xfff) == vlan;
}

/* Ours and no others; what their priority bits say is the carrier's affair. */
static bool tags_skip(const struct mka *m, struct rd *r)
{
	return (!m->cfg.outer_type || tag_skip(r, m->cfg.outer_type, m->cfg.outer_vlan)) &&
	       (!m->cfg.vlan || tag_skip(r, TAG_8021Q, m->cfg.vlan));
}

static enum mka_result frame_split(const struct mka *m, const uint8_t *frame, size_t len,
				   struct framed *f)
{
	struct rd r = rd_init(frame, len);
	uint16_t type;
	uint8_t version;

	f->macs = rd_bytes(&r, 12);
	if (!tags_skip(m, &r))
		return MKA_NOT_MKPDU;
	f->eapol = r.p;
	type = rd_u16(&r);
	if (r.bad || type != m->cfg.ethertype || !addressed(m, f->macs))
		return MKA_NOT_MKPDU;
	version = rd_u8(&r);
	if (rd_u8(&r) != EAPOL_TYPE_MKA)
		return MKA_NOT_MKPDU;
	f->body_len = rd_u16(&r);
	f->body = rd_bytes(&r, f->body_len); /* what is behind it is padding of the frame */
	if (r.bad || len > MKA_FRAME_MAX)
		return MKA_MALFORMED;
	return version < EAPOL_VERSION ? MKA_VERSION : MKA_OK;
}

/* Over the frame without its tag: bridges and interfaces below us put it in and take it out. */
static bool icv_holds(const struct actor *a, const struct framed *f)
{
	uint8_t buf[MKA_FRAME_MAX], icv[CMAC_LEN];
	struct wr w = wr_init(buf, sizeof(buf));

	if (mka_faulty(a->m, MKA_FAULT_SKIP_ICV))
		return true;
	wr_bytes(&w, f->macs, 12);
	wr_bytes(&w, f->eapol, (size_t)(f->body - f->eapol) + f->body_len - MKPDU_ICV_LEN);
	if (w.bad || cmac_aes(a->ick.b, a->ick.len, buf, wr_len(&w), icv))
		return false;
	return secret_equal(icv, f->body + f->body_len - MKPDU_ICV_LEN, MKPDU_ICV_LEN);
}

/* *to: whom it is for, once that is known. */
static enum mka_result authenticate(struct mka *m, const uint8_t *frame, size_t len,
				    struct actor **to, struct mkpdu *p)
{
	struct framed f;
	const uint8_t *ckn;
	uint8_t ckn_len;
	uint32_t agility;
	enum mka_result r = frame_split(m, frame, len, &f);

	if (r != MKA_OK)
		return r;
	ckn = mkpdu_ckn(f.body, f.body_len, &ckn_len, &agility);
	if (!ckn)
		return MKA_MALFORMED;
	*to = actor_named(m, ckn, ckn_len);
	if (!*to)
		return MKA_CKN_UNKNOWN;
	if (agility != MKPDU_AGILITY)
		return MKA_AGILITY;
	if (!icv_holds(*to, &f))
		return MKA_ICV_WRONG;
	if (mkpdu_parse(p, f.body, f.body_len) || !p->mn)
		return MKA_MALFORMED;
	return p->version ? MKA_OK : MKA_VERSION;
}

/* The message number a list gives our member identifier; 0: we are not in it. */
static uint32_t list_mn(const struct actor *a, const struct mkpdu_list *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		struct rd r = rd_init(l->v + i * MKPDU_PEER_LEN, MKPDU_PEER_LEN);
		const uint8_t *mi = rd_bytes(&r, MKA_MI_LEN);

		if (!memcmp(mi, a->mi, MKA_MI_LEN))
			return rd_u32(&r);
	}
	return 0;
}

static void use_take(struct key_use *to, const struct mkpdu_key_use *from, uint32_t lpn_high)
{
	*to = (struct key_use){
		.ki.kn = from->kn,
		.lpn = (uint64_t)lpn_high << 32 | from->lpn,
		.an = from->an,
		.tx = from->tx,
		.rx = from->rx,
	};
	memcpy(to->ki.mi, from->mi, MKA_MI_LEN);
}

/* Its live list names a member that is not live here: one we still have to hear. */
static bool lists_others(struct actor *a, const struct mkpdu *p)
{
	for (unsigned i = 0; i < p->live.count; i++) {
		const uint8_t *mi = p->live.v + i * MKPDU_PEER_LEN;
		const struct peer *q = peer_find(a, mi);

		if (memcmp(mi, a->mi, MKA_MI_LEN) != 0 && (!q || !q->live))
			return true;
	}
	return false;
}

static void peer_take(struct peer *peer, const struct mkpdu *p)
{
	memcpy(peer->mi, p->mi, MKA_MI_LEN);
	peer->mn = p->mn;
	peer->version = p->version;
	peer->capability = p->capability;
	peer->priority = p->priority;
	peer->key_server = p->key_server;
	peer->delay_protect = p->present & 1u << MKPDU_SAK_USE && p->use.delay_protect;
	announce_take(peer, p);
	peer->latest = peer->old = (struct key_use){0};
	if (!(p->present & 1u << MKPDU_SAK_USE) || p->use.empty)
		return;
	use_take(&peer->latest, &p->use.latest, p->xpn.latest_lpn);
	use_take(&peer->old, &p->use.old, p->xpn.old_lpn);
}

static bool member_add(struct sak *s, const uint8_t *mi, uint64_t sci, uint32_t ssci)
{
	if (sak_member(s, mi) || s->member_count == MKA_PEERS_MAX)
		return false;
	s->members[s->member_count].sci = sci;
	s->members[s->member_count].ssci = ssci;
	memcpy(s->members[s->member_count++].mi, mi, MKA_MI_LEN);
	return true;
}

/*
 * Who the SAK is for: the key server and its live list. From MKA version 3 on the list stands in
 * the order of the SSCIs, from 1, the key server's own left out; so they are known even of
 * members not heard yet. Before, everybody counts SCIs himself. cfg.ssci_order overrides it.
 */
static bool sak_members(struct sak *s, const struct actor *a, const struct peer *server,
			const struct mkpdu *p)
{
	enum mka_ssci_order order = a->m->cfg.ssci_order;
	bool xpn = macsec_suites[s->suite].xpn, told = p->version >= 3 && p->live.ks_ssci;
	bool ordered = xpn && (order == MKA_SSCI_LIST || (order == MKA_SSCI_AUTO && told));
	uint8_t ks_ssci = told ? p->live.ks_ssci : 1;
	uint32_t ssci = 0;

	for (unsigned i = 0; i < p->live.count; i++) {
		const uint8_t *mi = p->live.v + i * MKPDU_PEER_LEN;

		if ((++ssci & 0xff) == ks_ssci && ordered)
			ssci++;
		if (!memcmp(mi, a->mi, MKA_MI_LEN))
			s->ssci = ordered ? ssci : 0;
		else if (!member_add(s, mi, 0, ordered ? ssci : 0))
			return false;
	}
	return member_add(s, server->mi, server->sci, ordered ? ks_ssci : 0);
}

static bool sak_held(const struct mka *m, const struct ki *ki)
{
	for (unsigned i = 0; i <= SAK_OLD; i++)
		if (m->sak[i].held && ki_equal(&m->sak[i].ki, ki))
			return true;
	return false;
}

/* A key number not larger than the last of that key server: the SAK was ours once. */
static bool sak_used(const struct actor *a, const struct ki *ki)
{
	for (unsigned i = 0; i < MKA_USED_MAX; i++)
		if (!memcmp(a->used[i].mi, ki->mi, MKA_MI_LEN) && ki->kn <= a->used[i].kn)
			return true;
	return false;
}

static void sak_use_up(struct actor *a, const struct ki *ki)
{
	for (unsigned i = 0; i < MKA_USED_MAX; i++)
		if (!memcmp(a->used[i].mi, ki->mi, MKA_MI_LEN)) {
			a->used[i] = *ki;
			return;
		}
	a->used[a->used_next] = *ki;
	a->used_next = (a->used_next + 1) % MKA_USED_MAX;
}

/* What became of a Distributed SAK parameter set. */
enum taken {
	TAKEN_NOTHING, /* there is none, or it is ours already, or not for us yet */
	TAKEN,
	TAKEN_BACK,   /* we had abandoned it, and hold it still */
	TAKEN_FORGED, /* it cannot be: the whole MKPDU is discarded */
	TAKEN_NOT_KS, /* he thinks he is key server, as happens after one died; ignored */
	TAKEN_SUITE,  /* we do not take this suite; ignored */
	TAKEN_OPEN,   /* it leaves more in clear than we may; ignored */
	TAKEN_USED,   /* we had it and lost it; it cannot be used twice */
};

/* Decides on a distributed SAK from a peer as its MKPDU would make it, and unwraps it into s.
 * Changes nothing. */
static enum taken sak_check(struct actor *a, const struct peer *from, const struct mkpdu *p,
			    struct sak *s)
{
	const struct mka *m = a->m;
	struct server ks = election_result(a, from);
	enum macsec_conf conf = conf_of(p->sak.offset);
	int suite;

	if (!(p->present & 1u << MKPDU_DIST_SAK))
		return TAKEN_NOTHING;
	if (ks.self || !ks.elected || memcmp(from->mi, ks.mi, MKA_MI_LEN) != 0)
		return TAKEN_NOT_KS;
	suite = p->sak.plain ? -1 : macsec_suite_by_id(p->sak.suite);
	if (suite < 0 || !(m->cfg.accept_suites & 1u << suite))
		return TAKEN_SUITE;
	if (!p->sak.kn || conf == MACSEC_CONF_COUNT ||
	    !macsec_conf_fits(&macsec_suites[suite], conf) ||
	    p->sak.wrapped_len != macsec_suites[suite].key_len + KEYWRAP_OVERHEAD)
		return TAKEN_FORGED;
	if (macsec_confs[conf].clear > macsec_confs[m->cfg.conf].clear)
		return TAKEN_OPEN;
	s->actor = a;
	s->an = p->sak.an;
	s->conf = conf;
	s->suite = (enum macsec_suite)suite;
	s->ki.kn = p->sak.kn;
	memcpy(s->ki.mi, from->mi, MKA_MI_LEN);
	if (sak_held(m, &s->ki) || !list_mn(a, &p->live))
		return TAKEN_NOTHING;
	if (a != m->principal && !principal_may_follow(a))
		return TAKEN_NOTHING;
	if (m->sak[SAK_LAPSED].held && ki_equal(&m->sak[SAK_LAPSED].ki, &s->ki))
		return TAKEN_BACK;
	if (sak_used(a, &s->ki))
		return TAKEN_USED;
	if (keywrap_unwrap(a->kek.b, a->kek.len, p->sak.wrapped, p->sak.wrapped_len, s->key.b))
		return TAKEN_FORGED;
	s->key.len = macsec_suites[suite].key_len;
	if (!sak_members(s, a, from, p))
		return TAKEN_FORGED;
	/* SSCIs that must be counted wait until every SCI is known; it will be sent again. */
	if (macsec_suites[suite].xpn && !s->ssci && !sak_ssci_by_sci(a->m, s))
		return TAKEN_NOTHING;
	if (macsec_suites[suite].xpn)
		sak_salt(s);
	s->held = true;
	return TAKEN;
}

/* What speaks against an authentic MKPDU before anything of it is taken over. */
static enum mka_result refuse(const struct actor *a, const struct peer *peer,
			      const struct peer *other, const struct mkpdu *p, bool proof)
{
	if (!memcmp(p->mi, a->mi, MKA_MI_LEN))
		return MKA_OWN_MI;
	if (p->sci == a->m->cfg.sci)
		return MKA_DUPLICATE_SCI;
	if (!mka_faulty(a->m, MKA_FAULT_SKIP_MN) &&
	    (peer ? p->mn <= peer->mn : peer_gone_replay(a, p->mi, p->mn)))
		return MKA_REPLAYED;
	if (peer && peer->sci != p->sci)
		return MKA_DUPLICATE_SCI;
	/* A station that restarted under another name. Old frames of it look the same, so it must
	 * first prove that it hears us now. */
	if (other && other != peer && other->live && !proof)
		return MKA_DUPLICATE_SCI;
	if (!peer && !other && a->peer_count >= a->m->peers_max &&
	    (!proof || peers_live(a) >= a->m->peers_max))
		return MKA_TOO_MANY_PEERS;
	return MKA_OK;
}

/* Puts the peer as its MKPDU makes it into the table. */
static void commit(struct actor *a, struct peer *peer, struct peer *other, const struct peer *next)
{
	bool was_live = peer && peer->live;

	if (other && other != peer) {
		peer_forget(a, other);
		peer = peer_find(a, next->mi);
	}
	if (!peer) {
		peer = peer_add(a, next->mi, next->sci, next->live);
		actor_tell(a);
	}
	*peer = *next;
	if (!next->live || was_live)
		return;
	actor_tell(a);
	log_info("mka secy %u: peer %016" PRIx64 " is live", a->m->cfg.secy, next->sci);
}

static void sak_take(struct actor *a, struct sak *s, uint64_t now)
{
	struct mka *m = a->m;

	s->since = now;
	principal_set(m, a, now, "its key server distributes");
	sak_use_up(a, &s->ki);
	m->an = s->an;
	log_info("mka secy %u: took SAK %u, AN %u, %s, from key server %016" PRIx64, m->cfg.secy,
		 s->ki.kn, s->an, macsec_suites[s->suite].name, a->ks_sci);
	sak_move(&m->sak[SAK_NEXT], s);
}

/* How old a message number of ours may be that proves that its reader hears us. With delay
 * protection an MKPDU that was itself held back must not pass for a fresh one. */
static const struct floors *floors_for(const struct actor *a, const struct mkpdu *p)
{
	bool bounded =
		a->m->cfg.delay_protect && p->present & 1u << MKPDU_SAK_USE && p->use.delay_protect;

	return bounded ? &a->bounded : &a->life;
}

/* *believed: something was taken over. */
static enum mka_result believe(struct actor *a, const struct mkpdu *p, uint64_t now, bool *believed)
{
	struct mka *m = a->m;
	struct peer *peer = peer_find(a, p->mi), *other = peer_find_sci(a, p->sci);
	uint32_t live_mn = list_mn(a, &p->live), potential_mn = list_mn(a, &p->potential);
	const struct floors *since = floors_for(a, p);
	bool proof = actor_mn_recent(a, since, live_mn) || actor_mn_recent(a, since, potential_mn);
	struct peer next = peer ? *peer : (struct peer){.sci = p->sci};
	enum mka_result r = refuse(a, peer, other, p, proof);
	enum taken taken = TAKEN_NOTHING;
	struct sak s = {0};

	*believed = r == MKA_OWN_MI && p->sci != m->cfg.sci;
	if (*believed)
		actor_rename(a,
			     now); /* another took the same at random, or lies: let him have it */
	if (r == MKA_TOO_MANY_PEERS)
		log_limited(&m->full_log, LOG_LVL_WARN,
			    "mka secy %u: %016" PRIx64 " is refused: an MKPDU has room for %u "
			    "peers at this port's MTU, and so many are here",
			    m->cfg.secy, p->sci, m->peers_max);
	if (r != MKA_OK)
		return r;
	peer_take(&next, p);
	next.lists_others = lists_others(a, p);
	next.live |= proof;
	if (proof || !next.live)
		next.heard = now;
	if (proof) {
		suspend_take(&next, p, now);
		next.heard_mn = live_mn > potential_mn ? live_mn : potential_mn;
		taken = sak_check(a, &next, p, &s);
	}
	if (taken == TAKEN_FORGED) {
		secret_wipe(&s, sizeof(s));
		return MKA_SAK_REFUSED;
	}
	*believed = true;
	commit(a, peer, other, &next);
	election_run(a, now);
	if (taken == TAKEN)
		sak_take(a, &s, now);
	if (taken == TAKEN_BACK) {
		principal_set(m, a, now, "its key server distributes");
		sak_move(&m->sak[SAK_NEXT], &m->sak[SAK_LAPSED]);
	}
	if (proof)
		delay_apply(a, &next);
	secret_wipe(&s, sizeof(s));
	if (live_mn > a->mn || potential_mn > a->mn || taken == TAKEN_USED)
		actor_rename(a, now); /* numbers we never sent, or a SAK we lost: be a new member */
	if (taken == TAKEN_SUITE)
		log_limited(&m->suite_log, LOG_LVL_WARN,
			    "mka secy %u: key server %016" PRIx64 " distributes a SAK for cipher "
			    "suite %016" PRIx64 ", which is not accepted here",
			    m->cfg.secy, p->sci, p->sak.suite);
	if (taken == TAKEN_OPEN)
		log_limited(&m->suite_log, LOG_LVL_WARN,
			    "mka secy %u: key server %016" PRIx64 " distributes a SAK that leaves "
			    "more in clear (%s) than this node's file does (%s)",
			    m->cfg.secy, p->sci, macsec_confs[conf_of(p->sak.offset)].name,
			    macsec_confs[m->cfg.conf].name);
	if (taken == TAKEN_SUITE || taken == TAKEN_OPEN || taken == TAKEN_USED ||
	    taken == TAKEN_NOT_KS)
		return MKA_SAK_REFUSED;
	return proof ? MKA_OK : MKA_NOT_LIVE;
}

enum mka_result input_frame(struct mka *m, const uint8_t *frame, size_t len, uint64_t now)
{
	struct actor *to = NULL;
	struct mkpdu p;
	enum mka_result r = authenticate(m, frame, len, &to, &p);
	bool believed = false;

	if (r == MKA_OK) {
		to->rx_mkpdus++;
		r = believe(to, &p, now, &believed);
	}
	m->results[r]++;
	if (to)
		to->results[r]++;
	if (believed)
		mka_step(m, now);
	return r;
}
