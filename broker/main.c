/* main.c - memferryd: reads the command line and does what it says. */
#include "broker/broker.h"
#include "broker/check.h"
#include "broker/from_backup.h"
#include "broker/options.h"
#include "broker/util/log.h"

#include <unistd.h>

int main(int argc, char **argv)
{
    struct options options;
    struct log log;
    int r = options_parse(argc, argv, &options);

    if (r != 0 || options.action == OPTIONS_EXIT) {
        return r;
    }
    log_init(&log, STDERR_FILENO, options.log_level);
    if (options.action == OPTIONS_CHECK_CONFIG) {
        return check_config(&options, &log);
    }
    if (options.action == OPTIONS_CHECK_JOURNAL) {
        return check_journal(&options);
    }
    if (options.action == OPTIONS_FROM_BACKUP) {
        return from_backup(&options, &log);
    }
    return broker_run(&options, &log);
}
