/* bulk_state.h - a file of memories on its way: what is read, sent and answered. Internal to bulk.
 */
#ifndef MEMFERRY_CLI_BULK_STATE_H
#define MEMFERRY_CLI_BULK_STATE_H

#include "client/cli/cli.h"
#include "client/cli/lines.h"

#include <stddef.h>
#include <stdint.h>

#define BULK_WINDOW 256 /* requests in flight */

struct bulk_item {
    char *params; /* NULL: free */
    size_t size;
    uint64_t tag;
    unsigned long line;
    unsigned attempts;
    bool waiting; /* to be sent again */
    bool retry;   /* says so in its params */
};

struct bulk {
    struct cli *cli;
    const char *file, *session;
    struct line_reader lines;
    struct bulk_item items[BULK_WINDOW];
    size_t bytes, waiting;
    unsigned long stored, duplicates, failed;
    int64_t started_ms, shown_ms;
    bool ended;     /* no line left, or none wanted */
    bool no_broker; /* waited for in vain */
    int exit_code;  /* of what ended it early */
};

/* ---- bulk_report.c ---- */

/* The line of progress, on a terminal, now and then; clear it before another is printed. */
void progress_show(struct bulk *bulk);
void progress_clear(const struct bulk *bulk);
void report_failed(struct bulk *bulk, unsigned long line, int exit_code, const char *why);
void report_stored(struct bulk *bulk, unsigned long line, const struct memferry_node *receipt);
void report_summary(const struct bulk *bulk);

#endif
