/* The server against real sockets, with the event loop played by the test. */
#include "ctl/ctl.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

struct fixture {
	struct ctl *ctl;
	int listener;
	struct sockaddr_un sun;
	socklen_t sun_len;
	int watched[64];
	unsigned watched_count;
	struct ctl_request *kept;
	uint64_t kept_id;
	size_t big;
};

static int on_watch(void *ctx, int fd, bool in, bool out)
{
	struct fixture *f = ctx;

	(void)in;
	(void)out;
	for (unsigned i = 0; i < f->watched_count; i++)
		if (f->watched[i] == fd)
			return 0;
	f->watched[f->watched_count++] = fd;
	return 0;
}

static void on_unwatch(void *ctx, int fd)
{
	struct fixture *f = ctx;

	for (unsigned i = 0; i < f->watched_count; i++)
		if (f->watched[i] == fd)
			f->watched[i] = f->watched[--f->watched_count];
}

static void run_now(void *ctx, struct ctl_request *rq)
{
	struct js *j = js_object();

	(void)ctx;
	js_set_text(j, "arg", ctl_request_arg(rq));
	ctl_answer(rq, j);
}

static void run_later(void *ctx, struct ctl_request *rq)
{
	struct fixture *f = ctx;

	f->kept = rq;
	f->kept_id = ctl_request_id(rq);
}

static void run_big(void *ctx, struct ctl_request *rq)
{
	struct fixture *f = ctx;
	struct js *j = js_object();
	char *s = malloc(f->big + 1);

	memset(s, 'x', f->big);
	s[f->big] = 0;
	js_set_text(j, "x", s);
	free(s);
	ctl_answer(rq, j);
}

static const struct ctl_command commands[] = {
	{"show now", "at once", CTL_ARG_OVERLAY, run_now},
	{"show later", "later", CTL_ARG_NONE, run_later},
	{"show big", "big", CTL_ARG_NONE, run_big},
	{"wait", "for so long", CTL_ARG_SECONDS, run_now},
	{},
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ctl_env env = {.ctx = f, .watch = on_watch, .unwatch = on_unwatch, .uid = geteuid()};

	f->sun.sun_family = AF_UNIX;
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	/* Autobind: an abstract name that nobody else has. */
	assert_int_equal(bind(f->listener, (struct sockaddr *)&f->sun, sizeof(sa_family_t)), 0);
	f->sun_len = sizeof(f->sun);
	getsockname(f->listener, (struct sockaddr *)&f->sun, &f->sun_len);
	assert_int_equal(listen(f->listener, 64), 0);
	f->ctl = ctl_new(f->listener, commands, &env);
	assert_non_null(f->ctl);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ctl_free(f->ctl);
	assert_int_equal(f->watched_count, 0);
	free(f);
	return 0;
}

static int dial(struct fixture *f)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&f->sun, f->sun_len), 0);
	ctl_ready(f->ctl, f->listener, 1);
	return fd;
}

/* One turn of the loop: every watched descriptor that is ready. */
static void turn(struct fixture *f, uint64_t now)
{
	int fds[64];
	unsigned n = f->watched_count;

	memcpy(fds, f->watched, sizeof(fds));
	for (unsigned i = 0; i < n; i++)
		if (fds[i] != f->listener)
			ctl_ready(f->ctl, fds[i], now);
}

static void say(int fd, const char *line)
{
	assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
}

/* What has come, NUL-terminated; -1: nothing yet. */
static ssize_t hear(int fd, char *buf, size_t size)
{
	size_t n = 0;
	ssize_t k;

	while ((k = recv(fd, buf + n, size - 1 - n, MSG_DONTWAIT)) > 0)
		n += (size_t)k;
	buf[n] = 0;
	return k == 0 || n > 0 ? (ssize_t)n : -1;
}

static void ask(struct fixture *f, const char *line, char *buf, size_t size)
{
	int fd = dial(f);

	say(fd, line);
	turn(f, 2);
	assert_true(hear(fd, buf, size) > 0);
	close(fd);
}

static void a_request_gets_one_document_and_end_of_file(void **state)
{
	char b[1024];

	ask(*state, "show now\n", b, sizeof(b));
	assert_string_equal(b, "{\"arg\":null}");
	ask(*state, "  show   now  core \n", b, sizeof(b));
	assert_string_equal(b, "{\"arg\":\"core\"}");
}

static void an_unknown_command_is_told_what_is_accepted(void **state)
{
	static const char *const bad[] = {"show pears\n", "\n", "show nowhere\n", "show\n"};
	char b[2048];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ask(*state, bad[i], b, sizeof(b));
		assert_non_null(strstr(b, "\"error\""));
		assert_non_null(strstr(b, "accepted: show now, show later, show big, wait, help"));
	}
	ask(*state, "help\n", b, sizeof(b));
	assert_non_null(
		strstr(b, "{\"words\":\"show later\",\"argument\":null,\"help\":\"later\"}"));
	assert_non_null(strstr(b, "{\"words\":\"wait\",\"argument\":\"[OVERLAY] SECONDS\","));
	ask(*state, "wait core  5\n", b, sizeof(b)); /* two words, taken apart by the handler */
	assert_non_null(strstr(b, "{\"arg\":\"core 5\"}"));
}

static void too_many_arguments_and_control_characters_are_refused(void **state)
{
	char b[1024];

	ask(*state, "show later x\n", b, sizeof(b));
	assert_non_null(strstr(b, "takes no argument"));
	ask(*state, "show now a b\n", b, sizeof(b));
	assert_non_null(strstr(b, "one argument at most"));
	ask(*state, "show now \033[2J\n", b, sizeof(b));
	assert_non_null(strstr(b, "not one line of text"));
}

static void a_line_without_end_is_refused_at_its_limit(void **state)
{
	char line[CTL_LINE_MAX + 1], b[256];

	memset(line, 'a', sizeof(line));
	line[CTL_LINE_MAX] = 0;
	ask(*state, line, b, sizeof(b));
	assert_non_null(strstr(b, "longer than 511 bytes"));
}

static void a_line_may_come_in_pieces(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	char b[64];

	say(fd, "show n");
	turn(f, 2);
	assert_int_equal(hear(fd, b, sizeof(b)), -1);
	say(fd, "ow\n");
	turn(f, 3);
	assert_int_equal(hear(fd, b, sizeof(b)), strlen("{\"arg\":null}"));
	close(fd);
}

static void a_handler_that_never_answers_is_answered_for(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	char b[256];

	say(fd, "show later\n");
	turn(f, 2);
	assert_ptr_equal(ctl_request_find(f->ctl, f->kept_id), f->kept);
	assert_int_equal(ctl_deadline(f->ctl), 2 + CTL_WORK_NS);
	ctl_expire(f->ctl, 1 + CTL_WORK_NS);
	assert_int_equal(hear(fd, b, sizeof(b)), -1);
	ctl_expire(f->ctl, 2 + CTL_WORK_NS);
	assert_true(hear(fd, b, sizeof(b)) > 0);
	assert_non_null(strstr(b, "no answer in time"));
	assert_null(ctl_request_find(f->ctl, f->kept_id));
	assert_int_equal(ctl_deadline(f->ctl), UINT64_MAX);
	close(fd);
}

static void a_client_that_hangs_up_while_waiting_is_forgotten(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, "show later\n");
	turn(f, 2);
	close(fd);
	turn(f, 3); /* its hang-up */
	assert_null(ctl_request_find(f->ctl, f->kept_id));
	assert_int_equal(f->watched_count, 1);
}

static void a_client_that_says_nothing_is_closed_in_time(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	char b[8];

	assert_int_equal(ctl_deadline(f->ctl), 1 + CTL_CLIENT_NS);
	ctl_expire(f->ctl, 1 + CTL_CLIENT_NS);
	assert_int_equal(hear(fd, b, sizeof(b)), 0);
	close(fd);
}

static void a_slow_reader_costs_bounded_memory_and_is_closed(void **state)
{
	struct fixture *f = *state;
	int slow[4];
	char *b = malloc(CTL_ANSWERS_MAX);

	f->big = CTL_ANSWERS_MAX / 2 - 4096;
	for (int i = 0; i < 4; i++) {
		slow[i] = dial(f);
		say(slow[i], "show big\n");
		ctl_ready(f->ctl, f->watched[f->watched_count - 1], 2);
	}
	/* Two fill the memory there is; the others are told so, or closed. */
	assert_true(hear(slow[2], b, CTL_ANSWERS_MAX) > 0);
	assert_non_null(strstr(b, "busy"));
	ctl_expire(f->ctl, 2 + CTL_CLIENT_NS);
	assert_int_equal(f->watched_count, 1);
	f->big = 1000;
	ask(f, "show big\n", b, CTL_ANSWERS_MAX);
	assert_int_equal(strlen(b), 1000 + strlen("{\"x\":\"\"}"));
	for (int i = 0; i < 4; i++)
		close(slow[i]);
	free(b);
}

static void one_client_too_many_is_told_so_and_the_others_live(void **state)
{
	struct fixture *f = *state;
	int fd[CTL_CLIENTS_MAX + 1];
	char b[128];

	for (int i = 0; i <= CTL_CLIENTS_MAX; i++)
		fd[i] = dial(f);
	assert_true(hear(fd[CTL_CLIENTS_MAX], b, sizeof(b)) > 0);
	assert_non_null(strstr(b, "too many clients"));
	say(fd[0], "show now\n");
	turn(f, 2);
	assert_true(hear(fd[0], b, sizeof(b)) > 0);
	for (int i = 0; i <= CTL_CLIENTS_MAX; i++)
		close(fd[i]);
}

static void another_users_client_is_refused(void **state)
{
	struct fixture *f = *state;
	struct ctl_env env = {
		.ctx = f, .watch = on_watch, .unwatch = on_unwatch, .uid = geteuid() + 1};
	char b[128];
	int fd;

	f->ctl = (ctl_free(f->ctl), NULL);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&f->sun, f->sun_len), 0);
	assert_int_equal(listen(f->listener, 4), 0);
	f->ctl = ctl_new(f->listener, commands, &env);
	fd = dial(f);
	assert_true(hear(fd, b, sizeof(b)) > 0);
	assert_non_null(strstr(b, "only root"));
	close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_request_gets_one_document_and_end_of_file),
		T(an_unknown_command_is_told_what_is_accepted),
		T(too_many_arguments_and_control_characters_are_refused),
		T(a_line_without_end_is_refused_at_its_limit),
		T(a_line_may_come_in_pieces),
		T(a_handler_that_never_answers_is_answered_for),
		T(a_client_that_hangs_up_while_waiting_is_forgotten),
		T(a_client_that_says_nothing_is_closed_in_time),
		T(a_slow_reader_costs_bounded_memory_and_is_closed),
		T(one_client_too_many_is_told_so_and_the_others_live),
		T(another_users_client_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
