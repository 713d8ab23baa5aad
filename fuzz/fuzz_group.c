/*
 * fuzz_group: what the other side of a group says, verified, and a key server's record. The first
 * octet says what it is: an answer to a registration, a GSA_INBAND_REKEY, a request for
 * registration, or the record (of 64 on: a backup); the next the type of the first payload; the rest the payloads, or the
 * record. Randomness and keys are always the same, so that seeds hold keys that unwrap.
 *
 * Held: an answer that is not followed leaves nothing behind, and one that is, a member that lives
 * and forgets; a request leaves the key server with as many members as it has registered; a record
 * that is taken is written again.
 */
#include "fuzz.h"

#include "key/gikev2/member.h"
#include "key/gikev2/policy_test.h"
#include "key/gikev2/server.h"

#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull
#define NOW (1000 * SECOND)

static uint64_t state;
static int installed;
static struct ike_chain chain;
static const struct secret gsk_w = {.len = 32, .b = {1, 2, 3}};

static void random_bytes(void *ctx, void *buf, size_t n)
{
	uint8_t *b = buf;

	(void)ctx;
	while (n--)
		*b++ = (uint8_t)((state = state * 6364136223846793005ull + 1) >> 56);
}

static int add_receive(void *ctx, const struct sink_group *sa)
{
	(void)ctx;
	MUST(sa->key.len && sa->spi);
	installed++;
	return 0;
}

static int use_transmit(void *ctx, const struct sink_group *sa)
{
	(void)ctx;
	MUST(sa->sender_bits && !(sa->sender >> sa->sender_bits));
	return 0;
}

static void retire(void *ctx, uint16_t group, enum sink_direction d, uint32_t spi)
{
	(void)ctx;
	(void)group;
	(void)d;
	(void)spi;
}

static struct gm *member_new(void)
{
	const struct gm_config cfg = {.group = 1, .sends = true, .sender_ids = 1};
	const struct gm_env env = {NULL, random_bytes, {NULL, add_receive, use_transmit, retire}};

	return gm_new(&cfg, &env, NOW);
}

static struct gks *server_new(void)
{
	const struct gks_config cfg = {.suite = ESP_AES_GCM_16_256,
				       .flow_count = 1,
				       .flows = {policy_any},
				       .rekey = policy_rekey,
				       .tek_period_s = 3600,
				       .kek_period_s = 7200,
				       .atd_s = 10,
				       .dtd_s = 30,
				       .sender_bits = 16,
				       .senders_max = 4,
				       .members_max = 8,
				       .implicit = true,
				       .copies = 1};
	const struct gks_env env = {NULL, random_bytes, NULL};

	return gks_new(&cfg, &env, NOW);
}

/* As time goes by a member installs nothing more, and forgets. */
static void live(struct gm *m)
{
	int before = installed;
	struct gm_show s;

	for (unsigned i = 0; i < 100 && gm_deadline(m) != GM_NEVER; i++)
		gm_expire(m, gm_deadline(m));
	gm_show(m, &s);
	MUST(installed == before && s.sas <= GM_SAS_MAX);
}

static void answer(bool inband)
{
	struct gm *m = member_new();
	struct gm_show s;
	enum gm_result res;

	installed = 0;
	res = inband ? GM_OK : gm_registered(m, &chain, &gsk_w, NOW);
	if (inband) { /* over an answer that is like it: nothing is held of that */
		(void)gm_registered(m, &chain, &gsk_w, NOW);
		res = gm_inband(m, &chain, &gsk_w, NOW);
		MUST(gm_result_name(res)[0] != '?');
	} else {
		gm_show(m, &s);
		MUST(s.registered == (res == GM_OK) && (res == GM_OK || (!s.sas && !installed)));
	}
	live(m);
	gm_free(m);
}

static void request(void)
{
	static uint8_t b[16384];
	struct gks *g = server_new();
	struct wr w = wr_init(b, sizeof(b));
	struct gks_show s;
	struct ike_out o;
	uint16_t refused;

	wr_u8(&w, 0);
	o = ike_out_init(&w, 0);
	refused = gks_register(g, 7, &gsk_w, &chain, &o, NOW);
	gks_show(g, &s);
	MUST(s.members == !refused && gks_is_member(g, 7) == !refused);
	MUST(refused || !ike_chain_parse(&chain, b[0], b + 1, wr_len(&w) - 1, false));
	gks_free(g);
}

static void record(const uint8_t *data, size_t size, bool backup)
{
	static uint8_t b[GKS_SAVE_MAX(70000)];
	struct gks *g = server_new();
	struct wr w = wr_init(b, sizeof(b));
	struct rd r = rd_init(data, size);

	if (!(backup ? gks_restore : gks_load)(g, &r, NOW)) {
		gks_expire(g, NOW);
		gks_save(g, &w);
		MUST(!w.bad);
	}
	gks_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > 65535)
		return 0;
	state = 1;
	if (data[0] % 4 == 3)
		record(data + 1, size - 1, data[0] & 64);
	else if (!ike_chain_parse(&chain, data[1], data + 2, size - 2, false) && data[0] % 4 == 2)
		request();
	else if (chain.count && data[0] % 4 < 2)
		answer(data[0] % 4);
	return 0;
}
