/* curious.c - a plugin that reaches for a function of the broker, which must not be there. */
#include <memferry/plugin.h>

struct config;
struct config *config_free(struct config *config);
extern const struct memferry_plugin memferry_plugin;

static void curious_close(void *self)
{
    config_free(self);
}

__attribute__((visibility("default"))) const struct memferry_plugin memferry_plugin = {
    .abi = MEMFERRY_PLUGIN_ABI,
    .size = sizeof(struct memferry_plugin),
    .name = "curious",
    .close = curious_close,
};
