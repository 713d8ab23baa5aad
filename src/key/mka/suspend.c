/*
 * In-service suspension (IEEE 802.1X-2020 9.18, 802.1Xbx-2014): a participant that is about to be
 * away, for an upgrade of its control plane say, asks for so many seconds; the key server grants
 * them by telling the time in its own MKPDUs; and until it is over nobody times anybody out and
 * no SAK is replaced for its age. The SAs stay with forward and traffic goes on.
 *
 * Everybody asks for what is left of his own time, so a suspension is over when the last asker's
 * time is, or as soon as all that asked say that they are back. What calls for a fresh SAK
 * besides its age (a new member, numbers that run out, an SA that is lost) is not held up: a
 * suspended member that does not take it in time is cut off until it is back, and the others
 * are not.
 */
#include "key/mka/mka_i.h"

#include <errno.h>

#define SECOND 1000000000ull

bool suspended(const struct mka *m, uint64_t now)
{
	return now < m->suspended_until && !mka_faulty(m, MKA_FAULT_SUSPEND_DEAF);
}

int mka_suspend(struct mka *m, unsigned seconds, uint64_t now)
{
	if (seconds > MKA_SUSPENSION_LIMIT_S)
		return -EINVAL;
	if (seconds && !sak_in_use(m))
		return -ENOTCONN;
	m->ask_until = seconds ? now + seconds * SECOND : 0;
	FOR_EACH_ACTOR (m, a) {
		a->suspend_mn = a->mn + 1;
		actor_tell(a);
	}
	mka_step(m, now);
	return 0;
}

void suspend_resume(struct mka *m)
{
	if (m->ask_until)
		log_info("mka secy %u: back from the suspension", m->cfg.secy);
	m->ask_until = 0;
}

void suspend_take(struct peer *p, const struct mkpdu *pdu, uint64_t now)
{
	uint64_t s = pdu->xpn.suspension;

	p->can_suspend = pdu->present & 1u << MKPDU_XPN;
	if (s > MKA_SUSPENSION_LIMIT_S)
		s = MKA_SUSPENSION_LIMIT_S;
	p->suspend_until = s ? now + s * SECOND : 0;
}

bool suspend_granted(const struct mka *m)
{
	const struct actor *a = m->principal;

	if (!a || !m->ask_until || !m->suspended_until)
		return false;
	for (unsigned i = 0; a->self && i < a->peer_count; i++)
		if (a->peers[i].live && a->peers[i].can_suspend &&
		    a->peers[i].heard_mn < a->suspend_mn)
			return false;
	return true;
}

/* Until when the CA is suspended, as far as is known here. */
static uint64_t until(const struct mka *m)
{
	uint64_t at = 0;

	FOR_EACH_ACTOR (m, a) {
		if (a->self && m->ask_until > at)
			at = m->ask_until;
		for (unsigned i = 0; i < a->peer_count; i++) {
			const struct peer *p = &a->peers[i];

			if (p->live && p->suspend_until > at && (a->self || p->sci == a->ks_sci))
				at = p->suspend_until;
		}
	}
	return at;
}

/* At the end everybody has some time to say that he is back. */
static void grace_give(struct mka *m, uint64_t now)
{
	uint64_t oldest = now - m->cfg.life_ns / 2;

	FOR_EACH_ACTOR (m, a)
		for (unsigned i = 0; i < a->peer_count; i++)
			if (a->peers[i].live && a->peers[i].heard < oldest)
				a->peers[i].heard = oldest;
}

void suspend_run(struct mka *m, uint64_t now)
{
	uint64_t at = until(m);

	if (m->ask_until && now >= m->ask_until) {
		m->ask_until = 0;
		actors_tell(m);
	}
	if (at <= now)
		at = 0;
	if (!at == !m->suspended_until) {
		m->suspended_until = at;
		return;
	}
	m->suspended_until = at;
	actors_tell(m);
	if (!at)
		grace_give(m, now);
	if (at)
		log_info("mka secy %u: the CA is suspended for up to %llu s", m->cfg.secy,
			 (unsigned long long)((at - now + SECOND - 1) / SECOND));
	else
		log_info("mka secy %u: the suspension is over", m->cfg.secy);
}

uint64_t suspend_deadline(const struct mka *m)
{
	uint64_t at = m->suspended_until ? m->suspended_until : MKA_NEVER;

	return m->ask_until && m->ask_until < at ? m->ask_until : at;
}

uint8_t suspend_told(const struct actor *a)
{
	uint64_t at = a->self ? a->m->suspended_until : a->m->ask_until, left;

	if (at <= a->tx_last)
		return 0;
	left = (at - a->tx_last + SECOND - 1) / SECOND;
	return left < MKA_SUSPENSION_LIMIT_S ? (uint8_t)left : MKA_SUSPENSION_LIMIT_S;
}
