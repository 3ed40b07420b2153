/*
 * speak.h - the languages of the servers that are compared: one request that stores a record of a
 * given size, and how to find the end of its reply.
 *
 * Requests are made once and then only stamped with a number, so that the load generator costs as
 * little as it can.
 */
#ifndef BENCH_SPEAK_H
#define BENCH_SPEAK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct speaker {
    const char *name;
    /* Writes the request with everything but its numbers; returns its size (at most
     * size + SPEAK_OVERHEAD). */
    size_t (*prepare)(char *request, size_t size);
    /* Stamps a prepared request: `slot` comes back with the reply, `unique` makes its id. */
    void (*stamp)(char *request, uint32_t slot, uint64_t unique);
    /* Size of the reply at the start of data; 0: incomplete; -1: an error reply or none of ours.
     * *ret_slot is the slot, or left alone where replies come in order. */
    ssize_t (*reply)(const char *data, size_t size, uint32_t *ret_slot);
};

#define SPEAK_OVERHEAD 256

const struct speaker *speaker_find(const char *name); /* NULL: no such language */

#endif
