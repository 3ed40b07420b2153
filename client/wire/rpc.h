/*
 * rpc.h - requests and replies, in both encodings, on one tree: msgpack objects.
 *
 * A broker reads requests with rpc_request_decode and writes replies with rpc_reply / rpc_error /
 * rpc_notify; results are msgpack bytes, which become JSON at the last step for a JSON connection.
 * A client writes with rpc_request_encode and reads with rpc_message_decode (MessagePack only).
 */
#ifndef MEMFERRY_WIRE_RPC_H
#define MEMFERRY_WIRE_RPC_H

#include <msgpack.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_encoding { WIRE_UNKNOWN = 0, WIRE_MSGPACK, WIRE_JSON };

/* By the first byte of a connection; WIRE_UNKNOWN: neither. */
enum wire_encoding wire_detect(uint8_t first);

enum rpc_code {
    RPC_OK = 0,
    RPC_PARSE_ERROR = -32700,
    RPC_INVALID_REQUEST = -32600,
    RPC_METHOD_NOT_FOUND = -32601,
    RPC_INVALID_PARAMS = -32602,
    RPC_INTERNAL = -32603,
    RPC_BUSY = -32001,
    RPC_NOT_FOUND = -32002,
    RPC_CONFLICT = -32003,
    RPC_STORAGE_FULL = -32004,
    RPC_STORAGE_FAILED = -32005,
    RPC_TIMEOUT = -32006,
    RPC_FORBIDDEN = -32007,
    RPC_UNAVAILABLE = -32008,
    RPC_TOO_LARGE = -32009
};
const char *rpc_code_name(enum rpc_code code); /* "parse_error" …; "unknown" for others */

/* An id as it came, to be sent back as it was. */
#define RPC_JSON_ID_MAX 256 /* bytes of raw JSON */
struct rpc_id {
    enum wire_encoding encoding;
    bool present;       /* false: a notification, no reply wanted */
    uint32_t msgid;     /* WIRE_MSGPACK */
    uint16_t json_size; /* WIRE_JSON: raw bytes, quotes included; 0: null */
    char json[RPC_JSON_ID_MAX];
};

struct rpc_request {
    struct rpc_id id;
    const char *method;    /* NUL-terminated, borrowed from the zone */
    msgpack_object params; /* a MAP, maybe empty; keys are STR, none twice */
};

struct rpc_failure {
    enum rpc_code code;
    char field[64]; /* "" or the params field to blame */
    char text[256];
};

/* Fills ret_failure and returns code. field may be NULL; what is too long is cut at a whole
 * character. */
enum rpc_code rpc_failure_set(struct rpc_failure *ret_failure, enum rpc_code code,
                              const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A line of white space only: no request and no error, the peer skips it. */
bool json_line_blank(const uint8_t *line, size_t size);

/*
 * Decodes one scanned frame. Everything in ret_request that is not by value lives in `zone` or in
 * the frame, and is valid while both are. RPC_OK, or a code with *ret_failure filled;
 * ret_request->id is then as far as it could be read (present=false when it could not). Such a
 * failure is answered when id.present, or when it is a parse error or an invalid request: those
 * carry nil or null for an id. Other failures without an id are a notification's: no answer.
 *
 * No string holds a NUL or anything but UTF-8. A frame of more than WIRE_ELEMENTS_MAX values or
 * nested deeper than WIRE_DEPTH_MAX is an invalid request. A frame that was not scanned does no
 * harm: every length is checked again against the bytes that are there.
 *
 * In JSON, integers outside int64..uint64, lone surrogates and duplicate keys are refused; null,
 * bool, string, array and object map one to one; a number with fraction or exponent is a float.
 */
enum rpc_code rpc_request_decode(enum wire_encoding encoding, const uint8_t *frame, size_t size,
                                 msgpack_zone *zone, struct rpc_request *ret_request,
                                 struct rpc_failure *ret_failure);

/* ---- replies: appended to `out` in the id's encoding ----
 *
 * 0, or -ENOMEM, or -EBADMSG when bytes for a JSON connection are not what the contract says (or
 * hold NaN): a bug of the caller's. `out` is then as it was. An id that is not present is written
 * as nil or null. */

/* result: one msgpack object's bytes. */
int rpc_reply(msgpack_sbuffer *out, const struct rpc_id *id, const void *result,
              size_t result_size);
/* data: one msgpack map's bytes, or NULL with 0. failure->field, if set, is added to data as
 * "field" (data must not hold one). */
int rpc_error(msgpack_sbuffer *out, const struct rpc_id *id, const struct rpc_failure *failure,
              const void *data, size_t data_size);
/* A notification {method, params}; params: one msgpack map's bytes. */
int rpc_notify(msgpack_sbuffer *out, enum wire_encoding encoding, const char *method,
               const void *params, size_t params_size);

/* ---- the client's side ---- */

/* params: one msgpack map's bytes. */
int rpc_request_encode(msgpack_sbuffer *out, uint32_t msgid, const char *method, const void *params,
                       size_t params_size);

struct rpc_message {
    bool is_notification;
    bool no_msgid;  /* an error about a frame that had no readable msgid */
    uint32_t msgid; /* replies */
    bool is_error;
    msgpack_object body; /* result, error map, or a notification's params */
    const char *method;  /* notifications */
};
/* 0, or -EBADMSG. Everything is borrowed from zone and frame. */
int rpc_message_decode(const uint8_t *frame, size_t size, msgpack_zone *zone,
                       struct rpc_message *ret_message);

/* ---- JSON by itself: for the command line and exports ---- */

/* Appends one msgpack object as JSON text, without newline: bin as base64, floats as the shortest
 * text that reads back the same, no NaN. 0, -ENOMEM, or -EBADMSG for ext and non-string keys. */
int json_from_msgpack(msgpack_sbuffer *out, const msgpack_object *object);
/* Parses JSON text into the zone. 0, or -EBADMSG with *ret_failure->text saying where. */
int json_to_msgpack(const char *text, size_t size, msgpack_zone *zone, msgpack_object *ret_object,
                    struct rpc_failure *ret_failure);

/* Base64 (RFC 4648, padded). decode: size of the data, or -EBADMSG; out holds size / 4 * 3 bytes.
 */
size_t base64_encode(const void *data, size_t size, char *out); /* out: (size + 2) / 3 * 4 + 1 */
long base64_decode(const char *text, size_t size, void *out);

#endif
