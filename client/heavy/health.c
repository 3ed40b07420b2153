/*
 * health.c - memferry health: does it go on? For monitoring, with the exit codes of its plugins: 0
 * ok, 1 warning, 2 critical.
 *
 * Judged by progress: by the age of the oldest memory that a backend does not have, and by whether
 * the broker's threads finish what they have to do; not by whether a process runs.
 */
#include "client/cli/backends.h"
#include "client/cli/json.h"
#include "client/cli/text.h"
#include "client/cli/times.h"
#include "client/heavy/heavy.h"
#include "client/heavy/look.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FINDINGS_MAX 64 /* told; more only count */

#define STUCK_MS  (15 * 60 * 1000)
#define DOWN_MS   (24 * 3600 * 1000)
#define BEHIND_MS (5 * 60 * 1000)

enum state { STATE_OK = 0, STATE_WARNING, STATE_CRITICAL };

static const char *const state_names[] = {"OK", "WARNING", "CRITICAL"};

struct finding {
    enum state state;
    char text[400];
};

struct health {
    int64_t stuck_ms, down_ms, behind_ms;
    enum state state;
    struct finding findings[FINDINGS_MAX];
    size_t count;
    int64_t oldest_ms; /* pending, of all backends */
    size_t backends;
    bool answered;
};

__attribute__((format(printf, 3, 4))) static void find(struct health *health, enum state state,
                                                       const char *format, ...)
{
    va_list args;

    health->state = state > health->state ? state : health->state;
    if (health->count == FINDINGS_MAX) {
        return;
    }
    struct finding *finding = &health->findings[health->count++];
    finding->state = state;
    va_start(args, format);
    vsnprintf(finding->text, sizeof finding->text, format, args);
    va_end(args);
}

/* ---- backends ---- */

/* One that is reachable. */
static void judge_ok(struct health *health, const char *name, int64_t oldest_ms)
{
    char age[TIME_TEXT_SIZE];

    if (oldest_ms >= health->stuck_ms) {
        find(health, STATE_CRITICAL,
             "backend %s is stuck: it is reachable, but its oldest memory has waited for %s", name,
             duration_text(oldest_ms, age));
    } else if (oldest_ms >= health->behind_ms) {
        find(health, STATE_WARNING, "backend %s is behind: its oldest memory has waited for %s",
             name, duration_text(oldest_ms, age));
    }
}

/* One that is not: a pause is somebody's wish, and is no fault while nothing waits for long. */
static void judge_not_ok(struct health *health, const struct memferry_node *backend,
                         int64_t oldest_ms)
{
    bool is_paused = field_bool(backend, "paused");
    char age[TIME_TEXT_SIZE];

    if (is_paused && oldest_ms < health->behind_ms) {
        return;
    }
    find(health, oldest_ms >= health->down_ms ? STATE_CRITICAL : STATE_WARNING,
         "backend %s is %s%s%s%s%.200s", field_text(backend, "name"), is_paused ? "paused" : "down",
         oldest_ms > 0 ? ", and its oldest memory has waited for " : "",
         oldest_ms > 0 ? duration_text(oldest_ms, age) : "", is_paused ? "" : ": ",
         is_paused ? "" : field_text(backend, "last_error"));
}

static void judge_backend(struct health *health, const struct memferry_node *backend)
{
    const char *name = field_text(backend, "name");
    int64_t oldest_ms = field_int(backend, "oldest_pending_ms"), dead = field_int(backend, "dead");

    health->backends++;
    health->oldest_ms = oldest_ms > health->oldest_ms ? oldest_ms : health->oldest_ms;
    if (strcmp(field_text(backend, "health"), "ok") == 0) {
        judge_ok(health, name, oldest_ms);
    } else {
        judge_not_ok(health, backend, oldest_ms);
    }
    if (dead > 0) {
        find(health, STATE_WARNING, "backend %s refuses %lld %s: memferry dead --backend %s", name,
             (long long)dead, look_memories(dead), name);
    }
}

/* ---- the broker ---- */

static void judge_stuck(struct health *health, const struct memferry_node *told)
{
    const struct memferry_node *stuck = memferry_node_get(told, "stuck");

    for (size_t i = 0; i < memferry_node_count(stuck); i++) {
        const char *what = memferry_node_string(memferry_node_at(stuck, i), "?");
        if (strcmp(what, "writer") == 0) {
            find(health, STATE_CRITICAL, "the journal's writer stands still: look at the disk");
        } else if (strcmp(what, "store") == 0) {
            find(health, STATE_CRITICAL, "the store stands still: look at the disk");
        } else {
            find(health, STATE_CRITICAL, "the plugin of backend %s does not end its call", what);
        }
    }
    if (field_bool(told, "full")) {
        find(health, STATE_CRITICAL, "the disk is full: new memories are refused");
    }
}

static void judge(struct health *health, const struct look *look)
{
    int64_t alerts = field_int(memferry_node_get(look->stats, "store"), "alerts_open");

    judge_stuck(health, look->health);
    for (size_t i = 0; i < memferry_node_count(look->backends); i++) {
        if (look_is_attached(memferry_node_at(look->backends, i))) {
            judge_backend(health, memferry_node_at(look->backends, i));
        }
    }
    if (alerts > 0) {
        find(health, STATE_WARNING, "%lld alert%s not acked: memferry alert", (long long)alerts,
             alerts == 1 ? " is" : "s are");
    }
}

/* ---- told ---- */

static void print_head(struct cli *cli, const struct health *health)
{
    char age[TIME_TEXT_SIZE];

    fprintf(cli->out, "%s%s%s: %zu backend%s, %s%s\n",
            health->state == STATE_CRITICAL ? cli_red(cli) : cli_bold(cli),
            state_names[health->state], cli_plain(cli), health->backends,
            health->backends == 1 ? "" : "s",
            health->oldest_ms > 0 ? "oldest pending " : "nothing pending",
            health->oldest_ms > 0 ? duration_text(health->oldest_ms, age) : "");
}

static void print_text(struct cli *cli, const struct health *health)
{
    if (health->answered) {
        print_head(cli, health);
    }
    for (size_t i = 0; i < health->count; i++) {
        fprintf(cli->out, "%s: ", state_names[health->findings[i].state]);
        text_print_line(cli->out, health->findings[i].text, 0);
        fputc('\n', cli->out);
    }
}

static void print_json(struct cli *cli, const struct health *health)
{
    struct json json;

    fprintf(cli->out, "{\"state\":\"%s\",\"oldest_pending_ms\":%lld,\"findings\":[",
            state_names[health->state], (long long)health->oldest_ms);
    for (size_t i = 0; i < health->count; i++) {
        json_open(&json);
        json_field_text(&json, "state", state_names[health->findings[i].state]);
        json_field_text(&json, "what", health->findings[i].text);
        const char *text = json_close(&json);
        fprintf(cli->out, "%s%s", i > 0 ? "," : "", text != NULL ? text : "null");
        json_free(&json);
    }
    fputs("]}\n", cli->out);
}

static int read_bound(struct cli *cli, const struct args *args, const char *name, int64_t *ret)
{
    const char *value = args_value(args, name);

    if (value != NULL && (!duration_parse(value, ret) || *ret == 0)) {
        return cli_usage(cli, "--%s %.40s is no duration; say 90s, 15m or 1d", name, value);
    }
    return EXIT_OK;
}

static int read_bounds(struct cli *cli, const struct args *args, struct health *health)
{
    int exit_code = read_bound(cli, args, "stuck", &health->stuck_ms);

    if (exit_code == EXIT_OK) {
        exit_code = read_bound(cli, args, "down", &health->down_ms);
    }
    return exit_code == EXIT_OK ? read_bound(cli, args, "behind", &health->behind_ms) : exit_code;
}

static int run(struct cli *cli, const struct args *args)
{
    struct health health = {.stuck_ms = STUCK_MS, .down_ms = DOWN_MS, .behind_ms = BEHIND_MS};
    struct look look;
    int exit_code = read_bounds(cli, args, &health);

    if (exit_code != EXIT_OK || args->word_count > 0) {
        return exit_code != EXIT_OK ? exit_code : cli_usage(cli, "health takes no words");
    }
    health.answered = look_take(cli, &look);
    if (health.answered) {
        judge(&health, &look);
    } else {
        find(&health, STATE_CRITICAL, "%.380s",
             cli->m != NULL ? memferry_error(cli->m) : "out of memory");
    }
    look_free(&look);
    if (cli->json) {
        print_json(cli, &health);
    } else {
        print_text(cli, &health);
    }
    return (int)health.state;
}

int main(int argc, char **argv)
{
    return heavy_main(argc, argv, "health", run);
}
