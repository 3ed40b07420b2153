/*
 * fake_broker.h - a broker that does as it is told, for tests of the client.
 *
 * A thread works through a list of steps on one socket. It never asserts (it is not the test's
 * thread): it writes down what it read, and the test looks at that after fake_broker_stop. A step
 * that waits gives up after FAKE_WAIT_MS, so a client that does the wrong thing fails a test
 * instead of hanging it.
 */
#ifndef MEMFERRY_TESTS_FAKE_BROKER_H
#define MEMFERRY_TESTS_FAKE_BROKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_WAIT_MS      10000
#define FAKE_REQUESTS_MAX 64

enum fake_action {
    FAKE_END = 0,
    FAKE_ACCEPT,
    FAKE_READ,       /* one request, without counting hello */
    FAKE_REPLY,      /* text: the result as JSON; to the oldest request that has no answer */
    FAKE_REPLY_LAST, /* the same, to the newest */
    FAKE_REPLY_DRIP, /* as FAKE_REPLY, byte by byte */
    FAKE_REPLY_TORN, /* half of it */
    FAKE_RECEIPT,    /* to the oldest, with its own id and event_id; text: the seq */
    FAKE_ERROR,      /* text: "CODE MESSAGE", or "CODE MESSAGE|DATA as JSON" */
    FAKE_RAW,        /* size bytes of text, or all of it when size is 0 */
    FAKE_WAIT,       /* until the client closes, or fake_broker_go */
    FAKE_CLOSE,
    FAKE_STOP_LISTENING /* removes the socket */
};

struct fake_step {
    enum fake_action action;
    const char *text;
    size_t size;
};

struct fake_broker {
    char directory[64];
    char socket[96];
    const struct fake_step *steps; /* up to FAKE_END */
    pthread_t thread;
    int listener, fd;
    int go[2]; /* a pipe: fake_broker_go writes, FAKE_WAIT reads */
    uint8_t *in;
    size_t in_size;
    uint32_t msgids[FAKE_REQUESTS_MAX]; /* by request; answered ones are in `answered` */
    bool answered[FAKE_REQUESTS_MAX];
    char *requests[FAKE_REQUESTS_MAX]; /* "method {params as JSON}" */
    size_t request_count;
    bool failed; /* a step could not be done */
};

/* In a fresh directory of mode 0700, where the session file of the process is from then on. Aborts
 * when the machine fails. */
void fake_broker_start(struct fake_broker *broker, const struct fake_step *steps);
/* Lets a FAKE_WAIT go on. */
void fake_broker_go(struct fake_broker *broker);
/* Waits for the steps to end; requests and failed may be read from here on. */
void fake_broker_join(struct fake_broker *broker);
/* Frees everything; join comes first. */
void fake_broker_free(struct fake_broker *broker);

/* The text behind "name":" in a request, up to the next quote, into `value`; "" without. */
void fake_request_field(const char *request, const char *name, char *value, size_t size);

#endif
