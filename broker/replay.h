/*
 * replay.h - brings the store up to its journal before the broker starts.
 *
 * Happy path: the events that the store lacks are applied, thousands to a transaction. An event
 * that cannot be applied is set aside with an error in the log; so is a plain put that is refused
 * because its memory would be too large, which an older broker may have answered.
 *
 * Failure modes: store and journal that do not belong together are refused with a text that names
 * the way on (REPLAY_E_REFUSED); a full disk is STORE_E_FULL; the rest is final.
 */
#ifndef MEMFERRY_REPLAY_H
#define MEMFERRY_REPLAY_H

#include "broker/journal.h"
#include "broker/store.h"

enum replay_outcome {
    REPLAY_E_REFUSED = 100 /* beside store_outcome, which is passed on */
};

struct replay_set_aside {
    uint64_t count, first_seq; /* each stands in the log */
};

/* Between journal_recover and journal_start. A new store that is refused is discarded. */
int replay_journal(struct store *store, struct journal *journal, struct log *log,
                   struct replay_set_aside *ret_set_aside, struct error *err);

#endif
