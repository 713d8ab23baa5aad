/*
 * The control role: reads the file, makes the plan, asks the parent for what it needs, agrees on
 * keys and gives them to forward, and answers the CLI. One thread; every source of work is a
 * callback of the loop and bounded.
 */
#include "myelind/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "myelind/eapol.h"
#include "proc/state.h"
#include "wire/eth.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define LINK_BUDGET 64 /* messages of one link before others get their turn */

static int tell(struct control *c, int link, struct msg *m)
{
	int rc;

	if (link < 0)
		return -ENOTCONN;
	m->seq = ++c->seq;
	rc = msg_send(link, m, -1);
	return rc == -EPIPE || rc == -ECONNRESET || rc == -ECONNREFUSED ? -ENOTCONN : rc;
}

static void on_forward(void *ctx, int fd, unsigned events);

int control_tell_forward(struct control *c, struct msg *m)
{
	int rc = tell(c, c->forward, m);

	if (rc == -EAGAIN) /* on_forward() flushes when there is room */
		loop_watch(c->loop, c->forward, LOOP_IN | LOOP_OUT, on_forward, c);
	return rc;
}

/* The parent is trusted to read: a full queue is waited out by the caller's next try. */
int control_tell_parent(struct control *c, struct msg *m)
{
	int rc = tell(c, c->parent, m);

	for (unsigned i = 0; rc == -EAGAIN && i < 200; i++) {
		usleep(5000);
		rc = tell(c, c->parent, m);
	}
	return rc;
}

void control_random(void *ctx, void *buf, size_t n)
{
	uint8_t *p = buf;

	(void)ctx;
	while (n) {
		ssize_t k = getrandom(p, n, 0);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			abort(); /* no key may be made without it */
		p += k;
		n -= (size_t)k;
	}
}

struct control_secy *control_secy(struct control *c, uint16_t id)
{
	for (size_t i = 0; i < c->plan->secy_count; i++)
		if (c->plan->secys[i].id == id)
			return &c->secys[i];
	return NULL;
}

/* Forward. */

static void forward_drop(struct control *c)
{
	if (c->forward < 0)
		return;
	loop_unwatch(c->loop, c->forward);
	close(c->forward);
	c->forward = -1;
	c->synced = false;
	for (size_t i = 0; i < c->plan->secy_count; i++)
		c->secys[i].announced = false;
	ike_forward_gone(c);
}

static void sync_begin(struct control *c)
{
	struct msg m = {.type = MSG_SYNC};

	c->synced = false;
	for (size_t i = 0; i < c->plan->secy_count; i++)
		secy_sync_begin(&c->secys[i]);
	if (control_tell_forward(c, &m) < 0)
		log_error("forward cannot be asked what it has");
}

/* A SecY of a file before this one would stand in the way of another on the same port. */
static void secys_prune(struct control *c)
{
	for (uint16_t id = 1; id <= PLAN_SECYS_MAX; id++) {
		struct msg m = {.type = MSG_SECY_DEL, .secy = id};

		if (!plan_secy(c->plan, id))
			control_tell_forward(c, &m);
	}
}

static void forward_link(struct control *c, int fd, uint64_t now)
{
	forward_drop(c);
	c->forward = fd;
	if (c->links++)
		event_put(&c->events, EVENT_FORWARD_LINKED, NULL, 0, now,
			  "the packet path was started again");
	if (loop_watch(c->loop, fd, LOOP_IN, on_forward, c) < 0) {
		log_error("too many descriptors to watch");
		forward_drop(c);
		return;
	}
	secys_prune(c);
	/* SecYs first: an SA is told of one that is known. */
	for (size_t i = 0; i < c->plan->secy_count; i++)
		c->secys[i].announced = false;
	sync_begin(c);
	for (size_t i = 0; i < c->plan->secy_count; i++)
		secy_advance(&c->secys[i], now);
	ike_forward_linked(c, now);
}

/* What forward has of a SecY that this file has no more. */
static void secy_foreign(struct control *c, uint16_t id)
{
	struct msg m = {.type = MSG_SECY_DEL, .secy = id};

	control_tell_forward(c, &m);
}

static void forward_said(struct control *c, const struct msg *m, uint64_t now)
{
	const struct msg_sa_report *r = &m->sa_report;
	struct control_secy *y;
	struct sink_report s;

	switch (m->type) {
	case MSG_SA_REPORT:
		y = control_secy(c, r->secy);
		if (!y) {
			secy_foreign(c, r->secy);
			return;
		}
		s = (struct sink_report){.secy = r->secy,
					 .an = r->an,
					 .direction = r->direction,
					 .installed = r->installed,
					 .sci = r->sci,
					 .pn = r->pn};
		memcpy(s.key_id, r->key_id, sizeof(s.key_id));
		secy_report(y, &s, now);
		return;
	case MSG_ESP_REPORT:
		ike_report(c, &m->esp_report, now);
		return;
	case MSG_SYNC_DONE:
		c->synced = true;
		for (size_t i = 0; i < c->plan->secy_count; i++)
			secy_sync_done(&c->secys[i], now);
		ike_synced(c, now);
		return;
	case MSG_STATS:
		stats_put(c, false, &m->stats);
		return;
	case MSG_STATS_DONE:
		stats_done(c, now);
		return;
	default:
		log_warn("forward said %s, which is not for control", msg_type_name(m->type));
	}
}

static void on_forward(void *ctx, int fd, unsigned events)
{
	struct control *c = ctx;
	uint64_t now = clock_now();

	if (events & LOOP_OUT) {
		loop_watch(c->loop, fd, LOOP_IN, on_forward, c);
		for (size_t i = 0; i < c->plan->secy_count; i++)
			secy_advance(&c->secys[i], now);
		if (c->ike)
			ike_flush(c, now);
	}
	for (unsigned i = 0; i < LINK_BUDGET && c->forward == fd; i++) {
		struct msg m;
		int other = -1, rc = msg_recv(fd, &m, &other);

		if (other >= 0)
			close(other);
		if (rc == 0)
			break;
		if (rc == 1) {
			forward_said(c, &m, now);
			continue;
		}
		if (rc == -EBADMSG) {
			log_error("forward said something malformed, dropped");
			continue;
		}
		event_put(&c->events, EVENT_FORWARD_LOST, NULL, 0, now,
			  "forward is gone; waiting for its successor");
		forward_drop(c);
	}
}

/* The parent. */

static struct control_secy *secy_over(struct control *c, uint16_t wan)
{
	for (size_t i = 0; i < c->plan->secy_count; i++)
		if (c->plan->secys[i].wan == wan)
			return &c->secys[i];
	return NULL;
}

static void on_eapol(void *ctx, int fd, unsigned events);

/*
 * The descriptors of an interface's ports are of one socket, so one of them is read: of those that
 * there are the newest, in `port`, or any when that is 0.
 */
static void eapol_hear(struct control *c, const char *ifname, uint16_t port)
{
	struct control_port *best = NULL;

	for (size_t i = 0; i < c->plan->port_count; i++) {
		const struct msg_port_want *want = &c->plan->ports[i].want;
		struct control_port *p = &c->ports[want->port - 1];

		if (want->kind != MSG_PORT_WAN || strcmp(want->ifname, ifname) != 0 || p->eapol < 0)
			continue;
		if (p->heard)
			loop_unwatch(c->loop, p->eapol);
		p->heard = false;
		if (!best || want->port == port)
			best = p;
	}
	if (!best)
		return;
	best->heard = loop_watch(c->loop, best->eapol, LOOP_IN, on_eapol, c) == 0;
	if (!best->heard)
		log_error("%s: too many descriptors to watch: MKPDUs are not heard", ifname);
}

/* The SecY whose port an EAPOL frame came by: the interface's that the descriptor is of, with the
 * frame's tags in clear. */
static struct control_secy *secy_of_frame(struct control *c, const char *ifname,
					  const uint8_t *frame, size_t len)
{
	struct rd r = rd_init(frame, len);
	struct eth_clear e = eth_read_clear(&r);

	for (size_t i = 0; !r.bad && i < c->plan->port_count; i++) {
		const struct msg_port_want *want = &c->plan->ports[i].want;

		if (want->kind == MSG_PORT_WAN && strcmp(want->ifname, ifname) == 0 &&
		    eth_tags(want->outer_type, want->outer_vlan, want->vlan) == e.tags)
			return secy_over(c, want->port);
	}
	return NULL;
}

static void on_eapol(void *ctx, int fd, unsigned events)
{
	struct control_secy *due[CONTROL_EAPOL_BUDGET];
	struct control *c = ctx;
	uint8_t frame[EAPOL_FRAME_MAX];
	uint64_t now = clock_now();
	const char *ifname = NULL;
	unsigned n_due = 0;

	(void)events;
	for (size_t i = 0; i < c->plan->port_count; i++)
		if (c->ports[c->plan->ports[i].want.port - 1].eapol == fd)
			ifname = c->plan->ports[i].want.ifname;
	for (unsigned i = 0; ifname && i < CONTROL_EAPOL_BUDGET; i++) {
		ssize_t n = eapol_recv(fd, frame);
		struct control_secy *s;
		bool known = false;

		if (n <= 0)
			break;
		s = secy_of_frame(c, ifname, frame, (size_t)n);
		if (!s || !secy_eapol(s, frame, (size_t)n, now))
			continue;
		for (unsigned k = 0; k < n_due && !known; k++)
			known = due[k] == s;
		if (!known)
			due[n_due++] = s;
	}
	for (unsigned i = 0; i < n_due; i++)
		secy_flush(due[i], now);
}

static void eapol_close(struct control *c, struct control_port *p, const char *ifname)
{
	bool heard = p->heard;

	if (p->eapol < 0)
		return;
	if (heard)
		loop_unwatch(c->loop, p->eapol);
	p->heard = false;
	close(p->eapol);
	p->eapol = -1;
	if (heard)
		eapol_hear(c, ifname, 0);
}

static void port_ready(struct control *c, const struct msg_port_ready *r, int fd, uint64_t now)
{
	struct control_port *p;
	const char *ifname;

	if (!plan_port(c->plan, r->port)) {
		if (fd >= 0)
			close(fd);
		return;
	}
	watch_port(c, r, now);
	p = &c->ports[r->port - 1];
	ifname = plan_port(c->plan, r->port)->want.ifname;
	eapol_close(c, p, ifname);
	p->answered = true;
	p->ready = r->error == 0;
	p->ifindex = r->ifindex;
	p->mtu = r->mtu;
	memcpy(p->mac, r->mac, sizeof(p->mac));
	snprintf(p->what, sizeof(p->what), "%s", r->error ? r->what : "");
	p->eapol = fd;
	if (fd >= 0)
		eapol_hear(c, ifname, r->port);
	for (size_t i = 0; i < c->plan->secy_count; i++)
		secy_advance(&c->secys[i], now);
	ike_port_changed(c, now);
	control_routes_port(c, r->port);
}

static void parent_said(struct control *c, struct msg *m, int fd, uint64_t now)
{
	struct control_secy *y;

	switch (m->type) {
	case MSG_PORT_READY:
		port_ready(c, &m->port_ready, fd, now);
		return;
	case MSG_PORT_DHCP:
		if (fd >= 0 && m->port_drop <= PLAN_PORTS_MAX) {
			port_dhcp_open(c, m->port_drop, fd, now);
			return;
		}
		break;
	case MSG_PORT_UDP:
		if (fd >= 0) {
			ike_udp_open(c, &m->port_udp, fd);
			return;
		}
		break;
	case MSG_FILE:
		if (c->ike && ike_file(c, &m->file, fd, now))
			return;
		if (certs_file(c, &m->file, fd, now))
			return;
		y = control_secy(c, (uint16_t)(m->file.tag >> 8));
		if (y) {
			secy_file(y, m->file.tag & 0xff, &m->file, fd, now);
			return;
		}
		break;
	case MSG_CONFIG:
		reload_offered(c, &m->file, fd, now);
		break;
	case MSG_LINK:
		if (fd >= 0) {
			forward_link(c, fd, now);
			return;
		}
		break;
	case MSG_SIGNER_LINK:
		if (fd >= 0 && c->certs) {
			certs_link(c, fd);
			return;
		}
		break;
	case MSG_PORT_IO:
		if (m->port_io.port <= PLAN_PORTS_MAX)
			c->ports[m->port_io.port - 1].io = m->port_io;
		break;
	case MSG_TRANSIT:
		c->transit = m->transit;
		break;
	case MSG_STATS:
		stats_put(c, true, &m->stats);
		break;
	case MSG_STATS_DONE:
		stats_done(c, now);
		break;
	default:
		log_warn("the parent said %s, which is not for control", msg_type_name(m->type));
	}
	if (fd >= 0)
		close(fd);
}

void control_early(struct control *c)
{
	while (c->early_count) {
		struct msg m = c->early[0].m;
		int fd = c->early[0].fd;

		c->early_count--;
		memmove(&c->early[0], &c->early[1], c->early_count * sizeof(c->early[0]));
		parent_said(c, &m, fd, clock_now());
	}
}

static void on_parent(void *ctx, int fd, unsigned events)
{
	struct control *c = ctx;

	(void)events;
	for (unsigned i = 0; i < LINK_BUDGET; i++) {
		struct msg m;
		int got = -1, rc = msg_recv(fd, &m, &got);

		if (rc == 0)
			return;
		if (rc == -EBADMSG) {
			log_error("the parent said something malformed, dropped");
			continue;
		}
		if (rc < 0) {
			loop_stop(c->loop, ROLE_EXIT_OK);
			return;
		}
		parent_said(c, &m, got, clock_now());
	}
}

static void wants_say(struct control *c)
{
	struct plan *p = c->plan;
	struct msg m;

	for (size_t i = 0; i < p->port_count; i++) {
		if (p->ports[i].bridged)
			continue;
		memset(&m, 0, sizeof(m));
		m.type = MSG_PORT_WANT;
		m.port_want = p->ports[i].want;
		control_tell_parent(c, &m);
	}
	memset(&m, 0, sizeof(m));
	m.type = MSG_TRANSIT_WANT;
	m.transit_want = p->node->cut_through;
	control_tell_parent(c, &m);
	for (size_t i = 0; i < p->address_count; i++) {
		memset(&m, 0, sizeof(m));
		m.type = MSG_ADDRESS_WANT;
		m.address_want = p->addresses[i];
		control_tell_parent(c, &m);
	}
	for (size_t i = 0; i < p->route_count; i++) {
		memset(&m, 0, sizeof(m));
		m.type = MSG_ROUTE_WANT;
		m.route_want = p->routes[i];
		control_tell_parent(c, &m);
	}
	for (size_t i = 0; i < p->port_count; i++)
		port_dhcp_wants(c, p->ports[i].want.port);
	for (size_t i = 0; i < p->neighbour_count; i++) {
		memset(&m, 0, sizeof(m));
		m.type = MSG_NEIGHBOUR_WANT;
		m.neighbour_want = p->neighbours[i];
		control_tell_parent(c, &m);
	}
	certs_want(c);
	memset(&m, 0, sizeof(m));
	m.type = MSG_WANT_DONE;
	control_tell_parent(c, &m);
}

void control_wants_again(struct control *c)
{
	struct msg m = {.type = MSG_WANT_AGAIN};

	control_tell_parent(c, &m);
	wants_say(c);
}

/* The CLI. */

static void on_client(void *ctx, int fd, unsigned events)
{
	struct control *c = ctx;

	(void)events;
	ctl_ready(c->ctl, fd, clock_now());
}

static int client_watch(void *ctx, int fd, bool in, bool out)
{
	struct control *c = ctx;

	return loop_watch(c->loop, fd, (in ? LOOP_IN : 0u) | (out ? LOOP_OUT : 0u), on_client, c);
}

static void client_unwatch(void *ctx, int fd)
{
	struct control *c = ctx;

	loop_unwatch(c->loop, fd);
}

/* After every callback, and when something is due. */
static void on_turn(void *ctx, uint64_t now)
{
	struct control *c = ctx;
	uint64_t next;

	for (size_t i = 0; i < c->plan->secy_count; i++) {
		secy_expire(&c->secys[i], now);
		if (c->secys[i].keep.resync && c->synced)
			sync_begin(c);
	}
	for (size_t i = 0; i < c->plan->port_count; i++)
		port_dhcp_expire(c, c->plan->ports[i].want.port, now);
	certs_turn(c, now);
	ike_turn(c, now);
	stats_expire(c, now);
	if (now >= c->watch_at && !c->round)
		stats_ask(c, now);
	control_routes_turn(c, now);
	ctl_expire(c->ctl, now);
	if (c->leave_at && now >= c->leave_at)
		loop_stop(c->loop, ROLE_EXIT_RELOAD);
	next = ctl_deadline(c->ctl);
	if (c->leave_at && c->leave_at < next)
		next = c->leave_at;
	if (c->round && c->round_until < next)
		next = c->round_until;
	if (!c->round && c->watch_at < next)
		next = c->watch_at;
	for (size_t i = 0; i < c->plan->secy_count; i++) {
		uint64_t d = secy_deadline(&c->secys[i]);

		if (d < next)
			next = d;
	}
	if (ike_deadline(c) < next)
		next = ike_deadline(c);
	if (certs_deadline(c) < next)
		next = certs_deadline(c);
	if (control_routes_deadline(c) < next)
		next = control_routes_deadline(c);
	for (size_t i = 0; i < c->plan->port_count; i++) {
		uint64_t d = port_dhcp_deadline(&c->ports[c->plan->ports[i].want.port - 1]);

		if (d < next)
			next = d;
	}
	loop_wake_at(c->loop, next);
}

/* Start and end. */

static bool control_start(struct control *c)
{
	const struct ctl_env env = {.ctx = c, .watch = client_watch, .unwatch = client_unwatch};

	c->stats = calloc(CONTROL_STATS_MAX, sizeof(*c->stats));
	c->loop = loop_new(on_turn, c);
	if (!c->state || !c->stats || !c->loop) {
		log_error("cannot start: %s", strerror(errno));
		return false;
	}
	if (numbers_take(c) < 0)
		return false;
	for (size_t i = 0; i < c->plan->secy_count; i++) {
		int rc = secy_init(c, &c->secys[i], &c->plan->secys[i]);

		if (rc < 0) {
			log_error("overlay %s: no room for its state: %s",
				  c->plan->secys[i].o->name, strerror(-rc));
			return false;
		}
	}
	if (ike_init(c) < 0 || certs_init(c) < 0) {
		log_error("cannot start: out of memory");
		return false;
	}
	for (size_t i = 0; i < c->plan->port_count; i++)
		if (c->plan->ports[i].want.dhcp)
			port_dhcp_recall(c, c->plan->ports[i].want.port, clock_now());
	c->ctl = ctl_new(ROLE_FD_CLI, control_commands, &env);
	if (!c->ctl || loop_watch(c->loop, c->parent, LOOP_IN, on_parent, c) < 0) {
		log_error("cannot watch the CLI socket and the parent: %s", strerror(errno));
		return false;
	}
	control_routes_init(c);
	control_early(c);
	wants_say(c);
	return true;
}

static void control_end(struct control *c)
{
	ctl_free(c->ctl);
	for (size_t i = 0; c->plan && i < c->plan->secy_count; i++)
		secy_fini(&c->secys[i]);
	for (size_t i = 0; i < PLAN_PORTS_MAX; i++) {
		if (c->ports[i].eapol >= 0)
			close(c->ports[i].eapol);
		port_dhcp_close(c, &c->ports[i]);
		ike_udp_close(c, &c->ports[i]);
	}
	ike_fini(c);
	certs_fini(c);
	show_keys_fini(c);
	control_routes_fini(c);
	if (c->forward >= 0)
		close(c->forward);
	loop_free(c->loop);
	free(c->stats);
	plan_free(c->plan);
	openings_free(&c->openings);
	backbone_free(c->backbone);
	conf_free(c->conf);
}

int control_main(const struct role_args *args)
{
	struct control *c = calloc(1, sizeof(*c));
	int rc = ROLE_EXIT_CONFIG;

	if (!c)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	/* Ctrl-C reaches every process of a terminal; the parent decides what it means. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	c->args = args;
	c->parent = ROLE_FD_LINK;
	c->forward = -1;
	c->started_ns = clock_now();
	for (size_t i = 0; i < PLAN_PORTS_MAX; i++)
		c->ports[i].eapol = c->ports[i].dhcp_fd = c->ports[i].udp[0] = c->ports[i].udp[1] =
			c->ports[i].udp[2] = c->ports[i].udp[3] = -1;
	c->state = state_map(ROLE_FD_STATE, &c->state_size);
	if (control_config(c) && watch_init(c)) {
		size_t overlays = 0, ports;

		for (size_t i = 0; i < c->plan->port_count; i++)
			overlays += c->plan->ports[i].want.kind == MSG_PORT_OVERLAY;
		ports = c->plan->port_count - overlays;

		rc = 1;
		event_put(&c->events, EVENT_CONTROL_STARTED, NULL, 0, clock_now(),
			  "%snode %s of %s: %zu port%s, %zu overlay%s",
			  c->events.last ? "started again: " : "", args->node, args->config, ports,
			  ports == 1 ? "" : "s", overlays, overlays == 1 ? "" : "s");
		if (control_start(c))
			rc = loop_run(c->loop);
	}
	control_end(c);
	free(c);
	return rc < 0 ? 1 : rc;
}
