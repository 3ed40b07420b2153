/*
 * store_recovery.c - a recovery that is under way: from which backend, and behind which id, in
 * meta.
 *
 * It is no event: what was recovered are. It is synced, so that a broker that starts in the middle
 * knows that it is not whole yet.
 */
#include "broker/store_internal.h"

#include <assert.h>
#include <string.h>

int store_set_recovery(struct store *store, const char *backend, const char *after_id,
                       struct error *err)
{
    assert(store->in_transaction);
    store_want_sync(store);
    int r = store_set_meta(store, "recover_from", backend, err);
    return r == 0 ? store_set_meta(store, "recover_after", backend != NULL ? after_id : NULL, err)
                  : r;
}
