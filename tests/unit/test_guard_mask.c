/* test_guard_mask.c - what is masked, and what stays. */
#include "broker/guard_mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *given, *wanted; /* wanted NULL: as given */
} rows[] = {
    /* URLs */
    {"psql postgres://me:s3cret@db:5432/x", "psql postgres://me:***@db:5432/x"},
    {"curl https://me:p@ss@host/a?b=c", "curl https://me:***@host/a?b=c"},
    {"redis://:s3cret@host", "redis://:***@host"},
    {"curl https://host:8080/a@b", NULL},
    {"git clone https://github.com/a/b", NULL},
    {"https://host/x?token=abc&y=1", "https://host/x?token=***&y=1"},
    /* SQL and Cypher */
    {"CREATE USER me PASSWORD 's3cret'", "CREATE USER me PASSWORD '***'"},
    {"ALTER ROLE me WITH ENCRYPTED PASSWORD 's3''cret' LOGIN",
     "ALTER ROLE me WITH ENCRYPTED PASSWORD '***' LOGIN"},
    {"CREATE USER me IDENTIFIED BY 's3cret'", "CREATE USER me IDENTIFIED BY '***'"},
    {"CREATE USER me IDENTIFIED WITH mysql_native_password BY 's3cret'",
     "CREATE USER me IDENTIFIED WITH mysql_native_password BY '***'"},
    {"SET PASSWORD = 's3cret'", "SET PASSWORD = '***'"},
    {"SET PASSWORD FOR me = PASSWORD('s3cret')", "SET PASSWORD FOR me = PASSWORD('***')"},
    {"ALTER CURRENT USER SET PASSWORD FROM 'old' TO 'new'",
     "ALTER CURRENT USER SET PASSWORD FROM '***' TO '***'"},
    {"ALTER USER me SET PASSWORD 's3cret' CHANGE NOT REQUIRED",
     "ALTER USER me SET PASSWORD '***' CHANGE NOT REQUIRED"},
    {"SELECT password FROM users WHERE id = 5", NULL},
    {"UPDATE users SET password = 'abc' WHERE id = 5",
     "UPDATE users SET password = '***' WHERE id = 5"},
    {"SELECT 'a password is not kept here'", NULL},
    {"DELETE FROM tokens WHERE age > 5", NULL},
    /* options and environment */
    {"mysql --password=s3cret -e 'x'", "mysql --password=*** -e 'x'"},
    {"tool --password s3cret --x", "tool --password *** --x"},
    {"tool --password 's3 cret' --x", "tool --password '***' --x"},
    {"tool --api-key=abc", "tool --api-key=***"},
    {"tool --no-password --x", NULL},
    {"PGPASSWORD=s3cret psql", "PGPASSWORD=*** psql"},
    {"PGPASSWORD='s3 cret' psql", "PGPASSWORD='***' psql"},
    {"export AWS_SECRET_ACCESS_KEY=abc/def; ls", "export AWS_SECRET_ACCESS_KEY=***; ls"},
    {"NEO4J_PASSWORD=$X cypher-shell", "NEO4J_PASSWORD=*** cypher-shell"},
    {"MEMORY_WEBHOOK_TOKEN=t curl x", "MEMORY_WEBHOOK_TOKEN=*** curl x"},
    {"PATH=/bin HOME=/root ls", NULL},
    {"mysql -u root -ps3cret db", "mysql -u root -p*** db"},
    {"/usr/bin/mysqldump -ps3cret db", "/usr/bin/mysqldump -p*** db"},
    {"mysql -p db", NULL},
    {"mkdir -pv a; mysql", NULL},
    {"mysql; mkdir -pv a", NULL},
    {"cypher-shell -u neo4j -p s3cret 'RETURN 1'", "cypher-shell -u neo4j -p *** 'RETURN 1'"},
    {"redis-cli -a s3cret GET x", "redis-cli -a *** GET x"},
    {"sshpass -p s3cret ssh h", "sshpass -p *** ssh h"},
    {"curl -u me:s3cret https://h", "curl -u me:*** https://h"},
    {"curl -u me https://h", NULL},
    {"ssh -p 22 host", NULL},
    /* JSON and headers */
    {"{\"password\": \"s3cret\", \"a\": 1}", "{\"password\": \"***\", \"a\": 1}"},
    {"{'apiKey' : 'abc'}", "{'apiKey' : '***'}"},
    {"{\\\"token\\\":\\\"abc\\\",\\\"a\\\":1}", "{\\\"token\\\":\\\"***\\\",\\\"a\\\":1}"},
    {"curl -H 'Authorization: Bearer abc.def'", "curl -H 'Authorization: Bearer ***'"},
    {"curl -H \"Authorization: Basic abc==\"", "curl -H \"Authorization: Basic ***\""},
    {"curl -H 'Authorization: abc'", "curl -H 'Authorization: ***'"},
    {"X-Api-Key: abc", "X-Api-Key: ***"},
    /* keys by their looks */
    {"aws AKIAIOSFODNN7EXAMPLE x", "aws *** x"},
    {"echo ghp_0123456789abcdefghijABCDEFGHIJ012345", "echo ***"},
    {"echo sk-proj-0123456789abcdefghij", "echo ***"},
    {"echo eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def_ghi", "echo ***"},
    {"echo '-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----'",
     "echo '***-----END RSA PRIVATE KEY-----'"},
    {"echo AKIA", NULL},
    {"task-0123456789abcdefghij0123", NULL},
    /* nothing to hide */
    {"rm -rf build", NULL},
    {"DROP TABLE users; DELETE FROM t WHERE a = 'b'", NULL},
    {"MATCH (n {id: 'x'}) DETACH DELETE n", NULL},
    {"", NULL},
};

static void test_secrets_are_masked_and_nothing_else(void **state)
{
    unsigned wrong = 0;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char got[512];
        const char *wanted = rows[i].wanted != NULL ? rows[i].wanted : rows[i].given;
        size_t size = guard_mask(rows[i].given, strlen(rows[i].given), got, sizeof got - 1);
        got[size] = '\0';
        if (strcmp(got, wanted) != 0) {
            print_error("got    %s\nwanted %s\n", got, wanted);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void test_masking_twice_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char once[512], twice[512];
        size_t size = guard_mask(rows[i].given, strlen(rows[i].given), once, sizeof once);
        size_t again = guard_mask(once, size, twice, sizeof twice);
        assert_int_equal(again, size);
        assert_memory_equal(once, twice, size);
    }
}

static void test_every_cut_of_a_text_is_read_within_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t cut = 0; cut <= strlen(rows[i].given); cut++) {
            char out[512], *exact = malloc(cut + 1);
            memcpy(exact + 1, rows[i].given, cut);
            assert_true(guard_mask(exact + 1, cut, out, sizeof out) <= sizeof out);
            free(exact);
        }
    }
}

static void test_output_ends_at_a_whole_character(void **state)
{
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
    static const size_t sizes[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
    char out[16];

    (void)state;
    for (size_t max = 0; max < sizeof sizes / sizeof *sizes; max++) {
        assert_int_equal(guard_mask(text, strlen(text), out, max), sizes[max]);
        assert_memory_equal(out, text, sizes[max]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secrets_are_masked_and_nothing_else),
        cmocka_unit_test(test_masking_twice_changes_nothing),
        cmocka_unit_test(test_every_cut_of_a_text_is_read_within_it),
        cmocka_unit_test(test_output_ends_at_a_whole_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
