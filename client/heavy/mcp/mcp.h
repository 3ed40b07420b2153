/*
 * mcp.h - memferry mcp: what its files share.
 *
 *     stdin ─▶ input ─▶ message: what is it ─▶ method ─▶ broker.c: ask, and ask again
 *                                                 │             │ answers
 *     stdout ◀─ output ◀─ call.c: one answer each ◀─────────────┘
 *
 * One thread, one loop (main.c), at most MCP_CALLS_MAX calls in flight; nothing but the protocol is
 * ever written to stdout. Revisions of the protocol differ in what an answer may have: each call
 * knows its own. Those before 2026-07-28 are agreed on by `initialize`, for the whole process; of
 * that one each request says so itself, and both kinds may be mixed.
 */
#ifndef MEMFERRY_MCP_H
#define MEMFERRY_MCP_H

#include "client/cli/cli.h"
#include "client/cli/project.h"
#include "client/heavy/mcp/input.h"
#include "client/heavy/mcp/output.h"
#include "client/wire/rpc.h"
#include "plugins/common/json_writer.h"

#include <stdbool.h>
#include <stdint.h>

#define MCP_CALLS_MAX    64          /* in flight; above it stdin is not read */
#define MCP_ANSWER_MAX   (32u << 20) /* bytes of one answer; a whole memory may need 12 MiB */
#define MCP_ASK_MS       30000       /* for the broker's answer */
#define MCP_DELIVERED_MS 20000       /* for the backends, within that */
#define MCP_END_MS       5000        /* for what is in flight, when stdin has ended */
#define MCP_NAME_SIZE    129         /* of the client, with its NUL */

enum revision { /* in their order */
                REVISION_NONE = 0,
                REVISION_2024_11_05,
                REVISION_2025_03_26, /* annotations, batches */
                REVISION_2025_06_18, /* structured results, titles; no batches */
                REVISION_2025_11_25,
                REVISION_2026_07_28, /* each request for itself */
                REVISION_COUNT
};
#define REVISION_LEGACY_NEWEST REVISION_2025_11_25

struct call;
struct batch;

struct mcp {
    struct cli *cli;
    struct input in;
    struct output out;
    struct call *calls; /* in flight */
    unsigned call_count;
    enum revision revision;         /* by initialize */
    const char *session;            /* --session, or NULL */
    char project[PROJECT_TAG_SIZE]; /* what new memories get; "": none */
    char client[MCP_NAME_SIZE];
    char announced[MEMFERRY_SESSION_SIZE]; /* the session that the broker was told of */
    int64_t start_failed_ms;               /* monotonic; 0: the broker could be started */
    char why[512];                         /* what went wrong last */
};

/* ---- message.c ---- */

/* One line of input. */
void mcp_line(struct mcp *mcp, const char *line, size_t size);
/* One that was too long for us. */
void mcp_line_too_long(struct mcp *mcp);
const char *revision_name(enum revision revision);
/* REVISION_NONE: it is none of ours. */
enum revision revision_find(const char *name);

/* ---- lifecycle.c ---- */

void method_initialize(struct call *call);
void method_discover(struct call *call);
void method_ping(struct call *call);

/* ---- tools.c, resources.c, listen.c ---- */

void method_tools_list(struct call *call);
void method_tools_call(struct call *call);
void method_resources_list(struct call *call);
void method_resource_templates_list(struct call *call);
void method_resources_read(struct call *call);
void method_listen(struct call *call);
/* Those that listen are told that it is over. */
void listen_end_all(struct mcp *mcp);

#endif
