#include "myelind/neigh.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

struct reading {
	struct neigh *v;
	size_t count, max;
};

static int attr_take(const struct nlattr *a, void *ctx)
{
	const struct nlattr **tb = ctx;
	uint16_t type = mnl_attr_get_type(a);

	if (type <= NDA_MAX)
		tb[type] = a;
	return MNL_CB_OK;
}

static int entry_take(const struct nlmsghdr *h, void *ctx)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[NDA_MAX + 1] = {};
	struct reading *r = ctx;
	struct neigh *n;
	size_t len;

	if (h->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(h) < sizeof(*nd) ||
	    r->count == r->max || (nd->ndm_state & (NUD_FAILED | NUD_INCOMPLETE | NUD_NOARP)))
		return MNL_CB_OK;
	mnl_attr_parse(h, sizeof(*nd), attr_take, tb);
	if (!tb[NDA_DST] || !tb[NDA_LLADDR] || mnl_attr_get_payload_len(tb[NDA_LLADDR]) != 6)
		return MNL_CB_OK;
	len = mnl_attr_get_payload_len(tb[NDA_DST]);
	if (len != 4 && len != 16)
		return MNL_CB_OK;
	n = &r->v[r->count++];
	*n = (struct neigh){.ifindex = (uint32_t)nd->ndm_ifindex, .family = len == 4 ? 4 : 6};
	memcpy(n->addr, mnl_attr_get_payload(tb[NDA_DST]), len);
	memcpy(n->mac, mnl_attr_get_payload(tb[NDA_LLADDR]), 6);
	return MNL_CB_OK;
}

int neigh_read(int sock, struct neigh *v, size_t max)
{
	static uint32_t seq;
	uint8_t buf[16384];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ndmsg *nd = mnl_nlmsg_put_extra_header(h, sizeof(*nd));
	struct reading r = {.v = v, .max = max};
	int rc = MNL_CB_OK;

	h->nlmsg_type = RTM_GETNEIGH;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = ++seq;
	nd->ndm_family = AF_UNSPEC;
	if (send(sock, h, h->nlmsg_len, MSG_DONTWAIT) < 0)
		return -errno;
	while (rc > MNL_CB_STOP) {
		struct pollfd p = {.fd = sock, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, 100) <= 0)
			return -ETIMEDOUT;
		n = recv(sock, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? -ETIMEDOUT : -errno;
		/* Leftovers of a dump that was given up carry another sequence number. */
		if ((size_t)n >= sizeof(*h) && ((struct nlmsghdr *)(void *)buf)->nlmsg_seq != seq)
			continue;
		rc = mnl_cb_run(buf, (size_t)n, seq, 0, entry_take, &r);
		if (rc < 0)
			return -errno;
	}
	return (int)r.count;
}
