/*
 * dn: distinguished names as people write them, "C=DE, O=Acme, CN=lim", in DER (X.501, X.690).
 * Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * The name in DER: bytes written, or 0 when the text is no name or does not fit. Attributes stand
 * in the certificate's order, with commas between; a backslash takes one of `,+=\` into a
 * value. Types: CN, O, OU, C, L, ST, DC, STREET, SERIALNUMBER, UID and E (also
 * emailAddress), in either case.
 */
size_t dn_build(const char *text, uint8_t *out, size_t size);
