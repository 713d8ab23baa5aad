#include "myelind/routes.h"

#include "myelind/routes_i.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROUTES_MAX 4000000u /* a mad peer of FRR's makes us hold no more */
#define NEIGHBOURS_MAX 32768u

static size_t hash(const void *addr, size_t a, size_t b)
{
	uint64_t v[2];

	memcpy(v, addr, sizeof(v));
	v[0] = (v[0] ^ a) * UINT64_C(0x9e3779b97f4a7c15);
	v[0] = (v[0] ^ v[0] >> 32 ^ v[1] ^ b << 32) * UINT64_C(0xd6e8feb86659fd93);
	return (size_t)(v[0] ^ v[0] >> 32);
}

/* Next hops. */

uint16_t routes_port_of(const struct routes *r, uint32_t ifindex)
{
	for (uint16_t i = 1; ifindex && i < FIB_PORTS; i++)
		if (r->ports[i].ifindex == ifindex)
			return i;
	return 0;
}

bool routes_usable(const struct routes *r, uint16_t hop)
{
	const struct routes_hop *h = &r->hops[hop];
	const struct routes_port *p = &r->ports[routes_port_of(r, h->key.ifindex)];

	return hop != FIB_KERNEL && h->reachable && p->ifindex && p->up && !p->enslaved && p->mtu;
}

static void hop_tell(struct routes *r, uint16_t hop)
{
	static const uint8_t none[6];
	const struct routes_hop *h = &r->hops[hop];
	uint16_t port = routes_port_of(r, h->key.ifindex);

	if (routes_usable(r, hop))
		fib_hop_set(r->fib, hop, port, h->mac, r->ports[port].mtu);
	else
		fib_hop_set(r->fib, hop, 0, none, 0);
}

static uint32_t *hop_bucket(struct routes *r, const struct routes_key *key)
{
	return &r->hop_buckets[hash(key->addr, key->ifindex, key->family) &
			       (ROUTES_HOP_BUCKETS - 1)];
}

static bool key_same(const struct routes_key *a, const struct routes_key *b)
{
	return a->ifindex == b->ifindex && a->family == b->family &&
	       memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static uint16_t hop_find(struct routes *r, const struct routes_key *key)
{
	uint32_t i = *hop_bucket(r, key);

	while (i != ROUTES_NONE && !key_same(&r->hops[i].key, key))
		i = r->hops[i].next;
	return i == ROUTES_NONE ? FIB_KERNEL : (uint16_t)i;
}

/* FIB_KERNEL: there is no room for it, so it is the kernel's. */
static uint16_t hop_get(struct routes *r, const struct routes_key *key)
{
	uint16_t found = hop_find(r, key);
	uint32_t *bucket = hop_bucket(r, key), i;

	if (found != FIB_KERNEL)
		return found;
	/* Who looks something up now may still find what a number that went stood for. */
	if (r->hop_top < FIB_HOPS) {
		i = r->hop_top++;
	} else if (r->hop_free != ROUTES_NONE) {
		i = r->hop_free;
		r->hop_free = r->hops[i].next;
		fib_turn(r->fib);
	} else {
		return FIB_KERNEL;
	}
	r->hops[i] = (struct routes_hop){.key = *key, .next = *bucket};
	*bucket = i;
	r->hop_count++;
	hop_tell(r, (uint16_t)i);
	return (uint16_t)i;
}

/* Nobody needs it any more, or somebody does. */
static void hop_put(struct routes *r, uint16_t hop)
{
	struct routes_hop *h = &r->hops[hop];
	uint32_t *at;

	if (hop == FIB_KERNEL || h->refs || h->reachable)
		return;
	for (at = hop_bucket(r, &h->key); *at != hop;)
		at = &r->hops[*at].next;
	*at = h->next;
	*h = (struct routes_hop){.next = r->hop_free};
	hop_tell(r, hop);
	r->hop_free = hop;
	r->hop_count--;
}

void routes_neighbour(struct routes *r, const struct routes_key *key, const uint8_t mac[6],
		      bool reachable)
{
	uint16_t hop = hop_find(r, key);
	struct routes_hop *h;

	if (hop == FIB_KERNEL) {
		if (!reachable || !routes_port_of(r, key->ifindex) ||
		    r->hop_count >= NEIGHBOURS_MAX)
			return;
		hop = hop_get(r, key);
		if (hop == FIB_KERNEL)
			return;
	}
	h = &r->hops[hop];
	h->pass = r->pass;
	if (h->reachable == reachable && (!reachable || memcmp(h->mac, mac, sizeof(h->mac)) == 0))
		return;
	h->reachable = reachable;
	if (reachable)
		memcpy(h->mac, mac, sizeof(h->mac));
	hop_tell(r, hop);
	hop_put(r, hop);
}

void routes_port_changed(struct routes *r, uint16_t port)
{
	const struct routes_port *p = &r->ports[port];
	const bool routed = p->ifindex && p->up && !p->enslaved;

	fib_port_set(r->fib, port,
		     (routed && p->forward4 ? FIB_PORT_FORWARD4 : 0u) |
			     (routed && p->forward6 && r->forward6_all ? FIB_PORT_FORWARD6 : 0u));
	for (uint32_t i = 1; i < r->hop_top; i++)
		if (r->hops[i].key.ifindex == p->ifindex)
			hop_tell(r, (uint16_t)i);
}

/* Routes. */

static bool prefix_same(const struct routes_route *a, const struct routes_route *b)
{
	return a->family == b->family && a->len == b->len &&
	       memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static uint32_t *bucket_of(struct routes *r, const struct routes_route *route)
{
	return &r->buckets[hash(route->addr, route->family, route->len) & (r->bucket_count - 1)];
}

/* A route of the table `local` goes before all others, were they longer. Hosts' do so anyway, and
 * nobody is routed to what these two prefixes hold. */
static bool is_wide(const struct routes_route *x)
{
	if (x->table != RT_TABLE_LOCAL)
		return false;
	if (x->family == 4)
		return x->len < 32 && !(x->len >= 8 && x->addr[0] == 127) &&
		       !(x->len >= 4 && x->addr[0] >> 4 == 14);
	return x->len < 128 && !(x->len >= 8 && x->addr[0] == 0xff);
}

/* Which of a prefix's routes holds, and the table says so. */
static void prefix_tell(struct routes *r, const struct routes_route *of)
{
	const struct routes_route *best = NULL;
	bool kernel = false;
	int rc;

	for (uint32_t i = *bucket_of(r, of); i != ROUTES_NONE; i = r->v[i].next) {
		const struct routes_route *x = &r->v[i];

		if (!prefix_same(x, of))
			continue;
		if (x->table == RT_TABLE_LOCAL || x->tos || (best && best->metric == x->metric))
			kernel = true;
		else if (best && best->metric < x->metric)
			continue;
		best = x;
	}
	if (!best)
		rc = fib_del(r->fib, of->family, of->addr, of->len);
	else
		rc = fib_put(r->fib, of->family, of->addr, of->len,
			     kernel ? FIB_KERNEL : best->hop);
	if (rc < 0)
		r->overflow = true;
}

static bool grow(struct routes *r)
{
	uint32_t room = r->room ? r->room * 2 : 1024, *buckets;
	struct routes_route *v;

	if (room > ROUTES_MAX)
		return false;
	v = realloc(r->v, room * sizeof(*v));
	if (!v)
		return false;
	r->v = v;
	buckets = malloc(room * sizeof(*buckets));
	if (!buckets)
		return false;
	free(r->buckets);
	r->buckets = buckets;
	r->bucket_count = r->room = room;
	for (uint32_t i = 0; i < room; i++)
		buckets[i] = ROUTES_NONE;
	for (uint32_t i = 0; i < r->top; i++) {
		uint32_t *bucket = bucket_of(r, &v[i]);

		if (!v[i].family)
			continue; /* free: its `next` is of those free */
		v[i].next = *bucket;
		*bucket = i;
	}
	return true;
}

/* *at is the place that says where it stands. */
static void route_remove(struct routes *r, uint32_t *at)
{
	uint32_t i = *at;
	struct routes_route *x = &r->v[i];
	uint16_t hop = x->hop;

	r->wide -= is_wide(x);
	*at = x->next;
	*x = (struct routes_route){.next = r->free};
	r->free = i;
	r->count--;
	if (hop != FIB_KERNEL) {
		r->hops[hop].refs--;
		hop_put(r, hop);
	}
}

static bool rank_same(const struct routes_route *a, const struct routes_route *b)
{
	return prefix_same(a, b) && a->table == b->table && a->metric == b->metric &&
	       a->tos == b->tos;
}

static bool route_same(const struct routes_route *a, const struct routes_route *b)
{
	return rank_same(a, b) && a->plain == b->plain && a->several == b->several &&
	       a->type == b->type && key_same(&a->key, &b->key);
}

static void route_add(struct routes *r, const struct routes_route *route)
{
	struct routes_route *x;
	uint32_t i = r->free;

	if (i == ROUTES_NONE && r->top == r->room && !grow(r)) {
		r->overflow = true;
		return;
	}
	if (i != ROUTES_NONE)
		r->free = r->v[i].next;
	else
		i = r->top++;
	x = &r->v[i];
	*x = *route;
	x->pass = r->pass;
	x->hop = route->plain ? hop_get(r, &route->key) : FIB_KERNEL;
	if (x->hop != FIB_KERNEL)
		r->hops[x->hop].refs++;
	x->next = *bucket_of(r, route);
	*bucket_of(r, route) = i;
	r->wide += is_wide(x);
	r->count++;
}

void routes_put(struct routes *r, const struct routes_route *route, bool replace)
{
	bool there = false;

	for (uint32_t *at = bucket_of(r, route); *at != ROUTES_NONE;) {
		struct routes_route *x = &r->v[*at];

		if (route_same(x, route)) {
			x->pass = r->pass;
			x->protocol = route->protocol;
			there = true;
		} else if (replace && rank_same(x, route)) {
			route_remove(r, at);
			continue;
		}
		at = &x->next;
	}
	if (there && !replace)
		return;
	if (!there)
		route_add(r, route);
	prefix_tell(r, route);
}

bool routes_drop(struct routes *r, const struct routes_route *route)
{
	uint32_t *one = NULL;
	bool exact = false, several = false;
	unsigned n = 0;

	for (uint32_t *at = bucket_of(r, route); *at != ROUTES_NONE; at = &r->v[*at].next) {
		const struct routes_route *x = &r->v[*at];

		if (!rank_same(x, route))
			continue;
		n++;
		several |= x->several;
		if (!exact) {
			one = at;
			exact = key_same(&x->key, &route->key) && x->several == route->several;
		}
	}
	if (!n)
		return true;
	/* One of several ways went: what is left is for the kernel to say. */
	if (!exact && (n > 1 || several != route->several))
		return false;
	route_remove(r, one);
	prefix_tell(r, route);
	return true;
}

void routes_sweep(struct routes *r)
{
	for (uint32_t b = 0; b < r->bucket_count; b++)
		for (uint32_t *at = &r->buckets[b]; *at != ROUTES_NONE;) {
			struct routes_route was = r->v[*at];

			if (was.pass == r->pass) {
				at = &r->v[*at].next;
				continue;
			}
			route_remove(r, at);
			prefix_tell(r, &was);
		}
	for (uint32_t i = 1; i < r->hop_top; i++)
		if (r->hops[i].reachable && r->hops[i].pass != r->pass)
			routes_neighbour(r, &r->hops[i].key, NULL, false);
}

const char *routes_trouble(const struct routes *r)
{
	if (r->overflow)
		return "there are more routes than the table holds";
	if (!r->synced)
		return "the kernel's routes are being read";
	if (r->wide)
		return "the table `local` holds for more than this host's addresses";
	return NULL;
}

void routes_empty(struct routes *r)
{
	fib_clear(r->fib);
	memset(r->hops, 0, FIB_HOPS * sizeof(*r->hops));
	r->free = r->hop_free = ROUTES_NONE;
	r->hop_top = 1;
	r->hop_count = 0;
	for (unsigned i = 0; i < ROUTES_HOP_BUCKETS; i++)
		r->hop_buckets[i] = ROUTES_NONE;
	for (uint32_t i = 0; i < r->bucket_count; i++)
		r->buckets[i] = ROUTES_NONE;
	r->top = 0;
	r->count = r->wide = 0;
	r->overflow = false;
}

int routes_init(struct routes *r)
{
	r->hops = calloc(FIB_HOPS, sizeof(*r->hops));
	r->free = ROUTES_NONE;
	if (!r->hops || !grow(r))
		return -ENOMEM;
	routes_empty(r);
	return 0;
}

void routes_fini(struct routes *r)
{
	free(r->hops);
	free(r->v);
	free(r->buckets);
}
