/* `myelin ca`: what it makes is what IKE's checks take, and what it revoked is what they refuse. */
#include "cli/cli.h"

#include "crypto/x509.h"
#include "crypto/sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64], out[8192], err[8192];

static int run(const char *words, ...)
{
	const struct cli_command *const tables[] = {cli_ca_commands, NULL};
	char text[512], *argv[16], *save;
	int argc = 1, status;
	FILE *o = fmemopen(out, sizeof(out), "w"), *e = fmemopen(err, sizeof(err), "w");
	va_list ap;

	argv[0] = (char[]){"myelin"};
	va_start(ap, words);
	vsnprintf(text, sizeof(text), words, ap);
	va_end(ap);
	for (char *w = strtok_r(text, " ", &save); w && argc < 16; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	status = cli_main(tables, argc, argv, o, e);
	fclose(o);
	fclose(e);
	return status;
}

static size_t slurp(const char *name, uint8_t *buf, size_t size)
{
	char path[128];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(buf, 1, size, f);
	fclose(f);
	return n;
}

static unsigned mode_of(const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 0777;
}

static enum x509_result verdict(const char *name)
{
	static uint8_t b[65536], der[8192];
	struct x509_trust *t = x509_trust_new();
	struct x509_der cert = {der, 0};
	enum x509_result r;
	char file[64];
	size_t n = slurp("ca.pem", b, sizeof(b));

	assert_int_equal(x509_trust_add(t, b, n), 1);
	n = slurp("crl.pem", b, sizeof(b));
	assert_int_equal(x509_trust_add_crl(t, b, n), 1);
	snprintf(file, sizeof(file), "%s.pem", name);
	n = slurp(file, b, sizeof(b));
	cert.len = x509_load(b, n, der, sizeof(der));
	assert_true(cert.len > 0);
	assert_true(x509_names(cert, X509_DNS, name, strlen(name)));
	r = x509_check(t, &cert, 1, time(NULL));
	x509_trust_free(t);
	return r;
}

static void a_mesh_of_two_nodes(void **state)
{
	uint8_t b[8192];
	struct sign_key *k;

	(void)state;
	assert_int_equal(run("ca init %s", dir), CLI_OK);
	assert_int_equal(mode_of("ca.key"), 0600);
	assert_non_null(strstr(out, "to every node, into /etc/myelin/secrets/myelin-ca-"));
	assert_int_equal(run("ca sign %s fra1", dir), CLI_OK);
	assert_int_equal(run("ca sign %s sin1 ed25519", dir), CLI_OK);
	assert_int_equal(mode_of("fra1.key"), 0600);
	k = sign_key_load(b, slurp("sin1.key", b, sizeof(b)));
	assert_non_null(k);
	assert_int_equal(sign_key_schemes(k), 1u << SIGN_ED25519);
	sign_key_free(k);
	assert_int_equal(verdict("fra1"), X509_FINE);
	assert_int_equal(verdict("sin1"), X509_FINE);
	assert_int_equal(run("ca revoke %s fra1", dir), CLI_OK);
	assert_int_equal(verdict("fra1"), X509_IS_REVOKED);
	assert_int_equal(verdict("sin1"), X509_FINE);
	assert_int_equal(run("ca show %s", dir), CLI_OK);
	assert_non_null(strstr(out, "fra1                     revoked"));
	assert_non_null(strstr(out, "sin1                     valid"));
	/* A new certificate under the old name is good, the old one stays revoked. */
	assert_int_equal(run("ca sign %s fra1", dir), CLI_OK);
	assert_int_equal(verdict("fra1"), X509_FINE);
}

static void what_is_refused_says_why(void **state)
{
	(void)state;
	assert_int_equal(run("ca init %s", dir), CLI_FAILED);
	assert_non_null(strstr(err, "there is an authority already"));
	assert_int_equal(run("ca sign %s fra1 rsa-512", dir), CLI_USAGE);
	assert_non_null(strstr(err, "there are ecdsa-256"));
	assert_int_equal(run("ca sign %s ../fra1", dir), CLI_USAGE);
	assert_int_equal(run("ca sign %s ca", dir), CLI_USAGE);
	assert_int_equal(run("ca sign /nonexistent fra1"), CLI_FAILED);
	assert_non_null(strstr(err, "`myelin ca init` makes one"));
	assert_int_equal(run("ca revoke %s nobody", dir), CLI_FAILED);
	assert_non_null(strstr(err, "`myelin ca show` lists them"));
	assert_int_equal(run("ca show /nonexistent"), CLI_FAILED);
}

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/myelin-ca-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mesh_of_two_nodes),
		cmocka_unit_test(what_is_refused_says_why),
	};

	return cmocka_run_group_tests_name("cli/ca", tests, make_dir, remove_dir);
}
