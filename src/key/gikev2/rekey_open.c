/* A member opens a GSA_REKEY. */
#include "key/gikev2/rekey.h"

#include <errno.h>
#include <string.h>

#define B(type) IKE_BIT(IKE_PL_##type)
#define CLEAR_LEN (IKE_HEAD_LEN + IKE_PAYLOAD_HEAD)

/* §2.4.1, §2.4.3: GSA and KD, or Delete, or both; notifications; AUTH where there is a signature. */
static bool payloads_fit(const struct ike_chain *c, bool signature)
{
	uint32_t both = B(GSA) | B(KD), may = both | B(DELETE) | B(NOTIFY) | B(VENDOR) | B(AUTH);

	if (c->present & ~may || signature != ((c->present & B(AUTH)) != 0))
		return false;
	if (c->present & both)
		return (c->present & both) == both;
	return c->present & B(DELETE);
}

static enum rekey_result signature_check(const struct rekey_sa *sa, const struct rekey_in *in,
					 uint8_t first, uint8_t flags, struct ike_bytes inner)
{
	static const size_t room = CLEAR_LEN + REKEY_TEXT_MAX;
	uint8_t b[CLEAR_LEN + REKEY_TEXT_MAX];
	struct wr w = wr_init(b, room);
	struct gike_auth a;

	if (gike_auth_parse(&a, ike_find(&in->chain, IKE_PL_AUTH)) != GIKE_OK ||
	    sign_scheme_of(a.algorithm.p, a.algorithm.len) != (int)sa->scheme)
		return REKEY_SIGNATURE;
	gike_signed_build(&w, &in->head, first, flags, inner, a.signature);
	if (w.bad || sign_check(sa->spki, sa->spki_len, sa->scheme, b, wr_len(&w), a.signature.p,
				a.signature.len))
		return REKEY_SIGNATURE;
	return REKEY_OK;
}

static enum rekey_result clear_check(const struct rekey_sa *sa, uint32_t expected,
				     const uint8_t *msg, size_t len, struct rekey_in *in)
{
	if (len > REKEY_MESSAGE_MAX ||
	    ike_message_parse(&in->head, &in->chain, msg, len) != IKE_WIRE_OK)
		return REKEY_MALFORMED;
	if (in->head.exchange != IKE_GSA_REKEY || in->head.flags & IKE_FLAG_RESPONSE)
		return REKEY_EXCHANGE;
	if (memcmp(msg, sa->spi, sizeof(sa->spi)) != 0)
		return REKEY_SPI;
	if (in->chain.count != 1 || in->chain.unknown || in->chain.v[0].type != IKE_PL_SK)
		return REKEY_MALFORMED;
	return in->head.id < expected ? REKEY_OLD : REKEY_OK;
}

/* The text of a verified message, without its padding. */
static struct ike_bytes unpad(const uint8_t *text, size_t n)
{
	size_t pad = n ? text[n - 1] : 0;

	return n > pad ? (struct ike_bytes){text, n - 1 - pad} : (struct ike_bytes){0};
}

enum rekey_result rekey_open(const struct rekey_sa *sa, uint32_t expected, uint8_t *msg, size_t len,
			     struct rekey_in *in)
{
	const struct seal_key *k = &sa->seal;
	bool signature = sa->gcauth == IKE_GCAUTH_SIGNATURE;
	enum rekey_result res = clear_check(sa, expected, msg, len, in);
	size_t iv = seal_iv_len(k);
	struct ike_bytes inner;
	uint8_t first;

	if (res != REKEY_OK)
		return res;
	first = in->chain.v[0].sk.first;
	if (seal_open(k, msg, CLEAR_LEN, len))
		return REKEY_ICV;
	inner = unpad(msg + CLEAR_LEN + iv, len - CLEAR_LEN - iv - seal_icv_len(k));
	if (!inner.len || ike_chain_parse(&in->chain, first, inner.p, inner.len, false))
		return REKEY_INNER;
	if (in->chain.critical)
		return REKEY_CRITICAL;
	if (!payloads_fit(&in->chain, signature))
		return REKEY_PAYLOADS;
	return signature ? signature_check(sa, in, first, msg[IKE_HEAD_LEN + 1], inner) : REKEY_OK;
}

const char *rekey_result_name(enum rekey_result r)
{
	static const char *const names[REKEY_RESULT_COUNT] = {
		[REKEY_OK] = "ok",
		[REKEY_MALFORMED] = "malformed",
		[REKEY_EXCHANGE] = "exchange",
		[REKEY_SPI] = "unknown-spi",
		[REKEY_OLD] = "old",
		[REKEY_ICV] = "icv",
		[REKEY_INNER] = "inner",
		[REKEY_CRITICAL] = "critical",
		[REKEY_PAYLOADS] = "payloads",
		[REKEY_SIGNATURE] = "signature",
	};

	return r < REKEY_RESULT_COUNT ? names[r] : "?";
}
