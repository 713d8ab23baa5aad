/*
 * bframe: the frames that myelin's bridges say to each other inside an overlay. They are sealed
 * like any frame; nothing on a lan is believed to be one. Pure codec, no state.
 *
 *   to 03:00:6d:79:65:6c, EtherType 0x88b5 (802's local experimental 1), then
 *   u8 version (1), u8 type, u16 zero, and by type:
 *   hello     u16 node, u8 state, u8 zero, u32 instance, u32 sequence, u16 count,
 *             count × (MAC address, u8 side)
 *   announce  nothing: that the source address is here now is all it says
 *   tunnel    a frame whose own destination the carrier's bridges would have consumed
 *
 * Big-endian; a hello is consumed exactly.
 */
#pragma once

#include "base/rd.h"
#include "base/wr.h"
#include "wire/eth.h"

#define BFRAME_ETHERTYPE 0x88b5
#define BFRAME_VERSION 1
#define BFRAME_HEAD_LEN (ETH_HEAD_LEN + 4) /* in front of what the type says */
#define BFRAME_MACS_MAX 150                /* in one hello */
#define BFRAME_HELLO_MAX (BFRAME_HEAD_LEN + 14 + BFRAME_MACS_MAX * 7)

enum bframe_type { BFRAME_HELLO = 1, BFRAME_ANNOUNCE, BFRAME_TUNNEL, BFRAME_TYPE_COUNT };

/* What a bridge says of itself. */
enum bframe_state {
	BFRAME_DOWN,   /* cannot forward: its lan, its wan or its keys are missing */
	BFRAME_LISTEN, /* could, and listens first whether another does */
	BFRAME_READY,  /* could at once */
	BFRAME_CLAIM,  /* will, unless a better one objects */
	BFRAME_FORWARDING,
	BFRAME_STATE_COUNT
};

enum bframe_side { BFRAME_LOCAL, BFRAME_REMOTE, BFRAME_SIDE_COUNT };

struct bframe_mac {
	uint8_t mac[ETH_ADDR_LEN];
	uint8_t side; /* enum bframe_side, as seen by who says it */
};

struct bframe_hello {
	uint16_t node;     /* its `id` in the file */
	uint8_t state;     /* enum bframe_state */
	uint32_t instance; /* another one each time a bridge starts */
	uint32_t sequence; /* counts up within it */
	uint16_t count;
	struct bframe_mac macs[BFRAME_MACS_MAX];
};

extern const uint8_t bframe_group[ETH_ADDR_LEN];
extern const char *const bframe_state_names[BFRAME_STATE_COUNT];

/* The type of a frame of these (untagged, this group and EtherType, known version), else 0. */
uint8_t bframe_type(const uint8_t *frame, size_t len);
/* Writes addresses, EtherType and the common head. */
void bframe_put_head(struct wr *w, const uint8_t src[ETH_ADDR_LEN], enum bframe_type type);
void bframe_put_hello(struct wr *w, const struct bframe_hello *h);
/* False when it is no hello or malformed. */
bool bframe_get_hello(struct bframe_hello *h, const uint8_t *frame, size_t len);
