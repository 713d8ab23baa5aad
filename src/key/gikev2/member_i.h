/*
 * What the files of a group member share; nothing else includes this.
 *
 *   member.c       what it is told and does, and when it asks again
 *   member_news.c  a message's policies and keys, read before any of it is taken
 */
#pragma once

#include "base/clock.h"
#include "key/gikev2/member.h"
#include "wire/esp.h"

#define SECOND 1000000000ull

struct data_sa {
	struct sink_group s;
	uint64_t soft_at; /* by then others should have come */
	uint64_t send_at; /* GM_NEVER: it does not */
	/* It was deleted: it goes then, and is not sent by after last. GM_NEVER: it was not. */
	uint64_t gone_at, last_at;
	bool sending;
};

struct kek {
	struct rekey_sa sa;
	uint32_t expected; /* the lowest message ID that is taken */
	uint64_t soft_at, hard_at, gone_at;
	unsigned next_count;
	uint8_t next[GIKE_NEXT_MAX][IKE_REKEY_SPI_LEN]; /* promised */
};

struct gm {
	struct gm_config cfg;
	struct gm_env env;
	bool registered;
	uint64_t register_at;
	unsigned sa_count, kek_count;
	struct data_sa sas[GM_SAS_MAX];    /* in the order they came */
	struct kek keks[GM_KEKS_MAX];      /* newest first */
	uint8_t out_of[IKE_REKEY_SPI_LEN]; /* the Rekey SA that said it is out of the group */
	struct lkh_path path;
	uint16_t atd, dtd;
	uint8_t sender_bits;
	unsigned sender_count;
	uint32_t sender;
	uint8_t mode;
	enum rekey_result message;
	enum gike_error payload;
	struct gike_gsa gsa;
	struct gike_kd kd;
};

/* What a message comes to, before any of it is taken. */
struct news {
	uint8_t mode; /* enum esp_mode */
	unsigned sa_count;
	struct data_sa sas[GM_SAS_MAX];
	bool has_kek;
	struct kek kek;
	bool has_path;
	struct lkh_path path;
};

uint32_t news_spi(const uint8_t b[IKE_ESP_SPI_LEN]);
/* Reads GSA and KD and all keys in them; m is not changed but for what it says of errors. */
enum gm_result news_read(struct gm *m, const struct ike_chain *c, const struct secret *gsk_w,
			 enum gike_where where, struct news *n, uint64_t now);
