/* session.h - the session in force, for the tools. */
#ifndef MEMFERRY_MCP_SESSION_H
#define MEMFERRY_MCP_SESSION_H

#include "client/heavy/mcp/call.h"

/* --session, or that of the library; "": none. It is used, so one may be begun. */
const char *session_in_force(struct mcp *mcp, char id[MEMFERRY_SESSION_SIZE]);
/* What session.begin is called with. */
void session_begin_params(struct call *call, const char *id, struct json_writer *params);

#endif
