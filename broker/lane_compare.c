/*
 * lane_compare.c - see lane_compare.h.
 *
 * The store's side is a page that is read on as the ids of the backend pass it: what lies before
 * the id that just came, and was not met, is not there. When a step has as much to send again as it
 * may, the plugin is told to stop, and goes on behind the last id that was dealt with.
 */
#include "broker/lane_compare.h"

#include "broker/memory_same.h"
#include "broker/reason.h"
#include "broker/util/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STOP 1 /* told to the plugin: not this one, and no more for now */

const char *compare_kind_name(enum compare_kind kind)
{
    static const char *const names[COMPARE_KINDS] = {"same",  "pending", "missing", "older",
                                                     "newer", "changed", "deleted", "unknown"};

    return names[kind];
}

void compare_init(struct compare *compare, struct lane *lane, bool repair)
{
    memset(compare, 0, sizeof *compare);
    compare->lane = lane;
    compare->repair = repair;
}

void compare_deinit(struct compare *compare)
{
    compare->page = reader_batch_free(compare->page);
    compare->repairs = lane_work_free(compare->repairs);
    lane_place_deinit(&compare->after);
}

/* ---- the store's side ---- */

static int next_page(struct compare *compare)
{
    compare->page = reader_batch_free(compare->page);
    compare->at = 0;
    int status =
        reader_batch_page(compare->lane->reader, compare->lane->name, compare->stored_after,
                          COMPARE_PAGE, COMPARE_PAGE_BYTES, &compare->page, &compare->err);
    if (status != 0) {
        return status;
    }
    compare->stored_all = reader_batch_count(compare->page) == 0;
    return 0;
}

/* *ret_item NULL: there is no more. */
static int peek(struct compare *compare, const struct reader_batch_item **ret_item)
{
    *ret_item = NULL;
    if (compare->page == NULL || compare->at == reader_batch_count(compare->page)) {
        int status = compare->stored_all ? 0 : next_page(compare);
        if (status != 0 || compare->stored_all) {
            return status;
        }
    }
    *ret_item = &reader_batch_items(compare->page)[compare->at];
    return 0;
}

static void advance(struct compare *compare)
{
    const struct reader_batch_item *item = &reader_batch_items(compare->page)[compare->at++];

    snprintf(compare->stored_after, sizeof compare->stored_after, "%s", item->id);
    compare->here++;
}

/* ---- what is found ---- */

static void count(struct compare *compare, enum compare_kind kind, const char *id)
{
    struct compare_found *found = &compare->found[kind];

    found->count++;
    if (kind != COMPARE_SAME && found->sampled < COMPARE_SAMPLES) {
        reason_show(found->ids[found->sampled++], sizeof *found->ids, id);
    }
}

/* Sent again it would be as it is here. A newer state there would win, and what is only there is
 * not ours. */
static bool is_mended_by_sending(enum compare_kind kind)
{
    return kind == COMPARE_MISSING || kind == COMPARE_OLDER || kind == COMPARE_CHANGED ||
           kind == COMPARE_DELETED;
}

static int repair(struct compare *compare, const struct reader_batch_item *item)
{
    char reason[] = "verify found it to differ at the backend";
    struct lane_row row = {.memory_id = (char *)(uintptr_t)item->id,
                           .action = LANE_ROW_DEFER,
                           .due_ms = clock_wall_ms(),
                           .version = item->version,
                           .reason = reason};

    if (compare->repairs == NULL) {
        compare->repairs =
            lane_work_new(LANE_WORK_PROGRESS, compare->lane->name, COMPARE_REPAIRS_MAX);
    }
    if (compare->repairs == NULL || lane_work_add(compare->repairs, &row) < 0) {
        return error_set(&compare->err, -ENOMEM, "out of memory while comparing");
    }
    compare->repaired++;
    return 0;
}

static bool is_full(const struct compare *compare)
{
    return compare->repairs != NULL && compare->repairs->row_count == COMPARE_REPAIRS_MAX;
}

static int note(struct compare *compare, enum compare_kind kind,
                const struct reader_batch_item *item)
{
    count(compare, kind, item->id);
    return compare->repair && is_mended_by_sending(kind) ? repair(compare, item) : 0;
}

/* What the lane has still to bring says nothing of the backend. */
static bool is_pending(const struct compare *compare, const struct reader_batch_item *item)
{
    return !compare->for_recovery && (item->waits || item->seq > compare->lane->cursor);
}

/* A vector that came here since is no change of the memory. */
static bool lacks_only_vector(const struct memferry_memory *here,
                              const struct memferry_memory *there)
{
    struct memferry_memory without = *here;

    without.embedding = NULL;
    return there->embedding == NULL && here->embedding != NULL &&
           memory_difference(&without, there) == NULL;
}

static enum compare_kind judge(const struct compare *compare, const struct reader_batch_item *item,
                               const struct memferry_memory *here,
                               const struct memferry_memory *there)
{
    int order = memory_order(there, here);

    if (order > 0) {
        return COMPARE_NEWER;
    }
    if (order == 0 && memory_difference(here, there) == NULL) {
        return COMPARE_SAME;
    }
    if (is_pending(compare, item)) {
        return COMPARE_PENDING;
    }
    if (there->deleted_ms != 0 && here->deleted_ms == 0 && !compare->for_recovery) {
        return COMPARE_DELETED;
    }
    return order < 0 || lacks_only_vector(here, there) ? COMPARE_OLDER : COMPARE_CHANGED;
}

static int note_absent(struct compare *compare, const struct reader_batch_item *item)
{
    int status = note(compare, is_pending(compare, item) ? COMPARE_PENDING : COMPARE_MISSING, item);

    advance(compare);
    return status;
}

/* ---- the walk ---- */

/* Everything here before `id` is not there. STOP: as much as a step may send again. */
static int pass(struct compare *compare, const char *id, const struct reader_batch_item **ret_item)
{
    int status = peek(compare, ret_item);

    while (status == 0 && *ret_item != NULL && strcmp((*ret_item)->id, id) < 0) {
        if (is_full(compare)) {
            return STOP;
        }
        status = note_absent(compare, *ret_item);
        if (status == 0) {
            status = peek(compare, ret_item);
        }
    }
    return status;
}

static int take(struct compare *compare, const struct memferry_memory *there)
{
    const struct reader_batch_item *item;
    int status = pass(compare, there->id.data, &item);

    if (status != 0 || is_full(compare)) {
        return status != 0 ? status : STOP;
    }
    if (item != NULL && strcmp(item->id, there->id.data) == 0) {
        const struct memferry_memory *here = &reader_batch_memories(compare->page)[compare->at];
        status = note(compare, judge(compare, item, here, there), item);
        advance(compare);
    } else {
        count(compare, COMPARE_UNKNOWN, there->id.data);
    }
    compare->there++;
    return status != 0 ? status : lane_place_set(&compare->after, there->id.data, &compare->err);
}

static int fetched(void *arg, const struct memferry_memory *there)
{
    struct compare *compare = arg;

    if (strcmp(there->id.data, lane_place_id(&compare->after)) <= 0) {
        char id[LANE_PLACE_SHOWN], after[LANE_PLACE_SHOWN];
        return error_set(&compare->err, -EPROTO,
                         "Backend %s gave %s behind %s, which is out of order: it can't be "
                         "compared.",
                         compare->lane->name, reason_show(id, sizeof id, there->id.data),
                         reason_show(after, sizeof after, lane_place_id(&compare->after)));
    }
    return take(compare, there);
}

static int fetch(struct compare *compare, struct error *err)
{
    struct lane *lane = compare->lane;

    if (!lane_enter_call(lane, LANE_CALL_WORK)) {
        return error_set(err, -ECANCELED, "Backend %s is being stopped.", lane->name);
    }
    compare->err.text[0] = '\0';
    int n = lane_place_fetch(&compare->after, lane->table, instance_self(lane->instance),
                             COMPARE_PAGE, fetched, compare);
    lane_leave_call(lane);
    if (n < 0) {
        return compare->err.text[0] != '\0'
                   ? error_set(err, n, "%s", compare->err.text)
                   : error_set_errno(err, n, "Backend %s could not be read back; see the log",
                                     lane->name);
    }
    compare->fetched_all = n < COMPARE_PAGE && !is_full(compare);
    return 0;
}

/* The backend has no more: what is left here is not there. */
static int pass_rest(struct compare *compare, struct error *err)
{
    const struct reader_batch_item *item = NULL;
    int status = peek(compare, &item);

    for (size_t i = 0; status == 0 && item != NULL && i < COMPARE_PAGE && !is_full(compare); i++) {
        status = note_absent(compare, item);
        if (status == 0) {
            status = peek(compare, &item);
        }
    }
    if (status != 0) {
        *err = compare->err;
    }
    return status;
}

static int send_again(struct compare *compare, struct error *err)
{
    struct lane *lane = compare->lane;
    struct lane_work *work = compare->repairs;

    if (work == NULL) {
        return 0;
    }
    compare->repairs = NULL;
    work->cursor = lane->cursor;
    int status = lane_write(lane, work, err);
    lane_kick(lane);
    return status;
}

/* Between steps the lane delivers: the store's page is read anew, so that it is never older than
 * what the backend has of it; and where it ended there may be more by now. */
int compare_step(struct compare *compare, struct error *err)
{
    compare->page = reader_batch_free(compare->page);
    compare->stored_all = false;
    int status = compare->fetched_all ? pass_rest(compare, err) : fetch(compare, err);

    if (status == 0) {
        status = send_again(compare, err);
    }
    if (status != 0) {
        return status;
    }
    return compare->fetched_all && compare->stored_all ? 0 : LANE_JOB_MORE;
}
