/* The client and its tables against a daemon played by a child process. Run as root: it trusts
 * nobody else's socket, which one of the cases shows. */
#include "cli/cli.h"
#include "cli/client.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define REQUEST_MAX 256

struct daemon {
	char node[32];
	int listener;
	pid_t pid;
	int requests; /* the lines it got, for the test to read */
};

static int node_bind(const char *node)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int n = snprintf(sun.sun_path + 1, sizeof(sun.sun_path) - 1, "myelin/%s", node);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sun,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)),
			 0);
	return fd;
}

/* A daemon that answers every request with the same bytes. */
static struct daemon *daemon_new(const char *tag, const char *answer)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int pipes[2];

	snprintf(d->node, sizeof(d->node), "t%d-%s", (int)getpid(), tag);
	d->listener = node_bind(d->node);
	assert_int_equal(listen(d->listener, 4), 0);
	assert_int_equal(pipe(pipes), 0);
	d->pid = fork();
	if (d->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			int fd = accept(d->listener, NULL, NULL);
			char line[REQUEST_MAX] = "";
			ssize_t n = read(fd, line, sizeof(line));

			if (n <= 0 || write(pipes[1], line, sizeof(line)) < 0 ||
			    write(fd, answer, strlen(answer)) < 0)
				_exit(1);
			close(fd);
		}
	}
	close(pipes[1]);
	d->requests = pipes[0];
	return d;
}

static void daemon_free(struct daemon *d)
{
	kill(d->pid, SIGKILL);
	waitpid(d->pid, NULL, 0);
	close(d->listener);
	close(d->requests);
	free(d);
}

static char *out_text, *err_text;

static int run(const char *node, const char *a, const char *b, const char *c)
{
	static const struct cli_command *const tables[] = {cli_show_commands, cli_suspend_commands,
							   NULL};
	const char *args[] = {"myelin", "--node", node, a, b, c};
	size_t n;
	FILE *out, *err;
	char *argv[8];
	int argc = 0, rc;

	free(out_text);
	free(err_text);
	out = open_memstream(&out_text, &n);
	err = open_memstream(&err_text, &n);
	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
		if (args[i])
			argv[argc++] = (char *)args[i];
	argv[argc] = NULL;
	rc = cli_main(tables, argc, argv, out, err);
	fclose(out);
	fclose(err);
	return rc;
}

static void the_command_and_its_argument_are_what_is_asked(void **state)
{
	struct daemon *d = daemon_new("ask", "{\"peers\":[]}");
	char line[REQUEST_MAX];

	(void)state;
	assert_int_equal(run(d->node, "show", "peers", "core"), CLI_OK);
	assert_int_equal(read(d->requests, line, sizeof(line)), sizeof(line));
	assert_string_equal(line, "show peers core\n");
	assert_string_equal(out_text, "none\n");
	daemon_free(d);
}

static void json_is_the_answer_as_it_is_and_a_table_is_for_people(void **state)
{
	struct daemon *d = daemon_new(
		"table",
		"{\"peers\":[{\"overlay\":\"core\",\"port\":\"wan\",\"peer\":null,"
		"\"sci\":\"0200000000020001\",\"state\":\"live\",\"key-server\":true,\"cipher\":"
		"\"GCM-AES-XPN-256\",\"key-id\":\"000102030405060708090a0b00000001\",\"an\":2,"
		"\"key-age\":125,\"packets-in\":12345,\"packets-out\":7,\"new\":1}]}");

	(void)state;
	assert_int_equal(run(d->node, "show", "peers", NULL), CLI_OK);
	assert_string_equal(
		out_text,
		"overlay  peer  sci               state  role        cipher           an  key"
		"                key age        in  out\n"
		"core     -     0200000000020001  live   key server  GCM-AES-XPN-256  2   "
		"00010203…00000001  2 min 5 s  12.3 k    7\n");
	assert_int_equal(run(d->node, "--json", "show", "peers"), CLI_OK);
	assert_non_null(strstr(out_text, "\"new\": 1"));
	daemon_free(d);
}

static void tables_of_a_document_with_nothing_in_it_do_not_fail(void **state)
{
	static const char *const what[] = {"overlays", "peers", "mka",      "ports",
					   "macsec",   "sa",    "counters", "version"};
	static const char *const documents[] = {
		"{}", "[]", "{\"overlays\":7,\"peers\":\"x\",\"participants\":{},\"ports\":[1]}",
		("{\"overlays\":[{}],\"peers\":[{}],\"participants\":[{\"peers\":[{}]}],\"ports\":[{}],"
		 "\"sas\":[{}],\"secys\":[{\"channels\":[{}]}]}")};

	(void)state;
	for (size_t k = 0; k < 4; k++) {
		struct daemon *d = daemon_new("empty", documents[k]);

		for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i++)
			assert_int_equal(run(d->node, "show", what[i], NULL), CLI_OK);
		daemon_free(d);
	}
}

static void a_suspension_is_waited_for_and_who_does_not_know_of_it_is_named(void **state)
{
	struct daemon *d = daemon_new(
		"away", "{\"seconds\":30,\"suspensions\":[{\"overlay\":\"core\"}],"
			"\"participants\":[{\"overlay\":\"fast\"},{\"overlay\":\"core\","
			"\"suspension-granted\":true,\"suspension-asked\":29,\"peers\":["
			"{\"peer\":\"nyc1\",\"can-suspend\":true},{\"peer\":\"old\"}]}]}");
	char line[REQUEST_MAX];

	(void)state;
	assert_int_equal(run(d->node, "suspend", "core", "30"), CLI_OK);
	assert_int_equal(read(d->requests, line, sizeof(line)), sizeof(line));
	assert_string_equal(line, "suspend core 30\n");
	assert_int_equal(read(d->requests, line, sizeof(line)), sizeof(line));
	assert_string_equal(line, "show mka\n");
	assert_string_equal(
		out_text,
		"overlay core: suspended, this node may be away, 29 s left\n"
		"  old does not know of suspension: it gives this node up after its MKA Life Time\n");
	daemon_free(d);
}

static void a_suspension_that_is_taken_back_is_not_waited_for(void **state)
{
	struct daemon *d = daemon_new("back", "{\"seconds\":0,\"suspensions\":[]}");

	(void)state;
	assert_int_equal(run(d->node, "suspend", "0", NULL), CLI_OK);
	assert_string_equal(out_text, "no suspension is asked for any more\n");
	daemon_free(d);
}

static void an_error_of_the_daemon_is_said_and_fails(void **state)
{
	struct daemon *d = daemon_new("error", "{\"error\":\"no overlay nope\"}");

	(void)state;
	assert_int_equal(run(d->node, "show", "peers", "nope"), CLI_FAILED);
	assert_non_null(strstr(err_text, "no overlay nope"));
	assert_string_equal(out_text, "");
	daemon_free(d);
}

static void an_answer_that_is_no_document_is_an_error(void **state)
{
	static const char *const bad[] = {"", "nonsense", "{\"peers\":", "{}{}"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct daemon *d = daemon_new("bad", bad[i]);

		assert_int_equal(run(d->node, "show", "peers", NULL), CLI_FAILED);
		assert_string_equal(out_text, "");
		daemon_free(d);
	}
}

static void no_daemon_is_an_error_that_says_so(void **state)
{
	(void)state;
	assert_int_equal(run("nobody-has-this-name", "show", "peers", NULL), CLI_FAILED);
	assert_non_null(strstr(err_text, "is myelind running"));
}

static void a_socket_that_is_not_roots_is_not_believed(void **state)
{
	char node[32], ready;
	int pipes[2];
	pid_t pid;

	(void)state;
	snprintf(node, sizeof(node), "t%d-thief", (int)getpid());
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		int fd;

		if (setresuid(65534, 65534, 65534) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
			_exit(1);
		fd = node_bind(node);
		if (listen(fd, 1) < 0 || write(pipes[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(pipes[0], &ready, 1), 1);
	assert_int_equal(run(node, "show", "peers", NULL), CLI_FAILED);
	assert_non_null(strstr(err_text, "not root's"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(pipes[0]);
	close(pipes[1]);
}

static void daemons_are_found_by_the_sockets_they_listen_on(void **state)
{
	struct daemon *a = daemon_new("one", "{}"), *b = daemon_new("two", "{}");
	char names[64][CLIENT_NODE_MAX], silent[32];
	size_t n = 0, found = 0;
	int fd;

	(void)state;
	snprintf(silent, sizeof(silent), "t%d-silent", (int)getpid());
	fd = node_bind(silent); /* bound, but nobody listens */
	n = client_nodes(names, 64);
	for (size_t i = 0; i < n; i++) {
		found += strcmp(names[i], a->node) == 0 || strcmp(names[i], b->node) == 0;
		assert_string_not_equal(names[i], silent);
	}
	assert_int_equal(found, 2);
	assert_int_equal(run(NULL, NULL, NULL, NULL), CLI_USAGE);
	close(fd);
	daemon_free(a);
	daemon_free(b);
}

static int teardown(void **state)
{
	(void)state;
	free(out_text);
	free(err_text);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_command_and_its_argument_are_what_is_asked),
		cmocka_unit_test(json_is_the_answer_as_it_is_and_a_table_is_for_people),
		cmocka_unit_test(tables_of_a_document_with_nothing_in_it_do_not_fail),
		cmocka_unit_test(a_suspension_is_waited_for_and_who_does_not_know_of_it_is_named),
		cmocka_unit_test(a_suspension_that_is_taken_back_is_not_waited_for),
		cmocka_unit_test(an_error_of_the_daemon_is_said_and_fails),
		cmocka_unit_test(an_answer_that_is_no_document_is_an_error),
		cmocka_unit_test(no_daemon_is_an_error_that_says_so),
		cmocka_unit_test(a_socket_that_is_not_roots_is_not_believed),
		cmocka_unit_test(daemons_are_found_by_the_sockets_they_listen_on),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
