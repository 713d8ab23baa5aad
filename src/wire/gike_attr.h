/* gike_attr: attributes in the substructures of GSA and KD (RFC 7296 §3.3.5). Private to src/wire. */
#pragma once

#include "wire/gike.h"

#define GIKE_TV 0x8000 /* the value stands in place of the length */

struct gike_attr {
	uint16_t type;
	bool tv;
	uint16_t value; /* tv */
	struct rd body; /* else */
};

/* The next one, or false: at the end, or r->bad. */
static inline bool gike_attr_next(struct rd *r, struct gike_attr *a)
{
	uint16_t type, n;

	if (r->bad || !rd_left(r))
		return false;
	type = rd_u16(r);
	n = rd_u16(r);
	a->type = type & (GIKE_TV - 1);
	a->tv = type & GIKE_TV;
	a->value = a->tv ? n : 0;
	a->body = rd_block(r, a->tv ? 0 : n);
	return !r->bad;
}

/* A long attribute of that size. */
static inline bool gike_attr_long(const struct gike_attr *a, size_t n)
{
	return !a->tv && rd_left(&a->body) == n;
}

/* Bytes of an SPI of that protocol, 0: it has no group SA. */
static inline uint8_t gike_spi_len(uint8_t protocol)
{
	switch (protocol) {
	case IKE_PROTO_GIKE_UPDATE:
		return IKE_REKEY_SPI_LEN;
	case IKE_PROTO_AH:
	case IKE_PROTO_ESP:
		return IKE_ESP_SPI_LEN;
	default:
		return 0;
	}
}

/*
 * An SPI, its size in front as it came. None is zero; of a Rekey SA the half that is the
 * initiator's is not (RFC 7296 §3.1).
 */
static inline enum gike_error gike_spi_read(struct rd *r, uint8_t protocol, uint8_t size,
					    uint8_t spi[IKE_REKEY_SPI_LEN])
{
	static const uint8_t zero[IKE_REKEY_SPI_LEN];
	uint8_t want = gike_spi_len(protocol);

	if (!want)
		return GIKE_PROTOCOL;
	if (size != want)
		return GIKE_SPI;
	rd_copy(r, spi, size);
	if (r->bad)
		return GIKE_LENGTH;
	return memcmp(spi, zero, size > IKE_SPI_LEN ? IKE_SPI_LEN : size) ? GIKE_OK : GIKE_SPI;
}
