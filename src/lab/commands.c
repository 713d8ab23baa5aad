/* The commands of `myelin lab`: rows for the client's table, and what each does. */
#include "lab/lab.h"

#include "base/rd.h"
#include "cli/table.h"
#include "config/backbone.h"
#include "config/conf.h"
#include "lab/ask.h"
#include "lab/carrier.h"
#include "lab/net.h"
#include "lab/plan.h"
#include "lab/report.h"
#include "lab/run.h"
#include "lab/up.h"

#include <errno.h>
#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A lab's name is part of names of files, namespaces and sockets. */
static bool name_is_good(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n && n < PLAN_NAME && !s[n];
}

static int up_command(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct up_options opt = {.delay_scale = 1.0, .out = c->out, .err = c->err};

	for (int i = 0; i < argc; i++) {
		const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : NULL;

		if (!a)
			break;
		if (!strcmp(a, "--once")) {
			opt.once = true;
		} else if (!strcmp(a, "--quick")) {
			opt.quick = true;
		} else if (!strcmp(a, "--no-wait")) {
			opt.no_wait = true;
		} else if (!strcmp(a, "--name") && v && name_is_good(v)) {
			opt.name = v;
			i++;
		} else if (!strcmp(a, "--delay-scale") && v && atof(v) >= 0.0) {
			opt.delay_scale = atof(v);
			i++;
		} else if (!strcmp(a, "--lanes") && v) {
			opt.lanes = v;
			i++;
		} else if (a[0] == '-' || opt.file) {
			return cli_usage(c, cmd, "%s is not understood here", a);
		} else {
			opt.file = a;
		}
	}
	if (!opt.file)
		return cli_usage(c, cmd, "which backbone file?");
	if (geteuid() != 0) {
		fprintf(c->err, "myelin: a lab makes network namespaces: run it as root\n");
		return CLI_FAILED;
	}
	return up_run(&opt);
}

/* The lab that a file or a name means, or the only one. False: said on err. */
static bool lab_find(const struct cli *c, struct run *r, const char *what)
{
	char name[PLAN_NAME] = "", path[PATH_MAX], file[PATH_MAX];
	int err;

	if (!what) {
		err = run_only(name);
		if (err) {
			fprintf(c->err, err == -EEXIST ? "myelin: several labs are up: --lab NAME\n"
						       : "myelin: no lab is up\n");
			return false;
		}
		what = name;
	}
	if (name_is_good(what) && !run_open(r, what))
		return true;
	if (realpath(what, path)) {
		/* The lab made of this file. */
		DIR *d = opendir(RUN_TOP);
		struct dirent *e;
		bool found = false;

		while (d && !found && (e = readdir(d))) {
			found = name_is_good(e->d_name) && !run_open(r, e->d_name) &&
				run_recall(r, "file", file, sizeof(file)) && !strcmp(file, path);
		}
		if (d)
			closedir(d);
		if (found)
			return true;
	}
	fprintf(c->err, "myelin: no lab %s is up\n", what);
	return false;
}

/* Takes `--lab NAME` out of the arguments in front of a `--`. False: usage. */
static bool lab_option(int *argc, char **argv, const char **lab)
{
	*lab = NULL;
	for (int i = 0; i < *argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--lab") != 0)
			continue;
		if (i + 1 >= *argc)
			return false;
		*lab = argv[i + 1];
		memmove(&argv[i], &argv[i + 2], (size_t)(*argc - i - 2) * sizeof(*argv));
		*argc -= 2;
		argv[*argc] = NULL; /* exec gets what is left as it is */
		i--;
	}
	return true;
}

static void note_found(void *ctx, const char *netns)
{
	(void)netns;
	*(bool *)ctx = true;
}

static int down_command(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	bool remains = false;
	struct run r;
	int err;

	(void)cmd;
	/* Somebody may have removed the directory and left the namespaces. */
	if (argc && name_is_good(argv[0]) && run_open(&r, argv[0]))
		net_each(argv[0], note_found, &remains);
	if (!remains && !lab_find(c, &r, argc ? argv[0] : NULL))
		return CLI_FAILED;
	err = run_end(&r);
	if (err)
		fprintf(c->err, "myelin: lab %s is not all gone: %s\n", r.name, strerror(-err));
	return err ? CLI_FAILED : CLI_OK;
}

static void push_address(struct js *list, const struct bb_prefix *a)
{
	char text[46];

	js_push_text(list, plan_address(a, text));
}

static void push_node(struct js *list, const struct plan *p, const struct plan_node *n,
		      const struct run *r)
{
	struct js *o = js_push_object(list), *addresses;
	pid_t pid = run_alive(r, n->node->name);

	js_set_text(o, "name", n->node->name);
	js_set_text(o, "site", n->node->site ? n->node->site->name : NULL);
	addresses = js_set_array(o, "addresses");
	for (size_t i = 0; i < n->node->port_count; i++) {
		for (size_t j = 0; j < n->node->ports[i].address_count; j++)
			push_address(addresses, &n->node->ports[i].addresses[j]);
	}
	for (size_t i = 0; i < p->b->overlay_count; i++) {
		for (size_t j = 0; j < p->b->overlays[i].member_count; j++) {
			const struct bb_member *m = &p->b->overlays[i].members[j];

			if (m->node == n->node && m->has_address)
				push_address(addresses, &m->address);
		}
	}
	js_set_text(o, "namespace", n->netns);
	js_set_u64(o, "pid", (uint64_t)pid);
}

static struct js *status_make(const struct plan *p, const struct run *r, struct js *carrier)
{
	static const char *const type[] = {"ethernet", "ip", "internet"};
	struct js *j = js_object(), *list, *o;

	js_set_text(j, "lab", p->name);
	list = js_set_array(j, "nodes");
	for (size_t i = 0; i < p->node_count; i++)
		push_node(list, p, &p->nodes[i], r);
	list = js_set_array(j, "hosts");
	for (size_t i = 0; i < p->host_count; i++) {
		o = js_push_object(list);
		js_set_text(o, "name", p->hosts[i].name);
		js_set_text(o, "site", p->hosts[i].site->name);
		js_set_text(o, "namespace", p->hosts[i].netns);
		o = js_set_array(o, "addresses");
		for (size_t k = 0; k < p->hosts[i].address_count; k++)
			push_address(o, &p->hosts[i].address[k]);
	}
	list = js_set_array(j, "services");
	for (size_t i = 0; i < p->b->service_count; i++) {
		o = js_push_object(list);
		js_set_text(o, "name", p->b->services[i].name);
		js_set_text(o, "type", type[p->b->services[i].type]);
	}
	js_set(j, "carrier", carrier);
	return j;
}

static void status_rows(const struct js *list, const char *kind, struct table *t)
{
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *o = js_at(list, i), *a = js_get(o, "addresses");
		char text[256] = "";
		const char *name = js_text(o, "name"), *site = js_text(o, "site");

		for (size_t k = 0; k < js_len(a); k++) {
			const char *one = js_value_text(js_at(a, k));

			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 k ? " " : "", one ? one : "");
		}
		table_cell(t, "%s", name ? name : "?");
		table_cell(t, "%s", kind);
		table_cell(t, "%s", site ? site : "-");
		table_cell(t, "%s", text);
		if (*kind == 'n' && !js_u64(o, "pid"))
			table_warn(t, "daemon not running");
		else
			table_cell(t, "up");
	}
}

static int status_command(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct conf_errors errs = {0};
	struct conf *conf = NULL;
	struct backbone *b = NULL;
	struct plan *p = NULL;
	struct js *j = NULL;
	char path[PATH_MAX], *text;
	const char *lab;
	struct run r;
	int rc = CLI_FAILED;

	if (!lab_option(&argc, argv, &lab) || argc > 1)
		return cli_usage(c, cmd, "--lab needs the name of a lab");
	if (!lab_find(c, &r, argc ? argv[0] : lab))
		return CLI_FAILED;
	snprintf(path, sizeof(path), "%s/backbone.conf", r.dir);
	conf = conf_read_file(path, &errs);
	b = conf ? backbone_new(conf) : NULL;
	p = b ? plan_new(b, r.name) : NULL;
	if (!p) {
		conf_errors_print(&errs, c->err);
		goto out;
	}
	j = status_make(p, &r, ask_carrier(&r, "status"));
	if (c->json) {
		text = js_print(j, true, NULL);
		fprintf(c->out, "%s\n", text);
		free(text);
	} else {
		struct table *t = table_new("name|kind|site|addresses|state");

		status_rows(js_get(j, "nodes"), "node", t);
		status_rows(js_get(j, "hosts"), "host", t);
		table_print(t, c->out);
		table_free(t);
		fputc('\n', c->out);
		report_carrier(js_get(j, "carrier"), c->out);
	}
	rc = CLI_OK;
out:
	conf_errors_free(&errs);
	js_free(j);
	plan_free(p);
	backbone_free(b);
	conf_free(conf);
	return rc;
}

/* So that `myelin` inside means the one that started it. Before the mount namespace changes: in
 * a chroot the kernel cannot tell the program's path afterwards. */
static void path_extend(void)
{
	char self[PATH_MAX], path[2 * PATH_MAX];
	const char *old = getenv("PATH");

	if (!run_program("", self, sizeof(self)))
		return;
	snprintf(path, sizeof(path), "%s:%s", self, old ? old : "/usr/sbin:/usr/bin:/sbin:/bin");
	setenv("PATH", path, 1);
}

static int exec_command(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	char netns[PLAN_NETNS];
	const char *lab;
	struct run r;
	int err, at;

	if (!lab_option(&argc, argv, &lab))
		return cli_usage(c, cmd, "--lab needs a name");
	at = argc > 1 && !strcmp(argv[1], "--") ? 2 : 1;
	if (argc <= at)
		return cli_usage(c, cmd, "which command?");
	if (!lab_find(c, &r, lab))
		return CLI_FAILED;
	snprintf(netns, sizeof(netns), "%s.%.38s", r.name, argv[0]);
	path_extend();
	err = strchr(argv[0], '/') ? -ENOENT : net_become(netns);
	if (err) {
		fprintf(c->err, "myelin: no node or host %s in lab %s: %s\n", argv[0], r.name,
			strerror(-err));
		return CLI_FAILED;
	}
	execvp(argv[at], argv + at);
	fprintf(c->err, "myelin: %s: %s\n", argv[at], strerror(errno));
	return errno == ENOENT ? 127 : 126;
}

/* cut, heal, inject, send, tamper: the words after `lab`, passed on to the carrier. */
static int carrier_command(const struct cli *c, const struct cli_command *cmd, int argc,
			   char **argv)
{
	const char *lab, *wrong;
	char *request = NULL;
	struct run r;
	struct js *j;
	size_t size;
	FILE *f;
	int rc = CLI_OK;

	if (!lab_option(&argc, argv, &lab) || argc < 2)
		return cli_usage(c, cmd, "it needs a node and a port");
	if (!lab_find(c, &r, lab))
		return CLI_FAILED;
	f = open_memstream(&request, &size);
	if (!f)
		return CLI_FAILED;
	fputs(strchr(cmd->words, ' ') + 1, f);
	for (int i = 0; i < argc; i++)
		fprintf(f, " %s", argv[i]);
	fclose(f);
	j = ask_carrier(&r, request);
	wrong = j ? js_text(j, "error") : "the carrier does not answer";
	if (wrong) {
		fprintf(c->err, "myelin: lab %s, node %s, port %s: %s\n", r.name, argv[0], argv[1],
			wrong);
		rc = CLI_FAILED;
	}
	js_free(j);
	free(request);
	return rc;
}

static volatile sig_atomic_t capture_ends;

static void capture_end(int sig)
{
	(void)sig;
	capture_ends = 1;
}

/* A pcap file of nanosecond stamps, in this machine's byte order. */
static int capture_write(int fd, FILE *f)
{
	static uint8_t b[CARRIER_FRAME_MAX + 16];
	const uint32_t head[6] = {0xa1b23c4d, 4u << 16 | 2u, 0, 0, 65535, 1};
	uint32_t missed = 0;
	ssize_t n;

	if (fwrite(head, sizeof(head), 1, f) != 1 || fflush(f))
		return -errno;
	while (!capture_ends) {
		struct rd r;
		uint32_t rec[4];
		uint64_t ns;

		n = recv(fd, b, sizeof(b), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			fflush(f);
			continue;
		}
		if (n < 16)
			break;
		r = rd_init(b, (size_t)n);
		ns = rd_u64(&r);
		rd_skip(&r, 4);
		missed = rd_u32(&r);
		rec[0] = (uint32_t)(ns / 1000000000);
		rec[1] = (uint32_t)(ns % 1000000000);
		rec[2] = rec[3] = (uint32_t)n - 16;
		if (fwrite(rec, sizeof(rec), 1, f) != 1 || fwrite(r.p, (size_t)n - 16, 1, f) != 1)
			return -errno;
	}
	if (missed)
		fprintf(stderr, "myelin: %u frames came too fast to be written\n", missed);
	return fflush(f) ? -errno : 0;
}

static int capture_command(const struct cli *c, const struct cli_command *cmd, int argc,
			   char **argv)
{
	struct sigaction sa = {.sa_handler = capture_end};
	struct timeval often = {.tv_usec = 200000};
	char request[128], answer[128];
	const char *lab;
	struct run r;
	FILE *f = NULL;
	int fd, err = 0;
	ssize_t n;

	if (!lab_option(&argc, argv, &lab) || argc != 2)
		return cli_usage(c, cmd, "it needs a service and a file");
	if (!lab_find(c, &r, lab))
		return CLI_FAILED;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = ask_carrier_open(&r);
	snprintf(request, sizeof(request), "capture %.40s", argv[0]);
	n = fd < 0 || send(fd, request, strlen(request), MSG_NOSIGNAL) < 0
		    ? -1
		    : recv(fd, answer, sizeof(answer) - 1, 0);
	if (n != 2) {
		fprintf(c->err, "myelin: %s: no such service\n", argv[0]);
		err = -ENOENT;
		goto out;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &often, sizeof(often));
	f = strcmp(argv[1], "-") ? fopen(argv[1], "we") : stdout;
	err = f ? capture_write(fd, f) : -errno;
	if (err && err != -EPIPE)
		fprintf(c->err, "myelin: %s: %s\n", argv[1], strerror(-err));
	if (f && f != stdout)
		fclose(f);
out:
	if (fd >= 0)
		close(fd);
	return err ? CLI_FAILED : CLI_OK;
}

static int carrier_process(const struct cli *c, const struct cli_command *cmd, int argc,
			   char **argv)
{
	(void)c;
	(void)cmd;
	(void)argc;
	return carrier_main(argv[0], STDIN_FILENO);
}

/* What there is of a kind in the labs that are up: every lab's, which mostly is one's. */
static void names_of(const struct run *r, const char *what, int argc, const char *const *argv,
		     void *ctx)
{
	struct js *j = ask_carrier(r, "status");
	const struct js *services = js_get(j, "services");
	bool node = !strcmp(what, "NODE"), port = !strcmp(what, "PORT");

	for (size_t i = 0; i < js_len(services); i++) {
		const struct js *s = js_at(services, i), *ports = js_get(s, "ports");

		if (!strcmp(what, "SERVICE") && js_text(s, "name"))
			cli_offer(ctx, js_text(s, "name"), NULL);
		for (size_t k = 0; (node || port) && k < js_len(ports); k++) {
			const char *of = js_text(js_at(ports, k), "node");
			const char *name = js_text(js_at(ports, k), "port");

			if (node && of)
				cli_offer(ctx, of, NULL);
			if (port && of && name && argc && !strcmp(of, argv[0]))
				cli_offer(ctx, name, NULL);
		}
	}
	js_free(j);
}

struct hosts {
	void *ctx;
	size_t skip;
};

static void host_offer(void *ctx, const char *netns)
{
	const struct hosts *h = ctx;

	if (!strncmp(netns + h->skip, "host-", 5))
		cli_offer(h->ctx, netns + h->skip, NULL);
}

static void lab_names(const char *what, int argc, const char *const *argv, void *ctx)
{
	static const char *const how[] = {"alter", "duplicate", "drop", "late", "replay"};
	DIR *d = opendir(RUN_TOP);
	struct dirent *e;

	for (size_t i = 0; !strcmp(what, "HOW") && i < sizeof(how) / sizeof(*how); i++)
		cli_offer(ctx, how[i], NULL);
	while (d && (e = readdir(d))) {
		struct hosts h = {.ctx = ctx, .skip = strlen(e->d_name) + 1};
		struct run r;

		if (!name_is_good(e->d_name) || run_open(&r, e->d_name))
			continue;
		if (!strcmp(what, "LAB"))
			cli_offer(ctx, e->d_name, NULL);
		else if (!strcmp(what, "HOST"))
			net_each(e->d_name, host_offer, &h);
		else
			names_of(&r, what, argc, argv, ctx);
	}
	if (d)
		closedir(d);
}

static const struct cli_option up_opts[] = {
	{"--once", NULL, "take it down after the report"},
	{"--quick", NULL, "measure nothing"},
	{"--no-wait", NULL, "do not even wait for keys"},
	{"--name", "LAB", "its name; the backbone's without it"},
	{"--delay-scale", "X", "the delays are X times the real ones"},
	{"--lanes", "N", "of every node: threads that share forward's cryptography"},
	{},
};

static const struct cli_option lab_opts[] = {
	{"--lab", "LAB", "which one, where several are up"},
	{},
};

const struct cli_command lab_commands[] = {
	{"lab up", "FILE", "run a backbone here, in namespaces", 1, 12, true, up_command, up_opts,
	 .more = "Needs root. It stays up until `lab down`."},
	{"lab down", "[FILE|LAB]", "end a lab, leave nothing behind", 0, 1, false, down_command,
	 .names = lab_names},
	{"lab status", "[LAB]", "nodes, hosts, what the carrier saw", 0, 2, true, status_command,
	 lab_opts, .names = lab_names},
	{"lab exec", "NODE|HOST -- CMD...", "run a command there", 2, INT_MAX, true, exec_command,
	 lab_opts, .names = lab_names},
	{"lab capture", "SERVICE FILE", "pcap of what the carrier sees", 2, 4, true,
	 capture_command, lab_opts, "Until it is interrupted. FILE - is standard output.",
	 lab_names},
	{"lab cut", "NODE PORT", "cut a carrier's port", 2, 4, true, carrier_command, lab_opts,
	 .names = lab_names},
	{"lab heal", "NODE PORT", "mend it", 2, 4, true, carrier_command, lab_opts,
	 .names = lab_names},
	{"lab inject", "NODE PORT HEX", "a frame from the carrier to a node", 3, 5, true,
	 carrier_command, lab_opts, "HEX is a whole Ethernet frame, without FCS.", lab_names},
	{"lab tamper", "NODE PORT HOW COUNT", "with the next MACsec frames to a node", 4, 6, true,
	 carrier_command, lab_opts,
	 "HOW: alter (a bit flips), duplicate, drop, late (20 ms), replay (once more after a "
	 "second).",
	 lab_names},
	{"lab carrier", "DIR", "the emulated carrier itself; `lab up` starts it", 1, 1, false,
	 carrier_process, .hidden = true},
	{NULL, NULL, NULL, 0, 0, false, NULL},
};
