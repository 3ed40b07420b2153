/* config_history.c - [history] keep: how long versions are kept, or how many. */
#include "broker/config_build.h"

#include <string.h>

#define KEEP_MIN_MS    INT64_C(1000)
#define KEEP_MAX_MS    (INT64_C(36500) * 24 * 3600 * 1000)
#define KEEP_COUNT_MAX 1000000000

int config_set_history_keep(struct config *c, const struct config_place *place, const char *key,
                            const char *value, struct error *err)
{
    int64_t count = 0, keep_ms = 0;

    if (strcmp(value, "all") != 0) {
        bool is_count = config_parse_int(value, &count) == 0;
        bool good = is_count ? count >= 1 && count <= KEEP_COUNT_MAX
                             : config_parse_duration(value, &keep_ms) == 0 &&
                                   keep_ms >= KEEP_MIN_MS && keep_ms <= KEEP_MAX_MS;
        if (!good) {
            return config_bad_value(err, place, key, value,
                                    "give a time such as 90d, a count of versions such as 20, or "
                                    "all");
        }
    }
    c->history_keep_ms = keep_ms;
    c->history_keep_count = (uint32_t)count;
    return 0;
}
