/* alert.c - the fields of an alert as a msgpack map, by the names of protocol.md. */
#include "broker/alert.h"

#include "broker/unpack.h"
#include "client/wire/utf8.h"

#include <errno.h>
#include <string.h>

#define SAMPLE_ID_MAX 256

const char *alert_severity_name(enum memferry_severity severity)
{
    static const char *const names[] = {[MEMFERRY_SEVERITY_INFO] = "info",
                                        [MEMFERRY_SEVERITY_WARNING] = "warning",
                                        [MEMFERRY_SEVERITY_CRITICAL] = "critical"};

    return names[severity];
}

/* ---- encode ---- */

/* What is no character becomes '?', a NUL (as between the words of a command line) a space. */
static size_t clean_text(const struct event_text *text, size_t max, char *ret)
{
    size_t size = 0;

    for (size_t at = 0; at < text->size;) {
        size_t step = utf8_character(text->data + at, text->size - at);
        if (size + (step == 0 ? 1 : step) > max) {
            break;
        }
        if (step == 0 || text->data[at] == '\0') {
            ret[size++] = step == 0 ? '?' : ' ';
            at++;
        } else {
            memcpy(ret + size, text->data + at, step);
            size += step;
            at += step;
        }
    }
    return size;
}

static int pack_name(msgpack_packer *out, const char *name)
{
    return msgpack_pack_str_with_body(out, name, strlen(name));
}

static int pack_clean(msgpack_packer *out, const struct event_text *text, size_t max)
{
    char clean[ALERT_STATEMENT_MAX];
    size_t size = clean_text(text, max, clean);

    return msgpack_pack_str_with_body(out, clean, size);
}

static int pack_text(msgpack_packer *out, const char *name, const struct event_text *text,
                     size_t max)
{
    return text->size == 0 ? 0 : pack_name(out, name) | pack_clean(out, text, max);
}

static int pack_samples(msgpack_packer *out, const struct alert *alert)
{
    if (alert->sample_count == 0) {
        return 0;
    }
    int failed = pack_name(out, "sample_ids") | msgpack_pack_array(out, alert->sample_count);
    for (size_t i = 0; i < alert->sample_count; i++) {
        failed |= pack_clean(out, &alert->sample_ids[i], SAMPLE_ID_MAX);
    }
    return failed;
}

static size_t count_fields(const struct alert *alert)
{
    return (size_t)4 /* rule, severity, at_ms, count */ + alert->adds +
           (alert->session_id.size > 0) + (alert->peer_pid != 0) + (alert->peer_command.size > 0) +
           (alert->sample_count > 0) + 2 * (size_t)(alert->from_seq != 0) + (alert->until_ms != 0) +
           (alert->statement.size > 0) + (alert->summary.size > 0) + (alert->undo.size > 0);
}

static int pack_fields(msgpack_packer *out, const struct alert *alert)
{
    int failed = msgpack_pack_map(out, count_fields(alert));

    failed |= pack_text(out, "rule", &alert->rule, ALERT_RULE_MAX);
    failed |= pack_name(out, "severity") | msgpack_pack_uint8(out, (uint8_t)alert->severity);
    failed |= pack_name(out, "at_ms") | msgpack_pack_int64(out, alert->at_ms);
    failed |= pack_text(out, "session_id", &alert->session_id, ALERT_SESSION_MAX);
    if (alert->peer_pid != 0) {
        failed |= pack_name(out, "peer_pid") | msgpack_pack_int64(out, alert->peer_pid);
    }
    failed |= pack_text(out, "peer_command", &alert->peer_command, ALERT_COMMAND_MAX);
    failed |= pack_name(out, "count") | msgpack_pack_uint64(out, alert->count);
    if (alert->adds) {
        failed |= pack_name(out, "adds") | msgpack_pack_true(out);
    }
    failed |= pack_samples(out, alert);
    if (alert->from_seq != 0) {
        failed |= pack_name(out, "from_seq") | msgpack_pack_uint64(out, alert->from_seq);
        failed |= pack_name(out, "to_seq") | msgpack_pack_uint64(out, alert->to_seq);
    }
    if (alert->until_ms != 0) {
        failed |= pack_name(out, "until_ms") | msgpack_pack_int64(out, alert->until_ms);
    }
    failed |= pack_text(out, "statement", &alert->statement, ALERT_STATEMENT_MAX);
    failed |= pack_text(out, "summary", &alert->summary, ALERT_SUMMARY_MAX);
    return failed | pack_text(out, "undo", &alert->undo, ALERT_UNDO_MAX);
}

int alert_event(const struct alert *alert, msgpack_sbuffer *fields, struct event *ret_event)
{
    msgpack_packer out;
    size_t from = fields->size;

    if (alert->id.size == 0 || alert->id.size > ALERT_ID_MAX || alert->rule.size == 0 ||
        alert->severity < MEMFERRY_SEVERITY_INFO || alert->severity > MEMFERRY_SEVERITY_CRITICAL ||
        alert->sample_count > ALERT_SAMPLES_MAX || alert->count > INT64_MAX ||
        alert->from_seq > alert->to_seq || alert->to_seq > INT64_MAX) {
        return -EINVAL;
    }
    msgpack_packer_init(&out, fields, msgpack_sbuffer_write);
    if (pack_fields(&out, alert) != 0) {
        return -ENOMEM;
    }
    *ret_event = (struct event){.op = EVENT_ALERT,
                                .event_id = alert->id,
                                .session_id = alert->session_id,
                                .peer_pid = alert->peer_pid,
                                .fields = (const uint8_t *)fields->data + from,
                                .fields_size = fields->size - from};
    return 0;
}

/* ---- decode ---- */

static bool read_severity(struct unpack *in, enum memferry_severity *ret)
{
    uint64_t number;

    if (!unpack_uint(in, &number) || number < MEMFERRY_SEVERITY_INFO ||
        number > MEMFERRY_SEVERITY_CRITICAL) {
        return false;
    }
    *ret = (enum memferry_severity)number;
    return true;
}

static bool read_text(struct unpack *in, struct event_text *ret)
{
    return unpack_text(in, &ret->data, &ret->size);
}

static bool read_samples(struct unpack *in, struct alert *alert)
{
    uint32_t count;

    if (!unpack_array(in, &count) || count > ALERT_SAMPLES_MAX) {
        return false;
    }
    for (alert->sample_count = 0; alert->sample_count < count; alert->sample_count++) {
        if (!read_text(in, &alert->sample_ids[alert->sample_count])) {
            return false;
        }
    }
    return true;
}

static bool read_count(struct unpack *in, uint64_t *ret)
{
    return unpack_uint(in, ret) && *ret <= INT64_MAX;
}

static struct event_text *text_field(struct alert *alert, const char *name, size_t size)
{
    const struct {
        const char *name;
        struct event_text *text;
    } texts[] = {{"rule", &alert->rule},           {"session_id", &alert->session_id},
                 {"statement", &alert->statement}, {"peer_command", &alert->peer_command},
                 {"summary", &alert->summary},     {"undo", &alert->undo}};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (unpack_name_is(name, size, texts[i].name)) {
            return texts[i].text;
        }
    }
    return NULL;
}

static bool read_field(struct unpack *in, const char *name, size_t size, struct alert *alert)
{
    struct event_text *text = text_field(alert, name, size);

    if (text != NULL) {
        return read_text(in, text);
    }
    if (unpack_name_is(name, size, "severity")) {
        return read_severity(in, &alert->severity);
    }
    if (unpack_name_is(name, size, "at_ms")) {
        return unpack_int(in, &alert->at_ms);
    }
    if (unpack_name_is(name, size, "peer_pid")) {
        return unpack_int(in, &alert->peer_pid);
    }
    if (unpack_name_is(name, size, "count")) {
        return read_count(in, &alert->count);
    }
    if (unpack_name_is(name, size, "from_seq")) {
        return read_count(in, &alert->from_seq);
    }
    if (unpack_name_is(name, size, "to_seq")) {
        return read_count(in, &alert->to_seq);
    }
    if (unpack_name_is(name, size, "until_ms")) {
        return unpack_int(in, &alert->until_ms);
    }
    if (unpack_name_is(name, size, "adds")) {
        return unpack_bool(in, &alert->adds);
    }
    return unpack_name_is(name, size, "sample_ids") && read_samples(in, alert);
}

int alert_decode(const struct event *event, struct alert *ret_alert)
{
    struct unpack in = unpack_over(event->fields, event->fields_size);
    uint32_t count;

    *ret_alert = (struct alert){.id = event->event_id};
    if (!unpack_map(&in, &count)) {
        return -EBADMSG;
    }
    for (uint32_t i = 0; i < count; i++) {
        const char *name;
        size_t size;
        if (!unpack_text(&in, &name, &size) || !read_field(&in, name, size, ret_alert)) {
            return -EBADMSG;
        }
    }
    bool complete = in.at == in.end && ret_alert->id.size > 0 && ret_alert->rule.size > 0 &&
                    ret_alert->severity != 0;
    return complete ? 0 : -EBADMSG;
}
