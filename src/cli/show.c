/* `show …`: asks the daemon; prints its answer as it is, or as tables for people. */
#include "cli/cli.h"

#include "base/js.h"
#include "cli/client.h"
#include "cli/ike.h"
#include "cli/routes.h"
#include "cli/table.h"

#include <stdlib.h>
#include <string.h>

typedef void print_fn(const struct js *answer, FILE *out);

static const char *text_or(const struct js *o, const char *key, const char *none)
{
	const char *s = js_text(o, key);

	return s ? s : none;
}

static void cell_text(struct table *t, const struct js *o, const char *key)
{
	table_cell(t, "%s", text_or(o, key, "-"));
}

static void cell_number(struct table *t, const struct js *o, const char *key)
{
	if (js_get(o, key))
		table_cell(t, "%llu", (unsigned long long)js_u64(o, key));
	else
		table_cell(t, "-");
}

static void cell_count(struct table *t, const struct js *o, const char *key)
{
	char b[16];

	table_cell(t, "%s", table_count(js_u64(o, key), b));
}

static void cell_age(struct table *t, const struct js *o, const char *key)
{
	char b[24];

	if (js_get(o, key))
		table_cell(t, "%s", table_age(js_u64(o, key), b));
	else
		table_cell(t, "-");
}

/* A key identifier in short: its last four bytes are the key number, what people compare. */
static void cell_key(struct table *t, const struct js *o)
{
	const char *id = js_text(o, "key-id");

	if (!id || strlen(id) != 32)
		table_cell(t, "-");
	else
		table_cell(t, "%.8s…%s", id, id + 24);
}

/* "ok" in plain, anything else so that it is seen. */
static void cell_state(struct table *t, const struct js *o, const char *ok)
{
	const char *s = text_or(o, "state", "?");

	if (strcmp(s, ok) == 0)
		table_cell(t, "%s", s);
	else
		table_warn(t, "%s", s);
}

/* One line under a table for every row that has a reason. */
static void reasons_print(const struct js *list, const char *name, FILE *out)
{
	for (size_t i = 0; i < js_len(list); i++) {
		const char *why = js_text(js_at(list, i), "reason");

		if (why)
			fprintf(out, "\n%s: %s\n", text_or(js_at(list, i), name, "?"), why);
	}
}

static void overlays_print(const struct js *answer, FILE *out)
{
	const struct js *list = js_get(answer, "overlays");
	struct table *t =
		table_new("overlay|keying|port|address|>mtu|state|cipher|key age|>peers live");

	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *o = js_at(list, i);

		cell_text(t, o, "overlay");
		cell_text(t, o, "keying");
		cell_text(t, o, "port");
		cell_text(t, o, "address");
		cell_number(t, o, "mtu");
		cell_state(t, o, "secured");
		cell_text(t, o, "cipher");
		cell_age(t, o, "key-age");
		table_cell(t, "%llu of %llu", (unsigned long long)js_u64(o, "peers-live"),
			   (unsigned long long)(js_u64(o, "members") - (js_u64(o, "members") > 0)));
	}
	table_print(t, out);
	table_free(t);
	reasons_print(list, "overlay", out);
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *open = js_get(js_at(list, i), "open");

		for (size_t k = 0; k < js_len(open); k++) {
			fprintf(out, "\n%s: ", text_or(js_at(list, i), "overlay", "?"));
			table_loud(out, "OPEN: %s", js_value_text(js_at(open, k)));
			fputc('\n', out);
		}
	}
}

static void peers_print(const struct js *answer, FILE *out)
{
	const struct js *list = js_get(answer, "peers");
	struct table *t = table_new("overlay|peer|sci|state|role|cipher|an|key|key age|>in|>out");

	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *o = js_at(list, i);

		cell_text(t, o, "overlay");
		cell_text(t, o, "peer");
		cell_text(t, o, "sci");
		cell_state(t, o, "live");
		table_cell(t, "%s", js_bool(o, "key-server") ? "key server" : "");
		cell_text(t, o, "cipher");
		cell_number(t, o, "an");
		cell_key(t, o);
		cell_age(t, o, "key-age");
		cell_count(t, o, "packets-in");
		cell_count(t, o, "packets-out");
	}
	table_print(t, out);
	table_free(t);
	reasons_print(list, "peer", out);
}

/* Without the part that all names share. */
static void cell_suites(struct table *t, const struct js *suites)
{
	static const char common[] = "GCM-AES-";
	char text[96] = "";
	size_t at = 0;

	for (size_t i = 0; i < js_len(suites) && at < sizeof(text); i++) {
		const char *name = js_value_text(js_at(suites, i));

		if (name && strncmp(name, common, sizeof(common) - 1) == 0)
			name += sizeof(common) - 1;
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i ? " " : "",
				       name ? name : "?");
	}
	table_cell(t, "%s", text);
}

static void caks_print(const struct js *list, FILE *out)
{
	struct table *t = table_new("CAK|of|state|start|end|>peers|key server");

	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *o = js_at(list, i);
		const char *state = text_or(o, "state", "?");
		char b[24];

		table_cell(t, "%.20s%s", text_or(o, "ckn", "?"),
			   strlen(text_or(o, "ckn", "")) > 20 ? ".." : "");
		table_cell(t, "%s%s", text_or(o, "secret", "?"),
			   js_bool(o, "fallback") ? " (fallback)" : "");
		if (js_u64(o, "overtime"))
			table_cell(t, "%s, %s overtime", state,
				   table_age(js_u64(o, "overtime"), b));
		else
			table_cell(t, "%s", state);
		table_cell(t, "%s", text_or(o, "start", "-"));
		table_cell(t, "%s", text_or(o, "end", "-"));
		cell_number(t, o, "peers-live");
		table_cell(t, "%s", text_or(o, "key-server-sci", "-"));
	}
	if (table_rows(t))
		table_print(t, out);
	table_free(t);
	reasons_print(list, "peer", out);
}

static void mka_one_print(const struct js *o, FILE *out)
{
	const struct js *dropped = js_get(o, "dropped"), *peers = js_get(o, "peers"), *v;
	struct table *t =
		table_new("peer|sci|member|>priority|state|>message|>heard|>version|suites");
	const char *name;

	fprintf(out, "overlay %s on port %s: %s\n", text_or(o, "overlay", "?"),
		text_or(o, "port", "?"), text_or(o, "state", "?"));
	fprintf(out, "  participant   %s, SCI %s, priority %llu, message %llu\n",
		text_or(o, "member-id", "?"), text_or(o, "sci", "?"),
		(unsigned long long)js_u64(o, "priority"),
		(unsigned long long)js_u64(o, "message-number"));
	fprintf(out, "  key server    %s%s\n", text_or(o, "key-server-sci", "none yet"),
		js_bool(o, "key-server") ? " (this node)" : "");
	fprintf(out, "  MKA           version %llu, room for %llu peers%s%s%s\n",
		(unsigned long long)js_u64(o, "version"),
		(unsigned long long)js_u64(o, "peers-max"),
		js_bool(o, "delay-protect") ? ", delay protection" : "",
		strcmp(text_or(o, "ssci-order", "auto"), "auto") == 0 ? "" : ", SSCIs by ",
		strcmp(text_or(o, "ssci-order", "auto"), "auto") == 0
			? ""
			: text_or(o, "ssci-order", ""));
	if (js_u64(o, "suspension-asked") || js_u64(o, "suspended"))
		fprintf(out, "  suspension    %llu s left%s\n",
			(unsigned long long)(js_u64(o, "suspended")
						     ? js_u64(o, "suspended")
						     : js_u64(o, "suspension-asked")),
			js_bool(o, "suspension-granted") ? ", granted to this node"
			: js_u64(o, "suspension-asked")  ? ", asked for, not granted yet"
							 : "");
	fprintf(out, "  MKPDUs        %llu in, %llu out, to %s under EtherType %s\n",
		(unsigned long long)js_u64(o, "mkpdus-in"),
		(unsigned long long)js_u64(o, "mkpdus-out"), text_or(o, "destination", "?"),
		text_or(o, "ethertype", "?"));
	if (js_text(o, "key-id")) {
		char b[24];

		fprintf(out, "  key           %s, AN %llu, %s, %s old, %llu so far\n",
			js_text(o, "key-id"), (unsigned long long)js_u64(o, "an"),
			text_or(o, "cipher", "?"), table_age(js_u64(o, "key-age"), b),
			(unsigned long long)js_u64(o, "keys"));
	}
	for (size_t i = 0; (v = js_member(dropped, i, &name)); i++)
		fprintf(out, "  dropped       %llu: %s\n", (unsigned long long)js_value_u64(v),
			name);
	caks_print(js_get(o, "caks"), out);
	for (size_t i = 0; i < js_len(peers); i++) {
		const struct js *p = js_at(peers, i);

		cell_text(t, p, "peer");
		cell_text(t, p, "sci");
		cell_text(t, p, "member-id");
		cell_number(t, p, "priority");
		cell_state(t, p, "live");
		cell_number(t, p, "message-number");
		table_cell(t, "%.1f s ago", (double)js_u64(p, "heard-ms") / 1000);
		cell_number(t, p, "version");
		cell_suites(t, js_get(p, "suites"));
	}
	if (table_rows(t))
		table_print(t, out);
	table_free(t);
	if (js_text(o, "reason"))
		fprintf(out, "  %s\n", js_text(o, "reason"));
}

static void mka_print(const struct js *answer, FILE *out)
{
	const struct js *list = js_get(answer, "participants");

	if (!js_len(list))
		fputs("none\n", out);
	for (size_t i = 0; i < js_len(list); i++) {
		if (i)
			fputc('\n', out);
		mka_one_print(js_at(list, i), out);
	}
}

static void open_join(const struct js *list, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = 0;
	for (size_t i = 0; i < js_len(list); i++) {
		const char *s = js_value_text(js_at(list, i));
		int k = snprintf(buf + n, size - n, "%s%s", n ? " " : "", s ? s : "?");

		if (k < 0 || (size_t)k >= size - n)
			return;
		n += (size_t)k;
	}
}

static void ports_print(const struct js *answer, FILE *out)
{
	const struct js *list = js_get(answer, "ports");
	struct table *t = table_new("port|side|interface|>vlan|mac|>mtu|io|state|open in clear|"
				    ">dropped in|>dropped out");

	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *o = js_at(list, i), *guard = js_get(o, "guard");
		char open[128];

		cell_text(t, o, "port");
		cell_text(t, o, "side");
		cell_text(t, o, "interface");
		if (js_u64(o, "vlan"))
			cell_number(t, o, "vlan");
		else
			table_cell(t, "-");
		cell_text(t, o, "mac");
		cell_number(t, o, "mtu");
		cell_text(t, o, "io");
		cell_state(t, o, "ready");
		open_join(js_get(o, "open"), open, sizeof(open));
		if (js_bool(o, "deviates"))
			table_warn(t, "%s", open);
		else
			table_cell(t, "%s", open);
		if (guard) {
			cell_count(t, guard, "ingress-dropped");
			cell_count(t, guard, "egress-dropped");
		} else {
			table_cell(t, "-");
			table_cell(t, "-");
		}
	}
	table_print(t, out);
	table_free(t);
	reasons_print(list, "port", out);
}

static void sa_print(const struct js *answer, FILE *out)
{
	const struct js *list = js_get(answer, "sas");
	struct table *t = table_new("overlay|direction|peer|sci|an|cipher|key|state|>next pn|age");

	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *o = js_at(list, i);

		cell_text(t, o, "overlay");
		cell_text(t, o, "direction");
		cell_text(t, o, "peer");
		cell_text(t, o, "sci");
		cell_number(t, o, "an");
		cell_text(t, o, "cipher");
		cell_key(t, o);
		cell_state(t, o, "installed");
		cell_number(t, o, "next-pn");
		cell_age(t, o, "age");
	}
	/* Where there are tunnels alone nobody asked for an empty table of MACsec's. */
	if (table_rows(t) || !js_len(js_get(answer, "esp")))
		table_print(t, out);
	if (table_rows(t) && js_len(js_get(answer, "esp")))
		fputc('\n', out);
	table_free(t);
	if (js_len(js_get(answer, "esp")))
		ike_esp_print(js_get(answer, "esp"), out);
}

static void set_print(const struct js *set, FILE *out)
{
	const struct js *v;
	const char *name;

	for (size_t i = 0; (v = js_member(set, i, &name)); i++)
		if (js_value_u64(v) && strcmp(name, "an") != 0)
			fprintf(out, "  %-28s %llu\n", name, (unsigned long long)js_value_u64(v));
}

static void counters_print(const struct js *answer, FILE *out)
{
	const struct js *list = js_get(answer, "secys");

	if (!js_len(list))
		fputs("none\n", out);
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *o = js_at(list, i), *scs = js_get(o, "channels");

		fprintf(out, "%soverlay %s, SCI %s\n", i ? "\n" : "", text_or(o, "overlay", "?"),
			text_or(o, "sci", "?"));
		set_print(js_get(o, "counters"), out);
		for (size_t k = 0; k < js_len(scs); k++) {
			const struct js *sc = js_at(scs, k);

			fprintf(out, " SC %s", text_or(sc, "sci", "?"));
			if (js_text(sc, "peer"))
				fprintf(out, " of %s", js_text(sc, "peer"));
			if (js_get(sc, "an"))
				fprintf(out, ", AN %llu", (unsigned long long)js_u64(sc, "an"));
			fputc('\n', out);
			set_print(sc, out);
		}
	}
	fputs("(counters that are zero are not shown; --json has all)\n", out);
}

static void version_print(const struct js *answer, FILE *out)
{
	char b[24];

	fprintf(out, "myelind %s, node %s of backbone %s (%s)\n", text_or(answer, "version", "?"),
		text_or(answer, "node", "?"), text_or(answer, "backbone", "?"),
		text_or(answer, "file", "?"));
	fprintf(out, "control up %s; forward %s, %llu started so far\n",
		table_age(js_u64(answer, "uptime"), b), text_or(answer, "forward", "?"),
		(unsigned long long)js_u64(answer, "forwards"));
}

static void names_print(const struct js *answer, const char *key, FILE *out)
{
	const struct js *list = js_get(answer, key);

	if (!js_len(list))
		return;
	fprintf(out, "overlays %s:", key);
	for (size_t i = 0; i < js_len(list); i++)
		fprintf(out, " %s", js_value_text(js_at(list, i)));
	fputc('\n', out);
}

static int reload_print(const struct cli *c, const struct js *answer)
{
	const struct js *errors = js_get(answer, "errors"), *changes = js_get(answer, "changes");

	for (size_t i = 0; i < js_len(errors); i++) {
		const struct js *o = js_at(errors, i);

		if (js_u64(o, "line"))
			fprintf(c->err, "%s:%llu:%llu: %s\n", text_or(o, "file", "?"),
				(unsigned long long)js_u64(o, "line"),
				(unsigned long long)js_u64(o, "column"), text_or(o, "text", "?"));
		else
			fprintf(c->err, "%s: %s\n", text_or(o, "file", "?"),
				text_or(o, "text", "?"));
	}
	if (js_len(errors)) {
		fprintf(c->err, "%zu error%s; what runs goes on\n", js_len(errors),
			js_len(errors) == 1 ? "" : "s");
		return CLI_FAILED;
	}
	for (size_t i = 0; i < js_len(changes); i++) {
		const struct js *o = js_at(changes, i);

		fprintf(c->out, "%s %s\n", text_or(o, "op", "?"), text_or(o, "statement", "?"));
	}
	if (js_bool(answer, "keys"))
		fputs("keys were read again\n", c->out);
	if (!js_len(changes) && !js_bool(answer, "keys"))
		fputs("nothing changed\n", c->out);
	names_print(answer, "added", c->out);
	names_print(answer, "changed", c->out);
	names_print(answer, "removed", c->out);
	names_print(answer, "kept", c->out);
	return CLI_OK;
}

static int reload_run(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct js *answer = client_ask(c, cmd->words);
	int rc = CLI_OK;

	(void)argc;
	(void)argv;
	if (!answer)
		return CLI_FAILED;
	if (c->json) {
		char *text = js_print(answer, true, NULL);

		fprintf(c->out, "%s\n", text);
		free(text);
		rc = js_bool(answer, "valid") ? CLI_OK : CLI_FAILED;
	} else {
		rc = reload_print(c, answer);
	}
	js_free(answer);
	return fflush(c->out) == 0 ? rc : CLI_FAILED;
}

static void config_print(const struct js *answer, FILE *out)
{
	fputs(text_or(answer, "config", ""), out);
}

static const struct {
	const char *words;
	print_fn *print;
} printers[] = {
	{"show overlays", overlays_print}, {"show peers", peers_print},
	{"show mka", mka_print},           {"show ports", ports_print},
	{"show macsec", sa_print},         {"show sa", sa_print},
	{"show counters", counters_print}, {"show version", version_print},
	{"show config", config_print},     {"show routes", routes_print},
};

static int show_run(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	char request[256];
	struct js *answer;

	snprintf(request, sizeof(request), "%s%s%s", cmd->words, argc ? " " : "",
		 argc ? argv[0] : "");
	answer = client_ask(c, request);
	if (!answer)
		return CLI_FAILED;
	if (c->json) {
		char *text = js_print(answer, true, NULL);

		fprintf(c->out, "%s\n", text);
		free(text);
	} else {
		for (size_t i = 0; i < sizeof(printers) / sizeof(printers[0]); i++)
			if (strcmp(printers[i].words, cmd->words) == 0)
				printers[i].print(answer, c->out);
	}
	js_free(answer);
	return fflush(c->out) == 0 ? CLI_OK : CLI_FAILED;
}

const struct cli_command cli_show_commands[] = {
	{"show overlays", "[OVERLAY]", "encrypted networks, and why one is closed", 0, 1, false,
	 show_run},
	{"show peers", "[OVERLAY]", "who is at the other ends, and their keys", 0, 1, false,
	 show_run},
	{"show mka", "[OVERLAY]", "key agreement: who, key server, drops", 0, 1, false, show_run},
	{"show macsec", "[OVERLAY]", "security associations", 0, 1, false, show_run},
	{"show sa", "[OVERLAY|PEER]", "the same, MACsec's and ESP's", 0, 1, false, show_run},
	{"show ports", "", "interfaces, guards, what passes in clear", 0, 0, false, show_run},
	{"show routes", "", "the kernel's routes, and which lead into overlays", 0, 0, false,
	 show_run},
	{"show counters", "[OVERLAY]", "the standard's counters", 0, 1, false, show_run},
	{"show version", "", "what runs here", 0, 0, false, show_run},
	{"show config", "", "the file that runs, as set lines", 0, 0, false, show_run},
	{"reload", "", "take up the file again, if it is good", 0, 0, false, reload_run},
	{},
};
