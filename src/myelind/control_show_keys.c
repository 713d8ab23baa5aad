/*
 * What `show mka` and `show overlays` say of the CAKs: which there are, whose SAK is used, and what
 * an operator should do about it.
 */
#include "myelind/control.h"

#include "base/clock.h"
#include "base/utc.h"

#include <stdio.h>
#include <string.h>

static const char *cak_state(const struct mka_key_show *k)
{
	if (!k->runs)
		return k->time == MKA_KEY_FUTURE    ? "future"
		       : k->time == MKA_KEY_EXPIRED ? "expired"
						    : "waiting"; /* enough newer ones run */
	if (k->principal)
		return "principal";
	return k->live_count ? "ready" : "no-peers";
}

static void time_put(struct js *o, const char *key, uint64_t t)
{
	char text[UTC_TEXT_LEN + 1];

	js_set_text(o, key, t ? utc_print(t, text) : NULL);
}

void show_keys_put(struct js *o, const struct bb_mka *b, const struct mka_show *m, uint64_t now)
{
	struct js *list = js_set_array(o, "caks");

	for (unsigned i = 0; i < m->key_count; i++) {
		const struct mka_key_show *k = &m->keys[i];
		struct js *e = js_push_object(list), *dropped;

		js_set_hex(e, "ckn", k->ckn, k->ckn_len);
		js_set_text(e, "secret", k->fallback ? b->fallback : b->key_chain);
		js_set_bool(e, "fallback", k->fallback);
		time_put(e, "start", k->start);
		time_put(e, "end", k->end);
		js_set_text(e, "state", cak_state(k));
		if (k->overtime_ns)
			js_set_u64(e, "overtime",
				   now > k->overtime_ns ? (now - k->overtime_ns) / NS_PER_S : 0);
		else
			js_set_text(e, "overtime", NULL);
		if (!k->runs)
			continue;
		js_set_hex(e, "member-id", k->mi, MKA_MI_LEN);
		js_set_u64(e, "message-number", k->mn);
		js_set_bool(e, "key-server", k->key_server);
		if (k->key_server_sci)
			js_set_format(e, "key-server-sci", "%016llx",
				      (unsigned long long)k->key_server_sci);
		else
			js_set_text(e, "key-server-sci", NULL);
		js_set_u64(e, "peers-live", k->live_count);
		js_set_u64(e, "mkpdus-in", k->rx_mkpdus);
		js_set_u64(e, "mkpdus-out", k->tx_mkpdus);
		dropped = js_set_object(e, "dropped");
		for (unsigned r = MKA_OK + 1; r < MKA_RESULT_COUNT; r++)
			if (k->results[r])
				js_set_u64(dropped, mka_result_name((enum mka_result)r),
					   k->results[r]);
	}
}

/* How many are live under the fallback, or under an older key, and not under this one. */
static unsigned unreached(const struct mka_show *m, const struct mka_key_show *k)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->peer_count; i++) {
		unsigned j = 0;

		while (j < k->peer_count &&
		       (k->peers[j].sci != m->peers[i].sci || !k->peers[j].live))
			j++;
		n += m->peers[i].live && j == k->peer_count;
	}
	return n;
}

bool show_keys_closed(const struct control_secy *s, const struct mka_show *m, char *buf,
		      size_t size)
{
	char now[UTC_TEXT_LEN + 1];

	for (unsigned i = 0; i < m->key_count; i++)
		if (m->keys[i].runs)
			return false;
	snprintf(buf, size,
		 "no key of the key chain %s may be used now, %s by this machine's clock: is the "
		 "clock right, and does the chain go on?",
		 s->plan->o->mka.key_chain, utc_print(wall_clock(), now));
	return true;
}

/* What is worth knowing although traffic passes. */
void show_keys_note(const struct control_secy *s, const struct mka_show *m, uint64_t now, char *buf,
		    size_t size)
{
	const struct mka_key_show *principal = NULL, *newest = NULL;
	const struct bb_mka *b = &s->plan->o->mka;

	for (unsigned i = 0; i < m->key_count; i++) {
		const struct mka_key_show *k = &m->keys[i];

		if (k->principal)
			principal = k;
		if (k->runs && !k->fallback && !k->overtime_ns &&
		    (!newest || k->start > newest->start))
			newest = k;
	}
	if (principal && principal->overtime_ns) {
		uint64_t end = principal->overtime_ns + MKA_OVERTIME_NS;

		snprintf(
			buf, size,
			"the time of the CAK in use is over, and no other reaches every peer: it is "
			"used on for another %llu h: continue the key chain %s on every member",
			(unsigned long long)(end > now ? (end - now) / (3600 * NS_PER_S) : 0),
			b->key_chain);
	} else if (principal && principal->fallback) {
		snprintf(buf, size,
			 "the fallback %s is in use: %u of %u peers are not reached under the key "
			 "chain %s; make it the same on every member",
			 b->fallback, newest ? unreached(m, newest) : m->peer_count, m->peer_count,
			 b->key_chain);
	} else if (principal && newest && newest != principal && unreached(m, newest)) {
		snprintf(buf, size,
			 "%u of %u peers do not have the newest key of the key chain %s; the one "
			 "before is used until they do",
			 unreached(m, newest), m->peer_count, b->key_chain);
	} else if (s->fallback_trouble[0]) {
		snprintf(buf, size, "%s", s->fallback_trouble);
	}
}
