/*
 * replies.h - what a server answers, out of a fuzzer's bytes.
 *
 * A plugin is linked whole, with its HTTP client; http_exchange is replaced (-Wl,--wrap), and one
 * client serves all inputs. The bytes are replies, one after the other:
 *
 *     C TEXT \n BODY \x1e
 *
 * C is a sign of the table in replies.c: a status, or a failure. TEXT is the header Retry-After; an
 * empty one is none. Behind the last reply nobody answers any more.
 */
#ifndef MEMFERRY_TESTS_REPLIES_H
#define MEMFERRY_TESTS_REPLIES_H

#include "plugins/common/http.h"
#include "tests/fuzz/must.h"

enum { REPLIES_GIVEN_MAX = 4096 };

struct replies {
    const uint8_t *at, *end;
    size_t asked; /* requests, in all */
    size_t given_count;
    struct given_reply {
        enum http_failure failure;
        long status;
        const uint8_t *body;
        size_t body_size;
    } given[REPLIES_GIVEN_MAX];
};

/* One at a time: whom http_exchange asks. Ends with replies_end. */
void replies_begin(struct replies *replies, const uint8_t *data, size_t size);
void replies_end(void);
/* How many of the replies were a 2xx. */
size_t replies_good(const struct replies *replies);

/* What plugin.h promises of an outcome of one of n. */
void must_be_outcome(const struct memferry_outcome *outcome, size_t n);

#endif
