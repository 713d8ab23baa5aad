/*
 * fuzz_dhcp: frames from the carrier to a DHCP client. The input is frames, each two octets of
 * length, one of how many seconds pass before it, and the octets, into which the client's
 * transaction is written, so that what lies behind that check is reached as well. Whatever comes,
 * what is leased is an address that an interface can have.
 */
#include "fuzz.h"

#include "base/clock.h"
#include "base/rd.h"
#include "path/dhcp.h"

#include <stdlib.h>
#include <string.h>

#define XID_AT (14 + 20 + 8 + 4)

static uint32_t same(void *ctx)
{
	(void)ctx;
	return 0x01020304;
}

static void lease_check(const struct path_dhcp *d, uint64_t now)
{
	const struct path_dhcp_lease *l = path_dhcp_lease(d);
	uint8_t buf[PATH_DHCP_SAVE];
	struct wr w = wr_init(buf, sizeof(buf));

	path_dhcp_save(d, &w);
	MUST(!w.bad);
	if (!l)
		return;
	MUST(l->addr && l->addr >> 24 != 127 && l->addr >> 28 < 14);
	MUST(l->prefix >= 8 && l->prefix <= 32 && l->until > now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct path_dhcp_config cfg = {.mac = {2, 0, 0, 0, 0, 1}, .random = same};
	uint64_t now = 1000 * NS_PER_S;
	struct path_dhcp *d = path_dhcp_new(&cfg, now);
	struct rd r = rd_init(data, size);
	uint8_t out[DHCP_FRAME_MAX], frame[2048];

	MUST(d);
	while (rd_left(&r)) {
		size_t n = rd_u16(&r) % sizeof(frame);

		now += rd_u8(&r) * NS_PER_S;
		n = n < rd_left(&r) ? n : rd_left(&r);
		rd_copy(&r, frame, n);
		if (n >= XID_AT + 4)
			memcpy(frame + XID_AT, (const uint8_t[]){1, 2, 3, 4}, 4);
		path_dhcp_expire(d, now);
		while (path_dhcp_output(d, out))
			;
		path_dhcp_input(d, frame, n, now);
		lease_check(d, now);
	}
	path_dhcp_free(d);
	return 0;
}
