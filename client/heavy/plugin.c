/* plugin.c - memferry plugin: for people who write plugins. new makes one, check tries it. */
#include "client/heavy/heavy.h"
#include "client/heavy/plugin_check.h"
#include "client/heavy/plugin_new.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int plugin(struct cli *cli, const struct args *args)
{
    const char *verb = args_word(args, 0);

    if (verb != NULL && strcmp(verb, "new") == 0) {
        return plugin_new(cli, args);
    }
    if (verb != NULL && strcmp(verb, "check") == 0) {
        return plugin_check(cli, args);
    }
    return cli_usage(cli, "plugin makes one (new NAME) or tries one (check FILE)");
}

/* malloc keeps what is freed for later, which would look like a leak: not in here. It reads this
 * before main. */
static void start_without_caches(char **argv)
{
    if (getenv("GLIBC_TUNABLES") == NULL) {
        setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
        execv("/proc/self/exe", argv); /* if that fails, leaks are harder to see */
    }
}

int main(int argc, char **argv)
{
    start_without_caches(argv);
    return heavy_main(argc, argv, "plugin", plugin);
}
