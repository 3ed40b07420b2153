/* sessions.c - watches owners and idleness; see sessions.h. */
#include "broker/sessions.h"

#include "broker/util/clock.h"
#include "broker/util/container.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct session_watch {
    struct session_watch *next;
    struct sessions *sessions;
    char id[SESSION_ID_MAX + 1];
    struct owner owner;
    int fd; /* -1: looked at with every tick */
    uv_poll_t poll;
};

/* One question to the store, page by page. */
struct session_look {
    struct query query;
    struct sessions *sessions;
    bool owned; /* those with an owner; else those that are idle */
    uint64_t before;
    int64_t from_ms, until_ms;
    struct reader_open_session page[SESSIONS_PAGE];
    size_t count;
};

/* ---- ends ---- */

static void emission_done(struct emission *emission)
{
    emission_free(emission); /* what failed is found again with a tick */
}

/* Room for so many ends. NULL: no memory, and they are found again, too. */
static struct emission *ends_new(size_t max)
{
    struct emission *emission = emission_new(max);

    if (emission != NULL) {
        emission->count = 0;
    }
    return emission;
}

static void add_end(struct emission *emission, const char *session_id,
                    const struct session_end *end)
{
    struct event_text id = {.data = session_id, .size = strlen(session_id)};
    msgpack_sbuffer fields;
    struct event event;

    if (emission == NULL) {
        return;
    }
    msgpack_sbuffer_init(&fields);
    emission->count++;
    if (session_end_event(end, id, &fields, &event) < 0 ||
        emission_set(emission, emission->count - 1, &event) < 0) {
        emission->count--;
    }
    msgpack_sbuffer_destroy(&fields);
}

static void emit_ends(struct sessions *sessions, struct emission *emission)
{
    if (emission == NULL || emission->count == 0) {
        emission_free(emission);
        return;
    }
    emission->done = emission_done;
    sessions->emitter->submit(sessions->emitter, emission);
}

static void end_ownerless(struct sessions *sessions, const char *session_id,
                          const struct owner *owner)
{
    const struct session_end end = {
        .reason = SESSION_ENDED_OWNER_EXIT,
        .owner = {.pid = owner->pid,
                  .start = owner->start,
                  .boot_id = {.data = owner->boot_id, .size = strlen(owner->boot_id)}}};

    struct emission *emission = ends_new(1);

    sessions->look_owned = true; /* finds it once more if this end could not be written */
    add_end(emission, session_id, &end);
    emit_ends(sessions, emission);
}

/* ---- watches ---- */

static struct session_watch **find_watch(const struct sessions *sessions, const char *session_id)
{
    struct session_watch **place = (struct session_watch **)(uintptr_t)&sessions->head;

    while (*place != NULL && strcmp((*place)->id, session_id) != 0) {
        place = &(*place)->next;
    }
    return place;
}

static void watch_closed(uv_handle_t *handle)
{
    struct session_watch *watch = container_of((uv_poll_t *)handle, struct session_watch, poll);

    close(watch->fd);
    free(watch);
}

static void watch_remove(struct session_watch **place)
{
    struct session_watch *watch = *place;

    *place = watch->next;
    watch->sessions->count--;
    if (watch->fd < 0) {
        free(watch);
    } else {
        uv_close((uv_handle_t *)&watch->poll, watch_closed);
    }
}

static void owner_gone(struct session_watch *watch)
{
    struct sessions *sessions = watch->sessions;

    log_write(sessions->log, LOG_LEVEL_DEBUG, "session-owner-exit",
              "process %lld, the owner of session %s, has ended", (long long)watch->owner.pid,
              watch->id);
    end_ownerless(sessions, watch->id, &watch->owner);
    watch_remove(find_watch(sessions, watch->id));
}

static void poll_cb(uv_poll_t *poll, int status, int events)
{
    struct session_watch *watch = container_of(poll, struct session_watch, poll);

    if (status < 0 || (events & UV_READABLE) != 0) {
        owner_gone(watch);
    }
}

/* Consumes the descriptor. */
static void watch_add(struct sessions *sessions, const char *session_id, const struct owner *owner,
                      int fd)
{
    struct session_watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    strncpy(watch->id, session_id, SESSION_ID_MAX);
    watch->sessions = sessions;
    watch->owner = *owner;
    watch->fd = fd;
    if (fd >= 0 && uv_poll_init(sessions->loop, &watch->poll, fd) < 0) {
        close(fd);
        watch->fd = -1;
    }
    watch->next = sessions->head;
    sessions->head = watch;
    sessions->count++;
    if (watch->fd >= 0) {
        uv_poll_start(&watch->poll, UV_READABLE, poll_cb);
    }
}

static void tell_full(struct sessions *sessions)
{
    if (!sessions->told_full) {
        sessions->told_full = true;
        log_write(sessions->log, LOG_LEVEL_WARNING, "sessions-full",
                  "%u owners of sessions are watched, which is the most: that others exit is found "
                  "when their sessions are idle",
                  sessions->max);
    }
}

void sessions_watch(struct sessions *sessions, const char *session_id, const struct owner *owner)
{
    int fd = -1, r = 0;

    sessions_unwatch(sessions, session_id);
    if (sessions->stopped) {
        return;
    }
    if (sessions->count < sessions->max) {
        r = owner_watch(owner, &fd);
    } else {
        tell_full(sessions);
        r = owner_is_alive(owner) ? 0 : OWNER_E_GONE;
    }
    if (r == OWNER_E_GONE) {
        end_ownerless(sessions, session_id, owner);
    } else if (sessions->count < sessions->max) {
        watch_add(sessions, session_id, owner, fd);
    }
}

void sessions_unwatch(struct sessions *sessions, const char *session_id)
{
    struct session_watch **place = find_watch(sessions, session_id);

    if (*place != NULL) {
        watch_remove(place);
    }
}

const struct owner *sessions_owner(const struct sessions *sessions, const char *session_id)
{
    const struct session_watch *watch = *find_watch(sessions, session_id);

    return watch == NULL ? NULL : &watch->owner;
}

/* ---- what the store says ---- */

/* One that is idle goes into `idle`. */
static void consider(struct session_look *look, const struct reader_open_session *session,
                     struct emission *idle)
{
    struct sessions *sessions = look->sessions;
    struct owner owner = {.pid = session->pid, .start = session->pid_start};

    if (sessions_owner(sessions, session->id) != NULL) {
        return;
    }
    if (session->pid == 0) {
        const struct session_end end = {.reason = SESSION_ENDED_IDLE, .seen_ms = session->seen_ms};
        add_end(idle, session->id, &end);
        return;
    }
    memcpy(owner.boot_id, session->boot_id, sizeof owner.boot_id);
    sessions_watch(sessions, session->id, &owner);
}

static int run_look(struct query *query, struct reader *reader, struct error *err)
{
    struct session_look *look = container_of(query, struct session_look, query);

    return look->owned ? reader_sessions_owned(reader, look->before, SESSIONS_PAGE, look->page,
                                               &look->count, err)
                       : reader_sessions_idle(reader, look->before, look->from_ms, look->until_ms,
                                              SESSIONS_PAGE, look->page, &look->count, err);
}

static void look_done(struct query *query);

static void look_submit(struct session_look *look)
{
    look->query = (struct query){.run = run_look, .done = look_done};
    look->count = 0;
    queries_submit(look->sessions->queries, &look->query, 0);
}

static void look_begin(struct session_look *look, bool owned)
{
    int64_t now_ms = clock_wall_ms();

    look->owned = owned;
    look->before = INT64_MAX;
    look->from_ms = now_ms - look->sessions->idle_ms;
    look->until_ms = now_ms + look->sessions->idle_ms; /* a time beyond that: the clock was wrong */
    look_submit(look);
}

static void look_end(struct session_look *look)
{
    look->sessions->looking = false;
    free(look);
}

static void look_done(struct query *query)
{
    struct session_look *look = container_of(query, struct session_look, query);
    bool ok = query->status == 0 && !query->timed_out && !query->abandoned;

    query_deinit(query);
    if (!ok || look->sessions->stopped) {
        look_end(look);
        return;
    }
    struct emission *idle = look->count > 0 ? ends_new(look->count) : NULL;
    for (size_t i = 0; i < look->count; i++) {
        consider(look, &look->page[i], idle);
    }
    emit_ends(look->sessions, idle);
    if (look->count == SESSIONS_PAGE) {
        look->before = look->page[look->count - 1].seq;
        look_submit(look);
    } else if (look->owned) {
        look_begin(look, false);
    } else {
        look_end(look);
    }
}

static void look(struct sessions *sessions)
{
    struct session_look *look = sessions->looking ? NULL : calloc(1, sizeof *look);
    bool owned = sessions->look_owned;

    if (look == NULL) {
        return;
    }
    sessions->looking = true;
    sessions->look_owned = false;
    look->sessions = sessions;
    look_begin(look, owned);
}

/* ---- the timer ---- */

/* Those without a descriptor. */
static void look_at_owners(struct sessions *sessions)
{
    struct session_watch *next;

    for (struct session_watch *watch = sessions->head; watch != NULL; watch = next) {
        next = watch->next;
        if (watch->fd < 0 && !owner_is_alive(&watch->owner)) {
            owner_gone(watch);
        }
    }
}

static void timer_cb(uv_timer_t *timer)
{
    struct sessions *sessions = container_of(timer, struct sessions, timer);

    look_at_owners(sessions);
    look(sessions);
}

static void set_timer(struct sessions *sessions)
{
    int64_t tick_ms = sessions->idle_ms / 4;

    tick_ms = tick_ms < SESSIONS_TICK_MIN_MS ? SESSIONS_TICK_MIN_MS
              : tick_ms > SESSIONS_TICK_MS   ? SESSIONS_TICK_MS
                                             : tick_ms;
    uv_timer_start(&sessions->timer, timer_cb, (uint64_t)tick_ms, (uint64_t)tick_ms);
}

void sessions_init(struct sessions *sessions, uv_loop_t *loop, struct queries *queries,
                   struct emitter *emitter, int64_t idle_ms, unsigned max, struct log *log)
{
    assert(max <= SESSIONS_WATCHED_MAX);
    *sessions = (struct sessions){.loop = loop,
                                  .queries = queries,
                                  .emitter = emitter,
                                  .idle_ms = idle_ms,
                                  .max = max,
                                  .log = log};
    uv_timer_init(loop, &sessions->timer);
}

void sessions_start(struct sessions *sessions)
{
    sessions->look_owned = true;
    set_timer(sessions);
    look(sessions);
}

void sessions_set_idle(struct sessions *sessions, int64_t idle_ms)
{
    if (idle_ms != sessions->idle_ms && !sessions->stopped) {
        sessions->idle_ms = idle_ms;
        set_timer(sessions);
    }
}

void sessions_stop(struct sessions *sessions)
{
    if (sessions->loop == NULL || sessions->stopped) {
        return;
    }
    sessions->stopped = true;
    uv_timer_stop(&sessions->timer);
    while (sessions->head != NULL) {
        watch_remove(&sessions->head);
    }
}
