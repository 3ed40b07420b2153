/*
 * params.c - JSON text from a caller, as params of a request or as nodes to read.
 *
 * Fails on text that is no JSON, telling where, and on params that are no object.
 */
#include "client/put.h"
#include "client/wire/rpc.h"

#include <string.h>

/* The packer's callback: msgpack-c's own, which would go on behind a hole. */
static int params_write(void *data, const char *bytes, size_t size)
{
    struct memferry *m = data;

    if (m->params_failed || msgpack_sbuffer_write(&m->params, bytes, size) < 0) {
        m->params_failed = true;
        return -1;
    }
    return 0;
}

void params_begin(struct memferry *m, msgpack_packer *packer)
{
    msgpack_sbuffer_clear(&m->params);
    m->params_failed = false;
    msgpack_packer_init(packer, m, params_write);
}

static int json_decode(struct memferry *m, const char *json, msgpack_zone *zone,
                       msgpack_object *ret)
{
    struct rpc_failure failure = {0};

    if (json_to_msgpack(json, strlen(json), zone, ret, &failure) < 0) {
        return client_error(m, MEMFERRY_E_INVALID, "%s", failure.text);
    }
    return MEMFERRY_OK;
}

int params_from_json(struct memferry *m, const char *json)
{
    msgpack_packer packer;
    msgpack_object params;
    msgpack_zone zone;

    params_begin(m, &packer);
    if (json == NULL) {
        msgpack_pack_map(&packer, 0);
        return MEMFERRY_OK;
    }
    if (!msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE)) {
        return client_error_memory(m);
    }
    int rc = json_decode(m, json, &zone, &params);
    if (rc == MEMFERRY_OK && params.type != MSGPACK_OBJECT_MAP) {
        rc = client_error(m, MEMFERRY_E_INVALID, "the parameters are not a JSON object {...}");
    }
    if (rc == MEMFERRY_OK) {
        msgpack_pack_object(&packer, params);
    }
    msgpack_zone_destroy(&zone);
    return rc;
}

int memferry_parse_json(struct memferry *m, const char *json, struct memferry_reply **ret)
{
    struct memferry_reply *reply = reply_new();
    msgpack_object object;

    *ret = NULL;
    client_error_clear(m);
    if (reply == NULL) {
        return client_error_memory(m);
    }
    int rc = json_decode(m, json, &reply->zone, &object);
    if (rc == MEMFERRY_OK && reply_adopt(reply, &object) != MEMFERRY_OK) {
        rc = client_error_memory(m);
    }
    if (rc != MEMFERRY_OK) {
        memferry_reply_free(reply);
        return rc;
    }
    *ret = reply;
    return MEMFERRY_OK;
}
