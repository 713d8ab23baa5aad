/*
 * neigh: the kernel's neighbour table, read over a route netlink socket that the parent opened in
 * the node's network namespace. One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct neigh {
	uint32_t ifindex;
	uint8_t family; /* 4 or 6 */
	uint8_t addr[16];
	uint8_t mac[6];
};

/* Entries with a usable MAC address, at most max; returns how many, or -errno. Does not wait
 * longer than it takes the kernel to answer. */
int neigh_read(int sock, struct neigh *v, size_t max);
