/*
 * code.c - error codes by name, failures filled, and encodings told apart.
 */
#include "client/wire/rpc.h"

#include "client/wire/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum wire_encoding wire_detect(uint8_t first)
{
    if (first == '{' || first == ' ' || first == '\t' || first == '\r' || first == '\n') {
        return WIRE_JSON;
    }
    if ((first >= 0x90 && first <= 0x9f) || first == 0xdc || first == 0xdd) {
        return WIRE_MSGPACK;
    }
    return WIRE_UNKNOWN;
}

const char *rpc_code_name(enum rpc_code code)
{
    switch (code) {
    case RPC_OK:
        return "ok";
    case RPC_PARSE_ERROR:
        return "parse_error";
    case RPC_INVALID_REQUEST:
        return "invalid_request";
    case RPC_METHOD_NOT_FOUND:
        return "method_not_found";
    case RPC_INVALID_PARAMS:
        return "invalid_params";
    case RPC_INTERNAL:
        return "internal";
    case RPC_BUSY:
        return "busy";
    case RPC_NOT_FOUND:
        return "not_found";
    case RPC_CONFLICT:
        return "conflict";
    case RPC_STORAGE_FULL:
        return "storage_full";
    case RPC_STORAGE_FAILED:
        return "storage_failed";
    case RPC_TIMEOUT:
        return "timeout";
    case RPC_FORBIDDEN:
        return "forbidden";
    case RPC_UNAVAILABLE:
        return "unavailable";
    case RPC_TOO_LARGE:
        return "too_large";
    }
    return "unknown";
}

enum rpc_code rpc_failure_set(struct rpc_failure *ret_failure, enum rpc_code code,
                              const char *field, const char *format, ...)
{
    va_list args;

    ret_failure->code = code;
    snprintf(ret_failure->field, sizeof ret_failure->field, "%s", field != NULL ? field : "");
    ret_failure->field[utf8_whole(ret_failure->field, strlen(ret_failure->field))] = '\0';
    va_start(args, format);
    vsnprintf(ret_failure->text, sizeof ret_failure->text, format, args);
    va_end(args);
    ret_failure->text[utf8_whole(ret_failure->text, strlen(ret_failure->text))] = '\0';
    return code;
}

bool json_line_blank(const uint8_t *line, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r' && line[i] != '\n') {
            return false;
        }
    }
    return true;
}
