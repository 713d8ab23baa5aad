/*
 * AF_XDP on wan interfaces: which of them have it, and how far each is on the way.
 *
 * An interface gets its XDP program first, which passes everything on as long as there is no socket.
 * For each receive queue a socket is opened over forward's packets and handed to forward, which maps
 * its rings; when it says so the socket is bound, put into the program's map, and forward is told.
 * Until then, and whenever a step fails, the interface's packet socket carries what it always has:
 * what failed is tried again at a later tick, for a queue whose last socket has just gone is not free
 * at once. The sockets belong to one life of forward; the program stays.
 */
#include "myelind/wants_i.h"

#include "base/clock.h"
#include "base/log.h"
#include "port/xsk.h"
#include "proc/iface.h"
#include "proc/xdp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_NS (5 * NS_PER_S) /* after a failure that time alone does not heal */

enum queue_state { QUEUE_NONE, QUEUE_ASKED, QUEUE_MAPPED, QUEUE_BOUND };

struct want_queue {
	int fd;
	enum queue_state state;
};

struct want_xdp {
	char ifname[16];
	unsigned ifindex;
	uint16_t port; /* one of those on the interface, by which forward is told */
	uint8_t mac[6];
	struct xdp *xdp; /* NULL: not there */
	bool generic;
	unsigned queue_count;
	struct want_queue queues[XSK_QUEUES];
	unsigned bound;
	bool zerocopy;
	int error; /* said already */
	char what[96];
	uint64_t again_at;
};

static void tell(struct wants *w, const struct want_xdp *x, const struct want_port *p)
{
	struct msg m = {.type = MSG_PORT_IO, .port_io = {.port = p->want.port}};

	if (x && p->want.xdp) {
		m.port_io.xdp = x->bound != 0;
		memcpy(m.port_io.what, x->what, sizeof(m.port_io.what));
	}
	w->say.control(w->say.ctx, &m, -1);
}

/* Control is told how it is now, by every port on the interface. */
static void tell_all(struct wants *w, const struct want_xdp *x)
{
	for (size_t i = 0; i < w->port_count; i++)
		if (w->ports[i].want.kind == MSG_PORT_WAN &&
		    !strcmp(w->ports[i].want.ifname, x->ifname))
			tell(w, x, &w->ports[i]);
}

static void failed(struct wants *w, struct want_xdp *x, const char *what, int err)
{
	snprintf(x->what, sizeof(x->what), "cannot %s: %s", what, strerror(-err));
	tell_all(w, x);
	if (err != x->error)
		log_warn("%s: cannot %s: %s; its packet socket carries everything", x->ifname, what,
			 strerror(-err));
	x->error = err;
	x->again_at = clock_now() + AGAIN_NS;
}

static void queues_close(struct want_xdp *x)
{
	x->bound = 0;
	x->zerocopy = false;
	for (unsigned i = 0; i < XSK_QUEUES; i++) {
		want_close_fd(&x->queues[i].fd);
		x->queues[i].state = QUEUE_NONE;
	}
}

static void take_off(struct wants *w, struct want_xdp *x)
{
	const struct msg m = {.type = MSG_XSK_DROP, .port_drop = x->port};

	queues_close(x);
	w->say.forward(w->say.ctx, &m, -1);
	xdp_free(x->xdp);
	x->xdp = NULL;
	tell_all(w, x);
}

static bool wants_it(const struct want_port *p)
{
	return p->open && p->want.kind == MSG_PORT_WAN && p->want.xdp;
}

/* The first open port on the interface that wants it, or NULL. */
static const struct want_port *wanted(const struct wants *w, const char *ifname)
{
	for (size_t i = 0; i < w->port_count; i++)
		if (wants_it(&w->ports[i]) && !strcmp(w->ports[i].want.ifname, ifname))
			return &w->ports[i];
	return NULL;
}

static struct want_xdp *find(struct wants *w, const char *ifname)
{
	for (size_t i = 0; i < w->xdp_count; i++)
		if (!strcmp(w->xdps[i]->ifname, ifname))
			return w->xdps[i];
	return NULL;
}

static struct want_xdp *find_or_add(struct wants *w, const char *ifname)
{
	struct want_xdp *x = find(w, ifname), **place;

	if (x)
		return x;
	x = calloc(1, sizeof(*x));
	place = x ? want_array_grow((void **)&w->xdps, &w->xdp_count, sizeof(*place)) : NULL;
	if (!place) {
		free(x);
		return NULL;
	}
	snprintf(x->ifname, sizeof(x->ifname), "%s", ifname);
	for (unsigned i = 0; i < XSK_QUEUES; i++)
		x->queues[i].fd = -1;
	*place = x;
	return x;
}

/* What the program takes, of all ports on the interface. A tag that the driver takes out is not seen
 * by it: where ports have tags, untagged frames stay with the packet socket. */
static int rules_put(const struct wants *w, struct want_xdp *x)
{
	struct xdp_rule rules[GUARD_RULES];
	bool tagged = false;
	unsigned n = 0;

	for (size_t i = 0; i < w->port_count; i++) {
		const struct msg_port_want *p = &w->ports[i].want;

		tagged |= p->kind == MSG_PORT_WAN && !strcmp(p->ifname, x->ifname) &&
			  (p->vlan || p->outer_type);
	}
	for (size_t i = 0; i < w->port_count && n < GUARD_RULES; i++) {
		const struct msg_port_want *p = &w->ports[i].want;

		if (p->kind != MSG_PORT_WAN || strcmp(p->ifname, x->ifname) != 0 || !p->xdp ||
		    (tagged && !p->vlan && !p->outer_type))
			continue;
		rules[n++] = (struct xdp_rule){
			.tags = {.vlan = p->vlan,
				 .outer_type = p->outer_type,
				 .outer_vlan = p->outer_vlan},
			.take = XDP_TAKE_MACSEC | (p->others ? XDP_TAKE_OTHERS : 0) |
				(p->allow & MSG_ALLOW_ESP ? XDP_TAKE_ESP : 0),
		};
	}
	return xdp_rules_set(x->xdp, rules, n);
}

/* The program, if it is not there yet. */
static int program_put(const struct wants *w, struct want_xdp *x, const struct want_port *p)
{
	int why;

	if (!x->xdp) {
		x->ifindex = p->ifindex;
		memcpy(x->mac, p->mac, sizeof(x->mac));
		x->xdp = xdp_new(p->ifindex, p->mac);
		if (!x->xdp)
			return -errno;
		x->generic = xdp_is_generic(x->xdp, &why);
		x->queue_count = iface_rx_queues(x->ifname);
		if (x->queue_count > XSK_QUEUES)
			x->queue_count = XSK_QUEUES;
	}
	return rules_put(w, x);
}

static void queue_ask(struct wants *w, struct want_xdp *x, unsigned queue)
{
	const struct msg m = {.type = MSG_XSK, .xsk = {.port = x->port, .queue = (uint16_t)queue}};
	struct want_queue *q = &x->queues[queue];

	q->fd = xsk_open(w->pool, w->pool_size);
	if (q->fd < 0) {
		failed(w, x, "open a socket of AF_XDP", q->fd);
		q->fd = -1;
		return;
	}
	q->state = QUEUE_ASKED;
	w->say.forward(w->say.ctx, &m, q->fd);
}

static void queue_bind(struct wants *w, struct want_xdp *x, unsigned queue)
{
	struct want_queue *q = &x->queues[queue];
	struct msg m = {.type = MSG_XSK_BOUND, .xsk = {.port = x->port, .queue = (uint16_t)queue}};
	int err = xsk_bind(q->fd, x->ifindex, queue, x->generic, &m.xsk.zerocopy);

	if (err == -EBUSY || err == -ENOBUFS)
		return; /* soon */
	if (!err)
		err = xdp_socket_set(x->xdp, queue, q->fd);
	if (err) {
		failed(w, x, "bind a socket of AF_XDP", err);
		take_off(w, x);
		return;
	}
	q->state = QUEUE_BOUND;
	w->say.forward(w->say.ctx, &m, -1);
	x->bound++;
	x->zerocopy |= m.xsk.zerocopy;
	x->error = 0;
	snprintf(x->what, sizeof(x->what), "%u of %u queues, %s", x->bound, x->queue_count,
		 x->zerocopy  ? "zero-copy"
		 : x->generic ? "copied, generic"
			      : "copied");
	log_info("%s: AF_XDP in %s", x->ifname, x->what);
	tell_all(w, x);
}

static void interface_look(struct wants *w, struct want_xdp *x, const struct want_port *p)
{
	int err;

	if (x->xdp && (x->ifindex != p->ifindex || memcmp(x->mac, p->mac, sizeof(x->mac)) != 0))
		take_off(w, x);
	if (!x->xdp && clock_now() < x->again_at)
		return;
	x->port = p->want.port;
	err = program_put(w, x, p);
	if (err) {
		failed(w, x, "attach an XDP program", err);
		if (x->xdp)
			take_off(w, x);
		return;
	}
	for (unsigned i = 0; i < x->queue_count && x->xdp && w->pool >= 0; i++) {
		if (x->queues[i].state == QUEUE_NONE && clock_now() >= x->again_at)
			queue_ask(w, x, i);
		else if (x->queues[i].state == QUEUE_MAPPED)
			queue_bind(w, x, i);
	}
}

void want_xdp_tell(struct wants *w, const struct want_port *p)
{
	if (p->want.kind == MSG_PORT_WAN && p->want.xdp)
		tell(w, find(w, p->want.ifname), p);
}

void want_xdp_look(struct wants *w)
{
	for (size_t i = 0; i < w->port_count; i++)
		if (wants_it(&w->ports[i]) && !find_or_add(w, w->ports[i].want.ifname))
			log_error("%s: no memory for AF_XDP", w->ports[i].want.ifname);
	for (size_t i = 0; i < w->xdp_count; i++) {
		struct want_xdp *x = w->xdps[i];
		const struct want_port *p = wanted(w, x->ifname);

		if (p)
			interface_look(w, x, p);
		else if (x->xdp)
			take_off(w, x);
	}
}

void wants_xsk_mapped(struct wants *w, const struct msg_xsk *m)
{
	const struct want_port *p = want_port_find(w, m->port);
	struct want_xdp *x = p ? find(w, p->want.ifname) : NULL;
	struct want_queue *q = x && m->queue < XSK_QUEUES ? &x->queues[m->queue] : NULL;

	if (!q || q->state != QUEUE_ASKED)
		return; /* it was given up meanwhile */
	if (m->error) {
		failed(w, x, "have its rings mapped", -m->error);
		want_close_fd(&q->fd);
		q->state = QUEUE_NONE;
		return;
	}
	q->state = QUEUE_MAPPED;
	queue_bind(w, x, m->queue);
}

void wants_pool(struct wants *w, int pool, size_t size)
{
	for (size_t i = 0; i < w->xdp_count; i++) {
		queues_close(w->xdps[i]);
		snprintf(w->xdps[i]->what, sizeof(w->xdps[i]->what), "waiting for forward");
		tell_all(w, w->xdps[i]);
	}
	want_close_fd(&w->pool);
	w->pool = pool;
	w->pool_size = size;
}

void want_xdp_fini(struct wants *w)
{
	want_close_fd(&w->pool);
	for (size_t i = 0; i < w->xdp_count; i++) {
		queues_close(w->xdps[i]);
		xdp_free(w->xdps[i]->xdp);
		free(w->xdps[i]);
	}
	free(w->xdps);
}
