/*
 * batch.c - see batch.h. The answers are collected as they come, and sent when the last is there; a
 * batch of notifications has none. It holds at most MCP_CALLS_MAX messages.
 */
#include "client/heavy/mcp/batch.h"

#include "client/heavy/mcp/call.h"

#include <stdlib.h>
#include <string.h>

struct batch {
    struct mcp *mcp;
    size_t left;            /* messages whose end is still to come */
    struct json_writer all; /* an array */
};

static struct batch *batch_new(struct mcp *mcp, size_t count)
{
    struct batch *batch = calloc(1, sizeof *batch);

    if (batch != NULL) {
        *batch = (struct batch){.mcp = mcp, .left = count};
        json_writer_init(&batch->all, MCP_ANSWER_MAX);
        json_begin_array(&batch->all);
    }
    return batch;
}

static void batch_end(struct batch *batch)
{
    size_t size;
    bool is_empty = batch->all.size == 1;

    json_end_array(&batch->all);
    const char *text = json_writer_text(&batch->all, &size);
    if (text == NULL) {
        mcp_error(batch->mcp, NULL, NULL, RPC_INTERNAL, "the answers of the batch are too large");
    } else if (!is_empty) {
        output_line(&batch->mcp->out, text, size);
    }
    json_writer_deinit(&batch->all);
    free(batch);
}

void batch_take(struct batch *batch, const char *text, size_t size)
{
    if (text != NULL) {
        json_write_raw(&batch->all, text, size);
    }
    if (--batch->left == 0) {
        batch_end(batch);
    }
}

static void run_all(struct mcp *mcp, const struct memferry_node *messages)
{
    size_t count = memferry_node_count(messages);
    struct batch *batch = batch_new(mcp, count);

    if (batch == NULL) {
        mcp_error(mcp, NULL, NULL, RPC_INTERNAL, "out of memory");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        char *text = memferry_node_json(memferry_node_at(messages, i));
        if (text != NULL) {
            mcp_message(mcp, batch, text, strlen(text));
        } else {
            mcp_error(mcp, batch, NULL, RPC_INTERNAL, "out of memory");
        }
        free(text);
    }
}

void batch_begin(struct mcp *mcp, const char *line, size_t size)
{
    struct memferry_reply *reply = NULL;
    char *text = strndup(line, size);

    if (mcp->revision != REVISION_2025_03_26) {
        mcp_error(mcp, NULL, NULL, RPC_INVALID_REQUEST,
                  "only revision 2025-03-26 has batches; send one message a line");
    } else if (text == NULL || memferry_parse_json(mcp->cli->m, text, &reply) != MEMFERRY_OK) {
        mcp_error(mcp, NULL, NULL, RPC_PARSE_ERROR, "the batch is not JSON");
    } else {
        const struct memferry_node *messages = memferry_reply_root(reply);
        size_t count = memferry_node_count(messages);
        if (count == 0 || count > MCP_CALLS_MAX) {
            mcp_error(mcp, NULL, NULL, RPC_INVALID_REQUEST, "a batch has 1 to 64 messages");
        } else {
            run_all(mcp, messages);
        }
    }
    memferry_reply_free(reply);
    free(text);
}
_Static_assert(MCP_CALLS_MAX == 64, "the text names the bound");
