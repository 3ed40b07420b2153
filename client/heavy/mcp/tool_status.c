/*
 * tool_status.c - status: the broker, its backends, and what needs a look.
 *
 * Three questions, one after the other, and one answer. What a backend said last may hold anything,
 * but no secret: the broker has masked it.
 */
#include "client/heavy/mcp/tool.h"

#define ALERTS_MAX 5

static const struct argument arguments[] = {{.name = NULL}};

static void tell_store(struct answer *answer, const struct memferry_node *stats)
{
    const struct memferry_node *store = memferry_node_get(stats, "store");
    long long memories = field_int(store, "memories"), events = field_int(store, "events");

    fprintf(answer->out, "memferryd %s runs. %lld memor%s, %lld forgotten, %lld change%s in all.\n",
            field_text(memferry_node_get(stats, "server"), "version"), memories,
            memories == 1 ? "y" : "ies", (long long)field_int(store, "deleted"), events,
            events == 1 ? "" : "s");
    answer_field(answer, "version", field_text(memferry_node_get(stats, "server"), "version"));
    answer_int(answer, "memories", field_int(store, "memories"));
    answer_int(answer, "forgotten", field_int(store, "deleted"));
}

static void tell_backend(struct answer *answer, const struct memferry_node *backend)
{
    const char *error = field_text(backend, "last_error");
    long long pending = field_int(backend, "pending"), dead = field_int(backend, "dead");

    fprintf(answer->out, "Backend %s (%s): %s%s, %lld pending, %lld dead%s%.300s\n",
            field_text(backend, "name"), field_text(backend, "plugin"),
            field_text(backend, "health"), field_bool(backend, "paused") ? ", paused" : "", pending,
            dead, error[0] != '\0' ? "; it said last: " : "", error);
    json_begin_object(&answer->w);
    answer_field(answer, "name", field_text(backend, "name"));
    answer_field(answer, "plugin", field_text(backend, "plugin"));
    answer_field(answer, "health", field_text(backend, "health"));
    answer_bool(answer, "paused", field_bool(backend, "paused"));
    answer_int(answer, "pending", pending);
    answer_int(answer, "dead", dead);
    answer_field(answer, "last_error", error);
    json_end_object(&answer->w);
}

static void tell_alert(struct answer *answer, const struct memferry_node *alert)
{
    fprintf(answer->out, "Alert %s (%s): %s%s\n", field_text(alert, "id"),
            field_text(alert, "severity"), field_text(alert, "summary"),
            field_text(alert, "undo")[0] != '\0'
                ? "; undo with this alert shows what would be brought back"
                : "");
    json_begin_object(&answer->w);
    answer_field(answer, "id", field_text(alert, "id"));
    answer_field(answer, "severity", field_text(alert, "severity"));
    answer_field(answer, "summary", field_text(alert, "summary"));
    json_end_object(&answer->w);
}

static void tell_list(struct answer *answer, const char *name, const struct memferry_node *list,
                      void (*tell)(struct answer *, const struct memferry_node *))
{
    json_write_key(&answer->w, name);
    json_begin_array(&answer->w);
    for (size_t i = 0; i < memferry_node_count(list); i++) {
        tell(answer, memferry_node_at(list, i));
    }
    json_end_array(&answer->w);
}

static void alerts_asked(struct call *call, int code)
{
    const struct memferry_node *stats = memferry_reply_root(call->kept[0]);
    const struct memferry_node *backends =
        memferry_node_get(memferry_reply_root(call->kept[1]), "backends");
    const struct memferry_node *alerts =
        memferry_node_get(memferry_reply_root(call->reply), "alerts");
    struct answer answer;

    if (!answer_asked(&answer, call, code)) {
        return;
    }
    tell_store(&answer, stats);
    tell_list(&answer, "backends", backends, tell_backend);
    if (memferry_node_count(backends) == 0) {
        fputs("No backends: memories are on this machine only.\n", answer.out);
    }
    tell_list(&answer, "alerts", alerts, tell_alert);
    long long open = field_int(memferry_node_get(stats, "store"), "alerts_open");
    fprintf(answer.out, "%lld open alert%s.\n", open, open == 1 ? "" : "s");
    answer_int(&answer, "alerts_open", open);
    if (call->mcp->project[0] != '\0') {
        fprintf(answer.out, "New memories get the tag %s.\n", call->mcp->project);
        answer_field(&answer, "project_tag", call->mcp->project);
    }
    answer_end(&answer, call);
}

static void backends_asked(struct call *call, int code)
{
    struct json_writer params;

    if (code != MEMFERRY_OK) {
        tool_failed(call, code);
        return;
    }
    call_keep(call, 1);
    json_writer_init(&params, MCP_ANSWER_MAX);
    json_begin_object(&params);
    json_write_key(&params, "limit");
    json_write_int(&params, ALERTS_MAX);
    json_end_object(&params);
    call_ask(call, "alert.list", &params, CALL_AGAIN, alerts_asked);
    json_writer_deinit(&params);
}

static void ask_plainly(struct call *call, const char *method, call_asked_fn *asked)
{
    struct json_writer params;

    json_writer_init(&params, MCP_ANSWER_MAX);
    json_begin_object(&params);
    json_end_object(&params);
    call_ask(call, method, &params, CALL_AGAIN, asked);
    json_writer_deinit(&params);
}

static void stats_asked(struct call *call, int code)
{
    if (code != MEMFERRY_OK) {
        tool_failed(call, code);
        return;
    }
    call_keep(call, 0);
    ask_plainly(call, "backend.list", backends_asked);
}

static void status(struct call *call)
{
    ask_plainly(call, "stats", stats_asked);
}

const struct tool tool_status = {
    .name = "status",
    .title = "State of the memory store",
    .description =
        "Whether the memory store is well: how much it holds, which backends it delivers "
        "to and what is pending there, and open alerts of unusual destruction.",
    .arguments = arguments,
    .output = "{\"type\":\"object\",\"properties\":{"
              "\"message\":{\"type\":\"string\"},"
              "\"version\":{\"type\":\"string\"},"
              "\"memories\":{\"type\":\"integer\"},\"forgotten\":{\"type\":\"integer\"},"
              "\"alerts_open\":{\"type\":\"integer\"},\"project_tag\":{\"type\":\"string\"},"
              "\"backends\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
              "\"name\":{\"type\":\"string\"},\"plugin\":{\"type\":\"string\"},"
              "\"health\":{\"type\":\"string\"},\"paused\":{\"type\":\"boolean\"},"
              "\"pending\":{\"type\":\"integer\"},\"dead\":{\"type\":\"integer\"},"
              "\"last_error\":{\"type\":\"string\"}},\"required\":[\"name\"]}},"
              "\"alerts\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
              "\"id\":{\"type\":\"string\"},\"severity\":{\"type\":\"string\"},"
              "\"summary\":{\"type\":\"string\"}},\"required\":[\"id\"]}}},"
              "\"required\":[\"message\",\"version\",\"memories\",\"forgotten\",\"alerts_open\","
              "\"backends\",\"alerts\"]}",
    .is_read_only = true,
    .run = status,
};
