/*
 * session.c - the session in force: from the environment, else from the file.
 *
 * Happy path: the file holds the id of a session that is not idle, and its mtime is moved on, at
 * most once a second; no lock is taken. Within that second a file that was not changed (stat says
 * so) is not read again. Where there is none to use, one is begun under the lock: whoever comes
 * second looks again there, and finds it.
 *
 * Failure modes: MEMFERRY_E_SESSION with a text. A put or delete goes without a session then.
 */
#include "client/connection.h"
#include "client/put.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A file that is so young may change again without a new time: the kernel's clock ticks. */
#define SEEN_TICK_MS 50
/* A file that appears and goes while we begin a session: others are at work, and may have it. */
#define BEGIN_ROUNDS 10

/* ---- from the environment ---- */

/* MEMFERRY_E_NOT_FOUND: it says nothing. */
static int from_environment(struct memferry *m, struct memferry_session *ret)
{
    const char *id = secure_getenv("MEMFERRY_SESSION_ID");

    if (id == NULL || id[0] == '\0') {
        return MEMFERRY_E_NOT_FOUND;
    }
    if (strlen(id) >= sizeof ret->id) {
        return client_error(m, MEMFERRY_E_INVALID, "MEMFERRY_SESSION_ID is over %zu bytes",
                            sizeof ret->id - 1);
    }
    *ret = (struct memferry_session){.from_environment = true};
    strcpy(ret->id, id);
    return MEMFERRY_OK;
}

static int check_file(struct memferry *m)
{
    if (m->session.idle_ms == 0) {
        return client_error(m, MEMFERRY_E_SESSION,
                            "MEMFERRY_SESSION_IDLE is no time such as 90s, 30m or 2h");
    }
    if (m->session.path == NULL) {
        return client_error(m, MEMFERRY_E_SESSION,
                            m->session.unwanted
                                ? "no session file is wanted, and MEMFERRY_SESSION_ID is not set"
                                : "there is no home directory for a session file; set HOME, or "
                                  "MEMFERRY_SESSION_FILE");
    }
    return MEMFERRY_OK;
}

/* ---- from the file ---- */

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* The file is as it was when it was read, and used so lately that no use needs to be noted. */
static bool is_as_seen(const struct memferry *m)
{
    const struct stat *seen = &m->session.seen;
    struct stat now;

    if (seen->st_ino == 0 || lstat(m->session.path, &now) < 0) {
        return false;
    }
    int64_t age_ms = session_age_ms(&now);
    return now.st_ino == seen->st_ino && now.st_dev == seen->st_dev &&
           now.st_size == seen->st_size && same_time(now.st_mtim, seen->st_mtim) &&
           same_time(now.st_ctim, seen->st_ctim) && age_ms >= 0 && age_ms < SESSION_TOUCH_MS &&
           age_ms < m->session.idle_ms;
}

/* A use of the session that the file names. */
static void use(struct memferry *m, const struct session_look *look, struct memferry_session *ret)
{
    int64_t age_ms = session_age_ms(&look->status);

    strcpy(ret->id, look->id);
    strcpy(m->session.seen_id, look->id);
    m->session.seen = (struct stat){0};
    if (age_ms > SEEN_TICK_MS && age_ms < SESSION_TOUCH_MS) {
        m->session.seen = look->status;
    } else if (age_ms < 0 || age_ms >= SESSION_TOUCH_MS) {
        session_touch(m);
    }
}

/* Under the lock. With `anew` whatever is there is replaced. */
static int begin_round(struct memferry *m, bool anew, struct memferry_session *ret, bool *ret_done)
{
    struct session_look look;
    int rc = session_look_settled(m, &look);

    if (rc != MEMFERRY_OK) {
        return rc;
    }
    if (look.found == SESSION_LIVE && !anew) {
        ret->begun = false;
        use(m, &look, ret);
        *ret_done = true;
        return MEMFERRY_OK;
    }
    ret->begun = true;
    uuid_text(ret->id);
    return session_write(m, ret->id, look.found != SESSION_NONE, ret_done);
}

static int begin(struct memferry *m, bool anew, struct memferry_session *ret)
{
    bool done = false;
    int lock = session_lock(m), rc = lock;

    for (unsigned i = 0; rc >= 0 && !done && i < BEGIN_ROUNDS; i++) {
        rc = begin_round(m, anew, ret, &done);
    }
    if (lock >= 0) {
        session_unlock(lock);
    }
    if (rc < 0) {
        return rc;
    }
    return done
               ? MEMFERRY_OK
               : client_error(m, MEMFERRY_E_SESSION,
                              "another program makes and removes %s all the time", m->session.path);
}

static int from_file(struct memferry *m, struct memferry_session *ret)
{
    struct session_look look;

    if (is_as_seen(m)) {
        strcpy(ret->id, m->session.seen_id);
        return MEMFERRY_OK;
    }
    int rc = session_look(m, &look);
    if (rc != MEMFERRY_OK) {
        return rc;
    }
    if (look.found != SESSION_LIVE) {
        return begin(m, false, ret);
    }
    use(m, &look, ret);
    return MEMFERRY_OK;
}

/* ---- the verbs ---- */

int memferry_session_current(struct memferry *m, struct memferry_session *ret)
{
    *ret = (struct memferry_session){0};
    client_error_clear(m);
    int rc = from_environment(m, ret);
    if (rc != MEMFERRY_E_NOT_FOUND) {
        return rc;
    }
    rc = check_file(m);
    return rc == MEMFERRY_OK ? from_file(m, ret) : rc;
}

int memferry_session_peek(struct memferry *m, struct memferry_session *ret)
{
    struct session_look look;

    *ret = (struct memferry_session){0};
    client_error_clear(m);
    int rc = from_environment(m, ret);
    if (rc != MEMFERRY_E_NOT_FOUND) {
        return rc;
    }
    rc = check_file(m);
    if (rc == MEMFERRY_OK) {
        rc = session_look(m, &look);
    }
    if (rc != MEMFERRY_OK) {
        return rc;
    }
    if (look.found != SESSION_LIVE) {
        return client_error(m, MEMFERRY_E_NOT_FOUND, "no session is in force in %s",
                            m->session.path);
    }
    strcpy(ret->id, look.id);
    return MEMFERRY_OK;
}

int memferry_session_begin(struct memferry *m, struct memferry_session *ret)
{
    *ret = (struct memferry_session){0};
    client_error_clear(m);
    int rc = from_environment(m, ret);
    if (rc != MEMFERRY_E_NOT_FOUND) {
        return rc;
    }
    rc = check_file(m);
    return rc == MEMFERRY_OK ? begin(m, true, ret) : rc;
}

static int adopt_locked(struct memferry *m, const char *id)
{
    struct session_look look;
    int rc = session_look_settled(m, &look);

    if (rc != MEMFERRY_OK) {
        return rc;
    }
    m->session.seen = (struct stat){0};
    if (look.found == SESSION_LIVE && strcmp(look.id, id) == 0) {
        session_touch(m);
        return MEMFERRY_OK;
    }
    return session_replace(m, id);
}

int memferry_session_adopt(struct memferry *m, const char *id)
{
    struct memferry_session given;

    client_error_clear(m);
    if (id == NULL || !session_is_uuid(id)) {
        return client_error(m, MEMFERRY_E_INVALID,
                            "%.64s is no UUID: the session file cannot "
                            "hold it",
                            id != NULL ? id : "NULL");
    }
    int rc = from_environment(m, &given);
    if (rc != MEMFERRY_E_NOT_FOUND) {
        return rc;
    }
    rc = check_file(m);
    int lock = rc == MEMFERRY_OK ? session_lock(m) : rc;
    if (lock < 0) {
        return lock;
    }
    rc = adopt_locked(m, id);
    session_unlock(lock);
    return rc;
}

static int end_locked(struct memferry *m, const char *id)
{
    struct session_look look;
    int rc = session_look(m, &look);

    if (rc != MEMFERRY_OK) {
        return rc;
    }
    /* Others may write a UUID in capitals. */
    if (strcasecmp(look.id, id) != 0) {
        return client_error(m, MEMFERRY_E_NOT_FOUND, "%s does not name the session %.64s",
                            m->session.path, id);
    }
    return session_remove(m);
}

int memferry_session_end(struct memferry *m, const char *id)
{
    client_error_clear(m);
    if (id == NULL || id[0] == '\0') {
        return client_error(m, MEMFERRY_E_INVALID, "no session is named");
    }
    int rc = check_file(m);
    int lock = rc == MEMFERRY_OK ? session_lock(m) : rc;
    if (lock < 0) {
        return lock;
    }
    rc = end_locked(m, id);
    session_unlock(lock);
    return rc;
}

const char *session_of_request(struct memferry *m)
{
    struct memferry_session session;
    int rc = memferry_session_current(m, &session);

    client_error_clear(m);
    if (rc == MEMFERRY_E_INVALID) { /* the caller's own: for the broker to refuse */
        return secure_getenv("MEMFERRY_SESSION_ID");
    }
    if (rc != MEMFERRY_OK) {
        return NULL;
    }
    strcpy(m->session.request_id, session.id);
    return m->session.request_id;
}
