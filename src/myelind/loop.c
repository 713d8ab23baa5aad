#include "myelind/loop.h"

#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#define LOOP_FDS_MAX 512

struct watch {
	struct loop *loop;
	sd_event_source *source;
	int fd;
	loop_fn *fn;
	void *ctx;
};

struct loop {
	sd_event *event;
	sd_event_source *timer;
	loop_turn_fn *turn;
	void *ctx;
	struct watch watches[LOOP_FDS_MAX];
};

static int on_io(sd_event_source *src, int fd, uint32_t revents, void *ctx)
{
	struct watch *w = ctx;
	struct loop *l = w->loop;
	unsigned events = 0;

	(void)src;
	if (revents & EPOLLIN)
		events |= LOOP_IN;
	if (revents & EPOLLOUT)
		events |= LOOP_OUT;
	if (revents & (EPOLLHUP | EPOLLERR))
		events |= LOOP_HANGUP;
	w->fn(w->ctx, fd, events);
	l->turn(l->ctx, clock_now());
	return 0;
}

static int on_time(sd_event_source *src, uint64_t usec, void *ctx)
{
	struct loop *l = ctx;

	(void)src;
	(void)usec;
	l->turn(l->ctx, clock_now());
	return 0;
}

struct loop *loop_new(loop_turn_fn *turn, void *ctx)
{
	struct loop *l = calloc(1, sizeof(*l));
	sigset_t ends;
	int rc;

	if (!l)
		return NULL;
	l->turn = turn;
	l->ctx = ctx;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	rc = sd_event_new(&l->event);
	if (rc >= 0)
		rc = sd_event_add_time(l->event, &l->timer, CLOCK_BOOTTIME, UINT64_MAX, 1000,
				       on_time, l);
	if (rc >= 0)
		rc = sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
	if (rc >= 0)
		rc = sd_event_add_signal(l->event, NULL, SIGTERM, NULL, NULL);
	if (rc < 0) {
		loop_free(l);
		errno = -rc;
		return NULL;
	}
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	for (unsigned i = 0; i < LOOP_FDS_MAX; i++)
		sd_event_source_unref(l->watches[i].source);
	sd_event_source_unref(l->timer);
	sd_event_unref(l->event);
	free(l);
}

static struct watch *watch_find(struct loop *l, int fd)
{
	for (unsigned i = 0; i < LOOP_FDS_MAX; i++)
		if (l->watches[i].source ? l->watches[i].fd == fd : fd < 0)
			return &l->watches[i];
	return NULL;
}

int loop_watch(struct loop *l, int fd, unsigned events, loop_fn *fn, void *ctx)
{
	uint32_t mask = (events & LOOP_IN ? EPOLLIN : 0u) | (events & LOOP_OUT ? EPOLLOUT : 0u);
	struct watch *w = watch_find(l, fd);
	int rc;

	if (w) {
		w->fn = fn;
		w->ctx = ctx;
		return sd_event_source_set_io_events(w->source, mask);
	}
	w = watch_find(l, -1);
	if (!w)
		return -EMFILE;
	*w = (struct watch){.loop = l, .fd = fd, .fn = fn, .ctx = ctx};
	rc = sd_event_add_io(l->event, &w->source, fd, mask, on_io, w);
	return rc < 0 ? rc : 0;
}

void loop_unwatch(struct loop *l, int fd)
{
	struct watch *w = fd >= 0 ? watch_find(l, fd) : NULL;

	if (w)
		w->source = sd_event_source_disable_unref(w->source);
}

void loop_wake_at(struct loop *l, uint64_t when)
{
	if (when == UINT64_MAX) {
		sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
		return;
	}
	/* Rounded up: never before the time asked for. */
	sd_event_source_set_time(l->timer, when / NS_PER_US + 1);
	sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

int loop_run(struct loop *l)
{
	l->turn(l->ctx, clock_now());
	return sd_event_loop(l->event);
}

void loop_stop(struct loop *l, int code)
{
	sd_event_exit(l->event, code);
}
