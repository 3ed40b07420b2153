/* canceller.c - see canceller.h. */
#include "tests/lib/canceller.h"

#include <assert.h>

static void *run(void *arg)
{
    struct canceller *canceller = arg;

    fault_server_wait_requests(canceller->server, canceller->requests);
    fake_host_cancel(canceller->host);
    return NULL;
}

void canceller_start(struct canceller *canceller)
{
    int r = pthread_create(&canceller->thread, NULL, run, canceller);

    assert(r == 0);
    (void)r;
}

void canceller_join(struct canceller *canceller)
{
    pthread_join(canceller->thread, NULL);
}
