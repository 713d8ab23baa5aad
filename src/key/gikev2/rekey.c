/* The Rekey SA: its keys, and how messages under it are made. Opening them is in rekey_open.c. */
#include "key/gikev2/rekey.h"

#include "key/gikev2/keys.h"

#include <errno.h>
#include <string.h>

/* What the policy's ciphers take, without keys. Cipher SEAL_NONE: not ours. */
static struct seal_key seal_of(const struct gike_policy *p)
{
	const struct ike_transform *encr = gike_transform(p, IKE_T_ENCR),
				   *integ = gike_transform(p, IKE_T_INTEG);
	bool aes = encr && (encr->key_bits == 128 || encr->key_bits == 256);
	struct seal_key k = {0};

	if (!encr)
		return k;
	if (encr->id == IKE_ENCR_AES_GCM_16 && aes) {
		k.cipher = SEAL_AES_GCM_16;
		k.key.len = (uint8_t)(encr->key_bits / 8 + SEAL_SALT_LEN);
	} else if (encr->id == IKE_ENCR_CHACHA20_POLY1305 && !encr->key_bits) {
		k.cipher = SEAL_CHACHA20_POLY1305;
		k.key.len = 32 + SEAL_SALT_LEN;
	} else if (encr->id == IKE_ENCR_AES_CBC && aes && integ &&
		   integ->id >= IKE_INTEG_SHA2_256_128 && integ->id <= IKE_INTEG_SHA2_512_256) {
		k.cipher = SEAL_AES_CBC;
		k.key.len = (uint8_t)(encr->key_bits / 8);
		k.hash_bits = (uint16_t)(256 + 128 * (integ->id - IKE_INTEG_SHA2_256_128));
		k.auth.len = (uint8_t)(k.hash_bits / 8);
	}
	return k;
}

static size_t wrap_len(const struct gike_policy *p)
{
	const struct ike_transform *t = gike_transform(p, IKE_T_KWA);

	return t ? group_wrap_len(t->id) : 0;
}

size_t rekey_keymat_len(const struct gike_policy *p)
{
	struct seal_key k = seal_of(p);
	size_t n = wrap_len(p);

	return k.cipher != SEAL_NONE && n ? (size_t)k.key.len + k.auth.len + n : 0;
}

static const uint8_t *cut(struct secret *s, size_t len, const uint8_t *from)
{
	s->len = (uint8_t)len;
	memcpy(s->b, from, len);
	return from + len;
}

int rekey_sa_init(struct rekey_sa *sa, const struct gike_policy *p, const uint8_t *keymat,
		  size_t len)
{
	size_t want = rekey_keymat_len(p);

	*sa = (struct rekey_sa){0};
	if (!want)
		return -ENOTSUP;
	if (len != want)
		return -EINVAL;
	memcpy(sa->spi, p->spi, sizeof(sa->spi));
	sa->seal = seal_of(p);
	keymat = cut(&sa->seal.key, sa->seal.key.len, keymat);
	keymat = cut(&sa->seal.auth, sa->seal.auth.len, keymat);
	cut(&sa->wrap, wrap_len(p), keymat);
	sa->kwa = gike_transform(p, IKE_T_KWA)->id;
	return 0;
}

int rekey_sa_key(struct rekey_sa *sa, struct ike_bytes spki)
{
	const uint8_t none[64] = {0};

	if (sa->gcauth != IKE_GCAUTH_SIGNATURE || !spki.len || spki.len > sizeof(sa->spki))
		return -EINVAL;
	/* A signature that cannot be right tells whether the key is of the scheme's kind. */
	if (sign_check(spki.p, spki.len, sa->scheme, "", 0, none, sizeof(none)) != -EBADMSG)
		return -EKEYREJECTED;
	memcpy(sa->spki, spki.p, spki.len);
	sa->spki_len = spki.len;
	return 0;
}

int rekey_sa_auth(struct rekey_sa *sa, const struct gike_policy *registered, struct ike_bytes spki)
{
	const struct ike_transform *t = gike_transform(registered, IKE_T_GCAUTH);
	int scheme;

	sa->spki_len = 0;
	sa->gcauth = t ? t->id : IKE_GCAUTH_NONE;
	if (sa->gcauth == IKE_GCAUTH_IMPLICIT)
		return spki.len ? -EINVAL : 0;
	if (sa->gcauth != IKE_GCAUTH_SIGNATURE)
		return -ENOTSUP;
	scheme = sign_scheme_of(registered->algorithm.p, registered->algorithm.len);
	if (scheme < 0)
		return -ENOTSUP;
	sa->scheme = (enum sign_scheme)scheme;
	return rekey_sa_key(sa, spki);
}

void rekey_sa_auth_of(struct rekey_sa *sa, const struct rekey_sa *before)
{
	sa->gcauth = before->gcauth;
	sa->scheme = before->scheme;
	sa->spki_len = before->spki_len;
	memcpy(sa->spki, before->spki, sizeof(sa->spki));
}

void rekey_sa_wipe(struct rekey_sa *sa)
{
	secret_wipe(sa, sizeof(*sa));
}

void rekey_begin(struct rekey_draft *d)
{
	d->w = wr_init(d->b, sizeof(d->b));
	wr_u8(&d->w, IKE_PL_NONE);
	d->o = ike_out_init(&d->w, 0);
	d->o.w = &d->w;
	d->signature_at = d->signature_len = 0;
}

static struct ike_head head_of(const struct rekey_sa *sa, uint32_t id, size_t len)
{
	struct rd r = rd_init(sa->spi, sizeof(sa->spi));
	uint64_t i = rd_u64(&r);

	return (struct ike_head){
		.spi_i = i,
		.spi_r = rd_u64(&r),
		.next = IKE_PL_SK,
		.version = IKE_VERSION,
		.exchange = IKE_GSA_REKEY,
		.flags = IKE_FLAG_INITIATOR,
		.id = id,
		.len = (uint32_t)len,
	};
}

static struct ike_bytes inner_of(const struct rekey_draft *d)
{
	return (struct ike_bytes){d->b + 1, wr_len(&d->w) - 1};
}

int rekey_to_sign(const struct rekey_sa *sa, uint32_t id, struct rekey_draft *d,
		  size_t signature_len, struct wr *to_sign)
{
	struct ike_head h = head_of(sa, id, 0);
	struct ike_bytes algorithm;

	if (sa->gcauth == IKE_GCAUTH_SIGNATURE) {
		algorithm.p = sign_algorithm(sa->scheme, &algorithm.len);
		d->signature_at = gike_put_auth(&d->o, algorithm, signature_len);
		d->signature_len = signature_len;
		if (!d->w.bad)
			gike_signed_build(
				to_sign, &h, d->b[0], 0, inner_of(d),
				(struct ike_bytes){d->b + d->signature_at, signature_len});
	}
	return d->w.bad || to_sign->bad ? -EMSGSIZE : 0;
}

int rekey_seal(const struct rekey_sa *sa, uint32_t id, struct rekey_draft *d,
	       const uint8_t *signature, const uint8_t *iv, struct wr *out)
{
	const struct seal_key *k = &sa->seal;
	struct ike_bytes inner = inner_of(d);
	size_t block = seal_block(k), pad = (block - (inner.len + 1) % block) % block;
	size_t head = IKE_HEAD_LEN + IKE_PAYLOAD_HEAD, at = wr_len(out);
	size_t all = head + seal_iv_len(k) + inner.len + pad + 1 + seal_icv_len(k);
	struct ike_head h = head_of(sa, id, all);
	int err = -EMSGSIZE;

	if (d->w.bad || !inner.len)
		goto done;
	err = -EINVAL;
	if ((sa->gcauth == IKE_GCAUTH_SIGNATURE) != (d->signature_len > 0))
		goto done;
	if (d->signature_len)
		memcpy(d->b + d->signature_at, signature, d->signature_len);
	ike_head_build(&h, out);
	wr_u8(out, d->b[0]);
	wr_u8(out, 0);
	wr_u16(out, (uint16_t)(all - IKE_HEAD_LEN));
	wr_bytes(out, iv, seal_iv_len(k));
	wr_bytes(out, inner.p, inner.len);
	wr_zero(out, pad);
	wr_u8(out, (uint8_t)pad);
	wr_zero(out, seal_icv_len(k));
	err = out->bad ? -EMSGSIZE : seal_close(k, out->start + at, head, all);
done:
	secret_wipe(d->b, sizeof(d->b));
	return err;
}
