/*
 * error.c - what went wrong, as a code and in words.
 *
 * An answer of the broker brings its own words; what the library finds itself is told here and
 * where it happens. Cannot fail: a text that is too long is cut.
 */
#include "client/connection.h"
#include "client/wire/rpc.h"
#include "client/wire/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *memferry_strerror(int code)
{
    static const struct {
        int code;
        const char *text;
    } texts[] = {
        {MEMFERRY_OK, "success"},
        {MEMFERRY_E_INVALID, "invalid argument"},
        {MEMFERRY_E_MEMORY, "out of memory"},
        {MEMFERRY_E_CONNECT, "no broker to connect to"},
        {MEMFERRY_E_UNTRUSTED, "the socket or its server belongs to someone else"},
        {MEMFERRY_E_DEADLINE, "no reply in time"},
        {MEMFERRY_E_UNCERTAIN, "the connection broke before the reply"},
        {MEMFERRY_E_PROTOCOL, "the reply is not of this protocol"},
        {MEMFERRY_E_AGAIN, "no reply is there yet"},
        {MEMFERRY_E_FULL, "too many requests in flight"},
        {MEMFERRY_E_SESSION, "the session file cannot be used"},
        {MEMFERRY_E_REMOTE, "the broker answered with an unknown error"},
        {MEMFERRY_E_INVALID_PARAMS, "the broker refused a parameter"},
        {MEMFERRY_E_METHOD, "the broker does not know the method"},
        {MEMFERRY_E_BUSY, "the broker is busy"},
        {MEMFERRY_E_NOT_FOUND, "not found"},
        {MEMFERRY_E_CONFLICT, "the version differs"},
        {MEMFERRY_E_STORAGE_FULL, "the broker's disk is full"},
        {MEMFERRY_E_STORAGE_FAILED, "the broker's disk failed"},
        {MEMFERRY_E_TIMEOUT, "durable, but not delivered in time"},
        {MEMFERRY_E_FORBIDDEN, "forbidden"},
        {MEMFERRY_E_UNAVAILABLE, "no backend can answer"},
        {MEMFERRY_E_INTERNAL, "internal error of the broker"},
        {MEMFERRY_E_TOO_LARGE, "the memory would grow too large"},
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].code == code) {
            return texts[i].text;
        }
    }
    return "unknown error";
}

static int code_of_rpc(int64_t code)
{
    switch (code) {
    case RPC_PARSE_ERROR:
    case RPC_INVALID_REQUEST:
        return MEMFERRY_E_PROTOCOL;
    case RPC_METHOD_NOT_FOUND:
        return MEMFERRY_E_METHOD;
    case RPC_INVALID_PARAMS:
        return MEMFERRY_E_INVALID_PARAMS;
    case RPC_INTERNAL:
        return MEMFERRY_E_INTERNAL;
    case RPC_BUSY:
        return MEMFERRY_E_BUSY;
    case RPC_NOT_FOUND:
        return MEMFERRY_E_NOT_FOUND;
    case RPC_CONFLICT:
        return MEMFERRY_E_CONFLICT;
    case RPC_STORAGE_FULL:
        return MEMFERRY_E_STORAGE_FULL;
    case RPC_STORAGE_FAILED:
        return MEMFERRY_E_STORAGE_FAILED;
    case RPC_TIMEOUT:
        return MEMFERRY_E_TIMEOUT;
    case RPC_FORBIDDEN:
        return MEMFERRY_E_FORBIDDEN;
    case RPC_UNAVAILABLE:
        return MEMFERRY_E_UNAVAILABLE;
    case RPC_TOO_LARGE:
        return MEMFERRY_E_TOO_LARGE;
    default:
        return MEMFERRY_E_REMOTE;
    }
}

void client_error_clear(struct memferry *m)
{
    m->error = MEMFERRY_OK;
    m->error_text[0] = '\0';
    m->error_field[0] = '\0';
    m->error_version = 0;
}

int client_error(struct memferry *m, int code, const char *format, ...)
{
    va_list args;

    client_error_clear(m);
    m->error = code;
    va_start(args, format);
    vsnprintf(m->error_text, sizeof m->error_text, format, args);
    va_end(args);
    m->error_text[utf8_whole(m->error_text, strlen(m->error_text))] = '\0';
    return code;
}

int client_error_memory(struct memferry *m)
{
    return client_error(m, MEMFERRY_E_MEMORY, "out of memory");
}

int client_error_remote(struct memferry *m, const msgpack_object *error)
{
    const msgpack_object *number = object_get(error, "code");
    const msgpack_object *message = object_get(error, "message");
    const msgpack_object *data = object_get(error, "data");
    const msgpack_object *field = object_get(data, "field");
    const msgpack_object *version = object_get(data, "version");
    int code = code_of_rpc(number == NULL                                    ? 0
                           : number->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ? number->via.i64
                                                                             : 0);

    if (message != NULL && message->type == MSGPACK_OBJECT_STR && message->via.str.size > 0) {
        int size = (int)(message->via.str.size < sizeof m->error_text ? message->via.str.size
                                                                      : sizeof m->error_text);
        client_error(m, code, "%.*s", size, message->via.str.ptr);
    } else {
        client_error(m, code, "%s", memferry_strerror(code));
    }
    if (field != NULL && field->type == MSGPACK_OBJECT_STR &&
        field->via.str.size < sizeof m->error_field) {
        memcpy(m->error_field, field->via.str.ptr, field->via.str.size);
        m->error_field[field->via.str.size] = '\0';
    }
    if (version != NULL && version->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        m->error_version = version->via.u64;
    }
    return code;
}

const char *memferry_error(const struct memferry *m)
{
    return m->error_text;
}

const char *memferry_error_field(const struct memferry *m)
{
    return m->error_field;
}

uint64_t memferry_error_version(const struct memferry *m)
{
    return m->error_version;
}
