/*
 * test_neo4j_plugin.c - the plugin against a real Neo4j at $NEO4J_URL ($NEO4J_PASSWORD), started by
 * neo4j.sh. It wipes the database. With $NEO4J_SCRIPT, the path of neo4j.sh, the server is also
 * killed and started again. Exit 77 (skipped) without $NEO4J_URL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/neo4j-http/neo4j.h"
#include "tests/lib/fake_host.h"
#include "tests/lib/sample_memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DIMS = 8, SKIPPED = 77 };

extern const struct memferry_plugin memferry_plugin;

struct fixture {
    struct fake_host host;
    void *self;
};

/* ---- the graph as others see it ---- */

/* POSTs one statement, or none if cypher is NULL; asserts that it went well. */
static json_t *post(struct neo4j *graph, const char *url, const char *cypher)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    json_t *statements = cypher == NULL ? json_array() : json_pack("[{s:s}]", "statement", cypher);
    json_t *body = json_pack("{s:o}", "statements", statements);
    char *written = json_dumps(body, 0);
    struct http_request request = {.method = "POST",
                                   .url = url,
                                   .headers = headers,
                                   .body = written,
                                   .body_size = strlen(written)};

    http_exchange(graph->http, &request, 1);
    assert_int_equal(request.reply.failure, HTTP_ANSWERED);
    json_t *root = json_loads(request.reply.body, 0, NULL);
    const json_t *errors = json_object_get(root, "errors");
    if (json_array_size(errors) != 0) {
        fail_msg("%s: %s", cypher, request.reply.body);
    }
    http_reply_deinit(&request.reply);
    json_decref(body);
    free(written);
    return root;
}

static json_t *first_row(json_t *root)
{
    const json_t *result = json_array_get(json_object_get(root, "results"), 0);
    const json_t *data = json_array_get(json_object_get(result, "data"), 0);
    json_t *row = json_incref(json_object_get(data, "row"));

    json_decref(root);
    return row;
}

/* The first row of a query's answer; decref it. */
static json_t *query(struct fixture *f, const char *cypher)
{
    struct neo4j *graph = f->self;

    return first_row(post(graph, graph->tx_url, cypher));
}

/* That a query answers one value, written as JSON. */
static void assert_answer(struct fixture *f, const char *cypher, const char *expected)
{
    json_t *row = query(f, cypher);
    char *value = json_dumps(json_array_get(row, 0), JSON_ENCODE_ANY | JSON_SORT_KEYS);

    if (value == NULL || strcmp(value, expected) != 0) {
        fail_msg("%s: %s, expected %s", cypher, value, expected);
    }
    free(value);
    json_decref(row);
}

static void run(struct fixture *f, const char *cypher)
{
    json_decref(query(f, cypher));
}

/* ---- instances ---- */

static void open_instance(struct fixture *f)
{
    struct memferry_reason why = {.text = ""};

    assert_int_equal(memferry_plugin.open(&f->host.host, &f->self), 0);
    if (memferry_plugin.probe(f->self, &why) != 0) {
        fail_msg("probe: %s", why.text);
    }
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    fake_host_init(&f->host, memferry_plugin.options);
    f->host.host.dims = DIMS;
    fake_host_set(&f->host, "url", getenv("NEO4J_URL"));
    fake_host_set(&f->host, "password", getenv("NEO4J_PASSWORD"));
    *state = f;
    open_instance(f);
    run(f, "MATCH (n) DETACH DELETE n");
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    memferry_plugin.close(f->self);
    fake_host_deinit(&f->host);
    free(f);
    return 0;
}

/* Before and after all: the next user of this database may have other dimensions. */
static int drop_index(void **state)
{
    setup(state);
    run(*state, "DROP INDEX memory_embedding IF EXISTS");
    return teardown(state);
}

static int setup_query_api(void **state)
{
    setup(state);
    struct fixture *f = *state;
    struct neo4j *graph = f->self;
    graph->api = NEO4J_API_QUERY;
    return 0;
}

static struct memferry_outcome deliver(struct fixture *f, const struct memferry_memory *memory)
{
    struct memferry_outcome outcome = {.verdict = 0};

    memferry_plugin.deliver(f->self, memory, 1, &outcome);
    return outcome;
}

static void deliver_well(struct fixture *f, const struct memferry_memory *memory)
{
    struct memferry_outcome outcome = deliver(f, memory);

    if (outcome.verdict != MEMFERRY_DONE || outcome.superseded) {
        fail_msg("verdict %d, superseded %d: %s", (int)outcome.verdict, outcome.superseded,
                 outcome.reason.text);
    }
}

/* ---- fetch ---- */

struct fetched {
    const struct memferry_memory *expected;
    size_t count;
};

static int compare_fetched(void *arg, const struct memferry_memory *memory)
{
    struct fetched *fetched = arg;
    const char *difference = memory_difference(memory, &fetched->expected[fetched->count]);

    if (difference != NULL) {
        fail_msg("%s: %s differs", memory->id.data, difference);
    }
    fetched->count++;
    return 0;
}

static void assert_fetched(struct fixture *f, const struct memferry_memory *expected, size_t count)
{
    struct fetched fetched = {.expected = expected};

    assert_int_equal(memferry_plugin.fetch(f->self, "", count + 10, compare_fetched, &fetched),
                     (int)count);
    assert_int_equal(fetched.count, count);
}

/* ---- tests ---- */

static const struct memferry_value two_floats[] = {{MEMFERRY_VALUE_FLOAT, {.floating = 1.0}},
                                                   {MEMFERRY_VALUE_FLOAT, {.floating = -2.5e-300}}};
static const struct memferry_value two_ints[] = {{MEMFERRY_VALUE_INT, {.integer = INT64_MIN}},
                                                 {MEMFERRY_VALUE_INT, {.integer = INT64_MAX}}};
static const struct memferry_value two_bools[] = {{MEMFERRY_VALUE_BOOL, {.boolean = true}},
                                                  {MEMFERRY_VALUE_BOOL, {.boolean = false}}};
static const struct memferry_value two_strings[] = {
    {MEMFERRY_VALUE_STRING, {.string = {"", 0}}},
    {MEMFERRY_VALUE_STRING, {.string = {"a\"b\\c\n\x01\xc3\xa4\xf0\x9f\x98\x80", 13}}}};

/* Every field set, every type of prop; the arrays are filled in. */
static struct memferry_memory full_memory(const char *id, struct memferry_prop props[16],
                                          struct memferry_string tags[2], float embedding[DIMS])
{
    struct memferry_memory memory = sample_memory(id, INT64_C(1763900000000001));
    size_t n = 0;

    props[n++] = prop_list("a empty", NULL, 0);
    props[n++] = prop_bool("b", true);
    props[n++] = prop_int("big", INT64_MAX);
    props[n++] = prop_float("e", 1e300);
    props[n++] = prop_float("float", 0.1 + 0.2);
    props[n++] = prop_list("list bools", two_bools, 2);
    props[n++] = prop_list("list floats", two_floats, 2);
    props[n++] = prop_list("list ints", two_ints, 2);
    props[n++] = prop_list("list strings", two_strings, 2);
    props[n++] = prop_float("minus zero", -0.0);
    props[n++] = prop_float("one", 1.0);
    props[n++] = prop_string("quo`te\"\\ \xc3\xa4", "line\nline\ttab");
    props[n++] = prop_string("\xf0\x9f\x98\x80", "");
    memory.props = props;
    memory.prop_count = n;
    tags[0] = text("tea");
    tags[1] = text("");
    memory.tags = tags;
    memory.tag_count = 2;
    fill_embedding(embedding, DIMS, 7);
    embedding[0] = -0.0f;
    embedding[1] = 3.4028235e38f;
    embedding[2] = 1.0e-30f;
    embedding[3] = 1.0f;
    memory.embedding = embedding;
    memory.dims = DIMS;
    memory.embedding_model = text("caller");
    memory.embedding_state = MEMFERRY_EMBEDDING_READY;
    memory.session_id = text("11111111-1111-4111-8111-111111111111");
    return memory;
}

static void test_probe_makes_constraints_and_index(void **state)
{
    struct fixture *f = *state;

    assert_answer(f,
                  "SHOW CONSTRAINTS YIELD labelsOrTypes, properties, type WHERE type = "
                  "'UNIQUENESS' RETURN count(*)",
                  "2");
    assert_answer(f,
                  "SHOW INDEXES YIELD type, options WHERE type = 'VECTOR' "
                  "RETURN options.indexConfig['vector.dimensions']",
                  "8");
}

static void test_every_property_is_exact(void **state)
{
    struct fixture *f = *state;
    struct memferry_prop props[16];
    struct memferry_string tags[2];
    float embedding[DIMS];
    struct memferry_memory memory = full_memory("full", props, tags, embedding);

    deliver_well(f, &memory);
    assert_fetched(f, &memory, 1);
    /* As others see it. */
    assert_answer(f, "MATCH (m:Memory {id: 'full'}) RETURN m.stamp", "1763900000000001");
    assert_answer(f, "MATCH (m:Memory) RETURN m.one = 1.0 AND valueType(m.one) STARTS WITH 'FLOAT'",
                  "true");
    assert_answer(f, "MATCH (m:Memory) RETURN valueType(m.big)", "\"INTEGER NOT NULL\"");
    assert_answer(f, "MATCH (m:Memory) RETURN m.content + '|' + m.kind + '|' + m.embedding_state",
                  "\"Tea at four|note|ready\"");
    assert_answer(f, "MATCH (m:Memory) RETURN size(keys(m))", "27");
}

static void test_a_memory_without_anything_optional_is_exact(void **state)
{
    struct fixture *f = *state;
    struct memferry_memory memory = sample_memory("plain", 1);

    memory.embedding_state = MEMFERRY_EMBEDDING_PENDING;
    deliver_well(f, &memory);
    assert_fetched(f, &memory, 1);
    assert_answer(f, "MATCH (n) RETURN count(n)", "1");
}

static void test_an_older_state_is_superseded_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct memferry_memory newer = sample_memory("a", 20), older = sample_memory("a", 19);

    older.content = text("stale");
    deliver_well(f, &newer);
    struct memferry_outcome outcome = deliver(f, &older);
    assert_int_equal(outcome.verdict, MEMFERRY_DONE);
    assert_true(outcome.superseded);
    assert_fetched(f, &newer, 1);
    deliver_well(f, &newer); /* equal: taken again */
}

static void test_equal_stamps_are_decided_by_origin(void **state)
{
    struct fixture *f = *state;
    struct memferry_memory low = sample_memory("a", 20), high = sample_memory("a", 20);

    high.origin = text("f0000000-0000-4000-8000-000000000001");
    deliver_well(f, &high);
    assert_true(deliver(f, &low).superseded);
    assert_fetched(f, &high, 1);
    run(f, "MATCH (n) DETACH DELETE n");
    deliver_well(f, &low);
    deliver_well(f, &high);
    assert_fetched(f, &high, 1);
}

static void test_own_props_are_removed_and_others_left_alone(void **state)
{
    struct fixture *f = *state;
    struct memferry_prop props[] = {prop_int("a", 1), prop_int("b`c", 2), prop_int("d", 3)};
    struct memferry_memory memory = sample_memory("m", 1);

    memory.props = props;
    memory.prop_count = 3;
    deliver_well(f, &memory);
    run(f, "MATCH (m:Memory {id: 'm'}) SET m.theirs = 'x', m:Starred");
    struct memferry_memory next = sample_memory("m", 2);
    next.props = &props[2];
    next.prop_count = 1;
    deliver_well(f, &next);
    assert_fetched(f, &next, 1);
    assert_answer(f, "MATCH (m:Starred) RETURN [m.theirs, m.a, m.`b``c`, m.d]",
                  "[\"x\", null, null, 3]");
    /* An older state doesn't bring them back. */
    assert_true(deliver(f, &memory).superseded);
    assert_answer(f, "MATCH (m:Memory) RETURN m.a", "null");
}

static void test_a_vector_that_is_gone_is_removed(void **state)
{
    struct fixture *f = *state;
    struct memferry_prop props[16];
    struct memferry_string tags[2];
    float embedding[DIMS];
    struct memferry_memory memory = full_memory("m", props, tags, embedding);
    struct memferry_memory next = sample_memory("m", memory.stamp + 1);

    deliver_well(f, &memory);
    deliver_well(f, &next);
    assert_fetched(f, &next, 1);
}

static void test_a_tombstone_keeps_the_last_state_and_can_come_back(void **state)
{
    struct fixture *f = *state;
    struct memferry_memory memory = sample_memory("m", 1);

    deliver_well(f, &memory);
    memory.stamp = 2;
    memory.deleted_ms = 1700000000999;
    deliver_well(f, &memory);
    assert_fetched(f, &memory, 1);
    assert_answer(f, "MATCH (m:Memory) RETURN [m.content, m.deleted_ms]",
                  "[\"Tea at four\", 1700000000999]");
    memory.stamp = 3;
    memory.deleted_ms = 0;
    deliver_well(f, &memory);
    assert_fetched(f, &memory, 1);
    assert_answer(f, "MATCH (m:Memory) RETURN 'deleted_ms' IN keys(m)", "false");
}

static void test_the_session_link_follows_the_memory(void **state)
{
    struct fixture *f = *state;
    static const char links[] =
        "MATCH (s:Session)-[:REMEMBERED]->(m:Memory {id: 'm'}) RETURN collect(s.id)";
    struct memferry_memory memory = sample_memory("m", 1);

    memory.session_id = text("s1");
    deliver_well(f, &memory);
    deliver_well(f, &memory);
    assert_answer(f, links, "[\"s1\"]");
    memory.stamp = 2;
    memory.session_id = text("s2");
    deliver_well(f, &memory);
    assert_answer(f, links, "[\"s2\"]");
    memory.stamp = 1;
    memory.session_id = text("s1");
    assert_true(deliver(f, &memory).superseded);
    assert_answer(f, links, "[\"s2\"]");
    memory.stamp = 3;
    memory.session_id = text("");
    deliver_well(f, &memory);
    assert_answer(f, links, "[]");
    assert_answer(f, "MATCH (s:Session) RETURN count(s)", "2");
}

enum { MANY = 450 };

struct many {
    struct memferry_memory memories[MANY];
    struct memferry_outcome outcomes[MANY];
    char ids[MANY][16];
    char sessions[MANY][16];
    float embeddings[MANY][DIMS];
};

static struct many *make_many(void)
{
    struct many *many = calloc(1, sizeof *many);

    for (unsigned i = 0; i < MANY; i++) {
        struct memferry_memory *memory = &many->memories[i];
        snprintf(many->ids[i], sizeof many->ids[i], "m%05u", i);
        snprintf(many->sessions[i], sizeof many->sessions[i], "s%u", (MANY - i) % 7);
        *memory = sample_memory(many->ids[i], 1 + i);
        memory->session_id = text(many->sessions[i]);
        fill_embedding(many->embeddings[i], DIMS, i);
        memory->embedding = many->embeddings[i];
        memory->dims = DIMS;
        memory->embedding_state = MEMFERRY_EMBEDDING_READY;
        memory->embedding_model = text("nomic-embed-text");
    }
    return many;
}

static void test_a_large_batch_arrives_whole_and_once(void **state)
{
    struct fixture *f = *state;
    struct many *many = make_many();

    for (int twice = 0; twice < 2; twice++) {
        memferry_plugin.deliver(f->self, many->memories, MANY, many->outcomes);
        for (size_t i = 0; i < MANY; i++) {
            assert_int_equal(many->outcomes[i].verdict, MEMFERRY_DONE);
        }
    }
    assert_fetched(f, many->memories, MANY);
    assert_answer(f, "MATCH (m:Memory) RETURN count(m)", "450");
    assert_answer(f, "MATCH ()-[r:REMEMBERED]->() RETURN count(r)", "450");
    free(many);
}

static int count_one(void *arg, const struct memferry_memory *memory)
{
    size_t *count = arg;

    (void)memory;
    return ++*count == 3 ? 42 : 0;
}

static void test_fetch_goes_on_behind_an_id_and_stops_when_told(void **state)
{
    struct fixture *f = *state;
    struct many *many = make_many();
    struct fetched fetched = {.expected = &many->memories[10]};
    size_t count = 0;

    memferry_plugin.deliver(f->self, many->memories, MANY, many->outcomes);
    assert_int_equal(memferry_plugin.fetch(f->self, "m00009", 250, compare_fetched, &fetched), 250);
    assert_int_equal(memferry_plugin.fetch(f->self, "", 250, count_one, &count), 42);
    assert_int_equal(memferry_plugin.fetch(f->self, "m00449", 250, count_one, &count), 0);
    free(many);
}

static void test_fetch_gives_ids_in_the_order_of_their_bytes(void **state)
{
    struct fixture *f = *state;
    /* In UTF-16, U+1F600 comes before U+FF5E. In bytes it does not. */
    struct memferry_memory memories[] = {
        sample_memory("A", 1), sample_memory("a", 1), sample_memory("\xc3\xa4", 1),
        sample_memory("\xef\xbd\x9e", 1), sample_memory("\xf0\x9f\x98\x80", 1)};
    size_t n = sizeof memories / sizeof memories[0];

    for (size_t i = 0; i < n; i++) {
        deliver_well(f, &memories[n - 1 - i]);
    }
    assert_fetched(f, memories, n);
}

/* What a lane does with a batch that is refused as a whole; counts the memories that end refused.
 */
static size_t deliver_in_halves(struct fixture *f, const struct memferry_memory *memories, size_t n,
                                struct memferry_outcome *outcomes)
{
    size_t refused = 0;

    memferry_plugin.deliver(f->self, memories, n, outcomes);
    size_t first = 0;
    while (first < n && (outcomes[first].verdict == MEMFERRY_DONE)) {
        first++;
    }
    size_t end = first;
    while (end < n && outcomes[end].verdict != MEMFERRY_DONE) {
        end++;
    }
    if (first == end) {
        return 0;
    }
    if (end - first == 1) {
        assert_int_equal(outcomes[first].blame, MEMFERRY_BLAME_RECORD);
        return 1;
    }
    assert_int_equal(outcomes[first].blame, MEMFERRY_BLAME_BATCH);
    size_t half = (end - first) / 2;
    refused += deliver_in_halves(f, memories + first, half, outcomes + first);
    refused +=
        deliver_in_halves(f, memories + first + half, end - first - half, outcomes + first + half);
    return refused;
}

static void test_a_poison_memory_ends_alone(void **state)
{
    struct fixture *f = *state;
    struct many *many = make_many();
    struct memferry_prop email = prop_string("email", "ada@example.org");

    run(f, "CREATE CONSTRAINT one_email IF NOT EXISTS FOR (m:Memory) REQUIRE m.email IS UNIQUE");
    many->memories[3].props = many->memories[137].props = &email;
    many->memories[3].prop_count = many->memories[137].prop_count = 1;
    deliver_well(f, &many->memories[3]);
    size_t refused = deliver_in_halves(f, many->memories, MANY, many->outcomes);
    run(f, "DROP CONSTRAINT one_email");
    assert_int_equal(refused, 1);
    assert_int_equal(many->outcomes[137].verdict, MEMFERRY_REJECT);
    assert_non_null(strstr(many->outcomes[137].reason.text, "ConstraintValidationFailed"));
    assert_answer(f, "MATCH (m:Memory) RETURN count(m)", "449");
    free(many);
}

static void test_a_value_too_large_for_an_index_is_rejected(void **state)
{
    struct fixture *f = *state;
    char *large = malloc(100001);

    memset(large, 'a', 100000);
    large[100000] = '\0';
    struct memferry_prop props[] = {prop_string("note", large)};
    struct memferry_memory memory = sample_memory("m", 1);
    memory.props = props;
    memory.prop_count = 1;
    run(f, "CREATE INDEX notes IF NOT EXISTS FOR (m:Memory) ON (m.note)");
    run(f, "CALL db.awaitIndexes(60)");
    struct memferry_outcome outcome = deliver(f, &memory);
    run(f, "DROP INDEX notes");
    assert_int_equal(outcome.verdict, MEMFERRY_REJECT);
    assert_int_equal(outcome.blame, MEMFERRY_BLAME_RECORD);
    free(large);
}

static void test_a_wrong_password_is_the_backends_until_it_is_right(void **state)
{
    struct fixture *f = *state;
    struct memferry_memory memory = sample_memory("m", 1);
    struct memferry_reason why;

    memferry_plugin.close(f->self);
    fake_host_set(&f->host, "password", "wrong-password");
    assert_int_equal(memferry_plugin.open(&f->host.host, &f->self), 0);
    assert_true(memferry_plugin.probe(f->self, &why) < 0);
    assert_null(strstr(why.text, "wrong-password"));
    struct memferry_outcome outcome = deliver(f, &memory);
    assert_int_equal(outcome.verdict, MEMFERRY_RETRY);
    assert_int_equal(outcome.blame, MEMFERRY_BLAME_BACKEND);
    assert_non_null(strstr(outcome.reason.text, "Neo.ClientError.Security."));

    memferry_plugin.close(f->self);
    fake_host_set(&f->host, "password", getenv("NEO4J_PASSWORD"));
    open_instance(f);
    deliver_well(f, &memory);
}

static void test_a_missing_database_is_the_backends(void **state)
{
    struct fixture *f = *state;
    struct memferry_memory memory = sample_memory("m", 1);

    memferry_plugin.close(f->self);
    fake_host_set(&f->host, "database", "nowhere");
    assert_int_equal(memferry_plugin.open(&f->host.host, &f->self), 0);
    struct memferry_outcome outcome = deliver(f, &memory);
    assert_int_equal(outcome.verdict, MEMFERRY_RETRY);
    assert_int_equal(outcome.blame, MEMFERRY_BLAME_BACKEND);
}

struct late {
    struct fixture *f;
    struct memferry_memory memory;
    struct memferry_outcome outcome;
};

static void *deliver_late(void *arg)
{
    struct late *late = arg;

    late->outcome = deliver(late->f, &late->memory);
    return NULL;
}

/* Waits until the server has another transaction that waits for a lock. */
static void wait_until_blocked(struct fixture *f)
{
    for (;;) {
        json_t *row = query(f, "SHOW TRANSACTIONS YIELD status WHERE status STARTS WITH 'Blocked' "
                               "RETURN count(*)");
        bool blocked = json_integer_value(json_array_get(row, 0)) > 0;
        json_decref(row);
        if (blocked) {
            return;
        }
    }
}

static void test_a_writer_that_waited_sees_what_it_waited_for(void **state)
{
    struct fixture *f = *state;
    struct fixture other = {.self = NULL};
    struct late late = {.f = f, .memory = sample_memory("m", 4)};
    struct memferry_memory first = sample_memory("m", 1);
    pthread_t thread;
    char url[256];

    other.host = f->host;
    assert_int_equal(memferry_plugin.open(&other.host.host, &other.self), 0);
    struct neo4j *graph = other.self;
    deliver_well(f, &first);
    snprintf(url, sizeof url, "%.*s", (int)(strlen(graph->tx_url) - strlen("/commit")),
             graph->tx_url);
    json_t *open =
        post(graph, url, "MATCH (m:Memory {id: 'm'}) SET m.stamp = 5, m.content = 'new'");
    assert_int_equal(pthread_create(&thread, NULL, deliver_late, &late), 0);
    wait_until_blocked(&other);
    json_decref(post(graph, json_string_value(json_object_get(open, "commit")), NULL));
    pthread_join(thread, NULL);
    assert_int_equal(late.outcome.verdict, MEMFERRY_DONE);
    assert_true(late.outcome.superseded);
    assert_answer(f, "MATCH (m:Memory) RETURN m.content", "\"new\"");
    json_decref(open);
    memferry_plugin.close(other.self);
}

static void test_the_nearest_memory_is_found_by_the_vector_index(void **state)
{
    struct fixture *f = *state;
    struct many *many = make_many();

    memferry_plugin.deliver(f->self, many->memories, MANY, many->outcomes);
    run(f, "CALL db.awaitIndexes(60)");
    assert_answer(f,
                  "MATCH (m:Memory {id: 'm00321'}) "
                  "CALL db.index.vector.queryNodes('memory_embedding', 1, m.embedding) YIELD node "
                  "RETURN node.id",
                  "\"m00321\"");
    free(many);
}

static void test_an_index_of_other_dimensions_is_warned_of(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;

    f->host.host.dims = DIMS + 1;
    f->host.quiet = true;
    unsigned before = atomic_load(&f->host.warnings);
    assert_int_equal(memferry_plugin.probe(f->self, &why), 0);
    assert_int_equal(atomic_load(&f->host.warnings), before + 1);
}

static void server(const char *verb)
{
    char command[1024];

    snprintf(command, sizeof command, "'%s' %s >&2", getenv("NEO4J_SCRIPT"), verb);
    assert_int_equal(system(command), 0);
}

static void test_a_killed_server_is_the_backends_until_it_is_back(void **state)
{
    struct fixture *f = *state;
    struct memferry_memory memory = sample_memory("m", 1);

    if (getenv("NEO4J_SCRIPT") == NULL) {
        skip();
    }
    deliver_well(f, &memory);
    server("kill9");
    struct memferry_outcome outcome = deliver(f, &memory);
    server("start");
    assert_int_equal(outcome.verdict, MEMFERRY_RETRY);
    assert_int_equal(outcome.blame, MEMFERRY_BLAME_BACKEND);
    struct memferry_reason why;
    assert_int_equal(memferry_plugin.probe(f->self, &why), 0);
    deliver_well(f, &memory);
    assert_fetched(f, &memory, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_QUERY(name)                                                                           \
    {                                                                                              \
        "query api: " #name, name, setup_query_api, teardown, NULL                                 \
    }
    const struct CMUnitTest tests[] = {
        TEST(test_probe_makes_constraints_and_index),
        TEST(test_every_property_is_exact),
        TEST_QUERY(test_every_property_is_exact),
        TEST(test_a_memory_without_anything_optional_is_exact),
        TEST(test_an_older_state_is_superseded_and_changes_nothing),
        TEST_QUERY(test_an_older_state_is_superseded_and_changes_nothing),
        TEST(test_equal_stamps_are_decided_by_origin),
        TEST(test_own_props_are_removed_and_others_left_alone),
        TEST_QUERY(test_own_props_are_removed_and_others_left_alone),
        TEST(test_a_vector_that_is_gone_is_removed),
        TEST(test_a_tombstone_keeps_the_last_state_and_can_come_back),
        TEST(test_the_session_link_follows_the_memory),
        TEST(test_a_large_batch_arrives_whole_and_once),
        TEST_QUERY(test_a_large_batch_arrives_whole_and_once),
        TEST(test_fetch_goes_on_behind_an_id_and_stops_when_told),
        TEST(test_fetch_gives_ids_in_the_order_of_their_bytes),
        TEST(test_a_poison_memory_ends_alone),
        TEST_QUERY(test_a_poison_memory_ends_alone),
        TEST(test_a_value_too_large_for_an_index_is_rejected),
        TEST(test_a_wrong_password_is_the_backends_until_it_is_right),
        TEST(test_a_missing_database_is_the_backends),
        TEST(test_a_writer_that_waited_sees_what_it_waited_for),
        TEST(test_the_nearest_memory_is_found_by_the_vector_index),
        TEST(test_an_index_of_other_dimensions_is_warned_of),
        TEST(test_a_killed_server_is_the_backends_until_it_is_back),
    };

    if (getenv("NEO4J_URL") == NULL || getenv("NEO4J_PASSWORD") == NULL) {
        fprintf(stderr, "skipped: NEO4J_URL and NEO4J_PASSWORD name no server\n");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, drop_index, drop_index);
}
