#include "wire/l2cp.h"

/*
 * An E-Line is a cable: all but PAUSE, which means the next hop, goes through. Over an E-LAN go the
 * protocols that speak of the whole network; those between two ends of one cable would find many.
 */
const struct l2cp_row l2cp_rows[L2CP_COUNT] = {
	[L2CP_NONE] = {"", L2CP_TUNNEL, L2CP_TUNNEL},
	[L2CP_BPDU] = {"bpdu", L2CP_TUNNEL, L2CP_TUNNEL},
	[L2CP_PAUSE] = {"pause", L2CP_DISCARD, L2CP_DISCARD},
	[L2CP_LACP] = {"lacp", L2CP_TUNNEL, L2CP_DISCARD},
	[L2CP_LINK_OAM] = {"link-oam", L2CP_TUNNEL, L2CP_DISCARD},
	[L2CP_ESMC] = {"esmc", L2CP_TUNNEL, L2CP_DISCARD},
	[L2CP_DOT1X] = {"dot1x", L2CP_TUNNEL, L2CP_DISCARD},
	[L2CP_ELMI] = {"e-lmi", L2CP_TUNNEL, L2CP_DISCARD},
	[L2CP_LLDP] = {"lldp", L2CP_TUNNEL, L2CP_DISCARD},
	[L2CP_PTP] = {"ptp-peer-delay", L2CP_TUNNEL, L2CP_DISCARD},
	[L2CP_MRP] = {"mrp", L2CP_TUNNEL, L2CP_TUNNEL},
	[L2CP_CFM] = {"cfm", L2CP_TUNNEL, L2CP_TUNNEL},
	[L2CP_PVST] = {"pvst", L2CP_TUNNEL, L2CP_TUNNEL},
	[L2CP_CDP] = {"cdp", L2CP_TUNNEL, L2CP_DISCARD},
	[L2CP_VTP] = {"vtp", L2CP_TUNNEL, L2CP_TUNNEL},
	[L2CP_DTP] = {"dtp", L2CP_TUNNEL, L2CP_DISCARD},
	[L2CP_PAGP] = {"pagp", L2CP_TUNNEL, L2CP_DISCARD},
	[L2CP_UDLD] = {"udld", L2CP_TUNNEL, L2CP_DISCARD},
	[L2CP_OTHER] = {"other", L2CP_TUNNEL, L2CP_DISCARD},
};

const char *const l2cp_action_names[L2CP_ACTION_COUNT] = {"tunnel", "discard", "peer"};
