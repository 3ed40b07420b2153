/*
 * test_http_outcomes.c - what goes wrong over HTTP, and the outcome that docs/plugins.md promises
 * for it: for every HTTP plugin, as it is installed.
 *
 * A fault is a row, a plugin is a column. A column says what is different with it, and otherwise
 * the row's outcome holds; so a new plugin adds its column here and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/fake_host.h"
#include "tests/lib/fault_server.h"
#include "tests/lib/sample_memory.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DIMS = 4 };

#define SECRET "correct-horse-battery"

enum expected {
    DONE = 1,
    SUPERSEDED,   /* DONE, and the backend holds a newer state */
    BACKEND,      /* RETRY, the backend's trouble */
    GONE,         /* RETRY, and the backend is gone for good */
    RETRY_RECORD, /* RETRY of this one */
    REJECT        /* a dead letter */
};

/* ---- the columns ---- */

struct difference {
    const char *row;
    enum expected expected;
};

struct column {
    const char *name;
    const char *path;                /* of the shared object */
    struct fake_option options[8];   /* ends with a NULL name; url is set besides */
    const char *url_option;          /* NULL: "url" */
    const char *good;                /* the body of an answer that means DONE */
    struct difference different[12]; /* ends with a NULL row */
};

static const struct column columns[] = {
    {.name = "neo4j-http",
     .path = NEO4J_HTTP,
     .options = {{"password", SECRET}, {"connections", "1"}},
     .good = "{\"results\":[{\"columns\":[],\"data\":[{\"row\":[1,[]]}]}],\"errors\":[]}"},
    {.name = "n8n-webhook",
     .path = N8N_WEBHOOK,
     .options = {{"secret", SECRET}, {"connections", "1"}},
     .good = "{\"ok\":true}",
     .different = {{"bad JSON", DONE}, {"409", SUPERSEDED}, {"410", GONE}}},
    {.name = "ollama-embed",
     .path = OLLAMA_EMBED,
     .options = {{"token", SECRET}},
     .good = "{\"embeddings\":[[1,2,3,4]]}"},
    {.name = "alert-notify",
     .path = ALERT_NOTIFY,
     .options = {{"secret", SECRET}, {"rate", "off"}},
     .url_option = "webhook",
     .good = "{\"ok\":true}",
     .different = {{"bad JSON", DONE}, {"409", DONE}, {"410", GONE}}},
};

/* ---- the rows ---- */

struct row {
    const char *name;
    struct fault_answer answer; /* without a body: the column's good one */
    bool refused;               /* nobody listens */
    bool waits;                 /* ends by the request's time-out */
    enum expected expected;
    uint32_t retry_after_ms;
};

#define AFTER "Retry-After: 7\r\n"

static const struct row rows[] = {
    {.name = "good", .expected = DONE},
    {.name = "refused", .refused = true, .expected = BACKEND},
    {.name = "reset", .answer = {.kind = FAULT_RESET}, .expected = BACKEND},
    {.name = "reset mid-body", .answer = {.kind = FAULT_RESET_MID_BODY}, .expected = BACKEND},
    {.name = "hang", .answer = {.kind = FAULT_HANG}, .waits = true, .expected = BACKEND},
    {.name = "slow drip", .answer = {.kind = FAULT_DRIP}, .waits = true, .expected = BACKEND},
    {.name = "truncated", .answer = {.kind = FAULT_TRUNCATED}, .expected = BACKEND},
    {.name = "huge", .answer = {.kind = FAULT_HUGE}, .expected = BACKEND},
    {.name = "no HTTP", .answer = {.kind = FAULT_GARBAGE}, .expected = BACKEND},
    {.name = "bad JSON", .answer = {.body = "{\"results\":[{]"}, .expected = BACKEND},
    {.name = "301", .answer = {.status = 301, .headers = "Location: /x\r\n"}, .expected = BACKEND},
    {.name = "302",
     .answer = {.status = 302, .headers = "Location: http://user:pw@else.example/x?key=1\r\n"},
     .expected = BACKEND},
    {.name = "307", .answer = {.status = 307}, .expected = BACKEND},
    {.name = "400", .answer = {.status = 400, .body = "bad field"}, .expected = REJECT},
    {.name = "401", .answer = {.status = 401, .body = "no"}, .expected = BACKEND},
    {.name = "403", .answer = {.status = 403, .body = "no"}, .expected = BACKEND},
    {.name = "404", .answer = {.status = 404, .body = "no"}, .expected = BACKEND},
    {.name = "405", .answer = {.status = 405, .body = "no"}, .expected = BACKEND},
    {.name = "409", .answer = {.status = 409, .body = "conflict"}, .expected = REJECT},
    {.name = "410", .answer = {.status = 410, .body = "gone"}, .expected = BACKEND},
    {.name = "413", .answer = {.status = 413, .body = "too large"}, .expected = REJECT},
    {.name = "422", .answer = {.status = 422, .body = "bad field"}, .expected = REJECT},
    {.name = "429",
     .answer = {.status = 429, .headers = AFTER, .body = "slower"},
     .expected = BACKEND,
     .retry_after_ms = 7000},
    {.name = "500", .answer = {.status = 500, .body = "oops"}, .expected = RETRY_RECORD},
    {.name = "502", .answer = {.status = 502, .body = "oops"}, .expected = RETRY_RECORD},
    {.name = "503", .answer = {.status = 503, .body = "busy"}, .expected = RETRY_RECORD},
    {.name = "503 with Retry-After",
     .answer = {.status = 503, .headers = AFTER, .body = "busy"},
     .expected = BACKEND,
     .retry_after_ms = 7000},
};

/* ---- a plugin, and one call of it ---- */

struct world {
    const struct column *column;
    void *library;
    const struct memferry_plugin *plugin;
    struct fault_server *server;
    struct fake_host host;
};

static int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    w->column = *state;
    w->library = dlopen(w->column->path, RTLD_NOW | RTLD_LOCAL);
    if (w->library == NULL) {
        print_error("%s\n", dlerror());
        return -1;
    }
    w->plugin = dlsym(w->library, "memferry_plugin");
    w->server = fault_server_start();
    *state = w;
    return w->plugin == NULL ? -1 : 0;
}

static int world_teardown(void **state)
{
    struct world *w = *state;

    fault_server_stop(w->server);
    dlclose(w->library);
    free(w);
    return 0;
}

static void *open_instance(struct world *w, const struct row *row, const char *url)
{
    void *self = NULL;

    fake_host_init(&w->host, w->plugin->options);
    w->host.quiet = true;
    w->host.host.dims = DIMS;
    fake_host_set(&w->host, w->column->url_option == NULL ? "url" : w->column->url_option, url);
    for (size_t i = 0; w->column->options[i].name != NULL; i++) {
        fake_host_set(&w->host, w->column->options[i].name, w->column->options[i].value);
    }
    if (row->waits) {
        fake_host_set(&w->host, "timeout", "300ms");
    }
    assert_int_equal(w->plugin->open(&w->host.host, &self), 0);
    return self;
}

static struct memferry_outcome call(const struct memferry_plugin *plugin, void *self)
{
    struct memferry_outcome outcome = {0};

    if (plugin->deliver != NULL) {
        struct memferry_memory memory = sample_memory("tea", 5);
        plugin->deliver(self, &memory, 1, &outcome);
    } else if (plugin->embed != NULL) {
        struct memferry_text one = {.text = text("Tea at four")};
        float vector[DIMS];
        plugin->embed(self, &one, 1, vector, &outcome);
    } else {
        struct memferry_alert alert = {.id = text("a1"),
                                       .rule = text("rapid-delete"),
                                       .severity = MEMFERRY_SEVERITY_WARNING,
                                       .at_ms = 1,
                                       .session_id = text(""),
                                       .peer_command = text(""),
                                       .statement = text(""),
                                       .summary = text("12 memories were deleted"),
                                       .undo = text("")};
        plugin->notify(self, &alert, 1, &outcome);
    }
    return outcome;
}

static bool is_as_expected(const struct memferry_outcome *outcome, enum expected expected)
{
    switch (expected) {
    case DONE:
    case SUPERSEDED:
        return outcome->verdict == MEMFERRY_DONE && outcome->superseded == (expected == SUPERSEDED);
    case BACKEND:
        return outcome->verdict == MEMFERRY_RETRY && outcome->blame == MEMFERRY_BLAME_BACKEND;
    case GONE:
        return outcome->verdict == MEMFERRY_RETRY && outcome->blame == MEMFERRY_BLAME_GONE;
    case RETRY_RECORD:
        return outcome->verdict == MEMFERRY_RETRY && outcome->blame == MEMFERRY_BLAME_RECORD;
    case REJECT:
        return outcome->verdict == MEMFERRY_REJECT && outcome->blame == MEMFERRY_BLAME_RECORD;
    }
    return false;
}

static enum expected expected_of(const struct column *column, const struct row *row)
{
    for (size_t i = 0; column->different[i].row != NULL; i++) {
        if (strcmp(column->different[i].row, row->name) == 0) {
            return column->different[i].expected;
        }
    }
    return row->expected;
}

static void assert_told(const struct memferry_outcome *outcome, const struct row *row)
{
    static const char *const secrets[] = {SECRET, "user:pw", "key=1"};

    if (outcome->verdict != MEMFERRY_DONE && strlen(outcome->reason.text) < 10) {
        fail_msg("%s: no reason", row->name);
    }
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        assert_null(strstr(outcome->reason.text, secrets[i]));
    }
}

/* A probe that meets the fault of a backend fails, too, and hands on the delay it asked for. */
static void check_probe(struct world *w, void *self, const struct row *row)
{
    enum expected expected = expected_of(w->column, row);
    struct memferry_reason why = {.text = ""};

    if (row->waits || (expected != BACKEND && expected != GONE)) {
        return;
    }
    int status = w->plugin->probe(self, &why);
    if ((expected == GONE) != (status == -ENOLINK) || status >= 0 ||
        w->host.asked_ms != row->retry_after_ms) {
        fail_msg("%s, %s: probe answers %d, asked for %u ms: %s", w->column->name, row->name,
                 status, w->host.asked_ms, why.text);
    }
}

static void check_row(struct world *w, const struct row *row)
{
    struct fault_answer answer = row->answer;
    char url[64];
    int refused = row->refused ? fault_address_refused(url, sizeof url) : -1;

    if (!row->refused) {
        snprintf(url, sizeof url, "%s", fault_server_url(w->server));
    }
    if (answer.body == NULL) {
        answer.body = w->column->good;
    }
    fault_server_clear(w->server);
    fault_server_push(w->server, answer);
    void *self = open_instance(w, row, url);
    struct memferry_outcome outcome = call(w->plugin, self);
    check_probe(w, self, row);
    w->plugin->close(self);
    fake_host_deinit(&w->host);
    if (row->refused) {
        close(refused);
    }
    if (!is_as_expected(&outcome, expected_of(w->column, row)) ||
        outcome.retry_after_ms != row->retry_after_ms) {
        fail_msg("%s, %s: verdict %d, blame %d, superseded %d, retry after %u ms: %s",
                 w->column->name, row->name, (int)outcome.verdict, (int)outcome.blame,
                 (int)outcome.superseded, outcome.retry_after_ms, outcome.reason.text);
    }
    assert_told(&outcome, row);
}

static void test_each_fault_has_the_outcome_that_the_docs_promise(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_row(w, &rows[i]);
    }
}

int main(void)
{
    enum { COLUMNS = sizeof columns / sizeof columns[0] };
    struct CMUnitTest tests[COLUMNS];

    for (size_t i = 0; i < COLUMNS; i++) {
        tests[i] = (struct CMUnitTest){
            .name = columns[i].name,
            .test_func = test_each_fault_has_the_outcome_that_the_docs_promise,
            .setup_func = world_setup,
            .teardown_func = world_teardown,
            .initial_state = (void *)(uintptr_t)&columns[i],
        };
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
