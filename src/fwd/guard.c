/*
 * guard: the last stage before a port. tc's guards do not see what leaves by AF_XDP or past the
 * queueing discipline, so forward checks its own frames, as bytes and without trusting how they
 * were made: out of a wan port goes encrypted MACsec, or ESP where tunnels run over the port, with
 * the AEAD's mark and nothing else (or unencrypted MACsec with the same mark, where the file opens
 * that port to it; or, where it says should-secure, an overlay's own frames as long as no key is in
 * use; or what a bypass rule is for); into an overlay only what the AEAD verified (or what an
 * overlay's own validate, should-secure or bypass rule lets through), and ICMP that the worker itself
 * has to say; into a lan what the AEAD verified (or validate or a bypass rule lets through) and what
 * came from another lan of the same bridge.
 */
#include "fwd/path.h"
#include "wire/eth.h"
#include "wire/ip.h"
#include "wire/macsec.h"

static inline bool may_leave(const struct fwd_port *wan, const struct pkt *p)
{
	const uint8_t sealed = MACSEC_TCI_E | MACSEC_TCI_C;
	const uint32_t at = ETH_ADDRS_LEN + wan->tag_len;
	const uint8_t *tag = p->data + at;
	uint32_t tag_len;
	uint8_t how;

	if (p->len < at + MACSEC_TAG_LEN)
		return false;
	tag_len = tag[2] & MACSEC_TCI_SC ? MACSEC_TAG_SCI_LEN : MACSEC_TAG_LEN;
	how = tag[2] & (sealed | MACSEC_TCI_VERSION);
	return p->len > at + tag_len + MACSEC_ICV_LEN && tag[0] == ETH_TYPE_MACSEC >> 8 &&
	       tag[1] == (ETH_TYPE_MACSEC & 0xff) &&
	       (how == sealed || (how == 0 && wan->integrity)) &&
	       (!wan->tag_len || fwd_tags_own(wan, p->data + ETH_ADDRS_LEN));
}

/* The usual frame of MACsec: encrypted, behind no tags, and longer than any SecTAG and ICV. */
static inline bool may_leave_macsec(const struct pkt *p)
{
	static const uint8_t of[4] = {0xff, 0xff, MACSEC_TCI_E | MACSEC_TCI_C | MACSEC_TCI_VERSION};
	static const uint8_t like[4] = {ETH_TYPE_MACSEC >> 8, ETH_TYPE_MACSEC & 0xff,
					MACSEC_TCI_E | MACSEC_TCI_C};
	uint32_t tag, mask, usual;

	if (p->len <= ETH_ADDRS_LEN + MACSEC_TAG_SCI_LEN + MACSEC_ICV_LEN)
		return false;
	memcpy(&tag, p->data + ETH_ADDRS_LEN, sizeof(tag));
	memcpy(&mask, of, sizeof(mask));
	memcpy(&usual, like, sizeof(usual));
	return (tag & mask) == usual;
}

/* What an outer header says of the packet. False: it is not one that a tunnel makes. */
static bool outer_read(struct rd *r, uint16_t type, uint8_t *protocol)
{
	size_t all = rd_left(r);
	uint8_t first = rd_u8(r);
	uint16_t len, frag;

	if (type == ETH_TYPE_IPV6 && first >> 4 == 6) {
		rd_skip(r, 3);
		len = rd_u16(r);
		*protocol = rd_u8(r);
		rd_skip(r, 33);
		return len == all - IP6_HEAD_LEN;
	}
	rd_skip(r, 1);
	len = rd_u16(r);
	rd_skip(r, 2);
	frag = rd_u16(r);
	rd_skip(r, 1);
	*protocol = rd_u8(r);
	rd_skip(r, (first & 15u) * 4u - 10u);
	return type == ETH_TYPE_IPV4 && first >> 4 == 4 && (first & 15) >= 5 && len == all &&
	       !(frag & 0x3fff);
}

/* The usual outer packet: IPv4 without options, not in pieces, behind no tags. */
static inline bool may_leave_ip4(const struct pkt *p)
{
	const uint32_t least = ETH_HEAD_LEN + IP4_HEAD_LEN + ESP_HEAD_LEN + AEAD_TAG_LEN;
	const uint8_t *h = p->data + ETH_HEAD_LEN, *esp = h + IP4_HEAD_LEN;
	uint32_t type_head, spi;
	uint16_t len, frag;

	if (p->len <= least + UDP_HEAD_LEN)
		return false;
	memcpy(&type_head, h - 2, sizeof(type_head));
	memcpy(&len, h + 2, sizeof(len));
	memcpy(&frag, h + 6, sizeof(frag));
	if ((type_head & htobe32(0xffffff00)) != htobe32(ETH_TYPE_IPV4 << 16 | 0x4500) ||
	    be16toh(len) != p->len - ETH_HEAD_LEN || frag & htobe16(0x3fff))
		return false;
	if (h[9] == IP_UDP)
		esp += UDP_HEAD_LEN;
	else if (h[9] != IP_ESP)
		return false;
	memcpy(&spi, esp, sizeof(spi));
	return be32toh(spi) >= ESP_SPI_MIN;
}

/* ESP, or ESP in UDP: an SPI that is none of the reserved ones, and something behind it. In
 * transport mode over IPv6, extension headers may come first. */
static bool may_leave_ip(const struct fwd_port *wan, const struct pkt *p)
{
	struct rd r = rd_init(p->data, p->len);
	uint16_t type = fwd_type_behind_tags(wan, &r);
	uint8_t protocol = 0;

	if (r.bad || !outer_read(&r, type, &protocol))
		return false;
	while (!r.bad && (protocol == IP_HOP_BY_HOP || protocol == IP_ROUTING ||
			  protocol == IP_DST_OPTIONS)) {
		protocol = rd_u8(&r);
		rd_skip(&r, rd_u8(&r) * 8u + 6u);
	}
	if (protocol == IP_UDP)
		rd_skip(&r, UDP_HEAD_LEN);
	else if (protocol != IP_ESP)
		return false;
	return rd_u32(&r) >= ESP_SPI_MIN && rd_left(&r) > 4 + AEAD_TAG_LEN;
}

/* In clear: the port is open to it, there is no key to use, and it is neither another network's
 * frame (with a tag of its own it would be) nor one that looks like MACsec or keying. */
static bool may_leave_clear(const struct fwd_port *wan, const struct pkt *p)
{
	struct rd r = rd_init(p->data, p->len);
	uint16_t type = fwd_type_behind_tags(wan, &r);

	return wan->clear && wan->secy && wan->secy->config.should_secure &&
	       !wan->secy->tx_current && !r.bad && type && type != ETH_TYPE_MACSEC &&
	       type != ETH_TYPE_EAPOL && type != wan->eapol_type && type != ETH_TYPE_CTAG &&
	       type != ETH_TYPE_STAG;
}

static bool shape_right(const struct fwd_port *wan, const struct pkt *p)
{
	return may_leave(wan, p) || (wan->tunnels && may_leave_ip(wan, p));
}

static void port_send(struct fwd *f, struct fwd_port *to, struct pkt *v, unsigned n,
		      enum fwd_fate fate)
{
	unsigned sent = n ? to->port->ops->tx(to->port, v, n) : 0;

	f->fates[fate] += sent;
	f->fates[FATE_DROP_PORT] += n - sent;
}

void guard_wan(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n)
{
	const bool plain = !wan->tag_len, ip4 = plain && wan->tunnels;
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!(v[i].mark & PKT_SEALED))
			fwd_drop(f, &v[i], FATE_GUARD_UNSEALED);
		else if (!(ip4 && may_leave_ip4(&v[i])) && !(plain && may_leave_macsec(&v[i])) &&
			 !shape_right(wan, &v[i]))
			fwd_drop(f, &v[i], FATE_GUARD_MALFORMED);
		else
			pkt_keep(v, k++, i);
	}
	port_send(f, wan, v, k, FATE_SENT_WAN);
}

void guard_unsecured(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n)
{
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!(v[i].mark & PKT_CLEAR))
			fwd_drop(f, &v[i], FATE_GUARD_UNSEALED);
		else if (!may_leave_clear(wan, &v[i]))
			fwd_drop(f, &v[i], FATE_GUARD_MALFORMED);
		else
			pkt_keep(v, k++, i);
	}
	if (wan->secy)
		wan->secy->counters.v[OUT_PKTS_UNTAGGED] += k;
	port_send(f, wan, v, k, FATE_SENT_CLEAR);
}

void guard_overlay(struct fwd *f, struct fwd_port *overlay, struct pkt *v, unsigned n)
{
	const struct secy *y = overlay->secy;
	const unsigned may = PKT_OPENED | PKT_OWN | PKT_BYPASSED |
			     (y && y->config.validate != MACSEC_STRICT ? PKT_UNVERIFIED : 0) |
			     (y && y->takes_clear ? PKT_CLEAR : 0);
	unsigned k = 0;

	while (k < n && v[k].mark & may)
		k++;
	for (unsigned i = k; i < n; i++) {
		if (v[i].mark & may)
			pkt_keep(v, k++, i);
		else
			fwd_drop(f, &v[i], FATE_GUARD_UNOPENED);
	}
	port_send(f, overlay, v, k, FATE_SENT_OVERLAY);
}

void guard_lan(struct fwd *f, struct fwd_port *lan, struct pkt *v, unsigned n)
{
	bool unverified = lan->secy && lan->secy->config.validate != MACSEC_STRICT;
	unsigned k = 0;
	enum fwd_fate fate = n && v[0].mark & PKT_LOCAL ? FATE_SENT_LOCAL : FATE_SENT_LAN;

	for (unsigned i = 0; i < n; i++) {
		if (v[i].mark & (PKT_OPENED | PKT_LOCAL | PKT_BYPASSED) ||
		    (unverified && v[i].mark & PKT_UNVERIFIED))
			pkt_keep(v, k++, i);
		else
			fwd_drop(f, &v[i], FATE_GUARD_LAN);
	}
	port_send(f, lan, v, k, fate);
}

void guard_clear(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n)
{
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++)
		if (v[i].mark & PKT_BYPASSED && rules_clear(wan, &v[i]))
			pkt_keep(v, k++, i);
		else
			fwd_drop(f, &v[i], FATE_GUARD_CLEAR);
	port_send(f, wan, v, k, FATE_SENT_BYPASS);
}
