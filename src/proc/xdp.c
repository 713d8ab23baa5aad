#include "proc/xdp.h"

#include "proc/tag_map.h"

#include <errno.h>
#include <linux/if_link.h>
#include <stddef.h>
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
	struct tag_map rules;
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

_Static_assert(!offsetof(struct xdp_rule, tags), "as struct tag_rules has it");

int xdp_rules_set(struct xdp *x, const struct xdp_rule *rules, unsigned count)
{
	return tag_map_set(&x->rules, bpf_map__fd(x->skel->maps.xdp_rules),
			   &(struct tag_rules){.v = rules,
					       .size = sizeof(*rules),
					       .value = offsetof(struct xdp_rule, take),
					       .count = count});
}

int xdp_socket_set(struct xdp *x, unsigned queue, int fd)
{
	const uint32_t key = queue, value = (uint32_t)fd;

	return bpf_map_update_elem(bpf_map__fd(x->skel->maps.xdp_sockets), &key, &value, BPF_ANY) <
			       0
		       ? -errno
		       : 0;
}
