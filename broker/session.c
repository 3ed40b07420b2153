/* session.c - the fields of a session's events as a msgpack map; see session.h. */
#include "broker/session.h"

#include "broker/unpack.h"

#include <errno.h>
#include <string.h>

const char *session_end_reason_name(enum session_end_reason reason)
{
    static const char *const names[] = {[SESSION_ENDED_COMMAND] = "command",
                                        [SESSION_ENDED_IDLE] = "idle",
                                        [SESSION_ENDED_OWNER_EXIT] = "owner_exit"};

    return names[reason];
}

/* ---- encode ---- */

static int pack_name(msgpack_packer *out, const char *name)
{
    return msgpack_pack_str_with_body(out, name, strlen(name));
}

static int pack_text(msgpack_packer *out, const char *name, const struct event_text *text)
{
    return text->size == 0
               ? 0
               : pack_name(out, name) | msgpack_pack_str_with_body(out, text->data, text->size);
}

static size_t owner_fields(const struct session_owner *owner)
{
    return owner->pid == 0 ? 0 : 3;
}

static int pack_owner(msgpack_packer *out, const struct session_owner *owner)
{
    if (owner->pid == 0) {
        return 0;
    }
    int failed = pack_name(out, "pid") | msgpack_pack_int64(out, owner->pid);
    failed |= pack_name(out, "pid_start") | msgpack_pack_uint64(out, owner->start);
    return failed | pack_name(out, "boot_id") |
           msgpack_pack_str_with_body(out, owner->boot_id.data, owner->boot_id.size);
}

static int finish(enum event_op op, struct event_text session_id, const msgpack_sbuffer *fields,
                  size_t from, int failed, struct event *ret_event)
{
    if (failed != 0) {
        return -ENOMEM;
    }
    *ret_event = (struct event){.op = op,
                                .session_id = session_id,
                                .fields = (const uint8_t *)fields->data + from,
                                .fields_size = fields->size - from};
    return 0;
}

int session_begin_event(const struct session_begin *begin, struct event_text session_id,
                        msgpack_sbuffer *fields, struct event *ret_event)
{
    size_t from = fields->size;
    msgpack_packer out;

    msgpack_packer_init(&out, fields, msgpack_sbuffer_write);
    int failed = msgpack_pack_map(&out, (size_t)(begin->agent.size > 0) + (begin->cwd.size > 0) +
                                            begin->touches + owner_fields(&begin->owner));
    failed |= pack_text(&out, "agent", &begin->agent);
    failed |= pack_text(&out, "cwd", &begin->cwd);
    failed |= pack_owner(&out, &begin->owner);
    if (begin->touches) {
        failed |= pack_name(&out, "touches") | msgpack_pack_true(&out);
    }
    return finish(EVENT_SESSION_BEGIN, session_id, fields, from, failed, ret_event);
}

int session_end_event(const struct session_end *end, struct event_text session_id,
                      msgpack_sbuffer *fields, struct event *ret_event)
{
    bool idle = end->reason == SESSION_ENDED_IDLE;
    size_t from = fields->size;
    msgpack_packer out;

    msgpack_packer_init(&out, fields, msgpack_sbuffer_write);
    int failed = msgpack_pack_map(&out, (size_t)1 + idle + owner_fields(&end->owner));
    failed |= pack_name(&out, "end_reason") | pack_name(&out, session_end_reason_name(end->reason));
    if (idle) {
        failed |= pack_name(&out, "seen_ms") | msgpack_pack_int64(&out, end->seen_ms);
    }
    failed |= pack_owner(&out, &end->owner);
    return finish(EVENT_SESSION_END, session_id, fields, from, failed, ret_event);
}

/* ---- decode ---- */

static bool read_text(struct unpack *in, size_t max, struct event_text *ret)
{
    return unpack_text(in, &ret->data, &ret->size) && ret->size >= 1 && ret->size <= max;
}

static bool read_owner(struct unpack *in, const struct event_text *name,
                       struct session_owner *owner)
{
    if (event_text_is(*name, "pid")) {
        return unpack_int(in, &owner->pid) && owner->pid > 0;
    }
    if (event_text_is(*name, "pid_start")) {
        return unpack_uint(in, &owner->start) && owner->start <= INT64_MAX;
    }
    if (event_text_is(*name, "boot_id")) {
        return read_text(in, SESSION_BOOT_MAX, &owner->boot_id);
    }
    return false;
}

static bool owner_is_whole(const struct session_owner *owner)
{
    return (owner->pid != 0) == (owner->boot_id.size > 0) && (owner->pid != 0 || owner->start == 0);
}

typedef bool read_field_fn(struct unpack *in, const struct event_text *name, void *target);

static bool read_fields(const struct event *event, read_field_fn *read, void *target)
{
    struct unpack in = unpack_over(event->fields, event->fields_size);
    struct event_text name;
    uint32_t count;

    if (event->fields == NULL || !unpack_map(&in, &count)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!read_text(&in, SESSION_ID_MAX, &name) || !read(&in, &name, target)) {
            return false;
        }
    }
    return true;
}

static bool read_begin(struct unpack *in, const struct event_text *name, void *target)
{
    struct session_begin *begin = target;

    if (event_text_is(*name, "agent")) {
        return read_text(in, SESSION_AGENT_MAX, &begin->agent);
    }
    if (event_text_is(*name, "cwd")) {
        return read_text(in, SESSION_CWD_MAX, &begin->cwd);
    }
    if (event_text_is(*name, "touches")) {
        return unpack_bool(in, &begin->touches);
    }
    return read_owner(in, name, &begin->owner);
}

static bool read_reason(struct unpack *in, enum session_end_reason *ret)
{
    struct event_text text;

    if (!read_text(in, SESSION_ID_MAX, &text)) {
        return false;
    }
    for (unsigned i = SESSION_ENDED_COMMAND; i <= SESSION_ENDED_OWNER_EXIT; i++) {
        if (event_text_is(text, session_end_reason_name((enum session_end_reason)i))) {
            *ret = (enum session_end_reason)i;
            return true;
        }
    }
    return false;
}

static bool read_end(struct unpack *in, const struct event_text *name, void *target)
{
    struct session_end *end = target;

    if (event_text_is(*name, "end_reason")) {
        return read_reason(in, &end->reason);
    }
    if (event_text_is(*name, "seen_ms")) {
        return unpack_int(in, &end->seen_ms);
    }
    return read_owner(in, name, &end->owner);
}

int session_begin_decode(const struct event *event, struct session_begin *ret)
{
    *ret = (struct session_begin){0};
    return read_fields(event, read_begin, ret) && owner_is_whole(&ret->owner) ? 0 : -EBADMSG;
}

int session_end_decode(const struct event *event, struct session_end *ret)
{
    *ret = (struct session_end){0};
    return read_fields(event, read_end, ret) && owner_is_whole(&ret->owner) && ret->reason != 0 &&
                   (ret->owner.pid != 0) == (ret->reason == SESSION_ENDED_OWNER_EXIT)
               ? 0
               : -EBADMSG;
}
