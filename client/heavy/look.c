/* look.c - see look.h. */
#include "client/heavy/look.h"
#include "client/cli/times.h"

#include <string.h>

static bool call(struct cli *cli, struct look *look, const char *method,
                 struct memferry_reply **ret)
{
    look->code = memferry_call(cli->m, method, NULL, ret);
    return look->code == MEMFERRY_OK;
}

bool look_take(struct cli *cli, struct look *look)
{
    *look = (struct look){.at_ms = monotonic_ms()};
    cli->timeout_ms = cli->timeout_ms != 0 ? cli->timeout_ms : LOOK_TIMEOUT_MS;
    if (cli_open(cli) != EXIT_OK) {
        look->code = MEMFERRY_E_MEMORY;
        return false;
    }
    look->code = memferry_connect(cli->m);
    if (look->code != MEMFERRY_OK) {
        return false;
    }
    if (call(cli, look, "health", &look->health_reply)) {
        look->health = memferry_reply_root(look->health_reply);
    } else if (look->code != MEMFERRY_E_METHOD) {
        return false;
    }
    if (!call(cli, look, "stats", &look->stats_reply) ||
        !call(cli, look, "backend.list", &look->list_reply)) {
        return false;
    }
    look->stats = memferry_reply_root(look->stats_reply);
    look->backends = memferry_node_get(memferry_reply_root(look->list_reply), "backends");
    return true;
}

void look_free(struct look *look)
{
    memferry_reply_free(look->stats_reply);
    memferry_reply_free(look->health_reply);
    memferry_reply_free(look->list_reply);
    *look = (struct look){0};
}

bool look_is_attached(const struct memferry_node *backend)
{
    return strcmp(field_text(backend, "health"), "detached") != 0;
}

const char *look_memories(int64_t count)
{
    return count == 1 ? "memory" : "memories";
}
