/*
 * call.h - a request from its arrival to its answer.
 *
 * Each call is answered exactly once, by one of the call_… functions that say so; it is gone then.
 * One that was cancelled is not answered: what was asked of the broker comes back and is dropped.
 */
#ifndef MEMFERRY_MCP_CALL_H
#define MEMFERRY_MCP_CALL_H

#include "client/heavy/mcp/mcp.h"

/* code: of the client library; call->reply holds the answer, an error map too, or NULL. */
typedef void call_asked_fn(struct call *call, int code);

struct tool;

struct call {
    struct mcp *mcp;
    struct call *next;
    struct batch *batch; /* that it is one of, or NULL */
    struct rpc_id id;
    enum revision revision;
    bool cancelled;
    bool is_listening;              /* it stays open */
    struct memferry_reply *request; /* what `params` lives in */
    const struct memferry_node *params;
    const struct tool *tool; /* of tools/call */
    const struct memferry_node *arguments;
    struct json_writer out;

    /* what the broker was asked last */
    uint64_t tag; /* 0: nothing */
    int64_t deadline_ms;
    const char *method;
    char *sent; /* its parameters */
    enum call_repeat { CALL_ONCE = 0, CALL_AGAIN, CALL_RETRY } repeat;
    call_asked_fn *asked;
    struct memferry_reply *reply;
    struct memferry_reply *kept[2]; /* earlier answers, for who needs several */
};

/* Consumes request. NULL: out of memory; request is freed. */
struct call *call_new(struct mcp *mcp, struct memferry_reply *request, const struct rpc_id *id,
                      struct batch *batch);
/* It is answered by nobody: when all ends. */
struct call *call_free(struct call *call);

/* Ends it without an answer: it was cancelled. */
void call_drop(struct call *call);

/* ---- answers; each ends the call ---- */

/* Fields of the result are written to call->out between these. */
void call_result_begin(struct call *call);
void call_result_end(struct call *call);
/* In between: how long this may be kept, where the revision has a place for that. */
void call_result_fresh(struct call *call, int64_t ms, bool is_public);

void call_error(struct call *call, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* With data: a JSON value. */
void call_error_data(struct call *call, int code, const char *data, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* What the library's code means where there is no tool to tell it. */
void call_error_asked(struct call *call, int code);

/* An error that belongs to no call; id may be NULL. */
void mcp_error(struct mcp *mcp, struct batch *batch, const struct rpc_id *id, int code,
               const char *text);

/* ---- broker.c ---- */

/* Asks the broker; `asked` is called once, maybe before this returns. CALL_AGAIN: may be asked
 * twice when the connection breaks; CALL_RETRY: the same, and says so (`retry`). params is emptied.
 */
void call_ask(struct call *call, const char *method, struct json_writer *params,
              enum call_repeat repeat, call_asked_fn *asked);
/* What went wrong, for people: after `asked` with a code, until the next thing is asked. */
const char *call_why(const struct call *call);
/* Keeps the last answer, as the i-th. */
void call_keep(struct call *call, unsigned i);
/* Answers of the broker, and those that did not come. */
void broker_poll(struct mcp *mcp);
void broker_deadlines(struct mcp *mcp);
/* Milliseconds until the next of them; -1: none. */
int broker_wait_ms(const struct mcp *mcp);

/* ---- session.c ---- */

/* The session of what a call changes: the given one, or (NULL) the one in force, which the broker
 * is told of once. "": none. Fills id and returns it. */
const char *call_session(struct call *call, const char *given, char id[MEMFERRY_SESSION_SIZE]);
/* Who is on the other side; "" if it did not say. */
const char *call_client(const struct call *call);

#endif
