/*
 * store_statements.c - every statement that is kept prepared. Each names its index where another
 * plan would go through a whole table.
 */
#include "broker/store_internal.h"

const char *const store_statement_texts[STORE_STATEMENTS] = {
    [STORE_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_COMMIT] = "COMMIT",
    [STORE_ROLLBACK] = "ROLLBACK",
    [STORE_SAVEPOINT] = "SAVEPOINT part",
    [STORE_RELEASE] = "RELEASE part",
    [STORE_UNDO] = "ROLLBACK TO part",
    [STORE_SET_APPLIED] = "UPDATE applied SET seq=?1, memories=?2, deleted=?3, events=?4, "
                          "embeddings=?5 WHERE id=1",
    [STORE_FIND_MEMORY] = "SELECT m.number, m.version, m.content_hash, e.state, m.vector_seq, "
                          "m.embedding_model, e.at_ms, e.effect FROM memory m "
                          "LEFT JOIN event e ON e.seq=m.version WHERE m.id=?1",
    [STORE_FIND_VERSION] = "SELECT state FROM event WHERE seq=?1 AND memory_id=?2 "
                           "AND state IS NOT NULL",
    [STORE_FIND_OP] = "SELECT op FROM event WHERE seq=?1",
    [STORE_DROP_EVENTS] = "DELETE FROM event INDEXED BY event_memory WHERE memory_number=?1 "
                          "AND seq<=?2",
    [STORE_DROP_VECTOR] = "DELETE FROM embedding WHERE seq=?1",
    [STORE_DROP_VECTORS] = "DELETE FROM embedding WHERE memory_id=?1",
    [STORE_ALL_STATES] = "SELECT state FROM event INDEXED BY event_memory "
                         "WHERE memory_number=?1 "
                         "AND state IS NOT NULL",
    [STORE_ALL_VECTORS] = "SELECT seq, content_hash, model='caller' FROM embedding "
                          "INDEXED BY embedding_memory WHERE memory_id=?1",
    [STORE_ADD_EVENT] = "INSERT INTO event(seq, event_id, memory_id, op, session_id, at_ms, "
                        "peer_pid, reason, state, effect, memory_number) "
                        "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
    [STORE_FIND_CHANGED] = "SELECT at_ms FROM event INDEXED BY event_memory "
                           "WHERE memory_number=?1 "
                           "AND seq<=?2 AND " STORE_CHANGES("") " ORDER BY seq DESC LIMIT 1",
    [STORE_ADD_MEMORY] =
        "INSERT INTO memory(version, touched_seq, created_ms, updated_ms, deleted_ms, kind, "
        "session_id, content_hash, vector_seq, embedding_model, id) "
        "VALUES(?1,?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
    [STORE_UPDATE_MEMORY] =
        "UPDATE memory SET version=?1, touched_seq=?1, created_ms=?2, updated_ms=?3, "
        "deleted_ms=?4, kind=?5, session_id=?6, content_hash=?7, vector_seq=?8, "
        "embedding_model=?9 WHERE number=?10",
    /* Under 0 are keys of older versions that tell no memory. */
    [STORE_ADD_KEY] = "INSERT INTO event_key(memory_number, key, seq) SELECT ?1, ?2, ?3 WHERE NOT "
                      "EXISTS(SELECT 1 "
                      "FROM event_key WHERE memory_number=0 AND key=?2) ON CONFLICT DO NOTHING",
    [STORE_FIND_KEY] = "SELECT seq FROM event_key WHERE memory_number IN (?1, 0) AND key=?2",
    [STORE_DROP_KEY] = "DELETE FROM event_key WHERE memory_number IN (?1, 0) AND key=?2",
    [STORE_ADD_TAG] = "INSERT INTO memory_tag(tag, version) VALUES(?1,?2)",
    [STORE_DROP_TAG] = "DELETE FROM memory_tag WHERE tag=?1 AND version=?2",
    [STORE_ADD_VECTOR] = "INSERT INTO embedding(seq, memory_id, content_hash, model, dims, vector, "
                         "truncated) VALUES(?1,?2,?3,?4,?5,?6,?7)",
    [STORE_FIND_VECTOR] = "SELECT vector FROM embedding WHERE seq=?1",
    [STORE_FIND_EMBEDDED] = "SELECT seq, model FROM embedding INDEXED BY embedding_memory "
                            "WHERE memory_id=?1 AND content_hash=?2 AND model<>'caller' "
                            "ORDER BY seq DESC LIMIT 1",
    [STORE_DROP_EMBEDDED] = "DELETE FROM embedding INDEXED BY embedding_memory WHERE memory_id=?1 "
                            "AND content_hash=?2 AND model<>'caller' AND seq<?3",
    [STORE_SHOW_VECTOR] = "UPDATE memory SET vector_seq=?1, embedding_model=?2, touched_seq=?1 "
                          "WHERE number=?3",
    [STORE_MOVE_CURSOR] = "UPDATE lane SET cursor=max(cursor, ?2), delivered=delivered+?3 "
                          "WHERE name=?1",
    [STORE_CLEAR_ROW] = "DELETE FROM deferred WHERE lane=?1 AND memory_id=?2",
    /* at_ms: since when it waits, or since when it is dead. */
    [STORE_PUT_ROW] = "INSERT INTO deferred(lane, memory_id, due_ms, attempts, version, reason, "
                      "dead, at_ms) VALUES(?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT DO UPDATE SET "
                      "due_ms=?3, attempts=?4, version=?5, reason=?6, "
                      "at_ms=iif(dead=?7, at_ms, ?8), dead=?7",
    [STORE_FIND_ALERT] = "SELECT seq, count, acked_ms FROM alert WHERE id=?1",
    [STORE_PUT_ALERT] =
        "INSERT INTO alert(id, seq, rule, severity, first_ms, at_ms, session_id, peer_pid, "
        "peer_command, count, sample_ids, statement, summary, undo, from_seq, to_seq, until_ms) "
        "VALUES(?1,?2,?3,?4,?5,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16) ON CONFLICT DO UPDATE "
        "SET "
        "until_ms=ifnull(?16, until_ms), seq=?2, rule=?3, severity=?4, at_ms=?5, session_id=?6, "
        "peer_pid=ifnull(?7, peer_pid), "
        "peer_command=ifnull(?8, peer_command), count=?9, sample_ids=ifnull(?10, sample_ids), "
        "statement=ifnull(?11, statement), summary=ifnull(?12, summary), undo=ifnull(?13, undo), "
        "acked_ms=NULL, "
        "from_seq=min(ifnull(from_seq, ?14), ifnull(?14, from_seq)), "
        "to_seq=max(ifnull(to_seq, ?15), ifnull(?15, to_seq)), "
        "acked_by=NULL",
    [STORE_ACK_ALERT] = "UPDATE alert SET acked_ms=?2, acked_by=?3 WHERE id=?1",
    [STORE_ACK_ALERTS] = "UPDATE alert SET acked_ms=?2, acked_by=?3 WHERE acked_ms IS NULL",
    [STORE_FIND_SESSION] =
        "SELECT seen_ms, end_reason, pid, pid_start, boot_id FROM session WHERE id=?1",
    [STORE_ADD_SESSION] = "INSERT INTO session(id, seen_ms, agent, cwd, pid, pid_start, boot_id, "
                          "seq, started_ms) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?2)",
    /* One that goes on keeps its owner, unless there is another; one that had ended has none. */
    [STORE_BEGIN_SESSION] =
        "UPDATE session SET seen_ms=?2, agent=ifnull(?3, agent), cwd=ifnull(?4, cwd), "
        "pid_start=iif(?5 IS NULL AND ended_ms IS NULL, pid_start, ?6), "
        "boot_id=iif(?5 IS NULL AND ended_ms IS NULL, boot_id, ?7), "
        "pid=iif(?5 IS NULL AND ended_ms IS NULL, pid, ?5), "
        "ended_ms=NULL, end_reason=NULL, end_note=NULL WHERE id=?1",
    [STORE_SEE_SESSION] =
        "UPDATE session SET seen_ms=?2, ended_ms=iif(end_reason='idle', NULL, ended_ms), "
        "end_reason=nullif(end_reason, 'idle') WHERE id=?1",
    [STORE_END_SESSION] = "UPDATE session SET ended_ms=?2, end_reason=?3, end_note=?4 WHERE id=?1",
};
