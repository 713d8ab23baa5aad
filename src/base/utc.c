#include "base/utc.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static bool digits(const char *p, unsigned n, unsigned *v)
{
	*v = 0;
	while (n--) {
		if (*p < '0' || *p > '9')
			return false;
		*v = *v * 10 + (unsigned)(*p++ - '0');
	}
	return true;
}

bool utc_parse(const char *text, size_t len, uint64_t *ns)
{
	unsigned year, month, day, hour, minute, second;
	struct tm tm = {}, back;
	time_t t;

	if (len != UTC_TEXT_LEN || text[4] != '-' || text[7] != '-' || text[10] != 'T' ||
	    text[13] != ':' || text[16] != ':' || text[19] != 'Z' || !digits(text, 4, &year) ||
	    !digits(text + 5, 2, &month) || !digits(text + 8, 2, &day) ||
	    !digits(text + 11, 2, &hour) || !digits(text + 14, 2, &minute) ||
	    !digits(text + 17, 2, &second) || year < 1970 || year > 2500 || month < 1 ||
	    month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59)
		return false;
	tm.tm_year = (int)year - 1900;
	tm.tm_mon = (int)month - 1;
	tm.tm_mday = (int)day;
	tm.tm_hour = (int)hour;
	tm.tm_min = (int)minute;
	tm.tm_sec = (int)second;
	t = timegm(&tm);
	/* A day that its month does not have comes back as another. */
	if (!gmtime_r(&t, &back) || back.tm_mday != (int)day)
		return false;
	*ns = (uint64_t)t * NS_PER_S;
	return true;
}

const char *utc_print(uint64_t ns, char text[UTC_TEXT_LEN + 1])
{
	time_t t = (time_t)(ns / NS_PER_S);
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(text, UTC_TEXT_LEN + 1, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(text, UTC_TEXT_LEN + 1, "?");
	return text;
}
