/* `show events`: what happened on a node, and with --follow what happens. */
#include "cli/cli.h"

#include "base/js.h"
#include "cli/client.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FOLLOW_US 500000

static const char *text_or(const struct js *o, const char *key, const char *none)
{
	const char *s = js_text(o, key);

	return s ? s : none;
}

/* An event's line: when by this machine's clock, what, where, and who. */
static void event_print(const struct js *e, FILE *out)
{
	const char *time = text_or(e, "time", ""), *overlay = js_text(e, "overlay");
	const char *severity = text_or(e, "severity", "info"), *peer = js_text(e, "peer");
	bool colour = isatty(fileno(out)) && !getenv("NO_COLOR") && strcmp(severity, "info") != 0;
	char local[32] = "?";
	struct tm tm = {};
	time_t t;

	if (strptime(time, "%Y-%m-%dT%H:%M:%S", &tm)) {
		t = timegm(&tm);
		localtime_r(&t, &tm);
		strftime(local, sizeof(local), "%Y-%m-%d %H:%M:%S", &tm);
	}
	fprintf(out, "%s %s%-21s%s ", local,
		!colour            ? ""
		: *severity == 'e' ? "\033[31m"
				   : "\033[33m",
		text_or(e, "event", "?"), colour ? "\033[0m" : "");
	if (overlay)
		fprintf(out, "%s: ", overlay);
	fputs(text_or(e, "text", ""), out);
	if (peer)
		fprintf(out, " (%s)", peer);
	fputc('\n', out);
}

static void events_print(const struct cli *c, const struct js *answer, bool follow)
{
	const struct js *list = js_get(answer, "events");

	if (c->json && !follow) {
		char *text = js_print(answer, true, NULL);

		fprintf(c->out, "%s\n", text);
		free(text);
		return;
	}
	for (size_t i = 0; i < js_len(list); i++) {
		if (c->json) {
			char *text = js_print(js_at(list, i), false, NULL);

			fprintf(c->out, "%s\n", text);
			free(text);
		} else {
			event_print(js_at(list, i), c->out);
		}
	}
	if (!js_len(list) && !follow)
		fputs("none\n", c->out);
}

/* All there are, then with --follow those to come, one JSON document a line with --json. */
static int events_run(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	bool follow = argc && !strcmp(argv[0], "--follow");
	uint64_t last = 0;
	char request[64];

	if (argc && !follow)
		return cli_usage(c, cmd, "no option `%s`", argv[0]);
	do {
		struct js *answer;

		snprintf(request, sizeof(request), "show events %llu", (unsigned long long)last);
		answer = client_ask(c, request);
		if (!answer)
			return CLI_FAILED;
		if (js_u64(answer, "last") < last) {
			last = 0; /* another daemon, which counts from 1 */
		} else {
			events_print(c, answer, follow);
			last = js_u64(answer, "last");
		}
		js_free(answer);
		if (fflush(c->out) != 0)
			return CLI_FAILED;
	} while (follow && usleep(FOLLOW_US) == 0);
	return CLI_OK;
}

static const struct cli_option events_opts[] = {
	{"--follow", NULL, "go on with what happens; with --json one document a line"},
	{},
};

const struct cli_command cli_events_commands[] = {
	{"show events", "", "what happened, the last of it", 0, 1, true, events_run, events_opts},
	{},
};
