/*
 * store_key.c - finds repeats: a hash of event_id, memory and request, and the seq of its first
 * receipt. Keys are never pruned, so a repeat is found however late.
 *
 * They lie by their memory's number, and a memory that is not there has none: so a new memory's
 * key needs no look, and is written beside the ones before it.
 */
#include "broker/store_apply.h"

static void hash_bytes(XXH3_state_t *state, const void *data, size_t size)
{
    if (size > 0) {
        XXH3_128bits_update(state, data, size);
    }
}

static void hash_sized(XXH3_state_t *state, const struct event_text *text)
{
    uint64_t size = text->size;
    uint8_t bytes[8];

    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(size >> (8 * i));
    }
    hash_bytes(state, bytes, sizeof bytes);
    hash_bytes(state, text->data, text->size);
}

static void hash_number(XXH3_state_t *state, uint64_t number)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(number >> (8 * i));
    }
    hash_bytes(state, bytes, sizeof bytes);
}

static void finish_hash(XXH128_hash_t hash, uint8_t ret_hash[HASH_SIZE])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(ret_hash, canonical.digest, HASH_SIZE);
}

/* What makes a repeat: event_id, memory, and what was asked. Who asked, and whether it said that it
 * asks again, is no part of it. */
static void hash_request(struct store *store, const struct event *event,
                         uint8_t ret_hash[HASH_SIZE])
{
    XXH3_state_t *state = store->hash;

    XXH3_128bits_reset(state);
    hash_sized(state, &event->event_id);
    hash_sized(state, &event->memory_id);
    hash_number(state, (uint64_t)event->op);
    hash_number(state, event->has_expected_version);
    hash_number(state, event->expected_version);
    hash_bytes(state, event->fields, event->fields_size);
    finish_hash(XXH3_128bits_digest(state), ret_hash);
}

static int find_key(struct store *store, const struct store_event *apply, uint64_t *ret_seq,
                    struct error *err)
{
    sqlite3_stmt *find = store->statements[STORE_FIND_KEY];
    bool row;

    sql_bind_int(find, 1, apply->number);
    sql_bind_blob(find, 2, apply->key, HASH_SIZE);
    int r = sql_step(&store->sql, find, &row, err);
    if (r == 0 && row) {
        *ret_seq = sql_column_uint(find, 0);
        sql_reset(find);
    }
    return r;
}

static int add_key(struct store *store, const struct store_event *apply, uint64_t seq,
                   struct error *err)
{
    sqlite3_stmt *add = store->statements[STORE_ADD_KEY];

    sql_bind_int(add, 1, apply->number);
    sql_bind_blob(add, 2, apply->key, HASH_SIZE);
    sql_bind_uint(add, 3, seq);
    return sql_run(&store->sql, add, err);
}

int store_key_claim(struct store *store, struct store_event *apply, uint64_t *ret_first_seq,
                    struct error *err)
{
    *ret_first_seq = 0;
    if (apply->event.event_id.size == 0) {
        return 0;
    }
    hash_request(store, &apply->event, apply->key);
    if (!apply->exists) {
        return 0;
    }
    int r = add_key(store, apply, apply->record->seq, err);
    if (r == 0 && sqlite3_changes(store->sql.db) == 0) {
        r = find_key(store, apply, ret_first_seq, err);
    }
    return store_outcome_of(r);
}

int store_key_of_new(struct store *store, struct store_event *apply, struct error *err)
{
    return apply->event.event_id.size > 0 ? add_key(store, apply, apply->record->seq, err) : 0;
}

int store_key_drop(struct store *store, struct store_event *apply, struct error *err)
{
    sqlite3_stmt *drop = store->statements[STORE_DROP_KEY];

    if (apply->event.event_id.size == 0 || !apply->exists) {
        return 0;
    }
    sql_bind_int(drop, 1, apply->number);
    sql_bind_blob(drop, 2, apply->key, HASH_SIZE);
    return store_outcome_of(sql_run(&store->sql, drop, err));
}

int store_key_move(struct store *store, struct store_event *apply, uint64_t seq, struct error *err)
{
    int r = store_key_drop(store, apply, err);

    if (r == 0 && apply->event.event_id.size > 0) {
        r = store_outcome_of(add_key(store, apply, seq, err));
    }
    return r;
}
