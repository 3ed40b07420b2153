/* guard_cypher.h - a Cypher statement while it is judged: for the files of that judge alone. */
#ifndef MEMFERRY_GUARD_CYPHER_H
#define MEMFERRY_GUARD_CYPHER_H

#include "broker/guard_condition.h"
#include "broker/guard_judge.h"

#define VARIABLES_MAX 64
#define PATH_MAX_SIZE 64 /* bytes of a procedure's name that are looked at */

enum clause {
    CLAUSE_NONE,
    CLAUSE_MATCH,
    CLAUSE_MAKE, /* CREATE, MERGE */
    CLAUSE_WHERE,
    CLAUSE_DELETE,
    CLAUSE_SET, /* and REMOVE */
    CLAUSE_CALL,
    CLAUSE_ON, /* ON CREATE, ON MATCH of a MERGE */
    CLAUSE_OTHER
};

struct variable {
    const char *text;
    size_t size;
    bool conditioned, was_named; /* in this WHERE */
    unsigned path;               /* where it was seen last */
};

struct cypher_judge {
    struct guard_scan scan;
    struct guard_finding *finding;
    unsigned depth;
    struct guard_token token, last;
    enum clause clause;
    struct variable variables[VARIABLES_MAX];
    size_t variable_count;
    unsigned path;         /* of the pattern that is being read */
    bool path_conditioned; /* it has a property map, or a variable that is conditioned */
    size_t pattern_depth;  /* ( and [ of a pattern */
    size_t map_depth;      /* { in a pattern or a WHERE */
    bool map_is_filled;
    bool matches, is_conditioned; /* the statement */
    bool explains, began;
    bool wants_target; /* of SET and REMOVE: the next name is one */
    struct guard_condition condition;
    char procedure[PATH_MAX_SIZE]; /* of CALL, in small letters */
    size_t procedure_size;
    bool runs_strings; /* apoc: its strings are statements */
};

/* ---- guard_cypher_match.c: one token of a clause, or its end ---- */

void cypher_feed_pattern(struct cypher_judge *judge);
/* At a comma between paths, and behind the last. */
void cypher_end_path(struct cypher_judge *judge);
void cypher_begin_where(struct cypher_judge *judge);
void cypher_feed_where(struct cypher_judge *judge);
void cypher_end_where(struct cypher_judge *judge);
void cypher_feed_delete(struct cypher_judge *judge);
void cypher_feed_set(struct cypher_judge *judge); /* and REMOVE */

#endif
