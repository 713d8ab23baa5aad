/*
 * myelind: the daemon's entrance. It becomes the parent, or, when the parent starts it again with
 * --role, a role: confined first, then run.
 */
#include "build-config.h"

#include "base/log.h"
#include "fwd/lanes.h"
#include "myelind/parent.h"
#include "myelind/role.h"
#include "proc/guard.h"
#include "proc/sandbox.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"Usage: myelind --node NAME [OPTION]... FILE\n"
	"       myelind --release-guards INTERFACE...\n"
	"Runs the node NAME of the backbone that FILE describes.\n"
	"\n"
	"  --node NAME       which node of the file this machine is\n"
	"  --secrets DIR     where secrets are (default: $CREDENTIALS_DIRECTORY, then\n"
	"                    /etc/myelin/secrets)\n"
	"  --state-dir DIR   where packet-number leases are kept (default:\n"
	"                    /var/lib/myelin/NAME)\n"
	"  --lanes N         threads that share forward's cryptography of MACsec, 0 to 8, or\n"
	"                    auto: one for each processor beside the first, at most 4\n"
	"                    (default: 0)\n"
	"  --debug           say more\n"
	"  --release-guards  take the guards off interfaces that no node uses any more;\n"
	"                    they stay on a wan interface when the daemon ends, so that\n"
	"                    nothing leaves it in clear\n"
	"  --help, --version\n";

struct options {
	struct parent_options parent;
	const char *role;
	long parent_pid;
	bool release;
};

static int bad_usage(const char *what)
{
	fprintf(stderr, "myelind: %s\nTry 'myelind --help'.\n", what);
	return 2;
}

/* What a node may be called: the name becomes part of a socket's and a directory's. */
static bool is_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n && n <= 63 && !s[n] && s[0] != '.' && s[0] != '-';
}

static bool is_lanes(const char *s)
{
	return !strcmp(s, "auto") || (s[0] >= '0' && s[0] <= '0' + LANES_MAX && !s[1]);
}

static int release_guards(char *const ifnames[])
{
	int ret = 0;

	if (!*ifnames)
		return bad_usage("--release-guards needs the interfaces to release");
	for (; *ifnames; ifnames++) {
		int err = guard_release(*ifnames);

		if (!err)
			continue;
		fprintf(stderr, "myelind: %s: cannot release its guards: %s\n", *ifnames,
			strerror(-err));
		ret = 1;
	}
	return ret;
}

static int run_role(const struct options *o)
{
	struct role_args args = {
		.node = o->parent.node, .config = o->parent.config, .lanes_wanted = 0};
	static const struct {
		const char *name;
		enum sandbox_role sandbox;
		int state; /* descriptor, -1: none */
		int (*run)(const struct role_args *args);
		void (*threads)(void *args);
	} roles[] = {
		{"control", SANDBOX_CONTROL, ROLE_FD_STATE, control_main, NULL},
		{"forward", SANDBOX_FORWARD, ROLE_FD_STATE, forward_main, forward_threads},
		{"signer", SANDBOX_SIGNER, -1, signer_main, NULL},
	};

	if (o->parent.lanes)
		args.lanes_wanted =
			strcmp(o->parent.lanes, "auto") ? atoi(o->parent.lanes) : ROLE_LANES_AUTO;

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(o->role, roles[i].name) != 0)
			continue;
		log_init(roles[i].name, o->parent.debug ? LOG_LVL_DEBUG : LOG_LVL_INFO);
		if (sandbox_enter(roles[i].sandbox, (pid_t)o->parent_pid, roles[i].state,
				  roles[i].threads, &args) < 0)
			return 1;
		return roles[i].run(&args);
	}
	return bad_usage("--role is for the parent's use");
}

/* -1: go on; else the exit status. */
static int parse_options(int argc, char *argv[], struct options *o)
{
	enum {
		OPT_NODE = 256,
		OPT_SECRETS,
		OPT_STATE,
		OPT_LANES,
		OPT_DEBUG,
		OPT_RELEASE,
		OPT_HELP,
		OPT_VERSION,
		OPT_ROLE,
		OPT_PARENT
	};
	static const struct option longs[] = {
		{"node", required_argument, NULL, OPT_NODE},
		{"secrets", required_argument, NULL, OPT_SECRETS},
		{"state-dir", required_argument, NULL, OPT_STATE},
		{"lanes", required_argument, NULL, OPT_LANES},
		{"debug", no_argument, NULL, OPT_DEBUG},
		{"release-guards", no_argument, NULL, OPT_RELEASE},
		{"help", no_argument, NULL, OPT_HELP},
		{"version", no_argument, NULL, OPT_VERSION},
		{"role", required_argument, NULL, OPT_ROLE},
		{"parent", required_argument, NULL, OPT_PARENT},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case OPT_NODE:
			o->parent.node = optarg;
			break;
		case OPT_SECRETS:
			o->parent.secrets = optarg;
			break;
		case OPT_STATE:
			o->parent.state_dir = optarg;
			break;
		case OPT_LANES:
			o->parent.lanes = optarg;
			break;
		case OPT_DEBUG:
			o->parent.debug = true;
			break;
		case OPT_RELEASE:
			o->release = true;
			break;
		case OPT_ROLE:
			o->role = optarg;
			break;
		case OPT_PARENT:
			o->parent_pid = strtol(optarg, NULL, 10);
			break;
		case OPT_HELP:
			fputs(usage, stdout);
			return 0;
		case OPT_VERSION:
			puts("myelind " MYELIN_VERSION);
			return 0;
		default:
			fputs("Try 'myelind --help'.\n", stderr);
			return 2;
		}
	}
	return -1;
}

int main(int argc, char *argv[])
{
	struct options o = {0};
	int ret = parse_options(argc, argv, &o);

	if (ret >= 0)
		return ret;
	if (o.release)
		return release_guards(argv + optind);
	if (!o.parent.node)
		return bad_usage("--node NAME says which node of the file this machine is");
	if (!is_name(o.parent.node))
		return bad_usage("a node's name is of letters, digits, '.', '_' and '-'");
	if (o.parent.lanes && !is_lanes(o.parent.lanes))
		return bad_usage("--lanes takes a number from 0 to 8, or auto");
	if (optind != argc - 1)
		return bad_usage(optind == argc ? "no backbone file was named"
						: "more than one file was named");
	o.parent.config = argv[optind];
	if (o.role)
		return run_role(&o);
	if (geteuid() != 0)
		return bad_usage("it must be started by root: it opens interfaces for the roles");
	return parent_main(&o.parent);
}
