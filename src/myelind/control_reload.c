/*
 * Another file in place of the one that runs.
 *
 * The parent hands over a copy of the file (SIGHUP, or because a client asked). It is checked
 * here, next to what runs; with an error in it nothing has happened. A good one is taken: the
 * parent keeps the copy, and control ends, so that its successor takes up the file by the way
 * that a killed control takes up its own. That way loses no packet (forward goes on, the
 * participants continue from their records, the parent keeps every port whose wish is the same),
 * and one way tested often is worth two.
 *
 * What makes it so is that nothing is renumbered: who had which number is a record of its own
 * behind those of the SecYs.
 */
#include "myelind/control.h"
#include "myelind/control_ike.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/record.h"
#include "config/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEAVE_NS (20 * NS_PER_MS) /* for what is on its way: the answer, a counter's round */

/* What a removed overlay, or another one of this number, left behind. */
static void records_prune(struct control *c, const struct plan_names *before,
			  const struct plan_names *after)
{
	size_t area = record_area(CONTROL_SAVE_MAX);

	for (size_t i = 0; i < PLAN_SECYS_MAX; i++)
		if (strcmp(before->secys[i], after->secys[i]) != 0)
			record_clear((uint8_t *)c->state + i * area, area);
}

size_t control_numbers_end(void)
{
	return PLAN_SECYS_MAX * record_area(CONTROL_SAVE_MAX) +
	       record_area(sizeof(struct plan_names));
}

int numbers_take(struct control *c)
{
	size_t at = PLAN_SECYS_MAX * record_area(CONTROL_SAVE_MAX);
	size_t area = record_area(sizeof(struct plan_names));
	struct plan_names *before = calloc(1, sizeof(*before)), *after = NULL;
	int rc = -ENOMEM;
	ssize_t n;

	if (!before)
		goto out;
	rc = at + area > c->state_size ? -ENOSPC : 0;
	if (rc < 0)
		goto out;
	n = record_get((uint8_t *)c->state + at, area, before, sizeof(*before));
	if (n != (ssize_t)sizeof(*before)) {
		if (n != -ENOENT)
			log_error("the table of numbers is damaged: overlays start anew");
		memset(before, 0, sizeof(*before));
	}
	rc = -ENOMEM;
	after = malloc(sizeof(*after));
	if (!after)
		goto out;
	memcpy(after, before, sizeof(*after));
	plan_number(c->plan, after);
	/* A crash in between finds the old table, and does the same again. */
	records_prune(c, before, after);
	rc = record_put((uint8_t *)c->state + at, area, after, sizeof(*after));
out:
	if (rc < 0)
		log_error("ports and overlays cannot be numbered: %s", strerror(-rc));
	free(before);
	free(after);
	return rc;
}

static void errors_answer(struct js *j, const struct conf_errors *errs)
{
	struct js *list = js_set_array(j, "errors");

	for (size_t i = 0; i < errs->count; i++) {
		struct js *o = js_push_object(list);

		js_set_text(o, "file", errs->v[i].file);
		js_set_u64(o, "line", errs->v[i].line);
		js_set_u64(o, "column", errs->v[i].col);
		js_set_text(o, "text", errs->v[i].text);
	}
}

/* The overlay of the n-th SecY or, behind those, tunnel; NULL: of a tunnel before it too. */
static const char *overlay_nth(const struct plan *p, size_t n)
{
	const struct plan_tunnel *t;

	if (n < p->secy_count)
		return p->secys[n].o->name;
	t = &p->tunnels[n - p->secy_count];
	for (const struct plan_tunnel *o = p->tunnels; o < t; o++)
		if (o->o == t->o)
			return NULL;
	return t->o->name;
}

static void fates_answer(struct js *j, const struct plan *before, const struct plan *after)
{
	struct js *lists[] = {
		[PLAN_KEPT] = js_set_array(j, "kept"),
		[PLAN_CHANGED] = js_set_array(j, "changed"),
		[PLAN_ADDED] = js_set_array(j, "added"),
		[PLAN_REMOVED] = js_set_array(j, "removed"),
	};

	for (size_t i = 0; i < after->secy_count + after->tunnel_count; i++) {
		const char *name = overlay_nth(after, i);

		if (name)
			js_push_text(lists[plan_fate(before, after, name)], name);
	}
	for (size_t i = 0; i < before->secy_count + before->tunnel_count; i++) {
		const char *name = overlay_nth(before, i);

		if (name && plan_fate(before, after, name) == PLAN_REMOVED)
			js_push_text(lists[PLAN_REMOVED], name);
	}
}

static void changes_answer(struct js *j, const struct conf_diff *d)
{
	struct js *list = js_set_array(j, "changes");

	for (size_t i = 0; i < d->count; i++) {
		struct js *o = js_push_object(list);

		js_set_format(o, "op", "%c", d->v[i].op);
		js_set_text(o, "statement", d->v[i].text);
	}
}

static bool has_tunnel(const struct plan *p, const struct plan_tunnel *t)
{
	for (size_t i = 0; i < p->tunnel_count; i++)
		if (!strcmp(p->tunnels[i].o->name, t->o->name) &&
		    !strcmp(backbone_member_name(p->tunnels[i].peer),
			    backbone_member_name(t->peer)))
			return true;
	return false;
}

/* Peers that the new file has no tunnel to are told, so that they do not go on with SAs that are
 * not here any more; and nothing is left of theirs, should the tunnel come back one day. */
static void tunnels_leave(struct control *c, const struct plan *after, uint64_t now)
{
	bool any = false;

	for (size_t i = 0; c->ike && c->ike->engine && i < c->plan->tunnel_count; i++)
		if (!has_tunnel(after, &c->plan->tunnels[i])) {
			ikev2_peer_remove(c->ike->engine, c->plan->tunnels[i].id, now);
			any = true;
		}
	if (any)
		ike_flush(c, now);
}

/* The candidate is good: what it changes, and whether it was taken. */
static bool reload_take(struct control *c, const struct control_config *k,
			const struct conf_diff *d, struct js *j, uint64_t now)
{
	struct msg m = {.type = MSG_CONFIG_TAKE};
	int rc = 0;

	changes_answer(j, d);
	fates_answer(j, c->plan, k->plan);
	if (d->count) {
		rc = control_tell_parent(c, &m);
		if (rc == 0) {
			c->leave_at = now + LEAVE_NS;
			tunnels_leave(c, k->plan, now);
		}
	}
	if (!d->count)
		log_info("%s: no change", c->args->config);
	else if (rc == 0)
		event_put(&c->events, EVENT_CONFIG_TAKEN, NULL, 0, now, "%s: %zu change%s taken up",
			  c->args->config, d->count, d->count == 1 ? "" : "s");
	return rc == 0;
}

/* Every client that asked before the file was read gets the same answer. */
static void reload_answer(struct control *c, const struct js *j)
{
	size_t len;
	char *text = js_print(j, false, &len);

	for (size_t i = 0; i < CONTROL_RELOADS_MAX; i++) {
		struct ctl_request *rq =
			c->reloads[i] ? ctl_request_find(c->ctl, c->reloads[i]) : NULL;

		c->reloads[i] = 0;
		if (rq)
			ctl_answer(rq, js_parse(text, len));
	}
	free(text);
}

/* A secret's error has its line in its text. */
static void errors_log(const struct conf_errors *errs)
{
	for (size_t i = 0; i < errs->count; i++) {
		const struct conf_error *e = &errs->v[i];

		if (e->line)
			log_error("%s:%u:%u: %s", e->file, e->line, e->col, e->text);
		else
			log_error("%s: %s", e->file, e->text);
	}
}

void reload_offered(struct control *c, const struct msg_file *f, int fd, uint64_t now)
{
	struct js *j;
	struct conf_errors errs = {};
	struct control_config k = {};
	struct conf_diff d = {};
	bool good, keys = false;

	if (c->leave_at) /* the successor's matter; who asked is told to ask again */
		return;
	j = js_object();
	js_set_text(j, "file", c->args->config);
	if (f->error || fd < 0) {
		event_put(&c->events, EVENT_CONFIG_REFUSED, NULL, 0, now,
			  "%s: %s; what runs goes on", c->args->config, strerror(f->error));
		js_set_format(j, "error", "%s: %s", c->args->config, strerror(f->error));
		reload_answer(c, j);
		js_free(j);
		return;
	}
	c->reading = MSG_CONFIG_CANDIDATE;
	good = control_config_read(c, fd, &k, &errs);
	c->reading = MSG_CONFIG_RUNNING;
	/* Secrets too: with a diff the successor reads them again, without one they are all that
	 * may have changed. */
	if (good && conf_diff(c->conf, k.conf, &d) < 0)
		good = false;
	if (good)
		good = chains_read(c, k.plan, !d.count, &keys, &errs, now);
	js_set_bool(j, "valid", good);
	js_set_bool(j, "keys", keys);
	errors_answer(j, &errs);
	errors_log(&errs);
	if (!good)
		event_put(&c->events, EVENT_CONFIG_REFUSED, NULL, 0, now,
			  "%s: %zu error%s, the first in line %u; what runs goes on",
			  c->args->config, errs.count, errs.count == 1 ? "" : "s",
			  errs.count ? errs.v[0].line : 0);
	else if (!reload_take(c, &k, &d, j, now))
		js_set_text(j, "error", "the file could not be taken; what runs goes on");
	if (good && !d.count)
		certs_look(c); /* as the successor does, where there is one */
	reload_answer(c, j);
	js_free(j);
	conf_errors_free(&errs);
	conf_diff_free(&d);
	control_config_free(&k);
	control_early(c);
}

void reload_ask(void *ctx, struct ctl_request *rq)
{
	struct msg m = {.type = MSG_RELOAD};
	struct control *c = ctx;
	size_t i = 0;

	while (i < CONTROL_RELOADS_MAX && c->reloads[i])
		i++;
	if (c->leave_at || i == CONTROL_RELOADS_MAX) {
		ctl_fail(rq, "a reload is under way; ask again");
		return;
	}
	c->reloads[i] = ctl_request_id(rq);
	if (control_tell_parent(c, &m) < 0) {
		c->reloads[i] = 0;
		ctl_fail(rq, "the parent cannot be asked for the file");
	}
}
