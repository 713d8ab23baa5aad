/*
 * What `show mka` and `show overlays` say of MKA beyond who is there: versions, announced suites,
 * suspension, SAKs that are kept.
 */
#include "myelind/control.h"

#include "base/clock.h"

#include <stdio.h>

/* The suite this key server distributes, and a live peer that says it does not have it: its place,
 * or peer_count. */
static unsigned suite_misfit(const struct control_secy *s, const struct mka_show *m)
{
	unsigned i = 0;

	if (!m->key_server)
		return m->peer_count;
	while (i < m->peer_count && (!m->peers[i].live || !m->peers[i].announced ||
				     m->peers[i].suites & 1u << s->plan->o->macsec.suite))
		i++;
	return i;
}

static void suites_text(const struct mka_peer_show *p, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = 0;
	for (unsigned i = 0; i < MACSEC_SUITE_COUNT && at < size; i++)
		if (p->suites & 1u << i)
			at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? ", " : "",
					       macsec_suites[i].name);
	if (!at)
		snprintf(buf, size, "none known here");
}

bool show_mka_misfit(const struct control_secy *s, const struct mka_show *m, char *buf, size_t size)
{
	unsigned i = suite_misfit(s, m);
	char suites[96];

	if (i == m->peer_count)
		return false;
	suites_text(&m->peers[i], suites, sizeof(suites));
	snprintf(
		buf, size,
		"peer %016llx does not take %s, which this key server distributes; it announces %s: "
		"set `macsec { cipher-suite }` to one that all have",
		(unsigned long long)m->peers[i].sci, macsec_suites[s->plan->o->macsec.suite].name,
		suites);
	return true;
}

static uint64_t left_s(uint64_t until, uint64_t now)
{
	return until > now ? (until - now + NS_PER_S - 1) / NS_PER_S : 0;
}

void show_mka_note(const struct control_secy *s, const struct mka_show *m, uint64_t now, char *buf,
		   size_t size)
{
	uint64_t kept = m->alone_since_ns + s->plan->o->mka.keep_sak_ns;

	if (m->alone_since_ns)
		snprintf(buf, size,
			 "no peer is live: the SAK is kept for another %llu s by `keep-sak`, which "
			 "is not of the standard",
			 (unsigned long long)left_s(kept, now));
	else if (m->suspended_until_ns)
		snprintf(buf, size, "the CA is suspended for up to %llu s",
			 (unsigned long long)left_s(m->suspended_until_ns, now));
	else if (m->results[MKA_TOO_MANY_PEERS])
		snprintf(buf, size,
			 "a participant more than the %u that fit this port's MTU was refused %llu "
			 "times: give it an overlay of its own",
			 m->peers_max, (unsigned long long)m->results[MKA_TOO_MANY_PEERS]);
}

static void left_put(struct js *o, const char *key, uint64_t until, uint64_t now)
{
	if (until)
		js_set_u64(o, key, left_s(until, now));
	else
		js_set_text(o, key, NULL);
}

void show_mka_put(struct js *o, const struct bb_mka *k, const struct mka_show *m, uint64_t now)
{
	static const char *const orders[] = {
		[BB_SSCI_AUTO] = "auto", [BB_SSCI_SCI] = "sci", [BB_SSCI_LIST] = "live-peer-list"};

	js_set_u64(o, "version", m->version);
	js_set_u64(o, "peers-max", m->peers_max);
	js_set_bool(o, "delay-protect", k->delay_protect);
	js_set_text(o, "ssci-order", orders[k->ssci_order]);
	left_put(o, "suspended", m->suspended_until_ns, now);
	left_put(o, "suspension-asked", m->suspend_ask_ns, now);
	js_set_bool(o, "suspension-granted", m->suspend_granted);
	left_put(o, "sak-kept", m->alone_since_ns ? m->alone_since_ns + k->keep_sak_ns : 0, now);
}

void show_mka_peer_put(struct js *p, const struct mka_peer_show *e, uint64_t now)
{
	struct js *suites;

	js_set_u64(p, "version", e->version);
	js_set_bool(p, "delay-protect", e->delay_protect);
	js_set_bool(p, "can-suspend", e->can_suspend);
	left_put(p, "suspension-asked", e->suspend_until_ns, now);
	if (!e->announced) {
		js_set_text(p, "suites", NULL);
		return;
	}
	suites = js_set_array(p, "suites");
	for (unsigned i = 0; i < MACSEC_SUITE_COUNT; i++)
		if (e->suites & 1u << i)
			js_push_text(suites, macsec_suites[i].name);
	js_set_u64(p, "suites-unknown", e->suites_unknown);
}
