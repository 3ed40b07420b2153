/*
 * cmd_hook.c - memferry hook: an agent tells of itself.
 *
 * Happy path: the JSON of a hook comes on stdin. SessionStart begins the session under the agent's
 * own id, makes it the one in force, and prints recent memories; UserPromptSubmit keeps it awake;
 * PreToolUse (or PostToolUse) tells the guard of a statement; SessionEnd ends it. Any other event
 * is none of ours.
 *
 * Failure modes: whatever it is, a note on stderr and exit code 0. A broker that does not run is
 * not waited for; SessionStart starts one, for later. One that does not answer within
 * HOOK_ANSWER_MS has the request all the same.
 */
#include "client/cli/commands.h"
#include "client/cli/hook.h"
#include "client/cli/json.h"
#include "client/cli/project.h"
#include "client/cli/start.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OF_PROJECT_MAX 12
#define NEWEST_MAX     20
#define AGENT_DEFAULT  "claude"

struct hook {
    struct cli *cli;
    const struct memferry_node *input;
    const char *session; /* the agent's own id; NULL: it has none that we can use */
    const char *agent;
};

static void note_failure(struct hook *hook, const char *what)
{
    cli_warn(hook->cli, "hook: %s: %s", what, memferry_error(hook->cli->m));
}

/* ---- asking, one thing ---- */

/* *ret is NULL unless it was answered well. A session that the broker does not know is no news. */
static void ask_for(struct hook *hook, const char *method, struct json *json,
                    struct memferry_reply **ret)
{
    const char *params = json_close(json);
    int code = MEMFERRY_E_MEMORY;

    *ret = NULL;
    if (params != NULL) {
        code = memferry_call(hook->cli->m, method, params, ret);
    }
    if (code != MEMFERRY_OK) {
        memferry_reply_free(*ret);
        *ret = NULL;
    }
    if (code != MEMFERRY_OK && code != MEMFERRY_E_NOT_FOUND) {
        note_failure(hook, method);
    }
    json_free(json);
}

static void ask(struct hook *hook, const char *method, struct json *json)
{
    struct memferry_reply *reply;

    ask_for(hook, method, json, &reply);
    memferry_reply_free(reply);
}

/* session.begin's. */
static void session_params(const struct hook *hook, struct json *json)
{
    const char *cwd = field_text(hook->input, "cwd");

    json_open(json);
    json_field_text(json, "session_id", hook->session);
    json_field_text(json, "agent", hook->agent);
    if (cwd[0] != '\0') {
        json_field_text(json, "cwd", cwd);
    }
}

/* ---- the beginning ---- */

struct start_answers {
    uint64_t of_project, newest; /* tags of the requests; 0: not asked */
    struct memferry_reply *of_project_reply, *newest_reply;
};

static uint64_t submit(struct hook *hook, const char *method, struct json *json)
{
    const char *params = json_close(json);
    uint64_t tag = 0;

    if (params != NULL && memferry_submit(hook->cli->m, method, params, &tag) != MEMFERRY_OK) {
        note_failure(hook, method);
    }
    json_free(json);
    return tag;
}

static void submit_begin(struct hook *hook)
{
    struct json json;

    if (hook->session != NULL) {
        session_params(hook, &json);
        submit(hook, "session.begin", &json);
    }
}

static uint64_t submit_list(struct hook *hook, const char *tag, int64_t limit)
{
    struct json json;

    json_open(&json);
    if (tag != NULL) {
        json_field_text(&json, "tag", tag);
    }
    json_field_int(&json, "limit", limit);
    return submit(hook, "memory.list", &json);
}

static bool is_owed(uint64_t tag, const struct memferry_reply *reply)
{
    return tag != 0 && reply == NULL;
}

/* Until the lists have come, or (`all`) everything has; or time is over. */
static void receive(struct hook *hook, struct start_answers *answers, bool all)
{
    struct memferry_completion done;

    while (memferry_in_flight(hook->cli->m) > 0 &&
           (all || is_owed(answers->of_project, answers->of_project_reply) ||
            is_owed(answers->newest, answers->newest_reply)) &&
           memferry_receive(hook->cli->m, HOOK_ANSWER_MS, &done) == MEMFERRY_OK) {
        if (done.code != MEMFERRY_OK) {
            note_failure(hook, "SessionStart");
            memferry_reply_free(done.reply);
            return;
        } else if (done.tag == answers->of_project) {
            answers->of_project_reply = done.reply;
        } else if (done.tag == answers->newest) {
            answers->newest_reply = done.reply;
        } else {
            memferry_reply_free(done.reply);
        }
    }
}

static const struct memferry_node *memories(const struct memferry_reply *reply)
{
    return memferry_node_get(memferry_reply_root(reply), "memories");
}

static void begin_at_broker(struct hook *hook)
{
    struct start_answers answers = {0};
    char project[PROJECT_TAG_SIZE];
    /* Of a session that is resumed the agent has the beginning already. */
    bool wants_context = strcmp(field_text(hook->input, "source"), "resume") != 0;

    project_of(field_text(hook->input, "cwd"), project);
    if (wants_context && project[0] != '\0') {
        answers.of_project = submit_list(hook, project, OF_PROJECT_MAX);
    }
    if (wants_context) {
        answers.newest = submit_list(hook, NULL, NEWEST_MAX);
    }
    submit_begin(hook); /* behind the lists, which would wait until it is applied */
    receive(hook, &answers, false);
    if (wants_context &&
        !hook_context_write(STDOUT_FILENO, project, memories(answers.of_project_reply),
                            memories(answers.newest_reply))) {
        cli_warn(hook->cli, "hook: out of memory");
    }
    memferry_reply_free(answers.of_project_reply);
    memferry_reply_free(answers.newest_reply);
}

/* What the agent's shells are to know: a file that its host reads, if it has one. */
static void tell_shells(struct hook *hook)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    const char *path = getenv("CLAUDE_ENV_FILE");

    if (path == NULL || path[0] == '\0' || hook->session == NULL ||
        hook->session[strspn(hook->session, plain)] != '\0') {
        return;
    }
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd < 0 || dprintf(fd, "export MEMFERRY_SESSION_ID=%s\n", hook->session) < 0) {
        cli_warn(hook->cli, "hook: cannot write %s", path);
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void on_session_start(struct hook *hook)
{
    int code = memferry_connect(hook->cli->m);

    if (code == MEMFERRY_OK) {
        begin_at_broker(hook);
    } else if (code == MEMFERRY_E_CONNECT && cli_may_start(hook->cli)) {
        start_broker_for_later(hook->cli);
    } else {
        note_failure(hook, "SessionStart");
    }
    tell_shells(hook);
    if (hook->session != NULL &&
        memferry_session_adopt(hook->cli->m, hook->session) == MEMFERRY_E_SESSION) {
        note_failure(hook, "the session file");
    }
    receive(hook, &(struct start_answers){0}, true); /* meanwhile the session has begun */
}

/* ---- the rest ---- */

static void on_session_end(struct hook *hook)
{
    const char *reason = field_text(hook->input, "reason");
    struct json json;

    if (hook->session == NULL) {
        return;
    }
    memferry_session_end(hook->cli->m, hook->session); /* whether the file holds it or not */
    if (memferry_connect(hook->cli->m) != MEMFERRY_OK) {
        return;
    }
    json_open(&json);
    json_field_text(&json, "session_id", hook->session);
    if (reason[0] != '\0') {
        json_field_text(&json, "reason", reason);
    }
    ask(hook, "session.end", &json);
}

/* A session that began while no broker ran is known by its id alone. */
static void on_prompt(struct hook *hook)
{
    struct memferry_reply *reply = NULL;
    struct json json;

    if (hook->session == NULL || memferry_connect(hook->cli->m) != MEMFERRY_OK) {
        return;
    }
    json_open(&json);
    json_field_text(&json, "session_id", hook->session);
    ask_for(hook, "session.touch", &json, &reply);
    if (reply != NULL && field_text(memferry_reply_root(reply), "agent")[0] == '\0') {
        session_params(hook, &json);
        ask(hook, "session.begin", &json);
    }
    memferry_reply_free(reply);
}

static void observe(struct hook *hook, const struct hook_statement *statement, const char *tool)
{
    char source[80];
    struct json json;

    snprintf(source, sizeof source, "hook %.64s", tool);
    json_open(&json);
    json_field_text(&json, "statement", statement->text);
    json_field_text(&json, "language", statement->language);
    json_field_text(&json, "source", source);
    if (hook->session != NULL) {
        json_field_text(&json, "session_id", hook->session);
    }
    ask(hook, "guard.observe", &json);
}

static void on_tool(struct hook *hook)
{
    const char *tool = field_text(hook->input, "tool_name");
    struct hook_statement statement =
        hook_statement_find(tool, memferry_node_get(hook->input, "tool_input"));

    if (statement.text == NULL || statement.text[0] == '\0') {
        return;
    }
    if (strlen(statement.text) > HOOK_STATEMENT_MAX) {
        cli_warn(hook->cli, "hook: the statement is over 64 KiB: the guard was not told of it");
    } else if (memferry_connect(hook->cli->m) == MEMFERRY_OK) {
        observe(hook, &statement, tool);
    } else {
        note_failure(hook, "the guard was not told of the statement");
    }
}

/* ---- the command ---- */

static const struct {
    const char *name;
    void (*run)(struct hook *hook);
} events[] = {{"SessionStart", on_session_start}, {"SessionEnd", on_session_end},
              {"UserPromptSubmit", on_prompt},    {"PreToolUse", on_tool},
              {"PostToolUse", on_tool},           {"PostToolUseFailure", on_tool}};

static void run_event(struct cli *cli, const struct memferry_node *input, const char *agent)
{
    struct hook hook = {.cli = cli, .input = input, .agent = agent != NULL ? agent : AGENT_DEFAULT};
    const char *name = field_text(input, "hook_event_name");
    const char *session = field_text(input, "session_id");

    if (session[0] != '\0' && strlen(session) <= HOOK_SESSION_MAX) {
        hook.session = session;
    }
    if (name[0] == '\0') {
        cli_warn(cli, "hook: the input has no hook_event_name");
    }
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (strcmp(name, events[i].name) == 0) {
            events[i].run(&hook);
            return;
        }
    }
}

static void run_hook(struct cli *cli, const char *agent)
{
    struct memferry_reply *reply = NULL;
    const char *why;
    char *text = hook_input_read(STDIN_FILENO, &why);

    if (text == NULL) {
        cli_warn(cli, "hook: %s", why);
        return;
    }
    signal(SIGPIPE, SIG_IGN);
    cli->timeout_ms = cli->timeout_ms != 0 ? cli->timeout_ms : HOOK_ANSWER_MS;
    if (cli_open(cli) == EXIT_OK) {
        if (memferry_parse_json(cli->m, text, &reply) == MEMFERRY_OK) {
            run_event(cli, memferry_reply_root(reply), agent);
        } else {
            cli_warn(cli, "hook: the input is not JSON: %s", memferry_error(cli->m));
        }
    }
    memferry_reply_free(reply);
    free(text);
}

int command_hook(struct cli *cli, const struct args *args)
{
    if (args->word_count > 0) { /* install and remove */
        return command_heavy(cli, args);
    }
    run_hook(cli, args_value(args, "agent"));
    return EXIT_OK;
}
