#include "wire/esp.h"

#include <string.h>

/* IKEv2 transform identifiers (IANA). */
enum {
	ENCR_AES_CBC = 12,
	ENCR_AES_GCM_16 = 20,
	ENCR_CHACHA20_POLY1305 = 28,
	AUTH_HMAC_SHA2_256_128 = 12,
	AUTH_HMAC_SHA2_384_192 = 13,
	AUTH_HMAC_SHA2_512_256 = 14,
};

#define CBC(bits, integ_, hash_, icv_)                                                             \
	{                                                                                          \
		.name = "aes-cbc-" #bits "-hmac-sha2-" #hash_, .encr = ENCR_AES_CBC,               \
		.integ = (integ_), .key_len = (bits) / 8, .auth_len = (hash_) / 8, .iv_len = 16,   \
		.icv_len = (icv_), .align = 16, .hash_bits = (hash_)                               \
	}

const struct esp_suite_info esp_suites[ESP_SUITE_COUNT] = {
	[ESP_AES_GCM_16_128] = {.name = "aes-gcm-16-128",
				.encr = ENCR_AES_GCM_16,
				.key_len = 16,
				.salt_len = 4,
				.iv_len = 8,
				.icv_len = 16,
				.align = 4},
	[ESP_AES_GCM_16_256] = {.name = "aes-gcm-16-256",
				.encr = ENCR_AES_GCM_16,
				.key_len = 32,
				.salt_len = 4,
				.iv_len = 8,
				.icv_len = 16,
				.align = 4},
	[ESP_CHACHA20_POLY1305] = {.name = "chacha20-poly1305",
				   .encr = ENCR_CHACHA20_POLY1305,
				   .key_len = 32,
				   .salt_len = 4,
				   .iv_len = 8,
				   .icv_len = 16,
				   .align = 4},
	[ESP_AES_CBC_128_SHA2_256_128] = CBC(128, AUTH_HMAC_SHA2_256_128, 256, 16),
	[ESP_AES_CBC_128_SHA2_384_192] = CBC(128, AUTH_HMAC_SHA2_384_192, 384, 24),
	[ESP_AES_CBC_128_SHA2_512_256] = CBC(128, AUTH_HMAC_SHA2_512_256, 512, 32),
	[ESP_AES_CBC_256_SHA2_256_128] = CBC(256, AUTH_HMAC_SHA2_256_128, 256, 16),
	[ESP_AES_CBC_256_SHA2_384_192] = CBC(256, AUTH_HMAC_SHA2_384_192, 384, 24),
	[ESP_AES_CBC_256_SHA2_512_256] = CBC(256, AUTH_HMAC_SHA2_512_256, 512, 32),
};

int esp_suite_by_transforms(uint16_t encr, uint16_t key_bits, uint16_t integ)
{
	for (int i = 0; i < ESP_SUITE_COUNT; i++) {
		const struct esp_suite_info *s = &esp_suites[i];
		uint16_t bits = s->encr == ENCR_CHACHA20_POLY1305 ? 0 : (uint16_t)(s->key_len * 8);

		if (s->encr == encr && s->integ == integ && bits == key_bits)
			return i;
	}
	return -1;
}

static bool ts_valid(const struct esp_ts *ts)
{
	static const uint8_t zero[16];
	size_t n = ts->family == 4 ? 4 : 16;

	return (ts->family == 4 || ts->family == 6) && ts->port_lo <= ts->port_hi &&
	       memcmp(ts->lo, ts->hi, n) <= 0 && memcmp(ts->lo + n, zero, 16 - n) == 0 &&
	       memcmp(ts->hi + n, zero, 16 - n) == 0;
}

bool esp_selectors_valid(const struct esp_selectors *s)
{
	if (!s->local_count || s->local_count > ESP_TS_MAX || !s->remote_count ||
	    s->remote_count > ESP_TS_MAX)
		return false;
	for (unsigned i = 0; i < s->local_count; i++)
		if (!ts_valid(&s->local[i]))
			return false;
	for (unsigned i = 0; i < s->remote_count; i++)
		if (!ts_valid(&s->remote[i]))
			return false;
	return true;
}

bool esp_ts_match(const struct esp_ts *ts, unsigned n, const struct esp_flow *f)
{
	size_t len = f->family == 4 ? 4 : 16;

	for (const struct esp_ts *end = ts + n; ts < end; ts++) {
		bool any_port = ts->port_lo == 0 && ts->port_hi == UINT16_MAX;

		if (ts->family != f->family || (ts->protocol && ts->protocol != f->protocol))
			continue;
		if (!any_port && (!f->has_ports || f->port < ts->port_lo || f->port > ts->port_hi))
			continue;
		if (memcmp(f->addr, ts->lo, len) >= 0 && memcmp(f->addr, ts->hi, len) <= 0)
			return true;
	}
	return false;
}

size_t esp_payload_max(const struct esp_suite_info *s, size_t room)
{
	size_t around = (size_t)ESP_HEAD_LEN + s->iv_len + s->icv_len, body;

	if (room < around)
		return 0;
	body = (room - around) & ~(size_t)(s->align - 1u);
	return body > ESP_TRAILER_LEN ? body - ESP_TRAILER_LEN : 0;
}

enum esp_trailer esp_trailer_parse(const uint8_t *data, size_t *len, uint8_t *next_header)
{
	unsigned pad, wrong = 0;

	if (*len < ESP_TRAILER_LEN)
		return ESP_TRAILER_CUT;
	pad = data[*len - 2];
	if (pad > *len - ESP_TRAILER_LEN)
		return ESP_TRAILER_CUT;
	*next_header = data[*len - 1];
	*len -= ESP_TRAILER_LEN + pad;
	for (unsigned i = 0; i < pad; i++)
		wrong |= data[*len + i] ^ (i + 1);
	return wrong ? ESP_TRAILER_PADDING : ESP_TRAILER_OK;
}

uint64_t esp_esn_recover(uint32_t low, uint64_t next, uint32_t window)
{
	uint64_t top = next ? next - 1 : 0;
	uint32_t tl = (uint32_t)top, w = window ? window : 1;
	uint32_t high = (uint32_t)(top >> 32), bottom = tl - w + 1;

	if (tl >= w - 1) { /* case A: the window lies within one subspace */
		if (low < bottom)
			high++;
	} else if (low >= bottom && high) { /* case B: it spans two */
		high--;
	}
	return (uint64_t)high << 32 | low;
}
