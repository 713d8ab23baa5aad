/* nat44: mappings of one customer's port. See nat44.h. */
#include "lab/nat44.h"

#include <string.h>

enum { ICMP = 1, TCP = 6, UDP = 17 };

static uint64_t life(const struct nat44 *n, uint8_t protocol)
{
	return protocol == TCP ? NAT44_TCP_NS : protocol == ICMP ? NAT44_ICMP_NS : n->udp_ns;
}

static bool alive(const struct nat44 *n, const struct nat44_map *m, uint64_t now)
{
	return m->seen_ns && now - m->seen_ns <= life(n, m->protocol);
}

void nat44_init(struct nat44 *n, uint32_t public_addr, uint64_t udp_ns)
{
	*n = (struct nat44){.public_addr = public_addr, .udp_ns = udp_ns};
}

const struct nat44_map *nat44_find(const struct nat44 *n, uint8_t protocol, uint16_t port,
				   uint64_t now)
{
	for (unsigned i = 0; i < NAT44_MAPPINGS; i++) {
		const struct nat44_map *m = &n->map[i];

		if (m->outside == port && m->protocol == protocol && alive(n, m, now))
			return m;
	}
	return NULL;
}

/* The inside port where it is free, else the next one that is. */
static uint16_t port_choose(const struct nat44 *n, uint8_t protocol, uint16_t wish, uint64_t now)
{
	uint32_t port = wish < NAT44_FIRST_PORT ? NAT44_FIRST_PORT + wish : wish;

	while (nat44_find(n, protocol, (uint16_t)port, now))
		port = port == UINT16_MAX ? NAT44_FIRST_PORT : port + 1;
	return (uint16_t)port;
}

static struct nat44_map *inside_find(struct nat44 *n, uint8_t protocol, uint32_t addr,
				     uint16_t port, uint64_t now)
{
	struct nat44_map *free = &n->map[0];

	for (unsigned i = 0; i < NAT44_MAPPINGS; i++) {
		struct nat44_map *m = &n->map[i];

		if (m->seen_ns && !alive(n, m, now)) {
			*m = (struct nat44_map){0};
			n->expired++;
		}
		if (m->seen_ns && m->protocol == protocol && m->addr == addr && m->port == port)
			return m;
		if (m->seen_ns < free->seen_ns)
			free = m;
	}
	*free = (struct nat44_map){.protocol = protocol, .addr = addr, .port = port};
	return free;
}

static bool remote_known(const struct nat44_map *m, struct nat44_remote r)
{
	for (unsigned i = 0; i < NAT44_REMOTES; i++)
		if (m->remote[i].addr == r.addr && m->remote[i].port == r.port)
			return true;
	return false;
}

uint16_t nat44_out(struct nat44 *n, uint8_t protocol, uint32_t addr, uint16_t port,
		   struct nat44_remote to, uint64_t now)
{
	struct nat44_map *m;

	if (protocol != UDP && protocol != TCP && protocol != ICMP)
		return 0;
	m = inside_find(n, protocol, addr, port, now);
	if (!m->seen_ns)
		m->outside = port_choose(n, protocol, port, now);
	m->seen_ns = now ? now : 1;
	if (!remote_known(m, to))
		m->remote[m->next_remote++ % NAT44_REMOTES] = to;
	return m->outside;
}

bool nat44_in(struct nat44 *n, uint8_t protocol, uint16_t port, struct nat44_remote from,
	      uint64_t now, uint32_t *addr, uint16_t *inside)
{
	const struct nat44_map *m = nat44_find(n, protocol, port, now);

	if (!m || !remote_known(m, from)) {
		n->refused++;
		return false;
	}
	*addr = m->addr;
	*inside = m->port;
	return true;
}

void nat44_forget(struct nat44 *n)
{
	memset(n->map, 0, sizeof(n->map));
}
