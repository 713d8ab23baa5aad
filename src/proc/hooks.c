#include "proc/hooks.h"

#include "proc/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ATTRS 64

struct look {
	const unsigned *overlays;
	unsigned n;
	bool found;
	bool main, local; /* these tables are asked, as always */
	char *what;
	size_t size;
};

struct attrs {
	const struct nlattr *v[ATTRS];
};

static int attr_take(const struct nlattr *a, void *ctx)
{
	struct attrs *t = ctx;

	if (mnl_attr_get_type(a) < ATTRS)
		t->v[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

static void found(struct look *l, const char *text, const char *name)
{
	if (!l->found)
		snprintf(l->what, l->size, "%s%.32s", text, name);
	l->found = true;
}

/* One dump. 0, or -errno of the kernel's. */
static int dump(int bus, struct nlmsghdr *h, mnl_cb_t cb, struct look *l)
{
	struct mnl_socket *s = mnl_socket_open2(bus, SOCK_CLOEXEC);
	const struct timeval patience = {.tv_sec = 1};
	uint8_t buf[16384];
	int ret = MNL_CB_OK;

	if (!s)
		return -errno;
	(void)setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVTIMEO, &patience,
			 sizeof(patience));
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = 1;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(s, h, h->nlmsg_len) < 0)
		ret = -1;
	while (ret > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(s, buf, sizeof(buf));

		ret = n < 0 ? -1 : mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(s), cb, l);
	}
	ret = ret < 0 ? -errno : 0;
	mnl_socket_close(s);
	return ret;
}

/* Chains that see forwarded packets: those of a host's own do not matter. */
static int on_chain(const struct nlmsghdr *h, void *ctx)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
	struct look *l = ctx;
	struct attrs t = {0}, hook = {0};
	uint32_t number;

	if (mnl_attr_parse(h, sizeof(*g), attr_take, &t) < 0 || !t.v[NFTA_CHAIN_HOOK] ||
	    mnl_attr_parse_nested(t.v[NFTA_CHAIN_HOOK], attr_take, &hook) < 0 ||
	    !hook.v[NFTA_HOOK_HOOKNUM] || g->nfgen_family == NFPROTO_BRIDGE ||
	    g->nfgen_family == NFPROTO_ARP)
		return MNL_CB_OK;
	number = be32toh(mnl_attr_get_u32(hook.v[NFTA_HOOK_HOOKNUM]));
	if (g->nfgen_family == NFPROTO_NETDEV || number == NF_INET_PRE_ROUTING ||
	    number == NF_INET_FORWARD || number == NF_INET_POST_ROUTING ||
	    number == NF_INET_INGRESS)
		found(l, "nftables has a chain for forwarded packets: ",
		      t.v[NFTA_CHAIN_NAME] ? mnl_attr_get_str(t.v[NFTA_CHAIN_NAME]) : "?");
	return MNL_CB_OK;
}

static void chains_find(struct look *l)
{
	uint8_t buf[64] = {0};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	int err;

	h->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN;
	g->nfgen_family = NFPROTO_UNSPEC;
	g->version = NFNETLINK_V0;
	err = dump(NETLINK_NETFILTER, h, on_chain, l);
	/* A kernel without it, or in which nobody has used it. */
	if (err && err != -EPROTONOSUPPORT && err != -EINVAL && err != -EOPNOTSUPP)
		found(l, "nftables cannot be asked: ", strerror(-err));
}

/* The older one, whose tables are there as soon as somebody has asked for them. */
static void tables_find(struct look *l)
{
	static const char *const files[] = {"/proc/net/ip_tables_names",
					    "/proc/net/ip6_tables_names"};

	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char name[33] = "";
		int fd = open(files[i], O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? 0 : read(fd, name, sizeof(name) - 1);

		if (fd < 0 && errno != ENOENT)
			found(l, "iptables cannot be asked: ", strerror(errno));
		if (fd >= 0)
			close(fd);
		name[strcspn(name, "\n")] = 0;
		if (n > 0)
			found(l, i ? "ip6tables has a table: " : "iptables has a table: ", name);
	}
}

static int on_rule(const struct nlmsghdr *h, void *ctx)
{
	static const unsigned selectors[] = {FRA_FWMARK,      FRA_FWMASK,   FRA_IIFNAME,
					     FRA_OIFNAME,     FRA_TUN_ID,   FRA_L3MDEV,
					     FRA_UID_RANGE,   FRA_IP_PROTO, FRA_SPORT_RANGE,
					     FRA_DPORT_RANGE, FRA_FLOW,     FRA_GOTO};
	const struct fib_rule_hdr *r = mnl_nlmsg_get_payload(h);
	struct look *l = ctx;
	struct attrs t = {0};
	bool plain = r->action == FR_ACT_TO_TBL && !r->src_len && !r->dst_len && !r->tos &&
		     !(r->flags & FIB_RULE_INVERT);
	char priority[16];
	uint32_t table;
	uint8_t by;

	if (mnl_attr_parse(h, sizeof(*r), attr_take, &t) < 0)
		return MNL_CB_OK;
	by = t.v[FRA_PROTOCOL] ? mnl_attr_get_u8(t.v[FRA_PROTOCOL]) : 0;
	table = t.v[FRA_TABLE] ? mnl_attr_get_u32(t.v[FRA_TABLE]) : r->table;
	for (unsigned i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++)
		plain &= !t.v[selectors[i]];
	if (plain && by == RTPROT_KERNEL) {
		l->main |= table == RT_TABLE_MAIN;
		l->local |= table == RT_TABLE_LOCAL;
		return MNL_CB_OK;
	}
	/* Ours are for what this host sends from its own addresses. */
	if (by == NETLINK_ROUTE_PROTO)
		return MNL_CB_OK;
	snprintf(priority, sizeof(priority), "%u",
		 t.v[FRA_PRIORITY] ? mnl_attr_get_u32(t.v[FRA_PRIORITY]) : 0);
	found(l, "there is a policy rule, of priority ", priority);
	return MNL_CB_OK;
}

static void rules_find(struct look *l)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};

	for (unsigned i = 0; i < sizeof(families); i++) {
		uint8_t buf[64] = {0};
		struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
		struct fib_rule_hdr *r = mnl_nlmsg_put_extra_header(h, sizeof(*r));
		int err;

		h->nlmsg_type = RTM_GETRULE;
		r->family = families[i];
		l->main = l->local = false;
		err = dump(NETLINK_ROUTE, h, on_rule, l);
		if (err == -EAFNOSUPPORT || err == -EOPNOTSUPP)
			continue;
		if (err)
			found(l, "policy rules cannot be asked for: ", strerror(-err));
		else if (!l->main || !l->local)
			found(l, "the rules for the tables `local` and `main` are not as ever", "");
	}
}

static int on_qdisc(const struct nlmsghdr *h, void *ctx)
{
	static const char *const queues[] = {"noqueue",  "pfifo_fast", "pfifo",
					     "fq_codel", "fq",         "mq"};
	const struct tcmsg *m = mnl_nlmsg_get_payload(h);
	struct look *l = ctx;
	struct attrs t = {0};
	const char *kind;
	bool ours = false, queue = false;

	for (unsigned i = 0; i < l->n; i++)
		ours |= l->overlays[i] == (unsigned)m->tcm_ifindex;
	if (!ours || mnl_attr_parse(h, sizeof(*m), attr_take, &t) < 0 || !t.v[TCA_KIND])
		return MNL_CB_OK;
	kind = mnl_attr_get_str(t.v[TCA_KIND]);
	for (unsigned i = 0; i < sizeof(queues) / sizeof(queues[0]); i++)
		queue |= strcmp(kind, queues[i]) == 0;
	if (!queue)
		found(l, "tc has its say on an overlay: ", kind);
	return MNL_CB_OK;
}

static void qdiscs_find(struct look *l)
{
	uint8_t buf[64] = {0};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	int err;

	mnl_nlmsg_put_extra_header(h, sizeof(struct tcmsg));
	h->nlmsg_type = RTM_GETQDISC;
	err = dump(NETLINK_ROUTE, h, on_qdisc, l);
	if (err)
		found(l, "tc cannot be asked: ", strerror(-err));
}

bool hooks_find(const unsigned *overlays, unsigned n, char *what, size_t size)
{
	struct look l = {.overlays = overlays, .n = n, .what = what, .size = size};

	chains_find(&l);
	tables_find(&l);
	rules_find(&l);
	qdiscs_find(&l);
	return l.found;
}
