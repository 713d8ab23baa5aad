/*
 * clock: the only time the project trusts, nanoseconds of CLOCK_BOOTTIME.
 *
 * It is monotonic, counts while suspended and is the same in every process of one boot, so
 * lifetimes written by one role are valid in another. Protocol engines never call this: they
 * are handed `now`.
 */
#pragma once

#include <stdint.h>
#include <time.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

static inline uint64_t clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}
