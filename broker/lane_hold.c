/*
 * lane_hold.c - a sink's batch waits for vectors (wait_embedding), so that a memory goes once and
 * not twice.
 *
 * Happy path: the batch above the cursor holds a memory that is `pending`; it is put back and read
 * again, every eighth of the wait, until all vectors are there or the wait is over. Then it goes as
 * it is, and the vector follows.
 *
 * Nothing waits while nobody makes vectors: without an embedder, or while that is away or paused.
 */
#include "broker/lane_internal.h"

#include "broker/util/clock.h"

#define HOLD_LOOKS       8
#define HOLD_LOOK_MIN_MS 5

static bool lacks_a_vector(const struct lane_batch *batch)
{
    const struct memferry_memory *memories = reader_batch_memories(batch->memories);

    for (size_t i = 0; i < batch->count; i++) {
        if (memories[i].embedding_state == MEMFERRY_EMBEDDING_PENDING &&
            memories[i].deleted_ms == 0) {
            return true;
        }
    }
    return false;
}

static bool vectors_are_made(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    bool healthy = lane->embedder_healthy;
    pthread_mutex_unlock(&lane->mutex);
    return healthy;
}

bool lane_hold(struct lane *lane, const struct lane_batch *batch)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t step_ms = lane->wait_embedding_ms / HOLD_LOOKS;

    if (lane->wait_embedding_ms == 0 || batch->memories == NULL || !vectors_are_made(lane) ||
        !lacks_a_vector(batch)) {
        lane->hold_until_ms = 0;
        return false;
    }
    if (lane->hold_until_ms == 0) {
        lane->hold_until_ms = now_ms + lane->wait_embedding_ms;
    }
    if (now_ms >= lane->hold_until_ms) {
        lane->hold_until_ms = 0;
        return false;
    }
    lane->hold_look_ms = now_ms + (step_ms > HOLD_LOOK_MIN_MS ? step_ms : HOLD_LOOK_MIN_MS);
    return true;
}

bool lane_is_holding(const struct lane *lane, int64_t now_ms)
{
    return lane->hold_until_ms != 0 && lane->embedder_healthy && now_ms < lane->hold_look_ms &&
           now_ms < lane->hold_until_ms;
}
