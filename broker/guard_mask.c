/*
 * guard_mask.c - see guard_mask.h.
 *
 * Happy path: a position moves through the text; at each beginning of a word the rules are asked
 * for a secret that starts nearby. What they name is replaced, and the position moves behind it.
 */
#include "broker/guard_mask.h"

#include "broker/guard_secret.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define SECRET_NAME_MAX 64  /* bytes of a name that are looked at */
#define PASSWORD_REACH  160 /* bytes between PASSWORD and the TO of a new one */

struct mask {
    const char *text, *end;
    const char *at; /* what comes next; before it all is written */
    char *out;
    size_t size, max;
    const char *program;  /* that options belong to: a name of the table, or NULL */
    const char *password; /* where the word PASSWORD stood last */
};

/* ---- writing ---- */

static void write_text(struct mask *mask, const char *text, size_t size)
{
    size_t room = mask->max - mask->size;

    size = size < room ? size : room;
    memcpy(mask->out + mask->size, text, size);
    mask->size += size;
}

/* No half character at the end. */
static size_t whole_size(const char *text, size_t size)
{
    size_t at = size;

    while (at > 0 && size - at < 4 && ((unsigned char)text[at - 1] & 0xC0) == 0x80) {
        at--;
    }
    if (at == 0 || ((unsigned char)text[at - 1] & 0xC0) != 0xC0) {
        return size;
    }
    unsigned char lead = (unsigned char)text[at - 1];
    size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    return size - (at - 1) >= wanted ? size : at - 1;
}

static void replace(struct mask *mask, const struct span *secret)
{
    write_text(mask, mask->at, (size_t)(secret->from - mask->at));
    write_text(mask, GUARD_MASK, strlen(GUARD_MASK));
    mask->at = secret->to;
}

/* ---- names that sound secret ---- */

static bool is_secret_name(const char *name, size_t size)
{
    static const char *const parts[] = {"password",   "passwd",     "passphrase",  "secret",
                                        "token",      "apikey",     "api_key",     "api-key",
                                        "access_key", "access-key", "private_key", "private-key",
                                        "credential", "auth_key",   "_pwd",        "signature"};

    if (size > SECRET_NAME_MAX) { /* a name's end tells what it is */
        name += size - SECRET_NAME_MAX;
        size = SECRET_NAME_MAX;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (secret_holds(name, size, parts[i])) {
            return true;
        }
    }
    return (size == 3 && strncasecmp(name, "pwd", 3) == 0) ||
           (size == 4 && strncasecmp(name, "pass", 4) == 0);
}

static const char *skip_key(const char *at, const char *end)
{
    const char *from = at;

    while (at < end && at - from < 2 * SECRET_NAME_MAX && (secret_is_name(*at) || *at == '-')) {
        at++;
    }
    return at;
}

/* name = value, name: value, "name": value, name => value */
static struct span assigned_value(const char *name_end, const char *end)
{
    const char *at = name_end;

    while (at < end && strchr("\"'`\\]", *at) != NULL) {
        at++;
    }
    at = secret_skip_blanks(at, end);
    if (at == end || strchr("=:", *at) == NULL) {
        return secret_none;
    }
    while (at < end && strchr("=:>", *at) != NULL) {
        at++;
    }
    return secret_value(secret_skip_blanks(at, end), end);
}

/* --password VALUE */
static struct span option_value(const struct mask *mask, const char *at, const char *name_end)
{
    bool is_option = at - mask->text >= 2 && at[-1] == '-' && at[-2] == '-';
    const char *value = secret_skip_blanks(name_end, mask->end);

    return is_option && value > name_end && value < mask->end && *value != '-'
               ? secret_value(value, mask->end)
               : secret_none;
}

/* ---- SQL and Cypher ---- */

/* PASSWORD [TO|FROM|=|(] '…', IDENTIFIED [WITH x] BY|AS [PASSWORD] '…' */
static struct span sql_value(const char *at, const char *end)
{
    static const char *const words[] = {"PASSWORD", "TO", "FROM", "AS", "BY", "WITH", "VALUES"};
    bool by = secret_begins(at, end, "IDENTIFIED");
    const char *next = secret_skip_blanks(secret_skip_name(at, end), end);

    for (unsigned i = 0; next < end && i < 5; i++) {
        if (*next == '\'' || *next == '"') {
            return secret_quoted(next, end);
        }
        const char *word_end = secret_skip_name(next, end);
        bool known = *next == '(' || *next == '=';
        for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
            known |=
                (size_t)(word_end - next) == strlen(words[k]) && secret_begins(next, end, words[k]);
        }
        if (!known && !by) {
            return secret_none;
        }
        next = secret_skip_blanks(word_end > next ? word_end : next + 1, end);
    }
    return secret_none;
}

/* The new password of Cypher's SET PASSWORD FROM '…' TO '…'. */
static bool follows_password(const struct mask *mask, const char *at)
{
    return mask->password != NULL && at - mask->password < PASSWORD_REACH;
}

/* ---- short options ---- */

struct short_option {
    const char *program;
    char letter;
    bool attached; /* -pSECRET; else -p SECRET */
    bool is_pair;  /* user:secret */
};

static const struct short_option short_options[] = {
    {"mysql", 'p', true, false},         {"mysqldump", 'p', true, false},
    {"mysqladmin", 'p', true, false},    {"mariadb", 'p', true, false},
    {"mariadb-dump", 'p', true, false},  {"mysqlimport", 'p', true, false},
    {"cypher-shell", 'p', false, false}, {"redis-cli", 'a', false, false},
    {"valkey-cli", 'a', false, false},   {"sshpass", 'p', true, false},
    {"sshpass", 'p', false, false},      {"curl", 'u', false, true},
    {"curl", 'u', true, true},           {"curl", 'U', false, true},
    {"mongosh", 'p', false, false},      {"mongo", 'p', false, false},
    {"sqlcmd", 'P', false, false},       {"sqlcmd", 'P', true, false},
    {"ldapsearch", 'w', false, false},
};

/* What a word tells about those behind it: the program that options belong to, up to the end of the
 * command. */
static void note_word(struct mask *mask, const char *at)
{
    const char *end = skip_key(at, mask->end);

    for (size_t i = 0; i < sizeof short_options / sizeof *short_options; i++) {
        const char *program = short_options[i].program;
        if ((size_t)(end - at) == strlen(program) && memcmp(at, program, strlen(program)) == 0) {
            mask->program = program;
        }
    }
    if (secret_begins(at, mask->end, "PASSWORD")) {
        mask->password = at;
    }
}

static struct span pair_value(struct span value)
{
    const char *colon =
        value.from == NULL ? NULL : memchr(value.from, ':', (size_t)(value.to - value.from));

    return colon != NULL && colon + 1 < value.to ? (struct span){colon + 1, value.to} : secret_none;
}

/* At a dash that begins a word. */
static struct span short_option_value(const struct mask *mask, const char *at)
{
    if (mask->program == NULL) {
        return secret_none;
    }
    for (size_t i = 0; i < sizeof short_options / sizeof *short_options; i++) {
        const struct short_option *option = &short_options[i];
        if (mask->end - at < 3 || at[1] != option->letter ||
            option->attached == (isspace((unsigned char)at[2]) != 0) ||
            strcmp(mask->program, option->program) != 0) {
            continue;
        }
        struct span value = secret_value(secret_skip_blanks(at + 2, mask->end), mask->end);
        return option->is_pair ? pair_value(value) : value;
    }
    return secret_none;
}

/* ---- the text ---- */

static bool starts_word(const struct mask *mask, const char *at)
{
    return at == mask->text || !secret_is_name(at[-1]);
}

static struct span secret_of_word(const struct mask *mask, const char *at)
{
    const char *end = mask->end, *name_end = skip_key(at, end);
    struct span found = secret_known_key(at, end);

    if (found.from == NULL && is_secret_name(at, (size_t)(name_end - at))) {
        found = assigned_value(name_end, end);
        found = found.from != NULL ? found : option_value(mask, at, name_end);
    }
    if (found.from == NULL &&
        (secret_begins(at, end, "PASSWORD") || secret_begins(at, end, "IDENTIFIED") ||
         (secret_begins(at, end, "TO ") && follows_password(mask, at)))) {
        found = sql_value(at, end);
    }
    if (found.from == NULL &&
        (secret_begins(at, end, "Bearer ") || secret_begins(at, end, "Basic "))) {
        found = secret_scheme(at, end);
    }
    if (found.from == NULL &&
        (secret_begins(at, end, "Authorization:") || secret_begins(at, end, "Cookie:") ||
         secret_begins(at, end, "X-Auth"))) {
        found = assigned_value(name_end, end);
        bool has_scheme = found.from != NULL && (secret_begins(found.from, end, "Bearer ") ||
                                                 secret_begins(found.from, end, "Basic "));
        found = has_scheme ? secret_scheme(found.from, end) : found;
    }
    return found;
}

static struct span secret_at(struct mask *mask, const char *at)
{
    if (strchr("\n;|&", *at) != NULL) { /* NUL too */
        mask->program = NULL;
    }
    if (secret_begins(at, mask->end, "://")) {
        return secret_url(at, mask->end);
    }
    if (!starts_word(mask, at)) {
        return secret_none;
    }
    bool follows_name = at > mask->text && (at[-1] == '-' || at[-1] == '.');
    if (secret_is_name(*at) && !follows_name) {
        note_word(mask, at);
    }
    if (*at == '-') {
        struct span found = secret_private_key(at, mask->end);
        bool begins_word = at == mask->text || isspace((unsigned char)at[-1]);
        return found.from != NULL || !begins_word ? found : short_option_value(mask, at);
    }
    return secret_is_name(*at) ? secret_of_word(mask, at) : secret_none;
}

size_t guard_mask(const char *text, size_t size, char *ret, size_t max)
{
    struct mask mask = {.text = text, .end = text + size, .at = text, .out = ret, .max = max};
    const char *at = text;

    while (at < mask.end) {
        struct span secret = secret_at(&mask, at);
        if (secret.from != NULL) {
            replace(&mask, &secret);
            at = secret.to;
        } else {
            at++;
        }
    }
    write_text(&mask, mask.at, (size_t)(mask.end - mask.at));
    return mask.size < max ? mask.size : whole_size(ret, mask.size);
}
