/*
 * The files of a SecY: its secret, and for static keys the packet-number lease. The parent opens
 * them by name; what is wrong with one keeps the overlay closed and is looked at again later.
 */
#include "myelind/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "myelind/keychain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RETRY_NS (10 * NS_PER_S) /* until files that were wrong are read again */

void secy_fail(struct control_secy *s, const char *fmt, ...)
{
	char before[sizeof(s->trouble)];
	va_list ap;

	memcpy(before, s->trouble, sizeof(before));
	va_start(ap, fmt);
	vsnprintf(s->trouble, sizeof(s->trouble), fmt, ap);
	va_end(ap);
	s->failed = true;
	s->retry_at = clock_now() + RETRY_NS;
	if (strcmp(before, s->trouble) != 0)
		event_put(&s->c->events, EVENT_SECRET_TROUBLE, s->plan->o->name, 0, clock_now(),
			  "stays closed: %s", s->trouble);
}

void secy_mended(struct control_secy *s)
{
	if (s->trouble[0])
		event_put(&s->c->events, EVENT_SECRET_MENDED, s->plan->o->name, 0, clock_now(),
			  "its secrets are good now");
	s->trouble[0] = 0;
}

void secy_secrets_wipe(struct control_secy *s)
{
	chain_free(s->chain);
	chain_free(s->fallback);
	s->chain = s->fallback = NULL;
	if (s->keys) {
		psk_wipe(s->keys);
		free(s->keys);
		s->keys = NULL;
	}
}

static void file_ask(struct control_secy *s, enum secy_file which, enum msg_file_kind kind,
		     const char *name)
{
	struct msg m = {.type = MSG_FILE_OPEN};
	int rc;

	m.file_open.tag = (uint32_t)s->plan->id << 8 | which;
	m.file_open.kind = (uint8_t)kind;
	snprintf(m.file_open.name, sizeof(m.file_open.name), "%s", name);
	rc = control_tell_parent(s->c, &m);
	if (rc < 0)
		secy_fail(s, "the parent cannot be asked for %s: %s", name, strerror(-rc));
}

static const char *secret_name(const struct control_secy *s)
{
	const struct bb_overlay *o = s->plan->o;

	return o->keying == BB_MKA ? o->mka.key_chain : o->psk;
}

void secy_fallback_ask(struct control_secy *s)
{
	file_ask(s, SECY_FALLBACK, MSG_FILE_SECRET, s->plan->o->mka.fallback);
}

void secy_files_ask(struct control_secy *s)
{
	s->files_asked = true;
	file_ask(s, SECY_SECRET, MSG_FILE_SECRET, secret_name(s));
	if (s->plan->o->keying == BB_MKA && s->plan->o->mka.fallback)
		secy_fallback_ask(s);
	if (s->plan->o->keying == BB_PSK && !s->lease)
		file_ask(s, SECY_LEASE, MSG_FILE_LEASE, s->plan->o->psk);
}

static void secret_parse(struct control_secy *s, const char *text, size_t len, const char *where)
{
	const struct bb_overlay *o = s->plan->o;
	char why[160];
	int rc = -ENOMEM;

	snprintf(why, sizeof(why), "out of memory");
	if (o->keying == BB_MKA) {
		s->chain = chain_new(text, len, why, sizeof(why));
		rc = s->chain ? 0 : -EINVAL;
	} else {
		s->keys = calloc(1, sizeof(*s->keys));
		if (s->keys)
			rc = psk_parse(s->keys, text, len, o->macsec.suite, why, sizeof(why));
	}
	if (rc < 0)
		secy_fail(s, "secret %s: %s", where, why);
}

char *secret_text(int fd, size_t *len)
{
	char *text = malloc(PSK_TEXT_MAX + 1);
	int err = text ? 0 : ENOMEM;

	*len = 0;
	while (text && !err && *len <= PSK_TEXT_MAX) {
		ssize_t n = pread(fd, text + *len, PSK_TEXT_MAX + 1 - *len, (off_t)*len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = errno;
		if (n <= 0)
			break;
		*len += (size_t)n;
	}
	close(fd);
	if (err && text) {
		secret_wipe(text, *len);
		free(text);
		text = NULL;
	}
	errno = err;
	return text;
}

static void secret_read(struct control_secy *s, enum secy_file which, int fd, const char *where)
{
	size_t len;
	char *text = secret_text(fd, &len);

	if (which == SECY_FALLBACK)
		chain_fallback(s, text, len, text ? 0 : errno, where);
	else if (!text)
		secy_fail(s, "secret %s: %s", where, strerror(errno));
	else
		secret_parse(s, text, len, where);
	if (text)
		secret_wipe(text, len);
	free(text);
}

static uint64_t on_wall(void *ctx)
{
	(void)ctx;
	return wall_clock();
}

static void on_wait(void *ctx, uint64_t ns)
{
	struct timespec t = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};

	(void)ctx;
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

const char secy_lease_help[] =
	"the packet numbers used under its keys are not known, and one used twice gives the traffic "
	"away. Put new keys on both ends, then write the word `new` into that file (root's, mode "
	"0600); with keys never used before, the second step is enough";

static void lease_open(struct control_secy *s, int fd, const char *where)
{
	const struct psk_lease_env env = {.wall = on_wall, .wait = on_wait};
	char why[160];

	s->lease = psk_lease_open(fd, &env, why, sizeof(why));
	if (!s->lease)
		secy_fail(s, "lease %s: %s; %s", where, why, secy_lease_help);
}

void secy_file(struct control_secy *s, enum secy_file which, const struct msg_file *f, int fd,
	       uint64_t now)
{
	if (s->failed || which >= SECY_FILES || s->files_had[which] || !s->files_asked) {
		if (fd >= 0)
			close(fd);
		return;
	}
	s->files_had[which] = true;
	if (f->error || fd < 0) {
		bool private = f->error == EACCES && which == SECY_SECRET;

		if (which == SECY_FALLBACK)
			chain_fallback(s, NULL, 0, f->error, f->where);
		else if (which == SECY_SECRET)
			secy_fail(s, "secret %s: %s%s", f->where, strerror(f->error),
				  private ? ": it must be root's and of mode 0600" : "");
		else
			secy_fail(s, "lease %s: %s; %s", f->where, strerror(f->error),
				  secy_lease_help);
		if (fd >= 0)
			close(fd);
	} else if (which != SECY_LEASE) {
		secret_read(s, which, fd, f->where);
	} else {
		lease_open(s, fd, f->where);
	}
	secy_advance(s, now);
}
