/* tables: every command there is, for the client and for its manual page. */
#pragma once

#include "cli/cli.h"
#include "lab/lab.h"

static const struct cli_command *const cli_tables[] = {
	cli_ca_commands,      cli_config_commands,
	cli_genkey_commands,  cli_show_commands,
	cli_ike_commands,     cli_events_commands,
	cli_suspend_commands, cli_audit_commands,
	lab_commands,         NULL, /* the end */
};
