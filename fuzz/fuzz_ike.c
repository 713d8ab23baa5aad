/*
 * fuzz_ike: the codec of IKEv2. The first octet of the input says how the rest is read: an even
 * one, as a message as it comes from the network; an odd one, as what was inside an Encrypted
 * payload, the next octet being the type of its first payload.
 *
 * Held: what was read is written again to something that reads the same and is written the same;
 * lists inside payloads that were accepted are read to their end.
 */
#include "fuzz.h"

#include "wire/ike.h"

#include <stdlib.h>
#include <string.h>

static void lists_end(const struct ike_payload *p)
{
	static struct ike_proposal proposal;
	char word[64];
	struct ike_ts ts;
	unsigned n = 0;
	struct rd r;

	if (p->type == IKE_PL_SA) {
		r = rd_init(p->body.p, p->body.len);
		while (ike_proposal_next(&r, &proposal)) {
			n++;
			for (unsigned i = 0; i < proposal.count; i++)
				MUST(ike_transform_name(&proposal.t[i], word, sizeof(word))[0]);
		}
		MUST(!r.bad && n > 0 && n <= IKE_PROPOSALS_MAX);
	} else if (p->type == IKE_PL_TSI || p->type == IKE_PL_TSR) {
		r = rd_init(p->ts.list.p, p->ts.list.len);
		while (ike_ts_next(&r, &ts))
			n++;
		MUST(!r.bad && n <= p->ts.count);
	}
}

static size_t rewrite(const struct ike_chain *c, uint8_t *out, size_t size)
{
	struct wr w = wr_init(out, size);
	struct ike_out o;

	wr_u8(&w, 0);
	o = ike_out_init(&w, 0);
	for (unsigned i = 0; i < c->count; i++)
		ike_put(&o, &c->v[i]);
	MUST(!w.bad);
	return wr_len(&w);
}

static void chain_holds(const struct ike_chain *c, bool clear)
{
	static uint8_t one[1 << 17], two[1 << 17];
	static struct ike_chain again;
	size_t n = rewrite(c, one, sizeof(one));

	for (unsigned i = 0; i < c->count; i++)
		lists_end(&c->v[i]);
	MUST(ike_chain_parse(&again, one[0], one + 1, n - 1, clear) == IKE_WIRE_OK);
	MUST(again.present == c->present && again.count == c->count && !again.unknown);
	MUST(rewrite(&again, two, sizeof(two)) == n && !memcmp(one, two, n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ike_chain c;
	struct ike_head h;

	if (size < 2 || size > 65535)
		return 0;
	if (data[0] & 1) {
		if (ike_chain_parse(&c, data[1], data + 2, size - 2, false) == IKE_WIRE_OK)
			chain_holds(&c, false);
	} else if (ike_message_parse(&h, &c, data + 1, size - 1) == IKE_WIRE_OK) {
		chain_holds(&c, true);
	}
	return 0;
}
