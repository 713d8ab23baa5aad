#include "proc/sandbox.h"

#include "base/log.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <malloc.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(SANDBOX_FOR_VALGRIND)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
	__has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define HEAP_LOCKED (2u << 20) /* bytes: a signer's keys and all it needs to use them */

static const struct {
	const char *user; /* when the system has it */
	uid_t id;         /* otherwise this number, as user and as group */
} users[] = {
	[SANDBOX_CONTROL] = {"myelin-control", 64210},
	[SANDBOX_FORWARD] = {"myelin-forward", 64211},
	[SANDBOX_SIGNER] = {"myelin-signer", 64212},
};

/* Control and forward: memory, clocks, waiting, and I/O on descriptors that are open already. */
static const int calls_common[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(close),
	SCMP_SYS(fstat),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),
	SCMP_SYS(getsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(shutdown),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(brk),
	SCMP_SYS(madvise),
	SCMP_SYS(mlock),
	SCMP_SYS(mlock2),
	SCMP_SYS(munlock),
	SCMP_SYS(futex),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime),
	SCMP_SYS(signalfd4),
	SCMP_SYS(eventfd2),
	SCMP_SYS(getrandom),
	SCMP_SYS(getpid),
	SCMP_SYS(getppid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(getcpu),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(tgkill),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
};

/* Control answers the CLI socket, and writes lease files. */
static const int calls_control[] = {
	SCMP_SYS(accept4),   SCMP_SYS(accept),     SCMP_SYS(fsync), SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate), SCMP_SYS(setsockopt), SCMP_SYS(dup),   SCMP_SYS(getpeername),
};

/* The signer reads the files it is handed, and answers; it can neither write to a descriptor but
 * as a message or a log line, nor seek, nor wait for time. */
static const int calls_signer[] = {
	SCMP_SYS(read),
	SCMP_SYS(pread64),
	SCMP_SYS(close),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(signalfd4),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(brk),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(getrandom),
	SCMP_SYS(getpid),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static int seccomp_allow(scmp_filter_ctx ctx, const int *calls, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
		if (err == -EDOM) /* not on this architecture */
			err = 0;
	}
	return err;
}

/* Memory that is never executed, for every role. */
static int allow_memory(scmp_filter_ctx ctx)
{
	const struct scmp_arg_cmp no_exec[] = {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)};
	int err = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_exec);

	return err ? err
		   : seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_exec);
}

static int allow_signer(scmp_filter_ctx ctx)
{
	int err = seccomp_allow(ctx, calls_signer, sizeof(calls_signer) / sizeof(calls_signer[0]));

	return err ? err
		   : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
				      SCMP_A0(SCMP_CMP_EQ, STDERR_FILENO));
}

static int allow_workers(scmp_filter_ctx ctx, enum sandbox_role role)
{
	/* Only what cannot take a lock away from others or redirect signals. */
	static const unsigned fcntls[] = {F_GETFL, F_SETFL,         F_GETFD,
					  F_SETFD, F_DUPFD_CLOEXEC, F_DUPFD};
	int err = seccomp_allow(ctx, calls_common, sizeof(calls_common) / sizeof(calls_common[0]));

	for (size_t i = 0; i < sizeof(fcntls) / sizeof(fcntls[0]) && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				       SCMP_A1(SCMP_CMP_EQ, fcntls[i]));
	/* fstat() of the C library is this call with an empty path. */
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
				       SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
	if (!err && role == SANDBOX_CONTROL)
		err = seccomp_allow(ctx, calls_control,
				    sizeof(calls_control) / sizeof(calls_control[0]));
	/* Forward says whether an overlay's link is up, and asks how its frames are handed over. */
	if (!err && role == SANDBOX_FORWARD)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_EQ, TUNSETCARRIER));
	if (!err && role == SANDBOX_FORWARD)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_EQ, TUNGETIFF));
	return err;
}

/*
 * What is not allowed fails with EPERM rather than killing: a library that probes for something
 * optional goes on without it, and an attacker gets no further either way.
 */
static int seccomp_enter(enum sandbox_role role)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!ctx)
		return -ENOMEM;
	/* For every thread there is. */
	err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!err)
		err = allow_memory(ctx);
	if (!err)
		err = role == SANDBOX_SIGNER ? allow_signer(ctx) : allow_workers(ctx, role);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}

/*
 * Keys must not reach a swap device. With room to lock everything that will ever be mapped, that
 * is done; else the state, where all keys live, is locked through a mapping of its own, made
 * while the process may still exceed the limit. The mapping stays for the life of the process.
 *
 * A role without a state has its keys on the heap: all that it has mapped is locked then, after its
 * heap was made as large as it will ever need.
 */
static int memory_lock(int state_fd)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	struct stat st;
	void *p;

	if (!setrlimit(RLIMIT_MEMLOCK, &all) && !mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		return 0;
	log_debug("%s is locked into memory: RLIMIT_MEMLOCK could not be raised",
		  state_fd < 0 ? "what is mapped now" : "only the state");
	if (state_fd < 0) {
		mallopt(M_MMAP_MAX, 0);
		mallopt(M_TRIM_THRESHOLD, INT_MAX);
		free(malloc(HEAP_LOCKED));
		return mlockall(MCL_CURRENT) < 0 ? -errno : 0;
	}
	if (fstat(state_fd, &st) < 0)
		return -errno;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, state_fd, 0);
	if (p == MAP_FAILED || mlock(p, (size_t)st.st_size) < 0)
		return -errno;
	return 0;
}

/* An empty directory that nobody can write becomes the root. */
static int root_enter(void)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "size=4k,nr_inodes=2,mode=0555") < 0 ||
	    mount(NULL, "/proc", NULL,
		  MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ||
	    chdir("/proc") < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

static int user_enter(uid_t uid, gid_t gid)
{
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_change_id((int)uid, (int)gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING))
		return -EPERM;
	return getuid() != uid || geteuid() != uid || getgid() != gid ? -EPERM : 0;
}

bool sandbox_complete(void)
{
	return !SANITIZED;
}

static int fail(const char *step, int err)
{
	log_error("cannot confine the process (%s): %m", step);
	return err;
}

int sandbox_enter(enum sandbox_role role, pid_t parent, int state_fd, void (*threads)(void *ctx),
		  void *ctx)
{
	const struct rlimit none = {0, 0}, files = {1024, 1024};
	/* The name service opens files and libraries, which are out of reach below. */
	const struct passwd *pw = getpwnam(users[role].user);
	uid_t uid = pw ? pw->pw_uid : users[role].id;
	gid_t gid = pw ? pw->pw_gid : users[role].id;
	int err;

	endpwent();
	(void)prctl(PR_SET_NAME, users[role].user); /* what ps and top show */
	if (setrlimit(RLIMIT_CORE, &none) < 0 ||
	    (!SANITIZED && setrlimit(RLIMIT_NOFILE, &files) < 0))
		return fail("limits", -errno);
	if (!SANITIZED) {
		err = memory_lock(state_fd);
		if (err)
			return fail("memory lock", err);
		err = root_enter();
		if (err)
			return fail("empty root", err);
	}
	err = user_enter(uid, gid);
	if (err)
		return fail("user and capabilities", err);
	/* After the change of user, which clears it; the parent may have died before it was set. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		return fail("death of the parent", -ESRCH);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, SANITIZED) < 0)
		return fail("no new privileges", -errno);
	if (threads)
		threads(ctx);
	if (!SANITIZED) {
		err = seccomp_enter(role);
		if (err)
			return fail("system-call filter", err);
	}
	return 0;
}

int sandbox_parent(void)
{
	static const unsigned keep[] = {
		CAP_NET_ADMIN,        /* interfaces, routes, tc, sysctls, TAP */
		CAP_NET_RAW,          /* packet sockets */
		CAP_NET_BIND_SERVICE, /* the sockets of IKE */
		CAP_BPF,              /* the guards */
		CAP_SYS_ADMIN,        /* a role's empty root and network namespace */
		CAP_SYS_CHROOT,       /* the same */
		CAP_SETUID,           /* a role's user */
		CAP_SETGID,
		CAP_SETPCAP,      /* a role's bounding set */
		CAP_KILL,         /* signals to roles */
		CAP_IPC_LOCK,     /* a role's locked memory */
		CAP_SYS_RESOURCE, /* the limit of the same */
	};
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return fail("limits", -errno);
	if (capng_get_caps_process() < 0)
		return fail("capabilities", -EPERM);
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++) {
		bool used = false;

		for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
			used |= keep[i] == cap;
		if (!used)
			capng_update(CAPNG_DROP,
				     CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE |
					     CAPNG_BOUNDING_SET,
				     cap);
	}
	if (capng_apply(CAPNG_SELECT_BOTH))
		return fail("capabilities", -EPERM);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail("no new privileges", -errno);
	return 0;
}
