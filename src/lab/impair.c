/* impair: loss, duplication, reordering, jitter and policing of the emulated carrier. See impair.h. */
#include "lab/impair.h"

#define PPM 1000000
#define SCALE 1000000000ull /* of tokens: a bit at a rate in bit/s and a time in ns */

uint64_t impair_dice(uint64_t *dice)
{
	*dice ^= *dice >> 12;
	*dice ^= *dice << 25;
	*dice ^= *dice >> 27;
	return *dice * 2685821657736338717ull;
}

static bool happens(uint32_t ppm, uint64_t *dice)
{
	return ppm && impair_dice(dice) % PPM < ppm;
}

void impair_frame(const struct impair *im, uint64_t *dice, struct impair_fate *out)
{
	*out = (struct impair_fate){.copies = 1};
	if (happens(im->loss_ppm, dice)) {
		out->copies = 0;
		return;
	}
	if (happens(im->duplicate_ppm, dice))
		out->copies = 2;
	for (unsigned i = 0; i < out->copies; i++) {
		struct impair_copy *c = &out->copy[i];

		if (im->jitter_ns)
			c->late_ns = impair_dice(dice) % (im->jitter_ns + 1);
		c->overtaken = happens(im->reorder_ppm, dice);
		if (c->overtaken)
			c->late_ns += IMPAIR_REORDER_NS;
	}
}

void policer_init(struct policer *p, uint64_t rate, uint64_t burst, uint64_t now)
{
	*p = (struct policer){
		.rate = rate, .burst = burst, .tokens = burst * 8 * SCALE, .then_ns = now};
}

bool policer_take(struct policer *p, size_t octets, uint64_t now)
{
	uint64_t full = p->burst * 8 * SCALE, cost = octets * 8 * SCALE, more;

	if (!p->rate)
		return true;
	if (now > p->then_ns) {
		if (__builtin_mul_overflow(now - p->then_ns, p->rate, &more) ||
		    more > full - p->tokens)
			p->tokens = full;
		else
			p->tokens += more;
		p->then_ns = now;
	}
	if (cost > p->tokens)
		return false;
	p->tokens -= cost;
	return true;
}
