/* events: see events.h. A slot counts once its sequence number stands, which is written last. */
#include "myelind/events.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAGIC 0x6d796576656e7432ull /* with the layout it changes */

static const struct {
	const char *name;
	enum log_level level;
} kinds[EVENT_KIND_COUNT] = {
	[EVENT_CONTROL_STARTED] = {"control-started", LOG_LVL_INFO},
	[EVENT_FORWARD_LINKED] = {"forward-linked", LOG_LVL_INFO},
	[EVENT_FORWARD_LOST] = {"forward-lost", LOG_LVL_WARN},
	[EVENT_PORT_READY] = {"port-ready", LOG_LVL_INFO},
	[EVENT_PORT_FAILED] = {"port-failed", LOG_LVL_ERROR},
	[EVENT_GUARD_RESTORED] = {"guard-restored", LOG_LVL_WARN},
	[EVENT_CONFIG_TAKEN] = {"config-taken", LOG_LVL_INFO},
	[EVENT_CONFIG_REFUSED] = {"config-refused", LOG_LVL_ERROR},
	[EVENT_SECRET_TROUBLE] = {"secret-trouble", LOG_LVL_ERROR},
	[EVENT_SECRET_MENDED] = {"secret-mended", LOG_LVL_INFO},
	[EVENT_OVERLAY_SECURED] = {"overlay-secured", LOG_LVL_INFO},
	[EVENT_OVERLAY_CLOSED] = {"overlay-closed", LOG_LVL_WARN},
	[EVENT_OVERLAY_CLEAR] = {"overlay-clear", LOG_LVL_WARN},
	[EVENT_PEER_LIVE] = {"peer-live", LOG_LVL_INFO},
	[EVENT_PEER_LOST] = {"peer-lost", LOG_LVL_WARN},
	[EVENT_KEY_SERVER] = {"key-server", LOG_LVL_INFO},
	[EVENT_KEY_USED] = {"key-used", LOG_LVL_INFO},
	[EVENT_KEY_RETIRED] = {"key-retired", LOG_LVL_INFO},
	[EVENT_KEY_LOST] = {"key-lost", LOG_LVL_WARN},
	[EVENT_CAK_USED] = {"cak-used", LOG_LVL_INFO},
	[EVENT_CAK_OVERTIME] = {"cak-overtime", LOG_LVL_ERROR},
	[EVENT_LEASE_STUCK] = {"lease-stuck", LOG_LVL_ERROR},
	[EVENT_IKE_UP] = {"ike-up", LOG_LVL_INFO},
	[EVENT_IKE_DOWN] = {"ike-down", LOG_LVL_WARN},
	[EVENT_IKE_REKEYED] = {"ike-rekeyed", LOG_LVL_INFO},
	[EVENT_CHILD_REKEYED] = {"child-rekeyed", LOG_LVL_INFO},
	[EVENT_IKE_REAUTHENTICATED] = {"ike-reauthenticated", LOG_LVL_INFO},
	[EVENT_MKPDUS_REFUSED] = {"mkpdus-refused", LOG_LVL_WARN},
	[EVENT_FRAMES_REFUSED] = {"frames-refused", LOG_LVL_WARN},
	[EVENT_AUTHENTICATION_FAILED] = {"authentication-failed", LOG_LVL_WARN},
	[EVENT_PROPOSAL_MISMATCH] = {"proposal-mismatch", LOG_LVL_WARN},
	[EVENT_IKE_TROUBLE] = {"ike-trouble", LOG_LVL_WARN},
};

const char *event_name(enum event_kind kind)
{
	return kinds[kind].name;
}

const char *event_severity(enum event_kind kind)
{
	return kinds[kind].level == LOG_LVL_ERROR  ? "error"
	       : kinds[kind].level == LOG_LVL_WARN ? "warning"
						   : "info";
}

static struct event *ring(const struct events *e, bool outside, size_t *size)
{
	*size = outside ? EVENTS_OUTSIDE_KEPT : EVENTS_KEPT;
	return outside ? e->m->outside : e->m->kept;
}

/* What a predecessor was killed over, or memory that was something else. */
static bool is_whole(const struct event *v, bool outside)
{
	return v->seq && v->kind < EVENT_KIND_COUNT &&
	       outside == (v->kind >= EVENT_MKPDUS_REFUSED) &&
	       memchr(v->overlay, 0, sizeof(v->overlay)) && memchr(v->text, 0, sizeof(v->text));
}

void events_open(struct events *e, struct events_memory *m)
{
	*e = (struct events){.m = m};
	if (m->magic != MAGIC) {
		memset(m, 0, sizeof(*m));
		m->magic = MAGIC;
	}
	for (unsigned which = 0; which < 2; which++) {
		uint64_t newest = 0;
		size_t size;
		struct event *v = ring(e, which, &size);

		for (size_t i = 0; i < size; i++) {
			if (!is_whole(&v[i], which)) {
				memset(&v[i], 0, sizeof(v[i]));
			} else if (v[i].seq > newest) {
				newest = v[i].seq;
				e->next[which] = (i + 1) % size;
			}
		}
		if (newest > e->last)
			e->last = newest;
	}
}

/* As much as fits, in whole characters of UTF-8. */
static void text_cut(char out[EVENT_TEXT], const char *text)
{
	size_t n = strlen(text);

	if (n >= EVENT_TEXT)
		for (n = EVENT_TEXT - 1; n && ((uint8_t)text[n] & 0xc0) == 0x80;)
			n--;
	memcpy(out, text, n);
	out[n] = '\0';
}

void event_put(struct events *e, enum event_kind kind, const char *overlay, uint64_t sci,
	       uint64_t now, const char *fmt, ...)
{
	bool outside = kind >= EVENT_MKPDUS_REFUSED;
	size_t size;
	struct event *v = ring(e, outside, &size) + e->next[outside];
	struct timespec wall;
	char text[1024];
	va_list ap;

	e->next[outside] = (e->next[outside] + 1) % size;
	clock_gettime(CLOCK_REALTIME, &wall);
	__atomic_store_n(&v->seq, 0, __ATOMIC_RELEASE);
	v->wall_ns = (uint64_t)wall.tv_sec * NS_PER_S + (uint64_t)wall.tv_nsec;
	v->boot_ns = now;
	v->sci = sci;
	v->kind = kind;
	snprintf(v->overlay, sizeof(v->overlay), "%s", overlay ? overlay : "");
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_cut(v->text, text);
	__atomic_store_n(&v->seq, ++e->last, __ATOMIC_RELEASE);
	log_at(kinds[kind].level, "%s%s%s%s", overlay ? "overlay " : "", overlay ? overlay : "",
	       overlay ? ": " : "", text);
}

const struct event *events_after(const struct events *e, uint64_t seq)
{
	const struct event *best = NULL;

	for (unsigned which = 0; which < 2; which++) {
		size_t size;
		const struct event *v = ring(e, which, &size);

		for (size_t i = 0; i < size; i++)
			if (v[i].seq > seq && (!best || v[i].seq < best->seq))
				best = &v[i];
	}
	return best;
}
