#include "sa/replay.h"

#include <string.h>

void sa_replay_advance(struct sa *sa, uint64_t pn)
{
	uint64_t from = sa->next;
	uint64_t bits = (uint64_t)sa->ring_mask + 1;

	sa->next = pn + 1;
	sa_live_put(sa->live, &sa->turn, sa->next);
	if (pn - from >= bits) {
		memset(sa->ring, 0, bits / 8);
	} else {
		/* Numbers from..pn-1 were not seen; their bits are those of older numbers still. */
		while (from < pn) {
			uint64_t first = from % 64, n = 64 - first;

			if (n > pn - from)
				n = pn - from;
			sa->ring[(from & sa->ring_mask) / 64] &=
				~((n == 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1) << first);
			from += n;
		}
	}
	sa->ring[(pn & sa->ring_mask) / 64] |= UINT64_C(1) << pn % 64;
}
