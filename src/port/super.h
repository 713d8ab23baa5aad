/*
 * super: superframes, which the kernel hands to a port and takes from it in place of many frames
 * of one flow of TCP or UDP, with a header in front that says so (struct virtio_net_hdr; what in
 * Linux is GSO one way and GRO the other).
 *
 * segmenter: one superframe, cut into the frames it stands for. Nothing in the header is believed:
 * what does not fit the frame behind it is refused.
 * coalescer: the frames of a burst, put together where cutting gives every octet of them back, and
 * nowhere else. What goes together had its checksums verified here: the kernel believes a superframe.
 *
 * bundle: the same towards a wan, for ESP in UDP, whose checksums nobody depends on; the kernel or the
 * interface cuts it again.
 *
 * Codecs of the worker that owns the port; they allocate nothing.
 */
#pragma once

#include "port/port.h"

#include <linux/virtio_net.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* headers of before Linux 6.2 */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* Bytes of the largest superframe: an IP packet with its Ethernet header and two tags. */
#define SUPER_MAX (65535 + 14 + 8)

/* Where the parts of a frame begin. */
struct super_shape {
	uint16_t ip;      /* IP's header */
	uint16_t upper;   /* TCP's or UDP's */
	uint16_t payload; /* what is in that */
	uint8_t family;   /* 4 or 6 */
	uint8_t protocol; /* IP_TCP or IP_UDP */
};

struct segmenter {
	const uint8_t *frame; /* not owned */
	uint32_t len;
	uint32_t at;   /* of the payload that comes next; len: there is none left */
	uint16_t size; /* bytes of payload in a frame */
	uint16_t count;
	bool unsummed; /* UDP: segments get no checksum. The caller's to set, after the beginning */
	struct super_shape shape;
};

/*
 * Begins with a superframe of `len` bytes, which stays where it is until the last segment is made.
 * False: the header is not about such a frame, or a segment were longer than `max` bytes.
 */
bool segmenter_begin(struct segmenter *s, const struct virtio_net_hdr *h, const uint8_t *frame,
		     uint32_t len, uint32_t max);
static inline bool segmenter_left(const struct segmenter *s)
{
	return s->at < s->len;
}
/* The next frame; only while there are some left. out: `max` bytes of room. Returns its length. */
uint32_t segmenter_next(struct segmenter *s, uint8_t *out);

/* A frame that is none of a superframe: finishes the checksum that its sender left to us. False: the
 * header is not about such a frame. */
bool super_checksum_finish(const struct virtio_net_hdr *h, uint8_t *frame, uint32_t len);

/* Frames of a burst that leave as one: by themselves (count 1), or as a superframe. */
struct super_group {
	uint8_t first, last; /* places in the burst; coalescer.next[] links them */
	uint8_t count;
	bool open;        /* another may follow */
	bool ecn;         /* the first says that the window was reduced (CWR) */
	uint8_t end;      /* TCP's flags that the last one has besides: FIN, PSH */
	uint16_t size;    /* bytes of payload in each but the last */
	uint16_t id;      /* IPv4: of the frame that would follow */
	uint32_t seq;     /* TCP: of the frame that would follow */
	uint32_t payload; /* bytes, of all */
	struct super_shape shape;
};

#define SUPER_FLOWS 8 /* that are looked at, at once */

struct coalescer {
	unsigned count;
	struct super_group group[PKT_BURST]; /* in the order they leave */
	uint8_t next[PKT_BURST];
	uint8_t open[SUPER_FLOWS]; /* groups that may grow, the newest first */
	unsigned open_count;
};

/* Divides up n frames (PKT_BURST at most). No frame overtakes another of its flow. */
void coalescer_take(struct coalescer *c, const struct pkt *v, unsigned n);
/* Makes the first frame of a group of several the superframe's, and *h its header. */
void coalescer_finish(const struct super_group *g, struct pkt *first, struct virtio_net_hdr *h);

#define BUNDLE_HEADS 48 /* bytes of the headers that a bundle changes, at most: IPv6's and UDP's */

/* Where the parts of its frames begin, and what its headers were. */
struct bundle {
	uint8_t ip, payload; /* IP's header; what is in UDP */
	uint8_t family;      /* 4 or 6 */
	uint8_t heads[BUNDLE_HEADS];
};

/*
 * How many frames from the first on leave as one superframe: 1, it leaves by itself. They are ESP in
 * UDP, sealed, and one length but for the last; whatever else their headers say is the same, except
 * that IPv4's identification counts up or, where no router fragments, is 0. Behind up to two tags.
 */
unsigned bundle_count(struct bundle *b, const struct pkt *v, unsigned n);
/* Makes the first of n > 1 such frames the superframe's, and *h its header. */
void bundle_finish(struct bundle *b, const struct pkt *v, unsigned n, struct virtio_net_hdr *h);
/* Makes it what it was, for when the kernel does not take the superframe. */
void bundle_undo(const struct bundle *b, const struct pkt *first);
