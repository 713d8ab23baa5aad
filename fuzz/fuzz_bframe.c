/* Whatever a peer seals: a hello that parses builds to the very same bytes; any bytes have one
 * class of control protocol. */
#include "fuzz.h"

#include "wire/bframe.h"
#include "wire/l2cp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[BFRAME_HELLO_MAX], head[L2CP_HEAD] = {0};
	struct wr w = wr_init(again, sizeof(again));
	struct bframe_hello h;

	if (size)
		memcpy(head, data, size < sizeof(head) ? size : sizeof(head));
	if (l2cp_of(head) >= L2CP_COUNT || bframe_type(data, size) >= BFRAME_TYPE_COUNT)
		abort();
	if (!bframe_get_hello(&h, data, size))
		return 0;
	bframe_put_head(&w, data + ETH_ADDR_LEN, BFRAME_HELLO);
	bframe_put_hello(&w, &h);
	if (w.bad || wr_len(&w) != size || memcmp(again, data, size) != 0)
		abort();
	return 0;
}
