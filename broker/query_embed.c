/* query_embed.c - see query_embed.h. */
#include "broker/query_embed.h"

#include "broker/lane_query.h"
#include "broker/util/container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A text with the lane. It outlives an ask that has given up. */
struct embed_work {
    struct lane_query query;
    struct note note;
    struct query_embeds *embeds;
    struct embed_ask *ask;   /* NULL: it has */
    const struct lane *lane; /* that has it: to be compared only */
    uint64_t began_ms;
    float *vector;
    int status;
    struct error err;
    char text[];
};

static void start_next(struct query_embeds *embeds);

static struct embed_work *work_free(struct embed_work *work)
{
    if (work != NULL) {
        free(work->vector);
        free(work);
    }
    return NULL;
}

/* ---- the asks that wait ---- */

static void arm(struct query_embeds *embeds);

static void unlink_ask(struct query_embeds *embeds, struct embed_ask *ask)
{
    struct embed_ask **at = &embeds->head, *before = NULL;

    while (*at != ask) {
        before = *at;
        at = &(*at)->next;
    }
    *at = ask->next;
    if (embeds->tail == ask) {
        embeds->tail = before;
    }
}

/* The asker may free the ask, or ask again. */
static void finish(struct query_embeds *embeds, struct embed_ask *ask, const char *why)
{
    if (embeds->work != NULL && embeds->work->ask == ask) {
        embeds->work->ask = NULL;
    }
    unlink_ask(embeds, ask);
    snprintf(ask->why, sizeof ask->why, "%s", why);
    ask->done(ask);
}

static void timer_cb(uv_timer_t *timer)
{
    struct query_embeds *embeds = container_of(timer, struct query_embeds, timer);
    uint64_t now_ms = uv_now(embeds->loop);

    while (embeds->head != NULL && embeds->head->deadline_ms <= now_ms) {
        finish(embeds, embeds->head, "the embedder did not answer in time");
    }
    arm(embeds);
}

static void arm(struct query_embeds *embeds)
{
    uint64_t now_ms = uv_now(embeds->loop);

    if (embeds->head == NULL) {
        uv_timer_stop(&embeds->timer);
        return;
    }
    uint64_t due_ms = embeds->head->deadline_ms;
    uv_timer_start(&embeds->timer, timer_cb, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

/* ---- with the lane ---- */

static void work_ended(struct note *note)
{
    struct embed_work *work = container_of(note, struct embed_work, note);
    struct query_embeds *embeds = work->embeds;
    struct embed_ask *ask = work->ask;

    if (embeds->work == work) {
        embeds->work = NULL;
    }
    if (ask != NULL && work->status == 0) {
        ask->vector = work->vector;
        work->vector = NULL;
        memcpy(ask->model, work->query.model, sizeof ask->model);
    }
    if (ask != NULL) {
        finish(embeds, ask, work->status == 0 ? "" : work->err.text);
    }
    work_free(work);
    start_next(embeds);
    if (!embeds->stopping) {
        arm(embeds);
    }
}

/* In the lane's thread. */
static void work_done(struct lane_job *job, int status, const struct error *err)
{
    struct embed_work *work =
        container_of(container_of(job, struct lane_query, job), struct embed_work, query);

    work->status = status;
    if (status != 0) {
        work->err = *err;
    }
    mailbox_post(work->embeds->mailbox, &work->note);
}

static struct embed_work *work_new(struct query_embeds *embeds, struct embed_ask *ask)
{
    struct embed_work *work = calloc(1, sizeof *work + ask->size + 1);

    if (work == NULL) {
        return NULL;
    }
    work->embeds = embeds;
    work->ask = ask;
    work->note.read = work_ended;
    memcpy(work->text, ask->text, ask->size);
    work->vector = calloc(embeds->backends->options.dims, sizeof *work->vector);
    if (work->vector == NULL) {
        return work_free(work);
    }
    lane_query_init(&work->query, work->text, ask->size, work->vector, work_done);
    return work;
}

/* The embedder's lane, if it may be asked; else why says what is wrong. */
static struct lane *find_embedder(struct query_embeds *embeds, char why[512])
{
    struct backends *backends = embeds->backends;

    for (size_t i = 0; i < backends->count; i++) {
        struct lane_status status;
        lane_status(backends->items[i].lane, &status);
        if (status.kind != LANE_EMBEDDER) {
            continue;
        }
        if (status.circuit == CIRCUIT_CLOSED) {
            return backends->items[i].lane;
        }
        snprintf(why, 512, "the embedder %s is away: %.380s", status.name,
                 status.last_error[0] != '\0' ? status.last_error : "it was not reached yet");
        return NULL;
    }
    snprintf(why, 512, "no embedder is configured");
    return NULL;
}

/* A lane that was replaced while its plugin does not end its call is left behind, and with it what
 * it had: another lane is there to be asked. Should the call end after all, work_ended frees it. */
static void leave_behind(struct query_embeds *embeds)
{
    char why[512];
    const struct lane *lane = embeds->work != NULL ? find_embedder(embeds, why) : NULL;

    if (lane != NULL && lane != embeds->work->lane) {
        embeds->work->ask = NULL;
        embeds->work = NULL;
    }
}

/* Whether the lane is in the same call for so long that nobody should wait for it. */
static bool is_stuck(const struct query_embeds *embeds)
{
    return embeds->work != NULL &&
           uv_now(embeds->loop) - embeds->work->began_ms > QUERY_EMBED_STUCK_MS;
}

static void start_next(struct query_embeds *embeds)
{
    char why[512];

    leave_behind(embeds);
    while (embeds->work == NULL && embeds->head != NULL) {
        struct embed_ask *ask = embeds->head;
        struct lane *lane = find_embedder(embeds, why);
        if (lane == NULL) {
            finish(embeds, ask, why);
            continue;
        }
        embeds->work = work_new(embeds, ask);
        if (embeds->work == NULL) {
            finish(embeds, ask, "out of memory");
            continue;
        }
        embeds->work->lane = lane;
        embeds->work->began_ms = uv_now(embeds->loop);
        lane_run(lane, &embeds->work->query.job);
    }
}

/* ---- from outside ---- */

void query_embeds_init(struct query_embeds *embeds, uv_loop_t *loop, struct mailbox *mailbox,
                       struct backends *backends)
{
    *embeds = (struct query_embeds){.loop = loop, .mailbox = mailbox, .backends = backends};
    uv_timer_init(loop, &embeds->timer);
}

void query_embeds_ask(struct query_embeds *embeds, struct embed_ask *ask)
{
    ask->vector = NULL;
    ask->next = NULL;
    ask->deadline_ms = uv_now(embeds->loop) + QUERY_EMBED_WAIT_MS;
    if (embeds->tail != NULL) {
        embeds->tail->next = ask;
    } else {
        embeds->head = ask;
    }
    embeds->tail = ask;
    if (embeds->stopping) {
        finish(embeds, ask, "memferryd is stopping");
        return;
    }
    start_next(embeds);
    if (is_stuck(embeds)) {
        finish(embeds, ask, "the embedder is stuck in a call; reload its section, or restart");
    }
    arm(embeds);
}

void query_embeds_stop(struct query_embeds *embeds)
{
    embeds->stopping = true;
    while (embeds->head != NULL) {
        finish(embeds, embeds->head, "memferryd is stopping");
    }
    uv_timer_stop(&embeds->timer);
}
