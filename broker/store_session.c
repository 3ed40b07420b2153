/*
 * store_session.c - sessions that begin, are seen and end.
 *
 * Happy path: a session is known from its begin, or from the first event that carries its id. Each
 * such event tells that it was seen; the row is written when that is a second later than it says,
 * either way, as the clock may be set back. What was seen lately is kept beside the database, so
 * that a memory as a rule costs no read of it.
 *
 * One that ended for idleness and is seen again was not idle: it goes on. Any other that has ended
 * stays so, and only when it was seen moves on; a begin begins it again.
 *
 * An end by the broker itself tells what it rests on, and is applied as nothing when that is no
 * longer so: the session was seen since, or has another owner.
 */
#include "broker/store_apply.h"

#include <errno.h>
#include <string.h>

#define SEEN_STEP_MS 1000

struct old_session {
    bool exists, ended, was_idle;
    int64_t seen_ms, pid;
    uint64_t pid_start;
    char boot_id[SESSION_BOOT_MAX + 1];
};

/* ---- what was seen lately ---- */

void store_sessions_forget(struct store *store)
{
    memset(store->sessions, 0, sizeof store->sessions);
}

static struct store_session *kept_place(struct store *store, const struct event_text *id)
{
    return &store->sessions[XXH3_64bits(id->data, id->size) % STORE_SESSIONS_KEPT];
}

static bool is_kept(const struct store_session *kept, const struct event_text *id)
{
    return kept->size == id->size && memcmp(kept->id, id->data, id->size) == 0;
}

static void keep(struct store *store, const struct event_text *id, int64_t seen_ms)
{
    struct store_session *kept = kept_place(store, id);

    if (id->size <= sizeof kept->id) {
        memcpy(kept->id, id->data, id->size);
        kept->size = id->size;
        kept->seen_ms = seen_ms;
    }
}

static bool is_later(int64_t at_ms, int64_t seen_ms)
{
    return at_ms >= seen_ms + SEEN_STEP_MS || at_ms <= seen_ms - SEEN_STEP_MS;
}

/* ---- the row ---- */

static int find_session(struct store *store, const struct event_text *id, struct old_session *ret,
                        struct error *err)
{
    sqlite3_stmt *find = store->statements[STORE_FIND_SESSION];

    *ret = (struct old_session){0};
    sql_bind_text(find, 1, id->data, id->size);
    int r = sql_step(&store->sql, find, &ret->exists, err);
    if (r != 0 || !ret->exists) {
        return store_outcome_of(r);
    }
    const char *reason = (const char *)sqlite3_column_text(find, 1);
    const char *boot_id = (const char *)sqlite3_column_text(find, 4);
    ret->seen_ms = sqlite3_column_int64(find, 0);
    ret->ended = reason != NULL;
    ret->was_idle = ret->ended && strcmp(reason, session_end_reason_name(SESSION_ENDED_IDLE)) == 0;
    ret->pid = sqlite3_column_int64(find, 2);
    ret->pid_start = sql_column_uint(find, 3);
    if (boot_id != NULL) {
        strncpy(ret->boot_id, boot_id, SESSION_BOOT_MAX);
    }
    sql_reset(find);
    return 0;
}

static void bind_text(sqlite3_stmt *statement, int index, const struct event_text *text)
{
    sql_bind_text(statement, index, text->size > 0 ? text->data : NULL, text->size);
}

static void bind_owner(sqlite3_stmt *write, const struct session_owner *owner)
{
    if (owner->pid == 0) {
        sql_bind_null(write, 5);
        sql_bind_null(write, 6);
    } else {
        sql_bind_int(write, 5, owner->pid);
        sql_bind_uint(write, 6, owner->start);
    }
    bind_text(write, 7, &owner->boot_id);
}

static int write_begin(struct store *store, const struct store_event *apply, bool exists,
                       const struct session_begin *begin, struct error *err)
{
    sqlite3_stmt *write = store->statements[exists ? STORE_BEGIN_SESSION : STORE_ADD_SESSION];

    bind_text(write, 1, &apply->event.session_id);
    sql_bind_int(write, 2, apply->record->at_ms);
    bind_text(write, 3, &begin->agent);
    bind_text(write, 4, &begin->cwd);
    bind_owner(write, &begin->owner);
    if (!exists) {
        sql_bind_uint(write, 8, apply->record->seq);
    }
    int r = store_outcome_of(sql_run(&store->sql, write, err));
    if (r == 0) {
        keep(store, &apply->event.session_id, apply->record->at_ms);
    }
    return r;
}

static int write_seen(struct store *store, const struct store_event *apply, struct error *err)
{
    sqlite3_stmt *see = store->statements[STORE_SEE_SESSION];

    bind_text(see, 1, &apply->event.session_id);
    sql_bind_int(see, 2, apply->record->at_ms);
    int r = store_outcome_of(sql_run(&store->sql, see, err));
    if (r == 0) {
        keep(store, &apply->event.session_id, apply->record->at_ms);
    }
    return r;
}

/* ---- seen ---- */

static int note_seen(struct store *store, const struct store_event *apply, struct error *err)
{
    static const struct session_begin unknown = {0};
    const struct event_text *id = &apply->event.session_id;
    struct store_session *kept = kept_place(store, id);
    struct old_session old;

    if (is_kept(kept, id) && !is_later(apply->record->at_ms, kept->seen_ms)) {
        return 0;
    }
    int r = find_session(store, id, &old, err);
    if (r != 0) {
        return r;
    }
    if (!old.exists) {
        return write_begin(store, apply, false, &unknown, err);
    }
    if (old.was_idle || is_later(apply->record->at_ms, old.seen_ms)) {
        return write_seen(store, apply, err);
    }
    keep(store, id, old.seen_ms);
    return 0;
}

int store_session_seen(struct store *store, const struct store_event *apply, struct error *err)
{
    if (apply->event.session_id.size == 0) {
        return 0;
    }
    switch (apply->event.op) {
    case EVENT_PUT:
    case EVENT_DELETE:
    case EVENT_RESTORE:
    case EVENT_STATEMENT:
    case EVENT_PURGE:
        return note_seen(store, apply, err);
    default: /* told by a begin or an end itself, or nothing that a session did */
        return 0;
    }
}

/* ---- begin and end ---- */

static int write_event(struct store *store, const struct store_event *apply, struct error *err)
{
    return store_outcome_of(
        store_write_event(store, apply, apply->event.fields, apply->event.fields_size, err));
}

int store_apply_session_begin(struct store *store, struct store_event *apply,
                              struct apply_result *result, struct error *err)
{
    struct session_begin begin;
    struct old_session old;

    if (session_begin_decode(&apply->event, &begin) < 0) {
        return store_refuse_event(apply, err, "its fields are none of ours");
    }
    *result = (struct apply_result){.outcome = APPLY_CHANGED, .seq = apply->record->seq};
    if (begin.touches) {
        return note_seen(store, apply, err);
    }
    int r = find_session(store, &apply->event.session_id, &old, err);
    if (r == 0) {
        r = write_event(store, apply, err);
    }
    return r == 0 ? write_begin(store, apply, old.exists, &begin, err) : r;
}

static bool owner_is(const struct old_session *old, const struct session_owner *owner)
{
    return old->pid == owner->pid && old->pid_start == owner->start &&
           strlen(old->boot_id) == owner->boot_id.size &&
           memcmp(old->boot_id, owner->boot_id.data, owner->boot_id.size) == 0;
}

/* What the end rests on is so. */
static bool still_ends(const struct old_session *old, const struct session_end *end)
{
    switch (end->reason) {
    case SESSION_ENDED_IDLE:
        return old->seen_ms == end->seen_ms;
    case SESSION_ENDED_OWNER_EXIT:
        return owner_is(old, &end->owner);
    default:
        return true;
    }
}

static int write_end(struct store *store, const struct store_event *apply,
                     const struct session_end *end, struct error *err)
{
    sqlite3_stmt *write = store->statements[STORE_END_SESSION];
    const char *reason = session_end_reason_name(end->reason);

    bind_text(write, 1, &apply->event.session_id);
    sql_bind_int(write, 2, apply->record->at_ms);
    sql_bind_text(write, 3, reason, strlen(reason));
    bind_text(write, 4, &apply->event.reason);
    kept_place(store, &apply->event.session_id)->size = 0;
    return store_outcome_of(sql_run(&store->sql, write, err));
}

int store_apply_session_end(struct store *store, struct store_event *apply,
                            struct apply_result *result, struct error *err)
{
    struct old_session old;
    struct session_end end;

    if (session_end_decode(&apply->event, &end) < 0) {
        return store_refuse_event(apply, err, "its fields are none of ours");
    }
    int r = find_session(store, &apply->event.session_id, &old, err);
    if (r != 0) {
        return r;
    }
    *result = (struct apply_result){.seq = apply->record->seq};
    if (!old.exists) {
        result->outcome = APPLY_NOT_FOUND;
        return 0;
    }
    /* What ended for idleness alone can be ended for good. */
    if ((old.ended && !(old.was_idle && end.reason == SESSION_ENDED_COMMAND)) ||
        !still_ends(&old, &end)) {
        result->outcome = APPLY_DUPLICATE;
        return 0;
    }
    result->outcome = APPLY_CHANGED;
    r = write_event(store, apply, err);
    return r == 0 ? write_end(store, apply, &end, err) : r;
}
