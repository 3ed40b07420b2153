/*
 * bulk.c - many memories from NDJSON, as fast as the broker takes them.
 *
 * Happy path: lines are read and submitted until the window is full; each answer makes room for the
 * next. A line that is wrong is told with its number and the rest goes on. When the connection
 * breaks, everything unanswered is sent again over a new one, in the order of its lines and marked
 * as a repeat, so that nothing is lost, doubled or turned around. What no further line could get
 * over (a full disk, no broker) ends it, after the answers still to come.
 */
#include "client/cli/bulk.h"

#include "client/cli/bulk_state.h"
#include "client/cli/json.h"
#include "client/cli/times.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX      (16u << 20) /* of requests that are kept for sending again */
#define ATTEMPTS_MAX   10
#define NAP_MS         100
#define RECONNECT_NAPS 50
#define ANSWER_MS      30000

/* No further line is read. */
static void bulk_end(struct bulk *bulk, int exit_code)
{
    bulk->ended = true;
    if (bulk->exit_code == EXIT_OK) {
        bulk->exit_code = exit_code;
    }
}

static struct bulk_item *item_free_one(struct bulk *bulk)
{
    for (size_t i = 0; i < BULK_WINDOW; i++) {
        if (bulk->items[i].params == NULL) {
            return &bulk->items[i];
        }
    }
    return NULL;
}

static struct bulk_item *item_by_tag(struct bulk *bulk, uint64_t tag)
{
    for (size_t i = 0; i < BULK_WINDOW; i++) {
        struct bulk_item *item = &bulk->items[i];
        if (item->params != NULL && !item->waiting && item->tag == tag) {
            return item;
        }
    }
    return NULL;
}

static void item_release(struct bulk *bulk, struct bulk_item *item)
{
    bulk->bytes -= item->size;
    bulk->waiting -= item->waiting;
    free(item->params);
    *item = (struct bulk_item){0};
}

static void item_wait(struct bulk *bulk, struct bulk_item *item)
{
    item->waiting = true;
    bulk->waiting++;
}

/* Marks it as a repeat. */
static bool item_mark_retry(struct bulk *bulk, struct bulk_item *item)
{
    struct json json;

    if (item->retry) {
        return true;
    }
    json_open(&json);
    json_field_bool(&json, "retry", true);
    json_append_fields(&json, item->params);
    const char *text = json_close(&json);
    if (text == NULL) {
        json_free(&json);
        return false;
    }
    bulk->bytes += strlen(text) - item->size;
    item->size = strlen(text);
    free(item->params);
    item->params = json.text;
    item->retry = true;
    return true;
}

/* Starts a broker, or, where that is not wanted, waits for whoever does. */
static bool reconnect(struct bulk *bulk)
{
    for (int i = 0; i < RECONNECT_NAPS && !cli_may_start(bulk->cli); i++) {
        if (memferry_connect(bulk->cli->m) != MEMFERRY_E_CONNECT) {
            break;
        }
        poll(NULL, 0, NAP_MS);
    }
    progress_clear(bulk);
    int exit_code = cli_connect(bulk->cli);
    if (exit_code != EXIT_OK) {
        bulk->no_broker = true;
        bulk_end(bulk, exit_code);
    }
    return exit_code == EXIT_OK;
}

static void send_failed(struct bulk *bulk, struct bulk_item *item, int code)
{
    char why[700];

    snprintf(why, sizeof why, "%s%s",
             item->retry ? "sent before the connection broke, it may be stored or not; now: " : "",
             memferry_error(bulk->cli->m));
    report_failed(bulk, item->line, cli_exit_of(code), why);
    if (code != MEMFERRY_E_INVALID) {
        bulk_end(bulk, cli_exit_of(code));
    }
    item_release(bulk, item);
}

static void item_send(struct bulk *bulk, struct bulk_item *item)
{
    struct memferry *m = bulk->cli->m;
    int code = memferry_submit(m, "memory.put", item->params, &item->tag);

    if (code == MEMFERRY_E_CONNECT && !bulk->no_broker && reconnect(bulk)) {
        code = memferry_submit(m, "memory.put", item->params, &item->tag);
    }
    item->attempts++;
    if (code == MEMFERRY_E_FULL) {
        item_wait(bulk, item);
    } else if (code != MEMFERRY_OK) {
        send_failed(bulk, item, code);
    }
}

static int by_line(const void *a, const void *b)
{
    const struct bulk_item *first = *(struct bulk_item *const *)a,
                           *second = *(struct bulk_item *const *)b;

    return (first->line > second->line) - (first->line < second->line);
}

/* Once nothing is in flight: all that wait, in the order of their lines. */
static void send_waiting(struct bulk *bulk)
{
    struct bulk_item *waiting[BULK_WINDOW];
    size_t count = 0;

    for (size_t i = 0; i < BULK_WINDOW; i++) {
        if (bulk->items[i].waiting) {
            waiting[count++] = &bulk->items[i];
        }
    }
    qsort(waiting, count, sizeof *waiting, by_line);
    bulk->waiting = 0;
    for (size_t i = 0; i < count; i++) {
        waiting[i]->waiting = false;
        item_send(bulk, waiting[i]);
    }
}

static void line_submit(struct bulk *bulk)
{
    struct bulk_item *item = item_free_one(bulk);
    char problem[400];

    assert(item != NULL); /* lines are read while the window has room */
    item->params =
        bulk_params(bulk->cli->m, bulk->lines.text, bulk->session, problem, sizeof problem);
    if (item->params == NULL) {
        report_failed(bulk, bulk->lines.number, EXIT_DATA, problem);
        return;
    }
    item->line = bulk->lines.number;
    item->size = strlen(item->params);
    bulk->bytes += item->size;
    item_send(bulk, item);
}

static void line_next(struct bulk *bulk)
{
    switch (lines_next(&bulk->lines)) {
    case LINE_GOOD:
        line_submit(bulk);
        break;
    case LINE_END:
        bulk->ended = true;
        break;
    case LINE_TOO_LONG:
        report_failed(bulk, bulk->lines.number, EXIT_DATA, "the line is over 4 MiB");
        break;
    case LINE_HAS_NUL:
        report_failed(bulk, bulk->lines.number, EXIT_DATA, "the line holds a NUL byte");
        break;
    case LINE_FAILED:
        report_failed(bulk, bulk->lines.number, EXIT_IO, strerror(errno));
        bulk_end(bulk, EXIT_IO);
        break;
    }
}

/* Would any other line fare better? */
static bool code_is_of_one_line(int code)
{
    return code == MEMFERRY_E_INVALID_PARAMS || code == MEMFERRY_E_CONFLICT ||
           code == MEMFERRY_E_NOT_FOUND || code == MEMFERRY_E_INTERNAL ||
           code == MEMFERRY_E_TIMEOUT;
}

static void completed(struct bulk *bulk, const struct memferry_completion *done)
{
    struct bulk_item *item = item_by_tag(bulk, done->tag);
    bool again = done->code == MEMFERRY_E_UNCERTAIN || done->code == MEMFERRY_E_BUSY;

    if (item == NULL) {
        return;
    }
    if (done->code == MEMFERRY_OK) {
        report_stored(bulk, item->line, memferry_reply_root(done->reply));
    } else if (again && item->attempts < ATTEMPTS_MAX && item_mark_retry(bulk, item)) {
        item_wait(bulk, item);
        return;
    } else {
        report_failed(bulk, item->line, cli_exit_of(done->code), memferry_error(bulk->cli->m));
        if (!code_is_of_one_line(done->code)) {
            bulk_end(bulk, cli_exit_of(done->code));
        }
    }
    item_release(bulk, item);
}

/* Waits for one answer. False: none will come. */
static bool receive_one(struct bulk *bulk)
{
    struct memferry_completion done;
    int wait_ms = bulk->cli->timeout_ms != 0 ? bulk->cli->timeout_ms : ANSWER_MS;
    int code = memferry_receive(bulk->cli->m, wait_ms, &done);

    if (code != MEMFERRY_OK) {
        progress_clear(bulk);
        bulk_end(bulk, cli_fail(bulk->cli, EXIT_TRY_AGAIN,
                                "%u lines have no answer from the broker in time; what became of "
                                "them is unknown",
                                memferry_in_flight(bulk->cli->m)));
        return false;
    }
    completed(bulk, &done);
    memferry_reply_free(done.reply);
    return true;
}

static bool room(const struct bulk *bulk)
{
    return memferry_in_flight(bulk->cli->m) < BULK_WINDOW && bulk->bytes < BYTES_MAX;
}

static void bulk_run(struct bulk *bulk)
{
    while (!bulk->ended || memferry_in_flight(bulk->cli->m) > 0 || bulk->waiting > 0) {
        while (!bulk->ended && bulk->waiting == 0 && room(bulk)) {
            line_next(bulk);
        }
        if (memferry_in_flight(bulk->cli->m) > 0) {
            if (!receive_one(bulk)) {
                return;
            }
        } else if (bulk->waiting > 0) {
            poll(NULL, 0, NAP_MS);
            send_waiting(bulk);
        }
        progress_show(bulk);
    }
}

static int bulk_stream(struct cli *cli, const char *file, FILE *stream, const char *session)
{
    struct bulk *bulk = calloc(1, sizeof *bulk);

    if (bulk == NULL) {
        return cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    *bulk =
        (struct bulk){.cli = cli, .file = file, .session = session, .started_ms = time_now_ms()};
    lines_init(&bulk->lines, stream);
    bulk_run(bulk);
    report_summary(bulk);
    if (bulk->exit_code != EXIT_OK) {
        cli_fail(cli, bulk->exit_code, "%s: stopped behind line %lu; what follows was not sent",
                 file, bulk->lines.number);
    }
    int exit_code = bulk->exit_code != EXIT_OK ? bulk->exit_code
                    : bulk->failed > 0         ? EXIT_DATA
                                               : EXIT_OK;
    for (size_t i = 0; i < BULK_WINDOW; i++) {
        free(bulk->items[i].params);
    }
    lines_deinit(&bulk->lines);
    free(bulk);
    return exit_code;
}

int bulk_put(struct cli *cli, const char *file, const char *session)
{
    bool standard = strcmp(file, "-") == 0;
    FILE *stream = standard ? cli->in : fopen(file, "re");
    struct memferry_session current;

    if (stream == NULL) {
        return cli_fail(cli, EXIT_DATA, "cannot read %s: %s", file, strerror(errno));
    }
    int exit_code = cli_connect(cli);
    if (exit_code == EXIT_OK) {
        session = session != NULL ? session : cli_session(cli, &current);
        session = session[0] != '\0' ? session : NULL;
        exit_code = bulk_stream(cli, standard ? "stdin" : file, stream, session);
    }
    if (!standard) {
        fclose(stream);
    }
    return exit_code;
}
