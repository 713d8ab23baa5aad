/*
 * The addresses that carriers give: a DHCP client for each wan port that wants one.
 *
 * What is leased is wanted of the parent like what the file says, only that it changes: then
 * everything is named anew. The lease stands in a record behind the table of numbers, written
 * before anything of it is used, so that a successor keeps the address.
 */
#include "myelind/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/record.h"
#include "myelind/eapol.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint32_t on_random(void *ctx)
{
	uint32_t v;

	control_random(ctx, &v, sizeof(v));
	return v;
}

/* The record of a port's lease. */
static void *lease_area(const struct control *c, uint16_t port)
{
	size_t at = control_numbers_end() + (port - 1u) * record_area(PATH_DHCP_SAVE);

	return at + record_area(PATH_DHCP_SAVE) <= c->state_size ? (uint8_t *)c->state + at : NULL;
}

static void lease_save(struct control *c, uint16_t port, const struct path_dhcp *d)
{
	void *area = lease_area(c, port);
	uint8_t buf[PATH_DHCP_SAVE];
	struct wr w = wr_init(buf, sizeof(buf));

	path_dhcp_save(d, &w);
	if (area)
		(void)record_put(area, record_area(PATH_DHCP_SAVE), buf, wr_len(&w));
}

static void lease_load(struct control *c, uint16_t port, struct path_dhcp *d, uint64_t now)
{
	void *area = lease_area(c, port);
	uint8_t buf[PATH_DHCP_SAVE];
	ssize_t n = area ? record_get(area, record_area(PATH_DHCP_SAVE), buf, sizeof(buf)) : -1;
	struct rd r;

	if (n <= 0)
		return;
	r = rd_init(buf, (size_t)n);
	(void)path_dhcp_load(d, &r, now);
}

static const char *ip_text(uint32_t addr, char buf[INET_ADDRSTRLEN])
{
	const struct in_addr a = {htobe32(addr)};

	return inet_ntop(AF_INET, &a, buf, INET_ADDRSTRLEN);
}

/* Sends what is to be sent; and when the lease is another one, has it set. */
static void flush(struct control *c, uint16_t port)
{
	struct control_port *p = &c->ports[port - 1];
	const struct path_dhcp_lease *l = path_dhcp_lease(p->dhcp);
	const struct plan_port *pp = plan_port(c->plan, port);
	uint8_t frame[DHCP_FRAME_MAX];
	char a[INET_ADDRSTRLEN], gw[INET_ADDRSTRLEN];
	size_t n;

	lease_save(c, port, p->dhcp);
	while ((n = path_dhcp_output(p->dhcp, frame)))
		if (eapol_send(p->dhcp_fd, frame, n) < 0)
			p->send_errors++;
	if (l ? p->leased.addr == l->addr && p->leased.prefix == l->prefix &&
			    p->leased.router == l->router
	      : !p->leased.addr)
		return;
	p->leased = l ? *l : (struct path_dhcp_lease){0};
	if (l)
		log_info("port %s: %s/%u by DHCP, gateway %s", pp ? pp->want.ifname : "?",
			 ip_text(l->addr, a), l->prefix, ip_text(l->router, gw));
	else
		log_warn("port %s: its address by DHCP is over", pp ? pp->want.ifname : "?");
	control_wants_again(c);
	ike_port_changed(c, clock_now());
}

static void on_dhcp(void *ctx, int fd, unsigned events)
{
	struct control *c = ctx;
	uint64_t now = clock_now();
	uint8_t frame[EAPOL_FRAME_MAX];
	uint16_t port = 0;
	ssize_t n;

	(void)events;
	for (uint16_t i = 0; i < PLAN_PORTS_MAX; i++)
		if (c->ports[i].dhcp_fd == fd)
			port = (uint16_t)(i + 1);
	for (unsigned i = 0; port && i < CONTROL_EAPOL_BUDGET; i++) {
		n = recv(fd, frame, sizeof(frame), MSG_DONTWAIT | MSG_TRUNC);
		if (n < 0)
			break;
		if ((size_t)n <= sizeof(frame))
			path_dhcp_input(c->ports[port - 1].dhcp, frame, (size_t)n, now);
	}
	if (port)
		flush(c, port);
}

void port_dhcp_close(struct control *c, struct control_port *p)
{
	if (p->dhcp_fd >= 0) {
		loop_unwatch(c->loop, p->dhcp_fd);
		close(p->dhcp_fd);
	}
	p->dhcp_fd = -1;
	path_dhcp_free(p->dhcp);
	p->dhcp = NULL;
}

void port_dhcp_open(struct control *c, uint16_t port, int fd, uint64_t now)
{
	const struct plan_port *pp = plan_port(c->plan, port);
	struct control_port *p = &c->ports[port - 1];
	struct path_dhcp_config cfg = {.host_name = c->args->node, .ctx = c, .random = on_random};
	bool same = p->dhcp && memcmp(p->dhcp_mac, p->mac, sizeof(p->mac)) == 0;

	if (!pp || !pp->want.dhcp || !p->ready) {
		close(fd);
		return;
	}
	/* The port was named anew; the interface is the one we have the lease on. */
	if (same) {
		loop_unwatch(c->loop, p->dhcp_fd);
		close(p->dhcp_fd);
	} else {
		port_dhcp_close(c, p);
		memcpy(cfg.mac, p->mac, sizeof(cfg.mac));
		memcpy(p->dhcp_mac, p->mac, sizeof(p->dhcp_mac));
		p->dhcp = path_dhcp_new(&cfg, now);
		if (p->dhcp)
			lease_load(c, port, p->dhcp, now);
	}
	p->dhcp_fd = fd;
	if (!p->dhcp || loop_watch(c->loop, fd, LOOP_IN, on_dhcp, c) < 0) {
		log_error("port %s: no DHCP: %s", pp->want.ifname, strerror(errno));
		port_dhcp_close(c, p);
		return;
	}
	if (!same)
		flush(c, port);
}

void port_dhcp_expire(struct control *c, uint16_t port, uint64_t now)
{
	struct control_port *p = &c->ports[port - 1];

	if (!p->dhcp || now < path_dhcp_deadline(p->dhcp))
		return;
	path_dhcp_expire(p->dhcp, now);
	flush(c, port);
}

uint64_t port_dhcp_deadline(const struct control_port *p)
{
	return p->dhcp ? path_dhcp_deadline(p->dhcp) : UINT64_MAX;
}

/* A successor names the lease it finds from the start: what is there is not taken away meanwhile. */
void port_dhcp_recall(struct control *c, uint16_t port, uint64_t now)
{
	const struct path_dhcp_config cfg = {.ctx = c, .random = on_random};
	struct path_dhcp *d = path_dhcp_new(&cfg, now);
	const struct path_dhcp_lease *l;

	if (!d)
		return;
	lease_load(c, port, d, now);
	l = path_dhcp_lease(d);
	if (l)
		c->ports[port - 1].leased = *l;
	path_dhcp_free(d);
}

void port_dhcp_wants(struct control *c, uint16_t port)
{
	const struct path_dhcp_lease *l = &c->ports[port - 1].leased;
	const uint32_t addr = htobe32(l->addr), via = htobe32(l->router);
	struct msg a = {.type = MSG_ADDRESS_WANT}, r = {.type = MSG_ROUTE_WANT};

	if (!l->addr)
		return;
	a.address_want.port = r.route_want.port = port;
	a.address_want.family = r.route_want.family = r.route_want.via_family = 4;
	a.address_want.prefix = l->prefix;
	a.address_want.own_table = r.route_want.own_table = true;
	memcpy(a.address_want.addr, &addr, sizeof(addr));
	memcpy(r.route_want.via, &via, sizeof(via));
	control_tell_parent(c, &a);
	if (l->router)
		control_tell_parent(c, &r);
}
