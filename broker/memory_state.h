/*
 * memory_state.h - the whole state of a memory, as it lies in event.state: decode, merge, encode.
 *
 * One msgpack map with short integer keys, without the id (it stands beside it) and without the
 * vector (it lies in the table `embedding`, under vector_seq). A decoded state borrows from the
 * bytes it was read from; a merged one also from the fields and the scratch.
 *
 * Pure functions: no clock, no database. What they cannot read is -EBADMSG.
 */
#ifndef MEMFERRY_MEMORY_STATE_H
#define MEMFERRY_MEMORY_STATE_H

#include "broker/event.h"
#include "broker/unpack.h"

#include <memferry/memory.h>
#include <msgpack.h>

/* Props merge without end, so a state needs a bound of its own. */
#define MEMORY_STATE_MAX (64u << 20)
/* Encoded and over this, a put may be refused for its size: see large.h. */
#define MEMORY_STATE_LARGE 4194304

struct memory_state {
    struct event_text content, kind;
    struct unpack_slice tags;  /* msgpack array of texts that differ */
    struct unpack_slice props; /* msgpack map, sorted by name (bytes), no nil */
    int64_t created_ms, updated_ms;
    int64_t deleted_ms; /* 0: lives */
    uint64_t version;
    int64_t stamp_us;
    struct event_text origin;
    struct event_text session_id; /* data NULL: none */
    enum memferry_embedding_state embedding_state;
    uint64_t vector_seq;               /* key of its vector in `embedding`; 0: none */
    struct event_text embedding_model; /* data NULL: none */
};

int memory_state_decode(const uint8_t *bytes, size_t size, struct memory_state *ret_state);
/* Appends. 0, -ENOMEM, or -E2BIG over MEMORY_STATE_MAX. */
int memory_state_encode(const struct memory_state *state, msgpack_sbuffer *out);
bool memory_state_fits(const struct memory_state *state); /* within MEMORY_STATE_MAX */

/* Whether nobody could tell the memories apart but by who changed them when: content, kind, tags,
 * props, vector, and whether and when they were made and deleted. */
bool memory_state_same(const struct memory_state *a, const struct memory_state *b);

/* What a put gives, taken apart; borrowed from its fields. Absent: data NULL. */
struct memory_change {
    struct event_text content, kind;
    struct unpack_slice tags, props, embedding;
    bool drops_embedding; /* embedding: nil */
};

int memory_change_decode(const uint8_t *fields, size_t size, struct memory_change *ret_change);

/* Where merged tags and props are made; used again and again by one owner. */
struct memory_scratch {
    msgpack_sbuffer tags, props;
    struct memory_entry *entries;
    size_t entry_max;
};

void memory_scratch_init(struct memory_scratch *scratch);
void memory_scratch_deinit(struct memory_scratch *scratch);

/* A state that has nothing yet: kind `note`, no tags, no props. */
void memory_state_init(struct memory_state *state);
/* Given content, kind and tags replace; given props merge by name, nil removes. The embedding is
 * the store's to decide on. The scratch is good until the next merge. 0, -EBADMSG, -ENOMEM. */
int memory_state_merge(struct memory_state *state, const struct memory_change *change,
                       struct memory_scratch *scratch);

#endif
