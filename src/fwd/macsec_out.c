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

/* tag_len, icv_len: what MACsec adds in front and behind. */
static enum fwd_fate fits(const struct fwd *f, const struct fwd_port *wan, const struct pkt *p,
			  size_t tag_len, size_t icv_len)
{
	if (p->len < ETH_HEAD_LEN)
		return FATE_DROP_RUNT;
	if (wan->frame_max && p->len + tag_len + icv_len > wan->frame_max)
		return FATE_DROP_TOO_LONG;
	if (pkt_headroom(f->pool, p) < tag_len + wan->tag_len || pkt_tailroom(f->pool, p) < icv_len)
		return FATE_DROP_NO_ROOM;
	return FATE_SENT_WAN;
}

/* Puts the SecTAG between addresses and user data and tells the AEAD what to do. */
static void wrap(const struct sa *sa, struct pkt *p, struct aead_op *op, uint64_t pn)
{
	uint32_t secure = p->len - ETH_ADDRS_LEN, head = ETH_ADDRS_LEN + sa->tag_len;
	uint32_t clear = sa->clear == MACSEC_CLEAR_ALL || sa->clear > secure ? secure : sa->clear;
	const uint32_t low = htobe32((uint32_t)pn);
	uint8_t addrs[ETH_ADDRS_LEN], *tag;

	memcpy(addrs, p->data, sizeof(addrs));
	p->data -= sa->tag_len;
	memcpy(p->data, addrs, sizeof(addrs));
	tag = p->data + ETH_ADDRS_LEN;
	memcpy(tag, sa->tag, MACSEC_TAG_LEN); /* two copies of a constant length are two stores */
	if (sa->tag_len == MACSEC_TAG_SCI_LEN)
		memcpy(tag + MACSEC_TAG_LEN, sa->tag + MACSEC_TAG_LEN,
		       MACSEC_TAG_SCI_LEN - MACSEC_TAG_LEN);
	else if (macsec_sci(addrs + ETH_ADDR_LEN, 1) != sa->sci)
		tag[2] &= (uint8_t)~MACSEC_TCI_ES; /* another's address does not name us */
	tag[3] = secure < MACSEC_SHORT_LEN ? (uint8_t)secure : 0;
	memcpy(tag + 4, &low, sizeof(low));
	op->data = p->data + head + clear;
	op->aad = p->data;
	op->tag = p->data + head + secure;
	op->len = secure - clear;
	op->aad_len = head + clear;
	macsec_nonce(op->nonce, sa->nonce, pn);
	p->len = head + secure + MACSEC_ICV_LEN;
}

/* The tags in clear go in front of the SecTAG, and are not protected (15.7): a carrier may put
 * others in their place. Each bears the frame's priority. */
void tags_push(const struct fwd_port *wan, struct pkt *p, uint8_t priority)
{
	uint8_t addrs[ETH_ADDRS_LEN], *tag;

	memcpy(addrs, p->data, sizeof(addrs));
	p->data -= wan->tag_len;
	p->len += wan->tag_len;
	memcpy(p->data, addrs, sizeof(addrs));
	tag = p->data + ETH_ADDRS_LEN;
	for (unsigned at = 0; at < wan->tag_len; at += ETH_VLAN_TAG_LEN) {
		memcpy(tag + at, wan->tag + at, ETH_VLAN_TAG_LEN);
		tag[at + 2] |= (uint8_t)(priority << 5);
	}
}

/* Encrypts n frames under numbers first, first + 1, … and marks them. Returns how many are left. */
static unsigned seal(struct fwd *f, struct sa *sa, const struct fwd_port *wan, struct pkt *v,
		     unsigned n, uint64_t first)
{
	uint8_t priority[PKT_BURST] = {0};
	uint64_t octets = 0;
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		if (wan->tag_len)
			priority[i] = eth_priority(v[i].data, v[i].len);
		wrap(sa, &v[i], &f->ops[i], first + i);
	}
	aead_seal(sa->key, f->ops, n);
	for (unsigned i = 0; i < n; i++) {
		if (!f->ops[i].ok) {
			fwd_drop(f, &v[i], FATE_DROP_SEAL);
			continue;
		}
		v[i].mark |= PKT_SEALED;
		octets += f->ops[i].aad_len - ETH_ADDRS_LEN - sa->tag_len + f->ops[i].len;
		if (wan->tag_len)
			tags_push(wan, &v[i], priority[i]);
		pkt_keep(v, k++, i);
	}
	sa->counters.v[sa->clear == MACSEC_CLEAR_ALL ? OUT_PKTS_PROTECTED : OUT_PKTS_ENCRYPTED] +=
		k;
	sa->counters
		.v[sa->clear == MACSEC_CLEAR_ALL ? OUT_OCTETS_PROTECTED : OUT_OCTETS_ENCRYPTED] +=
		octets;
	return k;
}

/* Should-secure, and no key in use: the frames as they are, behind the port's tags. */
static void send_clear(struct fwd *f, struct secy *y, struct fwd_port *wan, struct pkt *v,
		       unsigned n)
{
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		enum fwd_fate fate = fits(f, wan, &v[i], 0, 0);

		if (fate != FATE_SENT_WAN) {
			y->counters.v[OUT_PKTS_TOO_LONG] += fate == FATE_DROP_TOO_LONG;
			fwd_drop(f, &v[i], fate);
			continue;
		}
		if (wan->tag_len)
			tags_push(wan, &v[i], eth_priority(v[i].data, v[i].len));
		v[i].mark |= PKT_CLEAR;
		pkt_keep(v, k++, i);
	}
	guard_unsecured(f, wan, v, k);
}

void macsec_out(struct fwd *f, struct secy *y, struct pkt *v, unsigned n)
{
	struct fwd_port *wan = y ? fwd_port_find(f, y->config.wan) : NULL;
	unsigned k = 0, got;
	uint64_t first;

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
	for (unsigned i = 0; i < n; i++) {
		enum fwd_fate fate = fits(f, wan, &v[i], y->tx_current->tag_len, MACSEC_ICV_LEN);

		__builtin_prefetch(v[i].data + v[i].len, 1); /* where the ICV will stand */
		if (fate == FATE_SENT_WAN) {
			pkt_keep(v, k++, i);
		} else {
			y->counters.v[OUT_PKTS_TOO_LONG] += fate == FATE_DROP_TOO_LONG;
			fwd_drop(f, &v[i], fate);
		}
	}
	got = sa_reserve(y->tx_current, k, &first);
	if (got < k) {
		drop_all(f, v + got, k - got, FATE_DROP_PN_EXHAUSTED);
		fwd_carriers(f);
	}
	if (got)
		guard_wan(f, wan, v, seal(f, y->tx_current, wan, v, got, first));
}
