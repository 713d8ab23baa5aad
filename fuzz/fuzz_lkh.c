/*
 * fuzz_lkh: what a member makes of wrapped keys. The input is a KD payload of a GSA_REKEY; wherever a
 * wrapped key's first octet is 0x55, one that does unwrap is put in its place: the key of that number
 * under the key of its KWK ID, so that ways of any shape are found.
 *
 * Held: the result has a path of bounded length or none; keys of an SA only with LKH_OK; the path that
 * was there is as it was.
 */
#include "fuzz.h"

#include "crypto/keywrap.h"
#include "key/gikev2/lkh.h"

#include <stdlib.h>
#include <string.h>

static struct gike_kd kd;
static uint8_t made[2 * GIKE_KEYS_MAX][LKH_SA_WRAPPED_MAX];

/* The key of a number, wherever it stands. */
static struct secret key_of(uint32_t id)
{
	struct secret s = {.len = 16};

	memcpy(s.b, &id, sizeof(id));
	return s;
}

static void mend(struct gike_wrapped *w, uint8_t *out)
{
	const struct secret kek = key_of(w->kwk), key = key_of(w->key);

	if (w->data.p[0] != 0x55)
		return;
	MUST(keywrap_pad(kek.b, kek.len, key.b, key.len, out, &w->data.len) == 0);
	w->data.p = out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lkh_path path = {.count = 3}, before, after;
	const struct secret gsk_w = key_of(0);
	uint8_t sa[LKH_SA_KEY_MAX];
	enum lkh_result res;
	size_t n;

	if (size > 65535 || gike_kd_parse(&kd, (struct ike_bytes){data, size}, GIKE_REKEY))
		return 0;
	for (unsigned i = 0; i < kd.key_count; i++)
		mend(&kd.keys[i], made[i]);
	for (unsigned i = 0; i < kd.wrap_count; i++)
		mend(&kd.wraps[i], made[GIKE_KEYS_MAX + i]);
	for (unsigned i = 0; i < 3; i++) {
		path.v[i].id = i + 1;
		path.v[i].key = key_of(i + 1);
	}
	before = path;
	for (unsigned i = 0; i < kd.count; i++) {
		res = lkh_find(&path, &kd, &kd.v[i], &gsk_w, 16, sa, &n, &after);
		MUST(!memcmp(&path, &before, sizeof(path)));
		MUST(after.count <= LKH_DEPTH_MAX + 1);
		MUST(res == LKH_OK ? n > 0 && n <= LKH_SA_KEY_MAX : after.count == 0);
		for (unsigned j = 0; res == LKH_OK && j < after.count; j++) {
			const struct secret want = key_of(after.v[j].id);

			MUST(secret_equal(after.v[j].key.b, want.b, 16));
		}
	}
	return 0;
}
