/*
 * store_verify.c - the deep check of a store that no broker uses: SQLite's own, then ours.
 *
 * Happy path: every text is one, every event's state decodes, every memory stands where its newest
 * event left it, and what is counted, tagged and delivered agrees. Failure mode: -EBADMSG with the
 * first thing that does not, and what to do; nothing is changed.
 */
#include "broker/alert.h"
#include "broker/store_apply.h"
#include "broker/util/way_on.h"
#include "client/wire/utf8.h"

#include <errno.h>
#include <math.h>
#include <string.h>

struct verify {
    struct sql sql;
    struct store_progress counted;
    const char *damage; /* what each row of the query at hand is */
    struct error *err;
};

static int damaged(struct verify *verify, const char *what, const struct event_text *id)
{
    return error_set(verify->err, -EBADMSG,
                     "%s is damaged: %s %.*s: move it away, but keep it, and " WAY_ON,
                     verify->sql.path, what, (int)id->size, id->data == NULL ? "" : id->data);
}

static struct event_text column_text(sqlite3_stmt *row, int column)
{
    const char *data = (const char *)sqlite3_column_text(row, column);

    return (struct event_text){.data = data, .size = (size_t)sqlite3_column_bytes(row, column)};
}

typedef int verify_row_fn(struct verify *verify, sqlite3_stmt *row);

static int for_each_row(struct verify *verify, const char *text, verify_row_fn *check)
{
    sqlite3_stmt *rows;
    bool row;

    int r = sql_prepare(&verify->sql, &text, 1, &rows, verify->err);
    if (r != 0) {
        return r;
    }
    r = sql_step(&verify->sql, rows, &row, verify->err);
    while (r == 0 && row) {
        r = check(verify, rows);
        if (r == 0) {
            r = sql_step(&verify->sql, rows, &row, verify->err);
        }
    }
    sql_finalize(&rows, 1);
    return r;
}

/* ---- one row each ---- */

static int check_integrity(struct verify *verify, sqlite3_stmt *row)
{
    struct event_text found = column_text(row, 0);

    return event_text_is(found, "ok") ? 0 : damaged(verify, "SQLite says", &found);
}

/* SQLite takes any bytes for a text, and a client that is told them can't read the reply. */
static int check_texts(struct verify *verify, sqlite3_stmt *row)
{
    for (int i = 0; i < sqlite3_column_count(row); i++) {
        if (sqlite3_column_type(row, i) != SQLITE_TEXT) {
            continue;
        }
        struct event_text text = column_text(row, i);
        if (!utf8_valid(text.data, text.size)) {
            text.data = sqlite3_column_name(row, i);
            text.size = strlen(text.data);
            return damaged(verify, "there is a text that is no UTF-8 in column", &text);
        }
    }
    return 0;
}

/* A state names the vector that it was given, which is of its content. */
static int check_vector(struct verify *verify, const struct memory_state *state,
                        const struct event_text *id)
{
    static const char *const text =
        "SELECT 1 FROM embedding WHERE seq=?1 AND memory_id=?2 AND content_hash=?3";
    uint8_t hash[HASH_SIZE];
    sqlite3_stmt *find;
    bool row;

    if (state->vector_seq == 0) {
        return 0;
    }
    int r = sql_prepare(&verify->sql, &text, 1, &find, verify->err);
    if (r == 0) {
        store_hash_content(&state->content, hash);
        sql_bind_uint(find, 1, state->vector_seq);
        sql_bind_text(find, 2, id->data, id->size);
        sql_bind_blob(find, 3, hash, sizeof hash);
        r = sql_step(&verify->sql, find, &row, verify->err);
        sql_finalize(&find, 1);
    }
    return r == 0 && !row ? damaged(verify, "a vector is missing of memory", id) : r;
}

/* Some events change no version: they have no state. */
static bool is_without_state(sqlite3_stmt *row)
{
    struct event_text op = column_text(row, 3);

    return event_text_is(op, event_op_name(EVENT_EMBED)) &&
           sqlite3_column_type(row, 2) == SQLITE_NULL;
}

/* seq, memory_id, state, op */
static int check_event(struct verify *verify, sqlite3_stmt *row)
{
    struct event_text id = column_text(row, 1);
    struct memory_state state;

    verify->counted.events++;
    if (is_without_state(row)) {
        return 0;
    }
    if (memory_state_decode(sqlite3_column_blob(row, 2), (size_t)sqlite3_column_bytes(row, 2),
                            &state) < 0) {
        return damaged(verify, "an event has no readable state of memory", &id);
    }
    if (state.version != sql_column_uint(row, 0)) {
        return damaged(verify, "an event carries another version of memory", &id);
    }
    return check_vector(verify, &state, &id);
}

/* memory_id, content_hash, model, dims, vector, dims of meta, no such memory */
static int check_embedding(struct verify *verify, sqlite3_stmt *row)
{
    struct event_text id = column_text(row, 0), model = column_text(row, 2);
    size_t dims = (size_t)sqlite3_column_int64(row, 3);
    const uint8_t *vector = sqlite3_column_blob(row, 4);

    verify->counted.embeddings++;
    if (sqlite3_column_int(row, 6) != 0) {
        return damaged(verify, "there is a vector of no memory:", &id);
    }
    if (sqlite3_column_bytes(row, 1) != HASH_SIZE || model.size == 0 ||
        model.size > EMBEDDING_MODEL_MAX || dims != (size_t)sqlite3_column_int64(row, 5) ||
        (size_t)sqlite3_column_bytes(row, 4) != dims * sizeof(float)) {
        return damaged(verify, "a vector has another shape than it should, of memory", &id);
    }
    for (size_t i = 0; i < dims; i++) {
        float number;
        memcpy(&number, vector + i * sizeof number, sizeof number);
        if (!isfinite(number)) {
            return damaged(verify, "a vector is not of finite numbers, of memory", &id);
        }
    }
    return 0;
}

/* id, version, deleted_ms, content_hash, memory_id and state of its event, vector_seq */
static int check_memory(struct verify *verify, sqlite3_stmt *row)
{
    struct event_text id = column_text(row, 0);
    uint8_t hash[HASH_SIZE];
    struct memory_state state;

    if (sqlite3_column_type(row, 5) == SQLITE_NULL || !event_text_same(id, column_text(row, 4))) {
        return damaged(verify, "the version has no event of memory", &id);
    }
    if (memory_state_decode(sqlite3_column_blob(row, 5), (size_t)sqlite3_column_bytes(row, 5),
                            &state) < 0) {
        return damaged(verify, "an unreadable state of memory", &id);
    }
    if (state.deleted_ms != sqlite3_column_int64(row, 2)) { /* NULL reads as 0 */
        return damaged(verify, "the tombstone disagrees with the event of memory", &id);
    }
    store_hash_content(&state.content, hash);
    if (sqlite3_column_bytes(row, 3) != HASH_SIZE ||
        memcmp(hash, sqlite3_column_blob(row, 3), HASH_SIZE) != 0) {
        return damaged(verify, "the content hash disagrees with memory", &id);
    }
    if (state.vector_seq != 0 && state.vector_seq != sql_column_uint(row, 6)) {
        return damaged(verify, "another vector than the caller's is shown of memory", &id);
    }
    *(state.deleted_ms != 0 ? &verify->counted.deleted : &verify->counted.memories) += 1;
    return 0;
}

/* id, rule, count, and fields of the event that its seq names */
static int check_alert(struct verify *verify, sqlite3_stmt *row)
{
    struct event_text id = column_text(row, 0);
    struct event event = {.op = EVENT_ALERT,
                          .event_id = id,
                          .fields = sqlite3_column_blob(row, 3),
                          .fields_size = (size_t)sqlite3_column_bytes(row, 3)};
    struct alert alert;

    if (sqlite3_column_type(row, 3) == SQLITE_NULL || alert_decode(&event, &alert) < 0) {
        return damaged(verify, "there is no readable event of alert", &id);
    }
    if (!event_text_same(alert.rule, column_text(row, 1)) ||
        (alert.adds ? alert.count > sql_column_uint(row, 2)
                    : alert.count != sql_column_uint(row, 2))) {
        return damaged(verify, "its event disagrees with alert", &id);
    }
    return 0;
}

static int check_progress(struct verify *verify, sqlite3_stmt *row)
{
    struct event_text none = {0};

    verify->counted.seq = sql_column_uint(row, 0);
    if (verify->counted.memories != sql_column_uint(row, 1) ||
        verify->counted.deleted != sql_column_uint(row, 2) ||
        verify->counted.events != sql_column_uint(row, 3) ||
        verify->counted.embeddings != sql_column_uint(row, 4)) {
        return damaged(verify, "there are more or fewer memories than were counted", &none);
    }
    return 0;
}

static int found_damage(struct verify *verify, sqlite3_stmt *row)
{
    struct event_text name = column_text(row, 0);

    return damaged(verify, verify->damage, &name);
}

/* ---- the whole ---- */

/* What is shown is a row of this memory, content and model; nothing is shown only where no embedder
 * made one. */
#define SHOWS_ANOTHER_VECTOR                                                                       \
    "SELECT m.id FROM memory m LEFT JOIN embedding e ON e.seq=m.vector_seq WHERE CASE "            \
    "WHEN m.vector_seq=0 THEN m.embedding_model IS NOT NULL OR EXISTS(SELECT 1 FROM embedding x "  \
    "WHERE x.memory_id=m.id AND x.content_hash=m.content_hash AND x.model<>'caller') "             \
    "ELSE e.memory_id IS NOT m.id OR e.content_hash IS NOT m.content_hash "                        \
    "OR e.model IS NOT m.embedding_model END"

static int verify_all(struct verify *verify)
{
    static const struct {
        const char *text;
        verify_row_fn *check; /* NULL: what it finds must not be, and its column names it */
        const char *damage;   /* then: what that is */
    } steps[] = {
        {"PRAGMA integrity_check(1)", check_integrity, NULL},
        {"SELECT * FROM event", check_texts, NULL},
        {"SELECT * FROM memory", check_texts, NULL},
        {"SELECT * FROM memory_tag", check_texts, NULL},
        {"SELECT * FROM alert", check_texts, NULL},
        {"SELECT * FROM session", check_texts, NULL},
        {"SELECT * FROM lane", check_texts, NULL},
        {"SELECT * FROM deferred", check_texts, NULL},
        {"SELECT * FROM embedding", check_texts, NULL},
        {"SELECT seq, memory_id, state, op FROM event WHERE memory_id IS NOT NULL", check_event,
         NULL},
        {"SELECT m.id, m.version, m.deleted_ms, m.content_hash, e.memory_id, e.state, "
         "m.vector_seq FROM memory m LEFT JOIN event e ON e.seq=m.version",
         check_memory, NULL},
        {"SELECT e.memory_id FROM event e LEFT JOIN memory m ON m.id=e.memory_id "
         "WHERE e.memory_number IS NOT m.number",
         NULL, "an event has another number than its memory"},
        {"SELECT seq FROM event_key WHERE memory_number<>0 "
         "AND memory_number NOT IN (SELECT number FROM memory)",
         NULL, "a key belongs to no memory, of event"},
        {"SELECT a.id, a.rule, a.count, e.state FROM alert a LEFT JOIN event e ON e.seq=a.seq "
         "AND e.op='alert' AND e.event_id=a.id",
         check_alert, NULL},
        {"SELECT event_id FROM event WHERE op='alert' AND event_id NOT IN (SELECT id FROM alert)",
         NULL, "an event raised what is no longer there: alert"},
        {"SELECT e.memory_id, e.content_hash, e.model, e.dims, e.vector, d.value, "
         "m.id IS NULL FROM embedding e LEFT JOIN memory m ON m.id=e.memory_id "
         "LEFT JOIN meta d ON d.name='dims'",
         check_embedding, NULL},
        {"SELECT memory_id FROM embedding WHERE model<>'caller' "
         "GROUP BY memory_id, content_hash HAVING count(*)>1",
         NULL, "there are two embedders' vectors of one content of memory"},
        {SHOWS_ANOTHER_VECTOR, NULL,
         "a vector is shown that is not of this content and model, of memory"},
        {"SELECT seq, memories, deleted, events, embeddings FROM applied", check_progress, NULL},
        {"SELECT seq FROM event WHERE seq>(SELECT seq FROM applied)", NULL,
         "an event lies behind the last one applied:"},
        {"SELECT name FROM lane WHERE cursor>(SELECT seq FROM applied)", NULL,
         "the cursor is ahead of the store in lane"},
        {"SELECT tag FROM memory_tag WHERE version NOT IN (SELECT version FROM memory)", NULL,
         "a version that is not current has the tag"},
    };
    int r = store_schema_check(&verify->sql, verify->err);

    for (size_t i = 0; r == 0 && i < sizeof steps / sizeof steps[0]; i++) {
        verify->damage = steps[i].damage;
        r = for_each_row(verify, steps[i].text,
                         steps[i].check != NULL ? steps[i].check : found_damage);
    }
    return r;
}

int store_verify(const char *path, uint64_t *ret_memories, uint64_t *ret_events,
                 uint64_t *ret_applied_seq, struct error *err)
{
    struct error own;
    struct verify verify = {.err = err != NULL ? err : &own};

    int r = sql_open(&verify.sql, path, SQLITE_OPEN_READONLY, verify.err);
    if (r == 0) {
        r = verify_all(&verify);
    }
    sql_close(&verify.sql);
    *ret_memories = verify.counted.memories + verify.counted.deleted;
    *ret_events = verify.counted.events;
    *ret_applied_seq = verify.counted.seq;
    return r;
}
