/*
 * lab: `myelin lab`, the backbone of a file in network namespaces of this machine.
 */
#pragma once

#include "cli/cli.h"

extern const struct cli_command lab_commands[];
