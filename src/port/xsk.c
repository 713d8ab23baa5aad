#include "port/xsk.h"

#include "port/port.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#define SO_BUSY_POLL_BUDGET 70
#endif

#define SEND_BUFFER (8 << 20) /* bytes on their way, as the kernel counts them */
#define BUSY_POLL_BUDGET 64   /* frames of one look at the driver */

_Static_assert(XSK_FRAME_MAX + 256 <= PKT_CHUNK, "XDP_PACKET_HEADROOM stands in a chunk, too");

static int memory_register(int fd, int memory, size_t size)
{
	struct xdp_umem_reg reg = {
		.len = size, .chunk_size = PKT_CHUNK, .flags = XDP_UMEM_UNALIGNED_CHUNK_FLAG};
	/* Only while the kernel pins the pages: what stands in them is none of this process's. */
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	int err;

	if (p == MAP_FAILED)
		return -errno;
	reg.addr = (uintptr_t)p;
	err = setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) < 0 ? -errno : 0;
	munmap(p, size);
	return err;
}

static int xsk_setup(int fd, int memory, size_t size)
{
	static const int rings[] = {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING,
				    XDP_TX_RING};
	const int entries = XSK_RING, room = SEND_BUFFER;
	int err = memory_register(fd, memory, size);

	for (unsigned i = 0; i < sizeof(rings) / sizeof(rings[0]) && !err; i++)
		if (setsockopt(fd, SOL_XDP, rings[i], &entries, sizeof(entries)) < 0)
			err = -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	return err;
}

int xsk_open(int memory, size_t size)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	err = xsk_setup(fd, memory, size);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int xsk_bind(int fd, unsigned ifindex, unsigned queue, bool generic, bool *zerocopy)
{
	const struct sockaddr_xdp sa = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = (__u16)(XDP_USE_NEED_WAKEUP | (generic ? XDP_COPY : 0)),
		.sxdp_ifindex = ifindex,
		.sxdp_queue_id = queue,
	};
	struct xdp_options options = {0};
	socklen_t len = sizeof(options);

	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	*zerocopy = getsockopt(fd, SOL_XDP, XDP_OPTIONS, &options, &len) == 0 &&
		    (options.flags & XDP_OPTIONS_ZEROCOPY);
	return 0;
}

int xsk_busy_poll(int fd, unsigned usec)
{
	const int prefer = usec != 0, budget = BUSY_POLL_BUDGET, time = (int)usec;

	if (setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &prefer, sizeof(prefer)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &time, sizeof(time)) < 0)
		return -errno;
	if (usec && setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget, sizeof(budget)) < 0)
		return -errno;
	return 0;
}
