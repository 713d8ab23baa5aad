/* pe_dhcp: the provider's DHCP on a PE-CE link: one address, always the same (RFC 2131). */
#include "lab/pe.h"

#include <string.h>

#define LEASE_S 600
#define BOOTP_LEN 240 /* up to and with the cookie */

enum { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACK = 5, NAK = 6 };
enum {
	OPT_MASK = 1,
	OPT_ROUTER = 3,
	OPT_DNS = 6,
	OPT_ADDR = 50,
	OPT_LEASE = 51,
	OPT_TYPE = 53,
	OPT_SERVER = 54,
	OPT_END = 255
};

bool pe_is_dhcp(const struct pe_packet *pk)
{
	size_t ihl = (size_t)(pk->p[0] & 0x0f) * 4;

	return pk->p[9] == PE_UDP && pk->len >= ihl + 8 && !(pe_get16(pk->p + 6) & 0x1fff) &&
	       pe_get16(pk->p + ihl + 2) == 67;
}

/* The value of an option of at least n bytes, or NULL. */
static const uint8_t *option(const uint8_t *p, size_t len, uint8_t code, size_t n)
{
	for (size_t at = 0; at + 2 <= len && p[at] != OPT_END;) {
		if (!p[at]) {
			at++;
			continue;
		}
		if (at + 2 + p[at + 1] > len)
			return NULL;
		if (p[at] == code)
			return p[at + 1] >= n ? p + at + 2 : NULL;
		at += 2u + p[at + 1];
	}
	return NULL;
}

static uint8_t *put_option(uint8_t *o, uint8_t code, uint32_t value)
{
	o[0] = code;
	o[1] = 4;
	pe_put32(o + 2, value);
	return o + 6;
}

static void reply(struct provider *pr, const struct pe_packet *pk, const uint8_t *asked,
		  uint8_t type)
{
	const struct provider_link_config *c = &pk->in->cfg;
	uint32_t server = pe_get32(c->gateway[0].addr);
	uint8_t f[PE_ETH + PE_IP4 + 8 + 300] = {0}, *ip = f + PE_ETH, *udp = ip + PE_IP4;
	uint8_t *m = udp + 8, *o = m + BOOTP_LEN;

	memset(f, 0xff, 6); /* the client may not have its address yet */
	memcpy(f + 6, c->mac, 6);
	pe_put16(f + 12, 0x0800);
	m[0] = 2;
	m[1] = 1;
	m[2] = 6;
	memcpy(m + 4, asked + 4, 4);
	memcpy(m + 10, asked + 10, 2);
	if (type != NAK)
		pe_put32(m + 16, c->dhcp_addr);
	pe_put32(m + 20, server);
	memcpy(m + 28, asked + 28, 16);
	memcpy(m + 236, (const uint8_t[]){0x63, 0x82, 0x53, 0x63}, 4);
	*o++ = OPT_TYPE;
	*o++ = 1;
	*o++ = type;
	o = put_option(o, OPT_SERVER, server);
	if (type != NAK) {
		o = put_option(o, OPT_MASK,
			       c->gateway[0].len ? ~0u << (32 - c->gateway[0].len) : 0);
		o = put_option(o, OPT_ROUTER, server);
		o = put_option(o, OPT_LEASE, LEASE_S);
	}
	*o = OPT_END;
	ip[0] = 0x45;
	pe_put16(ip + 2, PE_IP4 + 8 + 300);
	ip[8] = 64;
	ip[9] = PE_UDP;
	memcpy(ip + 12, c->gateway[0].addr, 4);
	memset(ip + 16, 0xff, 4);
	pe_put16(ip + 10, pe_checksum(ip, PE_IP4, 0));
	pe_put16(udp, 67);
	pe_put16(udp + 2, 68);
	pe_put16(udp + 4, 8 + 300);
	pr->stats.dhcp_acks += type == ACK;
	pr->cfg.send(pr->cfg.ctx, c->port, c->port, f, sizeof(f), pk->now);
}

void pe_dhcp(struct provider *pr, const struct pe_packet *pk)
{
	size_t head = (size_t)(pk->p[0] & 0x0f) * 4 + 8;
	const uint8_t *m = pk->p + head, *type, *wish, *server;
	size_t len = pk->len - head;
	uint32_t want;

	if (!pk->in->cfg.dhcp_addr || len < BOOTP_LEN || m[0] != 1)
		return;
	type = option(m + BOOTP_LEN, len - BOOTP_LEN, OPT_TYPE, 1);
	wish = option(m + BOOTP_LEN, len - BOOTP_LEN, OPT_ADDR, 4);
	server = option(m + BOOTP_LEN, len - BOOTP_LEN, OPT_SERVER, 4);
	if (!type)
		return;
	if (*type == DISCOVER)
		reply(pr, pk, m, OFFER);
	if (*type != REQUEST || (server && memcmp(server, pk->in->cfg.gateway[0].addr, 4) != 0))
		return; /* it took another's offer */
	want = wish ? pe_get32(wish) : pe_get32(m + 12);
	reply(pr, pk, m, want == pk->in->cfg.dhcp_addr ? ACK : NAK);
}
