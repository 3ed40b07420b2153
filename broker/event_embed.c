/* event_embed.c - the fields of an EVENT_EMBED: a map by name, as a put's. Hash, model and vector
 * must be there, and nothing else but `truncated`; each once. */
#include "broker/event_embed.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define FIELDS_MIN 3
#define FIELDS_MAX 4

bool event_embed_model_is_valid(struct event_text model)
{
    return model.data != NULL && model.size >= 1 && model.size <= EMBEDDING_MODEL_MAX &&
           memchr(model.data, '\0', model.size) == NULL &&
           (model.size != strlen(EMBEDDING_MODEL_CALLER) ||
            memcmp(model.data, EMBEDDING_MODEL_CALLER, model.size) != 0);
}

bool embedding_is_finite(struct unpack_slice vector)
{
    for (size_t at = 0; at + sizeof(float) <= vector.size; at += sizeof(float)) {
        float number;
        memcpy(&number, vector.data + at, sizeof number);
        if (!isfinite(number)) {
            return false;
        }
    }
    return true;
}

static bool is_complete(const struct event_embed *embed)
{
    return embed->content_hash != NULL && event_embed_model_is_valid(embed->model) &&
           embed->vector.size > 0 && embed->vector.size % sizeof(float) == 0 &&
           embedding_is_finite(embed->vector);
}

/* ---- pack ---- */

static int pack_name(msgpack_packer *out, const char *name)
{
    return msgpack_pack_str_with_body(out, name, strlen(name));
}

int event_embed_pack(const struct event_embed *embed, msgpack_sbuffer *out)
{
    msgpack_packer packer;

    if (!is_complete(embed)) {
        return -EINVAL;
    }
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    int failed = msgpack_pack_map(&packer, FIELDS_MIN + (embed->truncated ? 1 : 0));
    failed |= pack_name(&packer, "content_hash");
    failed |= msgpack_pack_bin_with_body(&packer, embed->content_hash, CONTENT_HASH_SIZE);
    failed |= pack_name(&packer, "model");
    failed |= msgpack_pack_str_with_body(&packer, embed->model.data, embed->model.size);
    failed |= pack_name(&packer, "embedding");
    failed |= msgpack_pack_bin_with_body(&packer, embed->vector.data, embed->vector.size);
    if (embed->truncated) {
        failed |= pack_name(&packer, "truncated") | msgpack_pack_true(&packer);
    }
    return failed == 0 ? 0 : -ENOMEM;
}

/* ---- read ---- */

static bool read_hash(struct unpack *in, struct event_embed *embed)
{
    size_t size;

    return unpack_bin(in, &embed->content_hash, &size) && size == CONTENT_HASH_SIZE;
}

static bool read_field(struct unpack *in, struct event_embed *embed)
{
    const char *name;
    size_t size;

    if (!unpack_text(in, &name, &size)) {
        return false;
    }
    if (unpack_name_is(name, size, "content_hash")) {
        return read_hash(in, embed);
    }
    if (unpack_name_is(name, size, "model")) {
        return unpack_text(in, &embed->model.data, &embed->model.size);
    }
    if (unpack_name_is(name, size, "truncated")) {
        return unpack_bool(in, &embed->truncated);
    }
    return unpack_name_is(name, size, "embedding") &&
           unpack_bin(in, &embed->vector.data, &embed->vector.size);
}

int event_embed_read(const uint8_t *fields, size_t size, struct event_embed *ret)
{
    struct unpack in = unpack_over(fields, size);
    uint32_t count;

    memset(ret, 0, sizeof *ret);
    if (!unpack_map(&in, &count) || count < FIELDS_MIN || count > FIELDS_MAX) {
        return -EBADMSG;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!read_field(&in, ret)) {
            return -EBADMSG;
        }
    }
    return in.at == in.end && is_complete(ret) ? 0 : -EBADMSG;
}
