/*
 * The SAKs we hold: up to three, of which the sink knows two. Their SAs go to forward through
 * the sink's verbs and come back as reports; SSCIs and salts are XPN's (IEEE 802.1AEbw-2013,
 * 802.1AE-2018 10.7.13, 14.7; 802.1X-2020 9.10, 9.11).
 */
#include "key/mka/mka_i.h"

#include "base/log.h"

#include <string.h>

const uint8_t mka_conf_codes[MACSEC_CONF_COUNT] = {
	[MACSEC_CONF_0] = MKPDU_CONF_0,
	[MACSEC_CONF_30] = MKPDU_CONF_30,
	[MACSEC_CONF_50] = MKPDU_CONF_50,
	[MACSEC_CONF_NONE] = MKPDU_NO_CONF,
};

enum macsec_conf conf_of(uint8_t code)
{
	unsigned i = 0;

	while (i < MACSEC_CONF_COUNT && mka_conf_codes[i] != code)
		i++;
	return (enum macsec_conf)i;
}

bool ki_equal(const struct ki *a, const struct ki *b)
{
	return a->kn == b->kn && !memcmp(a->mi, b->mi, MKA_MI_LEN);
}

const struct member *sak_member(const struct sak *s, const uint8_t mi[MKA_MI_LEN])
{
	for (unsigned i = 0; i < s->member_count; i++)
		if (!memcmp(s->members[i].mi, mi, MKA_MI_LEN))
			return &s->members[i];
	return NULL;
}

bool sak_made_by(const struct sak *s, const uint8_t mi[MKA_MI_LEN])
{
	return s->held && !memcmp(s->ki.mi, mi, MKA_MI_LEN);
}

const struct sak *sak_newest(const struct mka *m)
{
	for (unsigned i = 0; i <= SAK_OLD; i++)
		if (m->sak[i].held)
			return &m->sak[i];
	return NULL;
}

const struct sak *sak_in_use(const struct mka *m)
{
	for (unsigned i = SAK_LATEST; i < SAK_SLOTS; i++)
		if (m->sak[i].held && m->sak[i].tx)
			return &m->sak[i];
	return NULL;
}

uint64_t sak_pn_limit(const struct mka *m, enum macsec_suite suite)
{
	if (m->cfg.pn_threshold)
		return m->cfg.pn_threshold;
	return macsec_suites[suite].xpn ? 0xc000000000000000u : 0xc0000000u;
}

/* The key server's member identifier with the key number, halves swapped, over its first 32
 * bits: what the two ends know without being told. */
void sak_salt(struct sak *s)
{
	memcpy(s->salt, s->ki.mi, MACSEC_SALT_LEN);
	s->salt[0] ^= (uint8_t)(s->ki.kn >> 8);
	s->salt[1] ^= (uint8_t)s->ki.kn;
	s->salt[2] ^= (uint8_t)(s->ki.kn >> 24);
	s->salt[3] ^= (uint8_t)(s->ki.kn >> 16);
}

bool sak_ssci_by_sci(struct mka *m, struct sak *s)
{
	uint32_t ours = 1;

	for (unsigned i = 0; i < s->member_count; i++) {
		struct member *a = &s->members[i];
		const struct peer *p = s->actor ? peer_find(s->actor, a->mi) : NULL;

		if (!a->sci && p)
			a->sci = p->sci;
		if (!a->sci)
			return false;
	}
	for (unsigned i = 0; i < s->member_count; i++) {
		struct member *a = &s->members[i];

		a->ssci = 1 + (m->cfg.sci > a->sci);
		for (unsigned j = 0; j < s->member_count; j++)
			a->ssci += s->members[j].sci > a->sci;
		ours += a->sci > m->cfg.sci;
	}
	if (mka_faulty(m, MKA_FAULT_SSCI_ORDER) && m->cfg.sci & 0x10000)
		ours = s->member_count + 2 - ours;
	s->ssci = ours;
	return true;
}

void sak_ssci_assign(struct mka *m, struct sak *s)
{
	sak_ssci_by_sci(m, s);
	if (m->cfg.ssci_order != MKA_SSCI_LIST)
		return;
	/* Our list has larger SCIs first (output.c); whoever had a smaller SSCI than we moves up. */
	for (unsigned i = 0; i < s->member_count; i++)
		if (s->members[i].ssci < s->ssci)
			s->members[i].ssci++;
	s->ssci = 1;
}

static void key_id_write(const struct ki *ki, uint8_t key_id[MACSEC_KEY_ID_LEN])
{
	struct wr w = wr_init(key_id, MACSEC_KEY_ID_LEN);

	wr_bytes(&w, ki->mi, MKA_MI_LEN);
	wr_u32(&w, ki->kn);
}

static void sak_fill(const struct mka *m, const struct sak *s, struct sink_sa *sa)
{
	*sa = (struct sink_sa){
		.secy = m->cfg.secy,
		.an = s->an,
		.suite = (uint8_t)s->suite,
		.conf = (uint8_t)s->conf,
		.pn = 1,
		.key = s->key,
	};
	if (macsec_suites[s->suite].xpn)
		memcpy(sa->salt, s->salt, MACSEC_SALT_LEN);
	key_id_write(&s->ki, sa->key_id);
}

int sak_receive_from(struct mka *m, const struct sak *s, const struct member *a, uint64_t pn)
{
	struct sink_sa sa;
	int err;

	sak_fill(m, s, &sa);
	sa.sci = a->sci;
	sa.ssci = a->ssci;
	sa.pn = pn;
	err = m->env.sink.add_receive(m->env.sink.ctx, &sa);
	secret_wipe(&sa, sizeof(sa));
	return err;
}

void sak_receive(struct mka *m, struct sak *s)
{
	if (s->lost) /* a receive SA made again would take old packets again */
		return;
	for (unsigned i = 0; i < s->member_count; i++) {
		struct member *a = &s->members[i];
		const struct peer *p = a->sci || !s->actor ? NULL : peer_find(s->actor, a->mi);

		if (p)
			a->sci = p->sci;
		if (!a->sci || a->asked || a->installed)
			continue;
		a->asked = true; /* before the call: the answer may come from within it */
		if (sak_receive_from(m, s, a, 1))
			a->asked = false;
	}
}

/*
 * wpa_supplicant takes a SAK whose MKPDU does not list it, and sends with it. Where nobody needs
 * an SSCI we receive it, unlisted, once it says so; from our own SAKs it is kept out (server.c).
 */
void sak_admit_users(struct sak *s)
{
	const struct actor *own = s->actor;

	if (!s->held || !own || macsec_suites[s->suite].xpn || sak_made_by(s, own->mi))
		return;
	for (unsigned i = 0; i < own->peer_count; i++) {
		const struct peer *p = &own->peers[i];
		const struct key_use *u = peer_use_of(p, &s->ki);

		if (p->live && u && (u->rx || u->tx) && !sak_member(s, p->mi) &&
		    s->member_count < MKA_PEERS_MAX) {
			struct member *a = &s->members[s->member_count++];

			*a = (struct member){.sci = p->sci};
			memcpy(a->mi, p->mi, MKA_MI_LEN);
		}
	}
}

bool sak_receiving(const struct sak *s)
{
	unsigned known = 0;

	for (unsigned i = 0; i < s->member_count; i++) {
		if (!s->members[i].sci)
			continue;
		known++;
		if (!s->members[i].installed)
			return false;
	}
	return known > 0;
}

bool sak_all_known(const struct sak *s)
{
	for (unsigned i = 0; i < s->member_count; i++)
		if (!s->members[i].sci)
			return false;
	return true;
}

/*
 * Asked for once in the life of a SAK. Asking again after forward lost the SA would start its
 * packet numbers from 1 under the same key; a request that forward never answers ends as a lost
 * SAK (mka_synced).
 */
void sak_transmit(struct mka *m, struct sak *s)
{
	struct sink_sa sa;

	if (s->tx_asked || s->lost)
		return;
	sak_fill(m, s, &sa);
	sa.sci = m->cfg.sci;
	sa.ssci = s->ssci;
	s->tx_asked = true;
	if (m->env.sink.use_transmit(m->env.sink.ctx, &sa))
		s->tx_asked = false;
	secret_wipe(&sa, sizeof(sa));
}

void sak_retire(struct mka *m, struct sak *s)
{
	uint8_t key_id[MACSEC_KEY_ID_LEN];

	if (s->held && s != &m->sak[SAK_NEXT]) {
		key_id_write(&s->ki, key_id);
		m->env.sink.retire(m->env.sink.ctx, m->cfg.secy, key_id, 0);
	}
	secret_wipe(s, sizeof(*s));
}

void sak_orphan(struct mka *m, const struct ki *ki)
{
	for (unsigned i = 0; i < m->orphan_count; i++)
		if (ki_equal(&m->orphans[i], ki))
			return;
	if (m->orphan_count < MACSEC_AN_COUNT)
		m->orphans[m->orphan_count++] = *ki;
}

void sak_orphans_retire(struct mka *m)
{
	uint8_t key_id[MACSEC_KEY_ID_LEN];

	for (unsigned i = 0; i < m->orphan_count; i++) {
		bool ours = false; /* distributed once more, and taken */

		for (unsigned j = 0; j < SAK_SLOTS; j++)
			ours |= m->sak[j].held && ki_equal(&m->sak[j].ki, &m->orphans[i]);
		if (ours)
			continue;
		key_id_write(&m->orphans[i], key_id);
		m->env.sink.retire(m->env.sink.ctx, m->cfg.secy, key_id, 0);
	}
	m->orphan_count = 0;
}

void sak_move(struct sak *to, struct sak *from)
{
	secret_wipe(to, sizeof(*to));
	*to = *from;
	secret_wipe(from, sizeof(*from));
}

const struct key_use *peer_use_of(const struct peer *p, const struct ki *ki)
{
	if (ki_equal(&p->latest.ki, ki))
		return &p->latest;
	if (ki_equal(&p->old.ki, ki))
		return &p->old;
	return NULL;
}
