/*
 * xsk: sockets of AF_XDP as the parent makes them. linux/if_xdp.h by hand: no library is between.
 *
 * Two processes share one. The parent, which may, opens it, registers the packet path's memory with
 * it and binds it; in between forward, which has no privilege, maps its rings (port_afxdp_map()),
 * for the kernel maps none of a socket that is bound. Every socket registers all of the memory by
 * itself: so each has its own mode, and a buffer may come in by one and leave by another.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XSK_RING 1024 /* descriptors of each of a socket's four rings */
#define XSK_QUEUES 64 /* receive queues of one interface that are served, at most */
/* Bytes of the longest frame: the kernel keeps 256 of a chunk for what may be put in front. */
#define XSK_FRAME_MAX (2048 - 256)

/* A socket whose memory is that of the memfd, `size` bytes of it. The descriptor or -errno. */
int xsk_open(int memory, size_t size);
/* Binds it, zero-copy where the driver can; generic: the interface's XDP program is not the
 * driver's. *zerocopy says which it became. 0 or -errno; EBUSY, ENOBUFS: the queue's last socket is
 * not gone yet, so try again later. */
int xsk_bind(int fd, unsigned ifindex, unsigned queue, bool generic, bool *zerocopy);
/* The kernel polls the driver from the socket's calls, up to so many microseconds at a time, in
 * place of interrupts. 0 or -errno. */
int xsk_busy_poll(int fd, unsigned usec);
