/*
 * Traffic selectors (RFC 7296 §2.9): what is asked for, what of a request is granted, and whether
 * an answer keeps within what was asked for.
 */
#include "key/ikev2/ikev2_i.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static struct esp_ts host(const struct esp_end *e)
{
	struct esp_ts ts = {.family = e->family, .port_hi = UINT16_MAX};

	memcpy(ts.lo, e->addr, e->family == 6 ? 16 : 4);
	memcpy(ts.hi, ts.lo, sizeof(ts.hi));
	return ts;
}

void ts_own(const struct ike_sa *sa, struct esp_selectors *ts)
{
	*ts = sa->peer->cfg.ts;
	if (ts->local_count || ts->remote_count)
		return;
	ts->local_count = ts->remote_count = 1;
	ts->local[0] = host(&sa->local);
	ts->remote[0] = host(&sa->remote);
}

static void put_side(struct out *o, enum ike_payload_type type, const struct esp_ts *v, unsigned n)
{
	struct ike_ts out[ESP_TS_MAX];

	for (unsigned i = 0; i < n; i++) {
		out[i] = (struct ike_ts){
			.type = v[i].family == 6 ? IKE_TS_IPV6 : IKE_TS_IPV4,
			.protocol = v[i].protocol,
			.port_from = v[i].port_lo,
			.port_to = v[i].port_hi,
		};
		memcpy(out[i].from, v[i].lo, 16);
		memcpy(out[i].to, v[i].hi, 16);
	}
	ike_put_ts(&o->o, type, out, n);
}

void ts_put(struct out *o, const struct esp_selectors *ts, bool initiator)
{
	put_side(o, IKE_PL_TSI, initiator ? ts->local : ts->remote,
		 initiator ? ts->local_count : ts->remote_count);
	put_side(o, IKE_PL_TSR, initiator ? ts->remote : ts->local,
		 initiator ? ts->remote_count : ts->local_count);
}

static struct esp_ts of_wire(const struct ike_ts *t)
{
	struct esp_ts ts = {
		.family = t->type == IKE_TS_IPV6 ? 6 : 4,
		.protocol = t->protocol,
		.port_lo = t->port_from,
		.port_hi = t->port_to,
	};

	memcpy(ts.lo, t->from, 16);
	memcpy(ts.hi, t->to, 16);
	return ts;
}

/* What two selectors have in common; false: nothing. */
static bool meet(const struct esp_ts *a, const struct esp_ts *b, struct esp_ts *out)
{
	if (a->family != b->family || (a->protocol && b->protocol && a->protocol != b->protocol))
		return false;
	*out = (struct esp_ts){.family = a->family};
	out->protocol = a->protocol ? a->protocol : b->protocol;
	memcpy(out->lo, memcmp(a->lo, b->lo, 16) > 0 ? a->lo : b->lo, 16);
	memcpy(out->hi, memcmp(a->hi, b->hi, 16) < 0 ? a->hi : b->hi, 16);
	out->port_lo = a->port_lo > b->port_lo ? a->port_lo : b->port_lo;
	out->port_hi = a->port_hi < b->port_hi ? a->port_hi : b->port_hi;
	return memcmp(out->lo, out->hi, 16) <= 0 && out->port_lo <= out->port_hi;
}

static bool inside(const struct esp_ts *a, const struct esp_ts *b)
{
	struct esp_ts both;

	return meet(a, b, &both) && !memcmp(&both, a, sizeof(both));
}

static bool listed(const struct esp_ts *v, unsigned n, const struct esp_ts *ts)
{
	for (unsigned i = 0; i < n; i++)
		if (inside(ts, &v[i]))
			return true;
	return false;
}

/* What their list and ours have in common. */
static uint8_t narrow(const struct ike_payload *p, const struct esp_ts *ours, unsigned n,
		      struct esp_ts out[ESP_TS_MAX])
{
	struct rd r = rd_init(p->ts.list.p, p->ts.list.len);
	struct ike_ts wire;
	uint8_t count = 0;

	while (ike_ts_next(&r, &wire))
		for (unsigned i = 0; i < n; i++) {
			struct esp_ts theirs = of_wire(&wire), both;

			if (count < ESP_TS_MAX && meet(&theirs, &ours[i], &both) &&
			    !listed(out, count, &both))
				out[count++] = both;
		}
	return count;
}

bool ts_narrow(const struct ike_sa *sa, const struct in *in, struct esp_selectors *out)
{
	struct esp_selectors ours;

	ts_own(sa, &ours);
	*out = (struct esp_selectors){0};
	out->remote_count =
		narrow(ike_find(in->c, IKE_PL_TSI), ours.remote, ours.remote_count, out->remote);
	out->local_count =
		narrow(ike_find(in->c, IKE_PL_TSR), ours.local, ours.local_count, out->local);
	return out->local_count && out->remote_count && esp_selectors_valid(out);
}

/* Their list as it stands; false when one of it is not within ours. */
static bool take_side(const struct ike_payload *p, const struct esp_ts *asked, unsigned n,
		      struct esp_ts out[ESP_TS_MAX], uint8_t *count)
{
	struct rd r = rd_init(p->ts.list.p, p->ts.list.len);
	struct ike_ts wire;

	while (ike_ts_next(&r, &wire)) {
		struct esp_ts theirs = of_wire(&wire);

		if (*count == ESP_TS_MAX || !listed(asked, n, &theirs))
			return false;
		out[(*count)++] = theirs;
	}
	return *count > 0;
}

bool ts_accept(const struct in *in, const struct esp_selectors *asked, struct esp_selectors *out)
{
	*out = (struct esp_selectors){0};
	return take_side(ike_find(in->c, IKE_PL_TSI), asked->local, asked->local_count, out->local,
			 &out->local_count) &&
	       take_side(ike_find(in->c, IKE_PL_TSR), asked->remote, asked->remote_count,
			 out->remote, &out->remote_count) &&
	       esp_selectors_valid(out);
}
