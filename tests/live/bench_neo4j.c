/*
 * bench_neo4j.c - how many memories a second the plugin brings to a real Neo4j.
 *
 *     bench_neo4j MEMORIES BATCH CONNECTIONS VECTOR_INDEX(true|false)
 *
 * at $NEO4J_URL with $NEO4J_PASSWORD; 768 floats and 300 bytes of text each. It wipes the database,
 * then prints one line: memories/s created, memories/s updated, and our own CPU µs a memory.
 */
#include "plugins/neo4j-http/neo4j.h"
#include "tests/lib/fake_host.h"
#include "tests/lib/sample_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DIMS = 768, VECTORS = 64, TEXT_BYTES = 300, BATCH_MAX = 10000 };

extern const struct memferry_plugin memferry_plugin;

static double seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench_neo4j: %s\n", what);
        exit(1);
    }
}

/* One statement, its answer thrown away. */
static void run(struct neo4j *graph, const char *cypher)
{
    struct json_writer w;
    struct neo4j_reply reply;
    size_t size;

    json_writer_init(&w, 1 << 16);
    statement_begin(&w, graph->api, cypher);
    statement_end(&w, graph->api);
    const char *body = json_writer_text(&w, &size);
    struct http_request request = neo4j_request(graph, body, size);
    http_exchange(graph->http, &request, 1);
    must(neo4j_reply_read(&reply, &request.reply, graph->api, 1, "server"),
         reply.failure.reason.text);
    neo4j_reply_deinit(&reply);
    http_reply_deinit(&request.reply);
    json_writer_deinit(&w);
}

struct bench {
    void *self;
    size_t batch;
    float vectors[VECTORS][DIMS];
    char content[TEXT_BYTES + 1];
    char ids[BATCH_MAX][24];
    struct memferry_memory memories[BATCH_MAX];
    struct memferry_outcome outcomes[BATCH_MAX];
};

static void deliver_batch(struct bench *b, size_t first, size_t count, int64_t stamp)
{
    for (size_t i = 0; i < count; i++) {
        struct memferry_memory *memory = &b->memories[i];
        snprintf(b->ids[i], sizeof b->ids[i], "%08zx-%08zx", (first + i) * 2654435761u & 0xffffffff,
                 first + i);
        *memory = sample_memory(b->ids[i], stamp);
        memory->content = text(b->content);
        memory->embedding = b->vectors[(first + i) % VECTORS];
        memory->dims = DIMS;
        memory->embedding_state = MEMFERRY_EMBEDDING_READY;
        memory->embedding_model = text("nomic-embed-text");
        memory->session_id = text("11111111-1111-4111-8111-111111111111");
    }
    memferry_plugin.deliver(b->self, b->memories, count, b->outcomes);
    for (size_t i = 0; i < count; i++) {
        must(b->outcomes[i].verdict == MEMFERRY_DONE, b->outcomes[i].reason.text);
    }
}

/* Memories a second. */
static double deliver_all(struct bench *b, size_t total, int64_t stamp)
{
    double start = seconds(CLOCK_MONOTONIC);

    for (size_t first = 0; first < total; first += b->batch) {
        deliver_batch(b, first, total - first < b->batch ? total - first : b->batch, stamp);
    }
    return (double)total / (seconds(CLOCK_MONOTONIC) - start);
}

int main(int argc, char **argv)
{
    struct fake_host host;
    struct memferry_reason why;
    struct bench *b = calloc(1, sizeof *b);

    must(argc == 5 && b != NULL, "MEMORIES BATCH CONNECTIONS VECTOR_INDEX");
    size_t total = strtoul(argv[1], NULL, 10);
    b->batch = strtoul(argv[2], NULL, 10);
    must(b->batch >= 1 && b->batch <= BATCH_MAX, "BATCH is out of bounds");
    must(getenv("NEO4J_URL") != NULL && getenv("NEO4J_PASSWORD") != NULL, "no NEO4J_URL");
    memset(b->content, 'x', TEXT_BYTES);
    for (unsigned i = 0; i < VECTORS; i++) {
        fill_embedding(b->vectors[i], DIMS, i);
    }
    fake_host_init(&host, memferry_plugin.options);
    fake_host_set(&host, "url", getenv("NEO4J_URL"));
    fake_host_set(&host, "password", getenv("NEO4J_PASSWORD"));
    fake_host_set(&host, "connections", argv[3]);
    fake_host_set(&host, "vector_index", argv[4]);
    fake_host_set(&host, "timeout", "300s");
    must(memferry_plugin.open(&host.host, &b->self) == 0, "open");
    run(b->self, "MATCH (n) CALL { WITH n DETACH DELETE n } IN TRANSACTIONS OF 1000 ROWS");
    run(b->self, "DROP INDEX memory_embedding IF EXISTS");
    must(memferry_plugin.probe(b->self, &why) == 0, why.text);
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    double created = deliver_all(b, total, 1);
    double updated = deliver_all(b, total, 2);
    cpu = (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e6 / (double)(2 * total);
    printf("%zu memories, batch %zu, connections %s, vector index %s: %.0f created/s, "
           "%.0f updated/s, %.0f us CPU of ours\n",
           total, b->batch, argv[3], argv[4], created, updated, cpu);
    memferry_plugin.close(b->self);
    fake_host_deinit(&host);
    free(b);
    return 0;
}
