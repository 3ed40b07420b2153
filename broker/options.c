/* options.c - reads the command line; help and version are printed here. */
#include "broker/options.h"

#include "broker/version.h"

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

static const char help[] =
    "memferryd: takes memories over a Unix socket, keeps them, and carries them to backends.\n"
    "\n"
    "  memferryd [OPTION…]\n"
    "\n"
    "  --config FILE          default $MEMFERRY_CONFIG, else ~/.config/memferry/memferry.conf\n"
    "  --socket PATH          default $MEMFERRY_SOCKET, else "
    "$XDG_RUNTIME_DIR/memferry/memferry.sock\n"
    "  --state-dir DIR        default $MEMFERRY_STATE_DIR, else ~/.local/state/memferry\n"
    "  --plugin-dir DIR       default $MEMFERRY_PLUGIN_DIR, else where it was installed\n"
    "  --log-level LEVEL      error, warning, info (default) or debug\n"
    "  --log-file FILE        log there in place of stderr; at 8 MiB it becomes FILE.1, and begins "
    "anew\n"
    "  --check-config         read the config and load its plugins, say what is wrong, and exit\n"
    "  --check-journal[=PATH] verify journal and store of a broker that is not running, or a "
    "backup,\n"
    "                         and exit\n"
    "  --from-backup FILE     go on from a backup where journal or store are lost: make them from "
    "it,\n"
    "                         and exit\n"
    "  --core-dumps           for who looks for a bug: allow core dumps and debuggers\n"
    "  --version, --help\n"
    "\n"
    "It stays in the foreground and logs to stderr. SIGHUP reads the config again, SIGTERM ends "
    "it\n"
    "after what it has taken is safe. Exit codes are those of sysexits.h.\n";

enum {
    SOCKET = 256,
    STATE_DIR,
    PLUGIN_DIR,
    LOG_LEVEL,
    LOG_FILE,
    CHECK_CONFIG,
    CHECK_JOURNAL,
    FROM_BACKUP,
    CORE_DUMPS,
    VERSION
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"socket", required_argument, NULL, SOCKET},
    {"state-dir", required_argument, NULL, STATE_DIR},
    {"plugin-dir", required_argument, NULL, PLUGIN_DIR},
    {"log-level", required_argument, NULL, LOG_LEVEL},
    {"log-file", required_argument, NULL, LOG_FILE},
    {"check-config", no_argument, NULL, CHECK_CONFIG},
    {"check-journal", optional_argument, NULL, CHECK_JOURNAL},
    {"from-backup", required_argument, NULL, FROM_BACKUP},
    {"core-dumps", no_argument, NULL, CORE_DUMPS},
    {"version", no_argument, NULL, VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int usage_error(const char *what, const char *why)
{
    fprintf(stderr, "memferryd: %s %s; see memferryd --help\n", what, why);
    return EX_USAGE;
}

static int parse_one(int option, struct options *ret)
{
    switch (option) {
    case 'c':
        ret->config = optarg;
        return 0;
    case SOCKET:
        ret->socket = optarg;
        return 0;
    case STATE_DIR:
        ret->state_dir = optarg;
        return 0;
    case PLUGIN_DIR:
        ret->plugin_dir = optarg;
        return 0;
    case LOG_LEVEL:
        return log_level_parse(optarg, &ret->log_level) == 0
                   ? 0
                   : usage_error(optarg, "is no log level: error, warning, info or debug");
    case LOG_FILE:
        ret->log_file = optarg;
        return 0;
    case CHECK_CONFIG:
        ret->action = OPTIONS_CHECK_CONFIG;
        return 0;
    case CHECK_JOURNAL:
        ret->action = OPTIONS_CHECK_JOURNAL;
        ret->check_path = optarg;
        return 0;
    case FROM_BACKUP:
        ret->action = OPTIONS_FROM_BACKUP;
        ret->file = optarg;
        return 0;
    case CORE_DUMPS:
        ret->core_dumps = true;
        return 0;
    case VERSION:
        puts("memferryd " MEMFERRY_VERSION);
        ret->action = OPTIONS_EXIT;
        return 0;
    case 'h':
        fputs(help, stdout);
        ret->action = OPTIONS_EXIT;
        return 0;
    default: /* getopt has told */
        return EX_USAGE;
    }
}

int options_parse(int argc, char **argv, struct options *ret)
{
    int option;

    *ret = (struct options){.log_level = LOG_LEVEL_INFO};
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
        int r = parse_one(option, ret);
        if (r != 0 || ret->action == OPTIONS_EXIT) {
            return r;
        }
    }
    if (optind < argc && ret->action == OPTIONS_CHECK_JOURNAL && ret->check_path == NULL) {
        ret->check_path = argv[optind++]; /* --check-journal PATH, as people type it */
    }
    return optind == argc ? 0 : usage_error(argv[optind], "is no option");
}
