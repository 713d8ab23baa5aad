/* The client `myelin`. */
#include "cli/tables.h"

int main(int argc, char **argv)
{
	return cli_main(cli_tables, argc, argv, stdout, stderr);
}
