/* up: the steps of `myelin lab up`, each undone when it is interrupted. See up.h. */
#include "lab/up.h"

#include "base/clock.h"
#include "base/log.h"
#include "cli/cli.h"
#include "config/backbone.h"
#include "config/conf.h"
#include "lab/ask.h"
#include "lab/heir.h"
#include "lab/net.h"
#include "lab/plan.h"
#include "lab/report.h"
#include "lab/run.h"
#include "lab/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS_WAIT (30 * NS_PER_S) /* for every pair to agree on a key */
#define TCP_FOR (4 * NS_PER_S)

static volatile bool stopped;
static volatile sig_atomic_t stopped_by;

static void on_signal(int sig)
{
	stopped_by = sig;
	stopped = true;
}

struct up {
	const struct up_options *opt;
	struct conf *conf;
	struct backbone *backbone;
	struct plan *plan;
	struct run run;
	bool made; /* the run directory is ours */
	int heir;  /* takes the lab down when this process is killed; -1: none */
	struct progress progress;
	struct report report;
};

static int file_read(struct up *u)
{
	struct conf_errors errs = {0};

	u->conf = conf_read_file(u->opt->file, &errs);
	if (!u->conf)
		conf_errors_print(&errs, u->opt->err);
	conf_errors_free(&errs);
	if (!u->conf)
		return -EINVAL;
	u->backbone = backbone_new(u->conf);
	u->plan = u->backbone ? plan_new(u->backbone, u->opt->name) : NULL;
	if (!u->plan)
		return -EINVAL;
	u->plan->delay_scale = u->opt->delay_scale;
	return 0;
}

/* The run directory, with the file as checked: every node reads this one. */
static int directory_make(struct up *u)
{
	char path[PATH_MAX], scale[32];
	FILE *f;
	int err = run_create(&u->run, u->plan->name);

	if (err == -EEXIST)
		fprintf(u->opt->err, "myelin: lab %s is up, or was left over: myelin lab down %s\n",
			u->plan->name, u->plan->name);
	else if (err)
		fprintf(u->opt->err, "myelin: %s: %s\n", u->run.dir, strerror(-err));
	if (err)
		return err;
	u->made = true;
	u->heir = heir_start(&u->run);
	if (u->heir < 0)
		return u->heir;
	snprintf(scale, sizeof(scale), "%g", u->opt->delay_scale);
	if (!realpath(u->opt->file, path) || run_note(&u->run, "file", path) ||
	    run_note(&u->run, "delay-scale", scale))
		return -EIO;
	snprintf(path, sizeof(path), "%s/backbone.conf", u->run.dir);
	f = fopen(path, "we");
	if (!f)
		return -errno;
	err = conf_print(u->conf, CONF_TEXT, f);
	if (fclose(f) && !err)
		err = -EIO;
	snprintf(path, sizeof(path), "%s/secrets", u->run.dir);
	return err ? err : secrets_make(u->plan, path);
}

static int carrier_start(struct up *u)
{
	char self[PATH_MAX], *argv[] = {self, (char *)"lab", (char *)"carrier", u->run.dir, NULL};
	int fd = memfd_create("carrier", MFD_CLOEXEC), fd2 = fd < 0 ? -1 : dup(fd);
	FILE *f = fd2 < 0 ? NULL : fdopen(fd2, "w");
	uint64_t until = clock_now() + 5 * NS_PER_S;
	int err = f && run_program(NULL, self, sizeof(self)) ? 0 : -EIO;

	if (f) {
		plan_print_carrier(u->plan, f);
		fclose(f);
	}
	for (size_t i = 0; i < u->plan->wire_count; i++)
		fcntl(u->plan->wires[i].fd, F_SETFD, 0); /* the carrier inherits these */
	if (!err && lseek(fd, 0, SEEK_SET) == 0)
		err = (int)run_start(&u->run, "carrier", NULL, argv, fd);
	/* With our copies closed the interfaces live as long as the carrier does. */
	for (size_t i = 0; i < u->plan->wire_count; i++)
		close(u->plan->wires[i].fd);
	if (fd >= 0)
		close(fd);
	while (err >= 0 && !stopped) {
		int s = ask_carrier_open(&u->run);

		if (s >= 0) {
			close(s);
			return 0;
		}
		if (clock_now() > until)
			return -ETIMEDOUT;
		poll(NULL, 0, 10);
	}
	return err < 0 ? err : -EINTR;
}

static int nodes_start(struct up *u)
{
	char daemon[PATH_MAX], conf[PATH_MAX], secrets[PATH_MAX];
	int err;

	if (!run_program("myelind", daemon, sizeof(daemon)))
		return -EIO;
	snprintf(conf, sizeof(conf), "%s/backbone.conf", u->run.dir);
	snprintf(secrets, sizeof(secrets), "%s/secrets", u->run.dir);
	for (size_t i = 0; i < u->plan->node_count && !stopped; i++) {
		const struct plan_node *n = &u->plan->nodes[i];
		char leases[PATH_MAX];
		char *argv[] = {daemon,
				(char *)"--node",
				(char *)(uintptr_t)n->node->name,
				(char *)"--secrets",
				secrets,
				(char *)"--state-dir",
				leases,
				conf,
				u->opt->lanes ? (char *)"--lanes" : NULL,
				(char *)(uintptr_t)u->opt->lanes,
				NULL};
		pid_t pid;

		snprintf(leases, sizeof(leases), "%s/leases-%s", u->run.dir, n->node->name);
		err = mkdir(leases, 0700) < 0 ? -errno : secrets_make_leases(u->plan, leases);
		if (err)
			return err;
		pid = run_start(&u->run, n->node->name, n->netns, argv, -1);

		if (pid < 0)
			return (int)pid;
	}
	return 0;
}

static void log_tail(const struct up *u, const char *role)
{
	char path[PATH_MAX], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.log", u->run.dir, role);
	f = fopen(path, "re");
	if (!f)
		return;
	if (!fseek(f, -2000, SEEK_END) && !fgets(line, sizeof(line), f))
		line[0] = '\0'; /* the first line is cut */
	while (fgets(line, sizeof(line), f))
		fprintf(u->opt->err, "  %s: %s", role, line);
	fclose(f);
}

struct wanted {
	struct up *u;
	unsigned pairs, live;
	char missing[64];
};

static void want_link(void *ctx, const struct bb_overlay *o, const struct bb_member *a,
		      const struct bb_member *b)
{
	struct wanted *w = ctx;
	const struct bb_member *both[2] = {a, b};

	if (o->design == BB_IPSEC && o->ipsec.on_demand)
		return; /* the first packet brings it up */
	for (unsigned i = 0; i < 2; i++) {
		const struct plan_node *n = plan_find_node(w->u->plan, both[i]->node->name);

		w->pairs++;
		/* Live and keyed to receive from; and our own key in use to send. */
		if (n &&
		    ask_find_peer(w->u->plan, w->u->report.peers[n - w->u->plan->nodes], o,
				  both[!i]) &&
		    (backbone_bridged(n->node, o) || net_is_running(n->netns, o->name)))
			w->live++;
		else if (!w->missing[0])
			snprintf(w->missing, sizeof(w->missing), "%s at %s", both[!i]->node->name,
				 both[i]->node->name);
	}
}

static void peers_ask(struct up *u)
{
	for (size_t i = 0; i < u->plan->node_count; i++) {
		js_free(u->report.peers[i]);
		u->report.peers[i] = ask_node(&u->plan->nodes[i], "show peers");
	}
}

/* A daemon that is not there any more. */
static const char *daemon_dead(const struct up *u)
{
	for (size_t i = 0; i < u->plan->node_count; i++) {
		if (!run_alive(&u->run, u->plan->nodes[i].node->name))
			return u->plan->nodes[i].node->name;
	}
	return NULL;
}

/* What the daemons themselves say is in the way. */
static void reasons_print(const struct up *u)
{
	for (size_t i = 0; i < u->plan->node_count; i++) {
		struct js *j = ask_node(&u->plan->nodes[i], "show overlays");
		const struct js *v = js_get(j, "overlays");

		for (size_t k = 0; k < js_len(v); k++) {
			const char *name = js_text(js_at(v, k), "overlay");
			const char *reason = js_text(js_at(v, k), "reason");

			if (name && reason)
				fprintf(u->opt->err, "  %s, overlay %s: %s\n",
					u->plan->nodes[i].node->name, name, reason);
		}
		js_free(j);
	}
}

static int keys_wait(struct up *u)
{
	uint64_t until = clock_now() + KEYS_WAIT;

	u->report.peers = calloc(u->plan->node_count + 1, sizeof(*u->report.peers));
	if (!u->report.peers)
		return -ENOMEM;
	while (!stopped) {
		struct wanted w = {.u = u};
		const char *dead = daemon_dead(u);

		if (dead) {
			progress_done(&u->progress, "the daemon of %s ended:", dead);
			log_tail(u, dead);
			return -ECHILD;
		}
		peers_ask(u);
		report_each_link(u->plan, want_link, &w);
		progress_show(&u->progress, "keys", "%u of %u peers live%s%s", w.live, w.pairs,
			      w.missing[0] ? ", waiting for " : "", w.missing);
		if (w.live == w.pairs) {
			progress_done(&u->progress, "all peers live: %u of %u", w.live, w.pairs);
			return 0;
		}
		if (clock_now() > until) {
			progress_done(&u->progress, "%u of %u peers live; missing: %s", w.live,
				      w.pairs, w.missing);
			fflush(u->opt->out);
			reasons_print(u);
			return -ETIMEDOUT;
		}
		poll(NULL, 0, 100);
	}
	return -EINTR;
}

/* Where b answers through the overlay: its address there, or else, when a has routes to b's site by
 * it, its first address on a lan. Family 0: nowhere. */
static struct bb_prefix link_end(const struct bb_overlay *o, const struct bb_member *a,
				 const struct bb_member *b)
{
	if (backbone_bridged(a->node, o) || backbone_bridged(b->node, o))
		return (struct bb_prefix){0};
	if (a->has_address && b->has_address)
		return b->address;
	for (size_t i = 0; o->managed && i < b->node->port_count; i++)
		if (!b->node->ports[i].service && b->node->ports[i].address_count)
			return b->node->ports[i].addresses[0];
	return (struct bb_prefix){0};
}

static void link_add(void *ctx, const struct bb_overlay *o, const struct bb_member *a,
		     const struct bb_member *b)
{
	struct up *u = ctx;
	struct report *r = &u->report;
	const struct plan_node *n = plan_find_node(u->plan, a->node->name);

	r->links[r->link_count] = (struct probe_ping){
		.from = n->netns,
		.to = link_end(o, a, b),
		.expect_ns = 2 * plan_delay_ns(u->plan, a->node->site, b->node->site),
	};
	r->link_count++;
}

static void link_count(void *ctx, const struct bb_overlay *o, const struct bb_member *a,
		       const struct bb_member *b)
{
	(void)o;
	(void)a;
	(void)b;
	(*(unsigned *)ctx)++;
}

/* Those that have somewhere to go: nodes have no address where they bridge. */
static unsigned asked(const struct probe_ping *v, unsigned count)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		n += v[i].to.family != 0;
	return n;
}

static unsigned answered(const struct probe_ping *v, unsigned count)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		n += v[i].answered != 0;
	return n;
}

static int hosts_ping(struct up *u)
{
	const struct plan *p = u->plan;
	struct report *r = &u->report;
	int err;

	r->hosts = calloc(p->host_count * p->host_count + 1, sizeof(*r->hosts));
	if (!r->hosts)
		return -ENOMEM;
	for (size_t i = 0; i < p->host_count; i++) {
		for (size_t j = 0; j < p->host_count; j++) {
			if (i == j || !plan_hosts_meet(&p->hosts[i], &p->hosts[j]))
				continue;
			r->hosts[r->host_pings] = (struct probe_ping){.from = p->hosts[i].netns};
			if (p->hosts[j].address_count)
				r->hosts[r->host_pings].to = p->hosts[j].address[0];
			r->host_pings++;
		}
	}
	progress_show(&u->progress, "pings", "between %zu hosts, all pairs", p->host_count);
	err = probe_pings(r->hosts, r->host_pings, 3, 2 * NS_PER_S, &stopped);
	if (!err)
		progress_done(&u->progress, "host to host: %u of %u pairs answer",
			      answered(r->hosts, r->host_pings), r->host_pings);
	return err;
}

static int tcp_measure(struct up *u)
{
	const struct plan *p = u->plan;
	struct report *r = &u->report;
	int err;

	if (p->host_count < 2 || !p->hosts[1].address_count ||
	    !plan_hosts_meet(&p->hosts[0], &p->hosts[1]))
		return 0;
	r->tcp_from = &p->hosts[0];
	r->tcp_to = &p->hosts[1];
	r->tcp_light_ns = 2 * plan_delay_ns(p, r->tcp_from->site, r->tcp_to->site);
	progress_show(&u->progress, "tcp", "%s to %s, %u s", r->tcp_from->name, r->tcp_to->name,
		      (unsigned)(TCP_FOR / NS_PER_S));
	err = probe_tcp(r->tcp_from->netns, r->tcp_to->netns, &r->tcp_to->address[0], TCP_FOR,
			&r->tcp, &stopped);
	if (err == -EINTR)
		return err;
	progress_done(&u->progress, "%s to %s: %.1f MB", r->tcp_from->name, r->tcp_to->name,
		      (double)r->tcp.bytes / 1e6);
	return 0;
}

/* -EIO: something did not answer. */
static int measure(struct up *u)
{
	struct report *r = &u->report;
	unsigned count = 0;
	int err;

	report_each_link(u->plan, link_count, &count);
	r->links = calloc(count + 1, sizeof(*r->links));
	if (!r->links)
		return -ENOMEM;
	report_each_link(u->plan, link_add, u);
	progress_show(&u->progress, "links", "pings over %u links", count);
	err = probe_pings(r->links, r->link_count, 3, 2 * NS_PER_S, &stopped);
	if (!err && !stopped)
		progress_done(&u->progress, "node to node over the overlay: %u of %u links answer",
			      answered(r->links, r->link_count), asked(r->links, r->link_count));
	if (!err && !stopped)
		err = hosts_ping(u);
	if (!err && !stopped)
		err = tcp_measure(u);
	if (err || stopped)
		return err ? err : -EINTR;
	peers_ask(u);
	return answered(r->links, r->link_count) == asked(r->links, r->link_count) &&
			       answered(r->hosts, r->host_pings) == r->host_pings &&
			       (!r->tcp_from || r->tcp.bytes)
		       ? 0
		       : -EIO;
}

static int steps(struct up *u)
{
	const struct plan *p = u->plan;
	int err = directory_make(u);

	if (err)
		return err;
	progress_show(&u->progress, "network", "namespaces, cables, addresses");
	err = net_make(p);
	if (!err && !stopped)
		err = net_open_wires(u->plan);
	if (err || stopped)
		return err ? err : -EINTR;
	progress_done(&u->progress, "%zu nodes, %zu hosts, %zu carrier ports", p->node_count,
		      p->host_count, p->wire_count);
	progress_show(&u->progress, "carrier", "starting");
	err = carrier_start(u);
	if (err)
		return err;
	progress_done(&u->progress, "%zu service%s emulated, delays by great circle%s",
		      p->b->service_count, p->b->service_count == 1 ? "" : "s",
		      u->opt->delay_scale == 1.0 ? "" : ", scaled");
	progress_show(&u->progress, "nodes", "starting");
	err = nodes_start(u);
	if (err)
		return err;
	progress_done(&u->progress, "%zu daemons started", p->node_count);
	if (u->opt->no_wait)
		return stopped ? -EINTR : 0;
	err = keys_wait(u);
	return err || u->opt->quick ? err : measure(u);
}

static void next_print(const struct up *u, FILE *out)
{
	const struct plan *p = u->plan;
	const char *node = p->nodes[0].node->name, *host = p->host_count ? p->hosts[0].name : node;
	const char *service = p->b->service_count ? p->b->services[0].name : "SERVICE";
	const struct bb_node *n = p->nodes[0].node;
	const char *port = "wan", *me = program_invocation_name;
	char a[46] = "ADDRESS";

	for (size_t i = 0; i < n->port_count; i++) {
		if (n->ports[i].service)
			port = n->ports[i].name;
	}
	if (p->host_count > 1 && p->hosts[1].address_count)
		plan_address(&p->hosts[1].address[0], a);
	fprintf(out, "\nThe lab stays up. What to try next:\n");
	fprintf(out, "  %s lab exec %s -- ping %s\n", me, host, a);
	fprintf(out, "  %s lab exec %s -- myelin show peers\n", me, node);
	fprintf(out, "  %s lab capture %s %s.pcap    # what the carrier sees, for Wireshark\n", me,
		service, service);
	fprintf(out, "  %s lab cut %s %s; %s lab heal %s %s\n", me, node, port, me, node, port);
	fprintf(out, "  kill -9 $(pgrep -f 'role control')    # and traffic goes on\n");
	fprintf(out, "  %s lab down %s\n", me, p->name);
}

/* Everything the steps made goes; what failed in doing so is said. */
static void take_down(struct up *u)
{
	int err;

	if (!u->made)
		return;
	err = run_end(&u->run);
	if (err)
		fprintf(u->opt->err, "myelin: lab %s is not all gone: %s\n", u->run.name,
			strerror(-err));
}

/* Prints what there is to tell; returns an exit code. */
static int conclude(struct up *u, int err)
{
	const struct up_options *opt = u->opt;
	uint64_t neither;

	if (err && err != -EIO && err != -ETIMEDOUT)
		fprintf(opt->err, "myelin: lab %s did not come up: %s\n", u->plan->name,
			strerror(-err));
	u->report.plan = u->plan;
	u->report.carrier = ask_carrier(&u->run, "status");
	if (u->report.links)
		report_print(&u->report, opt->out);
	else if (!opt->no_wait && u->report.carrier)
		report_carrier(u->report.carrier, opt->out);
	neither = report_neither(u->report.carrier);
	if (neither)
		fprintf(opt->err, "myelin: %lu frames left in clear\n", (unsigned long)neither);
	return err || neither ? CLI_FAILED : CLI_OK;
}

static void up_fini(struct up *u)
{
	heir_dismiss(u->heir);
	for (size_t i = 0; u->report.peers && i < u->plan->node_count; i++)
		js_free(u->report.peers[i]);
	free(u->report.peers);
	free(u->report.links);
	free(u->report.hosts);
	js_free(u->report.carrier);
	plan_free(u->plan);
	backbone_free(u->backbone);
	conf_free(u->conf);
}

int up_run(const struct up_options *opt)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct up u = {.opt = opt, .heir = -1};
	bool stay;
	int err, rc;

	log_init("lab", LOG_LVL_INFO);
	if (file_read(&u)) {
		up_fini(&u);
		return CLI_FAILED;
	}
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	progress_init(&u.progress, opt->out);
	err = steps(&u);
	if (stopped) {
		fprintf(opt->err, "\nmyelin: interrupted, taking the lab down\n");
		take_down(&u);
		up_fini(&u);
		return 128 + stopped_by;
	}
	rc = u.made ? conclude(&u, err) : CLI_FAILED;
	/* Where keys were not agreed upon the daemons can say why, so they stay to be asked. */
	stay = !opt->once && !stopped && (!err || err == -EIO || err == -ETIMEDOUT);
	if (stay && !opt->quick && !opt->no_wait)
		next_print(&u, opt->out);
	if (!stay)
		take_down(&u);
	up_fini(&u);
	return stopped ? 128 + stopped_by : rc;
}
