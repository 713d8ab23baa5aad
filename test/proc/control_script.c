/*
 * A control role that does what a test tells it, for tests of the parent, forward and the
 * sandbox. It stands in the place of src/myelind/control.c in the program myelind-scripted, so
 * that everything around it is the daemon's own.
 *
 * A command is one line over the node's CLI socket; the answer is text, then end of file:
 *   want PORT KIND IFNAME TAGS MTU OVER EAPOL-TYPE ALLOW    (KIND 1 wan, 2 lan, 3 overlay; TAGS
 *                        VLAN, or VLAN:OUTER-VLAN:TPID)
 *   address PORT FAMILY PREFIX HEX     route PORT FAMILY PREFIX HEX HEX METRIC [HEX]     done
 *   file KIND NAME       opens, and shows error, path and first line
 *   append KIND NAME TEXT  opens and writes at the end
 *   key NUMBER AUTHORITY  wants a private key in the signer; shows the last that was said of it
 *   held                 the last that the signer said: number, error, schemes, path, public key
 *   sign NUMBER SCHEME COUNT HEX  the error and the signature; of several that are asked for at
 *                        once nothing, they are counted by `seen`
 *   stats PORT           the guards' counters
 *   udp 500|4500         what the socket of that port heard over IPv4, a line of hex for each
 *   raw parent|forward|signer HEX    sends bytes as they are
 *   fd parent|forward HEX     the same with a descriptor attached
 *   seen                 the types of messages received since the start, and how many
 *   try WHAT             attempts something a role must not be able to; the errno, or 0
 *   state [WORD]         reads, or writes, the first bytes of the state
 *   exit STATUS
 * A file that starts with "bad" cannot be run.
 */
#include "base/log.h"
#include "msg/msg.h"
#include "myelind/role.h"
#include "proc/state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum from { PARENT, FORWARD, SIGNER };

struct script {
	int forward, signer;              /* links, -1: none */
	unsigned seen[3][MSG_TYPE_COUNT]; /* by enum from */
	struct msg held, done;            /* the last of the signer */
	unsigned bad;
	int udp[2];      /* IKE's over IPv4: 500, 4500; -1: none */
	struct msg last; /* of the parent */
	int last_fd;
	char *state;
	size_t state_size;
};

static void note(struct script *s, enum from from, const struct msg *m, int fd)
{
	s->seen[from][m->type]++;
	if (from == PARENT && (m->type == MSG_LINK || m->type == MSG_SIGNER_LINK)) {
		int *link = m->type == MSG_LINK ? &s->forward : &s->signer;

		if (*link >= 0)
			close(*link);
		*link = fd;
		return;
	}
	if (from == SIGNER) {
		*(m->type == MSG_KEY_HELD ? &s->held : &s->done) = *m;
		return;
	}
	if (m->type == MSG_PORT_UDP) { /* follows the answer that is waited for */
		int *mine = &s->udp[m->port_udp.udp == 4500];

		if (m->port_udp.family != 4)
			mine = &fd;
		if (*mine >= 0)
			close(*mine);
		*mine = fd;
		return;
	}
	if (s->last_fd >= 0)
		close(s->last_fd);
	s->last_fd = fd;
	s->last = *m;
}

/* Reads one link empty. False when its other end is gone. */
static bool drain(struct script *s, enum from from)
{
	const int links[] = {ROLE_FD_LINK, s->forward, s->signer};
	struct msg m;
	int fd, got;

	while ((got = msg_recv(links[from], &m, &fd)) != 0) {
		if (got == 1)
			note(s, from, &m, fd);
		else if (got == -EBADMSG)
			s->bad++;
		else
			return false;
	}
	return true;
}

/* Waits for a message of that type from the parent. */
static bool await(struct script *s, enum msg_type type)
{
	unsigned before = s->seen[0][type];
	struct pollfd p = {.fd = ROLE_FD_LINK, .events = POLLIN};

	for (int i = 0; i < 50 && s->seen[0][type] == before; i++) {
		poll(&p, 1, 100);
		if (!drain(s, PARENT))
			return false;
	}
	return s->seen[0][type] != before;
}

static size_t unhex(const char *hex, uint8_t *out, size_t max)
{
	size_t n = 0;
	unsigned b;

	while (n < max && sscanf(hex + 2 * n, "%2x", &b) == 1 && hex[2 * n + 1])
		out[n++] = (uint8_t)b;
	return n;
}

static void cmd_want(struct script *s, const char *line, FILE *out)
{
	struct msg m = {.type = MSG_PORT_WANT, .port_want.eapol_dst = {1, 0x80, 0xc2, 0, 0, 3}};
	unsigned port, kind, vlan, mtu, over, type, allow, outer = 0, tpid = 0;
	char tags[32];

	if (sscanf(line, "want %u %u %15s %31s %u %u %x %x", &port, &kind, m.port_want.ifname, tags,
		   &mtu, &over, &type, &allow) != 8 ||
	    sscanf(tags, "%u:%u:%x", &vlan, &outer, &tpid) < 1)
		return;
	m.port_want.port = (uint16_t)port;
	m.port_want.kind = (uint8_t)kind;
	m.port_want.vlan = (uint16_t)vlan;
	m.port_want.outer_vlan = (uint16_t)outer;
	m.port_want.outer_type = (uint16_t)tpid;
	m.port_want.mtu = (uint16_t)mtu;
	m.port_want.over = (uint16_t)over;
	m.port_want.eapol_type = (uint16_t)type;
	m.port_want.allow = allow;
	if (msg_send(ROLE_FD_LINK, &m, -1) < 0 || !await(s, MSG_PORT_READY))
		fprintf(out, "no answer\n");
	else
		fprintf(out, "%u %d %s\n", s->last.port_ready.error, s->last_fd >= 0,
			s->last.port_ready.what);
}

static void cmd_address(const char *line, FILE *out)
{
	struct msg m = {.type = MSG_ADDRESS_WANT};
	unsigned port, family, prefix;
	char addr[64];

	if (sscanf(line, "address %u %u %u %63s", &port, &family, &prefix, addr) != 4)
		return;
	m.address_want.port = (uint16_t)port;
	m.address_want.family = (uint8_t)family;
	m.address_want.prefix = (uint8_t)prefix;
	unhex(addr, m.address_want.addr, 16);
	fprintf(out, "%d\n", msg_send(ROLE_FD_LINK, &m, -1));
}

static void cmd_route(const char *line, FILE *out)
{
	struct msg m = {.type = MSG_ROUTE_WANT};
	unsigned port, family, prefix, metric;
	char dst[64], via[64], src[64] = "";

	if (sscanf(line, "route %u %u %u %63s %63s %u %63s", &port, &family, &prefix, dst, via,
		   &metric, src) < 6)
		return;
	m.route_want.port = (uint16_t)port;
	m.route_want.family = (uint8_t)family;
	m.route_want.via_family = strlen(via) == 32 ? 6 : 4;
	m.route_want.prefix = (uint8_t)prefix;
	m.route_want.metric = (uint8_t)metric;
	unhex(dst, m.route_want.dst, 16);
	unhex(via, m.route_want.via, 16);
	unhex(src, m.route_want.src, 16);
	fprintf(out, "%d\n", msg_send(ROLE_FD_LINK, &m, -1));
}

static void cmd_file(struct script *s, const char *line, FILE *out)
{
	struct msg m = {.type = MSG_FILE_OPEN};
	char verb[8], text[64] = "";
	unsigned kind;

	if (sscanf(line, "%7s %u %31s %63s", verb, &kind, m.file_open.name, text) < 3)
		return;
	m.file_open.kind = (uint8_t)kind;
	m.file_open.tag = 77;
	if (msg_send(ROLE_FD_LINK, &m, -1) < 0) {
		fprintf(out, "not a name\n");
		return;
	}
	if (!await(s, MSG_FILE)) {
		fprintf(out, "no answer\n");
		return;
	}
	fprintf(out, "%u %u %s\n", s->last.file.tag, s->last.file.error, s->last.file.where);
	if (s->last_fd < 0)
		return;
	if (!strcmp(verb, "append")) {
		lseek(s->last_fd, 0, SEEK_END);
		fprintf(out, "%d\n", write(s->last_fd, text, strlen(text)) < 0 ? errno : 0);
	} else {
		ssize_t n = pread(s->last_fd, text, sizeof(text) - 1, 0);

		text[n > 0 ? n : 0] = '\0';
		fprintf(out, "%s\n", text);
	}
}

static bool await_signer(struct script *s, enum msg_type type, unsigned before)
{
	for (int i = 0; i < 50 && s->seen[SIGNER][type] == before; i++) {
		struct pollfd p[] = {{.fd = ROLE_FD_LINK, .events = POLLIN},
				     {.fd = s->signer, .events = POLLIN}};

		poll(p, 2, 100);
		if (!drain(s, PARENT))
			return false;
		if (s->signer >= 0)
			drain(s, SIGNER);
	}
	return s->seen[SIGNER][type] != before;
}

static void cmd_held(const struct script *s, FILE *out)
{
	const struct msg_key_held *h = &s->held.key_held;

	fprintf(out, "%u %u %x %s ", h->key, h->error, h->schemes, h->where);
	for (unsigned i = 0; i < h->public.len; i++)
		fprintf(out, "%02x", h->public.b[i]);
	fprintf(out, "\n");
}

static void cmd_key(struct script *s, const char *line, FILE *out)
{
	struct msg m = {.type = MSG_KEY_WANT};
	unsigned key, before;

	if (sscanf(line, "key %u %31s", &key, m.key_want.authority) != 2)
		return;
	m.key_want.key = (uint16_t)key;
	if (s->signer >= 0)
		drain(s, SIGNER);
	before = s->seen[SIGNER][MSG_KEY_HELD];
	if (msg_send(ROLE_FD_LINK, &m, -1) < 0)
		fprintf(out, "not a name\n");
	else if (!await_signer(s, MSG_KEY_HELD, before))
		fprintf(out, "no answer\n");
	else
		cmd_held(s, out);
}

/* One signature that is waited for, or `count` whose answers are counted by `seen`. */
static void cmd_sign(struct script *s, const char *line, FILE *out)
{
	unsigned before = s->seen[SIGNER][MSG_SIGNED], key, scheme, count;
	struct msg m = {.type = MSG_SIGN, .sign.id = 7};
	int at = 0;

	if (sscanf(line, "sign %u %u %u %n", &key, &scheme, &count, &at) != 3)
		return;
	m.sign.key = (uint16_t)key;
	m.sign.scheme = (uint8_t)scheme;
	m.sign.data.len = (uint16_t)unhex(line + at, m.sign.data.b, sizeof(m.sign.data.b));
	for (unsigned i = 0; i < count; i++)
		if (msg_send(s->signer, &m, -1) < 0)
			fprintf(out, "not sent\n");
	if (count > 1)
		return;
	if (!await_signer(s, MSG_SIGNED, before)) {
		fprintf(out, "no answer\n");
		return;
	}
	fprintf(out, "%u ", s->done.sign_done.error);
	for (unsigned i = 0; i < s->done.sign_done.signature.len; i++)
		fprintf(out, "%02x", s->done.sign_done.signature.b[i]);
	fprintf(out, "\n");
}

static void cmd_stats(struct script *s, const char *line, FILE *out)
{
	struct msg m = {.type = MSG_STATS_GET};
	unsigned port, before = s->seen[0][MSG_STATS];
	struct pollfd p = {.fd = ROLE_FD_LINK, .events = POLLIN};
	int fd;

	if (sscanf(line, "stats %u", &port) != 1)
		return;
	m.secy = (uint16_t)port;
	drain(s, PARENT);
	msg_send(ROLE_FD_LINK, &m, -1);
	for (int i = 0; i < 50; i++) {
		poll(&p, 1, 100);
		if (msg_recv(ROLE_FD_LINK, &m, &fd) != 1)
			continue;
		if (m.type == MSG_STATS)
			for (unsigned k = 0; k < m.stats.count; k++)
				fprintf(out, "%s %llu\n", m.stats.v[k].name,
					(unsigned long long)m.stats.v[k].value);
		else if (m.type == MSG_STATS_DONE)
			break;
		else
			note(s, PARENT, &m, fd);
	}
	(void)before;
}

static void cmd_udp(const struct script *s, const char *line, FILE *out)
{
	int fd = s->udp[!strcmp(line, "udp 4500")];
	uint8_t buf[4096];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) >= 0) {
		for (ssize_t i = 0; i < n; i++)
			fprintf(out, "%02x", buf[i]);
		fprintf(out, "\n");
	}
}

static void cmd_raw(struct script *s, const char *line, FILE *out, bool with_fd)
{
	uint8_t buf[8192];
	char where[16];
	int at = 0, sock;
	struct iovec iov = {.iov_base = buf};
	union {
		struct cmsghdr head;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} room = {0};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	if (sscanf(line, "%*s %15s %n", where, &at) != 1)
		return;
	iov.iov_len = unhex(line + at, buf, sizeof(buf));
	sock = !strcmp(where, "forward")  ? s->forward
	       : !strcmp(where, "signer") ? s->signer
					  : ROLE_FD_LINK;
	if (with_fd) {
		struct cmsghdr *c;
		int fd = 0;

		h.msg_control = room.bytes;
		h.msg_controllen = sizeof(room.bytes);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	fprintf(out, "%d\n", sendmsg(sock, &h, MSG_NOSIGNAL) < 0 ? errno : 0);
}

static void cmd_seen(const struct script *s, FILE *out)
{
	static const char *const names[] = {"parent", "forward", "signer"};

	for (unsigned i = 0; i < 3; i++)
		for (unsigned t = 1; t < MSG_TYPE_COUNT; t++)
			if (s->seen[i][t])
				fprintf(out, "%s %s %u\n", names[i], msg_type_name(t),
					s->seen[i][t]);
}

/* Each returns what the system call returned; errno tells why not. */
static long try_open(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static long try_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0);
}

static long try_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static long try_exec(void)
{
	return execl("/bin/true", "true", NULL);
}

static long try_fork(void)
{
	return fork();
}

static long try_kill(void)
{
	return kill(getppid(), 0);
}

static long try_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long try_setuid(void)
{
	return setuid(0);
}

static long try_memory_exec(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? -1
		       : 0;
}

static long try_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1);
}

static long try_grow(void)
{
	return ftruncate(ROLE_FD_STATE, 1 << 24);
}

static void cmd_try(const char *what, FILE *out)
{
	static const struct {
		const char *name;
		long (*attempt)(void);
	} attempts[] = {
		{"open", try_open},         {"socket", try_socket}, {"packet", try_packet},
		{"exec", try_exec},         {"fork", try_fork},     {"kill", try_kill},
		{"ptrace", try_ptrace},     {"setuid", try_setuid}, {"mmap-exec", try_memory_exec},
		{"dumpable", try_dumpable}, {"grow", try_grow},
	};

	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		if (!strcmp(what, attempts[i].name))
			fprintf(out, "%d\n", attempts[i].attempt() < 0 ? errno : 0);
}

static void obey(struct script *s, char *line, FILE *out)
{
	line[strcspn(line, "\n")] = '\0';
	if (!strncmp(line, "want ", 5))
		cmd_want(s, line, out);
	else if (!strncmp(line, "address ", 8))
		cmd_address(line, out);
	else if (!strncmp(line, "route ", 6))
		cmd_route(line, out);
	else if (!strcmp(line, "done"))
		fprintf(out, "%d\n",
			msg_send(ROLE_FD_LINK, &(struct msg){.type = MSG_WANT_DONE}, -1));
	else if (!strncmp(line, "file ", 5) || !strncmp(line, "append ", 7))
		cmd_file(s, line, out);
	else if (!strncmp(line, "key ", 4))
		cmd_key(s, line, out);
	else if (!strcmp(line, "held"))
		cmd_held(s, out);
	else if (!strncmp(line, "sign ", 5))
		cmd_sign(s, line, out);
	else if (!strncmp(line, "stats ", 6))
		cmd_stats(s, line, out);
	else if (!strncmp(line, "udp ", 4))
		cmd_udp(s, line, out);
	else if (!strncmp(line, "raw ", 4))
		cmd_raw(s, line, out, false);
	else if (!strncmp(line, "fd ", 3))
		cmd_raw(s, line, out, true);
	else if (!strcmp(line, "seen"))
		cmd_seen(s, out);
	else if (!strncmp(line, "try ", 4))
		cmd_try(line + 4, out);
	else if (!strcmp(line, "state"))
		fprintf(out, "%.32s\n", s->state);
	else if (!strncmp(line, "state ", 6))
		snprintf(s->state, 32, "%.31s", line + 6);
	else if (!strncmp(line, "exit ", 5))
		exit(atoi(line + 5));
}

static void serve(struct script *s)
{
	int fd = accept4(ROLE_FD_CLI, NULL, NULL, SOCK_CLOEXEC);
	static char line[20000];
	char *answer = NULL;
	size_t size = 0, n = 0;
	ssize_t got;
	FILE *out = open_memstream(&answer, &size);

	while (fd >= 0 && n < sizeof(line) - 1 && !memchr(line, '\n', n) &&
	       (got = read(fd, line + n, sizeof(line) - 1 - n)) > 0)
		n += (size_t)got;
	line[n] = '\0';
	if (fd >= 0 && out)
		obey(s, line, out);
	if (out)
		fclose(out);
	memset(line, 0, n);
	for (size_t at = 0; fd >= 0 && at < size; at += (size_t)got) {
		got = write(fd, answer + at, size - at);
		if (got <= 0)
			break;
	}
	free(answer);
	if (fd >= 0)
		close(fd);
}

static volatile sig_atomic_t ended;

static void on_term(int sig)
{
	(void)sig;
	ended = 1;
}

int control_main(const struct role_args *args)
{
	struct script s = {.forward = -1, .signer = -1, .udp = {-1, -1}, .last_fd = -1};
	char text[4] = "";

	signal(SIGTERM, on_term);
	if (pread(ROLE_FD_CONFIG, text, 3, 0) < 0 || !strcmp(text, "bad")) {
		log_error("%s: cannot be run", args->config);
		return ROLE_EXIT_CONFIG;
	}
	s.state = state_map(ROLE_FD_STATE, &s.state_size);
	while (s.state && !ended) {
		struct pollfd fds[] = {
			{.fd = ROLE_FD_LINK, .events = POLLIN},
			{.fd = ROLE_FD_CLI, .events = POLLIN},
			{.fd = s.forward, .events = POLLIN},
			{.fd = s.signer, .events = POLLIN},
		};

		if (poll(fds, 4, -1) < 0)
			continue;
		if (fds[0].revents && !drain(&s, PARENT))
			break;
		if (fds[2].revents && s.forward == fds[2].fd && !drain(&s, FORWARD)) {
			close(s.forward);
			s.forward = -1;
		}
		if (fds[3].revents && s.signer == fds[3].fd && !drain(&s, SIGNER)) {
			close(s.signer);
			s.signer = -1;
		}
		if (fds[1].revents)
			serve(&s);
	}
	return ROLE_EXIT_OK;
}
