/* What the two files of the libyang wrapper share. Nobody else includes libyang. */
#pragma once

#include "config/yang.h"

#include <libyang/libyang.h>

struct yang_model {
	struct ly_ctx *ctx;
	struct lys_module *mod;
};

/* The schema node a leafref of n points at, NULL when its path has predicates. */
const struct lysc_node *yang_ref_target(const struct lysc_node *n, const struct lysc_type *t);
