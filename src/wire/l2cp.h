/*
 * l2cp: layer-2 control protocols, and what a bridge of frames does with each (IEEE 802.1Q-2018
 * 8.6.3 and tables 8-1 to 8-3, MEF 45.1; Cisco's by their SNAP identifiers). Pure codec, no
 * state; the classification is inline and plain, since the kernel's guard is compiled with it.
 */
#pragma once

enum l2cp {
	L2CP_NONE, /* a service frame */
	L2CP_BPDU, /* STP, RSTP, MSTP; 01:80:c2:00:00:00, provider bridges' :08 */
	L2CP_PAUSE,
	L2CP_LACP, /* and the marker protocol */
	L2CP_LINK_OAM,
	L2CP_ESMC,
	L2CP_DOT1X,
	L2CP_ELMI,
	L2CP_LLDP,
	L2CP_PTP, /* peer delay, link-local */
	L2CP_MRP, /* MVRP, MMRP, GVRP, GMRP: 01:80:c2:00:00:20-2f */
	L2CP_CFM,
	L2CP_PVST,
	L2CP_CDP,
	L2CP_VTP,
	L2CP_DTP,
	L2CP_PAGP,
	L2CP_UDLD,
	L2CP_OTHER, /* what else is for 01:80:c2:00:00:00-0f or 01:00:0c:cc:cc:cc */
	L2CP_COUNT
};

enum l2cp_action {
	L2CP_TUNNEL,  /* carried like any frame */
	L2CP_DISCARD, /* dropped */
	L2CP_PEER,    /* left to this node's own kernel, not carried */
	L2CP_ACTION_COUNT
};

#define L2CP_HEAD 26 /* octets of a frame that tell, zero where the frame is shorter */

struct l2cp_row {
	const char *name;           /* the file's word */
	enum l2cp_action line, lan; /* without a word in the file, by the service's topology */
};

extern const struct l2cp_row l2cp_rows[L2CP_COUNT];
extern const char *const l2cp_action_names[L2CP_ACTION_COUNT];

/* Addresses that bridges of a carrier consume: 01:80:c2:00:00:00-0f. */
static inline int l2cp_reserved(const unsigned char *dst)
{
	return dst[0] == 0x01 && dst[1] == 0x80 && dst[2] == 0xc2 && !dst[3] && !dst[4] &&
	       dst[5] < 0x10;
}

static inline unsigned l2cp_u16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* body: behind the two addresses and a tag: EtherType or length, then LLC and SNAP. */
static inline enum l2cp l2cp_cisco(const unsigned char *body)
{
	if (l2cp_u16(body + 2) != 0xaaaa || body[4] != 3 || body[5] || body[6] || body[7] != 0x0c)
		return L2CP_OTHER;
	switch (l2cp_u16(body + 8)) {
	case 0x2000:
		return L2CP_CDP;
	case 0x2003:
		return L2CP_VTP;
	case 0x2004:
		return L2CP_DTP;
	case 0x0104:
		return L2CP_PAGP;
	case 0x0111:
		return L2CP_UDLD;
	}
	return L2CP_OTHER;
}

static inline enum l2cp l2cp_slow(unsigned char subtype)
{
	switch (subtype) {
	case 1:
	case 2:
		return L2CP_LACP;
	case 3:
		return L2CP_LINK_OAM;
	case 10:
		return L2CP_ESMC;
	}
	return L2CP_OTHER;
}

#define L2CP_BODY 10 /* octets from the EtherType or length on that tell */

/* Which protocol a frame is of, by its destination and what stands behind the tag. */
static inline enum l2cp l2cp_is(const unsigned char head[6], const unsigned char body[L2CP_BODY])
{
	unsigned type = l2cp_u16(body);

	if (!(head[0] & 1))
		return L2CP_NONE;
	if (type == 0x8902)
		return L2CP_CFM;
	if (head[0] == 0x01 && !head[1] && head[2] == 0x0c && head[3] == 0xcc && head[4] == 0xcc) {
		if (head[5] == 0xcd)
			return L2CP_PVST;
		return head[5] == 0xcc ? l2cp_cisco(body) : L2CP_NONE;
	}
	if (head[0] != 0x01 || head[1] != 0x80 || head[2] != 0xc2 || head[3] || head[4])
		return L2CP_NONE;
	if ((head[5] & 0xf0) == 0x20)
		return L2CP_MRP;
	if (head[5] > 0x0f)
		return L2CP_NONE;
	switch (type) {
	case 0x8808:
		return L2CP_PAUSE;
	case 0x8809:
		return l2cp_slow(body[2]);
	case 0x888e:
		return L2CP_DOT1X;
	case 0x88ee:
		return L2CP_ELMI;
	case 0x88cc:
		return L2CP_LLDP;
	case 0x88f7:
		return L2CP_PTP;
	}
	if (type <= 1500 && l2cp_u16(body + 2) == 0x4242 && (head[5] == 0x00 || head[5] == 0x08))
		return L2CP_BPDU;
	return L2CP_OTHER;
}

/* The same by a frame's first octets. One C-tag is looked behind. */
static inline enum l2cp l2cp_of(const unsigned char head[L2CP_HEAD])
{
	return l2cp_is(head, head + (l2cp_u16(head + 12) == 0x8100 ? 16 : 12));
}
