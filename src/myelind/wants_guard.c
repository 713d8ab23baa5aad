/* What stands at a wan interface for all the ports that share it: its guards, and packet sockets that
 * hear what any of them is to hear. */
#include "myelind/wants_i.h"

#include "base/log.h"
#include "proc/iface.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* The rules of all wan ports on this interface. Returns how many. */
unsigned want_rules_collect(const struct wants *w, const char *ifname,
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
int want_guards_put(struct wants *w, const char *ifname, unsigned ifindex)
{
	struct guard_rule rules[GUARD_RULES];
	unsigned n = want_rules_collect(w, ifname, rules);

	return guarded_put(&w->guarded, ifname, ifindex, rules, n);
}

/* Another descriptor of a packet socket that a port of this interface has, told what all its ports
 * are given now, or a new socket. The descriptor or -errno. */
int want_socket_get(const struct wants *w, const struct want_port *p, bool eapol)
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
void want_sockets_tell(const struct wants *w, const char *ifname)
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
int want_eapol_open(const struct wants *w, struct want_port *p)
{
	int err;

	if (!p->want.eapol_type)
		return 0;
	if (p->eapol < 0)
		p->eapol = want_socket_get(w, p, true);
	if (p->eapol < 0)
		return p->eapol;
	err = iface_packet_join(p->eapol, p->ifindex, p->want.eapol_dst);
	if (err)
		want_close_fd(&p->eapol);
	return err;
}
