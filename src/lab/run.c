/* run: start, remember and end. See run.h. */
#include "lab/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "lab/net.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_NS (4 * NS_PER_S) /* from SIGTERM to SIGKILL */
#define ENDING_MAX 512

static void path_make(struct run *r, const char *name)
{
	snprintf(r->name, sizeof(r->name), "%s", name);
	snprintf(r->dir, sizeof(r->dir), RUN_TOP "/%s", r->name);
}

int run_create(struct run *r, const char *name)
{
	path_make(r, name);
	if (mkdir(RUN_TOP, 0700) < 0 && errno != EEXIST)
		return -errno;
	return mkdir(r->dir, 0700) < 0 ? -errno : 0;
}

int run_open(struct run *r, const char *name)
{
	path_make(r, name);
	return access(r->dir, F_OK) < 0 ? -errno : 0;
}

int run_only(char name[32])
{
	DIR *d = opendir(RUN_TOP);
	struct dirent *e;
	int count = 0;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] != '.' && !count++)
			snprintf(name, 32, "%.31s", e->d_name);
	}
	if (d)
		closedir(d);
	return count == 1 ? 0 : count ? -EEXIST : -ENOENT;
}

int run_note(const struct run *r, const char *key, const char *value)
{
	char path[RUN_PATH + 16], line[512];
	int n = snprintf(line, sizeof(line), "%s %s\n", key, value), fd, err = 0;

	snprintf(path, sizeof(path), "%s/state", r->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, line, (size_t)n) != n)
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

bool run_recall(const struct run *r, const char *key, char *value, size_t size)
{
	char path[RUN_PATH + 16], line[512];
	size_t n = strlen(key);
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/state", r->dir);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, n) != 0 || line[n] != ' ')
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(value, size, "%s", line + n + 1);
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

bool run_program(const char *name, char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	if (n <= 0)
		return false;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!name || !slash)
		return slash != NULL;
	if (strlen(name) >= size - (size_t)(slash + 1 - path))
		return false;
	strcpy(slash + 1, name);
	return true;
}

/* When a process began, in clock ticks since boot: with its id, a name for it that is not used
 * again. 0 when there is no such process. */
static unsigned long long process_began(pid_t pid)
{
	char path[64], line[1024], *p;
	unsigned long long began = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f) && (p = strrchr(line, ')'))) {
		/* The 22nd field; the command's name before the parenthesis is the second. */
		for (unsigned i = 0; i < 20 && p; i++)
			p = strchr(p + 1, ' ');
		if (p)
			began = strtoull(p, NULL, 10);
	}
	if (f)
		fclose(f);
	return began;
}

/* In the child: everything up to exec. */
__attribute__((noreturn)) static void child_run(const struct run *r, const char *role,
						const char *netns, char *const argv[], int stdin_fd)
{
	char log[RUN_PATH + 48];
	sigset_t none;
	int fd;

	snprintf(log, sizeof(log), "%s/%s.log", r->dir, role);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (stdin_fd < 0)
		stdin_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || stdin_fd < 0 || dup2(stdin_fd, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(126);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (netns && net_become(netns) < 0) {
		log_error("%s: cannot enter %s: %m", role, netns);
		_exit(126);
	}
	execv(argv[0], argv);
	log_error("%s: %s: %m", role, argv[0]);
	_exit(127);
}

pid_t run_start(const struct run *r, const char *role, const char *netns, char *const argv[],
		int stdin_fd)
{
	char key[64], value[64];
	pid_t pid = fork();
	int err;

	if (pid < 0)
		return -errno;
	if (!pid)
		child_run(r, role, netns, argv, stdin_fd);
	snprintf(key, sizeof(key), "process %s", role);
	snprintf(value, sizeof(value), "%d %llu", pid, process_began(pid));
	err = run_note(r, key, value);
	return err ? err : pid;
}

static pid_t alive_parse(const char *value)
{
	unsigned long long began;
	pid_t pid;

	if (sscanf(value, "%d %llu", &pid, &began) != 2 || !began || process_began(pid) != began)
		return 0;
	return pid;
}

pid_t run_alive(const struct run *r, const char *role)
{
	char key[64], value[64];

	snprintf(key, sizeof(key), "process %s", role);
	return run_recall(r, key, value, sizeof(value)) ? alive_parse(value) : 0;
}

/* Processes that are being ended, by descriptor: an id may be used again, a descriptor not. */
struct ending {
	struct pollfd p[ENDING_MAX];
	size_t count;
};

static void ending_add(struct ending *e, pid_t pid)
{
	int fd;

	if (pid <= 1 || pid == getpid() || e->count == ENDING_MAX)
		return;
	fd = pidfd_open(pid, 0);
	if (fd >= 0)
		e->p[e->count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void ending_add_noted(struct ending *e, const struct run *r, bool carrier)
{
	char path[RUN_PATH + 16], line[512], role[64];
	FILE *f;
	int at;

	snprintf(path, sizeof(path), "%s/state", r->dir);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "process %63s %n", role, &at) == 1 &&
		    carrier == !strcmp(role, "carrier"))
			ending_add(e, alive_parse(line + at));
	}
	if (f)
		fclose(f);
}

/* SIGTERM, time to comply, SIGKILL; closes the descriptors. */
static void ending_run(struct ending *e)
{
	uint64_t until = clock_now() + END_NS;
	size_t left = e->count;

	for (size_t i = 0; i < e->count; i++)
		pidfd_send_signal(e->p[i].fd, SIGTERM, NULL, 0);
	for (bool killed = false; left;) {
		uint64_t now = clock_now();

		if (now >= until) {
			if (killed)
				break; /* not even SIGKILL: a kernel that hangs is not ours to mend */
			for (size_t i = 0; i < e->count; i++) {
				if (e->p[i].fd >= 0)
					pidfd_send_signal(e->p[i].fd, SIGKILL, NULL, 0);
			}
			killed = true;
			until = now + END_NS;
		}
		if (poll(e->p, e->count, 50) < 0 && errno != EINTR)
			break;
		for (size_t i = 0; i < e->count; i++) {
			if (e->p[i].fd >= 0 && e->p[i].revents) {
				close(e->p[i].fd);
				e->p[i].fd = -1; /* poll() skips it from now on */
				e->p[i].revents = 0;
				left--;
			}
		}
	}
	for (size_t i = 0; i < e->count; i++) {
		if (e->p[i].fd >= 0)
			close(e->p[i].fd);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

struct inodes {
	ino_t v[256];
	size_t count;
};

static void inode_add(void *ctx, const char *netns)
{
	struct inodes *in = ctx;
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	if (in->count < sizeof(in->v) / sizeof(*in->v) && !stat(path, &st))
		in->v[in->count++] = st.st_ino;
}

/* Whatever lives in the lab's namespaces: commands given to `lab exec`, roles of a daemon whose
 * parent was killed. */
static void ending_add_inside(struct ending *e, const char *lab)
{
	struct inodes in = {.count = 0};
	DIR *d = opendir("/proc");
	struct dirent *de;

	net_each(lab, inode_add, &in);
	while (d && (de = readdir(d))) {
		char path[64];
		struct stat st;
		pid_t pid = atoi(de->d_name);

		snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
		if (pid <= 0 || stat(path, &st))
			continue;
		for (size_t i = 0; i < in.count; i++) {
			if (in.v[i] == st.st_ino)
				ending_add(e, pid);
		}
	}
	if (d)
		closedir(d);
}

static int unlink_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

int run_end(struct run *r)
{
	struct ending e = {.count = 0};
	int err;

	ending_add_noted(&e, r, false);
	ending_run(&e);
	e.count = 0;
	ending_add_inside(&e, r->name);
	ending_run(&e);
	e.count = 0;
	ending_add_noted(&e, r, true);
	ending_run(&e);
	err = net_remove(r->name);
	if (nftw(r->dir, unlink_one, 8, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT && !err)
		err = -errno;
	rmdir(RUN_TOP); /* the last lab takes the directory with it */
	return err;
}
