/* ask: questions to the daemons and the carrier of a lab. See ask.h. */
#include "lab/ask.h"

#include "cli/client.h"
#include "lab/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX (256 * 1024)

struct js *ask_node(const struct plan_node *n, const char *request)
{
	struct cli q = {.node = n->node->name};
	struct js *answer = NULL;
	FILE *quiet = fopen("/dev/null", "we");

	q.out = q.err = quiet;
	if (quiet && !net_enter(n->netns))
		answer = client_ask(&q, request);
	net_leave();
	if (quiet)
		fclose(quiet);
	return answer;
}

int ask_carrier_open(const struct run *r)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = 5};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	if ((size_t)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/carrier.sock", r->dir) >=
	    sizeof(sa.sun_path)) {
		close(fd);
		return -ENAMETOOLONG;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

struct js *ask_carrier(const struct run *r, const char *request)
{
	int fd = ask_carrier_open(r);
	char *answer = malloc(ANSWER_MAX);
	struct js *j = NULL;
	ssize_t n;

	if (fd >= 0 && answer && send(fd, request, strlen(request), MSG_NOSIGNAL) > 0) {
		n = recv(fd, answer, ANSWER_MAX, 0);
		if (n > 0)
			j = js_parse(answer, (size_t)n);
	}
	free(answer);
	if (fd >= 0)
		close(fd);
	return j;
}

/* A peer of ESP is named by its daemon. */
static const struct js *find_tunnel(const struct js *v, const struct bb_overlay *o,
				    const struct bb_member *m)
{
	for (size_t i = 0; i < js_len(v); i++) {
		const struct js *e = js_at(v, i);
		const char *overlay = js_text(e, "overlay"), *who = js_text(e, "peer");
		const char *state = js_text(e, "state");

		if (overlay && who && state && !strcmp(overlay, o->name) &&
		    !strcmp(who, m->node->name) && !strcmp(state, "live"))
			return e;
	}
	return NULL;
}

const struct js *ask_find_peer(const struct plan *p, const struct js *peers,
			       const struct bb_overlay *o, const struct bb_member *m)
{
	const struct js *v = js_get(peers, "peers");
	const uint8_t *mac = plan_find_mac(p, m);
	char sci[17];

	if (o->design == BB_IPSEC)
		return find_tunnel(v, o, m);
	if (!mac)
		return NULL;
	snprintf(sci, sizeof(sci), "%016lx", macsec_sci(mac, m->port->port_id));
	for (size_t i = 0; i < js_len(v); i++) {
		const struct js *e = js_at(v, i);
		const char *overlay = js_text(e, "overlay"), *who = js_text(e, "sci");
		const char *state = js_text(e, "state"), *key = js_text(e, "key-id");

		if (overlay && who && state && key && *key && !strcmp(overlay, o->name) &&
		    !strcmp(who, sci) && !strcmp(state, "live"))
			return e;
	}
	return NULL;
}
