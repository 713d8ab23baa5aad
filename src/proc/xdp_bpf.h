/*
 * What a wan interface's XDP program and the parent share: which frames of which tags forward takes
 * by AF_XDP. Compiled for both.
 */
#pragma once

#include "proc/guard_bpf.h"

enum xdp_take {
	XDP_TAKE_MACSEC = 1 << 0,
	XDP_TAKE_OTHERS = 1 << 1, /* MACsec to any address: hosts behind a bridge of ours */
	XDP_TAKE_ESP = 1 << 2,    /* ESP, and ESP in UDP */
};

struct xdp_rule {
	struct guard_tags tags;
	__u32 take; /* enum xdp_take */
};
