/* main.c - memferryd: reads the command line and does what it says. */
#include "broker/broker.h"
#include "broker/check.h"
#include "broker/from_backup.h"
#include "broker/harden.h"
#include "broker/options.h"
#include "broker/util/log.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct options options;
    struct log log;
    int r = options_parse(argc, argv, &options);

    if (r != 0 || options.action == OPTIONS_EXIT) {
        return r;
    }
    harden_process(options.core_dumps);
    log_init(&log, STDERR_FILENO, options.log_level);
    r = options.log_file != NULL ? log_to_file(&log, options.log_file, LOG_FILE_BYTES) : 0;
    if (r != 0) {
        dprintf(STDERR_FILENO, "memferryd: cannot log to %s: %s\n", options.log_file, strerror(-r));
        return EX_CANTCREAT;
    }
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
