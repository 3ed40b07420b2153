/* client_fixture.h - a client on a fake broker. */
#ifndef MEMFERRY_TESTS_CLIENT_FIXTURE_H
#define MEMFERRY_TESTS_CLIENT_FIXTURE_H

#include "memferry/client.h"
#include "tests/lib/fake_broker.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FIELD 300

static inline struct memferry *open_at(const char *socket, int timeout_ms)
{
    struct memferry_settings settings = {
        .size = sizeof settings, .socket = socket, .timeout_ms = timeout_ms};
    struct memferry *m;

    assert_int_equal(memferry_open(&m, &settings), MEMFERRY_OK);
    return m;
}

static inline struct memferry *start(struct fake_broker *broker, const struct fake_step *steps)
{
    fake_broker_start(broker, steps);
    return open_at(broker->socket, 20000);
}

/* The broker did all its steps. */
static inline void finish(struct fake_broker *broker, struct memferry *m)
{
    memferry_close(m);
    fake_broker_join(broker);
    assert_false(broker->failed);
    fake_broker_free(broker);
}

static inline int put_tea(struct memferry *m, struct memferry_receipt *receipt)
{
    struct memferry_put put = {.size = sizeof put, .content = "Tea at four"};

    return memferry_put(m, &put, receipt);
}

#endif
