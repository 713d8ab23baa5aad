/*
 * The engine of the node: from "forward has said what it has and the secrets are here" to IKE SAs at
 * work; its sockets; and what is on its way to forward.
 *
 * Every call of the engine ends in ike_flush(). The sink only queues (control_tunnel.c), so that a
 * record is in the memfd before forward or the wire hears of what is in it. What forward cannot take
 * now waits; when forward is gone the queue goes with it, for its successor is told everything.
 */
#include "myelind/control.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UDP_BUDGET 64 /* datagrams of one socket before others get their turn */
#define LOOK_NS NS_PER_S
#define LOOK_SOON_NS (100 * NS_PER_MS) /* while a MAC address is missing */
#define PROBE_NS (10 * NS_PER_S)
#define PROBE_SOON_NS NS_PER_S

static const uint8_t no_mac[6];

/* What the engine is given to stand on. */

static int64_t on_wall(void *ctx)
{
	(void)ctx;
	return (int64_t)(wall_clock() / NS_PER_S);
}

static int on_sign(void *ctx, uint32_t id, uint16_t key, enum sign_scheme s, const void *data,
		   size_t len)
{
	return cert_sign(ctx, id, key, s, data, len);
}

/* Forward. */

void ike_say(struct control *c, struct msg *m)
{
	struct control_ike *k = c->ike;

	if (c->forward >= 0 && k->queue_count == k->queue_room && k->queue_room < IKE_QUEUE_MAX) {
		size_t room = k->queue_room ? 2 * k->queue_room : 64;
		struct msg *v = calloc(room, sizeof(*v));

		if (v && k->queue_count)
			memcpy(v, k->queue, k->queue_count * sizeof(*v));
		if (v && k->queue) {
			secret_wipe(k->queue, k->queue_room * sizeof(*v));
			free(k->queue);
		}
		if (v) {
			k->queue = v;
			k->queue_room = room;
		}
	}
	if (c->forward >= 0 && k->queue_count < k->queue_room)
		k->queue[k->queue_count++] = *m;
	else if (c->forward >= 0)
		log_error("too much waits for forward: %s is lost", msg_type_name(m->type));
	secret_wipe(m, sizeof(*m));
}

static void queue_clear(struct control_ike *k)
{
	if (k->queue_count)
		secret_wipe(k->queue, k->queue_count * sizeof(*k->queue));
	k->queue_count = 0;
}

static void queue_send(struct control *c)
{
	struct control_ike *k = c->ike;
	size_t n = 0;
	int rc = 0;

	while (n < k->queue_count && rc == 0) {
		rc = control_tell_forward(c, &k->queue[n]);
		/* It will be told everything again, or is read again; else it is not to be said. */
		if (rc == -EAGAIN)
			break;
		if (rc < 0 && rc != -ENOTCONN) {
			log_error("forward cannot be told %s: %s", msg_type_name(k->queue[n].type),
				  strerror(-rc));
			rc = 0;
		}
		n++;
	}
	if (!n)
		return;
	memmove(k->queue, k->queue + n, (k->queue_count - n) * sizeof(*k->queue));
	secret_wipe(k->queue + (k->queue_count - n), n * sizeof(*k->queue));
	k->queue_count -= n;
}

void ike_forward_gone(struct control *c)
{
	struct control_ike *k = c->ike;

	if (!k)
		return;
	queue_clear(k);
	for (size_t i = 0; i < k->tunnel_count; i++)
		k->tunnels[i].announced = false;
}

void ike_forward_linked(struct control *c, uint64_t now)
{
	struct control_ike *k = c->ike;

	/* A tunnel of a file before this one would take the place of another to the same peer. */
	for (unsigned i = 1; i <= PLAN_TUNNELS_MAX; i++) {
		struct msg m = {.type = MSG_TUNNEL_DEL, .secy = (uint16_t)(PLAN_SECYS_MAX + i)};

		if (k && !ike_tunnel(c, m.secy))
			ike_say(c, &m);
	}
	if (!k)
		return;
	for (size_t i = 0; i < k->tunnel_count; i++) {
		tunnel_sync_begin(&k->tunnels[i]);
		tunnel_announce(&k->tunnels[i]);
	}
	k->look_at = 0;
	queue_send(c);
	(void)now;
}

void ike_report(struct control *c, const struct msg_esp_report *r, uint64_t now)
{
	struct control_tunnel *t = ike_tunnel(c, r->tunnel);
	struct sink_esp_report s = {
		.tunnel = r->tunnel,
		.direction = r->direction,
		.event = r->event,
		.spi = r->spi,
		.seq = r->seq,
		.packets = r->packets,
		.octets = r->octets,
		.remote = {.family = r->remote.family, .port = r->remote.port},
	};

	if (!t) {
		struct msg m = {.type = MSG_TUNNEL_DEL, .secy = r->tunnel};

		control_tell_forward(c, &m);
		return;
	}
	memcpy(s.remote.addr, r->remote.addr, sizeof(s.remote.addr));
	tunnel_report(t, &s, now);
	if (c->ike->engine)
		ike_flush(c, now);
}

/* What was a predecessor's and has no record carries on alone: others are to take its place. */
static void orphans_replace(struct control *c, uint64_t now)
{
	for (size_t i = 0; i < c->ike->tunnel_count; i++) {
		struct control_tunnel *t = &c->ike->tunnels[i];
		const struct sink_esp_report r = {.tunnel = t->plan->id,
						  .direction = SINK_TRANSMIT,
						  .event = SINK_ESP_ACQUIRE};

		if (t->set)
			ikev2_carried(c->ike->engine, t->plan->id, tunnel_carried(t));
		if (t->set && tunnel_orphaned(t))
			ikev2_report(c->ike->engine, &r, now);
	}
}

void ike_synced(struct control *c, uint64_t now)
{
	struct control_ike *k = c->ike;

	if (!k)
		return;
	for (size_t i = 0; i < k->tunnel_count; i++) {
		/* What is there already is no news. */
		if (!k->engine && tunnel_sa_of(&k->tunnels[i], SINK_TRANSMIT))
			k->tunnels[i].up = true;
		if (!k->tunnels[i].announced)
			tunnel_announce(&k->tunnels[i]);
	}
	if (!k->engine) {
		ike_start(c, now);
		return;
	}
	/* What forward has already does not change; what it lost it refuses, and is replaced. */
	ikev2_loaded(k->engine, now);
	orphans_replace(c, now);
	ike_flush(c, now);
}

/* Start. */

struct control_tunnel *ike_tunnel(struct control *c, uint16_t id)
{
	for (size_t i = 0; c->ike && i < c->ike->tunnel_count; i++)
		if (c->ike->tunnels[i].plan->id == id)
			return &c->ike->tunnels[i];
	return NULL;
}

static struct ike_overlay *overlay_get(struct control_ike *k, const struct plan_tunnel *t)
{
	for (size_t i = 0; i < k->overlay_count; i++)
		if (k->overlays[i].o == t->o)
			return &k->overlays[i];
	k->overlays[k->overlay_count] = (struct ike_overlay){.o = t->o, .first = t->id};
	return &k->overlays[k->overlay_count++];
}

int ike_init(struct control *c)
{
	size_t n = c->plan->tunnel_count;
	struct control_ike *k;

	if (!n)
		return 0;
	k = c->ike = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->overlays = calloc(n, sizeof(*k->overlays));
	k->tunnels = calloc(n, sizeof(*k->tunnels));
	if (!k->overlays || !k->tunnels)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct plan_tunnel *p = &c->plan->tunnels[i];

		tunnel_init(c, &k->tunnels[i], p, overlay_get(k, p));
		k->tunnel_count++;
	}
	return 0;
}

void ike_fini(struct control *c)
{
	struct control_ike *k = c->ike;

	if (!k)
		return;
	ikev2_free(k->engine);
	for (size_t i = 0; i < k->overlay_count; i++)
		ike_secrets_wipe(&k->overlays[i]);
	for (size_t i = 0; i < k->tunnel_count; i++)
		tunnel_fini(&k->tunnels[i]);
	queue_clear(k);
	free(k->queue);
	free(k->tunnels);
	free(k->overlays);
	free(k);
	c->ike = NULL;
}

static bool anything_left(const struct control *c)
{
	for (size_t i = 0; i < c->ike->tunnel_count; i++)
		if (c->ike->tunnels[i].sa_count)
			return true;
	return ike_saved(c);
}

void ike_start(struct control *c, uint64_t now)
{
	struct control_ike *k = c->ike;
	const struct ikev2_config cfg = {
		.slots = IKE_SLOTS,
		.half_open_max = IKE_SLOTS / 3,
		.initial_contact = !anything_left(c),
	};
	const struct ikev2_env env = {
		.ctx = c,
		.random = control_random,
		.wall = on_wall,
		.sign = on_sign,
		.keylog = show_keys_keep,
		.event = ike_event,
		.sink = tunnel_sink(c),
	};
	unsigned taken;

	if (k->engine || !c->synced || !ike_files_had(k) || !certs_settled(c, now))
		return;
	for (size_t i = 0; i < k->overlay_count; i++)
		if (k->overlays[i].o->ipsec.key_log)
			log_warn("overlay %s: KEYS ARE KEPT for `myelin show keys`: whoever reads "
				 "them reads the traffic; take `debug key-log` out of the file",
				 k->overlays[i].o->name);
	k->engine = ikev2_new(&cfg, &env, now);
	if (!k->engine) {
		log_error("IKEv2 does not start: %s", strerror(errno));
		return;
	}
	for (size_t i = 0; i < k->tunnel_count; i++) {
		tunnel_way(&k->tunnels[i]);
		ike_peer_set(&k->tunnels[i], now);
	}
	taken = ike_load(c, now);
	k->adopted = taken != 0;
	ikev2_loaded(k->engine, now);
	orphans_replace(c, now);
	log_info("IKEv2 for %zu peer%s%s", k->tunnel_count, k->tunnel_count == 1 ? "" : "s",
		 taken ? ": continuing" : "");
	ike_flush(c, now);
}

/* The wire. */

static const struct {
	uint8_t family;
	uint16_t port;
} udp_kinds[CONTROL_UDP] = {
	{4, IKEV2_PORT}, {4, IKEV2_PORT_NAT}, {6, IKEV2_PORT}, {6, IKEV2_PORT_NAT}};

/* The address that the datagram came to, by what the kernel tells beside it. */
static void local_take(struct msghdr *mh, struct esp_end *local)
{
	for (struct cmsghdr *m = CMSG_FIRSTHDR(mh); m; m = CMSG_NXTHDR(mh, m)) {
		struct in_pktinfo i4;
		struct in6_pktinfo i6;

		if (m->cmsg_level == IPPROTO_IP && m->cmsg_type == IP_PKTINFO &&
		    m->cmsg_len >= CMSG_LEN(sizeof(i4))) {
			memcpy(&i4, CMSG_DATA(m), sizeof(i4));
			local->family = 4;
			memcpy(local->addr, &i4.ipi_addr, 4);
		} else if (m->cmsg_level == IPPROTO_IPV6 && m->cmsg_type == IPV6_PKTINFO &&
			   m->cmsg_len >= CMSG_LEN(sizeof(i6))) {
			memcpy(&i6, CMSG_DATA(m), sizeof(i6));
			local->family = 6;
			memcpy(local->addr, &i6.ipi6_addr, 16);
		}
	}
}

/* Bytes, 0 when there is none for the engine, or -errno. */
static ssize_t udp_recv(int fd, uint8_t *buf, size_t size, struct esp_end *local,
			struct esp_end *remote)
{
	union {
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
	} from;
	union {
		uint8_t b[CMSG_SPACE(sizeof(struct in6_pktinfo)) + 64];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = size};
	struct msghdr mh = {.msg_name = &from,
			    .msg_namelen = sizeof(from),
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &mh, MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	local_take(&mh, local);
	if ((mh.msg_flags & MSG_TRUNC) || !local->family)
		return 0;
	remote->family = local->family;
	if (local->family == 4) {
		memcpy(remote->addr, &from.in4.sin_addr, 4);
		remote->port = ntohs(from.in4.sin_port);
	} else {
		memcpy(remote->addr, &from.in6.sin6_addr, 16);
		remote->port = ntohs(from.in6.sin6_port);
	}
	return n;
}

static void on_udp(void *ctx, int fd, unsigned events)
{
	static uint8_t buf[IKEV2_DATAGRAM_MAX + 1];
	struct control *c = ctx;
	uint64_t now = clock_now();
	uint16_t port = 0;

	(void)events;
	for (size_t i = 0; i < PLAN_PORTS_MAX && !port; i++)
		for (unsigned k = 0; k < CONTROL_UDP; k++)
			if (c->ports[i].udp[k] == fd)
				port = udp_kinds[k].port;
	for (unsigned i = 0; i < UDP_BUDGET; i++) {
		struct esp_end local = {.port = port}, remote = {0};
		ssize_t n = udp_recv(fd, buf, sizeof(buf), &local, &remote);

		if (n == -EAGAIN || n == -EINTR)
			break;
		/* Errors are what ICMP said of what was sent: nobody signed it. */
		if (n > 0 && c->ike && c->ike->engine)
			ikev2_input(c->ike->engine, &local, &remote, buf, (size_t)n, now);
	}
	if (c->ike && c->ike->engine)
		ike_flush(c, now);
}

void ike_udp_close(struct control *c, struct control_port *p)
{
	for (unsigned k = 0; k < CONTROL_UDP; k++) {
		if (p->udp[k] < 0)
			continue;
		loop_unwatch(c->loop, p->udp[k]);
		close(p->udp[k]);
		p->udp[k] = -1;
	}
}

void ike_udp_open(struct control *c, const struct msg_port_udp *u, int fd)
{
	struct control_port *p = u->port <= PLAN_PORTS_MAX ? &c->ports[u->port - 1] : NULL;

	for (unsigned k = 0; p && k < CONTROL_UDP; k++) {
		if (udp_kinds[k].family != u->family || udp_kinds[k].port != u->udp)
			continue;
		if (p->udp[k] >= 0) {
			loop_unwatch(c->loop, p->udp[k]);
			close(p->udp[k]);
		}
		p->udp[k] = fd;
		if (loop_watch(c->loop, fd, LOOP_IN, on_udp, c) < 0)
			log_error("too many descriptors to watch: IKE is not heard");
		return;
	}
	close(fd);
}

/* The port that has this address, or NULL. */
static struct control_port *port_at(struct control *c, const struct esp_end *local)
{
	for (size_t i = 0; i < c->ike->tunnel_count; i++) {
		const struct control_tunnel *t = &c->ike->tunnels[i];

		if (tunnel_end_same(&t->local, local))
			return &c->ports[t->plan->wan - 1];
	}
	for (size_t i = 0; i < c->plan->address_count; i++) {
		const struct msg_address_want *a = &c->plan->addresses[i];

		if (a->family == local->family &&
		    memcmp(a->addr, local->addr, a->family == 6 ? 16 : 4) == 0)
			return &c->ports[a->port - 1];
	}
	return NULL;
}

static void udp_address(struct msghdr *mh, const struct ikev2_datagram *d)
{
	struct cmsghdr *m = CMSG_FIRSTHDR(mh);

	if (d->local.family == 4) {
		struct sockaddr_in *to = mh->msg_name;
		struct in_pktinfo i = {0};

		*to = (struct sockaddr_in){.sin_family = AF_INET,
					   .sin_port = htons(d->remote.port)};
		memcpy(&to->sin_addr, d->remote.addr, 4);
		memcpy(&i.ipi_spec_dst, d->local.addr, 4);
		mh->msg_namelen = sizeof(*to);
		m->cmsg_level = IPPROTO_IP;
		m->cmsg_type = IP_PKTINFO;
		m->cmsg_len = CMSG_LEN(sizeof(i));
		memcpy(CMSG_DATA(m), &i, sizeof(i));
		mh->msg_controllen = CMSG_SPACE(sizeof(i));
	} else {
		struct sockaddr_in6 *to = mh->msg_name;
		struct in6_pktinfo i = {0};

		*to = (struct sockaddr_in6){.sin6_family = AF_INET6,
					    .sin6_port = htons(d->remote.port)};
		memcpy(&to->sin6_addr, d->remote.addr, 16);
		memcpy(&i.ipi6_addr, d->local.addr, 16);
		mh->msg_namelen = sizeof(*to);
		m->cmsg_level = IPPROTO_IPV6;
		m->cmsg_type = IPV6_PKTINFO;
		m->cmsg_len = CMSG_LEN(sizeof(i));
		memcpy(CMSG_DATA(m), &i, sizeof(i));
		mh->msg_controllen = CMSG_SPACE(sizeof(i));
	}
}

/* 0 or -errno. Replies leave from the address that was asked. */
static int udp_send(struct control *c, struct ikev2_datagram *d)
{
	struct control_port *p = port_at(c, &d->local);
	union {
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
	} to = {0};
	union {
		uint8_t b[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = d->b, .iov_len = d->len};
	struct msghdr mh = {.msg_name = &to,
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control)};
	int fd = -1;

	for (unsigned k = 0; p && k < CONTROL_UDP; k++)
		if (udp_kinds[k].family == d->local.family && udp_kinds[k].port == d->local.port)
			fd = p->udp[k];
	if (fd < 0)
		return -ENETDOWN;
	udp_address(&mh, d);
	return sendmsg(fd, &mh, MSG_DONTWAIT) < 0 ? -errno : 0;
}

void ike_port_changed(struct control *c, uint64_t now)
{
	struct control_ike *k = c->ike;

	for (size_t i = 0; k && i < k->tunnel_count; i++) {
		struct control_tunnel *t = &k->tunnels[i];
		bool moved;

		tunnel_way(t);
		if (!t->set || tunnel_end_same(&t->local, &t->set_local))
			continue;
		moved = t->set_local.family && t->local.family;
		ike_peer_set(t, now);
		if (moved) /* what stands is bound to an address that is gone */
			(void)ikev2_rekey(k->engine, t->plan->id, IKEV2_REAUTH, now);
	}
	if (!k)
		return;
	for (size_t i = 0; i < k->overlay_count; i++)
		if (!k->overlays[i].asked)
			ike_files_ask(c, &k->overlays[i]);
	k->look_at = k->probe_at = 0;
	ike_start(c, now);
}

/* The turn. */

void ike_flush(struct control *c, uint64_t now)
{
	static struct ikev2_datagram d;
	struct control_ike *k = c->ike;

	if (k->engine)
		ike_save(c);
	queue_send(c);
	while (k->engine && ikev2_output(k->engine, &d)) {
		static struct log_limit limit = LOG_LIMIT(3, 30 * NS_PER_S);
		int rc = udp_send(c, &d);

		if (rc == 0)
			continue;
		k->send_errors++;
		log_limited(&limit, LOG_LVL_WARN, "an IKE message could not be sent: %s",
			    strerror(-rc));
	}
	for (size_t i = 0; k->engine && c->synced && i < k->tunnel_count; i++)
		tunnel_watch(&k->tunnels[i], now);
}

static bool mac_missing(const struct control_ike *k)
{
	for (size_t i = 0; i < k->tunnel_count; i++)
		if (k->tunnels[i].next_hop.family &&
		    memcmp(k->tunnels[i].mac, no_mac, sizeof(no_mac)) == 0)
			return true;
	return false;
}

void ike_turn(struct control *c, uint64_t now)
{
	struct control_ike *k = c->ike;

	if (!k)
		return;
	for (size_t i = 0; i < k->overlay_count; i++)
		if (k->overlays[i].failed && now >= k->overlays[i].retry_at) {
			ike_secrets_wipe(&k->overlays[i]);
			ike_files_ask(c, &k->overlays[i]);
		}
	if (now >= k->probe_at) {
		tunnels_probe(c);
		k->probe_at = now + (mac_missing(k) ? PROBE_SOON_NS : PROBE_NS);
	}
	if (now >= k->look_at) {
		tunnels_look(c);
		k->look_at = now + (mac_missing(k) ? LOOK_SOON_NS : LOOK_NS);
	}
	if (k->engine && now >= ikev2_deadline(k->engine))
		ikev2_expire(k->engine, now);
	ike_flush(c, now);
}

uint64_t ike_deadline(const struct control *c)
{
	const struct control_ike *k = c->ike;
	uint64_t at = UINT64_MAX;

	if (!k)
		return at;
	at = k->look_at < k->probe_at ? k->look_at : k->probe_at;
	for (size_t i = 0; i < k->overlay_count; i++)
		if (k->overlays[i].failed && k->overlays[i].retry_at < at)
			at = k->overlays[i].retry_at;
	if (k->engine && ikev2_deadline(k->engine) < at)
		at = ikev2_deadline(k->engine);
	return at;
}
