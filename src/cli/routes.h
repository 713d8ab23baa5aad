/* routes: what is printed of the kernel's routes, for people. */
#pragma once

#include "base/js.h"
#include "cli/cli.h"

void routes_print(const struct js *answer, FILE *out);
