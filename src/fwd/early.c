/*
 * early: ESP packets that are here before their SA. A peer may send under a new key as soon as it
 * has answered a rekey (RFC 7296 section 2.8), some do so before the answer is out, and the answer
 * goes by way of control, packets do not: so what names no SA is kept for a moment, and is taken
 * up again when the SA comes. It has been counted as of no SA, and is counted anew.
 *
 * Nobody has authenticated these packets: there are few places, the oldest makes room, and they
 * wait for a second at most. They change nothing else.
 */
#include "base/clock.h"
#include "fwd/path.h"

#define LIFE NS_PER_S

void early_drop(struct fwd *f, struct fwd_early *e)
{
	if (e->pkt.buf)
		pkt_release(f->pool, &e->pkt);
	*e = (struct fwd_early){0};
}

void early_keep(struct fwd *f, const struct fwd_port *wan, struct pkt *p, uint32_t spi)
{
	struct fwd_early *e = &f->early[f->early_next++ % FWD_EARLY];

	f->fates[FATE_DROP_UNKNOWN_SPI]++;
	early_drop(f, e);
	*e = (struct fwd_early){.pkt = *p, .wan = wan->id, .spi = spi, .until = f->now + LIFE};
}

void early_tick(struct fwd *f)
{
	for (unsigned i = 0; i < FWD_EARLY; i++)
		if (f->early[i].pkt.buf && f->now > f->early[i].until)
			early_drop(f, &f->early[i]);
}

unsigned early_take(struct fwd *f, uint16_t wan, uint32_t spi, struct pkt v[FWD_EARLY])
{
	unsigned n = 0;

	for (unsigned i = 0; i < FWD_EARLY; i++) {
		struct fwd_early *e = &f->early[(f->early_next + i) % FWD_EARLY];

		if (!e->pkt.buf || e->wan != wan || e->spi != spi)
			continue;
		v[n++] = e->pkt;
		*e = (struct fwd_early){0};
	}
	return n;
}
