/*
 * parent: the root process that holds descriptors, guards and roles, and knows nothing else.
 */
#pragma once

#include <stdbool.h>

struct parent_options {
	const char *node;
	const char *config;    /* path of the backbone file */
	const char *secrets;   /* directory, or NULL: the usual places */
	const char *state_dir; /* or NULL: /var/lib/myelin/NODE */
	const char *lanes;     /* forward's, or NULL: none */
	bool debug;
};

/* Runs until it is told to stop. The process's exit status. */
int parent_main(const struct parent_options *opt);
