/*
 * af_packet: a port on an interface of the kernel, through a raw packet socket that the parent
 * bound and filtered (proc/iface.h). Bursts are recvmmsg() and sendmmsg().
 *
 * The kernel takes the outer 802.1Q tag out of a received frame and tells it beside the frame
 * (packet(7), PACKET_AUXDATA); it is put back in, so that the rest sees what was on the wire.
 * Only wan interfaces have such ports: a frame that carries neither the AEAD stage's mark nor
 * that of a bypass rule is not sent, whoever asks, nor one that is marked to go in clear for want
 * of a key where nothing may.
 */
#include "port/port.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_MIN 14 /* an Ethernet header */
#define TAG_LEN 4
#define ETHERTYPE_VLAN 0x8100

union aux_room {
	struct cmsghdr head;
	uint8_t bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
};

struct afpacket {
	struct port port;
	int fd;
	unsigned spare_count; /* buffers taken from the pool and not filled yet */
	struct pkt spare[PKT_BURST];
	struct mmsghdr h[PKT_BURST];
	struct iovec iov[PKT_BURST];
	union aux_room aux[PKT_BURST];
};

static struct afpacket *afpacket_of(const struct port *port)
{
	return (struct afpacket *)(uintptr_t)port; /* port is its first member */
}

static void count(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
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

/* Finishes one received frame; false when it is not whole. */
static bool receive_one(struct afpacket *a, struct mmsghdr *h, struct pkt *p)
{
	struct tpacket_auxdata aux;

	if ((h->msg_hdr.msg_flags & MSG_TRUNC) || h->msg_len < FRAME_MIN ||
	    !read_aux(&h->msg_hdr, &aux) || aux.tp_snaplen < aux.tp_len)
		return false;
	p->len = h->msg_len;
	if (aux.tp_status & TP_STATUS_VLAN_VALID)
		put_tag(p, &aux);
	return p->len <= a->port.pool->frame_max;
}

static unsigned prepare(struct afpacket *a, unsigned n)
{
	while (a->spare_count < n && pkt_alloc(a->port.pool, &a->spare[a->spare_count]))
		a->spare_count++;
	if (n > a->spare_count)
		n = a->spare_count;
	for (unsigned i = 0; i < n; i++) {
		a->iov[i].iov_base = a->spare[i].data;
		a->iov[i].iov_len = a->port.pool->frame_max;
		a->h[i].msg_hdr = (struct msghdr){
			.msg_iov = &a->iov[i],
			.msg_iovlen = 1,
			.msg_control = a->aux[i].bytes,
			.msg_controllen = sizeof(a->aux[i].bytes),
		};
	}
	return n;
}

static unsigned afpacket_rx(struct port *port, struct pkt *v, unsigned n)
{
	struct afpacket *a = afpacket_of(port);
	uint64_t bytes = 0, errors = 0;
	unsigned got = 0;
	int filled;

	n = prepare(a, n < PKT_BURST ? n : PKT_BURST);
	if (!n)
		return 0;
	filled = recvmmsg(a->fd, a->h, n, MSG_DONTWAIT, NULL);
	if (filled <= 0) {
		if (filled < 0 && errno != EAGAIN && errno != EINTR)
			count(&port->stats.rx_errors, 1);
		return 0;
	}
	for (int i = 0; i < filled; i++) {
		v[got] = a->spare[i];
		if (receive_one(a, &a->h[i], &v[got])) {
			bytes += v[got++].len;
		} else {
			pkt_release(port->pool, &v[got]);
			errors++;
		}
	}
	a->spare_count -= (unsigned)filled;
	memmove(a->spare, a->spare + filled, a->spare_count * sizeof(a->spare[0]));
	count(&port->stats.rx_frames, got);
	count(&port->stats.rx_bytes, bytes);
	count(&port->stats.rx_errors, errors);
	return got;
}

/* Hands h[0..n) to the kernel. A frame that it refuses is skipped, a full socket ends it. */
static unsigned send_burst(struct afpacket *a, unsigned n, uint64_t *bytes)
{
	unsigned at = 0, sent = 0;

	while (at < n) {
		int k = sendmmsg(a->fd, a->h + at, n - at, MSG_DONTWAIT);

		if (k < 0) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN)
				break;
			at++;
			continue;
		}
		for (int i = 0; i < k; i++)
			*bytes += a->h[at + (unsigned)i].msg_len;
		at += (unsigned)k;
		sent += (unsigned)k;
	}
	return sent;
}

static unsigned afpacket_tx(struct port *port, struct pkt *v, unsigned n)
{
	struct afpacket *a = afpacket_of(port);
	const unsigned may = PKT_SEALED | PKT_BYPASSED | (port->clear ? PKT_CLEAR : 0);
	unsigned sent = 0;
	uint64_t bytes = 0;

	for (unsigned at = 0; at < n; at += PKT_BURST) {
		unsigned some = n - at < PKT_BURST ? n - at : PKT_BURST, sealed = 0;

		for (unsigned i = 0; i < some; i++) {
			if (!(v[at + i].mark & may))
				continue;
			a->iov[sealed].iov_base = v[at + i].data;
			a->iov[sealed].iov_len = v[at + i].len;
			a->h[sealed].msg_hdr = (struct msghdr){
				.msg_iov = &a->iov[sealed],
				.msg_iovlen = 1,
			};
			sealed++;
		}
		sent += send_burst(a, sealed, &bytes);
	}
	for (unsigned i = 0; i < n; i++)
		pkt_release(port->pool, &v[i]);
	count(&port->stats.tx_frames, sent);
	count(&port->stats.tx_bytes, bytes);
	count(&port->stats.tx_errors, n - sent);
	return sent;
}

static int afpacket_fd(const struct port *port)
{
	return afpacket_of(port)->fd;
}

static void afpacket_close(struct port *port)
{
	struct afpacket *a = afpacket_of(port);

	for (unsigned i = 0; i < a->spare_count; i++)
		pkt_release(port->pool, &a->spare[i]);
	close(a->fd);
	free(a);
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
	a->port.ops = &afpacket_ops;
	a->port.pool = pool;
	memccpy(a->port.ifname, ifname, 0, sizeof(a->port.ifname) - 1);
	return &a->port;
}
