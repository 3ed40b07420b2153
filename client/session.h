/*
 * session.h - what a connection knows of the session file. Internal.
 *
 *   session.c           the verbs of client.h
 *   session_settings.c  where the file is, and how long a session may be idle
 *   session_file.c      looks at the file and says what it is
 *   session_write.c     the lock; replaces and removes the file
 */
#ifndef MEMFERRY_CLIENT_SESSION_H
#define MEMFERRY_CLIENT_SESSION_H

#include "memferry/client.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define SESSION_UUID_SIZE       37
#define SESSION_IDLE_MS         (INT64_C(30) * 60 * 1000)
#define SESSION_TOUCH_MS        1000 /* a use is noted at most so often */
#define SESSION_LOCK_WAIT_MS    2000 /* for another process that writes the file */
#define SESSION_PARTIAL_WAIT_MS 200  /* for a writer without a lock to end */
#define SESSION_PARTIAL_OLD_MS  2000 /* one that began longer ago is not coming back */

struct session_settings {
    char *path;       /* NULL: none */
    bool unwanted;    /* the caller said so, and it is no trouble */
    int64_t idle_ms;  /* 0: $MEMFERRY_SESSION_IDLE is no time */
    struct stat seen; /* the file as it was last read; st_ino 0: look again */
    char seen_id[SESSION_UUID_SIZE];
    char request_id[MEMFERRY_SESSION_SIZE];
};

enum session_found {
    SESSION_NONE = 0, /* no file */
    SESSION_LIVE,
    SESSION_IDLE,
    SESSION_PARTIAL /* empty, or the beginning of an id */
};

struct session_look {
    enum session_found found;
    char id[SESSION_UUID_SIZE]; /* LIVE and IDLE: as the file writes it */
    struct stat status;
};

/* Out of memory: false. */
bool session_settings_read(struct session_settings *session,
                           const struct memferry_settings *settings);

/* Of a put or delete that was given none: NULL without, whatever the reason. Valid until the next
 * use of m. */
const char *session_of_request(struct memferry *m);

/* ---- session_file.c ---- */

/* MEMFERRY_E_SESSION: it is none of ours, or cannot be read; m has the text. */
int session_look(struct memferry *m, struct session_look *ret);
/* The same; a file that is being written is waited for. */
int session_look_settled(struct memferry *m, struct session_look *ret);
bool session_is_uuid(const char *text);
/* Notes a use. What cannot be noted is not: the session ends the sooner. */
void session_touch(const struct memferry *m);
/* How long ago the file was used, by the wall clock; below 0 when that was set back. */
int64_t session_age_ms(const struct stat *status);

/* ---- session_write.c ---- */

/* The descriptor of the lock; or MEMFERRY_E_SESSION (below 0). */
int session_lock(struct memferry *m);
void session_unlock(int lock);
/* Under the lock: a new id into the file. With `over` it replaces the file, otherwise *ret_made is
 * false when somebody else has made one. */
int session_write(struct memferry *m, const char *id, bool over, bool *ret_made);
/* Under the lock: an id that exists elsewhere, over whatever is there. It is not synced: when the
 * machine crashes that session is over too, and zeros in the file are no id. */
int session_replace(struct memferry *m, const char *id);
/* Under the lock. */
int session_remove(struct memferry *m);

#endif
