/* query.c - holds reads until they may see what they must, and runs them in the reader thread. */
#include "broker/query.h"

#include "broker/util/container.h"

#include <errno.h>

/* ---- in the reader thread ---- */

static struct query *next_query(struct queries *queries)
{
    pthread_mutex_lock(&queries->lock);
    while (queries->head == NULL && !queries->stop) {
        pthread_cond_wait(&queries->wake, &queries->lock);
    }
    struct query *query = queries->head;
    if (query != NULL) {
        queries->head = query->next;
        if (queries->head == NULL) {
            queries->tail = NULL;
        }
    }
    pthread_mutex_unlock(&queries->lock);
    return query;
}

static void *reader_main(void *arg)
{
    struct queries *queries = arg;
    struct query *query;

    pthread_setname_np(pthread_self(), queries->kind == QUERIES_READ ? "reader" : "search");
    while ((query = next_query(queries)) != NULL) {
        query->status = query->run(query, queries->reader, &query->err);
        mailbox_post(queries->mailbox, &query->note);
    }
    return NULL;
}

/* ---- in the loop ---- */

static void end_query(struct query *query)
{
    query->queries->in_flight--;
    query->done(query);
}

static void hand_over(struct queries *queries, struct query *query)
{
    query->next = NULL;
    pthread_mutex_lock(&queries->lock);
    if (queries->tail != NULL) {
        queries->tail->next = query;
    } else {
        queries->head = query;
    }
    queries->tail = query;
    pthread_cond_signal(&queries->wake);
    pthread_mutex_unlock(&queries->lock);
}

/* ---- turns ---- */

static struct read_round *round_of(struct queries *queries, const struct query *query)
{
    if (query->call == NULL) {
        return &queries->own;
    }
    return queries->kind == QUERIES_READ ? &query->call->peer->reads : &query->call->peer->searches;
}

static void join_round(struct queries *queries, struct read_round *round)
{
    round->next = NULL;
    if (queries->round_tail != NULL) {
        queries->round_tail->next = round;
    } else {
        queries->round_head = round;
    }
    queries->round_tail = round;
}

static void wait_turn(struct queries *queries, struct query *query)
{
    struct read_round *round = round_of(queries, query);

    query->next = NULL;
    if (round->tail != NULL) {
        round->tail->next = query;
    } else {
        round->head = query;
        join_round(queries, round);
    }
    round->tail = query;
}

/* The first round of a peer that takes its replies; the others are put aside on the way. */
static struct read_round *next_round(struct queries *queries)
{
    struct read_round *round;

    while ((round = queries->round_head) != NULL) {
        queries->round_head = round->next;
        if (queries->round_head == NULL) {
            queries->round_tail = NULL;
        }
        if (round->peer == NULL || peer_takes_replies(round->peer)) {
            return round;
        }
        round->next = queries->deaf;
        queries->deaf = round;
    }
    return NULL;
}

/* The query whose turn it is; its peer goes to the end of the round if it has more. */
static struct query *next_turn(struct queries *queries)
{
    struct read_round *round = next_round(queries);

    if (round == NULL) {
        return NULL;
    }
    struct query *query = round->head;
    round->head = query->next;
    if (round->head == NULL) {
        round->tail = NULL;
    } else {
        join_round(queries, round);
    }
    return query;
}

static void fill_reader(struct queries *queries)
{
    struct query *query;

    while (queries->running < QUERY_AHEAD && (query = next_turn(queries)) != NULL) {
        query->abandoned = query->call != NULL && !query->call->peer->connected;
        if (query->abandoned) {
            end_query(query);
        } else {
            queries->running++;
            hand_over(queries, query);
        }
    }
}

static void finished(struct note *note)
{
    struct query *query = container_of(note, struct query, note);
    struct queries *queries = query->queries;

    queries->running--;
    end_query(query);
    fill_reader(queries);
}

/* ---- holding ---- */

static struct query *pop_held(struct queries *queries)
{
    struct query *query = queries->held_head;

    queries->held_head = query->next;
    if (queries->held_head == NULL) {
        queries->held_tail = NULL;
        uv_timer_stop(&queries->timer);
    }
    return query;
}

static void hold_cb(uv_timer_t *timer);

/* Held queries are in the order they came, so the first is the first to be late. */
static void arm_timer(struct queries *queries)
{
    if (queries->held_head != NULL) {
        uint64_t now_ms = uv_now(queries->loop);
        uint64_t due_ms = queries->held_head->deadline_ms;
        uv_timer_start(&queries->timer, hold_cb, due_ms > now_ms ? due_ms - now_ms : 0, 0);
    }
}

static void hold_cb(uv_timer_t *timer)
{
    struct queries *queries = container_of(timer, struct queries, timer);
    uint64_t now_ms = uv_now(queries->loop);

    while (queries->held_head != NULL && queries->held_head->deadline_ms <= now_ms) {
        struct query *query = pop_held(queries);
        query->timed_out = true;
        end_query(query);
    }
    arm_timer(queries);
}

void queries_applied(struct queries *queries, uint64_t applied_seq)
{
    queries->applied_seq = applied_seq;
    while (queries->held_head != NULL && queries->held_head->need_seq <= applied_seq) {
        wait_turn(queries, pop_held(queries));
    }
    fill_reader(queries);
}

void queries_turn(struct queries *queries)
{
    struct read_round **at = &queries->deaf;

    while (*at != NULL) {
        struct read_round *round = *at;
        if (peer_takes_replies(round->peer)) {
            *at = round->next;
            join_round(queries, round);
        } else {
            at = &round->next;
        }
    }
    fill_reader(queries);
}

void queries_submit(struct queries *queries, struct query *query, uint64_t need_seq)
{
    query->queries = queries;
    query->note.read = finished;
    query->need_seq = need_seq;
    query->next = NULL;
    msgpack_sbuffer_init(&query->result);
    queries->in_flight++;
    if (need_seq <= queries->applied_seq) {
        wait_turn(queries, query);
        fill_reader(queries);
        return;
    }
    query->deadline_ms = uv_now(queries->loop) + QUERY_HOLD_MS;
    if (queries->held_tail != NULL) {
        queries->held_tail->next = query;
        queries->held_tail = query;
    } else {
        queries->held_head = queries->held_tail = query;
        arm_timer(queries);
    }
}

int query_run_nothing(struct query *query, struct reader *reader, struct error *err)
{
    (void)query;
    (void)reader;
    (void)err;
    return 0;
}

void query_answer(struct query *query)
{
    struct call *call = query->call;

    if (query->abandoned) {
        call_fail(call, RPC_UNAVAILABLE, "the connection is gone");
    } else if (query->timed_out) {
        call_fail_busy(call, 1000,
                       "the store is %d ms behind the journal; the memory is safe, read it later",
                       QUERY_HOLD_MS);
    } else if (query->status == 0) {
        call_reply(call, &query->result);
    } else if (query->status == READER_E_NOT_FOUND) {
        call_fail(call, RPC_NOT_FOUND, "%s", query->err.text);
    } else if (query->status == READER_E_CURSOR) {
        struct rpc_failure failure = {.code = RPC_INVALID_PARAMS, .field = "after"};
        snprintf(failure.text, sizeof failure.text, "after is none that a list gave out");
        call_fail_with(call, &failure, NULL);
    } else {
        call_fail(call, RPC_INTERNAL, "%s", query->err.text);
    }
}

void query_deinit(struct query *query)
{
    msgpack_sbuffer_destroy(&query->result);
}

int queries_start(struct queries *queries, enum queries_kind kind, uv_loop_t *loop,
                  struct mailbox *mailbox, struct reader *reader, uint64_t applied_seq,
                  struct error *err)
{
    *queries = (struct queries){.kind = kind,
                                .loop = loop,
                                .mailbox = mailbox,
                                .reader = reader,
                                .applied_seq = applied_seq};
    pthread_mutex_init(&queries->lock, NULL);
    pthread_cond_init(&queries->wake, NULL);
    uv_timer_init(loop, &queries->timer);
    int r = pthread_create(&queries->thread, NULL, reader_main, queries);
    if (r != 0) {
        return error_set_errno(err, -r, "cannot start the thread for reads");
    }
    queries->started = true;
    return 0;
}

void queries_stop(struct queries *queries)
{
    if (!queries->started) {
        return;
    }
    pthread_mutex_lock(&queries->lock);
    queries->stop = true;
    pthread_cond_signal(&queries->wake);
    pthread_mutex_unlock(&queries->lock);
    pthread_join(queries->thread, NULL);
    queries->started = false;
    uv_close((uv_handle_t *)&queries->timer, NULL);
    queries->reader = reader_close(queries->reader);
    pthread_cond_destroy(&queries->wake);
    pthread_mutex_destroy(&queries->lock);
}
