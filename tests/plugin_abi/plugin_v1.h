/*
 * plugin_v1.h - the plugin interface as it was with version 1: memory.h and plugin.h in one.
 *
 * Frozen. A plugin compiled against this file alone must load and run in every later broker with
 * the same MEMFERRY_PLUGIN_ABI. Never edit it to make a test pass: the binaries that are out there
 * cannot be edited either.
 */
#ifndef MEMFERRY_TESTS_PLUGIN_V1_H
#define MEMFERRY_TESTS_PLUGIN_V1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#define MEMFERRY_PLUGIN_ABI 1u

/* A sentence for a person: what happened, to what, and what to do. UTF-8, cut at the size. Never a
 * secret. */
struct memferry_reason {
    char text[512];
};

enum memferry_option_type {
    MEMFERRY_OPTION_STRING = 1,
    MEMFERRY_OPTION_INT,      /* decimal, within min..max */
    MEMFERRY_OPTION_BOOL,     /* true, false, yes, no, on, off */
    MEMFERRY_OPTION_DURATION, /* 500ms, 30s, 10m, 2h; read by option_int as milliseconds */
    MEMFERRY_OPTION_SIZE,     /* 4096, 64K, 16M, 1G; read by option_int as bytes */
    MEMFERRY_OPTION_PATH,     /* a leading ~/ is expanded */
    /* A secret NAME is configured by NAME_env (an environment variable) or NAME_file (a file, read
     * again at each open), never by NAME itself. It is read by host->secret(). A `secret` option's
     * default is the name of an environment variable, or NULL. */
    MEMFERRY_OPTION_SECRET
};

struct memferry_option {
    const char *name; /* NULL ends the table */
    enum memferry_option_type type;
    const char *default_value; /* as it would stand in the file; NULL: none */
    bool required;             /* must be configured; has no default */
    int64_t min, max;          /* INT, DURATION (ms), SIZE (bytes); both 0: no bounds */
    const char *help;          /* one line, for people */
};

enum memferry_log_level {
    MEMFERRY_LOG_ERROR = 3, /* the numbers are syslog's */
    MEMFERRY_LOG_WARNING = 4,
    MEMFERRY_LOG_INFO = 6,
    MEMFERRY_LOG_DEBUG = 7
};

/*
 * What the broker offers an instance. Valid from open() until close() returns. Fields are only ever
 * added at the end; `size` says how many there are.
 */
struct memferry_host {
    uint32_t abi;
    uint32_t size;
    const char *backend; /* the name of this backend in the config */
    const char *origin;  /* UUID of this broker's journal, as text */
    uint32_t dims;       /* floats in an embedding, the same for every memory of this broker */

    /* Readable from the moment the call in progress should end; poll it beside your sockets. */
    int wake_fd;
    bool (*cancelled)(const struct memferry_host *);

    /* An option's text as configured, or its default; NULL if it has neither. Borrowed until close.
     */
    const char *(*option)(const struct memferry_host *, const char *name);
    /* An INT, DURATION, SIZE or BOOL option as a number, already checked; 0 if it has no value. */
    int64_t (*option_int)(const struct memferry_host *, const char *name);
    /* A secret's bytes (with a NUL behind them), or NULL with *why filled (why may be NULL): no
     * such variable, file unreadable, file open to others. Files are read again at each open; a
     * final newline is dropped. Borrowed until close. */
    const char *(*secret)(const struct memferry_host *, const char *name, size_t *ret_size,
                          struct memferry_reason *why);

    /* One line to the broker's log, marked with the backend's name. Any thread. */
    void (*log)(const struct memferry_host *, enum memferry_log_level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

    /* A directory (0700) kept for this backend across restarts, for its own files. */
    const char *state_dir;
};

enum memferry_verdict {
    MEMFERRY_DONE = 1, /* the backend confirmed it, or already had this state or a newer one */
    MEMFERRY_RETRY,    /* not now */
    MEMFERRY_REJECT    /* never, as it is: goes to the dead letters */
};

/* What a RETRY or REJECT is about. */
enum memferry_blame {
    MEMFERRY_BLAME_RECORD = 0, /* this one memory */
    /* The backend refused the request as a whole and did not say which memory is to blame. Set it
     * on all that were in the request: the broker sends them again in halves. */
    MEMFERRY_BLAME_BATCH,
    /* The backend itself: unreachable, unauthorised, not set up, rate limited. No memory is blamed;
     * the broker stops sending until probe() succeeds. Only with RETRY. */
    MEMFERRY_BLAME_BACKEND
};

struct memferry_outcome {
    enum memferry_verdict verdict;
    enum memferry_blame blame;
    uint32_t retry_after_ms; /* RETRY: the backend asked for this delay; 0: the broker decides */
    bool superseded;         /* DONE: the backend holds a newer state than the one delivered */
    struct memferry_reason reason; /* RETRY, REJECT */
    uint64_t reserved[4];
};

/* A text to be embedded. */
struct memferry_text {
    struct memferry_string text;
    bool query;     /* a search query rather than a document */
    bool truncated; /* set by the plugin: it had to cut the text */
    uint64_t reserved[4];
};

enum memferry_severity {
    MEMFERRY_SEVERITY_INFO = 1,
    MEMFERRY_SEVERITY_WARNING,
    MEMFERRY_SEVERITY_CRITICAL
};

struct memferry_alert {
    struct memferry_string id;
    struct memferry_string rule; /* such as rapid-delete */
    enum memferry_severity severity;
    int64_t at_ms;
    struct memferry_string session_id;
    int64_t peer_pid; /* 0: unknown */
    struct memferry_string peer_command;
    uint64_t count;
    const struct memferry_string *sample_ids;
    size_t sample_count;
    struct memferry_string statement; /* secrets masked; may be empty */
    struct memferry_string summary;   /* one sentence */
    struct memferry_string undo;      /* the command line that would undo it; may be empty */
    uint64_t reserved[8];
};

/* Takes one fetched memory, borrowed for the call. Non-zero: stop, and return that from fetch. */
typedef int memferry_fetch_fn(void *arg, const struct memferry_memory *);

struct memferry_plugin {
    uint32_t abi;     /* MEMFERRY_PLUGIN_ABI */
    uint32_t size;    /* sizeof(struct memferry_plugin): fields are only ever added at the end */
    const char *name; /* as in `plugin = NAME` */
    const char *version;
    const char *summary;                   /* one line, for people */
    const struct memferry_option *options; /* ends with a NULL name; NULL: no options */

    /*
     * Makes an instance. It reads its options and allocates; it need not reach the backend, which
     * is what probe() is for. Returns 0 and sets *self, or a negative errno after logging the
     * reason.
     */
    int (*open)(const struct memferry_host *host, void **self);

    /* Ends an instance. Never fails, never waits for the network. */
    void (*close)(void *self);

    /*
     * Is the backend reachable, does it let us in, is its schema there (if not: make it)? Called
     * after open, after a failure of the whole backend with back-off, and by request. Returns 0
     * when deliveries may start, a negative errno with *why filled otherwise.
     */
    int (*probe)(void *self, struct memferry_reason *why);

    /*
     * Sink: brings the backend to the state of each of `n` memories (n ≥ 1, ids differ), and fills
     * outcomes[i] for memories[i]; an outcome left alone counts as RETRY. A state that the backend
     * has already, or has newer, is DONE. DONE means confirmed by the backend, never only sent.
     * The same state may be delivered more than once.
     */
    void (*deliver)(void *self, const struct memferry_memory *memories, size_t n,
                    struct memferry_outcome *outcomes);

    /*
     * Embedder: writes host->dims floats for texts[i] at vectors + i * host->dims, and fills
     * outcomes[i].
     */
    void (*embed)(void *self, const struct memferry_text *texts, size_t n, float *vectors,
                  struct memferry_outcome *outcomes);

    /* Alert backend: tells a human. */
    void (*notify)(void *self, const struct memferry_alert *alerts, size_t n,
                   struct memferry_outcome *outcomes);

    /*
     * Source: calls fn for up to `max` memories whose id is greater than after_id (as bytes; "" is
     * the start), in that order, tombstones included. Returns how many it gave (fewer than max: the
     * end), fn's non-zero answer, or a negative errno after logging the reason.
     */
    int (*fetch)(void *self, const char *after_id, size_t max, memferry_fetch_fn *fn, void *arg);
};

#endif
