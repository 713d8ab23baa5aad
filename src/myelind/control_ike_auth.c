/*
 * What proves who is who: the secrets of overlays, by the parent's hand, and the engine's peer made
 * of them, of the file and of the addresses at hand.
 *
 * A secret that cannot be read keeps peers from authenticating and nothing else: SAs that stand go
 * on, so such a peer is there under a key that nobody can know.
 */
#include "myelind/control.h"

#include "base/clock.h"
#include "base/log.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RETRY_NS (10 * NS_PER_S)

static void __attribute__((format(printf, 3, 4)))
overlay_fail(struct control *c, struct ike_overlay *o, const char *fmt, ...)
{
	char before[sizeof(o->trouble)];
	va_list ap;

	memcpy(before, o->trouble, sizeof(before));
	va_start(ap, fmt);
	vsnprintf(o->trouble, sizeof(o->trouble), fmt, ap);
	va_end(ap);
	o->failed = true;
	o->retry_at = clock_now() + RETRY_NS;
	if (strcmp(before, o->trouble) != 0)
		event_put(&c->events, EVENT_SECRET_TROUBLE, o->o->name, 0, clock_now(),
			  "no peer can authenticate: %s", o->trouble);
}

static void overlay_mended(struct control *c, struct ike_overlay *o)
{
	if (o->trouble[0])
		event_put(&c->events, EVENT_SECRET_MENDED, o->o->name, 0, clock_now(),
			  "its secrets are good now");
	o->trouble[0] = 0;
}

void ike_secrets_wipe(struct ike_overlay *o)
{
	secret_clear(&o->psk);
	secret_clear(&o->ppk);
	o->ppk_id = (struct ikev2_id){0};
}

static const char *file_name(const struct ike_overlay *o, enum ike_file which)
{
	if (which == IKE_FILE_PPK)
		return o->o->ipsec.ppk;
	return o->o->auth == BB_AUTH_CA ? NULL : o->o->psk;
}

void ike_files_ask(struct control *c, struct ike_overlay *o)
{
	o->asked = true;
	o->failed = false;
	for (unsigned i = 0; i < IKE_FILES; i++) {
		const char *name = file_name(o, i);
		struct msg m = {.type = MSG_FILE_OPEN};
		int rc;

		o->had[i] = !name;
		if (!name)
			continue;
		m.file_open.tag = (uint32_t)o->first << 8 | i;
		m.file_open.kind = MSG_FILE_SECRET;
		snprintf(m.file_open.name, sizeof(m.file_open.name), "%s", name);
		rc = control_tell_parent(c, &m);
		if (rc < 0) {
			o->had[i] = true;
			overlay_fail(c, o, "the parent cannot be asked for %s: %s", name,
				     strerror(-rc));
		}
	}
}

bool ike_files_had(const struct control_ike *k)
{
	for (size_t i = 0; i < k->overlay_count; i++)
		for (unsigned f = 0; f < IKE_FILES; f++)
			if (!k->overlays[i].had[f])
				return false;
	return true;
}

/* Hex digits, an even number of them, as a key. 0, or -EINVAL. */
static int hex_take(struct secret *s, const char *text, size_t len)
{
	uint8_t key[SECRET_MAX] = {0};
	int rc = -EINVAL;

	if (!len || len % 2 || len / 2 > sizeof(key))
		return rc;
	for (size_t i = 0; i < len; i++) {
		const char *digits = "0123456789abcdef", *at = strchr(digits, tolower(text[i]));

		if (!at || !text[i])
			goto out;
		key[i / 2] = (uint8_t)(key[i / 2] << 4 | (at - digits));
	}
	rc = secret_set(s, key, len / 2);
out:
	secret_wipe(key, sizeof(key));
	return rc;
}

/* The key of a text of one line: as it stands, or 0x and hex digits. NULL, or what is wrong. */
static const char *psk_take(struct secret *s, const char *text, size_t len)
{
	if (!len)
		return "it is empty: a line is expected, the pre-shared key";
	if (memchr(text, '\n', len))
		return "it has more than one line: the pre-shared key is one";
	if (len > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return hex_take(s, text + 2, len - 2)
			       ? "behind 0x an even number of hex digits is expected, 128 at most"
			       : NULL;
	return secret_set(s, text, len) ? "it is longer than 64 octets" : NULL;
}

/* IDENTITY:HEX (RFC 8784 section 5.1.1). */
static const char *ppk_take(struct ike_overlay *o, const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len);
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (!n || n > IKEV2_ID_MAX || hex_take(&o->ppk, colon + 1, len - n - 1))
		return "a line IDENTITY:KEY is expected, the key in hex digits, 128 at most";
	o->ppk_id = (struct ikev2_id){.type = IKE_ID_KEY, .len = (uint16_t)n};
	memcpy(o->ppk_id.b, text, n);
	return NULL;
}

static void text_take(struct control *c, struct ike_overlay *o, enum ike_file which, int fd,
		      const char *where)
{
	size_t len, line;
	char *text = secret_text(fd, &len);
	const char *why;

	if (!text) {
		overlay_fail(c, o, "secret %s: %s", where, strerror(errno));
		return;
	}
	line = len;
	if (line && text[line - 1] == '\n')
		line--;
	if (line && text[line - 1] == '\r')
		line--;
	why = which == IKE_FILE_PPK ? ppk_take(o, text, line) : psk_take(&o->psk, text, line);
	if (why)
		overlay_fail(c, o, "secret %s: %s", where, why);
	secret_wipe(text, len);
	free(text);
}

static struct ike_overlay *overlay_of(struct control_ike *k, uint16_t first)
{
	for (size_t i = 0; i < k->overlay_count; i++)
		if (k->overlays[i].first == first)
			return &k->overlays[i];
	return NULL;
}

bool ike_file(struct control *c, const struct msg_file *f, int fd, uint64_t now)
{
	unsigned which = f->tag & 0xff;
	struct ike_overlay *o = f->tag >> 8 <= UINT16_MAX && which < IKE_FILES
					? overlay_of(c->ike, (uint16_t)(f->tag >> 8))
					: NULL;

	if (!o)
		return false;
	if (!o->asked || o->had[which]) {
		if (fd >= 0)
			close(fd);
		return true;
	}
	o->had[which] = true;
	if (f->error || fd < 0) {
		overlay_fail(c, o, "secret %s: %s%s", f->where, strerror(f->error),
			     f->error == EACCES ? ": it must be root's and of mode 0600" : "");
		if (fd >= 0)
			close(fd);
	} else {
		text_take(c, o, which, fd, f->where);
	}
	if (!o->had[IKE_FILE_PSK] || !o->had[IKE_FILE_PPK])
		return true;
	if (!o->failed)
		overlay_mended(c, o);
	for (size_t i = 0; c->ike->engine && i < c->ike->tunnel_count; i++)
		if (c->ike->tunnels[i].overlay == o)
			ike_peer_set(&c->ike->tunnels[i], now);
	ike_start(c, now);
	return true;
}

static void id_fqdn(struct ikev2_id *id, const char *name)
{
	id->type = IKE_ID_FQDN;
	id->len = (uint16_t)strnlen(name, sizeof(id->b));
	memcpy(id->b, name, id->len);
}

static void ids_fill(const struct control_tunnel *t, struct ikev2_peer *p)
{
	const struct bb_member *m = t->plan->peer;

	id_fqdn(&p->local_id, t->c->args->node);
	if (m->node) {
		id_fqdn(&p->remote_id, m->node->name);
		return;
	}
	p->remote_id.type = m->peer->identity.type;
	p->remote_id.len = m->peer->identity.len;
	_Static_assert(sizeof(m->peer->identity.b) <= sizeof(p->remote_id.b), "it fits");
	memcpy(p->remote_id.b, m->peer->identity.b, sizeof(m->peer->identity.b));
}

/* A key that nobody can know. */
static void placeholder(struct ikev2_peer *p)
{
	p->auth = IKEV2_AUTH_PSK;
	p->psk.len = 32;
	control_random(NULL, p->psk.b, p->psk.len);
	p->ppk_id.type = 0;
	p->ppk_required = false;
	p->start = false;
}

/* False: the peer cannot authenticate, and the trouble says why. */
static bool auth_fill(struct control_tunnel *t, struct ikev2_peer *p)
{
	const struct ike_overlay *o = t->overlay;

	t->trouble[0] = 0;
	if (o->failed)
		return false;
	p->ppk_id = o->ppk_id;
	p->ppk = o->ppk;
	p->ppk_required = o->o->ipsec.ppk_required;
	if (o->o->auth == BB_AUTH_CA) {
		if (cert_peer_fill(t->c, t, p) == 0)
			return true;
		snprintf(t->trouble, sizeof(t->trouble), "%s", cert_trouble(t->c, o->o->ca));
		return false;
	}
	p->auth = IKEV2_AUTH_PSK;
	p->psk = o->psk;
	return true;
}

void ike_peer_set(struct control_tunnel *t, uint64_t now)
{
	const struct bb_ipsec *b = &t->plan->o->ipsec;
	const struct bb_prefix *remote = &t->plan->remote;
	struct ikev2_peer p = {
		.tunnel = t->plan->id,
		.local = t->local,
		.strength = b->compatible ? IKEV2_COMPATIBLE : IKEV2_STRONG,
		.mode = ESP_TUNNEL,
		.ts = {.local_count = 2,
		       .remote_count = 2,
		       .local = {esp_ts_any(4), esp_ts_any(6)},
		       .remote = {esp_ts_any(4), esp_ts_any(6)}},
		.window = b->window,
		.pfs = b->pfs,
		.encap = b->encap,
		.key_log = b->key_log,
		.ike_rekey_ns = b->ike_rekey_ns,
		.ike_reauth_ns = b->ike_reauth_ns,
		.child_rekey_ns = b->child_rekey_ns,
		.dpd_ns = b->dpd_ns,
	};
	int rc;

	snprintf(p.name, sizeof(p.name), "%s", tunnel_peer(t));
	p.remote.family = remote->family;
	memcpy(p.remote.addr, remote->addr, sizeof(p.remote.addr));
	p.start = !b->on_demand && remote->family && t->local.family;
	ids_fill(t, &p);
	t->placeholder = !auth_fill(t, &p);
	if (t->placeholder)
		placeholder(&p);
	rc = ikev2_peer_set(t->c->ike->engine, &p, now);
	secret_wipe(&p, sizeof(p));
	if (rc == 0) {
		t->set = true;
		t->set_local = t->local;
		return;
	}
	snprintf(t->trouble, sizeof(t->trouble), "IKEv2 does not start with this configuration: %s",
		 strerror(-rc));
	log_error("overlay %s: peer %s: %s", t->plan->o->name, tunnel_peer(t), t->trouble);
}
