/*
 * annexc: the vectors of 802.1AE-2018 annex C (test/vectors/macsec_annex_c.txt) through the
 * packet path, and ours with a confidentiality offset (macsec_offset.txt), which the annex lacks.
 * Every vector is received and sent; every one is built and sealed from its parts by codec and AEAD.
 */
#include "fwd/node_test.h"

#include <stdio.h>

struct vector {
	char name[80];
	bool encrypted;
	enum macsec_suite suite;
	enum macsec_conf conf;
	uint64_t sci, pn;
	uint32_t ssci;
	uint8_t salt[12], key[32], plain[128], secure[160];
	size_t key_len, plain_len, secure_len;
};

#define ANNEX_C 32
#define OFFSET 12

static struct vector vectors[ANNEX_C + OFFSET];
static unsigned vector_count;

static size_t unhex(uint8_t *out, size_t size, const char *s)
{
	size_t n = strlen(s) / 2;

	assert_true(n <= size);
	for (size_t i = 0; i < n; i++) {
		const char pair[3] = {s[2 * i], s[2 * i + 1], 0};

		out[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return n;
}

static void line_read(struct vector *v, const char *key, const char *value)
{
	if (!strcmp(key, "sci"))
		v->sci = strtoull(value, NULL, 16);
	else if (!strcmp(key, "pn"))
		v->pn = strtoull(value, NULL, 16);
	else if (!strcmp(key, "ssci"))
		v->ssci = (uint32_t)strtoul(value, NULL, 16);
	else if (!strcmp(key, "salt"))
		assert_int_equal(unhex(v->salt, 12, value), 12);
	else if (!strcmp(key, "key"))
		v->key_len = unhex(v->key, sizeof(v->key), value);
	else if (!strcmp(key, "plain"))
		v->plain_len = unhex(v->plain, sizeof(v->plain), value);
	else if (!strcmp(key, "secure"))
		v->secure_len = unhex(v->secure, sizeof(v->secure), value);
	else
		fail_msg("unknown line: %s", key);
}

static int file_read(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[600];

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		char *value = strchr(line, ' '), suite[40], kind[40];

		line[strcspn(line, "\n")] = 0;
		if (line[0] == '#' || !line[0] || !value)
			continue;
		*value++ = 0;
		if (strcmp(line, "vector") != 0) {
			line_read(&vectors[vector_count - 1], line, value);
			continue;
		}
		assert_true(vector_count < ANNEX_C + OFFSET);
		snprintf(vectors[vector_count].name, sizeof(vectors[0].name), "%.79s", value);
		assert_int_equal(sscanf(value, "%*s %39s %*s %39s", kind, suite), 2);
		vectors[vector_count].encrypted = strcmp(kind, "integrity") != 0;
		if (!vectors[vector_count].encrypted)
			vectors[vector_count].conf = MACSEC_CONF_NONE;
		for (unsigned i = 0; i < MACSEC_CONF_COUNT; i++)
			if (!strcmp(kind, macsec_confs[i].name))
				vectors[vector_count].conf = i;
		for (unsigned i = 0; i < MACSEC_SUITE_COUNT; i++)
			if (!strcmp(suite, macsec_suites[i].keyword))
				vectors[vector_count].suite = i;
		vector_count++;
	}
	fclose(f);
	return 0;
}

static int vectors_read(void **state)
{
	(void)state;
	if (file_read(VECTORS "/macsec_annex_c.txt") || vector_count != ANNEX_C)
		return -1;
	if (file_read(VECTORS "/macsec_offset.txt") || vector_count != ANNEX_C + OFFSET)
		return -1;
	return 0;
}

static struct msg sa_of(const struct vector *v, enum msg_type type)
{
	struct msg m = {.type = type};

	m.sa = (struct msg_sa){.secy = NODE_SECY,
			       .an = v->secure[14] & 3,
			       .suite = (uint8_t)v->suite,
			       .conf = type == MSG_SA_RECEIVE && !v->encrypted ? MACSEC_CONF_0
									       : (uint8_t)v->conf,
			       .sci = v->sci,
			       .ssci = v->ssci,
			       .pn = v->pn};
	memcpy(m.sa.salt, v->salt, sizeof(m.sa.salt));
	assert_int_equal(secret_set(&m.sa.key, v->key, v->key_len), 0);
	return m;
}

static void every_vector_is_received(void **state)
{
	(void)state;
	for (unsigned i = 0; i < vector_count; i++) {
		const struct vector *v = &vectors[i];
		struct msg m = sa_of(v, MSG_SA_RECEIVE);
		uint8_t out[2048];
		struct node n;

		node_init(&n, 1, 0);
		assert_int_equal(fwd_control(n.f, &m), 0);
		if (node_receive(&n, v->secure, v->secure_len, out) != v->plain_len)
			fail_msg("%s was not accepted", v->name);
		assert_memory_equal(out, v->plain, v->plain_len);
		node_fini(&n);
	}
}

static void vector_with_any_octet_altered_is_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < vector_count; i++) {
		const struct vector *v = &vectors[i];
		struct msg m = sa_of(v, MSG_SA_RECEIVE);
		uint8_t out[2048], bad[160];
		struct node n;

		node_init(&n, 1, 0);
		assert_int_equal(fwd_control(n.f, &m), 0);
		for (size_t at = 0; at < v->secure_len; at++) {
			memcpy(bad, v->secure, v->secure_len);
			bad[at] ^= 0x04;
			assert_int_equal(node_receive(&n, bad, v->secure_len, out), 0);
		}
		assert_int_equal(node_receive(&n, v->secure, v->secure_len, out), v->plain_len);
		node_fini(&n);
	}
}

static void every_vector_is_sent(void **state)
{
	(void)state;
	for (unsigned i = 0; i < vector_count; i++) {
		const struct vector *v = &vectors[i];
		struct msg m = {.type = MSG_SECY_ADD};
		uint8_t wire[2048];
		struct node n;

		node_init(&n, 1, 0);
		fwd_port_find(n.f, NODE_WAN)->integrity = !v->encrypted;
		m.secy_add = (struct msg_secy){.secy = NODE_SECY,
					       .overlay = NODE_OVERLAY,
					       .wan = NODE_WAN,
					       .sci = v->sci,
					       .send_sci = v->secure[14] & MACSEC_TCI_SC};
		assert_int_equal(fwd_control(n.f, &m), 0);
		m = sa_of(v, MSG_SA_TRANSMIT);
		assert_int_equal(fwd_control(n.f, &m), 0);
		assert_int_equal(node_send(&n, v->plain, v->plain_len, wire), v->secure_len);
		assert_memory_equal(wire, v->secure, v->secure_len);
		node_fini(&n);
	}
}

/* ES says that the source address is ours; a frame of another's is sent without it, and the one
 * receiver knows who it comes from. */
static void frame_of_another_source_names_no_sender(void **state)
{
	uint8_t frame[100], wire[2048], out[2048];
	struct msg m = {.type = MSG_SECY_ADD};
	struct node a, b;
	size_t n;

	(void)state;
	node_init(&a, 1, 0);
	node_init(&b, 2, 0);
	node_key(&a, &b, 0, 1, MACSEC_GCM_AES_XPN_256);
	m.secy_add = (struct msg_secy){
		.secy = NODE_SECY, .overlay = NODE_OVERLAY, .wan = NODE_WAN, .sci = node_sci(1)};
	assert_int_equal(fwd_control(a.f, &m), 0);
	node_frame(frame, sizeof(frame), 1);
	n = node_send(&a, frame, sizeof(frame), wire);
	assert_int_equal(n, sizeof(frame) + 24);
	assert_int_equal(wire[14] & (MACSEC_TCI_ES | MACSEC_TCI_SC), 0);
	assert_int_equal(node_receive(&b, wire, n, out), sizeof(frame));
	assert_memory_equal(out, frame, sizeof(frame));
	for (unsigned i = 0; i < 6; i++)
		frame[6 + i] = (uint8_t)(node_sci(1) >> (56 - 8 * i));
	n = node_send(&a, frame, sizeof(frame), wire);
	assert_int_equal(wire[14] & (MACSEC_TCI_ES | MACSEC_TCI_SC), MACSEC_TCI_ES);
	assert_int_equal(node_receive(&b, wire, n, out), sizeof(frame));
	assert_memory_equal(out, frame, sizeof(frame));
	node_fini(&a);
	node_fini(&b);
}

/* An EPON's single copy broadcast has the sender's address and port identifier 0 for its SCI (9.9). */
static void single_copy_broadcast_is_port_0_of_its_sender(void **state)
{
	static const uint8_t src[6] = {2, 0, 0, 0, 0, 9};
	const uint64_t sci = macsec_sci(src, 0);
	uint8_t wire[12 + 8 + 80 + 16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, out[2048];
	struct msg m = node_sa(MSG_SA_RECEIVE, sci, 0, 1, MACSEC_GCM_AES_256);
	struct aead_op op = {
		.data = wire + 20, .aad = wire, .tag = wire + 100, .len = 80, .aad_len = 20};
	uint8_t base[AEAD_NONCE_LEN] = {0};
	struct aead_key *key;
	struct node b;

	(void)state;
	node_init(&b, 2, 0);
	memcpy(wire + 6, src, 6);
	memcpy(wire + 12, (const uint8_t[]){0x88, 0xe5, 0x1c, 0, 0, 0, 0, 1}, 8);
	key = aead_key_new(m.sa.key.b, m.sa.key.len);
	assert_non_null(key);
	macsec_nonce_base(base, MACSEC_GCM_AES_256, sci, 0, base);
	macsec_nonce(op.nonce, base, 1);
	aead_seal(key, &op, 1);
	aead_key_free(key);
	assert_int_equal(node_receive(&b, wire, sizeof(wire), out), 0);
	assert_int_equal(b.f->fates[FATE_DROP_SCB], 1);
	assert_int_equal(fwd_control(b.f, &m), 0);
	assert_int_equal(node_receive(&b, wire, sizeof(wire), out), 12 + 80);
	node_fini(&b);
}

static void integrity_only_does_not_leave_a_port_not_opened_for_it(void **state)
{
	struct msg m = node_sa(MSG_SA_TRANSMIT, node_sci(1), 0, 1, MACSEC_GCM_AES_XPN_256);
	uint8_t frame[100], wire[2048];
	struct node n;

	(void)state;
	node_init(&n, 1, 0);
	node_frame(frame, sizeof(frame), 1);
	m.sa.conf = MACSEC_CONF_NONE;
	assert_int_equal(fwd_control(n.f, &m), 0);
	assert_int_equal(node_send(&n, frame, sizeof(frame), wire), 0);
	assert_int_equal(n.f->fates[FATE_GUARD_MALFORMED], 1);
	fwd_port_find(n.f, NODE_WAN)->integrity = true;
	assert_int_equal(node_send(&n, frame, sizeof(frame), wire), sizeof(frame) + 32);
	assert_int_equal(wire[14] & (MACSEC_TCI_E | MACSEC_TCI_C), 0);
	assert_memory_equal(wire + 28, frame + 12, sizeof(frame) - 12);
	assert_int_equal(n.f->fates[FATE_SENT_WAN], 1);
	node_fini(&n);
}

static void seal_one(const struct vector *v)
{
	struct aead_key *k = aead_key_new(v->key, v->key_len);
	uint8_t frame[160], base[12];
	struct aead_op op = {.aad = frame};
	struct macsec_tag t;
	uint32_t clear;

	/* Addresses and SecTAG as they are; the rest is made. */
	assert_int_equal(macsec_parse(&t, v->secure, v->secure_len), MACSEC_TAG_OK);
	assert_int_equal(t.sl, v->plain_len - 12 < 48 ? v->plain_len - 12 : 0);
	assert_true(t.sci == v->sci);
	memcpy(frame, v->secure, 12u + t.len);
	memcpy(frame + 12 + t.len, v->plain + 12, v->plain_len - 12);
	clear = v->encrypted ? macsec_confs[v->conf].clear : t.secure;
	if (clear > t.secure)
		clear = t.secure;
	op.data = frame + 12 + t.len + clear;
	op.tag = frame + 12 + t.len + t.secure;
	op.len = t.secure - clear;
	op.aad_len = 12u + t.len + clear;
	macsec_nonce_base(base, v->suite, v->sci, v->ssci, v->salt);
	macsec_nonce(op.nonce, base, v->pn);
	aead_seal(k, &op, 1);
	assert_memory_equal(frame, v->secure, v->secure_len);
	aead_key_free(k);
}

static void every_vector_is_sealed_by_every_backend(void **state)
{
	const enum aead_backend backends[] = {AEAD_BEST, AEAD_OPENSSL};

	(void)state;
	for (unsigned b = 0; b < 2; b++) {
		assert_int_equal(aead_init(backends[b]), 0);
		for (unsigned i = 0; i < vector_count; i++)
			seal_one(&vectors[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_is_received),
		cmocka_unit_test(vector_with_any_octet_altered_is_refused),
		cmocka_unit_test(every_vector_is_sent),
		cmocka_unit_test(frame_of_another_source_names_no_sender),
		cmocka_unit_test(single_copy_broadcast_is_port_0_of_its_sender),
		cmocka_unit_test(integrity_only_does_not_leave_a_port_not_opened_for_it),
		cmocka_unit_test(every_vector_is_sealed_by_every_backend),
	};

	return cmocka_run_group_tests_name("fwd/annexc", tests, vectors_read, NULL);
}
