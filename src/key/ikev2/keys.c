/* Key derivation (RFC 7296 §2.13, §2.14, §2.17, §2.18; RFC 8784 §3). */
#include "key/ikev2/ikev2_i.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define KEYMAT_MAX (3 * 64 + 2 * 64 + 2 * 36)

enum prf_hash keys_prf(const struct ike_suite *s)
{
	return s->prf == IKE_PRF_SHA2_512   ? PRF_SHA2_512
	       : s->prf == IKE_PRF_SHA2_384 ? PRF_SHA2_384
					    : PRF_SHA2_256;
}

int keys_group(uint16_t number)
{
	static const uint16_t numbers[DH_GROUP_COUNT] = {
		[DH_X25519] = IKE_DH_X25519,       [DH_ECP_256] = IKE_DH_ECP_256,
		[DH_ECP_384] = IKE_DH_ECP_384,     [DH_ECP_521] = IKE_DH_ECP_521,
		[DH_MODP_2048] = IKE_DH_MODP_2048, [DH_MODP_3072] = IKE_DH_MODP_3072,
		[DH_MODP_4096] = IKE_DH_MODP_4096};

	for (int g = 0; g < DH_GROUP_COUNT; g++)
		if (numbers[g] == number)
			return g;
	return -1;
}

/* Cipher and lengths of an IKE SA's Encrypted payloads. */
static struct seal_key seal_of(const struct ike_suite *s)
{
	struct seal_key k = {0};

	switch (s->encr) {
	case IKE_ENCR_AES_GCM_16:
		k.cipher = SEAL_AES_GCM_16;
		k.key.len = (uint8_t)(s->key_bits / 8 + SEAL_SALT_LEN);
		break;
	case IKE_ENCR_CHACHA20_POLY1305:
		k.cipher = SEAL_CHACHA20_POLY1305;
		k.key.len = 32 + SEAL_SALT_LEN;
		break;
	default:
		k.cipher = SEAL_AES_CBC;
		k.key.len = (uint8_t)(s->key_bits / 8);
		k.hash_bits = s->integ == IKE_INTEG_SHA2_512_256   ? 512
			      : s->integ == IKE_INTEG_SHA2_384_192 ? 384
								   : 256;
		k.auth.len = (uint8_t)(k.hash_bits / 8);
		break;
	}
	return k;
}

static void take(struct rd *r, struct secret *s, size_t len)
{
	s->len = (uint8_t)len;
	rd_copy(r, s->b, len);
}

/* {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} of SKEYSEED. */
static int expand(struct ike_sa *sa, const uint8_t *seed, size_t seed_len)
{
	enum prf_hash h = keys_prf(&sa->suite);
	uint8_t spis[16], mat[KEYMAT_MAX];
	struct wr w = wr_init(spis, sizeof(spis));
	const struct prf_piece v[] = {
		{sa->ni.b, sa->ni.len}, {sa->nr.b, sa->nr.len}, {spis, sizeof(spis)}};
	struct ike_keys *k = &sa->keys;
	size_t n = prf_len(h), len;
	struct rd r;
	int err;

	wr_u64(&w, sa->spi_i);
	wr_u64(&w, sa->spi_r);
	k->i = k->r = seal_of(&sa->suite);
	len = 3 * n + 2u * k->i.auth.len + 2u * k->i.key.len;
	err = prf_plus(h, seed, seed_len, v, 3, mat, len);
	r = rd_init(mat, len);
	take(&r, &k->d, n);
	take(&r, &k->i.auth, k->i.auth.len);
	take(&r, &k->r.auth, k->r.auth.len);
	take(&r, &k->i.key, k->i.key.len);
	take(&r, &k->r.key, k->r.key.len);
	take(&r, &k->pi, n);
	take(&r, &k->pr, n);
	secret_wipe(mat, sizeof(mat));
	return err;
}

int keys_init(struct ike_sa *sa, const uint8_t *shared, size_t len)
{
	enum prf_hash h = keys_prf(&sa->suite);
	uint8_t nonces[2 * IKE_NONCE_MAX], seed[PRF_MAX];
	const struct prf_piece v = {shared, len};
	int err;

	memcpy(nonces, sa->ni.b, sa->ni.len);
	memcpy(nonces + sa->ni.len, sa->nr.b, sa->nr.len);
	err = prf(h, nonces, (size_t)sa->ni.len + sa->nr.len, &v, 1, seed);
	err = err ? err : expand(sa, seed, prf_len(h));
	secret_wipe(seed, sizeof(seed));
	return err;
}

int keys_rekey(struct ike_sa *sa, const struct ike_sa *old, const uint8_t *shared, size_t len)
{
	const struct prf_piece v[] = {
		{shared, len}, {sa->ni.b, sa->ni.len}, {sa->nr.b, sa->nr.len}};
	uint8_t seed[PRF_MAX];
	enum prf_hash h = keys_prf(&old->suite);
	int err = prf(h, old->keys.d.b, old->keys.d.len, v, 3, seed);

	/* As long as the old PRF makes it; HMAC takes a key of any length. */
	err = err ? err : expand(sa, seed, prf_len(h));
	secret_wipe(seed, sizeof(seed));
	return err;
}

int keys_ppk(struct ike_sa *sa, const struct secret *ppk)
{
	struct secret *const all[] = {&sa->keys.d, &sa->keys.pi, &sa->keys.pr};
	enum prf_hash h = keys_prf(&sa->suite);
	int err = 0;

	for (unsigned i = 0; i < 3 && !err; i++) {
		const struct prf_piece v = {all[i]->b, all[i]->len};
		uint8_t out[PRF_MAX];

		err = prf_plus(h, ppk->b, ppk->len, &v, 1, out, all[i]->len);
		if (!err)
			memcpy(all[i]->b, out, all[i]->len);
		secret_wipe(out, sizeof(out));
	}
	return err;
}

const struct seal_key *keys_out(const struct ike_sa *sa)
{
	return sa->initiator ? &sa->keys.i : &sa->keys.r;
}

const struct seal_key *keys_in(const struct ike_sa *sa)
{
	return sa->initiator ? &sa->keys.r : &sa->keys.i;
}

static size_t hex(char *out, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", b[i]);
	return 2 * n;
}

static bool logs(const struct ike_sa *sa)
{
	return sa->e->env.keylog && sa->peer && sa->peer->cfg.key_log;
}

/* Wireshark's table: SPIs, SK_ei, SK_er, cipher, SK_ai, SK_ar, integrity. */
void keys_log(struct ike_sa *sa)
{
	const struct seal_key *i = &sa->keys.i, *r = &sa->keys.r;
	char line[1024], ei[160], er[160], ai[160] = "", ar[160] = "", word[64], integ[64];
	const char *cipher = word;

	if (!logs(sa))
		return;
	hex(ei, i->key.b, i->key.len);
	hex(er, r->key.b, r->key.len);
	hex(ai, i->auth.b, i->auth.len);
	hex(ar, r->auth.b, r->auth.len);
	if (i->cipher == SEAL_AES_GCM_16)
		snprintf(word, sizeof(word), "AES-GCM-%u with 16 octet ICV [RFC5282]",
			 sa->suite.key_bits);
	else if (i->cipher == SEAL_AES_CBC)
		snprintf(word, sizeof(word), "AES-CBC-%u [RFC3602]", sa->suite.key_bits);
	else
		cipher = "ChaCha20-Poly1305 [RFC7634]";
	if (i->hash_bits)
		snprintf(integ, sizeof(integ), "HMAC_SHA2_%u_%u [RFC4868]", i->hash_bits,
			 i->hash_bits / 2);
	else
		snprintf(integ, sizeof(integ), "NONE [RFC4306]");
	snprintf(line, sizeof(line), "%s%016llx,%016llx,%s,%s,\"%s\",%s,%s,\"%s\"",
		 i->cipher == SEAL_CHACHA20_POLY1305 ? "# " : "", (unsigned long long)sa->spi_i,
		 (unsigned long long)sa->spi_r, ei, er, cipher, ai, ar, integ);
	sa->e->env.keylog(sa->e->env.ctx, IKEV2_TABLE_IKE, line);
	secret_wipe(line, sizeof(line));
	secret_wipe(ei, sizeof(ei));
	secret_wipe(er, sizeof(er));
	secret_wipe(ai, sizeof(ai));
	secret_wipe(ar, sizeof(ar));
}

/* Wireshark's table: family, addresses, SPI, cipher, key with salt, integrity, key. */
static void log_esp(struct ike_sa *sa, const struct child_sa *c, bool out)
{
	const struct esp_suite_info *s = &esp_suites[c->suite];
	const struct esp_end *from = out ? &sa->local : &sa->remote;
	const struct esp_end *to = out ? &sa->remote : &sa->local;
	const struct secret *key = out ? &c->key_out : &c->key_in;
	const struct secret *auth = out ? &c->auth_out : &c->auth_in;
	char line[512], k[2 * SECRET_MAX + 1] = "", a[2 * SECRET_MAX + 1] = "", integ[48] = "NULL";
	char src[INET6_ADDRSTRLEN] = "*", dst[INET6_ADDRSTRLEN] = "*";
	int family = from->family == 6 ? AF_INET6 : AF_INET;

	if (!sa->nat_local && !sa->nat_remote) { /* on either side of a NAT they are others */
		inet_ntop(family, from->addr, src, sizeof(src));
		inet_ntop(family, to->addr, dst, sizeof(dst));
	}
	hex(k, key->b, key->len);
	hex(a, auth->b, auth->len);
	if (s->hash_bits)
		snprintf(integ, sizeof(integ), "HMAC-SHA-%u-%u [RFC4868]", s->hash_bits,
			 s->hash_bits / 2);
	/* A table with a cipher that Wireshark does not know is not read at all. */
	snprintf(line, sizeof(line),
		 "%s\"%s\",\"%s\",\"%s\",\"0x%08x\",\"%s\",\"0x%s\",\"%s\",\"%s%s\"",
		 s->encr == IKE_ENCR_CHACHA20_POLY1305 ? "# " : "",
		 family == AF_INET6 ? "IPv6" : "IPv4", src, dst, out ? c->spi_out : c->spi_in,
		 s->encr == IKE_ENCR_AES_CBC             ? "AES-CBC [RFC3602]"
		 : s->encr == IKE_ENCR_CHACHA20_POLY1305 ? "ChaCha20-Poly1305 [RFC7634]"
							 : "AES-GCM with 16 octet ICV [RFC4106]",
		 k, integ, a[0] ? "0x" : "", a);
	sa->e->env.keylog(sa->e->env.ctx, IKEV2_TABLE_ESP, line);
	secret_wipe(line, sizeof(line));
	secret_wipe(k, sizeof(k));
	secret_wipe(a, sizeof(a));
}

void keys_log_child(struct ike_sa *sa, const struct child_sa *c)
{
	if (!logs(sa))
		return;
	log_esp(sa, c, false);
	log_esp(sa, c, true);
}
