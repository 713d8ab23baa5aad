/* heir: a pipe whose end says how its owner went. See heir.h. */
#include "lab/heir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#define MOURNING_MS 500 /* for an `ip` that the dead process had under way */

__attribute__((noreturn)) static void heir_run(struct run r, int owner)
{
	static const int deaf_to[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	ssize_t n;
	char c;

	setsid();
	for (size_t i = 0; i < sizeof(deaf_to) / sizeof(deaf_to[0]); i++)
		signal(deaf_to[i], SIG_IGN);
	/* Whoever reads the output of a killed one waits for its end. */
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	do {
		n = read(owner, &c, 1);
	} while (n < 0 && errno == EINTR);
	if (n)
		_exit(0);
	/* Before and once: as long as the run directory stands nobody makes another lab of the name. */
	poll(NULL, 0, MOURNING_MS);
	_exit(run_end(&r) ? 1 : 0);
}

int heir_start(const struct run *r)
{
	int ends[2], err;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		err = -errno;
		close(ends[0]);
		close(ends[1]);
		return err;
	}
	if (!pid) {
		close(ends[1]);
		heir_run(*r, ends[0]);
	}
	close(ends[0]);
	return ends[1];
}

void heir_dismiss(int heir)
{
	if (heir < 0)
		return;
	if (write(heir, "", 1) < 0)
		(void)errno; /* it is gone, so nobody needs to be told */
	close(heir);
}
