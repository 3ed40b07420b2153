/*
 * reader_plan.h - what a restore would do, a page at a time: which memory goes from which version
 * to which, and what is left alone and why.
 *
 * A page is bounded by its items, by the bytes that were compared and by the rows that were looked
 * at; `next` goes on where it ended. A plan stays in place while it is carried out page by page:
 * the first page notes how far the store was, and what is changed behind that (the restores
 * themselves are) is in no later page.
 */
#ifndef MEMFERRY_READER_PLAN_H
#define MEMFERRY_READER_PLAN_H

#include "broker/arena.h"
#include "broker/event.h"
#include "broker/reader.h"

#define PLAN_ITEMS_MAX 1000u
#define PLAN_NEXT_MAX  64

enum plan_by {
    PLAN_BY_WISHES = 1, /* given memories */
    PLAN_BY_TIME,       /* to how they were at the end of a millisecond */
    PLAN_BY_CHANGES     /* to how they were before certain changes */
};

struct plan_wish {
    struct event_text id;
    uint64_t version; /* 0: the last one that is not deleted */
};

struct plan_request {
    enum plan_by by;
    const struct plan_wish *wishes; /* at most PLAN_ITEMS_MAX */
    size_t wish_count;
    int64_t before_ms;           /* by time */
    struct reader_filter filter; /* by time: of memories as they are; its limit, after unused */
    const char *alert_id;        /* by changes: those that it counts, in place of what follows */
    const char *session_id;      /* by changes: whose; NULL: anybody's */
    uint64_t from_seq, to_seq;   /* by changes: the events looked at; to_seq 0: all behind */
    bool deletes_only;           /* by changes: only those that deleted */
    bool force;                  /* what others have changed since, too */
    uint32_t limit;              /* 1 to PLAN_ITEMS_MAX */
    const char *after;           /* `next` of the page before; NULL: the first page */
};

enum plan_outcome {
    PLAN_RESTORE = 1,
    PLAN_SAME,      /* it is as it was: nothing to do (told of wishes, counted otherwise) */
    PLAN_CONFLICT,  /* another session has changed it since */
    PLAN_NO_MEMORY, /* there is none with this id */
    PLAN_NO_VERSION /* the version to go to never was, or is kept no longer */
};

/* What it does to the memory, in one word for people. */
enum plan_change { PLAN_REPLACE = 0, PLAN_UNDELETE, PLAN_DELETE };

struct plan_item {
    const char *id; /* with its NUL */
    size_t id_size;
    enum plan_outcome outcome;
    uint64_t from, to; /* to: 0 without a version to go to */
    enum plan_change change;
    uint64_t other_version;
    const char *other_session; /* of a conflict; NULL: no session's */
};

struct plan {
    struct arena arena;
    struct plan_item *items;
    size_t count;
    uint64_t same;            /* that nothing needs to be done to, beside the items */
    uint64_t created;         /* that were not there before: they stay */
    char next[PLAN_NEXT_MAX]; /* "": this was the last page */
};

/* READER_E_NOT_FOUND: there is no such alert, or nothing in it to bring back. READER_E_CURSOR:
 * `after` is none that a plan of this kind gave out. Free the plan either way. */
int reader_plan(struct reader *reader, const struct plan_request *request, struct plan *ret,
                struct error *err);
void plan_deinit(struct plan *plan);

#endif
