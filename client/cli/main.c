/* main.c - memferry: hands memories to the broker, and asks for them. */
#include "client/cli/cli.h"

int main(int argc, char **argv)
{
    struct cli cli;

    cli_init(&cli);
    int exit_code = cli_run(&cli, argc, (const char *const *)argv);
    cli_deinit(&cli);
    return exit_code;
}
