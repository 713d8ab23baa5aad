#include "base/clock.h"
#include "base/log.h"
#include "myelind/routes_i.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define READS_AT_ONCE 64          /* datagrams before others get their turn */
#define BEAT_NS (500 * NS_PER_MS) /* how often readers are told that we live */
#define LIFE_NS (2 * NS_PER_S)    /* and what they believe it for */
#define SETTLE_NS                                                                                  \
	(50 * NS_PER_MS)          /* the kernel tells of a link first and removes its routes then */
#define AGAIN_NS NS_PER_S         /* between two readings that were disturbed */
#define STAGE_NS (10 * NS_PER_S)  /* patience with the kernel's answer */
#define RENEW_NS (600 * NS_PER_S) /* everything is read again, were there nothing to tell */
#define FULL_NS (30 * NS_PER_S)   /* tried again with more routes than the table holds */

/* What is read, in this order: what routes lead to is known before them. */
static const struct {
	uint16_t type;
	uint8_t family;
	size_t head;
} stages[] = {
	{RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg)},
	{RTM_GETNETCONF, AF_INET, sizeof(struct netconfmsg)},
	{RTM_GETNETCONF, AF_INET6, sizeof(struct netconfmsg)},
	{RTM_GETNEIGH, AF_UNSPEC, sizeof(struct ndmsg)},
	{RTM_GETROUTE, AF_INET, sizeof(struct rtmsg)},
	{RTM_GETROUTE, AF_INET6, sizeof(struct rtmsg)},
};

enum { STAGES = sizeof(stages) / sizeof(stages[0]) };

struct attrs {
	const struct nlattr *v[64];
};

static int attr_take(const struct nlattr *a, void *ctx)
{
	struct attrs *t = ctx;
	uint16_t type = mnl_attr_get_type(a);

	if (type < sizeof(t->v) / sizeof(t->v[0]))
		t->v[type] = a;
	return MNL_CB_OK;
}

static bool attrs_read(struct attrs *t, const struct nlmsghdr *h, size_t head)
{
	*t = (struct attrs){0};
	return mnl_nlmsg_get_payload_len(h) >= head &&
	       mnl_attr_parse(h, (unsigned)head, attr_take, t) >= 0;
}

static uint32_t attr_u32(const struct attrs *t, unsigned type, uint32_t none)
{
	return t->v[type] && mnl_attr_get_payload_len(t->v[type]) >= 4
		       ? mnl_attr_get_u32(t->v[type])
		       : none;
}

/* An address of 4 or 16 bytes; 0: there is none. */
static uint8_t attr_addr(const struct attrs *t, unsigned type, size_t skip, uint8_t out[16])
{
	size_t len = t->v[type] ? mnl_attr_get_payload_len(t->v[type]) : 0;

	if (len != skip + 4 && len != skip + 16)
		return 0;
	memcpy(out, (const uint8_t *)mnl_attr_get_payload(t->v[type]) + skip, len - skip);
	return len - skip == 4 ? 4 : 6;
}

/* Everything is to be read again, not before that time. */
static void again(struct routes *r, uint64_t at)
{
	if (!r->again || at < r->due)
		r->due = at;
	r->again = true;
}

static void route_parse(struct routes_route *x, const struct nlmsghdr *h, const struct attrs *t)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);

	*x = (struct routes_route){.family = m->rtm_family == AF_INET ? 4 : 6,
				   .len = m->rtm_dst_len,
				   .table = attr_u32(t, RTA_TABLE, m->rtm_table),
				   .metric = attr_u32(t, RTA_PRIORITY, 0),
				   .tos = m->rtm_tos,
				   .protocol = m->rtm_protocol,
				   .type = m->rtm_type,
				   .several = t->v[RTA_MULTIPATH] != NULL};
	if (!attr_addr(t, RTA_DST, 0, x->addr))
		memset(x->addr, 0, sizeof(x->addr));
	x->key.ifindex = attr_u32(t, RTA_OIF, 0);
	x->key.family = attr_addr(t, RTA_GATEWAY, 0, x->key.addr);
	/* Of another family than the route's: two octets that name it come first. */
	if (!x->key.family)
		x->key.family = attr_addr(t, RTA_VIA, sizeof(__kernel_sa_family_t), x->key.addr);
	x->plain = x->type == RTN_UNICAST && x->table == RT_TABLE_MAIN && x->key.family &&
		   x->key.ifindex && !x->several && !m->rtm_src_len && !t->v[RTA_ENCAP] &&
		   !t->v[RTA_METRICS] && !(m->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN));
}

static void on_route(struct routes *r, const struct nlmsghdr *h, uint64_t now)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct routes_route x;
	struct attrs t;

	if (!attrs_read(&t, h, sizeof(*m)) ||
	    (m->rtm_family != AF_INET && m->rtm_family != AF_INET6) ||
	    m->rtm_dst_len > (m->rtm_family == AF_INET ? 32 : 128) || m->rtm_flags & RTM_F_CLONED)
		return;
	route_parse(&x, h, &t);
	if (x.table != RT_TABLE_MAIN && x.table != RT_TABLE_LOCAL)
		return;
	r->updates++;
	if (h->nlmsg_type == RTM_NEWROUTE)
		routes_put(r, &x, h->nlmsg_flags & NLM_F_REPLACE);
	else if (!routes_drop(r, &x))
		again(r, now);
}

static void on_neighbour(struct routes *r, const struct nlmsghdr *h)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(h);
	struct routes_key key = {0};
	struct attrs t;
	bool reachable;

	if (!attrs_read(&t, h, sizeof(*nd)) ||
	    (nd->ndm_family != AF_INET && nd->ndm_family != AF_INET6) || nd->ndm_flags & NTF_PROXY)
		return;
	key.ifindex = (uint32_t)nd->ndm_ifindex;
	key.family = attr_addr(&t, NDA_DST, 0, key.addr);
	if (!key.family)
		return;
	/* One that is not known to be there is the kernel's to ask. */
	reachable = h->nlmsg_type == RTM_NEWNEIGH &&
		    nd->ndm_state & (NUD_PERMANENT | NUD_REACHABLE) && t.v[NDA_LLADDR] &&
		    mnl_attr_get_payload_len(t.v[NDA_LLADDR]) == 6;
	routes_neighbour(r, &key, reachable ? mnl_attr_get_payload(t.v[NDA_LLADDR]) : NULL,
			 reachable);
}

/* The kernel takes IPv4 routes over an interface that goes down away without a word. What a reading
 * tells (NLM_F_MULTI) is no news. */
static void on_link(struct routes *r, const struct nlmsghdr *h, uint64_t now)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	struct routes_port was, *p;
	struct attrs t;
	uint16_t port;

	if (!attrs_read(&t, h, sizeof(*i)) || i->ifi_family != AF_UNSPEC)
		return;
	if (!(h->nlmsg_flags & NLM_F_MULTI) &&
	    (h->nlmsg_type == RTM_DELLINK || !(i->ifi_flags & IFF_UP)))
		again(r, now + SETTLE_NS);
	port = routes_port_of(r, (uint32_t)i->ifi_index);
	if (!port)
		return;
	p = &r->ports[port];
	was = *p;
	p->up = h->nlmsg_type == RTM_NEWLINK && i->ifi_flags & IFF_UP;
	p->carrier = h->nlmsg_type == RTM_NEWLINK && i->ifi_flags & IFF_LOWER_UP;
	/* Nor does it tell that routes over it lead somewhere, or nowhere, from now on. */
	if (was.carrier != p->carrier && !(h->nlmsg_flags & NLM_F_MULTI))
		again(r, now + SETTLE_NS);
	p->mtu = attr_u32(&t, IFLA_MTU, 0);
	p->enslaved = attr_u32(&t, IFLA_MASTER, 0) != 0;
	if (was.up != p->up || was.mtu != p->mtu || was.enslaved != p->enslaved)
		routes_port_changed(r, port);
}

/* What the kernel forwards. */
static void on_netconf(struct routes *r, const struct nlmsghdr *h)
{
	const struct netconfmsg *m = mnl_nlmsg_get_payload(h);
	uint32_t ifindex, forwarding;
	struct attrs t;
	uint16_t port;

	if (!attrs_read(&t, h, sizeof(*m)) || !t.v[NETCONFA_FORWARDING])
		return;
	ifindex = attr_u32(&t, NETCONFA_IFINDEX, 0);
	forwarding = attr_u32(&t, NETCONFA_FORWARDING, 0);
	if (m->ncm_family == AF_INET6 && ifindex == (uint32_t)NETCONFA_IFINDEX_ALL) {
		r->forward6_all = forwarding;
		for (uint16_t i = 1; i < FIB_PORTS; i++)
			if (r->ports[i].ifindex)
				routes_port_changed(r, i);
		return;
	}
	port = routes_port_of(r, ifindex);
	if (!port)
		return;
	if (m->ncm_family == AF_INET)
		r->ports[port].forward4 = forwarding;
	else if (m->ncm_family == AF_INET6)
		r->ports[port].forward6 = forwarding;
	routes_port_changed(r, port);
}

static void beat(struct routes *r, uint64_t now)
{
	fib_live_set(r->fib, routes_trouble(r) ? 0 : now + LIFE_NS);
	r->beat_at = now + BEAT_NS;
}

static void stage_ask(struct routes *r, uint64_t now)
{
	uint8_t buf[64] = {0};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	uint8_t *head = mnl_nlmsg_put_extra_header(h, stages[r->stage - 1].head);

	h->nlmsg_type = stages[r->stage - 1].type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = ++r->seq;
	head[0] = stages[r->stage - 1].family; /* the first octet of each of them */
	r->stage_until = now + STAGE_NS;
	if (send(r->sock, h, h->nlmsg_len, MSG_DONTWAIT) < 0) {
		r->stage = 0;
		again(r, now + AGAIN_NS);
	}
}

static void reading_begin(struct routes *r, uint64_t now)
{
	r->again = false;
	r->interrupted = false;
	r->started = true;
	r->pass++;
	r->stage = 1;
	if (r->overflow) {
		routes_empty(r);
		r->synced = false;
		for (uint16_t i = 1; i < FIB_PORTS; i++)
			if (r->ports[i].ifindex)
				routes_port_changed(r, i);
	}
	stage_ask(r, now);
}

static void stage_done(struct routes *r, uint64_t now)
{
	if (r->stage < STAGES) {
		r->stage++;
		stage_ask(r, now);
		return;
	}
	r->stage = 0;
	r->readings++;
	if (r->overflow) {
		log_warn(
			"routes: there are more than the table holds; the kernel forwards them all");
		again(r, now + FULL_NS);
	} else if (r->interrupted) {
		/* What was skipped must not be taken for gone. */
		again(r, now + AGAIN_NS);
	} else {
		routes_sweep(r);
		r->synced = true;
		again(r, now + RENEW_NS);
	}
	beat(r, now);
}

static void on_message(const struct nlmsghdr *h, struct routes *r, uint64_t now)
{
	bool ours = r->stage && h->nlmsg_seq == r->seq && h->nlmsg_pid;

	if (ours && h->nlmsg_flags & NLM_F_DUMP_INTR)
		r->interrupted = true;
	switch (h->nlmsg_type) {
	case NLMSG_DONE:
	case NLMSG_ERROR:
		if (ours) {
			/* A kernel without IPv6 has nothing to tell of it: then it is not forwarded. */
			r->interrupted |= h->nlmsg_type == NLMSG_ERROR &&
					  stages[r->stage - 1].type != RTM_GETNETCONF;
			stage_done(r, now);
		}
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		on_route(r, h, now);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		on_neighbour(r, h);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		on_link(r, h, now);
		break;
	case RTM_NEWNETCONF:
		on_netconf(r, h);
		break;
	case RTM_DELADDR:
	case RTM_DELNEXTHOP:
		again(r, now + SETTLE_NS);
		break;
	default:
		break;
	}
}

void routes_input(struct routes *r, const void *buf, size_t len, uint64_t now)
{
	int left = (int)len;

	for (const struct nlmsghdr *h = buf; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
		on_message(h, r, now);
	if (routes_trouble(r))
		fib_live_set(r->fib, 0);
}

void routes_read(struct routes *r, uint64_t now)
{
	static uint8_t buf[65536] __attribute__((aligned(8)));

	for (unsigned i = 0; i < READS_AT_ONCE; i++) {
		ssize_t n = recv(r->sock, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0 && errno == ENOBUFS) {
			/* Something changed and we do not know what. */
			r->overruns++;
			r->synced = false;
			r->interrupted = true;
			fib_live_set(r->fib, 0);
			again(r, now);
			continue;
		}
		if (n <= 0)
			return;
		routes_input(r, buf, (size_t)n, now);
	}
}

void routes_turn(struct routes *r, uint64_t now)
{
	if (r->stage && now >= r->stage_until) {
		r->stage = 0;
		again(r, now);
	}
	if (!r->stage && r->again && now >= r->due)
		reading_begin(r, now);
	if (now >= r->beat_at)
		beat(r, now);
}

uint64_t routes_deadline(const struct routes *r)
{
	uint64_t next = r->beat_at;

	if (r->stage && r->stage_until < next)
		next = r->stage_until;
	if (!r->stage && r->again && r->due < next)
		next = r->due;
	return next;
}

void routes_port(struct routes *r, uint16_t port, uint32_t ifindex, const char *name)
{
	struct routes_port *p;

	if (!port || port >= FIB_PORTS)
		return;
	p = &r->ports[port];
	if (p->ifindex == ifindex)
		return;
	p->up = false;
	routes_port_changed(r, port);
	*p = (struct routes_port){.ifindex = ifindex};
	snprintf(p->name, sizeof(p->name), "%s", name);
	/* Its neighbours and its settings were of no interest before. */
	again(r, clock_now());
}

struct routes *routes_new(void *area, size_t size, int sock)
{
	struct routes *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->sock = sock;
	r->fib = fib_writer_new(area, size);
	if (!r->fib || routes_init(r) < 0) {
		routes_free(r);
		return NULL;
	}
	again(r, 0);
	return r;
}

void routes_free(struct routes *r)
{
	if (!r)
		return;
	if (r->fib)
		fib_live_set(r->fib, 0);
	routes_fini(r);
	fib_writer_free(r->fib);
	free(r);
}
