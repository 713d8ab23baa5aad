/* `genkey`: lines for the secrets directory, one key or a whole chain. Needs no file and no daemon. */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/secret.h"
#include "base/utc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define DAY_NS (86400 * NS_PER_S)
#define OVERLAP_NS DAY_NS /* a key of a chain ends so long after the next begins */
#define KEYS_MAX 12       /* of one chain (docs/cli.md, Secrets) */

static int random_hex(char *dst, size_t bytes)
{
	uint8_t b[32];

	if (bytes > sizeof(b) || getrandom(b, bytes, 0) != (ssize_t)bytes)
		return -EIO;
	for (size_t i = 0; i < bytes; i++)
		sprintf(dst + 2 * i, "%02x", b[i]);
	secret_wipe(b, sizeof(b));
	return 0;
}

struct wanted {
	size_t bytes;
	uint64_t start, end, every_days, count; /* 0: not given */
};

static bool number_word(const char *word, uint64_t max, uint64_t *v)
{
	char *end;

	errno = 0;
	*v = strtoull(word, &end, 10);
	return *word >= '1' && *word <= '9' && !*end && !errno && *v <= max;
}

/* What is wrong with the words, or NULL. *at: the one it is about. */
static const char *words_read(struct wanted *w, int argc, char **argv, const char **at)
{
	int i = 0;

	*w = (struct wanted){.bytes = 32};
	if (argc && (!strcmp(argv[0], "128") || !strcmp(argv[0], "256")))
		w->bytes = strcmp(argv[i++], "128") ? 32 : 16;
	for (; i < argc; i += 2) {
		const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
		uint64_t *time = !strcmp(word, "start") ? &w->start : &w->end;

		*at = word;
		if (!strcmp(word, "start") || !strcmp(word, "end")) {
			if (!utc_parse(value, strlen(value), time))
				return "wants a time as 2027-01-31T00:00:00Z, in UTC";
		} else if (!strcmp(word, "every")) {
			if (!number_word(value, 3660, &w->every_days))
				return "wants a number of days";
		} else if (!strcmp(word, "count")) {
			if (!number_word(value, KEYS_MAX, &w->count))
				return "wants a number from 1 to 12";
		} else {
			return i ? "expected start, end, every or count"
				 : "128 or 256 bits, or start, end, every or count";
		}
	}
	*at = "count";
	if (w->count > 1 && (!w->start || !w->every_days))
		return "keys that follow each other need `start` and `every` too";
	*at = "end";
	return w->end && w->end <= w->start ? "is not after the start" : NULL;
}

/* Key number i of the chain: it starts when it is due, and ends when the next is well in use. */
static bool key_line(const struct cli *c, const struct wanted *w, uint64_t i)
{
	uint64_t count = w->count ? w->count : 1, every = w->every_days * DAY_NS;
	uint64_t start = w->start ? w->start + i * every : 0;
	uint64_t end = i + 1 < count ? start + every + OVERLAP_NS : w->end;
	char ckn[33], cak[65], text[UTC_TEXT_LEN + 1];

	if (random_hex(ckn, 16) < 0 || random_hex(cak, w->bytes) < 0) {
		fputs("myelin: no randomness to be had\n", c->err);
		return false;
	}
	fprintf(c->out, "%s %s", ckn, cak);
	secret_wipe(cak, sizeof(cak));
	if (start)
		fprintf(c->out, " start %s", utc_print(start, text));
	if (end)
		fprintf(c->out, " end %s", utc_print(end, text));
	fputc('\n', c->out);
	return true;
}

/* `myelin genkey > /etc/myelin/secrets/core-cak` */
static int genkey_run(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct wanted w;
	const char *at = NULL, *wrong = words_read(&w, argc, argv, &at);

	if (wrong)
		return cli_usage(c, cmd, "`%s`: %s", at, wrong);
	for (uint64_t i = 0; i < (w.count ? w.count : 1); i++)
		if (!key_line(c, &w, i))
			return CLI_FAILED;
	return fflush(c->out) == 0 ? CLI_OK : CLI_FAILED;
}

const struct cli_command cli_genkey_commands[] = {
	{"genkey", "[128|256] [start TIME] [end TIME] [every DAYS] [count N]",
	 "make a key chain for MKA: CKNs and CAKs, one after the other", 0, 9, false, genkey_run},
	{},
};
