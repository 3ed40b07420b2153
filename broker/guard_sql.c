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
#include "broker/guard_sql.h"

#include <string.h>

/* ---- frames and statements ---- */

static void begin_statement(struct sql_judge *judge)
{
    judge->top = judge->too_deep = 0;
    judge->frames[0] = (struct frame){0};
}

static void end_statement(struct sql_judge *judge)
{
    for (; judge->top > 0; judge->top--) {
        sql_end_frame(judge);
    }
    sql_end_frame(judge);
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
        sql_end_frame(judge);
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
        sql_is_executed(judge) ? guard_sql_changes_schema(&judge->token, judge->scan) : NULL;

    if (what != NULL) {
        guard_found_schema_change(judge->finding, what);
    }
}

static void begin_create(struct sql_judge *judge)
{
    sql_top_frame(judge)->verb = VERB_CREATE;
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
    struct frame *frame = sql_top_frame(judge);

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
    struct frame *frame = sql_top_frame(judge);

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

/* ---- words ---- */

static void judge_inner(struct sql_judge *judge)
{
    if (sql_is_executed(judge)) {
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
    struct frame *frame = sql_top_frame(judge);

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
    struct frame *frame = sql_top_frame(judge);

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
        sql_feed_change(judge);
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
    struct frame *frame = sql_top_frame(judge);
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
