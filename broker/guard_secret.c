/* guard_secret.c - see guard_secret.h. */
#include "broker/guard_secret.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

const struct span secret_none;

bool secret_is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

bool secret_begins(const char *at, const char *end, const char *text)
{
    size_t size = strlen(text);

    return (size_t)(end - at) >= size && strncasecmp(at, text, size) == 0;
}

const char *secret_skip_blanks(const char *at, const char *end)
{
    while (at < end && isspace((unsigned char)*at)) {
        at++;
    }
    return at;
}

const char *secret_skip_name(const char *at, const char *end)
{
    while (at < end && secret_is_name(*at)) {
        at++;
    }
    return at;
}

bool secret_holds(const char *name, size_t size, const char *part)
{
    size_t part_size = strlen(part);

    for (size_t i = 0; i + part_size <= size; i++) {
        if (strncasecmp(name + i, part, part_size) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- values ---- */

/* From a quote to its end; escaped and doubled quotes belong to it. */
struct span secret_quoted(const char *at, const char *end)
{
    char quote = *at;
    const char *from = at + 1;

    for (at = from; at < end; at++) {
        bool escapes = *at == '\\' || (*at == quote && at + 1 < end && at[1] == quote);
        if (escapes && at + 1 < end) {
            at++;
        } else if (*at == quote) {
            break;
        }
    }
    return at > from ? (struct span){from, at} : secret_none;
}

static struct span bare_value(const char *at, const char *end, const char *stops)
{
    const char *from = at;

    while (at < end && !isspace((unsigned char)*at) && strchr(stops, *at) == NULL) {
        at++;
    }
    return at > from ? (struct span){from, at} : secret_none;
}

struct span secret_value(const char *at, const char *end)
{
    if (at < end && *at == '\\' && at + 1 < end && (at[1] == '"' || at[1] == '\'')) {
        return bare_value(at + 2, end, "\\"); /* \"…\" within another quote */
    }
    if (at < end && strchr("'\"`", *at) != NULL) {
        return secret_quoted(at, end);
    }
    return bare_value(at, end, "'\"`;&|,)}]>");
}

/* ---- headers and URLs ---- */

struct span secret_scheme(const char *at, const char *end)
{
    const char *value = secret_skip_blanks(secret_skip_name(at, end), end);

    return secret_value(value, end);
}

/* scheme://user:secret@host: what stands between the colon and the last @ before the path. */
struct span secret_url(const char *at, const char *end)
{
    const char *colon = NULL, *sign = NULL;

    for (at += 3; at < end && !isspace((unsigned char)*at) && strchr("/?#'\"`<>", *at) == NULL;
         at++) {
        if (*at == ':' && colon == NULL) {
            colon = at;
        } else if (*at == '@') {
            sign = at;
        }
    }
    return colon != NULL && sign != NULL && sign > colon + 1 ? (struct span){colon + 1, sign}
                                                             : secret_none;
}

/* ---- keys by their looks ---- */

static size_t run_of(const char *at, const char *end, const char *more)
{
    const char *from = at;

    while (at < end &&
           (isalnum((unsigned char)*at) || (*at != '\0' && strchr(more, *at) != NULL))) {
        at++;
    }
    return (size_t)(at - from);
}

struct span secret_known_key(const char *at, const char *end)
{
    static const struct {
        const char *head;
        size_t least; /* bytes behind the head */
    } keys[] = {{"AKIA", 16},  {"ASIA", 16},     {"ghp_", 20},        {"gho_", 20},
                {"ghs_", 20},  {"ghu_", 20},     {"github_pat_", 20}, {"glpat-", 16},
                {"sk-", 20},   {"sk_live_", 16}, {"rk_live_", 16},    {"xoxb-", 16},
                {"xoxp-", 16}, {"whsec_", 16},   {"AIza", 30},        {"npm_", 30},
                {"eyJ", 30}};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        size_t head = strlen(keys[i].head);
        if ((size_t)(end - at) > head && memcmp(at, keys[i].head, head) == 0) {
            size_t size = run_of(at + head, end, "_-./+=");
            if (size >= keys[i].least) {
                return (struct span){at, at + head + size};
            }
        }
    }
    return secret_none;
}

struct span secret_private_key(const char *at, const char *end)
{
    static const char close[] = "-----END";
    size_t head = (size_t)(end - at) < SECRET_NAME_MAX ? (size_t)(end - at) : SECRET_NAME_MAX;

    if (!secret_begins(at, end, "-----BEGIN ") || !secret_holds(at, head, "PRIVATE KEY")) {
        return secret_none;
    }
    const char *from = at + strlen("-----BEGIN ");
    const char *found = memmem(from, (size_t)(end - from), close, strlen(close));
    return (struct span){at, found != NULL ? found : end};
}
