/* routes_i: the inside of struct routes, shared by its files. Private to them and their tests. */
#pragma once

#include "myelind/routes.h"

#include <linux/rtnetlink.h>

#define ROUTES_NONE UINT32_MAX

/* Where a route leads. */
struct routes_key {
	uint32_t ifindex;
	uint8_t family; /* of addr: 4 or 6; 0: none, it is on the link or no unicast route */
	uint8_t addr[16];
};

/* One route as the kernel tells it. */
struct routes_route {
	uint8_t family, len;
	uint8_t addr[16];
	uint32_t table, metric;
	uint8_t tos, protocol, type;
	bool plain;   /* of one unicast way by a next hop, and nothing special about it */
	bool several; /* of more than one way */
	struct routes_key key;
	/* The mirror's own. */
	uint16_t hop;  /* FIB_KERNEL where it is not plain */
	uint32_t next; /* in its bucket, or of those free; ROUTES_NONE: last */
	uint32_t pass; /* of the last reading in which it was there */
};

/* A next hop or a neighbour: an entry of the table's. */
struct routes_hop {
	struct routes_key key;
	uint32_t refs;  /* routes that lead there */
	bool reachable; /* and its MAC address is: */
	uint8_t mac[6];
	uint32_t next, pass;
};

struct routes_port {
	uint32_t ifindex;
	uint32_t mtu;
	bool up, carrier, enslaved, forward4, forward6;
	char name[16];
};

enum { ROUTES_BUCKETS_MIN = 1024, ROUTES_HOP_BUCKETS = 4096 };

struct routes {
	struct fib_writer *fib;
	int sock;
	struct routes_route *v;
	uint32_t *buckets;
	uint32_t bucket_count, top, room, free; /* top: never used from there on */
	size_t count;
	struct routes_hop *hops; /* FIB_HOPS of them */
	uint32_t hop_buckets[ROUTES_HOP_BUCKETS];
	uint32_t hop_top, hop_free, hop_count;
	struct routes_port ports[FIB_PORTS];
	bool forward6_all;
	size_t wide;   /* routes of the table `local` that hold for more than a host */
	bool overflow; /* something could not be held: everything is the kernel's until read again */
	/* The reading of everything. */
	uint32_t pass, seq;
	unsigned stage; /* 0: none under way */
	bool interrupted, synced, again, started;
	uint64_t due, stage_until, beat_at;
	/* For people. */
	uint64_t readings, overruns, updates;
};

/* routes.c */
int routes_init(struct routes *r);
/* Forgets everything, and has the kernel forward all. */
void routes_empty(struct routes *r);
void routes_fini(struct routes *r);
/* A route came, in place of those of its table, metric and type of service if `replace`. */
void routes_put(struct routes *r, const struct routes_route *route, bool replace);
/* It went. False: not known which of several, so that everything should be read again. */
bool routes_drop(struct routes *r, const struct routes_route *route);
void routes_neighbour(struct routes *r, const struct routes_key *key, const uint8_t mac[6],
		      bool reachable);
/* What was not there in the reading that ended goes. */
void routes_sweep(struct routes *r);
/* A port changed: its next hops do. */
void routes_port_changed(struct routes *r, uint16_t port);
uint16_t routes_port_of(const struct routes *r, uint32_t ifindex); /* 0: none */
bool routes_usable(const struct routes *r, uint16_t hop);
/* Why the table is not in use, NULL: it is. */
const char *routes_trouble(const struct routes *r);
