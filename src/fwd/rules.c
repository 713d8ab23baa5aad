/*
 * rules: the file's exceptions to "every frame is protected": a kind of frame passes in clear, or
 * not at all. What passes in clear is marked here and nowhere else, goes to the overlay of its own
 * port only, and is learned nothing from. A port without rules costs a frame one comparison.
 */
#include "fwd/path.h"
#include "wire/bframe.h"
#include "wire/eth.h"
#include "wire/macsec.h"

#include <string.h>

/*
 * Reads a frame as hosts see it, behind the port's tags where there are any (tags not NULL). False:
 * they are not there, or the frame is too short.
 */
static bool read_inner(const struct pkt *p, const struct fwd_port *tags, uint16_t *vlan,
		       uint16_t *type)
{
	struct rd r = rd_init(p->data, p->len);

	if (tags) {
		*type = fwd_type_behind_tags(tags, &r);
		if (!*type)
			return false;
	} else {
		rd_skip(&r, ETH_ADDRS_LEN);
		*type = rd_u16(&r);
	}
	*vlan = 0;
	if (*type == ETH_TYPE_CTAG || *type == ETH_TYPE_STAG) {
		*vlan = rd_u16(&r) & ETH_VID_MASK;
		*type = rd_u16(&r);
	}
	return !r.bad;
}

static enum rule_action action_of(const struct fwd_port *wan, const struct pkt *p,
				  const struct fwd_port *tags)
{
	uint16_t vlan, type;

	/* Ciphertext is nobody's exception, nor is what bridges say to each other. */
	if (!read_inner(p, tags, &vlan, &type) || type == ETH_TYPE_MACSEC ||
	    memcmp(p->data, bframe_group, ETH_ADDR_LEN) == 0)
		return RULE_PROTECT;
	for (unsigned i = 0; i < wan->rules.count; i++)
		if (rule_matches(&wan->rules.v[i], p->data, vlan, type))
			return wan->rules.v[i].action;
	return RULE_PROTECT;
}

enum rule_action rules_of(const struct fwd_port *wan, const struct pkt *p)
{
	return action_of(wan, p, NULL);
}

bool rules_clear(const struct fwd_port *wan, const struct pkt *p)
{
	return wan->bypasses && action_of(wan, p, wan) == RULE_BYPASS;
}

/* Sends a frame in clear, behind the port's tags. */
static void bypass(struct fwd *f, struct fwd_port *wan, struct pkt *p)
{
	if (wan->frame_max && p->len > wan->frame_max) {
		fwd_drop(f, p, FATE_DROP_TOO_LONG);
		return;
	}
	if (pkt_headroom(p) < wan->tag_len) {
		fwd_drop(f, p, FATE_DROP_NO_ROOM);
		return;
	}
	if (wan->tag_len)
		tags_push(wan, p, eth_priority(p->data, p->len));
	p->mark = PKT_BYPASSED;
	guard_clear(f, wan, p, 1);
}

unsigned rules_out(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n)
{
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		switch (rules_of(wan, &v[i])) {
		case RULE_BYPASS:
			bypass(f, wan, &v[i]);
			break;
		case RULE_DROP:
			fwd_drop(f, &v[i], FATE_DROP_RULE);
			break;
		default:
			pkt_keep(v, k++, i);
		}
	}
	return k;
}

bool rules_in(const struct fwd_port *wan, struct pkt *p)
{
	uint8_t addrs[ETH_ADDRS_LEN];

	if (!rules_clear(wan, p))
		return false;
	if (wan->tag_len) {
		memcpy(addrs, p->data, sizeof(addrs));
		memcpy(p->data + wan->tag_len, addrs, sizeof(addrs));
		p->data += wan->tag_len;
		p->len -= wan->tag_len;
	}
	p->mark = PKT_BYPASSED;
	return true;
}
