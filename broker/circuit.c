/* circuit.c - the table of allowed moves and the few that are made. A move that the table does not
 * know is a fault of ours and ends the program. */
#include "broker/circuit.h"

#include <assert.h>
#include <stddef.h>

#define CIRCUIT_COUNT 3

__attribute__((unused)) /* with NDEBUG */
static const bool allowed[CIRCUIT_COUNT][CIRCUIT_COUNT] = {
    [CIRCUIT_CLOSED] = {[CIRCUIT_OPEN] = true},
    [CIRCUIT_OPEN] = {[CIRCUIT_PROBING] = true},
    [CIRCUIT_PROBING] = {[CIRCUIT_CLOSED] = true, [CIRCUIT_OPEN] = true},
};

const char *circuit_name(enum circuit circuit)
{
    static const char *const names[CIRCUIT_COUNT] = {
        [CIRCUIT_CLOSED] = "closed", [CIRCUIT_OPEN] = "open", [CIRCUIT_PROBING] = "probing"};

    assert((unsigned)circuit < CIRCUIT_COUNT);
    return names[circuit];
}

static void move(struct circuit_state *state, enum circuit to)
{
    assert(allowed[state->circuit][to]);
    state->circuit = to;
}

void circuit_init(struct circuit_state *state, int64_t now_ms)
{
    *state = (struct circuit_state){.circuit = CIRCUIT_OPEN, .probe_at_ms = now_ms};
}

void circuit_fail(struct circuit_state *state, enum circuit_cause cause, struct backoff *backoff,
                  uint32_t asked_ms, int64_t now_ms)
{
    /* It worked, or had nothing to do, for as long as we ever wait: this is a new trouble. */
    if (state->circuit == CIRCUIT_CLOSED && now_ms - state->closed_at_ms > backoff->max_ms) {
        state->failures = 0;
    }
    move(state, CIRCUIT_OPEN);
    if (cause == CIRCUIT_BACKEND || state->failures == 0) {
        state->failures += state->failures < UINT32_MAX;
    }
    state->probe_at_ms = now_ms + backoff_delay_ms(backoff, state->failures, asked_ms);
}

void circuit_probe(struct circuit_state *state)
{
    move(state, CIRCUIT_PROBING);
}

void circuit_close(struct circuit_state *state, int64_t now_ms)
{
    move(state, CIRCUIT_CLOSED);
    state->closed_at_ms = now_ms;
}

void circuit_delivered(struct circuit_state *state)
{
    state->failures = 0;
}

bool circuit_probe_due(const struct circuit_state *state, int64_t now_ms)
{
    return state->circuit == CIRCUIT_OPEN && now_ms >= state->probe_at_ms;
}
