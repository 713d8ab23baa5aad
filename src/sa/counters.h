/*
 * counters: what 802.1AE-2018 10.7.9 to 10.7.28 counts, by its names.
 *
 * A packet counts once: at its SA when it reached one, else at its SC, else at its SecY. What
 * `show` says of an SC is its own count plus that of its SAs, and of a SecY its own plus that of
 * its SCs, so retiring an SA loses no count: it is added to what stands above.
 *
 * Written by the worker that owns the SA; read by the same thread for MSG_STATS.
 */
#pragma once

#include <stdint.h>

enum sa_count {
	/* SecY, receive */
	IN_PKTS_UNTAGGED,    /* without a SecTAG and let through: should-secure, no key in use */
	IN_PKTS_NO_TAG,      /* without a SecTAG, dropped */
	IN_PKTS_BAD_TAG,     /* SecTAG invalid, or PN 0 */
	IN_PKTS_UNKNOWN_SCI, /* no such SC and let through: validate check, disabled */
	IN_PKTS_NO_SCI,      /* no such SC, dropped */
	IN_PKTS_OVERRUN,     /* no resources */
	/* SC and SA, receive */
	IN_PKTS_UNUSED_SA,    /* no such SA and let through: validate check, disabled */
	IN_PKTS_NOT_USING_SA, /* no such SA, dropped */
	IN_PKTS_LATE,         /* below the window, or seen before */
	IN_PKTS_DELAYED,      /* below the window, let through: no replay protection */
	IN_PKTS_UNCHECKED,    /* not verified and let through: validate disabled */
	IN_PKTS_NOT_VALID,    /* the ICV was wrong, dropped */
	IN_PKTS_INVALID,      /* the ICV was wrong, let through: validate check */
	IN_PKTS_OK,
	IN_OCTETS_VALIDATED, /* user data of frames that were integrity protected only */
	IN_OCTETS_DECRYPTED,
	/* SecY, transmit */
	OUT_PKTS_UNTAGGED, /* sent without a SecTAG: should-secure, no key in use */
	OUT_PKTS_TOO_LONG,
	/* SC and SA, transmit */
	OUT_PKTS_PROTECTED, /* integrity only */
	OUT_PKTS_ENCRYPTED,
	OUT_OCTETS_PROTECTED,
	OUT_OCTETS_ENCRYPTED,
	SA_COUNT_COUNT
};

struct sa_counters {
	uint64_t v[SA_COUNT_COUNT];
};

/* The standard's names, e.g. "InPktsNotValid". */
extern const char *const sa_count_names[SA_COUNT_COUNT];

static inline void sa_counters_add(struct sa_counters *to, const struct sa_counters *from)
{
	for (unsigned i = 0; i < SA_COUNT_COUNT; i++)
		to->v[i] += from->v[i];
}
