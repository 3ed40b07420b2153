/*
 * guard_sql_change.c - follows a DELETE or UPDATE from its tables to its WHERE.
 */
#include "broker/guard_sql.h"

#include <string.h>

struct frame *sql_top_frame(struct sql_judge *judge)
{
    return &judge->frames[judge->top];
}

bool sql_is_executed(const struct sql_judge *judge)
{
    return !judge->explains && !judge->is_routine;
}

/* ---- conditions ---- */

static void begin_condition(struct sql_judge *judge)
{
    sql_top_frame(judge)->part = PART_CONDITION;
    guard_condition_init(&judge->condition);
}

static void end_condition(struct sql_judge *judge)
{
    struct frame *frame = sql_top_frame(judge);

    if (frame->part == PART_CONDITION) {
        frame->has_condition |= guard_condition_end(&judge->condition) != GUARD_ALWAYS;
        frame->part = PART_REST;
    }
}

static bool begins_rest(const struct guard_token *token)
{
    static const char *const words[] = {"RETURNING", "ORDER", "LIMIT", "OPTION", NULL};

    return guard_token_in(token, words);
}

static void note_join(struct sql_judge *judge, struct frame *frame)
{
    static const char *const outer[] = {"LEFT", "RIGHT", "FULL", "CROSS", NULL};

    if (guard_token_in(&judge->token, outer)) {
        frame->joins_outer = true;
    } else if (guard_token_is(&judge->token, "INNER") || guard_token_is(&judge->token, "NATURAL")) {
        frame->joins_outer = false;
    } else if (guard_token_is(&judge->token, "JOIN")) {
        frame->joins = true;
    }
}

/* What joins an inner table leaves out rows, as a condition does. */
static bool begins_join_condition(struct sql_judge *judge, struct frame *frame)
{
    if (!frame->joins || frame->joins_outer) {
        return false;
    }
    if (guard_token_is(&judge->token, "USING")) {
        frame->has_condition = true;
    }
    return guard_token_is(&judge->token, "ON");
}

static bool is_target_word(const struct guard_token *token)
{
    static const char *const words[] = {
        "FROM",  "ONLY",  "LOW_PRIORITY", "QUICK",   "IGNORE", "TOP",    "PERCENT", "AS",
        "JOIN",  "INNER", "LEFT",         "RIGHT",   "FULL",   "OUTER",  "CROSS",   "NATURAL",
        "ON",    "USING", "PARTITION",    "INDEXED", "BY",     "NOT",    "FORCE",   "USE",
        "INDEX", "KEY",   "WITH",         "OUTPUT",  "INTO",   "OR",     "REPLACE", "ROLLBACK",
        "ABORT", "FAIL",  "FOR",          "PORTION", "OF",     "NOLOCK", NULL};

    return guard_token_in(token, words);
}

static void name_target(struct sql_judge *judge, struct frame *frame)
{
    if (guard_token_is_sign(&judge->last, '.')) {
        return;
    }
    frame->has_target = true;
    if (++frame->names > NAMES_MAX) {
        frame->verb = VERB_OTHER;
    }
}

static void feed_target(struct sql_judge *judge, struct frame *frame)
{
    const struct guard_token *token = &judge->token;

    if (guard_token_is(token, "FROM")) {
        frame->has_from = true;
    }
    if (token->kind == GUARD_TOKEN_WORD && is_target_word(token)) {
        note_join(judge, frame);
        frame->names = 0;
    } else if (guard_token_is_name(token) || token->kind == GUARD_TOKEN_STRING) {
        name_target(judge, frame);
    } else if (token->kind == GUARD_TOKEN_SIGN && strchr(",*@#", token->text[0]) != NULL) {
        frame->names = 0;
    } else if (token->kind == GUARD_TOKEN_SIGN && strchr("/-!?:\\", token->text[0]) != NULL) {
        frame->verb = VERB_OTHER; /* "DELETE /users/1": not SQL */
    }
}

static void feed_set(struct sql_judge *judge, struct frame *frame)
{
    if (guard_token_is_sign(&judge->token, '=')) {
        frame->is_assigned = true;
    }
    note_join(judge, frame);
}

void sql_feed_change(struct sql_judge *judge)
{
    struct frame *frame = sql_top_frame(judge);

    if (frame->part == PART_CONDITION && !guard_condition_is_flat(&judge->condition)) {
        guard_condition_feed(&judge->condition, &judge->token);
    } else if (guard_token_is(&judge->token, "WHERE")) {
        end_condition(judge);
        begin_condition(judge);
    } else if (begins_rest(&judge->token)) {
        end_condition(judge);
        frame->part = PART_REST;
    } else if (guard_token_is(&judge->token, "SET") && frame->verb == VERB_UPDATE) {
        end_condition(judge);
        frame->part = PART_SET;
    } else if (begins_join_condition(judge, frame)) {
        begin_condition(judge);
    } else if (frame->part == PART_CONDITION) {
        note_join(judge, frame);
        guard_condition_feed(&judge->condition, &judge->token);
    } else if (frame->part == PART_TARGET) {
        feed_target(judge, frame);
    } else if (frame->part == PART_SET) {
        feed_set(judge, frame);
    }
}

/* ---- the end ---- */

/* Without FROM only what a semicolon ends is taken for SQL Server's DELETE; else it is prose. */
static bool deletes_all(const struct sql_judge *judge, const struct frame *frame)
{
    return frame->verb == VERB_DELETE && frame->has_target && !frame->has_condition &&
           (frame->has_from || judge->token.kind == GUARD_TOKEN_BREAK);
}

void sql_end_frame(struct sql_judge *judge)
{
    struct frame *frame = sql_top_frame(judge);

    end_condition(judge);
    if (!sql_is_executed(judge)) {
        return;
    }
    if (deletes_all(judge, frame)) {
        guard_found_mass_statement(judge->finding, "DELETE without a condition");
    }
    if (frame->verb == VERB_UPDATE && frame->has_target && frame->is_assigned &&
        !frame->has_condition) {
        guard_found_mass_statement(judge->finding, "UPDATE without a condition");
    }
}
