/*
 * replay: runs a fuzz target over the files of a directory, one test in the eyes of TAP.
 *
 *   replay_NAME DIRECTORY
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int replay_file(const char *dir, const char *name)
{
	char path[4096];
	uint8_t *data = NULL;
	size_t size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (!f)
		return -1;
	/* Exactly as large as the file, so that a read past its end is seen by the sanitizer. */
	if (fseek(f, 0, SEEK_END) == 0) {
		long end = ftell(f);

		size = end > 0 ? (size_t)end : 0;
		rewind(f);
		data = malloc(size ? size : 1);
		if (data && fread(data, 1, size, f) != size)
			size = 0;
	}
	fclose(f);
	if (!data)
		return -1;
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

int main(int argc, char *argv[])
{
	struct dirent **names;
	int n = argc == 2 ? scandir(argv[1], &names, NULL, alphasort) : -1, done = 0;

	puts("1..1");
	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.' && replay_file(argv[1], names[i]->d_name) == 0)
			done++;
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	printf("%s 1 - %d inputs of %s\n", done ? "ok" : "not ok", done, argc == 2 ? argv[1] : "?");
	return done ? 0 : 1;
}
