/* progress.c - one moment, kept by the thread and read by whoever asks. */
#include "broker/util/progress.h"

#include "broker/util/clock.h"

#include <stdatomic.h>

void progress_wanted(struct progress *progress)
{
    int64_t nothing = 0;

    if (progress->since_ms == 0) { /* the clock is read for the first of many only */
        atomic_compare_exchange_strong(&progress->since_ms, &nothing, clock_monotonic_ms());
    }
}

void progress_step(struct progress *progress)
{
    progress->since_ms = clock_monotonic_ms();
}

void progress_idle(struct progress *progress)
{
    progress->since_ms = 0;
}

int64_t progress_age_ms(const struct progress *progress)
{
    int64_t since_ms = progress->since_ms;
    int64_t age_ms = since_ms == 0 ? 0 : clock_monotonic_ms() - since_ms;

    return age_ms > 0 ? age_ms : 0;
}
