/*
 * alert-notify.c - tells people of alerts: by a webhook, a command, the desktop, a file.
 *
 * Happy path: open reads the options; a sink is what is configured. probe checks each. tell.c does
 * the rest.
 *
 * Failure modes: open fails by its options and secrets only, and without any sink. probe fails when
 * no sink works: while one does, deliveries go on, and what the others miss is tried again by
 * itself; a warning tells of them.
 */
#include "plugins/alert-notify/notify.h"

#include "plugins/common/http_settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 256 << 10, RATE_MAX = 1000, RATE_SPAN_MAX_MS = 24 * 3600 * 1000 };

static const struct memferry_option options[] = {
    {.name = "webhook",
     .type = MEMFERRY_OPTION_STRING,
     .help = "POST each alert there, signed by secret"},
    {.name = "command",
     .type = MEMFERRY_OPTION_STRING,
     .help = "Run this for each alert: variables MEMFERRY_ALERT_…, JSON on stdin, no shell"},
    {.name = "desktop",
     .type = MEMFERRY_OPTION_BOOL,
     .default_value = "no",
     .help = "Show each alert on the desktop, by notify-send"},
    {.name = "log_file",
     .type = MEMFERRY_OPTION_PATH,
     .help = "Append each alert to this file, a line of JSON"},
    {.name = "min_severity",
     .type = MEMFERRY_OPTION_STRING,
     .default_value = "info",
     .help = "Tell only those that are at least info, warning or critical"},
    {.name = "rate",
     .type = MEMFERRY_OPTION_STRING,
     .default_value = "10 in 1m",
     .help = "At most so many alerts in so long a time, the others wait; off: no limit"},
    {.name = "again",
     .type = MEMFERRY_OPTION_DURATION,
     .default_value = "1m",
     .min = 0,
     .max = RATE_SPAN_MAX_MS,
     .help = "An alert that goes on is told again after this time"},
    {.name = "command_timeout",
     .type = MEMFERRY_OPTION_DURATION,
     .default_value = "10s",
     .min = 100,
     .max = 600000,
     .help = "The command is killed when it runs for longer"},
    {.name = "batch",
     .type = MEMFERRY_OPTION_INT,
     .default_value = "20",
     .min = 1,
     .max = 256,
     .help = "Alerts to a delivery"},
#include "plugins/common/http_options.inc"
#include "plugins/common/webhook_options.inc"
    {.name = NULL},
};

/* ---- the webhook ---- */

static struct memferry_outcome webhook_tell(struct notify *notify, const struct telling *telling)
{
    return webhook_client_post(notify->webhook, telling->id, telling->body, telling->body_size);
}

static int webhook_probe(struct notify *notify, struct memferry_reason *why)
{
    return webhook_client_ping(notify->webhook, why);
}

const struct sink notify_sinks[SINKS] = {
    [SINK_WEBHOOK] = {"webhook", webhook_tell, webhook_probe},
    [SINK_COMMAND] = {"command", command_tell, command_probe},
    [SINK_DESKTOP] = {"desktop", desktop_tell, desktop_probe},
    [SINK_LOG_FILE] = {"log_file", log_file_tell, log_file_probe},
};

/* ---- options ---- */

static int bad_option(struct memferry_reason *why, const char *name, const char *text,
                      const char *allowed)
{
    snprintf(why->text, sizeof why->text, "%s = %.100s: %.300s", name, text, allowed);
    return -EINVAL;
}

static int read_severity(struct notify *notify, struct memferry_reason *why)
{
    const char *text = notify->host->option(notify->host, "min_severity");

    for (int i = MEMFERRY_SEVERITY_INFO; i <= MEMFERRY_SEVERITY_CRITICAL; i++) {
        if (strcmp(text, body_severity((enum memferry_severity)i)) == 0) {
            notify->min_severity = (enum memferry_severity)i;
            return 0;
        }
    }
    return bad_option(why, "min_severity", text, "give info, warning or critical");
}

static int64_t unit_ms(const char *unit)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}};

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(unit, units[i].unit) == 0) {
            return units[i].ms;
        }
    }
    return 0;
}

/* "10 in 1m", or off. */
static int read_rate(struct notify *notify, struct memferry_reason *why)
{
    const char *text = notify->host->option(notify->host, "rate");
    unsigned count = 0, span = 0;
    char unit[8] = "";
    int size = 0;

    if (strcmp(text, "off") == 0) {
        return 0;
    }
    bool read = sscanf(text, "%5u in %6u%7[a-z]%n", &count, &span, unit, &size) == 3 &&
                text[size] == '\0' && text[strcspn(text, "+-")] == '\0';
    int64_t span_ms = read ? span * unit_ms(unit) : 0;
    if (count == 0 || count > RATE_MAX || span_ms <= 0 || span_ms > RATE_SPAN_MAX_MS) {
        return bad_option(
            why, "rate", text,
            "give off, or 1 to 1000 alerts in a time of up to a day, such as 10 in 1m");
    }
    notify->rate = count;
    notify->rate_ms = span_ms;
    return 0;
}

static int read_command(struct notify *notify, const char *text, struct memferry_reason *why)
{
    struct memferry_reason flaw;

    if (words_split(&notify->command.words, text, &flaw) < 0) {
        return bad_option(why, "command", text, flaw.text);
    }
    notify->command.timeout_ms = notify->host->option_int(notify->host, "command_timeout");
    notify->sinks |= UINT32_C(1) << SINK_COMMAND;
    return 0;
}

static int read_sinks(struct notify *notify, struct memferry_reason *why)
{
    const struct memferry_host *host = notify->host;
    const char *webhook = host->option(host, "webhook"), *command = host->option(host, "command");
    int r = command != NULL ? read_command(notify, command, why) : 0;

    if (r == 0 && webhook != NULL) {
        notify->sinks |= UINT32_C(1) << SINK_WEBHOOK;
        r = webhook_client_new(&notify->webhook, host, webhook, 1, why);
    }
    if (host->option_int(host, "desktop") != 0) {
        notify->sinks |= UINT32_C(1) << SINK_DESKTOP;
    }
    notify->log_file = host->option(host, "log_file");
    if (notify->log_file != NULL) {
        notify->sinks |= UINT32_C(1) << SINK_LOG_FILE;
    }
    if (r == 0 && notify->sinks == 0) {
        snprintf(why->text, sizeof why->text,
                 "it tells nobody: give one of webhook, command, desktop and log_file");
        return -EINVAL;
    }
    return r;
}

/* ---- life ---- */

static void notify_close(void *self)
{
    struct notify *notify = self;

    webhook_client_free(notify->webhook);
    words_free(&notify->command.words);
    free(notify->command.path);
    told_close(notify->told);
    json_writer_deinit(&notify->writer);
    free(notify);
}

static int notify_init(struct notify *notify, struct memferry_reason *why)
{
    int r = read_severity(notify, why);

    notify->again_ms = notify->host->option_int(notify->host, "again");
    if (r == 0) {
        r = read_rate(notify, why);
    }
    if (r == 0) {
        r = read_sinks(notify, why);
    }
    if (r == 0) {
        r = told_open(&notify->told, notify->host);
    }
    return r;
}

static int notify_open(const struct memferry_host *host, void **self)
{
    struct memferry_reason why = {.text = "out of memory"};
    struct notify *notify = calloc(1, sizeof *notify);
    int r = -ENOMEM;

    if (notify != NULL) {
        notify->host = host;
        json_writer_init(&notify->writer, BODY_MAX);
        r = notify_init(notify, &why);
    }
    if (r < 0) {
        host->log(host, MEMFERRY_LOG_ERROR, "%s", why.text);
        if (notify != NULL) {
            notify_close(notify);
        }
        return r;
    }
    *self = notify;
    return 0;
}

static int notify_probe(void *self, struct memferry_reason *why)
{
    struct notify *notify = self;
    struct memferry_reason flaw = {.text = ""};
    char good[64] = "";
    bool works = false;
    int failed = 0;

    for (size_t i = 0; i < SINKS; i++) {
        if ((notify->sinks & UINT32_C(1) << i) == 0) {
            continue;
        }
        int r = notify_sinks[i].probe(notify, &flaw);
        works = works || r == 0;
        if (r == 0) {
            size_t size = strlen(good);
            snprintf(good + size, sizeof good - size, "%s%s", size > 0 ? ", " : "",
                     notify_sinks[i].name);
        } else {
            notify->host->log(notify->host, MEMFERRY_LOG_WARNING, "%s does not work: %s",
                              notify_sinks[i].name, flaw.text);
            snprintf(why->text, sizeof why->text, "%s: %.480s", notify_sinks[i].name, flaw.text);
            failed = r;
        }
    }
    if (works && failed == 0) {
        snprintf(why->text, sizeof why->text, "alerts can be told by %s", good);
    }
    return works ? 0 : failed;
}

__attribute__((visibility("default"))) extern const struct memferry_plugin memferry_plugin;

const struct memferry_plugin memferry_plugin = {
    .abi = MEMFERRY_PLUGIN_ABI,
    .size = sizeof(struct memferry_plugin),
    .name = "alert-notify",
    .version = MEMFERRY_VERSION,
    .summary = "Tells people of alerts: by webhook, command, desktop or file",
    .options = options,
    .open = notify_open,
    .close = notify_close,
    .probe = notify_probe,
    .notify = notify_tell,
};
