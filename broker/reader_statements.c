/*
 * reader_statements.c - every statement of a reader. Each names its index where another plan would
 * go through a whole table.
 */
#include "broker/reader_internal.h"

#define LIST_COLUMNS                                                                               \
    "m.version, m.updated_ms, m.deleted_ms, m.kind, m.session_id, m.id, m.vector_seq, "            \
    "m.embedding_model"

/* A memory needs a vector: it lives, and has none, or one of another model than ?4. */
#define NEEDS_VECTOR                                                                               \
    "m.deleted_ms IS NULL AND coalesce(m.embedding_model, '') NOT IN ('caller', ?4)"

/* Of an event: it is one of the memory with the id ?1. */
#define ITS_MEMORY "memory_number=(SELECT number FROM memory WHERE id=?1)"

#define PLAN_COLUMNS "seq, memory_id, state, at_ms, op"

#define SESSION_COLUMNS                                                                            \
    "seq, id, agent, cwd, pid, started_ms, seen_ms, ended_ms, end_reason, end_note"
#define SESSION_OPEN_COLUMNS "seq, id, seen_ms, pid, pid_start, boot_id"

/* As enum alert_column in reader_alert.h counts them. */
#define ALERT_COLUMNS                                                                              \
    "a.id, a.seq, a.rule, a.severity, a.first_ms, a.at_ms, a.session_id, a.peer_pid, "             \
    "a.peer_command, a.count, a.sample_ids, a.statement, a.summary, a.undo, a.acked_ms, "          \
    "a.acked_by"

const char *const reader_statement_texts[READER_STATEMENTS] = {
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
                       "event_memory WHERE " ITS_MEMORY " AND state IS NOT NULL "
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
    [READER_PLAN_AT] = "SELECT state FROM event INDEXED BY event_memory WHERE " ITS_MEMORY " "
                       "AND at_ms<=?2 AND state IS NOT NULL ORDER BY seq DESC LIMIT 1",
    [READER_PLAN_TIME] = "SELECT at_ms FROM event WHERE seq=?1",
    [READER_PLAN_BEFORE] =
        "SELECT seq, state FROM event INDEXED BY event_memory "
        "WHERE " ITS_MEMORY " AND seq<?2 AND state IS NOT NULL ORDER BY seq DESC",
    [READER_PLAN_SESSION] = "SELECT " PLAN_COLUMNS " FROM event INDEXED BY event_session "
                            "WHERE session_id=?3 AND seq>?1 AND seq<=?2 AND memory_id IS NOT NULL "
                            "AND state IS NOT NULL ORDER BY seq",
    [READER_PLAN_SPAN] = "SELECT " PLAN_COLUMNS " FROM event WHERE seq>?1 AND seq<=?2 "
                         "AND memory_id IS NOT NULL AND state IS NOT NULL ORDER BY seq",
    [READER_PLAN_OLDEST] = "SELECT " PLAN_COLUMNS " FROM event INDEXED BY event_memory "
                           "WHERE " ITS_MEMORY " AND state IS NOT NULL ORDER BY seq LIMIT 1",
    [READER_PLAN_EARLIER] = "SELECT state FROM event INDEXED BY event_memory WHERE " ITS_MEMORY " "
                            "AND seq>=?2 AND seq<?3 AND (?4 IS NULL OR session_id=?4) "
                            "AND state IS NOT NULL ORDER BY seq",
    [READER_PLAN_SINCE] =
        "SELECT seq, session_id FROM event INDEXED BY event_memory "
        "WHERE " ITS_MEMORY " AND seq>?2 AND (?3 IS NULL OR session_id IS NOT ?3) "
        "AND state IS NOT NULL ORDER BY seq LIMIT 1",
    [READER_PRUNE_SCAN] = "SELECT e.seq, e.memory_id, e.at_ms FROM event e WHERE e.seq>?1 "
                          "AND e.memory_id IS NOT NULL AND e.state IS NOT NULL AND NOT EXISTS "
                          "(SELECT 1 FROM memory m INDEXED BY memory_version "
                          "WHERE m.version=e.seq) ORDER BY e.seq",
    [READER_PRUNE_EARLIER] = "SELECT seq FROM event INDEXED BY event_memory WHERE " ITS_MEMORY " "
                             "AND seq<?2 AND state IS NOT NULL ORDER BY seq LIMIT 1",
    [READER_PRUNE_AT] = "SELECT seq FROM event INDEXED BY event_memory WHERE " ITS_MEMORY " "
                        "AND at_ms<?2 AND state IS NOT NULL ORDER BY seq DESC LIMIT 1",
    [READER_PRUNE_NTH] = "SELECT seq FROM event INDEXED BY event_memory WHERE " ITS_MEMORY " "
                         "AND state IS NOT NULL ORDER BY seq DESC LIMIT 1 OFFSET ?2",
    [READER_PRUNE_LAST] = "SELECT seq FROM event INDEXED BY event_memory WHERE " ITS_MEMORY " "
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
    [READER_SESSIONS_OPEN] = "SELECT count(*) FROM session INDEXED BY session_open "
                             "WHERE ended_ms IS NULL",
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
