/*
 * fuzz_gike: the payloads GSA and KD of G-IKEv2. The first octet says where they stand (modulo 3)
 * and how many Sender-IDs were asked for; the next two how many octets belong to GSA; the rest is
 * KD's.
 *
 * Held: what was read is written again to something that reads the same and is written the same,
 * within the bounds of the codec; two payloads that agree do so after that, too.
 */
#include "fuzz.h"

#include "wire/gike.h"

#include <stdlib.h>
#include <string.h>

static uint8_t one[1 << 17], two[1 << 17];
static struct gike_gsa gsa, gsa2;
static struct gike_kd kd, kd2;

static bool gsa_holds(struct ike_bytes b, enum gike_where where)
{
	struct wr w = wr_init(one, sizeof(one)), again = wr_init(two, sizeof(two));

	if (gike_gsa_parse(&gsa, b, where) != GIKE_OK)
		return false;
	MUST(gsa.count > 0 && gsa.count <= GIKE_POLICIES_MAX);
	gike_gsa_build(&gsa, &w);
	MUST(!w.bad);
	MUST(gike_gsa_parse(&gsa2, (struct ike_bytes){one, wr_len(&w)}, where) == GIKE_OK);
	gike_gsa_build(&gsa2, &again);
	MUST(wr_len(&again) == wr_len(&w) && !memcmp(one, two, wr_len(&w)));
	return true;
}

static bool kd_holds(struct ike_bytes b, enum gike_where where)
{
	struct wr w = wr_init(one, sizeof(one)), again = wr_init(two, sizeof(two));

	if (gike_kd_parse(&kd, b, where) != GIKE_OK)
		return false;
	MUST(kd.count > 0 && kd.count <= GIKE_BAGS_MAX && kd.key_count <= GIKE_KEYS_MAX);
	MUST(kd.wrap_count <= GIKE_KEYS_MAX && kd.sender_count <= GIKE_SENDERS_MAX);
	gike_kd_build(&kd, &w);
	if (w.bad) /* several Member Key Bags, together longer than one may be */
		return false;
	MUST(gike_kd_parse(&kd2, (struct ike_bytes){one, wr_len(&w)}, where) == GIKE_OK);
	gike_kd_build(&kd2, &again);
	MUST(wr_len(&again) == wr_len(&w) && !memcmp(one, two, wr_len(&w)));
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum gike_where where;
	uint32_t asked;
	size_t n;
	bool both;

	if (size < 3 || size > 65535)
		return 0;
	where = (enum gike_where)(data[0] % 3);
	asked = data[0] / 3;
	n = (size_t)data[1] << 8 | data[2];
	if (n > size - 3)
		n = size - 3;
	both = gsa_holds((struct ike_bytes){data + 3, n}, where);
	both &= kd_holds((struct ike_bytes){data + 3 + n, size - 3 - n}, where);
	if (both)
		MUST(gike_agree(&gsa, &kd, where, asked) == gike_agree(&gsa2, &kd2, where, asked));
	return 0;
}
