/* key_openssl: a private key between the files that know OpenSSL. Private to src/crypto. */
#pragma once

#include "crypto/sign.h"

#include <openssl/evp.h>

struct sign_key *sign_key_wrap(EVP_PKEY *pkey); /* takes it, unless NULL is the result */
EVP_PKEY *sign_key_pkey(const struct sign_key *k);
