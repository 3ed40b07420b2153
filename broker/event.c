/*
 * event.c - one event as the msgpack map that lies in the journal.
 *
 * Happy path: keys in rising order, absent fields left out. Failure: anything that event_encode
 * would not have written in shape (a key twice, an unknown key or op, bytes behind the map) is
 * -EBADMSG; the values of `fields` are the store's to judge.
 */
#include "broker/event.h"

#include "broker/unpack.h"
#include "client/wire/utf8.h"

#include <assert.h>
#include <errno.h>
#include <msgpack.h>
#include <string.h>

enum event_key {
    KEY_OP = 1,
    KEY_EVENT_ID = 2,
    KEY_MEMORY_ID = 3,
    KEY_SESSION_ID = 4,
    KEY_PEER_PID = 5,
    KEY_REASON = 6,
    KEY_RETRY = 7,
    KEY_EXPECTED_VERSION = 8,
    KEY_FIELDS = 9
};

/* The map's head, nine keys, and the heads of their values (9 bytes for the longest). */
#define EVENT_HEADS_MAX (1 + 9 * (1 + 9))

size_t event_size_max(const struct event *event)
{
    return EVENT_HEADS_MAX + event->event_id.size + event->memory_id.size + event->session_id.size +
           event->reason.size + event->fields_size;
}

/* ---- encode ---- */

struct event_writer {
    uint8_t *buffer;
    size_t size, max;
};

static int event_writer_write(void *data, const char *bytes, size_t size)
{
    struct event_writer *writer = data;

    assert(size <= writer->max - writer->size);
    memcpy(writer->buffer + writer->size, bytes, size);
    writer->size += size;
    return 0;
}

static void pack_text(msgpack_packer *out, enum event_key key, const struct event_text *text)
{
    if (text->data == NULL) {
        return;
    }
    msgpack_pack_uint8(out, (uint8_t)key);
    msgpack_pack_str_with_body(out, text->data, text->size);
}

static size_t count_keys(const struct event *event)
{
    return (size_t)1 + (event->event_id.data != NULL) + (event->memory_id.data != NULL) +
           (event->session_id.data != NULL) + (event->peer_pid != 0) +
           (event->reason.data != NULL) + event->retry + event->has_expected_version +
           (event->fields != NULL);
}

size_t event_encode(const struct event *event, uint8_t *buffer)
{
    struct event_writer writer = {.buffer = buffer, .max = event_size_max(event)};
    msgpack_packer out;

    msgpack_packer_init(&out, &writer, event_writer_write);
    msgpack_pack_map(&out, count_keys(event));
    msgpack_pack_uint8(&out, KEY_OP);
    msgpack_pack_uint8(&out, (uint8_t)event->op);
    pack_text(&out, KEY_EVENT_ID, &event->event_id);
    pack_text(&out, KEY_MEMORY_ID, &event->memory_id);
    pack_text(&out, KEY_SESSION_ID, &event->session_id);
    if (event->peer_pid != 0) {
        msgpack_pack_uint8(&out, KEY_PEER_PID);
        msgpack_pack_int64(&out, event->peer_pid);
    }
    pack_text(&out, KEY_REASON, &event->reason);
    if (event->retry) {
        msgpack_pack_uint8(&out, KEY_RETRY);
        msgpack_pack_true(&out);
    }
    if (event->has_expected_version) {
        msgpack_pack_uint8(&out, KEY_EXPECTED_VERSION);
        msgpack_pack_uint64(&out, event->expected_version);
    }
    if (event->fields != NULL) {
        msgpack_pack_uint8(&out, KEY_FIELDS);
        event_writer_write(&writer, (const char *)event->fields, event->fields_size);
    }
    return writer.size;
}

/* ---- decode ---- */

static bool read_op(struct unpack *in, enum event_op *ret_op)
{
    uint64_t op;

    if (!unpack_uint(in, &op) || op < EVENT_PUT || op > EVENT_PRUNE) {
        return false;
    }
    *ret_op = (enum event_op)op;
    return true;
}

static bool read_text(struct unpack *in, struct event_text *ret_text)
{
    return unpack_text(in, &ret_text->data, &ret_text->size);
}

static bool read_fields(struct unpack *in, struct event *event)
{
    struct unpack inside = *in;
    uint32_t count;

    event->fields = in->at;
    if (!unpack_map(&inside, &count) || !unpack_skip(in)) {
        return false;
    }
    event->fields_size = (size_t)(in->at - event->fields);
    return true;
}

static bool read_value(struct unpack *in, uint64_t key, struct event *event)
{
    switch (key) {
    case KEY_OP:
        return read_op(in, &event->op);
    case KEY_EVENT_ID:
        return read_text(in, &event->event_id);
    case KEY_MEMORY_ID:
        return read_text(in, &event->memory_id);
    case KEY_SESSION_ID:
        return read_text(in, &event->session_id);
    case KEY_PEER_PID:
        return unpack_int(in, &event->peer_pid);
    case KEY_REASON:
        return read_text(in, &event->reason);
    case KEY_RETRY:
        return unpack_bool(in, &event->retry);
    case KEY_EXPECTED_VERSION:
        event->has_expected_version = true;
        return unpack_uint(in, &event->expected_version);
    case KEY_FIELDS:
        return read_fields(in, event);
    default:
        return false;
    }
}

static bool read_keys(struct unpack *in, uint32_t count, struct event *event)
{
    uint64_t last_key = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t key;
        if (!unpack_uint(in, &key) || key <= last_key || !read_value(in, key, event)) {
            return false;
        }
        last_key = key;
    }
    return in->at == in->end;
}

/* What its op cannot do without is there; what is of no memory names none. */
static bool is_complete(const struct event *event)
{
    switch (event->op) {
    case EVENT_PUT:
    case EVENT_RESTORE:
    case EVENT_EMBED:
    case EVENT_IMPORT:
    case EVENT_PRUNE:
        return event->memory_id.size > 0 && event->fields != NULL;
    case EVENT_DELETE:
    case EVENT_PURGE:
        return event->memory_id.size > 0;
    case EVENT_SESSION_BEGIN:
    case EVENT_SESSION_END:
        return event->session_id.size > 0 && event->memory_id.data == NULL;
    case EVENT_ALERT:
        return event->event_id.size > 0 && event->fields != NULL && event->memory_id.data == NULL;
    case EVENT_STATEMENT:
    case EVENT_ALERT_ACK:
        return event->memory_id.data == NULL;
    default: /* no op at all */
        return false;
    }
}

int event_decode(const uint8_t *payload, size_t size, struct event *ret_event)
{
    struct unpack in = unpack_over(payload, size);
    uint32_t count;

    memset(ret_event, 0, sizeof *ret_event);
    if (!unpack_map(&in, &count) || !read_keys(&in, count, ret_event) || !is_complete(ret_event)) {
        return -EBADMSG;
    }
    return 0;
}

/* Heads and values in the order they lie in, whatever they are within. */
static bool texts_are_utf8(const uint8_t *payload, size_t size)
{
    struct unpack in = unpack_over(payload, size);
    struct unpack_value value;

    while (in.at < in.end) {
        if (!unpack_next(&in, &value) ||
            (value.type == UNPACK_TEXT &&
             !utf8_valid((const char *)value.as.bytes.data, value.as.bytes.size))) {
            return false;
        }
    }
    return true;
}

int event_check(const uint8_t *payload, size_t size, struct event *ret_event)
{
    int r = event_decode(payload, size, ret_event);

    return r != 0 || texts_are_utf8(payload, size) ? r : -EBADMSG;
}

/* ---- what an event is ---- */

const char *event_op_name(enum event_op op)
{
    switch (op) {
    case EVENT_PUT:
        return "put";
    case EVENT_DELETE:
        return "delete";
    case EVENT_RESTORE:
        return "restore";
    case EVENT_EMBED:
        return "embed";
    case EVENT_SESSION_BEGIN:
        return "session_begin";
    case EVENT_SESSION_END:
        return "session_end";
    case EVENT_STATEMENT:
        return "statement";
    case EVENT_ALERT:
        return "alert";
    case EVENT_ALERT_ACK:
        return "alert_ack";
    case EVENT_IMPORT:
        return "import";
    case EVENT_PURGE:
        return "purge";
    case EVENT_PRUNE:
        return "prune";
    }
    return "unknown";
}

bool event_op_of(struct event_text name, enum event_op *ret)
{
    for (*ret = EVENT_PUT; *ret <= EVENT_PRUNE; *ret += 1) {
        if (event_text_is(name, event_op_name(*ret))) {
            return true;
        }
    }
    return false;
}

bool event_text_same(struct event_text a, struct event_text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool event_text_is(struct event_text text, const char *wanted)
{
    return event_text_same(text, (struct event_text){wanted, strlen(wanted)});
}

static bool has_content(const uint8_t *fields, size_t size)
{
    struct unpack in = unpack_over(fields, size);
    uint32_t count;

    if (!unpack_map(&in, &count)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const char *name;
        size_t name_size;
        if (!unpack_text(&in, &name, &name_size)) {
            return false;
        }
        if (name_size == strlen("content") && memcmp(name, "content", name_size) == 0) {
            return true;
        }
        if (!unpack_skip(&in)) {
            return false;
        }
    }
    return false;
}

bool event_needs_apply(const struct event *event)
{
    if (event->retry || event->has_expected_version) {
        return true;
    }
    switch (event->op) {
    case EVENT_PUT:
        return !has_content(event->fields, event->fields_size);
    case EVENT_DELETE:
    case EVENT_RESTORE:
    case EVENT_IMPORT:
    case EVENT_PURGE:
    case EVENT_ALERT_ACK:
    case EVENT_SESSION_BEGIN:
    case EVENT_SESSION_END:
    case EVENT_STATEMENT: /* answered with the alerts that it raises */
        return true;
    default:
        return false;
    }
}
