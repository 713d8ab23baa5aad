/*
 * Delay protection (IEEE 802.1X-2020 9.10.1): a frame that somebody holds back is refused once its
 * sender's MKPDUs have gone past its packet number.
 *
 * The sender tells the number that was next some time ago, not the one that is next: what is under
 * way meanwhile, by a slower queue of the carrier say, is not lost. In the worst case a frame's
 * number is reported MKA_LPN_REPORT_NS after it was sent, told MKA Bounded Hello Time later at the
 * earliest and with the next hello at the latest: 1.25 s, well within the standard's two seconds.
 * An MKPDU that was itself held back proves nothing: the message number it lists is too old
 * (struct floors, `bounded`). Who stops the MKPDUs instead ends the peer's MKA Life Time.
 *
 * At the receiver the number goes to forward as the receive SA's lowest acceptable one.
 */
#include "key/mka/mka_i.h"

#include <string.h>

void delay_report(struct sak *s, uint64_t pn, uint64_t now)
{
	/* Apart enough that the oldest is older than MKA Bounded Hello Time. */
	if (s->lpns[0].at && now - s->lpns[0].at < MKA_LPN_REPORT_NS / 4 * 3)
		return;
	memmove(s->lpns + 1, s->lpns, sizeof(s->lpns) - sizeof(s->lpns[0]));
	s->lpns[0].at = now;
	s->lpns[0].pn = pn;
}

void delay_put_off(struct sak *s, uint64_t late)
{
	for (unsigned i = 0; i < MKA_LPNS && s->lpns[i].at; i++)
		s->lpns[i].at += late;
}

uint64_t delay_lpn(const struct mka *m, const struct sak *s, uint64_t now)
{
	if (mka_faulty(m, MKA_FAULT_LPN_AHEAD))
		return s->pn + 1000;
	for (unsigned i = 0; i < MKA_LPNS && s->lpns[i].at; i++)
		if (now - s->lpns[i].at >= MKA_BOUNDED_HELLO_NS)
			return s->lpns[i].pn;
	return 1;
}

/* The SAK's receive SA of that peer is raised; one that forward does not have is left alone. */
static void raise_floor(struct mka *m, struct sak *s, const struct peer *p, bool own, uint64_t lpn)
{
	for (unsigned i = 0; i < s->member_count; i++) {
		struct member *a = &s->members[i];

		/* Under another CAK it is the same station by another name. */
		if ((own ? memcmp(a->mi, p->mi, MKA_MI_LEN) != 0 : a->sci != p->sci) ||
		    !a->installed || lpn <= a->lpn)
			continue;
		if (sak_receive_from(m, s, a, lpn) == 0)
			a->lpn = lpn;
	}
}

void delay_apply(struct actor *own, const struct peer *p)
{
	struct mka *m = own->m;

	if (!m->cfg.delay_protect || !m->cfg.replay_protect || !p->delay_protect || m->unsynced)
		return;
	for (unsigned i = SAK_LATEST; i < SAK_SLOTS; i++) {
		struct sak *s = &m->sak[i];
		const struct key_use *u = s->held ? peer_use_of(p, &s->ki) : NULL;

		if (u && !s->lost)
			raise_floor(m, s, p, s->actor == own, u->lpn);
	}
}
