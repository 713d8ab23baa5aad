#include "cli/routes.h"

#include "cli/table.h"

static const char *text_or(const struct js *o, const char *key, const char *none)
{
	const char *s = js_text(o, key);

	return s ? s : none;
}

static unsigned long long number(const struct js *o, const char *key)
{
	return (unsigned long long)js_u64(o, key);
}

static void overlays_print(const struct js *list, FILE *out)
{
	struct table *t = table_new("overlay|>routes|>next hops reachable|forwards");

	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *o = js_at(list, i);
		bool four = js_bool(o, "forwards-ipv4"), six = js_bool(o, "forwards-ipv6");

		table_cell(t, "%s", text_or(o, "overlay", "?"));
		table_cell(t, "%llu", number(o, "routes"));
		table_cell(t, "%llu", number(o, "next-hops"));
		table_cell(t, "%s",
			   four && six ? "IPv4 and IPv6"
			   : four      ? "IPv4"
			   : six       ? "IPv6"
				       : "nothing");
	}
	table_print(t, out);
	table_free(t);
}

void routes_print(const struct js *answer, FILE *out)
{
	const struct js *list = js_get(answer, "list"), *sources = js_get(answer, "sources"), *v;
	struct table *t = table_new("prefix|via|>metric|protocol|overlay|leads to");
	const char *name;

	fprintf(out, "%llu routes of the kernel, %llu prefixes of IPv4, %llu of IPv6:",
		number(answer, "routes"), number(answer, "prefixes-ipv4"),
		number(answer, "prefixes-ipv6"));
	for (size_t i = 0; (v = js_member(sources, i, &name)); i++)
		fprintf(out, " %s %llu", name, (unsigned long long)js_value_u64(v));
	fprintf(out, "\n%llu updates, read %llu times, %llu overruns\n", number(answer, "updates"),
		number(answer, "readings"), number(answer, "overruns"));
	if (js_text(answer, "reason"))
		fprintf(out, "the kernel forwards everything: %s\n", js_text(answer, "reason"));
	fprintf(out, "cut-through is %s%s%s\n", text_or(answer, "cut-through", "?"),
		js_text(answer, "cut-through-reason") ? ": " : "",
		text_or(answer, "cut-through-reason", ""));
	fputc('\n', out);
	overlays_print(js_get(answer, "overlays"), out);
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *o = js_at(list, i);

		table_cell(t, "%s", text_or(o, "prefix", "?"));
		table_cell(t, "%s", text_or(o, "via", "-"));
		table_cell(t, "%llu", number(o, "metric"));
		table_cell(t, "%s", text_or(o, "protocol", "?"));
		table_cell(t, "%s", text_or(o, "overlay", "-"));
		table_cell(t, "%s", text_or(o, "mac", "the kernel"));
	}
	fputc('\n', out);
	table_print(t, out);
	table_free(t);
	if (js_bool(answer, "cut"))
		fputs("… and more\n", out);
}
