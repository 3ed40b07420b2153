/*
 * apply_rows.c - what the store thread's work costs: events applied by the store, beside SQLite's
 * bare insert of the very rows that came of it.
 *
 * A store of MEMORIES is made in DIR, and copied. Then rounds: EVENTS puts of new memories are
 * applied to the one, the rows that they made are read from it, and inserted into the copy, both in
 * transactions of the same size, with the same checkpoints. Both grow alike. Prints one JSON
 * object; times are of the work alone, in wall time and in CPU time of the thread.
 *
 *     apply_rows DIR MEMORIES EVENTS ROUNDS [TRANSACTION]
 */
#include "bare_rows.h"

#include "broker/store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ORIGIN           "00000000-0000-4000-8000-00000000b001"
#define SESSION          "00000000-0000-4000-8000-00000000b002"
#define CONTENT_BYTES    600
#define CHECKPOINT_BYTES ((uint64_t)32 << 20)
#define ROUNDS_MAX       64

struct bench {
    char path[PATH_MAX], copy[PATH_MAX];
    struct store *store;
    uint64_t seq, transaction;
};

struct took {
    double wall_us, cpu_us; /* of one event */
};

_Noreturn static void die(const char *what, const struct error *err)
{
    fprintf(stderr, "apply_rows: %s: %s\n", what, err == NULL ? strerror(errno) : err->text);
    exit(1);
}

static double clock_us(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* splitmix64: ids as random as callers' are */
static uint64_t scatter(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static struct event_text text(const char *data)
{
    return (struct event_text){.data = data, .size = strlen(data)};
}

static void write_uuid(char *out, uint64_t number)
{
    uint64_t a = scatter(number), b = scatter(~number);

    snprintf(out, 37, "%08x-%04x-4%03x-8%03x-%012llx", (unsigned)(a >> 32),
             (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff, (unsigned)(b >> 52),
             (unsigned long long)(b & 0xffffffffffff));
}

/* {content: 600 bytes, tags: [one]} */
static size_t write_fields(uint8_t *out)
{
    static const char words[] = "The kettle is on the left of the stove; tea is taken at four. ";
    static const uint8_t begin[] = {0x82,
                                    0xa7,
                                    'c',
                                    'o',
                                    'n',
                                    't',
                                    'e',
                                    'n',
                                    't',
                                    0xda,
                                    CONTENT_BYTES >> 8,
                                    CONTENT_BYTES & 0xff};
    static const uint8_t end[] = {0xa4, 't', 'a', 'g', 's', 0x91, 0xa4, 'p', 'l', 'a', 'n'};
    uint8_t *at = out + sizeof begin;

    memcpy(out, begin, sizeof begin);
    for (size_t i = 0; i < CONTENT_BYTES; i++) {
        *at++ = (uint8_t)words[i % (sizeof words - 1)];
    }
    memcpy(at, end, sizeof end);
    return (size_t)(at - out) + sizeof end;
}

static void open_store(struct bench *bench)
{
    struct store_options options = {.path = bench->path, .origin = ORIGIN, .dims = 768};
    struct error err;

    if (store_open(&bench->store, &options, &err) != 0) {
        die(bench->path, &err);
    }
}

/* ---- applying ---- */

static void apply_one(struct bench *bench, uint64_t seq)
{
    char memory_id[37], event_id[37];
    uint8_t fields[CONTENT_BYTES + 64], payload[CONTENT_BYTES + 512];
    struct apply_result result;
    struct error err;

    write_uuid(memory_id, seq);
    write_uuid(event_id, seq ^ (1ull << 63));
    struct event event = {.op = EVENT_PUT,
                          .memory_id = text(memory_id),
                          .event_id = text(event_id),
                          .session_id = text(SESSION),
                          .peer_pid = 1,
                          .fields = fields,
                          .fields_size = write_fields(fields)};
    if (event_size_max(&event) > sizeof payload) {
        die("payload", NULL);
    }
    struct journal_record record = {.payload = payload,
                                    .payload_size = event_encode(&event, payload),
                                    .seq = seq,
                                    .at_ms = (int64_t)seq,
                                    .stamp_us = (int64_t)seq * 1000};
    if (store_apply(bench->store, &record, &result, &err) != 0) {
        die("store_apply", &err);
    }
    if (result.outcome != APPLY_CHANGED) {
        fprintf(stderr, "apply_rows: event %llu changed nothing\n", (unsigned long long)seq);
        exit(1);
    }
}

static void checkpoint(struct bench *bench)
{
    uint64_t safe_seq;
    struct error err;

    if (store_checkpoint(bench->store, &safe_seq, &err) != 0) {
        die("store_checkpoint", &err);
    }
}

static void apply(struct bench *bench, uint64_t events)
{
    uint64_t end = bench->seq + events;
    struct error err;

    while (bench->seq < end) {
        if (store_begin(bench->store, &err) != 0) {
            die("store_begin", &err);
        }
        for (uint64_t n = 0; n < bench->transaction && bench->seq < end; n++) {
            apply_one(bench, ++bench->seq);
        }
        if (store_commit(bench->store, &err) != 0) {
            die("store_commit", &err);
        }
        if (store_wal_bytes(bench->store) >= CHECKPOINT_BYTES) {
            checkpoint(bench);
        }
    }
}

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    static char buffer[1 << 20];
    size_t size;

    if (in == NULL || out == NULL) {
        die(to, NULL);
    }
    while ((size = fread(buffer, 1, sizeof buffer, in)) > 0) {
        if (fwrite(buffer, 1, size, out) != size) {
            die(to, NULL);
        }
    }
    fclose(in);
    if (fclose(out) != 0) {
        die(to, NULL);
    }
}

/* ---- rounds ---- */

static struct took measure_store(struct bench *bench, uint64_t events)
{
    double wall = clock_us(CLOCK_MONOTONIC), cpu = clock_us(CLOCK_THREAD_CPUTIME_ID);

    apply(bench, events);
    return (struct took){(clock_us(CLOCK_MONOTONIC) - wall) / (double)events,
                         (clock_us(CLOCK_THREAD_CPUTIME_ID) - cpu) / (double)events};
}

static struct took measure_bare(struct bench *bench, sqlite3 *db, uint64_t events)
{
    struct bare_rows *rows = bare_rows_read(bench->path, bench->seq - events, bench->seq);
    double wall = clock_us(CLOCK_MONOTONIC), cpu = clock_us(CLOCK_THREAD_CPUTIME_ID);

    bare_rows_insert(db, rows, bench->transaction);
    struct took took = {(clock_us(CLOCK_MONOTONIC) - wall) / (double)events,
                        (clock_us(CLOCK_THREAD_CPUTIME_ID) - cpu) / (double)events};
    bare_rows_free(rows);
    return took;
}

static void print_times(const char *name, const struct took *took, unsigned rounds)
{
    printf(", \"%s_us\": [", name);
    for (unsigned i = 0; i < rounds; i++) {
        printf("%s%.3f", i == 0 ? "" : ", ", took[i].wall_us);
    }
    printf("], \"%s_cpu_us\": [", name);
    for (unsigned i = 0; i < rounds; i++) {
        printf("%s%.3f", i == 0 ? "" : ", ", took[i].cpu_us);
    }
    printf("]");
}

/* Leaves the two databases in DIR: it is the caller's to remove. */
int main(int argc, char **argv)
{
    struct bench bench = {.transaction = 2000};
    struct took store[ROUNDS_MAX], bare[ROUNDS_MAX];

    if (argc < 5) {
        fprintf(stderr, "usage: apply_rows DIR MEMORIES EVENTS ROUNDS [TRANSACTION]\n");
        return 64;
    }
    uint64_t memories = strtoull(argv[2], NULL, 10), events = strtoull(argv[3], NULL, 10);
    unsigned rounds = (unsigned)strtoul(argv[4], NULL, 10);
    bench.transaction = argc > 5 ? strtoull(argv[5], NULL, 10) : bench.transaction;
    if (events == 0 || rounds == 0 || rounds > ROUNDS_MAX || bench.transaction == 0) {
        return 64;
    }
    snprintf(bench.path, sizeof bench.path, "%s/memferry.db", argv[1]);
    snprintf(bench.copy, sizeof bench.copy, "%s/copy.db", argv[1]);
    open_store(&bench);
    apply(&bench, memories);
    checkpoint(&bench);
    store_close(bench.store);
    copy_file(bench.path, bench.copy);
    open_store(&bench);
    sqlite3 *db = bare_open(bench.copy);
    for (unsigned i = 0; i < rounds; i++) {
        store[i] = measure_store(&bench, events);
        bare[i] = measure_bare(&bench, db, events);
    }
    sqlite3_close(db);
    store_close(bench.store);
    printf("{\"memories\": %llu, \"events\": %llu, \"transaction\": %llu",
           (unsigned long long)memories, (unsigned long long)events,
           (unsigned long long)bench.transaction);
    print_times("store", store, rounds);
    print_times("bare", bare, rounds);
    printf("}\n");
    return 0;
}
