/*
 * work: bursts and the lanes. Where there are lanes and much to do, a burst's cryptography is
 * handed over and the burst finished later, in its turn; else all of it happens at once.
 *
 * Run by the worker. Whatever a burst on its way depends on (SAs, ports, tunnels) changes only after
 * works_drain(), so that no key is wiped under a lane and nothing on its way has to be looked up
 * again. How far behind the window's first look may be is bounded by LANES_FLYING bursts; what
 * moves the window is in finish(), in order.
 */
#include "fwd/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORTH 16  /* packets: fewer are done before a lane has heard of them */
#define PRESSED 2 /* large bursts in a row before lanes are called */

int fwd_lanes(struct fwd *f, struct lanes *lanes)
{
	works_fini(f);
	if (!lanes)
		return 0;
	f->works = calloc(LANES_FLYING + 1, sizeof(*f->works));
	if (!f->works)
		return -ENOMEM;
	f->lanes = lanes;
	f->work_at = 0;
	f->work = f->works;
	f->pressed = 0;
	return 0;
}

void works_fini(struct fwd *f)
{
	works_drain(f);
	f->lanes = NULL;
	free(f->works);
	f->works = f->work = NULL;
}

static void work_finish(struct fwd *f, struct lane_job *job)
{
	struct fwd_work *w = (struct fwd_work *)job; /* its first member */

	/* Lanes wrote to them last. */
	for (unsigned i = 0; i < w->n; i++)
		__builtin_prefetch(w->burst[i].data);
	w->finish(f, w, w->burst, w->n);
}

void works_drain(struct fwd *f)
{
	struct lane_job *job;

	while (f->lanes && (job = lanes_wait(f->lanes)))
		work_finish(f, job);
}

static unsigned works_back(struct fwd *f)
{
	struct lane_job *job;
	unsigned n = 0;

	while ((job = lanes_back(f->lanes))) {
		n += ((struct fwd_work *)job)->n;
		work_finish(f, job);
	}
	return n;
}

bool works_want(struct fwd *f, const struct pkt *v, unsigned n)
{
	/* Packets that go on into an overlay from here are sealed while their burst is finished. */
	if (v == f->work->burst && !f->mixed && !f->transit) {
		f->pressed += n >= WORTH;
		if (f->pressed >= PRESSED || lanes_flying(f->lanes))
			return true;
	}
	works_drain(f);
	return false;
}

/* Its keys may be used by several at once. */
static bool keys_shared(const struct lane_job *j)
{
	for (unsigned i = 0; i < j->runs; i++)
		if (j->run[i].key && !aead_key_shared(j->run[i].key))
			return false;
	return true;
}

static void work_next(struct fwd *f)
{
	f->work_at = f->work_at < LANES_FLYING ? f->work_at + 1 : 0;
	f->work = &f->works[f->work_at];
}

void work_hand(struct fwd *f, struct pkt *v, unsigned n)
{
	struct fwd_work *w = f->work;

	w->job.ops = w->ops;
	if (!keys_shared(&w->job)) {
		works_drain(f); /* what is on its way goes first */
		lane_job_run(&w->job);
		w->finish(f, w, v, n);
		return;
	}
	w->n = n;
	if (lanes_flying(f->lanes) == LANES_FLYING)
		work_finish(f, lanes_wait(f->lanes));
	if (n >= WORTH && lanes_want(f->lanes))
		lanes_give(f->lanes, &w->job);
	else
		lanes_keep(f->lanes, &w->job);
	work_next(f);
	works_back(f);
}

unsigned works_poll(struct fwd *f, unsigned moved)
{
	unsigned n = works_back(f);

	if (!moved) {
		f->pressed = 0;
		if (!n && lanes_flying(f->lanes) && lanes_help(f->lanes))
			n = works_back(f);
	}
	return n || !lanes_flying(f->lanes) ? n : 1;
}
