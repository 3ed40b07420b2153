/* batch.h - several messages in one line, which revision 2025-03-26 has, and their answers in one.
 */
#ifndef MEMFERRY_MCP_BATCH_H
#define MEMFERRY_MCP_BATCH_H

#include "client/heavy/mcp/mcp.h"

/* A line that is a JSON array. */
void batch_begin(struct mcp *mcp, const char *line, size_t size);
/* Takes the answer to one of them; NULL: it has none. With the last one all are sent. */
void batch_take(struct batch *batch, const char *text, size_t size);

/* ---- message.c ---- */

/* One message, of a batch or (NULL) alone. */
void mcp_message(struct mcp *mcp, struct batch *batch, const char *text, size_t size);

#endif
