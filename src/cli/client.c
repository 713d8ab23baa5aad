/* Blocking, with a limit: a daemon that does not answer within it is said to be stuck. */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENT_PREFIX "@myelin/"
#define CLIENT_LIMIT_MS 10000
#define CLIENT_ANSWER_MAX (16u << 20) /* bytes */
#define CLIENT_NODES_MAX 64

size_t client_nodes(char (*names)[CLIENT_NODE_MAX], size_t max)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512];
	size_t n = 0;

	if (!f)
		return 0;
	while (n < max && fgets(line, sizeof(line), f)) {
		unsigned long flags;
		char path[256];

		/* Num: RefCount Protocol Flags Type St Inode Path; bit 16: it listens. */
		if (sscanf(line, "%*s %*s %*s %lx %*s %*s %*s %255s", &flags, path) != 2)
			continue;
		if (!(flags & 0x10000) || strncmp(path, CLIENT_PREFIX, strlen(CLIENT_PREFIX)) != 0)
			continue;
		snprintf(names[n++], CLIENT_NODE_MAX, "%.*s", CLIENT_NODE_MAX - 1,
			 path + strlen(CLIENT_PREFIX));
	}
	fclose(f);
	return n;
}

/* The node to ask; NULL when that is not one daemon, which is said. */
static const char *node_choose(const struct cli *c, char (*names)[CLIENT_NODE_MAX])
{
	size_t n;

	if (c->node)
		return c->node;
	n = client_nodes(names, CLIENT_NODES_MAX);
	if (n == 1)
		return names[0];
	if (n == 0) {
		fputs("myelin: no myelind runs in this network namespace\n", c->err);
		return NULL;
	}
	fputs("myelin: several daemons run here, choose one with --node:", c->err);
	for (size_t i = 0; i < n; i++)
		fprintf(c->err, " %s", names[i]);
	fputc('\n', c->err);
	return NULL;
}

static int client_connect(const struct cli *c, const char *node)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct ucred who;
	socklen_t len = sizeof(who);
	int n = snprintf(sun.sun_path + 1, sizeof(sun.sun_path) - 1, "myelin/%s", node);
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (sock < 0 || n < 0 || (size_t)n >= sizeof(sun.sun_path) - 1 ||
	    connect(sock, (struct sockaddr *)&sun,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) < 0) {
		fprintf(c->err,
			"myelin: node %s: %s (is myelind running in this network namespace?)\n",
			node, strerror(errno));
		goto fail;
	}
	/* Any user may bind an abstract name: believe root alone. */
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 || who.uid != 0) {
		fprintf(c->err,
			"myelin: node %s: the socket @myelin/%s is not root's, not trusted\n", node,
			node);
		goto fail;
	}
	return sock;
fail:
	if (sock >= 0)
		close(sock);
	return -1;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Everything up to end of file. NULL on error, with errno. */
static char *answer_read(int sock, size_t *len)
{
	int64_t limit = now_ms() + CLIENT_LIMIT_MS;
	size_t room = 65536, n = 0;
	char *buf = malloc(room);

	while (buf) {
		struct pollfd p = {.fd = sock, .events = POLLIN};
		int64_t left = limit - now_ms();
		ssize_t k;

		if (left <= 0 || poll(&p, 1, (int)left) == 0) {
			errno = ETIMEDOUT;
			break;
		}
		if (n == room) {
			char *more = room < CLIENT_ANSWER_MAX ? realloc(buf, 2 * room) : NULL;

			if (!more) {
				errno = EMSGSIZE;
				break;
			}
			buf = more;
			room *= 2;
		}
		k = read(sock, buf + n, room - n);
		if (k == 0) {
			*len = n;
			return buf;
		}
		if (k < 0 && errno != EINTR && errno != EAGAIN)
			break;
		if (k > 0)
			n += (size_t)k;
	}
	free(buf);
	return NULL;
}

struct js *client_ask(const struct cli *c, const char *request)
{
	char names[CLIENT_NODES_MAX][CLIENT_NODE_MAX], line[512];
	const char *node = node_choose(c, names);
	struct js *answer = NULL;
	char *text = NULL;
	size_t len = 0;
	int n, sock;

	if (!node)
		return NULL;
	sock = client_connect(c, node);
	if (sock < 0)
		return NULL;
	n = snprintf(line, sizeof(line), "%s\n", request);
	if (n < 0 || (size_t)n >= sizeof(line)) {
		fputs("myelin: the request is too long\n", c->err);
		goto out;
	}
	if (send(sock, line, (size_t)n, MSG_NOSIGNAL) == n)
		text = answer_read(sock, &len);
	if (!text) {
		fprintf(c->err, "myelin: node %s: %s\n", node, strerror(errno));
		goto out;
	}
	answer = js_parse(text, len);
	if (!answer) {
		fprintf(c->err, "myelin: node %s: %s\n", node,
			len ? "the answer is not JSON" : "closed without an answer");
	} else if (js_text(answer, "error")) {
		fprintf(c->err, "myelin: node %s: %s\n", node, js_text(answer, "error"));
		js_free(answer);
		answer = NULL;
	}
out:
	free(text);
	close(sock);
	return answer;
}
