/* guard_sql.h - SQL while it is judged: for the files of that judge alone. */
#ifndef MEMFERRY_GUARD_SQL_H
#define MEMFERRY_GUARD_SQL_H

#include "broker/guard_condition.h"
#include "broker/guard_judge.h"

#define FRAMES_MAX 64
/* A table and its alias; more words in a row are prose. */
#define NAMES_MAX 2

enum verb {
    VERB_OPEN, /* no word yet */
    VERB_WITH, /* after the CTEs comes the verb */
    VERB_DELETE,
    VERB_UPDATE,
    VERB_FLOW,    /* IF, WHILE …: statements follow within */
    VERB_EXECUTE, /* strings are statements */
    VERB_CREATE,
    VERB_OTHER
};

enum part {
    PART_TARGET, /* which tables */
    PART_SET,
    PART_CONDITION,
    PART_REST /* RETURNING, LIMIT: nothing comes that matters */
};

struct frame {
    enum verb verb;
    enum part part;
    bool has_condition, has_from, has_target, is_assigned;
    bool joins, joins_outer; /* since the last FROM, or comma */
    unsigned names;          /* in a row */
};

struct sql_judge {
    struct guard_scan scan;
    struct guard_finding *finding;
    unsigned depth;
    struct guard_token token, last;
    struct frame frames[FRAMES_MAX];
    size_t top;
    size_t too_deep; /* parentheses beyond the frames */
    bool explains;   /* nothing of this statement is executed */
    bool is_routine;
    unsigned blocks;                  /* BEGIN … END of a routine */
    struct guard_condition condition; /* of the frame whose part is PART_CONDITION: the top one */
};

/* ---- guard_sql_change.c: DELETE and UPDATE ---- */

struct frame *sql_top_frame(struct sql_judge *judge);
/* It is no EXPLAIN's, and in no routine's body. */
bool sql_is_executed(const struct sql_judge *judge);
/* A word, name or sign of a DELETE or UPDATE, at its own level. */
void sql_feed_change(struct sql_judge *judge);
/* Of the top frame: what it does without a condition is found. */
void sql_end_frame(struct sql_judge *judge);

#endif
