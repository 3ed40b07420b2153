/*
 * guard_statement.h - judges a statement that was observed: does it drop, alter or truncate, or
 * delete or update without a condition?
 *
 * SQL, Cypher and shell, each read by a tokenizer of its own, and each within the other where a
 * shell command hands a statement to a database's client. docs/guard.md lists what fires.
 *
 * Pure: no clock, no file. Nothing is executed or looked up, so what a script, a variable or a file
 * holds is not seen. Bounded: GUARD_STATEMENT_MAX bytes, GUARD_NESTING_MAX statements within
 * statements, 64 parentheses; linear in time. For shell the statement is copied once; else nothing
 * is allocated.
 */
#ifndef MEMFERRY_GUARD_STATEMENT_H
#define MEMFERRY_GUARD_STATEMENT_H

#include <stddef.h>

#define GUARD_STATEMENT_MAX ((size_t)64 << 10)

enum guard_language {
    GUARD_AUTO = 1, /* told by its first words */
    GUARD_SQL,
    GUARD_CYPHER,
    GUARD_SHELL
};

/* What was found first of each rule: a static text such as "DROP" or "rm -r". NULL: nothing. */
struct guard_finding {
    const char *schema_change;
    const char *mass_statement;
};

/* More than GUARD_STATEMENT_MAX bytes are cut. 0, or -ENOMEM. */
int guard_judge(enum guard_language language, const char *text, size_t size,
                struct guard_finding *ret_finding);

/* "sql", "cypher", "shell", "auto"; 0: none of them. */
enum guard_language guard_language_of(const char *name, size_t size);
const char *guard_language_name(enum guard_language language);

#endif
