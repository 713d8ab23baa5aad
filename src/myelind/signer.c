/*
 * The signer role: the only process that ever reads a private key. It is handed the files by the
 * parent, and signs what control asks for; it knows no protocol and no peer. One thread.
 *
 * Control is not trusted with the keys: it may have them used, one bounded message at a time and
 * at a bounded rate, but learns nothing of them but their public parts. Nothing here survives the
 * process: a successor is handed the files anew, and control asks again for what was not answered.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "crypto/sign.h"
#include "msg/msg.h"
#include "myelind/role.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define KEY_FILE_MAX 16384 /* bytes of PEM: RSA with 8192 bits takes less than half */
#define SIGN_EVERY_NS (5 * NS_PER_MS)
#define SIGN_BURST 256 /* signatures at once: every tunnel of a node that was started */
#define MESSAGES_AT_ONCE 16

_Static_assert(SIGN_SCHEME_COUNT <= 32, "the schemes of a key fit their field");
_Static_assert(SIGN_MAX <= MSG_BLOB_MAX, "a signature fits its message");

struct held {
	struct sign_key *key;     /* NULL: none */
	struct msg_key_held said; /* what control is told; key 0: nothing of it yet */
};

struct signer {
	int parent, control; /* links, control -1 while there is none */
	int signals;
	bool stop;
	uint32_t seq;
	uint64_t full_at;                /* when the allowance of signatures is whole again */
	struct held keys[ROLE_KEYS_MAX]; /* by number - 1 */
	struct log_limit bad;
};

static void tell(struct signer *s, struct msg *m)
{
	int err;

	if (s->control < 0)
		return;
	m->seq = ++s->seq;
	err = msg_send(s->control, m, -1);
	/* Control asks again for what it misses. */
	if (err && err != -EPIPE && err != -ECONNRESET)
		log_limited(&s->bad, LOG_LVL_WARN, "cannot tell control %s: %s",
			    msg_type_name(m->type), strerror(-err));
}

static void tell_held(struct signer *s, const struct held *k)
{
	struct msg m = {.type = MSG_KEY_HELD, .key_held = k->said};

	if (k->said.key)
		tell(s, &m);
}

/* A whole key, or NULL with errno: EKEYREJECTED when the file has none that signs here. */
static struct sign_key *key_read(int fd)
{
	static uint8_t text[KEY_FILE_MAX];
	struct sign_key *k = NULL;
	size_t len = 0;
	ssize_t n;

	while ((n = pread(fd, text + len, sizeof(text) - len, (off_t)len)) > 0)
		len += (size_t)n;
	if (n == 0 && len < sizeof(text))
		k = sign_key_load(text, len);
	secret_wipe(text, sizeof(text));
	errno = k ? 0 : n < 0 ? errno : EKEYREJECTED;
	return k;
}

/* A file that is wrong takes nothing away: the key that is held goes on signing, until it is said to
 * be forgotten. */
static void key_take(struct signer *s, const struct msg_key_give *give, int fd)
{
	struct held *k = &s->keys[give->key - 1];
	struct sign_key *key = fd < 0 ? NULL : key_read(fd);
	int err = give->error ? give->error : key ? 0 : errno;
	struct msg_key_held said = {.key = give->key, .error = (uint16_t)err};

	memcpy(said.where, give->where, sizeof(said.where));
	if (key) {
		said.schemes = sign_key_schemes(key);
		said.public.len =
			(uint16_t)sign_key_public(key, said.public.b, sizeof(said.public.b));
		if (!said.public.len) {
			said = (struct msg_key_held){.key = give->key, .error = EKEYREJECTED};
			sign_key_free(key);
			key = NULL;
		}
	}
	k->said = err == ENOKEY ? (struct msg_key_held){0} : said;
	if (key || err == ENOKEY) {
		sign_key_free(k->key);
		k->key = key;
	}
	tell_held(s, k);
}

static void sign(struct signer *s, const struct msg_sign *q)
{
	struct msg m = {.type = MSG_SIGNED, .sign_done = {.id = q->id, .key = q->key}};
	struct msg_blob *sig = &m.sign_done.signature;
	const struct held *k = q->key <= ROLE_KEYS_MAX ? &s->keys[q->key - 1] : NULL;
	size_t len = sizeof(sig->b);
	int err = -ENOKEY;

	if (k && k->key)
		err = q->scheme < SIGN_SCHEME_COUNT
			      ? sign_make(k->key, q->scheme, q->data.b, q->data.len, sig->b, &len)
			      : -EINVAL;
	m.sign_done.error = (uint16_t)-err;
	sig->len = err ? 0 : (uint16_t)len;
	tell(s, &m);
}

static bool parent_said(struct signer *s, const struct msg *m, int *fd)
{
	switch (m->type) {
	case MSG_KEY_GIVE:
		if (m->key_give.key > ROLE_KEYS_MAX)
			return false;
		key_take(s, &m->key_give, *fd);
		return true;
	case MSG_SIGNER_LINK:
		if (s->control >= 0)
			close(s->control);
		s->control = *fd;
		*fd = -1;
		for (unsigned i = 0; i < ROLE_KEYS_MAX; i++)
			tell_held(s, &s->keys[i]);
		return true;
	default:
		return false;
	}
}

static void parent_read(struct signer *s)
{
	struct msg m;
	int fd, got;

	while ((got = msg_recv(s->parent, &m, &fd)) != 0) {
		if (got == -EPIPE) {
			s->stop = true;
			return;
		}
		if (got < 0 || !parent_said(s, &m, &fd))
			log_limited(&s->bad, LOG_LVL_ERROR, "the parent sent %s; dropped it",
				    got < 0 ? "something that is no message"
					    : msg_type_name(m.type));
		if (fd >= 0)
			close(fd);
	}
}

/* Whether another signature may be made now. */
static bool allowed(const struct signer *s, uint64_t now)
{
	return s->full_at <= now + (SIGN_BURST - 1) * SIGN_EVERY_NS;
}

static void control_read(struct signer *s, uint64_t now)
{
	struct msg m;
	int fd, got;

	for (int i = 0; i < MESSAGES_AT_ONCE && allowed(s, now); i++) {
		got = msg_recv(s->control, &m, &fd);
		if (got == 0)
			return;
		if (got == -EPIPE) {
			close(s->control);
			s->control = -1;
			return;
		}
		if (fd >= 0)
			close(fd); /* nothing that comes this way has one */
		/* What is no message costs as much: it is how the rest is bounded too. */
		s->full_at = (s->full_at > now ? s->full_at : now) + SIGN_EVERY_NS;
		if (got == 1 && m.type == MSG_SIGN)
			sign(s, &m.sign);
		else
			log_limited(&s->bad, LOG_LVL_ERROR, "control sent %s; dropped it",
				    got < 0 ? "something that is no message"
					    : msg_type_name(m.type));
		secret_wipe(&m, sizeof(m));
	}
}

static void signer_loop(struct signer *s)
{
	while (!s->stop) {
		uint64_t now = clock_now();
		/* Control waits in its queue while the allowance is used up. */
		bool hear = allowed(s, now);
		struct pollfd fds[] = {
			{.fd = s->signals, .events = POLLIN},
			{.fd = s->parent, .events = POLLIN},
			{.fd = hear ? s->control : -1, .events = POLLIN},
		};

		if (poll(fds, 3, hear ? -1 : (int)(SIGN_EVERY_NS / NS_PER_MS)) < 0 &&
		    errno != EINTR)
			return;
		if (fds[0].revents)
			s->stop |= role_told_to_end(s->signals);
		if (fds[1].revents)
			parent_read(s);
		if (fds[2].revents && s->control == fds[2].fd)
			control_read(s, clock_now());
	}
}

int signer_main(const struct role_args *args)
{
	static struct signer s = {
		.parent = ROLE_FD_LINK, .control = -1, .bad = LOG_LIMIT(10, NS_PER_S)};

	(void)args;
	s.signals = role_signals_open();
	if (s.signals < 0) {
		log_error("cannot start: %m");
		return 1;
	}
	signer_loop(&s);
	for (unsigned i = 0; i < ROLE_KEYS_MAX; i++)
		sign_key_free(s.keys[i].key);
	if (s.control >= 0)
		close(s.control);
	return ROLE_EXIT_OK;
}
