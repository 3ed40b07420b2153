/*
 * fuzz_text.c - texts that people and callers give: times, durations, numbers, base64.
 *
 * What is taken is within its bounds; what has one text only comes back as that text, and a number
 * is what the C library makes of it.
 */
#include "broker/config.h"
#include "broker/rfc3339.h"
#include "client/cli/property.h"
#include "client/cli/times.h"
#include "client/wire/rpc.h"
#include "plugins/common/webhook_internal.h"
#include "tests/fuzz/must.h"

#include <math.h>
#include <string.h>
#include <time.h>

static void try_base64(const uint8_t *data, size_t size)
{
    char *text = malloc((size + 2) / 3 * 4 + 1), *again = malloc(size + 5);
    uint8_t *bytes = malloc(size + 3);

    must(text != NULL && again != NULL && bytes != NULL, "memory");
    size_t text_size = base64_encode(data, size, text);
    uint8_t *back = malloc(text_size / 4 * 3 + 1);
    must(back != NULL && base64_decode(text, text_size, back) == (long)size, "data comes back");
    must(memcmp(back, data, size) == 0, "as it was");
    long decoded = base64_decode((const char *)data, size, bytes);
    if (decoded >= 0) {
        must((size_t)decoded <= size / 4 * 3, "within its room");
        must(base64_encode(bytes, (size_t)decoded, again) == size, "a text comes back");
        must(memcmp(again, data, size) == 0, "as it was: it has one text only");
    }
    unsigned char *limited = malloc(size == 0 ? 1 : size);
    ssize_t other = webhook_base64_decode(limited, size, (const char *)data, size);
    must(other < 0 || (decoded == other && memcmp(limited, bytes, (size_t)other) == 0),
         "both decoders read the same");
    free(limited);
    free(back);
    free(bytes);
    free(again);
    free(text);
}

static void try_time(const char *text, size_t size)
{
    char shown[TIME_TEXT_SIZE];
    int64_t ms = 0, again = 0;

    if (!rfc3339_parse(text, size, &ms)) {
        return;
    }
    must(size >= strlen("2026-01-31T12:00:00Z"), "no time is shorter");
    time_text(ms, false, shown);
    if (ms > 0) {
        must(rfc3339_parse(shown, strlen(shown), &again) && again == ms, "a time comes back");
    }
}

static void try_duration(const char *text)
{
    char shown[TIME_TEXT_SIZE];
    int64_t ms = -1, config_ms = -1;

    if (duration_parse(text, &ms)) {
        must(ms >= 0 && ms <= 3650ll * 24 * 3600 * 1000, "a duration is bounded");
        must(strlen(duration_text(ms, shown)) < sizeof shown, "and can be shown");
    }
    if (config_parse_duration(text, &config_ms) == 0) {
        must(config_ms >= 0, "a duration is no less than nothing");
        must(ms < 0 || strcmp(text, "0") == 0 || ms == config_ms, "and the same everywhere");
    }
}

static void try_numbers(const char *text)
{
    struct memferry_property property = {.name = "x"};
    int64_t number = 0, bytes = -1;
    char shown[32];

    property_value(&property, text);
    switch (property.type) {
    case MEMFERRY_NODE_INT:
        snprintf(shown, sizeof shown, "%lld", (long long)property.as.integer);
        must(strcmp(shown, text) == 0 || strcmp(text, "-0") == 0, "an integer has one text");
        break;
    case MEMFERRY_NODE_FLOAT:
        must(isfinite(property.as.floating) && property.as.floating == strtod(text, NULL),
             "a float is finite, and the nearest");
        break;
    case MEMFERRY_NODE_BOOL:
        must(strcmp(text, property.as.boolean ? "true" : "false") == 0, "a truth is its word");
        break;
    default:
        must(property.type == MEMFERRY_NODE_STRING && property.as.string == text, "else a string");
    }
    if (config_parse_int(text, &number) == 0) {
        must(number == strtoll(text, NULL, 10), "a setting's number");
    }
    must(config_parse_size(text, &bytes) != 0 || bytes >= 0, "a size is no less than nothing");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    must(text != NULL, "memory");
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    try_base64((const uint8_t *)text, size);
    try_time(text, size);
    try_duration(text);
    try_numbers(text);
    free(text);
    return 0;
}
