/* test_guard_statements.c - the table of statements, and what holds for any text. */
#include "broker/guard_statement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    enum guard_language language;
    const char *rules, *statement;
} rows[] = {
#include "guard_statements.inc"
};

#define ROWS_AT_LEAST 150

static const char *rules_of(const struct guard_finding *finding)
{
    if (finding->schema_change != NULL) {
        return finding->mass_statement != NULL ? "SM" : "S";
    }
    return finding->mass_statement != NULL ? "M" : "-";
}

static void test_each_statement_fires_what_the_table_says(void **state)
{
    unsigned wrong = 0;

    (void)state;
    assert_true(sizeof rows / sizeof *rows >= ROWS_AT_LEAST);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct guard_finding found;
        assert_int_equal(
            guard_judge(rows[i].language, rows[i].statement, strlen(rows[i].statement), &found), 0);
        if (strcmp(rules_of(&found), rows[i].rules) != 0) {
            print_error("%s, not %s (%s, %s): %s: %s\n", rules_of(&found), rows[i].rules,
                        found.schema_change, found.mass_statement,
                        guard_language_name(rows[i].language), rows[i].statement);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

/* The text ends where it ends: nothing behind it is read, and nothing before is missed. */
static void test_no_byte_behind_the_statement_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t size = strlen(rows[i].statement);
        for (size_t cut = 0; cut <= size; cut++) {
            struct guard_finding found;
            char *exact = malloc(cut + 1); /* for the sanitizer: one byte, never written */
            memcpy(exact + 1, rows[i].statement, cut);
            assert_int_equal(guard_judge(rows[i].language, exact + 1, cut, &found), 0);
            free(exact);
        }
    }
}

static void test_case_of_keywords_does_not_matter(void **state)
{
    static const char *const statements[] = {"DrOp tAbLe users", "dElEtE fRoM users"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct guard_finding found;
        guard_judge(GUARD_SQL, statements[i], strlen(statements[i]), &found);
        assert_string_equal(rules_of(&found), i == 0 ? "S" : "M");
    }
}

/* What opens and never closes, over and over: each must end soon (the suite has a time-out). */
static void test_hostile_nesting_ends(void **state)
{
    static const char *const pieces[] = {
        "(",     "$(",     "`",     "'",       "\"",          "/*",     "${",          "<<a ",
        "$a$",   "[",      "{",     "x=(",     "find -exec ", "sh -c ", "WITH a AS (", "$a",
        "-- \n", "BEGIN ", "CASE ", "DO $a$ ", "EXEC '",      "sudo "};
    char *text = malloc(GUARD_STATEMENT_MAX);

    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t size = strlen(pieces[i]), filled = 0;
        for (; filled + size <= GUARD_STATEMENT_MAX; filled += size) {
            memcpy(text + filled, pieces[i], size);
        }
        for (enum guard_language language = GUARD_AUTO; language <= GUARD_SHELL; language++) {
            struct guard_finding found;
            assert_int_equal(guard_judge(language, text, filled, &found), 0);
        }
    }
    free(text);
}

static void test_what_lies_behind_64_KiB_is_not_looked_at(void **state)
{
    size_t size = GUARD_STATEMENT_MAX + 32;
    char *text = malloc(size);
    struct guard_finding found;

    (void)state;
    memset(text, ' ', size);
    memcpy(text, "SELECT 1;", 9);
    memcpy(text + GUARD_STATEMENT_MAX - 20, "DROP TABLE t;", 13);
    guard_judge(GUARD_SQL, text, size, &found);
    assert_string_equal(rules_of(&found), "S");
    memset(text + GUARD_STATEMENT_MAX - 20, ' ', 20);
    memcpy(text + GUARD_STATEMENT_MAX, "DROP TABLE t;", 13);
    guard_judge(GUARD_SQL, text, size, &found);
    assert_string_equal(rules_of(&found), "-");
    free(text);
}

static void test_statement_within_statements_is_found_to_a_bound(void **state)
{
    struct guard_finding found;
    static const char inside[] = "eval eval eval eval eval rm -r x";
    static const char beyond[] = "eval eval eval eval eval eval rm -r x";

    (void)state;
    guard_judge(GUARD_SHELL, inside, strlen(inside), &found);
    assert_string_equal(rules_of(&found), "M");
    guard_judge(GUARD_SHELL, beyond, strlen(beyond), &found);
    assert_string_equal(rules_of(&found), "-");
}

static void test_finding_names_what_was_found(void **state)
{
    struct guard_finding found;

    (void)state;
    guard_judge(GUARD_AUTO, "TRUNCATE t; DELETE FROM u", 25, &found);
    assert_string_equal(found.schema_change, "TRUNCATE");
    assert_string_equal(found.mass_statement, "DELETE without a condition");
}

static void test_languages_have_names(void **state)
{
    (void)state;
    for (enum guard_language i = GUARD_AUTO; i <= GUARD_SHELL; i++) {
        const char *name = guard_language_name(i);
        assert_int_equal(guard_language_of(name, strlen(name)), i);
    }
    assert_int_equal(guard_language_of("SQL", 3), 0);
    assert_int_equal(guard_language_of("", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_statement_fires_what_the_table_says),
        cmocka_unit_test(test_no_byte_behind_the_statement_is_read),
        cmocka_unit_test(test_case_of_keywords_does_not_matter),
        cmocka_unit_test(test_hostile_nesting_ends),
        cmocka_unit_test(test_what_lies_behind_64_KiB_is_not_looked_at),
        cmocka_unit_test(test_statement_within_statements_is_found_to_a_bound),
        cmocka_unit_test(test_finding_names_what_was_found),
        cmocka_unit_test(test_languages_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
