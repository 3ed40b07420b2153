/*
 * body.c - an alert as JSON, and the ids of what is sent: docs/alerts.md has both.
 *
 * The id comes from the alert's own id and its count, so that the same news twice are the same
 * message, and an alert that went on is another.
 */
#include "plugins/alert-notify/notify.h"

#include "plugins/common/memory_json.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

enum { DIGEST_SIZE = 32 };

static int digest(unsigned char ret[DIGEST_SIZE], struct memferry_string id, const uint64_t *count)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(context, id.data, id.size + 1) == 1 && /* with its NUL */
                (count == NULL || EVP_DigestUpdate(context, count, sizeof *count) == 1) &&
                EVP_DigestFinal_ex(context, ret, NULL) == 1;

    EVP_MD_CTX_free(context);
    return good ? 0 : -EIO;
}

int body_alert_id(char ret[WEBHOOK_EVENT_ID_SIZE], const struct memferry_alert *alert)
{
    unsigned char bytes[DIGEST_SIZE];
    int r = digest(bytes, alert->id, &alert->count);

    if (r == 0) {
        webhook_event_id(ret, bytes);
    }
    return r;
}

int body_alert_hash(uint8_t ret[TOLD_HASH], const struct memferry_alert *alert)
{
    unsigned char bytes[DIGEST_SIZE];
    int r = digest(bytes, alert->id, NULL);

    if (r == 0) {
        memcpy(ret, bytes, TOLD_HASH);
    }
    return r;
}

const char *body_severity(enum memferry_severity severity)
{
    switch (severity) {
    case MEMFERRY_SEVERITY_INFO:
        return "info";
    case MEMFERRY_SEVERITY_WARNING:
        return "warning";
    default:
        return "critical";
    }
}

static void write_samples(struct json_writer *w, const struct memferry_alert *alert)
{
    json_write_key(w, "sample_ids");
    json_begin_array(w);
    for (size_t i = 0; i < alert->sample_count; i++) {
        json_write_string(w, alert->sample_ids[i].data, alert->sample_ids[i].size);
    }
    json_end_array(w);
}

void body_write_alert(struct json_writer *w, const char *id, const struct memferry_alert *alert)
{
    webhook_event_begin(w, id, "alert");
    json_end_object(w);
    json_write_key(w, "alert");
    json_begin_object(w);
    json_field_string(w, "id", alert->id);
    json_field_string(w, "rule", alert->rule);
    json_field_text(w, "severity", body_severity(alert->severity));
    json_field_int(w, "at_ms", alert->at_ms);
    json_field_string_or_null(w, "session_id", alert->session_id);
    json_field_int_or_null(w, "peer_pid", alert->peer_pid);
    json_field_string_or_null(w, "peer_command", alert->peer_command);
    json_field_uint(w, "count", alert->count);
    write_samples(w, alert);
    json_field_string_or_null(w, "statement", alert->statement);
    json_field_string_or_null(w, "summary", alert->summary);
    json_field_string_or_null(w, "undo", alert->undo);
    json_end_object(w);
    json_end_object(w);
}
