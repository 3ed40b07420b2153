/* check.c - the two checks of the command line; each prints what it found to stdout or stderr. */
#include "broker/check.h"

#include "broker/backends.h"
#include "broker/config.h"
#include "broker/journal.h"
#include "broker/places.h"
#include "broker/store.h"
#include "broker/store_copy.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sysexits.h>

/* ---- config ---- */

static int check_loaded(const struct options *options, const struct config *config,
                        struct places *ret_places, struct log *log, struct error *err)
{
    struct backend_kinds kinds;
    int r = places_find(ret_places, options, config, err);

    if (r == 0) {
        const struct backends_options backends = {.plugin_dir = ret_places->plugin_dir,
                                                  .state_dir = ret_places->state_dir,
                                                  .dims = config->dims};
        r = backends_check(&backends, config, &kinds, log, err);
    }
    return r;
}

int check_config(const struct options *options, struct log *log)
{
    struct config *config = NULL;
    struct places places = {0};
    struct error err;
    int r = config_load(&config, options->config, &err);

    if (r == 0) {
        r = check_loaded(options, config, &places, log, &err);
    }
    if (r != 0) {
        fprintf(stderr, "%s\n", err.text);
    } else if (config->file == NULL) {
        puts("there is no config file: the defaults are in force, and they are good");
    } else {
        printf("%s is good: %zu backend%s\n", config->file, config->backend_count,
               config->backend_count == 1 ? "" : "s");
    }
    if (r == 0) {
        printf("state in %s\nsocket at %s\nplugins in %s\n", places.state_dir, places.socket,
               places.plugin_dir);
    }
    places_deinit(&places);
    config_free(config);
    return r == 0 ? EX_OK : EX_CONFIG;
}

/* ---- journal ---- */

struct event_count {
    uint64_t events, unreadable;
};

static int count_event(void *arg, const struct journal_record *record)
{
    struct event_count *count = arg;
    struct event event;

    count->events++;
    if (event_check(record->payload, record->payload_size, &event) != 0) {
        printf("  event %" PRIu64 " can't be read\n", record->seq);
        count->unreadable++;
    }
    return 0;
}

static bool report_journal(const char *dir, uint64_t *ret_last_seq, int *ret_outcome)
{
    struct journal_recovery found;
    struct event_count count = {0};
    struct error err;

    printf("journal %s\n", dir);
    *ret_outcome = journal_check(dir, count_event, &count, &found, &err);
    if (*ret_outcome != 0) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    *ret_last_seq = found.last_seq;
    if (found.last_seq == 0) {
        puts("  empty");
    } else if (count.events == 0) {
        printf("  no events yet, it goes on behind %" PRIu64 "\n", found.last_seq);
    } else {
        printf("  %" PRIu64 " events, %" PRIu64 " to %" PRIu64 "\n", count.events, found.first_seq,
               found.last_seq);
    }
    if (found.torn_bytes > 0) {
        printf("  the last group is torn (%" PRIu64 " bytes): it had no receipt, and is cut at the "
               "next start\n",
               found.torn_bytes);
    }
    if (found.damaged_groups > 0) {
        printf("  DAMAGE: %" PRIu32 " groups can't be read whole; the next start sets aside what "
               "is left of them\n",
               found.damaged_groups);
    }
    return found.damaged_groups == 0 && count.unreadable == 0;
}

static bool report_store(const char *file, uint64_t last_seq)
{
    uint64_t memories = 0, events = 0, applied_seq = 0;
    struct error err;

    printf("store %s\n", file);
    if (store_verify(file, &memories, &events, &applied_seq, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    printf("  %" PRIu64 " memories, %" PRIu64 " events, applied to %" PRIu64 "\n", memories, events,
           applied_seq);
    if (applied_seq < last_seq) {
        printf("  %" PRIu64 " events are applied at the next start\n", last_seq - applied_seq);
    }
    return true;
}

/* What a running broker changes can't be checked under its hands. */
static int check_places(const struct places *places)
{
    uint64_t last_seq = 0;
    int outcome = 0;
    bool good = report_journal(places->journal_dir, &last_seq, &outcome);

    if (outcome == JOURNAL_E_LOCKED) {
        return EX_TEMPFAIL;
    }
    good = report_store(places->store_file, last_seq) && good;
    puts(good ? "all is well" : "NOT WELL: see above");
    return good ? EX_OK : EX_DATAERR;
}

static bool is_file(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static int check_backup(const char *file)
{
    struct store_contents contents;
    uint64_t memories, events, applied_seq;
    struct error err;
    int r = store_verify(file, &memories, &events, &applied_seq, &err);

    printf("backup %s\n", file);
    if (r == 0) {
        r = store_contents_read(file, &contents, &err);
    }
    if (r != 0) {
        fprintf(stderr, "%s\n", err.text);
        puts("NOT WELL: see above");
        return EX_DATAERR;
    }
    printf("  %" PRIu64 " memories (%" PRIu64 " of them deleted), %" PRIu64
           " events, up to %" PRIu64 ", of journal %s\n",
           memories, contents.deleted, events, applied_seq, contents.origin);
    puts("all is well");
    return EX_OK;
}

int check_journal(const struct options *options)
{
    struct options places_options = *options;
    struct config *config = NULL;
    struct places places = {0};
    struct error err;
    int exit_code = EX_CONFIG;

    if (options->check_path != NULL && is_file(options->check_path)) {
        return check_backup(options->check_path);
    }
    if (options->check_path != NULL) {
        places_options.state_dir = options->check_path;
    }
    int r = config_load(&config, options->config, &err);
    if (r == 0) {
        r = places_find(&places, &places_options, config, &err);
    }
    if (r != 0) {
        fprintf(stderr, "%s\n", err.text);
    } else {
        exit_code = check_places(&places);
    }
    places_deinit(&places);
    config_free(config);
    return exit_code;
}
