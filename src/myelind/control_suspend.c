/*
 * The command `suspend [OVERLAY] SECONDS`: asks for an in-service suspension of the MKA of one
 * overlay or of all (key/mka, 802.1X-2020 9.18). Whether it is granted, `show mka` tells.
 */
#include "myelind/control.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "[OVERLAY] SECONDS" taken apart; overlay empty: all. False when it is not that. */
static bool words_split(const char *arg, char overlay[32], unsigned *seconds)
{
	const char *space = arg ? strrchr(arg, ' ') : NULL, *number = space ? space + 1 : arg;
	char *end;
	unsigned long n;

	overlay[0] = 0;
	if (!number || *number < '0' || *number > '9')
		return false;
	n = strtoul(number, &end, 10);
	if (*end || n > MKA_SUSPENSION_LIMIT_S)
		return false;
	*seconds = (unsigned)n;
	if (!space)
		return true;
	if ((size_t)(space - arg) >= 32 || memchr(arg, ' ', (size_t)(space - arg)))
		return false;
	memcpy(overlay, arg, (size_t)(space - arg));
	overlay[space - arg] = 0;
	return true;
}

void suspend_ask(void *ctx, struct ctl_request *rq)
{
	struct control *c = ctx;
	uint64_t now = clock_now();
	unsigned seconds, asked = 0;
	char overlay[32];
	struct js *j, *list;

	if (!words_split(ctl_request_arg(rq), overlay, &seconds)) {
		ctl_fail(
			rq,
			"`suspend` takes [OVERLAY] SECONDS, of which there are at most %u; 0 takes "
			"it back",
			MKA_SUSPENSION_LIMIT_S);
		return;
	}
	j = js_object();
	list = js_set_array(j, "suspensions");
	for (size_t i = 0; i < c->plan->secy_count; i++) {
		struct control_secy *s = control_secy(c, c->plan->secys[i].id);

		if (!s || !s->mka || (overlay[0] && strcmp(overlay, s->plan->o->name) != 0) ||
		    mka_suspend(s->mka, seconds, now) < 0)
			continue;
		secy_flush(s, now);
		asked++;
		js_set_text(js_push_object(list), "overlay", s->plan->o->name);
	}
	if (asked) {
		js_set_u64(j, "seconds", seconds);
		ctl_answer(rq, j);
		return;
	}
	js_free(j);
	ctl_fail(rq, "no overlay%s%s is keyed by MKA and secured: there is nothing to suspend",
		 overlay[0] ? " " : "", overlay);
}
