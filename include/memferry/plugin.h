/*
 * plugin.h - the contract between memferryd and a plugin.
 *
 * A plugin is one shared object that exports one symbol:
 *
 *     const struct memferry_plugin memferry_plugin = {
 *         .abi = MEMFERRY_PLUGIN_ABI, .size = sizeof(struct memferry_plugin), .name = "…", … };
 *
 * Which functions it sets says what it can do: `deliver` makes it a sink, `embed` an embedder,
 * `notify` an alert backend. A backend is one of the three, so a plugin sets one of them; a sink
 * may set `fetch` too, and can then be verified and recovered from. `open`, `close` and `probe`
 * must be there.
 *
 * Threads: each configured backend is an instance (`self`) of its own. All calls with one `self`
 * come from one thread, one at a time. Two instances may run at the same time in two threads, so a
 * plugin keeps no global state. Calls block: take the time it needs, but end soon after
 * host->cancelled() turns true or host->wake_fd becomes readable, answering RETRY for what was not
 * finished.
 *
 * Memory: all that is passed in is borrowed until the call returns. All that a plugin allocates is
 * its own, and is freed in close().
 */
#ifndef MEMFERRY_PLUGIN_H
#define MEMFERRY_PLUGIN_H

#include <memferry/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

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

    /* An option's text as configured, or its default; NULL if it has neither. Of a SECRET, never
     * the secret: "environment" or "file" by where it is to be read, NULL if it is not configured
     * and has no default. Borrowed until close. */
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

    /* From a probe that fails: the backend asked to be left alone for so long (Retry-After). The
     * next probe comes behind it, a day at most; of several calls the longest delay counts. Not in
     * a broker whose `size` ends before it. */
    void (*ask_again_after)(const struct memferry_host *, uint32_t delay_ms);
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
    MEMFERRY_BLAME_BACKEND,
    /* The backend says that it is gone for good and wants to hear no more (HTTP 410). No memory is
     * blamed; the broker pauses the backend, as `memferry backends pause` does, and raises an
     * alert. Only with RETRY. */
    MEMFERRY_BLAME_GONE
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
    struct memferry_string text; /* a memory's content, at most 1 MiB, or a query; may be empty */
    bool query;                  /* a search query rather than a document */
    bool truncated;              /* set by the plugin: it had to cut the text; false before */
    uint64_t reserved[4];
};

enum memferry_severity {
    MEMFERRY_SEVERITY_INFO = 1,
    MEMFERRY_SEVERITY_WARNING,
    MEMFERRY_SEVERITY_CRITICAL
};

/* What somebody should look at, as it stands now. While it goes on it comes again under the same
 * id, with a larger count: an update of the one that is there. Its texts may hold what a caller or
 * a command line has put there, line ends included. */
struct memferry_alert {
    struct memferry_string id;   /* 1 to 256 bytes */
    struct memferry_string rule; /* such as rapid-delete; at most 64 bytes */
    enum memferry_severity severity;
    int64_t at_ms;                            /* of the last thing counted; since the epoch, UTC */
    struct memferry_string session_id;        /* whose doing; absent: of no one session */
    int64_t peer_pid;                         /* 0: unknown */
    struct memferry_string peer_command;      /* its command line, at most 1 KiB; may be absent */
    uint64_t count;                           /* of what it is about, in all so far */
    const struct memferry_string *sample_ids; /* memories, the first ones; at most 20 */
    size_t sample_count;
    struct memferry_string statement; /* secrets masked, at most 4 KiB; may be absent */
    struct memferry_string summary;   /* one sentence, at most 512 bytes */
    struct memferry_string undo;      /* the command line that would undo it; may be absent */
    uint64_t reserved[8];
};

/* Takes one fetched memory, borrowed for the call: its state as deliver was given it, stamp, origin
 * and embedding included (version and embedding_state do not count). Non-zero: stop, and return
 * that from fetch. */
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
     * when deliveries may start; *why may then tell what it found, for `memferry backends probe`.
     * Otherwise a negative errno, with *why filled; -ENOLINK says that it is gone for good, as
     * MEMFERRY_BLAME_GONE does.
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
     * Embedder: writes host->dims floats for texts[i] (n ≥ 1) at vectors + i * host->dims, finite
     * and normalised to length 1, fills outcomes[i], and sets texts[i].truncated if it cut the
     * text; an outcome left alone counts as RETRY. A vector counts only with DONE. A text that is
     * REJECTed is not embedded until its content changes. Queries come one at a time, between the
     * documents; somebody waits for them, for 2 s.
     *
     * An embedder has an option `model`, whose value (or default) names what makes its vectors. The
     * broker keeps it with each vector, and has everything embedded anew when it changes.
     */
    void (*embed)(void *self, struct memferry_text *texts, size_t n, float *vectors,
                  struct memferry_outcome *outcomes);

    /*
     * Alert backend: tells a human of each of `n` alerts (n ≥ 1, ids differ), and fills outcomes[i]
     * for alerts[i], as deliver does: DONE when it was handed on, RETRY, or REJECT. The same state
     * of an alert may come more than once; whoever is told can know it by id and count.
     */
    void (*notify)(void *self, const struct memferry_alert *alerts, size_t n,
                   struct memferry_outcome *outcomes);

    /*
     * Source: calls fn for up to `max` memories (max ≥ 1) whose id is greater than after_id (as
     * bytes; "" is the start), in that order, tombstones included, each once. Returns how many it
     * gave (fewer than max: the end), fn's non-zero answer, or a negative errno after logging the
     * reason. Between two calls others may write there.
     */
    int (*fetch)(void *self, const char *after_id, size_t max, memferry_fetch_fn *fn, void *arg);
};

#ifdef __cplusplus
}
#endif

#endif
