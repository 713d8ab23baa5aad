/*
 * dhcp: a DHCPv4 client, the states of RFC 2131 figure 5, for a wan port whose address the carrier
 * gives. Sans I/O: frames and time are handed in, frames are taken out. One thread an engine.
 *
 * Nothing in DHCP authenticates: whoever is on the wire can give us an outer address and a gateway,
 * and take them away. It decides where ciphertext goes, never what is in it. A reply counts only
 * if it answers our transaction; whatever else comes costs a counter.
 */
#pragma once

#include "base/rd.h"
#include "base/wr.h"
#include "wire/dhcp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATH_DHCP_SAVE 64 /* bytes path_dhcp_save() never exceeds */

struct path_dhcp_config {
	uint8_t mac[6];
	const char *host_name; /* borrowed; NULL: none is told */
	void *ctx;
	uint32_t (*random)(void *ctx);
};

struct path_dhcp_lease {
	uint32_t addr, router; /* host order; router 0: none given */
	uint8_t prefix;        /* bits */
	uint64_t until;        /* the lease's end, clock_now() */
};

struct path_dhcp;

/* Begins at INIT. NULL: out of memory. */
struct path_dhcp *path_dhcp_new(const struct path_dhcp_config *cfg, uint64_t now);
void path_dhcp_free(struct path_dhcp *d);

/* A received frame without a VLAN tag. False: it changed nothing. */
bool path_dhcp_input(struct path_dhcp *d, const void *frame, size_t len, uint64_t now);
/* Timers: call at or after path_dhcp_deadline(). */
void path_dhcp_expire(struct path_dhcp *d, uint64_t now);
uint64_t path_dhcp_deadline(const struct path_dhcp *d);
/* Next frame to send, or 0. */
size_t path_dhcp_output(struct path_dhcp *d, uint8_t buf[DHCP_FRAME_MAX]);

/* What we have, or NULL: then the address is to be taken off the interface. */
const struct path_dhcp_lease *path_dhcp_lease(const struct path_dhcp *d);
/* The state by the standard's name. */
const char *path_dhcp_state(const struct path_dhcp *d);

/* A successor asks for the same address again (INIT-REBOOT) and has it meanwhile. */
void path_dhcp_save(const struct path_dhcp *d, struct wr *w);
/* False: it does not parse or is over; the engine then begins at INIT. */
bool path_dhcp_load(struct path_dhcp *d, struct rd *r, uint64_t now);
