/* gike: payloads that Python wrote from the standard's text, each defect under its own name, and
 * what is written read back. */
#include "wire/gike_random.h"
#include "wire/gike_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct gike_gsa gsa, gsa2;
static struct gike_kd kd, kd2;
static struct gike_text text;
static uint8_t one[1 << 17], two[1 << 17];

static struct ike_bytes hex(const char *s, uint8_t *out)
{
	size_t n = strcmp(s, "-") == 0 ? 0 : strlen(s) / 2;

	for (size_t i = 0; i < n; i++) {
		const char digits[3] = {s[2 * i], s[2 * i + 1]};

		out[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return (struct ike_bytes){out, n};
}

static enum gike_where where_of(const char *s)
{
	return s[0] == 'i' ? GIKE_INBAND : s[2] == 'k' ? GIKE_REKEY : GIKE_REGISTRATION;
}

/* Spaces of a text are underscores in the file. */
static void same_words(const char *got, char *want)
{
	for (char *c = want; *c; c++)
		*c = *c == '_' ? ' ' : *c;
	assert_string_equal(got, want);
}

static void same_bytes(const struct wr *w, struct ike_bytes b)
{
	assert_false(w->bad);
	assert_int_equal(wr_len(w), b.len);
	assert_memory_equal(w->start, b.p, b.len);
}

static void expect(enum gike_error got, const char *want, const char *clause)
{
	if (strcmp(gike_error_name(got), want))
		fail_msg("%s: %s, not %s", clause, gike_error_name(got), want);
}

static void line_gsa(char **v)
{
	struct ike_bytes b = hex(v[4], one);
	struct wr w = wr_init(two, sizeof(two));
	enum gike_error err = gike_gsa_parse(&gsa, b, where_of(v[1]));

	expect(err, v[2], v[3]);
	if (err || !strcmp(v[5], "-"))
		return;
	same_words(gike_gsa_text(&text, &gsa), v[5]);
	gike_gsa_build(&gsa, &w);
	same_bytes(&w, b);
}

static void line_kd(char **v)
{
	struct ike_bytes b = hex(v[4], one);
	struct wr w = wr_init(two, sizeof(two));
	enum gike_error err = gike_kd_parse(&kd, b, where_of(v[1]));

	expect(err, v[2], v[3]);
	if (err)
		return;
	same_words(gike_kd_text(&text, &kd), v[5]);
	gike_kd_build(&kd, &w);
	same_bytes(&w, b);
}

static void line_pair(char **v)
{
	enum gike_where where = where_of(v[1]);
	uint32_t asked = (uint32_t)strtoul(strchr(v[1], ':') + 1, NULL, 10);

	assert_int_equal(gike_gsa_parse(&gsa, hex(v[4], one), where), GIKE_OK);
	assert_int_equal(gike_kd_parse(&kd, hex(v[5], two), where), GIKE_OK);
	expect(gike_agree(&gsa, &kd, where, asked), v[2], v[3]);
}

static void line_signed(char **v)
{
	static uint8_t head[64], want[4096];
	struct ike_bytes h = hex(v[1], head), inner = hex(v[4], one), b = hex(v[7], want);
	struct wr w = wr_init(two, sizeof(two));
	struct rd r = rd_init(h.p, h.len);
	struct ike_head parsed = {.spi_i = rd_u64(&r), .spi_r = rd_u64(&r)};

	parsed.next = rd_u8(&r);
	parsed.version = rd_u8(&r);
	parsed.exchange = rd_u8(&r);
	parsed.flags = rd_u8(&r);
	parsed.id = rd_u32(&r);
	gike_signed_build(&w, &parsed, (uint8_t)atoi(v[2]), (uint8_t)atoi(v[3]), inner,
			  (struct ike_bytes){inner.p + atoi(v[5]), (size_t)atoi(v[6])});
	same_bytes(&w, b);
}

static void payloads_that_python_wrote(void **state)
{
	static const struct {
		const char *name;
		unsigned words, least;
		void (*run)(char **v);
	} kinds[] = {
		{"gsa", 6, 100, line_gsa},
		{"kd", 6, 50, line_kd},
		{"pair", 6, 20, line_pair},
		{"signed", 8, 5, line_signed},
	};
	unsigned count[4] = {0};
	char *line = NULL;
	size_t size = 0;
	FILE *f = fopen(VECTORS "/gike.txt", "r");

	(void)state;
	assert_non_null(f);
	while (getline(&line, &size, f) > 0) {
		char *v[8] = {NULL}, *at = line;
		unsigned n = 0;

		if (line[0] == '#')
			continue;
		for (char *w; n < 8 && (w = strsep(&at, " \n"));)
			if (*w)
				v[n++] = w;
		for (unsigned i = 0; i < 4; i++)
			if (!strcmp(v[0], kinds[i].name)) {
				assert_int_equal(n, kinds[i].words);
				kinds[i].run(v);
				count[i]++;
			}
	}
	free(line);
	fclose(f);
	for (unsigned i = 0; i < 4; i++)
		assert_true(count[i] >= kinds[i].least);
}

static void what_is_written_is_read_back(void **state)
{
	struct gike_dice dice = gike_dice_init(1);

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		enum gike_where where = (enum gike_where)(i % 3);
		struct wr w = wr_init(one, sizeof(one)), again = wr_init(two, sizeof(two));

		gike_roll_gsa(&dice, &gsa, where);
		gike_gsa_build(&gsa, &w);
		assert_int_equal(gike_gsa_parse(&gsa2, (struct ike_bytes){one, wr_len(&w)}, where),
				 GIKE_OK);
		gike_gsa_build(&gsa2, &again);
		same_bytes(&again, (struct ike_bytes){one, wr_len(&w)});

		w = wr_init(one, sizeof(one));
		again = wr_init(two, sizeof(two));
		gike_roll_kd(&dice, &kd, where);
		gike_kd_build(&kd, &w);
		assert_int_equal(gike_kd_parse(&kd2, (struct ike_bytes){one, wr_len(&w)}, where),
				 GIKE_OK);
		gike_kd_build(&kd2, &again);
		same_bytes(&again, (struct ike_bytes){one, wr_len(&w)});
	}
}

/* Cut anywhere but between two substructures, a payload is refused. */
static void cut_anywhere_it_is_refused(void **state)
{
	struct gike_dice dice = gike_dice_init(2);
	struct wr w = wr_init(one, sizeof(one));

	(void)state;
	gike_roll_gsa(&dice, &gsa, GIKE_REGISTRATION);
	gsa.count = 1;
	gsa.has_atd = gsa.has_dtd = gsa.has_sender_bits = false;
	gike_gsa_build(&gsa, &w);
	for (size_t n = 0; n < wr_len(&w); n++)
		assert_int_not_equal(
			gike_gsa_parse(&gsa2, (struct ike_bytes){one, n}, GIKE_REGISTRATION),
			GIKE_OK);
	w = wr_init(one, sizeof(one));
	gike_roll_kd(&dice, &kd, GIKE_REKEY);
	kd.count = 1;
	kd.wrap_count = 0;
	kd.auth_key.len = 0;
	gike_kd_build(&kd, &w);
	for (size_t n = 0; n < wr_len(&w); n++)
		assert_int_not_equal(gike_kd_parse(&kd2, (struct ike_bytes){one, n}, GIKE_REKEY),
				     GIKE_OK);
}

/* RFC 9838 §4.4.3, §4.5.3: reserved octets are ignored; attributes of later standards too. */
static void reserved_octets_are_ignored_and_unknown_attributes_counted(void **state)
{
	static const uint8_t odd[] = {0, 0x55, 0, 12, 0x80, 1, 0, 9, 0x40, 1, 0, 0};
	struct gike_dice dice = gike_dice_init(3);
	struct wr w = wr_init(one, sizeof(one));

	(void)state;
	gike_roll_gsa(&dice, &gsa, GIKE_INBAND);
	gsa.has_atd = gsa.has_dtd = false;
	gike_gsa_build(&gsa, &w);
	wr_bytes(&w, odd, sizeof(odd));
	assert_int_equal(gike_gsa_parse(&gsa2, (struct ike_bytes){one, wr_len(&w)}, GIKE_INBAND),
			 GIKE_OK);
	assert_int_equal(gsa2.atd, 9);
	assert_int_equal(gsa2.unknown, 1);

	w = wr_init(one, sizeof(one));
	gike_roll_kd(&dice, &kd, GIKE_INBAND);
	gike_kd_build(&kd, &w);
	wr_bytes(&w, (const uint8_t[]){0, 0xaa, 0, 8, 0x40, 7, 0, 0}, 8);
	assert_int_equal(gike_kd_parse(&kd2, (struct ike_bytes){one, wr_len(&w)}, GIKE_INBAND),
			 GIKE_OK);
	assert_int_equal(kd2.unknown, 1);
}

static struct ike_payload notify_of(uint8_t *b, struct wr *w, struct ike_chain *c)
{
	assert_false(w->bad);
	assert_int_equal(ike_chain_parse(c, b[0], b + 1, wr_len(w) - 1, false), IKE_WIRE_OK);
	return c->v[0];
}

static void group_sender(void **state)
{
	static const uint8_t want[] = {41, 0, 0, 0, 12, 0, 0, 0x40, 0x2d, 0, 0, 0, 8};
	static struct ike_chain c;
	uint8_t b[64];
	struct wr w = wr_init(b, sizeof(b));
	struct ike_out o;
	struct ike_notify n;
	uint32_t count;

	(void)state;
	wr_u8(&w, 0);
	o = ike_out_init(&w, 0);
	gike_put_sender(&o, 8);
	same_bytes(&w, (struct ike_bytes){want, sizeof(want)});
	n = notify_of(b, &w, &c).notify;
	assert_int_equal(gike_sender_parse(&n, &count), GIKE_OK);
	assert_int_equal(count, 8);
	n.data.len = 3;
	assert_int_equal(gike_sender_parse(&n, &count), GIKE_NOTIFY);
	n.data.len = 4;
	n.protocol = IKE_PROTO_ESP;
	assert_int_equal(gike_sender_parse(&n, &count), GIKE_NOTIFY);
	n.protocol = 0;
	n.spi_len = 4;
	assert_int_equal(gike_sender_parse(&n, &count), GIKE_NOTIFY);
	assert_int_equal(gike_refusal_check(&n), GIKE_NOTIFY);
	n.spi_len = 0;
	assert_int_equal(gike_refusal_check(&n), GIKE_OK);
}

static void auth_payload(void **state)
{
	static const uint8_t ed25519[] = {0x30, 5, 6, 3, 0x2b, 0x65, 0x70};
	static struct ike_chain c;
	uint8_t b[128];
	struct wr w = wr_init(b, sizeof(b));
	struct ike_payload p;
	struct gike_auth a;
	struct ike_out o;
	size_t at;

	(void)state;
	wr_u8(&w, 0);
	o = ike_out_init(&w, 0);
	at = gike_put_auth(&o, (struct ike_bytes){ed25519, sizeof(ed25519)}, 64);
	p = notify_of(b, &w, &c);
	assert_int_equal(gike_auth_parse(&a, &p), GIKE_OK);
	assert_ptr_equal(a.signature.p, b + at);
	assert_int_equal(a.signature.len, 64);
	assert_memory_equal(a.algorithm.p, ed25519, sizeof(ed25519));
	p.auth.method = IKE_AUTH_PSK;
	assert_int_equal(gike_auth_parse(&a, &p), GIKE_AUTH);
	p.auth.method = IKE_AUTH_SIGNATURE;
	p.auth.data.len = 8; /* no signature */
	assert_int_equal(gike_auth_parse(&a, &p), GIKE_AUTH);
	p.auth.data.len = 5; /* algorithm cut off */
	assert_int_equal(gike_auth_parse(&a, &p), GIKE_AUTH);
	b[at - 8] = 0; /* none */
	assert_int_equal(gike_auth_parse(&a, &p), GIKE_AUTH);
}

static void nothing_is_signed_outside_of_what_is_sent(void **state)
{
	struct ike_head h = {.spi_i = 1};
	struct ike_bytes inner = {one, 100};

	(void)state;
	for (unsigned at = 0; at < 120; at += 10)
		for (unsigned len = 0; len < 120; len += 10) {
			struct wr w = wr_init(two, sizeof(two));

			gike_signed_build(&w, &h, 51, 0, inner, (struct ike_bytes){one + at, len});
			assert_int_equal(w.bad, at + len > 100);
		}
}

/* Groups' Delete: SPIs of a Rekey SA are of 16 octets (RFC 9838 §4.4.2, §2.4.3). */
static void deletes_of_rekey_sas(void **state)
{
	static uint8_t b[] = {0, 0, 0, 24, 6, 16, 0, 1, [8] = 0, [23] = 0};
	static struct ike_chain c;

	(void)state;
	assert_int_equal(ike_chain_parse(&c, IKE_PL_DELETE, b, sizeof(b), false), IKE_WIRE_OK);
	assert_int_equal(c.v[0].del.protocol, IKE_PROTO_GIKE_UPDATE);
	b[5] = 8;
	b[7] = 2;
	assert_int_equal(ike_chain_parse(&c, IKE_PL_DELETE, b, sizeof(b), false), IKE_WIRE_BODY);
}

static void names(void **state)
{
	char buf[64];

	(void)state;
	for (unsigned i = 0; i < GIKE_ERROR_COUNT; i++)
		assert_non_null(gike_error_name((enum gike_error)i));
	assert_string_equal(ike_exchange_name(IKE_GSA_REKEY), "GSA_REKEY");
	assert_string_equal(ike_payload_name(IKE_PL_KD), "KD");
	assert_string_equal(ike_notify_name(16429), "GROUP_SENDER");
	assert_string_equal(
		ike_transform_name(&(struct ike_transform){13, 3, 0, false}, buf, sizeof(buf)),
		"kw-5649-256");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(payloads_that_python_wrote),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(cut_anywhere_it_is_refused),
		cmocka_unit_test(reserved_octets_are_ignored_and_unknown_attributes_counted),
		cmocka_unit_test(group_sender),
		cmocka_unit_test(auth_payload),
		cmocka_unit_test(nothing_is_signed_outside_of_what_is_sent),
		cmocka_unit_test(deletes_of_rekey_sas),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("wire/gike", tests, NULL, NULL);
}
