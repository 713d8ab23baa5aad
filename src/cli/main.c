/* The client `myelin`: the tables of commands it knows. */
#include "cli/cli.h"
#include "lab/lab.h"

static const struct cli_command *const tables[] = {
	cli_config_commands, cli_show_commands, cli_suspend_commands, lab_commands, NULL,
};

int main(int argc, char **argv)
{
	return cli_main(tables, argc, argv, stdout, stderr);
}
