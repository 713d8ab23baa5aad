/*
 * esp_resync: a receiver that lost so many packets that it takes the upper half of their extended
 * sequence numbers for another one (RFC 4303 appendix A3). Nothing verifies then. After a run of
 * packets that did not, one packet in a tick is tried, as a copy, with the next few halves; the one
 * with which it verifies is the truth. So whoever sends what does not verify costs that much and
 * no more, and moves nothing.
 */
#include "fwd/path.h"
#include "sa/replay.h"

#include <endian.h>
#include <string.h>

#define AHEAD 4 /* halves: each is 2^32 packets lost in a row */

/* Whether the packet verifies under that number. */
static bool verifies(const struct sa *sa, const struct aead_op *op, uint64_t seq, struct pkt *copy)
{
	const uint64_t number = htobe64(seq);
	const uint32_t before = ESP_HEAD_LEN + sa->esp.iv_len; /* the IV stands in front */
	struct aead_op o = *op;
	uint8_t aad[12];

	memcpy(aad, op->aad, 4);
	memcpy(aad + 4, &number, sizeof(number));
	memcpy(copy->data, op->data - before, before + op->len + sa->esp.icv_len);
	o.aad = aad;
	o.data = copy->data + before;
	o.tag = o.data + op->len;
	return aead_open(sa->key, &o, 1) == 1;
}

void esp_resync(struct fwd *f, struct sa *sa, const struct esp_rx *rx, const struct aead_op *op)
{
	struct pkt copy;

	if (!sa->esp.esn || f->resynced ||
	    rx->at + ESP_HEAD_LEN + sa->esp.iv_len + op->len + sa->esp.icv_len >
		    f->pool->frame_max ||
	    !pkt_alloc(f->pool, &copy))
		return;
	f->resynced = true;
	for (uint64_t k = 1; k <= AHEAD; k++) {
		uint64_t seq = rx->seq + (k << 32);

		if (seq > rx->seq && verifies(sa, op, seq, &copy)) {
			sa_replay_accept(sa, seq);
			sa->esp.wrong = 0;
			f->fates[FATE_RESYNCED]++;
			break;
		}
	}
	pkt_release(f->pool, &copy);
}
