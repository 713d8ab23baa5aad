/* carrier: its control socket: status, link faults, tampering, injection, capture. See carrier.h. */
#include "lab/carrier.h"

#include "base/clock.h"
#include "base/wr.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#define STATUS_MAX (128 * 1024)

static const char *const tamper_name[TAMPER_COUNT] = {
	"alter", "duplicate", "drop", "late", "replay",
};

/* Text that grows into a fixed buffer; names in it are of [a-z0-9-] and need no quoting. */
struct text {
	char *p, *end;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->p, (size_t)(t->end - t->p), fmt, ap);
	va_end(ap);
	t->p = n < 0 || n >= t->end - t->p ? t->end - 1 : t->p + n;
}

static void say_view(struct text *t, const struct view *v)
{
	say(t, "\"frames\":%lu,\"bytes\":%lu,\"tagged\":%lu,\"tagged-twice\":%lu,\"pcp\":[",
	    v->frames, v->bytes, v->tagged, v->twice);
	for (unsigned i = 0; i < 8; i++)
		say(t, "%s%lu", i ? "," : "", v->pcp[i]);
	say(t, "],\"outer-pcp\":[");
	for (unsigned i = 0; i < 8; i++)
		say(t, "%s%lu", i ? "," : "", v->outer_pcp[i]);
	say(t, "]");
	for (unsigned i = 0; i < VIEW_CLASS_COUNT; i++)
		say(t, ",\"%s\":%lu", view_class_name[i], v->by_class[i]);
	say(t, ",\"kept\":[");
	for (unsigned i = 0; i < v->kept_count; i++) {
		const struct view_kept *k = &v->kept[i];
		size_t n = k->len < VIEW_KEPT_BYTES ? k->len : VIEW_KEPT_BYTES;

		say(t, "%s{\"len\":%u,\"hex\":\"", i ? "," : "", k->len);
		for (size_t j = 0; j < n; j++)
			say(t, "%02x", k->b[j]);
		say(t, "\"}");
	}
	say(t, "]");
}

static void say_port(const struct carrier *c, struct text *t, size_t i)
{
	const struct carrier_port *p = &c->ports[i];
	bool first = true;

	say(t, "{\"node\":\"%s\",\"port\":\"%s\",\"number\":%zu,\"interface\":\"%s\",\"vlan\":%u,",
	    p->node, p->name, i, c->taps[p->tap].ifname, p->rule.tags.vlan);
	if (p->rule.tags.outer_type)
		say(t, "\"outer-vlan\":%u,\"outer-tpid\":\"0x%04x\",", p->rule.tags.outer_vlan,
		    p->rule.tags.outer_type);
	say(t, "\"up\":%s,", p->cut ? "false" : "true");
	say_view(t, &p->view);
	say(t,
	    ",\"delivered\":%lu,\"duplicated\":%lu,\"lost\":%lu,\"dropped-cut\":%lu,"
	    "\"dropped-full\":%lu,\"refused\":%lu,\"reserved\":%lu,\"oversize\":%lu,"
	    "\"policed\":%lu,\"injected\":%lu,\"tampered\":%lu,\"delay-us\":{",
	    p->delivered, p->duplicated, p->lost, p->dropped_cut, p->dropped_full, p->refused,
	    p->reserved, p->oversize, p->policed, p->injected, p->tampered);
	for (size_t j = 0; j < c->port_count; j++) {
		if (j == i || c->ports[j].service != p->service)
			continue;
		say(t, "%s\"%s\":%lu", first ? "" : ",", c->ports[j].node,
		    c->delay_ns[i * c->port_count + j] / 1000);
		first = false;
	}
	say(t, "}}");
}

/* What the service is, in words a file would have. */
static void say_service(struct text *t, const struct carrier_service *s)
{
	say(t,
	    "\"name\":\"%s\",\"topology\":\"%s\",\"mtu\":%u,\"tunnels-reserved\":%s,"
	    "\"loss-ppm\":%u,\"reorder-ppm\":%u,\"duplicate-ppm\":%u,\"jitter-us\":%lu,"
	    "\"rate\":%lu,\"burst\":%lu",
	    s->name,
	    s->provider ? "ip"
	    : s->line   ? "e-line"
			: "e-lan",
	    s->mtu, s->tunnel ? "true" : "false", s->impair.loss_ppm, s->impair.reorder_ppm,
	    s->impair.duplicate_ppm, s->impair.jitter_ns / 1000, s->rate, s->burst);
}

/* What the routers of a service of IP did, and to whom they leased what. */
static void say_provider(struct text *t, const struct provider_stats *s)
{
	say(t,
	    ",\"routers\":{\"forwarded\":%lu,\"local\":%lu,\"no-route\":%lu,\"ttl\":%lu,"
	    "\"too-big\":%lu,\"fragmented\":%lu,\"unresolved\":%lu,\"malformed\":%lu,"
	    "\"martian\":%lu,\"nat-refused\":%lu,\"no-esp\":%lu,\"no-fragments\":%lu,"
	    "\"icmp\":%lu,\"leases\":%lu}",
	    s->forwarded, s->local, s->no_route, s->ttl, s->too_big, s->fragmented, s->unresolved,
	    s->malformed, s->martian, s->nat_refused, s->fault_esp, s->fault_fragment, s->icmp_sent,
	    s->dhcp_acks);
}

static void status(const struct carrier *c, struct text *t)
{
	say(t, "{\"in-flight\":{\"frames\":%zu,\"bytes\":%zu,\"refused\":%lu},\"stray\":{",
	    c->flight.count, c->flight.bytes, c->flight.refused);
	say_view(t, &c->stray_view);
	say(t, "},\"services\":[");
	for (size_t s = 0; s < c->service_count; s++) {
		bool first = true;

		say(t, "%s{", s ? "," : "");
		say_service(t, &c->services[s]);
		if (c->services[s].provider)
			say_provider(t, provider_stats(c->services[s].provider));
		say(t, ",\"ports\":[");
		for (size_t i = 0; i < c->port_count; i++) {
			if (c->ports[i].service != s)
				continue;
			say(t, "%s", first ? "" : ",");
			say_port(c, t, i);
			first = false;
		}
		say(t, "]}");
	}
	say(t, "]}");
}

static int port_find(const struct carrier *c, const char *node, const char *name)
{
	for (size_t i = 0; i < c->port_count; i++) {
		if (!strcmp(c->ports[i].node, node) && !strcmp(c->ports[i].name, name))
			return (int)i;
	}
	return -1;
}

static size_t hex_read(const char *hex, uint8_t *out, size_t max)
{
	size_t n = 0;
	unsigned v;

	while (n < max && sscanf(hex + 2 * n, "%2x", &v) == 1)
		out[n++] = (uint8_t)v;
	return n;
}

/* A request about one port. NULL, or what is wrong with it. */
static const char *port_request(struct carrier *c, const char *verb, const char *node,
				const char *name, const char *rest)
{
	static uint8_t frame[CARRIER_FRAME_MAX];
	int at = port_find(c, node, name);
	struct carrier_port *p;
	char kind[16] = "";
	unsigned count = 0;
	size_t len;

	if (at < 0)
		return "no such port";
	p = &c->ports[at];
	if (!strcmp(verb, "cut") || !strcmp(verb, "heal")) {
		carrier_cut(c, (uint16_t)at, verb[0] == 'c');
		return NULL;
	}
	if (!strcmp(verb, "inject") || !strcmp(verb, "send")) {
		len = hex_read(rest, frame, sizeof(frame));
		if (len < 14)
			return "a frame has 14 bytes at least, in hex";
		if (verb[0] == 's') {
			carrier_input(c, p->tap, frame, len, clock_now());
			return NULL;
		}
		p->injected++;
		carrier_schedule(c, (uint16_t)at, frame, len, clock_now());
		return NULL;
	}
	if (!strcmp(verb, "tamper") && sscanf(rest, "%15s %u", kind, &count) == 2) {
		for (unsigned k = 0; k < TAMPER_COUNT; k++) {
			if (!strcmp(kind, tamper_name[k])) {
				p->tamper[k] = count;
				return NULL;
			}
		}
	}
	if (!strcmp(verb, "tamper"))
		return "how is alter, duplicate, drop, late or replay, and then how many frames";
	return "not understood";
}

void carrier_request(struct carrier *c, struct carrier_client *client, char *line)
{
	static char answer[STATUS_MAX];
	struct text t = {.p = answer, .end = answer + sizeof(answer)};
	char verb[16] = "", node[CARRIER_NAME] = "", name[CARRIER_NAME] = "";
	const char *wrong = NULL;
	int rest = 0, n;

	n = sscanf(line, "%15s %31s %31s %n", verb, node, name, &rest);
	if (!strcmp(verb, "status")) {
		status(c, &t);
	} else if (!strcmp(verb, "capture") && n == 2) {
		for (size_t s = 0; s < c->service_count; s++) {
			if (!strcmp(c->services[s].name, node))
				client->capture = (int)s;
		}
		wrong = client->capture < 0 ? "no such service" : NULL;
	} else if (n == 3) {
		wrong = port_request(c, verb, node, name, rest ? line + rest : "");
	} else {
		wrong = "not understood";
	}
	if (wrong)
		say(&t, "{\"error\":\"%s\"}", wrong);
	else if (t.p == answer)
		say(&t, "{}");
	if (send(client->fd, answer, (size_t)(t.p - answer), MSG_NOSIGNAL) < 0)
		client->missed++;
}

void carrier_capture(struct carrier *c, uint16_t port, enum view_class class, const uint8_t *frame,
		     size_t len)
{
	uint8_t head[16];
	struct wr w = wr_init(head, sizeof(head));
	struct timespec ts;

	for (unsigned i = 0; i < CARRIER_CLIENTS; i++) {
		struct carrier_client *cl = &c->clients[i];
		struct iovec v[2] = {{head, sizeof(head)}, {(void *)(uintptr_t)frame, len}};
		struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};

		if (cl->fd < 0 || cl->capture != c->ports[port].service)
			continue;
		if (wr_len(&w) == 0) {
			clock_gettime(CLOCK_REALTIME, &ts);
			wr_u64(&w, (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec);
			wr_u16(&w, port);
			wr_u16(&w, (uint16_t) class);
			wr_u32(&w, (uint32_t)cl->missed);
		}
		if (sendmsg(cl->fd, &m, MSG_NOSIGNAL) < 0)
			cl->missed++;
	}
}
