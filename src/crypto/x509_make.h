/*
 * x509_make: keys, certificates and revocation lists of a small certificate authority (RFC 5280,
 * RFC 4945): what `myelin ca` makes, and the tests with it. Any thread.
 */
#pragma once

#include "crypto/sign.h"
#include "crypto/x509.h"

#define X509_SERIAL_LEN 16 /* bytes; drawn at random, the first never 0 and below 0x80 */
#define X509_MAKE_NAMES 8

enum x509_key {
	X509_KEY_ED25519,
	X509_KEY_ECDSA_256,
	X509_KEY_ECDSA_384,
	X509_KEY_ECDSA_521,
	X509_KEY_RSA_3072,
	X509_KEY_RSA_2048,
	X509_KEY_COUNT
};

/* A fresh key, or NULL. Randomness is the library's. */
struct sign_key *x509_key_new(enum x509_key kind);
/* PKCS#8 as PEM, not encrypted, into out: bytes, or 0. The caller wipes it. */
size_t x509_key_pem(const struct sign_key *k, char *out, size_t size);

enum x509_usage {
	X509_FOR_IKE,        /* digitalSignature, id-kp-ipsecIKE */
	X509_FOR_CA,         /* keyCertSign, cRLSign */
	X509_FOR_CODE,       /* code signing: nothing that IKE would take */
	X509_FOR_ENCRYPTION, /* keyEncipherment alone, the same */
};

struct x509_make {
	const char *common_name, *organization; /* NULL: without */
	struct {
		enum x509_name type; /* not a DN */
		const void *p;       /* text, or an address of 4 or 16 bytes */
		size_t len;
	} names[X509_MAKE_NAMES]; /* subject alternative names */
	unsigned name_count;
	enum x509_usage usage;
	int64_t from, until; /* seconds since 1970 */
	uint8_t serial[X509_SERIAL_LEN];
};

/*
 * A certificate for a public key (SubjectPublicKeyInfo, DER), signed by the issuer's key. issuer
 * NULL: signed by itself, spki belongs to `by`. DER into out: bytes, or 0.
 */
size_t x509_make_cert(const struct x509_make *m, const uint8_t *spki, size_t spki_len,
		      const struct x509_der *issuer, const struct sign_key *by, uint8_t *out,
		      size_t size);

/* A revocation list of n serial numbers, revoked at `from`. DER into out: bytes, or 0. */
size_t x509_make_crl(struct x509_der issuer, const struct sign_key *by,
		     const uint8_t (*serials)[X509_SERIAL_LEN], unsigned n, uint64_t number,
		     int64_t from, int64_t until, uint8_t *out, size_t size);

/* DER as PEM under that label ("CERTIFICATE", "X509 CRL"), into out with a NUL: bytes, or 0. */
size_t x509_pem(const char *label, struct x509_der d, char *out, size_t size);
/* When a certificate's validity ends, seconds since 1970, or -1. */
int64_t x509_until(struct x509_der cert);
/* Its serial number, from the right, zeroes in front. False when it is longer. */
bool x509_serial(struct x509_der cert, uint8_t out[X509_SERIAL_LEN]);
