/* Ports of each kind opened: a wan interface behind its guards, an overlay's TAP, a lan port that the
 * kernel routes or that is bridged; and the sockets of IKE. */
#include "myelind/wants_i.h"

#include "base/log.h"
#include "proc/iface.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The sockets of a wan port that tunnels run over. */
const struct msg_port_udp want_udp_kinds[WANT_UDP] = {
	{.family = 4, .udp = 500},
	{.family = 4, .udp = 4500},
	{.family = 6, .udp = 500},
	{.family = 6, .udp = 4500},
};

void want_udp_close(struct want_port *p)
{
	for (unsigned i = 0; i < WANT_UDP; i++)
		want_close_fd(&p->udp[i]);
}

/* IKE's sockets, where there is to be IKE. They outlast the port's closing: what control holds of
 * them would stand in the way of others at the same interface. 0 or -errno. */
int want_udp_open(struct want_port *p)
{
	if (!(p->want.allow & MSG_ALLOW_ESP) || p->udp_ifindex != p->ifindex)
		want_udp_close(p);
	p->udp_ifindex = p->ifindex;
	for (unsigned i = 0; p->want.allow & MSG_ALLOW_ESP && i < WANT_UDP; i++) {
		const struct msg_port_udp *k = &want_udp_kinds[i];

		if (p->udp[i] >= 0)
			continue;
		p->udp[i] = iface_udp_open(p->want.ifname, k->family, k->udp, k->udp != 500);
		if (p->udp[i] < 0 && !(p->udp[i] == -EAFNOSUPPORT && k->family == 6)) {
			int err = p->udp[i];

			want_udp_close(p);
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

/* Each open function returns 0, or -errno and names the step in *what. */
int want_wan_open(struct wants *w, struct want_port *p, const char **what)
{
	const struct msg_port_want *want = &p->want;
	int err;

	*what = "have more than 64 wan ports on it";
	_Static_assert(GUARD_PORTS == 64 && IFACE_ROWS_MAX == 64, "as the message says");
	if (port_count_on(w, want->ifname, MSG_PORT_WAN) > GUARD_PORTS)
		return -ENOSPC;
	*what = "guard it";
	err = want_guards_put(w, want->ifname, p->ifindex);
	if (err)
		return err;
	*what = "set its MTU";
	/* Never lowered: other VLANs of the interface may need what it has. */
	err = want_mtu(want) > p->mtu ? netlink_link_mtu(w->nl, p->ifindex, want_mtu(want)) : 0;
	if (err)
		return err;
	*what = "set it up";
	err = netlink_link_up(w->nl, p->ifindex);
	if (err)
		return err;
	*what = "open a packet socket on it";
	p->fd = want_socket_get(w, p, false);
	if (p->fd < 0)
		return p->fd;
	err = iface_packet_mark(p->fd, GUARD_FORWARD_MARK);
	if (!err)
		err = iface_packet_superframes(p->fd);
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
	err = want_udp_open(p);
	if (err)
		return err;
	*what = "open a socket for keying on it";
	return want_eapol_open(w, p);
}

int want_overlay_open(struct wants *w, struct want_port *p, const char **what)
{
	static const uint8_t none[6];
	const struct want_port *over = want_port_find(w, p->want.over);
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
void want_inside_name(const struct want_port *p, char name[16])
{
	snprintf(name, 16, "bridge-%u", p->want.port);
}

/* A lan port in a bridge: forward's TAP and the interface hand each other everything. */
static int bridge_open(struct wants *w, struct want_port *p, const char **what)
{
	struct netlink_link inside = {0};
	char name[16];
	int err;

	want_inside_name(p, name);
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

int want_lan_open(struct wants *w, struct want_port *p, const char **what)
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
