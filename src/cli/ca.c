/*
 * myelin ca: a small certificate authority in a directory, so that a first mesh with `auth ca`
 * needs no other tool. Keys and certificates are made by crypto/x509_make.h.
 *
 *   DIR/ca.key        the authority's key, mode 0600: it belongs on no node
 *   DIR/ca.pem        its certificate: every node's anchor
 *   DIR/crl.pem       what was revoked, signed; made anew by every `revoke`
 *   DIR/index         one line for each certificate: serial number, valid or revoked, when it
 *                     ends (seconds since 1970), name
 *   DIR/NAME.key      a node's key, mode 0600, and
 *   DIR/NAME.pem      its certificate: they go to that node
 *
 * The folder is what `auth ca NAME` of a backbone file looks for in a node's secrets directory, under
 * that name and with these very files, but for ca.key and the keys of others.
 *
 * A file is written beside its place and moved there, so that none is ever half. One thread.
 */
#include "cli/cli.h"

#include "base/secret.h"
#include "crypto/x509_make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DAY 86400
#define CA_DAYS 3650
#define NODE_DAYS 825
#define NAME_MAX_LEN 63
#define REVOKED_MAX 4096

struct file {
	char path[512];
	uint8_t b[16384];
	size_t len;
};

static const struct {
	const char *name;
	enum x509_key kind;
} kinds[] = {{"ecdsa-256", X509_KEY_ECDSA_256},
	     {"ecdsa-384", X509_KEY_ECDSA_384},
	     {"ecdsa-521", X509_KEY_ECDSA_521},
	     {"ed25519", X509_KEY_ED25519},
	     {"rsa-3072", X509_KEY_RSA_3072}};

static int fail(const struct cli *c, const char *path, const char *why)
{
	fprintf(c->err, "myelin ca: %s: %s\n", path, why);
	return CLI_FAILED;
}

static bool at(char path[512], const char *dir, const char *name, const char *end)
{
	return snprintf(path, 512, "%s/%s%s", dir, name, end) < 512;
}

static bool write_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

/* Puts a file in place, whole or not at all. */
static bool put(const char *path, const void *data, size_t len, mode_t mode)
{
	char beside[520];
	bool ok;
	int fd;

	snprintf(beside, sizeof(beside), "%s.new", path);
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return false;
	ok = write_all(fd, data, len) && fsync(fd) == 0;
	ok = close(fd) == 0 && ok;
	if (ok && rename(beside, path) == 0)
		return true;
	unlink(beside);
	return false;
}

static bool get(struct file *f)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, f->b, sizeof(f->b) - 1);

	if (fd >= 0)
		close(fd);
	f->len = n > 0 ? (size_t)n : 0;
	f->b[f->len] = 0;
	return n > 0;
}

/* Where a node looks for the files of this folder. */
static const char *home(const char *dir, char out[128])
{
	size_t end = strlen(dir), start;

	while (end > 1 && dir[end - 1] == '/')
		end--;
	for (start = end; start && dir[start - 1] != '/';)
		start--;
	snprintf(out, 128, "/etc/myelin/secrets/%.*s/", (int)(end - start), dir + start);
	return out;
}

static void serial_draw(uint8_t s[X509_SERIAL_LEN])
{
	if (getrandom(s, X509_SERIAL_LEN, 0) != X509_SERIAL_LEN)
		abort();
	s[0] = (uint8_t)((s[0] & 0x7f) | 0x40);
}

static void serial_text(const uint8_t s[X509_SERIAL_LEN], char out[2 * X509_SERIAL_LEN + 1])
{
	for (unsigned i = 0; i < X509_SERIAL_LEN; i++)
		snprintf(out + 2 * i, 3, "%02x", s[i]);
}

static bool serial_read(const char *text, uint8_t s[X509_SERIAL_LEN])
{
	for (unsigned i = 0; i < X509_SERIAL_LEN; i++) {
		unsigned v;

		if (sscanf(text + 2 * i, "%2x", &v) != 1)
			return false;
		s[i] = (uint8_t)v;
	}
	return true;
}

/* The authority of a directory: its certificate and key. */
struct authority {
	uint8_t der[4096];
	struct x509_der cert;
	struct sign_key *key;
};

static bool authority_open(struct authority *a, const char *dir)
{
	struct file f;

	*a = (struct authority){0};
	if (at(f.path, dir, "ca", ".pem") && get(&f)) {
		a->cert.p = a->der;
		a->cert.len = x509_load(f.b, f.len, a->der, sizeof(a->der));
	}
	if (at(f.path, dir, "ca", ".key") && get(&f))
		a->key = sign_key_load(f.b, f.len);
	secret_wipe(f.b, sizeof(f.b));
	return a->cert.len && a->key;
}

/* A key into DIR/NAME.key; its public part. */
static struct sign_key *key_new(const char *dir, const char *name, enum x509_key kind,
				uint8_t *spki, size_t *spki_len)
{
	struct sign_key *k = x509_key_new(kind);
	char pem[8192], path[512];
	size_t n = k ? x509_key_pem(k, pem, sizeof(pem)) : 0;

	*spki_len = k ? sign_key_public(k, spki, *spki_len) : 0;
	if (!n || !*spki_len || !at(path, dir, name, ".key") || !put(path, pem, n, 0600)) {
		sign_key_free(k);
		k = NULL;
	}
	secret_wipe(pem, sizeof(pem));
	return k;
}

static bool cert_put(const char *dir, const char *name, const char *label, struct x509_der d)
{
	char pem[8192], path[512];
	size_t n = x509_pem(label, d, pem, sizeof(pem));

	return n && at(path, dir, name, ".pem") && put(path, pem, n, 0644);
}

/* Appends a line to the index, or marks a name's certificates revoked. */
static bool index_add(const char *dir, const uint8_t serial[X509_SERIAL_LEN], int64_t until,
		      const char *name)
{
	char path[512], hex[2 * X509_SERIAL_LEN + 1], line[256];
	int n, fd;
	bool ok;

	serial_text(serial, hex);
	n = snprintf(line, sizeof(line), "%s valid %lld %s\n", hex, (long long)until, name);
	if (!at(path, dir, "index", ""))
		return false;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	ok = fd >= 0 && write_all(fd, line, (size_t)n) && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

struct line {
	char serial[2 * X509_SERIAL_LEN + 1], state[16], name[NAME_MAX_LEN + 1];
	long long until;
};

static bool line_read(FILE *f, struct line *l)
{
	return fscanf(f, "%32s %15s %lld %63s", l->serial, l->state, &l->until, l->name) == 4;
}

static FILE *index_open(const char *dir)
{
	char path[512];

	return at(path, dir, "index", "") ? fopen(path, "re") : NULL;
}

/* Signs a list of all revoked serial numbers. */
static bool crl_make(const struct authority *a, const char *dir)
{
	static uint8_t serials[REVOKED_MAX][X509_SERIAL_LEN], der[REVOKED_MAX * 48 + 4096];
	static char pem[sizeof(der) * 2];
	FILE *f = index_open(dir);
	int64_t now = time(NULL);
	struct x509_der d = {der, 0};
	char path[512];
	unsigned n = 0;
	struct line l;

	while (f && line_read(f, &l))
		if (!strcmp(l.state, "revoked") && n < REVOKED_MAX &&
		    serial_read(l.serial, serials[n]))
			n++;
	if (f)
		fclose(f);
	d.len = x509_make_crl(a->cert, a->key, serials, n, (uint64_t)now, now, x509_until(a->cert),
			      der, sizeof(der));
	n = d.len ? (unsigned)x509_pem("X509 CRL", d, pem, sizeof(pem)) : 0;
	return n && at(path, dir, "crl", ".pem") && put(path, pem, n, 0644);
}

/* The kind of a word; -1 and usage when there is none. */
static int kind_of(const struct cli *c, const struct cli_command *cmd, const char *word)
{
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, word))
			return (int)kinds[i].kind;
	cli_usage(c, cmd,
		  "`%s` is no kind of key; there are ecdsa-256, ecdsa-384, ecdsa-521, "
		  "ed25519 and rsa-3072",
		  word);
	return -1;
}

static int ca_init(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	int kind = kind_of(c, cmd, argc > 1 ? argv[1] : "ecdsa-384");
	struct x509_make m = {.common_name = "myelin CA", .usage = X509_FOR_CA};
	uint8_t der[4096], spki[2048];
	size_t spki_len = sizeof(spki);
	struct authority a = {.cert = {der, 0}};
	char path[512], there[128];
	int status = CLI_FAILED;

	if (kind < 0)
		return CLI_USAGE;
	if (!at(path, argv[0], "ca", ".key"))
		return fail(c, argv[0], "the path is too long");
	if (mkdir(argv[0], 0700) && errno != EEXIST)
		return fail(c, argv[0], strerror(errno));
	if (access(path, F_OK) == 0)
		return fail(c, path, "there is an authority already; it is not replaced");
	m.from = time(NULL) - 60;
	m.until = m.from + (int64_t)CA_DAYS * DAY;
	serial_draw(m.serial);
	a.key = key_new(argv[0], "ca", (enum x509_key)kind, spki, &spki_len);
	if (a.key)
		a.cert.len = x509_make_cert(&m, spki, spki_len, NULL, a.key, der, sizeof(der));
	if (a.cert.len && cert_put(argv[0], "ca", "CERTIFICATE", a.cert) && crl_make(&a, argv[0])) {
		fprintf(c->out,
			"%s/ca.pem and %s/crl.pem go to every node, into %s; %s/ca.key goes to "
			"none\n",
			argv[0], argv[0], home(argv[0], there), argv[0]);
		status = CLI_OK;
	} else {
		fail(c, argv[0], strerror(errno));
	}
	sign_key_free(a.key);
	return status;
}

/* A node's name, as the backbone file has them; it becomes a file name and a DNS name. */
static bool name_fits(const char *name)
{
	size_t n =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");

	return n && n <= NAME_MAX_LEN && !name[n] && name[0] != '.' && name[0] != '-' &&
	       strcmp(name, "ca") != 0 && strcmp(name, "crl") != 0;
}

static int ca_sign(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	int kind = kind_of(c, cmd, argc > 2 ? argv[2] : "ecdsa-256");
	struct x509_make m = {.common_name = argv[1],
			      .names = {{X509_DNS, argv[1], strlen(argv[1])}},
			      .name_count = 1,
			      .usage = X509_FOR_IKE};
	uint8_t der[4096], spki[2048];
	size_t spki_len = sizeof(spki);
	struct x509_der cert = {der, 0};
	struct authority a;
	struct sign_key *k = NULL;
	int status = CLI_FAILED;
	char there[128];

	if (kind < 0)
		return CLI_USAGE;
	if (!name_fits(argv[1]))
		return cli_usage(c, cmd, "`%s` is no name of a node", argv[1]);
	if (!authority_open(&a, argv[0])) {
		sign_key_free(a.key);
		return fail(c, argv[0], "no authority here; `myelin ca init` makes one");
	}
	m.from = time(NULL) - 60;
	m.until = m.from + (int64_t)NODE_DAYS * DAY;
	m.until = m.until < x509_until(a.cert) ? m.until : x509_until(a.cert);
	serial_draw(m.serial);
	k = key_new(argv[0], argv[1], (enum x509_key)kind, spki, &spki_len);
	if (k)
		cert.len = x509_make_cert(&m, spki, spki_len, &a.cert, a.key, der, sizeof(der));
	if (cert.len && index_add(argv[0], m.serial, m.until, argv[1]) &&
	    cert_put(argv[0], argv[1], "CERTIFICATE", cert)) {
		fprintf(c->out, "%s/%s.key and %s/%s.pem go to %s, into %s\n", argv[0], argv[1],
			argv[0], argv[1], argv[1], home(argv[0], there));
		status = CLI_OK;
	} else {
		fail(c, argv[0], strerror(errno));
	}
	sign_key_free(k);
	sign_key_free(a.key);
	return status;
}

/* The index with a name's certificates revoked; how many were not before, or -1. */
static int index_revoke(const char *dir, const char *name)
{
	FILE *f = index_open(dir);
	char path[512], *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct line l;
	int n = 0;

	while (f && out && line_read(f, &l)) {
		bool hit = !strcmp(l.name, name) && !strcmp(l.state, "valid");

		n += hit;
		fprintf(out, "%s %s %lld %s\n", l.serial, hit ? "revoked" : l.state, l.until,
			l.name);
	}
	if (f)
		fclose(f);
	if (!out || fclose(out) ||
	    (n && (!at(path, dir, "index", "") || !put(path, text, len, 0644))))
		n = -1;
	free(text);
	return n;
}

static int ca_revoke(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct authority a;
	int n, status = CLI_FAILED;
	char there[128];

	(void)cmd;
	(void)argc;
	if (!authority_open(&a, argv[0])) {
		sign_key_free(a.key);
		return fail(c, argv[0], "no authority here; `myelin ca init` makes one");
	}
	n = index_revoke(argv[0], argv[1]);
	if (n < 0)
		fail(c, argv[0], strerror(errno));
	else if (n == 0)
		fail(c, argv[1], "no valid certificate has this name; `myelin ca show` lists them");
	else if (!crl_make(&a, argv[0]))
		fail(c, argv[0], "the revocation list could not be made");
	else {
		fprintf(c->out, "%d of %s revoked; %s/crl.pem goes to every node, into %s\n", n,
			argv[1], argv[0], home(argv[0], there));
		status = CLI_OK;
	}
	sign_key_free(a.key);
	return status;
}

static int ca_show(const struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	FILE *f = index_open(argv[0]);
	time_t now = time(NULL);
	struct line l;

	(void)cmd;
	(void)argc;
	if (!f)
		return fail(c, argv[0], "no certificate was signed here");
	fprintf(c->out, "%-24s %-8s %-10s %s\n", "name", "state", "until", "serial");
	while (line_read(f, &l)) {
		time_t until = (time_t)l.until;
		struct tm tm;
		char day[16];

		gmtime_r(&until, &tm);
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
		fprintf(c->out, "%-24s %-8s %-10s %s\n", l.name,
			until < now && !strcmp(l.state, "valid") ? "expired" : l.state, day,
			l.serial);
	}
	fclose(f);
	return CLI_OK;
}

const struct cli_command cli_ca_commands[] = {
	{"ca init", "DIR [KIND]", "a small certificate authority for `auth ca`, in a directory", 1,
	 2, false, ca_init},
	{"ca sign", "DIR NODE [KIND]", "a key and a certificate for a node", 2, 3, false, ca_sign},
	{"ca revoke", "DIR NODE", "its certificates are no longer good", 2, 2, false, ca_revoke},
	{"ca show", "DIR", "what was signed", 1, 1, false, ca_show},
	{NULL, NULL, NULL, 0, 0, false, NULL},
};
