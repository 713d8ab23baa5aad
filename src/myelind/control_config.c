/*
 * The backbone file, read over the descriptor the parent gave. Control sees no file system, so
 * what the file includes is asked of the parent, one file at a time and before the loop runs.
 */
#include "myelind/control.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_MAX (16u << 20) /* bytes of the backbone file */
#define ANSWER_NS (5 * NS_PER_S)

/* The parent's answer of that tag within the time; what else it says waits for the loop. */
static int file_await(struct control *c, uint32_t tag, char *where, size_t size, uint64_t until)
{
	for (;;) {
		struct pollfd p = {.fd = c->parent, .events = POLLIN};
		uint64_t now = clock_now();
		struct msg m;
		int fd = -1, rc;

		if (now >= until)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)((until - now) / NS_PER_MS) + 1) < 0 && errno != EINTR)
			return -errno;
		rc = msg_recv(c->parent, &m, &fd);
		if (rc < 0)
			return rc;
		if (rc == 0)
			continue;
		if (m.type == MSG_FILE && m.file.tag == tag) {
			if (where)
				snprintf(where, size, "%s", m.file.where);
			if (m.file.error && fd >= 0)
				close(fd);
			return m.file.error ? -m.file.error : fd;
		}
		if (c->early_count == CONTROL_EARLY_MAX) {
			if (fd >= 0)
				close(fd);
			return -ENOBUFS;
		}
		c->early[c->early_count].m = m;
		c->early[c->early_count++].fd = fd;
	}
}

int control_file_get(struct control *c, enum msg_file_kind kind, const char *name, uint32_t tag,
		     char *where, size_t size)
{
	struct msg m = {.type = MSG_FILE_OPEN};
	int rc;

	m.file_open.kind = (uint8_t)kind;
	m.file_open.tag = tag;
	snprintf(m.file_open.name, sizeof(m.file_open.name), "%s", name);
	rc = control_tell_parent(c, &m);
	return rc < 0 ? rc : file_await(c, tag, where, size, clock_now() + ANSWER_NS);
}

static int include_open(void *ctx, const char *path)
{
	struct control *c = ctx;
	const char *slash = strrchr(c->args->config, '/');
	size_t dir = slash ? (size_t)(slash + 1 - c->args->config) : 0;
	const char *name = path + dir;

	/* The parent opens what stands beside the file, and nothing else. */
	if (strncmp(path, c->args->config, dir) != 0 || strchr(name, '/') ||
	    strlen(name) >= sizeof(((struct msg_file_open *)0)->name))
		return -EACCES;
	return control_file_get(c, MSG_FILE_CONFIG, name, c->reading, NULL, 0);
}

/* The whole file, or NULL with errno. */
static char *config_text(int fd, size_t *len)
{
	size_t room = 65536, n = 0;
	char *buf = malloc(room);

	while (buf) {
		ssize_t k;

		if (n == room) {
			char *more = room < CONFIG_MAX ? realloc(buf, 2 * room) : NULL;

			if (!more) {
				errno = EFBIG;
				break;
			}
			buf = more;
			room *= 2;
		}
		k = pread(fd, buf + n, room - n, (off_t)n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			break;
		if (k == 0) {
			*len = n;
			return buf;
		}
		n += (size_t)k;
	}
	free(buf);
	return NULL;
}

void control_config_free(struct control_config *k)
{
	plan_free(k->plan);
	backbone_free(k->backbone);
	conf_free(k->conf);
	*k = (struct control_config){};
}

void control_error_add(struct conf_errors *errs, const char *file, const char *text)
{
	struct conf_error *v = reallocarray(errs->v, errs->count + 1, sizeof(*v));

	if (!v)
		return;
	errs->v = v;
	v += errs->count;
	*v = (struct conf_error){.file = strdup(file), .text = strdup(text)};
	if (v->file && v->text) {
		errs->count++;
		return;
	}
	free(v->file);
	free(v->text);
}

bool control_config_read(struct control *c, int fd, struct control_config *out,
			 struct conf_errors *errs)
{
	char why[512] = "out of memory", *text;
	size_t len;

	*out = (struct control_config){};
	text = config_text(fd, &len);
	if (!text) {
		control_error_add(errs, c->args->config, strerror(errno));
		return false;
	}
	conf_include_by(include_open, c);
	out->conf = conf_read(c->args->config, text, len, errs);
	free(text);
	if (!out->conf)
		return false;
	conf_errors_free(errs);
	out->backbone = backbone_new(out->conf);
	if (out->backbone)
		out->plan = plan_new(out->backbone, c->args->node, why, sizeof(why));
	if (out->plan)
		return true;
	control_error_add(errs, c->args->config, why);
	control_config_free(out);
	return false;
}

bool control_config(struct control *c)
{
	struct conf_errors errs = {};
	const struct conf_errors *warns;
	struct control_config k;

	if (!control_config_read(c, ROLE_FD_CONFIG, &k, &errs)) {
		conf_errors_print(&errs, stderr);
		log_error("%s: %zu error%s, not started", c->args->config, errs.count,
			  errs.count == 1 ? "" : "s");
		conf_errors_free(&errs);
		return false;
	}
	c->conf = k.conf;
	c->backbone = k.backbone;
	c->plan = k.plan;
	if (openings_find(c->conf, c->backbone, c->args->node, &c->openings) < 0) {
		log_error("%s: out of memory", c->args->config);
		return false;
	}
	warns = conf_warnings(c->conf);
	for (size_t i = 0; warns && i < warns->count; i++)
		log_warn("%s:%u:%u: %s", warns->v[i].file, warns->v[i].line, warns->v[i].col,
			 warns->v[i].text);
	return true;
}
