/* The engine and its codec on what others sent: MKPDUs of wpa_supplicant 2.10. */
#include "key/mka/mka_lan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct field {
	size_t len;
	uint8_t b[1600];
};

static void unhex(const char *s, struct field *f)
{
	f->len = 0;
	for (; s[0] && s[1] && s[0] != '\n'; s += 2) {
		unsigned v;

		assert_int_equal(sscanf(s, "%2x", &v), 1);
		assert_true(f->len < sizeof(f->b));
		f->b[f->len++] = (uint8_t)v;
	}
}

/* A line `name hex`; false at the end of the file. Empty lines have an empty name. */
static bool line_read(FILE *f, char name[16], struct field *v)
{
	static char line[4096];
	char *space;

	do {
		if (!fgets(line, sizeof(line), f))
			return false;
	} while (line[0] == '#');
	name[0] = '\0';
	v->len = 0;
	space = strchr(line, ' ');
	if (!space)
		return true;
	*space = '\0';
	snprintf(name, 16, "%.15s", line);
	unhex(space + 1, v);
	return true;
}

/* The salt as Python computed it from the key identifier. */
static void salt_of_a_key_identifier(void **state)
{
	struct sak s = {
		.ki = {{0x9e, 0x8a, 0x93, 0x96, 0xe3, 0x70, 0xc3, 0x6e, 0x3a, 0x86, 0xc6, 0x89},
		       0x01020301}};
	const uint8_t want[] = {0x9d, 0x8b, 0x92, 0x94, 0xe3, 0x70,
				0xc3, 0x6e, 0x3a, 0x86, 0xc6, 0x89};

	(void)state;
	sak_salt(&s);
	assert_memory_equal(s.salt, want, sizeof(want));
}

static void wpa_frame_is_parsed_and_built_again_to_the_byte(void **state)
{
	FILE *f = fopen(VECTORS "/mkpdu_wpa.txt", "r");
	char name[16];
	struct field v;
	unsigned frames = 0;

	(void)state;
	assert_non_null(f);
	while (line_read(f, name, &v)) {
		uint8_t out[MKA_FRAME_MAX];
		struct wr w = wr_init(out, sizeof(out));
		struct mkpdu p;
		size_t body = v.len - 18;

		if (strcmp(name, "frame"))
			continue;
		assert_int_equal(mkpdu_parse(&p, v.b + 18, body), 0);
		assert_int_equal(p.version, 1);
		assert_int_equal(p.unknown, 0);
		mkpdu_build(&p, &w);
		assert_false(w.bad);
		assert_int_equal(wr_len(&w), body - MKPDU_ICV_LEN);
		assert_memory_equal(out, v.b + 18, wr_len(&w));
		frames++;
	}
	fclose(f);
	assert_int_equal(frames, 25);
}

/* Plays one of the two recorded supplicants: the member, whose frames the key server answered. */
struct player {
	struct lan_node node; /* first: the sink's context */
	uint8_t mi[MKA_MI_LEN];
	struct sink_sa rx, tx;
	unsigned retired;
};

static void player_random(void *ctx, void *buf, size_t n)
{
	memcpy(buf, ((struct player *)ctx)->mi, n < MKA_MI_LEN ? n : MKA_MI_LEN);
}

static int player_receive(void *ctx, const struct sink_sa *sa)
{
	((struct player *)ctx)->rx = *sa;
	return 0;
}

static int player_transmit(void *ctx, const struct sink_sa *sa)
{
	((struct player *)ctx)->tx = *sa;
	return 0;
}

static void player_retire(void *ctx, uint16_t secy, const uint8_t key_id[MACSEC_KEY_ID_LEN],
			  uint64_t sci)
{
	(void)secy;
	(void)key_id;
	(void)sci;
	((struct player *)ctx)->retired++;
}

static uint64_t be64(const uint8_t *p)
{
	struct rd r = rd_init(p, 8);

	return rd_u64(&r);
}

static void report(struct mka *m, const struct sink_sa *sa, enum sink_direction d)
{
	struct sink_report r = {.secy = sa->secy,
				.an = sa->an,
				.direction = (uint8_t)d,
				.installed = true,
				.sci = sa->sci,
				.pn = 1};

	memcpy(r.key_id, sa->key_id, sizeof(r.key_id));
	mka_report(m, &r, 1);
}

/* The recorded key server's frames, fed to an engine with the recorded member's name. */
static void play(const struct field *frames, unsigned count, const struct field *cak,
		 const struct field *sak)
{
	const uint8_t *ks = frames[0].b + 18, *member = NULL;
	struct player pl = {0};
	struct mka_config cfg = lan_config(20);
	struct mka_env env = {
		&pl, player_random, {&pl, player_receive, player_transmit, player_retire}};
	uint8_t out[MKA_FRAME_MAX];
	unsigned ok = 0;
	struct mka_show show;
	struct mka *m;

	for (unsigned i = 0; i < count && !member; i++)
		if (memcmp(frames[i].b + 6, frames[0].b + 6, 6))
			member = frames[i].b + 18;
	assert_non_null(member);
	memcpy(pl.mi, member + 12, MKA_MI_LEN);
	cfg.sci = be64(member + 4);
	cfg.priority = member[1];
	memcpy(cfg.destination, frames[0].b, 6);
	secret_set(&cfg.keys[0].cak, cak->b, cak->len);
	m = mka_new(&cfg, &env, 0);
	assert_non_null(m);
	for (unsigned i = 0; i < count; i++) {
		uint64_t now = 1 + i * NS_PER_S / 10; /* all of it within MKA Life Time */
		enum mka_result r;

		if (memcmp(frames[i].b + 6, frames[0].b + 6, 6))
			continue;
		mka_expire(m, now); /* our message numbers keep up with the recorded ones */
		while (mka_output(m, out))
			;
		m->principal->mn = 8;
		r = mka_input(m, frames[i].b, frames[i].len, now);
		assert_true(r == MKA_OK || r == MKA_NOT_LIVE);
		ok += r == MKA_OK;
		if (pl.rx.key.len && m->cp == CP_RECEIVE)
			report(m, &pl.rx, SINK_RECEIVE);
		if (pl.tx.key.len && m->cp == CP_TRANSMIT)
			report(m, &pl.tx, SINK_TRANSMIT);
	}
	assert_true(ok >= 4);
	mka_show(m, &show);
	assert_int_equal(show.key_server_sci, be64(ks + 4));
	assert_true(show.secured);
	assert_int_equal(show.suite, MACSEC_GCM_AES_128);
	assert_int_equal(pl.rx.sci, be64(ks + 4));
	assert_int_equal(pl.rx.key.len, sak->len);
	assert_memory_equal(pl.rx.key.b, sak->b, sak->len);
	assert_memory_equal(pl.tx.key.b, sak->b, sak->len);
	assert_int_equal(pl.rx.ssci, 0);
	assert_int_equal(pl.retired, 0);
	mka_free(m);
}

static void wpa_key_server_is_followed_to_its_sak(void **state)
{
	static struct field frames[32], cak, sak;
	FILE *f = fopen(VECTORS "/mkpdu_wpa.txt", "r");
	char name[16];
	struct field v;
	unsigned n = 0, sessions = 0;

	(void)state;
	assert_non_null(f);
	for (;;) {
		bool more = line_read(f, name, &v);

		if (n && (!more || !strcmp(name, "cak"))) {
			play(frames, n, &cak, &sak);
			sessions++;
			n = 0;
		}
		if (!more)
			break;
		if (!strcmp(name, "cak"))
			cak = v;
		else if (!strcmp(name, "sak"))
			sak = v;
		else if (!strcmp(name, "frame"))
			frames[n++] = v;
	}
	fclose(f);
	assert_int_equal(sessions, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(salt_of_a_key_identifier),
		cmocka_unit_test(wpa_frame_is_parsed_and_built_again_to_the_byte),
		cmocka_unit_test(wpa_key_server_is_followed_to_its_sak),
	};

	return cmocka_run_group_tests_name("key/mka/vectors", tests, NULL, NULL);
}
