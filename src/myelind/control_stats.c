/*
 * Counters live in forward and in the parent's guards. One round asks for all of them; who wants
 * them waits for a round that begins after he asked. A round ends when all have answered or at
 * its time, so one that does not answer costs a client its counters and nothing else.
 */
#include "myelind/control.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROUND_NS (800 * NS_PER_MS)

static void round_begin(struct control *c, uint64_t now)
{
	c->round = true;
	c->round_again = false;
	c->round_waits = 0;
	c->round_until = now + ROUND_NS;
	c->stats_count = 0;
	for (size_t i = 0; i < c->plan->secy_count; i++) {
		struct msg m = {.type = MSG_STATS_GET, .secy = c->plan->secys[i].id};

		if (c->secys[i].announced && control_tell_forward(c, &m) == 0)
			c->round_waits++;
	}
	for (size_t i = 0; c->ike && i < c->ike->tunnel_count; i++) {
		struct msg m = {.type = MSG_STATS_GET, .secy = c->ike->tunnels[i].plan->id};

		if (c->ike->tunnels[i].announced && control_tell_forward(c, &m) == 0)
			c->round_waits++;
	}
	for (size_t i = 0; i < c->plan->port_count; i++) {
		const struct msg_port_want *want = &c->plan->ports[i].want;
		struct msg m = {.type = MSG_STATS_GET, .secy = want->port};

		if ((want->kind == MSG_PORT_WAN || (want->kind == MSG_PORT_LAN && want->over)) &&
		    c->ports[want->port - 1].ready && control_tell_parent(c, &m) == 0)
			c->round_waits++;
	}
}

static void round_end(struct control *c, uint64_t now)
{
	c->round = false;
	watch_round(c, now);
	show_round_done(c, now);
	if (c->round_again)
		stats_ask(c, now);
}

void stats_ask(struct control *c, uint64_t now)
{
	if (c->round) {
		c->round_again = true;
		return;
	}
	round_begin(c, now);
	if (!c->round_waits)
		round_end(c, now);
}

void stats_put(struct control *c, bool guard, const struct msg_stats *s)
{
	if (!c->round || c->stats_count == CONTROL_STATS_MAX)
		return;
	c->stats[c->stats_count++] = (struct control_stats){.guard = guard, .id = s->secy, .s = *s};
}

void stats_done(struct control *c, uint64_t now)
{
	/* A late one of an earlier round ends this one early at worst. */
	if (c->round && c->round_waits && --c->round_waits == 0)
		round_end(c, now);
}

void stats_expire(struct control *c, uint64_t now)
{
	if (c->round && now >= c->round_until)
		round_end(c, now);
}

uint64_t stats_get(const struct control *c, bool guard, uint16_t id, uint64_t sci, int an,
		   const char *name)
{
	for (size_t i = 0; i < c->stats_count; i++) {
		const struct control_stats *e = &c->stats[i];

		if (e->guard != guard || e->id != id || e->s.sci != sci || e->s.an != an)
			continue;
		for (unsigned k = 0; k < e->s.count; k++)
			if (strcmp(e->s.v[k].name, name) == 0)
				return e->s.v[k].value;
	}
	return 0;
}
