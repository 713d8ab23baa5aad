#include "myelind/wants.h"

#include "base/log.h"
#include "myelind/guarded.h"
#include "myelind/neighbours.h"
#include "proc/iface.h"
#include "proc/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WANTS_MAX 65536 /* of each kind: what a mad control could make the parent hold */

#define WANT_UDP 4

struct want_port {
	struct msg_port_want want;
	bool named; /* since control was started */
	bool open;
	bool up;   /* as last seen: addresses and routes go with it */
	bool link; /* as last told to forward */
	int error; /* what control was told last, 0: ready */
	unsigned ifindex;
	uint16_t mtu;
	uint8_t mac[6];
	/* -1: none. The wan ports of an interface have the same packet sockets, each its own
	 * descriptors of them: that is one look at a frame in the kernel, not one for each VLAN. */
	int fd;               /* forward's: packet socket or TAP */
	int eapol;            /* control's: packet socket */
	int promisc;          /* bridged lan: what has its interface hear everything */
	int dhcp;             /* control's too, for a port that gets its address so */
	int udp[WANT_UDP];    /* control's too, for IKE: see udp_kinds */
	unsigned udp_ifindex; /* of the interface that they are bound to */
};

/* The sockets of a wan port that tunnels run over. */
static const struct msg_port_udp udp_kinds[WANT_UDP] = {
	{.family = 4, .udp = 500},
	{.family = 4, .udp = 4500},
	{.family = 6, .udp = 500},
	{.family = 6, .udp = 4500},
};

struct want_address {
	struct msg_address_want want;
	bool named;
};

struct want_route {
	struct msg_route_want want;
	bool bare; /* put without its source, which is no address of this host yet */
	bool named;
};

struct wants {
	struct wants_say say;
	struct netlink *nl;
	struct want_port *ports;
	size_t port_count;
	struct want_address *addresses;
	size_t address_count;
	struct want_route *routes;
	size_t route_count;
	struct neighbours neighbours;
	struct guarded guarded;
};

struct wants *wants_new(const struct wants_say *say)
{
	struct wants *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->say = *say;
	w->nl = netlink_new();
	if (!w->nl) {
		free(w);
		return NULL;
	}
	return w;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void udp_close(struct want_port *p)
{
	for (unsigned i = 0; i < WANT_UDP; i++)
		close_fd(&p->udp[i]);
}

void wants_free(struct wants *w)
{
	for (size_t i = 0; i < w->port_count; i++) {
		udp_close(&w->ports[i]);
		close_fd(&w->ports[i].fd);
		close_fd(&w->ports[i].eapol);
		close_fd(&w->ports[i].promisc);
		close_fd(&w->ports[i].dhcp);
	}
	guarded_fini(&w->guarded);
	netlink_free(w->nl);
	free(w->ports);
	free(w->addresses);
	free(w->routes);
	neighbours_fini(&w->neighbours);
	free(w);
}

/* A zeroed element more in an array of any of the above; NULL when there are too many. */
static void *array_grow(void **array, size_t *count, size_t size)
{
	void *p;

	if (*count >= WANTS_MAX)
		return NULL;
	p = realloc(*array, (*count + 1) * size);
	if (!p)
		return NULL;
	*array = p;
	p = (char *)p + *count * size;
	memset(p, 0, size);
	++*count;
	return p;
}

static struct want_port *port_find(struct wants *w, uint16_t id)
{
	for (size_t i = 0; i < w->port_count; i++)
		if (w->ports[i].want.port == id)
			return &w->ports[i];
	return NULL;
}

/* The rules of all wan ports on this interface. Returns how many. */
static unsigned rules_collect(const struct wants *w, const char *ifname,
			      struct guard_rule rules[GUARD_RULES])
{
	static const struct {
		enum msg_allow bit;
		enum guard_class class;
	} classes[] = {
		{MSG_ALLOW_ARP_ND, GUARD_ARP_ND},
		{MSG_ALLOW_DHCP, GUARD_DHCP},
		{MSG_ALLOW_BGP, GUARD_BGP},
		{MSG_ALLOW_LLDP, GUARD_LLDP},
		{MSG_ALLOW_SSH, GUARD_SSH},
		{MSG_ALLOW_PING, GUARD_PING},
		{MSG_ALLOW_INTEGRITY, GUARD_INTEGRITY},
		{MSG_ALLOW_ESP, GUARD_ESP},
		{MSG_ALLOW_ESP, GUARD_IKE},
		{MSG_ALLOW_ESP, GUARD_ICMP},
		{MSG_ALLOW_CLEAR, GUARD_CLEAR},
	};
	static const struct guard_tags untagged = {0};
	bool lldp = false;
	unsigned n = 0;

	for (size_t i = 0; i < w->port_count && n < GUARD_PORTS; i++) {
		const struct msg_port_want *p = &w->ports[i].want;
		struct guard_rule *r = &rules[n];

		if (p->kind != MSG_PORT_WAN || strcmp(p->ifname, ifname) != 0)
			continue;
		*r = (struct guard_rule){.tags = {.vlan = p->vlan,
						  .outer_type = p->outer_type,
						  .outer_vlan = p->outer_vlan},
					 .allow = 1u << GUARD_MACSEC};
		lldp |= p->allow & MSG_ALLOW_LLDP;
		if (p->allow & MSG_ALLOW_EAPOL)
			r->eapol_type = p->eapol_type;
		memcpy(r->eapol_dst, p->eapol_dst, 6);
		r->rule_count = p->rules.count;
		memcpy(r->rules, p->rules.v, sizeof(r->rules));
		for (size_t c = 0; c < sizeof(classes) / sizeof(classes[0]); c++)
			if (p->allow & classes[c].bit)
				r->allow |= 1u << classes[c].class;
		n++;
	}
	/* LLDP belongs to the cable, not to a VLAN on it. */
	for (unsigned i = 0; lldp && i <= n; i++) {
		if (i == n)
			rules[n++] = (struct guard_rule){.tags = untagged};
		else if (memcmp(&rules[i].tags, &untagged, sizeof(untagged)) != 0)
			continue;
		rules[i].allow |= 1u << GUARD_LLDP;
		break;
	}
	return n;
}

/* A rule lets frames in in clear, behind tags of the hosts' perhaps: forward chooses from all. */
static bool bypasses(const struct msg_port_want *p)
{
	for (unsigned i = 0; i < p->rules.count; i++)
		if (p->rules.v[i].action == RULE_BYPASS)
			return true;
	return false;
}

static struct iface_row row_of(const struct msg_port_want *p, bool eapol)
{
	/* A destination that is nobody's group is not this host's either: the members share it. */
	bool shared = !(p->eapol_dst[0] & 1);
	struct iface_row r = {.type = eapol ? p->eapol_type : 0x88e5,
			      .for_others = eapol ? shared : p->others,
			      .all = !eapol && bypasses(p),
			      .esp = !eapol && p->allow & MSG_ALLOW_ESP,
			      .vlan = p->vlan,
			      .outer_type = p->outer_type,
			      .outer_vlan = p->outer_vlan};

	if (!eapol && p->allow & MSG_ALLOW_CLEAR) {
		r.type = p->eapol_type;
		r.other_types = true;
	}
	return r;
}

/* What the packet sockets of an interface are given: the MKPDUs of all its ports, or their MACsec
 * frames, and where an overlay may go in clear all but the MKPDUs. */
static unsigned rows_collect(const struct wants *w, const char *ifname, bool eapol,
			     struct iface_row rows[IFACE_ROWS_MAX])
{
	unsigned n = 0;

	for (size_t i = 0; i < w->port_count && n < IFACE_ROWS_MAX; i++) {
		const struct msg_port_want *p = &w->ports[i].want;

		if (p->kind == MSG_PORT_WAN && strcmp(p->ifname, ifname) == 0 &&
		    (!eapol || p->eapol_type))
			rows[n++] = row_of(p, eapol);
	}
	return n;
}

/* The interface's guards stand and have the rules of all its ports. 0 or -errno. */
static int guards_put(struct wants *w, const char *ifname, unsigned ifindex)
{
	struct guard_rule rules[GUARD_RULES];
	unsigned n = rules_collect(w, ifname, rules);

	return guarded_put(&w->guarded, ifname, ifindex, rules, n);
}

/* Another descriptor of a packet socket that a port of this interface has, told what all its ports
 * are given now, or a new socket. The descriptor or -errno. */
static int socket_get(const struct wants *w, const struct want_port *p, bool eapol)
{
	struct iface_row rows[IFACE_ROWS_MAX];
	unsigned n = rows_collect(w, p->want.ifname, eapol, rows);

	for (size_t i = 0; i < w->port_count; i++) {
		const struct want_port *o = &w->ports[i];
		int fd = eapol ? o->eapol : o->fd, err;

		if (o->want.kind != MSG_PORT_WAN || o->ifindex != p->ifindex || fd < 0)
			continue;
		err = iface_packet_filter(fd, rows, n);
		if (err)
			return err;
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? -errno : fd;
	}
	return iface_packet_open(p->ifindex, rows, n);
}

/* A port went, or has other frames: the sockets of those that stay are told. */
static void sockets_tell(const struct wants *w, const char *ifname)
{
	for (int eapol = 0; eapol < 2; eapol++)
		for (size_t i = 0; i < w->port_count; i++) {
			const struct want_port *p = &w->ports[i];
			struct iface_row rows[IFACE_ROWS_MAX];
			int fd = eapol ? p->eapol : p->fd;

			if (p->want.kind != MSG_PORT_WAN || strcmp(p->want.ifname, ifname) != 0 ||
			    fd < 0)
				continue;
			(void)iface_packet_filter(fd, rows, rows_collect(w, ifname, eapol, rows));
			break;
		}
}

/* The keying's socket of a wan port, if it has keying. 0 or -errno. */
static int eapol_open(const struct wants *w, struct want_port *p)
{
	int err;

	if (!p->want.eapol_type)
		return 0;
	if (p->eapol < 0)
		p->eapol = socket_get(w, p, true);
	if (p->eapol < 0)
		return p->eapol;
	err = iface_packet_join(p->eapol, p->ifindex, p->want.eapol_dst);
	if (err)
		close_fd(&p->eapol);
	return err;
}

static struct netlink_route route_of(const struct want_port *p, const struct want_route *r)
{
	const struct msg_route_want *want = &r->want;
	struct netlink_route out = {
		.ifindex = p->ifindex,
		.family = want->family,
		.prefix = want->prefix,
		.metric = want->metric,
		.table = want->own_table ? NETLINK_TABLE + (uint32_t)want->port : 0,
		.via_family = want->via_family,
	};

	memcpy(out.dst, want->dst, sizeof(out.dst));
	memcpy(out.via, want->via, sizeof(out.via));
	if (!r->bare)
		memcpy(out.src, want->src, sizeof(out.src));
	return out;
}

static int route_put(struct wants *w, const struct want_port *p, const struct want_route *r)
{
	const struct netlink_route route = route_of(p, r);

	return netlink_route_put(w->nl, &route);
}

static void route_apply(struct wants *w, const struct want_port *p, struct want_route *r)
{
	int err;

	r->bare = false;
	err = route_put(w, p, r);
	/* Next hops of IPv6 need it on the overlay's interface, which is ours to say. */
	if (err == -EACCES && p->want.kind == MSG_PORT_OVERLAY && !iface_ipv6(p->want.ifname))
		err = route_put(w, p, r);
	if (err == -EINVAL) {
		r->bare = true;
		err = route_put(w, p, r);
	}
	if (err)
		log_warn("%s: cannot set a route: %s", p->want.ifname, strerror(-err));
}

/* The routes of other ports whose source is this address, there now. */
static void routes_from(struct wants *w, const struct msg_address_want *a)
{
	for (size_t i = 0; i < w->route_count; i++) {
		struct want_route *r = &w->routes[i];
		const struct want_port *p = port_find(w, r->want.port);

		if (p && p->open && r->want.family == a->family && r->want.port != a->port &&
		    !memcmp(r->want.src, a->addr, sizeof(a->addr)))
			route_apply(w, p, r);
	}
}

static void address_apply(struct wants *w, const struct want_port *p,
			  const struct msg_address_want *a)
{
	int err = netlink_address_add(w->nl, p->ifindex, a->family, a->prefix, a->addr);

	if (!err && a->own_table)
		err = netlink_rule_add(w->nl, a->family, a->addr, NETLINK_TABLE + a->port);

	/* The kernel's switch for IPv6 is one for the whole namespace, so it is touched only
	 * where IPv6 is routed. */
	if (!err && a->family == 6 && p->want.kind != MSG_PORT_WAN)
		err = iface_forwarding(p->want.ifname, true);
	if (err)
		log_warn("%s: cannot set its address: %s", p->want.ifname, strerror(-err));
	else
		routes_from(w, a);
}

static void port_apply(struct wants *w, const struct want_port *p)
{
	for (size_t i = 0; i < w->address_count; i++)
		if (w->addresses[i].want.port == p->want.port)
			address_apply(w, p, &w->addresses[i].want);
	for (size_t i = 0; i < w->route_count; i++)
		if (w->routes[i].want.port == p->want.port)
			route_apply(w, p, &w->routes[i]);
	neighbours_apply(&w->neighbours, w->nl, p->want.port, p->ifindex);
}

/* IKE's sockets, where there is to be IKE. They outlast the port's closing: what control holds of
 * them would stand in the way of others at the same interface. 0 or -errno. */
static int udp_open(struct want_port *p)
{
	if (!(p->want.allow & MSG_ALLOW_ESP) || p->udp_ifindex != p->ifindex)
		udp_close(p);
	p->udp_ifindex = p->ifindex;
	for (unsigned i = 0; p->want.allow & MSG_ALLOW_ESP && i < WANT_UDP; i++) {
		const struct msg_port_udp *k = &udp_kinds[i];

		if (p->udp[i] >= 0)
			continue;
		p->udp[i] = iface_udp_open(p->want.ifname, k->family, k->udp, k->udp != 500);
		if (p->udp[i] < 0 && !(p->udp[i] == -EAFNOSUPPORT && k->family == 6)) {
			int err = p->udp[i];

			udp_close(p);
			return err;
		}
	}
	return 0;
}

/* Ports of that kind on that interface. */
static unsigned port_count_on(const struct wants *w, const char *ifname, enum msg_port_kind kind)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->port_count; i++)
		n += w->ports[i].want.kind == kind && !strcmp(w->ports[i].want.ifname, ifname);
	return n;
}

/* What the interface must carry besides the MTU. The kernel gives a single 802.1Q tag room of its
 * own and no other: a frame with two counts with both of them. */
static uint16_t tags_room(const struct msg_port_want *want)
{
	return want->outer_type ? 8 : 0;
}

/* Bytes; 0: whatever it has. */
static uint16_t mtu_needed(const struct msg_port_want *want)
{
	return want->mtu ? (uint16_t)(want->mtu + tags_room(want)) : 0;
}

/* Each open function returns 0, or -errno and names the step in *what. */
static int wan_open(struct wants *w, struct want_port *p, const char **what)
{
	const struct msg_port_want *want = &p->want;
	int err;

	*what = "have more than 64 wan ports on it";
	_Static_assert(GUARD_PORTS == 64 && IFACE_ROWS_MAX == 64, "as the message says");
	if (port_count_on(w, want->ifname, MSG_PORT_WAN) > GUARD_PORTS)
		return -ENOSPC;
	*what = "guard it";
	err = guards_put(w, want->ifname, p->ifindex);
	if (err)
		return err;
	*what = "set its MTU";
	/* Never lowered: other VLANs of the interface may need what it has. */
	err = mtu_needed(want) > p->mtu ? netlink_link_mtu(w->nl, p->ifindex, mtu_needed(want)) : 0;
	if (err)
		return err;
	*what = "set it up";
	err = netlink_link_up(w->nl, p->ifindex);
	if (err)
		return err;
	*what = "open a packet socket on it";
	p->fd = socket_get(w, p, false);
	if (p->fd < 0)
		return p->fd;
	err = iface_packet_mark(p->fd, GUARD_FORWARD_MARK);
	if (!err)
		err = iface_packet_join(p->fd, p->ifindex, NULL);
	if (!err && want->others)
		err = iface_packet_promisc(p->fd, p->ifindex);
	if (err)
		return err;
	*what = "open a socket for DHCP on it";
	p->dhcp = want->dhcp ? iface_dhcp_open(p->ifindex) : -1;
	if (want->dhcp && p->dhcp < 0)
		return p->dhcp;
	*what = "open the sockets of IKE on it, UDP 500 and 4500 (does another IKE daemon run?)";
	err = udp_open(p);
	if (err)
		return err;
	*what = "open a socket for keying on it";
	return eapol_open(w, p);
}

static int overlay_open(struct wants *w, struct want_port *p, const char **what)
{
	static const uint8_t none[6];
	const struct want_port *over = port_find(w, p->want.over);
	struct netlink_link link;
	int err;

	*what = "make it before its wan port is there";
	if (!over || over->want.kind != MSG_PORT_WAN || !over->open)
		return -ENETDOWN;
	*what = "make it";
	p->fd = iface_tap_open(p->want.ifname);
	if (p->fd < 0)
		return p->fd;
	err = netlink_link_get(w->nl, p->want.ifname, &link);
	if (err)
		return err;
	p->ifindex = link.ifindex;
	memcpy(p->mac, memcmp(p->want.mac, none, 6) ? p->want.mac : over->mac, 6);
	*what = "set its MAC address";
	err = netlink_link_mac(w->nl, p->ifindex, p->mac);
	if (err)
		return err;
	*what = "set its MTU";
	err = p->want.mtu ? netlink_link_mtu(w->nl, p->ifindex, p->want.mtu) : 0;
	if (err)
		return err;
	*what = "let it route";
	err = iface_forwarding(p->want.ifname, false);
	if (!err)
		err = iface_follow_carrier(p->want.ifname);
	if (err)
		return err;
	*what = "set it up";
	return netlink_link_up(w->nl, p->ifindex);
}

/* The interface behind which forward has a bridged lan port. */
static void inside_name(const struct want_port *p, char name[16])
{
	snprintf(name, 16, "bridge-%u", p->want.port);
}

/* A lan port in a bridge: forward's TAP and the interface hand each other everything. */
static int bridge_open(struct wants *w, struct want_port *p, const char **what)
{
	struct netlink_link inside = {0};
	char name[16];
	int err;

	inside_name(p, name);
	*what = "make the inside of its bridge";
	p->fd = iface_bridge_open(name);
	if (p->fd < 0)
		return p->fd;
	err = netlink_link_get(w->nl, name, &inside);
	if (err)
		return err;
	*what = "keep the kernel's own traffic off it";
	err = guarded_put_bridge(&w->guarded, name, inside.ifindex, p->ifindex, 0);
	if (!err)
		err = guarded_put_bridge(&w->guarded, p->want.ifname, p->ifindex, inside.ifindex,
					 p->want.l2cp_peers);
	if (err)
		return err;
	*what = "set its MTU";
	err = p->want.mtu > p->mtu ? netlink_link_mtu(w->nl, p->ifindex, p->want.mtu) : 0;
	if (err)
		return err;
	*what = "have it receive everything";
	p->promisc = iface_promisc_open(p->ifindex);
	if (p->promisc < 0)
		return p->promisc;
	*what = "set it up";
	err = netlink_link_up(w->nl, inside.ifindex);
	return err ? err : netlink_link_up(w->nl, p->ifindex);
}

static int lan_open(struct wants *w, struct want_port *p, const char **what)
{
	int err;

	/* What carries ciphertext may not route in clear. */
	*what = "be a lan and a wan at once";
	if (port_count_on(w, p->want.ifname, MSG_PORT_WAN))
		return -EINVAL;
	if (p->want.over)
		return bridge_open(w, p, what);
	/* It may have been bridged before, by this process or one before it. */
	guarded_forget(&w->guarded, p->want.ifname);
	guard_unbridge(p->ifindex);
	*what = "set its MTU";
	err = p->want.mtu && p->want.mtu != p->mtu
		      ? netlink_link_mtu(w->nl, p->ifindex, p->want.mtu)
		      : 0;
	if (err)
		return err;
	*what = "let it route";
	err = iface_forwarding(p->want.ifname, false);
	if (err)
		return err;
	*what = "set it up";
	return netlink_link_up(w->nl, p->ifindex);
}

static void port_give(struct wants *w, const struct want_port *p)
{
	struct msg m = {
		.type = MSG_PORT_GIVE,
		.port_give =
			{
				.port = p->want.port,
				.kind = p->want.kind,
				.vlan = p->want.vlan,
				.outer_type = p->want.outer_type,
				.outer_vlan = p->want.outer_vlan,
				.mtu = (uint16_t)(p->mtu - tags_room(&p->want)),
				.eapol_type = p->want.eapol_type,
				.integrity = p->want.allow & MSG_ALLOW_INTEGRITY,
				.clear = p->want.allow & MSG_ALLOW_CLEAR,
				.over = p->want.kind == MSG_PORT_LAN ? p->want.over : 0,
				.link = p->link,
				.rules = p->want.rules,
			},
	};

	if (p->fd < 0)
		return;
	memcpy(m.port_give.ifname, p->want.ifname, sizeof(m.port_give.ifname));
	memcpy(m.port_give.mac, p->mac, 6);
	w->say.forward(w->say.ctx, &m, p->fd);
}

static void port_ready(struct wants *w, const struct want_port *p, const char *what)
{
	struct msg m = {
		.type = MSG_PORT_READY,
		.port_ready =
			{
				.port = p->want.port,
				.error = (uint16_t)-p->error,
				.ifindex = p->ifindex,
				.mtu = p->mtu,
			},
	};
	const struct msg dhcp = {.type = MSG_PORT_DHCP, .port_drop = p->want.port};

	memcpy(m.port_ready.mac, p->mac, 6);
	if (p->error)
		snprintf(m.port_ready.what, sizeof(m.port_ready.what), "%s: cannot %s: %s",
			 p->want.ifname, what, strerror(-p->error));
	w->say.control(w->say.ctx, &m, p->error ? -1 : p->eapol);
	if (!p->error && p->dhcp >= 0)
		w->say.control(w->say.ctx, &dhcp, p->dhcp);
	for (unsigned i = 0; !p->error && i < WANT_UDP; i++) {
		struct msg udp = {.type = MSG_PORT_UDP, .port_udp = udp_kinds[i]};

		udp.port_udp.port = p->want.port;
		if (p->udp[i] >= 0)
			w->say.control(w->say.ctx, &udp, p->udp[i]);
	}
}

static void port_close(struct wants *w, struct want_port *p)
{
	const struct msg m = {.type = MSG_PORT_DROP, .port_drop = p->want.port};

	if (p->open && p->fd >= 0)
		w->say.forward(w->say.ctx, &m, -1);
	if (p->promisc >= 0) {
		char name[16];

		inside_name(p, name);
		guarded_forget(&w->guarded, name);
	}
	close_fd(&p->promisc);
	close_fd(&p->fd);
	close_fd(&p->eapol);
	close_fd(&p->dhcp);
	p->open = false;
	p->ifindex = 0;
	if (p->want.kind == MSG_PORT_WAN)
		sockets_tell(w, p->want.ifname);
}

/* Opens the port and tells both roles; a failure is told once, and tried again at the next tick. */
static void port_open(struct wants *w, struct want_port *p, bool asked)
{
	struct netlink_link link = {0};
	const char *what = "find it";
	int err = 0;

	if (p->want.kind != MSG_PORT_OVERLAY) {
		err = netlink_link_get(w->nl, p->want.ifname, &link);
		if (!err && p->want.kind == MSG_PORT_WAN && !link.ethernet) {
			what = "use it: it is not an Ethernet interface";
			err = -EPFNOSUPPORT;
		}
		p->ifindex = link.ifindex;
		p->mtu = (uint16_t)(link.mtu < UINT16_MAX ? link.mtu : UINT16_MAX);
		p->link = link.running;
		memcpy(p->mac, link.mac, 6);
	}
	if (!err)
		err = p->want.kind == MSG_PORT_WAN       ? wan_open(w, p, &what)
		      : p->want.kind == MSG_PORT_OVERLAY ? overlay_open(w, p, &what)
							 : lan_open(w, p, &what);
	if (err) {
		bool news = err != p->error;

		port_close(w, p);
		p->error = err;
		if (news)
			log_warn("%s: cannot %s: %s", p->want.ifname, what, strerror(-err));
		if (news || asked)
			port_ready(w, p, what);
		return;
	}
	if (p->want.mtu && (p->want.kind == MSG_PORT_OVERLAY || mtu_needed(&p->want) > p->mtu ||
			    (p->want.kind == MSG_PORT_LAN && !p->want.over)))
		p->mtu = mtu_needed(&p->want);
	p->open = p->up = true;
	p->error = 0;
	log_info("%s: open (port %u)", p->want.ifname, p->want.port);
	port_apply(w, p);
	port_give(w, p);
	port_ready(w, p, "");
}

void wants_begin(struct wants *w)
{
	for (size_t i = 0; i < w->port_count; i++)
		w->ports[i].named = false;
	for (size_t i = 0; i < w->address_count; i++)
		w->addresses[i].named = false;
	for (size_t i = 0; i < w->route_count; i++)
		w->routes[i].named = false;
	neighbours_begin(&w->neighbours);
}

/* True when the wish was met without closing what carries traffic: what may pass in clear and the
 * keying's socket of a wan port can be exchanged under it. */
static bool wan_change(struct wants *w, struct want_port *p, const struct msg_port_want *want)
{
	const struct msg_port_want was = p->want;
	bool keying = was.eapol_type != want->eapol_type ||
		      memcmp(was.eapol_dst, want->eapol_dst, sizeof(was.eapol_dst)) != 0;
	bool larger = mtu_needed(want) > p->mtu;
	bool rules = !msg_rules_same(&was.rules, &want->rules);

	if (!p->open || was.kind != MSG_PORT_WAN || want->kind != MSG_PORT_WAN ||
	    strcmp(was.ifname, want->ifname) != 0 || was.vlan != want->vlan ||
	    was.outer_type != want->outer_type || was.outer_vlan != want->outer_vlan ||
	    was.others != want->others || was.dhcp != want->dhcp)
		return false;
	if (larger && netlink_link_mtu(w->nl, p->ifindex, mtu_needed(want)) < 0)
		return false;
	p->mtu = larger ? mtu_needed(want) : p->mtu;
	memcpy(&p->want, want, sizeof(*want));
	if (guards_put(w, want->ifname, p->ifindex) < 0)
		return false;
	if (keying) {
		if (!want->eapol_type)
			close_fd(&p->eapol);
		if (eapol_open(w, p) < 0)
			return false;
	}
	if (udp_open(p) < 0)
		return false;
	if (keying || rules || was.allow != want->allow)
		sockets_tell(w, want->ifname);
	/* What of it forward's guard knows: the keying's EtherType, and what may leave unencrypted. */
	if (keying || was.allow != want->allow || larger || rules)
		port_give(w, p);
	return true;
}

/* The same of an overlay, whose MTU follows its service's. */
static bool overlay_change(struct wants *w, struct want_port *p, const struct msg_port_want *want)
{
	if (!p->open || p->want.kind != MSG_PORT_OVERLAY || want->kind != MSG_PORT_OVERLAY ||
	    strcmp(p->want.ifname, want->ifname) != 0 || p->want.over != want->over || !want->mtu ||
	    netlink_link_mtu(w->nl, p->ifindex, want->mtu) < 0)
		return false;
	memcpy(&p->want, want, sizeof(*want));
	p->mtu = want->mtu;
	port_give(w, p);
	return true;
}

void wants_port(struct wants *w, const struct msg_port_want *want)
{
	struct want_port *p = port_find(w, want->port);

	/* Padding too: msg_parse() zeroes it, and a difference would only mean to ask again. */
	// NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
	if (p && p->open && !memcmp(&p->want, want, sizeof(*want))) {
		p->named = true;
		port_ready(w, p, "");
		return;
	}
	if (p && (wan_change(w, p, want) || overlay_change(w, p, want))) {
		p->named = true;
		port_ready(w, p, "");
		return;
	}
	if (!p) {
		p = array_grow((void **)&w->ports, &w->port_count, sizeof(*p));
		if (!p) {
			log_error("more ports than can be held");
			return;
		}
		p->fd = p->eapol = p->promisc = p->dhcp = -1;
		for (unsigned i = 0; i < WANT_UDP; i++)
			p->udp[i] = -1;
	} else {
		port_close(w, p);
		if (strcmp(p->want.ifname, want->ifname) != 0)
			udp_close(p);
	}
	memcpy(&p->want, want, sizeof(*want)); /* with its padding: it is compared as bytes */
	p->named = true;
	port_open(w, p, true);
}

void wants_address(struct wants *w, const struct msg_address_want *want)
{
	const struct want_port *p = port_find(w, want->port);
	struct want_address *a;

	for (size_t i = 0; i < w->address_count; i++)
		// NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): as in wants_port()
		if (!memcmp(&w->addresses[i].want, want, sizeof(*want))) {
			w->addresses[i].named = true;
			return;
		}
	a = array_grow((void **)&w->addresses, &w->address_count, sizeof(*a));
	if (!a) {
		log_error("more addresses than can be held");
		return;
	}
	memcpy(&a->want, want, sizeof(*want));
	a->named = true;
	if (p && p->open)
		address_apply(w, p, want);
}

void wants_route(struct wants *w, const struct msg_route_want *want)
{
	const struct want_port *p = port_find(w, want->port);
	struct want_route *r;

	for (size_t i = 0; i < w->route_count; i++)
		// NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): as in wants_port()
		if (!memcmp(&w->routes[i].want, want, sizeof(*want))) {
			w->routes[i].named = true;
			return;
		}
	r = array_grow((void **)&w->routes, &w->route_count, sizeof(*r));
	if (!r) {
		log_error("more routes than can be held");
		return;
	}
	memcpy(&r->want, want, sizeof(*want));
	r->named = true;
	if (p && p->open)
		route_apply(w, p, r);
}

static unsigned ifindex_of(void *ctx, uint16_t port)
{
	const struct want_port *p = port_find(ctx, port);

	return p && p->open ? p->ifindex : 0;
}

void wants_neighbour(struct wants *w, const struct msg_neighbour_want *want)
{
	neighbours_want(&w->neighbours, w->nl, want, ifindex_of(w, want->port));
}

void wants_probe(struct wants *w, const struct msg_neighbour_probe *probe)
{
	unsigned ifindex = ifindex_of(w, probe->port);

	if (ifindex)
		(void)netlink_neighbour_probe(w->nl, ifindex, probe->family, probe->addr);
}

static void routes_prune(struct wants *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->route_count; i++) {
		const struct want_port *p = port_find(w, w->routes[i].want.port);

		if (w->routes[i].named) {
			w->routes[kept++] = w->routes[i];
		} else if (p && p->open) {
			struct netlink_route r = route_of(p, &w->routes[i]);

			(void)netlink_route_del(w->nl, &r);
		}
	}
	w->route_count = kept;
}

static void address_drop(struct wants *w, const struct want_port *p,
			 const struct msg_address_want *a)
{
	if (a->own_table)
		(void)netlink_rule_del(w->nl, a->family, a->addr, NETLINK_TABLE + a->port);
	(void)netlink_address_del(w->nl, p->ifindex, a->family, a->prefix, a->addr);
}

static void addresses_prune(struct wants *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->address_count; i++) {
		const struct msg_address_want *a = &w->addresses[i].want;
		const struct want_port *p = port_find(w, a->port);

		if (w->addresses[i].named)
			w->addresses[kept++] = w->addresses[i];
		else if (p && p->open)
			address_drop(w, p, a);
	}
	w->address_count = kept;
}

void wants_done(struct wants *w)
{
	size_t kept = 0;

	routes_prune(w);
	neighbours_prune(&w->neighbours, w->nl, ifindex_of, w);
	addresses_prune(w);
	for (size_t i = 0; i < w->port_count; i++) {
		if (w->ports[i].named) {
			w->ports[kept++] = w->ports[i];
			continue;
		}
		log_info("%s: no longer wanted", w->ports[i].want.ifname);
		port_close(w, &w->ports[i]);
		udp_close(&w->ports[i]);
	}
	w->port_count = kept;
	for (size_t i = 0; i < w->guarded.count; i++)
		sockets_tell(w, w->guarded.v[i].ifname);
	/* What a port that went had opened is shut again. */
	for (size_t i = 0; i < w->guarded.count; i++) {
		struct guard_rule rules[GUARD_RULES];
		unsigned n = rules_collect(w, w->guarded.v[i].ifname, rules);

		if (guarded_rules(&w->guarded.v[i], rules, n) < 0)
			log_error("%s: its guards keep the rules of ports that went",
				  w->guarded.v[i].ifname);
	}
}

void wants_give(struct wants *w)
{
	for (size_t i = 0; i < w->port_count; i++)
		if (w->ports[i].open)
			port_give(w, &w->ports[i]);
}

static void stats_put(struct msg_stats *st, const char *a, const char *b, uint64_t value)
{
	const size_t room = sizeof(st->v) / sizeof(st->v[0]);

	if (st->count >= room)
		return;
	snprintf(st->v[st->count].name, sizeof(st->v[0].name), "%s%s", a, b);
	st->v[st->count++].value = value;
}

/* Whether the guard's kind ever counts this. */
static bool class_is_of(const struct guard *g, enum guard_class c)
{
	bool bridge = c == GUARD_BRIDGED || c == GUARD_PEERED;

	return c == GUARD_DROPPED || bridge == guard_is_bridge(g);
}

void wants_stats(struct wants *w, uint16_t port)
{
	static const char *const directions[GUARD_DIRECTIONS] = {"ingress-", "egress-"};
	const struct want_port *p = port_find(w, port);
	const struct guard *g = p ? guarded_find(&w->guarded, p->want.ifname) : NULL;
	struct msg m = {.type = MSG_STATS};
	const struct msg done = {.type = MSG_STATS_DONE, .secy = port};

	/* A message each, for all of it would not fit in one. */
	for (unsigned d = 0; g && d < GUARD_DIRECTIONS; d++) {
		m.stats = (struct msg_stats){.secy = port, .an = -1};
		for (unsigned c = 0; c < GUARD_CLASSES; c++)
			if (class_is_of(g, c))
				stats_put(&m.stats, directions[d], guard_class_name(c),
					  guard_count(g, d, c));
		if (d == 0)
			stats_put(&m.stats, "guard-restored", "", guard_restored(g));
		w->say.control(w->say.ctx, &m, -1);
	}
	w->say.control(w->say.ctx, &done, -1);
}

/* A bridge stops at once where a cable has no signal. */
static void link_tell(struct wants *w, struct want_port *p, bool link)
{
	const struct msg m = {.type = MSG_PORT_LINK,
			      .port_link = {.port = p->want.port, .link = link}};

	if (p->link == link)
		return;
	p->link = link;
	if (p->fd >= 0 && p->want.kind != MSG_PORT_OVERLAY)
		w->say.forward(w->say.ctx, &m, -1);
}

/* An open port whose interface changed; false when it has to be opened again. */
static bool port_look(struct wants *w, struct want_port *p)
{
	static const uint8_t none[6];
	const struct want_port *over =
		p->want.kind == MSG_PORT_OVERLAY ? port_find(w, p->want.over) : NULL;
	struct netlink_link link;

	if (netlink_link_get(w->nl, p->want.ifname, &link) < 0 || link.ifindex != p->ifindex) {
		log_warn("%s: the interface is gone", p->want.ifname);
		port_close(w, p);
		return false;
	}
	/* Both sides of an overlay bear the wan port's address, which names the secure channel. */
	if (p->want.kind == MSG_PORT_WAN && memcmp(link.mac, p->mac, 6) != 0) {
		log_warn("%s: has another MAC address now", p->want.ifname);
		port_close(w, p);
		return false;
	}
	if (over && over->open && !memcmp(p->want.mac, none, 6) &&
	    memcmp(over->mac, p->mac, 6) != 0) {
		port_close(w, p);
		return false;
	}
	if (link.up && !p->up)
		port_apply(w, p);
	p->up = link.up;
	link_tell(w, p, link.running);
	return true;
}

void wants_tick(struct wants *w)
{
	guarded_tick(&w->guarded, w->nl);
	for (size_t i = 0; i < w->port_count; i++) {
		struct want_port *p = &w->ports[i];

		if (!p->open || !port_look(w, p))
			port_open(w, p, false);
	}
}
