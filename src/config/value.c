/* value: the file's prefixes, durations, percentages, rates and MAC addresses as numbers. */
#include "config/model.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

bool value_prefix(const char *text, struct bb_prefix *p)
{
	const char *slash = strchr(text, '/');
	char addr[64], *end;
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	unsigned long bits;

	*p = (struct bb_prefix){0};
	if (len >= sizeof(addr))
		return false;
	memcpy(addr, text, len);
	addr[len] = 0;
	p->family = strchr(addr, ':') ? 6 : 4;
	p->len = p->family == 6 ? 128 : 32;
	if (inet_pton(p->family == 6 ? AF_INET6 : AF_INET, addr, p->addr) != 1)
		return false;
	if (slash) {
		bits = strtoul(slash + 1, &end, 10);
		if (*end || end == slash + 1 || bits > p->len)
			return false;
		p->len = (uint8_t)bits;
	}
	return true;
}

bool value_duration(const char *text, uint64_t *ns)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {{"ms", 1000000},
		     {"s", 1000000000},
		     {"m", 60000000000},
		     {"h", 3600000000000},
		     {"d", 86400000000000}};
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	*ns = 0;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (strcmp(end, units[i].unit) == 0)
			return !__builtin_mul_overflow((uint64_t)n, units[i].ns, ns);
	return false;
}

uint64_t value_rate(const char *text)
{
	static const struct {
		const char *unit;
		uint64_t bits;
	} units[] = {{"kbit", 1000}, {"Mbit", 1000000}, {"Gbit", 1000000000}};
	char *end = NULL;
	unsigned long long n = text ? strtoull(text, &end, 10) : 0;
	uint64_t rate;

	for (size_t i = 0; text && i < sizeof(units) / sizeof(*units); i++)
		if (strcmp(end, units[i].unit) == 0)
			return __builtin_mul_overflow((uint64_t)n, units[i].bits, &rate) ? 0 : rate;
	return 0;
}

bool value_mac(const char *text, uint8_t mac[6])
{
	for (int i = 0; i < 6; i++) {
		char *end;
		unsigned long b = strtoul(text, &end, 16);

		if (end != text + 2 || b > 255 || *end != (i < 5 ? ':' : 0))
			return false;
		mac[i] = (uint8_t)b;
		text = end + 1;
	}
	return true;
}

uint32_t value_ppm(const char *text)
{
	return (uint32_t)(strtod(text, NULL) * 10000 + 0.5);
}

bool value_within(const struct bb_prefix *net, const struct bb_prefix *p)
{
	if (net->family != p->family || p->len < net->len)
		return false;
	if (memcmp(net->addr, p->addr, net->len / 8) != 0)
		return false;
	return net->len % 8 == 0 ||
	       ((net->addr[net->len / 8] ^ p->addr[net->len / 8]) >> (8 - net->len % 8)) == 0;
}

struct bb_prefix value_network(struct bb_prefix p)
{
	for (size_t bit = p.len; bit < (p.family == 6 ? 128 : 32); bit++)
		p.addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return p;
}

bool value_nth(const struct bb_prefix *net, uint32_t n, struct bb_prefix *p)
{
	size_t bytes = net->family == 6 ? 16 : 4;
	uint64_t carry = n;

	*p = value_network(*net);
	for (size_t i = bytes; i-- > 0 && carry;) {
		carry += p->addr[i];
		p->addr[i] = (uint8_t)carry;
		carry >>= 8;
	}
	return !carry && value_within(net, p);
}

const char *value_show(const struct bb_prefix *p, bool with_len, char buf[64])
{
	size_t n;

	if (!inet_ntop(p->family == 6 ? AF_INET6 : AF_INET, p->addr, buf, 50))
		return "?";
	n = strlen(buf);
	if (with_len)
		snprintf(buf + n, 64 - n, "/%u", p->len);
	return buf;
}
