/* dhcp: one table of options, one layout of the fixed part (RFC 2131 section 2). */
#include "wire/dhcp.h"

#include "base/rd.h"
#include "wire/eth.h"
#include "wire/ip.h"

#include <errno.h>
#include <string.h>

#define IP_LEN 20
#define UDP_LEN 8
#define UDP_PROTOCOL 17
#define SERVER_PORT 67
#define CLIENT_PORT 68
#define BOOTREQUEST 1
#define BOOTREPLY 2
#define HW_ETHERNET 1
#define SNAME_FILE_LEN (64 + 128)
#define COOKIE 0x63825363u

enum {
	OPT_PAD = 0,
	OPT_MASK = 1,
	OPT_ROUTER = 3,
	OPT_HOST_NAME = 12,
	OPT_REQUESTED = 50,
	OPT_LEASE = 51,
	OPT_TYPE = 53,
	OPT_SERVER = 54,
	OPT_PARAMETERS = 55,
	OPT_RENEW = 58,
	OPT_REBIND = 59,
	OPT_CLIENT_ID = 61,
	OPT_END = 255
};

/* The options that are one 32-bit number, read and written alike. */
static const struct {
	uint8_t code;
	uint8_t at; /* offset in struct dhcp_msg */
} numbers[] = {
	{OPT_MASK, offsetof(struct dhcp_msg, mask)},
	{OPT_ROUTER, offsetof(struct dhcp_msg, router)},
	{OPT_REQUESTED, offsetof(struct dhcp_msg, requested)},
	{OPT_LEASE, offsetof(struct dhcp_msg, lease_s)},
	{OPT_SERVER, offsetof(struct dhcp_msg, server)},
	{OPT_RENEW, offsetof(struct dhcp_msg, renew_s)},
	{OPT_REBIND, offsetof(struct dhcp_msg, rebind_s)},
};

static uint32_t *number_at(struct dhcp_msg *m, size_t i)
{
	return (uint32_t *)(void *)((char *)m + numbers[i].at);
}

static int options_read(struct dhcp_msg *m, struct rd *r)
{
	while (rd_left(r)) {
		uint8_t code = rd_u8(r);
		struct rd body;

		if (code == OPT_PAD)
			continue;
		if (code == OPT_END)
			break;
		body = rd_block(r, rd_u8(r));
		if (body.bad)
			return -EBADMSG;
		if (code == OPT_TYPE)
			m->type = rd_u8(&body);
		for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
			if (numbers[i].code == code)
				*number_at(m, i) = rd_u32(&body);
		if (body.bad)
			return -EBADMSG;
	}
	return r->bad || !m->type ? -EBADMSG : 0;
}

/* The body of a whole UDP datagram to a client, r standing at the IP header; else bad. */
static struct rd udp_read(struct rd *r)
{
	static const struct rd none = {.bad = true};
	const uint8_t *ip = r->p;
	size_t ihl = rd_left(r) ? (size_t)(ip[0] & 0x0f) * 4 : 0, total;
	struct rd head = rd_block(r, ihl), udp, body;
	uint64_t pseudo;
	uint16_t sum, len;

	if (head.bad || ihl < IP_LEN || ip[0] >> 4 != 4 || ip_checksum(ip_sum(ip, ihl)))
		return none;
	rd_skip(&head, 2);
	total = rd_u16(&head);
	rd_skip(&head, 2);
	/* No fragment, no other protocol. */
	if (rd_u16(&head) & 0x3fff || ip[9] != UDP_PROTOCOL || total < ihl + UDP_LEN)
		return none;
	udp = rd_block(r, total - ihl);
	body = udp;
	if (rd_u16(&udp) != SERVER_PORT || rd_u16(&udp) != CLIENT_PORT)
		return none;
	len = rd_u16(&udp);
	sum = rd_u16(&udp);
	if (udp.bad || len != total - ihl)
		return none;
	pseudo = ip_pseudo_sum(4, ip + 12, ip + 16, UDP_PROTOCOL, len);
	return sum && ip_checksum(ip_sum(body.p, len) + pseudo) ? none : udp;
}

int dhcp_parse(struct dhcp_msg *m, const uint8_t **from, const uint8_t *frame, size_t len)
{
	struct rd r = rd_init(frame, len);
	struct eth e = eth_read(&r);
	const uint8_t *fixed;
	struct rd b;

	*m = (struct dhcp_msg){0};
	if (r.bad || e.tagged || e.type != ETH_TYPE_IPV4)
		return -EBADMSG;
	b = udp_read(&r);
	fixed = rd_bytes(&b, 4);
	if (!fixed || fixed[0] != BOOTREPLY || fixed[1] != HW_ETHERNET || fixed[2] != ETH_ADDR_LEN)
		return -EBADMSG;
	m->xid = rd_u32(&b);
	m->secs = rd_u16(&b);
	rd_skip(&b, 2);
	m->ciaddr = rd_u32(&b);
	m->yiaddr = rd_u32(&b);
	rd_skip(&b, 8);
	rd_copy(&b, m->chaddr, sizeof(m->chaddr));
	rd_skip(&b, 10 + SNAME_FILE_LEN);
	if (rd_u32(&b) != COOKIE)
		return -EBADMSG;
	*from = e.src;
	return options_read(m, &b);
}

static void options_write(struct wr *w, struct dhcp_msg *m)
{
	static const uint8_t wanted[] = {OPT_MASK, OPT_ROUTER, OPT_LEASE, OPT_RENEW, OPT_REBIND};
	size_t name = m->host_name ? strnlen(m->host_name, DHCP_NAME_MAX) : 0;

	wr_u8(w, OPT_TYPE);
	wr_u8(w, 1);
	wr_u8(w, m->type);
	wr_u8(w, OPT_CLIENT_ID);
	wr_u8(w, 1 + ETH_ADDR_LEN);
	wr_u8(w, HW_ETHERNET);
	wr_bytes(w, m->chaddr, ETH_ADDR_LEN);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		uint32_t v = *number_at(m, i);

		if (!v)
			continue;
		wr_u8(w, numbers[i].code);
		wr_u8(w, 4);
		wr_u32(w, v);
	}
	if (name) {
		wr_u8(w, OPT_HOST_NAME);
		wr_u8(w, (uint8_t)name);
		wr_bytes(w, m->host_name, name);
	}
	if (m->type == DHCP_DISCOVER || m->type == DHCP_REQUEST) {
		wr_u8(w, OPT_PARAMETERS);
		wr_u8(w, sizeof(wanted));
		wr_bytes(w, wanted, sizeof(wanted));
	}
	wr_u8(w, OPT_END);
}

static void message_write(struct wr *w, struct dhcp_msg *m)
{
	size_t start = wr_len(w), len;

	wr_u8(w, BOOTREQUEST);
	wr_u8(w, HW_ETHERNET);
	wr_u8(w, ETH_ADDR_LEN);
	wr_u8(w, 0);
	wr_u32(w, m->xid);
	wr_u16(w, m->secs);
	wr_u16(w, 0); /* a raw socket takes unicast replies: no need of the broadcast flag */
	wr_u32(w, m->ciaddr);
	wr_zero(w, 12);
	wr_bytes(w, m->chaddr, ETH_ADDR_LEN);
	wr_zero(w, 10 + SNAME_FILE_LEN);
	wr_u32(w, COOKIE);
	options_write(w, m);
	len = wr_len(w) - start;
	if (len < DHCP_MESSAGE_MIN)
		wr_zero(w, DHCP_MESSAGE_MIN - len);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* The headers in front of the message; lengths and checksums come when it is there. */
static void heads_write(struct wr *w, const struct dhcp_msg *m, const uint8_t *to)
{
	static const uint8_t everybody[ETH_ADDR_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	wr_bytes(w, to ? to : everybody, ETH_ADDR_LEN);
	wr_bytes(w, m->chaddr, ETH_ADDR_LEN);
	wr_u16(w, ETH_TYPE_IPV4);
	wr_u16(w, 0x4500);
	wr_zero(w, 6);
	wr_u8(w, 64);
	wr_u8(w, UDP_PROTOCOL);
	wr_u16(w, 0);
	wr_u32(w, m->ciaddr);
	wr_u32(w, to ? m->server : UINT32_MAX);
	wr_u16(w, CLIENT_PORT);
	wr_u16(w, SERVER_PORT);
	wr_u32(w, 0);
}

void dhcp_build(const struct dhcp_msg *m, const uint8_t *to, struct wr *w)
{
	struct dhcp_msg told = *m;
	uint8_t *ip = w->p + ETH_HEAD_LEN, *udp = ip + IP_LEN;
	size_t start = wr_len(w);
	uint16_t len, sum;

	heads_write(w, m, to);
	if (to)
		told.server = 0; /* a renewal names no server (RFC 2131 4.3.2) */
	message_write(w, &told);
	if (w->bad)
		return;
	len = (uint16_t)(wr_len(w) - start - ETH_HEAD_LEN);
	put16(ip + 2, len);
	sum = ip_checksum(ip_sum(ip, IP_LEN));
	memcpy(ip + 10, &sum, sizeof(sum));
	len = (uint16_t)(len - IP_LEN);
	put16(udp + 4, len);
	sum = ip_checksum(ip_sum(udp, len) + ip_pseudo_sum(4, ip + 12, ip + 16, UDP_PROTOCOL, len));
	memcpy(udp + 6, &sum, sizeof(sum));
}
