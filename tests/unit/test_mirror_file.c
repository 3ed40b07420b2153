/*
 * mirror-file, driven through the loader: what it confirmed is in the file and comes back exactly,
 * whatever happened on the way.
 */
#include "broker/plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ORIGIN       "11111111-2222-4333-8444-555555555555"
#define OTHER_ORIGIN "99999999-2222-4333-8444-555555555555"
#define LINES_MAX    64

struct fixture {
    char root[40];
    char plugin_dir[60], state_dir[60], config_file[60];
    char file[128]; /* the mirror's, in its state directory */
    int log_fds[2];
    struct log log;
    struct plugin_context context;
    struct config *config;
    struct plugin *plugin;
    struct instance *instance;
    struct error err;
};

static void write_bytes(const char *path, const char *bytes, size_t size, int flags)
{
    int fd = open(path, O_WRONLY | O_CREAT | flags, 0700);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    assert_int_equal(close(fd), 0);
}

/* A file's bytes with a NUL behind them. */
static char *read_bytes(const char *path, size_t *ret_size)
{
    struct stat st;
    int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    char *bytes = malloc((size_t)st.st_size + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
    bytes[st.st_size] = '\0';
    *ret_size = (size_t)st.st_size;
    close(fd);
    return bytes;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char path[100];
    size_t size;

    if (f == NULL) {
        return -1;
    }
    strcpy(f->root, "/tmp/memferry-mirror-XXXXXX");
    if (mkdtemp(f->root) == NULL || pipe2(f->log_fds, O_NONBLOCK) != 0) {
        return -1;
    }
    snprintf(f->plugin_dir, sizeof f->plugin_dir, "%s/plugins", f->root);
    snprintf(f->state_dir, sizeof f->state_dir, "%s/state", f->root);
    snprintf(f->config_file, sizeof f->config_file, "%s/memferry.conf", f->root);
    snprintf(f->file, sizeof f->file, "%s/backends/m/mirror.ndjson", f->state_dir);
    snprintf(path, sizeof path, "%s/mirror-file.so", f->plugin_dir);
    mkdir(f->plugin_dir, 0700); /* a build directory may be open to others */
    char *bytes = read_bytes(MIRROR_FILE, &size);
    write_bytes(path, bytes, size, 0);
    free(bytes);
    log_init(&f->log, f->log_fds[1], LOG_LEVEL_DEBUG);
    f->context = (struct plugin_context){.plugin_dir = f->plugin_dir,
                                         .config_file = f->config_file,
                                         .state_dir = f->state_dir,
                                         .origin = ORIGIN,
                                         .dims = 4,
                                         .log = &f->log};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[100];

    instance_close(f->instance);
    plugin_unload(f->plugin);
    config_free(f->config);
    close(f->log_fds[0]);
    close(f->log_fds[1]);
    snprintf(command, sizeof command, "rm -rf %s", f->root);
    free(f);
    return system(command);
}

static void close_mirror(struct fixture *f)
{
    f->instance = instance_close(f->instance);
    f->plugin = plugin_unload(f->plugin);
    f->config = config_free(f->config);
}

/* Opens the mirror anew, as after a restart; `options` are lines of its section. */
static int open_mirror(struct fixture *f, const char *options, struct memferry_reason *why)
{
    char text[600];

    close_mirror(f);
    snprintf(text, sizeof text, "[backend \"m\"]\nplugin = mirror-file\n%s", options);
    write_bytes(f->config_file, text, strlen(text), O_TRUNC);
    if (config_load(&f->config, f->config_file, &f->err) != 0 ||
        plugin_load(&f->plugin, &f->config->backends[0], &f->context, &f->err) != 0 ||
        instance_open(&f->instance, f->plugin, &f->err) != 0) {
        fail_msg("%s", f->err.text);
    }
    return plugin_table(f->plugin)->probe(instance_self(f->instance), why);
}

static void open_ok(struct fixture *f, const char *options)
{
    struct memferry_reason why = {.text = ""};

    if (open_mirror(f, options, &why) != 0) {
        fail_msg("%s", why.text);
    }
}

static struct memferry_string string(const char *text)
{
    return (struct memferry_string){.data = text, .size = strlen(text)};
}

static struct memferry_memory simple(const char *id, const char *content, int64_t stamp)
{
    return (struct memferry_memory){.id = string(id),
                                    .content = string(content),
                                    .kind = string("note"),
                                    .embedding_model = string(""),
                                    .created_ms = 1,
                                    .updated_ms = 2,
                                    .version = 3,
                                    .stamp = stamp,
                                    .origin = string(ORIGIN),
                                    .session_id = string("")};
}

static void deliver(struct fixture *f, const struct memferry_memory *m, size_t n,
                    struct memferry_outcome *outcomes)
{
    plugin_table(f->plugin)->deliver(instance_self(f->instance), m, n, outcomes);
}

static void deliver_ok(struct fixture *f, struct memferry_memory m)
{
    struct memferry_outcome outcome = {0};

    deliver(f, &m, 1, &outcome);
    if (outcome.verdict != MEMFERRY_DONE) {
        fail_msg("%s", outcome.reason.text);
    }
    assert_false(outcome.superseded);
}

/* What fetch gave, as "id=content" each. */
struct fetched {
    char text[LINES_MAX][128];
    unsigned count;
    unsigned stop_at; /* answer 42 at this one; 0: never */
};

static int take(void *arg, const struct memferry_memory *m)
{
    struct fetched *fetched = arg;

    assert_true(fetched->count < LINES_MAX);
    snprintf(fetched->text[fetched->count++], sizeof fetched->text[0], "%.60s=%.60s", m->id.data,
             m->deleted_ms != 0 ? "(deleted)" : m->content.data);
    return fetched->count == fetched->stop_at ? 42 : 0;
}

static int fetch(struct fixture *f, const char *after, size_t max, memferry_fetch_fn *fn, void *arg)
{
    return plugin_table(f->plugin)->fetch(instance_self(f->instance), after, max, fn, arg);
}

static const char *log_text(struct fixture *f)
{
    static char text[8192];
    ssize_t size = read(f->log_fds[0], text, sizeof text - 1);

    text[size > 0 ? size : 0] = '\0';
    return text;
}

static unsigned count_lines(const char *path)
{
    size_t size;
    char *bytes = read_bytes(path, &size);
    unsigned lines = 0;

    for (size_t i = 0; i < size; i++) {
        lines += bytes[i] == '\n';
    }
    assert_true(size == 0 || bytes[size - 1] == '\n');
    free(bytes);
    return lines;
}

static void test_a_delivered_state_is_a_line_of_json(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    open_ok(f, "");
    deliver_ok(f, simple("a", "tea\nat \"four\"", 10));
    json_t *line = json_load_file(f->file, 0, NULL);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "id")), "a");
    assert_string_equal(json_string_value(json_object_get(line, "content")), "tea\nat \"four\"");
    assert_int_equal(json_integer_value(json_object_get(line, "stamp")), 10);
    assert_string_equal(json_string_value(json_object_get(line, "embedding_state")), "none");
    assert_null(json_object_get(line, "deleted_ms"));
    json_decref(line);
    assert_int_equal(count_lines(f->file), 1);
    assert_int_equal(stat(f->file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static const float embedding[] = {0.1f, -FLT_MIN, FLT_MAX, 1e-45f};

static void assert_rich(const struct memferry_memory *m)
{
    assert_string_equal(m->id.data, "id/\xe2\x82\xac");
    assert_string_equal(m->content.data, "\x01\x1f\x7f\xf0\x9f\x8d\xb5");
    assert_int_equal(m->tag_count, 2);
    assert_string_equal(m->tags[1].data, "");
    assert_int_equal(m->prop_count, 9);
    assert_string_equal(m->props[0].name.data, "bool");
    assert_true(m->props[0].value.as.boolean);
    assert_int_equal(m->props[1].value.type, MEMFERRY_VALUE_LIST);
    assert_int_equal(m->props[1].value.as.list.count, 0);
    assert_int_equal(m->props[2].value.type, MEMFERRY_VALUE_FLOAT);
    assert_true(m->props[2].value.as.floating == 3.0);
    assert_true(m->props[3].value.as.floating == DBL_MAX);
    assert_int_equal(m->props[4].value.type, MEMFERRY_VALUE_INT);
    assert_true(m->props[4].value.as.integer == INT64_MIN);
    assert_true(m->props[5].value.as.integer == INT64_MAX);
    assert_int_equal(m->props[6].value.as.list.items[1].type, MEMFERRY_VALUE_FLOAT);
    assert_true(m->props[6].value.as.list.items[1].as.floating == 2.0);
    assert_true(m->props[7].value.as.floating == 5e-324);
    assert_string_equal(m->props[8].value.as.string.data, "s");
    assert_int_equal(m->dims, 4);
    assert_memory_equal(m->embedding, embedding, sizeof embedding);
    assert_string_equal(m->embedding_model.data, "caller");
    assert_int_equal(m->embedding_state, MEMFERRY_EMBEDDING_READY);
    assert_true(m->created_ms == -5 && m->updated_ms == 6 && m->deleted_ms == 7);
    assert_true(m->version == INT64_MAX && m->stamp == INT64_MAX - 1);
    assert_string_equal(m->origin.data, ORIGIN);
    assert_string_equal(m->session_id.data, "s1");
}

static int take_rich(void *arg, const struct memferry_memory *m)
{
    unsigned *count = arg;

    assert_rich(m);
    *count += 1;
    return 0;
}

static void test_a_memory_comes_back_exactly(void **state)
{
    struct fixture *f = *state;
    const struct memferry_string tags[] = {string("t\\1"), string("")};
    const struct memferry_value floats[] = {
        {.type = MEMFERRY_VALUE_FLOAT, .as.floating = 1.5},
        {.type = MEMFERRY_VALUE_FLOAT, .as.floating = 2.0},
    };
    const struct memferry_prop props[] = {
        {string("bool"), {.type = MEMFERRY_VALUE_BOOL, .as.boolean = true}},
        {string("empty"), {.type = MEMFERRY_VALUE_LIST}},
        {string("float"), {.type = MEMFERRY_VALUE_FLOAT, .as.floating = 3.0}},
        {string("huge"), {.type = MEMFERRY_VALUE_FLOAT, .as.floating = DBL_MAX}},
        {string("int"), {.type = MEMFERRY_VALUE_INT, .as.integer = INT64_MIN}},
        {string("int2"), {.type = MEMFERRY_VALUE_INT, .as.integer = INT64_MAX}},
        {string("list"), {.type = MEMFERRY_VALUE_LIST, .as.list = {floats, 2}}},
        {string("small"), {.type = MEMFERRY_VALUE_FLOAT, .as.floating = 5e-324}},
        {string("string"), {.type = MEMFERRY_VALUE_STRING, .as.string = string("s")}},
    };
    struct memferry_memory m = {.id = string("id/\xe2\x82\xac"),
                                .content = string("\x01\x1f\x7f\xf0\x9f\x8d\xb5"),
                                .kind = string("fact"),
                                .tags = tags,
                                .tag_count = 2,
                                .props = props,
                                .prop_count = 9,
                                .embedding = embedding,
                                .dims = 4,
                                .embedding_model = string("caller"),
                                .embedding_state = MEMFERRY_EMBEDDING_READY,
                                .created_ms = -5,
                                .updated_ms = 6,
                                .deleted_ms = 7,
                                .version = INT64_MAX,
                                .stamp = INT64_MAX - 1,
                                .origin = string(ORIGIN),
                                .session_id = string("s1")};
    unsigned count = 0;

    assert_rich(&m);
    open_ok(f, "");
    deliver_ok(f, m);
    open_ok(f, "");
    assert_int_equal(fetch(f, "", 10, take_rich, &count), 1);
    assert_int_equal(count, 1);
}

static void test_fetch_gives_the_newest_state_of_each_in_order(void **state)
{
    struct fixture *f = *state;
    struct fetched got = {.count = 0};

    open_ok(f, "");
    deliver_ok(f, simple("b", "new", 20));
    deliver_ok(f, simple("b", "old but later in the file", 10));
    deliver_ok(f, simple("a", "first", 10));
    deliver_ok(f, simple("a", "same stamp, later in the file", 10));
    struct memferry_memory other = simple("c", "larger origin", 10);
    other.origin = string(OTHER_ORIGIN);
    deliver_ok(f, other);
    deliver_ok(f, simple("c", "smaller origin", 10));
    struct memferry_memory gone = simple("B", "x", 10);
    gone.deleted_ms = 99;
    deliver_ok(f, gone);
    assert_int_equal(fetch(f, "", 10, take, &got), 4);
    assert_string_equal(got.text[0], "B=(deleted)");
    assert_string_equal(got.text[1], "a=same stamp, later in the file");
    assert_string_equal(got.text[2], "b=new");
    assert_string_equal(got.text[3], "c=larger origin");
}

static void test_fetch_pages_and_stops_when_told(void **state)
{
    struct fixture *f = *state;
    struct fetched got = {.count = 0};

    open_ok(f, "");
    assert_int_equal(fetch(f, "", 2, take, &got), 0);
    for (char id[2] = "a"; id[0] <= 'e'; id[0]++) {
        deliver_ok(f, simple(id, "x", 1));
    }
    assert_int_equal(fetch(f, "", 2, take, &got), 2);
    assert_int_equal(fetch(f, "b", 2, take, &got), 2);
    deliver_ok(f, simple("dd", "came between", 1));
    assert_int_equal(fetch(f, "d", 5, take, &got), 2);
    assert_int_equal(got.count, 6);
    assert_string_equal(got.text[4], "dd=came between");
    assert_string_equal(got.text[5], "e=x");
    assert_int_equal(fetch(f, "e", 5, take, &got), 0);
    assert_int_equal(fetch(f, "", 0, take, &got), 0);
    got = (struct fetched){.stop_at = 2};
    assert_int_equal(fetch(f, "", 5, take, &got), 42);
    assert_int_equal(got.count, 2);
}

static unsigned count_of(const char *text, const char *wanted)
{
    unsigned count = 0;

    for (; (text = strstr(text, wanted)) != NULL; text++) {
        count++;
    }
    return count;
}

/* One page of one memory each, and a delivery behind each page. */
static void fetch_beside_deliveries(struct fixture *f, const char *last, struct fetched *got)
{
    char after[8] = "";

    while (strcmp(after, last) != 0) {
        assert_int_equal(fetch(f, after, 1, take, got), 1);
        snprintf(after, sizeof after, "%.2s", got->text[got->count - 1]);
        deliver_ok(f, simple("00", "changed behind the page", got->count));
        deliver_ok(f, simple("09", got->text[got->count - 1], got->count));
    }
}

static void test_pages_see_what_is_delivered_between_them(void **state)
{
    struct fixture *f = *state;
    static const char damaged[] = "{\"memferry\":1,damaged\n";
    struct fetched got = {.count = 0};
    char id[8];

    open_ok(f, "");
    close_mirror(f);
    write_bytes(f->file, damaged, sizeof damaged - 1, 0);
    open_ok(f, "");
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "%02d", i);
        deliver_ok(f, simple(id, "x", 0));
    }
    fetch_beside_deliveries(f, "09", &got);
    assert_int_equal(got.count, 10);
    assert_string_equal(got.text[8], "08=x");
    assert_string_equal(got.text[9], "09=08=x");
    assert_int_equal(count_of(log_text(f), "skipped 1 lines"), 1); /* the whole was read once */
}

static void test_pages_go_on_over_a_new_part(void **state)
{
    struct fixture *f = *state;
    struct fetched got = {.count = 0};
    char content[3000], id[8];

    memset(content, 'x', sizeof content - 1);
    content[sizeof content - 1] = '\0';
    open_ok(f, "rotate_size = 4K\n");
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "%02d", i);
        deliver_ok(f, simple(id, content, 0));
    }
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "%02d", i - 1);
        assert_int_equal(fetch(f, i == 0 ? "" : id, 1, take, &got), 1);
        deliver_ok(f, simple("09", i == 8 ? "the last" : content, i));
    }
    assert_int_equal(got.count, 10);
    assert_int_equal(strncmp(got.text[5], "05=xxx", 6), 0);
    assert_string_equal(got.text[9], "09=the last");
}

static void test_many_states_of_few_memories_are_few_memories(void **state)
{
    struct fixture *f = *state;
    struct fetched got = {.count = 0};
    struct memferry_memory batch[500];
    struct memferry_outcome outcomes[500];
    char ids[500][8];

    open_ok(f, "rotate_size = 256K\n");
    for (int64_t round = 0; round < 20; round++) { /* 10,000 lines: several compactions */
        memset(outcomes, 0, sizeof outcomes);
        for (size_t i = 0; i < 500; i++) {
            snprintf(ids[i], sizeof ids[i], "%03zu", i);
            batch[i] = simple(ids[i], round == 13 ? "winner" : "loser", round == 13 ? 99 : round);
        }
        deliver(f, batch, 500, outcomes);
        assert_int_equal(outcomes[499].verdict, MEMFERRY_DONE);
    }
    assert_int_equal(fetch(f, "470", 50, take, &got), 29);
    assert_string_equal(got.text[0], "471=winner");
    assert_string_equal(got.text[28], "499=winner");
}

static void test_a_torn_last_line_is_cut_and_the_rest_kept(void **state)
{
    struct fixture *f = *state;
    size_t size, torn_size;

    open_ok(f, "");
    deliver_ok(f, simple("a", "kept", 1));
    char *whole = read_bytes(f->file, &size);
    deliver_ok(f, simple("b", "torn", 2));
    char *both = read_bytes(f->file, &torn_size);
    for (size_t cut = size + 1; cut < torn_size - 1; cut += 17) {
        close_mirror(f);
        write_bytes(f->file, both, cut, O_TRUNC);
        open_ok(f, "");
        size_t mended_size;
        char *mended = read_bytes(f->file, &mended_size);
        assert_int_equal(mended_size, size);
        assert_memory_equal(mended, whole, size);
        free(mended);
        assert_non_null(strstr(log_text(f), "cut a torn line"));
    }
    deliver_ok(f, simple("b", "again", 2));
    assert_int_equal(count_lines(f->file), 2);
    free(whole);
    free(both);
}

static void test_a_file_that_is_one_torn_line_begins_anew(void **state)
{
    struct fixture *f = *state;
    struct fetched got = {.count = 0};

    open_ok(f, "");
    deliver_ok(f, simple("a", "torn", 1));
    close_mirror(f);
    assert_int_equal(truncate(f->file, 9), 0);
    open_ok(f, "");
    assert_int_equal(fetch(f, "", 9, take, &got), 0);
    deliver_ok(f, simple("a", "again", 1));
    assert_int_equal(count_lines(f->file), 1);
}

static void test_a_line_that_lost_only_its_newline_is_kept(void **state)
{
    struct fixture *f = *state;
    struct fetched got = {.count = 0};
    size_t size;

    open_ok(f, "");
    deliver_ok(f, simple("a", "kept", 1));
    close_mirror(f);
    free(read_bytes(f->file, &size));
    assert_int_equal(truncate(f->file, (off_t)size - 1), 0);
    open_ok(f, "");
    deliver_ok(f, simple("b", "next", 1));
    assert_int_equal(count_lines(f->file), 2);
    assert_int_equal(fetch(f, "", 9, take, &got), 2);
    assert_string_equal(got.text[0], "a=kept");
}

static void test_a_damaged_line_in_the_middle_is_skipped(void **state)
{
    struct fixture *f = *state;
    struct fetched got = {.count = 0};
    static const char damage[] = "{\"memferry\":1,\"id\":5}\n\n{]\n"
                                 "{\"memferry\":1,\"id\":\"x\",\"stamp\":1,\"origin\":\"o\"}\n";

    open_ok(f, "");
    deliver_ok(f, simple("a", "x", 1));
    close_mirror(f);
    write_bytes(f->file, damage, sizeof damage - 1, O_APPEND);
    open_ok(f, "");
    deliver_ok(f, simple("b", "x", 1));
    assert_int_equal(fetch(f, "", 9, take, &got), 2);
    assert_non_null(strstr(log_text(f), "skipped 4 lines"));
}

static void test_a_file_of_another_is_left_as_it_is(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {"my notes\n", "my notes", "{\"memferry\":2,", "\n"};
    struct memferry_reason why;
    char path[80], option[100], link[80];

    snprintf(path, sizeof path, "%s/notes", f->root);
    snprintf(option, sizeof option, "path = %s\n", path);
    for (size_t i = 0; i < 4; i++) {
        size_t size;
        write_bytes(path, texts[i], strlen(texts[i]), O_TRUNC);
        assert_int_equal(open_mirror(f, option, &why), -EINVAL);
        assert_non_null(strstr(why.text, "not written by mirror-file"));
        char *bytes = read_bytes(path, &size);
        assert_string_equal(bytes, texts[i]);
        free(bytes);
    }
    snprintf(link, sizeof link, "%s/link", f->root);
    snprintf(option, sizeof option, "path = %s\n", link);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(open_mirror(f, option, &why), -ELOOP);
    snprintf(option, sizeof option, "path = %s\n", f->root);
    assert_int_equal(open_mirror(f, option, &why), -EISDIR);
}

static void test_a_file_in_use_is_not_shared(void **state)
{
    struct fixture *f = *state;
    struct instance *second = NULL;
    struct memferry_reason why;
    struct memferry_outcome outcome = {0};
    struct memferry_memory m = simple("a", "x", 1);

    open_ok(f, "");
    assert_int_equal(instance_open(&second, f->plugin, &f->err), 0);
    const struct memferry_plugin *table = plugin_table(f->plugin);
    assert_int_equal(table->probe(instance_self(second), &why), -EBUSY);
    assert_non_null(strstr(why.text, "in use by another"));
    table->deliver(instance_self(second), &m, 1, &outcome);
    assert_int_equal(outcome.verdict, MEMFERRY_RETRY);
    assert_int_equal(outcome.blame, MEMFERRY_BLAME_BACKEND);
    instance_close(second);
    deliver_ok(f, m);
}

static void test_a_file_is_rotated_by_size_and_nothing_is_lost(void **state)
{
    struct fixture *f = *state;
    struct fetched got = {.count = 0};
    char content[1025], id[8], path[200];
    struct stat st;

    memset(content, 'x', 1024);
    content[1024] = '\0';
    open_ok(f, "rotate_size = 4K\n");
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof id, "%02d", i);
        deliver_ok(f, simple(id, content, 1));
        if (i % 7 == 0) {
            open_ok(f, "rotate_size = 4K\n");
        }
    }
    for (int part = 1; part <= 9; part++) {
        snprintf(path, sizeof path, "%s.%d", f->file, part);
        assert_int_equal(stat(path, &st), 0);
        assert_in_range(st.st_size, 4096, 4096 + 1500);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    assert_int_equal(fetch(f, "", LINES_MAX, take, &got), 40);
    assert_int_equal(strncmp(got.text[0], "00=xxx", 6), 0);
}

static void test_keep_drops_the_oldest_parts(void **state)
{
    struct fixture *f = *state;
    struct fetched got = {.count = 0};
    char content[5000], id[8], path[200];

    memset(content, 'x', sizeof content - 1);
    content[sizeof content - 1] = '\0';
    open_ok(f, "rotate_size = 4K\nkeep = 2\n");
    for (int i = 0; i < 12; i++) { /* a part each; numbers pass from one digit to two */
        snprintf(id, sizeof id, "%02d", i);
        deliver_ok(f, simple(id, content, 1));
    }
    for (int part = 1; part <= 11; part++) {
        snprintf(path, sizeof path, "%s.%d", f->file, part);
        assert_int_equal(access(path, F_OK), part >= 10 ? 0 : -1);
    }
    snprintf(path, sizeof path, "%s.notes", f->file); /* none of ours */
    write_bytes(path, "x", 1, 0);
    deliver_ok(f, simple("12", content, 1));
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(fetch(f, "", LINES_MAX, take, &got), 3);
    assert_int_equal(strncmp(got.text[0], "10=", 3), 0);
}

/* The limit of a file's size stands in for a full disk: a write ends in the middle of a line. */
static void set_size_limit(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_a_batch_that_does_not_fit_leaves_nothing_and_comes_again(void **state)
{
    struct fixture *f = *state;
    struct fetched got = {.count = 0};
    struct memferry_memory batch[8];
    struct memferry_outcome outcomes[8] = {0};
    static const char ids[8][2] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    size_t size, size_after;

    for (size_t i = 0; i < 8; i++) {
        batch[i] = simple(ids[i], "x", 1);
    }
    open_ok(f, "");
    deliver_ok(f, simple("0", "x", 1));
    free(read_bytes(f->file, &size));
    signal(SIGXFSZ, SIG_IGN);
    set_size_limit(size + size * 7 / 2);
    deliver(f, batch, 8, outcomes);
    set_size_limit(RLIM_INFINITY);
    signal(SIGXFSZ, SIG_DFL);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(outcomes[i].verdict, MEMFERRY_RETRY);
        assert_int_equal(outcomes[i].blame, MEMFERRY_BLAME_BACKEND);
        assert_non_null(strstr(outcomes[i].reason.text, "cannot write to"));
    }
    free(read_bytes(f->file, &size_after));
    assert_int_equal(size_after, size);
    memset(outcomes, 0, sizeof outcomes);
    deliver(f, batch, 8, outcomes);
    assert_int_equal(outcomes[7].verdict, MEMFERRY_DONE);
    assert_int_equal(count_lines(f->file), 9);
    assert_int_equal(fetch(f, "", 20, take, &got), 9);
}

static void test_a_memory_too_large_for_a_line_is_rejected_alone(void **state)
{
    struct fixture *f = *state;
    size_t size = 33 << 20;
    char *content = malloc(size + 1);
    struct memferry_outcome outcomes[3] = {0};

    assert_non_null(content);
    memset(content, 'x', size);
    content[size] = '\0';
    struct memferry_memory batch[3] = {simple("a", "x", 1), simple("b", content, 1),
                                       simple("c", "x", 1)};
    open_ok(f, "");
    deliver(f, batch, 3, outcomes);
    assert_int_equal(outcomes[0].verdict, MEMFERRY_DONE);
    assert_int_equal(outcomes[1].verdict, MEMFERRY_REJECT);
    assert_int_equal(outcomes[1].blame, MEMFERRY_BLAME_RECORD);
    assert_non_null(strstr(outcomes[1].reason.text, "make it smaller"));
    assert_int_equal(outcomes[2].verdict, MEMFERRY_DONE);
    assert_int_equal(count_lines(f->file), 2);
    free(content);
}

static void test_a_directory_that_comes_later_is_found_by_probe(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;
    struct memferry_outcome outcome = {0};
    struct memferry_memory m = simple("a", "x", 1);
    char directory[80], option[120];

    snprintf(directory, sizeof directory, "%s/later", f->root);
    snprintf(option, sizeof option, "path = %s/m.ndjson\n", directory);
    assert_int_equal(open_mirror(f, option, &why), -ENOENT);
    assert_non_null(strstr(why.text, "later/m.ndjson: No such file"));
    deliver(f, &m, 1, &outcome);
    assert_int_equal(outcome.blame, MEMFERRY_BLAME_BACKEND);
    assert_int_equal(mkdir(directory, 0700), 0);
    assert_int_equal(plugin_table(f->plugin)->probe(instance_self(f->instance), &why), 0);
    deliver_ok(f, m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_delivered_state_is_a_line_of_json),
        TEST(test_a_memory_comes_back_exactly),
        TEST(test_fetch_gives_the_newest_state_of_each_in_order),
        TEST(test_fetch_pages_and_stops_when_told),
        TEST(test_pages_see_what_is_delivered_between_them),
        TEST(test_pages_go_on_over_a_new_part),
        TEST(test_many_states_of_few_memories_are_few_memories),
        TEST(test_a_torn_last_line_is_cut_and_the_rest_kept),
        TEST(test_a_file_that_is_one_torn_line_begins_anew),
        TEST(test_a_line_that_lost_only_its_newline_is_kept),
        TEST(test_a_damaged_line_in_the_middle_is_skipped),
        TEST(test_a_file_of_another_is_left_as_it_is),
        TEST(test_a_file_in_use_is_not_shared),
        TEST(test_a_file_is_rotated_by_size_and_nothing_is_lost),
        TEST(test_keep_drops_the_oldest_parts),
        TEST(test_a_batch_that_does_not_fit_leaves_nothing_and_comes_again),
        TEST(test_a_memory_too_large_for_a_line_is_rejected_alone),
        TEST(test_a_directory_that_comes_later_is_found_by_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
