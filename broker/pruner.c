/* pruner.c - see pruner.h. */
#include "broker/pruner.h"

#include "broker/config.h"
#include "broker/event_prune.h"
#include "broker/util/clock.h"
#include "broker/util/container.h"

#include <errno.h>
#include <inttypes.h>

static void read_page(struct pruner *pruner);

static bool prunes(const struct pruner *pruner)
{
    return pruner->keep_ms != 0 || pruner->keep_count != 0;
}

static void begin_pass(struct pruner *pruner)
{
    pruner->wanted = false;
    pruner->after_seq = 0;
    pruner->memories = 0;
    pruner->rule = (struct prune_rule){.keep_count = pruner->keep_count};
    if (pruner->keep_ms != 0) {
        pruner->rule.before_ms = clock_wall_ms() - pruner->keep_ms;
    }
    read_page(pruner);
}

static void pass_cb(uv_timer_t *timer)
{
    begin_pass(container_of(timer, struct pruner, timer));
}

static void page_cb(uv_timer_t *timer)
{
    read_page(container_of(timer, struct pruner, timer));
}

static void end_pass(struct pruner *pruner, const char *why)
{
    if (why != NULL) {
        log_write(pruner->log, LOG_LEVEL_WARNING, "prune-failed", "old versions stay for now: %s",
                  why);
    } else if (pruner->memories > 0) {
        log_write(pruner->log, LOG_LEVEL_INFO, "pruned",
                  "old versions of %" PRIu64 " memories are gone, as [history] keep says",
                  pruner->memories);
    }
    uv_timer_start(&pruner->timer, pass_cb, PRUNER_EVERY_MS, 0);
}

/* A page has come to its end, this way or that. */
static void end_page(struct pruner *pruner, const char *why)
{
    bool more = pruner->page.more;

    pruner->working = false;
    pruner->after_seq = pruner->page.next_seq;
    prune_page_deinit(&pruner->page);
    if (pruner->stopped) {
        return;
    }
    if (!prunes(pruner)) { /* the config has changed meanwhile: everything is kept from now on */
        return;
    }
    if (pruner->wanted) {
        uv_timer_start(&pruner->timer, pass_cb, 0, 0);
    } else if (why == NULL && more) {
        uv_timer_start(&pruner->timer, page_cb, PRUNER_PAUSE_MS, 0);
    } else {
        end_pass(pruner, why);
    }
}

/* ---- writing ---- */

static void written(struct emission *emission)
{
    struct pruner *pruner = emission->arg;
    struct error err = emission->err;
    int status = emission->status;

    pruner->memories += status == 0 ? emission->count : 0;
    emission_free(emission);
    end_page(pruner, status == 0 ? NULL : err.text);
}

static int set_event(struct emission *emission, size_t i, const struct prune_item *item)
{
    msgpack_sbuffer fields;

    msgpack_sbuffer_init(&fields);
    int r = event_prune_pack(item->through, &fields);
    if (r == 0) {
        const struct event event = {.op = EVENT_PRUNE,
                                    .memory_id = item->id,
                                    .fields = (const uint8_t *)fields.data,
                                    .fields_size = fields.size};
        r = emission_set(emission, i, &event);
    }
    msgpack_sbuffer_destroy(&fields);
    return r;
}

static void write_page(struct pruner *pruner)
{
    struct emission *emission = emission_new(pruner->page.count);
    int r = emission == NULL ? -ENOMEM : 0;

    for (size_t i = 0; r == 0 && i < pruner->page.count; i++) {
        r = set_event(emission, i, &pruner->page.items[i]);
    }
    if (r < 0) {
        emission_free(emission);
        end_page(pruner, "out of memory");
        return;
    }
    emission->done = written;
    emission->arg = pruner;
    pruner->emitter->submit(pruner->emitter, emission);
}

/* ---- reading ---- */

static int run(struct query *query, struct reader *reader, struct error *err)
{
    struct pruner *pruner = container_of(query, struct pruner, query);

    return reader_prune(reader, &pruner->rule, pruner->after_seq, &pruner->page, err);
}

static void page_read(struct query *query)
{
    struct pruner *pruner = container_of(query, struct pruner, query);
    bool good = !query->timed_out && !query->abandoned && query->status == 0;
    bool stale = pruner->stopped || pruner->wanted || !prunes(pruner); /* found by another rule */

    query_deinit(query);
    if (!good) {
        end_page(pruner, query->timed_out ? "the store is behind" : query->err.text);
    } else if (pruner->page.count > 0 && !stale) {
        write_page(pruner);
    } else {
        end_page(pruner, NULL);
    }
}

static void read_page(struct pruner *pruner)
{
    pruner->working = true;
    pruner->page.more = false;
    pruner->query = (struct query){.run = run, .done = page_read};
    queries_submit(pruner->queries, &pruner->query, 0);
}

/* ---- what the broker says ---- */

void pruner_init(struct pruner *pruner, uv_loop_t *loop, struct queries *queries,
                 struct emitter *emitter, struct log *log)
{
    pruner->queries = queries;
    pruner->emitter = emitter;
    pruner->log = log;
    uv_timer_init(loop, &pruner->timer);
    uv_unref((uv_handle_t *)&pruner->timer);
}

void pruner_configure(struct pruner *pruner, const struct config *config)
{
    pruner->keep_ms = config->history_keep_ms;
    pruner->keep_count = config->history_keep_count;
    pruner->wanted = prunes(pruner);
    if (pruner->working || pruner->stopped) {
        return; /* end_page looks at what is wanted */
    }
    uv_timer_stop(&pruner->timer);
    if (pruner->wanted) {
        uv_timer_start(&pruner->timer, pass_cb, 0, 0);
    }
}

void pruner_stop(struct pruner *pruner)
{
    pruner->stopped = true;
    uv_timer_stop(&pruner->timer);
}

void pruner_deinit(struct pruner *pruner)
{
    prune_page_deinit(&pruner->page);
}
