/*
 * footprint.h - what the broker takes of the machine: memory, processor, disk; and what is left.
 *
 * What can't be read is 0: a figure for people is no reason to fail. Asks the file system, so it is
 * called from the reader thread.
 */
#ifndef MEMFERRY_FOOTPRINT_H
#define MEMFERRY_FOOTPRINT_H

#include "broker/places.h"

#include <stdint.h>

struct footprint {
    uint64_t rss_bytes, cpu_ms;
    uint64_t descriptors, descriptors_max; /* open files of the process, and its limit */
    uint64_t store_bytes, wal_bytes;       /* of memferry.db */
    uint64_t index_bytes;                  /* the search index, all files of it */
    uint64_t disk_bytes, disk_free_bytes;  /* of the file system of the state directory */
    int64_t backup_ms;                     /* when the newest backup was made; 0: none is known */
};

void footprint_read(const struct places *places, struct footprint *ret);

#endif
