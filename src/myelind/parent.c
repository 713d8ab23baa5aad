/*
 * The parent: root, one thread, no secret in its memory. It starts the roles and starts them
 * again, hands them their descriptors, and does to the kernel what control asks for (wants.c).
 *
 * Whatever outlives a role is a descriptor here: the state memfds, the ports, the CLI socket. When
 * the parent ends, its roles are killed by the kernel (PDEATHSIG), the overlay interfaces go with
 * their last descriptor, the abstract socket likewise; the guards stay.
 */
#include "myelind/parent.h"

#include "base/clock.h"
#include "base/log.h"
#include "fib/fib.h"
#include "fwd/fwd.h"
#include "myelind/backup.h"
#include "myelind/keys.h"
#include "myelind/role.h"
#include "myelind/wants.h"
#include "port/port.h"
#include "proc/files.h"
#include "proc/netlink.h"
#include "proc/notify.h"
#include "proc/sandbox.h"
#include "proc/spawn.h"
#include "proc/state.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CTL_STATE_SIZE (56u << 20) /* bytes: what control keeps over its own death */
#define TICK_NS NS_PER_S
#define STOP_NS (3 * NS_PER_S)     /* patience with a role that was told to end */
#define TAKEOVER_NS (2 * NS_PER_S) /* patience with a predecessor's roles */
#define STEADY_NS NS_PER_S         /* a role that lived this long is not failing over and over */
#define BACKOFF_NS (100 * NS_PER_MS)
#define BACKOFF_MAX_NS (5 * NS_PER_S)
#define MESSAGES_AT_ONCE 256 /* of one link, before the others are looked at */

enum { CONTROL, FORWARD, SIGNER, ROLES };

struct role {
	const char *name;
	pid_t pid; /* 0: not running */
	int link;  /* -1: none */
	int state;
	uint64_t started, start_at;
	unsigned failures; /* quick ones in a row */
	bool idle;         /* nothing needs it: it is not started */
};

struct parent {
	const struct parent_options *opt;
	struct backup running, candidate; /* copies of the file and of what it includes */
	bool offer;                       /* as soon as control is there */
	struct files files;
	char state_dir[128];
	struct role roles[ROLES];
	struct wants *wants;
	struct keys keys;
	struct keys_say say_keys;
	int cli, signals, watch;
	int routes, routes_read; /* the table of routes: control's descriptor, forward's */
	uint32_t seq;
	bool stopping;
	uint64_t stop_at, tick_at;
	bool ready;
	int status; /* to exit with */
	struct log_limit bad_messages;
};

static void role_kill(struct role *r, int sig)
{
	if (r->pid > 0)
		kill(r->pid, sig);
}

/* A role that does not read its link cannot be told of ports: it is started again. */
static void role_say(struct parent *p, struct role *r, const struct msg *m, int fd)
{
	struct msg out = *m;
	int err;

	if (r->link < 0)
		return;
	out.seq = ++p->seq;
	err = msg_send(r->link, &out, fd);
	if (!err || err == -EPIPE || err == -ECONNRESET)
		return;
	log_error("%s does not take %s: %s; starting it again", r->name, msg_type_name(m->type),
		  strerror(-err));
	role_kill(r, SIGKILL);
}

static void say_control(void *ctx, const struct msg *m, int fd)
{
	struct parent *p = ctx;

	role_say(p, &p->roles[CONTROL], m, fd);
}

static void say_forward(void *ctx, const struct msg *m, int fd)
{
	struct parent *p = ctx;

	role_say(p, &p->roles[FORWARD], m, fd);
}

static void say_signer(void *ctx, const struct msg *m, int fd)
{
	struct parent *p = ctx;

	role_say(p, &p->roles[SIGNER], m, fd);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Joins control and another role anew, when both are there. */
static void roles_link(struct parent *p, int other)
{
	const struct msg m = {.type = other == FORWARD ? MSG_LINK : MSG_SIGNER_LINK};
	struct role *const pair[] = {&p->roles[CONTROL], &p->roles[other]};
	int ends[2];

	if (!pair[0]->pid || !pair[1]->pid)
		return;
	if (spawn_link(ends) < 0) {
		log_error("cannot join control and %s: %m", pair[1]->name);
		return;
	}
	for (int i = 0; i < 2; i++) {
		role_say(p, pair[i], &m, ends[i]);
		close(ends[i]);
	}
}

/* What a role that was just started has to be told. */
static void role_begin(struct parent *p, int which)
{
	switch (which) {
	case CONTROL:
		wants_begin(p->wants);
		keys_begin(&p->keys);
		roles_link(p, FORWARD);
		roles_link(p, SIGNER);
		break;
	case FORWARD:
		wants_give(p->wants);
		roles_link(p, FORWARD);
		break;
	default:
		keys_give_all(&p->keys, &p->files, &p->say_keys);
		roles_link(p, SIGNER);
	}
}

/* New for each life of forward: what AF_XDP still does in a predecessor's is in nobody's way. The
 * descriptor stays wants'. */
static int pool_make(struct parent *p)
{
	size_t size = pkt_pool_size(ROLE_BUFFERS, ROLE_FRAME_MAX);
	int fd = state_make("myelin-pool", size);

	fd = fd < 0 ? -1 : fd;
	wants_pool(p->wants, fd, size);
	return fd;
}

static int role_start(struct parent *p, int which)
{
	struct role *r = &p->roles[which];
	char pid[16];
	char *argv[] = {(char[]){"myelind"},
			(char[]){"--role"},
			(char *)(uintptr_t)r->name,
			(char[]){"--parent"},
			pid,
			(char[]){"--node"},
			(char *)(uintptr_t)p->opt->node,
			(char *)(uintptr_t)p->opt->config,
			(char[]){"--lanes"},
			(char *)(uintptr_t)(p->opt->lanes ? p->opt->lanes : "0"),
			p->opt->debug ? (char[]){"--debug"} : NULL,
			NULL};
	int fds[SPAWN_FDS] = {-1, r->state, -1, -1, -1, -1, -1, -1}, ends[2], err;
	pid_t child;

	_Static_assert(ROLE_FD_LINK == SPAWN_FIRST_FD && ROLE_FD_STATE == SPAWN_FIRST_FD + 1 &&
			       ROLE_FD_CLI == SPAWN_FIRST_FD + 2 &&
			       ROLE_FD_CONFIG == SPAWN_FIRST_FD + 3 &&
			       ROLE_FD_NETLINK == SPAWN_FIRST_FD + 4 &&
			       ROLE_FD_ROUTES == SPAWN_FIRST_FD + 5 &&
			       ROLE_FD_ROUTES_NL == SPAWN_FIRST_FD + 6 &&
			       ROLE_FD_POOL == SPAWN_FIRST_FD + 7,
		       "descriptors stand where role.h says");
	err = spawn_link(ends);
	if (err)
		return err;
	fds[0] = ends[1];
	if (which == CONTROL) {
		fds[2] = p->cli;
		fds[3] = p->running.fd;
		/* New each time: answers to a predecessor's questions stay with the old one. */
		fds[4] = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
		fds[5] = p->routes;
		fds[6] = netlink_routes_open();
	} else if (which == FORWARD) {
		fds[5] = p->routes_read;
		fds[7] = pool_make(p);
	}
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	child = spawn_role(argv, fds);
	if (child < 0) {
		err = (int)child;
		goto out;
	}
	r->pid = child;
	r->link = ends[0];
	r->started = clock_now();
	log_debug("%s is process %d", r->name, (int)child);
	role_begin(p, which);
out:
	close(ends[1]);
	close_fd(&fds[4]);
	close_fd(&fds[6]);
	if (err)
		close(ends[0]);
	return err;
}

/* A role ended. It is started again at once, unless it keeps ending. */
static void role_ended(struct parent *p, int which, int status)
{
	struct role *r = &p->roles[which];
	uint64_t now = clock_now(), wait = 0;

	r->pid = 0;
	close_fd(&r->link);
	if (which == FORWARD)
		wants_pool(p->wants, -1, 0);
	if (p->stopping || r->idle)
		return;
	/* A file that has run before is no reason to stop the traffic. */
	if (which == CONTROL && !p->ready && WIFEXITED(status) &&
	    WEXITSTATUS(status) == ROLE_EXIT_CONFIG) {
		p->status = 1;
		p->stopping = true;
		p->stop_at = now + STOP_NS;
		role_kill(&p->roles[FORWARD], SIGTERM);
		role_kill(&p->roles[SIGNER], SIGTERM);
		return;
	}
	if (which == CONTROL && WIFEXITED(status) && WEXITSTATUS(status) == ROLE_EXIT_RELOAD) {
		log_info("control takes up the new file");
		p->offer = p->candidate.fd >= 0; /* one that came too late for it */
		r->start_at = now;
		return;
	}
	r->failures = now - r->started > STEADY_NS ? 0 : r->failures + 1;
	if (r->failures > 3) {
		wait = BACKOFF_NS << (r->failures - 4 < 6 ? r->failures - 4 : 6);
		wait = wait < BACKOFF_MAX_NS ? wait : BACKOFF_MAX_NS;
	}
	r->start_at = now + wait;
	if (WIFSIGNALED(status))
		log_warn("%s was killed by signal %d; starting it again", r->name,
			 WTERMSIG(status));
	else
		log_warn("%s ended with status %d; starting it again", r->name,
			 WEXITSTATUS(status));
}

static void reap(struct parent *p)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < ROLES; i++)
			if (p->roles[i].pid == pid)
				role_ended(p, i, status);
}

static void file_answer(struct parent *p, const struct msg_file_open *want)
{
	struct msg m = {.type = MSG_FILE, .file = {.tag = want->tag}};
	bool include = want->kind == MSG_FILE_CONFIG;
	struct backup *set = want->tag == MSG_CONFIG_CANDIDATE ? &p->candidate : &p->running;
	int fd = include ? backup_include(set, &p->files, want, m.file.where)
			 : files_open(&p->files, want, m.file.where);

	files_where_print(m.file.where);
	if (fd < 0)
		m.file.error = (uint16_t)-fd;
	say_control(p, &m, fd);
	if (fd >= 0 && !include)
		close(fd);
}

static bool key_wanted(struct parent *p, const struct msg_key_want *want)
{
	struct role *r = &p->roles[SIGNER];

	if (!keys_want(&p->keys, want, &p->say_keys))
		return false;
	if (r->idle) {
		r->idle = false;
		r->start_at = clock_now();
	} else if (r->pid) {
		keys_give(&p->keys, want->key, &p->files, &p->say_keys);
	}
	return true;
}

/* Control has named all that it wants. */
static void wants_named(struct parent *p)
{
	struct role *signer = &p->roles[SIGNER];

	wants_done(p->wants);
	keys_done(&p->keys, &p->say_keys);
	signer->idle = !keys_any(&p->keys);
	if (signer->idle)
		role_kill(signer, SIGTERM);
}

/* Gives control the file as it is now; what runs is not touched until control takes it. */
static void config_offer(struct parent *p)
{
	struct msg m = {.type = MSG_CONFIG};
	int rc;

	p->offer = p->roles[CONTROL].link < 0;
	if (p->offer)
		return;
	rc = backup_take(&p->candidate, p->opt->config);
	if (rc < 0)
		m.file.error = (uint16_t)-rc;
	say_control(p, &m, p->candidate.fd);
}

static void config_taken(struct parent *p)
{
	if (p->candidate.fd < 0)
		return;
	backup_fini(&p->running);
	p->running = p->candidate;
	backup_init(&p->candidate);
}

static bool control_said(struct parent *p, const struct msg *m)
{
	switch (m->type) {
	case MSG_PORT_WANT:
		wants_port(p->wants, &m->port_want);
		return true;
	case MSG_ADDRESS_WANT:
		wants_address(p->wants, &m->address_want);
		return true;
	case MSG_NEIGHBOUR_WANT:
		wants_neighbour(p->wants, &m->neighbour_want);
		return true;
	case MSG_NEIGHBOUR_PROBE:
		wants_probe(p->wants, &m->neighbour_probe);
		return true;
	case MSG_ROUTE_WANT:
		wants_route(p->wants, &m->route_want);
		return true;
	case MSG_TRANSIT_WANT:
		wants_transit(p->wants, m->transit_want);
		return true;
	case MSG_WANT_DONE:
		wants_named(p);
		if (!p->ready)
			notify_ready("running");
		p->ready = true;
		if (p->offer)
			config_offer(p);
		return true;
	case MSG_WANT_AGAIN:
		wants_begin(p->wants);
		keys_begin(&p->keys);
		return true;
	case MSG_KEY_WANT:
		return key_wanted(p, &m->key_want);
	case MSG_RELOAD:
		config_offer(p);
		return true;
	case MSG_CONFIG_TAKE:
		config_taken(p);
		return true;
	case MSG_FILE_OPEN:
		file_answer(p, &m->file_open);
		return true;
	case MSG_STATS_GET:
		wants_stats(p->wants, m->secy);
		return true;
	default:
		return false;
	}
}

static void link_read(struct parent *p, int which)
{
	struct role *r = &p->roles[which];
	struct msg m;
	int fd, got;

	for (int i = 0; i < MESSAGES_AT_ONCE && r->link >= 0; i++) {
		got = msg_recv(r->link, &m, &fd);
		if (got == 0)
			return;
		if (got == -EPIPE) {
			/* It is ending; what becomes of it is told by its status. */
			close_fd(&r->link);
			return;
		}
		if (got == 1) {
			close_fd(&fd); /* nothing that comes this way has one */
			if (which == CONTROL && control_said(p, &m))
				continue;
			if (which == FORWARD && m.type == MSG_XSK_MAPPED) {
				wants_xsk_mapped(p->wants, &m.xsk);
				continue;
			}
		}
		log_limited(&p->bad_messages, LOG_LVL_ERROR, "%s sent %s; dropped it", r->name,
			    got == 1 ? msg_type_name(m.type) : "something that is no message");
	}
}

static void stop_begin(struct parent *p)
{
	if (p->stopping)
		return;
	log_info("stopping");
	notify_stopping();
	p->stopping = true;
	p->stop_at = clock_now() + STOP_NS;
	for (int i = 0; i < ROLES; i++)
		role_kill(&p->roles[i], SIGTERM);
}

static void signals_read(struct parent *p)
{
	struct signalfd_siginfo si;

	while (read(p->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			reap(p);
		else if (si.ssi_signo == SIGHUP && !p->stopping)
			config_offer(p);
		else
			stop_begin(p);
	}
}

static void roles_due(struct parent *p, uint64_t now)
{
	for (int i = 0; i < ROLES; i++) {
		struct role *r = &p->roles[i];
		int err;

		if (p->stopping) {
			if (now >= p->stop_at)
				role_kill(r, SIGKILL);
			continue;
		}
		if (r->pid || r->idle || now < r->start_at)
			continue;
		err = role_start(p, i);
		if (err) {
			log_error("cannot start %s: %s", r->name, strerror(-err));
			r->start_at = now + NS_PER_S;
		}
	}
}

/* Milliseconds until something is due. */
static int wait_ms(const struct parent *p, uint64_t now)
{
	uint64_t at = p->stopping ? p->stop_at : p->tick_at;

	for (int i = 0; i < ROLES && !p->stopping; i++)
		if (!p->roles[i].pid && !p->roles[i].idle && p->roles[i].start_at < at)
			at = p->roles[i].start_at;
	return at <= now ? 0 : (int)((at - now) / NS_PER_MS) + 1;
}

static bool roles_gone(const struct parent *p)
{
	return !p->roles[CONTROL].pid && !p->roles[FORWARD].pid && !p->roles[SIGNER].pid;
}

static void parent_loop(struct parent *p)
{
	while (!(p->stopping && roles_gone(p))) {
		struct pollfd fds[] = {
			{.fd = p->signals, .events = POLLIN},
			{.fd = p->watch, .events = POLLIN},
			{.fd = p->roles[CONTROL].link, .events = POLLIN},
			{.fd = p->roles[FORWARD].link, .events = POLLIN},
			{.fd = p->roles[SIGNER].link, .events = POLLIN},
		};
		uint64_t now;

		if (poll(fds, 2 + ROLES, wait_ms(p, clock_now())) < 0 && errno != EINTR) {
			log_error("poll: %m");
			p->status = 1;
			return;
		}
		if (fds[0].revents)
			signals_read(p);
		for (int i = 0; i < ROLES; i++)
			if (fds[2 + i].revents && p->roles[i].link == fds[2 + i].fd)
				link_read(p, i);
		now = clock_now();
		if (fds[1].revents || now >= p->tick_at) {
			netlink_watch_drain(p->watch);
			wants_tick(p->wants);
			p->tick_at = now + TICK_NS;
		}
		roles_due(p, now);
	}
}

static int signals_open(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* The socket that clients of this node find by name; -EADDRINUSE when the node runs already. */
static int cli_bind(const char *node)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), n, err;

	if (fd < 0)
		return -errno;
	n = snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, "myelin/%s", node);
	if (bind(fd, (struct sockaddr *)&sa,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) < 0 ||
	    listen(fd, 16) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* A predecessor that was killed may still have a role that is about to die of it. */
static int cli_open(const char *node)
{
	const struct timespec pause = {.tv_nsec = 50 * (long)NS_PER_MS};
	uint64_t give_up = clock_now() + TAKEOVER_NS;
	int fd;

	while ((fd = cli_bind(node)) == -EADDRINUSE && clock_now() < give_up)
		nanosleep(&pause, NULL);
	return fd;
}

static int parent_open(struct parent *p)
{
	const struct wants_say say = {.ctx = p, .control = say_control, .forward = say_forward};
	int err;

	/* A copy, so that a control that is started again runs what runs, whatever an operator
	 * is writing into the file meanwhile. */
	err = backup_take(&p->running, p->opt->config);
	if (err < 0) {
		log_error("%s: %s", p->opt->config, strerror(-err));
		return err;
	}
	p->cli = cli_open(p->opt->node);
	if (p->cli < 0) {
		log_error(p->cli == -EADDRINUSE ? "node %s runs already in this network namespace"
						: "cannot listen for clients of node %s",
			  p->opt->node);
		return p->cli;
	}
	p->signals = signals_open();
	p->watch = netlink_watch_open();
	p->wants = wants_new(&say);
	p->roles[CONTROL].state = state_make("myelin-ctl", CTL_STATE_SIZE);
	p->roles[FORWARD].state = state_make("myelin-sa", fwd_state_size());
	p->routes = state_make("myelin-routes", fib_size());
	p->routes_read = p->routes < 0 ? -1 : state_reader(p->routes);
	if (p->signals < 0 || p->watch < 0 || !p->wants || p->roles[CONTROL].state < 0 ||
	    p->roles[FORWARD].state < 0 || p->routes_read < 0) {
		log_error("cannot open what the roles need: %m");
		return -EIO;
	}
	return sandbox_parent();
}

static void parent_close(struct parent *p)
{
	for (int i = 0; i < ROLES; i++) {
		close_fd(&p->roles[i].link);
		close_fd(&p->roles[i].state);
	}
	if (p->wants)
		wants_free(p->wants);
	backup_fini(&p->running);
	backup_fini(&p->candidate);
	close_fd(&p->cli);
	close_fd(&p->signals);
	close_fd(&p->watch);
	close_fd(&p->routes);
	close_fd(&p->routes_read);
}

int parent_main(const struct parent_options *opt)
{
	struct parent p = {
		.opt = opt,
		.roles =
			{
				[CONTROL] = {.name = "control", .link = -1, .state = -1},
				[FORWARD] = {.name = "forward", .link = -1, .state = -1},
				[SIGNER] =
					{.name = "signer", .link = -1, .state = -1, .idle = true},
			},
		.cli = -1,
		.signals = -1,
		.watch = -1,
		.routes = -1,
		.routes_read = -1,
		.bad_messages = LOG_LIMIT(10, NS_PER_S),
	};

	backup_init(&p.running);
	backup_init(&p.candidate);
	log_init("parent", opt->debug ? LOG_LVL_DEBUG : LOG_LVL_INFO);
	snprintf(p.state_dir, sizeof(p.state_dir), "/var/lib/myelin/%s", opt->node);
	p.files = (struct files){
		.secrets = opt->secrets,
		.state_dir = opt->state_dir ? opt->state_dir : p.state_dir,
		.config = opt->config,
		.node = opt->node,
	};
	p.say_keys = (struct keys_say){.ctx = &p, .signer = say_signer};
	umask(0077);
	if (parent_open(&p) < 0) {
		parent_close(&p);
		return 1;
	}
	parent_loop(&p);
	parent_close(&p);
	return p.status;
}
