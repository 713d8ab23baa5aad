/*
 * lanes: jobs come back in order and done right whoever did them; and a node with lanes does what one
 * without them does, byte for byte: in order, with no number twice, with a window that holds, and
 * while keys and ports go away under what is on its way. Runs under the ThreadSanitizer too.
 */
#include "fwd/lanes.h"
#include "fwd/node_test.h"

#include <unistd.h>

#define JOBS (LANES_FLYING + 1)
#define LEN 256

struct jobs {
	struct lane_job job[JOBS];
	struct aead_op ops[JOBS][PKT_BURST];
	uint8_t data[JOBS][PKT_BURST][LEN + 16], plain[JOBS][PKT_BURST][LEN];
	uint64_t number[JOBS];
};

/* Runs of two keys. What is to be opened is sealed before, one in ten of it wrongly. */
static void job_make(struct rng *r, struct jobs *s, unsigned at, struct aead_key *const key[2])
{
	static const uint8_t aad[12] = "some header";
	struct lane_job *j = &s->job[at];
	unsigned n = 1 + pick(r, PKT_BURST), done = 0;

	*j = (struct lane_job){.ops = s->ops[at], .open = pick(r, 2)};
	while (done < n) {
		unsigned k = 1 + pick(r, n - done);

		j->run[j->runs++] = (struct lane_run){
			.key = key[pick(r, 2)], .at = (uint16_t)done, .n = (uint16_t)k};
		done += k;
	}
	for (unsigned i = 0; i < n; i++) {
		struct aead_op *o = &s->ops[at][i];

		*o = (struct aead_op){.data = s->data[at][i],
				      .len = pick(r, LEN),
				      .aad = aad,
				      .aad_len = sizeof(aad)};
		o->tag = o->data + o->len;
		memcpy(o->nonce, &s->number[at], 8);
		o->nonce[8] = (uint8_t)i;
		for (unsigned b = 0; b < o->len; b++)
			s->plain[at][i][b] = (uint8_t)pick(r, 256);
		memcpy(o->data, s->plain[at][i], o->len);
	}
	for (struct lane_run *run = j->run; j->open && run < j->run + j->runs; run++)
		aead_seal(run->key, s->ops[at] + run->at, run->n);
	for (unsigned i = 0; i < n; i++) {
		s->ops[at][i].ok = false;
		if (j->open && i % 10 == 9)
			s->ops[at][i].tag[0] ^= 1;
	}
}

static void job_check(struct jobs *s, unsigned at)
{
	const struct lane_job *j = &s->job[at];

	for (const struct lane_run *run = j->run; run < j->run + j->runs; run++) {
		if (!j->open) {
			for (unsigned i = run->at; i < run->at + run->n; i++)
				assert_true(s->ops[at][i].ok);
			aead_open(run->key, s->ops[at] + run->at, run->n);
		}
		for (unsigned i = run->at; i < run->at + run->n; i++) {
			const struct aead_op *o = &s->ops[at][i];

			assert_int_equal(o->ok, !(j->open && i % 10 == 9));
			if (o->ok)
				assert_memory_equal(o->data, s->plain[at][i], o->len);
		}
	}
}

static void jobs_come_back_in_order_and_right(void **state)
{
	const uint8_t bytes[2][32] = {{1}, {2}};
	struct rng r = {0x1234567};

	(void)state;
	if (aead_init(AEAD_IPSEC_MB))
		skip();
	for (unsigned count = 1; count <= 3; count++) {
		struct lanes *l = lanes_new(count);
		struct jobs *s = calloc(1, sizeof(*s));
		struct aead_key *key[2] = {aead_key_new(bytes[0], 32), aead_key_new(bytes[1], 16)};
		uint64_t given = 0, back = 0, kept = 0, helped = 0, done = 0;

		assert_true(l && s && key[0] && key[1] && aead_key_shared(key[0]));
		while (back < 4000) {
			struct lane_job *j = NULL;
			unsigned what = pick(&r, 8);

			if (what == 7) {
				j = lanes_wait(l);
			} else if (what == 6) {
				helped += lanes_help(l);
			} else if (what == 5 && pick(&r, 200) == 0) {
				usleep(500); /* long enough for them to fall asleep */
			} else if (lanes_flying(l) < LANES_FLYING) {
				unsigned at = (unsigned)(given % JOBS);

				s->number[at] = given++;
				job_make(&r, s, at, key);
				if (what == 0) {
					lanes_keep(l, &s->job[at]);
					kept++;
				} else {
					lanes_give(l, &s->job[at]);
				}
			}
			if (!j)
				j = lanes_back(l);
			if (!j)
				continue;
			assert_ptr_equal(j, &s->job[back % JOBS]);
			job_check(s, (unsigned)(back++ % JOBS));
			assert_int_equal(lanes_flying(l), given - back);
		}
		while (lanes_wait(l))
			back++;
		assert_int_equal(back, given);
		for (unsigned i = 0; i < lanes_count(l); i++)
			done += lanes_done(l, i).jobs;
		assert_true(done > 0 && kept > 0);
		assert_true(done + kept + helped <= given);
		lanes_free(l);
		aead_key_free(key[0]);
		aead_key_free(key[1]);
		free(s);
	}
}

/* Each lane that slept is woken by a job, and nobody waits for one that nobody was told of. */
static void lanes_that_sleep_are_woken(void **state)
{
	const uint8_t bytes[32] = {1};
	struct jobs *s = calloc(1, sizeof(*s));
	struct lanes *l = lanes_new(2);
	struct aead_key *key[2];
	struct rng r = {99};
	unsigned waited = 0;

	(void)state;
	if (aead_init(AEAD_IPSEC_MB))
		skip();
	key[0] = key[1] = aead_key_new(bytes, 32);
	assert_true(l && s && key[0]);
	for (unsigned i = 0; i < 20; i++) {
		usleep(3000);
		job_make(&r, s, 0, key);
		lanes_give(l, &s->job[0]);
		while (!lanes_back(l)) { /* by a lane alone: the owner does not help */
			usleep(100);
			assert_true(++waited < 100000);
		}
		job_check(s, 0);
	}
	assert_int_equal(lanes_done(l, 0).jobs + lanes_done(l, 1).jobs, 20);
	lanes_free(l);
	aead_key_free(key[0]);
	free(s);
}

/* Nodes. `with` has lanes and `without` has none; both have the same keys and get the same. */
struct pair {
	struct node with, without;
	struct lanes *lanes;
	unsigned flew; /* times that something was on its way after a pass */
};

static void pair_start(struct pair *p, unsigned id, unsigned lanes)
{
	node_init(&p->with, (uint8_t)id, 256);
	node_init(&p->without, (uint8_t)id, 256);
	p->lanes = lanes_new(lanes);
	p->flew = 0;
	assert_non_null(p->lanes);
	assert_int_equal(fwd_lanes(p->with.f, p->lanes), 0);
}

static void pair_stop(struct pair *p)
{
	node_fini(&p->with); /* with whatever is on its way */
	node_fini(&p->without);
	lanes_free(p->lanes);
}

static void pair_control(struct pair *p, struct msg m)
{
	assert_int_equal(fwd_control(p->with.f, &m), 0);
	assert_int_equal(fwd_control(p->without.f, &m), 0);
}

static void pair_key(struct pair *p, unsigned own, unsigned other, uint8_t an, unsigned key)
{
	pair_control(p, node_sa(MSG_SA_RECEIVE, node_sci(other), an, key, MACSEC_GCM_AES_XPN_256));
	pair_control(p, node_sa(MSG_SA_TRANSMIT, node_sci(own), an, key, MACSEC_GCM_AES_XPN_256));
}

/* Until nothing is on its way. */
static void pair_settle(struct pair *p)
{
	while (fwd_poll(p->with.f))
		;
	while (fwd_poll(p->without.f))
		;
}

static void pair_poll(struct pair *p)
{
	fwd_poll(p->with.f);
	p->flew += lanes_flying(p->lanes) > 0;
	fwd_poll(p->without.f);
	if (p->with.pool->free < 3 * PKT_BURST) /* the test's frames need buffers, too */
		pair_settle(p);
}

/* Something went to the lanes: it was on its way after a pass, or one of them had done it by then, as
 * happens where the kernel lets a lane run as soon as it is woken. */
static bool pair_shared(const struct pair *p)
{
	uint64_t jobs = p->flew;

	for (unsigned i = 0; i < lanes_count(p->lanes); i++)
		jobs += lanes_done(p->lanes, i).jobs;
	return jobs;
}

/* Whether the backend that was chosen lets lanes use a key. */
static bool shared(void)
{
	return strncmp(aead_kernel(), "ipsec-mb", 8) == 0;
}

struct frame {
	size_t len;
	uint8_t b[2048];
};

#define FRAMES 40000

/* Frames of both that came out, which must be the same; they are added to v. Only what is there of
 * both is taken: what has lanes is later. */
static unsigned pair_take(struct pair *p, bool wan, struct frame *v, unsigned n)
{
	struct frame *f = &v[n], other;

	while ((f->len = node_take(&p->with, wan ? p->with.wan : p->with.overlay, f->b))) {
		other.len =
			node_take(&p->without, wan ? p->without.wan : p->without.overlay, other.b);
		assert_int_equal(f->len, other.len);
		assert_memory_equal(f->b, other.b, f->len);
		assert_true(++n < FRAMES);
		f = &v[n];
	}
	return n;
}

static uint32_t pn_of(const struct frame *f)
{
	uint32_t pn;

	memcpy(&pn, f->b + 12 + 4, 4);
	return be32toh(pn);
}

static void burst_give(struct pair *p, bool wan, const struct frame *f)
{
	node_give(&p->with, wan ? p->with.wan : p->with.overlay, f->b, f->len);
	node_give(&p->without, wan ? p->without.wan : p->without.overlay, f->b, f->len);
}

/* Some thousand frames through the sender, rekeyed meanwhile. Returns how many left. */
static unsigned sent(struct rng *r, struct pair *a, struct frame *wire)
{
	unsigned n = 0, key = 1;
	struct frame f;

	for (unsigned burst = 0; burst < 300; burst++) {
		unsigned k = pick(r, 4) ? PKT_BURST : pick(r, PKT_BURST);

		for (unsigned i = 0; i < k; i++) {
			f.len = 64 + pick(r, pick(r, 4) ? 200 : 1300);
			node_frame(f.b, f.len, (uint8_t)pick(r, 256));
			burst_give(a, false, &f);
		}
		pair_poll(a);
		if (burst % 60 == 59) { /* a successor; what is on its way has the former key */
			pair_key(a, 1, 2, (uint8_t)(key % 4), key + 1);
			key++;
		}
		n = pair_take(a, true, wire, n);
	}
	pair_settle(a);
	return pair_take(a, true, wire, n);
}

static void what_leaves_is_the_same_in_the_same_order(void **state)
{
	struct frame *wire = malloc(FRAMES * sizeof(*wire));
	struct rng r = {4711};

	(void)state;
	for (unsigned lanes = 1; lanes <= 3; lanes++) {
		struct pair a;
		uint32_t last = 0;
		unsigned n, an = 0;

		pair_start(&a, 1, lanes);
		pair_key(&a, 1, 2, 0, 1);
		n = sent(&r, &a, wire);
		assert_true(n > 10000);
		if (shared())
			assert_true(pair_shared(&a));
		for (unsigned i = 0; i < n; i++) { /* no number twice, none left out */
			if ((wire[i].b[14] & 3u) != an) {
				an = wire[i].b[14] & 3u;
				last = 0;
			}
			assert_int_equal(pn_of(&wire[i]), ++last);
		}
		pair_stop(&a);
	}
	free(wire);
}

/* What a carrier may do: loses, doubles, forges, holds back. */
static void carry(struct rng *r, struct pair *b, const struct frame *wire, unsigned n, unsigned at)
{
	unsigned how = pick(r, 40);
	struct frame f = wire[at];

	if (how == 0)
		return;
	if (how == 1)
		f.b[pick(r, (uint32_t)f.len)] ^= (uint8_t)(1u << pick(r, 8));
	if (how == 2)
		f = wire[at - pick(r, at < 600 ? at + 1 : 600)];
	if (how == 3)
		f = wire[at + pick(r, n - at < 300 ? n - at : 300)];
	burst_give(b, true, &f);
	if (how == 4)
		burst_give(b, true, &f);
}

static void what_is_received_is_the_same_and_once(void **state)
{
	struct frame *wire = malloc(FRAMES * sizeof(*wire)), *out = malloc(FRAMES * sizeof(*out));
	struct rng r = {815};

	(void)state;
	for (unsigned lanes = 1; lanes <= 3; lanes++) {
		struct pair a, b;
		unsigned n, m = 0, at = 0, drops = 0;

		pair_start(&a, 1, 1);
		pair_start(&b, 2, lanes);
		pair_key(&a, 1, 2, 0, 1);
		for (unsigned key = 1; key < 5; key++)
			pair_key(&b, 2, 1, (uint8_t)((key - 1) % 4), key);
		n = sent(&r, &a, wire);
		while (at < n && (wire[at].b[14] & 3u) == 0 && m < FRAMES / 2) {
			unsigned k = 1 + pick(&r, 60);

			for (unsigned i = 0; i < k && at < n; i++)
				carry(&r, &b, wire, n, at++);
			pair_poll(&b);
			m = pair_take(&b, false, out, m);
		}
		pair_settle(&b);
		m = pair_take(&b, false, out, m);
		assert_true(m > at / 2 && m <= at);
		for (struct secy *y = NULL, *z = NULL; (y = secy_next(b.with.f->sas, y));) {
			z = secy_next(b.without.f->sas, z);
			assert_int_equal(y->scs->sa[0]->next, z->scs->sa[0]->next);
			assert_int_equal(y->scs->sa[0]->counters.v[IN_PKTS_OK],
					 z->scs->sa[0]->counters.v[IN_PKTS_OK]);
		}
		for (enum fwd_fate f = FATE_DROP_LATE; f <= FATE_DROP_NOT_VALID; f++)
			drops += b.with.f->fates[f] > 0;
		assert_int_equal(drops, 3);
		pair_stop(&a);
		pair_stop(&b);
	}
	free(wire);
	free(out);
}

/* While bursts are with the lanes: what they need goes away. Nothing is lost that had its number,
 * but for a port that is not there any more. */
static void what_goes_away_waits_for_what_is_on_its_way(void **state)
{
	struct frame *wire = malloc(FRAMES * sizeof(*wire));
	struct rng r = {31};
	struct pair a;
	unsigned flying = 0;

	(void)state;
	pair_start(&a, 1, 2);
	for (unsigned round = 0; round < 200; round++) {
		struct msg m = {.type = MSG_SA_RETIRE};
		struct frame f = {.len = 700};
		unsigned k = 2 + pick(&r, 4);

		pair_key(&a, 1, 2, (uint8_t)(round % 4), 1 + round % 200);
		node_frame(f.b, f.len, (uint8_t)round);
		for (unsigned i = 0; i < k; i++) {
			for (unsigned j = 0; j < PKT_BURST; j++)
				burst_give(&a, false, &f);
			pair_poll(&a);
		}
		flying += lanes_flying(a.lanes) > 0;
		m.sa_retire.secy = NODE_SECY;
		m.sa_retire.key_id[0] = (uint8_t)(1 + round % 200);
		if (round % 4 == 3) {
			m = (struct msg){.type = MSG_SECY_DEL, .secy = NODE_SECY};
			pair_control(&a, m);
			assert_int_equal(node_secy(&a.with) | node_secy(&a.without), 0);
		} else {
			pair_control(&a, m);
		}
		assert_int_equal(lanes_flying(a.lanes), 0);
		assert_int_equal(pair_take(&a, true, wire, 0), k * PKT_BURST);
	}
	if (shared())
		assert_true(flying > 0);
	pair_stop(&a);
	free(wire);
}

/* A successor of a worker that had bursts on their way: numbers go on behind all of them. */
static void a_successor_repeats_no_number(void **state)
{
	struct frame f = {.len = 300}, out;
	struct rng r = {5};
	struct pair a;
	uint32_t last = 0;
	unsigned n = 0;

	(void)state;
	pair_start(&a, 1, 2);
	pair_key(&a, 1, 2, 0, 1);
	node_frame(f.b, f.len, 1);
	for (unsigned life = 0; life < 20; life++) {
		unsigned k = 3 + pick(&r, 4);

		for (unsigned i = 0; i < k; i++) {
			for (unsigned j = 0; j < PKT_BURST; j++)
				node_give(&a.with, a.with.overlay, f.b, f.len);
			fwd_poll(a.with.f);
		}
		fwd_free(a.with.f); /* the far ends keep what left */
		a.with.f = NULL;
		while ((out.len = node_take(&a.with, a.with.wan, out.b))) {
			assert_true(pn_of(&out) > last);
			last = pn_of(&out);
			n++;
		}
		a.with.overlay->ops->close(a.with.overlay);
		a.with.wan->ops->close(a.with.wan);
		node_start(&a.with);
		assert_int_equal(fwd_lanes(a.with.f, a.lanes), 0);
	}
	assert_true(n > 20 * 3 * PKT_BURST - 1);
	assert_true(last > 19 * SA_RESTART_JUMP);
	pair_stop(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_come_back_in_order_and_right),
		cmocka_unit_test(lanes_that_sleep_are_woken),
		cmocka_unit_test(what_leaves_is_the_same_in_the_same_order),
		cmocka_unit_test(what_is_received_is_the_same_and_once),
		cmocka_unit_test(what_goes_away_waits_for_what_is_on_its_way),
		cmocka_unit_test(a_successor_repeats_no_number),
	};

	return cmocka_run_group_tests_name("fwd/lanes", tests, NULL, NULL);
}
