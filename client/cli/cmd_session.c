/*
 * cmd_session.c - memferry session: begin, current, end and list; session_run.c has run.
 *
 * What concerns the file is done first, and is done without a broker too. The broker is told then;
 * when there is none, a warning says what that means.
 */
#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/session.h"
#include "client/cli/table.h"
#include "client/cli/times.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_MAX 1000

/* ---- the broker's part ---- */

bool session_connect(struct cli *cli, const char *what)
{
    int code = memferry_connect(cli->m);

    if (code == MEMFERRY_E_CONNECT && cli_may_start(cli)) {
        if (cli_connect(cli) == EXIT_OK) {
            return true;
        }
        cli_warn(cli, "%s", what);
        return false;
    }
    if (code != MEMFERRY_OK) {
        cli_warn(cli, "%s: %s", memferry_error(cli->m), what);
    }
    return code == MEMFERRY_OK;
}

int session_tell_begin(struct cli *cli, const char *id, const char *agent, pid_t pid)
{
    struct memferry_reply *reply = NULL;
    char cwd[PATH_MAX];
    struct json json;

    json_open(&json);
    json_field_text(&json, "session_id", id);
    if (agent != NULL) {
        json_field_text(&json, "agent", agent);
    }
    if (getcwd(cwd, sizeof cwd) != NULL) {
        json_field_text(&json, "cwd", cwd);
    }
    if (pid != 0) {
        json_field_int(&json, "pid", pid);
    }
    const char *params = json_close(&json);
    int exit_code = params != NULL ? cli_call(cli, "session begin", "session.begin", params, &reply)
                                   : cli_fail(cli, EXIT_INTERNAL, "out of memory");
    json_free(&json);
    memferry_reply_free(reply);
    return exit_code;
}

/* ---- begin and current ---- */

/* known: -1 when no broker was asked. */
static void print_session(struct cli *cli, const struct memferry_session *session, int known)
{
    struct json json;

    if (!cli->json) {
        fprintf(cli->out, "%s\n", session->id);
        return;
    }
    json_open(&json);
    json_field_text(&json, "id", session->id);
    json_field_bool(&json, "begun", session->begun);
    json_field_bool(&json, "from_environment", session->from_environment);
    if (known >= 0) {
        json_field_bool(&json, "known", known != 0);
    }
    cli_print_object(cli, &json);
}

static int read_pid(struct cli *cli, const struct args *args, pid_t *ret_pid)
{
    const char *text = args_value(args, "pid");
    uint64_t pid;

    *ret_pid = 0;
    if (text == NULL) {
        return EXIT_OK;
    }
    if (!number_parse(text, 1, INT_MAX, &pid)) {
        return cli_usage(cli, "--pid %.40s is no process id", text);
    }
    *ret_pid = (pid_t)pid;
    return kill(*ret_pid, 0) < 0 && errno == ESRCH
               ? cli_fail(cli, EXIT_DATA, "there is no process %d to own the session", *ret_pid)
               : EXIT_OK;
}

static int session_begin(struct cli *cli, const struct args *args)
{
    struct memferry_session session;
    pid_t pid;
    int exit_code = read_pid(cli, args, &pid);

    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    int code = memferry_session_begin(cli->m, &session);
    if (code != MEMFERRY_OK) {
        return cli_fail_call(cli, code, "session begin");
    }
    bool known = session_connect(cli, "the session is known to a broker with its first memory, "
                                      "and nobody watches its owner");
    if (known) {
        exit_code = session_tell_begin(cli, session.id, args_value(args, "agent"), pid);
    }
    print_session(cli, &session, known && exit_code == EXIT_OK);
    return exit_code;
}

static int session_current(struct cli *cli, const struct args *args)
{
    struct memferry_session session;
    int code = args_has(args, "peek") ? memferry_session_peek(cli->m, &session)
                                      : memferry_session_current(cli->m, &session);

    if (code != MEMFERRY_OK) {
        return cli_fail_call(cli, code, "session current");
    }
    print_session(cli, &session, -1);
    return EXIT_OK;
}

/* ---- end ---- */

static int tell_end(struct cli *cli, const char *id, const char *reason, bool was_in_file)
{
    struct memferry_reply *reply = NULL;
    struct json json;

    json_open(&json);
    json_field_text(&json, "session_id", id);
    if (reason != NULL) {
        json_field_text(&json, "reason", reason);
    }
    const char *params = json_close(&json);
    if (params == NULL) {
        json_free(&json);
        return cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    int code = memferry_call(cli->m, "session.end", params, &reply);
    json_free(&json);
    int exit_code = EXIT_OK;
    if (code == MEMFERRY_OK && cli->json) {
        exit_code = cli_print_json(cli, memferry_reply_root(reply));
    } else if (code != MEMFERRY_OK && !(code == MEMFERRY_E_NOT_FOUND && was_in_file)) {
        exit_code = cli_fail_call(cli, code, "session end");
    }
    memferry_reply_free(reply);
    return exit_code;
}

static int end_one(struct cli *cli, const char *id, const char *reason)
{
    int code = memferry_session_end(cli->m, id);
    bool was_in_file = code == MEMFERRY_OK;

    if (code != MEMFERRY_OK && code != MEMFERRY_E_NOT_FOUND) {
        cli_warn(cli, "%s", memferry_error(cli->m));
    }
    cli->no_start = true; /* a broker that does not run has nothing to end */
    if (session_connect(cli, was_in_file
                                 ? "the session has ended here; a broker that knows it ends "
                                   "it when it is idle"
                                 : "it was not ended")) {
        return tell_end(cli, id, reason, was_in_file);
    }
    return was_in_file ? EXIT_OK : EXIT_NO_BROKER;
}

static int session_end(struct cli *cli, const struct args *args)
{
    struct memferry_session session;
    const char *id = args_word(args, 1);

    if (id == NULL) {
        int code = memferry_session_peek(cli->m, &session);
        if (code != MEMFERRY_OK) {
            return cli_fail_call(cli, code, "session end");
        }
        id = session.id;
    }
    return end_one(cli, id, args_value(args, "reason"));
}

/* ---- list ---- */

static const char *list_params(struct cli *cli, const struct args *args, struct json *json)
{
    const char *limit = args_value(args, "limit");
    char *end = NULL;
    long number = limit != NULL ? strtol(limit, &end, 10) : 0;

    json_open(json);
    if (limit != NULL && (*end != '\0' || number < 1 || number > LIMIT_MAX)) {
        cli_usage(cli, "--limit %.40s is not between 1 and %d", limit, LIMIT_MAX);
        return NULL;
    }
    if (limit != NULL) {
        json_field_int(json, "limit", number);
    }
    if (args_has(args, "active")) {
        json_field_bool(json, "active", true);
    }
    if (args_value(args, "agent") != NULL) {
        json_field_text(json, "agent", args_value(args, "agent"));
    }
    if (args_value(args, "after") != NULL) {
        json_field_text(json, "after", args_value(args, "after"));
    }
    const char *params = json_close(json);
    if (params == NULL) {
        cli_fail(cli, EXIT_INTERNAL, "out of memory");
    }
    return params;
}

static void add_time(struct table *table, struct cli *cli, const struct memferry_node *session,
                     const char *field)
{
    char text[TIME_TEXT_SIZE];

    table_text(table, time_text(field_int(session, field), cli->out_terminal, text));
}

static int print_sessions(struct cli *cli, const struct memferry_node *sessions)
{
    static const char *const headings[] = {"session", "agent", "began",    "last seen",
                                           "state",   ">pid",  "directory"};
    struct table table;

    table_init(&table, headings, 7);
    for (size_t i = 0; i < memferry_node_count(sessions); i++) {
        const struct memferry_node *session = memferry_node_at(sessions, i);
        const char *end_reason = field_text(session, "end_reason");
        table_text(&table, field_text(session, "id"));
        table_text(&table, field_text(session, "agent"));
        add_time(&table, cli, session, "started_ms");
        add_time(&table, cli, session, "seen_ms");
        table_text(&table, end_reason[0] == '\0' ? "active" : end_reason);
        if (field_int(session, "pid") != 0) {
            table_int(&table, field_int(session, "pid"));
        } else {
            table_text(&table, NULL);
        }
        table_text(&table, field_text(session, "cwd"));
    }
    int exit_code = table_print(&table, cli);
    table_deinit(&table);
    return exit_code;
}

static int print_page(struct cli *cli, const struct memferry_node *root)
{
    const struct memferry_node *sessions = memferry_node_get(root, "sessions");
    const char *next = field_text(root, "next");
    int exit_code = EXIT_OK;

    if (!cli->json) {
        exit_code = print_sessions(cli, sessions);
    }
    for (size_t i = 0; cli->json && exit_code == EXIT_OK && i < memferry_node_count(sessions);
         i++) {
        exit_code = cli_print_json(cli, memferry_node_at(sessions, i));
    }
    if (next[0] != '\0' && cli->out_terminal && !cli->json && !cli->quiet) {
        fprintf(cli->out, "%sThere are more: --after %s%s\n", cli_dim(cli), next, cli_plain(cli));
    }
    return exit_code;
}

static int session_list(struct cli *cli, const struct args *args)
{
    struct memferry_reply *reply = NULL;
    struct json json;
    const char *params = list_params(cli, args, &json);
    int exit_code = params != NULL ? cli_connect(cli) : EXIT_USAGE;

    if (exit_code == EXIT_OK) {
        exit_code = cli_call(cli, "session list", "session.list", params, &reply);
    }
    json_free(&json);
    if (exit_code == EXIT_OK) {
        exit_code = print_page(cli, memferry_reply_root(reply));
    }
    memferry_reply_free(reply);
    return exit_code;
}

/* ---- the verbs ---- */

static int run(struct cli *cli, const struct args *args)
{
    return session_run(cli, args_value(args, "agent"), args->words + 1);
}

int command_session(struct cli *cli, const struct args *args)
{
    static const struct {
        const char *name;
        size_t words_min, words_max;
        int (*run)(struct cli *, const struct args *);
        const char *usage;
    } verbs[] = {
        {"current", 1, 1, session_current, "current takes no words"},
        {"begin", 1, 1, session_begin, "begin takes no words"},
        {"end", 1, 2, session_end, "end takes one id, or none for the session in force"},
        {"list", 1, 1, session_list, "list takes no words"},
        {"run", 2, SIZE_MAX, run, "run takes a command: memferry session run -- CMD..."},
    };
    const char *verb = args->word_count > 0 ? args_word(args, 0) : "list";
    size_t words = args->word_count > 0 ? args->word_count : 1;

    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verb, verbs[i].name) != 0) {
            continue;
        }
        if (words < verbs[i].words_min || words > verbs[i].words_max) {
            return cli_usage(cli, "session %s", verbs[i].usage);
        }
        int exit_code = cli_open(cli);
        return exit_code == EXIT_OK ? verbs[i].run(cli, args) : exit_code;
    }
    return cli_usage(cli, "session cannot %.40s; it can begin, current, end, list and run", verb);
}
