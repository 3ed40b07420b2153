/*
 * guard_condition.h - is a WHERE a condition, or does it hold for every row?
 *
 * Tokens are fed one by one. `true`, `1=1`, `'a'='a'`, `id = id`, `x LIKE '%'` hold always, alone
 * or as one side of an OR; with AND they count for nothing. Parentheses, AND, OR and NOT are
 * followed as written; what is not understood is taken for a condition when it names anything, and
 * for none when it is made of constants alone.
 *
 * Bounded: 32 parentheses deep; what lies deeper is taken for a condition.
 */
#ifndef MEMFERRY_GUARD_CONDITION_H
#define MEMFERRY_GUARD_CONDITION_H

#include "broker/guard_scan.h"

#define GUARD_CONDITION_DEPTH 32

enum guard_truth {
    GUARD_NEVER = 1, /* 1=0 */
    GUARD_ALWAYS,
    GUARD_DEPENDS
};

struct guard_operand {
    enum guard_token_kind kind; /* SIGN: what stood in parentheses, as `truth` says */
    const char *text;
    size_t size;
    enum guard_truth truth;
};

/* What stands between AND and OR. */
struct guard_term {
    struct guard_operand operands[2];
    size_t count;
    char operation[8]; /* "=", "<>", "LIKE" */
    size_t operation_size;
    bool negated, is_complex, names_something, in_between;
};

struct guard_level {
    enum guard_truth any, all; /* of the terms so far: any OR-ed part, all of this part */
    struct guard_term term;
    bool is_call; /* the parentheses of a function, a list or a query */
};

struct guard_condition {
    struct guard_level levels[GUARD_CONDITION_DEPTH];
    size_t depth;    /* of the current level */
    size_t too_deep; /* parentheses beyond it */
    bool after_name; /* the last token was a name, so a parenthesis begins a call */
    bool after_dot;
};

void guard_condition_init(struct guard_condition *condition);
void guard_condition_feed(struct guard_condition *condition, const struct guard_token *token);
/* Every parenthesis that was opened is closed. */
bool guard_condition_is_flat(const struct guard_condition *condition);
enum guard_truth guard_condition_end(struct guard_condition *condition);

#endif
