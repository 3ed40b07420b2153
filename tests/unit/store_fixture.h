/* store_fixture.h - a store in a directory of its own, events by hand, and answers as JSON text. */
#ifndef MEMFERRY_TESTS_STORE_FIXTURE_H
#define MEMFERRY_TESTS_STORE_FIXTURE_H

#include "broker/alert.h"
#include "broker/reader.h"
#include "broker/store.h"

#include <msgpack.h>

#define FIXTURE_ORIGIN "11111111-2222-4333-8444-555555555555"
#define FIXTURE_DIMS   2

struct fixture {
    char dir[64], path[96];
    struct store *store;
    struct reader *reader;
    uint64_t seq; /* of the last event */
    msgpack_sbuffer answer;
    char *text; /* of the last answer */
};

void fixture_init(struct fixture *fixture);
void fixture_deinit(struct fixture *fixture);
/* The same for cmocka: the state is a struct fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_reopen(struct fixture *fixture);
/* Opens the reader when it is first needed. */
struct reader *fixture_reader(struct fixture *fixture);

/* Fields of a put, from JSON with ' for ": embedding is a list of numbers or null. NULL: none. */
struct fields {
    msgpack_sbuffer buffer;
};
void fields_init(struct fields *fields, const char *json);
void fields_deinit(struct fields *fields);

struct event fixture_put(const char *memory_id, const struct fields *fields);
struct event_text fixture_text(const char *text); /* NULL: absent */

/* The payload in a buffer of malloc. at_ms is 1000 × seq, stamp_us 1000 × at_ms. */
struct journal_record fixture_record(uint64_t seq, const struct event *event);

/* One event in a transaction of its own, committed; what store_apply returned. */
int fixture_apply(struct fixture *fixture, const struct event *event, struct apply_result *ret);
/* A put or delete that must change something; its seq. */
uint64_t fixture_put_json(struct fixture *fixture, const char *memory_id, const char *json);
uint64_t fixture_delete(struct fixture *fixture, const char *memory_id);

/* What store_apply said of an alert; it is applied. */
struct apply_result fixture_raise(struct fixture *fixture, const struct alert *alert);
/* An embedder's vector of two floats for this content of a memory, whatever it has now. */
struct apply_result fixture_embed(struct fixture *fixture, const char *memory_id,
                                  const char *content, const char *model, float first,
                                  float second);
/* NULL: there is no embedder. True: the lane was rewound. */
bool fixture_set_embedder(struct fixture *fixture, const char *lane, const char *model);

/* The last answer of the reader as JSON with ' for " (floats of a bin as numbers), until the next
 * call. */
const char *fixture_json(struct fixture *fixture);
/* "memory.get" as such text, or NULL when it is not there. */
const char *fixture_get(struct fixture *fixture, const char *memory_id, uint64_t version);

/* Every row of every table, in order, as one text; freed by the caller. */
char *fixture_dump(const char *path);

#endif
