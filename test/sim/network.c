/*
 * The wire: everybody hears everybody after a delay of his own, unless it is lost. On it sits
 * somebody without the CAK, who sees everything, keeps some of it, and sends what he likes.
 */
#include "sim.h"

#include <string.h>

bool net_perfect(const struct sim *s)
{
	return s->calm && !s->loss;
}

static uint64_t net_delay(struct sim *s)
{
	uint64_t d = s->delay_min + sim_random(&s->rng) % (s->delay_max - s->delay_min + 1);

	if (sim_chance(s, s->reorder)) {
		s->kinds[SIM_REORDER]++;
		d += sim_below(s, 400) * NS_PER_MS;
	}
	return d;
}

static bool net_lost(struct sim *s, unsigned from, unsigned to)
{
	if (s->blocked[from][to])
		return true;
	if (!sim_chance(s, s->loss))
		return false;
	s->kinds[SIM_LOSS]++;
	return true;
}

static void net_frame(struct sim *s, unsigned from, unsigned to, const uint8_t *frame, size_t len)
{
	if (net_lost(s, from, to))
		return;
	sim_at(s, s->now + net_delay(s), EV_FRAME, to, from, 0, frame, len);
	if (sim_chance(s, s->duplicate)) {
		s->kinds[SIM_DUPLICATE]++;
		sim_at(s, s->now + net_delay(s), EV_FRAME, to, from, 0, frame, len);
	}
}

void net_send(struct node *n, const uint8_t *frame, size_t len)
{
	struct sim *s = n->s;
	unsigned slot = s->tape_count < SIM_TAPE ? s->tape_count++ : sim_below(s, SIM_TAPE);

	memcpy(s->tape[slot].b, frame, len);
	s->tape[slot].len = len;
	s->tape[slot].from = n->i;
	for (unsigned i = 0; i < s->count; i++)
		if (i != n->i)
			net_frame(s, n->i, i, frame, len);
}

void net_data(struct node *n, const struct data *d)
{
	struct sim *s = n->s;

	if (s->data_tape_count < SIM_TAPE)
		s->data_tape[s->data_tape_count++] = *d;
	else if (sim_chance(s, 50))
		s->data_tape[sim_below(s, SIM_TAPE)] = *d;
	for (unsigned i = 0; i < s->count; i++)
		if (i != n->i && !net_lost(s, n->i, i))
			sim_at(s, s->now + d->hold + net_delay(s), EV_DATA, i, 1, 0, d, sizeof(*d));
}

static void attack_forge(struct sim *s)
{
	unsigned slot = sim_below(s, s->tape_count), bits = 1 + sim_below(s, 3);
	uint8_t b[MKA_FRAME_MAX];
	size_t len = s->tape[slot].len;

	memcpy(b, s->tape[slot].b, len);
	for (unsigned i = 0; i < bits; i++) {
		/* past the addresses, mostly in the basic parameter set and what follows it */
		unsigned at = 18 + sim_below(s, (unsigned)len - 18);

		b[at] ^= (uint8_t)(1 << sim_below(s, 8));
	}
	if (sim_chance(s, 300)) /* a message number from far ahead */
		b[18 + 4 + 8 + 12] |= 0x40;
	if (!memcmp(b, s->tape[slot].b, len))
		return;
	s->kinds[SIM_FORGE]++;
	for (unsigned i = 0; i < s->count; i++)
		if (i != s->tape[slot].from)
			sim_at(s, s->now + net_delay(s), EV_FRAME, i, s->tape[slot].from, 0, b,
			       len);
}

void net_attack(struct sim *s)
{
	unsigned slot, to;

	if (!s->tape_count || !sim_chance(s, s->attack))
		return;
	switch (sim_below(s, 4)) {
	case 0:
		attack_forge(s);
		break;
	case 1:
		slot = sim_below(s, s->tape_count);
		to = sim_below(s, s->count);
		if (to == s->tape[slot].from)
			break;
		s->kinds[SIM_REPLAY]++;
		sim_at(s, s->now + net_delay(s), EV_FRAME, to, s->tape[slot].from, 0,
		       s->tape[slot].b, s->tape[slot].len);
		break;
	case 2:
		slot = sim_below(s, s->tape_count);
		s->kinds[SIM_REFLECT]++;
		sim_at(s, s->now + net_delay(s), EV_FRAME, s->tape[slot].from, s->tape[slot].from,
		       0, s->tape[slot].b, s->tape[slot].len);
		break;
	default:
		if (!s->data_tape_count)
			break;
		slot = sim_below(s, s->data_tape_count);
		/* Long enough ago that the genuine one is there, or lost. */
		if (s->data_tape[slot].sent_at + NS_PER_S > s->now)
			break;
		to = sim_below(s, s->count);
		if (to == s->data_tape[slot].from)
			break;
		s->kinds[SIM_DATA_REPLAY]++;
		sim_at(s, s->now + net_delay(s), EV_DATA, to, 0, 0, &s->data_tape[slot],
		       sizeof(struct data));
		break;
	}
}
