/* view: the carrier's own count of what crosses its ports. See view.h. */
#include "lab/view.h"

#include <string.h>

const char *const view_class_name[VIEW_CLASS_COUNT] = {
	"macsec", "eapol", "esp",  "ike",    "arp-nd", "dhcp",    "bgp",
	"lldp",   "ssh",   "ping", "bypass", "clear",  "neither",
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

size_t view_tags(const uint8_t *frame, size_t len, struct view_tags *tags)
{
	uint16_t first = len < 18 ? 0 : be16(frame + 12);

	*tags = (struct view_tags){0};
	if (first != 0x8100 && first != 0x88a8)
		return 0;
	if (len >= 22 && be16(frame + 16) == 0x8100) {
		tags->outer_type = first;
		tags->outer_vlan = be16(frame + 14) & 0x0fff;
		tags->vlan = be16(frame + 18) & 0x0fff;
		return 8;
	}
	if (first == 0x88a8) {
		tags->outer_type = first;
		return 0;
	}
	tags->vlan = be16(frame + 14) & 0x0fff;
	return 4;
}

bool view_tags_same(const struct view_tags *a, const struct view_tags *b)
{
	return a->vlan == b->vlan && a->outer_vlan == b->outer_vlan &&
	       a->outer_type == b->outer_type;
}

/* p: the EtherType 0x88e5 and what follows it. */
static bool macsec_is_sealed(const uint8_t *p, size_t len)
{
	size_t tag = 8, body;
	uint8_t tci, sl;

	if (len < tag)
		return false;
	tci = p[2];
	sl = p[3];
	if (tci & 0x80) /* version */
		return false;
	if ((tci & 0x0c) != 0x0c) /* E and C: encrypted and changed */
		return false;
	if ((tci & 0x20) && (tci & 0x50)) /* SC excludes ES and SCB */
		return false;
	if (tci & 0x20)
		tag += 8;
	if (len < tag + 16 + 1) /* ICV and at least one byte of secure data */
		return false;
	if (!(p[4] | p[5] | p[6] | p[7]))
		return false; /* packet number 0 is never sent by GCM-AES-128/256; XPN's low half
				 is 0 once in 2^32 frames, which no lab run reaches */
	if (sl > 47)
		return false;
	body = len - tag - 16;
	return sl ? body >= sl : body >= 48;
}

/* p: the byte after the EtherType of EAPOL. */
static bool eapol_is_mka(const uint8_t *p, size_t len)
{
	return len >= 4 && p[0] >= 1 && p[0] <= 4 && p[1] == 5 && be16(p + 2) + 4u <= len;
}

/* p: from the SPI on. An IV of 8 and an ICV of 16 bytes are the least that any suite of ours has. */
static enum view_class esp_class(const uint8_t *p, size_t len)
{
	bool reserved = len >= 4 && !p[0] && !p[1] && !p[2];

	return len >= 8 + 8 + 4 + 16 && !reserved && len % 4 == 0 ? VIEW_ESP : VIEW_NEITHER;
}

/* p: from the UDP header on. */
static enum view_class udp_class(const uint8_t *p, size_t len)
{
	uint16_t from = be16(p), to = be16(p + 2);
	const uint8_t *body = p + 8;

	if (to == 67 || to == 68 || to == 546 || to == 547)
		return VIEW_DHCP;
	if (len < 8)
		return VIEW_NEITHER;
	len -= 8;
	if (from == 4500 || to == 4500) {
		if (len == 1 && body[0] == 0xff)
			return VIEW_IKE;
		if (len < 4 || body[0] | body[1] | body[2] | body[3])
			return esp_class(body, len);
		return len >= 4 + 28 ? VIEW_IKE : VIEW_NEITHER;
	}
	return (from == 500 || to == 500) && len >= 28 ? VIEW_IKE : VIEW_NEITHER;
}

static enum view_class ip_class(uint8_t protocol, const uint8_t *p, size_t len, bool v6)
{
	uint16_t from, to;

	if (protocol == 1 && !v6)
		return len >= 1 && (p[0] == 8 || p[0] == 0) ? VIEW_PING : VIEW_NEITHER;
	if (protocol == 58 && v6 && len >= 1) {
		if (p[0] == 128 || p[0] == 129)
			return VIEW_PING;
		return p[0] == 135 || p[0] == 136 ? VIEW_ARP_ND : VIEW_NEITHER;
	}
	if (protocol == 50)
		return esp_class(p, len);
	if (len < 4)
		return VIEW_NEITHER;
	from = be16(p);
	to = be16(p + 2);
	if (protocol == 6 && (from == 179 || to == 179))
		return VIEW_BGP;
	if (protocol == 6 && (from == 22 || to == 22))
		return VIEW_SSH;
	return protocol == 17 ? udp_class(p, len) : VIEW_NEITHER;
}

static enum view_class clear_class(uint16_t type, const uint8_t *p, size_t len)
{
	size_t ihl;

	switch (type) {
	case 0x0806:
		return VIEW_ARP_ND;
	case 0x88cc:
		return VIEW_LLDP;
	case 0x0800:
		ihl = len ? (size_t)(p[0] & 0x0f) * 4 : 0;
		if (ihl < 20 || len < ihl || (be16(p + 6) & 0x3fff))
			return VIEW_NEITHER;
		return ip_class(p[9], p + ihl, len - ihl, false);
	case 0x86dd:
		return len < 40 ? VIEW_NEITHER : ip_class(p[6], p + 40, len - 40, true);
	default:
		return VIEW_NEITHER;
	}
}

/* In clear by a rule of the overlay: what stands behind the port's tags is the hosts' frame. */
static bool is_exception(const struct view_rule *rule, const uint8_t *frame, size_t len)
{
	uint16_t vlan = 0, type;
	size_t at = 12;

	if (rule->tags.outer_type) {
		if (len < at + 6 || be16(frame + at) != rule->tags.outer_type ||
		    (be16(frame + at + 2) & 0xfff) != rule->tags.outer_vlan)
			return false;
		at += 4;
	}
	if (rule->tags.vlan) {
		if (len < at + 6 || be16(frame + at) != 0x8100 ||
		    (be16(frame + at + 2) & 0xfff) != rule->tags.vlan)
			return false;
		at += 4;
	}
	if (len < at + 6)
		return false;
	type = be16(frame + at);
	if (type == 0x8100 || type == 0x88a8) {
		vlan = be16(frame + at + 2) & 0xfff;
		type = be16(frame + at + 4);
	}
	for (unsigned i = 0; type != 0x88e5 && i < rule->exception_count; i++) {
		const struct view_exception *e = &rule->exception[i];
		bool match = (!e->tagged || e->vlan == vlan) && (!e->type || e->type == type);

		for (unsigned k = 0; k < 6; k++)
			match = match && !((frame[k] ^ e->dst[k]) & e->mask[k]);
		if (match)
			return e->clear;
	}
	return false;
}

enum view_class view_classify(const struct view_rule *rule, const uint8_t *frame, size_t len)
{
	struct view_tags tags;
	enum view_class c;
	uint16_t type;
	size_t at = 12 + view_tags(frame, len, &tags);

	if (is_exception(rule, frame, len))
		return VIEW_BYPASS;
	if (len < 14 || !view_tags_same(&tags, &rule->tags))
		return VIEW_NEITHER;
	if (len < at + 2)
		return VIEW_NEITHER;
	type = be16(frame + at);
	if (type == 0x88e5)
		return macsec_is_sealed(frame + at, len - at) ? VIEW_MACSEC : VIEW_NEITHER;
	at += 2;
	for (unsigned i = 0; i < VIEW_EAPOL_TYPES; i++) {
		if (rule->eapol[i] && rule->eapol[i] == type)
			return eapol_is_mka(frame + at, len - at) ? VIEW_EAPOL : VIEW_NEITHER;
	}
	c = clear_class(type, frame + at, len - at);
	if (rule->allow & 1u << c)
		return c;
	return rule->allow & 1u << VIEW_CLEAR && type != 0x888e && type != 0x8100 && type != 0x88a8
		       ? VIEW_CLEAR
		       : VIEW_NEITHER;
}

enum view_class view_count(struct view *v, const struct view_rule *rule, const uint8_t *frame,
			   size_t len)
{
	enum view_class c = view_classify(rule, frame, len);
	struct view_tags tags;
	size_t n = view_tags(frame, len, &tags);

	v->frames++;
	v->bytes += len;
	if (n) {
		v->tagged++;
		v->pcp[frame[n == 8 ? 18 : 14] >> 5]++;
	}
	if (n == 8) {
		v->twice++;
		v->outer_pcp[frame[14] >> 5]++;
	}
	v->by_class[c]++;
	if (c == VIEW_NEITHER && v->kept_count < VIEW_KEPT) {
		struct view_kept *k = &v->kept[v->kept_count++];

		k->len = (uint32_t)len;
		memcpy(k->b, frame, len < VIEW_KEPT_BYTES ? len : VIEW_KEPT_BYTES);
	}
	return c;
}
