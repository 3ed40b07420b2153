/*
 * session.c - in which session a call changes something: the rules of docs/sessions.md, as the
 * memferry command has them, with --session and a call's own session_id before them.
 *
 * The broker is told of the session in force once, with who the client is and where we run. A
 * session file that cannot be used is no reason to fail: then there is no session.
 */
#include "client/heavy/mcp/session.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

const char *call_client(const struct call *call)
{
    const struct memferry_node *meta = memferry_node_get(call->params, "_meta");
    const struct memferry_node *client =
        memferry_node_get(meta, "io.modelcontextprotocol/clientInfo");
    const char *name = memferry_node_string(memferry_node_get(client, "name"), "");

    return name[0] != '\0' && strlen(name) < MCP_NAME_SIZE ? name : call->mcp->client;
}

void session_begin_params(struct call *call, const char *id, struct json_writer *params)
{
    char cwd[PATH_MAX];

    json_begin_object(params);
    json_write_key(params, "session_id");
    json_write_text(params, id);
    if (call_client(call)[0] != '\0') {
        json_write_key(params, "agent");
        json_write_text(params, call_client(call));
    }
    if (getcwd(cwd, sizeof cwd) != NULL) {
        json_write_key(params, "cwd");
        json_write_text(params, cwd);
    }
    json_end_object(params);
}

/* Before what is asked next, on the same connection. Its answer is for nobody; a broker that does
 * not run yet is told the next time. */
static void announce(struct call *call, const char *id)
{
    struct mcp *mcp = call->mcp;
    struct json_writer params;
    uint64_t unused;

    if (strcmp(mcp->announced, id) == 0) {
        return;
    }
    json_writer_init(&params, PATH_MAX * 8);
    session_begin_params(call, id, &params);
    const char *text = json_writer_text(&params, NULL);
    if (text != NULL &&
        memferry_submit(mcp->cli->m, "session.begin", text, &unused) == MEMFERRY_OK) {
        snprintf(mcp->announced, sizeof mcp->announced, "%s", id);
    }
    json_writer_deinit(&params);
}

const char *session_in_force(struct mcp *mcp, char id[MEMFERRY_SESSION_SIZE])
{
    struct memferry_session session;

    id[0] = '\0';
    if (mcp->session != NULL) {
        snprintf(id, MEMFERRY_SESSION_SIZE, "%s", mcp->session);
    } else if (memferry_session_current(mcp->cli->m, &session) == MEMFERRY_OK) {
        strcpy(id, session.id);
    }
    return id;
}

const char *call_session(struct call *call, const char *given, char id[MEMFERRY_SESSION_SIZE])
{
    if (given != NULL) {
        snprintf(id, MEMFERRY_SESSION_SIZE, "%s", given);
        return id;
    }
    if (session_in_force(call->mcp, id)[0] != '\0') {
        announce(call, id);
    }
    return id;
}
