/* geo: distance and delay between places. See geo.h. */
#include "lab/geo.h"

#include <math.h>

static double radians(double degrees)
{
	return degrees * (M_PI / 180.0);
}

double geo_distance_km(double lat_a, double lon_a, double lat_b, double lon_b)
{
	double s = sin(radians(lat_b - lat_a) / 2.0);
	double t = sin(radians(lon_b - lon_a) / 2.0);
	double h = s * s + cos(radians(lat_a)) * cos(radians(lat_b)) * t * t;

	if (h > 1.0)
		h = 1.0; /* antipodes, after rounding */
	return 2.0 * GEO_EARTH_KM * asin(sqrt(h));
}

uint64_t geo_delay_ns(double km)
{
	return (uint64_t)(km * GEO_ROUTE_FACTOR / GEO_FIBRE_KM_S * 1e9);
}
