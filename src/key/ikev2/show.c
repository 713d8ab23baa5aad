/* Pictures and words. */
#include "key/ikev2/ikev2_i.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

const char *state_name(enum ike_state s)
{
	static const char *const names[ST_COUNT] = {
		[ST_INIT_SENT] = "IKE_SA_INIT sent",
		[ST_AUTH_SIGN] = "signing",
		[ST_AUTH_SENT] = "IKE_AUTH sent",
		[ST_HALF_OPEN] = "half-open",
		[ST_AUTH_REPLY] = "signing",
		[ST_UP] = "established",
		[ST_REPLACED] = "replaced",
		[ST_CLOSING] = "closing",
		[ST_CLOSED] = "closed",
	};

	return s < ST_COUNT ? names[s] : "?";
}

const char *end_text(const struct esp_end *e, char *buf, size_t size)
{
	char addr[INET6_ADDRSTRLEN] = "?";

	if (e->family)
		inet_ntop(e->family == 6 ? AF_INET6 : AF_INET, e->addr, addr, sizeof(addr));
	snprintf(buf, size, e->family == 6 ? "[%s]:%u" : "%s:%u", addr, e->port);
	return buf;
}

const char *ikev2_result_name(enum ikev2_result r)
{
	static const char *const names[IKEV2_RESULT_COUNT] = {
		[IKEV2_OK] = "ok",
		[IKEV2_NOT_IKE] = "not-ike",
		[IKEV2_MALFORMED] = "malformed",
		[IKEV2_VERSION] = "version",
		[IKEV2_EXCHANGE] = "exchange",
		[IKEV2_FLAGS] = "flags",
		[IKEV2_UNKNOWN_SPI] = "unknown-spi",
		[IKEV2_WINDOW] = "window",
		[IKEV2_NO_PEER] = "no-peer",
		[IKEV2_COOKIE_ASKED] = "cookie-asked",
		[IKEV2_COOKIE_WRONG] = "cookie-wrong",
		[IKEV2_HALF_OPEN] = "half-open-limit",
		[IKEV2_SOURCE] = "source-limit",
		[IKEV2_CLEAR_CRITICAL] = "critical-in-clear",
		[IKEV2_CLEAR_PAYLOADS] = "payloads-in-clear",
		[IKEV2_NO_PROPOSAL] = "no-proposal",
		[IKEV2_GROUP] = "other-group",
		[IKEV2_KEY_EXCHANGE] = "key-exchange",
		[IKEV2_REFUSED_CLEAR] = "refused-in-clear",
		[IKEV2_ICV] = "icv",
		[IKEV2_FRAGMENT] = "fragment",
		[IKEV2_FRAGMENT_MORE] = "fragment-more",
		[IKEV2_RETRANSMIT] = "retransmission",
		[IKEV2_INNER] = "malformed-inside",
		[IKEV2_CRITICAL] = "critical",
		[IKEV2_PAYLOADS] = "payloads",
		[IKEV2_AUTHENTICATION] = "authentication",
		[IKEV2_IDENTITY] = "identity",
		[IKEV2_CERTIFICATE] = "certificate",
		[IKEV2_PPK] = "ppk",
		[IKEV2_SELECTORS] = "selectors",
		[IKEV2_TEMPORARY] = "temporary",
		[IKEV2_NO_CHILD] = "no-child",
		[IKEV2_REFUSED] = "refused",
		[IKEV2_LIMIT] = "limit",
	};

	return r < IKEV2_RESULT_COUNT ? names[r] : "?";
}

static void suite_text(const struct ike_suite *s, char *buf, size_t size)
{
	const struct ike_transform t[] = {
		{IKE_T_ENCR, s->encr, s->key_bits, false},
		{IKE_T_PRF, s->prf, 0, false},
		{IKE_T_INTEG, s->integ, 0, false},
		{IKE_T_DH, s->group, 0, false},
	};
	size_t at = 0;

	*buf = 0;
	for (unsigned i = 0; i < 4 && at < size; i++) {
		char word[48];

		if (t[i].id)
			at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? " " : "",
					       ike_transform_name(&t[i], word, sizeof(word)));
	}
}

static void show_child(const struct child_sa *c, struct ikev2_child_show *s)
{
	*s = (struct ikev2_child_show){
		.spi_in = c->spi_in,
		.spi_out = c->spi_out,
		.suite = c->suite,
		.mode = c->mode,
		.esn = c->esn,
		.up = c->state == CHILD_UP && !c->want_close,
		.sending = c->sending,
		.since_ns = c->since,
		.rekey_ns = c->rekey_at,
		.packets_in = c->packets_in,
		.ts = c->ts,
	};
}

static const char *auth_name(uint8_t method)
{
	switch (method) {
	case 0:
		return "none yet";
	case IKE_AUTH_PSK:
		return "psk";
	case IKE_AUTH_SIGNATURE:
		return "signature";
	case IKE_AUTH_RSA:
		return "rsa-sha1";
	default:
		return "ecdsa";
	}
}

bool ikev2_show(const struct ikev2 *e, unsigned i, struct ikev2_sa_show *out)
{
	const struct ike_sa *sa = e->sas;

	while (sa && i--)
		sa = sa->next;
	if (!sa)
		return false;
	*out = (struct ikev2_sa_show){
		.tunnel = sa->peer ? sa->peer->cfg.tunnel : 0,
		.state = state_name(sa->state),
		.spi_i = sa->spi_i,
		.spi_r = sa->spi_r,
		.initiator = sa->initiator,
		.established = sa->state == ST_UP,
		.nat_local = sa->nat_local,
		.nat_remote = sa->nat_remote,
		.encap = sa->encap,
		.fragments = sa->fragment,
		.ppk = sa->ppk,
		.local = sa->local,
		.remote = sa->remote,
		.remote_id = sa->remote_id,
		.auth = auth_name(sa->auth_method),
		.since_ns = sa->since,
		.heard_ns = sa->heard_at,
		.rekey_ns = sa->rekey_at,
		.reauth_ns = sa->reauth_at,
	};
	suite_text(&sa->suite, out->suite, sizeof(out->suite));
	for (const struct child_sa *c = sa->children; c && out->child_count < IKEV2_CHILDREN_MAX;
	     c = c->next)
		show_child(c, &out->children[out->child_count++]);
	return true;
}

void ikev2_stats(const struct ikev2 *e, struct ikev2_stats *out)
{
	*out = e->stats;
	out->half_open = e->half_open;
}
