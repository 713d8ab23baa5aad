/*
 * xdp: a wan interface's XDP program, which hands forward's frames to its AF_XDP sockets and lets all
 * else be Linux's (xdp.bpf.c).
 *
 * It is held by a bpf_link, whose one descriptor is this process's: it goes when this process does,
 * however that ends. Parent thread only.
 */
#pragma once

#include "proc/xdp_bpf.h"

#include <stdbool.h>
#include <stdint.h>

struct xdp;

/*
 * Loads the program and attaches it, to the driver if that has a place for it, else to the kernel's
 * generic one. Nothing is taken before there are rules and a socket. NULL with errno (EBUSY: somebody
 * else's program is there).
 */
struct xdp *xdp_new(unsigned ifindex, const uint8_t mac[6]);
/* Takes it off the interface. */
void xdp_free(struct xdp *x);
/* Not in the driver; *why is then the driver's errno. */
bool xdp_is_generic(const struct xdp *x, int *why);
/* Other rules in the place of the present ones. 0 or -errno. */
int xdp_rules_set(struct xdp *x, const struct xdp_rule *rules, unsigned count);
/* The bound socket that has the frames of this receive queue. 0 or -errno. */
int xdp_socket_set(struct xdp *x, unsigned queue, int fd);
