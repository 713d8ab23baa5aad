/* secrets: keys nobody uses anywhere else. See secrets.h. */
#include "lab/secrets.h"

#include "base/log.h"
#include "base/secret.h"
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static int print_random(FILE *f, size_t n)
{
	uint8_t b[SECRET_MAX];

	if (n > sizeof(b) || getrandom(b, n, 0) != (ssize_t)n)
		return -EIO;
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%02x", b[i]);
	secret_wipe(b, sizeof(b));
	return 0;
}

/* A new file of the directory, or NULL when it is there already (two overlays, one secret). */
static FILE *secret_create(const char *dir, const char *name, int *err)
{
	char path[256];
	FILE *f = NULL;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		f = fdopen(fd, "w");
	if (!f && errno != EEXIST) {
		*err = -errno;
		log_error("%s: %m", path);
	}
	return f;
}

/* `CKN CAK`: a connectivity association of its own, with a key of 256 bits. */
static int chain_make(const char *dir, const char *name)
{
	int err = 0;
	FILE *f = secret_create(dir, name, &err);

	if (!f)
		return err;
	err = print_random(f, 16);
	fputc(' ', f);
	if (!err)
		err = print_random(f, 32);
	fputc('\n', f);
	return fclose(f) || err ? -EIO : 0;
}

/* One line per transmitter: `sa NAME AN KEY sci SCI ssci N salt SALT`; the salt is the overlay's. */
static int psk_make(const struct plan *p, const struct bb_overlay *o, const char *dir)
{
	int err = 0;
	FILE *f = secret_create(dir, o->psk, &err);
	bool xpn = macsec_suites[o->macsec.suite].xpn;
	uint8_t salt[MACSEC_SALT_LEN];

	if (!f)
		return err;
	if (getrandom(salt, sizeof(salt), 0) != sizeof(salt))
		err = -EIO;
	for (size_t i = 0; !err && i < o->member_count; i++) {
		const struct bb_member *m = &o->members[i];
		const uint8_t *mac = plan_find_mac(p, m);

		if (!mac)
			continue;
		fprintf(f, "sa %s 0 ", m->node->name);
		err = print_random(f, macsec_suites[o->macsec.suite].key_len);
		fprintf(f, " sci %02x%02x%02x%02x%02x%02x0001", mac[0], mac[1], mac[2], mac[3],
			mac[4], mac[5]);
		if (xpn) {
			fprintf(f, " ssci %zu salt ", i + 1);
			for (size_t j = 0; j < sizeof(salt); j++)
				fprintf(f, "%02x", salt[j]);
		}
		fputc('\n', f);
	}
	return fclose(f) || err ? -EIO : 0;
}

/* One of `myelin ca`'s commands, as an operator would give it. */
static int ca_run(const char *words, char *argv[], int argc)
{
	FILE *null = fopen("/dev/null", "we");
	const struct cli c = {.out = null, .err = stderr};
	int status = CLI_FAILED;

	if (!null)
		return -errno;
	for (const struct cli_command *cmd = cli_ca_commands; cmd->words; cmd++)
		if (!strcmp(cmd->words, words))
			status = cmd->run(&c, cmd, argc, argv);
	fclose(null);
	return status == CLI_OK ? 0 : -EIO;
}

/* An authority, and for each node of the overlay a certificate by it. */
static int ca_make(const struct bb_overlay *o, const char *dir)
{
	char folder[192], path[256];
	int err = 0;

	snprintf(folder, sizeof(folder), "%s/%s", dir, o->ca);
	snprintf(path, sizeof(path), "%s/ca.key", folder);
	if (access(path, F_OK) < 0)
		err = ca_run("ca init", (char *[]){folder, NULL}, 1);
	for (size_t i = 0; !err && i < o->member_count; i++) {
		const struct bb_node *n = o->members[i].node;

		if (!n)
			continue;
		snprintf(path, sizeof(path), "%s/%s.pem", folder, n->name);
		if (access(path, F_OK) < 0)
			err = ca_run("ca sign",
				     (char *[]){folder, (char *)(uintptr_t)n->name, NULL}, 2);
	}
	return err;
}

/* One line, what IKE takes as pre-shared key: hex digits, octet by octet. */
static int ike_psk_make(const char *dir, const char *name)
{
	int err = 0;
	FILE *f = secret_create(dir, name, &err);

	if (!f)
		return err;
	err = print_random(f, 32);
	fputc('\n', f);
	return fclose(f) || err ? -EIO : 0;
}

/* `IDENTITY:KEY`, a post-quantum pre-shared key of 256 bits. */
static int ppk_make(const char *dir, const char *name)
{
	int err = 0;
	FILE *f = secret_create(dir, name, &err);

	if (!f)
		return err;
	fprintf(f, "%s:", name);
	err = print_random(f, 32);
	fputc('\n', f);
	return fclose(f) || err ? -EIO : 0;
}

int secrets_make(const struct plan *p, const char *dir)
{
	int err = 0;

	if (mkdir(dir, 0700) < 0)
		return -errno;
	for (size_t i = 0; !err && i < p->b->overlay_count; i++) {
		const struct bb_overlay *o = &p->b->overlays[i];

		if (o->mka.key_chain)
			err = chain_make(dir, o->mka.key_chain);
		if (!err && o->mka.fallback)
			err = chain_make(dir, o->mka.fallback);
		if (!err && o->psk)
			err = o->keying == BB_IKEV2 ? ike_psk_make(dir, o->psk)
						    : psk_make(p, o, dir);
		if (!err && o->ipsec.ppk)
			err = ppk_make(dir, o->ipsec.ppk);
		if (!err && o->ca)
			err = ca_make(o, dir);
	}
	return err;
}

int secrets_make_leases(const struct plan *p, const char *dir)
{
	int err = 0;

	for (size_t i = 0; !err && i < p->b->overlay_count; i++) {
		const struct bb_overlay *o = &p->b->overlays[i];
		FILE *f = o->psk && o->keying == BB_PSK ? secret_create(dir, o->psk, &err) : NULL;

		if (!f)
			continue;
		if (fputs("new\n", f) < 0)
			err = -EIO;
		if (fclose(f) != 0)
			err = -EIO;
	}
	return err;
}
