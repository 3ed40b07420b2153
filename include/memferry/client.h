/*
 * client.h - libmemferry: hand memories to memferryd from a program in C.
 *
 * Guarantees. A call that returned 0 has its promise kept: a receipt means fsynced on this machine.
 * A call that failed may or may not have happened when it says MEMFERRY_E_UNCERTAIN, _DEADLINE or
 * _PROTOCOL, and has not happened with any other code between MEMFERRY_OK and MEMFERRY_E_REMOTE.
 * Puts carry an event_id, made by the library
 * when you give none, and one that is sent again after a broken connection is marked as a repeat,
 * so it is never applied twice.
 *
 * Threads. A connection is one thread's at a time: use one per thread, or your own lock. Different
 * connections are independent; the library has no global state. It installs no signal handler,
 * never raises SIGPIPE, sets close-on-exec on all it opens, and writes to no standard stream. After
 * fork() the child may only call memferry_close on a connection of its parent.
 *
 * Strings are UTF-8 with a NUL. Times are milliseconds since the epoch, UTC. What a function
 * returns by pointer belongs to the object it came from, until that is freed or changed.
 */
#ifndef MEMFERRY_CLIENT_H
#define MEMFERRY_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MEMFERRY_API __attribute__((visibility("default")))
#else
#define MEMFERRY_API
#endif

/* Negative: what went wrong. memferry_strerror gives a text, memferry_error the one of the last
 * call. */
enum memferry_code {
    MEMFERRY_OK = 0,
    MEMFERRY_E_INVALID = -1,   /* an argument: not sent */
    MEMFERRY_E_MEMORY = -2,    /* out of memory: not sent */
    MEMFERRY_E_CONNECT = -3,   /* no broker there: not sent */
    MEMFERRY_E_UNTRUSTED = -4, /* socket or its directory belong to someone else: not sent */
    MEMFERRY_E_DEADLINE = -5,  /* no reply in time: may have happened */
    MEMFERRY_E_UNCERTAIN = -6, /* the connection broke behind the request: may have happened */
    MEMFERRY_E_PROTOCOL = -7,  /* the reply was none */
    MEMFERRY_E_AGAIN = -8,     /* memferry_receive: nothing there yet */
    MEMFERRY_E_FULL = -9,      /* memferry_submit: window full, receive first: not sent */
    MEMFERRY_E_SESSION = -10,  /* the session file cannot be used: not sent */
    /* What the broker answered. */
    MEMFERRY_E_REMOTE = -100,
    MEMFERRY_E_INVALID_PARAMS = -101,
    MEMFERRY_E_METHOD = -102,
    MEMFERRY_E_BUSY = -103,
    MEMFERRY_E_NOT_FOUND = -104,
    MEMFERRY_E_CONFLICT = -105,
    MEMFERRY_E_STORAGE_FULL = -106,
    MEMFERRY_E_STORAGE_FAILED = -107,
    MEMFERRY_E_TIMEOUT = -108, /* durable, but not delivered in time */
    MEMFERRY_E_FORBIDDEN = -109,
    MEMFERRY_E_UNAVAILABLE = -110,
    MEMFERRY_E_INTERNAL = -111,
    MEMFERRY_E_TOO_LARGE = -112 /* the memory would grow over the limit, and stays as it was */
};

/* A fixed text for a code, never NULL. */
MEMFERRY_API const char *memferry_strerror(int code);

/* ---- connection ---- */

struct memferry; /* opaque */

struct memferry_settings {
    size_t size; /* sizeof(struct memferry_settings): fields are only ever added at the end */
    const char *socket; /* NULL: $MEMFERRY_SOCKET, else as the design's order */
    int timeout_ms;     /* deadline of each blocking call; 0: 30000; below 0: none */
    unsigned window;    /* requests in flight by submit; 0: 256; at most 1024 */
    const char *client; /* name for the broker's log; NULL: the program's */
    /* NULL: $MEMFERRY_SESSION_FILE, else ~/.claude-session-id; "": none, and no session */
    const char *session_file;
    int64_t session_idle_ms; /* 0: $MEMFERRY_SESSION_IDLE ("90s", "30m", "2h"), else 30 minutes */
};

/* Prepares a connection; connects with the first call. settings may be NULL. Only fails with
 * MEMFERRY_E_MEMORY or MEMFERRY_E_INVALID. Free with memferry_close. */
MEMFERRY_API int memferry_open(struct memferry **ret, const struct memferry_settings *settings);
/* Connects now, if it is not. In the default places the directory must be no link, ours and 0700;
 * everywhere the socket and its server must be ours or root's. MEMFERRY_E_UNTRUSTED otherwise. */
MEMFERRY_API int memferry_connect(struct memferry *m);
/* Closes and frees; NULL is fine. Returns NULL. */
MEMFERRY_API struct memferry *memferry_close(struct memferry *m);

/* The text of the last failure on this connection: what happened, to what, what to do. Valid until
 * the next call; "" after a success. */
MEMFERRY_API const char *memferry_error(const struct memferry *m);
/* The field of the request that the broker found wrong; "" without. */
MEMFERRY_API const char *memferry_error_field(const struct memferry *m);
/* With MEMFERRY_E_CONFLICT the version that is there. */
MEMFERRY_API uint64_t memferry_error_version(const struct memferry *m);

/* Where the socket is or would be: $MEMFERRY_SOCKET, else $XDG_RUNTIME_DIR/memferry/memferry.sock,
 * else /tmp/memferry-UID/memferry.sock. Returns the length, or MEMFERRY_E_INVALID if size is too
 * small. */
MEMFERRY_API int memferry_default_socket(char *buffer, size_t size);

/* ---- values: what requests are made of and replies are read as ---- */

enum memferry_node_kind { /* what a memferry_node is */
                          MEMFERRY_NODE_NULL = 0,
                          MEMFERRY_NODE_BOOL,
                          MEMFERRY_NODE_INT,
                          MEMFERRY_NODE_FLOAT,
                          MEMFERRY_NODE_STRING,
                          MEMFERRY_NODE_BINARY,
                          MEMFERRY_NODE_LIST,
                          MEMFERRY_NODE_MAP
};

struct memferry_reply; /* owns a reply and all its nodes */
struct memferry_node;  /* one value in it, borrowed */

MEMFERRY_API void memferry_reply_free(struct memferry_reply *reply); /* NULL is fine */
MEMFERRY_API const struct memferry_node *memferry_reply_root(const struct memferry_reply *reply);

MEMFERRY_API enum memferry_node_kind memferry_node_kind(const struct memferry_node *node);
MEMFERRY_API size_t memferry_node_count(const struct memferry_node *node); /* of a list or map */
/* The i-th element, or NULL. */
MEMFERRY_API const struct memferry_node *memferry_node_at(const struct memferry_node *node,
                                                          size_t i);
/* The i-th key of a map, or NULL. */
MEMFERRY_API const char *memferry_node_key(const struct memferry_node *node, size_t i);
/* By key; NULL if there is none or node is NULL or no map. */
MEMFERRY_API const struct memferry_node *memferry_node_get(const struct memferry_node *node,
                                                           const char *key);
/* Values, or the fallback when node is NULL or of another type. Numbers convert when it is exact.
 */
MEMFERRY_API int64_t memferry_node_int(const struct memferry_node *node, int64_t fallback);
MEMFERRY_API double memferry_node_float(const struct memferry_node *node, double fallback);
MEMFERRY_API bool memferry_node_bool(const struct memferry_node *node, bool fallback);
MEMFERRY_API const char *memferry_node_string(const struct memferry_node *node,
                                              const char *fallback);
MEMFERRY_API const void *memferry_node_binary(const struct memferry_node *node, size_t *ret_size);
/* As JSON text, freed by the caller with free(); NULL: out of memory. */
MEMFERRY_API char *memferry_node_json(const struct memferry_node *node);

/* JSON text as nodes, to look into it before it is sent; m needs no broker for it.
 * MEMFERRY_E_INVALID: memferry_error says what is wrong. */
MEMFERRY_API int memferry_parse_json(struct memferry *m, const char *json,
                                     struct memferry_reply **ret);
/* A new UUID4, for an id or an event_id. Returns its length, or MEMFERRY_E_INVALID when size is
 * below 37. */
MEMFERRY_API int memferry_make_id(char *buffer, size_t size);

/* ---- memories ---- */

/* A property. Exactly one of the values, by type; LIST by its JSON text. */
struct memferry_property {
    const char *name;
    enum memferry_node_kind type; /* NULL (removes), BOOL, INT, FLOAT, STRING, LIST */
    union {
        bool boolean;
        int64_t integer;
        double floating;
        const char *string;
        const char *list_json; /* such as "[1,2]" */
    } as;
};

enum memferry_wait { MEMFERRY_WAIT_DURABLE = 0, MEMFERRY_WAIT_DELIVERED };

/* What to put. All zero but `size` and content is a good start. */
struct memferry_put {
    size_t size;         /* sizeof(struct memferry_put): fields are only ever added at the end */
    const char *id;      /* NULL: a new UUID4 */
    const char *content; /* NULL: leave as it is (the memory must exist) */
    const char *kind;    /* NULL: leave, or "note" for a new one */
    const char *const *tags; /* NULL: leave */
    size_t tag_count;
    const struct memferry_property *props; /* merged */
    size_t prop_count;
    const float *embedding; /* NULL: none given */
    size_t dims;
    const char *session_id; /* NULL: the current session, if there can be one; "": none */
    const char *event_id;   /* NULL: a new UUID4 */
    bool has_expected_version;
    uint64_t expected_version; /* 0: must not exist */
    enum memferry_wait wait;
    int timeout_ms; /* of wait delivered; 0: 30000. The call's own deadline comes on top */
    bool retry;     /* sent before under this event_id, with an unknown end: the first receipt
                     * comes back if it arrived */
};

#define MEMFERRY_ID_SIZE 257

struct memferry_receipt {
    char id[MEMFERRY_ID_SIZE];
    char event_id[MEMFERRY_ID_SIZE];
    uint64_t seq; /* the memory's version */
    bool duplicate;
    bool durable;
};

/* Stores a memory; returns when it is durable. ret_receipt may be NULL. A connection that breaks is
 * made again once and the put repeated under its event_id. */
MEMFERRY_API int memferry_put(struct memferry *m, const struct memferry_put *put,
                              struct memferry_receipt *ret_receipt);
/* The same, with the broker's whole answer: a receipt with the state at each backend, or, when the
 * broker answered so, the error map. Free it. */
MEMFERRY_API int memferry_put_reply(struct memferry *m, const struct memferry_put *put,
                                    struct memferry_reply **ret);
/* Makes it a tombstone, as safe to break as a put. reason may be NULL. Carries the current session.
 */
MEMFERRY_API int memferry_delete(struct memferry *m, const char *id, const char *reason,
                                 struct memferry_receipt *ret_receipt);
/* A memory as a map by the names of protocol.md; version 0: as it is now. Free the reply. */
MEMFERRY_API int memferry_get(struct memferry *m, const char *id, uint64_t version,
                              struct memferry_reply **ret);
MEMFERRY_API int memferry_history(struct memferry *m, const char *id, struct memferry_reply **ret);

/* Any method of the protocol; params is a JSON object, NULL: none. On an answer of the broker that
 * is an error, *ret holds the error map (free it too). Never repeated by the library. */
MEMFERRY_API int memferry_call(struct memferry *m, const char *method, const char *params_json,
                               struct memferry_reply **ret);

/* ---- sessions ---- */

/*
 * A session is one conversation of an agent. Which one is in force stands in a file, so it is known
 * without a broker and without a network: one UUID and a newline, 0600. $MEMFERRY_SESSION_ID wins
 * over the file, which is then neither read nor written.
 *
 * The file's mtime is its last use. A session that was not used for session_idle_ms has ended; the
 * next use begins another. Of processes that begin one at the same time all get the same. Programs
 * that read the file (and strip it) or write a UUID into it, without a lock, may do so beside the
 * library: what they write is taken over as it is written, and a file that is empty or half written
 * is waited for, briefly, and then replaced.
 *
 * MEMFERRY_E_SESSION, with a text, where the file cannot be used: it is a link, another user's, no
 * regular file, holds something else than an id, or cannot be written. Such a file is left alone. A
 * put or delete then goes without a session.
 */

#define MEMFERRY_SESSION_SIZE 65 /* an id and its NUL */

struct memferry_session {
    char id[MEMFERRY_SESSION_SIZE];
    bool begun;            /* by this call */
    bool from_environment; /* it is $MEMFERRY_SESSION_ID */
};

/* The session in force; one is begun if there is none. This is a use. */
MEMFERRY_API int memferry_session_current(struct memferry *m, struct memferry_session *ret);
/* The same without a use, and nothing is begun: MEMFERRY_E_NOT_FOUND without one. */
MEMFERRY_API int memferry_session_peek(struct memferry *m, struct memferry_session *ret);
/* A new session, whatever was in force. With $MEMFERRY_SESSION_ID set it is that one. */
MEMFERRY_API int memferry_session_begin(struct memferry *m, struct memferry_session *ret);
/* Makes a session that exists elsewhere, such as an agent's own, the one in force: a UUID into the
 * file, as it is written. MEMFERRY_E_INVALID: it is none. With $MEMFERRY_SESSION_ID set nothing is
 * changed. */
MEMFERRY_API int memferry_session_adopt(struct memferry *m, const char *id);
/* Removes the file while it holds this id; MEMFERRY_E_NOT_FOUND when it does not. The broker is not
 * told: memferry_call(m, "session.end", …) does. */
MEMFERRY_API int memferry_session_end(struct memferry *m, const char *id);

/* ---- many at once ---- */

/* Sends without waiting for the answer. *ret_tag names the request. MEMFERRY_E_FULL: receive first.
 * What does not fit in the socket is kept and goes with the next submit, receive or flush. */
MEMFERRY_API int memferry_submit_put(struct memferry *m, const struct memferry_put *put,
                                     uint64_t *ret_tag);
MEMFERRY_API int memferry_submit(struct memferry *m, const char *method, const char *params_json,
                                 uint64_t *ret_tag);

struct memferry_completion {
    uint64_t tag;
    int code;                     /* MEMFERRY_OK, or why not */
    struct memferry_reply *reply; /* free it; NULL when the connection broke */
};
/* The next answer, in the order they arrive. timeout_ms 0: only what is there (MEMFERRY_E_AGAIN);
 * below 0: wait. When the connection breaks, each request in flight completes with
 * MEMFERRY_E_UNCERTAIN, exactly once; nothing is sent again by itself. MEMFERRY_E_INVALID when
 * nothing is in flight. After MEMFERRY_OK memferry_error has the text of the completion's code.
 * Before a poll() receive with timeout 0 until MEMFERRY_E_AGAIN: answers may be buffered. */
MEMFERRY_API int memferry_receive(struct memferry *m, int timeout_ms,
                                  struct memferry_completion *ret);
/* How many are in flight. */
MEMFERRY_API unsigned memferry_in_flight(const struct memferry *m);
/* For poll(): the descriptor (-1: not connected) and the events to wait for. */
MEMFERRY_API int memferry_fd(const struct memferry *m);
MEMFERRY_API short memferry_events(const struct memferry *m);

/* Reads a put's receipt out of a reply. */
MEMFERRY_API int memferry_reply_receipt(const struct memferry_reply *reply,
                                        struct memferry_receipt *ret);

/* ---- what happens ---- */

/* The next notification on a connection that has subscribed by memferry_call(m, "event.subscribe",
 * …): its name ("event" or "alert"), which belongs to *ret, and its params; free *ret. timeout_ms
 * as memferry_receive's (MEMFERRY_E_AGAIN: none in time). MEMFERRY_E_UNCERTAIN: the connection
 * broke; connect and subscribe again with from_seq, the last seq that was told and one, and nothing
 * is missed or told twice. Use a connection of its own: a call on it drops what is told meanwhile.
 */
MEMFERRY_API int memferry_notified(struct memferry *m, int timeout_ms, const char **ret_name,
                                   struct memferry_reply **ret);

#ifdef __cplusplus
}
#endif

#endif
