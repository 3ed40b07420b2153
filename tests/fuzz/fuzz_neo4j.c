/*
 * fuzz_neo4j.c - what a Neo4j, or whoever stands there, answers.
 *
 * The first byte says which call is made, over which API, the second of how many memories; the rest
 * is replies (replies.h). Nothing is DONE that no reply confirmed, the plugin stops asking, and a
 * memory that comes back is as memory.h promises: what is read of it, written for a delivery and
 * read again, is the same.
 */
#include "plugins/common/http_settings.h"
#include "plugins/neo4j-http/neo4j.h"
#include "tests/fuzz/replies.h"
#include "tests/lib/fake_host.h"
#include "tests/lib/sample_memory.h"

#include <math.h>
#include <string.h>

enum { MEMORIES_MAX = 60, ROUNDS_MAX = 4, CONNECTIONS = 2 };

extern const struct memferry_plugin memferry_plugin;

/* ---- deliver ---- */

/* How many rows a reply confirms, as jansson reads it. */
static size_t rows_confirmed(const struct given_reply *given, enum neo4j_api api)
{
    json_int_t rows = 0;

    if (given->failure != HTTP_ANSWERED || given->status < 200 || given->status > 299) {
        return 0;
    }
    json_t *root = json_loadb((const char *)given->body, given->body_size, JSON_ALLOW_NUL, NULL);
    const json_t *row =
        api == NEO4J_API_TX
            ? json_object_get(
                  json_array_get(
                      json_object_get(json_array_get(json_object_get(root, "results"), 0), "data"),
                      0),
                  "row")
            : json_array_get(json_object_get(json_object_get(root, "data"), "values"), 0);
    if (json_array_size(json_object_get(root, "errors")) == 0) {
        rows = json_integer_value(json_array_get(row, 0));
    }
    json_decref(root);
    return rows > 0 && rows <= MEMORIES_MAX ? (size_t)rows : 0;
}

static void deliver(struct neo4j *graph, const struct replies *replies, size_t n)
{
    struct memferry_memory memories[MEMORIES_MAX];
    struct memferry_outcome outcomes[MEMORIES_MAX];
    struct memferry_prop prop = prop_int("weight", 3);
    char ids[MEMORIES_MAX][8];
    size_t done = 0, confirmed = 0;

    for (size_t i = 0; i < n; i++) {
        snprintf(ids[i], sizeof ids[i], "m%zu", i);
        memories[i] = sample_memory(ids[i], (int64_t)i + 1);
        memories[i].props = &prop;
        memories[i].prop_count = i % 2;
    }
    memset(outcomes, 0x5a, sizeof outcomes);
    memferry_plugin.deliver(graph, memories, n, outcomes);
    for (size_t i = 0; i < n; i++) {
        must_be_outcome(&outcomes[i], n);
        done += outcomes[i].verdict == MEMFERRY_DONE;
    }
    for (size_t i = 0; i < replies->given_count; i++) {
        confirmed += rows_confirmed(&replies->given[i], graph->api);
    }
    must(done <= confirmed, "nothing is done that was not confirmed");
    must(replies->asked <= ROUNDS_MAX * CONNECTIONS, "the rounds are bounded");
}

/* ---- fetch ---- */

static void must_be_string(struct memferry_string string)
{
    must(string.data != NULL && strlen(string.data) == string.size, "a string ends where it says");
}

static void must_be_value(const struct memferry_value *value)
{
    must(value->type >= MEMFERRY_VALUE_BOOL && value->type <= MEMFERRY_VALUE_LIST, "a type");
    must(value->type != MEMFERRY_VALUE_FLOAT || isfinite(value->as.floating), "finite");
    if (value->type == MEMFERRY_VALUE_STRING) {
        must_be_string(value->as.string);
    }
    for (size_t i = 0; value->type == MEMFERRY_VALUE_LIST && i < value->as.list.count; i++) {
        const struct memferry_value *item = &value->as.list.items[i];
        must(item->type != MEMFERRY_VALUE_LIST, "a list holds no lists");
        must(item->type == value->as.list.items[0].type, "and values of one type");
        must_be_value(item);
    }
}

static void must_be_memory(const struct memferry_memory *memory)
{
    must(memory->id.size > 0, "it has an id");
    must_be_string(memory->id);
    must_be_string(memory->content);
    must_be_string(memory->kind);
    must_be_string(memory->origin);
    must_be_string(memory->session_id);
    must_be_string(memory->embedding_model);
    for (size_t i = 0; i < memory->tag_count; i++) {
        must_be_string(memory->tags[i]);
    }
    for (size_t i = 0; i < memory->prop_count; i++) {
        const struct memferry_prop *prop = &memory->props[i];
        must_be_string(prop->name);
        must(!is_field_name(prop->name), "no prop has the name of a field");
        must(i == 0 || strcmp(memory->props[i - 1].name.data, prop->name.data) < 0, "in order");
        must_be_value(&prop->value);
    }
    must((memory->embedding != NULL) == (memory->dims > 0), "a vector has dimensions");
    must((memory->embedding != NULL) == (memory->embedding_state == MEMFERRY_EMBEDDING_READY),
         "and is ready");
    for (size_t i = 0; i < memory->dims; i++) {
        must(isfinite(memory->embedding[i]), "a vector is finite");
    }
}

static int compare_cb(void *arg, const struct memferry_memory *memory)
{
    const char *difference = memory_difference(arg, memory);

    if (difference != NULL) {
        fprintf(stderr, "differs: %s\n", difference);
    }
    must(difference == NULL, "a memory comes back as it was");
    return 0;
}

/* As the statement would leave the node: what is set lies beside the id. */
static void bring_back(const struct memferry_memory *memory)
{
    struct json_writer w;
    size_t size = 0;

    json_writer_init(&w, HTTP_BODY_DEFAULT_MAX);
    deliver_row(&w, memory, 0, NULL);
    const char *text = json_writer_text(&w, &size);
    must(text != NULL, "what was read can be written");
    json_t *row = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    json_t *node = json_object_get(row, "set");
    must(json_is_object(node), "it is JSON");
    json_object_set(node, "id", json_object_get(row, "id"));
    must(memory_read(node, compare_cb, (void *)(uintptr_t)memory) == 0, "and can be read");
    json_decref(row);
    json_writer_deinit(&w);
}

struct fetched {
    size_t count, max;
};

static int fetched_cb(void *arg, const struct memferry_memory *memory)
{
    struct fetched *fetched = arg;

    must(fetched->count < fetched->max, "no more than were wanted");
    fetched->count++;
    must_be_memory(memory);
    bring_back(memory);
    return 0;
}

static void fetch(struct neo4j *graph, size_t max)
{
    struct fetched fetched = {.max = max};
    int r = memferry_plugin.fetch(graph, "", max, fetched_cb, &fetched);

    must(r < 0 || (size_t)r == fetched.count, "it says how many it gave");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct replies replies;
    struct memferry_reason why = {.text = ""};
    struct fake_host host;
    void *self;

    if (size < 2) {
        return 0;
    }
    fake_host_init(&host, memferry_plugin.options);
    host.quiet = true;
    fake_host_set(&host, "url", "http://127.0.0.1:1");
    fake_host_set(&host, "user", "");
    fake_host_set(&host, "bolt", "false"); /* what that reads is fuzz_pack.c's */
    must(memferry_plugin.open(&host.host, &self) == 0, "it opens");
    struct neo4j *graph = self;
    replies_begin(&replies, data + 2, size - 2);
    graph->api = data[0] & 1 ? NEO4J_API_QUERY : NEO4J_API_TX;
    if (data[0] & 2) {
        int r = memferry_plugin.probe(graph, &why);
        must(r == 0 || why.text[0] != '\0', "what is wrong is told");
        must(r != 0 || replies_good(&replies) > 0, "who is well has answered");
    } else if (data[0] & 4) {
        fetch(graph, 1 + data[1]);
    } else {
        deliver(graph, &replies, 1 + data[1] % MEMORIES_MAX);
    }
    replies_end();
    memferry_plugin.close(self);
    fake_host_deinit(&host);
    return 0;
}
