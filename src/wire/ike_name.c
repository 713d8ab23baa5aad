/* The words of IKEv2 for logs and show (IANA's "IKEv2 Parameters", written small). */
#include "wire/ike.h"

#include <stdio.h>

struct word {
	uint16_t n;
	const char *s;
};

static const char *word_of(const struct word *v, size_t count, unsigned n)
{
	for (size_t i = 0; i < count; i++)
		if (v[i].n == n)
			return v[i].s;
	return NULL;
}
#define WORD(v, n) word_of(v, sizeof(v) / sizeof((v)[0]), n)

static const struct word exchanges[] = {
	{IKE_SA_INIT, "IKE_SA_INIT"},
	{IKE_AUTH, "IKE_AUTH"},
	{IKE_CREATE_CHILD_SA, "CREATE_CHILD_SA"},
	{IKE_INFORMATIONAL, "INFORMATIONAL"},
	{IKE_GSA_AUTH, "GSA_AUTH"},
	{IKE_GSA_REGISTRATION, "GSA_REGISTRATION"},
	{IKE_GSA_REKEY, "GSA_REKEY"},
	{IKE_GSA_INBAND_REKEY, "GSA_INBAND_REKEY"},
};
static const struct word payloads[] = {
	{IKE_PL_SA, "SA"},         {IKE_PL_KE, "KE"},           {IKE_PL_IDI, "IDi"},
	{IKE_PL_IDR, "IDr"},       {IKE_PL_CERT, "CERT"},       {IKE_PL_CERTREQ, "CERTREQ"},
	{IKE_PL_AUTH, "AUTH"},     {IKE_PL_NONCE, "Nonce"},     {IKE_PL_NOTIFY, "Notify"},
	{IKE_PL_DELETE, "Delete"}, {IKE_PL_VENDOR, "VendorID"}, {IKE_PL_TSI, "TSi"},
	{IKE_PL_TSR, "TSr"},       {IKE_PL_SK, "SK"},           {IKE_PL_CP, "CP"},
	{IKE_PL_EAP, "EAP"},       {IKE_PL_SKF, "SKF"},         {IKE_PL_IDG, "IDg"},
	{IKE_PL_GSA, "GSA"},       {IKE_PL_KD, "KD"},
};
static const struct word notifies[] = {
	{IKE_N_UNSUPPORTED_CRITICAL, "UNSUPPORTED_CRITICAL_PAYLOAD"},
	{IKE_N_INVALID_IKE_SPI, "INVALID_IKE_SPI"},
	{IKE_N_INVALID_MAJOR, "INVALID_MAJOR_VERSION"},
	{IKE_N_INVALID_SYNTAX, "INVALID_SYNTAX"},
	{IKE_N_INVALID_MESSAGE_ID, "INVALID_MESSAGE_ID"},
	{IKE_N_INVALID_SPI, "INVALID_SPI"},
	{IKE_N_NO_PROPOSAL, "NO_PROPOSAL_CHOSEN"},
	{IKE_N_INVALID_KE, "INVALID_KE_PAYLOAD"},
	{IKE_N_AUTH_FAILED, "AUTHENTICATION_FAILED"},
	{IKE_N_SINGLE_PAIR, "SINGLE_PAIR_REQUIRED"},
	{IKE_N_NO_ADDITIONAL_SAS, "NO_ADDITIONAL_SAS"},
	{IKE_N_INTERNAL_ADDRESS, "INTERNAL_ADDRESS_FAILURE"},
	{IKE_N_FAILED_CP, "FAILED_CP_REQUIRED"},
	{IKE_N_TS_UNACCEPTABLE, "TS_UNACCEPTABLE"},
	{IKE_N_INVALID_SELECTORS, "INVALID_SELECTORS"},
	{IKE_N_TEMPORARY_FAILURE, "TEMPORARY_FAILURE"},
	{IKE_N_CHILD_SA_NOT_FOUND, "CHILD_SA_NOT_FOUND"},
	{IKE_N_INVALID_GROUP_ID, "INVALID_GROUP_ID"},
	{IKE_N_AUTHORIZATION_FAILED, "AUTHORIZATION_FAILED"},
	{IKE_N_REGISTRATION_FAILED, "REGISTRATION_FAILED"},
	{IKE_N_INITIAL_CONTACT, "INITIAL_CONTACT"},
	{IKE_N_SET_WINDOW_SIZE, "SET_WINDOW_SIZE"},
	{IKE_N_ADDITIONAL_TS, "ADDITIONAL_TS_POSSIBLE"},
	{IKE_N_NAT_SOURCE, "NAT_DETECTION_SOURCE_IP"},
	{IKE_N_NAT_DESTINATION, "NAT_DETECTION_DESTINATION_IP"},
	{IKE_N_COOKIE, "COOKIE"},
	{IKE_N_TRANSPORT_MODE, "USE_TRANSPORT_MODE"},
	{IKE_N_REKEY_SA, "REKEY_SA"},
	{IKE_N_NO_TFC_PADDING, "ESP_TFC_PADDING_NOT_SUPPORTED"},
	{IKE_N_NON_FIRST_FRAGMENTS, "NON_FIRST_FRAGMENTS_ALSO"},
	{IKE_N_CHILDLESS, "CHILDLESS_IKEV2_SUPPORTED"},
	{IKE_N_GROUP_SENDER, "GROUP_SENDER"},
	{IKE_N_FRAGMENTATION, "IKEV2_FRAGMENTATION_SUPPORTED"},
	{IKE_N_SIGNATURE_HASHES, "SIGNATURE_HASH_ALGORITHMS"},
	{IKE_N_USE_PPK, "USE_PPK"},
	{IKE_N_PPK_IDENTITY, "PPK_IDENTITY"},
	{IKE_N_NO_PPK_AUTH, "NO_PPK_AUTH"},
};
static const struct word encrs[] = {
	{2, "des"},
	{3, "3des"},
	{IKE_ENCR_NULL, "null"},
	{IKE_ENCR_AES_CBC, "aes-cbc"},
	{13, "aes-ctr"},
	{14, "aes-ccm-8"},
	{15, "aes-ccm-12"},
	{16, "aes-ccm-16"},
	{18, "aes-gcm-8"},
	{19, "aes-gcm-12"},
	{IKE_ENCR_AES_GCM_16, "aes-gcm-16"},
	{21, "aes-gmac"},
	{23, "camellia-cbc"},
	{IKE_ENCR_CHACHA20_POLY1305, "chacha20-poly1305"},
};
static const struct word prfs[] = {
	{1, "prf-hmac-md5"},
	{2, "prf-hmac-sha1"},
	{4, "prf-aes128-xcbc"},
	{IKE_PRF_SHA2_256, "prf-hmac-sha2-256"},
	{IKE_PRF_SHA2_384, "prf-hmac-sha2-384"},
	{IKE_PRF_SHA2_512, "prf-hmac-sha2-512"},
	{8, "prf-aes128-cmac"},
};
static const struct word integs[] = {
	{IKE_INTEG_NONE, "integrity-none"},
	{1, "hmac-md5-96"},
	{2, "hmac-sha1-96"},
	{5, "aes-xcbc-96"},
	{8, "aes-cmac-96"},
	{IKE_INTEG_SHA2_256_128, "hmac-sha2-256-128"},
	{IKE_INTEG_SHA2_384_192, "hmac-sha2-384-192"},
	{IKE_INTEG_SHA2_512_256, "hmac-sha2-512-256"},
};
static const struct word groups[] = {
	{IKE_DH_NONE, "dh-none"},
	{1, "modp-768"},
	{2, "modp-1024"},
	{5, "modp-1536"},
	{IKE_DH_MODP_2048, "modp-2048"},
	{IKE_DH_MODP_3072, "modp-3072"},
	{IKE_DH_MODP_4096, "modp-4096"},
	{17, "modp-6144"},
	{18, "modp-8192"},
	{IKE_DH_ECP_256, "ecp-256"},
	{IKE_DH_ECP_384, "ecp-384"},
	{IKE_DH_ECP_521, "ecp-521"},
	{28, "brainpool-256"},
	{29, "brainpool-384"},
	{30, "brainpool-512"},
	{IKE_DH_X25519, "x25519"},
	{32, "x448"},
};
static const struct word esns[] = {
	{IKE_ESN_NO, "no-esn"}, {IKE_ESN_YES, "esn"}, {IKE_SN_UNSPECIFIED, "unspecified-sn"}};
static const struct word kwas[] = {
	{IKE_KW_5649_128, "kw-5649-128"},
	{IKE_KW_5649_192, "kw-5649-192"},
	{IKE_KW_5649_256, "kw-5649-256"},
	{IKE_KW_ARX, "kw-arx"},
};
static const struct word gcauths[] = {
	{IKE_GCAUTH_IMPLICIT, "implicit"},
	{IKE_GCAUTH_SIGNATURE, "signature"},
};

const char *ike_exchange_name(unsigned exchange)
{
	const char *s = WORD(exchanges, exchange);

	return s ? s : "?";
}

const char *ike_payload_name(unsigned type)
{
	const char *s = WORD(payloads, type);

	return s ? s : "?";
}

const char *ike_notify_name(unsigned type)
{
	const char *s = WORD(notifies, type);

	return s ? s : "?";
}

const char *ike_transform_name(const struct ike_transform *t, char *buf, size_t size)
{
	static const char *const types[IKE_T_TYPES] = {"?", "encr", "prf", "integ", "dh", "esn"};
	const char *s = NULL;

	switch (t->type) {
	case IKE_T_ENCR:
		s = WORD(encrs, t->id);
		break;
	case IKE_T_PRF:
		s = WORD(prfs, t->id);
		break;
	case IKE_T_INTEG:
		s = WORD(integs, t->id);
		break;
	case IKE_T_DH:
		s = WORD(groups, t->id);
		break;
	case IKE_T_ESN:
		s = WORD(esns, t->id);
		break;
	case IKE_T_KWA:
		s = WORD(kwas, t->id);
		break;
	case IKE_T_GCAUTH:
		s = WORD(gcauths, t->id);
		break;
	default:
		break;
	}
	if (s && t->key_bits)
		snprintf(buf, size, "%s-%u", s, t->key_bits);
	else if (s)
		snprintf(buf, size, "%s", s);
	else
		snprintf(buf, size, "%s-%u", types[t->type < IKE_T_TYPES ? t->type : 0], t->id);
	return buf;
}

const char *ike_error_name(enum ike_error e)
{
	static const char *const names[IKE_WIRE_ERROR_COUNT] = {
		[IKE_WIRE_OK] = "ok",
		[IKE_WIRE_SHORT] = "message-length",
		[IKE_WIRE_VERSION] = "version",
		[IKE_WIRE_LENGTH] = "payload-length",
		[IKE_WIRE_BODY] = "payload-body",
		[IKE_WIRE_TWICE] = "payload-twice",
		[IKE_WIRE_TOO_MANY] = "too-many-payloads",
		[IKE_WIRE_AFTER_SK] = "after-encrypted",
	};

	return e < IKE_WIRE_ERROR_COUNT ? names[e] : "?";
}
