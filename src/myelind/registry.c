/* What is built. A new keying protocol adds its row here and its instance in control_key.c. */
#include "myelind/registry.h"

static const char *const designs[] = {
	[BB_MACSEC] = "macsec",
	[BB_IPSEC] = "ipsec",
	[BB_DMVPN] = "dmvpn",
	[BB_GROUP] = "group",
};

static const char *const keyings[] = {
	[BB_MKA] = "mka",   [BB_IKEV2] = "ikev2", [BB_GIKEV2] = "g-ikev2",
	[BB_GDOI] = "gdoi", [BB_PSK] = "psk",
};

static const struct {
	enum bb_design design;
	enum bb_keying keying;
} built[] = {
	{BB_MACSEC, BB_MKA},
	{BB_MACSEC, BB_PSK},
	{BB_IPSEC, BB_IKEV2},
};

const char *registry_accepted(void)
{
	return "`design macsec` with `keying mka` or `keying psk`, `design ipsec` with `keying ikev2`";
}

bool registry_has(enum bb_design design, enum bb_keying keying)
{
	for (unsigned i = 0; i < sizeof(built) / sizeof(built[0]); i++)
		if (built[i].design == design && built[i].keying == keying)
			return true;
	return false;
}

const char *registry_design_name(enum bb_design design)
{
	return designs[design];
}

const char *registry_keying_name(enum bb_keying keying)
{
	return keyings[keying];
}
