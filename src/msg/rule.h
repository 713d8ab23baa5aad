/*
 * rule: what a macsec overlay does with a kind of frame: protect it, let it pass in clear, or drop
 * it. The first rule that matches decides; where none does, the frame is protected.
 *
 * A frame is the one that hosts see: what stands around it on the wan, a tag of the port's, does
 * not count. Plain types and inline, since the kernel's guard is compiled with it.
 */
#pragma once

#define RULES_MAX 16 /* of one overlay */

enum rule_action { RULE_PROTECT, RULE_BYPASS, RULE_DROP, RULE_ACTION_COUNT };

struct rule {
	unsigned char action; /* enum rule_action */
	unsigned char tagged; /* vlan counts */
	unsigned short vlan;  /* of the outermost tag, 0: untagged or priority-tagged */
	unsigned short type;  /* EtherType behind that tag; 0: any */
	unsigned char dst[6], mask[6];
};

static inline int rule_matches(const struct rule *r, const unsigned char dst[6],
			       unsigned short vlan, unsigned short type)
{
	for (int i = 0; i < 6; i++)
		if ((dst[i] ^ r->dst[i]) & r->mask[i])
			return 0;
	return (!r->tagged || r->vlan == vlan) && (!r->type || r->type == type);
}
