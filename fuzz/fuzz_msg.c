/* Whatever bytes a role sends: what parses builds to the very same bytes. */
#include "fuzz.h"

#include "msg/msg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[MSG_MAX];
	struct msg m;
	ssize_t n;

	if (msg_parse(&m, data, size) < 0)
		return 0;
	n = msg_build(&m, again, sizeof(again));
	if (n != (ssize_t)size || memcmp(again, data, size) != 0)
		abort();
	return 0;
}
