/*
 * macsec_out: frames from an overlay port, protected (encrypted, unless the SA says otherwise)
 * under the transmit SA in use and sent by the SecY's wan port (802.1AE-2018 10.5). Without that
 * SA nothing leaves (must-secure), unless the file says should-secure: then it leaves in clear.
 */
#include "fwd/path.h"
#include "wire/eth.h"

#include <string.h>

static void drop_all(struct fwd *f, struct pkt *v, unsigned n, enum fwd_fate why)
{
	for (unsigned i = 0; i < n; i++)
		fwd_drop(f, &v[i], why);
}

/* What a frame may be at most and where it must stand, the same for a burst. */
struct room {
	uint32_t len_max; /* bytes */
	uint32_t front, behind;
	size_t stride;
};

/* tag_len, icv_len: what MACsec adds in front and behind. */
static struct room room_of(const struct fwd *f, const struct fwd_port *wan, uint32_t tag_len,
			   uint32_t icv_len)
{
	uint32_t more = tag_len + icv_len, max = wan->frame_max ? wan->frame_max : UINT32_MAX;

	return (struct room){
		.len_max = max > more ? max - more : 0,
		.front = tag_len + wan->tag_len,
		.behind = icv_len,
		.stride = f->pool->stride,
	};
}

static inline enum fwd_fate fits(const struct room *r, const struct pkt *p)
{
	size_t before = pkt_headroom(p);

	if (p->len < ETH_HEAD_LEN)
		return FATE_DROP_RUNT;
	if (p->len > r->len_max)
		return FATE_DROP_TOO_LONG;
	if (before < r->front || before + p->len + r->behind > r->stride)
		return FATE_DROP_NO_ROOM;
	return FATE_SENT_WAN;
}

/* Frames that fit, in their order; returns how many. The others are dropped. */
static unsigned fitting(struct fwd *f, struct secy *y, const struct room *room, struct pkt *v,
			unsigned n)
{
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		enum fwd_fate fate = fits(room, &v[i]);

		__builtin_prefetch(v[i].data + v[i].len, 1); /* where the ICV will stand */
		if (fate == FATE_SENT_WAN) {
			pkt_keep(v, k++, i);
			continue;
		}
		y->counters.v[OUT_PKTS_TOO_LONG] += fate == FATE_DROP_TOO_LONG;
		fwd_drop(f, &v[i], fate);
	}
	return k;
}

/* What of an SA goes into every frame of a burst: copied, since a frame's own stores could
 * otherwise be to it for all that the compiler knows. */
struct wrapping {
	uint64_t salt_pn; /* of the nonce, what the packet number is added to */
	uint64_t sci;
	uint32_t salt; /* of the nonce, what is in front of that */
	uint32_t type_tci;
	uint32_t clear; /* octets of user data not encrypted; UINT32_MAX: all */
	uint32_t tag_len;
	uint64_t own_sci;
};

static struct wrapping wrapping_of(const struct sa *sa)
{
	struct wrapping w = {.clear = sa->clear == MACSEC_CLEAR_ALL ? UINT32_MAX : sa->clear,
			     .tag_len = sa->tag_len,
			     .own_sci = sa->sci};

	memcpy(&w.salt, sa->nonce, sizeof(w.salt));
	memcpy(&w.salt_pn, sa->nonce + sizeof(w.salt), sizeof(w.salt_pn));
	memcpy(&w.type_tci, sa->tag, sizeof(w.type_tci));
	memcpy(&w.sci, sa->tag + MACSEC_TAG_LEN, sizeof(w.sci));
	return w;
}

/* Puts the SecTAG between addresses and user data and tells the AEAD what to do. */
static inline void wrap(const struct wrapping *w, struct pkt *p, struct aead_op *op, uint64_t pn)
{
	uint32_t secure = p->len - ETH_ADDRS_LEN, head = ETH_ADDRS_LEN + w->tag_len;
	uint32_t clear = w->clear < secure ? w->clear : secure;
	const uint32_t low = htobe32((uint32_t)pn);
	const uint64_t number = w->salt_pn ^ htobe64(pn);
	uint8_t *data = p->data - w->tag_len, *tag = data + ETH_ADDRS_LEN;

	eth_addrs_move(data, p->data);
	memcpy(tag, &w->type_tci, sizeof(w->type_tci));
	if (w->tag_len == MACSEC_TAG_SCI_LEN)
		memcpy(tag + MACSEC_TAG_LEN, &w->sci, sizeof(w->sci));
	else if (macsec_sci(data + ETH_ADDR_LEN, 1) != w->own_sci)
		tag[2] &= (uint8_t)~MACSEC_TCI_ES; /* another's address does not name us */
	tag[3] = secure < MACSEC_SHORT_LEN ? (uint8_t)secure : 0;
	memcpy(tag + 4, &low, sizeof(low));
	op->data = data + head + clear;
	op->aad = data;
	op->tag = data + head + secure;
	op->len = secure - clear;
	op->aad_len = head + clear;
	memcpy(op->nonce, &w->salt, sizeof(w->salt));
	memcpy(op->nonce + sizeof(w->salt), &number, sizeof(number));
	p->data = data;
	p->len = head + secure + MACSEC_ICV_LEN;
}

/* The tags in clear go in front of the SecTAG, and are not protected (15.7): a carrier may put
 * others in their place. Each bears the frame's priority. */
void tags_push(const struct fwd_port *wan, struct pkt *p, uint8_t priority)
{
	uint8_t *tag;

	eth_addrs_move(p->data - wan->tag_len, p->data);
	p->data -= wan->tag_len;
	p->len += wan->tag_len;
	tag = p->data + ETH_ADDRS_LEN;
	for (unsigned at = 0; at < wan->tag_len; at += ETH_VLAN_TAG_LEN) {
		memcpy(tag + at, wan->tag + at, ETH_VLAN_TAG_LEN);
		tag[at + 2] |= (uint8_t)(priority << 5);
	}
}

/* Marks the frames that were encrypted and sends them. all: they all were. */
static void sealed(struct fwd *f, struct sa *sa, struct fwd_port *wan, struct pkt *v, unsigned n,
		   const struct aead_op *ops, const uint8_t *priority, bool all)
{
	const bool tagged = wan->tag_len, protected = sa->clear == MACSEC_CLEAR_ALL;
	uint64_t octets = 0;
	unsigned k = 0;

	if (all && !tagged)
		for (; k < n; k++) {
			v[k].mark |= PKT_SEALED;
			octets += v[k].len;
		}
	for (unsigned i = k; i < n; i++) {
		if (!ops[i].ok) {
			fwd_drop(f, &v[i], FATE_DROP_SEAL);
			continue;
		}
		v[i].mark |= PKT_SEALED;
		octets += v[i].len;
		if (tagged)
			tags_push(wan, &v[i], priority[i]);
		pkt_keep(v, k++, i);
	}
	octets -= (uint64_t)k * (ETH_ADDRS_LEN + (uint64_t)sa->tag_len + MACSEC_ICV_LEN);
	sa->counters.v[protected ? OUT_PKTS_PROTECTED : OUT_PKTS_ENCRYPTED] += k;
	sa->counters.v[protected ? OUT_OCTETS_PROTECTED : OUT_OCTETS_ENCRYPTED] += octets;
	guard_wan(f, wan, v, k);
}

/* Makes MACsec frames of n of them under the numbers first, first + 1, …, not encrypted yet. */
static void wrap_all(const struct sa *sa, const struct fwd_port *wan, struct pkt *v, unsigned n,
		     uint64_t first, struct aead_op *ops, uint8_t *priority)
{
	const struct wrapping w = wrapping_of(sa);
	const bool tagged = wan->tag_len;

	for (unsigned i = 0; i < n; i++) {
		if (tagged)
			priority[i] = eth_priority(v[i].data, v[i].len);
		wrap(&w, &v[i], &ops[i], first + i);
	}
}

static void shared_sealed(struct fwd *f, struct fwd_work *w, struct pkt *v, unsigned n)
{
	sealed(f, w->sa, w->wan, v, n, w->ops, w->priority, false);
}

/* The same, and lanes have a share in it. */
static void share_out(struct fwd *f, struct sa *sa, struct fwd_port *wan, struct pkt *v, unsigned n,
		      uint64_t first)
{
	struct fwd_work *w = f->work;

	wrap_all(sa, wan, v, n, first, w->ops, w->priority);
	w->sa = sa;
	w->wan = wan;
	w->finish = shared_sealed;
	w->job.open = false;
	w->job.runs = 1;
	w->job.run[0] = (struct lane_run){.key = sa->key, .n = (uint16_t)n};
	work_hand(f, v, n);
}

/* Encrypts n frames under numbers first, first + 1, … and sends them. */
static void seal(struct fwd *f, struct sa *sa, struct fwd_port *wan, struct pkt *v, unsigned n,
		 uint64_t first)
{
	uint8_t priority[PKT_BURST];

	if (work_wanted(f, v, n)) {
		share_out(f, sa, wan, v, n, first);
		return;
	}
	wrap_all(sa, wan, v, n, first, f->ops, priority);
	sealed(f, sa, wan, v, n, f->ops, priority, aead_seal(sa->key, f->ops, n) == n);
}

/* Should-secure, and no key in use: the frames as they are, behind the port's tags. */
static void send_clear(struct fwd *f, struct secy *y, struct fwd_port *wan, struct pkt *v,
		       unsigned n)
{
	const struct room room = room_of(f, wan, 0, 0);

	n = fitting(f, y, &room, v, n);
	for (unsigned i = 0; i < n; i++) {
		if (wan->tag_len)
			tags_push(wan, &v[i], eth_priority(v[i].data, v[i].len));
		v[i].mark |= PKT_CLEAR;
	}
	guard_unsecured(f, wan, v, n);
}

void macsec_out(struct fwd *f, struct secy *y, struct pkt *v, unsigned n)
{
	struct fwd_port *wan = y ? fwd_port_find(f, y->config.wan) : NULL;
	struct room room;
	uint64_t first;
	unsigned got;

	if (!y) {
		drop_all(f, v, n, FATE_DROP_NO_SECY);
		return;
	}
	if (!wan || wan->kind != MSG_PORT_WAN) {
		drop_all(f, v, n, FATE_DROP_NO_PORT);
		return;
	}
	if (wan->rules.count)
		n = rules_out(f, wan, v, n);
	if (!n)
		return;
	if (!y->tx_current) {
		if (y->config.should_secure && wan->clear)
			send_clear(f, y, wan, v, n);
		else
			drop_all(f, v, n, FATE_DROP_NO_TX_SA);
		return;
	}
	room = room_of(f, wan, y->tx_current->tag_len, MACSEC_ICV_LEN);
	n = fitting(f, y, &room, v, n);
	got = sa_reserve(y->tx_current, n, &first);
	if (got < n) {
		drop_all(f, v + got, n - got, FATE_DROP_PN_EXHAUSTED);
		fwd_carriers(f);
	}
	if (got)
		seal(f, y->tx_current, wan, v, got, first);
}
