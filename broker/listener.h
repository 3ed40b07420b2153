/*
 * listener.h - the socket that clients connect to: bound safely or taken from the service manager.
 *
 * Happy path: listener_open binds PATH 0600 in a 0700 directory, listener_start accepts, checks the
 * uid by SO_PEERCRED, and hands the connection to the peers.
 *
 * Failure modes: a path that is too long, a directory that others may write, another broker that
 * answers there: refused with a text. A dead socket file is replaced. A connection of another user
 * is closed at once and logged once a minute.
 */
#ifndef MEMFERRY_LISTENER_H
#define MEMFERRY_LISTENER_H

#include "broker/peer.h"
#include "broker/util/error.h"

#include <sys/types.h>

struct listener {
    uv_poll_t poll;
    uv_timer_t retry_timer;
    int fd;
    struct peers *peers;
    struct log *log;
    const uid_t *users; /* allowed besides our own; borrowed */
    size_t user_count;
    char *path; /* NULL: not ours to remove */
    uint64_t refused, refused_logged_ms;
    bool open;
};

int listener_open(struct listener *listener, uv_loop_t *loop, const char *path, struct peers *peers,
                  struct log *log, struct error *err);
int listener_start(struct listener *listener, struct error *err);
void listener_allow(struct listener *listener, const uid_t *users, size_t count);
/* Stops accepting and removes the socket file if it is ours. */
void listener_close(struct listener *listener);

#endif
