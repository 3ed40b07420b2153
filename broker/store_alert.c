/*
 * store_alert.c - alerts raised, updated and acked.
 *
 * Happy path: an alert whose id is new gets a row; the same id again counts on, moves to the new
 * event's seq, so that lanes see it, and is open again if it was acked: what somebody has dealt
 * with has happened once more. An ack notes when, and by which session.
 *
 * An alert that tells nothing new (a whole count that is not larger: raised again when a journal
 * was replayed) and an ack of what is acked are duplicates, and change nothing. An ack of what is
 * not there is refused.
 */
#include "broker/alert.h"
#include "broker/store_apply.h"

#include <errno.h>

struct old_alert {
    bool exists, acked;
    uint64_t seq, count;
};

static int find_alert(struct store *store, const struct store_event *apply, struct old_alert *ret,
                      struct error *err)
{
    sqlite3_stmt *find = store->statements[STORE_FIND_ALERT];

    *ret = (struct old_alert){0};
    sql_bind_text(find, 1, apply->event.event_id.data, apply->event.event_id.size);
    int r = sql_step(&store->sql, find, &ret->exists, err);
    if (r == 0 && ret->exists) {
        ret->seq = sql_column_uint(find, 0);
        ret->count = sql_column_uint(find, 1);
        ret->acked = sqlite3_column_type(find, 2) != SQLITE_NULL;
        sql_reset(find);
    }
    return store_outcome_of(r);
}

static int unchanged(const struct old_alert *old, struct apply_result *result)
{
    *result = (struct apply_result){.outcome = APPLY_DUPLICATE, .seq = old->seq};
    return 0;
}

static int changed(const struct store_event *apply, struct apply_result *result)
{
    *result = (struct apply_result){.outcome = APPLY_CHANGED, .seq = apply->record->seq};
    return 0;
}

/* ---- raised ---- */

static void bind_text(sqlite3_stmt *statement, int index, const struct event_text *text)
{
    sql_bind_text(statement, index, text->data, text->size);
}

/* The samples as a msgpack array, in the store's scratch; none is NULL. */
static int pack_samples(struct store *store, const struct alert *alert)
{
    msgpack_packer out;
    int failed = 0;

    msgpack_sbuffer_clear(&store->new_state);
    if (alert->sample_count == 0) {
        return 0;
    }
    msgpack_packer_init(&out, &store->new_state, msgpack_sbuffer_write);
    failed |= msgpack_pack_array(&out, alert->sample_count);
    for (size_t i = 0; i < alert->sample_count; i++) {
        const struct event_text *id = &alert->sample_ids[i];
        failed |= msgpack_pack_str_with_body(&out, id->data, id->size);
    }
    return failed == 0 ? 0 : -ENOMEM;
}

static int write_alert(struct store *store, const struct store_event *apply,
                       const struct alert *alert, struct error *err)
{
    sqlite3_stmt *put = store->statements[STORE_PUT_ALERT];
    const char *severity = alert_severity_name(alert->severity);

    int r = pack_samples(store, alert);
    if (r < 0) {
        return error_set(err, r, "out of memory while applying an event");
    }
    bind_text(put, 1, &alert->id);
    sql_bind_uint(put, 2, apply->record->seq);
    bind_text(put, 3, &alert->rule);
    sql_bind_text(put, 4, severity, strlen(severity));
    sql_bind_int(put, 5, alert->at_ms);
    bind_text(put, 6, &alert->session_id);
    if (alert->peer_pid != 0) {
        sql_bind_int(put, 7, alert->peer_pid);
    } else {
        sql_bind_null(put, 7);
    }
    bind_text(put, 8, &alert->peer_command);
    sql_bind_uint(put, 9, alert->count);
    sql_bind_blob(put, 10, alert->sample_count > 0 ? store->new_state.data : NULL,
                  alert->sample_count > 0 ? store->new_state.size : 0);
    bind_text(put, 11, &alert->statement);
    bind_text(put, 12, &alert->summary);
    bind_text(put, 13, &alert->undo);
    if (alert->from_seq != 0) {
        sql_bind_uint(put, 14, alert->from_seq);
        sql_bind_uint(put, 15, alert->to_seq);
    } else {
        sql_bind_null(put, 14);
        sql_bind_null(put, 15);
    }
    if (alert->until_ms != 0) {
        sql_bind_int(put, 16, alert->until_ms);
    } else {
        sql_bind_null(put, 16);
    }
    return store_outcome_of(sql_run(&store->sql, put, err));
}

int store_apply_alert(struct store *store, struct store_event *apply, struct apply_result *result,
                      struct error *err)
{
    struct old_alert old;
    struct alert alert;

    if (alert_decode(&apply->event, &alert) < 0) {
        return store_refuse_event(apply, err, "its fields are none of ours");
    }
    int r = find_alert(store, apply, &old, err);
    if (r != 0) {
        return r;
    }
    if (old.exists && (alert.adds ? alert.count == 0 : alert.count <= old.count)) {
        return unchanged(&old, result);
    }
    if (alert.adds) {
        alert.count += alert.count <= INT64_MAX - old.count ? old.count : 0;
    }
    r = store_outcome_of(
        store_write_event(store, apply, apply->event.fields, apply->event.fields_size, err));
    if (r == 0) {
        r = write_alert(store, apply, &alert, err);
    }
    return r == 0 ? changed(apply, result) : r;
}

/* ---- acked ---- */

static int write_ack(struct store *store, const struct store_event *apply,
                     enum store_statement statement, struct error *err)
{
    sqlite3_stmt *ack = store->statements[statement];

    if (statement == STORE_ACK_ALERT) {
        bind_text(ack, 1, &apply->event.event_id);
    }
    sql_bind_int(ack, 2, apply->record->at_ms);
    bind_text(ack, 3, &apply->event.session_id);
    return store_outcome_of(sql_run(&store->sql, ack, err));
}

static int ack_all(struct store *store, struct store_event *apply, struct apply_result *result,
                   struct error *err)
{
    int r = write_ack(store, apply, STORE_ACK_ALERTS, err);
    uint64_t count = r == 0 ? (uint64_t)sqlite3_changes64(store->sql.db) : 0;

    if (r == 0 && count > 0) {
        r = store_outcome_of(store_write_event(store, apply, NULL, 0, err));
    }
    *result = (struct apply_result){.outcome = count > 0 ? APPLY_CHANGED : APPLY_DUPLICATE,
                                    .seq = apply->record->seq,
                                    .version = count};
    return r;
}

int store_apply_alert_ack(struct store *store, struct store_event *apply,
                          struct apply_result *result, struct error *err)
{
    struct old_alert old;

    if (apply->event.event_id.size == 0) {
        return ack_all(store, apply, result, err);
    }
    int r = find_alert(store, apply, &old, err);
    if (r != 0) {
        return r;
    }
    if (!old.exists) {
        *result = (struct apply_result){.outcome = APPLY_NOT_FOUND, .seq = apply->record->seq};
        return 0;
    }
    if (old.acked) {
        return unchanged(&old, result);
    }
    r = store_outcome_of(store_write_event(store, apply, NULL, 0, err));
    if (r == 0) {
        r = write_ack(store, apply, STORE_ACK_ALERT, err);
    }
    return r == 0 ? changed(apply, result) : r;
}
