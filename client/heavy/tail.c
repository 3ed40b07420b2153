/*
 * tail.c - memferry tail: events and alerts as they come.
 *
 * Happy path: subscribe from now on (or from a seq, or a time), print each notification as it
 * comes; on a terminal a line for people, else a JSON object a line.
 *
 * Failure modes: the connection breaks, mostly because the broker is started anew: that is said,
 * and it is tried again until there is one, from behind the last event that was told, so that none
 * is missed and none told twice. Where the numbers of a broker begin anew (another state
 * directory), that is said too. What can't be told at first (no broker, a wrong option) ends it.
 */
#include "client/cli/json.h"
#include "client/cli/text.h"
#include "client/cli/time_arg.h"
#include "client/heavy/heavy.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAP_MIN_MS 50
#define NAP_MAX_MS 2000

struct tail {
    struct cli *cli;
    const struct args *args;
    const char *session;
    int64_t since_ms;  /* 0: any */
    uint64_t next_seq; /* 0: from now on */
    uint64_t left;     /* to be printed */
    bool as_json;
};

/* ---- print ---- */

static int print_json(struct cli *cli, const char *name, const struct memferry_node *note)
{
    char *text = memferry_node_json(note);

    if (text == NULL) {
        return cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    fprintf(cli->out, "{\"type\":\"%s\"%s%s\n", name, text[1] == '}' ? "" : ",", text + 1);
    free(text);
    return EXIT_OK;
}

static void print_word(struct cli *cli, const char *before, const char *text)
{
    if (text[0] != '\0') {
        fputs(before, cli->out);
        text_print_line(cli->out, text, 0);
    }
}

static void print_event(struct cli *cli, const struct memferry_node *event)
{
    char at[TIME_TEXT_SIZE];
    const char *session = field_text(event, "session_id");

    fprintf(cli->out, "%s%s%s  %7lld  %-13s ", cli_dim(cli),
            time_text(field_int(event, "at_ms"), true, at), cli_plain(cli),
            (long long)field_int(event, "seq"), field_text(event, "op"));
    text_print_line(cli->out, field_text(event, "id"), 0);
    fprintf(cli->out, "%s%s%.8s", cli_dim(cli), session[0] != '\0' ? "  session " : "", session);
    if (field_int(event, "peer_pid") > 0) {
        fprintf(cli->out, "  pid %lld", (long long)field_int(event, "peer_pid"));
    }
    print_word(cli, "  ", field_text(event, "reason"));
    fprintf(cli->out, "%s\n", cli_plain(cli));
}

static void print_alert(struct cli *cli, const struct memferry_node *alert)
{
    char at[TIME_TEXT_SIZE];

    fprintf(cli->out, "%s%s%s  %7lld  %s%-13s%s ", cli_dim(cli),
            time_text(field_int(alert, "at_ms"), true, at), cli_plain(cli),
            (long long)field_int(alert, "seq"), cli_red(cli), "alert", cli_plain(cli));
    text_print_line(cli->out, field_text(alert, "id"), 0);
    print_word(cli, "  ", field_text(alert, "summary"));
    fputc('\n', cli->out);
}

/* ---- choose ---- */

static bool is_one_of(const struct tail *tail, const char *option, const char *value)
{
    const char *wanted = args_nth(tail->args, option, 0);

    if (wanted == NULL) {
        return true;
    }
    for (size_t i = 0; (wanted = args_nth(tail->args, option, i)) != NULL; i++) {
        if (strcmp(wanted, value) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_wanted(const struct tail *tail, const struct memferry_node *note)
{
    return is_one_of(tail, "id", field_text(note, "id")) &&
           (tail->session == NULL || strcmp(tail->session, field_text(note, "session_id")) == 0) &&
           field_int(note, "at_ms") >= tail->since_ms;
}

static int tell(struct tail *tail, const char *name, const struct memferry_node *note)
{
    struct cli *cli = tail->cli;
    int exit_code = EXIT_OK;
    uint64_t seq = (uint64_t)field_int(note, "seq");

    tail->next_seq = seq + 1 > tail->next_seq ? seq + 1 : tail->next_seq;
    if (!is_wanted(tail, note)) {
        return EXIT_OK;
    }
    tail->left--;
    if (tail->as_json) {
        exit_code = print_json(cli, name, note);
    } else if (strcmp(name, "alert") == 0) {
        print_alert(cli, note);
    } else {
        print_event(cli, note);
    }
    return exit_code == EXIT_OK && fflush(cli->out) != 0
               ? cli_fail(cli, EXIT_IO, "cannot write: %s", strerror(errno))
               : exit_code;
}

/* ---- subscribe ---- */

static const char *subscription(const struct tail *tail, struct json *json)
{
    const char *kinds[16];
    size_t count = 0;

    while (count < 16 && (kinds[count] = args_nth(tail->args, "op", count)) != NULL) {
        count++;
    }
    json_open(json);
    if (count > 0) {
        json_field_list(json, "kinds", kinds, count);
    }
    if (tail->next_seq > 0) {
        json_field_int(json, "from_seq", (int64_t)tail->next_seq);
    }
    return json_close(json);
}

/* Numbers that went back are another journal's: go on from where that is. */
static int look_at_numbers(struct tail *tail)
{
    struct memferry_reply *reply = NULL;
    int code =
        tail->next_seq > 1 ? memferry_call(tail->cli->m, "stats", NULL, &reply) : MEMFERRY_OK;
    const struct memferry_node *journal =
        memferry_node_get(code == MEMFERRY_OK ? memferry_reply_root(reply) : NULL, "journal");

    if (journal != NULL && (uint64_t)field_int(journal, "committed_seq") + 1 < tail->next_seq) {
        cli_warn(tail->cli,
                 "this broker ends with event %lld, and %llu was told already: it has another "
                 "journal. Going on from its end",
                 (long long)field_int(journal, "committed_seq"),
                 (unsigned long long)tail->next_seq - 1);
        tail->next_seq = 0;
    }
    memferry_reply_free(reply);
    return code;
}

/* What the broker finds wrong with a subscription is one of --op. */
static int fail(struct tail *tail, int code)
{
    bool is_op = code == MEMFERRY_E_INVALID_PARAMS && args_has(tail->args, "op");

    return cli_fail_call(tail->cli, code, is_op ? "--op" : "tail");
}

/* A memferry_code. */
static int subscribe(struct tail *tail)
{
    struct memferry_reply *reply = NULL;
    struct json json;
    int code = memferry_connect(tail->cli->m);

    if (code == MEMFERRY_OK) {
        code = look_at_numbers(tail);
    }
    if (code != MEMFERRY_OK) {
        return code;
    }
    const char *params = subscription(tail, &json);
    code = params != NULL ? memferry_call(tail->cli->m, "event.subscribe", params, &reply)
                          : MEMFERRY_E_MEMORY;
    json_free(&json);
    if (code == MEMFERRY_OK) {
        tail->next_seq = (uint64_t)field_int(memferry_reply_root(reply), "from_seq");
    }
    memferry_reply_free(reply);
    return code;
}

/* Until there is a broker again; or what won't get better by waiting, told. */
static int subscribe_again(struct tail *tail)
{
    int nap_ms = NAP_MIN_MS, code;

    cli_warn(tail->cli, "the connection to the broker broke; waiting for it behind event %llu",
             (unsigned long long)tail->next_seq - 1);
    while ((code = subscribe(tail)) != MEMFERRY_OK) {
        if (code == MEMFERRY_E_INVALID_PARAMS || code == MEMFERRY_E_UNTRUSTED ||
            code == MEMFERRY_E_FORBIDDEN || code == MEMFERRY_E_METHOD) {
            return fail(tail, code);
        }
        poll(NULL, 0, nap_ms);
        nap_ms = nap_ms * 2 < NAP_MAX_MS ? nap_ms * 2 : NAP_MAX_MS;
    }
    cli_warn(tail->cli, "the broker is there again; going on from event %llu",
             (unsigned long long)tail->next_seq);
    return EXIT_OK;
}

static int follow(struct tail *tail)
{
    int exit_code = EXIT_OK;

    while (exit_code == EXIT_OK && tail->left > 0) {
        struct memferry_reply *reply;
        const char *name;
        int code = memferry_notified(tail->cli->m, -1, &name, &reply);
        if (code == MEMFERRY_OK) {
            exit_code = tell(tail, name, memferry_reply_root(reply));
            memferry_reply_free(reply);
        } else {
            exit_code = subscribe_again(tail);
        }
    }
    return exit_code;
}

/* ---- options ---- */

static int read_number(struct cli *cli, const struct args *args, const char *name, uint64_t *ret)
{
    const char *value = args_value(args, name);

    return value == NULL || number_parse(value, 1, INT64_MAX, ret)
               ? EXIT_OK
               : cli_usage(cli, "--%s %.40s is no number from 1 on", name, value);
}

/* RFC 3339: date, time, maybe a fraction, which is passed over, and Z or an offset. */
static bool date_read(const char *text, int64_t *ret_ms)
{
    struct tm parts = {0};
    int hours = 0, minutes = 0, used = 0;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);

    if (rest == NULL) {
        return false;
    }
    rest += *rest == '.' ? 1 + strspn(rest + 1, "0123456789") : 0;
    bool is_utc = (*rest == 'Z' || *rest == 'z') && rest[1] == '\0';
    bool has_offset = (*rest == '+' || *rest == '-') &&
                      sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &used) == 2 &&
                      rest[1 + used] == '\0';
    int64_t offset_s = (int64_t)(hours * 3600 + minutes * 60) * (*rest == '-' ? -1 : 1);
    *ret_ms = ((int64_t)timegm(&parts) - offset_s) * 1000;
    return is_utc || has_offset;
}

static int read_since(struct tail *tail)
{
    char json[TIME_ARG_SIZE];
    int exit_code = time_arg_read(tail->cli, tail->args, "since", json);

    if (exit_code != EXIT_OK || json[0] == '\0') {
        return exit_code;
    }
    if (json[0] == '"' && !date_read(args_value(tail->args, "since"), &tail->since_ms)) {
        return cli_usage(tail->cli, "--since %.60s is no time; say 2h, or 2026-01-31T08:00:00Z",
                         args_value(tail->args, "since"));
    }
    if (json[0] != '"') {
        tail->since_ms = strtoll(json, NULL, 10);
    }
    tail->next_seq = tail->next_seq > 0 ? tail->next_seq : 1;
    return EXIT_OK;
}

static int read_options(struct tail *tail)
{
    int exit_code = read_number(tail->cli, tail->args, "from-seq", &tail->next_seq);

    if (exit_code == EXIT_OK) {
        exit_code = read_number(tail->cli, tail->args, "count", &tail->left);
    }
    return exit_code == EXIT_OK ? read_since(tail) : exit_code;
}

static int run(struct cli *cli, const struct args *args)
{
    struct tail tail = {.cli = cli,
                        .args = args,
                        .session = args_value(args, "session"),
                        .left = UINT64_MAX,
                        .as_json = cli->json || !cli->out_terminal};
    int exit_code = args->word_count > 0
                        ? cli_usage(cli, "tail takes no words; --id chooses a memory")
                        : read_options(&tail);

    if (exit_code == EXIT_OK) {
        exit_code = cli_connect(cli);
    }
    if (exit_code == EXIT_OK) {
        int code = subscribe(&tail);
        exit_code = code == MEMFERRY_OK ? follow(&tail) : fail(&tail, code);
    }
    return exit_code;
}

int main(int argc, char **argv)
{
    return heavy_main(argc, argv, "tail", run);
}
