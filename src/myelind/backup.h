/*
 * backup: copies of a backbone file and of what it includes, as they were when it was taken.
 *
 * A control that is started again runs what ran before, whatever an operator is writing into the
 * files meanwhile. The parent copies, and reads nothing. Parent thread only.
 */
#pragma once

#include "proc/files.h"

#include <stddef.h>

#define BACKUP_INCLUDES 64

struct backup {
	int fd; /* of the file itself, -1: none */
	size_t count;
	struct {
		char name[32];
		int fd;
	} includes[BACKUP_INCLUDES];
};

void backup_init(struct backup *b);
void backup_fini(struct backup *b);
/* The file as it is now, without includes yet; what was there goes. 0, or -errno with none. */
int backup_take(struct backup *b, const char *path);
/* An included file: the copy there is, else one made now. A descriptor that stays the backup's,
 * at offset 0; or -errno (-ENOSPC: more than BACKUP_INCLUDES). */
int backup_include(struct backup *b, const struct files *f, const struct msg_file_open *want,
		   char where[128]);
