#include "wire/bframe.h"

#include <string.h>

const uint8_t bframe_group[ETH_ADDR_LEN] = {0x03, 0x00, 'm', 'y', 'e', 'l'};
const char *const bframe_state_names[BFRAME_STATE_COUNT] = {"down", "listen", "ready", "claim",
							    "forwarding"};

uint8_t bframe_type(const uint8_t *frame, size_t len)
{
	struct rd r = rd_init(frame, len);
	const uint8_t *dst = rd_bytes(&r, ETH_ADDR_LEN);
	uint16_t ethertype, zero;
	uint8_t version, type;

	rd_skip(&r, ETH_ADDR_LEN);
	ethertype = rd_u16(&r);
	version = rd_u8(&r);
	type = rd_u8(&r);
	zero = rd_u16(&r);
	if (r.bad || ethertype != BFRAME_ETHERTYPE || memcmp(dst, bframe_group, ETH_ADDR_LEN) != 0)
		return 0;
	return version == BFRAME_VERSION && !zero && type < BFRAME_TYPE_COUNT ? type : 0;
}

void bframe_put_head(struct wr *w, const uint8_t src[ETH_ADDR_LEN], enum bframe_type type)
{
	wr_bytes(w, bframe_group, ETH_ADDR_LEN);
	wr_bytes(w, src, ETH_ADDR_LEN);
	wr_u16(w, BFRAME_ETHERTYPE);
	wr_u8(w, BFRAME_VERSION);
	wr_u8(w, (uint8_t)type);
	wr_u16(w, 0);
}

void bframe_put_hello(struct wr *w, const struct bframe_hello *h)
{
	if (h->count > BFRAME_MACS_MAX || h->state >= BFRAME_STATE_COUNT) {
		w->bad = true;
		return;
	}
	wr_u16(w, h->node);
	wr_u8(w, h->state);
	wr_u8(w, 0);
	wr_u32(w, h->instance);
	wr_u32(w, h->sequence);
	wr_u16(w, h->count);
	for (unsigned i = 0; i < h->count; i++) {
		wr_bytes(w, h->macs[i].mac, ETH_ADDR_LEN);
		wr_u8(w, h->macs[i].side);
	}
}

bool bframe_get_hello(struct bframe_hello *h, const uint8_t *frame, size_t len)
{
	struct rd r = rd_init(frame, len);
	uint8_t zero;

	if (bframe_type(frame, len) != BFRAME_HELLO)
		return false;
	memset(h, 0, sizeof(*h));
	rd_skip(&r, BFRAME_HEAD_LEN);
	h->node = rd_u16(&r);
	h->state = rd_u8(&r);
	zero = rd_u8(&r);
	h->instance = rd_u32(&r);
	h->sequence = rd_u32(&r);
	h->count = rd_u16(&r);
	if (r.bad || zero || !h->node || h->state >= BFRAME_STATE_COUNT ||
	    h->count > BFRAME_MACS_MAX)
		return false;
	for (unsigned i = 0; i < h->count; i++) {
		rd_copy(&r, h->macs[i].mac, ETH_ADDR_LEN);
		h->macs[i].side = rd_u8(&r);
		if (h->macs[i].side >= BFRAME_SIDE_COUNT || h->macs[i].mac[0] & 1)
			return false;
	}
	return rd_done(&r);
}
