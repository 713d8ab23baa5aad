/*
 * hooks: what in the kernel would have its say on packets that are forwarded past it. Asked of the
 * kernel itself by netlink, whatever tool put it there. Parent thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define HOOKS_OVERLAYS 160

/*
 * True when there is something, or when it cannot be told; `what` then says what: a chain of nftables
 * or a table of iptables where packets are forwarded, a policy rule besides the kernel's own and this
 * daemon's, a queueing discipline on one of these interfaces that does more than queue.
 */
bool hooks_find(const unsigned *overlays, unsigned n, char *what, size_t size);
