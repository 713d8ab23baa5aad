/*
 * plan: what a lab of one backbone consists of: namespaces, wires, hosts, the carrier's text.
 *
 * Derived from the backbone alone, nothing is started here. Everything belongs to the plan.
 */
#pragma once

#include "config/backbone.h"

#include <stdio.h>

#define PLAN_NAME 32  /* bytes of a lab's or host's name with its NUL */
#define PLAN_NETNS 96 /* of a namespace's: lab name, a dot, node or host name */
#define PLAN_ADDRS 4

struct plan_node {
	const struct bb_node *node;
	char netns[PLAN_NETNS];
};

/* A wan interface: a TAP in the node's namespace with the carrier at its other end. */
struct plan_wire {
	const struct plan_node *node;
	const char *ifname;
	uint8_t mac[6]; /* 02:6d:79, the node's id, the number of the interface */
	uint16_t mtu;
	int fd; /* -1 until opened */
};

/* A lan interface: a cable to the host behind the site. */
struct plan_cable {
	const struct plan_node *node;
	const struct bb_port *port;
	size_t host; /* index of hosts */
};

/* A machine behind a site, its gateway the site's first node; or, where the lan is bridged into an
 * overlay, without one: it is in one subnet with those of the overlay's other sites. */
struct plan_host {
	char name[PLAN_NAME + 24]; /* host-SITE, a second one host-SITE-OVERLAY */
	char netns[PLAN_NETNS];
	const struct bb_site *site;
	const struct bb_overlay *bridge; /* or NULL */
	const struct plan_node *node;
	size_t cable_count; /* more than one: they meet in a bridge */
	struct bb_prefix address[PLAN_ADDRS], gateway[PLAN_ADDRS];
	size_t address_count;
};

struct plan {
	char name[PLAN_NAME];
	const struct backbone *b;
	double delay_scale;
	struct plan_node *nodes;
	size_t node_count;
	struct plan_wire *wires;
	size_t wire_count;
	struct plan_cable *cables;
	size_t cable_count;
	struct plan_host *hosts;
	size_t host_count;
};

/* name NULL: the backbone's. NULL without memory. */
struct plan *plan_new(const struct backbone *b, const char *name);
void plan_free(struct plan *p);

/* One-way delay between two sites by geography and the plan's scale; 0 when one has no place. */
uint64_t plan_delay_ns(const struct plan *p, const struct bb_site *a, const struct bb_site *b);

/* The carrier's text (lab/carrier.h), with the wires' descriptors. */
void plan_print_carrier(const struct plan *p, FILE *out);

/* Address in text without the prefix length; buf holds INET6_ADDRSTRLEN. */
const char *plan_address(const struct bb_prefix *a, char buf[46]);

/* They are on one bridged lan, or both routed to. */
bool plan_hosts_meet(const struct plan_host *a, const struct plan_host *b);
/* The address of a member's wan interface, or NULL for a peer. */
const uint8_t *plan_find_mac(const struct plan *p, const struct bb_member *m);
const struct plan_node *plan_find_node(const struct plan *p, const char *name);
const struct plan_host *plan_find_host(const struct plan *p, const char *name);
