/*
 * reader.c - opens a read-only connection; get, history and counts.
 *
 * Happy path of every call: BEGIN, a few prepared reads, write msgpack, COMMIT. Failure modes: what
 * is asked for is not there (READER_E_NOT_FOUND), or the database fails (negative, final).
 */
#include "broker/reader_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIST_COLUMNS                                                                               \
    "m.version, m.updated_ms, m.deleted_ms, m.kind, m.session_id, m.id, m.vector_seq, "            \
    "m.embedding_model"

/* A memory needs a vector: it lives, and has none, or one of another model than ?4. */
#define NEEDS_VECTOR                                                                               \
    "m.deleted_ms IS NULL AND coalesce(m.embedding_model, '') NOT IN ('caller', ?4)"
#define PLAN_COLUMNS "seq, memory_id, state, at_ms, op"

/* As enum alert_column in reader_alert.h counts them. */
#define SESSION_COLUMNS                                                                            \
    "seq, id, agent, cwd, pid, started_ms, seen_ms, ended_ms, end_reason, end_note"
#define SESSION_OPEN_COLUMNS "seq, id, seen_ms, pid, pid_start, boot_id"

#define ALERT_COLUMNS                                                                              \
    "a.id, a.seq, a.rule, a.severity, a.first_ms, a.at_ms, a.session_id, a.peer_pid, "             \
    "a.peer_command, a.count, a.sample_ids, a.statement, a.summary, a.undo, a.acked_ms, "          \
    "a.acked_by"

static const char *const statement_texts[READER_STATEMENTS] = {
    [READER_BEGIN] = "BEGIN",
    [READER_END] = "COMMIT",
    [READER_CURRENT] = "SELECT e.state, m.vector_seq, m.embedding_model FROM memory m JOIN event e "
                       "ON e.seq=m.version "
                       "WHERE m.id=?1",
    [READER_VERSION] = "SELECT state FROM event WHERE seq=?2 AND memory_id=?1 "
                       "AND state IS NOT NULL",
    [READER_VECTOR] = "SELECT vector, truncated FROM embedding WHERE seq=?1",
    [READER_EMBEDDED] = "SELECT seq, model FROM embedding INDEXED BY embedding_memory "
                        "WHERE memory_id=?1 AND content_hash=?2 AND model<>'caller' "
                        "ORDER BY seq DESC LIMIT 1",
    [READER_AWAITED] = "SELECT 1 FROM memory WHERE id=?1 AND content_hash=?2 AND vector_seq=0 "
                       "AND deleted_ms IS NULL",
    [READER_EMBEDDER] = "SELECT m.value, l.value FROM meta m LEFT JOIN meta l "
                        "ON l.name='embedder_lane' WHERE m.name='embedder'",
    [READER_HISTORY] = "SELECT seq, op, at_ms, session_id, reason FROM event INDEXED BY "
                       "event_memory WHERE memory_id=?1 AND state IS NOT NULL "
                       "ORDER BY seq DESC LIMIT ?2",
    [READER_COUNTS] = "SELECT seq, memories, deleted, events, embeddings FROM applied WHERE id=1",
    [READER_LIST_ALL] = "SELECT " LIST_COLUMNS " FROM memory m INDEXED BY memory_version "
                        "WHERE m.version<?1 ORDER BY m.version DESC",
    [READER_LIST_SESSION] = "SELECT " LIST_COLUMNS " FROM memory m INDEXED BY memory_session "
                            "WHERE m.session_id=?2 AND m.version<?1 ORDER BY m.version DESC",
    [READER_LIST_KIND] = "SELECT " LIST_COLUMNS " FROM memory m INDEXED BY memory_kind "
                         "WHERE m.kind=?2 AND m.version<?1 ORDER BY m.version DESC",
    [READER_LIST_TAG] = "SELECT " LIST_COLUMNS " FROM memory_tag t CROSS JOIN memory m "
                        "INDEXED BY memory_version ON m.version=t.version "
                        "WHERE t.tag=?2 AND t.version<?1 ORDER BY t.version DESC",
    /* An id lies in one page only, whatever changes between pages. */
    [READER_LIST_BY_ID] = "SELECT " LIST_COLUMNS " FROM memory m WHERE m.id>?1 ORDER BY m.id",
    [READER_STATE_AT] = "SELECT state FROM event WHERE seq=?1",
    [READER_DEAD_LIST] =
        "SELECT lane, memory_id, version, attempts, reason, at_ms FROM deferred WHERE dead=1 "
        "AND (?1 IS NULL OR lane=?1) "
        "AND (?2 IS NULL OR (-at_ms, lane, memory_id) > (-?2, ?3, ?4)) "
        "ORDER BY -at_ms, lane, memory_id LIMIT ?5",
    [READER_META] = "SELECT value FROM meta WHERE name=?1",
    [READER_LANE] = "SELECT cursor, paused, delivered, kind FROM lane WHERE name=?1",
    [READER_LANE_ROWS] = "SELECT count(*), count(nullif(dead, 0)), "
                         "min(iif(dead=0, at_ms, NULL)) FROM deferred WHERE lane=?1",
    [READER_LANE_ABOVE] = "SELECT count(*) FROM (SELECT 1 FROM memory INDEXED BY memory_touched "
                          "WHERE touched_seq>?1 LIMIT ?2)",
    [READER_LANE_OLDEST] = "SELECT e.at_ms FROM memory m INDEXED BY memory_touched JOIN event e "
                           "ON e.seq=m.touched_seq WHERE m.touched_seq>?1 "
                           "ORDER BY m.touched_seq LIMIT 1",
    /* Of the first ?2 rows above the cursor: a bound on the work, not on the count. */
    [READER_EMBED_ABOVE] =
        "SELECT needing, looked, (SELECT at_ms FROM event WHERE seq=oldest) FROM ("
        "SELECT sum(needs) AS needing, count(*) AS looked, "
        "min(iif(needs, touched_seq, NULL)) AS oldest FROM (SELECT m.touched_seq, " NEEDS_VECTOR
        " AS needs FROM memory m INDEXED BY memory_touched WHERE m.touched_seq>?1 "
        "ORDER BY m.touched_seq LIMIT ?2))",
    [READER_LANE_WAITING] =
        "SELECT count(*) FROM (SELECT 1 FROM deferred d CROSS JOIN memory m ON m.id=d.memory_id "
        "WHERE d.lane=?1 AND d.dead=0 AND m.touched_seq<=?2 LIMIT ?3)",
    [READER_LANE_NAMES] = "SELECT name FROM lane ORDER BY name",
    [READER_DELIVERY] = "SELECT l.cursor, m.touched_seq, d.dead FROM memory m "
                        "LEFT JOIN lane l ON l.name=?1 "
                        "LEFT JOIN deferred d ON d.lane=?1 AND d.memory_id=m.id WHERE m.id=?2",
    [READER_BATCH_AFTER] = "SELECT m.id, e.state, m.touched_seq, d.attempts, d.dead, "
                           "m.vector_seq, m.embedding_model "
                           "FROM memory m INDEXED BY memory_touched "
                           "CROSS JOIN event e ON e.seq=m.version "
                           "LEFT JOIN deferred d ON d.lane=?1 AND d.memory_id=m.id "
                           "WHERE m.touched_seq>?2 ORDER BY m.touched_seq LIMIT ?3",
    [READER_BATCH_DUE] = "SELECT m.id, e.state, 0, d.attempts, 0, m.vector_seq, m.embedding_model "
                         "FROM deferred d INDEXED BY deferred_due "
                         "CROSS JOIN memory m ON m.id=d.memory_id "
                         "CROSS JOIN event e ON e.seq=m.version "
                         "WHERE d.lane=?1 AND d.dead=0 AND d.due_ms<=?2 "
                         "ORDER BY d.due_ms LIMIT ?3",
    /* By id, with how the lane stands with each: to be held against what the backend has. */
    [READER_BATCH_PAGE] = "SELECT m.id, e.state, m.touched_seq, d.attempts, coalesce(d.dead, 0), "
                          "m.vector_seq, m.embedding_model, NULL, 0, d.memory_id IS NOT NULL "
                          "FROM memory m CROSS JOIN event e ON e.seq=m.version "
                          "LEFT JOIN deferred d ON d.lane=?1 AND d.memory_id=m.id "
                          "WHERE m.id>?2 ORDER BY m.id LIMIT ?3",
    [READER_PLAN_ALERT] =
        "SELECT rule, session_id, from_seq, to_seq, until_ms FROM alert WHERE id=?1",
    [READER_PLAN_LATER] = "SELECT seq FROM event WHERE seq>?1 AND at_ms>=?2 ORDER BY seq LIMIT 1",
    /* A row without a state needs no vector, and cost nothing but itself. */
    [READER_EMBED_AFTER] =
        "SELECT m.id, e.state, m.touched_seq, d.attempts, d.dead, 0, NULL, m.content_hash, 1 "
        "FROM memory m INDEXED BY memory_touched "
        "LEFT JOIN event e ON e.seq=iif(" NEEDS_VECTOR ", m.version, NULL) "
        "LEFT JOIN deferred d ON d.lane=?1 AND d.memory_id=iif(e.seq IS NULL, NULL, m.id) "
        "WHERE m.touched_seq>?2 ORDER BY m.touched_seq LIMIT ?3",
    [READER_EMBED_DUE] =
        "SELECT m.id, e.state, 0, d.attempts, 0, 0, NULL, m.content_hash, " NEEDS_VECTOR
        " FROM deferred d INDEXED BY deferred_due CROSS JOIN memory m ON m.id=d.memory_id "
        "CROSS JOIN event e ON e.seq=m.version "
        "WHERE d.lane=?1 AND d.dead=0 AND d.due_ms<=?2 ORDER BY d.due_ms LIMIT ?3",
    [READER_PLAN_AT] = "SELECT state FROM event INDEXED BY event_memory WHERE memory_id=?1 "
                       "AND at_ms<=?2 AND state IS NOT NULL ORDER BY seq DESC LIMIT 1",
    [READER_PLAN_TIME] = "SELECT at_ms FROM event WHERE seq=?1",
    [READER_PLAN_BEFORE] = "SELECT seq, state FROM event INDEXED BY event_memory "
                           "WHERE memory_id=?1 AND seq<?2 AND state IS NOT NULL ORDER BY seq DESC",
    [READER_PLAN_SESSION] = "SELECT " PLAN_COLUMNS " FROM event INDEXED BY event_session "
                            "WHERE session_id=?3 AND seq>?1 AND seq<=?2 AND memory_id IS NOT NULL "
                            "AND state IS NOT NULL ORDER BY seq",
    [READER_PLAN_SPAN] = "SELECT " PLAN_COLUMNS " FROM event WHERE seq>?1 AND seq<=?2 "
                         "AND memory_id IS NOT NULL AND state IS NOT NULL ORDER BY seq",
    [READER_PLAN_OLDEST] = "SELECT " PLAN_COLUMNS " FROM event INDEXED BY event_memory "
                           "WHERE memory_id=?1 AND state IS NOT NULL ORDER BY seq LIMIT 1",
    [READER_PLAN_EARLIER] = "SELECT state FROM event INDEXED BY event_memory WHERE memory_id=?1 "
                            "AND seq>=?2 AND seq<?3 AND (?4 IS NULL OR session_id=?4) "
                            "AND state IS NOT NULL ORDER BY seq",
    [READER_PLAN_SINCE] = "SELECT seq, session_id FROM event INDEXED BY event_memory "
                          "WHERE memory_id=?1 AND seq>?2 AND (?3 IS NULL OR session_id IS NOT ?3) "
                          "AND state IS NOT NULL ORDER BY seq LIMIT 1",
    [READER_PRUNE_SCAN] = "SELECT e.seq, e.memory_id, e.at_ms FROM event e WHERE e.seq>?1 "
                          "AND e.memory_id IS NOT NULL AND e.state IS NOT NULL AND NOT EXISTS "
                          "(SELECT 1 FROM memory m INDEXED BY memory_version "
                          "WHERE m.version=e.seq) ORDER BY e.seq",
    [READER_PRUNE_EARLIER] = "SELECT seq FROM event INDEXED BY event_memory WHERE memory_id=?1 "
                             "AND seq<?2 AND state IS NOT NULL ORDER BY seq LIMIT 1",
    [READER_PRUNE_AT] = "SELECT seq FROM event INDEXED BY event_memory WHERE memory_id=?1 "
                        "AND at_ms<?2 AND state IS NOT NULL ORDER BY seq DESC LIMIT 1",
    [READER_PRUNE_NTH] = "SELECT seq FROM event INDEXED BY event_memory WHERE memory_id=?1 "
                         "AND state IS NOT NULL ORDER BY seq DESC LIMIT 1 OFFSET ?2",
    [READER_PRUNE_LAST] = "SELECT seq FROM event INDEXED BY event_memory WHERE memory_id=?1 "
                          "AND state IS NOT NULL ORDER BY seq LIMIT 1 OFFSET ?2",
    [READER_NEXT_DUE] = "SELECT min(due_ms) FROM deferred WHERE lane=?1 AND dead=0 AND due_ms>?2",
    [READER_ALERT_LIST] = "SELECT " ALERT_COLUMNS " FROM alert a INDEXED BY alert_seq "
                          "WHERE a.seq<?1 ORDER BY a.seq DESC",
    [READER_ALERT_LIST_OPEN] = "SELECT " ALERT_COLUMNS " FROM alert a INDEXED BY alert_open "
                               "WHERE a.acked_ms IS NULL AND a.seq<?1 ORDER BY a.seq DESC",
    [READER_ALERTS_AFTER] = "SELECT " ALERT_COLUMNS ", a.seq, d.attempts, d.dead "
                            "FROM alert a INDEXED BY alert_seq "
                            "LEFT JOIN deferred d ON d.lane=?1 AND d.memory_id=a.id "
                            "WHERE a.seq>?2 ORDER BY a.seq LIMIT ?3",
    [READER_ALERTS_DUE] = "SELECT " ALERT_COLUMNS ", 0, d.attempts, 0 "
                          "FROM deferred d INDEXED BY deferred_due "
                          "CROSS JOIN alert a ON a.id=d.memory_id "
                          "WHERE d.lane=?1 AND d.dead=0 AND d.due_ms<=?2 "
                          "ORDER BY d.due_ms LIMIT ?3",
    [READER_ALERTS_OPEN] = "SELECT count(*) FROM alert INDEXED BY alert_open "
                           "WHERE acked_ms IS NULL",
    [READER_ALERT_AT] = "SELECT " ALERT_COLUMNS " FROM alert a WHERE a.seq=?1",
    [READER_EVENTS] = "SELECT seq, op, memory_id, event_id, session_id, at_ms, peer_pid, reason "
                      "FROM event WHERE seq>?1 ORDER BY seq",
    [READER_ALERTS_ABOVE] = "SELECT count(*) FROM (SELECT 1 FROM alert INDEXED BY alert_seq "
                            "WHERE seq>?1 LIMIT ?2)",
    [READER_ALERTS_OLDEST] = "SELECT at_ms FROM alert INDEXED BY alert_seq WHERE seq>?1 "
                             "ORDER BY seq LIMIT 1",
    [READER_ALERTS_WAITING] =
        "SELECT count(*) FROM (SELECT 1 FROM deferred d CROSS JOIN alert a ON a.id=d.memory_id "
        "WHERE d.lane=?1 AND d.dead=0 AND a.seq<=?2 LIMIT ?3)",
    [READER_SESSION] = "SELECT " SESSION_COLUMNS " FROM session WHERE id=?1",
    [READER_SESSION_LIST] = "SELECT " SESSION_COLUMNS " FROM session INDEXED BY session_seq "
                            "WHERE seq<?1 ORDER BY seq DESC",
    [READER_SESSION_LIST_OPEN] = "SELECT " SESSION_COLUMNS " FROM session INDEXED BY session_open "
                                 "WHERE seq<?1 AND ended_ms IS NULL ORDER BY seq DESC",
    [READER_SESSIONS_OWNED] =
        "SELECT " SESSION_OPEN_COLUMNS " FROM session INDEXED BY session_open "
        "WHERE seq<?1 AND ended_ms IS NULL AND pid IS NOT NULL ORDER BY seq DESC LIMIT ?2",
    [READER_SESSIONS_IDLE] = "SELECT " SESSION_OPEN_COLUMNS " FROM session INDEXED BY session_open "
                             "WHERE seq<?1 AND ended_ms IS NULL AND seen_ms NOT BETWEEN ?3 AND ?4 "
                             "ORDER BY seq DESC LIMIT ?2",
    [READER_HIT] = "SELECT " LIST_COLUMNS ", ?2 IS NULL OR EXISTS(SELECT 1 FROM memory_tag "
                   "WHERE tag=?2 AND version=m.version) FROM memory m WHERE m.id=?1",
    [READER_HAS] = "SELECT 1 FROM memory WHERE id=?1",
};

int reader_open(struct reader **ret, const char *path, struct error *err)
{
    struct reader *reader = calloc(1, sizeof *reader);

    *ret = NULL;
    if (reader == NULL) {
        return error_set(err, -ENOMEM, "out of memory while opening %s", path);
    }
    msgpack_sbuffer_init(&reader->body);
    int r = sql_open(&reader->sql, path, SQLITE_OPEN_READONLY, err);
    if (r == 0) {
        r = sql_prepare(&reader->sql, statement_texts, READER_STATEMENTS, reader->statements, err);
    }
    if (r != 0) {
        reader_close(reader);
        return r;
    }
    *ret = reader;
    return 0;
}

struct reader *reader_close(struct reader *reader)
{
    if (reader == NULL) {
        return NULL;
    }
    sql_finalize(reader->statements, READER_STATEMENTS);
    sql_close(&reader->sql);
    msgpack_sbuffer_destroy(&reader->body);
    free(reader);
    return NULL;
}

/* ---- transactions ---- */

int reader_begin(struct reader *reader, struct error *err)
{
    reader->embedder.is_known = false;
    return sql_run(&reader->sql, reader->statements[READER_BEGIN], err);
}

int reader_end(struct reader *reader, int r, struct error *err)
{
    for (size_t i = 0; i < READER_STATEMENTS; i++) {
        if (sqlite3_stmt_busy(reader->statements[i])) {
            sql_reset(reader->statements[i]);
        }
    }
    if (sqlite3_get_autocommit(reader->sql.db)) {
        return r;
    }
    int ended = sql_run(&reader->sql, reader->statements[READER_END], r == 0 ? err : NULL);
    return r != 0 ? r : ended;
}

int reader_damaged(struct reader *reader, struct error *err, const char *id, size_t id_size)
{
    return error_set(err, -EIO,
                     "the state of memory %.*s in %s is damaged: stop memferryd and run "
                     "memferryd --check-journal",
                     (int)id_size, id, reader->sql.path);
}

/* ---- get ---- */

static int pack_row(struct reader *reader, sqlite3_stmt *row, const char *id, bool is_current,
                    msgpack_sbuffer *ret_result, struct error *err)
{
    struct event_text name = {.data = id, .size = strlen(id)};
    struct memory_state state;

    int r = memory_state_decode(sqlite3_column_blob(row, 0), (size_t)sqlite3_column_bytes(row, 0),
                                &state);
    if (r < 0) {
        return reader_damaged(reader, err, name.data, name.size);
    }
    r = is_current ? reader_show_current(reader, row, 1, &state, err)
                   : reader_show_version(reader, &name, &state, err);
    if (r != 0) {
        return r;
    }
    return reader_pack_memory(reader, &name, &state, true, ret_result, err);
}

static int not_found(const char *id, uint64_t version, struct error *err)
{
    if (version == 0) {
        return error_set(err, READER_E_NOT_FOUND, "there is no memory %s", id);
    }
    return error_set(err, READER_E_NOT_FOUND, "memory %s has no version %llu", id,
                     (unsigned long long)version);
}

static int get(struct reader *reader, const char *id, uint64_t version, msgpack_sbuffer *ret_result,
               struct error *err)
{
    sqlite3_stmt *find = reader->statements[version == 0 ? READER_CURRENT : READER_VERSION];
    bool row;

    sql_bind_text(find, 1, id, strlen(id));
    if (version != 0) {
        sql_bind_uint(find, 2, version);
    }
    int r = sql_step(&reader->sql, find, &row, err);
    if (r != 0) {
        return r;
    }
    return row ? pack_row(reader, find, id, version == 0, ret_result, err)
               : not_found(id, version, err);
}

int reader_get(struct reader *reader, const char *id, uint64_t version, msgpack_sbuffer *ret_result,
               struct error *err)
{
    if (version > INT64_MAX) {
        return not_found(id, version, err);
    }
    int r = reader_begin(reader, err);
    if (r == 0) {
        r = reader_end(reader, get(reader, id, version, ret_result, err), err);
    }
    return r;
}

/* ---- history ---- */

static int pack_version(msgpack_packer *out, sqlite3_stmt *row)
{
    struct event_text op = reader_column_text(row, 1);
    struct event_text session_id = reader_column_text(row, 3);
    struct event_text reason = reader_column_text(row, 4);

    int failed =
        msgpack_pack_map(out, (size_t)3 + (session_id.data != NULL) + (reason.data != NULL));
    failed |= reader_pack_name(out, "version");
    failed |= msgpack_pack_uint64(out, sql_column_uint(row, 0));
    failed |= reader_pack_name(out, "op");
    failed |= msgpack_pack_str_with_body(out, op.data, op.size);
    failed |= reader_pack_name(out, "at_ms");
    failed |= msgpack_pack_int64(out, sqlite3_column_int64(row, 2));
    if (session_id.data != NULL) {
        failed |= reader_pack_name(out, "session_id");
        failed |= msgpack_pack_str_with_body(out, session_id.data, session_id.size);
    }
    if (reason.data != NULL) {
        failed |= reader_pack_name(out, "reason");
        failed |= msgpack_pack_str_with_body(out, reason.data, reason.size);
    }
    return failed == 0 ? 0 : -ENOMEM;
}

static int read_history(struct reader *reader, const char *id, uint32_t limit, uint32_t *ret_count,
                        struct error *err)
{
    sqlite3_stmt *find = reader->statements[READER_HISTORY];
    msgpack_packer out;
    bool row;

    msgpack_sbuffer_clear(&reader->body);
    msgpack_packer_init(&out, &reader->body, msgpack_sbuffer_write);
    sql_bind_text(find, 1, id, strlen(id));
    sql_bind_uint(find, 2, limit);
    for (*ret_count = 0;; *ret_count += 1) {
        int r = sql_step(&reader->sql, find, &row, err);
        if (r != 0 || !row) {
            return r;
        }
        if (pack_version(&out, find) < 0) {
            return error_set(err, -ENOMEM, "out of memory while reading the history of %s", id);
        }
    }
}

int reader_history(struct reader *reader, const char *id, uint32_t limit,
                   msgpack_sbuffer *ret_result, struct error *err)
{
    msgpack_packer out;
    uint32_t count;

    int r = reader_begin(reader, err);
    if (r == 0) {
        r = reader_end(reader, read_history(reader, id, limit, &count, err), err);
    }
    if (r != 0) {
        return r;
    }
    if (count == 0) {
        return not_found(id, 0, err);
    }
    msgpack_packer_init(&out, ret_result, msgpack_sbuffer_write);
    int failed = msgpack_pack_map(&out, 1);
    failed |= reader_pack_name(&out, "versions");
    failed |= msgpack_pack_array(&out, count);
    failed |= msgpack_pack_str_body(&out, reader->body.data, reader->body.size);
    return failed == 0 ? 0 : error_set(err, -ENOMEM, "out of memory while reading %s", id);
}

/* ---- counts ---- */

static int count_open_alerts(struct reader *reader, struct reader_counts *ret, struct error *err)
{
    sqlite3_stmt *count = reader->statements[READER_ALERTS_OPEN];
    bool row;

    int r = sql_step(&reader->sql, count, &row, err);
    if (r == 0 && row) {
        ret->alerts_open = sql_column_uint(count, 0);
    }
    sql_reset(count);
    return r;
}

int reader_read_counts(struct reader *reader, struct reader_counts *ret, struct error *err)
{
    sqlite3_stmt *count = reader->statements[READER_COUNTS];
    bool row;

    memset(ret, 0, sizeof *ret);
    int r = sql_step(&reader->sql, count, &row, err);
    if (r == 0 && row) {
        ret->applied_seq = sql_column_uint(count, 0);
        ret->memories = sql_column_uint(count, 1);
        ret->deleted = sql_column_uint(count, 2);
        ret->events = sql_column_uint(count, 3);
        ret->embeddings = sql_column_uint(count, 4);
    }
    sql_reset(count);
    return r;
}

static int count_all(struct reader *reader, struct reader_counts *ret, struct error *err)
{
    const struct reader_embedder *embedder;
    int r = reader_read_counts(reader, ret, err);

    if (r == 0) {
        r = count_open_alerts(reader, ret, err);
    }
    if (r == 0) {
        r = reader_find_embedder(reader, &embedder, err);
    }
    if (r == 0 && embedder->model[0] != '\0') {
        r = reader_lane_pending(reader, embedder->lane, &ret->embeddings_pending, err);
    }
    return r;
}

int reader_counts(struct reader *reader, struct reader_counts *ret, struct error *err)
{
    int r = reader_begin(reader, err);

    return r == 0 ? reader_end(reader, count_all(reader, ret, err), err) : r;
}
