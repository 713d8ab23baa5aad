#include "myelind/backup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void backup_init(struct backup *b)
{
	*b = (struct backup){.fd = -1};
}

void backup_fini(struct backup *b)
{
	if (b->fd >= 0)
		close(b->fd);
	for (size_t i = 0; i < b->count; i++)
		close(b->includes[i].fd);
	backup_init(b);
}

int backup_take(struct backup *b, const char *path)
{
	int fd = files_copy(path);

	backup_fini(b);
	if (fd < 0)
		return fd;
	b->fd = fd;
	return 0;
}

int backup_include(struct backup *b, const struct files *f, const struct msg_file_open *want,
		   char where[128])
{
	size_t i = 0;
	int fd;

	while (i < b->count && strcmp(b->includes[i].name, want->name) != 0)
		i++;
	if (i == BACKUP_INCLUDES)
		return -ENOSPC;
	if (i == b->count) {
		fd = files_open(f, want, where);
		fd = fd < 0 ? fd : files_copy_of(fd);
		if (fd < 0)
			return fd;
		snprintf(b->includes[i].name, sizeof(b->includes[i].name), "%s", want->name);
		b->includes[i].fd = fd;
		b->count++;
	} else {
		snprintf(where, 128, "%s", want->name);
	}
	return lseek(b->includes[i].fd, 0, SEEK_SET) < 0 ? -errno : b->includes[i].fd;
}
