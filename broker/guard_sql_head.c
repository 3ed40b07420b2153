/* guard_sql_head.c - DDL, told by a few words: prose that begins with "drop" or "alter" has others
 * behind. */
#include "broker/guard_judge.h"

#define HEAD_WORDS_MAX 8

static const char *const kinds[] = {
    "TABLE",      "TABLES",     "DATABASE",  "SCHEMA",    "VIEW",        "INDEX",
    "SEQUENCE",   "FUNCTION",   "PROCEDURE", "ROUTINE",   "AGGREGATE",   "TRIGGER",
    "TYPE",       "DOMAIN",     "EXTENSION", "ROLE",      "USER",        "GROUP",
    "TABLESPACE", "SERVER",     "POLICY",    "RULE",      "OPERATOR",    "COLLATION",
    "CONVERSION", "CAST",       "LANGUAGE",  "EVENT",     "PUBLICATION", "SUBSCRIPTION",
    "STATISTICS", "OWNED",      "KEYSPACE",  "SYNONYM",   "PACKAGE",     "LOGIN",
    "COLLECTION", "CONSTRAINT", "COLUMN",    "PARTITION", "WAREHOUSE",   "STAGE",
    "STREAM",     "TRANSFORM",  "PROFILE",   "DIRECTORY", "ASSEMBLY",    "CERTIFICATE",
    "ALIAS",      "GRAPH",      NULL};

static const char *const modifiers[] = {
    "MATERIALIZED", "FOREIGN", "GLOBAL", "UNIQUE",    "SPATIAL",     "FULLTEXT", "CLUSTERED",
    "PUBLIC",       "EVENT",   "ACCESS", "TEXT",      "EXTERNAL",    "VIRTUAL",  "DEFAULT",
    "RESOURCE",     "LOGFILE", "UNDO",   "COMPOSITE", "ONLINE",      "OFFLINE",  "IGNORE",
    "SEARCH",       "LARGE",   "OR",     "REPLACE",   "EDITIONABLE", "DEFINER",  NULL};

static const char *const temporary[] = {"TEMP", "TEMPORARY", "LOCAL", NULL};

static bool ends(const struct guard_token *token)
{
    return token->kind == GUARD_TOKEN_END || token->kind == GUARD_TOKEN_BREAK;
}

/* A kind of thing and something that names one; not a temporary one, which goes with its session.
 */
static bool names_a_thing(struct guard_scan *ahead)
{
    struct guard_token token, behind;

    for (unsigned i = 0; i < HEAD_WORDS_MAX; i++) {
        guard_scan_next(ahead, &token);
        if (guard_token_in(&token, temporary)) {
            return false;
        }
        if (guard_token_in(&token, kinds)) {
            guard_scan_next(ahead, &behind);
            bool is_temporary = guard_token_is_sign(&behind, '#'); /* of SQL Server */
            if (!guard_token_in(&behind, kinds)) {
                return !ends(&behind) && !is_temporary;
            }
            return true; /* EVENT TRIGGER, or a table that is named so */
        }
        if (!guard_token_in(&token, modifiers)) {
            return false;
        }
    }
    return false;
}

/* TRUNCATE [TABLE] a, b …: the word TABLE, or a bare name and then nothing that is no SQL. */
static bool truncates(struct guard_scan *ahead)
{
    static const char *const behind[] = {"RESTART", "CONTINUE", "CASCADE", "RESTRICT",
                                         "DROP",    "REUSE",    "WITH",    NULL};
    struct guard_token token;

    guard_scan_next(ahead, &token);
    if (guard_token_is(&token, "TABLE") || guard_token_is(&token, "ONLY") ||
        guard_token_is(&token, "PARTITION")) {
        guard_scan_next(ahead, &token);
        return guard_token_is_name(&token) || token.kind == GUARD_TOKEN_STRING;
    }
    if (!guard_token_is_name(&token)) {
        return false;
    }
    guard_scan_next(ahead, &token);
    return ends(&token) || guard_token_is_sign(&token, ',') || guard_token_is_sign(&token, '.') ||
           guard_token_is_sign(&token, '*') || guard_token_in(&token, behind);
}

/* CREATE OR REPLACE TABLE drops what was there. */
static bool replaces(struct guard_scan *ahead)
{
    static const char *const whole[] = {"TABLE", "DATABASE", "SCHEMA", NULL};
    struct guard_token token;

    guard_scan_next(ahead, &token);
    if (!guard_token_is(&token, "OR")) {
        return false;
    }
    guard_scan_next(ahead, &token);
    if (!guard_token_is(&token, "REPLACE")) {
        return false;
    }
    guard_scan_next(ahead, &token);
    if (guard_token_is(&token, "COMPOSITE")) {
        guard_scan_next(ahead, &token);
    }
    return guard_token_in(&token, whole);
}

const char *guard_sql_changes_schema(const struct guard_token *verb, struct guard_scan ahead)
{
    if (guard_token_is(verb, "DROP")) {
        return names_a_thing(&ahead) ? "DROP" : NULL;
    }
    if (guard_token_is(verb, "ALTER")) {
        return names_a_thing(&ahead) ? "ALTER" : NULL;
    }
    if (guard_token_is(verb, "TRUNCATE")) {
        return truncates(&ahead) ? "TRUNCATE" : NULL;
    }
    if (guard_token_is(verb, "RENAME")) {
        return names_a_thing(&ahead) ? "RENAME" : NULL;
    }
    if (guard_token_is(verb, "CREATE")) {
        return replaces(&ahead) ? "CREATE OR REPLACE" : NULL;
    }
    return NULL;
}

bool guard_sql_creates_routine(struct guard_scan ahead)
{
    static const char *const routines[] = {"TRIGGER", "PROCEDURE", "PROC", "FUNCTION",
                                           "EVENT",   "PACKAGE",   "RULE", NULL};
    static const char *const others[] = {"TABLE", "VIEW",     "INDEX", "DATABASE", "SCHEMA",
                                         "USER",  "SEQUENCE", "TYPE",  "ROLE",     NULL};
    struct guard_token token;

    for (unsigned i = 0; i < 2 * HEAD_WORDS_MAX; i++) {
        guard_scan_next(&ahead, &token);
        if (guard_token_in(&token, routines)) {
            return true;
        }
        if (ends(&token) || guard_token_in(&token, others)) {
            return false;
        }
    }
    return false;
}

bool guard_sql_only_explains(struct guard_scan ahead)
{
    static const char *const verbs[] = {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH",
                                        "MATCH",  "CREATE", "MERGE",  NULL};
    struct guard_token token;

    for (unsigned i = 0; i < 4 * HEAD_WORDS_MAX; i++) {
        guard_scan_next(&ahead, &token);
        if (guard_token_is(&token, "ANALYZE") || guard_token_is(&token, "ANALYSE")) {
            return false;
        }
        if (ends(&token) || guard_token_in(&token, verbs)) {
            return true;
        }
    }
    return true;
}
