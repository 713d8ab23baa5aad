/*
 * geo: how long light takes between two places on Earth. Pure; safe from any thread.
 */
#pragma once

#include <stdint.h>

#define GEO_EARTH_KM 6371.0     /* mean radius */
#define GEO_FIBRE_KM_S 199861.6 /* 2/3 of the speed of light in vacuum */
/* Cables follow coasts and rights of way. 1.4 times the great circle comes within some 5 % of
 * what carriers quote between large cities across an ocean (Frankfurt - New York: 87 ms both
 * ways). */
#define GEO_ROUTE_FACTOR 1.4

/* Great-circle distance in kilometres; degrees north and east (haversine). */
double geo_distance_km(double lat_a, double lon_a, double lat_b, double lon_b);

/* One-way delay in nanoseconds over a fibre route of that great-circle distance. */
uint64_t geo_delay_ns(double km);
