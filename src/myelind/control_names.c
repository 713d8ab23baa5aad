/* Whose SCI is whose: static keys say it, else the kernel's neighbour table does. */
#include "myelind/control.h"

#include "myelind/neigh.h"

#include <stdlib.h>
#include <string.h>

struct names {
	struct neigh v[1024];
	int count;
};

struct names *names_read(void)
{
	struct names *n = calloc(1, sizeof(*n));

	if (n) {
		n->count = neigh_read(ROLE_FD_NETLINK, n->v, sizeof(n->v) / sizeof(n->v[0]));
		if (n->count < 0)
			n->count = 0;
	}
	return n;
}

static const char *member_name(const struct bb_member *m)
{
	return m->node ? m->node->name : m->peer->name;
}

/* Its MAC address answers for a member's address on the overlay. */
const char *names_peer(const struct control_secy *s, const struct names *n, uint64_t sci)
{
	const struct bb_overlay *o = s->plan->o;
	uint32_t ifindex = s->c->ports[s->plan->overlay - 1].ifindex;

	for (size_t i = 0; s->psk && psk_peer(s->psk, i); i++)
		if (psk_peer(s->psk, i)->sci == sci)
			return psk_peer(s->psk, i)->name;
	for (int i = 0; n && i < n->count; i++) {
		const struct neigh *e = &n->v[i];

		if (e->ifindex != ifindex || macsec_sci(e->mac, (uint16_t)sci) != sci)
			continue;
		for (size_t k = 0; k < o->member_count; k++)
			if (o->members[k].has_address &&
			    o->members[k].address.family == e->family &&
			    memcmp(o->members[k].address.addr, e->addr, e->family == 4 ? 4 : 16) ==
				    0)
				return member_name(&o->members[k]);
	}
	return NULL;
}
