/* The config is read as written, or refused with the file, the line, what is wrong and what to do.
 */
#include "broker/config.h"

#include "broker/util/suggest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char file[64];
    struct config *config;
    struct error err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL) {
        return -1;
    }
    unsetenv("MEMFERRY_CONFIG");
    setenv("HOME", "/home/ada", 1);
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    strcpy(f->file, "/tmp/memferry-conf-XXXXXX");
    int fd = mkstemp(f->file);
    *state = f;
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    config_free(f->config);
    unlink(f->file);
    free(f);
    return 0;
}

static void write_file(const char *path, const char *text, size_t size)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static int load_bytes(struct fixture *f, const char *text, size_t size)
{
    write_file(f->file, text, size);
    f->config = config_free(f->config);
    memset(&f->err, 0, sizeof f->err);
    return config_load(&f->config, f->file, &f->err);
}

static int load(struct fixture *f, const char *text)
{
    return load_bytes(f, text, strlen(text));
}

static void load_ok(struct fixture *f, const char *text)
{
    int result = load(f, text);

    if (result != 0) {
        fail_msg("%s", f->err.text);
    }
}

static void assert_defaults(const struct config *c)
{
    assert_null(c->socket);
    assert_null(c->state_dir);
    assert_int_equal(c->dims, 768);
    assert_false(c->allow_purge);
    assert_int_equal(c->user_count, 0);
    assert_int_equal(c->max_peers, 1000);
    assert_int_equal(c->segment_bytes, 16 * 1024 * 1024);
    assert_int_equal(c->gather_us, 40);
    assert_false(c->keep_segments);
    assert_int_equal(c->guard.rapid_delete_count, 10);
    assert_int_equal(c->guard.rapid_delete_window_ms, 60000);
    assert_int_equal(c->guard.bulk_change_percent, 50);
    assert_int_equal(c->guard.bulk_change_window_ms, 60000);
    assert_int_equal(c->guard.bulk_change_least, 10);
    assert_true(c->guard.schema_change && c->guard.mass_statement);
    assert_int_equal(c->backend_count, 0);
}

static void test_no_file_is_a_good_config(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(config_load(&f->config, NULL, &f->err), 0);
    assert_null(f->config->file);
    assert_defaults(f->config);
    config_free(f->config);
    unsetenv("XDG_CONFIG_HOME");
    setenv("HOME", "/dev/null", 1);
    assert_int_equal(config_load(&f->config, NULL, &f->err), 0);
}

static void test_an_empty_file_is_a_good_config(void **state)
{
    struct fixture *f = *state;

    load_ok(f, "");
    assert_string_equal(f->config->file, f->file);
    assert_defaults(f->config);
    load_ok(f, "\n; nothing\n  # here\n\t\n[broker]\n[journal]\n");
    assert_defaults(f->config);
}

static void test_a_named_file_must_exist(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(config_load(&f->config, "/nonexistent/x.conf", &f->err), -ENOENT);
    assert_null(f->config);
    assert_non_null(strstr(f->err.text, "/nonexistent/x.conf"));
    setenv("MEMFERRY_CONFIG", "/nonexistent/y.conf", 1);
    assert_int_equal(config_load(&f->config, NULL, &f->err), -ENOENT);
    assert_non_null(strstr(f->err.text, "/nonexistent/y.conf"));
    assert_int_equal(config_load(&f->config, "/tmp", &f->err), -EISDIR);
}

static void test_the_environment_names_the_file(void **state)
{
    struct fixture *f = *state;
    const char *text = "[broker]\ndims = 5\n";

    write_file(f->file, text, strlen(text));
    setenv("MEMFERRY_CONFIG", f->file, 1);
    assert_int_equal(config_load(&f->config, NULL, &f->err), 0);
    assert_int_equal(f->config->dims, 5);
}

static void test_the_file_is_found_below_xdg_config_home(void **state)
{
    struct fixture *f = *state;
    char root[] = "/tmp/memferry-conf-XXXXXX", path[128];

    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/memferry", root);
    assert_int_equal(mkdir(path, 0700), 0);
    strcat(path, "/memferry.conf");
    write_file(path, "[broker]\ndims = 6\n", 18);
    setenv("XDG_CONFIG_HOME", root, 1);
    assert_int_equal(config_load(&f->config, NULL, &f->err), 0);
    assert_int_equal(f->config->dims, 6);
    assert_string_equal(f->config->file, path);
    unlink(path);
    *strrchr(path, '/') = '\0';
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(root), 0);
}

static void test_settings_are_read(void **state)
{
    struct fixture *f = *state;

    load_ok(f, "\xef\xbb\xbf[broker]\r\n"
               "socket = ~/run/m.sock\r\n"
               "  state_dir=/var/lib/memferry ; where it lies\n"
               "dims: 1024\n"
               "\tallow_purge = Yes\n"
               "users = root, 1234 77\n"
               "max_peers = 1024\n"
               "[ journal ] # the log\n"
               "segment_size = 64M\n"
               "gather_us = 0\n"
               "keep_segments = on\n"
               "[guard]\n"
               "rapid_delete = 25 in 2m\n"
               "bulk_change = 100% in 5m\n"
               "bulk_change_least = 3");
    assert_string_equal(f->config->socket, "/home/ada/run/m.sock");
    assert_string_equal(f->config->state_dir, "/var/lib/memferry");
    assert_int_equal(f->config->dims, 1024);
    assert_true(f->config->allow_purge);
    assert_int_equal(f->config->user_count, 3);
    assert_int_equal(f->config->users[0], 0);
    assert_int_equal(f->config->users[1], 1234);
    assert_int_equal(f->config->users[2], 77);
    assert_int_equal(f->config->max_peers, 1024);
    assert_int_equal(f->config->segment_bytes, 64 << 20);
    assert_int_equal(f->config->gather_us, 0);
    assert_true(f->config->keep_segments);
    assert_int_equal(f->config->guard.rapid_delete_count, 25);
    assert_int_equal(f->config->guard.rapid_delete_window_ms, 120000);
    assert_int_equal(f->config->guard.bulk_change_percent, 100);
    assert_int_equal(f->config->guard.bulk_change_window_ms, 300000);
    assert_int_equal(f->config->guard.bulk_change_least, 3);
}

static void test_a_rule_of_the_guard_can_be_off(void **state)
{
    struct fixture *f = *state;

    load_ok(f, "[guard]\nrapid_delete = off\nbulk_change = off\nschema_change = off\n"
               "mass_statement = off\n");
    assert_int_equal(f->config->guard.rapid_delete_count, 0);
    assert_int_equal(f->config->guard.bulk_change_percent, 0);
    assert_false(f->config->guard.schema_change || f->config->guard.mass_statement);
}

static const char design_example[] = "[broker]\n"
                                     "socket = ~/run/memferry.sock\n"
                                     "\n"
                                     "[guard]\n"
                                     "rapid_delete = 10 in 60s\n"
                                     "bulk_change = 50%\n"
                                     "\n"
                                     "[backend \"graph\"]\n"
                                     "plugin = neo4j-http\n"
                                     "url = http://127.0.0.1:7474\n"
                                     "user = neo4j\n"
                                     "password_env = NEO4J_PASSWORD\n"
                                     "batch = 500\n"
                                     "\n"
                                     "[backend \"flow\"]\n"
                                     "plugin = n8n-webhook\n"
                                     "url = http://127.0.0.1:5678/webhook/memory-sync\n"
                                     "secret_env = MEMORY_WEBHOOK_TOKEN\n"
                                     "\n"
                                     "[backend \"vectors\"]\n"
                                     "plugin = ollama-embed\n"
                                     "url = http://127.0.0.1:11434\n"
                                     "model = nomic-embed-text\n"
                                     "\n"
                                     "[backend \"bell\"]\n"
                                     "plugin = alert-notify\n"
                                     "webhook = http://127.0.0.1:5678/webhook/memory-alert\n";

static void test_the_example_of_the_design_is_read(void **state)
{
    struct fixture *f = *state;

    load_ok(f, design_example);
    assert_int_equal(f->config->backend_count, 4);
    const struct config_backend *graph = &f->config->backends[0];
    assert_string_equal(graph->name, "graph");
    assert_string_equal(graph->plugin, "neo4j-http");
    assert_int_equal(graph->line, 8);
    assert_int_equal(graph->batch, 500);
    assert_int_equal(graph->batch_line, 13);
    assert_int_equal(graph->max_age_ms, 0);
    assert_int_equal(graph->option_count, 3);
    assert_string_equal(graph->options[0].key, "url");
    assert_string_equal(graph->options[0].value, "http://127.0.0.1:7474");
    assert_int_equal(graph->options[0].line, 10);
    assert_string_equal(graph->options[2].key, "password_env");
    assert_string_equal(graph->options[2].value, "NEO4J_PASSWORD");
    assert_int_equal(f->config->backends[1].batch, 0);
    assert_string_equal(f->config->backends[3].plugin, "alert-notify");
    assert_string_equal(f->config->backends[3].options[0].key, "webhook");
}

static void test_common_keys_of_a_backend_are_not_its_plugins(void **state)
{
    struct fixture *f = *state;

    load_ok(f, "[backend \"a.b-c_D9\"]\nplugin = ~/p/x.so\nmax_age = 2d\nwait_embedding = 500ms\n"
               "batch = 1\n");
    const struct config_backend *b = &f->config->backends[0];
    assert_string_equal(b->name, "a.b-c_D9");
    assert_string_equal(b->plugin, "/home/ada/p/x.so");
    assert_int_equal(b->max_age_ms, 2 * 24 * 3600 * 1000);
    assert_int_equal(b->wait_embedding_ms, 500);
    assert_int_equal(b->batch, 1);
    assert_int_equal(b->option_count, 0);
}

static void test_quotes_keep_blanks_and_options_may_be_empty(void **state)
{
    struct fixture *f = *state;

    load_ok(f, "[backend \"b\"]\nplugin = \"p\"\nprefix = \"search: \"\nempty =\nalso = \"\"\n"
               "inside = a \"b\" c\nequals = x = y\n");
    const struct config_option *options = f->config->backends[0].options;
    assert_string_equal(f->config->backends[0].plugin, "p");
    assert_string_equal(options[0].value, "search: ");
    assert_string_equal(options[1].value, "");
    assert_string_equal(options[2].value, "");
    assert_string_equal(options[3].value, "a \"b\" c");
    assert_string_equal(options[4].value, "x = y");
}

/* Text, the line to blame, and what the message must hold. */
struct refusal {
    const char *text;
    unsigned line;
    const char *want;
};

static const struct refusal refusals[] = {
    {"dims = 5\n", 1, "dims stands before any section"},
    {"[brokr]\n", 1, "unknown section [brokr]; did you mean [broker]?"},
    {"[whatever]\n", 1,
     "there are [broker], [journal], [session], [history], [guard] and [backend "},
    {"[broker \"x\"]\n", 1, "section [broker] has no name"},
    {"[broker\n", 1, "bad section"},
    {"\n\n[]\n", 3, "bad section"},
    {"[broker] x\n", 1, "bad section"},
    {"[backend \"a]\n", 1, "bad section"},
    {"[backend a]\n", 1, "[backend \"name\"]"},
    {"[backend]\n", 1, "a backend needs a name"},
    {"[backend \"\"]\n", 1, "bad name \"\" of a backend"},
    {"[backend \"..\"]\n", 1, "bad name"},
    {"[backend \"a/b\"]\n", 1, "bad name"},
    {"[backend \"b\xc3\xa4\"]\n", 1, "bad name"},
    {"[broker]\nsokcet = /x\n", 2, "unknown key \"sokcet\" in [broker]; did you mean \"socket\"?"},
    {"[guard]\nzzz = 1\n", 2,
     "unknown key \"zzz\" in [guard]; it may have rapid_delete, bulk_change, bulk_change_least, "
     "schema_change, mass_statement"},
    {"[journal]\nsocket = /x\n", 2, "unknown key \"socket\" in [journal]"},
    {"[broker]\ndims = 1\n\ndims = 2\n", 4, "dims was given at line 2 already"},
    {"[broker]\ndims = 1\n[guard]\n[broker]\ndims = 1\n", 5, "dims was given at line 2 already"},
    {"[broker]\nsocket = run/x.sock\n", 2, "give a path that begins with / or with ~/"},
    {"[broker]\nsocket =\n", 2, "bad value \"\" for socket"},
    {"[broker]\ndims = 0\n", 2, "give a whole number from 1 to 16384"},
    {"[broker]\ndims = 16385\n", 2, "bad value \"16385\" for dims"},
    {"[broker]\ndims = 5.5\n", 2, "bad value \"5.5\" for dims"},
    {"[broker]\ndims = 768 # nomic\n", 2, "a comment behind a value begins with ;"},
    {"[broker]\nallow_purge = maybe\n", 2, "give yes or no"},
    {"[broker]\nmax_peers = 1025\n", 2, "from 1 to 1024"},
    {"[broker]\nusers = nobody-has-this-name\n", 2, "bad value \"nobody-has-this-name\" for users"},
    {"[broker]\nusers = 4294967295\n", 2, "bad value"},
    {"[broker]\nusers = -1\n", 2, "bad value"},
    {"[journal]\nsegment_size = 512K\n", 2, "give a size from 1M to 1G"},
    {"[journal]\nsegment_size = 2G\n", 2, "give a size from 1M to 1G"},
    {"[journal]\ngather_us = 10001\n", 2, "from 0 to 10000"},
    {"[guard]\nrapid_delete = 10\n", 2, "such as 10 in 60s"},
    {"[guard]\nrapid_delete = 0 in 60s\n", 2, "such as 10 in 60s"},
    {"[guard]\nrapid_delete = 10 in 60\n", 2, "such as 10 in 60s"},
    {"[guard]\nrapid_delete = ten in 60s\n", 2, "such as 10 in 60s"},
    {"[guard]\nrapid_delete = 100001 in 60s\n", 2, "such as 10 in 60s"},
    {"[guard]\nbulk_change = 50\n", 2, "from 1% to 100%"},
    {"[guard]\nbulk_change = 50% in 0s\n", 2, "from 1% to 100%"},
    {"[guard]\nbulk_change = 50% in\n", 2, "from 1% to 100%"},
    {"[guard]\nbulk_change_least = 0\n", 2, "bulk_change_least"},
    {"[guard]\nschema_change = maybe\n", 2, "schema_change"},
    {"[guard]\nbulk_change = 101%\n", 2, "from 1% to 100%"},
    {"[guard]\nbulk_change = %\n", 2, "from 1% to 100%"},
    {"[broker]\njust words\n", 2, "write it as: name = value"},
    {"[broker]\n= 5\n", 2, "write it as: name = value"},
    {"[broker]\nsocket = \"/x\n", 2, "a quote that does not end it"},
    {"[broker]\nsocket = \"/x ; y\"\n", 2, "a quote that does not end it"},
    {"[broker]\nsocket = \"\n", 2, "a quote that does not end it"},
    {"[broker]\nsocket = /x\xff\n", 2, "not UTF-8"},
    {"\n[backend \"a\"]\nurl = x\n", 2, "backend \"a\" does not say what it is"},
    {"[backend \"a\"]\n[backend \"b\"]\nplugin = x\n", 1, "backend \"a\" does not say what it is"},
    {"[backend \"a\"]\nplugin = x\n[backend \"a\"]\n", 3, "backend \"a\" begins at line 1 already"},
    {"[backend \"a\"]\nplugin = x\nplugin = y\n", 3, "plugin was given at line 2 already"},
    {"[backend \"a\"]\nplugin = x\nurl = 1\nurl = 1\n", 4, "url was given at line 3 already"},
    {"[backend \"a\"]\nbatch = 5\nbatch = 5\n", 3, "batch was given at line 2 already"},
    {"[backend \"a\"]\nmax_age = 1h\nmax_age = 1h\n", 3, "max_age was given at line 2 already"},
    {"[backend \"a\"]\nplugin = x y\n", 2, "give a plugin's name"},
    {"[backend \"a\"]\nplugin = ./x.so\n", 2, "give a path that begins with / or with ~/"},
    {"[backend \"a\"]\nbatch = 0\n", 2, "from 1 to 10000"},
    {"[backend \"a\"]\nmax_age = 30\n", 2, "give a time such as"},
    {"[backend \"a\"]\nwait_embedding = 1h\n", 2, "at most 600s"},
    {"[backend \"a\"]\npassword = S3CRET\n", 2, "password_env or a file by password_file"},
    {"[backend \"a\"]\nSecret = S3CRET\n", 2, "a secret does not belong into this file"},
    {"[backend \"a\"]\napi_key = S3CRET\n", 2, "api_key_env"},
    {"[backend \"a\"]\nauth_token = S3CRET\n", 2, "auth_token_env"},
    {"[backend \"a\"]\nurl = http://u:S3CRET@h/x\n", 2, "holds a password"},
    {"[broker]\npassword = S3CRET\n", 2, "unknown key \"password\""},
    {"[broker]\nS3CRET\n", 2, "write it as: name = value"},
};

static void test_what_is_wrong_is_refused_at_its_line(void **state)
{
    struct fixture *f = *state;
    char place[100];

    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *r = &refusals[i];
        int result = load(f, r->text);
        snprintf(place, sizeof place, "%s:%u: ", f->file, r->line);
        if (result != -EINVAL || strncmp(f->err.text, place, strlen(place)) != 0 ||
            strstr(f->err.text, r->want) == NULL || strstr(f->err.text, "S3CRET") != NULL) {
            fail_msg("%s gave %d: %s", r->text, result, f->err.text);
        }
        assert_null(f->config);
    }
}

static void test_a_word_that_only_looks_like_a_secret_is_an_option(void **state)
{
    struct fixture *f = *state;

    load_ok(f, "[backend \"a\"]\nplugin = x\nmax_tokens = 5\npassword_file = /x\ntokenizer = y\n"
               "url = http://h:80/a@b:c\nuser = http://me@h/\n");
    assert_int_equal(f->config->backends[0].option_count, 5);
}

/* inih would cut each of these without a word. */
static void test_a_line_that_inih_would_cut_is_refused(void **state)
{
    struct fixture *f = *state;
    char text[1000];

    for (int size = 150; size < 260; size++) {
        snprintf(text, sizeof text, "[backend \"b\"]\nplugin = x\nv=%0*d", size - 2, 7);
        int result = load(f, text);
        if (size <= 197) {
            assert_int_equal(result, 0);
            assert_int_equal(strlen(f->config->backends[0].options[0].value), size - 2);
        } else {
            assert_int_equal(result, -EINVAL);
            assert_non_null(strstr(f->err.text, ":3: the line is too long"));
        }
    }
}

static void test_a_name_that_inih_would_cut_is_refused(void **state)
{
    struct fixture *f = *state;
    char text[200];

    for (int size = 40; size < 60; size++) {
        snprintf(text, sizeof text, "[backend \"b\"]\nplugin = x\n%0*d = y", size, 7);
        int result = load(f, text);
        if (size <= 49) {
            assert_int_equal(result, 0);
            assert_int_equal(strlen(f->config->backends[0].options[0].key), size);
        } else {
            assert_int_equal(result, -EINVAL);
            assert_non_null(strstr(f->err.text, ":3: the name is too long"));
        }
    }
}

static void test_a_backends_name_may_have_64_bytes(void **state)
{
    struct fixture *f = *state;
    char text[300];

    snprintf(text, sizeof text, "[backend \"%064d\"]\nplugin = x\n", 7);
    load_ok(f, text);
    assert_int_equal(strlen(f->config->backends[0].name), 64);
    snprintf(text, sizeof text, "[backend \"%065d\"]\nplugin = x\n", 7);
    assert_int_equal(load(f, text), -EINVAL);
    snprintf(text, sizeof text, "[backend \"%0200d\"]\nplugin = x\n", 7);
    assert_int_equal(load(f, text), -EINVAL);
}

static void test_a_comment_may_be_long(void **state)
{
    struct fixture *f = *state;
    char text[1000];

    snprintf(text, sizeof text, "# %0600d\n[broker]\ndims = 7\n", 7);
    load_ok(f, text);
    assert_int_equal(f->config->dims, 7);
}

static void test_a_nul_is_no_text(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(load_bytes(f, "[broker]\ndims\0 = 5\n", 19), -EINVAL);
    assert_non_null(strstr(f->err.text, ":2: the line is not UTF-8"));
}

static void test_a_huge_file_is_no_config(void **state)
{
    struct fixture *f = *state;
    size_t size = 1024 * 1024;
    char *text = malloc(size + 1);

    assert_non_null(text);
    memset(text, '\n', size + 1);
    assert_int_equal(load_bytes(f, text, size), 0);
    assert_int_equal(load_bytes(f, text, size + 1), -EINVAL);
    assert_non_null(strstr(f->err.text, "that is no config"));
    free(text);
}

static void test_counts_are_bounded(void **state)
{
    struct fixture *f = *state;
    char *text;
    size_t size;
    FILE *memory = open_memstream(&text, &size);

    for (int i = 0; i < CONFIG_BACKENDS_MAX + 1; i++) {
        fprintf(memory, "[backend \"b%d\"]\nplugin = x\n", i);
    }
    fclose(memory);
    assert_int_equal(load(f, text), -EINVAL);
    assert_non_null(strstr(f->err.text, ":129: too many backends"));
    free(text);

    memory = open_memstream(&text, &size);
    fprintf(memory, "[backend \"b\"]\n");
    for (int i = 0; i < CONFIG_OPTIONS_MAX + 1; i++) {
        fprintf(memory, "k%d = x\n", i);
    }
    fclose(memory);
    assert_int_equal(load(f, text), -EINVAL);
    assert_non_null(strstr(f->err.text, ":130: too many options"));
    free(text);
}

static void test_values_parse_or_are_left_alone(void **state)
{
    static const struct {
        int (*parse)(const char *, int64_t *);
        const char *text;
        int64_t want; /* -1: refused */
    } rows[] = {
        {config_parse_duration, "500ms", 500},
        {config_parse_duration, "30s", 30000},
        {config_parse_duration, "10m", 600000},
        {config_parse_duration, "2h", 7200000},
        {config_parse_duration, "1d", 86400000},
        {config_parse_duration, "0", 0},
        {config_parse_duration, "0s", 0},
        {config_parse_duration, "30", -1},
        {config_parse_duration, "", -1},
        {config_parse_duration, "s", -1},
        {config_parse_duration, "-1s", -1},
        {config_parse_duration, "1.5s", -1},
        {config_parse_duration, "1 s", -1},
        {config_parse_duration, "1s ", -1},
        {config_parse_duration, "1y", -1},
        {config_parse_duration, "9223372036854775807d", -1},
        {config_parse_size, "4096", 4096},
        {config_parse_size, "64K", 65536},
        {config_parse_size, "16M", 16777216},
        {config_parse_size, "1g", 1073741824},
        {config_parse_size, "0", 0},
        {config_parse_size, "16MB", -1},
        {config_parse_size, "-1", -1},
        {config_parse_size, "99999999999G", -1},
        {config_parse_int, "0", 0},
        {config_parse_int, "9223372036854775807", INT64_MAX},
        {config_parse_int, "9223372036854775808", -1},
        {config_parse_int, "+1", -1},
        {config_parse_int, " 1", -1},
        {config_parse_int, "1 ", -1},
        {config_parse_int, "0x10", -1},
        {config_parse_int, "", -1},
        {config_parse_int, "-", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t value = -7;
        int result = rows[i].parse(rows[i].text, &value);
        if (result != (rows[i].want < 0 ? -EINVAL : 0) ||
            value != (rows[i].want < 0 ? -7 : rows[i].want)) {
            fail_msg("\"%s\" gave %d, %lld", rows[i].text, result, (long long)value);
        }
    }
    int64_t value;
    assert_int_equal(config_parse_int("-9223372036854775808", &value), 0);
    assert_true(value == INT64_MIN);
}

static void test_truths_are_words(void **state)
{
    static const char *const yes[] = {"yes", "true", "on", "True"};
    static const char *const no[] = {"no", "false", "off", "NO"};
    static const char *const neither[] = {"", "1", "0", "y", "yes ", "nope"};
    bool value;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(config_parse_bool(yes[i], &value), 0);
        assert_true(value);
        assert_int_equal(config_parse_bool(no[i], &value), 0);
        assert_false(value);
    }
    for (size_t i = 0; i < sizeof neither / sizeof neither[0]; i++) {
        assert_int_equal(config_parse_bool(neither[i], &value), -EINVAL);
    }
}

static void test_the_distance_of_two_names_counts_slips(void **state)
{
    char longer[100];

    (void)state;
    assert_int_equal(suggest_distance("socket", "socket"), 0);
    assert_int_equal(suggest_distance("sokcet", "socket"), 1);
    assert_int_equal(suggest_distance("soket", "socket"), 1);
    assert_int_equal(suggest_distance("socckets", "socket"), 2);
    assert_int_equal(suggest_distance("", "abc"), 3);
    memset(longer, 'a', sizeof longer);
    longer[99] = '\0';
    assert_true(suggest_distance(longer, "a") == SIZE_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_no_file_is_a_good_config),
        TEST(test_an_empty_file_is_a_good_config),
        TEST(test_a_named_file_must_exist),
        TEST(test_the_environment_names_the_file),
        TEST(test_the_file_is_found_below_xdg_config_home),
        TEST(test_settings_are_read),
        TEST(test_a_rule_of_the_guard_can_be_off),
        TEST(test_the_example_of_the_design_is_read),
        TEST(test_common_keys_of_a_backend_are_not_its_plugins),
        TEST(test_quotes_keep_blanks_and_options_may_be_empty),
        TEST(test_what_is_wrong_is_refused_at_its_line),
        TEST(test_a_word_that_only_looks_like_a_secret_is_an_option),
        TEST(test_a_line_that_inih_would_cut_is_refused),
        TEST(test_a_name_that_inih_would_cut_is_refused),
        TEST(test_a_backends_name_may_have_64_bytes),
        TEST(test_a_comment_may_be_long),
        TEST(test_a_nul_is_no_text),
        TEST(test_a_huge_file_is_no_config),
        TEST(test_counts_are_bounded),
        cmocka_unit_test(test_values_parse_or_are_left_alone),
        cmocka_unit_test(test_truths_are_words),
        cmocka_unit_test(test_the_distance_of_two_names_counts_slips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
