/* alert-notify: what each sink gets, what is told again, and that no text of an alert is ever a
 * command. Real programs, real files, a real HTTP server that fails when it is told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/alert-notify/notify.h"
#include "tests/lib/fake_host.h"
#include "tests/lib/fault_server.h"
#include "tests/lib/sample_memory.h"

#include <errno.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern const struct memferry_plugin memferry_plugin;

#define SECRET "correct-horse-battery"

struct world {
    struct fake_host host;
    char dir[64], log_file[96], script[96], out[96];
    struct fault_server *server;
    void *self; /* the instance */
    char text[1 << 16];
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    strcpy(w->dir, "/tmp/memferry-alert-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->log_file, sizeof w->log_file, "%s/alerts.ndjson", w->dir);
    snprintf(w->script, sizeof w->script, "%s/tell", w->dir);
    snprintf(w->out, sizeof w->out, "%s/out", w->dir);
    fake_host_init(&w->host, memferry_plugin.options);
    w->host.host.state_dir = w->dir;
    w->host.quiet = true;
    fake_host_set(&w->host, "again", "0");
    fake_host_set(&w->host, "rate", "off");
    w->server = fault_server_start();
    *state = w;
    return 0;
}

static void end(struct world *w)
{
    if (w->self != NULL) {
        memferry_plugin.close(w->self);
    }
    w->self = NULL;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char command[128];

    end(w);
    fault_server_stop(w->server);
    fake_host_deinit(&w->host);
    snprintf(command, sizeof command, "rm -r %s", w->dir);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

static void begin(struct world *w)
{
    end(w);
    assert_int_equal(memferry_plugin.open(&w->host.host, &w->self), 0);
}

static void use_log_file(struct world *w)
{
    fake_host_set(&w->host, "log_file", w->log_file);
}

static void use_webhook(struct world *w, int status)
{
    fake_host_set(&w->host, "webhook", fault_server_url(w->server));
    fake_host_set(&w->host, "secret", SECRET);
    fault_server_push(w->server, (struct fault_answer){.status = status, .body = "{}"});
}

/* `program` becomes a script that is the command; OUT in it is the file to write to. */
static void use_command(struct world *w, const char *program)
{
    FILE *file = fopen(w->script, "we");

    fprintf(file, "#!/bin/sh\nOUT=%s\n%s\n", w->out, program);
    fclose(file);
    assert_int_equal(chmod(w->script, 0700), 0);
    fake_host_set(&w->host, "command", w->script);
}

static const char *read_file(struct world *w, const char *path)
{
    FILE *file = fopen(path, "re");
    size_t size = file == NULL ? 0 : fread(w->text, 1, sizeof w->text - 1, file);

    if (file != NULL) {
        fclose(file);
    }
    w->text[size] = '\0';
    return w->text;
}

static size_t line_count(struct world *w, const char *path)
{
    size_t count = 0;

    for (const char *at = read_file(w, path); *at != '\0'; at++) {
        count += *at == '\n';
    }
    return count;
}

static struct memferry_alert sample(const char *id, uint64_t count)
{
    return (struct memferry_alert){.id = text(id),
                                   .rule = text("rapid-delete"),
                                   .severity = MEMFERRY_SEVERITY_WARNING,
                                   .at_ms = 1767225600123,
                                   .session_id = text("s-1"),
                                   .peer_pid = 4711,
                                   .peer_command = text("python3 agent.py"),
                                   .count = count,
                                   .statement = text(""),
                                   .summary = text("12 memories were deleted"),
                                   .undo = text("memferry undo x")};
}

static struct memferry_outcome tell(struct world *w, struct memferry_alert alert)
{
    struct memferry_outcome outcome = {0};

    memferry_plugin.notify(w->self, &alert, 1, &outcome);
    return outcome;
}

static void assert_done(struct memferry_outcome outcome)
{
    if (outcome.verdict != MEMFERRY_DONE) {
        fail_msg("verdict %d: %s", (int)outcome.verdict, outcome.reason.text);
    }
}

static void assert_retry(struct memferry_outcome outcome, enum memferry_blame blame,
                         const char *reason)
{
    if (outcome.verdict != MEMFERRY_RETRY || outcome.blame != blame ||
        strstr(outcome.reason.text, reason) == NULL) {
        fail_msg("verdict %d, blame %d: %s", (int)outcome.verdict, (int)outcome.blame,
                 outcome.reason.text);
    }
}

/* ---- words ---- */

static void test_a_command_line_is_split_as_written(void **state)
{
    static const struct {
        const char *line;
        const char *words[6];
    } cases[] = {
        {"/bin/tell", {"/bin/tell"}},
        {"  tell \t now ", {"tell", "now"}},
        {"tell 'two words' \"and \\\"three\\\"\"", {"tell", "two words", "and \"three\""}},
        {"a\\ b '' c'd'\"e\"", {"a b", "", "cde"}},
        {"tell $(id) `id` ; rm * > x | y &", {"tell", "$(id)", "`id`", ";", "rm", "*"}},
        {"tell '$HOME' \\$HOME 'a\\b'", {"tell", "$HOME", "$HOME", "a\\b"}},
    };
    struct memferry_reason why;
    struct words words;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(words_split(&words, cases[i].line, &why), 0);
        for (size_t k = 0; k < 6 && cases[i].words[k] != NULL; k++) {
            assert_true(k < words.count);
            assert_string_equal(words.items[k], cases[i].words[k]);
        }
        assert_null(words.items[words.count]);
        words_free(&words);
    }
}

static void test_a_command_line_without_sense_is_refused(void **state)
{
    static const char *const lines[] = {"",        "  ",       "tell 'open", "tell \"open",
                                        "tell \\", "tell \"\\"};
    char many[2 * WORDS_MAX + 4];
    struct memferry_reason why;
    struct words words;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(words_split(&words, lines[i], &why), -EINVAL);
        assert_int_equal(words.count, 0);
    }
    memset(many, ' ', sizeof many);
    for (size_t i = 0; i < sizeof many - 1; i += 2) {
        many[i] = 'x';
    }
    many[sizeof many - 1] = '\0';
    assert_int_equal(words_split(&words, many, &why), -E2BIG);
}

/* ---- options ---- */

static void test_a_config_without_sense_is_refused(void **state)
{
    static const struct {
        const char *name, *value;
    } bad[] = {{"min_severity", "loud"}, {"rate", "10"},         {"rate", "0 in 1m"},
               {"rate", "-1 in 1m"},     {"rate", "10 in 1d"},   {"rate", "10 in 25h"},
               {"rate", "10 in 1m x"},   {"rate", "2000 in 1m"}, {"command", "tell 'open"},
               {"webhook", "ftp://x/"}};
    struct world *w = *state;

    assert_int_equal(memferry_plugin.open(&w->host.host, &w->self), -EINVAL); /* no sink */
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fake_host host;
        fake_host_init(&host, memferry_plugin.options);
        host.host.state_dir = w->dir;
        host.quiet = true;
        fake_host_set(&host, "desktop", "yes");
        fake_host_set(&host, "secret", SECRET);
        fake_host_set(&host, bad[i].name, bad[i].value);
        if (memferry_plugin.open(&host.host, &w->self) != -EINVAL) {
            fail_msg("%s = %s was taken", bad[i].name, bad[i].value);
        }
        assert_true(atomic_load(&host.warnings) > 0);
        fake_host_deinit(&host);
    }
    w->self = NULL;
}

/* ---- the command ---- */

static void test_a_command_gets_the_alert_by_variables_and_stdin(void **state)
{
    struct world *w = *state;

    use_command(w, "env | grep ^MEMFERRY_ | sort > $OUT; cat > $OUT.in");
    begin(w);
    assert_done(tell(w, sample("x/1", 12)));
    read_file(w, w->out);
    assert_non_null(strstr(w->text, "MEMFERRY_ALERT_ID=x/1\n"));
    assert_non_null(strstr(w->text, "MEMFERRY_ALERT_AT=2026-01-01T00:00:00Z\n"));
    assert_non_null(strstr(w->text, "MEMFERRY_ALERT_SEVERITY=warning\n"));
    assert_non_null(strstr(w->text, "MEMFERRY_ALERT_COUNT=12\n"));
    assert_non_null(strstr(w->text, "MEMFERRY_ALERT_PEER_PID=4711\n"));
    assert_non_null(strstr(w->text, "MEMFERRY_ALERT_UNDO=memferry undo x\n"));
    assert_non_null(strstr(w->text, "MEMFERRY_BACKEND=test\n"));
    strcat(w->out, ".in");
    json_t *root = json_loads(read_file(w, w->out), 0, NULL);
    assert_non_null(root);
    const json_t *alert = json_object_get(root, "alert");
    assert_string_equal(json_string_value(json_object_get(alert, "summary")),
                        "12 memories were deleted");
    assert_int_equal(json_integer_value(json_object_get(alert, "count")), 12);
    json_decref(root);
}

static void test_no_text_of_an_alert_is_a_command(void **state)
{
    static const char hostile[] = "$(touch pwned) `touch pwned`; touch pwned\n'\"\\ | & > pwned * "
                                  "$HOME %s %n \xc3\xa4";
    struct memferry_string samples[] = {text(hostile), text("a b")};
    struct world *w = *state;
    struct memferry_alert alert = sample(hostile, 1);

    alert.summary = alert.undo = alert.statement = alert.peer_command = alert.session_id =
        text(hostile);
    alert.sample_ids = samples;
    alert.sample_count = 2;
    use_command(w, "printf %s \"$MEMFERRY_ALERT_ID\" > $OUT; ls > $OUT.ls; cat > $OUT.in");
    use_log_file(w);
    begin(w);
    assert_done(tell(w, alert));
    assert_string_equal(read_file(w, w->out), hostile);
    assert_int_equal(line_count(w, w->log_file), 1);
    json_t *root = json_loads(w->text, 0, NULL);
    const json_t *found = json_object_get(root, "alert");
    assert_string_equal(json_string_value(json_object_get(found, "id")), hostile);
    assert_string_equal(json_string_value(json_object_get(found, "statement")), hostile);
    assert_string_equal(json_string_value(json_array_get(json_object_get(found, "sample_ids"), 0)),
                        hostile);
    json_decref(root);
    char path[128];
    snprintf(path, sizeof path, "%s/pwned", w->dir);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access("/pwned", F_OK), -1);
}

static void test_words_of_the_command_reach_it_as_they_are(void **state)
{
    struct world *w = *state;
    char line[256];

    use_command(w, "for word; do echo \"$word\"; done > $OUT");
    snprintf(line, sizeof line, "%s --to 'the team' $(id) '*' ;", w->script);
    fake_host_set(&w->host, "command", line);
    begin(w);
    assert_done(tell(w, sample("x", 1)));
    assert_string_equal(read_file(w, w->out), "--to\nthe team\n$(id)\n*\n;\n");
}

static void test_secrets_of_the_broker_do_not_reach_the_command(void **state)
{
    struct world *w = *state;

    setenv("NEO4J_PASSWORD", SECRET, 1);
    use_command(w, "env > $OUT");
    begin(w);
    assert_done(tell(w, sample("x", 1)));
    unsetenv("NEO4J_PASSWORD");
    assert_null(strstr(read_file(w, w->out), SECRET));
    assert_non_null(strstr(w->text, "PATH="));
}

static void test_exit_status_decides(void **state)
{
    struct world *w = *state;

    use_command(w, "echo no such room; echo second line; exit 3");
    begin(w);
    assert_retry(tell(w, sample("x", 1)), MEMFERRY_BLAME_RECORD, "exit status 3: no such room");
    assert_null(strstr(tell(w, sample("x", 1)).reason.text, "second line"));
    use_command(w, "echo never; exit 65");
    struct memferry_outcome outcome = tell(w, sample("x", 1));
    assert_int_equal(outcome.verdict, MEMFERRY_REJECT);
    assert_non_null(strstr(outcome.reason.text, "never"));
    use_command(w, "kill -9 $$");
    assert_retry(tell(w, sample("x", 1)), MEMFERRY_BLAME_RECORD, "signal 9");
    use_command(w, "exit 0");
    assert_done(tell(w, sample("x", 1)));
}

/* Gone, or a zombie that nobody has fetched. */
static bool is_dead(struct world *w, const char *pid)
{
    char path[64], *state;

    snprintf(path, sizeof path, "/proc/%d/stat", atoi(pid));
    read_file(w, path);
    state = strrchr(w->text, ')');
    return state == NULL || state[2] == 'Z' || state[2] == 'X';
}

static void test_a_command_that_hangs_is_killed_with_its_children(void **state)
{
    struct world *w = *state;
    char pid[32];

    fake_host_set(&w->host, "command_timeout", "300");
    use_command(w, "trap '' TERM; sleep 1000 & echo $! > $OUT; wait; wait");
    begin(w);
    assert_retry(tell(w, sample("x", 1)), MEMFERRY_BLAME_RECORD, "did not end in 300 ms");
    snprintf(pid, sizeof pid, "%.20s", read_file(w, w->out));
    while (!is_dead(w, pid)) { /* the kernel is about to end it */
        sched_yield();
    }
}

static void test_a_stop_of_the_broker_ends_the_command(void **state)
{
    struct world *w = *state;
    char *argv[] = {(char *)(uintptr_t) "sleep", (char *)(uintptr_t) "1000", NULL},
         *envp[] = {NULL};
    struct memferry_reason why;
    char *path = run_find("sleep", &why);
    struct run run = {.host = &w->host.host,
                      .path = path,
                      .argv = argv,
                      .envp = envp,
                      .input = "",
                      .timeout_ms = 600000};
    struct run_result result;

    fake_host_cancel(&w->host);
    run_program(&run, &result);
    assert_int_equal(result.end, RUN_CANCELLED);
    free(path);
    use_log_file(w);
    begin(w);
    assert_int_equal(tell(w, sample("x", 1)).verdict, 0); /* left alone: RETRY */
    fake_host_uncancel(&w->host);
}

static void test_output_without_end_is_bounded(void **state)
{
    struct world *w = *state;

    use_command(w, "yes 0123456789 | head -c 5000000; exit 4");
    begin(w);
    struct memferry_outcome outcome = tell(w, sample("x", 1));
    assert_retry(outcome, MEMFERRY_BLAME_RECORD, "exit status 4: 0123456789");
}

static void test_a_command_that_reads_nothing_is_fine(void **state)
{
    struct world *w = *state;

    use_command(w, "exec <&- >&- 2>&-; exit 0");
    begin(w);
    assert_done(tell(w, sample("x", 1)));
}

static void test_a_command_that_cannot_be_started_blames_the_backend(void **state)
{
    struct world *w = *state;
    struct memferry_reason why;

    fake_host_set(&w->host, "command", "/nonexistent/tell");
    begin(w);
    assert_retry(tell(w, sample("x", 1)), MEMFERRY_BLAME_BACKEND, "no such file");
    assert_int_equal(memferry_plugin.probe(w->self, &why), -ENOENT);
    assert_non_null(strstr(why.text, "command: /nonexistent/tell"));
    fake_host_set(&w->host, "command", "memferry-there-is-no-such-program");
    begin(w);
    assert_retry(tell(w, sample("x", 1)), MEMFERRY_BLAME_BACKEND, "in PATH");
    use_command(w, "exit 0");
    chmod(w->script, 0600);
    begin(w);
    assert_true(memferry_plugin.probe(w->self, &why) < 0);
    assert_non_null(strstr(why.text, "chmod +x"));
}

static void test_a_file_without_an_interpreter_is_given_to_no_shell(void **state)
{
    struct world *w = *state;

    use_command(w, "");
    FILE *file = fopen(w->script, "we");
    fprintf(file, "touch %s\n", w->out);
    fclose(file);
    begin(w);
    assert_retry(tell(w, sample("x", 1)), MEMFERRY_BLAME_BACKEND, "Exec format error");
    assert_int_equal(access(w->out, F_OK), -1);
}

/* ---- the desktop ---- */

static void use_desktop(struct world *w)
{
    char script[128];

    snprintf(script, sizeof script, "%s/notify-send", w->dir);
    FILE *file = fopen(script, "we");
    fprintf(file, "#!/bin/sh\nfor word; do echo \"$word\"; done > %s\n", w->out);
    fclose(file);
    chmod(script, 0700);
    fake_host_set(&w->host, "desktop", "yes");
}

static void test_the_desktop_is_told_by_notify_send(void **state)
{
    struct world *w = *state;
    char path[4096], *before = strdup(getenv("PATH"));
    struct memferry_alert alert = sample("x", 1);
    struct memferry_reason why;

    use_desktop(w);
    begin(w);
    snprintf(path, sizeof path, "%s:%s", w->dir, before);
    setenv("PATH", path, 1);
    setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent", 1);
    alert.severity = MEMFERRY_SEVERITY_CRITICAL;
    alert.summary = text("--icon=<b>a & b</b>");
    assert_int_equal(memferry_plugin.probe(w->self, &why), 0);
    assert_done(tell(w, alert));
    assert_string_equal(read_file(w, w->out),
                        "--app-name=memferry\n--urgency=critical\n--\nmemferry: rapid-delete\n"
                        "--icon=&lt;b&gt;a &amp; b&lt;/b&gt;\nTo undo: memferry undo x\n");
    unsetenv("DBUS_SESSION_BUS_ADDRESS");
    unsetenv("XDG_RUNTIME_DIR");
    assert_true(memferry_plugin.probe(w->self, &why) < 0);
    assert_non_null(strstr(why.text, "no desktop session"));
    assert_retry(tell(w, sample("y", 1)), MEMFERRY_BLAME_BACKEND, "no desktop session");
    setenv("PATH", before, 1);
    free(before);
}

/* ---- the file ---- */

static void test_the_file_is_private_and_a_line_an_alert(void **state)
{
    struct world *w = *state;
    struct stat st;

    use_log_file(w);
    begin(w);
    assert_done(tell(w, sample("x", 1)));
    assert_done(tell(w, sample("y", 1)));
    assert_int_equal(line_count(w, w->log_file), 2);
    assert_int_equal(stat(w->log_file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_a_torn_line_is_ended_first(void **state)
{
    struct world *w = *state;

    FILE *file = fopen(w->log_file, "we");
    fputs("{\"torn", file);
    fclose(file);
    use_log_file(w);
    begin(w);
    assert_done(tell(w, sample("x", 1)));
    assert_int_equal(line_count(w, w->log_file), 2);
    assert_non_null(strstr(w->text, "{\"torn\n{\"event\""));
}

static void test_a_link_or_a_directory_is_left_alone(void **state)
{
    struct world *w = *state;
    struct memferry_reason why;

    assert_int_equal(symlink("/etc/hostname", w->log_file), 0);
    use_log_file(w);
    begin(w);
    assert_retry(tell(w, sample("x", 1)), MEMFERRY_BLAME_BACKEND, "link");
    assert_true(memferry_plugin.probe(w->self, &why) < 0);
    unlink(w->log_file);
    mkdir(w->log_file, 0700);
    assert_retry(tell(w, sample("x", 1)), MEMFERRY_BLAME_BACKEND, w->log_file);
    rmdir(w->log_file);
    assert_int_equal(memferry_plugin.probe(w->self, &why), 0);
    assert_done(tell(w, sample("x", 1)));
}

/* ---- the webhook ---- */

static char *header(const char *request, const char *name, char value[256])
{
    const char *at = strcasestr(request, name);

    assert_non_null(at);
    at += strlen(name) + 2;
    snprintf(value, 256, "%.*s", (int)strcspn(at, "\r\n"), at);
    return value;
}

static void test_a_webhook_is_signed_and_says_the_alert(void **state)
{
    char id[256], timestamp[256], signature[256], hash[256];
    struct world *w = *state;
    struct webhook_signer *signer;
    struct memferry_reason why;

    use_webhook(w, 200);
    begin(w);
    assert_done(tell(w, sample("x/1", 12)));
    const char *request = fault_server_request(w->server, 0);
    const char *body = strstr(request, "\r\n\r\n") + 4;
    struct webhook_received received = {
        .id = header(request, "webhook-id", id),
        .timestamp = header(request, "webhook-timestamp", timestamp),
        .signature = header(request, "webhook-signature", signature),
        .hash = header(request, "X-Signature-256", hash)};
    assert_int_equal(webhook_signer_new(&signer, WEBHOOK_HASH_HEADER, &why), 0);
    assert_int_equal(webhook_signer_add(signer, SECRET, strlen(SECRET), &why), 0);
    assert_int_equal(webhook_verify(signer, &received, body, strlen(body), (int64_t)time(NULL)),
                     WEBHOOK_VALID);
    webhook_signer_free(signer);
    json_t *root = json_loads(body, 0, NULL);
    const json_t *event = json_object_get(root, "event"), *alert = json_object_get(root, "alert");
    assert_string_equal(json_string_value(json_object_get(event, "op")), "alert");
    assert_string_equal(json_string_value(json_object_get(event, "id")), id);
    assert_string_equal(json_string_value(json_object_get(alert, "id")), "x/1");
    assert_string_equal(json_string_value(json_object_get(alert, "session_id")), "s-1");
    assert_int_equal(json_integer_value(json_object_get(alert, "peer_pid")), 4711);
    assert_true(json_is_null(json_object_get(alert, "statement")));
    assert_int_equal(json_array_size(json_object_get(alert, "sample_ids")), 0);
    json_decref(root);
}

static void test_the_same_news_have_the_same_webhook_id(void **state)
{
    char first[256], second[256], third[256];
    struct world *w = *state;

    use_webhook(w, 500);
    begin(w);
    tell(w, sample("x", 12));
    tell(w, sample("x", 12));
    tell(w, sample("x", 13));
    header(fault_server_request(w->server, 0), "webhook-id", first);
    header(fault_server_request(w->server, 1), "webhook-id", second);
    header(fault_server_request(w->server, 2), "webhook-id", third);
    assert_string_equal(first, second);
    assert_string_not_equal(first, third);
}

static void test_a_ping_probes_the_webhook(void **state)
{
    struct world *w = *state;
    struct memferry_reason why;

    use_webhook(w, 200);
    begin(w);
    assert_int_equal(memferry_plugin.probe(w->self, &why), 0);
    assert_non_null(strstr(fault_server_request(w->server, 0), "\"op\":\"ping\""));
    fault_server_clear(w->server);
    fault_server_push(w->server, (struct fault_answer){.status = 401, .body = "no"});
    assert_true(memferry_plugin.probe(w->self, &why) < 0);
    assert_non_null(strstr(why.text, "webhook: "));
}

static void test_a_webhook_that_is_gone_pauses_only_what_is_alone(void **state)
{
    struct world *w = *state;

    use_webhook(w, 410);
    begin(w);
    assert_retry(tell(w, sample("x", 1)), MEMFERRY_BLAME_GONE, "410");
    use_log_file(w);
    begin(w);
    struct memferry_outcome outcome = tell(w, sample("x", 1));
    assert_int_equal(outcome.verdict, MEMFERRY_REJECT);
    assert_int_equal(outcome.blame, MEMFERRY_BLAME_RECORD);
    assert_int_equal(line_count(w, w->log_file), 1);
}

/* ---- several sinks ---- */

static void test_a_sink_that_failed_is_tried_again_alone(void **state)
{
    struct world *w = *state;

    use_webhook(w, 503);
    use_log_file(w);
    begin(w);
    assert_retry(tell(w, sample("x", 1)), MEMFERRY_BLAME_RECORD, "webhook: ");
    begin(w); /* the broker was restarted */
    assert_retry(tell(w, sample("x", 1)), MEMFERRY_BLAME_RECORD, "webhook: ");
    assert_int_equal(line_count(w, w->log_file), 1);
    fault_server_clear(w->server);
    fault_server_push(w->server, (struct fault_answer){.status = 200});
    assert_done(tell(w, sample("x", 1)));
    assert_int_equal(line_count(w, w->log_file), 1);
    assert_int_equal(fault_server_request_count(w->server), 1);
}

static void test_deliveries_go_on_while_one_sink_works(void **state)
{
    struct world *w = *state;
    struct memferry_reason why;

    use_webhook(w, 401);
    use_log_file(w);
    begin(w);
    assert_int_equal(memferry_plugin.probe(w->self, &why), 0);
    assert_true(atomic_load(&w->host.warnings) > 0);
    assert_retry(tell(w, sample("x", 1)), MEMFERRY_BLAME_RECORD, "401");
    assert_int_equal(line_count(w, w->log_file), 1);
}

/* ---- once ---- */

static void test_the_same_news_are_told_once(void **state)
{
    struct world *w = *state;

    use_log_file(w);
    begin(w);
    for (int i = 0; i < 3; i++) {
        assert_done(tell(w, sample("x", 12)));
        assert_done(tell(w, sample("x", 11))); /* older */
        begin(w);
    }
    assert_int_equal(line_count(w, w->log_file), 1);
    assert_done(tell(w, sample("x", 13)));
    assert_int_equal(line_count(w, w->log_file), 2);
}

static void test_damage_in_what_was_told_costs_a_repeat_at_most(void **state)
{
    struct world *w = *state;
    char path[96];

    use_log_file(w);
    begin(w);
    assert_done(tell(w, sample("x", 12)));
    assert_done(tell(w, sample("y", 12)));
    end(w);
    snprintf(path, sizeof path, "%s/told", w->dir);
    FILE *file = fopen(path, "ae");
    fputs("garbage\n0011 1 1 1\n\xff\xff\xff", file);
    fclose(file);
    begin(w);
    assert_done(tell(w, sample("x", 12)));
    assert_done(tell(w, sample("z", 12)));
    begin(w);
    assert_done(tell(w, sample("y", 12)));
    assert_done(tell(w, sample("z", 12)));
    assert_int_equal(line_count(w, w->log_file), 3);
    assert_int_equal(line_count(w, path), 3); /* garbage is gone */
}

static void test_what_was_told_is_bounded(void **state)
{
    struct world *w = *state;
    struct told *told;
    struct told_entry entry = {.count = 1, .sinks = 1};

    assert_int_equal(told_open(&told, &w->host.host), 0);
    for (unsigned i = 0; i < TOLD_MAX + 100; i++) {
        memcpy(entry.hash, &i, sizeof i);
        entry.at_ms = i;
        told_put(told, &entry);
    }
    told_close(told);
    assert_int_equal(told_open(&told, &w->host.host), 0);
    int64_t oldest_ms;
    assert_int_equal(told_since(told, 0, &oldest_ms), TOLD_MAX);
    assert_int_equal(oldest_ms, 100);
    told_close(told);
}

static void test_no_room_for_what_was_told_stops_nobody(void **state)
{
    struct world *w = *state;

    w->host.host.state_dir = "/nonexistent";
    use_log_file(w);
    begin(w);
    assert_done(tell(w, sample("x", 1)));
    assert_done(tell(w, sample("x", 1)));
    assert_int_equal(line_count(w, w->log_file), 1);
    assert_int_equal(atomic_load(&w->host.warnings), 1);
}

/* ---- not too much ---- */

static void test_less_severe_alerts_are_passed_over(void **state)
{
    struct world *w = *state;
    struct memferry_alert alert = sample("x", 1);

    fake_host_set(&w->host, "min_severity", "critical");
    use_log_file(w);
    begin(w);
    assert_done(tell(w, alert));
    assert_int_equal(line_count(w, w->log_file), 0);
    alert.severity = MEMFERRY_SEVERITY_CRITICAL;
    assert_done(tell(w, alert));
    assert_int_equal(line_count(w, w->log_file), 1);
}

static void test_an_alert_that_goes_on_waits_to_be_told_as_one(void **state)
{
    struct world *w = *state;

    fake_host_set(&w->host, "again", "60s");
    use_log_file(w);
    begin(w);
    assert_done(tell(w, sample("x", 11)));
    struct memferry_outcome outcome = tell(w, sample("x", 12));
    assert_retry(outcome, MEMFERRY_BLAME_RECORD, "again");
    assert_in_range(outcome.retry_after_ms, 1, 60000);
    begin(w); /* a restart changes nothing */
    assert_retry(tell(w, sample("x", 13)), MEMFERRY_BLAME_RECORD, "again");
    assert_done(tell(w, sample("y", 1)));
    assert_int_equal(line_count(w, w->log_file), 2);
}

static void test_with_enough_told_the_others_wait_and_the_worst_goes_first(void **state)
{
    struct world *w = *state;
    struct memferry_alert alerts[] = {sample("a", 1), sample("b", 1), sample("c", 1),
                                      sample("worst", 1)};
    struct memferry_outcome outcomes[4] = {0};

    alerts[3].severity = MEMFERRY_SEVERITY_CRITICAL;
    fake_host_set(&w->host, "rate", "2 in 1h");
    use_log_file(w);
    begin(w);
    memferry_plugin.notify(w->self, alerts, 4, outcomes);
    assert_done(outcomes[3]);
    assert_done(outcomes[0]);
    for (int i = 1; i < 3; i++) {
        assert_retry(outcomes[i], MEMFERRY_BLAME_BACKEND, "rate");
        assert_in_range(outcomes[i].retry_after_ms, 1, 3600000);
    }
    assert_int_equal(line_count(w, w->log_file), 2);
    assert_done(tell(w, alerts[0])); /* that was told already: it costs nothing */
    begin(w);
    assert_retry(tell(w, alerts[1]), MEMFERRY_BLAME_BACKEND, "rate");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_command_line_is_split_as_written),
        TEST(test_a_command_line_without_sense_is_refused),
        TEST(test_a_config_without_sense_is_refused),
        TEST(test_a_command_gets_the_alert_by_variables_and_stdin),
        TEST(test_no_text_of_an_alert_is_a_command),
        TEST(test_words_of_the_command_reach_it_as_they_are),
        TEST(test_secrets_of_the_broker_do_not_reach_the_command),
        TEST(test_exit_status_decides),
        TEST(test_a_command_that_hangs_is_killed_with_its_children),
        TEST(test_a_stop_of_the_broker_ends_the_command),
        TEST(test_output_without_end_is_bounded),
        TEST(test_a_command_that_reads_nothing_is_fine),
        TEST(test_a_command_that_cannot_be_started_blames_the_backend),
        TEST(test_a_file_without_an_interpreter_is_given_to_no_shell),
        TEST(test_the_desktop_is_told_by_notify_send),
        TEST(test_the_file_is_private_and_a_line_an_alert),
        TEST(test_a_torn_line_is_ended_first),
        TEST(test_a_link_or_a_directory_is_left_alone),
        TEST(test_a_webhook_is_signed_and_says_the_alert),
        TEST(test_the_same_news_have_the_same_webhook_id),
        TEST(test_a_ping_probes_the_webhook),
        TEST(test_a_webhook_that_is_gone_pauses_only_what_is_alone),
        TEST(test_a_sink_that_failed_is_tried_again_alone),
        TEST(test_deliveries_go_on_while_one_sink_works),
        TEST(test_the_same_news_are_told_once),
        TEST(test_damage_in_what_was_told_costs_a_repeat_at_most),
        TEST(test_what_was_told_is_bounded),
        TEST(test_no_room_for_what_was_told_stops_nobody),
        TEST(test_less_severe_alerts_are_passed_over),
        TEST(test_an_alert_that_goes_on_waits_to_be_told_as_one),
        TEST(test_with_enough_told_the_others_wait_and_the_worst_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
