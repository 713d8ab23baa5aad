/*
 * The key chain and the fallback of a SecY: from their secrets to what MKA is given, at the start
 * and again with every reload, while it runs.
 */
#include "myelind/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "myelind/keychain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RETRY_NS (10 * NS_PER_S) /* until a fallback that was wrong is read again */
#define TAG_SECRET 0x80          /* of a secret that is waited for; a SecY's are from 0x100 on */

uint64_t wall_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void chain_free(struct keychain *k)
{
	if (!k)
		return;
	keychain_wipe(k);
	free(k);
}

struct keychain *chain_new(const char *text, size_t len, char *why, size_t size)
{
	struct keychain *k = calloc(1, sizeof(*k));

	if (!k) {
		snprintf(why, size, "out of memory");
		return NULL;
	}
	if (keychain_parse(k, text, len, why, size) == 0)
		return k;
	chain_free(k);
	return NULL;
}

static unsigned keys_put(const struct keychain *chain, bool fallback, unsigned max,
			 struct mka_key *v)
{
	unsigned n = 0;

	for (unsigned i = 0; chain && i < chain->count && n < max; i++) {
		const struct keychain_key *k = &chain->v[i];

		v[n] = (struct mka_key){.cak = k->cak,
					.ckn_len = k->ckn_len,
					.fallback = fallback,
					.start = k->start,
					.end = k->end};
		memcpy(v[n++].ckn, k->ckn, sizeof(k->ckn));
	}
	return n;
}

unsigned chain_keys(const struct keychain *chain, const struct keychain *fallback,
		    struct mka_key v[MKA_KEYS_MAX])
{
	unsigned n = keys_put(chain, false, KEYCHAIN_KEYS_MAX, v);

	return n + keys_put(fallback, true, MKA_KEYS_MAX - n, v + n);
}

/* Both together into use. */
static void chains_apply(struct control_secy *s, uint64_t now)
{
	struct mka_key v[MKA_KEYS_MAX] = {};
	unsigned n = chain_keys(s->chain, s->fallback, v);

	if (s->mka && mka_keys(s->mka, v, n, now) < 0)
		log_error("overlay %s: MKA refuses its keys", s->plan->o->name);
	secret_wipe(v, sizeof(v));
}

/* What is wrong with a fallback beside a chain, or true. */
static bool fallback_fits(const struct keychain *chain, const struct keychain *fallback,
			  const char *name, char *why, size_t size)
{
	unsigned line = keychain_shares(chain, fallback);

	if (line)
		snprintf(
			why, size,
			"line %u: its CKN stands in the key chain %s too; a fallback needs a name of "
			"its own",
			line, name);
	else if (fallback->count > MKA_KEYS_MAX - KEYCHAIN_KEYS_MAX)
		snprintf(why, size, "more than %u keys", MKA_KEYS_MAX - KEYCHAIN_KEYS_MAX);
	else
		return true;
	return false;
}

void chain_fallback(struct control_secy *s, const char *text, size_t len, int err,
		    const char *where)
{
	char why[192] = "", before[sizeof(s->fallback_trouble)];
	struct keychain *k = NULL;

	if (err)
		snprintf(why, sizeof(why), "%s%s", strerror(err),
			 err == EACCES ? ": it must be root's and of mode 0600" : "");
	else
		k = chain_new(text, len, why, sizeof(why));
	if (k && s->chain &&
	    !fallback_fits(s->chain, k, s->plan->o->mka.key_chain, why, sizeof(why))) {
		chain_free(k);
		k = NULL;
	}
	memcpy(before, s->fallback_trouble, sizeof(before));
	s->fallback_trouble[0] = 0;
	s->fallback_retry_at = 0;
	if (!k) {
		s->fallback_retry_at = clock_now() + RETRY_NS;
		snprintf(s->fallback_trouble, sizeof(s->fallback_trouble),
			 "there is no fallback: secret %.80s: %.120s", where, why);
		if (strcmp(before, s->fallback_trouble) != 0)
			event_put(&s->c->events, EVENT_SECRET_TROUBLE, s->plan->o->name, 0,
				  clock_now(), "%s", s->fallback_trouble);
		return;
	}
	if (before[0])
		event_put(&s->c->events, EVENT_SECRET_MENDED, s->plan->o->name, 0, clock_now(),
			  "the fallback is there");
	chain_free(s->fallback);
	s->fallback = k;
	chains_apply(s, clock_now());
}

/* A secret of the parent, now. NULL: *errs says why. */
static struct keychain *chain_get(struct control *c, const char *name, struct conf_errors *errs)
{
	char where[128] = "", why[192], *text;
	struct keychain *k = NULL;
	size_t len;
	int fd = control_file_get(c, MSG_FILE_SECRET, name, TAG_SECRET, where, sizeof(where));

	snprintf(why, sizeof(why), "%s%s", strerror(fd < 0 ? -fd : 0),
		 fd == -EACCES ? ": it must be root's and of mode 0600" : "");
	text = fd < 0 ? NULL : secret_text(fd, &len);
	if (fd >= 0 && !text)
		snprintf(why, sizeof(why), "%s", strerror(errno));
	if (text) {
		k = chain_new(text, len, why, sizeof(why));
		secret_wipe(text, len);
	}
	free(text);
	if (!k)
		control_error_add(errs, where[0] ? where : name, why);
	return k;
}

static bool chain_same(const struct keychain *a, const struct keychain *b)
{
	if (!a || !b)
		return a == b;
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++) {
		const struct keychain_key *x = &a->v[i], *y = &b->v[i];

		if (x->ckn_len != y->ckn_len || memcmp(x->ckn, y->ckn, x->ckn_len) != 0 ||
		    x->cak.len != y->cak.len || !secret_equal(x->cak.b, y->cak.b, x->cak.len) ||
		    x->start != y->start || x->end != y->end)
			return false;
	}
	return true;
}

/* One overlay's, as it will be in the file. */
static bool secy_chains_read(struct control_secy *s, const struct bb_mka *m, bool apply,
			     bool *changed, struct conf_errors *errs, uint64_t now)
{
	struct keychain *chain = chain_get(s->c, m->key_chain, errs), *fallback = NULL;
	char why[192];
	bool good = chain != NULL, differs;

	if (m->fallback) {
		fallback = chain_get(s->c, m->fallback, errs);
		good &= fallback != NULL;
		if (chain && fallback &&
		    !fallback_fits(chain, fallback, m->key_chain, why, sizeof(why))) {
			control_error_add(errs, m->fallback, why);
			good = false;
		}
	}
	differs = good && (!chain_same(chain, s->chain) || !chain_same(fallback, s->fallback));
	*changed |= differs;
	if (differs && apply) {
		struct keychain *t = s->chain;

		s->chain = chain;
		chain = t;
		t = s->fallback;
		s->fallback = fallback;
		fallback = t;
		s->fallback_trouble[0] = 0;
		s->fallback_retry_at = 0;
		log_info("overlay %s: its keys were read again", s->plan->o->name);
		chains_apply(s, now);
		secy_flush(s, now);
	}
	chain_free(chain);
	chain_free(fallback);
	return good;
}

bool chains_read(struct control *c, const struct plan *after, bool apply, bool *changed,
		 struct conf_errors *errs, uint64_t now)
{
	bool good = true;

	for (size_t i = 0; i < c->plan->secy_count; i++) {
		struct control_secy *s = &c->secys[i];

		for (size_t j = 0; s->mka && j < after->secy_count; j++)
			if (!strcmp(after->secys[j].o->name, s->plan->o->name) &&
			    after->secys[j].o->keying == BB_MKA && after->secys[j].o->mka.key_chain)
				good &= secy_chains_read(s, &after->secys[j].o->mka, apply, changed,
							 errs, now);
	}
	return good;
}
