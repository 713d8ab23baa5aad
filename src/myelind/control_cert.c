#include "myelind/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "myelind/cert.h"
#include "myelind/role.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_NS (60 * NS_PER_S)   /* between looks at files that are good */
#define RETRY_NS (10 * NS_PER_S)  /* and at such that are not */
#define SETTLE_NS (3 * NS_PER_S)  /* patience with the parent and the signer at the start */
#define ANSWER_NS (10 * NS_PER_S) /* patience with a signature */
#define LINK_BUDGET 64            /* messages before others get their turn */
#define SOON_S (30 * 86400)       /* seconds before its end that a certificate is told of */
#define TAG_FIRST 0xff00u         /* of requests for files, above every SecY and tunnel */

_Static_assert(PLAN_SECYS_MAX + PLAN_TUNNELS_MAX < TAG_FIRST, "tags tell whose a file is");
_Static_assert(IKEV2_SIGNED_MAX <= MSG_BLOB_MAX, "what is signed fits its message");

struct authority {
	const char *name; /* the plan's */
	struct cert *cert;
	struct cert_use use;
	bool good;
	bool soon;         /* it was told of that it ends soon */
	char trouble[640]; /* "" when well */
	uint64_t look_at;
};

/* A signature that is waited for. */
struct asked {
	struct asked *next;
	uint64_t until;
	struct msg_sign q;
};

struct certs {
	unsigned count;
	struct authority v[ROLE_KEYS_MAX]; /* by key - 1 */
	bool looked;
	uint64_t settle_at;
	int signer; /* link, -1: none */
	unsigned asked_count;
	struct asked *asked; /* oldest first */
};

static struct authority *authority_of(const struct control *c, const char *name)
{
	for (unsigned i = 0; c->certs && i < c->certs->count; i++)
		if (!strcmp(c->certs->v[i].name, name))
			return &c->certs->v[i];
	return NULL;
}

static int authority_add(struct control *c, const char *name)
{
	struct certs *k = c->certs;
	struct authority *a;

	if (authority_of(c, name))
		return 0;
	if (k->count == ROLE_KEYS_MAX) {
		log_error("more than %d authorities: overlays of %s stay closed", ROLE_KEYS_MAX,
			  name);
		return 0;
	}
	a = &k->v[k->count];
	a->name = name;
	a->look_at = UINT64_MAX;
	a->cert = cert_new(name, c->args->node);
	if (!a->cert)
		return -ENOMEM;
	k->count++;
	return 0;
}

int certs_init(struct control *c)
{
	bool needed = false;
	int rc = 0;

	for (size_t i = 0; i < c->plan->tunnel_count; i++)
		needed |= c->plan->tunnels[i].o->auth == BB_AUTH_CA;
	if (!needed)
		return 0;
	c->certs = calloc(1, sizeof(*c->certs));
	if (!c->certs)
		return -ENOMEM;
	c->certs->signer = -1;
	c->certs->settle_at = clock_now() + SETTLE_NS;
	for (size_t i = 0; i < c->plan->tunnel_count && !rc; i++)
		if (c->plan->tunnels[i].o->auth == BB_AUTH_CA)
			rc = authority_add(c, c->plan->tunnels[i].o->ca);
	return rc;
}

static void asked_free(struct certs *k, struct asked **at)
{
	struct asked *q = *at;

	*at = q->next;
	k->asked_count--;
	secret_wipe(q, sizeof(*q));
	free(q);
}

static void link_drop(struct control *c)
{
	if (c->certs->signer < 0)
		return;
	loop_unwatch(c->loop, c->certs->signer);
	close(c->certs->signer);
	c->certs->signer = -1;
}

void certs_fini(struct control *c)
{
	if (!c->certs)
		return;
	while (c->certs->asked)
		asked_free(c->certs, &c->certs->asked);
	if (c->certs->signer >= 0)
		close(c->certs->signer);
	for (unsigned i = 0; i < c->certs->count; i++)
		cert_free(c->certs->v[i].cert);
	free(c->certs);
	c->certs = NULL;
}

/* Files. */

static void look(struct control *c, unsigned i, bool key)
{
	static const uint8_t kinds[CERT_FILES] = {[CERT_AUTHORITY] = MSG_FILE_AUTHORITY,
						  [CERT_CRL] = MSG_FILE_CRL,
						  [CERT_CHAIN] = MSG_FILE_CHAIN};
	struct authority *a = &c->certs->v[i];
	struct msg m = {.type = MSG_KEY_WANT, .key_want.key = (uint16_t)(i + 1)};
	int rc = 0;

	a->look_at = clock_now() + (a->good && !a->trouble[0] ? LOOK_NS : RETRY_NS);
	snprintf(m.key_want.authority, sizeof(m.key_want.authority), "%s", a->name);
	if (key)
		rc = control_tell_parent(c, &m);
	for (unsigned f = 0; f < CERT_FILES && rc == 0; f++) {
		m = (struct msg){.type = MSG_FILE_OPEN};
		m.file_open.tag = (TAG_FIRST + i) << 8 | f;
		m.file_open.kind = kinds[f];
		snprintf(m.file_open.name, sizeof(m.file_open.name), "%s", a->name);
		rc = control_tell_parent(c, &m);
	}
	if (rc < 0)
		log_error("authority %s: the parent cannot be asked for its files: %s", a->name,
			  strerror(-rc));
}

void certs_look(struct control *c)
{
	for (unsigned i = 0; c->certs && i < c->certs->count; i++)
		look(c, i, true);
}

void certs_want(struct control *c)
{
	if (!c->certs)
		return;
	for (unsigned i = 0; i < c->certs->count; i++) {
		struct msg m = {.type = MSG_KEY_WANT, .key_want.key = (uint16_t)(i + 1)};

		snprintf(m.key_want.authority, sizeof(m.key_want.authority), "%s",
			 c->certs->v[i].name);
		control_tell_parent(c, &m);
		if (!c->certs->looked)
			look(c, i, false);
	}
	c->certs->looked = true;
}

bool certs_settled(const struct control *c, uint64_t now)
{
	for (unsigned i = 0; c->certs && i < c->certs->count; i++)
		if (!cert_complete(c->certs->v[i].cert))
			return now >= c->certs->settle_at;
	return true;
}

static const char *ending(const struct authority *a, char *buf, size_t size)
{
	int64_t left = a->use.until - (int64_t)(wall_clock() / NS_PER_S);

	buf[0] = 0;
	if (a->good && left < SOON_S)
		snprintf(
			buf, size,
			"authority %s: this node's certificate or the revocation list ends in %lld "
			"days: another is due",
			a->name, (long long)(left / 86400));
	return buf;
}

static void soon_tell(struct control *c, struct authority *a)
{
	char text[160];
	bool soon = ending(a, text, sizeof(text))[0] != 0;

	for (size_t i = 0; soon && !a->soon && i < c->ike->overlay_count; i++) {
		const struct bb_overlay *o = c->ike->overlays[i].o;

		if (o->auth == BB_AUTH_CA && !strcmp(o->ca, a->name))
			event_put(&c->events, EVENT_SECRET_TROUBLE, o->name, 0, clock_now(), "%s",
				  text);
	}
	a->soon = soon;
}

static void trouble_tell(struct control *c, const struct authority *a, const char *before)
{
	if (!strcmp(before, a->trouble))
		return;
	for (size_t i = 0; i < c->ike->overlay_count; i++) {
		const struct bb_overlay *o = c->ike->overlays[i].o;

		if (o->auth != BB_AUTH_CA || strcmp(o->ca, a->name) != 0)
			continue;
		if (a->trouble[0])
			event_put(&c->events, EVENT_SECRET_TROUBLE, o->name, 0, clock_now(),
				  "%s: %s",
				  a->good ? "is not taken into use" : "no peer can authenticate",
				  a->trouble);
		else
			event_put(&c->events, EVENT_SECRET_MENDED, o->name, 0, clock_now(),
				  "its certificates are good now");
	}
}

/* The engine's peers of an authority are made anew. */
static void peers_set(struct control *c, const struct authority *a, uint64_t now)
{
	for (size_t i = 0; i < c->ike->tunnel_count; i++) {
		struct control_tunnel *t = &c->ike->tunnels[i];

		if (c->ike->engine && t->plan->o->auth == BB_AUTH_CA &&
		    !strcmp(t->plan->o->ca, a->name))
			ike_peer_set(t, now);
	}
}

static void judge(struct control *c, struct authority *a, uint64_t now)
{
	char before[sizeof(a->trouble)];
	bool changed;

	if (!cert_complete(a->cert))
		return;
	memcpy(before, a->trouble, sizeof(before));
	a->good = cert_judge(a->cert, (int64_t)(wall_clock() / NS_PER_S), &a->use, &changed,
			     a->trouble, sizeof(a->trouble));
	trouble_tell(c, a, before);
	soon_tell(c, a);
	if (a->trouble[0] && a->look_at > now + RETRY_NS)
		a->look_at = now + RETRY_NS;
	if (changed || (!a->good && strcmp(before, a->trouble) != 0))
		peers_set(c, a, now);
	cert_release(a->cert);
	ike_start(c, now);
}

/* The whole file on the heap, or NULL with errno. Closes fd. */
static char *file_text(int fd, size_t *len)
{
	size_t room = 16384;
	char *text = malloc(room);
	ssize_t n = text ? 1 : -1;

	*len = 0;
	while (text && (n = pread(fd, text + *len, room - *len, (off_t)*len)) > 0) {
		char *more;

		*len += (size_t)n;
		if (*len < room)
			continue;
		room *= 2;
		more = room <= CERT_FILE_MAX ? realloc(text, room) : NULL;
		if (!more) {
			errno = EFBIG;
			n = -1;
			break;
		}
		text = more;
	}
	close(fd);
	if (n < 0) {
		free(text);
		return NULL;
	}
	return text;
}

bool certs_file(struct control *c, const struct msg_file *f, int fd, uint64_t now)
{
	unsigned i = (f->tag >> 8) - TAG_FIRST, which = f->tag & 0xff;
	char *text = NULL;
	int err = f->error;
	size_t len = 0;

	if (!c->certs || f->tag >> 8 < TAG_FIRST || i >= c->certs->count || which >= CERT_FILES)
		return false;
	if (fd >= 0) {
		text = file_text(fd, &len);
		if (!text)
			err = errno;
	}
	cert_file_set(c->certs->v[i].cert, which, f->where, err, text, len);
	if (which == CERT_FILES - 1) /* the last that is asked for, and answers come in order */
		judge(c, &c->certs->v[i], now);
	return true;
}

/* The signer. */

static int ask(const struct control *c, const struct asked *a)
{
	struct msg m = {.type = MSG_SIGN, .sign = a->q};
	int rc = c->certs->signer < 0 ? -ENOTCONN : msg_send(c->certs->signer, &m, -1);

	secret_wipe(&m, sizeof(m));
	return rc;
}

static void key_held(struct control *c, const struct msg_key_held *h, uint64_t now)
{
	struct authority *a = h->key <= c->certs->count ? &c->certs->v[h->key - 1] : NULL;

	if (!a)
		return;
	cert_key_set(a->cert, h);
	judge(c, a, now);
}

static void answered(struct control *c, const struct msg_signed *s, uint64_t now)
{
	struct asked **at = &c->certs->asked;

	while (*at && ((*at)->q.id != s->id || (*at)->q.key != s->key))
		at = &(*at)->next;
	if (!*at)
		return; /* asked twice, or too late */
	asked_free(c->certs, at);
	if (s->error)
		log_warn("the signer does not sign with the key of authority %s: %s",
			 s->key <= c->certs->count ? c->certs->v[s->key - 1].name : "?",
			 strerror(s->error));
	ikev2_signed(c->ike->engine, s->id, s->signature.b, s->signature.len, now);
	ike_flush(c, now);
}

static void on_signer(void *ctx, int fd, unsigned events)
{
	struct control *c = ctx;
	uint64_t now = clock_now();

	(void)events;
	for (unsigned i = 0; i < LINK_BUDGET && c->certs->signer == fd; i++) {
		struct msg m;
		int other = -1, rc = msg_recv(fd, &m, &other);

		if (other >= 0)
			close(other);
		if (rc == 0)
			return;
		if (rc == 1 && m.type == MSG_KEY_HELD)
			key_held(c, &m.key_held, now);
		else if (rc == 1 && m.type == MSG_SIGNED)
			answered(c, &m.sign_done, now);
		else if (rc == -EPIPE)
			link_drop(c); /* the parent brings the next one's */
		else
			log_error("the signer said %s, dropped",
				  rc == 1 ? msg_type_name(m.type) : "something malformed");
	}
}

void certs_link(struct control *c, int fd)
{
	link_drop(c);
	c->certs->signer = fd;
	if (loop_watch(c->loop, fd, LOOP_IN, on_signer, c) < 0) {
		log_error("too many descriptors to watch");
		close(fd);
		c->certs->signer = -1;
		return;
	}
	for (struct asked *a = c->certs->asked; a; a = a->next)
		(void)ask(c, a);
}

int cert_sign(struct control *c, uint32_t id, uint16_t key, enum sign_scheme s, const void *data,
	      size_t len)
{
	struct asked **at = &c->certs->asked, *a;

	if (!len || len > MSG_BLOB_MAX)
		return -EMSGSIZE;
	if (c->certs->asked_count == PLAN_TUNNELS_MAX)
		return -EBUSY;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	while (*at)
		at = &(*at)->next;
	*at = a;
	c->certs->asked_count++;
	a->until = clock_now() + ANSWER_NS;
	a->q = (struct msg_sign){.id = id, .key = key, .scheme = (uint8_t)s};
	a->q.data.len = (uint16_t)len;
	memcpy(a->q.data.b, data, len);
	(void)ask(c, a); /* without a signer: of its successor */
	return 0;
}

static void asked_expire(struct control *c, uint64_t now)
{
	while (c->certs->asked && c->certs->asked->until <= now) {
		uint32_t id = c->certs->asked->q.id;
		uint16_t key = c->certs->asked->q.key;

		log_warn("the signer has not signed with the key of authority %s within %llu s",
			 key <= c->certs->count ? c->certs->v[key - 1].name : "?",
			 ANSWER_NS / NS_PER_S);
		asked_free(c->certs, &c->certs->asked);
		ikev2_signed(c->ike->engine, id, NULL, 0, now);
		ike_flush(c, now);
	}
}

void certs_turn(struct control *c, uint64_t now)
{
	if (!c->certs)
		return;
	for (unsigned i = 0; i < c->certs->count; i++)
		if (now >= c->certs->v[i].look_at)
			look(c, i, c->certs->v[i].trouble[0] || !c->certs->v[i].good);
	asked_expire(c, now);
	if (c->certs->settle_at && now >= c->certs->settle_at) {
		c->certs->settle_at = 0;
		ike_start(c, now);
	}
}

uint64_t certs_deadline(const struct control *c)
{
	uint64_t next = UINT64_MAX;

	if (!c->certs)
		return next;
	if (c->certs->asked)
		next = c->certs->asked->until;
	for (unsigned i = 0; i < c->certs->count; i++)
		if (c->certs->v[i].look_at < next)
			next = c->certs->v[i].look_at;
	if (c->certs->settle_at && c->certs->settle_at < next)
		next = c->certs->settle_at;
	return next;
}

/* The engine. */

const char *cert_trouble(const struct control *c, const char *authority)
{
	const struct authority *a = authority_of(c, authority);

	if (!a)
		return "more authorities than this version has keys of";
	if (!a->good && !a->trouble[0])
		return "the signer or the files of the authority are awaited";
	return a->trouble;
}

const char *cert_note(const struct control *c, const char *authority, char *buf, size_t size)
{
	const struct authority *a = authority_of(c, authority);

	buf[0] = 0;
	if (a && a->trouble[0])
		snprintf(buf, size, "%s", a->trouble);
	else if (a)
		ending(a, buf, size);
	return buf;
}

int cert_peer_fill(struct control *c, struct control_tunnel *t, struct ikev2_peer *p)
{
	const struct authority *a = authority_of(c, t->plan->o->ca);

	if (!a || !a->good)
		return -EKEYREJECTED;
	p->auth = IKEV2_AUTH_CERT;
	p->trust = a->use.trust;
	p->chain = a->use.chain;
	p->chain_count = a->use.chain_count;
	p->schemes = a->use.schemes;
	p->key = (uint16_t)(a - c->certs->v + 1);
	return 0;
}
