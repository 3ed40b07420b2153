/*
 * memory_merge.c - what a put makes of a memory: given keys replace, nil removes, absent keys stay.
 *
 * Names are sorted as bytes, so that the same puts give the same bytes, whatever order a caller's
 * language keeps its maps in.
 */
#include "broker/memory_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A tag, or a prop with its value. */
struct memory_entry {
    const char *name;
    size_t name_size;
    struct unpack_slice value; /* of a prop; data NULL: removed */
    size_t order;              /* as they came: the later one wins */
};

void memory_scratch_init(struct memory_scratch *scratch)
{
    memset(scratch, 0, sizeof *scratch);
    msgpack_sbuffer_init(&scratch->tags);
    msgpack_sbuffer_init(&scratch->props);
}

void memory_scratch_deinit(struct memory_scratch *scratch)
{
    msgpack_sbuffer_destroy(&scratch->tags);
    msgpack_sbuffer_destroy(&scratch->props);
    free(scratch->entries);
    memset(scratch, 0, sizeof *scratch);
}

/* ---- the fields of a put ---- */

static bool read_text(struct unpack *in, struct event_text *ret)
{
    return unpack_text(in, &ret->data, &ret->size);
}

static bool read_container(struct unpack *in, struct unpack_slice *ret)
{
    ret->data = in->at;
    if (!unpack_skip(in)) {
        return false;
    }
    ret->size = (size_t)(in->at - ret->data);
    return true;
}

static bool read_embedding(struct unpack *in, struct memory_change *change)
{
    if (unpack_nil(in)) {
        change->drops_embedding = true;
        return true;
    }
    return unpack_bin(in, &change->embedding.data, &change->embedding.size);
}

static bool read_field(struct unpack *in, struct memory_change *change)
{
    const char *name;
    size_t size;

    if (!unpack_text(in, &name, &size)) {
        return false;
    }
    if (unpack_name_is(name, size, "content")) {
        return read_text(in, &change->content);
    }
    if (unpack_name_is(name, size, "kind")) {
        return read_text(in, &change->kind);
    }
    if (unpack_name_is(name, size, "tags")) {
        return read_container(in, &change->tags);
    }
    if (unpack_name_is(name, size, "props")) {
        return read_container(in, &change->props);
    }
    return unpack_name_is(name, size, "embedding") && read_embedding(in, change);
}

int memory_change_decode(const uint8_t *fields, size_t size, struct memory_change *ret_change)
{
    struct unpack in = unpack_over(fields, size);
    uint32_t count;

    memset(ret_change, 0, sizeof *ret_change);
    if (!unpack_map(&in, &count)) {
        return -EBADMSG;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!read_field(&in, ret_change)) {
            return -EBADMSG;
        }
    }
    return in.at == in.end ? 0 : -EBADMSG;
}

/* ---- entries: read, sort, write ---- */

static int compare_names(const void *left, const void *right)
{
    const struct memory_entry *a = left, *b = right;
    size_t common = a->name_size < b->name_size ? a->name_size : b->name_size;
    int order = memcmp(a->name, b->name, common);

    if (order != 0) {
        return order;
    }
    if (a->name_size != b->name_size) {
        return a->name_size < b->name_size ? -1 : 1;
    }
    return (a->order > b->order) - (a->order < b->order);
}

static int compare_order(const void *left, const void *right)
{
    const struct memory_entry *a = left, *b = right;

    return (a->order > b->order) - (a->order < b->order);
}

static bool same_name(const struct memory_entry *a, const struct memory_entry *b)
{
    return a->name_size == b->name_size && memcmp(a->name, b->name, a->name_size) == 0;
}

static int reserve_entries(struct memory_scratch *scratch, size_t count)
{
    if (count <= scratch->entry_max) {
        return 0;
    }
    struct memory_entry *entries = reallocarray(scratch->entries, count, sizeof *scratch->entries);
    if (entries == NULL) {
        return -ENOMEM;
    }
    scratch->entries = entries;
    scratch->entry_max = count;
    return 0;
}

static bool is_scalar(const struct unpack_value *value)
{
    return value->type == UNPACK_BOOL || value->type == UNPACK_UINT || value->type == UNPACK_INT ||
           value->type == UNPACK_FLOAT || value->type == UNPACK_TEXT;
}

/* A scalar or a list of them. Checked here, so that who reads a state need not. */
static bool read_prop_value(struct unpack *in, struct unpack_slice *ret)
{
    struct unpack_value value, item;

    ret->data = in->at;
    if (!unpack_next(in, &value)) {
        return false;
    }
    uint32_t items = value.type == UNPACK_ARRAY ? value.as.count : 0;
    for (uint32_t i = 0; i < items; i++) {
        if (!unpack_next(in, &item) || !is_scalar(&item)) {
            return false;
        }
    }
    ret->size = (size_t)(in->at - ret->data);
    return value.type == UNPACK_ARRAY || is_scalar(&value);
}

/* Adds the pairs of `props` behind the first `used` entries. */
static int read_props(struct unpack_slice props, struct memory_scratch *scratch, size_t *used)
{
    struct unpack in = unpack_over(props.data, props.size);
    uint32_t count;

    if (!unpack_map(&in, &count)) {
        return -EBADMSG;
    }
    int r = reserve_entries(scratch, *used + count);
    if (r < 0) {
        return r;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct memory_entry *entry = &scratch->entries[*used];
        *entry = (struct memory_entry){.order = *used};
        if (!unpack_text(&in, &entry->name, &entry->name_size)) {
            return -EBADMSG;
        }
        if (!unpack_nil(&in) && !read_prop_value(&in, &entry->value)) {
            return -EBADMSG;
        }
        *used += 1;
    }
    return 0;
}

/* Of sorted entries keeps the last of each name, without those that were removed. */
static size_t keep_last(struct memory_entry *entries, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count || !same_name(&entries[i], &entries[i + 1]);
        if (last && entries[i].value.data != NULL) {
            entries[kept++] = entries[i];
        }
    }
    return kept;
}

static size_t keep_first(struct memory_entry *entries, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !same_name(&entries[kept - 1], &entries[i])) {
            entries[kept++] = entries[i];
        }
    }
    return kept;
}

static struct unpack_slice slice_of(const msgpack_sbuffer *buffer)
{
    return (struct unpack_slice){.data = (const uint8_t *)buffer->data, .size = buffer->size};
}

static int write_props(const struct memory_entry *entries, size_t count, msgpack_sbuffer *buffer)
{
    msgpack_packer out;

    msgpack_sbuffer_clear(buffer);
    msgpack_packer_init(&out, buffer, msgpack_sbuffer_write);
    int failed = msgpack_pack_map(&out, count);
    for (size_t i = 0; i < count; i++) {
        failed |= msgpack_pack_str_with_body(&out, entries[i].name, entries[i].name_size);
        failed |= msgpack_pack_str_body(&out, entries[i].value.data, entries[i].value.size);
    }
    return failed == 0 ? 0 : -ENOMEM;
}

static int write_tags(const struct memory_entry *entries, size_t count, msgpack_sbuffer *buffer)
{
    msgpack_packer out;

    msgpack_sbuffer_clear(buffer);
    msgpack_packer_init(&out, buffer, msgpack_sbuffer_write);
    int failed = msgpack_pack_array(&out, count);
    for (size_t i = 0; i < count; i++) {
        failed |= msgpack_pack_str_with_body(&out, entries[i].name, entries[i].name_size);
    }
    return failed == 0 ? 0 : -ENOMEM;
}

/* ---- merge ---- */

static int merge_props(struct memory_state *state, struct unpack_slice given,
                       struct memory_scratch *scratch)
{
    size_t used = 0;

    int r = read_props(state->props, scratch, &used);
    if (r == 0) {
        r = read_props(given, scratch, &used);
    }
    if (r < 0) {
        return r;
    }
    if (used > 1) {
        qsort(scratch->entries, used, sizeof *scratch->entries, compare_names);
    }
    r = write_props(scratch->entries, keep_last(scratch->entries, used), &scratch->props);
    state->props = slice_of(&scratch->props);
    return r;
}

static int replace_tags(struct memory_state *state, struct unpack_slice given,
                        struct memory_scratch *scratch)
{
    struct unpack in = unpack_over(given.data, given.size);
    uint32_t count;

    if (!unpack_array(&in, &count)) {
        return -EBADMSG;
    }
    int r = reserve_entries(scratch, count);
    if (r < 0) {
        return r;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct memory_entry *entry = &scratch->entries[i];
        *entry = (struct memory_entry){.order = i};
        if (!unpack_text(&in, &entry->name, &entry->name_size)) {
            return -EBADMSG;
        }
    }
    size_t kept = count;
    if (count > 1) {
        qsort(scratch->entries, count, sizeof *scratch->entries, compare_names);
        kept = keep_first(scratch->entries, count);
        qsort(scratch->entries, kept, sizeof *scratch->entries, compare_order);
    }
    r = write_tags(scratch->entries, kept, &scratch->tags);
    state->tags = slice_of(&scratch->tags);
    return r;
}

int memory_state_merge(struct memory_state *state, const struct memory_change *change,
                       struct memory_scratch *scratch)
{
    int r = 0;

    if (change->content.data != NULL) {
        state->content = change->content;
    }
    if (change->kind.data != NULL) {
        state->kind = change->kind;
    }
    if (change->tags.data != NULL) {
        r = replace_tags(state, change->tags, scratch);
    }
    if (r == 0 && change->props.data != NULL) {
        r = merge_props(state, change->props, scratch);
    }
    return r;
}
