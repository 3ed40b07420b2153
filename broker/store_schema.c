/*
 * store_schema.c - the tables, and how an older database becomes a newer one.
 *
 * PRAGMA user_version counts the migrations that were run. They run in one transaction: a crash in
 * the middle leaves the old version whole. A migration that was released is never changed again.
 *
 * meta       origin of the journal, floats in an embedding; the embedder's model and its lane
 * applied    one row: the seq that was applied last, and how much there is
 * event      what happened, each with the whole state after it; refused events and repeats are not
 *            here. rowid = seq, and an index of SQLite ends in the rowid, so event_memory orders by
 *            (memory_number, seq). effect: 1 the memory lived before, 2 it lives, 4 it was changed;
 * NULL for what changes no memory, and for events of older versions. memory     where each stands
 * now. version: seq of its last change, and of its state in event. touched_seq: seq of the last
 * event that a sink must see. vector_seq: its row in embedding, 0 without one, and embedding_model
 * whose that is. memory_tag tags of the current states; a row goes when its version is no longer
 * current. embedding  a vector under the seq of the event that brought it. States name a caller's:
 * two versions with the same content may have different ones. Of embedders there is one for each
 * content that a memory had, the newest; no state names it. alert      one row an alert. seq: of
 * the event that raised or last updated it, which lanes look at; first_ms, at_ms: of the first and
 * the last; sample_ids: a msgpack array; acked_by: the session that acked it, if one did; from_seq,
 * to_seq: of the events it counts. session    by their ids; seq: of the event that it was first
 * known from. The owner is pid, pid_start and boot_id. event_key  hash of (event_id, memory,
 * request) and the seq of its first receipt.
 */
#include "broker/store_internal.h"

#include <errno.h>

static const char *const migrations[] = {
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;"
    "CREATE TABLE applied(id INTEGER PRIMARY KEY CHECK(id=1), seq INTEGER NOT NULL,"
    " memories INTEGER NOT NULL, deleted INTEGER NOT NULL, events INTEGER NOT NULL,"
    " embeddings INTEGER NOT NULL) STRICT;"
    "CREATE TABLE event(seq INTEGER PRIMARY KEY, event_id TEXT, memory_id TEXT, op TEXT NOT NULL,"
    " session_id TEXT, at_ms INTEGER NOT NULL, peer_pid INTEGER, reason TEXT, state BLOB) STRICT;"
    "CREATE INDEX event_memory ON event(memory_id);"
    "CREATE TABLE memory(id TEXT PRIMARY KEY NOT NULL, version INTEGER NOT NULL,"
    " touched_seq INTEGER NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,"
    " deleted_ms INTEGER, kind TEXT NOT NULL, session_id TEXT, content_hash BLOB NOT NULL,"
    " embedding_state TEXT NOT NULL) STRICT;"
    "CREATE INDEX memory_version ON memory(version);"
    "CREATE INDEX memory_touched ON memory(touched_seq);"
    "CREATE INDEX memory_kind ON memory(kind, version);"
    "CREATE INDEX memory_session ON memory(session_id, version) WHERE session_id IS NOT NULL;"
    "CREATE TABLE memory_tag(tag TEXT, version INTEGER, PRIMARY KEY(tag, version))"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE embedding(seq INTEGER PRIMARY KEY, memory_id TEXT NOT NULL,"
    " content_hash BLOB NOT NULL, model TEXT NOT NULL, dims INTEGER NOT NULL,"
    " vector BLOB NOT NULL) STRICT;"
    "CREATE TABLE event_key(key BLOB PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE lane(name TEXT PRIMARY KEY, cursor INTEGER NOT NULL, paused INTEGER NOT NULL,"
    " delivered INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE deferred(lane TEXT, memory_id TEXT, due_ms INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, version INTEGER NOT NULL, reason TEXT, dead INTEGER NOT NULL,"
    " at_ms INTEGER NOT NULL, PRIMARY KEY(lane, memory_id)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX deferred_due ON deferred(lane, dead, due_ms);",
    /* 2: who has a vector had it from a caller, and the newest is the current one */
    "ALTER TABLE lane ADD COLUMN kind TEXT NOT NULL DEFAULT 'sink';"
    "ALTER TABLE event ADD COLUMN effect INTEGER;"
    "CREATE INDEX event_session ON event(session_id) WHERE session_id IS NOT NULL;"
    "CREATE TABLE alert(id TEXT PRIMARY KEY NOT NULL, seq INTEGER NOT NULL, rule TEXT NOT NULL,"
    " severity TEXT NOT NULL, first_ms INTEGER NOT NULL, at_ms INTEGER NOT NULL, session_id TEXT,"
    " peer_pid INTEGER, peer_command TEXT, count INTEGER NOT NULL, sample_ids BLOB,"
    " statement TEXT, summary TEXT, undo TEXT, acked_ms INTEGER, acked_by TEXT,"
    " from_seq INTEGER, to_seq INTEGER, until_ms INTEGER) STRICT;"
    "CREATE UNIQUE INDEX alert_seq ON alert(seq);"
    "CREATE INDEX alert_open ON alert(seq) WHERE acked_ms IS NULL;"
    "ALTER TABLE embedding ADD COLUMN truncated INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX embedding_memory ON embedding(memory_id, content_hash);"
    "ALTER TABLE memory ADD COLUMN vector_seq INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE memory ADD COLUMN embedding_model TEXT;"
    "UPDATE memory SET embedding_model='caller', vector_seq=coalesce((SELECT max(seq) FROM"
    " embedding WHERE memory_id=memory.id), 0) WHERE embedding_state='ready';"
    "ALTER TABLE memory DROP COLUMN embedding_state;"
    "CREATE TABLE session(id TEXT PRIMARY KEY NOT NULL, seq INTEGER NOT NULL, agent TEXT, cwd TEXT,"
    " pid INTEGER, pid_start INTEGER, boot_id TEXT, started_ms INTEGER NOT NULL,"
    " seen_ms INTEGER NOT NULL, ended_ms INTEGER, end_reason TEXT, end_note TEXT) STRICT;"
    "CREATE UNIQUE INDEX session_seq ON session(seq);"
    "CREATE INDEX session_open ON session(seq) WHERE ended_ms IS NULL;"
    "INSERT INTO session(id, seq, started_ms, seen_ms) SELECT session_id, min(seq), min(at_ms),"
    " max(at_ms) FROM event WHERE session_id IS NOT NULL GROUP BY session_id ORDER BY min(seq);",
    /* 3: large states are found without a look at the others */
    "CREATE INDEX event_large ON event(seq) WHERE length(state)>33554432;",
    /* 4: events and keys are found by their memory's number, which grows, so that those of new
     * memories lie side by side: an index by something random costs a page for each row. Keys whose
     * event was pruned tell no memory, and stay under 0. */
    "CREATE TABLE memory_4(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " version INTEGER NOT NULL, touched_seq INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
    " updated_ms INTEGER NOT NULL, deleted_ms INTEGER, kind TEXT NOT NULL, session_id TEXT,"
    " content_hash BLOB NOT NULL, vector_seq INTEGER NOT NULL DEFAULT 0, embedding_model TEXT)"
    " STRICT;"
    "INSERT INTO memory_4 SELECT rowid, id, version, touched_seq, created_ms, updated_ms,"
    " deleted_ms, kind, session_id, content_hash, vector_seq, embedding_model FROM memory;"
    "DROP TABLE memory;"
    "ALTER TABLE memory_4 RENAME TO memory;"
    "CREATE INDEX memory_version ON memory(version);"
    "CREATE INDEX memory_touched ON memory(touched_seq);"
    "CREATE INDEX memory_kind ON memory(kind, version);"
    "CREATE INDEX memory_session ON memory(session_id, version) WHERE session_id IS NOT NULL;"
    "DROP INDEX event_memory;"
    "ALTER TABLE event ADD COLUMN memory_number INTEGER;"
    "UPDATE event SET memory_number=(SELECT number FROM memory WHERE id=memory_id)"
    " WHERE memory_id IS NOT NULL;"
    "CREATE INDEX event_memory ON event(memory_number) WHERE memory_number IS NOT NULL;"
    "CREATE TABLE event_key_4(memory_number INTEGER, key BLOB, seq INTEGER NOT NULL,"
    " PRIMARY KEY(memory_number, key)) STRICT, WITHOUT ROWID;"
    "INSERT INTO event_key_4 SELECT ifnull(e.memory_number, 0) AS number, k.key, k.seq"
    " FROM event_key k LEFT JOIN event e ON e.seq=k.seq ORDER BY number, k.key;"
    "DROP TABLE event_key;"
    "ALTER TABLE event_key_4 RENAME TO event_key;"
    "DROP INDEX event_large;"
    "CREATE INDEX event_large ON event(seq) WHERE " STORE_IS_LARGE("") ";",
};

#define SCHEMA_VERSION ((int64_t)(sizeof migrations / sizeof migrations[0]))

struct schema {
    int64_t application_id, version, tables;
};

static int read_schema(struct sql *sql, struct schema *ret, struct error *err)
{
    int r = sql_number(sql, "PRAGMA application_id", &ret->application_id, err);
    if (r == 0) {
        r = sql_number(sql, "PRAGMA user_version", &ret->version, err);
    }
    if (r == 0) {
        r = sql_number(sql, "SELECT count(*) FROM sqlite_schema", &ret->tables, err);
    }
    return r;
}

static int refuse_others(struct sql *sql, const struct schema *schema, struct error *err)
{
    if (schema->tables > 0 && schema->application_id != STORE_APPLICATION_ID) {
        return error_set(err, -EINVAL,
                         "%s is a database of another program: move it away, or name another "
                         "state directory",
                         sql->path);
    }
    if (schema->version > SCHEMA_VERSION) {
        return error_set(err, STORE_E_NEWER,
                         "%s was made by a newer memferry (schema %lld, this one knows %lld): "
                         "install that version again, or put a backup of this version in place",
                         sql->path, (long long)schema->version, (long long)SCHEMA_VERSION);
    }
    return 0;
}

static int run_migrations(struct sql *sql, int64_t from, struct error *err)
{
    char version[64];
    int r = 0;

    for (int64_t i = from; r == 0 && i < SCHEMA_VERSION; i++) {
        r = sql_exec(sql, migrations[i], "migrate", err);
    }
    sqlite3_snprintf(sizeof version, version, "PRAGMA application_id=%d; PRAGMA user_version=%lld;",
                     STORE_APPLICATION_ID, (long long)SCHEMA_VERSION);
    return r == 0 ? sql_exec(sql, version, "migrate", err) : r;
}

int store_schema_migrate(struct sql *sql, bool *ret_is_new, struct error *err)
{
    struct schema schema;

    int r = read_schema(sql, &schema, err);
    if (r == 0) {
        r = refuse_others(sql, &schema, err);
    }
    *ret_is_new = r == 0 && schema.tables == 0;
    if (r != 0 || schema.version == SCHEMA_VERSION) {
        return r;
    }
    r = sql_exec(sql, "BEGIN IMMEDIATE", "migrate", err);
    if (r != 0) {
        return r;
    }
    r = run_migrations(sql, schema.version, err);
    if (r == 0) {
        r = sql_exec(sql, "COMMIT", "migrate", err);
    }
    if (r != 0 && !sqlite3_get_autocommit(sql->db)) {
        sql_exec(sql, "ROLLBACK", "migrate", NULL);
    }
    return r;
}

int store_schema_refuse(struct sql *sql, struct error *err)
{
    struct schema schema;

    int r = read_schema(sql, &schema, err);
    if (r == 0) {
        r = refuse_others(sql, &schema, err);
    }
    return r == 0 && schema.tables == 0 ? error_set(err, -ENOENT, "%s is empty", sql->path) : r;
}

int store_schema_check(struct sql *sql, struct error *err)
{
    struct schema schema;

    int r = read_schema(sql, &schema, err);
    if (r == 0) {
        r = refuse_others(sql, &schema, err);
    }
    if (r == 0 && schema.version < SCHEMA_VERSION) {
        r = error_set(err, -ENOENT,
                      "%s is of an older memferry: memferryd brings it up to date when it "
                      "starts with it, and so does --from-backup",
                      sql->path);
    }
    return r;
}
