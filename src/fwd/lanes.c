#include "fwd/lanes.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK_SIZE (256u << 10)
#define SPINS 1500   /* looks before a lane sleeps: some 30 µs */
#define PATIENCE 200 /* looks of the owner before it lets others run */
#define AHEAD 4      /* packets whose first lines are fetched while others are worked on */
#define LINES 4      /* of each; the processor itself fetches on from there */

/* The low bits of a place's word; above them stands the job's number. */
enum { READY, TAKEN, DONE, STATE_BITS = 2 };

struct place {
	_Alignas(64) atomic_ulong word;
	struct lane_job *job; /* written before the word says READY */
};

struct lane {
	_Alignas(64) struct lanes *of;
	pthread_t thread;
	unsigned long next; /* the first job that it has not looked at */
	atomic_ulong jobs, packets;
};

struct lanes {
	struct place places[LANES_FLYING];
	/* The owner's: jobs from tail to head - 1 are flying. */
	_Alignas(64) unsigned long head, tail;
	unsigned count;
	/* Where lanes sleep. */
	_Alignas(64) atomic_uint bell;
	atomic_uint sleepers;
	atomic_bool stop;
	struct lane v[];
};

static inline void spin_pause(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#endif
}

static inline unsigned long word_of(unsigned long number, unsigned state)
{
	return number << STATE_BITS | state;
}

static inline struct place *place_of(const struct lanes *l, unsigned long number)
{
	return (struct place *)&l->places[number % LANES_FLYING];
}

void lane_job_run(struct lane_job *j)
{
	for (const struct lane_run *r = j->run; r < j->run + j->runs; r++) {
		if (!r->key)
			continue;
		if (j->open)
			aead_open(r->key, j->ops + r->at, r->n);
		else
			aead_seal(r->key, j->ops + r->at, r->n);
	}
}

/* What another core wrote is far away: it is asked for in time. */
static inline void op_fetch(const struct aead_op *o)
{
	for (unsigned i = 0; i < LINES && i * 64u < o->len + AEAD_TAG_LEN; i++)
		__builtin_prefetch(o->data + (size_t)i * 64u, 1);
	__builtin_prefetch(o->aad);
}

/* lane_job_run() on another core than the owner's. Returns how many packets there were. */
static unsigned job_run_far(struct lane_job *j)
{
	unsigned packets = 0;

	for (const struct lane_run *r = j->run; r < j->run + j->runs; r++) {
		struct aead_op *v = j->ops + r->at;
		unsigned n = r->key ? r->n : 0;

		packets += n;
		for (unsigned i = 0; i < n && i < AHEAD; i++)
			op_fetch(&v[i]);
		for (unsigned i = 0, k; i < n; i += k) {
			k = n - i < AHEAD ? n - i : AHEAD;
			for (unsigned a = i + k; a < n && a < i + k + AHEAD; a++)
				op_fetch(&v[a]);
			if (j->open)
				aead_open(r->key, v + i, k);
			else
				aead_seal(r->key, v + i, k);
		}
	}
	return packets;
}

/* Job `number`, if it is there to be had, is the caller's then. */
static bool job_take(struct place *p, unsigned long number)
{
	unsigned long ready = word_of(number, READY);

	return atomic_load_explicit(&p->word, memory_order_relaxed) == ready &&
	       atomic_compare_exchange_strong_explicit(&p->word, &ready, word_of(number, TAKEN),
						       memory_order_acquire, memory_order_relaxed);
}

static void job_done(struct place *p, unsigned long number)
{
	atomic_store_explicit(&p->word, word_of(number, DONE), memory_order_release);
}

/* Jobs up to the newest that was handed over: does one of them, or finds that there is none. */
static bool lane_look(struct lane *me)
{
	for (;;) {
		struct place *p = place_of(me->of, me->next);
		unsigned long word = atomic_load(&p->word);
		unsigned packets;

		/* Not there yet. A number that is ahead of ours means that ours is long done. */
		if ((long)((word >> STATE_BITS) - me->next) < 0)
			return false;
		if (!job_take(p, me->next)) {
			me->next++;
			continue;
		}
		packets = job_run_far(p->job);
		job_done(p, me->next++);
		atomic_fetch_add_explicit(&me->packets, packets, memory_order_relaxed);
		atomic_fetch_add_explicit(&me->jobs, 1, memory_order_relaxed);
		return true;
	}
}

static void lane_sleep(struct lane *me)
{
	struct lanes *l = me->of;
	unsigned rung = atomic_load(&l->bell);

	atomic_fetch_add(&l->sleepers, 1);
	/* What was handed over before the owner could see us asleep is found here. */
	if (!lane_look(me) && !atomic_load(&l->stop))
		syscall(SYS_futex, &l->bell, FUTEX_WAIT_PRIVATE, rung, NULL, NULL, 0);
	atomic_fetch_sub(&l->sleepers, 1);
}

static void *lane_main(void *ctx)
{
	struct lane *me = ctx;
	unsigned empty = 0;

	while (!atomic_load_explicit(&me->of->stop, memory_order_relaxed)) {
		if (lane_look(me)) {
			empty = 0;
		} else if (++empty < SPINS) {
			spin_pause();
		} else {
			lane_sleep(me);
			empty = 0;
		}
	}
	return NULL;
}

static void bell_ring(struct lanes *l, int how_many)
{
	atomic_fetch_add(&l->bell, 1);
	syscall(SYS_futex, &l->bell, FUTEX_WAKE_PRIVATE, how_many, NULL, NULL, 0);
}

static int lane_start(struct lane *me, struct lanes *of)
{
	pthread_attr_t attr;
	int err = pthread_attr_init(&attr);

	if (err)
		return err;
	me->of = of;
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	err = pthread_create(&me->thread, &attr, lane_main, me);
	pthread_attr_destroy(&attr);
	return err;
}

struct lanes *lanes_new(unsigned n)
{
	size_t size = sizeof(struct lanes) + n * sizeof(struct lane);
	struct lanes *l;
	sigset_t all, was;
	int err = 0;

	if (!n || n > LANES_MAX) {
		errno = EINVAL;
		return NULL;
	}
	l = aligned_alloc(64, (size + 63) / 64 * 64);
	if (!l)
		return NULL;
	*l = (struct lanes){.head = LANES_FLYING, .tail = LANES_FLYING};
	for (unsigned i = 0; i < LANES_FLYING; i++)
		atomic_store(&l->places[i].word, word_of(i, DONE));
	/* Signals are the owner's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	for (; l->count < n && !err; l->count += !err) {
		l->v[l->count] = (struct lane){.next = LANES_FLYING};
		err = lane_start(&l->v[l->count], l);
	}
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (err) {
		lanes_free(l);
		errno = err;
		return NULL;
	}
	return l;
}

void lanes_free(struct lanes *l)
{
	if (!l)
		return;
	atomic_store(&l->stop, true);
	bell_ring(l, LANES_MAX);
	for (unsigned i = 0; i < l->count; i++)
		pthread_join(l->v[i].thread, NULL);
	free(l);
}

unsigned lanes_count(const struct lanes *l)
{
	return l->count;
}

unsigned lanes_flying(const struct lanes *l)
{
	return (unsigned)(l->head - l->tail);
}

bool lanes_want(const struct lanes *l)
{
	unsigned waiting = 0;

	for (unsigned long i = l->tail; i != l->head; i++)
		waiting += atomic_load_explicit(&place_of(l, i)->word, memory_order_relaxed) ==
			   word_of(i, READY);
	return waiting < l->count;
}

void lanes_give(struct lanes *l, struct lane_job *j)
{
	struct place *p = place_of(l, l->head), *before = place_of(l, l->head - 1);
	unsigned asleep;

	p->job = j;
	/* Before the look at the sleepers, whose own order is the other way round. */
	atomic_store(&p->word, word_of(l->head, READY));
	asleep = atomic_load(&l->sleepers);
	/* One that is awake looks once more before it sleeps. */
	if (asleep == l->count ||
	    (asleep && atomic_load_explicit(&before->word, memory_order_relaxed) ==
			       word_of(l->head - 1, READY)))
		bell_ring(l, 1);
	l->head++;
}

void lanes_keep(struct lanes *l, struct lane_job *j)
{
	struct place *p = place_of(l, l->head);

	p->job = j;
	lane_job_run(j);
	job_done(p, l->head++);
}

bool lanes_help(struct lanes *l)
{
	for (unsigned long i = l->tail; i != l->head; i++) {
		struct place *p = place_of(l, i);

		if (!job_take(p, i))
			continue;
		lane_job_run(p->job);
		job_done(p, i);
		return true;
	}
	return false;
}

struct lane_job *lanes_back(struct lanes *l)
{
	struct place *p = place_of(l, l->tail);

	if (l->tail == l->head ||
	    atomic_load_explicit(&p->word, memory_order_acquire) != word_of(l->tail, DONE))
		return NULL;
	l->tail++;
	return p->job;
}

struct lane_job *lanes_wait(struct lanes *l)
{
	struct lane_job *j;
	unsigned looks = 0;

	if (l->tail == l->head)
		return NULL;
	while (!(j = lanes_back(l))) {
		if (lanes_help(l))
			continue;
		if (++looks % PATIENCE == 0)
			sched_yield(); /* its core may be ours */
		else
			spin_pause();
	}
	return j;
}

struct lane_count lanes_done(const struct lanes *l, unsigned which)
{
	const struct lane *v = &l->v[which];

	return (struct lane_count){
		.jobs = atomic_load_explicit(&v->jobs, memory_order_relaxed),
		.packets = atomic_load_explicit(&v->packets, memory_order_relaxed),
	};
}
