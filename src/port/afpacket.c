/*
 * af_packet: a port on an interface of the kernel, through a raw packet socket that the parent
 * bound and filtered (proc/iface.h). Bursts are recvmmsg() and sendmmsg().
 *
 * The kernel takes the outer 802.1Q tag out of a received frame and tells it beside the frame
 * (packet(7), PACKET_AUXDATA); it is put back in, so that the rest sees what was on the wire.
 * Only wan interfaces have such ports: a frame that carries neither the AEAD stage's mark nor
 * that of a bypass rule is not sent, whoever asks, nor one that is marked to go in clear for want
 * of a key where nothing may.
 *
 * With virtio headers (PACKET_VNET_HDR, as the parent made the socket) frames that the kernel has put
 * together, or never cut, arrive as superframes, and are cut here; and sealed frames of ESP in UDP
 * leave as superframes while the kernel takes them. Sealed frames of other kinds, for which Linux has
 * none, leave one by one.
 */
#include "port/received.h"

#include "wire/eth.h"
#include "wire/ip.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TAG_LEN 4
#define ETHERTYPE_VLAN 0x8100
#define ROOMS 16 /* messages in one call, each of which may be a superframe */
#define ESP_UDP_PORT 4500
#define HEADER sizeof(struct virtio_net_hdr)

union aux_room {
	struct cmsghdr head;
	uint8_t bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
};

/* A message to the kernel: a frame, or the frames of a superframe. */
struct leaving {
	uint8_t first, count; /* of the burst */
	uint32_t bytes;
	struct bundle bundle; /* of several */
};

struct afpacket {
	struct port port;
	int fd;
	uint32_t header; /* bytes in front of every frame: 0, or HEADER */
	bool bundles;    /* ESP in UDP may leave in superframes */

	/* Receiving. Messages from `at` on have not been looked at; a message that was keeps its buffer
	 * if no frame of the pool came of it. */
	unsigned at, filled;
	unsigned spare_count; /* buffers taken from the pool */
	struct pkt spare[ROOMS];
	struct mmsghdr h[ROOMS];
	struct iovec iov[ROOMS][2];
	union aux_room aux[ROOMS];
	struct segmenter cut; /* of room[at - 1] */
	struct tpacket_auxdata cut_aux;

	/* Sending. */
	struct leaving out[PKT_BURST];
	struct mmsghdr out_h[PKT_BURST];
	struct iovec out_iov[PKT_BURST];

	uint8_t room[ROOMS][SUPER_MAX + 1]; /* what is longer than a buffer of the pool */
};

static struct afpacket *afpacket_of(const struct port *port)
{
	return (struct afpacket *)(uintptr_t)port; /* port is its first member */
}

static bool read_aux(struct msghdr *h, struct tpacket_auxdata *aux)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
		    c->cmsg_len < CMSG_LEN(sizeof(*aux)))
			continue;
		memcpy(aux, CMSG_DATA(c), sizeof(*aux));
		return true;
	}
	return false;
}

static void put_tag(struct pkt *p, const struct tpacket_auxdata *aux)
{
	uint16_t tpid =
		aux->tp_status & TP_STATUS_VLAN_TPID_VALID ? aux->tp_vlan_tpid : ETHERTYPE_VLAN;

	p->data -= TAG_LEN;
	memmove(p->data, p->data + TAG_LEN, 12);
	p->data[12] = (uint8_t)(tpid >> 8);
	p->data[13] = (uint8_t)tpid;
	p->data[14] = (uint8_t)(aux->tp_vlan_tci >> 8);
	p->data[15] = (uint8_t)aux->tp_vlan_tci;
	p->len += TAG_LEN;
}

/* ESP in UDP over IPv4 has no checksum, by which it would not be known from the next packet's. */
static bool is_esp_in_udp(const struct segmenter *s)
{
	const uint8_t *udp = s->frame + s->shape.upper;

	return s->shape.family == 4 && s->shape.protocol == IP_UDP &&
	       ((udp[0] << 8 | udp[1]) == ESP_UDP_PORT || (udp[2] << 8 | udp[3]) == ESP_UDP_PORT);
}

/* Begins to cut message i; its first bytes are in a buffer of the pool. */
static void super_begin(struct afpacket *a, unsigned i, const struct virtio_net_hdr *h,
			uint32_t len, struct received *r)
{
	const uint32_t max = a->port.pool->frame_max, first = max < SUPER_MAX ? max : SUPER_MAX;

	memcpy(a->room[i], a->spare[i].data, len < first ? len : first);
	if (!segmenter_begin(&a->cut, h, a->room[i], len, max - TAG_LEN)) {
		r->errors++;
		return;
	}
	a->cut.unsummed = is_esp_in_udp(&a->cut);
	r->supers++;
}

/* Frames of the superframe at hand, as many as there is room for. */
static void super_cut(struct afpacket *a, struct received *r)
{
	struct pkt *p;

	while ((p = received_cut(r, &a->cut, a->port.pool))) {
		if (a->cut_aux.tp_status & TP_STATUS_VLAN_VALID)
			put_tag(p, &a->cut_aux);
		received_add(r, p->len);
	}
}

/* A message that is one frame. False: it is not whole. */
static bool frame_finish(const struct afpacket *a, const struct virtio_net_hdr *h, struct pkt *p,
			 const struct tpacket_auxdata *aux, uint32_t len)
{
	const uint32_t max = a->port.pool->frame_max;

	if (len > max || (a->header && !super_checksum_finish(h, p->data, len)))
		return false;
	p->len = len;
	if (aux->tp_status & TP_STATUS_VLAN_VALID)
		put_tag(p, aux);
	return p->len <= max;
}

/* Looks at the next message. */
static void message_take(struct afpacket *a, struct received *r)
{
	const unsigned i = a->at++;
	const struct mmsghdr *m = &a->h[i];
	struct virtio_net_hdr h = {0};
	struct tpacket_auxdata aux;
	struct pkt *p = &r->v[r->got];

	if ((m->msg_hdr.msg_flags & MSG_TRUNC) || m->msg_len < a->header + ETH_HEAD_LEN ||
	    !read_aux(&a->h[i].msg_hdr, &aux) || aux.tp_snaplen < aux.tp_len) {
		r->errors++;
		return;
	}
	memcpy(&h, a->spare[i].data - a->header, a->header);
	if (h.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		a->cut_aux = aux;
		super_begin(a, i, &h, m->msg_len - a->header, r);
		return;
	}
	*p = a->spare[i];
	if (!frame_finish(a, &h, p, &aux, m->msg_len - a->header)) {
		r->errors++;
		return;
	}
	a->spare[i].buf = NULL;
	received_add(r, p->len);
}

/* Buffers for as many messages as there may be in one call. Returns how many. */
static unsigned prepare(struct afpacket *a)
{
	const uint32_t max = a->port.pool->frame_max, first = max < SUPER_MAX ? max : SUPER_MAX;
	unsigned n = 0;

	for (unsigned i = 0; i < a->spare_count; i++)
		if (a->spare[i].buf)
			a->spare[n++] = a->spare[i];
	while (n < ROOMS && pkt_alloc(a->port.pool, &a->spare[n]))
		n++;
	a->spare_count = n;
	for (unsigned i = 0; i < n; i++) {
		a->iov[i][0] = (struct iovec){a->spare[i].data - a->header, a->header + first};
		a->iov[i][1] = (struct iovec){a->room[i] + first, sizeof(a->room[i]) - first};
		a->h[i].msg_hdr = (struct msghdr){
			.msg_iov = a->iov[i],
			.msg_iovlen = a->header ? 2 : 1,
			.msg_control = a->aux[i].bytes,
			.msg_controllen = sizeof(a->aux[i].bytes),
		};
	}
	return n;
}

/* True: there may be more than came. */
static bool messages_receive(struct afpacket *a)
{
	unsigned n = prepare(a);
	int filled = n ? recvmmsg(a->fd, a->h, n, MSG_DONTWAIT, NULL) : 0;

	if (filled < 0 && errno != EAGAIN && errno != EINTR)
		count(&a->port.stats.rx_errors, 1);
	a->at = 0;
	a->filled = filled > 0 ? (unsigned)filled : 0;
	return a->filled == ROOMS;
}

static unsigned afpacket_rx(struct port *port, struct pkt *v, unsigned n)
{
	struct afpacket *a = afpacket_of(port);
	struct received r = {.v = v, .n = n};
	bool more = true;

	while (r.got < n) {
		if (segmenter_left(&a->cut))
			super_cut(a, &r);
		else if (a->at < a->filled)
			message_take(a, &r);
		else if (more)
			more = messages_receive(a);
		else
			break;
	}
	return received_count(&r, &port->stats);
}

/* What a call of tx has done so far. */
struct sent {
	unsigned frames;
	uint64_t bytes, supers;
};

/* The message that a frame is by itself. */
static void frame_put(struct afpacket *a, struct mmsghdr *m, struct iovec *iov, const struct pkt *p)
{
	*iov = (struct iovec){p->data - a->header, p->len + a->header};
	memset(iov->iov_base, 0, a->header);
	m->msg_hdr = (struct msghdr){.msg_iov = iov, .msg_iovlen = 1};
}

/* The message that v[0..n) are, a superframe if there are several. `iov`: n of them. */
static void message_put(struct afpacket *a, struct mmsghdr *m, struct iovec *iov,
			struct leaving *out, const struct pkt *v, unsigned n)
{
	const uint32_t head = out->bundle.payload;
	struct virtio_net_hdr h;

	frame_put(a, m, iov, v);
	out->count = (uint8_t)n;
	out->bytes = v[0].len;
	if (n == 1)
		return;
	bundle_finish(&out->bundle, v, n, &h);
	memcpy(v[0].data - HEADER, &h, sizeof(h));
	for (unsigned i = 1; i < n; i++) {
		iov[i] = (struct iovec){v[i].data + head, v[i].len - head};
		out->bytes += v[i].len;
	}
	m->msg_hdr.msg_iovlen = n;
}

/* Frames of a superframe that the kernel did not take, as they were. */
static void frames_send(struct afpacket *a, const struct leaving *out, const struct pkt *v,
			struct sent *s)
{
	struct mmsghdr m;
	struct iovec iov;

	bundle_undo(&out->bundle, v);
	for (unsigned i = 0; i < out->count; i++) {
		if (pkt_headroom(&v[i]) < a->header)
			continue;
		frame_put(a, &m, &iov, &v[i]);
		if (sendmsg(a->fd, &m.msg_hdr, MSG_DONTWAIT) < 0)
			continue;
		s->frames++;
		s->bytes += v[i].len;
	}
}

/* Hands n messages of the burst v to the kernel. One that it refuses is skipped, a full socket ends
 * it. A kernel that knows no superframes of UDP (before Linux 6.2) is not asked again. */
static void messages_send(struct afpacket *a, const struct pkt *v, unsigned n, struct sent *s)
{
	unsigned at = 0;

	while (at < n) {
		int k = sendmmsg(a->fd, a->out_h + at, n - at, MSG_DONTWAIT);

		if (k < 0) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN)
				break;
			if (errno == EINVAL && a->out[at].count > 1) {
				a->bundles = false;
				frames_send(a, &a->out[at], v + a->out[at].first, s);
			}
			at++;
			continue;
		}
		for (int i = 0; i < k; i++, at++) {
			s->frames += a->out[at].count;
			s->bytes += a->out[at].bytes;
			s->supers += a->out[at].count > 1;
		}
	}
}

/* Sends a burst: frames that may leave, in as few messages as that takes. */
static void burst_send(struct afpacket *a, struct pkt *v, unsigned n, unsigned may, struct sent *s)
{
	unsigned messages = 0, some;

	for (unsigned i = 0; i < n; i += some) {
		some = 1;
		if (!(v[i].mark & may) || pkt_headroom(&v[i]) < a->header)
			continue;
		if (a->bundles)
			some = bundle_count(&a->out[messages].bundle, v + i, n - i);
		a->out[messages].first = (uint8_t)i;
		message_put(a, &a->out_h[messages], a->out_iov + i, &a->out[messages], v + i, some);
		messages++;
	}
	messages_send(a, v, messages, s);
}

static unsigned afpacket_tx(struct port *port, struct pkt *v, unsigned n)
{
	struct afpacket *a = afpacket_of(port);
	const unsigned may = PKT_SEALED | PKT_BYPASSED | (port->clear ? PKT_CLEAR : 0);
	struct sent s = {0};

	for (unsigned at = 0; at < n; at += PKT_BURST)
		burst_send(a, v + at, n - at < PKT_BURST ? n - at : PKT_BURST, may, &s);
	for (unsigned i = 0; i < n; i++)
		pkt_release(port->pool, &v[i]);
	count(&port->stats.tx_frames, s.frames);
	count(&port->stats.tx_bytes, s.bytes);
	count(&port->stats.tx_supers, s.supers);
	count(&port->stats.tx_errors, n - s.frames);
	return s.frames;
}

static int afpacket_fd(const struct port *port)
{
	return afpacket_of(port)->fd;
}

static void afpacket_close(struct port *port)
{
	struct afpacket *a = afpacket_of(port);

	for (unsigned i = 0; i < a->spare_count; i++)
		if (a->spare[i].buf)
			pkt_release(port->pool, &a->spare[i]);
	close(a->fd);
	free(a);
}

/* Whether the kernel puts a header in front of every frame, and expects one. */
static bool has_virtio(int fd)
{
	int on = 0;
	socklen_t len = sizeof(on);

	return getsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, &len) == 0 && on;
}

static const struct port_ops afpacket_ops = {
	.name = "af_packet",
	.rx = afpacket_rx,
	.tx = afpacket_tx,
	.fd = afpacket_fd,
	.close = afpacket_close,
};

struct port *port_afpacket_new(int fd, const char *ifname, struct pkt_pool *pool)
{
	struct afpacket *a = calloc(1, sizeof(*a));

	if (!a) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	a->fd = fd;
	a->bundles = has_virtio(fd);
	a->header = a->bundles ? HEADER : 0;
	a->port.ops = &afpacket_ops;
	a->port.pool = pool;
	memccpy(a->port.ifname, ifname, 0, sizeof(a->port.ifname) - 1);
	return &a->port;
}
