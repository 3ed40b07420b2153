/* lane_world_faults.c - the test stands between a lane and the applier: --wrap gives it every work
 * first, to fail it or to keep it. */
#include "tests/unit/lane_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void __real_applier_submit(struct applier *applier, struct applier_work *work);
void __wrap_applier_submit(struct applier *applier, struct applier_work *work);

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t kept;
    unsigned failing; /* works that come back with an error */
    bool holding;     /* works are kept */
    struct applier_work *held;
} submits = {.mutex = PTHREAD_MUTEX_INITIALIZER, .kept = PTHREAD_COND_INITIALIZER};

void __wrap_applier_submit(struct applier *applier, struct applier_work *work)
{
    struct error err;

    pthread_mutex_lock(&submits.mutex);
    bool fails = submits.failing > 0, holds = submits.holding;
    if (fails) {
        submits.failing--;
    } else if (holds) {
        assert_null(submits.held);
        submits.held = work;
        pthread_cond_broadcast(&submits.kept);
    }
    pthread_mutex_unlock(&submits.mutex);
    if (fails) {
        error_set(&err, -EIO, "the disk is on fire");
        work->done(work, -EIO, &err);
    } else if (!holds) {
        __real_applier_submit(applier, work);
    }
}

void world_fail_writes(unsigned n)
{
    pthread_mutex_lock(&submits.mutex);
    submits.failing = n;
    pthread_mutex_unlock(&submits.mutex);
}

void world_hold_writes(void)
{
    pthread_mutex_lock(&submits.mutex);
    submits.holding = true;
    pthread_mutex_unlock(&submits.mutex);
}

void world_await_held_write(void)
{
    pthread_mutex_lock(&submits.mutex);
    while (submits.held == NULL) {
        pthread_cond_wait(&submits.kept, &submits.mutex);
    }
    pthread_mutex_unlock(&submits.mutex);
}

void world_release_writes(struct world *world)
{
    pthread_mutex_lock(&submits.mutex);
    struct applier_work *work = submits.held;
    submits.holding = false;
    submits.held = NULL;
    pthread_mutex_unlock(&submits.mutex);
    if (work != NULL) {
        __real_applier_submit(world->applier, work);
    }
}
