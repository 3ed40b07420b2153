/*
 * guard_cypher.c - judges Cypher, one statement after the other.
 *
 * Happy path: clauses come one behind the other. MATCH binds variables; a property map in a path,
 * or a WHERE that is one, makes the variables of that path conditioned, and what is created or
 * merged is so from the start. DELETE, SET and REMOVE of a variable that was matched and is not
 * conditioned is a mass statement. Labels and types are no condition, as a table's name is none.
 *
 * What comes by another name (WITH n AS m, nodes(p), UNWIND) is judged by the statement as a whole:
 * it has a MATCH and no condition anywhere. The statements within apoc.periodic.iterate and
 * apoc.cypher.* are read as if they stood there.
 *
 * Bounded: 64 variables; further ones are judged by the whole.
 */
#include "broker/guard_cypher.h"

#include <string.h>

/* ---- clauses ---- */

static void end_clause(struct cypher_judge *judge)
{
    if (judge->clause == CLAUSE_MATCH || judge->clause == CLAUSE_MAKE) {
        cypher_end_path(judge);
    } else if (judge->clause == CLAUSE_WHERE) {
        cypher_end_where(judge);
    }
    judge->pattern_depth = judge->map_depth = 0;
}

static void begin_clause(struct cypher_judge *judge, enum clause clause)
{
    end_clause(judge);
    judge->clause = clause;
    judge->wants_target = clause == CLAUSE_SET;
    judge->matches |= clause == CLAUSE_MATCH;
    if (clause == CLAUSE_WHERE) {
        cypher_begin_where(judge);
    } else if (clause == CLAUSE_CALL) {
        judge->procedure_size = 0;
        judge->runs_strings = false;
    }
}

static void begin_statement(struct cypher_judge *judge)
{
    end_clause(judge);
    judge->clause = CLAUSE_NONE;
    judge->variable_count = 0;
    judge->matches = judge->is_conditioned = judge->explains = judge->began = false;
    judge->runs_strings = false;
}

static enum clause clause_of(const struct cypher_judge *judge)
{
    static const char *const others[] = {
        "WITH",    "RETURN", "UNWIND", "LOAD",   "YIELD",    "ORDER",  "LIMIT",    "SKIP", "USING",
        "FOREACH", "USE",    "OFFSET", "FINISH", "OPTIONAL", "DETACH", "NODETACH", NULL};
    static const struct {
        const char *word;
        enum clause clause;
    } clauses[] = {{"MATCH", CLAUSE_MATCH}, {"CREATE", CLAUSE_MAKE}, {"MERGE", CLAUSE_MAKE},
                   {"INSERT", CLAUSE_MAKE}, {"WHERE", CLAUSE_WHERE}, {"DELETE", CLAUSE_DELETE},
                   {"SET", CLAUSE_SET},     {"REMOVE", CLAUSE_SET},  {"CALL", CLAUSE_CALL},
                   {"ON", CLAUSE_ON}};

    for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++) {
        if (guard_token_is(&judge->token, clauses[i].word)) {
            return clauses[i].clause;
        }
    }
    return guard_token_in(&judge->token, others) ? CLAUSE_OTHER : CLAUSE_NONE;
}

/* n.delete, :DELETE, {delete: 1} are names. */
static bool is_name_here(const struct cypher_judge *judge)
{
    const char *at = judge->scan.at;

    while (at < judge->scan.end && (*at == ' ' || *at == '\t')) {
        at++;
    }
    bool is_key = at < judge->scan.end && *at == ':';
    return is_key || guard_token_is_sign(&judge->last, '.') ||
           guard_token_is_sign(&judge->last, ':') || guard_token_is_sign(&judge->last, '|');
}

static bool feed_keyword(struct cypher_judge *judge)
{
    bool in_foreach = guard_token_is_sign(&judge->last, '|') && judge->clause == CLAUSE_OTHER;

    if (judge->pattern_depth > 0 || judge->map_depth > 0 || (is_name_here(judge) && !in_foreach)) {
        return false;
    }
    if (guard_token_is(&judge->token, "UNION")) {
        bool explains = judge->explains;
        begin_statement(judge);
        judge->explains = explains;
        return true;
    }
    enum clause clause = clause_of(judge);
    if (clause == CLAUSE_NONE) {
        return false;
    }
    if (judge->clause == CLAUSE_ON && (clause == CLAUSE_MAKE || clause == CLAUSE_MATCH)) {
        return true;
    }
    begin_clause(judge, clause);
    return true;
}

/* ---- CALL ---- */

static bool procedure_ends(const struct cypher_judge *judge, const char *text)
{
    size_t size = strlen(text);

    return judge->procedure_size >= size &&
           memcmp(judge->procedure + judge->procedure_size - size, text, size) == 0;
}

static bool procedure_begins(const struct cypher_judge *judge, const char *text)
{
    size_t size = strlen(text);

    return judge->procedure_size >= size && memcmp(judge->procedure, text, size) == 0;
}

static void note_procedure(struct cypher_judge *judge)
{
    for (size_t i = 0; i < judge->token.size && judge->procedure_size < PATH_MAX_SIZE; i++) {
        char c = judge->token.text[i];
        judge->procedure[judge->procedure_size++] =
            (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
}

static void call_procedure(struct cypher_judge *judge)
{
    judge->runs_strings =
        procedure_begins(judge, "apoc.periodic.") || procedure_begins(judge, "apoc.cypher.");
    bool drops = (procedure_begins(judge, "db.") && procedure_ends(judge, ".drop")) ||
                 (procedure_begins(judge, "apoc.schema.assert"));
    if (drops && !judge->explains) {
        guard_found_schema_change(judge->finding, "CALL that drops");
    }
}

static void feed_call(struct cypher_judge *judge)
{
    bool opens = guard_token_is_sign(&judge->token, '(');

    if (judge->runs_strings) {
        return;
    }
    if (guard_token_is_name(&judge->token) || guard_token_is_sign(&judge->token, '.')) {
        note_procedure(judge);
    } else if (opens) {
        call_procedure(judge);
    } else {
        judge->clause = CLAUSE_OTHER; /* CALL { … } */
    }
}

/* ---- the text ---- */

static void feed_first_word(struct cypher_judge *judge)
{
    static const char *const prefixes[] = {"CYPHER", "PROFILE", "EXPLAIN", "USE", NULL};

    judge->explains |= guard_token_is(&judge->token, "EXPLAIN");
    if (guard_token_in(&judge->token, prefixes)) {
        return;
    }
    const char *what = guard_sql_changes_schema(&judge->token, judge->scan);
    if (what != NULL && !judge->explains) {
        guard_found_schema_change(judge->finding, what);
    }
    judge->began |= clause_of(judge) != CLAUSE_NONE || what != NULL;
}

static void feed_in_clause(struct cypher_judge *judge)
{
    switch (judge->clause) {
    case CLAUSE_MATCH:
    case CLAUSE_MAKE:
        cypher_feed_pattern(judge);
        break;
    case CLAUSE_WHERE:
        cypher_feed_where(judge);
        judge->map_depth += guard_token_is_sign(&judge->token, '{');
        judge->map_depth -= guard_token_is_sign(&judge->token, '}') && judge->map_depth > 0;
        break;
    case CLAUSE_DELETE:
        cypher_feed_delete(judge);
        break;
    case CLAUSE_SET:
        cypher_feed_set(judge);
        break;
    case CLAUSE_CALL:
        feed_call(judge);
        break;
    default:
        break;
    }
}

static void read_all(struct cypher_judge *judge);

/* A statement in a string, as if it stood here. */
static void feed_inner(struct cypher_judge *judge)
{
    struct guard_scan outer = judge->scan;

    if (judge->depth + 1 >= GUARD_NESTING_MAX) {
        return;
    }
    judge->depth++;
    judge->runs_strings = false;
    judge->scan = guard_scan_over(judge->token.text, judge->token.size, GUARD_DIALECT_CYPHER);
    judge->last = (struct guard_token){0};
    read_all(judge);
    begin_clause(judge, CLAUSE_CALL);
    judge->runs_strings = true;
    judge->scan = outer;
    judge->depth--;
}

static void feed(struct cypher_judge *judge)
{
    switch (judge->token.kind) {
    case GUARD_TOKEN_BREAK:
        begin_statement(judge);
        return;
    case GUARD_TOKEN_META:
        return;
    case GUARD_TOKEN_WORD:
        if (!judge->began) {
            feed_first_word(judge);
        }
        if (feed_keyword(judge)) {
            return;
        }
        break;
    case GUARD_TOKEN_STRING:
        if (judge->clause == CLAUSE_CALL && judge->runs_strings) {
            feed_inner(judge);
            return;
        }
        break;
    default:
        break;
    }
    /* A brace closes the subquery whose last clause this is. */
    if (guard_token_is_sign(&judge->token, '}') && judge->map_depth == 0 &&
        (judge->clause != CLAUSE_SET || judge->pattern_depth == 0)) {
        begin_clause(judge, CLAUSE_OTHER);
        return;
    }
    feed_in_clause(judge);
}

static void read_all(struct cypher_judge *judge)
{
    guard_scan_next(&judge->scan, &judge->token);
    while (judge->token.kind != GUARD_TOKEN_END) {
        feed(judge);
        judge->last = judge->token;
        guard_scan_next(&judge->scan, &judge->token);
    }
    end_clause(judge);
}

void guard_judge_cypher(const char *text, size_t size, unsigned depth,
                        struct guard_finding *finding)
{
    if (depth >= GUARD_NESTING_MAX) {
        return;
    }
    struct cypher_judge judge = {.scan = guard_scan_over(text, size, GUARD_DIALECT_CYPHER),
                                 .finding = finding,
                                 .depth = depth,
                                 .path = 1};
    read_all(&judge);
}
