#include "proc/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_MAX (64u << 20) /* bytes */
#define SECRETS_DIR "/etc/myelin/secrets"

static int open_in(const char *dir, const char *name, int flags, char where[128])
{
	int at, fd, err;

	snprintf(where, 128, "%s/%s", dir, name);
	at = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (at < 0)
		return -errno;
	/* O_NONBLOCK: a fifo in the place of a file must not stop the parent. */
	fd = openat(at, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	err = -errno;
	/* A lease counts only when its name survives a crash too. */
	if (fd >= 0 && (flags & O_CREAT) && fsync(at) < 0) {
		err = -errno;
		close(fd);
		fd = -1;
	}
	close(at);
	return fd < 0 ? err : fd;
}

/* What group and others may not have of a file that was opened. */
enum keep { KEEP_PRIVATE = S_IRWXG | S_IRWXO, KEEP_UNCHANGED = S_IWGRP | S_IWOTH };

static int check_kept(int fd, enum keep keep)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return st.st_mode & (mode_t)keep || st.st_uid != geteuid() ? -EACCES : 0;
}

static int open_checked(const char *dir, const char *name, int flags, enum keep keep,
			char where[128])
{
	int fd = open_in(dir, name, flags, where), err;

	if (fd < 0)
		return fd;
	err = check_kept(fd, keep);
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* Secrets have plain names: a private key under a name of the credentials directory is none. */
static int open_secret(const struct files *f, const char *name, char where[128])
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");
	int fd;

	if (strpbrk(name, "._"))
		return -EINVAL;
	if (f->secrets)
		return open_checked(f->secrets, name, O_RDONLY, KEEP_PRIVATE, where);
	if (credentials) {
		fd = open_checked(credentials, name, O_RDONLY, KEEP_PRIVATE, where);
		if (fd != -ENOENT)
			return fd;
	}
	return open_checked(SECRETS_DIR, name, O_RDONLY, KEEP_PRIVATE, where);
}

/*
 * A file of an authority, which has a folder: DIR/AUTHORITY/NAME. The credentials directory of
 * systemd is flat, and a folder's files are there as AUTHORITY_NAME.
 */
static int open_of_authority(const struct files *f, const char *authority, const char *name,
			     enum keep keep, char where[128])
{
	const char *credentials = f->secrets ? NULL : getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];
	int fd;

	if (credentials) {
		snprintf(path, sizeof(path), "%s_%s", authority, name);
		fd = open_checked(credentials, path, O_RDONLY, keep, where);
		if (fd != -ENOENT)
			return fd;
	}
	snprintf(path, sizeof(path), "%s/%s", f->secrets ? f->secrets : SECRETS_DIR, authority);
	return open_checked(path, name, O_RDONLY, keep, where);
}

/* The node's own: a node called `ca` would have the authority's. */
static int open_of_node(const struct files *f, const char *authority, const char *end,
			enum keep keep, char where[128])
{
	char name[80];

	where[0] = '\0';
	if (!strcmp(f->node, "ca") || !strcmp(f->node, "crl"))
		return -EINVAL;
	snprintf(name, sizeof(name), "%s%s", f->node, end);
	return open_of_authority(f, authority, name, keep, where);
}

int files_open_key(const struct files *f, const char *authority, char where[128])
{
	return open_of_node(f, authority, ".key", KEEP_PRIVATE, where);
}

/* The last component and whatever is missing above it. */
static int make_dir(const char *dir)
{
	char path[128];
	size_t n = strlen(dir);

	if (n >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, dir, n + 1);
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_beside(const char *config, const char *name, char where[128])
{
	const char *slash = strrchr(config, '/');
	char dir[128];
	struct stat st;
	int fd, err;

	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - config + (slash == config)) : 1,
		 slash ? config : ".");
	fd = open_in(dir, name, O_RDONLY, where);
	if (fd < 0)
		return fd;
	/* The folder may hold more than backbones, /etc for one: control gets nothing that it could
	 * not read as its own user. */
	err = fstat(fd, &st) < 0        ? -errno
	      : !S_ISREG(st.st_mode)    ? -EINVAL
	      : !(st.st_mode & S_IROTH) ? -EACCES
					: 0;
	if (!err)
		return fd;
	close(fd);
	return err;
}

void files_where_print(char *where)
{
	for (char *c = where; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

int files_open(const struct files *f, const struct msg_file_open *want, char where[128])
{
	int err;

	where[0] = '\0';
	switch ((enum msg_file_kind)want->kind) {
	case MSG_FILE_SECRET:
		return open_secret(f, want->name, where);
	case MSG_FILE_LEASE:
		return open_checked(f->state_dir, want->name, O_RDWR, KEEP_PRIVATE, where);
	case MSG_FILE_LEASE_NEW:
		err = make_dir(f->state_dir);
		if (err)
			return err;
		return open_checked(f->state_dir, want->name, O_RDWR | O_CREAT | O_EXCL,
				    KEEP_PRIVATE, where);
	case MSG_FILE_CONFIG:
		return open_beside(f->config, want->name, where);
	case MSG_FILE_AUTHORITY:
		return open_of_authority(f, want->name, "ca.pem", KEEP_UNCHANGED, where);
	case MSG_FILE_CRL:
		return open_of_authority(f, want->name, "crl.pem", KEEP_UNCHANGED, where);
	case MSG_FILE_CHAIN:
		return open_of_node(f, want->name, ".pem", KEEP_UNCHANGED, where);
	}
	return -EINVAL;
}

/* The rest of `from`, whatever kind of file it is, appended to `to`. */
static int copy_all(int from, int to)
{
	char buf[16384];
	size_t total = 0;
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0) {
		total += (size_t)n;
		if (total > COPY_MAX)
			return -EFBIG;
		for (ssize_t at = 0, k; at < n; at += k) {
			k = write(to, buf + at, (size_t)(n - at));
			if (k < 0)
				return -errno;
		}
	}
	return n < 0 ? -errno : 0;
}

int files_copy(const char *path)
{
	int from = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return from < 0 ? -errno : files_copy_of(from);
}

int files_copy_of(int from)
{
	int to, err;

	to = memfd_create("myelin-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	err = to < 0 ? -errno : copy_all(from, to);
	if (!err &&
	    fcntl(to, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		err = -errno;
	close(from);
	if (!err)
		return to;
	if (to >= 0)
		close(to);
	return err;
}
