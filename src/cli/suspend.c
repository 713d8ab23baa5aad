/* `suspend [OVERLAY] SECONDS`: asks the daemon, and waits until it is granted what it asked for. */
#include "cli/cli.h"

#include "base/js.h"
#include "cli/client.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOKS 40 /* at `show mka`, a fifth of a second apart */

static const char *text_or(const struct js *o, const char *key, const char *none)
{
	const char *s = js_text(o, key);

	return s ? s : none;
}

/* The overlays that have not been granted what was asked for. */
static unsigned suspend_waits(const struct js *mka, const struct js *asked)
{
	const struct js *list = js_get(mka, "participants");
	unsigned n = 0;

	for (size_t i = 0; i < js_len(asked); i++)
		for (size_t k = 0; k < js_len(list); k++)
			n += strcmp(text_or(js_at(asked, i), "overlay", ""),
				    text_or(js_at(list, k), "overlay", "?")) == 0 &&
			     !js_bool(js_at(list, k), "suspension-granted");
	return n;
}

static void suspend_print(const struct js *mka, const struct js *asked, FILE *out)
{
	const struct js *list = js_get(mka, "participants");

	for (size_t i = 0; i < js_len(asked); i++)
		for (size_t k = 0; k < js_len(list); k++) {
			const struct js *o = js_at(list, k), *peers = js_get(o, "peers");

			if (strcmp(text_or(js_at(asked, i), "overlay", ""),
				   text_or(o, "overlay", "?")) != 0)
				continue;
			fprintf(out, "overlay %s: %s, %llu s left\n", text_or(o, "overlay", "?"),
				js_bool(o, "suspension-granted")
					? "suspended, this node may be away"
					: "asked, not granted: stay",
				(unsigned long long)js_u64(o, "suspension-asked"));
			for (size_t n = 0; n < js_len(peers); n++)
				if (!js_bool(js_at(peers, n), "can-suspend"))
					fprintf(out,
						"  %s does not know of suspension: it gives this "
						"node up after its MKA Life Time\n",
						text_or(js_at(peers, n), "peer", "?"));
		}
}

/* Asks, and waits for the key server's answer for as long as a peer's hello may take. */
static int suspend_run(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct js *answer, *mka = NULL;
	char request[256];
	unsigned waits = 0;
	int rc = CLI_OK;

	snprintf(request, sizeof(request), "%s %s%s%s", cmd->words, argv[0], argc > 1 ? " " : "",
		 argc > 1 ? argv[1] : "");
	answer = client_ask(c, request);
	if (!answer)
		return CLI_FAILED;
	for (unsigned i = 0; i < LOOKS && js_u64(answer, "seconds"); i++) {
		js_free(mka);
		mka = client_ask(c, "show mka");
		waits = mka ? suspend_waits(mka, js_get(answer, "suspensions")) : 1;
		if (!mka || !waits)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
	}
	if (waits)
		rc = CLI_FAILED;
	if (c->json) {
		char *text = js_print(mka ? mka : answer, true, NULL);

		fprintf(c->out, "%s\n", text);
		free(text);
	} else if (mka) {
		suspend_print(mka, js_get(answer, "suspensions"), c->out);
	} else {
		fputs("no suspension is asked for any more\n", c->out);
	}
	js_free(mka);
	js_free(answer);
	return fflush(c->out) == 0 ? rc : CLI_FAILED;
}

const struct cli_command cli_suspend_commands[] = {
	{"suspend", "[OVERLAY] SECONDS", "ask that this node may be away for so long; 0: no more",
	 1, 2, false, suspend_run},
	{},
};
