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

struct stamp {
    uint32_t connection;
    uint32_t slot;   /* comes back with the reply */
    uint64_t unique; /* makes the record's id */
};

struct speaker {
    const char *name;
    /* What a connection says first, SPEAK_OVERHEAD bytes at most; returns its size. NULL: nothing.
     */
    size_t (*greet)(char *out, uint32_t connection);
    /* Writes the request with everything but its numbers; returns its size (at most
     * size + SPEAK_OVERHEAD). */
    size_t (*prepare)(char *request, size_t size);
    void (*stamp)(char *request, const struct stamp *stamp);
    /* Size of the reply at the start of data; 0: incomplete; -1: an error reply or none of ours.
     * *ret_slot is the slot, SPEAK_NO_REPLY of what answers nothing, or left alone where replies
     * come in order. */
    ssize_t (*reply)(const char *data, size_t size, uint32_t *ret_slot);
};

#define SPEAK_OVERHEAD 256
#define SPEAK_NO_REPLY UINT32_MAX

const struct speaker *speaker_find(const char *name); /* NULL: no such language */

void speak_fill(char *at, size_t size);
void speak_hex(char *at, uint64_t value); /* 16 digits */
/* Spreads consecutive numbers over all 64 bits, as random ids are. */
uint64_t speak_scatter(uint64_t x);

size_t nats_greet(char *out, uint32_t connection);
size_t nats_prepare(char *request, size_t size);
void nats_stamp(char *request, const struct stamp *stamp);
ssize_t nats_reply(const char *data, size_t size, uint32_t *ret_slot);

#endif
