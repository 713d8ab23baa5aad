/*
 * up: brings a lab up, measures it, and tells.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct up_options {
	const char *file;   /* the backbone */
	const char *name;   /* of the lab, NULL: the backbone's */
	bool once;          /* take it down after the report */
	bool quick;         /* no measurements: return as soon as every peer is live */
	bool no_wait;       /* do not wait for the peers either */
	double delay_scale; /* of the delays by geography; 1 is real */
	const char *lanes;  /* of every node's forward, as myelind takes it; NULL: none */
	FILE *out, *err;
};

/* Returns an exit code of `myelin`, or 128 + a signal that ended it. */
int up_run(const struct up_options *opt);
