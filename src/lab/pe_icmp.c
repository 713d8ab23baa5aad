/* pe_icmp: what a PE says of packets, and to those who ask it. See provider.h. */
#include "lab/pe.h"

#include <string.h>

#define QUOTED4                                                                                    \
	128 /* bytes of the packet that an IPv4 error quotes; RFC 1812 4.3.2.3 allows more */
#define QUOTED6 1000

/* Sends a packet of the PE back to where pk came from. */
static void answer(struct provider *pr, const struct pe_packet *pk, uint8_t *ip, size_t len)
{
	struct pe_packet out = {
		.p = ip, .len = len, .family = pk->family, .in = pk->in, .now = pk->now};
	uint8_t next[16] = {0};

	memcpy(next, pe_target(&out), pe_addr_len(pk->family));
	pr->stats.icmp_sent++;
	pe_transmit(pr, pk->in, &out, next);
}

static void ip4_head(struct provider *pr, uint8_t *ip, size_t len, const uint8_t *from,
		     const uint8_t *to)
{
	memset(ip, 0, PE_IP4);
	ip[0] = 0x45;
	pe_put16(ip + 2, (unsigned)len);
	pe_put16(ip + 4, ++pr->ip_id);
	ip[8] = 64;
	ip[9] = PE_ICMP;
	memcpy(ip + 12, from, 4);
	memcpy(ip + 16, to, 4);
	pe_put16(ip + 10, pe_checksum(ip, PE_IP4, 0));
}

static void error4(struct provider *pr, const struct pe_packet *pk, enum pe_error what,
		   uint16_t mtu, const uint8_t *from)
{
	static const uint8_t type[] = {3, 3, 11}, code[] = {0, 4, 0};
	size_t ihl = (size_t)(pk->p[0] & 0x0f) * 4, n = pk->len < QUOTED4 ? pk->len : QUOTED4;
	uint8_t b[PE_IP4 + 8 + QUOTED4] = {0}, *icmp = b + PE_IP4;

	/* Never about an error, a later fragment or nobody's packet (RFC 1122 3.2.2). */
	if (pe_get16(pk->p + 6) & 0x1fff || !pe_get32(pk->p + 12))
		return;
	if (pk->p[9] == PE_ICMP && pk->len > ihl && pk->p[ihl] != 8 && pk->p[ihl] != 0)
		return;
	icmp[0] = type[what];
	icmp[1] = code[what];
	pe_put16(icmp + 6, what == PE_TOO_BIG ? mtu : 0);
	memcpy(icmp + 8, pk->p, n);
	pe_put16(icmp + 2, pe_checksum(icmp, 8 + n, 0));
	ip4_head(pr, b, PE_IP4 + 8 + n, from, pk->p + 12);
	answer(pr, pk, b, PE_IP4 + 8 + n);
}

static void ip6_head(uint8_t *ip, size_t body, const uint8_t *from, const uint8_t *to)
{
	memset(ip, 0, PE_IP6);
	ip[0] = 0x60;
	pe_put16(ip + 4, (unsigned)body);
	ip[6] = PE_ICMP6;
	ip[7] = 64;
	memcpy(ip + 8, from, 16);
	memcpy(ip + 24, to, 16);
}

static void error6(struct provider *pr, const struct pe_packet *pk, enum pe_error what,
		   uint16_t mtu, const uint8_t *from)
{
	static const uint8_t type[] = {1, 2, 3};
	size_t n = pk->len < QUOTED6 ? pk->len : QUOTED6;
	uint8_t b[PE_IP6 + 8 + QUOTED6] = {0}, *icmp = b + PE_IP6;

	if (pk->p[6] == PE_ICMP6 && pk->len > PE_IP6 && pk->p[PE_IP6] < 128)
		return;
	icmp[0] = type[what];
	pe_put32(icmp + 4, what == PE_TOO_BIG ? mtu : 0);
	memcpy(icmp + 8, pk->p, n);
	ip6_head(b, 8 + n, from, pk->p + 8);
	pe_put16(icmp + 2, pe_checksum(icmp, 8 + n, pe_pseudo6(b, (uint32_t)(8 + n), PE_ICMP6)));
	answer(pr, pk, b, PE_IP6 + 8 + n);
}

void pe_error(struct provider *pr, const struct pe_packet *pk, enum pe_error what, uint16_t mtu)
{
	const uint8_t *from = pe_own(pk->in, pk->family);

	if (from && pk->family == 4)
		error4(pr, pk, what, mtu, from);
	else if (from)
		error6(pr, pk, what, mtu, from);
}

bool pe_error_untranslate(struct pe_packet *pk, const struct nat44 *n)
{
	size_t head = (size_t)(pk->p[0] & 0x0f) * 4, inner_head;
	uint8_t *icmp = pk->p + head, *inner = icmp + 8, *port;
	const struct nat44_map *m;
	uint8_t protocol;

	if (pk->p[9] != PE_ICMP || pk->len < head + 8 + PE_IP4 + 8 ||
	    (icmp[0] != 3 && icmp[0] != 11))
		return false;
	inner_head = (size_t)(inner[0] & 0x0f) * 4;
	protocol = inner[9];
	if (inner_head < PE_IP4 || pk->len < head + 8 + inner_head + 8)
		return false;
	port = inner + inner_head + (protocol == PE_ICMP ? 4 : 0);
	m = nat44_find(n, protocol, pe_get16(port), pk->now);
	if (!m || pe_get32(inner + 12) != n->public_addr)
		return false;
	pe_checksum_change(pk->p + 10, pe_get32(pk->p + 16), m->addr);
	pe_put32(pk->p + 16, m->addr);
	pe_checksum_change(inner + 10, pe_get32(inner + 12), m->addr);
	pe_put32(inner + 12, m->addr);
	pe_put16(port, m->port);
	pe_put16(icmp + 2, 0);
	pe_put16(icmp + 2, pe_checksum(icmp, pk->len - head, 0));
	return true;
}

void pe_local(struct provider *pr, struct pe_packet *pk)
{
	size_t head = pk->family == 4 ? (size_t)(pk->p[0] & 0x0f) * 4 : PE_IP6;
	uint8_t protocol = pk->family == 4 ? pk->p[9] : pk->p[6], *icmp = pk->p + head, from[16];
	size_t n = pe_addr_len(pk->family);

	pr->stats.local++;
	if (pk->len < head + 8)
		return;
	if (pk->family == 4 &&
	    (protocol != PE_ICMP || icmp[0] != 8 || pe_get16(pk->p + 6) & 0x3fff))
		return;
	if (pk->family == 6 && (protocol != PE_ICMP6 || icmp[0] != 128))
		return;
	memcpy(from, pe_source(pk), n);
	memcpy(pe_source(pk), pe_target(pk), n);
	memcpy(pe_target(pk), from, n);
	icmp[0] = pk->family == 4 ? 0 : 129;
	pe_put16(icmp + 2, 0);
	pe_put16(icmp + 2,
		 pe_checksum(icmp, pk->len - head,
			     pk->family == 4
				     ? 0
				     : pe_pseudo6(pk->p, (uint32_t)(pk->len - head), PE_ICMP6)));
	answer(pr, pk, pk->p, pk->len);
}
