/* What forward and signer, which have no sd-event loop, share of being a role. */
#include "myelind/role.h"

#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

int role_signals_open(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	/* Ctrl-C reaches every process of a terminal; the parent decides what it means. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

bool role_told_to_end(int signals)
{
	struct signalfd_siginfo si;
	bool told = false;

	while (read(signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		told |= si.ssi_signo == SIGTERM;
	return told;
}
