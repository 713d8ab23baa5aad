/*
 * The forward role: the packet path's process. One worker thread moves packets, listens to
 * control and the parent, and sleeps when there is nothing to do. Lanes share its cryptography
 * where there are processors for them; they start before the filter of system calls closes and end
 * with the process.
 *
 * It holds traffic keys and nothing else; they live in the `sa` memfd, so that a successor goes
 * on with the same keys. It ends when the parent closes its link, and control may come and go.
 */
#include "base/clock.h"
#include "base/log.h"
#include "fib/fib.h"
#include "fwd/fwd.h"
#include "fwd/lanes.h"
#include "myelind/role.h"
#include "proc/state.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORTS_MAX 160     /* descriptors to wait for */
#define BUSY_FRAMES 32    /* a pass that moved so many is likely followed by another */
#define SPIN_PASSES 16    /* empty passes before sleeping, when it was busy */
#define PASSES_AT_ONCE 64 /* between looks at the links, when it is busy */
#define TICK_NS (100 * NS_PER_MS)
#define LANES_AUTO 4 /* at most: more than the worker could keep busy */

struct forward {
	struct fwd *fwd;
	struct pkt_pool *pool;
	int parent;  /* link */
	int control; /* link, -1 while there is none */
	int signals;
	bool stop;
	uint64_t tick_at;
	uint32_t seq, parent_seq;
	struct log_limit bad, lost;
};

/* fwd's answers to control. One that finds no room is lost: control asks again by MSG_SYNC. */
static void say(void *ctx, const struct msg *m)
{
	struct forward *f = ctx;
	struct msg out = *m;
	int err;

	if (f->control < 0)
		return;
	out.seq = ++f->seq;
	err = msg_send(f->control, &out, -1);
	if (err && err != -EPIPE && err != -ECONNRESET)
		log_limited(&f->lost, LOG_LVL_WARN, "cannot tell control %s: %s",
			    msg_type_name(m->type), strerror(-err));
}

static struct port *port_make(struct forward *f, const struct msg_port_give *give, int fd)
{
	struct port *packet, *former;

	if (give->kind != MSG_PORT_WAN)
		return port_tap_new(fd, give->ifname, f->pool);
	packet = port_afpacket_new(fd, give->ifname, f->pool);
	former = fwd_interface_io(f->fwd, give->ifname);
	/* The ports of an interface share what does its I/O, and one that asked for AF_XDP is enough. */
	return packet && f->pool->shared && (give->xdp || (former && port_is_afxdp(former)))
		       ? port_afxdp_new(packet, former)
		       : packet;
}

/* What does that port's I/O, if it is by AF_XDP; or NULL. */
static struct port *afxdp_port(const struct forward *f, uint16_t id)
{
	struct port *port = fwd_port_io(f->fwd, id);

	return port && port_is_afxdp(port) ? port : NULL;
}

/* An AF_XDP socket of the parent's: it binds it when its rings are mapped. */
static void xsk_take(struct forward *f, const struct msg_xsk *m, int fd)
{
	struct msg answer = {.type = MSG_XSK_MAPPED, .xsk = *m};
	struct port *port = afxdp_port(f, m->port);
	int err = -ENOENT;

	if (port)
		err = port_afxdp_map(port, m->queue, fd);
	else
		close(fd);
	answer.xsk.error = (uint16_t)-err;
	answer.seq = ++f->parent_seq;
	err = msg_send(f->parent, &answer, -1);
	if (err)
		log_limited(&f->lost, LOG_LVL_WARN, "cannot tell the parent %s: %s",
			    msg_type_name(answer.type), strerror(-err));
}

static void xsk_bound(struct forward *f, const struct msg_xsk *m)
{
	struct port *port = afxdp_port(f, m->port);

	if (port && port_afxdp_bound(port, m->queue, m->zerocopy) < 0)
		log_error("%s: queue %u is not the packet path's", port->ifname, m->queue);
}

static void xsk_drop(struct forward *f, uint16_t id)
{
	struct port *port = afxdp_port(f, id);

	if (port)
		port_afxdp_drop(port);
}

static void port_take(struct forward *f, const struct msg_port_give *give, int fd)
{
	struct port *port = port_make(f, give, fd);
	int err = port ? fwd_port_add(f->fwd, give, port) : -errno;

	if (err)
		log_error("%s: cannot use it: %s", give->ifname, strerror(-err));
	else
		log_debug("%s: forwarding (port %u)", give->ifname, give->port);
}

static bool parent_said(struct forward *f, const struct msg *m, int fd)
{
	switch (m->type) {
	case MSG_PORT_GIVE:
		port_take(f, &m->port_give, fd);
		return true;
	case MSG_PORT_DROP:
		fwd_port_drop(f->fwd, m->port_drop);
		return true;
	case MSG_PORT_LINK:
		fwd_port_link(f->fwd, m->port_link.port, m->port_link.link);
		return true;
	case MSG_XSK:
		xsk_take(f, &m->xsk, fd);
		return true;
	case MSG_XSK_BOUND:
		xsk_bound(f, &m->xsk);
		return true;
	case MSG_XSK_DROP:
		xsk_drop(f, m->port_drop);
		return true;
	case MSG_TRANSIT:
		fwd_transit(f->fwd, m->transit.open);
		return true;
	case MSG_LINK:
		if (f->control >= 0)
			close(f->control);
		f->control = fd;
		return true;
	default:
		if (fd >= 0)
			close(fd);
		return false;
	}
}

static void parent_read(struct forward *f)
{
	struct msg m;
	int fd, got;

	while ((got = msg_recv(f->parent, &m, &fd)) != 0) {
		if (got == -EPIPE) {
			f->stop = true;
			return;
		}
		if (got < 0 || !parent_said(f, &m, fd))
			log_limited(&f->bad, LOG_LVL_ERROR, "the parent sent %s; dropped it",
				    got < 0 ? "something that is no message"
					    : msg_type_name(m.type));
	}
}

static void control_read(struct forward *f)
{
	struct msg m;
	int fd, got, err;

	while (f->control >= 0 && (got = msg_recv(f->control, &m, &fd)) != 0) {
		if (got == -EPIPE) {
			/* Traffic goes on; the parent brings a new link with a new control. */
			close(f->control);
			f->control = -1;
			return;
		}
		if (fd >= 0)
			close(fd); /* nothing that comes this way has one */
		err = got < 0 ? got : fwd_control(f->fwd, &m);
		if (err)
			log_limited(&f->bad, LOG_LVL_ERROR, "control's %s was refused: %s",
				    got < 0 ? "message" : msg_type_name(m.type), strerror(-err));
		secret_wipe(&m, sizeof(m));
	}
}

/* Looks at everything but packets; sleeps until something comes when there is time to. */
static void look_around(struct forward *f, bool sleep)
{
	struct pollfd fds[3 + PORTS_MAX];
	int ports[PORTS_MAX];
	unsigned n = 0, port_count = 0;
	uint64_t now;

	fds[n++] = (struct pollfd){.fd = f->signals, .events = POLLIN};
	fds[n++] = (struct pollfd){.fd = f->parent, .events = POLLIN};
	fds[n++] = (struct pollfd){.fd = f->control, .events = POLLIN};
	if (sleep)
		port_count = fwd_fds(f->fwd, ports, PORTS_MAX);
	for (unsigned i = 0; i < port_count; i++)
		fds[n++] = (struct pollfd){.fd = ports[i], .events = POLLIN};
	if (poll(fds, n, sleep ? (int)(TICK_NS / NS_PER_MS) : 0) < 0 && errno != EINTR)
		f->stop = true;
	if (fds[0].revents)
		f->stop |= role_told_to_end(f->signals);
	if (fds[1].revents)
		parent_read(f);
	if (fds[2].revents && f->control == fds[2].fd)
		control_read(f);
	now = clock_now();
	if (now >= f->tick_at) {
		fwd_tick(f->fwd, now);
		f->tick_at = now + TICK_NS;
	}
}

static void forward_loop(struct forward *f)
{
	unsigned empty = 0, patience = 0, passes = 0;

	while (!f->stop) {
		unsigned moved = fwd_poll(f->fwd);
		bool sleep;

		if (moved) {
			empty = 0;
			patience = moved >= BUSY_FRAMES ? SPIN_PASSES : 0;
		} else {
			empty++;
		}
		sleep = empty > patience;
		if (sleep || ++passes % PASSES_AT_ONCE == 0)
			look_around(f, sleep);
	}
}

void forward_threads(void *ctx)
{
	struct role_args *args = ctx;
	int n = args->lanes_wanted;
	cpu_set_t cpus;

	if (n == ROLE_LANES_AUTO) {
		n = sched_getaffinity(0, sizeof(cpus), &cpus) ? 0 : CPU_COUNT(&cpus) - 1;
		n = n > LANES_AUTO ? LANES_AUTO : n;
	}
	if (n <= 0)
		return;
	args->lanes = lanes_new((unsigned)n);
	if (!args->lanes)
		log_warn("goes on with one thread: cannot start %d lanes: %m", n);
}

int forward_main(const struct role_args *args)
{
	struct forward f = {
		.parent = ROLE_FD_LINK,
		.control = -1,
		.bad = LOG_LIMIT(10, NS_PER_S),
		.lost = LOG_LIMIT(10, NS_PER_S),
	};
	size_t size = 0, routes_size = 0;
	const struct fib *routes = state_look(ROLE_FD_ROUTES, &routes_size);
	void *state = state_map(ROLE_FD_STATE, &size);
	int ret = 1;

	f.signals = role_signals_open();
	f.pool = pkt_pool_new_shared(ROLE_FD_POOL, ROLE_BUFFERS, ROLE_FRAME_MAX);
	if (!f.pool) /* AF_XDP is then not to be had */
		f.pool = pkt_pool_new(ROLE_BUFFERS, ROLE_FRAME_MAX);
	if (state && f.pool && f.signals >= 0)
		f.fwd = fwd_new(state, size, f.pool, say, &f);
	if (f.fwd && fwd_lanes(f.fwd, args->lanes) < 0)
		log_warn("goes on with one thread: no memory for lanes");
	if (f.fwd) {
		fwd_routes(f.fwd, routes && routes_size >= fib_size() ? routes : NULL);
		log_debug("%u lanes share the cryptography",
			  args->lanes ? lanes_count(args->lanes) : 0);
		forward_loop(&f);
		ret = ROLE_EXIT_OK;
	} else {
		log_error("cannot start: %m");
	}
	fwd_free(f.fwd);
	lanes_free(args->lanes);
	if (f.pool)
		pkt_pool_free(f.pool);
	if (f.control >= 0)
		close(f.control);
	return ret;
}
