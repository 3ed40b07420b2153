/*
 * broker.c - what is asked of the broker, on one connection, many requests at a time.
 *
 * Happy path: submit, go on, and hand the answer to who asked when it comes. Failure modes: no
 * broker runs: it is started, as the command does (not again within START_AGAIN_MS after that
 * failed); the connection breaks, as it does when the broker is restarted: what may be asked twice
 * is asked once more, anything else may have been carried out and is told so; no answer comes
 * within MCP_ASK_MS.
 */
#include "client/cli/times.h"
#include "client/heavy/mcp/call.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define START_PAUSE_MS 2000

static void keep_why(struct mcp *mcp, const char *text)
{
    snprintf(mcp->why, sizeof mcp->why, "%s", text);
}

const char *call_why(const struct call *call)
{
    return call->mcp->why;
}

/* ---- starting it ---- */

/* cli_connect tells a person on a terminal; here it is the caller who is to know. */
static bool connect_telling(struct mcp *mcp)
{
    static const char prefix[] = "memferry: ";
    FILE *before = mcp->cli->err;
    char *told = NULL;
    size_t size;
    FILE *stream = open_memstream(&told, &size);

    if (stream == NULL) {
        keep_why(mcp, "out of memory");
        return false;
    }
    mcp->cli->err = stream;
    int exit_code = cli_connect(mcp->cli);
    mcp->cli->err = before;
    if (fclose(stream) == 0 && exit_code != EXIT_OK) {
        told[strcspn(told, "\n")] = '\0';
        keep_why(mcp, strncmp(told, prefix, strlen(prefix)) == 0 ? told + strlen(prefix) : told);
    }
    free(told);
    return exit_code == EXIT_OK;
}

static bool start(struct mcp *mcp)
{
    int64_t now = monotonic_ms();

    if (mcp->start_failed_ms != 0 && now - mcp->start_failed_ms < START_PAUSE_MS) {
        return false; /* mcp->why is still the reason */
    }
    while (waitpid(-1, NULL, WNOHANG) > 0) { /* one that we started before */
    }
    bool started = connect_telling(mcp);
    mcp->start_failed_ms = started ? 0 : monotonic_ms();
    return started;
}

/* ---- asking ---- */

static int submit(struct call *call)
{
    struct mcp *mcp = call->mcp;
    int code = memferry_submit(mcp->cli->m, call->method, call->sent, &call->tag);

    if (code == MEMFERRY_E_CONNECT) {
        if (!start(mcp)) {
            return code;
        }
        code = memferry_submit(mcp->cli->m, call->method, call->sent, &call->tag);
    }
    if (code != MEMFERRY_OK) {
        keep_why(mcp, memferry_error(mcp->cli->m));
    }
    return code;
}

static void ended(struct call *call, int code)
{
    call->tag = 0;
    if (call->cancelled) {
        call_drop(call);
    } else {
        call->asked(call, code);
    }
}

void call_ask(struct call *call, const char *method, struct json_writer *params,
              enum call_repeat repeat, call_asked_fn *asked)
{
    const char *text = json_writer_text(params, NULL);

    free(call->sent);
    memferry_reply_free(call->reply);
    call->reply = NULL;
    call->sent = text != NULL ? strdup(text) : NULL;
    json_writer_reset(params);
    call->method = method;
    call->repeat = repeat;
    call->asked = asked;
    call->deadline_ms = monotonic_ms() + MCP_ASK_MS;
    if (call->sent == NULL) {
        keep_why(call->mcp, "out of memory");
        asked(call, MEMFERRY_E_MEMORY);
        return;
    }
    int code = submit(call);
    if (code != MEMFERRY_OK) {
        ended(call, code);
    }
}

void call_keep(struct call *call, unsigned i)
{
    call->kept[i] = call->reply;
    call->reply = NULL;
}

/* ---- answers ---- */

static bool add_retry(struct call *call)
{
    char *text;

    if (asprintf(&text, "%.*s,\"retry\":true}", (int)strlen(call->sent) - 1, call->sent) < 0) {
        return false;
    }
    free(call->sent);
    call->sent = text;
    return true;
}

/* Once, over a new connection. False: there is no asking again. */
static bool ask_again(struct call *call, int code)
{
    enum call_repeat repeat = call->repeat;

    if (code != MEMFERRY_E_UNCERTAIN || repeat == CALL_ONCE || call->cancelled) {
        return false;
    }
    call->repeat = CALL_ONCE;
    return (repeat != CALL_RETRY || add_retry(call)) && submit(call) == MEMFERRY_OK;
}

static struct call *find(struct mcp *mcp, uint64_t tag)
{
    for (struct call *call = mcp->calls; call != NULL; call = call->next) {
        if (call->tag == tag) {
            return call;
        }
    }
    return NULL;
}

static void take(struct mcp *mcp, struct memferry_completion *completion)
{
    struct call *call = find(mcp, completion->tag);

    if (call == NULL) { /* nobody waits for it any more */
        memferry_reply_free(completion->reply);
        return;
    }
    keep_why(mcp, memferry_error(mcp->cli->m));
    call->reply = completion->reply;
    if (!ask_again(call, completion->code)) {
        ended(call, completion->code);
    }
}

void broker_poll(struct mcp *mcp)
{
    struct memferry_completion completion;

    while (memferry_in_flight(mcp->cli->m) > 0 &&
           memferry_receive(mcp->cli->m, 0, &completion) == MEMFERRY_OK) {
        take(mcp, &completion);
    }
}

/* ---- those that do not come ---- */

static struct call *first_late(struct mcp *mcp, int64_t now)
{
    for (struct call *call = mcp->calls; call != NULL; call = call->next) {
        if (call->tag != 0 && call->deadline_ms <= now) {
            return call;
        }
    }
    return NULL;
}

void broker_deadlines(struct mcp *mcp)
{
    int64_t now = monotonic_ms();
    struct call *call;

    while ((call = first_late(mcp, now)) != NULL) {
        keep_why(mcp, "the broker did not answer within 30 s; the request may have been carried "
                      "out");
        ended(call, MEMFERRY_E_DEADLINE);
    }
}
_Static_assert(MCP_ASK_MS == 30000, "the text names the time");

int broker_wait_ms(const struct mcp *mcp)
{
    int64_t now = monotonic_ms(), wait = -1;

    for (const struct call *call = mcp->calls; call != NULL; call = call->next) {
        if (call->tag != 0) {
            int64_t left = call->deadline_ms > now ? call->deadline_ms - now : 0;
            wait = wait < 0 || left < wait ? left : wait;
        }
    }
    return (int)wait;
}
