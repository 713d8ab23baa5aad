/*
 * What happens in a run: a calm with everyday events, a storm of faults, a calm again, and so on,
 * all drawn from the seed. In a calm the network is perfect but for the attacker on it; daemons
 * die, nodes come and go, keys change, and nobody else may notice.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

enum story {
	STORY_START, /* node: is switched on for the first time, or again */
	STORY_STORM,
	STORY_PARTITION,
	STORY_HEAL,
	STORY_CALM,
	STORY_CALM_ENDS,
	STORY_KILL, /* node */
	STORY_KILL_UNSAVED,
	STORY_RECORD_LOST,
	STORY_REBOOT,
	STORY_FORWARD_DIES,
	STORY_FORWARD_LOST,
	STORY_BOTH_LOST,
	STORY_LEAVE,
	STORY_CLOCK_JUMP,
	STORY_SUSPEND,   /* node: asks, */
	STORY_SUSPENDED, /* must have been granted it, and dies */
	STORY_RESTART,   /* node: control's successor, with the record */
	STORY_RESTART_BLANK,
};

#define STORY_EVERYDAY (STORY_CLOCK_JUMP - STORY_KILL + 1)

static const char *const kind_names[SIM_KIND_COUNT] = {
	[SIM_LOSS] = "frames lost",
	[SIM_REORDER] = "frames reordered",
	[SIM_DUPLICATE] = "frames duplicated",
	[SIM_PARTITION] = "partitions",
	[SIM_ONE_WAY] = "links deaf one way",
	[SIM_HEAL] = "partitions healed",
	[SIM_FORGE] = "frames forged",
	[SIM_REPLAY] = "frames replayed",
	[SIM_REFLECT] = "frames reflected",
	[SIM_DATA_REPLAY] = "packets replayed",
	[SIM_KILL] = "controls killed",
	[SIM_KILL_UNSAVED] = "controls killed before saving",
	[SIM_RECORD_LOST] = "records lost",
	[SIM_REBOOT] = "reboots",
	[SIM_FORWARD_DIES] = "forwards killed",
	[SIM_FORWARD_LOST] = "forwards that lost their SAs",
	[SIM_BOTH_LOST] = "controls and forwards lost together",
	[SIM_LEAVE] = "nodes switched off",
	[SIM_SUSPEND] = "suspensions",
	[SIM_DELAYED] = "packets held back and refused",
	[SIM_KEPT] = "SAKs kept without live peers",
	[SIM_CLOCK_JUMP] = "clocks that jump",
	[SIM_DRIFT] = "clocks that drift",
	[SIM_REKEY] = "rekeys",
	[SIM_SERVER_CHANGE] = "key server changes",
	[SIM_ROLLOVER] = "rollovers to a newer key",
	[SIM_FALLBACK] = "switches to the fallback",
	[SIM_FALLBACK_BACK] = "switches back from it",
	[SIM_MISMATCH] = "nodes given other keys",
	[SIM_MATCH] = "nodes given the right keys again",
	[SIM_WALL_SET] = "wall clocks set",
};

const char *sim_kind_name(enum sim_kind k)
{
	return kind_names[k];
}

static void later(struct sim *s, uint64_t delay, enum story what, unsigned node)
{
	sim_at(s, s->now + delay, EV_STORY, node, what, 0, NULL, 0);
}

static uint64_t ms(struct sim *s, unsigned from, unsigned to)
{
	return (from + sim_below(s, to - from + 1)) * NS_PER_MS;
}

static struct mka_config config(struct sim *s, unsigned i, enum macsec_suite suite, uint64_t rekey,
				uint64_t pn)
{
	struct mka_config c = {
		.sci = macsec_sci((const uint8_t[6]){2, 0, 0, (uint8_t)sim_below(s, 256),
						     (uint8_t)sim_below(s, 256), (uint8_t)i},
				  1),
		.secy = (uint16_t)i,
		.priority = (uint8_t)(i && sim_chance(s, 150) ? 255 : sim_below(s, 4)),
		.suite = suite,
		.accept_suites = (1u << MACSEC_SUITE_COUNT) - 1,
		.hello_ns = 2 * NS_PER_S,
		.life_ns = 6 * NS_PER_S,
		.retire_ns = 3 * NS_PER_S,
		.rekey_ns = rekey,
		.pn_threshold = pn,
		.destination = {0x01, 0x80, 0xc2, 0, 0, 3},
		.ethertype = 0x888e,
	};

	c.replay_protect = true;
	c.delay_protect = s->poll_ns < NS_PER_S / 2 && sim_chance(s, 850);
	c.keep_sak_ns = s->seed % 4 == 1 ? (20 + s->seed % 50) * NS_PER_S : 0;
	/* A list in any order is followed; whoever is told to count by it makes another one. */
	c.ssci_order = s->seed % 5 == 2 && sim_chance(s, 500) ? MKA_SSCI_LIST : MKA_SSCI_AUTO;
	return c;
}

void story_write(struct sim *s)
{
	static const uint64_t rekeys[] = {0, 17, 29, 45}, pns[] = {0, 0, 170, 400};
	enum macsec_suite suite = sim_below(s, MACSEC_SUITE_COUNT);
	uint64_t rekey = rekeys[sim_below(s, 4)] * NS_PER_S, pn = pns[sim_below(s, 4)], at;

	s->delay_min = ms(s, 0, 20);
	s->delay_max = s->delay_min + ms(s, 0, 30);
	s->attack = 700;
	s->calm = true;
	s->poll_ns = sim_chance(s, 300) ? MKA_LPN_REPORT_NS : NS_PER_S / 2;
	keys_write(s);
	for (unsigned i = 0; i < s->count; i++) {
		s->nodes[i].cfg = config(s, i, suite, rekey, pn);
		keys_give(&s->nodes[i], true);
		later(s, ms(s, 0, 4000), STORY_START, i);
		sim_at(s, ms(s, 0, (unsigned)(s->send_ns / NS_PER_MS)), EV_SEND, i, 0, 0, NULL, 0);
	}
	sim_at(s, NS_PER_S, EV_POLL, 0, 0, 0, NULL, 0);
	at = 0;
	for (unsigned cycle = 0; cycle < 3; cycle++) {
		uint64_t calm = ms(s, 62000, 80000), storm = ms(s, 8000, 20000);
		/* Numbers that run out end a suspension, and so does all else that needs a fresh
		 * SAK: a newer CAK too. */
		bool suspend = sim_chance(s, 300) && !pn && !s->rolls[0] && !s->fallback;

		sim_at(s, at + calm, EV_STORY, 0, STORY_CALM_ENDS, 0, NULL, 0);
		if (suspend)
			sim_at(s, at + ms(s, 32000, 40000), EV_STORY, sim_below(s, s->count),
			       STORY_SUSPEND, 0, NULL, 0);
		for (unsigned i = 0; !suspend && i < 4; i++)
			sim_at(s, at + ms(s, 32000, 55000), EV_STORY, sim_below(s, s->count),
			       STORY_KILL + sim_below(s, STORY_EVERYDAY), 0, NULL, 0);
		at += calm;
		if (cycle == 2)
			break;
		sim_at(s, at, EV_STORY, 0, STORY_STORM, 0, NULL, 0);
		for (unsigned i = 0; i < 3; i++)
			sim_at(s, at + ms(s, 0, 8000), EV_STORY, sim_below(s, s->count),
			       STORY_KILL + sim_below(s, STORY_EVERYDAY), 0, NULL, 0);
		at += storm;
		sim_at(s, at, EV_STORY, 0, STORY_CALM, 0, NULL, 0);
	}
	s->end = at + 1;
}

void story_join_at_once(struct sim *s, unsigned late, uint64_t for_ns)
{
	s->delay_min = 5 * NS_PER_MS;
	s->delay_max = 40 * NS_PER_MS;
	s->calm = true;
	s->poll_ns = NS_PER_S / 2;
	for (unsigned i = 0; i < s->count; i++) {
		s->nodes[i].cfg = config(s, i, MACSEC_GCM_AES_XPN_256, 0, 0);
		keys_give(&s->nodes[i], true);
		later(s, i < s->count - late ? ms(s, 0, 100) : for_ns / 2, STORY_START, i);
		sim_at(s, ms(s, 0, 1000), EV_SEND, i, 0, 0, NULL, 0);
	}
	s->poll_ns = 20 * NS_PER_MS;
	sim_at(s, s->poll_ns, EV_POLL, 0, 0, 0, NULL, 0);
	s->end = for_ns;
}

static void storm(struct sim *s)
{
	s->calm = false;
	s->loss = sim_below(s, 301);
	s->duplicate = sim_below(s, 200);
	s->reorder = sim_below(s, 300);
	sim_log(s, "storm: loss %u, duplicates %u, reordered %u of 1000", s->loss, s->duplicate,
		s->reorder);
	if (sim_chance(s, 700))
		later(s, ms(s, 0, 2000), STORY_PARTITION, 0);
}

static void partition(struct sim *s)
{
	bool side[SIM_NODES];

	if (s->calm)
		return;
	for (unsigned i = 0; i < s->count; i++)
		side[i] = sim_chance(s, 500);
	if (sim_chance(s, 300)) {
		unsigned a = sim_below(s, s->count), b = sim_below(s, s->count);

		s->blocked[a][b] = a != b;
		s->kinds[SIM_ONE_WAY] += a != b;
	} else {
		for (unsigned i = 0; i < s->count; i++)
			for (unsigned j = 0; j < s->count; j++)
				s->blocked[i][j] = side[i] != side[j];
		s->kinds[SIM_PARTITION]++;
	}
	sim_log(s, "partition");
	if (sim_chance(s, 300)) /* may heal and break again within the storm */
		later(s, ms(s, 1000, 9000), STORY_HEAL, 0);
}

static void heal(struct sim *s)
{
	bool any = false;

	for (unsigned i = 0; i < s->count; i++)
		for (unsigned j = 0; j < s->count; j++)
			any |= s->blocked[i][j];
	s->kinds[SIM_HEAL] += any;
	memset(s->blocked, 0, sizeof(s->blocked));
}

static void calm(struct sim *s)
{
	heal(s);
	s->loss = s->duplicate = s->reorder = 0;
	s->calm = true;
	s->calm_since = s->now;
	sim_log(s, "calm");
}

static void calm_ends(struct sim *s)
{
	sim_log(s, "calm ends; last agreed at %.3f", (double)s->agreed_at / 1e9);
	if (s->agreed_at < s->now - 12 * NS_PER_S)
		sim_violate(s, "after %.0f s of calm there is no agreement",
			    (double)(s->now - s->calm_since) / 1e9);
}

static void forward_goes(struct sim *s, struct node *n, bool kept)
{
	s->kinds[kept ? SIM_FORWARD_DIES : SIM_FORWARD_LOST]++;
	sim_log(s, "node %u: forward dies%s", n->i, kept ? "" : ", SAs lost");
	if (!kept)
		n->good_at = s->now + SETTLE;
	fwd_restart(n, kept);
}

static void off(struct sim *s, struct node *n, uint64_t how_long)
{
	if (n->m)
		node_kill(n);
	n->on = false;
	n->record_len = 0;
	n->good_at = s->now + how_long + SETTLE;
	fwd_restart(n, false);
	sim_log(s, "node %u is off", n->i);
	later(s, how_long, STORY_START, n->i);
}

static void control_goes(struct sim *s, struct node *n, enum story what)
{
	if (what == STORY_KILL_UNSAVED) {
		s->kinds[SIM_KILL_UNSAVED]++;
		node_save(n);
		n->kill_unsaved =
			true; /* the next time it has something to send: at most a hello */
		later(s, ms(s, 2100, 2600), STORY_RESTART, n->i);
		return;
	}
	node_kill(n);
	if (what == STORY_KILL) {
		s->kinds[SIM_KILL]++;
		later(s, ms(s, 1, 1500), STORY_RESTART, n->i);
	} else {
		s->kinds[SIM_RECORD_LOST]++;
		n->record_len = 0;
		n->good_at = s->now + SETTLE + 2 * NS_PER_S;
		later(s, ms(s, 1, 1500), STORY_RESTART_BLANK, n->i);
	}
}

static void clock_jumps(struct sim *s, struct node *n)
{
	uint64_t by = ms(s, 100, 30000);

	s->kinds[SIM_CLOCK_JUMP]++;
	sim_log(s, "node %u: its clock jumps by %.1f s", n->i, (double)by / 1e9);
	n->up_at = s->now;
	node_jump(n, by);
}

/* Asks; the successor is there before the time is over. */
static void suspends(struct sim *s, struct node *n)
{
	unsigned seconds = 20 + sim_below(s, 20);

	if (!n->on || !n->m || s->now < n->good_at || s->now < s->keys_at + SETTLE ||
	    !keys_settled(s) || mka_suspend(n->m, seconds, node_time(n, s->now)))
		return;
	sim_log(s, "node %u asks for a suspension of %u s", n->i, seconds);
	node_done(n);
	later(s, 2500 * NS_PER_MS, STORY_SUSPENDED, n->i);
}

static void suspended_dies(struct sim *s, struct node *n)
{
	struct mka_show *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	mka_show(n->m, m);
	if (!m->suspend_granted)
		sim_violate(s, "node %u is not granted its suspension", n->i);
	free(m);
	s->kinds[SIM_SUSPEND]++;
	node_kill(n);
	later(s, ms(s, 7000, 16000), STORY_RESTART, n->i);
}

void story_event(struct sim *s, const struct event *e)
{
	struct node *n = &s->nodes[e->node];
	enum story what = e->arg;

	switch (what) {
	case STORY_START:
		if (n->on)
			break;
		node_start(n, false);
		if (n->good_at < s->now + SETTLE)
			n->good_at = s->now + SETTLE;
		break;
	case STORY_STORM:
		storm(s);
		break;
	case STORY_PARTITION:
		partition(s);
		break;
	case STORY_HEAL:
		heal(s);
		later(s, ms(s, 500, 5000), STORY_PARTITION, 0);
		break;
	case STORY_CALM:
		calm(s);
		break;
	case STORY_CALM_ENDS:
		calm_ends(s);
		break;
	case STORY_KILL:
	case STORY_KILL_UNSAVED:
	case STORY_RECORD_LOST:
		if (n->on && n->m && !n->kill_unsaved)
			control_goes(s, n, what);
		break;
	case STORY_RESTART:
	case STORY_RESTART_BLANK:
		if (n->on && !n->m)
			node_start(n, what == STORY_RESTART);
		n->kill_unsaved = false;
		break;
	case STORY_FORWARD_DIES:
	case STORY_FORWARD_LOST:
		if (n->on)
			forward_goes(s, n, what == STORY_FORWARD_DIES);
		break;
	case STORY_BOTH_LOST:
		if (!n->on || !n->m || n->kill_unsaved)
			break;
		s->kinds[SIM_BOTH_LOST]++;
		node_kill(n);
		forward_goes(s, n, false);
		later(s, ms(s, 1, 1500), STORY_RESTART, n->i);
		break;
	case STORY_CLOCK_JUMP:
		clock_jumps(s, n);
		break;
	case STORY_SUSPEND:
		suspends(s, n);
		break;
	case STORY_SUSPENDED:
		suspended_dies(s, n);
		break;
	case STORY_REBOOT:
	case STORY_LEAVE:
		if (!n->on)
			break;
		s->kinds[what == STORY_REBOOT ? SIM_REBOOT : SIM_LEAVE]++;
		off(s, n, what == STORY_REBOOT ? ms(s, 100, 4000) : ms(s, 8000, 15000));
		break;
	}
}
