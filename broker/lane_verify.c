/* lane_verify.c - see lane_verify.h. */
#include "broker/lane_verify.h"

#include "broker/util/container.h"

#include <errno.h>
#include <stdio.h>

int lane_can_fetch(const struct lane *lane, struct error *err)
{
    if (lane->table->fetch != NULL && lane->feed->kind == LANE_SINK) {
        return 0;
    }
    return error_set(err, -ENOTSUP,
                     "Backend %s can't be read back: its plugin %s has no fetch. mirror-file and "
                     "neo4j-http have.",
                     lane->name, lane->table->name);
}

static void tell_loss(struct lane *lane, const struct compare *compare)
{
    const struct compare_found *found = compare->found;
    uint64_t lost = found[COMPARE_MISSING].count + found[COMPARE_DELETED].count;
    uint64_t kept = found[COMPARE_SAME].count + found[COMPARE_OLDER].count +
                    found[COMPARE_NEWER].count + found[COMPARE_CHANGED].count;
    char why[256];

    if (lost + kept < VERIFY_CONFIRMED_MIN || lost <= kept) {
        return;
    }
    snprintf(why, sizeof why,
             "%llu of %llu memories that the backend had confirmed are gone there; the first is "
             "%.64s",
             (unsigned long long)lost, (unsigned long long)(lost + kept),
             found[found[COMPARE_MISSING].sampled > 0 ? COMPARE_MISSING : COMPARE_DELETED].ids[0]);
    lane->observer->trouble(lane->observer, lane->name, LANE_TROUBLE_LOST, why);
}

static int step(struct lane_job *job, struct lane *lane, struct error *err)
{
    struct lane_verify *verify = container_of(job, struct lane_verify, job);
    int status = verify->begun ? 0 : lane_can_fetch(lane, err);

    if (status != 0) {
        return status;
    }
    if (!verify->begun) {
        compare_init(&verify->compare, lane, verify->repair);
        verify->begun = true;
    }
    status = compare_step(&verify->compare, err);
    if (status == 0) {
        tell_loss(lane, &verify->compare);
    }
    return status;
}

void lane_verify_init(struct lane_verify *verify, bool repair,
                      void (*done)(struct lane_job *, int status, const struct error *err))
{
    *verify = (struct lane_verify){.job = {.step = step, .done = done}, .repair = repair};
}

void lane_verify_deinit(struct lane_verify *verify)
{
    compare_deinit(&verify->compare);
}
