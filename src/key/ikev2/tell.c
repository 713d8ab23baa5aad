/*
 * What an engineer is told of a peer: what happened to it, and why it is not up.
 *
 * A reason stays with the peer until a child SA stands, for show; while one stands it is noted
 * nowhere, so that what somebody else says in clear cannot make a tunnel that works look broken.
 * As an event it is told when it is another one than before, or after TOLD_AGAIN, and for one peer
 * (and for all that are nobody's) not more often than in TOLD_NS: whoever causes it without a key
 * costs a bounded number of lines.
 */
#include "key/ikev2/ikev2_i.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TOLD_NS (10 * NS_PER_S)
#define TOLD_AGAIN (600 * NS_PER_S)

const char *ikev2_event_name(enum ikev2_event ev)
{
	static const char *const names[IKEV2_EV_COUNT] = {
		[IKEV2_EV_UP] = "up",
		[IKEV2_EV_DOWN] = "down",
		[IKEV2_EV_REKEYED] = "rekeyed",
		[IKEV2_EV_CHILD_REKEYED] = "child-rekeyed",
		[IKEV2_EV_REAUTHENTICATED] = "reauthenticated",
		[IKEV2_EV_AUTH_FAILED] = "authentication-failed",
		[IKEV2_EV_NO_PROPOSAL] = "proposal-mismatch",
		[IKEV2_EV_TROUBLE] = "trouble",
	};

	return ev < IKEV2_EV_COUNT ? names[ev] : "?";
}

static void event(struct ikev2 *e, const struct peer *p, enum ikev2_event ev, const char *text)
{
	if (e->env.event)
		e->env.event(e->env.ctx, ev, p ? p->cfg.tunnel : 0, text);
	else
		log_limited(&e->limit, ev >= IKEV2_EV_AUTH_FAILED ? LOG_LVL_WARN : LOG_LVL_INFO,
			    "ike %s: %s", p ? p->cfg.name : "unknown peer", text);
}

void tell_event(const struct ike_sa *sa, enum ikev2_event ev, const char *fmt, ...)
{
	char text[IKEV2_TROUBLE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	event(sa->e, sa->peer, ev, text);
}

static bool carries(const struct ikev2 *e, const struct peer *p)
{
	for (const struct ike_sa *sa = e->sas; sa; sa = sa->next)
		for (const struct child_sa *c = sa->children; c && sa->peer == p; c = c->next)
			if (c->state == CHILD_UP && !c->want_close)
				return true;
	return false;
}

void tell_trouble(struct ikev2 *e, struct peer *p, enum ikev2_event ev, uint64_t now,
		  const char *fmt, ...)
{
	uint64_t *told = p ? &p->told_at : &e->told_at;
	char text[IKEV2_TROUBLE_MAX];
	bool same;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	same = p && !strcmp(p->trouble, text);
	if (p && !carries(e, p)) {
		memcpy(p->trouble, text, sizeof(p->trouble));
		p->trouble_at = now;
	}
	if (*told && now < *told + (same ? TOLD_AGAIN : TOLD_NS))
		return;
	*told = now;
	event(e, p, ev, text);
}

void tell_over(struct peer *p)
{
	p->trouble[0] = 0;
	p->trouble_at = 0;
}

const char *refusal_text(const struct ike_sa *sa, uint16_t type, bool child, char *buf, size_t size)
{
	const char *name = ike_notify_name(type);
	const struct ike_proposal *v;
	size_t at;
	unsigned n;

	switch (type) {
	case IKE_N_AUTH_FAILED:
		snprintf(buf, size,
			 "the peer does not take our identity or what proves it (%s): check the "
			 "identities and the pre-shared key or certificates of both ends",
			 name);
		break;
	case IKE_N_TS_UNACCEPTABLE:
		snprintf(buf, size, "the peer has none of our traffic selectors (%s)", name);
		break;
	case IKE_N_NO_PROPOSAL:
		v = child ? offer_esp(&sa->peer->cfg, &n) : offer_ike(&sa->peer->cfg, &n);
		at = (size_t)snprintf(buf, size,
				      "the peer takes none of our %s proposals (%s); ours: ",
				      child ? "ESP" : "IKE", name);
		if (at < size)
			select_words(v, n, buf + at, size - at);
		break;
	default:
		snprintf(buf, size, "the peer answers %s", name);
		break;
	}
	return buf;
}

bool ikev2_peer_show(const struct ikev2 *e, uint16_t tunnel, struct ikev2_peer_show *out)
{
	const struct peer *p = ike_peer_find(e, tunnel);

	if (!p)
		return false;
	*out = (struct ikev2_peer_show){
		.wanted = p->wanted,
		.held = p->held,
		.failures = p->failures,
		.next_ns = (p->wanted || p->once) && p->cfg.remote.family ? p->next_at : 0,
		.trouble_ns = p->trouble_at,
	};
	memcpy(out->trouble, p->trouble, sizeof(out->trouble));
	return true;
}
