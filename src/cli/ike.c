/*
 * What the client says of IKE and its tunnels: `show ike`, the ESP part of `show sa`, `show keys`,
 * and `up`, `down` and `rekey`, which ask the daemon and wait until it is so.
 */
#include "cli/ike.h"

#include "base/js.h"
#include "cli/client.h"
#include "cli/table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOKS 50 /* at `show ike`, a fifth of a second apart: ten seconds */

static const char *text_or(const struct js *o, const char *key, const char *none)
{
	const char *s = js_text(o, key);

	return s ? s : none;
}

static void cell_text(struct table *t, const struct js *o, const char *key)
{
	table_cell(t, "%s", text_or(o, key, "-"));
}

static bool is(const struct js *o, const char *key, const char *value)
{
	return strcmp(text_or(o, key, ""), value) == 0;
}

static void cell_seconds(struct table *t, const struct js *o, const char *key)
{
	char b[24];

	if (js_get(o, key))
		table_cell(t, "%s", table_age(js_u64(o, key), b));
	else
		table_cell(t, "-");
}

static void cell_count(struct table *t, const struct js *o, const char *key)
{
	char b[16];

	table_cell(t, "%s", table_count(js_u64(o, key), b));
}

/* A good state in plain, anything else so that it is seen. */
static void cell_state(struct table *t, const char *state, const char *good)
{
	if (strcmp(state, good) == 0)
		table_cell(t, "%s", state);
	else
		table_warn(t, "%s", state);
}

/* show ike */

static void row_sa(struct table *t, const struct js *peer, const struct js *sa)
{
	cell_text(t, peer, "overlay");
	cell_text(t, peer, "peer");
	cell_state(t, text_or(peer, "state", "?"), "up");
	cell_text(t, sa, "state");
	cell_text(t, sa, "role");
	cell_text(t, sa, "local");
	cell_text(t, sa, "remote");
	table_cell(t, "%s%s", text_or(sa, "nat", "-"), js_bool(sa, "udp") ? ", UDP" : "");
	table_cell(t, "%s%s", text_or(sa, "auth", "-"), js_bool(sa, "ppk") ? ", ppk" : "");
	cell_seconds(t, sa, "age");
	cell_seconds(t, sa, "rekey-in");
	table_cell(t, "%zu", js_len(js_get(sa, "children")));
	cell_text(t, sa, "suite");
}

static void reasons_print(const struct js *peers, FILE *out)
{
	for (size_t i = 0; i < js_len(peers); i++) {
		const struct js *p = js_at(peers, i);
		char age[24] = "", next[24] = "";

		if (!js_text(p, "reason"))
			continue;
		if (js_get(p, "reason-age"))
			table_age(js_u64(p, "reason-age"), age);
		if (js_get(p, "next-in"))
			table_age(js_u64(p, "next-in"), next);
		fprintf(out, "\n%s/%s: %s%s%s%s%s%s%s\n", text_or(p, "overlay", "?"),
			text_or(p, "peer", "?"), js_text(p, "reason"), age[0] ? " (" : "", age,
			age[0] ? " ago)" : "", next[0] ? "; tried again in " : "", next, "");
	}
}

void ike_table_print(const struct js *answer, FILE *out)
{
	const struct js *peers = js_get(answer, "peers");
	struct table *t = table_new("overlay|peer|state|IKE SA|role|local|remote|NAT|auth|age|"
				    "rekey in|>children|suite");

	for (size_t i = 0; i < js_len(peers); i++) {
		const struct js *p = js_at(peers, i), *sas = js_get(p, "sas");

		for (size_t k = 0; k < js_len(sas); k++)
			row_sa(t, p, js_at(sas, k));
		if (!js_len(sas))
			row_sa(t, p, NULL);
	}
	table_print(t, out);
	table_free(t);
	reasons_print(peers, out);
}

static void seconds_print(const struct js *o, const char *key, const char *words, FILE *out)
{
	char b[24];

	if (js_get(o, key))
		fprintf(out, "%s%s", words, table_age(js_u64(o, key), b));
}

static void sa_detail(const struct js *o, FILE *out)
{
	const struct js *children = js_get(o, "children");

	fprintf(out, "  IKE SA %s %s, %s, %s\n", text_or(o, "spi-initiator", "?"),
		text_or(o, "spi-responder", "?"), text_or(o, "role", "?"),
		text_or(o, "state", "?"));
	fprintf(out, "    from %s to %s, NAT: %s%s\n", text_or(o, "local", "?"),
		text_or(o, "remote", "?"), text_or(o, "nat", "?"),
		js_bool(o, "udp") ? ", ESP in UDP" : "");
	fprintf(out, "    peer is %s, proved by %s%s\n", text_or(o, "identity", "not known yet"),
		text_or(o, "auth", "?"),
		js_bool(o, "ppk") ? ", with a post-quantum pre-shared key" : "");
	fprintf(out, "    %s%s\n", text_or(o, "suite", "no suite yet"),
		js_bool(o, "fragments") ? ", takes fragments" : "");
	seconds_print(o, "age", "    up for ", out);
	seconds_print(o, "heard", ", heard before ", out);
	seconds_print(o, "rekey-in", ", rekeyed in ", out);
	seconds_print(o, "reauth-in", ", reauthenticated in ", out);
	fputc('\n', out);
	for (size_t i = 0; i < js_len(children); i++) {
		const struct js *c = js_at(children, i);

		fprintf(out, "    child in %s, out %s: %s, %s mode%s, %s",
			text_or(c, "spi-in", "?"), text_or(c, "spi-out", "?"),
			text_or(c, "suite", "?"), text_or(c, "mode", "?"),
			js_bool(c, "esn") ? ", ESN" : "", text_or(c, "state", "?"));
		seconds_print(c, "age", ", age ", out);
		seconds_print(c, "rekey-in", ", rekeyed in ", out);
		fputc('\n', out);
	}
}

void ike_detail_print(const struct js *answer, FILE *out)
{
	const struct js *peers = js_get(answer, "peers");

	for (size_t i = 0; i < js_len(peers); i++) {
		const struct js *p = js_at(peers, i), *sas = js_get(p, "sas");

		fprintf(out, "%speer %s of overlay %s by port %s: %s\n", i ? "\n" : "",
			text_or(p, "peer", "?"), text_or(p, "overlay", "?"),
			text_or(p, "port", "?"), text_or(p, "state", "?"));
		if (js_text(p, "reason"))
			fprintf(out, "  %s", js_text(p, "reason"));
		if (js_text(p, "reason")) {
			seconds_print(p, "reason-age", "\n  since ", out);
			seconds_print(p, "next-in", "\n  tried again in ", out);
			fputc('\n', out);
		}
		for (size_t k = 0; k < js_len(sas); k++)
			sa_detail(js_at(sas, k), out);
	}
	if (!js_len(peers))
		fputs("none\n", out);
}

static struct js *ask(const struct cli *c, const char *words, const char *arg, const char *more)
{
	char request[256];

	snprintf(request, sizeof(request), "%s%s%s%s%s", words, arg ? " " : "", arg ? arg : "",
		 more ? " " : "", more ? more : "");
	return client_ask(c, request);
}

static void json_print(const struct cli *c, const struct js *answer)
{
	char *text = js_print(answer, true, NULL);

	fprintf(c->out, "%s\n", text);
	free(text);
}

static int ike_run(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct js *answer = ask(c, cmd->words, argc ? argv[0] : NULL, NULL);

	if (!answer)
		return CLI_FAILED;
	if (c->json)
		json_print(c, answer);
	else if (argc)
		ike_detail_print(answer, c->out);
	else
		ike_table_print(answer, c->out);
	js_free(answer);
	return fflush(c->out) == 0 ? CLI_OK : CLI_FAILED;
}

/* show sa */

void ike_esp_print(const struct js *list, FILE *out)
{
	struct table *t = table_new("overlay|peer|spi in|spi out|suite|mode|state|age|rekey in|"
				    ">in|>out|>replays|>dropped|>window|local|remote");

	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *o = js_at(list, i);
		char b[16];

		cell_text(t, o, "overlay");
		cell_text(t, o, "peer");
		cell_text(t, o, "spi-in");
		cell_text(t, o, "spi-out");
		table_cell(t, "%s%s", text_or(o, "suite", "-"), js_bool(o, "esn") ? ", ESN" : "");
		table_cell(t, "%s%s", text_or(o, "mode", "-"), js_bool(o, "udp") ? ", UDP" : "");
		cell_state(t, text_or(o, "state", "?"), "used");
		cell_seconds(t, o, "age");
		cell_seconds(t, o, "rekey-in");
		cell_count(t, o, "packets-in");
		cell_count(t, o, "packets-out");
		cell_count(t, o, "replays");
		table_cell(t, "%s",
			   table_count(js_u64(o, "not-valid") + js_u64(o, "not-selected") +
					       js_u64(o, "malformed"),
				       b));
		cell_count(t, o, "window");
		cell_text(t, o, "local");
		cell_text(t, o, "remote");
	}
	table_print(t, out);
	table_free(t);
}

/* show keys */

static const char *const tables[][2] = {{"ike", "ikev2_decryption_table"}, {"esp", "esp_sa"}};

static void lines_print(const struct js *list, FILE *out)
{
	for (size_t i = 0; i < js_len(list); i++)
		fprintf(out, "%s\n", js_value_text(js_at(list, i)));
}

static int keys_run(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct js *answer;
	int which = -1;

	for (int i = 0; argc && i < 2; i++)
		which = strcmp(argv[0], tables[i][0]) == 0 ? i : which;
	if (argc && which < 0)
		return cli_usage(c, cmd, "`%s` is neither ike nor esp", argv[0]);
	answer = client_ask(c, cmd->words);
	if (!answer)
		return CLI_FAILED;
	if (c->json)
		json_print(c, answer);
	for (int i = 0; i < 2 && !c->json; i++) {
		if (which >= 0 && which != i)
			continue;
		if (which < 0)
			fprintf(c->out, "# %s\n", tables[i][1]);
		lines_print(js_get(answer, tables[i][1]), c->out);
	}
	js_free(answer);
	return fflush(c->out) == 0 ? CLI_OK : CLI_FAILED;
}

/* up, down, rekey */

enum wish { BE_UP, BE_DOWN, NEW_CHILD, NEW_IKE };

/* Whether an answer has that SPI. */
static bool had(const struct js *before, const char *spi)
{
	const struct js *peers = js_get(before, "peers");

	for (size_t i = 0; i < js_len(peers); i++) {
		const struct js *sas = js_get(js_at(peers, i), "sas");

		for (size_t k = 0; k < js_len(sas); k++) {
			const struct js *children = js_get(js_at(sas, k), "children");

			if (is(js_at(sas, k), "spi-initiator", spi))
				return true;
			for (size_t n = 0; n < js_len(children); n++)
				if (is(js_at(children, n), "spi-in", spi))
					return true;
		}
	}
	return false;
}

/* A peer has something that it had not before, and it is at work. */
static bool renewed(const struct js *sas, const struct js *before, enum wish w)
{
	for (size_t k = 0; k < js_len(sas); k++) {
		const struct js *sa = js_at(sas, k), *children = js_get(sa, "children");

		if (w == NEW_IKE && is(sa, "state", "established") &&
		    !had(before, text_or(sa, "spi-initiator", "")))
			return true;
		for (size_t n = 0; w == NEW_CHILD && n < js_len(children); n++)
			if (is(js_at(children, n), "state", "used") &&
			    !had(before, text_or(js_at(children, n), "spi-in", "")))
				return true;
	}
	return false;
}

static bool fulfilled(const struct js *peer, const struct js *before, enum wish w)
{
	switch (w) {
	case BE_UP:
		return is(peer, "state", "up");
	case BE_DOWN:
		return !js_len(js_get(peer, "sas"));
	default:
		return renewed(js_get(peer, "sas"), before, w);
	}
}

static bool all_fulfilled(const struct js *now, const struct js *before, enum wish w)
{
	const struct js *peers = js_get(now, "peers");

	for (size_t i = 0; i < js_len(peers); i++)
		if (!fulfilled(js_at(peers, i), before, w))
			return false;
	return true;
}

static void outcome_print(const struct cli *c, const struct js *now, const struct js *before,
			  enum wish w)
{
	static const char *const words[] = {[BE_UP] = "up",
					    [BE_DOWN] = "down, and held down until `up`",
					    [NEW_CHILD] = "has new ESP keys",
					    [NEW_IKE] = "has a new IKE SA"};
	const struct js *peers = js_get(now, "peers");

	for (size_t i = 0; i < js_len(peers); i++) {
		const struct js *p = js_at(peers, i);

		if (fulfilled(p, before, w))
			fprintf(c->out, "%s/%s: %s\n", text_or(p, "overlay", "?"),
				text_or(p, "peer", "?"), words[w]);
		else
			fprintf(c->err, "%s/%s: not done within 10 s, %s%s%s\n",
				text_or(p, "overlay", "?"), text_or(p, "peer", "?"),
				text_or(p, "state", "?"), js_text(p, "reason") ? ": " : "",
				text_or(p, "reason", ""));
	}
}

static enum wish wish_of(const char *command, const char *what)
{
	if (strcmp(command, "rekey") != 0)
		return strcmp(command, "up") == 0 ? BE_UP : BE_DOWN;
	return !what || strcmp(what, "child") == 0 ? NEW_CHILD : NEW_IKE;
}

static int act_run(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	enum wish w = wish_of(cmd->words, argc > 1 ? argv[1] : NULL);
	const struct cli quiet = {.node = c->node, .out = c->out, .err = fopen("/dev/null", "w")};
	struct js *before = quiet.err ? ask(&quiet, "show ike", argv[0], NULL) : NULL, *now = NULL;
	struct js *answer = ask(c, cmd->words, argv[0], argc > 1 ? argv[1] : NULL);
	bool done = false;

	if (quiet.err)
		fclose(quiet.err);
	for (int i = 0; answer && !done && i < LOOKS; i++) {
		js_free(now);
		now = ask(c, "show ike", argv[0], NULL);
		if (!now)
			break;
		done = all_fulfilled(now, before, w);
		if (!done)
			nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
	}
	if (now && c->json)
		json_print(c, now);
	else if (now)
		outcome_print(c, now, before, w);
	js_free(before);
	js_free(answer);
	js_free(now);
	return fflush(c->out) == 0 && done ? CLI_OK : CLI_FAILED;
}

const struct cli_command cli_ike_commands[] = {
	{"show ike", "[PEER]", "IKE SAs, and why a tunnel is down; of one peer with everything", 0,
	 1, false, ike_run},
	{"show keys", "[ike|esp]", "keys for Wireshark, where `ike { debug key-log; }` keeps them",
	 0, 1, false, keys_run},
	{"up", "PEER", "bring the tunnel to a peer up, and say why not", 1, 1, false, act_run},
	{"down", "PEER", "close it, and hold it down", 1, 1, false, act_run},
	{"rekey", "PEER [child|ike|reauth]", "new ESP keys, a new IKE SA, or both from the start",
	 1, 2, false, act_run},
	{},
};
