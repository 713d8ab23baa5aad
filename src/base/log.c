/* Lines go out by one write() each, so that roles sharing a terminal do not mix within a line. */
#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *log_role = "myelin";
static _Atomic int log_max = LOG_LVL_INFO;
static bool log_journal; /* stderr is the journal's: prefix a priority instead of a word */

void log_init(const char *role, enum log_level max)
{
	log_role = role;
	log_max = (int)max;
	log_journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_set_level(enum log_level max)
{
	log_max = (int)max;
}

static void log_line(enum log_level lvl, uint64_t held, const char *fmt, va_list ap)
{
	static const struct {
		const char *word, *priority; /* sd-daemon(3) prefixes */
	} head[] = {
		[LOG_LVL_ERROR] = {"error: ", "<3>"},
		[LOG_LVL_WARN] = {"warning: ", "<4>"},
		[LOG_LVL_INFO] = {"", "<6>"},
		[LOG_LVL_DEBUG] = {"debug: ", "<7>"},
	};
	char buf[1024];
	size_t n, room = sizeof(buf) - 1; /* one byte stays for the newline */
	int k;

	k = snprintf(buf, room, "%s%s: %s", log_journal ? head[lvl].priority : "", log_role,
		     log_journal ? "" : head[lvl].word);
	n = (size_t)k < room ? (size_t)k : room;
	k = vsnprintf(buf + n, room - n, fmt, ap);
	if (k > 0)
		n += (size_t)k < room - n ? (size_t)k : room - n - 1;
	if (held) {
		k = snprintf(buf + n, room - n, " (%llu like it not shown)",
			     (unsigned long long)held);
		n += (size_t)k < room - n ? (size_t)k : room - n - 1;
	}
	/* A name from the wire must not forge a second line. */
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)buf[i] < ' ' || buf[i] == 0x7f)
			buf[i] = '?';
	buf[n++] = '\n';
	if (write(STDERR_FILENO, buf, n) < 0)
		return; /* nowhere left to say it */
}

void log_at(enum log_level lvl, const char *fmt, ...)
{
	va_list ap;

	if ((int)lvl > log_max)
		return;
	va_start(ap, fmt);
	log_line(lvl, 0, fmt, ap);
	va_end(ap);
}

void log_limited(struct log_limit *l, enum log_level lvl, const char *fmt, ...)
{
	uint64_t now = clock_now(), span = l->every_ns * l->burst;
	va_list ap;

	if ((int)lvl > log_max)
		return;
	/* next_ns is when the bucket would be full again; a line moves it by one interval. */
	if (l->next_ns < now)
		l->next_ns = now;
	if (l->next_ns + l->every_ns > now + span) {
		l->held++;
		return;
	}
	l->next_ns += l->every_ns;
	va_start(ap, fmt);
	log_line(lvl, l->held, fmt, ap);
	va_end(ap);
	l->held = 0;
}
