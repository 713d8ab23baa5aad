#include "gk.h"

#include "common.h"

#include "base/clock.h"
#include "key/gikev2/policy_test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

uint64_t gk_now = 1000 * NS_PER_S;

static struct sign_key *key;
static struct gks *server; /* whose messages are signed */
static uint8_t *record;
static size_t record_room;

uint64_t gk_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void gk_random(void *ctx, void *buf, size_t n)
{
	(void)ctx;
	if (getrandom(buf, n, 0) != (ssize_t)n)
		die("no randomness");
}

static void sign(void *ctx, uint32_t id, const void *data, size_t len)
{
	uint8_t sig[SIGN_MAX];
	size_t n = sizeof(sig);

	(void)ctx;
	if (sign_make(key, SIGN_ED25519, data, len, sig, &n))
		die("a signature");
	gks_signed(server, id, sig, n, gk_now);
}

struct gks *gk_server(unsigned members, unsigned room)
{
	const struct gks_env env = {NULL, gk_random, sign};
	struct gks_config cfg = {.suite = ESP_AES_GCM_16_256,
				 .flow_count = 1,
				 .flows = {policy_any},
				 .rekey = policy_rekey,
				 .tek_period_s = 3600,
				 .kek_period_s = 86400,
				 .atd_s = 30,
				 .dtd_s = 60,
				 .sender_bits = 16,
				 .senders_max = 1,
				 .members_max = room,
				 .copies = 1};
	struct gm *m = gk_member();
	size_t octets;

	key = policy_key();
	policy_sign_with(&cfg, key);
	server = gks_new(&cfg, &env, gk_now);
	record_room = GKS_SAVE_MAX(room);
	record = malloc(record_room);
	if (!server || !record)
		die("a group");
	for (unsigned i = 1; i <= members; i++)
		gk_register(server, i, m, &octets);
	gm_free(m);
	gk_save(server);
	return server;
}

void gk_server_free(struct gks *g)
{
	gks_free(g);
	sign_key_free(key);
	free(record);
}

static int receive(void *ctx, const struct sink_group *sa)
{
	(void)ctx;
	(void)sa;
	return 0;
}

static void retire(void *ctx, uint16_t group, enum sink_direction d, uint32_t spi)
{
	(void)ctx;
	(void)group;
	(void)d;
	(void)spi;
}

struct gm *gk_member(void)
{
	const struct gm_config cfg = {.group = 1, .sends = true, .sender_ids = 1};
	const struct gm_env env = {NULL, gk_random, {NULL, receive, receive, retire}};
	struct gm *m = gm_new(&cfg, &env, gk_now);

	if (!m)
		die("a member");
	return m;
}

uint64_t gk_register(struct gks *g, uint32_t id, struct gm *m, size_t *octets)
{
	static struct ike_chain c;
	static uint8_t ask[1024], text[16384];
	struct secret gsk_w = {.len = 32};
	struct wr q = wr_init(ask, sizeof(ask)), w = wr_init(text, sizeof(text));
	struct ike_out o;
	uint64_t t;

	gk_random(NULL, gsk_w.b, gsk_w.len);
	wr_u8(&q, 0);
	o = ike_out_init(&q, 0);
	gm_request(m, &o);
	wr_u8(&w, 0);
	if (ike_chain_parse(&c, ask[0], ask + 1, wr_len(&q) - 1, false))
		die("a request");
	o = ike_out_init(&w, 0);
	t = gk_clock();
	if (gks_register(g, id, &gsk_w, &c, &o, gk_now))
		die("a registration");
	t = gk_clock() - t;
	*octets = wr_len(&w) - 1;
	if (ike_chain_parse(&c, text[0], text + 1, *octets, false) ||
	    gm_registered(m, &c, &gsk_w, gk_now) != GM_OK)
		die("an answer");
	return t;
}

size_t gk_save(struct gks *g)
{
	struct wr w = wr_init(record, record_room);

	if (!gks_dirty(g))
		return 0;
	gks_save(g, &w);
	if (w.bad)
		die("a record");
	return wr_len(&w);
}

uint64_t gk_deliver(struct gks *g, struct gm *m, size_t *octets)
{
	static uint8_t b[REKEY_MESSAGE_MAX];
	uint64_t spent = 0;

	for (;;) {
		struct wr w = wr_init(b, sizeof(b));
		uint64_t t;

		gk_save(g);
		if (!gks_output(g, &w))
			return spent;
		*octets += wr_len(&w);
		t = gk_clock();
		if (gm_input(m, b, wr_len(&w), gk_now) != GM_OK)
			die("a rekey");
		spent += gk_clock() - t;
	}
}
