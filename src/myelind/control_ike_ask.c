/*
 * `up`, `down` and `rekey`, which name a peer as PEER or, where several overlays have it, as
 * OVERLAY/PEER; and what the engine tells of peers, as events.
 */
#include "myelind/control.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Which tunnels a name is for. */

bool ike_named(const struct control_tunnel *t, const char *name)
{
	const char *slash = strchr(name, '/'), *overlay = t->plan->o->name;

	if (!slash)
		return strcmp(name, tunnel_peer(t)) == 0;
	return strncmp(name, overlay, (size_t)(slash - name)) == 0 &&
	       strlen(overlay) == (size_t)(slash - name) && strcmp(slash + 1, tunnel_peer(t)) == 0;
}

/* OVERLAY, PEER or OVERLAY/PEER; NULL: all. */
bool ike_shown(const struct control_tunnel *t, const char *name)
{
	return !name || strcmp(name, t->plan->o->name) == 0 || ike_named(t, name);
}

bool show_ike_name_is(const struct control *c, const char *name)
{
	for (size_t i = 0; c->ike && i < c->ike->tunnel_count; i++)
		if (ike_shown(&c->ike->tunnels[i], name))
			return true;
	return false;
}

/* The names that would do, for an error. */
static void peers_list(const struct control *c, const char *like, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = 0;
	for (size_t i = 0; c->ike && i < c->ike->tunnel_count && n < size; i++) {
		const struct control_tunnel *t = &c->ike->tunnels[i];

		if (like && !ike_named(t, like))
			continue;
		n += (size_t)snprintf(buf + n, size - n, like ? "%s%s/%s" : "%s%s%.0s",
				      n ? ", " : "", like ? t->plan->o->name : tunnel_peer(t),
				      tunnel_peer(t));
	}
}

/* The one overlay whose tunnels a name is for; or the request fails. */
static const struct bb_overlay *peer_named(struct control *c, struct ctl_request *rq,
					   const char *name)
{
	const struct bb_overlay *o = NULL;
	char list[256];

	for (size_t i = 0; c->ike && i < c->ike->tunnel_count; i++) {
		const struct control_tunnel *t = &c->ike->tunnels[i];

		if (!ike_named(t, name))
			continue;
		if (o && o != t->plan->o) {
			peers_list(c, name, list, sizeof(list));
			ctl_fail(rq, "%.64s is in several overlays: name it as one of %s", name,
				 list);
			return NULL;
		}
		o = t->plan->o;
	}
	if (o)
		return o;
	peers_list(c, NULL, list, sizeof(list));
	if (list[0])
		ctl_fail(rq, "node %s has no tunnel to a peer %.64s; there are %s", c->args->node,
			 name, list);
	else
		ctl_fail(rq, "node %s has no overlay of design ipsec, and so no tunnels",
			 c->args->node);
	return NULL;
}

/* up, down, rekey */

/* "PEER [WORD]" taken apart. */
static bool words_split(const char *arg, char peer[96], const char **word)
{
	size_t n = arg ? strcspn(arg, " ") : 0;

	if (!n || n >= 96)
		return false;
	memcpy(peer, arg, n);
	peer[n] = 0;
	*word = arg[n] ? arg + n + 1 : NULL;
	return !*word || !strchr(*word, ' ');
}

typedef int do_fn(struct ikev2 *e, uint16_t tunnel, enum ikev2_what what, uint64_t now);

static int do_up(struct ikev2 *e, uint16_t tunnel, enum ikev2_what what, uint64_t now)
{
	(void)what;
	return ikev2_up(e, tunnel, now);
}

static int do_down(struct ikev2 *e, uint16_t tunnel, enum ikev2_what what, uint64_t now)
{
	(void)what;
	return ikev2_down(e, tunnel, now);
}

/* Does it to every tunnel of that name, and answers. */
static void tunnels_do(struct control *c, struct ctl_request *rq, const char *peer, do_fn *run,
		       enum ikev2_what what)
{
	const struct bb_overlay *o = peer_named(c, rq, peer);
	uint64_t now = clock_now();
	struct js *j, *list;
	unsigned done = 0;
	int rc = 0;

	if (!o)
		return;
	if (!c->ike->engine) {
		ctl_fail(rq, "IKEv2 has not started yet: `show ike` says what it waits for");
		return;
	}
	j = js_object();
	js_set_text(j, "overlay", o->name);
	list = js_set_array(j, "peers");
	for (size_t i = 0; i < c->ike->tunnel_count; i++) {
		struct control_tunnel *t = &c->ike->tunnels[i];
		int r;

		if (t->plan->o != o || !ike_named(t, peer))
			continue;
		r = t->set ? run(c->ike->engine, t->plan->id, what, now) : -ENOENT;
		rc = r ? r : rc;
		done += !r;
		if (!r)
			js_push_text(list, tunnel_peer(t));
	}
	ike_flush(c, now);
	if (done) {
		ctl_answer(rq, j);
		return;
	}
	js_free(j);
	if (rc == -EADDRNOTAVAIL)
		ctl_fail(rq, "%s has to call us: the file has no address of it", peer);
	else if (rc == -ENOTCONN)
		ctl_fail(rq, "there is no IKE SA with %s: `up %s` makes one", peer, peer);
	else
		ctl_fail(rq, "the tunnel to %s is not set up: `show ike %s` says why", peer, peer);
}

void ike_up_ask(void *ctx, struct ctl_request *rq)
{
	const char *word;
	char peer[96];

	if (!words_split(ctl_request_arg(rq), peer, &word) || word)
		ctl_fail(rq, "`up` takes PEER or OVERLAY/PEER");
	else
		tunnels_do(ctx, rq, peer, do_up, 0);
}

void ike_down_ask(void *ctx, struct ctl_request *rq)
{
	const char *word;
	char peer[96];

	if (!words_split(ctl_request_arg(rq), peer, &word) || word)
		ctl_fail(rq, "`down` takes PEER or OVERLAY/PEER");
	else
		tunnels_do(ctx, rq, peer, do_down, 0);
}

void ike_rekey_ask(void *ctx, struct ctl_request *rq)
{
	static const struct {
		const char *word;
		enum ikev2_what what;
	} whats[] = {
		{"child", IKEV2_REKEY_CHILD}, {"ike", IKEV2_REKEY_IKE}, {"reauth", IKEV2_REAUTH}};
	const char *word;
	char peer[96];

	if (words_split(ctl_request_arg(rq), peer, &word))
		for (size_t i = 0; i < sizeof(whats) / sizeof(whats[0]); i++)
			if (!strcmp(word ? word : "child", whats[i].word)) {
				tunnels_do(ctx, rq, peer, ikev2_rekey, whats[i].what);
				return;
			}
	ctl_fail(rq,
		 "`rekey` takes PEER or OVERLAY/PEER, then `child` (what it is without a word), "
		 "`ike` or `reauth`");
}

/* Events. */

void ike_event(void *ctx, enum ikev2_event ev, uint16_t tunnel, const char *text)
{
	static const enum event_kind kinds[IKEV2_EV_COUNT] = {
		[IKEV2_EV_UP] = EVENT_IKE_UP,
		[IKEV2_EV_DOWN] = EVENT_IKE_DOWN,
		[IKEV2_EV_REKEYED] = EVENT_IKE_REKEYED,
		[IKEV2_EV_CHILD_REKEYED] = EVENT_CHILD_REKEYED,
		[IKEV2_EV_REAUTHENTICATED] = EVENT_IKE_REAUTHENTICATED,
		[IKEV2_EV_AUTH_FAILED] = EVENT_AUTHENTICATION_FAILED,
		[IKEV2_EV_NO_PROPOSAL] = EVENT_PROPOSAL_MISMATCH,
		[IKEV2_EV_TROUBLE] = EVENT_IKE_TROUBLE,
	};
	struct control *c = ctx;
	const struct control_tunnel *t = tunnel ? ike_tunnel(c, tunnel) : NULL;

	event_put(&c->events, kinds[ev], t ? t->plan->o->name : NULL, 0, clock_now(), "%s%s%s",
		  t ? tunnel_peer(t) : "", t ? ": " : "", text);
}
