/* Counters as MSG_STATS: name and value pairs, as many to a message as it holds. */
#include "fwd/bridge.h"
#include "fwd/path.h"

#include <stdio.h>
#include <string.h>

struct chunk {
	struct fwd *f;
	struct msg m;
};

static struct chunk chunk_start(struct fwd *f, uint16_t secy, uint64_t sci, int8_t an)
{
	struct chunk c = {.f = f, .m = {.type = MSG_STATS, .seq = f->seq}};

	c.m.stats.secy = secy;
	c.m.stats.sci = sci;
	c.m.stats.an = an;
	return c;
}

static void chunk_flush(struct chunk *c)
{
	if (c->m.stats.count)
		c->f->say(c->f->ctx, &c->m);
	c->m.stats.count = 0;
}

static void chunk_add(struct chunk *c, uint64_t value, const char *a, const char *b, const char *d)
{
	struct msg_stats *s = &c->m.stats;

	if (s->count == sizeof(s->v) / sizeof(s->v[0]))
		chunk_flush(c);
	/* No byte of a longer name that stood here: the codec takes padding of zeroes only. */
	memset(s->v[s->count].name, 0, sizeof(s->v[0].name));
	snprintf(s->v[s->count].name, sizeof(s->v[0].name), "%s%s%s", a, b, d);
	s->v[s->count++].value = value;
}

enum { OF_SECY, OF_RX, OF_TX };

/* Which of the standard's counters belong to what. */
static bool count_belongs(unsigned count, unsigned what)
{
	switch (what) {
	case OF_RX:
		return count > IN_PKTS_OVERRUN && count < OUT_PKTS_UNTAGGED;
	case OF_TX:
		return count > OUT_PKTS_TOO_LONG;
	default:
		return true;
	}
}

/* of: the SA, or NULL for a sum over several. */
static void counters_say(struct fwd *f, uint16_t secy, uint64_t sci, int8_t an, unsigned what,
			 const struct sa_counters *n, const struct sa *of)
{
	struct chunk c = chunk_start(f, secy, sci, an);

	if (of)
		chunk_add(&c, of->next, "nextPN", "", "");
	for (unsigned i = 0; i < SA_COUNT_COUNT; i++)
		if (count_belongs(i, what))
			chunk_add(&c, n->v[i], sa_count_names[i], "", "");
	chunk_flush(&c);
}

/* Says the SAs of an SC and then the SC; adds what it said to the SecY's sum. */
static void sc_say(struct fwd *f, const struct secy *y, uint64_t sci, struct sa *const sa[],
		   unsigned what, const struct sa_counters *own, struct sa_counters *sum)
{
	struct sa_counters all = *own;

	for (unsigned an = 0; an < MACSEC_AN_COUNT; an++) {
		if (!sa[an])
			continue;
		counters_say(f, y->config.secy, sci, (int8_t)an, what, &sa[an]->counters, sa[an]);
		sa_counters_add(&all, &sa[an]->counters);
	}
	counters_say(f, y->config.secy, sci, -1, what, &all, NULL);
	sa_counters_add(sum, &all);
}

static void port_say(struct chunk *c, const struct fwd_port *p)
{
	const struct port_stats *s = &p->port->stats;
	const struct {
		const char *name;
		uint64_t value;
	} rare[] = {{".rx-superframes", s->rx_supers},  {".tx-superframes", s->tx_supers},
		    {".rx-no-buffer", s->rx_no_buffer}, {".xdp-rx-frames", s->xdp_rx},
		    {".xdp-tx-frames", s->xdp_tx},      {".xdp-stalls", s->xdp_stalls}},
	  v[] = {
		  {".rx-frames", s->rx_frames}, {".rx-bytes", s->rx_bytes},
		  {".rx-errors", s->rx_errors}, {".tx-frames", s->tx_frames},
		  {".tx-bytes", s->tx_bytes},   {".tx-errors", s->tx_errors},
	  };

	for (unsigned i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		chunk_add(c, v[i].value, "port.", p->port->ifname, v[i].name);
	for (unsigned i = 0; i < sizeof(rare) / sizeof(rare[0]); i++)
		if (rare[i].value)
			chunk_add(c, rare[i].value, "port.", p->port->ifname, rare[i].name);
}

static void bridge_say(struct chunk *c, const struct bridge *b)
{
	chunk_add(c, bridge_addresses(b), "bridge.addresses", "", "");
	chunk_add(c, b->designated ? (uint64_t)b->designated->state : BFRAME_FORWARDING,
		  "bridge.state", "", "");
	for (unsigned i = 0; i < BRIDGE_COUNT_COUNT; i++)
		if (b->counts[i])
			chunk_add(c, b->counts[i], "bridge.", bridge_count_names[i], "");
	for (unsigned p = 0; p < L2CP_COUNT; p++)
		for (unsigned a = 0; a < L2CP_ACTION_COUNT; a++)
			if (b->l2cp[p][a]) {
				char action[16];

				snprintf(action, sizeof(action), ".%s", l2cp_action_names[a]);
				chunk_add(c, b->l2cp[p][a], "bridge.l2cp.", l2cp_rows[p].name,
					  action);
			}
}

static void esp_counts_say(struct fwd *f, const struct tunnel *n, uint64_t spi, int8_t direction,
			   const uint64_t v[ESP_COUNT_COUNT], const struct sa *of)
{
	struct chunk c = chunk_start(f, n->config.tunnel, spi, direction);

	if (of)
		chunk_add(&c, of->next, "sequence", "", "");
	for (unsigned i = 0; i < ESP_COUNT_COUNT; i++)
		chunk_add(&c, v[i], esp_count_names[i], "", "");
	chunk_flush(&c);
}

/* Says the SAs of a tunnel, then of each direction their sum and what those that are gone had. */
static void tunnel_say(struct fwd *f, const struct tunnel *n)
{
	for (int d = SA_RECEIVE; d <= SA_TRANSMIT; d++) {
		uint64_t sum[ESP_COUNT_COUNT];

		memcpy(sum, n->gone[d], sizeof(sum));
		for (struct sa *sa = d == SA_TRANSMIT ? n->tx : n->rx; sa; sa = sa->esp.next) {
			esp_counts_say(f, n, sa->esp.spi, (int8_t)d, sa->esp.counts, sa);
			for (unsigned i = 0; i < ESP_COUNT_COUNT; i++)
				sum[i] += sa->esp.counts[i];
		}
		esp_counts_say(f, n, 0, (int8_t)d, sum, NULL);
	}
}

static void ports_say(struct fwd *f, struct chunk *c, uint16_t wan, uint16_t overlay)
{
	for (unsigned i = 0; i < f->port_count; i++)
		if (f->ports[i].port &&
		    (f->ports[i].id == wan || f->ports[i].id == overlay ||
		     (f->ports[i].kind == MSG_PORT_LAN && f->ports[i].over == overlay)))
			port_say(c, &f->ports[i]);
}

void stats_say(struct fwd *f, uint16_t secy)
{
	struct secy *y = secy_find(f->sas, secy);
	struct tunnel *n = tunnel_find(f->sas, secy);
	struct msg done = {.type = MSG_STATS_DONE, .seq = f->seq};
	struct chunk c = chunk_start(f, secy, 0, -1);

	done.secy = secy;
	if (y) {
		struct sa_counters sum = y->counters;

		sc_say(f, y, y->config.sci, y->tx, OF_TX, &y->tx_counters, &sum);
		for (struct sc *sc = y->scs; sc; sc = sc->next)
			sc_say(f, y, sc->sci, sc->sa, OF_RX, &sc->counters, &sum);
		counters_say(f, secy, 0, -1, OF_SECY, &sum, NULL);
		ports_say(f, &c, y->config.wan, y->config.overlay);
		if (bridge_find(f, secy))
			bridge_say(&c, bridge_find(f, secy));
	}
	if (n) {
		tunnel_say(f, n);
		chunk_add(&c, tunnel_mtu(f, &f->tunnels[n->slot]), "path-mtu", "", "");
		ports_say(f, &c, n->config.wan, n->config.overlay);
	}
	for (unsigned i = 0; i < FATE_COUNT; i++)
		if (f->fates[i])
			chunk_add(&c, f->fates[i], "path.", fwd_fate_names[i], "");
	for (unsigned i = 0; f->lanes && i < lanes_count(f->lanes); i++) {
		const char number[] = {(char)('1' + i), 0};

		chunk_add(&c, lanes_done(f->lanes, i).packets, "path.lane-", number, "");
	}
	chunk_flush(&c);
	f->say(f->ctx, &done);
}
