/*
 * role: what the parent hands a role at its start, and what comes back at its end.
 *
 * The parent re-executes /proc/self/exe with `--role control|forward|signer`; main.c has put the process
 * into its sandbox (own user, no capabilities, no_new_privs, PDEATHSIG) before it calls the
 * role's main. Descriptors stand at fixed numbers, are the role's own from then on and stay open
 * for its life. Everything else (ports, secrets, the links between roles) comes as messages
 * over ROLE_FD_LINK.
 */
#pragma once

#include <stdbool.h>

enum role_fd {
	ROLE_FD_LINK = 3,   /* to the parent: SOCK_SEQPACKET, non-blocking */
	ROLE_FD_STATE = 4,  /* sealed memfd: `sa` for forward, `ctl` for control; signer has none */
	ROLE_FD_CLI = 5,    /* control: the listening CLI socket, non-blocking */
	ROLE_FD_CONFIG = 6, /* control: the backbone file as it was when it was taken. The offset is
			      * shared: pread() only */
	ROLE_FD_NETLINK =
		7, /* control: a route netlink socket of the node's network namespace, since
			      * control's own is empty; it may only read */
	ROLE_FD_ROUTES =
		8, /* sealed memfd with the table of routes: control writes, forward reads */
	ROLE_FD_ROUTES_NL =
		9,         /* control: another such socket, subscribed to what routes depend on */
	ROLE_FD_POOL = 10, /* forward: a memfd for its packets, new for each life */
};

/* Forward's packets. */
#define ROLE_FRAME_MAX 9728 /* bytes: jumbo frames with tag, SecTAG and ICV */
#define ROLE_BUFFERS 1024   /* enough for full bursts in every stage and some to spare */

/* How a role ends. Anything else (signals too) is a crash: the parent starts it again. */
enum role_exit {
	ROLE_EXIT_OK = 0,     /* asked to: SIGTERM, or the parent closed the link */
	ROLE_EXIT_RELOAD = 4, /* control: its successor takes up the file that was taken */
	ROLE_EXIT_CONFIG =
		3, /* the file cannot be run, said on stderr: the parent ends with 1, unless
			       * it was running before */
};

#define ROLE_LANES_AUTO (-1)

struct lanes;

struct role_args {
	const char *node;    /* --node */
	const char *config;  /* path of the file as the operator wrote it, for messages */
	int lanes_wanted;    /* forward: --lanes, or ROLE_LANES_AUTO */
	struct lanes *lanes; /* forward: what forward_threads() started, or NULL */
};

#define ROLE_KEYS_MAX 16 /* private keys of one node: authorities of its overlays */

/* All return an enum role_exit. */
int control_main(const struct role_args *args);
int forward_main(const struct role_args *args);
int signer_main(const struct role_args *args);

/* Starts forward's threads, while that is allowed (proc/sandbox.h). args: a struct role_args. */
void forward_threads(void *args);

/* SIGTERM as a descriptor to read, for a role whose loop is poll(); what else a terminal or a closed
 * socket may send is ignored. -1 with errno. */
int role_signals_open(void);
/* Reads it empty. True: the role is to end. */
bool role_told_to_end(int signals);

/*
 * The signer runs while control wants a key of it. It and control are told of their link by
 * MSG_SIGNER_LINK, again whenever one of them was restarted.
 *
 * Besides what msg.h says of each link:
 * - MSG_STATS_GET from control to the parent names a wan port (in `secy`): the parent answers
 *   with the counters of its guards, one MSG_STATS per port with names such as
 *   "ingress-eapol", "ingress-dropped", "egress-macsec", "egress-dropped", then MSG_STATS_DONE.
 * - MSG_STATS_GET from control to forward names a SecY: the SecY's own counters (sci 0), then
 *   those of each SC and SA, then MSG_STATS_DONE.
 * - Each is told the other end of the control ↔ forward link by MSG_LINK at its start, and again
 *   whenever the other one was restarted; the former link is closed on receipt.
 */
