/* carrier: the process that stands in for the carrier's network. See carrier.h. */
#include "lab/carrier.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BURST 64          /* frames read from one interface before the others get a turn */
#define GONE_CHECK_MS 500 /* how often it looks whether its lab is still there */

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Rewrites the tags in clear for the port where the frame comes out: tags are local to a port, as
 * many as it has, the priority bits travel: the outermost tag's to the outermost, the innermost
 * one's to the innermost. What a port without a tag of its own carries stays as it is. out has 8
 * bytes more than the frame. Returns its length. */
static size_t retag(const struct carrier_port *from, const struct carrier_port *to,
		    const uint8_t *frame, size_t len, uint8_t *out)
{
	const struct view_tags *t = &to->rule.tags;
	size_t n = from->rule.tags.outer_type ? 8 : from->rule.tags.vlan ? 4 : 0, at = 12;
	unsigned outer = n ? (unsigned)(frame[14] & 0xf0) << 8 : 0;
	unsigned inner = n == 8 ? (unsigned)(frame[18] & 0xf0) << 8 : outer;

	memcpy(out, frame, 12);
	if (t->outer_type) {
		put16(out + at, t->outer_type);
		put16(out + at + 2, outer | t->outer_vlan);
		at += 4;
	}
	if (t->vlan) {
		put16(out + at, 0x8100);
		put16(out + at + 2, (t->outer_type ? inner : outer) | t->vlan);
		at += 4;
	}
	memcpy(out + at, frame + 12 + n, len - 12 - n);
	return at + len - 12 - n;
}

void carrier_schedule(struct carrier *c, uint16_t port, const uint8_t *frame, size_t len,
		      uint64_t due)
{
	struct frame *f = frame_new(frame, len);

	if (!f || !flight_put(&c->flight, f, port, due))
		c->ports[port].dropped_full++;
	frame_put(f);
}

/* Spends one frame of the first tampering that is asked for, if this is a frame of ciphertext. */
static int tamper_pick(struct carrier_port *to, enum view_class class)
{
	for (int k = 0; (class == VIEW_MACSEC || class == VIEW_ESP) && k < TAMPER_COUNT; k++) {
		if (to->tamper[k]) {
			to->tamper[k]--;
			to->tampered++;
			return k;
		}
	}
	return -1;
}

/* When a copy of a frame arrives. */
static uint64_t due_of(struct carrier *c, uint16_t in, uint16_t out, const struct impair_copy *copy,
		       uint64_t now)
{
	size_t way = in * c->port_count + out;
	uint64_t due = now + c->delay_ns[way] + copy->late_ns;

	if (copy->overtaken)
		return due;
	if (due < c->last_ns[way])
		due = c->last_ns[way];
	c->last_ns[way] = due;
	return due;
}

void carrier_forward(struct carrier *c, uint16_t in, uint16_t out, enum view_class class,
		     const uint8_t *frame, size_t len, uint64_t now)
{
	const struct carrier_service *s = &c->services[c->ports[in].service];
	struct carrier_port *to = &c->ports[out];
	uint8_t b[CARRIER_FRAME_MAX + 8];
	struct impair_fate fate;
	uint64_t due;

	if (to->cut) {
		to->dropped_cut++;
		return;
	}
	impair_frame(&s->impair, &c->dice, &fate);
	if (!fate.copies) {
		to->lost++;
		return;
	}
	due = due_of(c, in, out, &fate.copy[0], now);
	len = retag(&c->ports[in], to, frame, len, b);
	switch (tamper_pick(to, class)) {
	case TAMPER_DROP:
		return;
	case TAMPER_ALTER:
		b[len - 20] ^= 0x10;
		break;
	case TAMPER_DUPLICATE:
		carrier_schedule(c, out, b, len, due);
		break;
	case TAMPER_LATE:
		due += CARRIER_LATE_NS;
		break;
	case TAMPER_REPLAY:
		carrier_schedule(c, out, b, len, due + CARRIER_REPLAY_NS);
		break;
	default:
		break;
	}
	carrier_schedule(c, out, b, len, due);
	for (unsigned i = 1; i < fate.copies; i++) {
		to->duplicated++;
		carrier_schedule(c, out, b, len, due_of(c, in, out, &fate.copy[i], now));
	}
}

/* Where a frame of an interface enters. An E-Line sold by the port, not by VLAN, takes the frames
 * of every VLAN that is nobody else's. -1: nowhere. */
static int port_of(const struct carrier *c, uint16_t tap, const uint8_t *frame, size_t len)
{
	struct view_tags tags;
	int whole = -1;

	view_tags(frame, len, &tags);
	for (size_t i = 0; i < c->port_count; i++) {
		const struct view_tags *t = &c->ports[i].rule.tags;

		if (c->ports[i].tap != tap)
			continue;
		if (view_tags_same(t, &tags))
			return (int)i;
		/* Behind the port's tag may be one of the hosts', in clear by a rule. */
		if (t->vlan && !t->outer_type && tags.outer_type == 0x8100 &&
		    t->vlan == tags.outer_vlan)
			whole = (int)i;
		if (!t->vlan && c->services[c->ports[i].service].line)
			whole = (int)i;
	}
	return whole;
}

/* Octets behind the VLAN tags, two at most, and the EtherType. */
static size_t payload_len(const uint8_t *frame, size_t len)
{
	size_t at = 12;

	for (unsigned i = 0; i < 2 && len >= at + 6; i++) {
		unsigned type = (unsigned)frame[at] << 8 | frame[at + 1];

		if (type != 0x8100 && type != 0x88a8)
			break;
		at += 4;
	}
	return len - at - 2;
}

/* Whether the service's bridges keep the frame to themselves (802.1Q-2018 8.6.3): an E-Line sold
 * by the port is a two-port MAC relay, any other service a bridge. */
static bool consumes(const struct carrier_service *s, const struct carrier_port *p,
		     const uint8_t *frame)
{
	if (s->tunnel || s->provider || !elan_is_reserved(frame))
		return false;
	return !s->line || p->rule.tags.vlan || elan_is_relays(frame);
}

/* What the service refuses at its edge; true when the frame may enter. */
static bool admit(struct carrier_service *s, struct carrier_port *p, const uint8_t *frame,
		  size_t len, uint64_t now)
{
	uint64_t *drop = NULL;

	if (p->cut)
		drop = &p->dropped_cut;
	else if (consumes(s, p, frame))
		drop = &p->reserved;
	else if (payload_len(frame, len) > s->mtu)
		drop = &p->oversize;
	else if (!policer_take(&p->policer, len + IMPAIR_FCS, now))
		drop = &p->policed;
	if (drop)
		++*drop;
	return !drop;
}

void carrier_input(struct carrier *c, uint16_t tap, const uint8_t *frame, size_t len, uint64_t now)
{
	struct carrier_service *s;
	struct carrier_port *p;
	enum view_class class;
	int in = port_of(c, tap, frame, len), out = ELAN_FLOOD;

	if (in < 0 || len < 14) {
		c->stray++;
		view_count(&c->stray_view, &(struct view_rule){.tags.vlan = 0xfff}, frame, len);
		return;
	}
	p = &c->ports[in];
	s = &c->services[p->service];
	class = view_count(&p->view, &p->rule, frame, len);
	carrier_capture(c, (uint16_t)in, class, frame, len);
	if (!admit(s, p, frame, len, now))
		return;
	if (s->provider) {
		carrier_ip_input(c, (uint16_t)in, class, frame, len, now);
		return;
	}
	if (!s->line) {
		elan_learn(&s->elan, frame + 6, (uint16_t)in, now);
		out = elan_lookup(&s->elan, frame, now);
	}
	if (out == in)
		return;
	if (out >= 0) {
		carrier_forward(c, (uint16_t)in, (uint16_t)out, class, frame, len, now);
		return;
	}
	for (size_t i = 0; i < c->port_count; i++) {
		if (i != (size_t)in && c->ports[i].service == p->service)
			carrier_forward(c, (uint16_t)in, (uint16_t)i, class, frame, len, now);
	}
}

static void deliver(struct carrier *c, uint64_t now)
{
	struct flight_item it;

	while (flight_take(&c->flight, now, &it)) {
		struct carrier_port *p = &c->ports[it.port];

		if (p->cut)
			p->dropped_cut++;
		else if (write(c->taps[p->tap].fd, it.frame->b, it.frame->len) < 0)
			p->refused++;
		else
			p->delivered++;
		frame_put(it.frame);
	}
}

void carrier_cut(struct carrier *c, uint16_t port, bool cut)
{
	struct carrier_service *s = &c->services[c->ports[port].service];
	struct carrier_tap *t = &c->taps[c->ports[port].tap];
	bool up = false;
	int on;

	c->ports[port].cut = cut;
	if (cut && s->provider)
		provider_link_down(s->provider, port);
	else if (cut)
		elan_forget(&s->elan, port);
	for (size_t i = 0; i < c->port_count; i++) {
		if (c->ports[i].tap == c->ports[port].tap && !c->ports[i].cut)
			up = true;
	}
	on = up;
	if (up != t->up && ioctl(t->fd, TUNSETCARRIER, &on) < 0)
		log_warn("carrier: link state of %s %s: %m", t->node, t->ifname);
	t->up = up;
}

static void *grown(void *v, size_t count, size_t size)
{
	char *p = reallocarray(v, count + 1, size);

	if (!p) {
		log_error("carrier: out of memory");
		exit(1);
	}
	memset(p + count * size, 0, size);
	return p;
}

/* rule PORT CLEAR TAGGED VLAN TYPE DESTINATION/MASK, of the port's overlay, in order. */
static bool rule_statement(struct carrier *c, const char *line)
{
	unsigned port, clear, tagged;
	struct view_exception e = {0};
	struct view_rule *r;
	uint8_t *d = e.dst, *m = e.mask;

	if (sscanf(line,
		   "rule %u %u %u %hu %hx %2hhx%2hhx%2hhx%2hhx%2hhx%2hhx/"
		   "%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx",
		   &port, &clear, &tagged, &e.vlan, &e.type, &d[0], &d[1], &d[2], &d[3], &d[4],
		   &d[5], &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 17 ||
	    port >= c->port_count || c->ports[port].rule.exception_count == VIEW_EXCEPTIONS)
		return false;
	e.clear = clear;
	e.tagged = tagged;
	r = &c->ports[port].rule;
	r->exception[r->exception_count++] = e;
	return true;
}

bool carrier_statement(struct carrier *c, const char *line)
{
	struct carrier_service s = {0};
	struct carrier_tap t = {.up = true};
	struct carrier_port p = {0};
	unsigned tunnel, a, b;
	unsigned short *e = p.rule.eapol;
	char topology[8];
	struct view_tags *g = &p.rule.tags;
	unsigned long ns;

	if (sscanf(line, "service %31s %7s %u %hu %u %u %u %lu %lu %lu", s.name, topology, &tunnel,
		   &s.mtu, &s.impair.loss_ppm, &s.impair.reorder_ppm, &s.impair.duplicate_ppm,
		   &s.impair.jitter_ns, &s.rate, &s.burst) == 10) {
		s.line = !strcmp(topology, "e-line");
		s.tunnel = tunnel;
		c->services = grown(c->services, c->service_count, sizeof(s));
		c->services[c->service_count++] = s;
		return true;
	}
	if (sscanf(line, "tap %31s %15s %d", t.node, t.ifname, &t.fd) == 3) {
		c->taps = grown(c->taps, c->tap_count, sizeof(t));
		c->taps[c->tap_count++] = t;
		return true;
	}
	if (sscanf(line, "port %hu %hu %31s %31s %hu %hu %hx %u %hx,%hx,%hx,%hx", &p.service,
		   &p.tap, p.node, p.name, &g->vlan, &g->outer_vlan, &g->outer_type, &p.rule.allow,
		   &e[0], &e[1], &e[2], &e[3]) == 12) {
		if (p.service >= c->service_count || p.tap >= c->tap_count || c->delay_ns)
			return false;
		policer_init(&p.policer, c->services[p.service].rate, c->services[p.service].burst,
			     clock_now());
		c->ports = grown(c->ports, c->port_count, sizeof(p));
		c->ports[c->port_count++] = p;
		return true;
	}
	if (!strncmp(line, "rule ", 5))
		return rule_statement(c, line);
	if (sscanf(line, "delay %u %u %lu", &a, &b, &ns) == 3) {
		if (!c->delay_ns)
			c->delay_ns = calloc(c->port_count * c->port_count, sizeof(uint64_t));
		if (!c->delay_ns || a >= c->port_count || b >= c->port_count)
			return false;
		c->delay_ns[a * c->port_count + b] = ns;
		c->delay_ns[b * c->port_count + a] = ns;
		return true;
	}
	return carrier_ip_statement(c, line);
}

int carrier_ready(struct carrier *c)
{
	if (!c->delay_ns)
		c->delay_ns = calloc(c->port_count * c->port_count + 1, sizeof(uint64_t));
	c->last_ns = calloc(c->port_count * c->port_count + 1, sizeof(uint64_t));
	return c->delay_ns && c->last_ns ? 0 : -ENOMEM;
}

void carrier_fini(struct carrier *c)
{
	flight_fini(&c->flight);
	for (size_t i = 0; i < c->service_count; i++)
		carrier_ip_fini(&c->services[i]);
	free(c->services);
	free(c->taps);
	free(c->ports);
	free(c->delay_ns);
	free(c->last_ns);
}

static int spec_read(struct carrier *c, int fd)
{
	FILE *f = fdopen(fd, "r");
	char line[256];
	int err = f ? 0 : -errno;

	while (!err && fgets(line, sizeof(line), f)) {
		if (!carrier_statement(c, line)) {
			log_error("carrier: cannot read: %s", line);
			err = -EINVAL;
		}
	}
	if (f)
		fclose(f);
	return err ? err : carrier_ready(c);
}

static int listener_open(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = "carrier.sock"};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 8)) {
		log_error("carrier: control socket: %m");
		return -1;
	}
	return fd;
}

static void client_accept(struct carrier *c)
{
	int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int size = 16 << 20;

	if (fd < 0)
		return;
	for (unsigned i = 0; i < CARRIER_CLIENTS; i++) {
		if (c->clients[i].fd < 0) {
			/* A capture must not lose frames while its reader writes to disk. */
			setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
			c->clients[i] = (struct carrier_client){.fd = fd, .capture = -1};
			return;
		}
	}
	close(fd);
}

static void client_read(struct carrier *c, struct carrier_client *cl)
{
	char line[3 * CARRIER_FRAME_MAX];
	ssize_t n = recv(cl->fd, line, sizeof(line) - 1, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		close(cl->fd);
		cl->fd = -1;
		return;
	}
	line[n] = '\0';
	carrier_request(c, cl, line);
}

static void tap_read(struct carrier *c, uint16_t tap, uint64_t now)
{
	uint8_t b[CARRIER_FRAME_MAX];

	for (unsigned i = 0; i < BURST; i++) {
		ssize_t n = read(c->taps[tap].fd, b, sizeof(b));

		if (n <= 0)
			return;
		carrier_input(c, tap, b, (size_t)n, now);
	}
}

static struct timespec wait_time(const struct carrier *c, uint64_t now)
{
	uint64_t due = flight_due(&c->flight), ns = GONE_CHECK_MS * NS_PER_MS;

	if (due <= now)
		ns = 0;
	else if (due - now < ns)
		ns = due - now;
	return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S),
				 .tv_nsec = (long)(ns % NS_PER_S)};
}

/* The lab is gone when its directory has no name any more. */
static bool lab_is_gone(void)
{
	struct stat st;

	return stat(".", &st) || st.st_nlink == 0;
}

static void loop(struct carrier *c)
{
	size_t n = c->tap_count + 1 + CARRIER_CLIENTS;
	struct pollfd *p = calloc(n, sizeof(*p));
	uint64_t now = clock_now(), checked = now;

	while (p) {
		struct timespec wait;

		for (size_t i = 0; i < c->tap_count; i++)
			p[i] = (struct pollfd){.fd = c->taps[i].fd, .events = POLLIN};
		p[c->tap_count] = (struct pollfd){.fd = c->listener, .events = POLLIN};
		for (size_t i = 0; i < CARRIER_CLIENTS; i++)
			p[c->tap_count + 1 + i] =
				(struct pollfd){.fd = c->clients[i].fd, .events = POLLIN};
		wait = wait_time(c, now);
		if (ppoll(p, n, &wait, NULL) < 0 && errno != EINTR)
			break;
		now = clock_now();
		for (size_t i = 0; i < c->tap_count; i++) {
			if (p[i].revents)
				tap_read(c, (uint16_t)i, now);
		}
		deliver(c, clock_now());
		for (size_t i = 0; i < CARRIER_CLIENTS; i++) {
			if (c->clients[i].fd >= 0 && p[c->tap_count + 1 + i].revents)
				client_read(c, &c->clients[i]);
		}
		if (p[c->tap_count].revents)
			client_accept(c);
		if (now - checked > GONE_CHECK_MS * NS_PER_MS) {
			checked = now;
			if (lab_is_gone())
				break;
		}
	}
	free(p);
}

int carrier_main(const char *run_dir, int spec_fd)
{
	struct carrier c = {.listener = -1};
	int rc = 1;

	log_init("carrier", LOG_LVL_INFO);
	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < CARRIER_CLIENTS; i++)
		c.clients[i].fd = -1;
	flight_init(&c.flight, CARRIER_FLIGHT_FRAMES, CARRIER_FLIGHT_BYTES);
	if (getrandom(&c.dice, sizeof(c.dice), 0) != sizeof(c.dice) || !c.dice)
		c.dice = 1;
	if (chdir(run_dir) < 0) {
		log_error("carrier: %s: %m", run_dir);
		goto out;
	}
	if (spec_read(&c, spec_fd) < 0)
		goto out;
	for (size_t i = 0; i < c.tap_count; i++)
		fcntl(c.taps[i].fd, F_SETFL, O_RDWR | O_NONBLOCK);
	c.listener = listener_open();
	if (c.listener < 0)
		goto out;
	loop(&c);
	rc = 0;
out:
	carrier_fini(&c);
	return rc;
}
