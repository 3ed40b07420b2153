/* bulk_report.c - what is told while a file of memories is put: progress and a summary for people,
 * a line of JSON for each memory for programs. Cannot fail. */
#include "client/cli/bulk_state.h"
#include "client/cli/json.h"
#include "client/cli/times.h"

#define PROGRESS_MS 100

static bool progress_wanted(const struct bulk *bulk)
{
    return bulk->cli->err_terminal && !bulk->cli->quiet && !bulk->cli->json;
}

void progress_show(struct bulk *bulk)
{
    int64_t now = time_now_ms(), elapsed = now - bulk->started_ms;

    if (progress_wanted(bulk) && now - bulk->shown_ms >= PROGRESS_MS) {
        bulk->shown_ms = now;
        fprintf(bulk->cli->err, "\r%lu stored, %lu failed, %lld a second\x1b[K", bulk->stored,
                bulk->failed, (long long)((int64_t)bulk->stored * 1000 / (elapsed + 1)));
        fflush(bulk->cli->err);
    }
}

void progress_clear(const struct bulk *bulk)
{
    if (progress_wanted(bulk) && bulk->shown_ms != 0) {
        fputs("\r\x1b[K", bulk->cli->err);
    }
}

void report_failed(struct bulk *bulk, unsigned long line, int exit_code, const char *why)
{
    bulk->failed++;
    progress_clear(bulk);
    cli_fail(bulk->cli, exit_code, "%s:%lu: %s", bulk->file, line, why);
}

void report_stored(struct bulk *bulk, unsigned long line, const struct memferry_node *receipt)
{
    struct json json;

    bulk->stored++;
    bulk->duplicates += field_bool(receipt, "duplicate");
    if (!bulk->cli->json || bulk->cli->quiet) {
        return;
    }
    json_open(&json);
    json_field_int(&json, "line", (int64_t)line);
    json_field_text(&json, "id", field_text(receipt, "id"));
    json_field_int(&json, "seq", field_int(receipt, "seq"));
    json_field_bool(&json, "duplicate", field_bool(receipt, "duplicate"));
    json_field_bool(&json, "durable", field_bool(receipt, "durable"));
    const char *text = json_close(&json);
    fprintf(bulk->cli->out, "%s\n", text != NULL ? text : "{}");
    json_free(&json);
}

void report_summary(const struct bulk *bulk)
{
    char took[TIME_TEXT_SIZE], again[64] = "";

    progress_clear(bulk);
    if (bulk->cli->quiet || bulk->cli->json) {
        return;
    }
    if (bulk->duplicates > 0) {
        snprintf(again, sizeof again, " (%lu were there before)", bulk->duplicates);
    }
    fprintf(bulk->cli->out, "%lu stored%s, %lu failed, in %s\n", bulk->stored, again, bulk->failed,
            duration_text(time_now_ms() - bulk->started_ms, took));
}
