/* Whether packets between overlays may pass by the kernel: as the file has it, and as long as there is
 * nothing in the kernel that would have its say on them. */
#include "myelind/wants_i.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

static void tell(struct wants *w, bool control)
{
	struct msg m = {.type = MSG_TRANSIT, .transit = w->transit};

	w->say.forward(w->say.ctx, &m, -1);
	if (control)
		w->say.control(w->say.ctx, &m, -1);
}

static void judge(const struct wants *w, struct msg_transit *t)
{
	unsigned overlays[HOOKS_OVERLAYS], n = 0;

	memset(t, 0, sizeof(*t));
	if (w->cut == MSG_CUT_OFF) {
		snprintf(t->what, sizeof(t->what), "the file says `cut-through off`");
		return;
	}
	for (size_t i = 0; i < w->port_count && n < HOOKS_OVERLAYS; i++)
		if (w->ports[i].open && w->ports[i].want.kind == MSG_PORT_OVERLAY)
			overlays[n++] = w->ports[i].ifindex;
	t->open = w->cut == MSG_CUT_ON || !hooks_find(overlays, n, t->what, sizeof(t->what));
}

void want_transit_look(struct wants *w)
{
	struct msg_transit t;

	judge(w, &t);
	if (t.open == w->transit.open && strcmp(t.what, w->transit.what) == 0)
		return;
	w->transit = t;
	if (t.open)
		log_info("cut-through: packets between overlays pass by the kernel");
	else if (w->cut != MSG_CUT_OFF)
		log_warn("cut-through: the kernel forwards: %s", t.what);
	tell(w, true);
}

void want_transit_init(struct wants *w)
{
	judge(w, &w->transit);
}

void want_transit_give(struct wants *w)
{
	tell(w, false);
}

void wants_transit(struct wants *w, uint8_t mode)
{
	w->cut = mode;
	judge(w, &w->transit);
	tell(w, true);
}
