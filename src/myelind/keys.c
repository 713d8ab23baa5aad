#include "myelind/keys.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void key_forget(struct keys *k, unsigned i, const struct keys_say *say)
{
	const struct msg m = {
		.type = MSG_KEY_GIVE,
		.key_give = {.key = (uint16_t)(i + 1), .error = ENOKEY},
	};

	if (k->v[i].authority[0])
		say->signer(say->ctx, &m, -1);
	memset(&k->v[i], 0, sizeof(k->v[i]));
}

void keys_begin(struct keys *k)
{
	for (unsigned i = 0; i < ROLE_KEYS_MAX; i++)
		k->v[i].named = false;
}

bool keys_want(struct keys *k, const struct msg_key_want *want, const struct keys_say *say)
{
	unsigned i = want->key - 1u;

	if (want->key > ROLE_KEYS_MAX)
		return false;
	/* What another authority's was is never used for this one. */
	if (strcmp(k->v[i].authority, want->authority) != 0)
		key_forget(k, i, say);
	memcpy(k->v[i].authority, want->authority, sizeof(want->authority));
	k->v[i].named = true;
	return true;
}

void keys_done(struct keys *k, const struct keys_say *say)
{
	for (unsigned i = 0; i < ROLE_KEYS_MAX; i++)
		if (!k->v[i].named)
			key_forget(k, i, say);
}

bool keys_any(const struct keys *k)
{
	for (unsigned i = 0; i < ROLE_KEYS_MAX; i++)
		if (k->v[i].authority[0])
			return true;
	return false;
}

void keys_give(const struct keys *k, uint16_t key, const struct files *f,
	       const struct keys_say *say)
{
	struct msg m = {.type = MSG_KEY_GIVE, .key_give = {.key = key}};
	int fd = files_open_key(f, k->v[key - 1].authority, m.key_give.where);

	files_where_print(m.key_give.where);
	if (fd < 0)
		m.key_give.error = (uint16_t)-fd;
	say->signer(say->ctx, &m, fd);
	if (fd >= 0)
		close(fd);
}

void keys_give_all(const struct keys *k, const struct files *f, const struct keys_say *say)
{
	for (uint16_t i = 0; i < ROLE_KEYS_MAX; i++)
		if (k->v[i].authority[0])
			keys_give(k, (uint16_t)(i + 1), f, say);
}
