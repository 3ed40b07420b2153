/* applier_attempt.c - see applier_attempt.h. */
#include "broker/applier_attempt.h"

#include "broker/util/container.h"

#include <assert.h>
#include <errno.h>

static int run_work(struct store *store, struct applier_work *work, struct error *err)
{
    int r = store_savepoint(store, err);
    if (r != 0) {
        return r;
    }
    work->status = work->run(work, store, &work->error);
    if (work->status == 0) {
        return store_savepoint_release(store, err);
    }
    r = store_savepoint_undo(store, err);
    /* No room is nobody's own failure: the whole batch waits for it. */
    if (store_lacks_room(store)) {
        *err = work->error;
        return STORE_E_FULL;
    }
    if (r == -ECANCELED) { /* what failed took the transaction with it */
        *err = work->error;
        return work->status < 0 ? work->status : -EIO;
    }
    return r;
}

static int apply_record(struct store *store, struct journal_record *record, bool set_aside,
                        struct error *err)
{
    struct change *change = container_of(record, struct change, record);

    if (set_aside) {
        store_skip(store, record->seq);
        change->apply_status = -EBADMSG;
        return 0;
    }
    change->apply_status = 0;
    return store_apply(store, record, &change->result, err);
}

static int run_batch(struct store *store, const struct applier_queue *batch, bool set_aside,
                     struct error *err)
{
    struct journal_record *record = batch->records.head;
    struct applier_work *work = batch->works.head;
    uint64_t position = batch->first;
    int r = 0;

    while (r == 0 && (record != NULL || work != NULL)) {
        if (work != NULL && work->position <= position) {
            r = run_work(store, work, err);
            work = work->next;
        } else {
            assert(record != NULL); /* no work stands behind the end of the batch */
            r = apply_record(store, record, set_aside, err);
            record = record->next;
            position++;
        }
    }
    return r;
}

int applier_attempt(struct store *store, const struct applier_queue *batch, bool set_aside,
                    struct error *err)
{
    int r = store_begin(store, err);
    if (r != 0) {
        return r;
    }
    r = run_batch(store, batch, set_aside, err);
    if (r != 0) {
        store_rollback(store);
        return r;
    }
    return store_commit(store, err);
}
