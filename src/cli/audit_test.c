/* `audit FILE`: what it says and its status, by what the file opens. */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const struct cli_command *const tables[] = {cli_audit_commands, NULL};

static char *said;

/* The status of `audit` of a file with that text; what it printed is in `said`. */
static int audit(const char *text, bool json)
{
	char path[] = "/tmp/myelin-audit-XXXXXX",
	     *argv[] = {(char[]){"myelin"}, (char[]){"audit"}, path,
			json ? (char[]){"--json"} : NULL, NULL};
	int fd = mkstemp(path), rc;
	size_t len;
	FILE *out, *null;

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	free(said);
	out = open_memstream(&said, &len);
	null = fopen("/dev/null", "w");
	rc = cli_main(tables, json ? 4 : 3, argv, out, null);
	fclose(out);
	fclose(null);
	unlink(path);
	return rc;
}

#define HEAD "backbone demo;\nsite a { networks 10.1.0.0/16; }\nservice wave { type ethernet; }\n"

static void the_status_tells_whether_the_file_opens_anything(void **state)
{
	(void)state;
	assert_int_equal(audit(HEAD
			       "node a1 { id 1; site a; port w { interface e; service wave; } }\n",
			       false),
			 CLI_OK);
	assert_non_null(strstr(said, "nothing is open"));
	assert_int_equal(audit(HEAD "node a1 { id 1; site a; port w { interface e; service wave;\n"
				    "allow ssh; } }\n",
			       false),
			 CLI_OPEN);
	assert_non_null(strstr(said, ":5: node a1, port w: OPEN: allow ssh"));
	assert_non_null(strstr(said, "1 thing is open by the file"));
	assert_int_equal(audit(HEAD "node a1 { id 1; site a; port w { interface e; service wave;\n"
				    "allow ssh; } }\n",
			       true),
			 CLI_OPEN);
	assert_non_null(strstr(said, "\"line\": 5"));
	assert_int_equal(audit("backbone demo\n", false), CLI_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_status_tells_whether_the_file_opens_anything),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	free(said);
	return rc;
}
