/*
 * restore_call.h - a memory.restore between its parameters and its reply: plan, write, tell.
 *
 * Happy path: the reader thread plans a page; each of its items becomes an EVENT_RESTORE that
 * expects the version the plan saw; when all have been applied, the reply tells what became of
 * each. A dry run is answered from the plan.
 *
 * Failure modes: a memory that is changed between plan and apply is told as a conflict and left as
 * it is; a full or failed disk that kept everything out of the journal fails the call.
 */
#ifndef MEMFERRY_RESTORE_CALL_H
#define MEMFERRY_RESTORE_CALL_H

#include "broker/alert.h"
#include "broker/memory_params.h"
#include "broker/methods.h"
#include "broker/reader_plan.h"

#define RESTORE_AFTER_MAX 63

struct restore_call {
    struct query query;
    struct services *services;
    struct plan_request request;
    struct plan plan;
    bool dry_run, has_before, has_filter, has_ids, has_versions;
    /* what the request borrows */
    struct arena arena;
    struct plan_wish *wishes;
    struct filter_texts texts;
    char session_id[SESSION_ID_MAX + 1];
    char alert_id[ALERT_ID_MAX + 1], after[RESTORE_AFTER_MAX + 1];
    /* of the events */
    char by_session_id[SESSION_ID_MAX + 1], reason[REASON_MAX + 1];
    uint64_t limit;
};

/* NULL: out of memory. */
struct restore_call *restore_call_new(struct services *services);
void restore_call_free(struct restore_call *restore);
/* Consumes it; answers the call. */
void restore_call_start(struct restore_call *restore, struct call *call);

#endif
