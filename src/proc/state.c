#include "proc/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int state_make(const char *name, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), err;

	if (fd < 0)
		return -errno;
	size = (size + page - 1) / page * page;
	if (ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int state_reader(int fd)
{
	char path[32];
	int reader;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	return reader < 0 ? -errno : reader;
}

static void *map(int fd, size_t *size, int protection)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return NULL;
	p = mmap(NULL, (size_t)st.st_size, protection, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return NULL;
	*size = (size_t)st.st_size;
	return p;
}

void *state_map(int fd, size_t *size)
{
	return map(fd, size, PROT_READ | PROT_WRITE);
}

const void *state_look(int fd, size_t *size)
{
	return map(fd, size, PROT_READ);
}
