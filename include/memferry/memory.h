/*
 * memory.h - the plain structs that describe a memory to a plugin.
 *
 * Everything here is borrowed: it belongs to the broker, is valid until the call that was handed it
 * returns, and must not be changed. Strings are UTF-8, hold no NUL, and are followed by one, so
 * `data` may be used as a C string. Absent strings have data "" and size 0, unless a field says so.
 *
 * Structs that come in arrays end in reserved words. They are zero, and are how fields will be
 * added without moving what a compiled plugin knows.
 */
#ifndef MEMFERRY_MEMORY_H
#define MEMFERRY_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct memferry_string {
    const char *data;
    size_t size; /* bytes, without the NUL */
};

enum memferry_value_type {
    MEMFERRY_VALUE_BOOL = 1,
    MEMFERRY_VALUE_INT,
    MEMFERRY_VALUE_FLOAT, /* finite */
    MEMFERRY_VALUE_STRING,
    MEMFERRY_VALUE_LIST /* of one of the four above, all of the same type; may be empty */
};

struct memferry_value {
    enum memferry_value_type type;
    union {
        bool boolean;
        int64_t integer;
        double floating;
        struct memferry_string string;
        struct {
            const struct memferry_value *items;
            size_t count;
        } list;
    } as;
};

struct memferry_prop {
    struct memferry_string name; /* never the name of a memory's own field */
    struct memferry_value value;
};

enum memferry_embedding_state {
    MEMFERRY_EMBEDDING_NONE = 0, /* no vector, and no embedder is going to make one */
    MEMFERRY_EMBEDDING_PENDING,  /* no vector yet: an embedder will make it */
    MEMFERRY_EMBEDDING_READY     /* `embedding` is set */
};

/*
 * A memory as it is now. A deleted memory (`deleted_ms` not 0) is a tombstone: it keeps its id and
 * its last state, and the sink must hold it as deleted.
 *
 * The order between two states of one memory is (stamp, origin), never version: of the two the one
 * with the larger stamp wins, and with equal stamps the one whose origin is larger as bytes.
 */
struct memferry_memory {
    struct memferry_string id; /* 1 to 256 bytes */
    struct memferry_string content;
    struct memferry_string kind;
    const struct memferry_string *tags;
    size_t tag_count;
    const struct memferry_prop *props; /* sorted by name, names differ */
    size_t prop_count;
    const float *embedding;                 /* NULL without one; finite */
    size_t dims;                            /* floats in `embedding`, 0 without one */
    struct memferry_string embedding_model; /* "caller" for a vector given by the caller */
    enum memferry_embedding_state embedding_state;
    int64_t created_ms; /* since the epoch, UTC */
    int64_t updated_ms;
    int64_t deleted_ms;                /* 0: not deleted */
    uint64_t version;                  /* the seq of its last change in this broker's journal */
    int64_t stamp;                     /* hybrid logical clock, microseconds */
    struct memferry_string origin;     /* UUID of the journal that made this state */
    struct memferry_string session_id; /* of its last change; may be empty */
    uint64_t reserved[8];
};

#ifdef __cplusplus
}
#endif

#endif
