/*
 * call.c - the blocking calls: one request, one reply.
 *
 * Happy path: connect if need be, send, wait for the reply of this request; replies to submitted
 * requests that come in between are filed with the pipeline. A put or a delete whose connection
 * breaks is sent once more over a new one, under the same event_id, so that it happens once; a read
 * is simply asked again. Whatever then remains unknown is MEMFERRY_E_UNCERTAIN, never less.
 */
#include "client/connection.h"
#include "client/pipeline.h"
#include "client/put.h"

#include <string.h>

static uint32_t blocking_msgid(struct memferry *m)
{
    m->last_blocking = (m->last_blocking + 1) % CLIENT_MSGID_BLOCKING;
    return CLIENT_MSGID_BLOCKING | m->last_blocking;
}

static int wait_reply(struct memferry *m, uint32_t wanted, int64_t deadline,
                      struct memferry_reply **ret)
{
    for (;;) {
        uint32_t msgid;
        bool is_error;
        int rc = exchange_receive(m, deadline, &msgid, &is_error, ret);
        if (rc != MEMFERRY_OK) {
            return rc;
        }
        if (msgid == wanted) {
            client_error_clear(m);
            return is_error ? client_error_remote(m, &(*ret)->root.object) : MEMFERRY_OK;
        }
        pipeline_complete(m, msgid, is_error, *ret);
        *ret = NULL;
    }
}

/* Sends m->params and waits. *ret is set for an answer of the broker, be it an error. */
static int call_once(struct memferry *m, const char *method, int64_t deadline,
                     struct memferry_reply **ret)
{
    int rc = connection_ensure(m, deadline);

    *ret = NULL;
    if (rc != MEMFERRY_OK) {
        return rc;
    }
    uint32_t msgid = blocking_msgid(m);
    rc = exchange_queue_params(m, msgid, method);
    return rc != MEMFERRY_OK ? rc : wait_reply(m, msgid, deadline, ret);
}

/* Of a request that was sent twice: does this answer to the second say what became of the first?
 */
static bool answer_is_final(int code)
{
    switch (code) {
    case MEMFERRY_OK:
    case MEMFERRY_E_DEADLINE:
    case MEMFERRY_E_UNCERTAIN:
    case MEMFERRY_E_PROTOCOL:
    case MEMFERRY_E_INVALID_PARAMS:
    case MEMFERRY_E_METHOD:
    case MEMFERRY_E_NOT_FOUND:
    case MEMFERRY_E_CONFLICT:
    case MEMFERRY_E_TIMEOUT:
    case MEMFERRY_E_FORBIDDEN:
        return true;
    default:
        return false;
    }
}

static int repeat_outcome(struct memferry *m, int code)
{
    char text[sizeof m->error_text];

    if (answer_is_final(code)) {
        return code;
    }
    memcpy(text, m->error_text, sizeof text);
    return client_error(
        m, MEMFERRY_E_UNCERTAIN,
        "the connection broke before the answer, and asking again failed (%.200s); the "
        "request may have been carried out: look before you send it anew",
        text);
}

static int receipt_of(struct memferry *m, int code, const struct memferry_reply *reply,
                      struct memferry_receipt *ret)
{
    struct memferry_receipt unused;

    ret = ret != NULL ? ret : &unused;
    *ret = (struct memferry_receipt){0};
    if (code == MEMFERRY_E_TIMEOUT) {
        /* It is durable: the receipt lies in the error. */
        const struct memferry_node *data = memferry_node_get(memferry_reply_root(reply), "data");
        receipt_read(memferry_node_get(data, "receipt"), ret);
    }
    if (code == MEMFERRY_OK && memferry_reply_receipt(reply, ret) != MEMFERRY_OK) {
        return client_error(m, MEMFERRY_E_PROTOCOL,
                            "the answer of %s is no receipt: is it a memferryd of this protocol?",
                            m->socket);
    }
    return code;
}

int memferry_put_reply(struct memferry *m, const struct memferry_put *given,
                       struct memferry_reply **ret)
{
    struct memferry_put put;
    struct put_ids ids;

    *ret = NULL;
    client_error_clear(m);
    int rc = put_copy(m, given, &put);
    if (rc != MEMFERRY_OK) {
        return rc;
    }
    int64_t deadline = m->timeout_ms < 0 ? -1 : client_deadline(m->timeout_ms) + put_wait_ms(&put);
    put_ids_make(&ids, &put);
    rc = put_encode(m, &put, &ids, put.retry);
    if (rc != MEMFERRY_OK) {
        return rc;
    }
    rc = call_once(m, "memory.put", deadline, ret);
    if (rc != MEMFERRY_E_UNCERTAIN) {
        return rc;
    }
    rc = put_encode(m, &put, &ids, true);
    return repeat_outcome(m, rc != MEMFERRY_OK ? rc : call_once(m, "memory.put", deadline, ret));
}

int memferry_put(struct memferry *m, const struct memferry_put *put,
                 struct memferry_receipt *ret_receipt)
{
    struct memferry_reply *reply;
    int rc = memferry_put_reply(m, put, &reply);

    rc = receipt_of(m, rc, reply, ret_receipt);
    memferry_reply_free(reply);
    return rc;
}

/* m->params is sent again as it is; for what may be asked twice. */
static int call_repeated(struct memferry *m, const char *method, struct memferry_reply **ret)
{
    int64_t deadline = client_deadline(m->timeout_ms);
    int rc = call_once(m, method, deadline, ret);

    if (rc == MEMFERRY_E_UNCERTAIN) {
        rc = repeat_outcome(m, call_once(m, method, deadline, ret));
    }
    return rc;
}

static int encode_id(struct memferry *m, msgpack_packer *packer, const char *id, size_t fields)
{
    params_begin(m, packer);
    if (id == NULL) {
        return client_error(m, MEMFERRY_E_INVALID, "id is NULL; nothing was sent");
    }
    msgpack_pack_map(packer, fields);
    pack_text(packer, "id");
    pack_text(packer, id);
    return MEMFERRY_OK;
}

int memferry_delete(struct memferry *m, const char *id, const char *reason,
                    struct memferry_receipt *ret_receipt)
{
    char event_id[CLIENT_UUID_SIZE];
    struct memferry_reply *reply = NULL;
    msgpack_packer packer;

    const char *session_id = session_of_request(m);
    int rc = encode_id(m, &packer, id, (size_t)2 + (reason != NULL) + (session_id != NULL));
    if (rc != MEMFERRY_OK) {
        return rc;
    }
    uuid_text(event_id);
    pack_field(&packer, "event_id", event_id);
    pack_field(&packer, "reason", reason);
    pack_field(&packer, "session_id", session_id);
    rc = call_repeated(m, "memory.delete", &reply);
    rc = receipt_of(m, rc, reply, ret_receipt);
    memferry_reply_free(reply);
    return rc;
}

/* Frees an answer that is an error. */
static int call_read(struct memferry *m, const char *method, struct memferry_reply **ret)
{
    int rc = call_repeated(m, method, ret);

    if (rc != MEMFERRY_OK) {
        memferry_reply_free(*ret);
        *ret = NULL;
    }
    return rc;
}

int memferry_get(struct memferry *m, const char *id, uint64_t version, struct memferry_reply **ret)
{
    msgpack_packer packer;

    *ret = NULL;
    client_error_clear(m);
    int rc = encode_id(m, &packer, id, version != 0 ? 2 : 1);
    if (rc != MEMFERRY_OK) {
        return rc;
    }
    if (version != 0) {
        pack_text(&packer, "version");
        msgpack_pack_uint64(&packer, version);
    }
    return call_read(m, "memory.get", ret);
}

int memferry_history(struct memferry *m, const char *id, struct memferry_reply **ret)
{
    msgpack_packer packer;

    *ret = NULL;
    client_error_clear(m);
    int rc = encode_id(m, &packer, id, 1);
    return rc != MEMFERRY_OK ? rc : call_read(m, "memory.history", ret);
}

int memferry_call(struct memferry *m, const char *method, const char *params_json,
                  struct memferry_reply **ret)
{
    *ret = NULL;
    client_error_clear(m);
    int rc = params_from_json(m, params_json);
    return rc != MEMFERRY_OK ? rc : call_once(m, method, client_deadline(m->timeout_ms), ret);
}
