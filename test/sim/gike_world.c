/* A group's key server, its network, its members and their owner. */
#include "gike_world.h"

#include "key/gikev2/policy_test.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gike_world gw;
#ifdef GIKEV2_FAULTS
enum gikev2_fault gikev2_fault;
#endif

uint64_t rnd(uint64_t below)
{
	uint64_t z = gw.rnd += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (z ^ z >> 31) % below;
}

void random_bytes(void *ctx, void *buf, size_t n)
{
	uint8_t *b = buf;

	(void)ctx;
	while (n--)
		*b++ = (uint8_t)rnd(256);
}

bool fault(enum kind k, unsigned per_mille)
{
	if (gw.quiet || rnd(1000) >= per_mille)
		return false;
	gw.kinds[k]++;
	return true;
}

void __attribute__((format(printf, 1, 2))) violation(const char *fmt, ...)
{
	va_list ap;
	int n;

	if (gw.why[0])
		return;
	va_start(ap, fmt);
	n = snprintf(gw.why, sizeof(gw.why), "at %u s: ", gw.step / 2);
	vsnprintf(gw.why + n, sizeof(gw.why) - (size_t)n, fmt, ap);
	va_end(ap);
}

/* The key server. */

static void sign(void *ctx, uint32_t id, const void *data, size_t len)
{
	uint8_t sig[SIGN_MAX];
	size_t n = sizeof(sig);

	(void)ctx;
	if (!sign_make(gw.key, gw.cfg.scheme, data, len, sig, &n))
		gks_signed(gw.server, id, sig, n, gw.now);
}

static struct gks *server_new(void)
{
	const struct gks_env env = {NULL, random_bytes, sign};

	return gks_new(&gw.cfg, &env, gw.now);
}

static void server_learn(void)
{
	struct gks_show s;

	gks_show(gw.server, &s);
	if (spi_index(s.spi[0]) < 0 && gw.spi_count < SPIS_MAX) {
		gw.spis[gw.spi_count].spi = s.spi[0];
		gw.spis[gw.spi_count++].made_at = gw.now;
	}
	gw.kinds[K_RESET] += s.resets > gw.resets;
	if (s.resets > gw.resets)
		gw.reset_at = gw.now;
	gw.resets = s.resets;
}

static void server_save(void)
{
	struct wr out = wr_init(gw.record, GKS_SAVE_MAX(MEMBERS_MAX));

	if (!gks_dirty(gw.server))
		return;
	gks_save(gw.server, &out);
	if (out.bad)
		violation("a record does not fit");
	gw.record_len = wr_len(&out);
}

static void server_down(void)
{
	gks_free(gw.server);
	gw.server = NULL;
	gw.server_up_at = gw.now + rnd(60) * SECOND;
	gw.resets = 0;
}

/* After each call: what was done is in the record, or the server is gone and nothing of it left. */
static bool server_done(void)
{
	server_learn();
	if (fault(K_CRASH_UNSAVED, 3)) {
		server_down();
		return false;
	}
	server_save();
	return true;
}

static void server_up(void)
{
	struct rd r = rd_init(gw.record, gw.record_len);

	gw.server = server_new();
	if (!gw.server || gks_load(gw.server, &r, gw.now))
		violation("a record that was written is not read");
	server_learn();
}

/* The network. */

static uint64_t hash_of(const uint8_t *b, size_t n)
{
	uint64_t h = 0xcbf29ce484222325ull;

	while (n--)
		h = (h ^ *b++) * 0x100000001b3ull;
	return h;
}

static void fly(unsigned to, unsigned message, const uint8_t *b, size_t len)
{
	struct flight *f = malloc(sizeof(*f) + len), **at;
	unsigned delay = gw.quiet ? 1 : 1 + (unsigned)rnd(rnd(4) ? 2 : FLIGHT_STEPS - 2);

	*f = (struct flight){.to = to, .message = message, .len = len};
	memcpy(f->b, b, len);
	at = &gw.flights[(gw.step + delay) % (FLIGHT_STEPS + 1)];
	f->next = *at;
	*at = f;
}

bool in_group(const struct node *n)
{
	struct gm_show s;

	if (!n->gm)
		return false;
	gm_show(n->gm, &s);
	return s.registered;
}

static unsigned message_of(const uint8_t *b, size_t len)
{
	uint64_t hash = hash_of(b, len);
	struct message *m;

	for (unsigned i = gw.message_count; i-- > 0;)
		if (gw.messages[i].hash == hash)
			return i;
	if (gw.message_count == MESSAGES_MAX) {
		violation("too many messages");
		return 0;
	}
	m = &gw.messages[gw.message_count];
	*m = (struct message){.hash = hash, .step = gw.step, .len = len, .b = malloc(len)};
	memcpy(m->b, b, len);
	for (unsigned i = 0; i < gw.count; i++)
		m->to[i] = in_group(&gw.v[i]);
	return gw.message_count++;
}

static void server_sends(void)
{
	static uint8_t b[REKEY_MESSAGE_MAX];

	for (;;) {
		struct wr out = wr_init(b, sizeof(b));
		unsigned m;

		if (!gw.server || !server_done() || !gks_output(gw.server, &out))
			return;
		m = message_of(b, wr_len(&out));
		for (unsigned i = 0; i < gw.count; i++) {
			if (fault(K_LOST, 150))
				continue;
			fly(i, m, b, wr_len(&out));
			if (fault(K_DOUBLED, 50))
				fly(i, m, b, wr_len(&out));
		}
	}
}

static void replay(void)
{
	const struct message *m;

	if (!gw.message_count || !fault(K_REPLAYED, 300))
		return;
	m = &gw.messages[rnd(gw.message_count)];
	fly((unsigned)rnd(gw.count), UINT32_MAX, m->b, m->len);
}

static void arrive(void)
{
	struct flight **at = &gw.flights[gw.step % (FLIGHT_STEPS + 1)], *next;

	for (struct flight *f = *at; f; f = next) {
		struct node *n = &gw.v[f->to];

		next = f->next;
		if (n->gm) {
			enum gm_result res;

			n->by_rekey = true;
			res = gm_input(n->gm, f->b, f->len, gw.now);
			n->by_rekey = false;
			if (f->message != UINT32_MAX && res == GM_OK)
				gw.messages[f->message].got[f->to] = true;
		}
		free(f);
	}
	*at = NULL;
}

/* Who lost every copy of a rekey does not follow, until it registers again. */
static void judge(void)
{
	for (unsigned i = 0; i < gw.message_count; i++) {
		struct message *m = &gw.messages[i];

		if (m->judged || gw.step < m->step + LAST_COPY)
			continue;
		m->judged = true;
		for (unsigned j = 0; j < gw.count; j++)
			if (m->to[j] && !m->got[j] && in_group(&gw.v[j]) && !gw.v[j].lost) {
				gw.v[j].lost = gw.v[j].stranger = true;
				gw.kinds[K_MISSED]++;
			}
	}
}

/* Members. */

static void node_ask(struct node *n)
{
	static uint8_t b[4096], answer[8192];
	static struct ike_chain c;
	struct wr out = wr_init(b, sizeof(b)), in = wr_init(answer, sizeof(answer));
	struct ike_out o, a;
	uint16_t refused = 0;

	wr_u8(&out, 0);
	o = ike_out_init(&out, 0);
	gm_request(n->gm, &o);
	n->asking = true;
	n->answer_at = gw.now + (1 + rnd(6)) * STEP;
	n->answer_made = gw.now;
	n->answer_len = 0;
	n->gsk_w.len = 32;
	random_bytes(NULL, n->gsk_w.b, 32);
	if (out.bad || ike_chain_parse(&c, b[0], b + 1, wr_len(&out) - 1, false))
		violation("a request that cannot be read");
	if (!gw.server || fault(K_REGISTRATION_LOST, 100))
		return;
	wr_u8(&in, 0);
	a = ike_out_init(&in, 0);
	refused = gks_register(gw.server, who_of(n), &n->gsk_w, &c, &a, gw.now);
	n->refused = refused;
	if (!server_done() || fault(K_REGISTRATION_LOST, 100))
		return;
	if (refused == IKE_N_NO_PROPOSAL || refused == IKE_N_INVALID_SYNTAX)
		violation("a member is refused with %u", refused);
	if (refused)
		return;
	n->answer_len = wr_len(&in);
	memcpy(n->answer, answer, n->answer_len);
}

static void node_answer(struct node *n)
{
	static struct ike_chain c;
	enum gm_result res;

	n->asking = false;
	if (!n->answer_len) {
		gm_failed(n->gm, gw.now);
		return;
	}
	if (ike_chain_parse(&c, n->answer[0], n->answer + 1, n->answer_len - 1, false))
		violation("an answer that cannot be read");
	res = gm_registered(n->gm, &c, &n->gsk_w, gw.now);
	if (res == GM_STALE)
		return;
	if (res != GM_OK) {
		violation("member %u: its answer is %s", who_of(n), gm_result_name(res));
		return;
	}
	gw.kinds[K_REGISTERED]++;
	n->lost = false;
	if (n->stranger)
		n->since = gw.reset_at;
	n->stranger = false;
	for (unsigned i = 0; i < gw.message_count; i++)
		if (1000 * SECOND + gw.messages[i].step * STEP > n->answer_made - SECOND &&
		    !gw.messages[i].got[who_of(n)])
			n->lost = n->stranger =
				true; /* it may have gone by while the answer was on its way */
}

static void node_step(struct node *n)
{
	const struct gm_config cfg = {.group = 1,
				      .sends = who_of(n) % 4 != 3,
				      .sender_ids = 1 + who_of(n) % 2,
				      .spread_ns = 20 * SECOND,
				      .ask_sag = who_of(n) % 3 == 0};
	const struct gm_env env = {n, random_bytes, forward_of(n)};

	if (!n->gm && gw.now >= n->up_at) {
		n->gm = gm_new(&cfg, &env, gw.now);
		n->stranger = true;
	}
	if (!n->gm)
		return;
	if (rnd(4000) == 0 && !gw.quiet) {
		gw.kinds[K_MEMBER_CRASH]++;
		gm_free(n->gm);
		n->gm = NULL;
		n->life++;
		n->asking = n->lost = false;
		n->receive_count = n->gone_count = n->transmit = 0;
		n->up_at = gw.now + rnd(120) * SECOND;
		return;
	}
	if (gw.now >= gm_deadline(n->gm))
		gm_expire(n->gm, gw.now);
	if (n->asking && gw.now >= n->answer_at)
		node_answer(n);
	else if (!n->asking && gw.now >= gm_wants_at(n->gm))
		node_ask(n);
}

/* The key server tells one member by itself, over its IKE SA. */
static void inband(struct node *n)
{
	static uint8_t b[8192];
	static struct ike_chain c;
	struct wr w = wr_init(b, sizeof(b));
	struct ike_out o;
	enum gm_result res;

	wr_u8(&w, 0);
	o = ike_out_init(&w, 0);
	if (!n->gm || !n->gsk_w.len || gks_inband(gw.server, who_of(n), &n->gsk_w, &o, gw.now))
		return;
	if (w.bad || ike_chain_parse(&c, b[0], b + 1, wr_len(&w) - 1, false))
		violation("a GSA_INBAND_REKEY that cannot be read");
	res = gm_inband(n->gm, &c, &n->gsk_w, gw.now);
	if (res != (in_group(n) ? GM_OK : GM_UNKNOWN))
		violation("member %u: GSA_INBAND_REKEY is %s", who_of(n), gm_result_name(res));
	gw.kinds[K_INBAND] += res == GM_OK;
}

/* What the key server's owner does. */
static void owner(void)
{
	struct node *n = &gw.v[rnd(gw.count)];

	if (!gw.server || gw.quiet)
		return;
	if (rnd(20) == 0)
		inband(n);
	if (!n->banned && rnd(500) == 0) {
		gw.kinds[K_EXCLUDED]++;
		if (gks_exclude(gw.server, who_of(n), gw.now))
			violation("no memory");
		n->banned = server_done();
		n->banned_at = gw.now;
	} else if (n->banned && rnd(100) == 0) {
		gks_readmit(gw.server, who_of(n));
		n->banned = !server_done();
		n->lost = n->stranger = true; /* until it registers */
		gw.kinds[K_READMITTED]++;
	} else if (rnd(1500) == 0) {
		gks_leave(gw.server, who_of(n), gw.now);
		n->lost = n->stranger =
			true; /* it was not asked, and will register when its keys end */
		server_done();
		gw.kinds[K_LEFT]++;
	}
	if (gw.server && fault(K_SERVER_CRASH, 1))
		server_down();
}

void world_init(uint64_t seed)
{
	memset(&gw, 0, sizeof(gw));
	gw.rnd = seed;
	gw.now = 1000 * SECOND;
	gw.count = 3 + (unsigned)rnd(seed % 8 ? 40 : MEMBERS_MAX - 3);
	gw.key = policy_key();
	gw.record = malloc(GKS_SAVE_MAX(MEMBERS_MAX));
	gw.cfg = (struct gks_config){
		.suite = ESP_AES_GCM_16_256,
		.flow_count = 1,
		.flows = {policy_any},
		.rekey = policy_rekey,
		.tek_period_s = TEK_PERIOD,
		.kek_period_s = 700,
		.atd_s = 12,
		.dtd_s = 35,
		.sender_bits = seed % 3 || gw.count > 100 ? 16 : 8,
		.senders_max = 2,
		.members_max = MEMBERS_MAX,
		.burst = 8,
		.every_ns = 60 * SECOND,
		.implicit = seed % 2,
		.copies = 3,
		.copy_gap_ns = 2 * SECOND,
	};
	policy_sign_with(&gw.cfg, gw.key);
	gw.server = server_new();
	server_learn();
	server_save();
	for (unsigned i = 0; i < gw.count; i++)
		gw.v[i].up_at = gw.now + rnd(200) * SECOND;
	if (!gw.record_len) { /* a fault's doing: the first record is there all the same */
		struct wr out = wr_init(gw.record, GKS_SAVE_MAX(MEMBERS_MAX));

		gks_save(gw.server, &out);
		gw.record_len = wr_len(&out);
	}
}

void world_fini(void)
{
	gks_free(gw.server);
	for (unsigned i = 0; i < gw.count; i++)
		gm_free(gw.v[i].gm);
	for (unsigned i = 0; i < gw.message_count; i++)
		free(gw.messages[i].b);
	for (unsigned i = 0; i <= FLIGHT_STEPS; i++)
		for (struct flight *f = gw.flights[i], *next; f; f = next) {
			next = f->next;
			free(f);
		}
	sign_key_free(gw.key);
	free(gw.record);
}

void world_step(void)
{
	gw.quiet = gw.step >= STEPS - QUIET;
	if (!gw.server && gw.now >= gw.server_up_at)
		server_up();
	arrive();
	if (gw.server && gw.now >= gks_deadline(gw.server)) {
		gks_expire(gw.server, gw.now);
		server_done();
	}
	owner();
	server_sends();
	replay();
	judge();
	for (unsigned i = 0; i < gw.count; i++)
		node_step(&gw.v[i]);
}
