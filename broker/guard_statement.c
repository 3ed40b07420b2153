/* guard_statement.c - see guard_statement.h. */
#include "broker/guard_judge.h"

#include <errno.h>
#include <string.h>

void guard_found_schema_change(struct guard_finding *finding, const char *what)
{
    if (finding->schema_change == NULL) {
        finding->schema_change = what;
    }
}

void guard_found_mass_statement(struct guard_finding *finding, const char *what)
{
    if (finding->mass_statement == NULL) {
        finding->mass_statement = what;
    }
}

/* ---- languages ---- */

static const char *const language_names[] = {
    [GUARD_AUTO] = "auto", [GUARD_SQL] = "sql", [GUARD_CYPHER] = "cypher", [GUARD_SHELL] = "shell"};

enum guard_language guard_language_of(const char *name, size_t size)
{
    for (enum guard_language i = GUARD_AUTO; i <= GUARD_SHELL; i++) {
        if (size == strlen(language_names[i]) && memcmp(name, language_names[i], size) == 0) {
            return i;
        }
    }
    return (enum guard_language)0;
}

const char *guard_language_name(enum guard_language language)
{
    return language_names[language];
}

/* What the first word says. Some are words of two languages, and are read as both. */
enum reading { READS_SQL = 1, READS_CYPHER = 2, READS_SHELL = 4 };

static const struct {
    const char *word;
    unsigned readings;
} first_words[] = {
    {"SELECT", READS_SQL},
    {"INSERT", READS_SQL},
    {"UPDATE", READS_SQL},
    {"REPLACE", READS_SQL},
    {"TRUNCATE", READS_SQL},
    {"GRANT", READS_SQL},
    {"REVOKE", READS_SQL},
    {"VACUUM", READS_SQL},
    {"PRAGMA", READS_SQL},
    {"BEGIN", READS_SQL},
    {"START", READS_SQL},
    {"COMMIT", READS_SQL},
    {"ROLLBACK", READS_SQL},
    {"DECLARE", READS_SQL},
    {"COPY", READS_SQL},
    {"LOCK", READS_SQL},
    {"DELIMITER", READS_SQL},
    {"PREPARE", READS_SQL},
    {"EXECUTE", READS_SQL},
    {"ANALYZE", READS_SQL},
    {"REINDEX", READS_SQL},
    {"DO", READS_SQL | READS_SHELL},
    {"SET", READS_SQL | READS_SHELL},
    {"IF", READS_SQL | READS_SHELL},
    {"WHILE", READS_SQL | READS_SHELL},
    {"FOR", READS_SQL | READS_SHELL},
    {"EXEC", READS_SQL | READS_SHELL},
    {"CREATE", READS_SQL | READS_CYPHER},
    {"DROP", READS_SQL | READS_CYPHER},
    {"ALTER", READS_SQL | READS_CYPHER},
    {"RENAME", READS_SQL | READS_CYPHER},
    {"DELETE", READS_SQL | READS_CYPHER},
    {"MERGE", READS_SQL | READS_CYPHER},
    {"WITH", READS_SQL | READS_CYPHER},
    {"CALL", READS_SQL | READS_CYPHER},
    {"EXPLAIN", READS_SQL | READS_CYPHER},
    {"USE", READS_SQL | READS_CYPHER},
    {"SHOW", READS_SQL | READS_CYPHER},
    {"MATCH", READS_CYPHER},
    {"OPTIONAL", READS_CYPHER},
    {"UNWIND", READS_CYPHER},
    {"DETACH", READS_CYPHER | READS_SQL},
    {"RETURN", READS_CYPHER},
    {"LOAD", READS_CYPHER | READS_SQL},
    {"FOREACH", READS_CYPHER},
    {"PROFILE", READS_CYPHER},
    {"CYPHER", READS_CYPHER},
};

static unsigned readings_of(const struct guard_token *first)
{
    for (size_t i = 0; i < sizeof first_words / sizeof *first_words; i++) {
        if (guard_token_is(first, first_words[i].word)) {
            return first_words[i].readings;
        }
    }
    return READS_SHELL;
}

/* A leading comment is SQL's or Cypher's: -- and #, or // … A #! is a shell's. */
static unsigned find_readings(const char *text, size_t size)
{
    struct guard_token sql, cypher;
    struct guard_scan scan = guard_scan_over(text, size, GUARD_DIALECT_MYSQL);

    if (size >= 2 && text[0] == '#' && text[1] == '!') {
        return READS_SHELL;
    }
    guard_scan_next(&scan, &sql);
    scan = guard_scan_over(text, size, GUARD_DIALECT_CYPHER);
    guard_scan_next(&scan, &cypher);
    if (sql.kind == GUARD_TOKEN_META) {
        return READS_SQL;
    }
    if (cypher.kind == GUARD_TOKEN_META) {
        return READS_CYPHER;
    }
    if (guard_token_is_sign(&sql, '(')) { /* (SELECT …), or a subshell */
        return READS_SQL | READS_SHELL;
    }
    unsigned readings = readings_of(&sql);
    return readings != READS_SHELL ? readings : readings_of(&cypher);
}

int guard_judge(enum guard_language language, const char *text, size_t size,
                struct guard_finding *ret_finding)
{
    static const unsigned by_language[] = {
        [GUARD_SQL] = READS_SQL, [GUARD_CYPHER] = READS_CYPHER, [GUARD_SHELL] = READS_SHELL};

    *ret_finding = (struct guard_finding){0};
    size = size > GUARD_STATEMENT_MAX ? GUARD_STATEMENT_MAX : size;
    unsigned readings = language == GUARD_AUTO ? find_readings(text, size) : by_language[language];
    if ((readings & READS_SQL) != 0) {
        guard_judge_sql(text, size, 0, ret_finding);
    }
    if ((readings & READS_CYPHER) != 0) {
        guard_judge_cypher(text, size, 0, ret_finding);
    }
    if ((readings & READS_SHELL) != 0 && guard_judge_shell_copy(text, size, 0, ret_finding) < 0) {
        return -ENOMEM;
    }
    return 0;
}
