/* diff: what two trees do not have in common, statement by statement. */
#pragma once

#include "config/conf.h"

#include <stddef.h>

struct conf_change {
	char op;    /* '-' only in the first, '+' only in the second, '~' both, in another order */
	char *text; /* the statement along its path, as a set line has it; of '~': a description */
};

struct conf_diff {
	struct conf_change *v;
	size_t count;
};

/* First what went, then what came, each in its tree's order. 0 or -ENOMEM. The trees may be freed
 * before the diff. */
int conf_diff(const struct conf *a, const struct conf *b, struct conf_diff *out);
void conf_diff_free(struct conf_diff *d);
