/* lane_recover.c - see lane_recover.h. */
#include "broker/lane_recover.h"

#include "broker/lane_verify.h"
#include "broker/reason.h"
#include "broker/util/container.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STOP 1 /* told to the plugin: not this one, and no more for now */

struct recover_progress lane_recover_progress(struct lane_recover *recover)
{
    pthread_mutex_lock(&recover->mutex);
    struct recover_progress progress = recover->progress;
    pthread_mutex_unlock(&recover->mutex);
    return progress;
}

static void add_progress(struct lane_recover *recover, const struct recover_progress *more)
{
    pthread_mutex_lock(&recover->mutex);
    recover->progress.fetched += more->fetched;
    recover->progress.imported += more->imported;
    recover->progress.refused += more->refused;
    pthread_mutex_unlock(&recover->mutex);
}

static void show_phase(struct lane_recover *recover, bool verifies, uint64_t compared)
{
    pthread_mutex_lock(&recover->mutex);
    recover->progress.verifies = verifies;
    recover->progress.compared = compared;
    pthread_mutex_unlock(&recover->mutex);
}

/* ---- one page ---- */

static void refuse(struct lane_recover *recover, const struct memferry_memory *memory,
                   const struct error *err)
{
    if (recover->round == 0 && recover->refused_now < RECOVER_SAMPLES) {
        char id[LANE_PLACE_SHOWN];
        snprintf(recover->refusals[recover->refused_now], sizeof *recover->refusals, "%s: %.240s",
                 reason_show(id, sizeof id, memory->id.data), err->text);
    }
    recover->refused_now++;
    add_progress(recover, &(struct recover_progress){.fetched = 1, .refused = recover->round == 0});
}

static int add_event(struct lane_recover *recover, const struct memferry_memory *memory,
                     const msgpack_sbuffer *fields)
{
    const struct event event = {.op = EVENT_IMPORT,
                                .memory_id = {.data = memory->id.data, .size = memory->id.size},
                                .fields = (const uint8_t *)fields->data,
                                .fields_size = fields->size};
    int status = emission_set(recover->page, recover->page_count, &event);

    if (status == 0) {
        recover->page_count++;
        recover->page_bytes += fields->size;
        if (memory->stamp > recover->page_stamp) {
            recover->page_stamp = memory->stamp;
        }
        add_progress(recover, &(struct recover_progress){.fetched = 1});
    }
    return status;
}

static int take(struct lane_recover *recover, const struct memferry_memory *memory)
{
    struct error why = {0};
    msgpack_sbuffer fields;

    msgpack_sbuffer_init(&fields);
    int status = recover->importer->pack(recover->importer, memory, &fields, &why);
    if (status == -EINVAL) {
        refuse(recover, memory, &why);
        status = 0;
    } else if (status == 0) {
        status = add_event(recover, memory, &fields);
    }
    msgpack_sbuffer_destroy(&fields);
    return status;
}

static int fetched(void *arg, const struct memferry_memory *memory)
{
    struct lane_recover *recover = arg;

    if (recover->page_count == RECOVER_PAGE || recover->page_bytes >= RECOVER_PAGE_BYTES) {
        return STOP;
    }
    if (strcmp(memory->id.data, lane_place_id(&recover->after)) <= 0) {
        char id[LANE_PLACE_SHOWN], after[LANE_PLACE_SHOWN];
        return error_set(&recover->err, -EPROTO,
                         "The backend gave %s behind %s, which is out of order.",
                         reason_show(id, sizeof id, memory->id.data),
                         reason_show(after, sizeof after, lane_place_id(&recover->after)));
    }
    int status = take(recover, memory);
    if (status != 0) {
        return error_set_errno(&recover->err, status, "A memory could not be imported");
    }
    return lane_place_set(&recover->after, memory->id.data, &recover->err);
}

/* *ret_end: the backend has no more. */
static int fetch(struct lane_recover *recover, struct lane *lane, bool *ret_end, struct error *err)
{
    if (!lane_enter_call(lane, LANE_CALL_WORK)) {
        return error_set(err, -ECANCELED, "Backend %s is being stopped.", lane->name);
    }
    recover->err.text[0] = '\0';
    int n = lane_place_fetch(&recover->after, lane->table, instance_self(lane->instance),
                             RECOVER_PAGE, fetched, recover);
    lane_leave_call(lane);
    if (n < 0) {
        return recover->err.text[0] != '\0'
                   ? error_set(err, n, "Backend %s: %s", lane->name, recover->err.text)
                   : error_set_errno(err, n, "Backend %s could not be read back; see the log",
                                     lane->name);
    }
    *ret_end = n < RECOVER_PAGE && recover->page_bytes < RECOVER_PAGE_BYTES;
    return 0;
}

static void count_page(struct lane_recover *recover, const struct emission *page)
{
    uint64_t imported = 0;

    for (size_t i = 0; i < page->count; i++) {
        imported += page->items[i].result.outcome == APPLY_CHANGED;
        if (page->items[i].result.seq > recover->last_seq) {
            recover->last_seq = page->items[i].result.seq;
        }
    }
    add_progress(recover, &(struct recover_progress){.imported = imported});
}

static int write_page(struct lane_recover *recover, struct lane *lane, struct error *err)
{
    struct emission *page = recover->page;

    recover->page = NULL;
    if (recover->page_count == 0) {
        emission_free(page);
        return 0;
    }
    page->count = recover->page_count;
    journal_observe_stamp(recover->journal, recover->page_stamp);
    int status = lane_emit_keep(lane, page, err);
    if (status == 0) {
        count_page(recover, page);
    }
    emission_let_go(page);
    return status;
}

static int write_place(struct lane_recover *recover, struct lane *lane, bool recovers,
                       struct error *err)
{
    struct lane_work *work = lane_work_new(LANE_WORK_RECOVERY, lane->name, 0);

    if (work == NULL) {
        return error_set(err, -ENOMEM, "out of memory while recovering");
    }
    work->recovers = recovers;
    work->cursor = recover->last_seq > lane->cursor ? recover->last_seq : lane->cursor;
    /* One too long is cut: it comes once more then, if the broker is stopped here. */
    snprintf(work->after, sizeof work->after, "%s", lane_place_id(&recover->after));
    uint64_t cursor = work->cursor;
    int status = lane_write(lane, work, err);
    if (status == 0 && !recovers) {
        lane_stand_at(lane, cursor, 0);
    }
    return status;
}

static int import_page(struct lane_recover *recover, struct lane *lane, struct error *err)
{
    bool end = false;

    recover->page = emission_new(RECOVER_PAGE);
    recover->page_count = recover->page_bytes = 0;
    if (recover->page == NULL) {
        return error_set(err, -ENOMEM, "out of memory while recovering");
    }
    int status = fetch(recover, lane, &end, err);
    if (status == 0) {
        status = write_page(recover, lane, err);
    }
    recover->page = emission_free(recover->page);
    if (status == 0) {
        status = write_place(recover, lane, true, err);
    }
    if (status == 0 && end) {
        compare_init(&recover->compare, lane, false);
        recover->compare.for_recovery = true;
        show_phase(recover, true, 0);
    }
    return status == 0 ? LANE_JOB_MORE : status;
}

/* ---- the comparison ---- */

/* What is there and not here, but for what can't be taken. What is older or missing there was
 * changed here (merge), and loses nothing. */
static bool lacks(const struct lane_recover *recover, enum compare_kind kind)
{
    uint64_t count = recover->compare.found[kind].count;

    switch (kind) {
    case COMPARE_NEWER:
    case COMPARE_CHANGED:
        return count > 0;
    case COMPARE_UNKNOWN:
        return count != recover->refused_now;
    default:
        return false;
    }
}

static bool is_whole(const struct lane_recover *recover)
{
    return !lacks(recover, COMPARE_NEWER) && !lacks(recover, COMPARE_CHANGED) &&
           !lacks(recover, COMPARE_UNKNOWN);
}

/* Nothing of what is here has to be sent there. */
static bool is_level(const struct lane_recover *recover)
{
    const struct compare_found *found = recover->compare.found;

    return found[COMPARE_OLDER].count + found[COMPARE_MISSING].count == 0;
}

static int differs(const struct lane_recover *recover, const struct lane *lane, struct error *err)
{
    const struct compare_found *found = recover->compare.found;

    for (size_t kind = 0; kind < COMPARE_KINDS; kind++) {
        if (lacks(recover, (enum compare_kind)kind)) {
            return error_set(err, -ESTALE,
                             "What was recovered from backend %s still differs from what is there: "
                             "%llu memories are %s, such as %.64s. If others write there, recover "
                             "again when they rest.",
                             lane->name, (unsigned long long)found[kind].count,
                             compare_kind_name((enum compare_kind)kind), found[kind].ids[0]);
        }
    }
    return 0;
}

static int begin_again(struct lane_recover *recover)
{
    recover->round++;
    lane_place_deinit(&recover->after);
    recover->refused_now = 0;
    show_phase(recover, false, 0);
    return LANE_JOB_MORE;
}

static int compare_page(struct lane_recover *recover, struct lane *lane, struct error *err)
{
    int status = compare_step(&recover->compare, err);

    show_phase(recover, true, recover->compare.there);
    if (status != 0) {
        return status;
    }
    compare_deinit(&recover->compare);
    if (is_whole(recover)) {
        recover->last_seq = is_level(recover) ? recover->last_seq : 0;
        return write_place(recover, lane, false, err);
    }
    return recover->round + 1 < RECOVER_ROUNDS ? begin_again(recover) : differs(recover, lane, err);
}

static int step(struct lane_job *job, struct lane *lane, struct error *err)
{
    struct lane_recover *recover = container_of(job, struct lane_recover, job);
    int status = 0;

    if (!recover->begun) {
        status = lane_can_fetch(lane, err);
        if (status == 0) {
            status = write_place(recover, lane, true, err);
        }
        recover->begun = status == 0;
    }
    if (status != 0) {
        return status;
    }
    return lane_recover_progress(recover).verifies ? compare_page(recover, lane, err)
                                                   : import_page(recover, lane, err);
}

void lane_recover_init(struct lane_recover *recover, const char *after_id, struct journal *journal,
                       struct recover_importer *importer,
                       void (*done)(struct lane_job *, int status, const struct error *err))
{
    memset(recover, 0, sizeof *recover);
    recover->job = (struct lane_job){.step = step, .done = done};
    recover->journal = journal;
    recover->importer = importer;
    lane_place_set(&recover->after, after_id, NULL); /* without memory it begins at the start */
    pthread_mutex_init(&recover->mutex, NULL);
}

void lane_recover_deinit(struct lane_recover *recover)
{
    compare_deinit(&recover->compare);
    lane_place_deinit(&recover->after);
    emission_free(recover->page);
    pthread_mutex_destroy(&recover->mutex);
}
