/*
 * top_draw.c - a look as lines of text, each cut where the terminal ends.
 *
 * Rates are differences of counters between two looks, by the monotonic clock. A counter that went
 * back is another broker's: then there is none.
 */
#include "client/cli/text.h"
#include "client/cli/times.h"
#include "client/heavy/top.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#define LINE_SIZE 600

enum style { STYLE_PLAIN = 0, STYLE_BOLD, STYLE_DIM, STYLE_RED };

static const char *const styles[] = {"", "\x1b[1m", "\x1b[2m", "\x1b[31m"};

struct drawing {
    struct top_frame *frame;
    unsigned row;
};

__attribute__((format(printf, 3, 4))) static void line(struct drawing *drawing, enum style style,
                                                       const char *format, ...)
{
    struct top_frame *frame = drawing->frame;
    char text[LINE_SIZE];
    bool styled = frame->color && style != STYLE_PLAIN;
    va_list args;

    if (frame->rows != 0 && drawing->row >= frame->rows) {
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (drawing->row > 0) {
        fputc('\n', frame->out);
    }
    drawing->row++;
    fputs(styled ? styles[style] : "", frame->out);
    text_print_line(frame->out, text, frame->columns);
    fputs(styled ? "\x1b[0m" : "", frame->out);
    fputs(frame->screen ? "\x1b[K" : "", frame->out);
}

/* ---- numbers ---- */

#define NUMBER_SIZE 32

static const char *size_text(int64_t bytes, char text[NUMBER_SIZE])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    snprintf(text, NUMBER_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

/* "-" without a rate. */
static const char *rate_text(int64_t now, const int64_t *before, int64_t span_ms,
                             char text[NUMBER_SIZE])
{
    if (before == NULL || span_ms <= 0 || now < *before) {
        snprintf(text, NUMBER_SIZE, "-");
    } else {
        snprintf(text, NUMBER_SIZE, "%.1f", (double)(now - *before) * 1000 / (double)span_ms);
    }
    return text;
}

static int64_t stat_of(const struct top_look *look, const char *part, const char *key)
{
    return field_int(memferry_node_get(look->look.stats, part), key);
}

static bool can_compare(const struct top_look *look, const struct top_look *before)
{
    return before != NULL && before->answered &&
           stat_of(look, "server", "pid") == stat_of(before, "server", "pid");
}

static const char *stat_rate(const struct top_look *look, const struct top_look *before,
                             const char *part, const char *key, char text[NUMBER_SIZE])
{
    bool can = can_compare(look, before);
    int64_t was = can ? stat_of(before, part, key) : 0;

    return rate_text(stat_of(look, part, key), can ? &was : NULL,
                     can ? look->look.at_ms - before->look.at_ms : 0, text);
}

/* ---- the broker ---- */

static void draw_broker(struct drawing *drawing, const struct top_look *look,
                        const struct top_look *before)
{
    const struct memferry_node *server = memferry_node_get(look->look.stats, "server");
    char uptime[TIME_TEXT_SIZE], rss[NUMBER_SIZE], cpu[NUMBER_SIZE] = "-";

    if (can_compare(look, before) && look->look.at_ms > before->look.at_ms) {
        snprintf(cpu, sizeof cpu, "%.1f %%",
                 (double)(stat_of(look, "server", "cpu_ms") - stat_of(before, "server", "cpu_ms")) *
                     100 / (double)(look->look.at_ms - before->look.at_ms));
    }
    line(drawing, STYLE_BOLD, "memferryd %s   pid %lld   up %s   memory %s   processor %s",
         field_text(server, "version"), (long long)field_int(server, "pid"),
         duration_text(field_int(server, "uptime_ms"), uptime),
         size_text(field_int(server, "rss_bytes"), rss), cpu);
    if (!field_bool(look->look.health, "ok") && look->look.health != NULL) {
        line(drawing, STYLE_RED, "something stands still: memferry doctor");
    }
}

static void draw_traffic(struct drawing *drawing, const struct top_look *look,
                         const struct top_look *before)
{
    const struct memferry_node *put =
        memferry_node_get(memferry_node_get(look->look.stats, "latency"), "put");
    char events[NUMBER_SIZE], requests[NUMBER_SIZE], errors[NUMBER_SIZE];

    line(drawing, STYLE_PLAIN,
         "requests  %s/s, %s errors/s; connections %lld of %lld, %lld of them told of events",
         stat_rate(look, before, "requests", "all", requests),
         stat_rate(look, before, "requests", "errors", errors),
         (long long)stat_of(look, "peers", "now"), (long long)stat_of(look, "peers", "max"),
         (long long)stat_of(look, "peers", "subscribed"));
    line(drawing, STYLE_PLAIN, "written   %s/s, durable in %.2f ms (median), %.2f ms (99 %%)",
         stat_rate(look, before, "journal", "records", events),
         (double)field_int(put, "p50_us") / 1000, (double)field_int(put, "p99_us") / 1000);
}

static void draw_storage(struct drawing *drawing, const struct top_look *look)
{
    char store[NUMBER_SIZE], wal[NUMBER_SIZE], index[NUMBER_SIZE], left[NUMBER_SIZE];
    long long behind = stat_of(look, "search", "behind");

    line(drawing, STYLE_PLAIN,
         "memories  %lld, and %lld deleted; %lld events; %lld wait for a vector",
         (long long)stat_of(look, "store", "memories"),
         (long long)stat_of(look, "store", "deleted"), (long long)stat_of(look, "store", "events"),
         (long long)stat_of(look, "store", "embeddings_pending"));
    line(drawing, STYLE_PLAIN,
         "journal   to %lld in %lld segments, %lld not in the store yet; search %lld behind",
         (long long)stat_of(look, "journal", "committed_seq"),
         (long long)stat_of(look, "journal", "segments"),
         (long long)stat_of(look, "store", "unapplied"), behind);
    line(drawing, STYLE_PLAIN, "disk      store %s, WAL %s, search %s; %s free",
         size_text(stat_of(look, "store", "bytes"), store),
         size_text(stat_of(look, "store", "wal_bytes"), wal),
         size_text(stat_of(look, "search", "bytes"), index),
         size_text(stat_of(look, "disk", "free_bytes"), left));
}

/* ---- backends ---- */

static const struct memferry_node *find_backend(const struct top_look *look, const char *name)
{
    for (size_t i = 0; i < memferry_node_count(look->look.backends); i++) {
        const struct memferry_node *backend = memferry_node_at(look->look.backends, i);
        if (strcmp(field_text(backend, "name"), name) == 0) {
            return backend;
        }
    }
    return NULL;
}

static void draw_backend(struct drawing *drawing, const struct memferry_node *backend,
                         const struct top_look *look, const struct top_look *before)
{
    const char *name = field_text(backend, "name"), *health = field_text(backend, "health");
    const struct memferry_node *was_there =
        can_compare(look, before) ? find_backend(before, name) : NULL;
    int64_t was = field_int(was_there, "delivered"),
            oldest = field_int(backend, "oldest_pending_ms");
    char rate[NUMBER_SIZE], age[TIME_TEXT_SIZE] = "-";

    if (oldest > 0) {
        duration_text(oldest, age);
    }
    rate_text(field_int(backend, "delivered"), was_there != NULL ? &was : NULL,
              was_there != NULL ? look->look.at_ms - before->look.at_ms : 0, rate);
    bool is_down = strcmp(health, "down") == 0;
    line(drawing, is_down ? STYLE_RED : STYLE_PLAIN,
         "%-15.15s %-8s %-7s %8lld %11s %8s %7lld %7lld", name, health,
         field_text(backend, "circuit"), (long long)field_int(backend, "pending"), age, rate,
         (long long)field_int(backend, "deferred"), (long long)field_int(backend, "dead"));
    if (is_down || field_int(backend, "deferred") > 0) {
        line(drawing, STYLE_DIM, "    %s", field_text(backend, "last_error"));
    }
}

static void draw_backends(struct drawing *drawing, const struct top_look *look,
                          const struct top_look *before)
{
    size_t count = memferry_node_count(look->look.backends);

    line(drawing, STYLE_PLAIN, "%s", "");
    if (count == 0) {
        line(drawing, STYLE_DIM, "no backends: memories stay on this machine");
        return;
    }
    line(drawing, STYLE_BOLD, "%-15s %-8s %-7s %8s %11s %8s %7s %7s", "backend", "health",
         "circuit", "pending", "oldest", "taken/s", "retry", "dead");
    for (size_t i = 0; i < count; i++) {
        draw_backend(drawing, memferry_node_at(look->look.backends, i), look, before);
    }
}

/* ---- alerts and sessions ---- */

static void draw_alerts(struct drawing *drawing, const struct top_look *look)
{
    const struct memferry_node *alerts =
        memferry_node_get(memferry_reply_root(look->alerts), "alerts");
    char at[TIME_TEXT_SIZE];

    line(drawing, STYLE_PLAIN, "%s", "");
    line(drawing, STYLE_BOLD, "alerts that are not acked: %lld",
         (long long)stat_of(look, "store", "alerts_open"));
    for (size_t i = 0; i < memferry_node_count(alerts); i++) {
        const struct memferry_node *alert = memferry_node_at(alerts, i);
        const char *severity = field_text(alert, "severity");
        line(drawing, strcmp(severity, "critical") == 0 ? STYLE_RED : STYLE_PLAIN,
             "%-8s  %s  %4lld  %s", severity, time_text(field_int(alert, "at_ms"), true, at),
             (long long)field_int(alert, "count"), field_text(alert, "summary"));
    }
}

static void draw_sessions(struct drawing *drawing, const struct top_look *look)
{
    const struct memferry_node *sessions =
        memferry_node_get(memferry_reply_root(look->sessions), "sessions");
    char age[TIME_TEXT_SIZE];

    line(drawing, STYLE_PLAIN, "%s", "");
    line(drawing, STYLE_BOLD, "sessions that have not ended: %lld",
         (long long)stat_of(look, "store", "sessions_active"));
    for (size_t i = 0; i < memferry_node_count(sessions); i++) {
        const struct memferry_node *session = memferry_node_at(sessions, i);
        int64_t seen_ms = time_now_ms() - field_int(session, "seen_ms");
        line(drawing, STYLE_PLAIN, "%-36s  %-12.12s  seen %s ago  %s", field_text(session, "id"),
             field_text(session, "agent"), duration_text(seen_ms > 0 ? seen_ms : 0, age),
             field_text(session, "cwd"));
    }
}

void top_draw(struct top_frame *frame, const struct top_look *look, const struct top_look *before)
{
    struct drawing drawing = {.frame = frame};

    fputs(frame->screen ? "\x1b[H" : "", frame->out);
    if (look->answered) {
        draw_broker(&drawing, look, before);
        draw_traffic(&drawing, look, before);
        draw_storage(&drawing, look);
        draw_backends(&drawing, look, before);
        draw_alerts(&drawing, look);
        draw_sessions(&drawing, look);
    } else {
        line(&drawing, STYLE_RED, "%s", look->problem);
    }
    fputs(frame->screen ? "\x1b[J" : "\n", frame->out);
}
