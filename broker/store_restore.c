/*
 * store_restore.c - a version's whole state becomes the current one again, as a new version.
 *
 * Happy path: find the state of the version that the event names; write it with a new version,
 * stamp and origin, its vector with it. The versions between stay in the history.
 *
 * Failure modes: a version that the memory never had, or that is no longer kept, is refused
 * (APPLY_NOT_FOUND); one that is as the memory stands already changes nothing.
 */
#include "broker/store_apply.h"

#include <errno.h>
#include <string.h>

/* {version} */
static bool read_version(const struct event *event, uint64_t *ret_version)
{
    struct unpack in = unpack_over(event->fields, event->fields_size);
    const char *name;
    uint32_t count;
    size_t size;

    return event->fields != NULL && unpack_map(&in, &count) && count == 1 &&
           unpack_text(&in, &name, &size) && size == strlen("version") &&
           memcmp(name, "version", size) == 0 && unpack_uint(&in, ret_version) &&
           *ret_version <= INT64_MAX;
}

/* *ret_found false: the memory has no such version. */
static int find_version(struct store *store, const struct store_event *apply, uint64_t version,
                        struct memory_state *ret_state, bool *ret_found, struct error *err)
{
    sqlite3_stmt *find = store->statements[STORE_FIND_VERSION];

    sql_bind_uint(find, 1, version);
    sql_bind_text(find, 2, apply->event.memory_id.data, apply->event.memory_id.size);
    int r = sql_step(&store->sql, find, ret_found, err);
    if (r != 0 || !*ret_found) {
        return store_outcome_of(r);
    }
    const void *bytes = sqlite3_column_blob(find, 0);
    size_t size = (size_t)sqlite3_column_bytes(find, 0);
    msgpack_sbuffer_clear(&store->restored);
    int failed = msgpack_sbuffer_write(&store->restored, bytes, size);
    sql_reset(find);
    if (failed != 0) {
        return error_set(err, -ENOMEM, "out of memory while applying an event");
    }
    if (memory_state_decode((const uint8_t *)store->restored.data, size, ret_state) < 0) {
        return store_refuse_event(apply, err, "the version that it brings back is damaged");
    }
    return 0;
}

/* With the vector that it had, or an embedder's of its content that came later. */
static int take_state(struct store *store, struct store_event *apply,
                      const struct memory_state *state, struct error *err)
{
    apply->state = *state;
    store_hash_content(&apply->state.content, apply->content_hash);
    return store_find_vector(store, apply, err);
}

int store_apply_restore(struct store *store, struct store_event *apply, struct apply_result *result,
                        struct error *err)
{
    struct memory_state state;
    uint64_t version;
    bool found;

    if (!read_version(&apply->event, &version)) {
        return store_refuse_event(apply, err, "its fields are none of ours");
    }
    int r = find_version(store, apply, version, &state, &found, err);
    if (r != 0) {
        return r;
    }
    if (!apply->exists || !found) {
        return store_apply_refused(store, apply, APPLY_NOT_FOUND, result, err);
    }
    if (memory_state_same(&apply->state, &state)) {
        return store_apply_nothing(store, apply, result, err);
    }
    r = take_state(store, apply, &state, err);
    return r == 0 ? store_apply_changed(store, apply, result, err) : r;
}
