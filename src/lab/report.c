/* report: tables and progress of `myelin lab up`. See report.h. */
#include "lab/report.h"

#include "base/clock.h"
#include "cli/table.h"
#include "lab/ask.h"
#include "lab/geo.h"
#include "lab/view.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DETAIL_WIDTH 58

void progress_init(struct progress *p, FILE *out)
{
	*p = (struct progress){.out = out, .began_ns = clock_now()};
	p->terminal = isatty(fileno(out));
	p->colour = p->terminal && !getenv("NO_COLOR");
}

static const char *dim(const struct progress *p)
{
	return p->colour ? "\033[2m" : "";
}

static const char *normal(const struct progress *p)
{
	return p->colour ? "\033[0m" : "";
}

void progress_show(struct progress *p, const char *step, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!strcmp(step, p->step) && !strcmp(text, p->last))
		return;
	snprintf(p->step, sizeof(p->step), "%s", step);
	snprintf(p->last, sizeof(p->last), "%s", text);
	if (p->terminal) {
		fprintf(p->out, "\r\033[K  %-8s %s%.*s%s", step, dim(p), DETAIL_WIDTH, text,
			normal(p));
		fflush(p->out);
	}
}

void progress_done(struct progress *p, const char *fmt, ...)
{
	double s = (double)(clock_now() - p->began_ns) / 1e9;
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(p->out, "%s  %-8s %-*s %s%5.1f s%s\n", p->terminal ? "\r\033[K" : "", p->step,
		DETAIL_WIDTH, text, dim(p), s, normal(p));
	fflush(p->out);
	p->step[0] = '\0';
}

/* Two nodes that speak to each other, not by way of a third. */
static bool has_link(const struct bb_overlay *o, const struct bb_member *a,
		     const struct bb_member *b)
{
	struct bb_ends e;

	return a->node && b->node && (o->design != BB_IPSEC || backbone_way(o, a, b, &e) == BB_WAY);
}

void report_each_link(const struct plan *p,
		      void (*fn)(void *ctx, const struct bb_overlay *o, const struct bb_member *a,
				 const struct bb_member *b),
		      void *ctx)
{
	for (size_t i = 0; i < p->b->overlay_count; i++) {
		const struct bb_overlay *o = &p->b->overlays[i];

		for (size_t a = 0; a < o->member_count; a++)
			for (size_t b = a + 1; b < o->member_count; b++)
				if (has_link(o, &o->members[a], &o->members[b]))
					fn(ctx, o, &o->members[a], &o->members[b]);
	}
}

static void heading(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void heading(FILE *out, const char *fmt, ...)
{
	bool colour = isatty(fileno(out)) && !getenv("NO_COLOR");
	va_list ap;

	fputs(colour ? "\n\033[1m" : "\n", out);
	va_start(ap, fmt);
	vfprintf(out, fmt, ap);
	va_end(ap);
	fputs(colour ? "\033[0m\n" : "\n", out);
}

static void cell_ms(struct table *t, uint64_t ns, bool light)
{
	if (ns)
		table_cell(t, "%.1f ms", (double)ns / 1e6);
	else if (light)
		table_cell(t, "-");
	else
		table_warn(t, "none");
}

struct link_print {
	const struct report *r;
	struct table *t;
	unsigned at;
};

static const struct js *peer_entry(const struct report *r, const struct bb_overlay *o,
				   const struct bb_member *from, const struct bb_member *to)
{
	const struct plan_node *n = plan_find_node(r->plan, from->node->name);

	return n && r->peers ? ask_find_peer(r->plan, r->peers[n - r->plan->nodes], o, to) : NULL;
}

static void link_row(void *ctx, const struct bb_overlay *o, const struct bb_member *a,
		     const struct bb_member *b)
{
	struct link_print *lp = ctx;
	const struct report *r = lp->r;
	const struct js *ab = peer_entry(r, o, a, b), *ba = peer_entry(r, o, b, a);
	const struct probe_ping *ping = lp->at < r->link_count ? &r->links[lp->at] : NULL;
	const char *cipher = ab ? js_text(ab, "cipher") : NULL;
	char age[24], count[16];

	lp->at++;
	table_cell(lp->t, "%s", a->node->name);
	table_cell(lp->t, "%s", b->node->name);
	if (!ab || !ba) {
		table_warn(lp->t, "no key agreed");
		table_cell(lp->t, "-");
	} else {
		table_cell(lp->t, "%s", cipher ? cipher : "-");
		table_cell(lp->t, "%s", table_age(js_u64(ab, "key-age"), age));
	}
	cell_ms(lp->t, ping ? ping->best_ns : 0, ping && !ping->to.family);
	cell_ms(lp->t, 2 * plan_delay_ns(r->plan, a->node->site, b->node->site), true);
	/* What b counted as coming from a is what a sent to b and arrived; and the reverse. */
	table_cell(lp->t, "%s", table_count(ba ? js_u64(ba, "packets-in") : 0, count));
	table_cell(lp->t, "%s", table_count(ab ? js_u64(ab, "packets-in") : 0, count));
}

static void links_print(const struct report *r, FILE *out)
{
	struct link_print lp = {.r = r,
				.t = table_new("link||cipher|>key age|>RTT|>by light|"
					       ">packets out|>packets in")};

	heading(out, "Links, encrypted end to end");
	report_each_link(r->plan, link_row, &lp);
	table_print(lp.t, out);
	table_free(lp.t);
	fprintf(out,
		"RTT over the overlay. By light: fibre along %.1f times the great circle, both ways%s",
		GEO_ROUTE_FACTOR, r->plan->delay_scale == 1.0 ? ".\n" : "");
	if (r->plan->delay_scale != 1.0)
		fprintf(out, ",\nscaled by %g.\n", r->plan->delay_scale);
}

static void hosts_print(const struct report *r, FILE *out)
{
	const struct plan *p = r->plan;
	char heads[512] = "from\\to, ms";
	struct table *t;
	unsigned at = 0;

	if (!r->host_pings || p->host_count > 9)
		return;
	for (size_t i = 0; i < p->host_count; i++) {
		strncat(heads, "|>", sizeof(heads) - strlen(heads) - 1);
		strncat(heads, p->hosts[i].name, sizeof(heads) - strlen(heads) - 1);
	}
	heading(out, "Pings between the hosts behind the sites");
	t = table_new(heads);
	for (size_t i = 0; i < p->host_count; i++) {
		table_cell(t, "%s", p->hosts[i].name);
		for (size_t j = 0; j < p->host_count; j++) {
			const struct probe_ping *g = &r->hosts[at];

			if (i == j || !plan_hosts_meet(&p->hosts[i], &p->hosts[j])) {
				table_cell(t, "-");
				continue;
			}
			at++;
			if (g->answered)
				table_cell(t, "%.1f", (double)g->best_ns / 1e6);
			else
				table_warn(t, "none");
		}
	}
	table_print(t, out);
	table_free(t);
}

static void tcp_print(const struct report *r, FILE *out)
{
	const struct probe_tcp *t = &r->tcp;
	double seconds = (double)t->took_ns / 1e9;

	if (!r->tcp_from)
		return;
	heading(out, "One TCP connection, %s to %s", r->tcp_from->name, r->tcp_to->name);
	if (!t->bytes || !t->took_ns) {
		fprintf(out, "no connection\n");
		return;
	}
	fprintf(out,
		"%.1f MB in %.1f s: %.0f Mbit/s. Its window grew to %.1f MB, which goes once per\n"
		"round trip of %.0f ms (light alone: %.0f ms)",
		(double)t->bytes / 1e6, seconds, (double)t->bytes * 8 / 1e6 / seconds,
		(double)t->window / 1e6, (double)t->rtt_ns / 1e6, (double)r->tcp_light_ns / 1e6);
	if (t->retransmits)
		fprintf(out, "; %u segments were sent again.\n", t->retransmits);
	else
		fprintf(out, "; no segment was lost.\n");
}

static uint64_t service_sum(const struct js *service, const char *key)
{
	const struct js *ports = js_get(service, "ports");
	uint64_t sum = 0;

	for (size_t i = 0; i < js_len(ports); i++)
		sum += js_u64(js_at(ports, i), key);
	return sum;
}

uint64_t report_neither(const struct js *carrier)
{
	const struct js *services = js_get(carrier, "services");
	uint64_t sum = js_u64(js_get(carrier, "stray"), "frames");

	for (size_t i = 0; i < js_len(services); i++)
		sum += service_sum(js_at(services, i), "neither");
	return sum;
}

static void kept_print(const struct js *view, const char *who, FILE *out)
{
	const struct js *kept = js_get(view, "kept");

	for (size_t i = 0; i < js_len(kept); i++) {
		const char *hex = js_text(js_at(kept, i), "hex");

		fprintf(out, "  %s sent %lu bytes: %.64s\n", who,
			(unsigned long)js_u64(js_at(kept, i), "len"), hex ? hex : "");
	}
}

/* How the service is told to behave, where that is worse than perfectly. */
static void emulation_print(const struct js *s, FILE *out)
{
	static const struct {
		const char *key, *what;
	} shares[] = {{"loss-ppm", "lost"},
		      {"reorder-ppm", "reordered"},
		      {"duplicate-ppm", "duplicated"}};
	const char *name = js_text(s, "name"), *topology = js_text(s, "topology");
	uint64_t jitter = js_u64(s, "jitter-us"), rate = js_u64(s, "rate");

	if (!topology)
		return; /* a carrier of another version */
	fprintf(out, "  %s: %s, up to %lu bytes", name ? name : "?", topology,
		(unsigned long)js_u64(s, "mtu"));
	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++) {
		if (js_u64(s, shares[i].key))
			fprintf(out, ", %g%% %s", (double)js_u64(s, shares[i].key) / 1e4,
				shares[i].what);
	}
	if (jitter)
		fprintf(out, ", %g ms of jitter", (double)jitter / 1e3);
	if (rate)
		fprintf(out, ", %g Mbit/s a port", (double)rate / 1e6);
	fputc('\n', out);
}

/* What became of frames that were not simply delivered. */
static void fates_print(const struct js *port, const char *node, FILE *out)
{
	static const struct {
		const char *key, *what;
	} fates[] = {
		{"reserved", "to 01:80:c2:00:00:0x consumed, as bridges do"},
		{"oversize", "larger than the service carries dropped"},
		{"policed", "above the rate dropped"},
		{"lost", "towards it lost"},
		{"duplicated", "towards it duplicated"},
		{"dropped-cut", "dropped while the port was cut"},
		{"dropped-full", "dropped: too many in flight"},
		{"tampered", "towards it tampered with"},
	};

	for (size_t i = 0; i < sizeof(fates) / sizeof(*fates); i++) {
		uint64_t n = js_u64(port, fates[i].key);

		if (n)
			fprintf(out, "  %s: %lu frame%s %s\n", node, (unsigned long)n,
				n == 1 ? "" : "s", fates[i].what);
	}
}

static uint64_t classes_sum(const struct js *service, enum view_class a, enum view_class b)
{
	return service_sum(service, view_class_name[a]) + service_sum(service, view_class_name[b]);
}

void report_carrier(const struct js *carrier, FILE *out)
{
	const struct js *services = js_get(carrier, "services");
	struct table *t = table_new("carrier's view of|>frames|>ciphertext|>keying|"
				    ">other exceptions|>neither");
	char b[16];

	for (size_t i = 0; i < js_len(services); i++) {
		const struct js *s = js_at(services, i);
		uint64_t other = 0, neither = service_sum(s, "neither");
		const char *name = js_text(s, "name");

		for (unsigned c = VIEW_ARP_ND; c < VIEW_NEITHER; c++)
			other += service_sum(s, view_class_name[c]);
		table_cell(t, "%s", name ? name : "?");
		table_cell(t, "%s", table_count(service_sum(s, "frames"), b));
		table_cell(t, "%s", table_count(classes_sum(s, VIEW_MACSEC, VIEW_ESP), b));
		table_cell(t, "%s", table_count(classes_sum(s, VIEW_EAPOL, VIEW_IKE), b));
		table_cell(t, "%s", table_count(other, b));
		if (neither)
			table_warn(t, "%s", table_count(neither, b));
		else
			table_cell(t, "0");
	}
	table_print(t, out);
	table_free(t);
	for (size_t i = 0; i < js_len(services); i++) {
		const struct js *ports = js_get(js_at(services, i), "ports");

		emulation_print(js_at(services, i), out);
		for (size_t j = 0; j < js_len(ports); j++) {
			const char *node = js_text(js_at(ports, j), "node");

			kept_print(js_at(ports, j), node ? node : "?", out);
			fates_print(js_at(ports, j), node ? node : "?", out);
		}
	}
	kept_print(js_get(carrier, "stray"), "of no known VLAN: a node", out);
}

/* The frames in clear that the file allows, by class; false: there was none. */
static bool exceptions_print(const struct js *carrier, FILE *out)
{
	const struct js *services = js_get(carrier, "services");
	bool any = false;

	for (unsigned c = VIEW_ARP_ND; c < VIEW_NEITHER; c++) {
		uint64_t n = 0;

		for (size_t i = 0; i < js_len(services); i++)
			n += service_sum(js_at(services, i), view_class_name[c]);
		if (!n)
			continue;
		fprintf(out, "%s%lu %s", any ? ", " : "", (unsigned long)n, view_class_name[c]);
		any = true;
	}
	return any;
}

static void verdict_print(const struct js *carrier, FILE *out)
{
	bool colour = isatty(fileno(out)) && !getenv("NO_COLOR");
	uint64_t neither = report_neither(carrier);

	fputs(!colour ? "" : neither ? "\033[31m" : "\033[32m", out);
	if (neither)
		fprintf(out, "%lu frames could be read by the carrier.", (unsigned long)neither);
	else if (exceptions_print(carrier, out))
		fputs(": the file lets these out in clear. Every other frame was ciphertext or key "
		      "agreement.",
		      out);
	else
		fputs("Every frame was ciphertext or key agreement; none could be read.", out);
	fputs(colour ? "\033[0m\n" : "\n", out);
}

void report_print(const struct report *r, FILE *out)
{
	links_print(r, out);
	hosts_print(r, out);
	tcp_print(r, out);
	if (r->carrier) {
		heading(out, "What the carrier saw");
		report_carrier(r->carrier, out);
		verdict_print(r->carrier, out);
	}
}
