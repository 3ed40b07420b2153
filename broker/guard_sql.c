/*
 * guard_sql.c - judges SQL, one statement after the other.
 *
 * Happy path: the first word tells what a statement is. DELETE and UPDATE are followed to their
 * WHERE, which guard_condition judges; parentheses are frames of a stack, so that a DELETE in a CTE
 * is judged for itself and a WHERE in a subquery is nobody else's. DDL is told by its head.
 *
 * Dialects differ in what ends a string. A text that MySQL may read in another way is read in both;
 * the reading that leaves a quote open is dropped when the other does not. Of two good ones either
 * may fire: what would be a string to one server is executed by the other.
 *
 * The bodies of routines that are created, and what EXPLAIN shows, are not executed and not judged;
 * a DO block's is.
 */
#include "broker/guard_condition.h"
#include "broker/guard_judge.h"

#include <string.h>

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

static struct frame *top_frame(struct sql_judge *judge)
{
    return &judge->frames[judge->top];
}

static bool is_executed(const struct sql_judge *judge)
{
    return !judge->explains && !judge->is_routine;
}

/* ---- conditions ---- */

static void begin_condition(struct sql_judge *judge)
{
    top_frame(judge)->part = PART_CONDITION;
    guard_condition_init(&judge->condition);
}

static void end_condition(struct sql_judge *judge)
{
    struct frame *frame = top_frame(judge);

    if (frame->part == PART_CONDITION) {
        frame->has_condition |= guard_condition_end(&judge->condition) != GUARD_ALWAYS;
        frame->part = PART_REST;
    }
}

/* ---- frames and statements ---- */

/* Without FROM only what a semicolon ends is taken for SQL Server's DELETE; else it is prose. */
static bool deletes_all(const struct sql_judge *judge, const struct frame *frame)
{
    return frame->verb == VERB_DELETE && frame->has_target && !frame->has_condition &&
           (frame->has_from || judge->token.kind == GUARD_TOKEN_BREAK);
}

static void end_frame(struct sql_judge *judge)
{
    struct frame *frame = top_frame(judge);

    end_condition(judge);
    if (!is_executed(judge)) {
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

static void begin_statement(struct sql_judge *judge)
{
    judge->top = judge->too_deep = 0;
    judge->frames[0] = (struct frame){0};
}

static void end_statement(struct sql_judge *judge)
{
    for (; judge->top > 0; judge->top--) {
        end_frame(judge);
    }
    end_frame(judge);
    begin_statement(judge);
    if (judge->blocks == 0) {
        judge->is_routine = judge->explains = false;
    }
}

static void open_frame(struct sql_judge *judge)
{
    if (judge->top + 1 == FRAMES_MAX) {
        judge->too_deep++;
        return;
    }
    judge->frames[++judge->top] = (struct frame){0};
}

static void close_frame(struct sql_judge *judge)
{
    if (judge->too_deep > 0) {
        judge->too_deep--;
    } else if (judge->top > 0) {
        end_frame(judge);
        judge->top--;
    }
}

/* ---- the first word ---- */

static bool next_is(const struct sql_judge *judge, const char *word)
{
    struct guard_scan ahead = judge->scan;
    struct guard_token token;

    guard_scan_next(&ahead, &token);
    return guard_token_is(&token, word);
}

static void check_schema(struct sql_judge *judge)
{
    const char *what =
        is_executed(judge) ? guard_sql_changes_schema(&judge->token, judge->scan) : NULL;

    if (what != NULL) {
        guard_found_schema_change(judge->finding, what);
    }
}

static void begin_create(struct sql_judge *judge)
{
    top_frame(judge)->verb = VERB_CREATE;
    check_schema(judge);
    judge->is_routine = judge->is_routine || guard_sql_creates_routine(judge->scan);
}

/* Words before a statement: it begins behind them. */
static bool opens_statement(const struct guard_token *token)
{
    static const char *const words[] = {
        "BEGIN", "THEN",    "ELSE",    "LOOP",      "END",      "ANALYZE",   "TRANSACTION", "TRAN",
        "WORK",  "VERBOSE", "ANALYSE", "IMMEDIATE", "DEFERRED", "EXCLUSIVE", NULL};

    return guard_token_in(token, words);
}

static void begin_top(struct sql_judge *judge)
{
    static const char *const flow[] = {"IF", "WHILE", "FOR", "DECLARE", "ELSIF", "ELSEIF", NULL};
    static const char *const execute[] = {"EXEC", "EXECUTE", "PREPARE", "DO", NULL};
    struct frame *frame = top_frame(judge);

    if (guard_token_is(&judge->token, "CREATE")) {
        begin_create(judge);
    } else if (guard_token_is(&judge->token, "EXPLAIN")) {
        judge->explains = guard_sql_only_explains(judge->scan);
    } else if (guard_token_in(&judge->token, flow)) {
        frame->verb = VERB_FLOW;
    } else if (guard_token_in(&judge->token, execute)) {
        frame->verb = VERB_EXECUTE;
    } else if (!opens_statement(&judge->token)) {
        frame->verb = VERB_OTHER;
        check_schema(judge);
    }
}

static void begin_frame(struct sql_judge *judge)
{
    struct frame *frame = top_frame(judge);

    if (guard_token_is(&judge->token, "WITH")) {
        frame->verb = VERB_WITH;
    } else if (guard_token_is(&judge->token, "DELETE") &&
               (judge->top == 0 || next_is(judge, "FROM"))) {
        frame->verb = VERB_DELETE;
    } else if (guard_token_is(&judge->token, "UPDATE")) {
        frame->verb = VERB_UPDATE;
    } else if (judge->top == 0) {
        begin_top(judge);
    } else {
        frame->verb = VERB_OTHER;
    }
}

/* ---- DELETE and UPDATE ---- */

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

/* A word, name or sign of a DELETE or UPDATE, at its own level. */
static void feed_change(struct sql_judge *judge)
{
    struct frame *frame = top_frame(judge);

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

/* ---- words ---- */

static void judge_inner(struct sql_judge *judge)
{
    if (is_executed(judge)) {
        guard_judge_sql(judge->token.text, judge->token.size, judge->depth + 1, judge->finding);
    }
}

/* In IF, WHILE and their like, and on a new line without a semicolon, as SQL Server takes it. */
static bool begins_anew(const struct sql_judge *judge)
{
    if (guard_token_is(&judge->token, "DELETE")) {
        return next_is(judge, "FROM");
    }
    return (guard_token_is(&judge->token, "DROP") || guard_token_is(&judge->token, "TRUNCATE")) &&
           guard_sql_changes_schema(&judge->token, judge->scan) != NULL;
}

static bool flows_on(struct sql_judge *judge)
{
    static const char *const openers[] = {"BEGIN", "THEN", "LOOP", "DO", "ELSE", NULL};
    struct frame *frame = top_frame(judge);

    if (frame->verb == VERB_FLOW && guard_token_in(&judge->token, openers)) {
        *frame = (struct frame){0};
        return true;
    }
    bool new_line = judge->token.starts_line && judge->top == 0 && frame->verb != VERB_CREATE &&
                    frame->verb != VERB_OPEN && frame->part != PART_CONDITION;
    bool after_condition = judge->token.starts_line && judge->top == 0 &&
                           frame->part == PART_CONDITION &&
                           guard_condition_is_flat(&judge->condition);
    if ((frame->verb == VERB_FLOW || new_line || after_condition) && begins_anew(judge)) {
        end_statement(judge);
        begin_frame(judge);
        return true;
    }
    return false;
}

static bool takes_verb(const struct sql_judge *judge)
{
    static const char *const verbs[] = {"SELECT", "INSERT", "UPDATE",  "DELETE",
                                        "MERGE",  "VALUES", "REPLACE", NULL};

    return guard_token_is_sign(&judge->last, ')') && guard_token_in(&judge->token, verbs);
}

/* BEGIN … END of a routine: its semicolons end no statement of ours. */
static void count_blocks(struct sql_judge *judge)
{
    static const char *const closed[] = {"IF", "LOOP", "WHILE", "REPEAT", "FOR", NULL};

    if (guard_token_is(&judge->token, "BEGIN") ||
        (guard_token_is(&judge->token, "CASE") && !guard_token_is(&judge->last, "END"))) {
        judge->blocks++;
    } else if (guard_token_is(&judge->token, "END") && judge->blocks > 0) {
        struct guard_scan ahead = judge->scan;
        struct guard_token behind;
        guard_scan_next(&ahead, &behind);
        judge->blocks -= guard_token_in(&behind, closed) ? 0 : 1;
    }
}

static void feed_token(struct sql_judge *judge)
{
    struct frame *frame = top_frame(judge);

    if (judge->is_routine) {
        count_blocks(judge);
    } else if (flows_on(judge)) {
        return;
    }
    switch (frame->verb) {
    case VERB_OPEN:
        if (judge->token.kind == GUARD_TOKEN_WORD) {
            begin_frame(judge);
        } else {
            frame->verb = VERB_OTHER;
        }
        return;
    case VERB_WITH:
        if (takes_verb(judge)) {
            *frame = (struct frame){0};
            begin_frame(judge);
        }
        return;
    case VERB_DELETE:
    case VERB_UPDATE:
        feed_change(judge);
        return;
    case VERB_EXECUTE:
        if (guard_token_is(&judge->token, "AS")) { /* PREPARE name AS DELETE … */
            *frame = (struct frame){0};
        }
        return;
    default:
        return;
    }
}

static void feed_parenthesis(struct sql_judge *judge, bool opens)
{
    struct frame *frame = top_frame(judge);
    bool is_ours =
        frame->part == PART_CONDITION && (opens || !guard_condition_is_flat(&judge->condition));

    if (is_ours && judge->too_deep == 0) {
        guard_condition_feed(&judge->condition, &judge->token);
    } else if (opens) {
        frame->names = 0;
        open_frame(judge);
    } else {
        close_frame(judge);
    }
}

/* ---- a line for the client ---- */

static bool begins_with(const struct guard_token *token, const char *text)
{
    return token->size >= strlen(text) && memcmp(token->text, text, strlen(text)) == 0;
}

static void judge_meta(struct sql_judge *judge)
{
    static const char *const escapes[] = {"\\!", ".shell", ".system"};

    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
        if (begins_with(&judge->token, escapes[i])) {
            size_t head = strlen(escapes[i]);
            guard_judge_shell_copy(judge->token.text + head, judge->token.size - head,
                                   judge->depth + 1, judge->finding);
        }
    }
}

/* ---- the text ---- */

static bool executes_strings(const struct sql_judge *judge)
{
    return judge->frames[0].verb == VERB_EXECUTE;
}

static void feed(struct sql_judge *judge)
{
    switch (judge->token.kind) {
    case GUARD_TOKEN_BREAK:
        end_statement(judge);
        break;
    case GUARD_TOKEN_META:
        judge_meta(judge);
        break;
    case GUARD_TOKEN_STRING:
        if (executes_strings(judge)) {
            judge_inner(judge);
        }
        feed_token(judge);
        break;
    case GUARD_TOKEN_SIGN:
        if (strchr("()", judge->token.text[0]) != NULL) {
            feed_parenthesis(judge, judge->token.text[0] == '(');
            break;
        }
        feed_token(judge);
        break;
    default:
        feed_token(judge);
    }
}

/* False: the text ends within a quote or a comment. */
static bool judge_as(enum guard_dialect dialect, const char *text, size_t size, unsigned depth,
                     struct guard_finding *finding, bool *ret_dialects_differ)
{
    struct sql_judge judge = {
        .scan = guard_scan_over(text, size, dialect), .finding = finding, .depth = depth};

    begin_statement(&judge);
    guard_scan_next(&judge.scan, &judge.token);
    while (judge.token.kind != GUARD_TOKEN_END) {
        feed(&judge);
        judge.last = judge.token;
        guard_scan_next(&judge.scan, &judge.token);
    }
    end_statement(&judge);
    *ret_dialects_differ = judge.scan.dialects_differ;
    return !judge.scan.is_open;
}

static void add(struct guard_finding *finding, const struct guard_finding *more)
{
    guard_found_schema_change(finding, more->schema_change);
    guard_found_mass_statement(finding, more->mass_statement);
}

void guard_judge_sql(const char *text, size_t size, unsigned depth, struct guard_finding *finding)
{
    struct guard_finding standard = {0}, mysql = {0};
    bool differ, ignored, mysql_closes = false;

    if (depth >= GUARD_NESTING_MAX) {
        return;
    }
    bool standard_closes = judge_as(GUARD_DIALECT_STANDARD, text, size, depth, &standard, &differ);
    if (differ) {
        mysql_closes = judge_as(GUARD_DIALECT_MYSQL, text, size, depth, &mysql, &ignored);
    }
    if (!differ || standard_closes || !mysql_closes) {
        add(finding, &standard);
    }
    if (differ && (mysql_closes || !standard_closes)) {
        add(finding, &mysql);
    }
}
