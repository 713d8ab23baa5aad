#include "proc/spawn.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINK_BUFFER (4 << 20) /* bytes: every SA's report and counters at once */
#define KEPT_VARIABLES 8

/* What a role's environment keeps. */
static const char *const kept[] = {
	"JOURNAL_STREAM=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=", "TZ=",
};

static void environment_cut(char *out[KEPT_VARIABLES])
{
	size_t n = 0;

	for (char **e = environ; e && *e; e++)
		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			if (n < KEPT_VARIABLES - 1 && !strncmp(*e, kept[i], strlen(kept[i])))
				out[n++] = *e;
	out[n] = NULL;
}

/* In the child: moves descriptors to their places. Those above stay out of each other's way by
 * going up first. */
static int place_fds(const int fds[SPAWN_FDS])
{
	int high[SPAWN_FDS], null = open("/dev/null", O_RDONLY);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		return -1;
	for (int i = 0; i < SPAWN_FDS; i++) {
		high[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD, SPAWN_FIRST_FD + SPAWN_FDS);
		if (fds[i] >= 0 && high[i] < 0)
			return -1;
	}
	for (int i = 0; i < SPAWN_FDS; i++) {
		if (high[i] < 0)
			close(SPAWN_FIRST_FD + i);
		else if (dup2(high[i], SPAWN_FIRST_FD + i) < 0)
			return -1;
	}
	return close_range(SPAWN_FIRST_FD + SPAWN_FDS, ~0u, 0);
}

/* The very file that runs, were it replaced on disk meanwhile. By a descriptor: valgrind, under
 * which this is tested, knows what /proc/self/exe is when it is opened, not when it is executed. */
static void self_exec(char *const argv[], char *env[])
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		fexecve(fd, argv, env);
}

pid_t spawn_role(char *const argv[], const int fds[SPAWN_FDS])
{
	char *env[KEPT_VARIABLES];
	sigset_t none;
	pid_t pid;

	environment_cut(env);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid)
		return pid;
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) == 0 && place_fds(fds) == 0)
		self_exec(argv, env);
	log_error("cannot start %s %s: %m", argv[1], argv[2]);
	_exit(1);
}

int spawn_link(int ends[2])
{
	const int size = LINK_BUFFER;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	for (unsigned i = 0; i < 2; i++)
		(void)setsockopt(ends[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return 0;
}
