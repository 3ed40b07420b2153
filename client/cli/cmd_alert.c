/*
 * cmd_alert.c - memferry alert: what needs a look, and that somebody looks at it.
 *
 * For people each alert is a few lines, the last of them the command that undoes it; for programs a
 * line with tabs, or with --json an object. All pages are asked for, unless --limit ends it.
 */
#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "client/cli/time_arg.h"

#include <stdlib.h>
#include <string.h>

#define PAGE    1000
#define ACK_MAX 1000 /* ids to a call */

/* ---- show ---- */

static void show_line(struct cli *cli, const char *name, const char *text)
{
    if (text[0] != '\0') {
        fprintf(cli->out, "%s  %-8s%s", cli_dim(cli), name, cli_plain(cli));
        text_print_line(cli->out, text, 0);
        fputc('\n', cli->out);
    }
}

static void show_head(struct cli *cli, const struct memferry_node *alert)
{
    char at[TIME_TEXT_SIZE];
    const char *severity = field_text(alert, "severity");
    bool is_critical = strcmp(severity, "critical") == 0;

    fprintf(cli->out, "%s%-8s%s  %s  ", is_critical ? cli_red(cli) : cli_bold(cli), severity,
            cli_plain(cli), time_text(field_int(alert, "at_ms"), true, at));
    text_print_line(cli->out, field_text(alert, "id"), 0);
    if (field_int(alert, "count") > 1) {
        fprintf(cli->out, "  (%lld)", (long long)field_int(alert, "count"));
    }
    fputc('\n', cli->out);
}

static void show_origin(struct cli *cli, const struct memferry_node *alert)
{
    const char *session = field_text(alert, "session_id"),
               *what = field_text(alert, "peer_command");
    int64_t pid = field_int(alert, "peer_pid");
    char text[1600], number[32] = "";

    if (pid != 0) {
        snprintf(number, sizeof number, "%spid %lld", session[0] != '\0' ? ", " : "",
                 (long long)pid);
    }
    snprintf(text, sizeof text, "%s%s%s%s%s", session[0] != '\0' ? "session " : "", session, number,
             what[0] != '\0' ? ": " : "", what);
    show_line(cli, "by", text);
}

static void show_samples(struct cli *cli, const struct memferry_node *alert)
{
    const struct memferry_node *ids = memferry_node_get(alert, "sample_ids");
    size_t count = memferry_node_count(ids), used = 0;
    char text[512];

    text[0] = '\0';
    for (size_t i = 0; i < count && used < sizeof text; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? ", " : "",
                                 memferry_node_string(memferry_node_at(ids, i), "?"));
    }
    show_line(cli, "such as", text);
}

static void show_ack(struct cli *cli, const struct memferry_node *alert)
{
    const char *who = field_text(alert, "acked_by");
    char at[TIME_TEXT_SIZE], text[160];

    if (field_int(alert, "acked_ms") != 0) {
        snprintf(text, sizeof text, "%s%s%s", time_text(field_int(alert, "acked_ms"), true, at),
                 who[0] != '\0' ? ", by session " : "", who);
        show_line(cli, "acked", text);
    }
}

static void show_alert(struct cli *cli, const struct memferry_node *alert)
{
    show_head(cli, alert);
    show_line(cli, "", field_text(alert, "summary"));
    show_line(cli, "said", field_text(alert, "statement"));
    show_origin(cli, alert);
    show_samples(cli, alert);
    show_line(cli, "undo", field_text(alert, "undo"));
    show_ack(cli, alert);
}

static int print_table(struct cli *cli, const struct memferry_node *alerts)
{
    static const char *const headings[] = {"at", "severity", ">count", "id", "undo", "summary"};
    char at[TIME_TEXT_SIZE];
    struct table table;

    table_init(&table, headings, 6);
    for (size_t i = 0; i < memferry_node_count(alerts); i++) {
        const struct memferry_node *alert = memferry_node_at(alerts, i);
        table_text(&table, time_text(field_int(alert, "at_ms"), false, at));
        table_text(&table, field_text(alert, "severity"));
        table_int(&table, field_int(alert, "count"));
        table_text(&table, field_text(alert, "id"));
        table_text(&table, field_text(alert, "undo"));
        table_text(&table, field_text(alert, "summary"));
    }
    int exit_code = table_print(&table, cli);
    table_deinit(&table);
    return exit_code;
}

static int print_alerts(struct cli *cli, const struct memferry_node *alerts)
{
    int exit_code = EXIT_OK;

    if (!cli->json && !cli->out_terminal) {
        return print_table(cli, alerts);
    }
    for (size_t i = 0; exit_code == EXIT_OK && i < memferry_node_count(alerts); i++) {
        if (cli->json) {
            exit_code = cli_print_json(cli, memferry_node_at(alerts, i));
        } else {
            show_alert(cli, memferry_node_at(alerts, i));
        }
    }
    return exit_code;
}

/* ---- list ---- */

struct listing {
    const char *rule, *session, *acked;
    char since[TIME_ARG_SIZE], until[TIME_ARG_SIZE];
    int64_t left; /* alerts that are still wanted */
    char *next;   /* where the following page begins; owned, or NULL */
};

static int read_listing(struct cli *cli, const struct args *args, struct listing *listing)
{
    const char *limit = args_value(args, "limit"), *which = args_value(args, "acked");
    char *end;

    *listing = (struct listing){.rule = args_value(args, "rule"),
                                .session = args_value(args, "session"),
                                .left = INT64_MAX};
    if (args_has(args, "acked")) {
        listing->acked = which != NULL ? which : "any";
    }
    if (limit != NULL) {
        listing->left = strtoll(limit, &end, 10);
        if (limit[0] < '1' || limit[0] > '9' || *end != '\0') {
            return cli_usage(cli, "--limit %.40s is no number from 1 on", limit);
        }
    }
    int exit_code = time_arg_read(cli, args, "since", listing->since);
    return exit_code == EXIT_OK ? time_arg_read(cli, args, "until", listing->until) : exit_code;
}

static const char *page_params(const struct listing *listing, struct json *json)
{
    const struct {
        const char *name, *value;
    } texts[] = {{"rule", listing->rule},
                 {"session_id", listing->session},
                 {"acked", listing->acked},
                 {"after", listing->next}};

    json_open(json);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].value != NULL) {
            json_field_text(json, texts[i].name, texts[i].value);
        }
    }
    if (listing->since[0] != '\0') {
        json_field_raw(json, "since", listing->since);
    }
    if (listing->until[0] != '\0') {
        json_field_raw(json, "until", listing->until);
    }
    json_field_int(json, "limit", listing->left < PAGE ? listing->left : PAGE);
    return json_close(json);
}

static int list_page(struct cli *cli, struct listing *listing, bool first)
{
    struct memferry_reply *reply = NULL;
    struct json json;
    const char *params = page_params(listing, &json);
    int exit_code = params != NULL ? cli_call(cli, "alert list", "alert.list", params, &reply)
                                   : cli_fail(cli, EXIT_INTERNAL, "out of memory");

    json_free(&json);
    free(listing->next);
    listing->next = NULL;
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    const struct memferry_node *root = memferry_reply_root(reply);
    const struct memferry_node *alerts = memferry_node_get(root, "alerts");
    const struct memferry_node *next = memferry_node_get(root, "next");
    listing->left -= (int64_t)memferry_node_count(alerts);
    if (memferry_node_kind(next) == MEMFERRY_NODE_STRING && listing->left > 0) {
        listing->next = strdup(memferry_node_string(next, ""));
    }
    if (memferry_node_count(alerts) > 0) {
        exit_code = print_alerts(cli, alerts);
    } else if (first && listing->next == NULL && cli->out_terminal && !cli->json) {
        fputs(listing->acked == NULL ? "Nothing needs a look.\n" : "There are no alerts.\n",
              cli->out);
    }
    memferry_reply_free(reply);
    return exit_code;
}

static int alert_list(struct cli *cli, const struct args *args)
{
    struct listing listing;
    int exit_code = read_listing(cli, args, &listing);

    if (exit_code == EXIT_OK) {
        exit_code = cli_connect(cli);
    }
    for (bool first = true; exit_code == EXIT_OK && (first || listing.next != NULL);
         first = false) {
        exit_code = list_page(cli, &listing, first);
    }
    free(listing.next);
    return exit_code;
}

/* ---- ack ---- */

/* NULL ids: all. In a session, its id tells who it was. */
static int call_ack(struct cli *cli, const char *const *ids, size_t count,
                    struct memferry_reply **ret)
{
    const char *session = getenv("MEMFERRY_SESSION_ID");
    struct json json;

    json_open(&json);
    if (ids != NULL) {
        json_field_list(&json, "ids", ids, count);
    } else {
        json_field_bool(&json, "all", true);
    }
    if (session != NULL && session[0] != '\0') {
        json_field_text(&json, "session_id", session);
    }
    const char *params = json_close(&json);
    int exit_code = params != NULL ? cli_call(cli, "alert ack", "alert.ack", params, ret)
                                   : cli_fail(cli, EXIT_INTERNAL, "out of memory");
    json_free(&json);
    return exit_code;
}

/* Counts what was acked now; tells what was not there. */
static int read_receipts(struct cli *cli, const struct memferry_node *receipts, int64_t *count)
{
    int exit_code = EXIT_OK;

    for (size_t i = 0; i < memferry_node_count(receipts); i++) {
        const struct memferry_node *one = memferry_node_at(receipts, i);
        const struct memferry_node *error = memferry_node_get(one, "error");
        if (error != NULL) {
            exit_code = cli_fail(cli, EXIT_NOT_FOUND, "%s", field_text(error, "message"));
        } else {
            *count += !field_bool(one, "duplicate");
        }
    }
    return exit_code;
}

static void print_count(struct cli *cli, int64_t count)
{
    if (cli->json) {
        fprintf(cli->out, "{\"count\":%lld}\n", (long long)count);
    } else if (!cli->quiet) {
        fprintf(cli->out, "%lld%s\n", (long long)count, cli->out_terminal ? " acked" : "");
    }
}

static int alert_ack(struct cli *cli, const struct args *args)
{
    bool all = args_has(args, "all");
    size_t count = args->word_count - 1;
    struct memferry_reply *reply = NULL;
    int64_t acked = 0;

    if ((count > 0) == all) {
        return cli_usage(cli, "alert ack which? Give ids, or --all");
    }
    if (count > ACK_MAX) {
        return cli_usage(cli, "alert ack takes at most %d ids at once", ACK_MAX);
    }
    int exit_code = cli_connect(cli);
    if (exit_code == EXIT_OK) {
        exit_code = call_ack(cli, all ? NULL : args->words + 1, count, &reply);
    }
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    const struct memferry_node *root = memferry_reply_root(reply);
    if (all) {
        acked = field_int(root, "count");
    } else {
        exit_code = read_receipts(cli, memferry_node_get(root, "receipts"), &acked);
    }
    memferry_reply_free(reply);
    if (exit_code == EXIT_OK || acked > 0) {
        print_count(cli, acked);
    }
    return exit_code;
}

int command_alert(struct cli *cli, const struct args *args)
{
    const char *verb = args->word_count > 0 ? args_word(args, 0) : "list";

    if (strcmp(verb, "ack") == 0) {
        return alert_ack(cli, args);
    }
    if (strcmp(verb, "list") != 0) {
        return cli_usage(cli, "alert cannot %.40s; it can list and ack", verb);
    }
    if (args->word_count > 1 || args_has(args, "all")) {
        return cli_usage(cli, "alert list gives all that are open; --acked the others too");
    }
    return alert_list(cli, args);
}
