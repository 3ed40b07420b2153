/*
 * store_copy.h - a copy of the store while its broker works on it, and what such a copy holds.
 *
 * A copy is one file, no WAL beside it, that any SQLite opens. It is the store as of one commit:
 * nothing of a later one, nothing half. Any thread; each call has connections of its own.
 */
#ifndef MEMFERRY_STORE_COPY_H
#define MEMFERRY_STORE_COPY_H

#include "broker/journal.h"
#include "broker/util/error.h"

#include <stdbool.h>
#include <stdint.h>

/* While it copies, nothing that is written can leave the WAL for the database: a copy that takes so
 * long that this much is written meanwhile is given up. */
#define STORE_COPY_WAL_MAX ((uint64_t)1 << 30)

/* Embedded by who may want it to end early; asked before each slice of 4 MiB, and now and then
 * while the copy is read back. */
struct store_copy_watch {
    bool (*is_cancelled)(struct store_copy_watch *);
    uint64_t wal_max; /* 0: STORE_COPY_WAL_MAX */
};

enum store_copy_outcome {
    STORE_COPY_E_FULL = 1, /* no room for it */
    STORE_COPY_E_BEHIND,   /* STORE_COPY_WAL_MAX */
    STORE_COPY_E_CANCELLED
};

struct store_contents {
    char origin[JOURNAL_ORIGIN_TEXT];
    uint64_t memories, deleted, events;
    uint64_t applied_seq;
};

/* Copies the store `from` over the empty file `to`, a path without links, and reads back what was
 * written: SQLite must find it sound, with the same contents. It is not synced. `watch` may be
 * NULL. */
int store_copy(const char *from, const char *to, struct store_copy_watch *watch,
               struct store_contents *ret, struct error *err);

/* Of a store of this version. */
int store_contents_read(const char *path, struct store_contents *ret, struct error *err);
/* The newest stamp that any version in it has; 0: there is none. Reads every event. */
int store_newest_stamp(const char *path, int64_t *ret_stamp_us, struct error *err);

/* Brings a copy that an older memferry made to this version. It stays one file. */
int store_copy_migrate(const char *path, struct error *err);

#endif
