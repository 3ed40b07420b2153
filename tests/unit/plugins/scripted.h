/*
 * scripted.h - a backend that lives in the test: what it answers is decided by the first letter of
 * a memory's id and by switches that the test turns, and what it was given lies on a tape.
 *
 * The plugin is loaded into the test's own process, so its `control` option is the address of this
 * struct, as text.
 */
#ifndef TEST_SCRIPTED_H
#define TEST_SCRIPTED_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRIPTED_TAPE_MAX 4096

struct scripted_entry {
    char id[32], content[32];
    uint64_t version;
    bool deleted, has_vector;
    size_t of; /* memories in the same call */
};

struct scripted {
    pthread_mutex_t mutex;
    /* Switches. */
    bool healed; /* ids mean nothing: all is DONE */
    bool down;   /* deliver blames the backend; probe is not asked */
    bool probe_fails;
    bool probe_gone;        /* with probe_fails: it is gone for good */
    uint32_t probe_asks_ms; /* likewise: the delay it asks for; 0: none */
    bool open_fails;
    bool hold_probe;      /* probe waits until it is cancelled */
    bool hold;            /* a call waits until go_fd is readable, or it is cancelled … */
    bool deaf;            /* … or not even then */
    const char *password; /* that probe wants; NULL: any */
    const char *probe_reason;
    uint32_t retry_after_ms; /* of RETRY by a record */
    uint32_t asked_ms;       /* with `down` */
    int go_fd;               /* eventfd */
    /* What happened. */
    unsigned opens, closes, probes, calls;
    struct scripted_entry tape[SCRIPTED_TAPE_MAX];
    size_t taped;
    int called_fd; /* eventfd: counts calls of deliver, and held ones of probe, as they begin */
};

/* The first letter of an id. Anything else is DONE. */
enum {
    SCRIPTED_RETRY = 'r',
    SCRIPTED_REJECT = 'x',
    SCRIPTED_POISON = 'p', /* its whole request is refused */
    SCRIPTED_DOWN = 'd',   /* blames the backend */
    SCRIPTED_GONE = 'e',   /* says that the backend is gone for good */
    SCRIPTED_SUPERSEDED = 'o',
    SCRIPTED_NO_NUMBER = 'n', /* an embedder's vector holds none */
    SCRIPTED_CUT = 'c'        /* an embedder cut the text */
};

#endif
