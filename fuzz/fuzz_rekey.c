/*
 * fuzz_rekey: GSA_REKEY as a member gets it. The first octet of the input says how the rest is taken:
 * 0, as a datagram; 1, as what one who has the group's keys encrypted (the next octet is the type of the
 * first payload) where nothing is signed; 2, the same where everything is.
 *
 * Held: nothing that was not sealed is opened, nothing that was not signed is taken, and what is taken
 * has the payloads of a rekey.
 */
#include "fuzz.h"

#include "key/gikev2/rekey.h"

#include <stdlib.h>
#include <string.h>

static struct rekey_sa sa_init(bool signature)
{
	/* A key nobody has the other half of. */
	static const uint8_t spki[44] = {0x30, 0x2a, 0x30, 5, 6,    3,    0x2b, 0x65, 0x70, 3,
					 0x21, 0,    7,    9, 0x55, 0xaa, 1,    2,    3};
	struct rekey_sa sa = {
		.spi = {1, 2, 3, 4},
		.seal = {.cipher = SEAL_AES_GCM_16, .key = {.len = 20, .b = {7}}},
		.gcauth = signature ? IKE_GCAUTH_SIGNATURE : IKE_GCAUTH_IMPLICIT,
		.scheme = SIGN_ED25519,
		.spki_len = sizeof(spki),
	};

	memcpy(sa.spki, spki, sizeof(spki));
	return sa;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t iv[8] = {0};
	static uint8_t message[REKEY_MESSAGE_MAX];
	static struct rekey_draft draft;
	static struct rekey_in in;
	struct rekey_sa sa, open;
	enum rekey_result res;
	struct wr w = wr_init(message, sizeof(message));
	uint32_t both = IKE_BIT(IKE_PL_GSA) | IKE_BIT(IKE_PL_KD);

	if (size < 3 || size > REKEY_TEXT_MAX)
		return 0;
	sa = sa_init(data[0] == 2);
	if (data[0] == 0) {
		memcpy(message, data + 1, size - 1);
		MUST(rekey_open(&sa, 0, message, size - 1, &in) != REKEY_OK);
		return 0;
	}
	open = sa_init(false);
	rekey_begin(&draft);
	draft.b[0] = data[1];
	wr_bytes(&draft.w, data + 2, size - 2);
	MUST(rekey_seal(&open, 5, &draft, NULL, iv, &w) == 0);
	res = rekey_open(&sa, 5, message, wr_len(&w), &in);
	MUST(res == REKEY_OK || res > REKEY_ICV);
	if (res != REKEY_OK)
		return 0;
	MUST(data[0] != 2);
	MUST(!(in.chain.present & IKE_BIT(IKE_PL_AUTH)) && !in.chain.critical);
	MUST((in.chain.present & both) == both ||
	     (!(in.chain.present & both) && in.chain.present & IKE_BIT(IKE_PL_DELETE)));
	return 0;
}
