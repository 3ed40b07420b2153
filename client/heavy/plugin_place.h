/*
 * plugin_place.h - a server that stands before the backend's, and fails when it is asked to.
 *
 * Happy path: place_start takes the option's value, http://HOST:PORT/…, and gives one that leads to
 * 127.0.0.1, from where bytes go on to HOST:PORT and back, in a thread of its own.
 *
 * Failure modes: no such server is reached (connections are closed at once). At most PLACE_PAIRS
 * connections; further ones are closed.
 */
#ifndef MEMFERRY_HEAVY_PLUGIN_PLACE_H
#define MEMFERRY_HEAVY_PLUGIN_PLACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define PLACE_PAIRS      64
#define PLACE_VALUE_SIZE 2048

enum place_mode {
    PLACE_PASSES = 0,
    PLACE_REFUSES, /* closes what there is and what comes */
    PLACE_SILENT   /* takes everything, and answers nothing */
};

struct place {
    char host[256], port[8];
    char value[PLACE_VALUE_SIZE]; /* for the option */
    int listener, wake_fd;
    pthread_t thread;
    _Atomic int mode;
    _Atomic unsigned requests; /* pieces that came from the plugin */
    _Atomic bool stop;
    int pairs[PLACE_PAIRS][2]; /* the plugin's side, the server's; -1: none */
};

/* Whether place_start can do with it. */
bool place_is_address(const char *value);
/* False: it cannot be made. */
bool place_start(struct place *place, const char *value);
void place_set(struct place *place, enum place_mode mode);
/* Waits until something has come since `before`; false after 10 s. */
bool place_wait_request(struct place *place, unsigned before);
void place_stop(struct place *place);

#endif
