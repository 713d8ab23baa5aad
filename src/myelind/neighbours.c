#include "myelind/neighbours.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define NEIGHBOURS_MAX 16384 /* what a mad control could make the parent hold */

void neighbours_fini(struct neighbours *n)
{
	free(n->v);
	*n = (struct neighbours){0};
}

void neighbours_begin(struct neighbours *n)
{
	for (size_t i = 0; i < n->count; i++)
		n->v[i].named = false;
}

static void put(struct netlink *nl, const struct msg_neighbour_want *w, unsigned ifindex)
{
	int err = netlink_neighbour_put(nl, ifindex, w->family, w->addr, w->mac);

	if (err)
		log_warn("port %u: cannot set a neighbour: %s", w->port, strerror(-err));
}

static struct neighbour *find(struct neighbours *n, const struct msg_neighbour_want *w)
{
	for (size_t i = 0; i < n->count; i++)
		if (n->v[i].want.port == w->port && n->v[i].want.family == w->family &&
		    !memcmp(n->v[i].want.addr, w->addr, sizeof(w->addr)))
			return &n->v[i];
	return NULL;
}

void neighbours_want(struct neighbours *n, struct netlink *nl,
		     const struct msg_neighbour_want *want, unsigned ifindex)
{
	struct neighbour *e = find(n, want), *v;

	if (!e) {
		v = n->count < NEIGHBOURS_MAX ? realloc(n->v, (n->count + 1) * sizeof(*v)) : NULL;
		if (!v) {
			log_error("more neighbours than can be held");
			return;
		}
		n->v = v;
		e = &n->v[n->count++];
	}
	e->want = *want;
	e->named = true;
	if (ifindex)
		put(nl, want, ifindex);
}

void neighbours_apply(const struct neighbours *n, struct netlink *nl, uint16_t port,
		      unsigned ifindex)
{
	for (size_t i = 0; i < n->count; i++)
		if (n->v[i].want.port == port)
			put(nl, &n->v[i].want, ifindex);
}

void neighbours_prune(struct neighbours *n, struct netlink *nl, neighbours_ifindex_fn *ifindex_of,
		      void *ctx)
{
	size_t kept = 0;

	for (size_t i = 0; i < n->count; i++) {
		const struct msg_neighbour_want *w = &n->v[i].want;
		unsigned ifindex = ifindex_of(ctx, w->port);

		if (n->v[i].named)
			n->v[kept++] = n->v[i];
		else if (ifindex)
			(void)netlink_neighbour_del(nl, ifindex, w->family, w->addr);
	}
	n->count = kept;
}
