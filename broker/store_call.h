/*
 * store_call.h - a call that the store thread carries out: lane rows, which only it writes.
 *
 * run is called in the store thread within a transaction; done in the loop after the commit, where
 * it answers the call. The object frees itself behind done.
 */
#ifndef MEMFERRY_STORE_CALL_H
#define MEMFERRY_STORE_CALL_H

#include "broker/methods.h"
#include "broker/pack.h"

struct store_call {
    struct applier_work work;
    struct note note;
    struct services *services;
    struct call *call;
    int (*run)(struct store_call *, struct store *, struct error *err);
    void (*done)(struct store_call *);
    int status;
    struct error err;
    uint64_t count; /* run's result */
    bool has_id;
    char id[MEMORY_ID_MAX + 1];
    size_t lane_count;
    char lanes[BACKENDS_MAX][65];
};

/* NULL: out of memory, and the call is answered. */
struct store_call *store_call_new(struct services *services, struct call *call,
                                  int (*run)(struct store_call *, struct store *, struct error *),
                                  void (*done)(struct store_call *));
void store_call_add_lane(struct store_call *work, const char *name);
void store_call_fail(struct store_call *work); /* answers the call by status and err */
void store_call_submit(struct store_call *work);

#endif
