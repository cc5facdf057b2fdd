/* The options of the command line, as one table: name, kind of value, and where it goes. */
#ifndef QUIVER_CLI_OPTIONS_H
#define QUIVER_CLI_OPTIONS_H

#include "cli.h"

/* Takes all options out of argv (getopt moves the rest behind them). An exit code, or -1 to go on: optind is then the first
 * argument. */
int cli_take_options(int argc, char **argv, const char *help, cli *args);

#endif
