/* One slot per client; a client is one request. */
#include "ctl/ctl.h"

#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum client_state {
	CLIENT_FREE,
	CLIENT_READING, /* its line */
	CLIENT_WAITING, /* for the handler */
	CLIENT_WRITING, /* the answer */
};

struct ctl_request {
	struct ctl *ctl;
	enum client_state state;
	int fd;
	uint64_t id;
	uint64_t deadline;
	char line[CTL_LINE_MAX];
	size_t line_len;
	const char *arg; /* in line */
	char *answer;
	size_t answer_len, sent;
};

struct ctl {
	int listener;
	const struct ctl_command *commands;
	struct ctl_env env;
	uint64_t next_id, now;
	size_t answers; /* bytes held by all clients */
	struct ctl_request clients[CTL_CLIENTS_MAX];
};

static void client_close(struct ctl_request *rq)
{
	struct ctl *c = rq->ctl;

	c->env.unwatch(c->env.ctx, rq->fd);
	close(rq->fd);
	c->answers -= rq->answer_len;
	free(rq->answer);
	memset(rq, 0, sizeof(*rq));
	rq->ctl = c;
}

static void client_write(struct ctl_request *rq)
{
	struct ctl *c = rq->ctl;
	ssize_t n = send(rq->fd, rq->answer + rq->sent, rq->answer_len - rq->sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		n = 0;
	if (n < 0) {
		client_close(rq);
		return;
	}
	rq->sent += (size_t)n;
	if (rq->sent == rq->answer_len || c->env.watch(c->env.ctx, rq->fd, false, true) < 0)
		client_close(rq);
}

/* Takes the text. */
static void client_answer(struct ctl_request *rq, char *text, size_t len)
{
	struct ctl *c = rq->ctl;

	rq->answer = text;
	rq->answer_len = len;
	rq->sent = 0;
	c->answers += len;
	rq->state = CLIENT_WRITING;
	rq->deadline = c->now + CTL_CLIENT_NS;
	client_write(rq);
}

void ctl_fail(struct ctl_request *rq, const char *fmt, ...)
{
	struct js *j = js_object();
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	js_set_text(j, "error", text);
	ctl_answer(rq, j);
}

void ctl_answer(struct ctl_request *rq, struct js *answer)
{
	size_t len;
	char *text = js_print(answer, false, &len);

	js_free(answer);
	if (len > CTL_ANSWERS_MAX - rq->ctl->answers) {
		free(text);
		if (CTL_ANSWERS_MAX - rq->ctl->answers < 4096) {
			client_close(rq);
			return;
		}
		ctl_fail(rq, "busy: other clients have not taken their answers yet");
		return;
	}
	client_answer(rq, text, len);
}

const char *ctl_request_arg(const struct ctl_request *rq)
{
	return rq->arg;
}

uint64_t ctl_request_id(const struct ctl_request *rq)
{
	return rq->id;
}

struct ctl_request *ctl_request_find(struct ctl *c, uint64_t id)
{
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++)
		if (c->clients[i].state == CLIENT_WAITING && c->clients[i].id == id)
			return &c->clients[i];
	return NULL;
}

static void answer_unknown(struct ctl_request *rq)
{
	char list[768];
	size_t n = 0;

	list[0] = 0;
	for (const struct ctl_command *cmd = rq->ctl->commands; cmd->words; cmd++) {
		int k = snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "", cmd->words);

		if (k < 0 || (size_t)k >= sizeof(list) - n)
			break;
		n += (size_t)k;
	}
	ctl_fail(rq, "no command `%.100s`; accepted: %s, help", rq->line, list);
}

static void answer_help(struct ctl_request *rq)
{
	static const char *const arguments[] = {
		[CTL_ARG_NONE] = NULL,
		[CTL_ARG_OVERLAY] = "[OVERLAY]",
		[CTL_ARG_PEER] = "PEER",
		[CTL_ARG_REKEY] = "PEER [child|ike|reauth]",
		[CTL_ARG_SECONDS] = "[OVERLAY] SECONDS",
		[CTL_ARG_NUMBER] = "[NUMBER]",
	};
	struct js *j = js_object(), *list = js_set_array(j, "commands");

	for (const struct ctl_command *cmd = rq->ctl->commands; cmd->words; cmd++) {
		struct js *o = js_push_object(list);

		js_set_text(o, "words", cmd->words);
		js_set_text(o, "argument", arguments[cmd->arg]);
		js_set_text(o, "help", cmd->help);
	}
	ctl_answer(rq, j);
}

/* Words are separated by one or more spaces in the line, by one in the row. */
static void line_squeeze(char *s)
{
	char *w = s;

	for (char *r = s; *r; r++) {
		bool space = *r == ' ' || *r == '\t';

		if (space && (w == s || w[-1] == ' '))
			continue;
		*w++ = space ? ' ' : *r;
	}
	if (w > s && w[-1] == ' ')
		w--;
	*w = 0;
}

static void line_run(struct ctl_request *rq)
{
	struct ctl *c = rq->ctl;

	rq->state = CLIENT_WAITING;
	rq->deadline = c->now + CTL_WORK_NS;
	rq->id = ++c->next_id;
	rq->arg = NULL;
	for (size_t i = 0; i < rq->line_len; i++)
		if ((unsigned char)rq->line[i] < ' ' && rq->line[i] != '\t') {
			ctl_fail(rq, "the request is not one line of text");
			return;
		}
	line_squeeze(rq->line);
	if (strcmp(rq->line, "help") == 0) {
		answer_help(rq);
		return;
	}
	for (const struct ctl_command *cmd = c->commands; cmd->words; cmd++) {
		size_t n = strlen(cmd->words);

		if (strncmp(rq->line, cmd->words, n) != 0 || (rq->line[n] && rq->line[n] != ' '))
			continue;
		if (rq->line[n]) {
			rq->arg = rq->line + n + 1;
			if (cmd->arg == CTL_ARG_NONE ||
			    (cmd->arg == CTL_ARG_OVERLAY && strchr(rq->arg, ' '))) {
				ctl_fail(rq, "`%s` takes %s", cmd->words,
					 cmd->arg == CTL_ARG_NONE ? "no argument"
								  : "one argument at most");
				return;
			}
		}
		/* Nothing more is read; a client that goes away is noticed when written to. */
		if (c->env.watch(c->env.ctx, rq->fd, false, false) < 0) {
			client_close(rq);
			return;
		}
		cmd->run(c->env.ctx, rq);
		return;
	}
	answer_unknown(rq);
}

static void client_read(struct ctl_request *rq)
{
	ssize_t n = recv(rq->fd, rq->line + rq->line_len, sizeof(rq->line) - rq->line_len,
			 MSG_DONTWAIT);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_close(rq);
		return;
	}
	rq->line_len += (size_t)n;
	end = memchr(rq->line, '\n', rq->line_len);
	if (!end && rq->line_len == sizeof(rq->line)) {
		rq->id = ++rq->ctl->next_id;
		ctl_fail(rq, "the request is longer than %d bytes", CTL_LINE_MAX - 1);
		return;
	}
	if (!end)
		return;
	*end = 0;
	rq->line_len = (size_t)(end - rq->line);
	line_run(rq);
}

static void client_accept(struct ctl *c)
{
	int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ctl_request *rq = NULL;
	struct ucred who;
	socklen_t len = sizeof(who);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 || who.uid != c->env.uid) {
		static struct log_limit limit = LOG_LIMIT(3, 10000000000ull);
		static const char no[] = "{\"error\":\"only root may ask\"}";

		log_limited(&limit, LOG_LVL_WARN, "CLI: a client of user %u was refused", who.uid);
		send(fd, no, sizeof(no) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		close(fd);
		return;
	}
	for (unsigned i = 0; i < CTL_CLIENTS_MAX && !rq; i++)
		if (c->clients[i].state == CLIENT_FREE)
			rq = &c->clients[i];
	if (!rq || c->env.watch(c->env.ctx, fd, true, false) < 0) {
		static const char no[] = "{\"error\":\"too many clients at once\"}";

		send(fd, no, sizeof(no) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		close(fd);
		return;
	}
	rq->state = CLIENT_READING;
	rq->fd = fd;
	rq->deadline = c->now + CTL_CLIENT_NS;
}

void ctl_ready(struct ctl *c, int fd, uint64_t now)
{
	c->now = now;
	if (fd == c->listener) {
		client_accept(c);
		return;
	}
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++) {
		struct ctl_request *rq = &c->clients[i];

		if (rq->state == CLIENT_FREE || rq->fd != fd)
			continue;
		if (rq->state == CLIENT_READING)
			client_read(rq);
		else if (rq->state == CLIENT_WRITING)
			client_write(rq);
		else
			client_close(rq); /* watched for nothing: it hung up */
		return;
	}
}

void ctl_expire(struct ctl *c, uint64_t now)
{
	c->now = now;
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++) {
		struct ctl_request *rq = &c->clients[i];

		if (rq->state == CLIENT_FREE || now < rq->deadline)
			continue;
		if (rq->state == CLIENT_WAITING)
			ctl_fail(rq, "no answer in time from the process that holds it");
		else
			client_close(rq);
	}
}

uint64_t ctl_deadline(const struct ctl *c)
{
	uint64_t first = UINT64_MAX;

	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++)
		if (c->clients[i].state != CLIENT_FREE && c->clients[i].deadline < first)
			first = c->clients[i].deadline;
	return first;
}

struct ctl *ctl_new(int listener, const struct ctl_command *commands, const struct ctl_env *env)
{
	struct ctl *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->listener = listener;
	c->commands = commands;
	c->env = *env;
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++)
		c->clients[i].ctl = c;
	if (env->watch(env->ctx, listener, true, false) < 0) {
		free(c);
		return NULL;
	}
	return c;
}

void ctl_free(struct ctl *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++)
		if (c->clients[i].state != CLIENT_FREE)
			client_close(&c->clients[i]);
	c->env.unwatch(c->env.ctx, c->listener);
	close(c->listener);
	free(c);
}
