/*
 * fuzz_store.c - the store, fed with a journal that may hold anything.
 *
 * An input is a script: it writes events, whole or broken, of few memories, sessions and alerts, so
 * that they meet; some are applied together, some set aside as the applier would. Whatever comes,
 * an event is applied or refused for a reason of its own, nothing is read outside of it, the deep
 * check finds the store well, and the same script gives the same store when each event has a
 * transaction to itself.
 */
#include "broker/alert.h"
#include "broker/event_embed.h"
#include "broker/event_import.h"
#include "broker/event_prune.h"
#include "broker/event_statement.h"
#include "broker/session.h"
#include "broker/sql.h"
#include "broker/store.h"
#include "broker/store_hash.h"
#include "tests/fuzz/must.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define ORIGIN     "11111111-2222-4333-8444-555555555555"
#define DIMS       2
#define EVENTS_MAX 48

struct script {
    const uint8_t *at, *end;
};

static unsigned take(struct script *script)
{
    return script->at < script->end ? *script->at++ : 0;
}

static struct event_text text_of(const char *text)
{
    return (struct event_text){.data = text, .size = strlen(text)};
}

static struct event_text pick(struct script *script, const char *const *texts, unsigned count)
{
    unsigned number = take(script) % (count + 1);

    return number == count ? (struct event_text){0} : text_of(texts[number]);
}

static const char *const ids[] = {"a", "b", "\xff\xfe"};
static const char *const sessions[] = {
    "s1", "s2", "a session with a name longer than the request layer would ever let through"};
static const char *const contents[] = {"", "tea", "milk"};
static const char *const models[] = {"nomic", "minilm", "caller"};
static const char *const origins[] = {ORIGIN, "99999999-2222-4333-8444-555555555555", "short"};

/* ---- fields ---- */

struct building {
    struct script *script;
    msgpack_sbuffer fields;
    uint8_t hash[CONTENT_HASH_SIZE];
    float vector[DIMS + 1];
};

static struct unpack_slice take_vector(struct building *building)
{
    static const float numbers[] = {0, 1, -2.5f, 1e30f, NAN, INFINITY};
    unsigned wanted = take(building->script);

    for (unsigned i = 0; i <= DIMS; i++) {
        building->vector[i] = numbers[take(building->script) % 6];
    }
    return (struct unpack_slice){.data = (const uint8_t *)building->vector,
                                 .size = (wanted % 8 == 0 ? 1 : DIMS) * sizeof(float)};
}

static void pack_name(msgpack_packer *out, const char *name)
{
    msgpack_pack_str_with_body(out, name, strlen(name));
}

/* A value: a number, a text, nil, a list, a map. */
static void pack_value(struct script *script, msgpack_packer *out)
{
    unsigned number = take(script);

    switch (number % 7) {
    case 0:
        msgpack_pack_nil(out);
        break;
    case 1:
        msgpack_pack_array(out, 2);
        msgpack_pack_int64(out, number);
        msgpack_pack_int64(out, -1);
        break;
    case 2:
        msgpack_pack_map(out, 0);
        break;
    case 3:
        pack_name(out, "text");
        break;
    case 4:
        msgpack_pack_double(out, number);
        break;
    default:
        msgpack_pack_int64(out, number);
    }
}

static void pack_container(struct script *script, msgpack_packer *out)
{
    static const char *const names[] = {"x", "y", "z", ""};
    unsigned count = take(script) % 4;
    bool is_map = take(script) % 8 != 0;

    is_map ? msgpack_pack_map(out, count) : msgpack_pack_array(out, count);
    for (unsigned i = 0; i < count; i++) {
        pack_name(out, names[take(script) % 4]);
        if (is_map) {
            pack_value(script, out);
        }
    }
}

static void put_fields(struct building *building)
{
    struct script *script = building->script;
    unsigned given = take(script), count = 0;
    msgpack_packer out;

    for (unsigned bit = 1; bit <= 16; bit *= 2) {
        count += (given & bit) != 0;
    }
    msgpack_packer_init(&out, &building->fields, msgpack_sbuffer_write);
    msgpack_pack_map(&out, count);
    if (given & 1) {
        pack_name(&out, "content");
        pack_name(&out, contents[take(script) % 3]);
    }
    if (given & 2) {
        pack_name(&out, "kind");
        pack_name(&out, contents[take(script) % 3]);
    }
    if (given & 4) {
        pack_name(&out, given & 128 ? "props" : "tags");
        pack_container(script, &out);
    }
    if (given & 8) {
        pack_name(&out, given & 128 ? "tags" : "props");
        pack_container(script, &out);
    }
    if (given & 16) {
        struct unpack_slice vector = take_vector(building);
        pack_name(&out, "embedding");
        given & 64 ? msgpack_pack_nil(&out)
                   : msgpack_pack_bin_with_body(&out, vector.data, vector.size);
    }
}

static void restore_fields(struct building *building)
{
    msgpack_packer out;

    msgpack_packer_init(&out, &building->fields, msgpack_sbuffer_write);
    msgpack_pack_map(&out, 1);
    pack_name(&out, "version");
    msgpack_pack_uint64(&out, take(building->script));
}

static void embed_fields(struct building *building)
{
    struct event_text content = text_of(contents[take(building->script) % 3]);
    struct event_embed embed = {.content_hash = building->hash,
                                .model = text_of(models[take(building->script) % 3]),
                                .truncated = take(building->script) & 1};

    store_hash_content(&content, building->hash);
    embed.vector = take_vector(building);
    (void)event_embed_pack(&embed, &building->fields); /* what it refuses is left empty */
}

static void import_fields(struct building *building)
{
    static const int64_t times[] = {0, 1, -1, 1000, INT64_MAX, INT64_MIN};
    struct script *script = building->script;

    put_fields(building);
    msgpack_sbuffer body = building->fields;
    msgpack_sbuffer_init(&building->fields);
    struct event_import import = {.body = {.data = (const uint8_t *)body.data, .size = body.size},
                                  .created_ms = times[take(script) % 6],
                                  .updated_ms = times[take(script) % 6],
                                  .deleted_ms = times[take(script) % 6],
                                  .stamp_us =
                                      take(script) % 2 ? take(script) : times[take(script) % 6],
                                  .origin = text_of(origins[take(script) % 3]),
                                  .session_id = pick(script, sessions, 3),
                                  .embedding_model = pick(script, models, 3),
                                  .embedding_truncated = take(script) & 1};
    must(event_import_pack(&import, &building->fields) == 0, "memory");
    msgpack_sbuffer_destroy(&body);
}

static void alert_fields(struct building *building, struct event *event)
{
    struct script *script = building->script;
    struct alert alert = {.id = event->event_id,
                          .rule = text_of("rapid-delete"),
                          .severity = 1 + take(script) % 3,
                          .at_ms = take(script),
                          .session_id = pick(script, sessions, 3),
                          .count = take(script),
                          .adds = take(script) & 1,
                          .sample_ids = {text_of("a"), text_of("\xff\xfe")},
                          .sample_count = take(script) % 3,
                          .from_seq = take(script)};

    alert.to_seq = alert.from_seq + take(script);
    (void)alert_event(&alert, &building->fields, event);
}

static void session_fields(struct building *building, struct event *event)
{
    static const char boot[] = "22222222-2222-4333-8444-555555555555";
    struct script *script = building->script;
    struct event_text id = pick(script, sessions, 3);
    struct session_owner owner = {0};
    unsigned given = take(script);

    if (given & 1) {
        owner =
            (struct session_owner){.pid = 1 + (given >> 6), .start = 7, .boot_id = text_of(boot)};
    }
    if (event->op == EVENT_SESSION_BEGIN) {
        struct session_begin begin = {.owner = owner, .touches = (given & 6) == 2};
        begin.agent = pick(script, contents, 3);
        (void)session_begin_event(&begin, id, &building->fields, event);
    } else {
        struct session_end end = {
            .reason = 1 + given % 3, .seen_ms = (int64_t)take(script) * 1000, .owner = owner};
        (void)session_end_event(&end, id, &building->fields, event);
    }
}

static void statement_fields(struct building *building)
{
    static const char *const statements[] = {"DROP TABLE t", "rm -rf \xff", "SELECT 1"};
    struct event_statement observed = {.statement = pick(building->script, statements, 3),
                                       .language = pick(building->script, contents, 3),
                                       .source = pick(building->script, contents, 3)};

    must(event_statement_pack(&observed, &building->fields) == 0, "memory");
}

static void op_fields(struct building *building, struct event *event)
{
    switch (event->op) {
    case EVENT_PUT:
        put_fields(building);
        break;
    case EVENT_RESTORE:
        restore_fields(building);
        break;
    case EVENT_EMBED:
        embed_fields(building);
        break;
    case EVENT_IMPORT:
        import_fields(building);
        break;
    case EVENT_PRUNE:
        must(event_prune_pack(take(building->script), &building->fields) == 0, "memory");
        break;
    case EVENT_STATEMENT:
        statement_fields(building);
        break;
    case EVENT_ALERT:
        alert_fields(building, event);
        break;
    case EVENT_SESSION_BEGIN:
    case EVENT_SESSION_END:
        session_fields(building, event);
        break;
    default:
        break;
    }
}

/* ---- events ---- */

/* The payload in memory of its own, so that the sanitizer sees its end. */
static void take_bytes(struct script *script, struct journal_record *record)
{
    size_t left = (size_t)(script->end - script->at), size = take(script);
    uint8_t *payload;

    left -= left > 0;
    size = size > left ? left : size;
    payload = malloc(size + 1);
    must(payload != NULL, "memory");
    memcpy(payload, script->at, size);
    script->at += size;
    record->payload = payload;
    record->payload_size = size;
}

static bool is_of_memory(enum event_op op)
{
    return op != EVENT_SESSION_BEGIN && op != EVENT_SESSION_END && op != EVENT_STATEMENT &&
           op != EVENT_ALERT && op != EVENT_ALERT_ACK;
}

static void take_event(struct script *script, unsigned op, struct journal_record *record)
{
    struct building building = {.script = script};
    struct event event = {.op = (enum event_op)op};
    unsigned given = take(script);

    msgpack_sbuffer_init(&building.fields);
    event.memory_id = pick(script, ids, 3);
    if (!is_of_memory(event.op) && (given & 64) == 0) {
        event.memory_id = (struct event_text){0};
    }
    event.event_id = pick(script, ids, 3);
    event.session_id = pick(script, sessions, 3);
    event.retry = given & 1;
    event.has_expected_version = (given & 6) == 6;
    event.expected_version = given & 8 ? UINT64_MAX : take(script) % 8;
    event.peer_pid = given & 16 ? INT64_MIN : given;
    op_fields(&building, &event);
    if (building.fields.size > 0) {
        event.fields = (const uint8_t *)building.fields.data;
        event.fields_size = building.fields.size;
    }
    uint8_t *room = malloc(event_size_max(&event));
    must(room != NULL, "memory");
    size_t size = event_encode(&event, room);
    if (given & 32) { /* a byte of it is another */
        room[take(script) % size] = (uint8_t)take(script);
    }
    record->payload = memcpy(malloc(size), room, size);
    record->payload_size = size;
    free(room);
    msgpack_sbuffer_destroy(&building.fields);
}

struct journal {
    struct journal_record records[EVENTS_MAX];
    bool ends_batch[EVENTS_MAX];
    size_t count;
};

static void write_journal(struct script *script, struct journal *journal)
{
    while (script->at < script->end && journal->count < EVENTS_MAX) {
        struct journal_record *record = &journal->records[journal->count];
        unsigned op = take(script), when = take(script);
        *record = (struct journal_record){.seq = ++journal->count,
                                          .at_ms = (int64_t)(when >> 1) * 500,
                                          .stamp_us = (int64_t)journal->count};
        journal->ends_batch[journal->count - 1] = when & 1;
        if (op % 13 == 0) {
            take_bytes(script, record);
        } else {
            take_event(script, op % 13, record);
        }
    }
}

/* ---- applying ---- */

static struct store *open_store(const char *path)
{
    struct store_options options = {.path = path, .origin = ORIGIN, .dims = DIMS};
    struct store *store;
    struct error err = {0};

    must(store_open(&store, &options, &err) == 0, err.text);
    return store;
}

/* Each event alone, as the applier does when one of several has failed. */
static void apply_alone(struct store *store, const struct journal_record *record)
{
    struct apply_result result = {0};
    struct error err = {0};

    must(store_begin(store, &err) == 0, err.text);
    int r = store_apply(store, record, &result, &err);
    if (r != 0) {
        must(r == STORE_E_EVENT, err.text);
        store_rollback(store);
        must(store_begin(store, &err) == 0, err.text);
        store_skip(store, record->seq);
    } else {
        must(result.outcome != 0 && result.seq <= record->seq && result.version <= record->seq,
             "an answer is of something that has been");
    }
    must(store_commit(store, &err) == 0, err.text);
}

static int apply_together(struct store *store, const struct journal *journal, size_t from,
                          size_t to)
{
    struct apply_result result;
    struct error err = {0};
    int r = 0;

    must(store_begin(store, &err) == 0, err.text);
    for (size_t i = from; r == 0 && i < to; i++) {
        r = store_apply(store, &journal->records[i], &result, &err);
    }
    if (r != 0) {
        must(r == STORE_E_EVENT, err.text);
        store_rollback(store);
        return r;
    }
    must(store_commit(store, &err) == 0, err.text);
    return 0;
}

static void apply_all(struct store *store, const struct journal *journal, bool together)
{
    size_t from = 0;

    for (size_t to = 1; to <= journal->count; to++) {
        if (together && to < journal->count && !journal->ends_batch[to - 1]) {
            continue;
        }
        if (!together || apply_together(store, journal, from, to) != 0) {
            for (size_t i = from; i < to; i++) {
                apply_alone(store, &journal->records[i]);
            }
        }
        from = to;
    }
}

/* ---- the whole ---- */

/* What the tables hold, as one number. */
static uint64_t digest(const char *path)
{
    static const char *const tables[] = {"event",     "memory", "memory_tag", "embedding",
                                         "event_key", "alert",  "session",    "applied"};
    struct error err = {0};
    uint64_t sum = 0;
    struct sql sql;

    must(sql_open(&sql, path, SQLITE_OPEN_READONLY, &err) == 0, err.text);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char text[64];
        const char *query = text;
        sqlite3_stmt *rows;
        bool row;
        snprintf(text, sizeof text, "SELECT * FROM %s ORDER BY 1, 2", tables[i]);
        must(sql_prepare(&sql, &query, 1, &rows, &err) == 0, err.text);
        while (sql_step(&sql, rows, &row, &err) == 0 && row) {
            for (int column = 0; column < sqlite3_column_count(rows); column++) {
                const void *bytes = sqlite3_column_blob(rows, column);
                sum = XXH3_64bits_withSeed(bytes, (size_t)sqlite3_column_bytes(rows, column),
                                           sum * 31 + i);
            }
        }
        sql_finalize(&rows, 1);
    }
    sql_close(&sql);
    return sum;
}

static uint64_t run(const char *directory, const struct journal *journal, bool together)
{
    static const char *const files[] = {"", "-wal", "-shm"};
    uint64_t memories, events, applied;
    struct error err = {0};
    char path[128], file[140];

    snprintf(path, sizeof path, "%s/memferry.db", directory);
    struct store *store = open_store(path);
    apply_all(store, journal, together);
    store_close(store);
    must(store_verify(path, &memories, &events, &applied, &err) == 0, err.text);
    must(applied == journal->count, "every event was applied or set aside");
    uint64_t sum = digest(path);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(file, sizeof file, "%s%s", path, files[i]);
        unlink(file);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script script = {.at = data, .end = data + size};
    char directory[] = "/dev/shm/memferry-fuzz-XXXXXX";
    struct journal *journal = calloc(1, sizeof *journal);

    must(journal != NULL && mkdtemp(directory) != NULL, "a directory");
    write_journal(&script, journal);
    uint64_t together = run(directory, journal, true);
    must(run(directory, journal, false) == together, "the same journal gives the same store");
    rmdir(directory);
    for (size_t i = 0; i < journal->count; i++) {
        free((void *)(uintptr_t)journal->records[i].payload);
    }
    free(journal);
    return 0;
}
