/*
 * path: the inside of struct fwd, shared by its stages. Private to src/fwd, its tests and bench.
 */
#pragma once

#include "base/log.h"
#include "fib/fib.h"
#include "fwd/fate.h"
#include "fwd/fwd.h"
#include "fwd/lanes.h"
#include "sa/area.h"
#include "sa/replay.h"
#include "sa/sa.h"
#include "wire/eth.h"
#include "wire/ip.h"
#include "wire/macsec.h"

#include <endian.h>
#include <string.h>

#define FWD_PORT_MAX 160        /* control plans no more ports and overlays than that */
#define FWD_TAGS_SLOTS 512      /* of the table of wan ports by tags; a power of two */
#define FWD_HELD_MAX 8          /* packets that wait for a tunnel's first SA */
#define FWD_HELD_ALL 64         /* and for those of all tunnels */
#define FWD_TUNNEL_BUCKETS 2048 /* of the hash of peers' MAC addresses; a power of two */
#define ESP_WAYS 4096           /* of the table of ways; a power of two */
#define FWD_EARLY 32            /* packets that wait for their receive SA */
#define FWD_WHOLES 16           /* packets that are being put together from pieces */
#define FWD_WHOLES_TICK 256     /* and that are begun, between two ticks */
#define FWD_WHOLE_UNITS 1280    /* of eight bytes, of one of them */
#define FWD_ICMP_TICK 16        /* ICMP messages made, and ones heard, between two ticks */
#define FWD_BRIDGE_MAX 16
#define FWD_LAN_MAX 16 /* lan ports of one bridge */

struct fwd_port {
	struct port *port; /* NULL: this place is free. The wan ports of an interface share one */
	/* overlay, lan: the SecY on it; wan: the first SecY over it; or NULL */
	struct secy *secy;
	uint16_t id;
	uint8_t kind;              /* enum msg_port_kind */
	bool polled;               /* frames are read here, for all that share `port` */
	uint8_t tag_len;           /* wan: bytes of tags in clear: 0, 4 or 8 */
	uint8_t tag[ETH_TAGS_MAX]; /* wan: they themselves, their priority 0 */
	uint32_t tags;             /* wan: the same as eth_tags() has them */
	char ifname[16];           /* wan */
	uint16_t eapol_type;
	bool integrity;     /* wan: unencrypted MACsec may leave */
	bool clear;         /* wan: its SecY's frames may go in clear while it has no key in use */
	uint32_t frame_max; /* wan: bytes without tags in clear; 0: whatever fits a buffer */
	bool carrier;       /* overlay: as last told to the kernel */
	uint16_t over;      /* lan: the overlay it is bridged into */
	bool link;          /* its interface has one, as far as was told */
	struct msg_rules rules; /* wan: of its overlay */
	bool bypasses;          /* one of them lets frames pass in clear */
	uint8_t mac[ETH_ADDR_LEN];
	unsigned tunnels; /* that run over it */
	bool tunneled;    /* polled: one that is read here has tunnels */
};

#define ESP_WRAP_HEAD 64 /* bytes of the block of all headers in front of a payload */

/* What an SA of the usual kind (esp_wrap.h) puts into every packet; nothing of its keys, for this is not
 * wiped when it goes. */
struct esp_wrapping {
	_Alignas(64) uint8_t head[ESP_WRAP_HEAD]; /* the headers stand at its end, the IV too */
	uint64_t sum;                             /* of the outer header, but for what follows */
	uint32_t spi;                             /* network order */
	uint32_t outer;                           /* bytes from the outer header to the payload */
	bool udp, esn;
};

/* How esp_express_out() sends a tunnel's packets. */
struct esp_express {
	uint64_t epoch;        /* of struct fwd: what all this was made of was so then */
	struct sa *sa;         /* NULL: they go another way */
	uint32_t room;         /* bytes of the largest packet */
	uint8_t tos, tos_from; /* of the outer header: fixed bits, and which are the packet's */
	uint8_t df, df_from;   /* the same of the octet with DF */
};

/* A tunnel as this worker sees it; what must survive stands in sa/. */
struct fwd_tunnel {
	/* What a packet to its peer touches: three cache lines. */
	_Alignas(64) struct fwd_port *overlay, *wan; /* or NULL: not there */
	struct fwd_tunnel *next_in_bucket;
	uint64_t mac; /* under which the overlay reaches the peer, as eth_addr_word() has it */
	struct esp_express express;
	struct esp_wrapping wrapping; /* what express.sa puts into every packet */
	struct tunnel *tunnel;        /* NULL: this place is free */
	uint8_t eth_len;
	uint8_t eth[ETH_HEAD_LEN + ETH_TAGS_MAX]; /* in front of outer packets, without type */
	uint16_t pmtu;                            /* learned; 0: none */
	uint64_t pmtu_until;                      /* fwd_tick()'s clock */
	uint64_t acquire_at;                      /* not asked again before it */
	uint64_t held_until;
	unsigned held_count;
	struct pkt held[FWD_HELD_MAX];
};

/* What esp_out knows of a packet before it is sealed. */
struct esp_tx {
	struct sa *sa;
	struct fwd_tunnel *tunnel;
	uint32_t insert; /* transport: bytes in front of ESP */
	uint16_t insert_at;
	uint8_t next; /* next header */
	uint8_t tos;  /* of the outer header */
	bool df;
};

/* What is known of a received ESP packet between the stages. p->data is its outer IP header. */
struct esp_rx {
	struct sa *sa;
	uint64_t seq;
	uint32_t at;      /* of the ESP header */
	uint32_t len;     /* of the encrypted part */
	uint32_t head;    /* transport: bytes of the IP headers that stay */
	uint16_t next_at; /* and the octet in them that names what they are for */
	uint8_t tos;
	uint8_t family;
	uint16_t sport; /* of UDP */
	const uint8_t *src;
};

/* How the packets of a receive SA take the short way (esp_express_in.h): one cache line, in a table
 * by SPI that keeps the last one for each place. Nothing of its keys, for this is not wiped. */
struct esp_way {
	_Alignas(64) uint64_t epoch; /* of struct fwd: what all this was made of was so then */
	struct sa *sa;               /* NULL: its packets go the long way */
	uint64_t from; /* of the outer header, the 2nd eight octets: protocol and source */
	uint32_t spi, to, ports; /* network order */
	uint8_t udp;             /* bytes of its header, or 0 */
	bool esn;
	uint8_t wan, overlay;      /* of struct fwd's ports */
	uint8_t eth[ETH_HEAD_LEN]; /* in front of what came out */
};

/* What esp_express_in() knows of the SA of the packets before. */
struct esp_hint {
	struct esp_way way; /* a copy */
	uint64_t next;      /* the SA's, in front of a run */
	uint64_t high;      /* of a sequence number, for those lower halves */
	uint32_t low, span;
	uint32_t salt;  /* in front of a run */
	bool known;     /* way.spi and way.udp are some */
	bool strangers; /* in this burst are packets of no SA */
};

/* A packet that came in pieces, of which some are there. */
struct fwd_whole {
	struct pkt pkt; /* data: its payload; buf NULL: this place is free */
	uint64_t order, until;
	uint16_t wan;
	uint8_t family, next;
	bool ce;
	uint32_t id, head, total, top,
		units; /* total: bytes of the payload, 0 as long as unknown */
	uint8_t src[16], dst[16];
	struct ip_piece first;
	struct ip ip; /* of the first piece; its pointers lead nowhere */
	uint64_t there[FWD_WHOLE_UNITS / 64];
};

/* An ESP packet that came before its SA. pkt.data: its IP header; pkt.buf NULL: this place is free */
struct fwd_early {
	struct pkt pkt;
	uint64_t until;
	uint32_t spi;
	uint16_t wan;
};

/* Packets on their way through esp_out. */
struct esp_batch {
	unsigned n;
	struct pkt v[PKT_BURST];
	struct esp_tx x[PKT_BURST];
};

/* Sealed packets on their way to one wan port: sent together, in the order in which they came. */
struct esp_queue {
	struct fwd_port *wan;
	unsigned n;
	struct pkt v[PKT_BURST];
};

/* What is known of a received frame between the stages. */
struct fwd_rx {
	struct sa *sa; /* NULL: let through as it is */
	struct secy *secy;
	uint64_t pn;     /* the whole of it */
	uint32_t secure; /* octets of secure data */
	uint8_t tag_len;
	bool encrypted;
	bool clear; /* without a SecTAG */
};

/* A place of the table of wan ports by interface and tags in clear. */
struct fwd_tags {
	const struct port *port; /* NULL: free */
	uint32_t tags;
	struct fwd_port *wan;
};

/* Whose the frame before this one in a burst was: frames come in runs of one sender. */
struct fwd_hint {
	struct fwd_port *wan;
	struct sc *sc; /* or NULL */
	/* What that frame's SecTAG was, short length and PN left out, when one like it needs no other
	 * look: it had an explicit SCI and an SA, and there are no tags in clear. */
	bool again;
	bool garbage; /* some of this burst was dropped */
	uint8_t tci_an;
	uint64_t sci; /* network order */
	struct fwd_rx like;
};

/*
 * A burst whose cryptography lanes may do: while it is with them, what is known of it stands here and
 * the next burst has another of these.
 */
struct fwd_work {
	struct lane_job job; /* the first member */
	/* Goes on with the n packets at v, whose ops are done. */
	void (*finish)(struct fwd *f, struct fwd_work *w, struct pkt *v, unsigned n);
	unsigned n;           /* packets that went to the lanes; they stand in `burst` */
	struct fwd_port *wan; /* they go to */
	struct sa *sa;        /* and under which */
	uint8_t priority[PKT_BURST];
	struct pkt burst[PKT_BURST];
	struct aead_op ops[PKT_BURST];
	struct fwd_rx rx[PKT_BURST];
};

/* Packets between overlays, and what decides of them. */
struct fwd_transit {
	const struct fib *fib;                /* control's, read alone; NULL: there is none */
	struct fwd_port *overlays[FIB_PORTS]; /* by id */
	unsigned n;                           /* that go on when the burst they came in is done */
	struct fwd_port *out[PKT_BURST];
	struct pkt v[PKT_BURST];
};

/* One worker's. Everything is read and written by its thread alone. */
struct fwd {
	struct sa_table *sas;
	struct pkt_pool *pool;
	fwd_say_fn *say;
	void *ctx;
	uint32_t seq; /* of the request being answered */
	struct log_limit refused;
	unsigned port_count; /* places in use are below it */
	struct fwd_port ports[FWD_PORT_MAX];
	struct fwd_tags by_tags[FWD_TAGS_SLOTS]; /* made anew when ports or SecYs change */
	uint64_t now;                            /* of the last fwd_tick() */
	struct bridge *bridges[FWD_BRIDGE_MAX];
	bool bridges_due; /* one has something to say, when the burst at hand is done */
	uint64_t fates[FATE_COUNT];
	struct pkt burst[PKT_BURST]; /* scratch of a burst */
	struct aead_op ops[PKT_BURST];
	struct fwd_rx rx[PKT_BURST];
	struct fwd_transit *transit; /* NULL: it is closed */
	struct fwd_transit transit_state;
	/* Lanes, if there are any (work.c). */
	struct lanes *lanes;
	struct fwd_work *works; /* LANES_FLYING + 1 of them, used in turn */
	struct fwd_work *work;  /* of the burst at hand */
	unsigned work_at;       /* which of them that is */
	unsigned pressed;       /* large bursts since the last pass that found nothing */
	bool mixed;             /* the burst at hand goes through several stages in parts */
	/* ESP */
	uint64_t
		epoch; /* counts up when what `ways` and the tunnels' `express` were made of may be another */
	unsigned held;
	unsigned icmp_made, icmp_heard; /* since then */
	bool resynced;                  /* since then esp_resync() had its try */
	unsigned wholes_begun;
	uint64_t wholes_order;
	uint8_t aad[PKT_BURST][12];
	uint64_t seqs[PKT_BURST];
	struct fwd_early early[FWD_EARLY];
	unsigned early_next; /* the oldest */
	struct fwd_whole wholes[FWD_WHOLES];
	struct esp_rx esp_rx[PKT_BURST];
	struct esp_batch batch;
	struct esp_queue queue;
	struct fwd_tunnel *buckets[FWD_TUNNEL_BUCKETS];
	struct esp_way ways[ESP_WAYS];
	struct fwd_tunnel tunnels[TUNNEL_MAX]; /* by slot of the area */
};

struct fwd_port *fwd_port_find(struct fwd *f, uint16_t id);
/* These are the port's own tags in clear, of whatever priority. */
static inline bool fwd_tags_own(const struct fwd_port *wan, const uint8_t *tag)
{
	for (unsigned at = 0; at < wan->tag_len; at += ETH_VLAN_TAG_LEN, tag += ETH_VLAN_TAG_LEN)
		if (tag[0] != wan->tag[at] || tag[1] != wan->tag[at + 1] ||
		    (tag[2] & 0x0f) != wan->tag[at + 2] || tag[3] != wan->tag[at + 3])
			return false;
	return true;
}

/* The EtherType behind addresses and the port's own tags in clear; 0: it has others, or is cut
 * short. r then stands behind it. */
static inline uint16_t fwd_type_behind_tags(const struct fwd_port *wan, struct rd *r)
{
	const uint8_t *tag;

	rd_skip(r, ETH_ADDRS_LEN);
	tag = rd_bytes(r, wan->tag_len);
	return tag && fwd_tags_own(wan, tag) ? rd_u16(r) : 0;
}

/* The wan port of that interface with those tags in clear, or NULL. On the packet path. */
struct fwd_port *fwd_wan_find(struct fwd *f, const struct port *port, uint32_t tags);
/* How long frames in clear are still taken when a key has come into use: the peers may begin to
 * use it a little later, as with a key before it (802.1X-2020 9.8, MKA's SAK Retire Time). */
#define FWD_CLEAR_GRACE (3 * NS_PER_S)
/* Which SecYs take frames in clear, after a transmit SA came or went, or time passed. */
void fwd_clear_update(struct fwd *f);
/* Finds anew what ports and SecYs are to each other, after some came, changed or went. */
void fwd_relink(struct fwd *f);
/* Tells the overlays' kernels whether they can send. */
void fwd_carriers(struct fwd *f);

/* The tag in clear goes in front of what stands behind the addresses (macsec_out.c). */
void tags_push(const struct fwd_port *wan, struct pkt *p, uint8_t priority);

static inline void fwd_drop(struct fwd *f, struct pkt *p, enum fwd_fate why)
{
	f->fates[why]++;
	pkt_release(f->pool, p);
}

/* Moves a packet down the burst over those that were dropped before it. Mostly none were, and a
 * copy onto itself would wait for the stores that just changed it. */
static inline void pkt_keep(struct pkt *v, unsigned to, unsigned from)
{
	if (to != from)
		v[to] = v[from];
}

bool works_want(struct fwd *f, const struct pkt *v, unsigned n);
/* Whether lanes are to have a share of the burst v, which was just received: then it goes on by
 * work_hand(). If not, nothing is with the lanes any more. */
static inline bool work_wanted(struct fwd *f, const struct pkt *v, unsigned n)
{
	return f->lanes && works_want(f, v, n);
}
/* The cryptography of f->work for the n packets at v, the front of its burst, then its finish(): now,
 * or by the lanes and later, after what was handed over before. f->work is another one then. */
void work_hand(struct fwd *f, struct pkt *v, unsigned n);
/* Everything that is with the lanes is finished when this returns: before what a burst depends on
 * changes. */
void works_drain(struct fwd *f);
/* A pass of the loop is over that moved so many packets: finishes what the lanes have done. Returns
 * how many packets that were, or that it is not all. */
unsigned works_poll(struct fwd *f, unsigned moved);
void works_fini(struct fwd *f);

/* The stages. Each consumes the n packets it is handed. */
/* y: the SecY of the port they came from, or NULL. */
void macsec_out(struct fwd *f, struct secy *y, struct pkt *v, unsigned n);
void macsec_in(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n);
void esp_out(struct fwd *f, struct fwd_port *overlay, struct pkt *v, unsigned n);
void esp_in(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n);
/* What waited for this receive SA goes on. */
void esp_in_early(struct fwd *f, const struct sa *sa);
/* After a run of packets that did not verify: tries this one, which is not decrypted yet, with other
 * upper halves of its sequence number. One in a tick. */
void esp_resync(struct fwd *f, struct sa *sa, const struct esp_rx *rx, const struct aead_op *op);
/* Takes those of an overlay's packets out that go on into an overlay; returns how many are left. */
unsigned transit_take(struct fwd *f, const struct fwd_port *in, struct pkt *v, unsigned n);
/* Sends them, when nothing of the burst they came in is needed any more. */
void transit_send(struct fwd *f);
void transit_relink(struct fwd *f);
/* The last before a port: what lacks the mark or the shape of its side does not pass. */
void guard_wan(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n);
/* The same for frames in clear of an overlay that may send such, while it has no key in use. */
void guard_unsecured(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n);
void guard_overlay(struct fwd *f, struct fwd_port *overlay, struct pkt *v, unsigned n);
/* What leaves in clear: a bypass rule must be for it. */
void guard_clear(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n);
/* What the file's rules do with a frame as hosts see it. */
enum rule_action rules_of(const struct fwd_port *wan, const struct pkt *p);
/* Frames on their way to a wan whose port has rules: drops and sends on what is not to be
 * protected; returns how many are. */
unsigned rules_out(struct fwd *f, struct fwd_port *wan, struct pkt *v, unsigned n);
/* A frame as it is on the wire of that wan may pass in clear. */
bool rules_clear(const struct fwd_port *wan, const struct pkt *p);
/* A clear frame from a wan: true, with the port's tag taken out, when it may pass. */
bool rules_in(const struct fwd_port *wan, struct pkt *p);
void guard_lan(struct fwd *f, struct fwd_port *lan, struct pkt *v, unsigned n);

/*
 * Finds the SA of a frame from a wan interface by tags in clear, SCI and AN: takes the tags out
 * of it, fills rx. Returns FATE_SENT_OVERLAY when it may go on to the cryptography, else why not;
 * what the standard counts is then counted. FATE_RECEIVED_BYPASS: a bypass rule lets it in as it
 * is. Changes no state but counters. *hint begins with the port that is read and no SC, and is
 * then what the frame before left there.
 */
enum fwd_fate classify_wan(struct fwd *f, struct pkt *p, struct fwd_rx *rx, struct fwd_hint *hint);
/* The same for a frame that differs from the one before it in nothing but what each frame differs
 * in, and that no check refuses. False, and nothing is done: it is classify_wan()'s. */
static inline bool classify_again(const struct pkt *p, struct fwd_rx *rx,
				  const struct fwd_hint *hint)
{
	const uint32_t around = ETH_ADDRS_LEN + MACSEC_TAG_SCI_LEN + MACSEC_ICV_LEN;
	const uint8_t *tag = p->data + ETH_ADDRS_LEN;
	const struct sa *sa = hint->like.sa;
	uint64_t sci;
	uint32_t low;

	if (!hint->again || p->len < around + MACSEC_SHORT_LEN)
		return false;
	memcpy(&low, tag + 4, sizeof(low));
	memcpy(&sci, tag + MACSEC_TAG_LEN, sizeof(sci));
	if (tag[0] != MACSEC_ETHERTYPE >> 8 || tag[1] != (MACSEC_ETHERTYPE & 0xff) ||
	    tag[2] != hint->tci_an || tag[3] || sci != hint->sci)
		return false;
	*rx = hint->like;
	rx->secure = p->len - around;
	rx->pn = sa->xpn ? macsec_pn_recover(be32toh(low), sa->next) : be32toh(low);
	return rx->pn && sa_replay_check(sa, rx->pn) == SA_FRESH;
}

/*
 * Takes the frames from the first on that are what most are, of the SA of the frame before them,
 * decrypted if they verify; returns how many they were. *left of them stand at v then.
 */
unsigned macsec_express_in(struct fwd *f, const struct fwd_hint *hint, struct pkt *v, unsigned n,
			   unsigned *left);
/* Whether it may take a frame like the one before. */
bool macsec_express_knows(const struct fwd_hint *hint);
/* What to do with a frame that was opened, or not. Only FATE_SENT_OVERLAY may go on. */
enum fwd_fate macsec_verdict(const struct fwd_rx *rx, const struct aead_op *op);

/*
 * Finds the SA of an IP packet from a wan port: takes the Ethernet header off, fills rx. Returns
 * FATE_SENT_OVERLAY when it may go on to the cryptography, else what became of it. Changes no
 * state but counters, and a tunnel's path MTU when ICMP quotes a packet that was sent just now.
 */
enum fwd_fate esp_classify(struct fwd *f, struct fwd_port *wan, struct pkt *p, struct esp_rx *rx);
/* The same from the IP header on, for a packet that was looked at before. */
enum fwd_fate esp_classify_ip(struct fwd *f, struct fwd_port *wan, struct pkt *p,
			      struct esp_rx *rx);

/*
 * Takes the packets from the first on that are what most are, of one SA, decrypted if they verify;
 * returns how many they were. *left of them stand at v then, for the overlay of hint->way.
 */
unsigned esp_express_in(struct fwd *f, struct fwd_port *wan, struct esp_hint *hint, struct pkt *v,
			unsigned n, unsigned *left);
/* Whether it may take that packet, as far as its SA is concerned. */
bool esp_express_knows(struct fwd *f, const struct fwd_port *wan, struct esp_hint *hint,
		       const struct pkt *p);
/* Counts a packet that was opened, or not, and has the replay window accept it. Only
 * FATE_SENT_OVERLAY may go on. */
enum fwd_fate esp_verified(struct fwd *f, const struct esp_rx *rx, const struct aead_op *op);
/* Takes the packet out of one that verified and makes it the overlay's frame. */
enum fwd_fate esp_judge(struct fwd *f, struct pkt *p, const struct esp_rx *rx);
/* A packet of that SA verified: control is told of the first. */
void esp_used_note(struct fwd *f, struct sa *sa);

/* Keeps a packet of which esp_classify() said FATE_DROP_UNKNOWN_SPI, and counts it; consumes it. */
void early_keep(struct fwd *f, const struct fwd_port *wan, struct pkt *p, uint32_t spi);
/* Hands back those for an SA, in the order in which they came; returns how many. */
unsigned early_take(struct fwd *f, uint16_t wan, uint32_t spi, struct pkt v[FWD_EARLY]);
void early_tick(struct fwd *f);
void early_drop(struct fwd *f, struct fwd_early *e);

/*
 * A fragment of an outer packet, p->data its IP header. FATE_SENT_OVERLAY: it was the last that was
 * missing, and p is the whole packet now; FATE_PIECE: it is kept, and p is to be dropped.
 */
enum fwd_fate reassemble(struct fwd *f, const struct fwd_port *wan, struct pkt *p,
			 const struct ip *ip);
void reassemble_tick(struct fwd *f);
void whole_drop(struct fwd *f, struct fwd_whole *w);

/* Bytes of the largest outer packet of a tunnel, as configured or learned. */
uint32_t tunnel_mtu(const struct fwd *f, const struct fwd_tunnel *t);
/* Bytes of the largest inner packet (transport: with its IP header) that an SA carries in one. */
uint32_t tunnel_room(const struct fwd *f, const struct fwd_tunnel *t, const struct sa *sa);
/* What a tunnel cannot be sent without: FATE_SENT_WAN when nothing is missing. */
enum fwd_fate esp_way_out(const struct fwd_tunnel *t);
/*
 * Seals the packets from the first on that are what most are, of tunnels by one wan port, for the
 * queue; returns how many they were. What the batch holds is sealed before them.
 */
unsigned esp_express_out(struct fwd *f, const struct fwd_port *overlay, struct pkt *v, unsigned n);
/* One packet without Ethernet header for a tunnel: sealed with the batch, or held, or dropped. */
void tunnel_send(struct fwd *f, struct fwd_tunnel *t, struct pkt *p, struct esp_batch *b);
/* Seals what the batch holds, for the queue. */
void esp_flush(struct fwd *f, struct esp_batch *b);
/* Sends what the queue holds. */
void esp_send(struct fwd *f);
/* Where the next packets for that wan port stand in the queue; *room: how many there may be. */
struct pkt *esp_queue_at(struct fwd *f, struct fwd_port *wan, unsigned *room);
/* An ICMP message about a packet from the overlay, to its source: rate-limited. */
void too_big_say(struct fwd *f, struct fwd_tunnel *t, const struct pkt *p, const struct ip *ip,
		 uint32_t mtu);
/* What a packet with ICMP is: learns a tunnel's path MTU. */
enum fwd_fate too_big_hear(struct fwd *f, struct fwd_port *wan, const uint8_t *packet,
			   const struct ip *ip);

/* Control's side of ESP. */
int tunnel_on_add(struct fwd *f, const struct msg_tunnel *m);
int tunnel_on_del(struct fwd *f, uint16_t tunnel);
int esp_on_sa(struct fwd *f, const struct msg_esp *m, enum sa_direction direction);
int esp_on_retire(struct fwd *f, const struct msg_esp_retire *m);
void esp_sync_say(struct fwd *f);
void esp_report(struct fwd *f, const struct sa *sa, uint8_t event);
void esp_say_gone(void *ctx, const struct esp_config *c);
/* A packet waits: asks control for an SA, now and then. */
void esp_acquire(struct fwd *f, struct fwd_tunnel *t);
/* Which ports tunnels run between, after either changed. */
void tunnels_relink(struct fwd *f);
void tunnels_tick(struct fwd *f, uint64_t now);
/* Drops what waits for a tunnel. */
void tunnel_unhold(struct fwd *f, struct fwd_tunnel *t);
/* Whether an overlay has a peer that packets may go or wait for. */
bool tunnels_carry(const struct fwd *f, const struct fwd_port *overlay);
/* Where in `buckets` the tunnel to that address, an eth_addr_word(), hangs. */
static inline unsigned tunnel_bucket(uint64_t mac)
{
	return (unsigned)(mac * UINT64_C(0x9e3779b97f4a7c15) >> 53) & (FWD_TUNNEL_BUCKETS - 1);
}

/* The tunnel of those from t on, which hang there. */
static inline struct fwd_tunnel *tunnel_in_bucket(struct fwd_tunnel *t,
						  const struct fwd_port *overlay, uint64_t mac)
{
	while (t && (t->mac != mac || t->overlay != overlay))
		t = t->next_in_bucket;
	return t;
}

static inline struct fwd_tunnel *tunnel_by_word(struct fwd *f, const struct fwd_port *overlay,
						uint64_t mac)
{
	return tunnel_in_bucket(f->buckets[tunnel_bucket(mac)], overlay, mac);
}

struct fwd_tunnel *tunnel_by_mac(struct fwd *f, const struct fwd_port *overlay,
				 const uint8_t mac[ETH_ADDR_LEN]);

/* Answers MSG_STATS_GET. */
void stats_say(struct fwd *f, uint16_t secy);
