/*
 * guard_judge.h - what the judges of the three languages share, and nobody else includes.
 *
 * A judge adds to the finding. `depth` counts statements within statements (psql -c "…" in a
 * shell's line, EXECUTE '…' in a DO): from GUARD_NESTING_MAX on they are not looked into.
 */
#ifndef MEMFERRY_GUARD_JUDGE_H
#define MEMFERRY_GUARD_JUDGE_H

#include "broker/guard_scan.h"
#include "broker/guard_statement.h"

#define GUARD_NESTING_MAX 6

void guard_found_schema_change(struct guard_finding *finding, const char *what);
void guard_found_mass_statement(struct guard_finding *finding, const char *what);

void guard_judge_sql(const char *text, size_t size, unsigned depth, struct guard_finding *finding);
void guard_judge_cypher(const char *text, size_t size, unsigned depth,
                        struct guard_finding *finding);
/* Unquotes words where they stand: the text is garbled afterwards. */
void guard_judge_shell(char *text, size_t size, unsigned depth, struct guard_finding *finding);

/* A const text as shell: copied. 0 or -ENOMEM. */
int guard_judge_shell_copy(const char *text, size_t size, unsigned depth,
                           struct guard_finding *finding);

/* ---- guard_sql_head.c: statements that are known by their first words ---- */

/* What DROP, ALTER, TRUNCATE, RENAME or CREATE does, by the words behind it; NULL: nothing that the
 * rule schema-change is about. The scan is taken as it stands behind `verb`. */
const char *guard_sql_changes_schema(const struct guard_token *verb, struct guard_scan ahead);
/* CREATE of something that holds statements, for later. */
bool guard_sql_creates_routine(struct guard_scan ahead);
/* EXPLAIN that does not execute. */
bool guard_sql_only_explains(struct guard_scan ahead);

#endif
