#include "proc/xdp.h"

#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "xdp.skel.h"
#pragma GCC diagnostic pop

struct xdp {
	struct xdp_skel *skel;
	int link;
	int generic_why; /* errno; 0: in the driver */
	struct guard_tags placed[GUARD_RULES];
	unsigned placed_count;
};

static int attach(const struct xdp *x, unsigned ifindex, uint32_t mode)
{
	DECLARE_LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = mode);
	int fd = bpf_link_create(bpf_program__fd(x->skel->progs.xdp_take), (int)ifindex, BPF_XDP,
				 &opts);

	return fd < 0 ? -errno : fd;
}

static int attach_anyhow(struct xdp *x, unsigned ifindex)
{
	x->link = attach(x, ifindex, XDP_FLAGS_DRV_MODE);
	if (x->link >= 0 || x->link == -EBUSY || x->link == -EEXIST)
		return x->link < 0 ? -EBUSY : 0;
	x->generic_why = -x->link;
	x->link = attach(x, ifindex, XDP_FLAGS_SKB_MODE);
	return x->link < 0 ? x->link : 0;
}

struct xdp *xdp_new(unsigned ifindex, const uint8_t mac[6])
{
	struct xdp *x = calloc(1, sizeof(*x));
	int err;

	if (!x)
		return NULL;
	x->link = -1;
	x->skel = xdp_skel__open_and_load();
	err = x->skel ? 0 : -errno;
	if (!err) {
		memcpy(x->skel->bss->xdp_mac, mac, sizeof(x->skel->bss->xdp_mac));
		err = attach_anyhow(x, ifindex);
	}
	if (!err)
		return x;
	xdp_free(x);
	errno = -err;
	return NULL;
}

void xdp_free(struct xdp *x)
{
	if (!x)
		return;
	if (x->link >= 0)
		close(x->link);
	xdp_skel__destroy(x->skel);
	free(x);
}

bool xdp_is_generic(const struct xdp *x, int *why)
{
	*why = x->generic_why;
	return x->generic_why != 0;
}

static bool listed(const struct xdp_rule *rules, unsigned count, const struct guard_tags *tags)
{
	for (unsigned i = 0; i < count; i++)
		if (memcmp(&rules[i].tags, tags, sizeof(*tags)) == 0)
			return true;
	return false;
}

static bool placed(const struct xdp *x, const struct guard_tags *tags)
{
	for (unsigned i = 0; i < x->placed_count; i++)
		if (memcmp(&x->placed[i], tags, sizeof(*tags)) == 0)
			return true;
	return false;
}

int xdp_rules_set(struct xdp *x, const struct xdp_rule *rules, unsigned count)
{
	int fd = bpf_map__fd(x->skel->maps.xdp_rules), err = 0;

	if (count > GUARD_RULES)
		return -E2BIG;
	for (unsigned i = 0; i < x->placed_count && !err;) {
		if (listed(rules, count, &x->placed[i])) {
			i++;
			continue;
		}
		err = bpf_map_delete_elem(fd, &x->placed[i]) < 0 ? -errno : 0;
		if (!err)
			x->placed[i] = x->placed[--x->placed_count];
	}
	for (unsigned i = 0; i < count && !err; i++) {
		err = bpf_map_update_elem(fd, &rules[i].tags, &rules[i].take, BPF_ANY) < 0 ? -errno
											   : 0;
		if (!err && !placed(x, &rules[i].tags))
			x->placed[x->placed_count++] = rules[i].tags;
	}
	return err;
}

int xdp_socket_set(struct xdp *x, unsigned queue, int fd)
{
	const uint32_t key = queue, value = (uint32_t)fd;

	return bpf_map_update_elem(bpf_map__fd(x->skel->maps.xdp_sockets), &key, &value, BPF_ANY) <
			       0
		       ? -errno
		       : 0;
}
