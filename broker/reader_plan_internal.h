/* reader_plan_internal.h - what the files of planning share. */
#ifndef MEMFERRY_READER_PLAN_INTERNAL_H
#define MEMFERRY_READER_PLAN_INTERNAL_H

#include "broker/reader_internal.h"
#include "broker/reader_plan.h"

/* What one page looks at, so that it never holds the thread for long. */
#define PLAN_LOOK_MAX  20000u
#define PLAN_BYTES_MAX ((size_t)32 << 20)

struct planner {
    struct reader *reader;
    struct plan_request request;
    struct plan *plan;
    size_t bytes; /* of states that were read */
    uint32_t looked;
    /* where this page began, and where it stands: versions that fall, or seqs that rise */
    uint64_t place;
    uint64_t upto_seq; /* events behind it came after the plan was begun */
};

/* A row's state (borrowed from the row), counted. */
int planner_decode(struct planner *planner, sqlite3_stmt *row, int column,
                   const struct event_text *id, struct memory_state *ret, struct error *err);
/* Of a memory without a version to go to: made since, so that it stays, or its versions from then
 * are kept no longer. Row: its oldest event, as PLAN_COLUMNS. */
int planner_add_unversioned(struct planner *planner, sqlite3_stmt *row,
                            const struct memory_state *oldest, const struct event_text *id,
                            const struct memory_state *current, struct error *err);
/* The memory as it is; READER_CURRENT stands on it while *ret_found. */
int planner_current(struct planner *planner, const struct event_text *id, struct memory_state *ret,
                    bool *ret_found, struct error *err);
/* A new item at the end of the plan; NULL without memory. `to` NULL: there is no version to go to.
 */
struct plan_item *planner_add(struct planner *planner, const struct event_text *id,
                              const struct memory_state *from, const struct memory_state *to,
                              enum plan_outcome outcome);
int planner_no_memory(struct error *err);
/* No more fits in this page. */
bool planner_is_full(const struct planner *planner);

/* Each fills a page; `next` is written when there may be more. */
int plan_by_time(struct planner *planner, struct error *err);
int plan_by_changes(struct planner *planner, struct error *err);

#endif
