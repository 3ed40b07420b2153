/*
 * lane_embed.c - the feed of an embedder: contents go to the plugin, its vectors become events.
 *
 * Happy path: read memories that need a vector; embed; write an EVENT_EMBED for each vector and
 * wait until they are applied; then record the outcomes as every lane does.
 *
 * Failure modes: when the events can't be written nothing is recorded, and the contents are
 * embedded once more. A crash behind the events leaves the cursor where it was: the memories are
 * read again, and need nothing any more. A vector for a content that has changed meanwhile is
 * applied as nothing, and the new content comes by itself.
 */
#include "broker/lane_embed.h"

#include "broker/event_embed.h"
#include "broker/lane_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- read ---- */

static int read_contents(struct lane *lane, struct lane_batch *ret, struct error *err)
{
    struct reader_batch *memories = NULL;
    int status = reader_batch_embed(lane->reader, lane->name, lane->cursor, lane->model,
                                    lane->batch, lane->batch_bytes, &memories, err);

    if (status == 0) {
        lane_batch_of_memories(ret, memories);
    }
    return status;
}

static int read_due_contents(struct lane *lane, int64_t now_ms, struct lane_batch *ret,
                             struct error *err)
{
    struct reader_batch *memories = NULL;
    int status = reader_batch_embed_due(lane->reader, lane->name, now_ms, lane->model, lane->batch,
                                        lane->batch_bytes, &memories, &lane->next_due_ms, err);

    if (status == 0) {
        lane_batch_of_memories(ret, memories);
    }
    return status;
}

/* ---- call ---- */

/* Picks what is to be asked for; what was deferred and has its vector since is done. */
static size_t pick_texts(struct lane *lane, const uint32_t *which, size_t n,
                         struct memferry_outcome *outcomes)
{
    const struct memferry_memory *memories = reader_batch_memories(lane->carried->memories);
    struct lane_room *room = &lane->room;
    size_t asked = 0;

    for (size_t i = 0; i < n; i++) {
        if (lane->carried->items[which[i]].satisfied) {
            outcomes[i].verdict = MEMFERRY_DONE;
            continue;
        }
        room->texts[asked] = (struct memferry_text){.text = memories[which[i]].content};
        room->asked[asked++] = (uint32_t)i;
    }
    memset(room->outcomes, 0, asked * sizeof *room->outcomes);
    return asked;
}

static bool is_finite(const float *vector, size_t dims)
{
    for (size_t i = 0; i < dims; i++) {
        if (!isfinite(vector[i])) {
            return false;
        }
    }
    return true;
}

static void blame_backend(struct memferry_outcome *outcome)
{
    outcome->verdict = MEMFERRY_RETRY;
    outcome->blame = MEMFERRY_BLAME_BACKEND;
    snprintf(outcome->reason.text, sizeof outcome->reason.text,
             "The embedder made a vector that holds something else than numbers.");
}

/* Keeps the vectors of what is done under their items, for settle. */
static void take_vectors(struct lane *lane, const uint32_t *which, size_t asked,
                         struct memferry_outcome *outcomes)
{
    struct lane_room *room = &lane->room;
    size_t dims = room->dims;

    for (size_t i = 0; i < asked; i++) {
        struct memferry_outcome *outcome = &room->outcomes[i];
        const float *vector = room->part + i * dims;
        uint32_t item = which[room->asked[i]];

        if (outcome->verdict == MEMFERRY_DONE && !is_finite(vector, dims)) {
            blame_backend(outcome);
        }
        if (outcome->verdict == MEMFERRY_DONE) {
            memcpy(room->vectors + item * dims, vector, dims * sizeof *vector);
            room->truncated[item] = room->texts[i].truncated;
        }
        outcomes[room->asked[i]] = *outcome;
    }
}

static void embed(struct lane *lane, const uint32_t *which, size_t n,
                  struct memferry_outcome *outcomes)
{
    struct lane_room *room = &lane->room;
    size_t asked = pick_texts(lane, which, n, outcomes);

    if (asked > 0) {
        lane->table->embed(instance_self(lane->instance), room->texts, asked, room->part,
                           room->outcomes);
        take_vectors(lane, which, asked, outcomes);
    }
}

/* ---- settle ---- */

static bool is_made(const struct lane *lane, size_t i)
{
    return lane->delivery->results[i].fate == FATE_DONE && !lane->carried->items[i].satisfied;
}

static size_t count_made(const struct lane *lane)
{
    size_t made = 0;

    for (size_t i = 0; i < lane->carried->count; i++) {
        made += is_made(lane, i);
    }
    return made;
}

static int set_event(struct lane *lane, struct emission *emission, size_t n, size_t i,
                     msgpack_sbuffer *fields)
{
    const struct reader_batch_item *item = &lane->carried->items[i];
    size_t size = lane->room.dims * sizeof(float);
    const struct event_embed made = {
        .content_hash = item->content_hash,
        .model = {.data = lane->model, .size = strlen(lane->model)},
        .truncated = lane->room.truncated[i],
        .vector = {.data = (const uint8_t *)(lane->room.vectors + i * lane->room.dims),
                   .size = size}};

    msgpack_sbuffer_clear(fields);
    int status = event_embed_pack(&made, fields);
    if (status != 0) {
        return status;
    }
    const struct event event = {.op = EVENT_EMBED,
                                .memory_id = {.data = item->id, .size = strlen(item->id)},
                                .fields = (const uint8_t *)fields->data,
                                .fields_size = fields->size};
    return emission_set(emission, n, &event);
}

static int fill_emission(struct lane *lane, struct emission *emission)
{
    msgpack_sbuffer fields;
    size_t n = 0;
    int status = 0;

    msgpack_sbuffer_init(&fields);
    for (size_t i = 0; status == 0 && i < lane->carried->count; i++) {
        if (is_made(lane, i)) {
            status = set_event(lane, emission, n++, i, &fields);
        }
    }
    msgpack_sbuffer_destroy(&fields);
    return status;
}

static int write_vectors(struct lane *lane, struct error *err)
{
    size_t made = count_made(lane);

    if (made == 0) {
        return 0;
    }
    struct emission *emission = emission_new(made);
    int status = emission == NULL ? -ENOMEM : fill_emission(lane, emission);
    if (status != 0) {
        emission_free(emission);
        return error_set_errno(err, status, "Backend %s: vectors cannot be kept", lane->name);
    }
    return lane_emit(lane, emission, err);
}

const struct lane_feed lane_embed_feed = {.kind = LANE_EMBEDDER,
                                          .noun = "contents",
                                          .read_events = read_contents,
                                          .read_due = read_due_contents,
                                          .call = embed,
                                          .settle = write_vectors};

/* ---- room ---- */

int lane_embed_room_init(struct lane_room *room, uint32_t batch, uint32_t dims)
{
    room->dims = dims;
    room->texts = calloc(batch, sizeof *room->texts);
    room->asked = calloc(batch, sizeof *room->asked);
    room->outcomes = calloc(batch, sizeof *room->outcomes);
    room->truncated = calloc(batch, sizeof *room->truncated);
    room->part = calloc(batch, dims * sizeof *room->part);
    room->vectors = calloc(batch, dims * sizeof *room->vectors);
    return room->texts == NULL || room->asked == NULL || room->outcomes == NULL ||
                   room->truncated == NULL || room->part == NULL || room->vectors == NULL
               ? -ENOMEM
               : 0;
}

void lane_embed_room_deinit(struct lane_room *room)
{
    free(room->texts);
    free(room->asked);
    free(room->outcomes);
    free(room->truncated);
    free(room->part);
    free(room->vectors);
}
