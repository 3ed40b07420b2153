/* reader_internal.h - what the files of the reader share, and nobody else includes. */
#ifndef MEMFERRY_READER_INTERNAL_H
#define MEMFERRY_READER_INTERNAL_H

#include "broker/memory_state.h"
#include "broker/reader.h"
#include "broker/sql.h"
#include "broker/store_hash.h"

enum reader_statement {
    READER_BEGIN,
    READER_END,
    READER_CURRENT,
    READER_VERSION,
    READER_VECTOR,
    READER_EMBEDDED,
    READER_AWAITED,
    READER_EMBEDDER,
    READER_HISTORY,
    READER_COUNTS,
    READER_LIST_ALL, /* the four list statements have the same columns */
    READER_LIST_SESSION,
    READER_LIST_KIND,
    READER_LIST_TAG,
    READER_LIST_BY_ID,
    READER_STATE_AT,
    READER_DEAD_LIST,
    READER_META,
    READER_LANE,
    READER_LANE_ROWS,
    READER_LANE_ABOVE,
    READER_LANE_OLDEST,
    READER_EMBED_ABOVE,
    READER_LANE_WAITING,
    READER_LANE_NAMES,
    READER_DELIVERY,
    READER_BATCH_AFTER,
    READER_BATCH_DUE,
    READER_BATCH_PAGE,
    READER_EMBED_AFTER,
    READER_EMBED_DUE,
    READER_NEXT_DUE,
    READER_ALERT_LIST,
    READER_ALERT_LIST_OPEN,
    READER_ALERTS_AFTER,
    READER_ALERTS_DUE,
    READER_ALERTS_OPEN,
    READER_SESSIONS_OPEN,
    READER_PLAN_ALERT,
    READER_PLAN_LATER,
    READER_SESSION,
    READER_SESSION_LIST,
    READER_SESSION_LIST_OPEN,
    READER_SESSIONS_OWNED,
    READER_SESSIONS_IDLE,
    READER_PLAN_AT,
    READER_PLAN_TIME,
    READER_PLAN_BEFORE,
    READER_PLAN_SESSION, /* these three have the same columns */
    READER_PLAN_SPAN,
    READER_PLAN_OLDEST,
    READER_PLAN_EARLIER,
    READER_PLAN_SINCE,
    READER_PRUNE_SCAN,
    READER_PRUNE_EARLIER,
    READER_PRUNE_AT,
    READER_PRUNE_NTH,
    READER_PRUNE_LAST,
    READER_ALERTS_ABOVE, /* these three as READER_LANE_… of memories */
    READER_ALERTS_OLDEST,
    READER_ALERTS_WAITING,
    READER_ALERT_AT,
    READER_EVENTS,
    READER_HIT, /* as the list statements, and whether it has the tag */
    READER_HAS,
    READER_STATEMENTS /* how many */
};

extern const char *const reader_statement_texts[READER_STATEMENTS];

/* Which embedder is configured, as of the transaction. */
struct reader_embedder {
    bool is_known; /* was looked up */
    char model[EMBEDDING_MODEL_MAX + 1];
    char lane[65]; /* both empty: there is none */
};

struct reader {
    struct sql sql;
    sqlite3_stmt *statements[READER_STATEMENTS]; /* NULL until its first use */
    msgpack_sbuffer body;                        /* of a list, before its length is known */
    struct reader_embedder embedder;
};

/* Prepared when it is first used. NULL, when that fails, is told of by its step: see sql.h. */
sqlite3_stmt *reader_statement(struct reader *reader, enum reader_statement which);

/* Every call reads in one transaction of its own, so that it sees one commit. */
int reader_begin(struct reader *reader, struct error *err);
/* Ends it; gives back r, or why ending failed. */
int reader_end(struct reader *reader, int r, struct error *err);

/* Within a transaction: what the store holds, without what is open or pending. */
int reader_read_counts(struct reader *reader, struct reader_counts *ret, struct error *err);

int reader_damaged(struct reader *reader, struct error *err, const char *id, size_t id_size);

/* ---- reader_embedding.c: a stored state names a caller's vector only. Within a transaction these
 * make it tell what a memory shows: vector_seq, embedding_model, embedding_state. What they set is
 * borrowed from the row, or until the next call. ---- */

/* Of a memory as it is now: `row` stands on it, with memory's vector_seq and embedding_model in
 * `column` and the next. */
int reader_show_current(struct reader *reader, sqlite3_stmt *row, int column,
                        struct memory_state *state, struct error *err);
/* Of any version of a memory. */
int reader_show_version(struct reader *reader, const struct event_text *id,
                        struct memory_state *state, struct error *err);
/* Good until the transaction ends. */
int reader_find_embedder(struct reader *reader, const struct reader_embedder **ret,
                         struct error *err);

/* reader_lane.c, within a transaction: struct reader_lane's pending. */
int reader_lane_pending(struct reader *reader, const char *lane, uint64_t *ret, struct error *err);

/* Within a transaction: READER_VECTOR stands on the row while *ret_size > 0; sql_reset it. */
int reader_find_vector(struct reader *reader, uint64_t vector_seq, const void **ret_data,
                       size_t *ret_size, struct error *err);

/* Appends a memory as a map by protocol.md's names. The state is one that reader_show_… has been
 * given. */
int reader_pack_memory(struct reader *reader, const struct event_text *id,
                       const struct memory_state *state, bool with_embedding, msgpack_sbuffer *out,
                       struct error *err);
/* The same, with room for `more` members, which the caller appends. */
int reader_pack_memory_open(struct reader *reader, const struct event_text *id,
                            const struct memory_state *state, bool with_embedding, size_t more,
                            msgpack_sbuffer *out, struct error *err);

/* ---- pages of a list: reader_page.c ---- */

#define READER_PAGE_BYTES_MAX (1u << 20)

/* READER_E_CURSOR with a text. */
int reader_bad_cursor(const char *after, struct error *err);
/* Digits only, all of them, to the end. */
bool reader_parse_number(const char *text, size_t size, uint64_t *ret);
/* {NAME: [count × reader->body], "next": …}; an empty next is nil. */
int reader_pack_page(struct reader *reader, const char *name, uint32_t count, const char *next,
                     msgpack_sbuffer *ret_result, struct error *err);

/* A list whose rows come by falling seq. */
struct reader_seq_list {
    const char *name;
    char letter; /* of the places in it */
    int seq_column;
    uint32_t limit;
    const char *after;
    bool (*passes)(sqlite3_stmt *row, const void *filter);
    int (*pack)(msgpack_packer *out, sqlite3_stmt *row); /* not 0: no memory */
    const void *filter;
};
/* A page of it. The first parameter of `scan` is the seq below which rows lie. */
int reader_list_by_seq(struct reader *reader, sqlite3_stmt *scan,
                       const struct reader_seq_list *list, msgpack_sbuffer *ret_result,
                       struct error *err);

/* ---- batches: reader_batch_scan.c ---- */

/* Within a transaction: when the first deferred row of the lane is due after now_ms; 0: none. */
int reader_find_next_due(struct reader *reader, const char *lane, int64_t now_ms,
                         int64_t *ret_next_due_ms, struct error *err);

/* ---- scans: reader_list.c ---- */

/* Memories by falling version below `before`, by the index that suits the filter. Columns: version,
 * updated_ms, deleted_ms, kind, session_id, id, vector_seq, embedding_model. */
sqlite3_stmt *reader_scan_begin(struct reader *reader, const struct reader_filter *filter,
                                uint64_t before);
/* Whether such a row passes what is left of the filter. */
bool reader_scan_passes(sqlite3_stmt *row, const struct reader_filter *filter);

/* ---- reader_column.c ---- */

struct event_text reader_column_text(sqlite3_stmt *statement, int column);
/* wanted NULL: whatever it is. */
bool reader_column_is(sqlite3_stmt *row, int column, const char *wanted);
/* msgpack: a text of ours; a member, nil where the column is NULL. */
int reader_pack_name(msgpack_packer *out, const char *name);
int reader_pack_text_column(msgpack_packer *out, const char *name, sqlite3_stmt *row, int column);
int reader_pack_int_column(msgpack_packer *out, const char *name, sqlite3_stmt *row, int column);

#endif
