/* edit_file: the edit's texts: read once, changed in memory, checked, put in place. */
#include "config/edit_i.h"
#include "config/model.h"
#include "config/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct edit_file *file_find(struct conf_edit *e, const char *path)
{
	for (size_t i = 0; i < e->file_count; i++) {
		if (!strcmp(e->files[i].path, path))
			return &e->files[i];
	}
	return NULL;
}

static const char *file_load(void *ctx, const char *path, size_t *len)
{
	struct conf_edit *e = ctx;
	struct edit_file *f = file_find(e, path);

	if (!f) {
		f = reallocarray(e->files, e->file_count + 1, sizeof(*f));
		if (!f)
			return NULL;
		e->files = f;
		f += e->file_count;
		*f = (struct edit_file){.path = strdup(path)};
		f->was = parse_load(path, e->file_count > 0, PARSE_BYTES_MAX, &f->was_len);
		f->len = f->was_len;
		f->text = f->was ? malloc(f->len + 1) : NULL;
		if (!f->path || !f->text) {
			free(f->path);
			free(f->was);
			free(f->text);
			return NULL;
		}
		memcpy(f->text, f->was, f->len + 1);
		e->file_count++;
	}
	*len = f->len;
	return f->text;
}

int edit_outline(struct conf_edit *e)
{
	outline_free(&e->o);
	return outline_read(&e->o, e->model, e->path, file_load, e);
}

int edit_splice(struct conf_edit *e, size_t file, size_t begin, size_t end, const char *text)
{
	struct edit_file *f = file_find(e, e->o.files[file].path);
	size_t add = strlen(text), tail;
	char *p;

	if (e->o.files[file].shared)
		return -ESTALE;
	tail = f->len - end;
	p = malloc(begin + add + tail + 1);
	if (!p)
		return -ENOMEM;
	memcpy(p, f->text, begin);
	memcpy(p + begin, text, add);
	memcpy(p + begin + add, f->text + end, tail);
	p[begin + add + tail] = '\0';
	free(f->text);
	f->text = p;
	f->len = begin + add + tail;
	return edit_outline(e);
}

struct conf_edit *conf_edit_new(const char *path, struct conf_errors *errs, char **why)
{
	struct conf_edit *e = calloc(1, sizeof(*e));
	int rc = -ENOMEM;

	*errs = (struct conf_errors){0};
	*why = NULL;
	if (e) {
		e->model = conf_model();
		e->path = strdup(path);
	}
	if (e && e->model && e->path)
		rc = edit_outline(e);
	if (!rc)
		return e;
	if (rc == -EINVAL)
		conf_free(conf_read_file(path, errs));
	if (!errs->count)
		*why = strdup(rc == -ENOTSUP ? "a JSON file is edited by programs of its own; "
					       "`config print` makes text of it"
					     : strerror(-rc));
	conf_edit_free(e);
	return NULL;
}

void conf_edit_free(struct conf_edit *e)
{
	if (!e)
		return;
	outline_free(&e->o);
	for (size_t i = 0; i < e->file_count; i++) {
		free(e->files[i].path);
		free(e->files[i].text);
		free(e->files[i].was);
	}
	free(e->files);
	free(e->path);
	free(e);
}

/* A descriptor of the text as it would be. */
static int include_open(void *ctx, const char *path)
{
	const struct edit_file *f = file_find(ctx, path);
	int fd = f ? memfd_create("include", MFD_CLOEXEC)
		   : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (f && (write(fd, f->text, f->len) != (ssize_t)f->len || lseek(fd, 0, SEEK_SET) < 0)) {
		close(fd);
		return -EIO;
	}
	return fd;
}

struct conf *conf_edit_check(struct conf_edit *e, struct conf_errors *errs)
{
	const struct edit_file *f = file_find(e, e->path);
	struct conf *c;

	conf_include_by(include_open, e);
	c = conf_read(e->path, f->text, f->len, errs);
	conf_include_by(NULL, NULL);
	return c;
}

static bool is_changed(const struct edit_file *f)
{
	return f->len != f->was_len || memcmp(f->text, f->was, f->len) != 0;
}

const char *conf_edit_changed(const struct conf_edit *e, size_t i)
{
	for (size_t k = 0; k < e->file_count; k++) {
		if (is_changed(&e->files[k]) && !i--)
			return e->files[k].path;
	}
	return NULL;
}

/* Somebody else's change is not written over. */
static int unchanged_since(const struct edit_file *f)
{
	size_t len;
	char *now = parse_load(f->path, false, PARSE_BYTES_MAX, &len);
	int rc = !now ? -errno : len == f->was_len && !memcmp(now, f->was, len) ? 0 : -EBUSY;

	free(now);
	return rc;
}

static int content_put(int fd, const struct edit_file *f, const struct stat *st)
{
	size_t done = 0;

	while (done < f->len) {
		ssize_t n = write(fd, f->text + done, f->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	/* Who may not give files away gets his own. The mode comes second: chown takes bits off. */
	if (fchown(fd, st->st_uid, st->st_gid) < 0 && errno != EPERM)
		return -errno;
	return fchmod(fd, st->st_mode & 07777) < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int directory_sync(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int rc = fd < 0 || fsync(fd) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	free(copy);
	return rc;
}

static int file_put(const struct edit_file *f)
{
	char real[PATH_MAX], temp[PATH_MAX + 16];
	struct stat st;
	int rc = unchanged_since(f), fd, n;

	if (rc)
		return rc;
	if (!realpath(f->path, real) || stat(real, &st) < 0)
		return -errno;
	n = (int)(strrchr(real, '/') + 1 - real);
	snprintf(temp, sizeof(temp), "%.*s.%s.XXXXXX", n, real, real + n);
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = content_put(fd, f, &st);
	if (close(fd) < 0 && !rc)
		rc = -errno;
	if (!rc && rename(temp, real) < 0)
		rc = -errno;
	if (rc)
		unlink(temp);
	return rc ? rc : directory_sync(real);
}

int conf_edit_write(struct conf_edit *e, char **why)
{
	*why = NULL;
	for (size_t i = 0; i < e->file_count; i++) {
		int rc = is_changed(&e->files[i]) ? file_put(&e->files[i]) : 0;

		if (!rc)
			continue;
		if (asprintf(why, "%s: %s", e->files[i].path,
			     rc == -EBUSY ? "was changed meanwhile; nothing is written to it"
					  : strerror(-rc)) < 0)
			*why = NULL;
		return rc;
	}
	return 0;
}
