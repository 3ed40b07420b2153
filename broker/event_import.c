/* event_import.c - the fields of an EVENT_IMPORT: a map by name. */
#include "broker/event_import.h"

#include <errno.h>
#include <string.h>

/* ---- pack ---- */

static int pack_name(msgpack_packer *out, const char *name)
{
    return msgpack_pack_str_with_body(out, name, strlen(name));
}

static int pack_int(msgpack_packer *out, const char *name, int64_t number)
{
    return pack_name(out, name) | msgpack_pack_int64(out, number);
}

static int pack_text(msgpack_packer *out, const char *name, const struct event_text *text)
{
    if (text->data == NULL) {
        return 0;
    }
    return pack_name(out, name) | msgpack_pack_str_with_body(out, text->data, text->size);
}

/* body, created_ms, updated_ms, stamp, origin */
#define FIELDS_ALWAYS 5

int event_import_pack(const struct event_import *import, msgpack_sbuffer *out)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    int failed = msgpack_pack_map(&packer, (size_t)FIELDS_ALWAYS + (import->deleted_ms != 0) +
                                               (import->session_id.data != NULL) +
                                               (import->embedding_model.data != NULL) +
                                               import->embedding_truncated);
    failed |= pack_name(&packer, "body");
    failed |= msgpack_pack_str_body(&packer, import->body.data, import->body.size);
    failed |= pack_int(&packer, "created_ms", import->created_ms);
    failed |= pack_int(&packer, "updated_ms", import->updated_ms);
    if (import->deleted_ms != 0) {
        failed |= pack_int(&packer, "deleted_ms", import->deleted_ms);
    }
    failed |= pack_int(&packer, "stamp", import->stamp_us);
    failed |= pack_text(&packer, "origin", &import->origin);
    failed |= pack_text(&packer, "session_id", &import->session_id);
    failed |= pack_text(&packer, "embedding_model", &import->embedding_model);
    if (import->embedding_truncated) {
        failed |= pack_name(&packer, "embedding_truncated") | msgpack_pack_true(&packer);
    }
    return failed == 0 ? 0 : -ENOMEM;
}

/* ---- read ---- */

static bool read_body(struct unpack *in, struct unpack_slice *ret)
{
    struct unpack inside = *in;
    uint32_t count;

    ret->data = in->at;
    if (!unpack_map(&inside, &count) || !unpack_skip(in)) {
        return false;
    }
    ret->size = (size_t)(in->at - ret->data);
    return true;
}

static int64_t *int_field(struct event_import *import, const char *name, size_t size)
{
    const struct {
        const char *name;
        int64_t *number;
    } numbers[] = {{"created_ms", &import->created_ms},
                   {"updated_ms", &import->updated_ms},
                   {"deleted_ms", &import->deleted_ms},
                   {"stamp", &import->stamp_us}};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (unpack_name_is(name, size, numbers[i].name)) {
            return numbers[i].number;
        }
    }
    return NULL;
}

static struct event_text *text_field(struct event_import *import, const char *name, size_t size)
{
    const struct {
        const char *name;
        struct event_text *text;
    } texts[] = {{"origin", &import->origin},
                 {"session_id", &import->session_id},
                 {"embedding_model", &import->embedding_model}};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (unpack_name_is(name, size, texts[i].name)) {
            return texts[i].text;
        }
    }
    return NULL;
}

static bool read_field(struct unpack *in, struct event_import *import)
{
    const char *name;
    size_t size;

    if (!unpack_text(in, &name, &size)) {
        return false;
    }
    int64_t *number = int_field(import, name, size);
    struct event_text *text = text_field(import, name, size);
    if (number != NULL) {
        return unpack_int(in, number);
    }
    if (text != NULL) {
        return unpack_text(in, &text->data, &text->size);
    }
    if (unpack_name_is(name, size, "embedding_truncated")) {
        return unpack_bool(in, &import->embedding_truncated);
    }
    return unpack_name_is(name, size, "body") && read_body(in, &import->body);
}

int event_import_read(const uint8_t *fields, size_t size, struct event_import *ret)
{
    struct unpack in = unpack_over(fields, size);
    uint32_t count;

    memset(ret, 0, sizeof *ret);
    if (!unpack_map(&in, &count)) {
        return -EBADMSG;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!read_field(&in, ret)) {
            return -EBADMSG;
        }
    }
    return in.at == in.end && ret->body.data != NULL && ret->origin.size == IMPORT_ORIGIN_SIZE
               ? 0
               : -EBADMSG;
}
