#include "proc/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROUTES_ROOM (32 << 20) /* bytes: some 40,000 notifications */

struct netlink {
	struct mnl_socket *sock;
	unsigned seq;
	char buf[16384]; /* requests go out of it, answers come into it */
};

struct netlink *netlink_new(void)
{
	struct netlink *nl = calloc(1, sizeof(*nl));

	if (!nl)
		return NULL;
	nl->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl->sock || mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		netlink_free(nl);
		return NULL;
	}
	return nl;
}

void netlink_free(struct netlink *nl)
{
	if (!nl)
		return;
	if (nl->sock)
		mnl_socket_close(nl->sock);
	free(nl);
}

static struct nlmsghdr *request(struct netlink *nl, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(nl->buf);

	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = ++nl->seq;
	return h;
}

/* Sends the request and hands what comes back to cb; returns the kernel's verdict. */
static int talk(struct netlink *nl, struct nlmsghdr *h, mnl_cb_t cb, void *ctx)
{
	unsigned portid = mnl_socket_get_portid(nl->sock);
	ssize_t n;
	int ret = MNL_CB_OK;

	h->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(nl->sock, h, h->nlmsg_len) < 0)
		return -errno;
	while (ret > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(nl->sock, nl->buf, sizeof(nl->buf));
		if (n < 0)
			return -errno;
		ret = mnl_cb_run(nl->buf, (size_t)n, nl->seq, portid, cb, ctx);
		/* An answer to an earlier request that was given up: not ours. */
		if (ret < 0 && errno == EPROTO)
			ret = MNL_CB_OK;
	}
	return ret < 0 ? -errno : 0;
}

static int read_link_attr(const struct nlattr *a, void *ctx)
{
	struct netlink_link *out = ctx;

	if (mnl_attr_get_type(a) == IFLA_MTU)
		out->mtu = mnl_attr_get_u32(a);
	if (mnl_attr_get_type(a) == IFLA_ADDRESS && mnl_attr_get_payload_len(a) == 6) {
		memcpy(out->mac, mnl_attr_get_payload(a), 6);
		out->ethernet = true;
	}
	return MNL_CB_OK;
}

static int read_link(const struct nlmsghdr *h, void *ctx)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	struct netlink_link *out = ctx;
	int ret;

	if (h->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	out->ifindex = (unsigned)i->ifi_index;
	out->up = i->ifi_flags & IFF_UP;
	out->running = out->up && (i->ifi_flags & IFF_LOWER_UP);
	ret = mnl_attr_parse(h, sizeof(*i), read_link_attr, out);
	out->ethernet &= i->ifi_type == ARPHRD_ETHER;
	return ret;
}

int netlink_link_get(struct netlink *nl, const char *ifname, struct netlink_link *out)
{
	struct nlmsghdr *h = request(nl, RTM_GETLINK, 0);
	int err;

	memset(out, 0, sizeof(*out));
	mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(h, IFLA_IFNAME, ifname);
	err = talk(nl, h, read_link, out);
	return err ? err : out->ifindex ? 0 : -ENODEV;
}

static struct nlmsghdr *link_request(struct netlink *nl, unsigned ifindex, unsigned flags)
{
	struct nlmsghdr *h = request(nl, RTM_NEWLINK, 0);
	struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof(*i));

	i->ifi_index = (int)ifindex;
	i->ifi_flags = i->ifi_change = flags;
	return h;
}

int netlink_link_up(struct netlink *nl, unsigned ifindex)
{
	return talk(nl, link_request(nl, ifindex, IFF_UP), NULL, NULL);
}

int netlink_link_down(struct netlink *nl, unsigned ifindex)
{
	struct nlmsghdr *h = link_request(nl, ifindex, 0);
	struct ifinfomsg *i = mnl_nlmsg_get_payload(h);

	i->ifi_change = IFF_UP;
	return talk(nl, h, NULL, NULL);
}

int netlink_link_mtu(struct netlink *nl, unsigned ifindex, unsigned mtu)
{
	struct nlmsghdr *h = link_request(nl, ifindex, 0);

	mnl_attr_put_u32(h, IFLA_MTU, mtu);
	return talk(nl, h, NULL, NULL);
}

int netlink_link_mac(struct netlink *nl, unsigned ifindex, const uint8_t mac[6])
{
	struct nlmsghdr *h = link_request(nl, ifindex, 0);

	mnl_attr_put(h, IFLA_ADDRESS, 6, mac);
	return talk(nl, h, NULL, NULL);
}

static int address_change(struct netlink *nl, bool add, unsigned ifindex, uint8_t family,
			  uint8_t prefix, const uint8_t *addr)
{
	struct nlmsghdr *h =
		request(nl, add ? RTM_NEWADDR : RTM_DELADDR, add ? NLM_F_CREATE | NLM_F_EXCL : 0);
	struct ifaddrmsg *a = mnl_nlmsg_put_extra_header(h, sizeof(*a));
	size_t len = family == 6 ? 16 : 4;

	a->ifa_family = family == 6 ? AF_INET6 : AF_INET;
	a->ifa_prefixlen = prefix;
	a->ifa_index = ifindex;
	mnl_attr_put(h, IFA_LOCAL, len, addr);
	mnl_attr_put(h, IFA_ADDRESS, len, addr);
	if (add && family == 4 && prefix < 31) {
		uint32_t all;

		memcpy(&all, addr, sizeof(all));
		all |= htonl(~(uint32_t)0 >> prefix);
		mnl_attr_put(h, IFA_BROADCAST, sizeof(all), &all);
	}
	/* The addresses come from one file that `check` has found free of duplicates, and a
	 * detection that waits for the carrier would hold up routing after every key loss. */
	if (add && family == 6)
		mnl_attr_put_u32(h, IFA_FLAGS, IFA_F_NODAD);
	return talk(nl, h, NULL, NULL);
}

int netlink_address_add(struct netlink *nl, unsigned ifindex, uint8_t family, uint8_t prefix,
			const uint8_t *addr)
{
	int err = address_change(nl, true, ifindex, family, prefix, addr);

	return err == -EEXIST ? 0 : err;
}

int netlink_address_del(struct netlink *nl, unsigned ifindex, uint8_t family, uint8_t prefix,
			const uint8_t *addr)
{
	int err = address_change(nl, false, ifindex, family, prefix, addr);

	return err == -EADDRNOTAVAIL || err == -ENODEV ? 0 : err;
}

/* A next hop of another family has its family said. */
static void put_via(struct nlmsghdr *h, const struct netlink_route *r)
{
	const __kernel_sa_family_t family = AF_INET6;
	uint8_t via[sizeof(family) + 16]; /* struct rtvia */

	if (r->via_family == r->family) {
		mnl_attr_put(h, RTA_GATEWAY, r->family == 6 ? 16 : 4, r->via);
		return;
	}
	memcpy(via, &family, sizeof(family));
	memcpy(via + sizeof(family), r->via, 16);
	mnl_attr_put(h, RTA_VIA, sizeof(via), via);
}

static int route_change(struct netlink *nl, bool add, const struct netlink_route *r)
{
	static const uint8_t none[16];
	struct nlmsghdr *h = request(nl, add ? RTM_NEWROUTE : RTM_DELROUTE,
				     add ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	size_t len = r->family == 6 ? 16 : 4;
	bool direct = !memcmp(r->via, none, sizeof(none));

	m->rtm_family = r->family == 6 ? AF_INET6 : AF_INET;
	m->rtm_dst_len = r->prefix;
	m->rtm_table = r->table ? RT_TABLE_UNSPEC : RT_TABLE_MAIN;
	m->rtm_protocol = NETLINK_ROUTE_PROTO;
	m->rtm_scope = direct ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	m->rtm_type = RTN_UNICAST;
	mnl_attr_put(h, RTA_DST, len, r->dst);
	if (!direct)
		put_via(h, r);
	if (memcmp(r->src, none, sizeof(none)) != 0)
		mnl_attr_put(h, RTA_PREFSRC, len, r->src);
	mnl_attr_put_u32(h, RTA_OIF, r->ifindex);
	mnl_attr_put_u32(h, RTA_PRIORITY, r->metric);
	if (r->table)
		mnl_attr_put_u32(h, RTA_TABLE, r->table);
	return talk(nl, h, NULL, NULL);
}

int netlink_route_put(struct netlink *nl, const struct netlink_route *r)
{
	return route_change(nl, true, r);
}

int netlink_route_del(struct netlink *nl, const struct netlink_route *r)
{
	int err = route_change(nl, false, r);

	return err == -ESRCH || err == -ENODEV ? 0 : err;
}

static struct nlmsghdr *neighbour_request(struct netlink *nl, bool add, unsigned ifindex,
					  uint8_t family, const uint8_t *addr)
{
	struct nlmsghdr *h = request(nl, add ? RTM_NEWNEIGH : RTM_DELNEIGH,
				     add ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	struct ndmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->ndm_family = family == 6 ? AF_INET6 : AF_INET;
	m->ndm_ifindex = (int)ifindex;
	m->ndm_state = NUD_PERMANENT;
	mnl_attr_put(h, NDA_DST, family == 6 ? 16 : 4, addr);
	return h;
}

int netlink_neighbour_put(struct netlink *nl, unsigned ifindex, uint8_t family, const uint8_t *addr,
			  const uint8_t mac[6])
{
	struct nlmsghdr *h = neighbour_request(nl, true, ifindex, family, addr);

	mnl_attr_put(h, NDA_LLADDR, 6, mac);
	return talk(nl, h, NULL, NULL);
}

int netlink_neighbour_del(struct netlink *nl, unsigned ifindex, uint8_t family, const uint8_t *addr)
{
	int err = talk(nl, neighbour_request(nl, false, ifindex, family, addr), NULL, NULL);

	return err == -ENOENT || err == -ENODEV || err == -ENXIO ? 0 : err;
}

int netlink_neighbour_probe(struct netlink *nl, unsigned ifindex, uint8_t family,
			    const uint8_t *addr)
{
	struct nlmsghdr *h = request(nl, RTM_NEWNEIGH, NLM_F_CREATE);
	struct ndmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->ndm_family = family == 6 ? AF_INET6 : AF_INET;
	m->ndm_ifindex = (int)ifindex;
	m->ndm_flags = NTF_USE;
	mnl_attr_put(h, NDA_DST, family == 6 ? 16 : 4, addr);
	return talk(nl, h, NULL, NULL);
}

static int rule_change(struct netlink *nl, bool add, uint8_t family, const uint8_t *from,
		       uint32_t table)
{
	struct nlmsghdr *h =
		request(nl, add ? RTM_NEWRULE : RTM_DELRULE, add ? NLM_F_CREATE | NLM_F_EXCL : 0);
	struct fib_rule_hdr *r = mnl_nlmsg_put_extra_header(h, sizeof(*r));
	size_t len = family == 6 ? 16 : 4;

	r->family = family == 6 ? AF_INET6 : AF_INET;
	r->src_len = (uint8_t)(8 * len);
	r->action = FR_ACT_TO_TBL;
	mnl_attr_put(h, FRA_SRC, len, from);
	mnl_attr_put_u32(h, FRA_TABLE, table);
	mnl_attr_put_u32(h, FRA_PRIORITY, NETLINK_RULE_PRIORITY);
	mnl_attr_put_u8(h, FRA_PROTOCOL, NETLINK_ROUTE_PROTO);
	return talk(nl, h, NULL, NULL);
}

int netlink_rule_add(struct netlink *nl, uint8_t family, const uint8_t *from, uint32_t table)
{
	int err = rule_change(nl, true, family, from, table);

	return err == -EEXIST ? 0 : err;
}

int netlink_rule_del(struct netlink *nl, uint8_t family, const uint8_t *from, uint32_t table)
{
	int err = rule_change(nl, false, family, from, table);

	return err == -ENOENT ? 0 : err;
}

static int subscribed_open(const int *groups, size_t n)
{
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE), err;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		goto fail;
	for (size_t i = 0; i < n; i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			goto fail;
	return fd;
fail:
	err = -errno;
	close(fd);
	return err;
}

int netlink_watch_open(void)
{
	const int groups[] = {RTNLGRP_LINK, RTNLGRP_TC, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE};

	return subscribed_open(groups, sizeof(groups) / sizeof(groups[0]));
}

int netlink_routes_open(void)
{
	const int groups[] = {
		RTNLGRP_LINK,        RTNLGRP_NEIGH,      RTNLGRP_NEXTHOP,
		RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV4_NETCONF,
		RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV6_NETCONF,
	};
	const int room = ROUTES_ROOM;
	int fd = subscribed_open(groups, sizeof(groups) / sizeof(groups[0]));

	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	return fd;
}

void netlink_watch_drain(int fd)
{
	char buf[8192];

	/* ENOBUFS says that notifications were lost, which is one more reason to look. */
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0 || errno == ENOBUFS)
		errno = 0;
}
