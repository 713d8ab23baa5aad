/*
 * rekey: messages that Python made from the standard's text are opened, and made again to the byte;
 * each class of forged and malformed message ends under its name.
 */
#include "key/gikev2/rekey.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ID 9

static struct gike_gsa gsa;
static struct rekey_sa sa;
static struct rekey_in in;
static struct rekey_draft draft;
static struct sign_key *key;
static uint8_t message[REKEY_MESSAGE_MAX];
static size_t message_len;

static struct ike_bytes hex(const char *s, uint8_t *out)
{
	size_t n = strcmp(s, "-") == 0 ? 0 : strlen(s) / 2;

	for (size_t i = 0; i < n; i++) {
		const char digits[3] = {s[2 * i], s[2 * i + 1]};

		out[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return (struct ike_bytes){out, n};
}

/* An Ed25519 key as PKCS#8 has it. */
static struct sign_key *key_of(const uint8_t raw[32])
{
	uint8_t der[48] = {0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20};

	memcpy(der + 16, raw, 32);
	return sign_key_load(der, sizeof(der));
}

/* Seals the draft as the key server would; by: signs, NULL: nobody. */
static void seal(const struct rekey_sa *s, const struct sign_key *by, uint32_t id,
		 const uint8_t *iv)
{
	static uint8_t b[REKEY_MESSAGE_MAX];
	struct wr to_sign = wr_init(b, sizeof(b)), w = wr_init(message, sizeof(message));
	uint8_t signature[SIGN_MAX];
	size_t n = sizeof(signature);

	assert_int_equal(rekey_to_sign(s, id, &draft, 64, &to_sign), 0);
	if (by)
		assert_int_equal(sign_make(by, s->scheme, b, wr_len(&to_sign), signature, &n), 0);
	assert_int_equal(rekey_seal(s, id, &draft, signature, iv, &w), 0);
	message_len = wr_len(&w);
}

static void line_rekey(char **v)
{
	static uint8_t policy[1024], keymat[256], spki[256], raw[64], iv[16], text[16384],
		want[16384];
	static struct rekey_in opened;
	struct ike_bytes m = hex(v[8], want), t = hex(v[7], text);
	uint32_t id = (uint32_t)strtoul(v[5], NULL, 10);
	struct ike_bytes k = hex(v[2], keymat);

	assert_int_equal(gike_gsa_parse(&gsa, hex(v[1], policy), GIKE_REGISTRATION), GIKE_OK);
	assert_int_equal(rekey_keymat_len(gike_rekey_policy(&gsa)), k.len);
	assert_int_equal(rekey_sa_init(&sa, gike_rekey_policy(&gsa), k.p, k.len), 0);
	assert_int_equal(rekey_sa_auth(&sa, gike_rekey_policy(&gsa), hex(v[3], spki)), 0);
	sign_key_free(key);
	key = hex(v[4], raw).len ? key_of(raw) : NULL;

	memcpy(message, m.p, m.len);
	assert_int_equal(rekey_open(&sa, id, message, m.len, &opened), REKEY_OK);
	assert_int_equal(opened.head.id, id);
	rekey_begin(&draft);
	for (unsigned i = 0; i < opened.chain.count; i++)
		if (opened.chain.v[i].type != IKE_PL_AUTH)
			ike_put(&draft.o, &opened.chain.v[i]);
	assert_int_equal(wr_len(&draft.w), t.len);
	assert_memory_equal(draft.b, t.p, t.len);
	seal(&sa, key, id, hex(v[6], iv).p);
	assert_int_equal(message_len, m.len);
	assert_memory_equal(message, m.p, m.len);
}

static unsigned vectors(unsigned limit)
{
	FILE *f = fopen(VECTORS "/gike_keys.txt", "r");
	char *line = NULL;
	size_t size = 0;
	unsigned count = 0;

	assert_non_null(f);
	while (count < limit && getline(&line, &size, f) > 0) {
		char *v[9] = {NULL}, *at = line;
		unsigned n = 0;

		for (char *w; n < 9 && (w = strsep(&at, " \n"));)
			if (*w)
				v[n++] = w;
		if (!n || strcmp(v[0], "rekey"))
			continue;
		assert_int_equal(n, 9);
		line_rekey(v);
		count++;
	}
	free(line);
	fclose(f);
	return count;
}

static void messages_that_python_made(void **state)
{
	(void)state;
	assert_int_equal(vectors(UINT32_MAX), 5);
}

/* Opens a copy. */
static enum rekey_result open_copy(const struct rekey_sa *s, uint32_t expected, size_t len)
{
	static uint8_t b[REKEY_MESSAGE_MAX + 64];

	memcpy(b, message, len);
	return rekey_open(s, expected, b, len, &in);
}

static void good_payloads(void)
{
	rekey_begin(&draft);
	ike_put_bytes(&draft.o, IKE_PL_GSA, "gsa.", 4);
	ike_put_bytes(&draft.o, IKE_PL_KD, "kd..", 4);
}

static const uint8_t zero_iv[16];

static void every_flipped_bit_is_found(void **state)
{
	(void)state;
	vectors(1);
	good_payloads();
	seal(&sa, key, ID, zero_iv);
	assert_int_equal(open_copy(&sa, ID, message_len), REKEY_OK);
	for (size_t bit = 0; bit < 8 * message_len; bit++) {
		enum rekey_result got;

		message[bit / 8] ^= (uint8_t)(1u << bit % 8);
		got = open_copy(&sa, 0, message_len);
		assert_int_not_equal(got, REKEY_OK);
		if (bit / 8 >= IKE_HEAD_LEN + IKE_PAYLOAD_HEAD)
			assert_int_equal(got, REKEY_ICV);
		message[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t n = 0; n < message_len; n++)
		assert_int_equal(open_copy(&sa, ID, n), REKEY_MALFORMED);
	assert_int_equal(open_copy(&sa, ID, message_len), REKEY_OK);
}

static void replays_are_refused_before_anything_is_opened(void **state)
{
	(void)state;
	vectors(1);
	good_payloads();
	seal(&sa, key, ID, zero_iv);
	assert_int_equal(open_copy(&sa, ID + 1, message_len), REKEY_OLD);
	assert_int_equal(open_copy(&sa, UINT32_MAX, message_len), REKEY_OLD);
	assert_int_equal(open_copy(&sa, 0, message_len), REKEY_OK);
	message[message_len - 1] ^= 1;
	assert_int_equal(open_copy(&sa, ID + 1, message_len), REKEY_OLD);
}

enum forge {
	F_NOT_SIGNED,
	F_BY_ANOTHER,
	F_OTHER_SCHEME,
	F_PSK_METHOD,
	F_GSA_ALONE,
	F_KD_ALONE,
	F_NOTHING,
	F_SA,
	F_CRITICAL,
	F_PADDING,
	F_CHAIN,
	F_ANSWER,
	F_AUTH_IMPLICIT,
};
static const struct row {
	const char *defect, *clause;
	enum forge how;
	enum rekey_result want;
} rows[] = {
	{"a member's own, not signed", "2.4.1", F_NOT_SIGNED, REKEY_PAYLOADS},
	{"signed by a member", "2.4.1.1", F_BY_ANOTHER, REKEY_SIGNATURE},
	{"signed by another scheme than registered", "4.4.2.1.1", F_OTHER_SCHEME, REKEY_SIGNATURE},
	{"AUTH by a shared key", "4.4.2.1.1", F_PSK_METHOD, REKEY_SIGNATURE},
	{"GSA without KD", "2.4.1", F_GSA_ALONE, REKEY_PAYLOADS},
	{"KD without GSA", "2.4.1", F_KD_ALONE, REKEY_PAYLOADS},
	{"neither GSA nor Delete", "2.4.3", F_NOTHING, REKEY_PAYLOADS},
	{"an SA payload", "2.4.1", F_SA, REKEY_PAYLOADS},
	{"a critical payload nobody knows", "RFC 7296 2.5", F_CRITICAL, REKEY_CRITICAL},
	{"more padding than text", "RFC 7296 3.14", F_PADDING, REKEY_INNER},
	{"payloads cut off", "RFC 7296 3.2", F_CHAIN, REKEY_INNER},
	{"an answer", "2.4.1", F_ANSWER, REKEY_EXCHANGE},
	{"AUTH where there is to be none", "2.4.1", F_AUTH_IMPLICIT, REKEY_PAYLOADS},
};

/* Seals whatever stands in the draft, as one who has the group's keys could. */
static void seal_raw(struct rekey_sa forged)
{
	struct wr w = wr_init(message, sizeof(message));

	forged.gcauth = IKE_GCAUTH_IMPLICIT;
	assert_int_equal(rekey_seal(&forged, ID, &draft, NULL, zero_iv, &w), 0);
	message_len = wr_len(&w);
}

/* Seals the message again with padding that leads outside, or other flags. */
static void reseal(bool padding, uint8_t flags)
{
	size_t head = IKE_HEAD_LEN + IKE_PAYLOAD_HEAD;

	assert_int_equal(seal_open(&sa.seal, message, head, message_len), 0);
	if (padding)
		message[message_len - seal_icv_len(&sa.seal) - 1] = 255;
	message[19] |= flags;
	assert_int_equal(seal_close(&sa.seal, message, head, message_len), 0);
}

static void forge(enum forge how, struct sign_key *other, struct rekey_sa *receiver)
{
	struct rekey_sa forged = sa;
	struct ike_payload auth = {.type = IKE_PL_AUTH, .auth = {IKE_AUTH_PSK, {zero_iv, 16}}};

	rekey_begin(&draft);
	if (how != F_KD_ALONE && how != F_NOTHING)
		ike_put_bytes(&draft.o, IKE_PL_GSA, "gsa.", 4);
	if (how != F_GSA_ALONE && how != F_NOTHING)
		ike_put_bytes(&draft.o, IKE_PL_KD, "kd..", 4);
	switch (how) {
	case F_BY_ANOTHER:
		seal(&sa, other, ID, zero_iv);
		return;
	case F_OTHER_SCHEME:
		forged.scheme = SIGN_ECDSA_SHA2_256;
		seal(&forged, NULL, ID, zero_iv);
		return;
	case F_PSK_METHOD:
		ike_put(&draft.o, &auth);
		seal_raw(sa);
		return;
	case F_SA:
		ike_put_bytes(&draft.o, IKE_PL_VENDOR, "v", 1);
		ike_put_bytes(&draft.o, IKE_PL_NONCE, zero_iv, 16);
		break;
	case F_CRITICAL:
		ike_put_bytes(&draft.o, (enum ike_payload_type)200, "?", 1);
		draft.b[draft.o.start + 1] = 0x80;
		break;
	case F_NOTHING:
		ike_put_notify(&draft.o, IKE_N_TRANSPORT_MODE, NULL, 0);
		break;
	case F_AUTH_IMPLICIT:
		receiver->gcauth = IKE_GCAUTH_IMPLICIT;
		seal(&sa, key, ID, zero_iv);
		return;
	case F_NOT_SIGNED:
		seal_raw(sa);
		return;
	default:
		break;
	}
	seal(&sa, key, ID, zero_iv);
	if (how == F_PADDING)
		reseal(true, 0);
	if (how == F_ANSWER)
		reseal(false, IKE_FLAG_RESPONSE);
}

static void each_forgery_ends_under_its_name(void **state)
{
	static const uint8_t raw[32] = {1, 2, 3};
	struct sign_key *other = key_of(raw);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rekey_sa receiver;
		enum rekey_result got;

		vectors(1);
		receiver = sa;
		if (rows[i].how == F_CHAIN) { /* the last payload longer than what is left */
			rekey_begin(&draft);
			ike_put_bytes(&draft.o, IKE_PL_DELETE, "....", 4);
			draft.b[4] = 200;
			seal_raw(sa);
		} else {
			forge(rows[i].how, other, &receiver);
		}
		got = open_copy(&receiver, ID, message_len);
		if (got != rows[i].want)
			fail_msg("%s (%s): %s", rows[i].defect, rows[i].clause,
				 rekey_result_name(got));
	}
	sign_key_free(other);
}

static void keys_and_policies_that_do_not_fit(void **state)
{
	uint8_t keymat[REKEY_KEYMAT_MAX] = {0}, spki[128];
	struct gike_policy p;
	struct ike_bytes mine;
	struct rekey_sa s;
	size_t len;

	(void)state;
	vectors(1);
	p = *gike_rekey_policy(&gsa);
	len = rekey_keymat_len(&p);
	mine = (struct ike_bytes){spki, sign_key_public(key, spki, sizeof(spki))};
	assert_int_equal(rekey_sa_init(&s, &p, keymat, len - 1), -EINVAL);
	assert_int_equal(rekey_sa_init(&s, &p, keymat, len + 1), -EINVAL);
	assert_int_equal(rekey_sa_init(&s, &p, keymat, len), 0);
	assert_int_equal(rekey_sa_auth(&s, &p, (struct ike_bytes){0}), -EINVAL);
	assert_int_equal(rekey_sa_auth(&s, &p, (struct ike_bytes){spki, mine.len - 1}),
			 -EKEYREJECTED);
	assert_int_equal(rekey_sa_auth(&s, &p, mine), 0);
	p.algorithm.p = sign_algorithm(SIGN_RSA_PSS_SHA2_256, &p.algorithm.len);
	assert_int_equal(rekey_sa_auth(&s, &p, mine), -EKEYREJECTED);
	p.algorithm = (struct ike_bytes){spki, 7};
	assert_int_equal(rekey_sa_auth(&s, &p, mine), -ENOTSUP);
	for (unsigned i = 0; i < p.count; i++) {
		struct gike_policy q = p;

		q.t[i].id = 99;
		if (p.t[i].type == IKE_T_GCAUTH)
			assert_int_equal(rekey_sa_auth(&s, &q, mine), -ENOTSUP);
		else
			assert_int_equal(rekey_keymat_len(&q), 0);
		if (p.t[i].type == IKE_T_GCAUTH) {
			q.t[i].id = IKE_GCAUTH_IMPLICIT;
			assert_int_equal(rekey_sa_auth(&s, &q, mine), -EINVAL);
			assert_int_equal(rekey_sa_auth(&s, &q, (struct ike_bytes){0}), 0);
			assert_int_equal(rekey_sa_key(&s, mine), -EINVAL);
		}
	}
}

static void what_does_not_fit_is_not_sealed(void **state)
{
	static uint8_t big[REKEY_TEXT_MAX];
	uint8_t b[64];
	struct wr w = wr_init(b, sizeof(b));

	(void)state;
	vectors(1);
	rekey_begin(&draft);
	ike_put_bytes(&draft.o, IKE_PL_VENDOR, big, sizeof(big));
	assert_int_equal(rekey_to_sign(&sa, 0, &draft, 64, &w), -EMSGSIZE);
	w = wr_init(message, sizeof(message));
	assert_int_equal(rekey_seal(&sa, 0, &draft, big, zero_iv, &w), -EMSGSIZE);
	rekey_begin(&draft);
	assert_int_equal(rekey_seal(&sa, 0, &draft, big, zero_iv, &w), -EMSGSIZE);
	good_payloads(); /* to be signed, and is not */
	assert_int_equal(rekey_seal(&sa, 0, &draft, big, zero_iv, &w), -EINVAL);
	good_payloads();
	w = wr_init(b, sizeof(b));
	assert_int_equal(rekey_to_sign(&sa, 0, &draft, 64, &w), -EMSGSIZE);
	for (size_t i = 0; i < sizeof(draft.b) / 2; i++)
		assert_int_equal(draft.b[sizeof(draft.b) / 2 + i], 0);
}

static int key_free(void **state)
{
	(void)state;
	sign_key_free(key);
	key = NULL;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_that_python_made),
		cmocka_unit_test(every_flipped_bit_is_found),
		cmocka_unit_test(replays_are_refused_before_anything_is_opened),
		cmocka_unit_test(each_forgery_ends_under_its_name),
		cmocka_unit_test(keys_and_policies_that_do_not_fit),
		cmocka_unit_test(what_does_not_fit_is_not_sealed),
	};

	return cmocka_run_group_tests_name("key/gikev2/rekey", tests, NULL, key_free);
}
