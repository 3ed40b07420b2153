/* memory_state.c - the codec of a memory's state. Keys rise; a key that is not known was written by
 * a newer memferry, which PRAGMA user_version keeps out. */
#include "broker/memory_state.h"

#include <errno.h>
#include <string.h>

enum state_key {
    KEY_CONTENT = 1,
    KEY_KIND = 2,
    KEY_TAGS = 3,
    KEY_PROPS = 4,
    KEY_CREATED_MS = 5,
    KEY_UPDATED_MS = 6,
    KEY_DELETED_MS = 7,
    KEY_VERSION = 8,
    KEY_STAMP_US = 9,
    KEY_ORIGIN = 10,
    KEY_SESSION_ID = 11,
    KEY_EMBEDDING_STATE = 12,
    KEY_VECTOR_SEQ = 13,
    KEY_EMBEDDING_MODEL = 14
};

static const uint8_t empty_array[] = {0x90};
static const uint8_t empty_map[] = {0x80};

void memory_state_init(struct memory_state *state)
{
    memset(state, 0, sizeof *state);
    state->kind = (struct event_text){.data = "note", .size = strlen("note")};
    state->tags = (struct unpack_slice){.data = empty_array, .size = sizeof empty_array};
    state->props = (struct unpack_slice){.data = empty_map, .size = sizeof empty_map};
}

/* ---- decode ---- */

static bool read_text(struct unpack *in, struct event_text *ret)
{
    return unpack_text(in, &ret->data, &ret->size);
}

static bool read_container(struct unpack *in, enum unpack_type type, struct unpack_slice *ret)
{
    struct unpack inside = *in;
    struct unpack_value value;

    ret->data = in->at;
    if (!unpack_next(&inside, &value) || value.type != type || !unpack_skip(in)) {
        return false;
    }
    ret->size = (size_t)(in->at - ret->data);
    return true;
}

static bool read_embedding_state(struct unpack *in, enum memferry_embedding_state *ret)
{
    uint64_t number;

    if (!unpack_uint(in, &number) || number > MEMFERRY_EMBEDDING_READY) {
        return false;
    }
    *ret = (enum memferry_embedding_state)number;
    return true;
}

/* SQLite counts to INT64_MAX, and so does a seq. */
static bool read_seq(struct unpack *in, uint64_t *ret)
{
    return unpack_uint(in, ret) && *ret <= INT64_MAX;
}

static bool read_value(struct unpack *in, uint64_t key, struct memory_state *state)
{
    switch (key) {
    case KEY_CONTENT:
        return read_text(in, &state->content);
    case KEY_KIND:
        return read_text(in, &state->kind);
    case KEY_TAGS:
        return read_container(in, UNPACK_ARRAY, &state->tags);
    case KEY_PROPS:
        return read_container(in, UNPACK_MAP, &state->props);
    case KEY_CREATED_MS:
        return unpack_int(in, &state->created_ms);
    case KEY_UPDATED_MS:
        return unpack_int(in, &state->updated_ms);
    case KEY_DELETED_MS:
        return unpack_int(in, &state->deleted_ms);
    case KEY_VERSION:
        return read_seq(in, &state->version);
    case KEY_STAMP_US:
        return unpack_int(in, &state->stamp_us);
    case KEY_ORIGIN:
        return read_text(in, &state->origin);
    case KEY_SESSION_ID:
        return read_text(in, &state->session_id);
    case KEY_EMBEDDING_STATE:
        return read_embedding_state(in, &state->embedding_state);
    case KEY_VECTOR_SEQ:
        return read_seq(in, &state->vector_seq);
    case KEY_EMBEDDING_MODEL:
        return read_text(in, &state->embedding_model);
    default:
        return false;
    }
}

int memory_state_decode(const uint8_t *bytes, size_t size, struct memory_state *ret_state)
{
    struct unpack in = unpack_over(bytes, size);
    uint64_t last_key = 0;
    uint32_t count;

    memory_state_init(ret_state);
    if (!unpack_map(&in, &count)) {
        return -EBADMSG;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t key;
        if (!unpack_uint(&in, &key) || key <= last_key || !read_value(&in, key, ret_state)) {
            return -EBADMSG;
        }
        last_key = key;
    }
    bool complete = ret_state->content.data != NULL && ret_state->origin.data != NULL;
    return complete && in.at == in.end ? 0 : -EBADMSG;
}

/* ---- compare ---- */

static bool same_bytes(const void *a, size_t a_size, const void *b, size_t b_size)
{
    return a_size == b_size && (a_size == 0 || memcmp(a, b, a_size) == 0);
}

bool memory_state_same(const struct memory_state *a, const struct memory_state *b)
{
    return event_text_same(a->content, b->content) && event_text_same(a->kind, b->kind) &&
           same_bytes(a->tags.data, a->tags.size, b->tags.data, b->tags.size) &&
           same_bytes(a->props.data, a->props.size, b->props.data, b->props.size) &&
           a->vector_seq == b->vector_seq &&
           event_text_same(a->embedding_model, b->embedding_model) &&
           a->created_ms == b->created_ms && a->deleted_ms == b->deleted_ms;
}

/* ---- encode ---- */

static int pack_key(msgpack_packer *out, enum state_key key)
{
    return msgpack_pack_uint8(out, (uint8_t)key);
}

static int pack_text(msgpack_packer *out, enum state_key key, const struct event_text *text)
{
    if (text->data == NULL) {
        return 0;
    }
    return pack_key(out, key) | msgpack_pack_str_with_body(out, text->data, text->size);
}

static int pack_slice(msgpack_packer *out, enum state_key key, const struct unpack_slice *slice)
{
    return pack_key(out, key) | msgpack_pack_str_body(out, slice->data, slice->size);
}

static int pack_int(msgpack_packer *out, enum state_key key, int64_t number)
{
    return pack_key(out, key) | msgpack_pack_int64(out, number);
}

static int pack_uint(msgpack_packer *out, enum state_key key, uint64_t number)
{
    return pack_key(out, key) | msgpack_pack_uint64(out, number);
}

static int pack_embedding(msgpack_packer *out, const struct memory_state *state)
{
    int failed = pack_uint(out, KEY_EMBEDDING_STATE, (uint64_t)state->embedding_state);

    if (state->vector_seq != 0) {
        failed |= pack_uint(out, KEY_VECTOR_SEQ, state->vector_seq);
    }
    return failed | pack_text(out, KEY_EMBEDDING_MODEL, &state->embedding_model);
}

/* content, kind, tags, props, created, updated, version, stamp, origin, embedding_state */
#define KEYS_ALWAYS 10

static size_t count_keys(const struct memory_state *state)
{
    return (size_t)KEYS_ALWAYS + (state->deleted_ms != 0) + (state->session_id.data != NULL) +
           (state->vector_seq != 0) + (state->embedding_model.data != NULL);
}

bool memory_state_fits(const struct memory_state *state)
{
    return state->content.size + state->tags.size + state->props.size <= MEMORY_STATE_MAX;
}

int memory_state_encode(const struct memory_state *state, msgpack_sbuffer *out)
{
    msgpack_packer packer;

    if (!memory_state_fits(state)) {
        return -E2BIG;
    }
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    int failed = msgpack_pack_map(&packer, count_keys(state));
    failed |= pack_text(&packer, KEY_CONTENT, &state->content);
    failed |= pack_text(&packer, KEY_KIND, &state->kind);
    failed |= pack_slice(&packer, KEY_TAGS, &state->tags);
    failed |= pack_slice(&packer, KEY_PROPS, &state->props);
    failed |= pack_int(&packer, KEY_CREATED_MS, state->created_ms);
    failed |= pack_int(&packer, KEY_UPDATED_MS, state->updated_ms);
    if (state->deleted_ms != 0) {
        failed |= pack_int(&packer, KEY_DELETED_MS, state->deleted_ms);
    }
    failed |= pack_uint(&packer, KEY_VERSION, state->version);
    failed |= pack_int(&packer, KEY_STAMP_US, state->stamp_us);
    failed |= pack_text(&packer, KEY_ORIGIN, &state->origin);
    failed |= pack_text(&packer, KEY_SESSION_ID, &state->session_id);
    failed |= pack_embedding(&packer, state);
    return failed == 0 ? 0 : -ENOMEM;
}
