/* guard_scan_space.c - see guard_scan_space.h. */
#include "broker/guard_scan_space.h"

#include <string.h>

bool scan_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

bool scan_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool scan_is_word_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

bool scan_is_word(char c)
{
    return scan_is_word_start(c) || scan_is_digit(c) || c == '$';
}

size_t scan_left(const struct guard_scan *scan)
{
    return (size_t)(scan->end - scan->at);
}

char scan_peek(const struct guard_scan *scan, size_t ahead)
{
    return (char)(ahead < scan_left(scan) ? scan->at[ahead] : '\0');
}

bool scan_starts_with(const struct guard_scan *scan, const char *text)
{
    size_t size = strlen(text);

    return scan_left(scan) >= size && memcmp(scan->at, text, size) == 0;
}

/* ---- blanks and comments ---- */

void scan_skip_line(struct guard_scan *scan)
{
    const char *newline = memchr(scan->at, '\n', scan_left(scan));

    scan->at = newline != NULL ? newline : scan->end;
}

/* At the slash and star. PostgreSQL's comments nest; MySQL's, and Cypher's, do not. */
static void skip_block(struct guard_scan *scan)
{
    size_t depth = 0;

    for (; scan->at < scan->end; scan->at++) {
        if (scan_starts_with(scan, "/*")) {
            scan->dialects_differ = scan->dialects_differ || depth > 0;
            depth = depth > 0 && scan->dialect != GUARD_DIALECT_STANDARD ? depth : depth + 1;
            scan->at++;
        } else if (scan_starts_with(scan, "*/") && --depth == 0) {
            scan->at += 2;
            return;
        } else if (scan_starts_with(scan, "*/")) {
            scan->at++;
        }
    }
    scan->is_open = true;
}

/* The head of a comment that MySQL executes: the version goes with it. */
static void enter_comment(struct guard_scan *scan)
{
    scan->at += 3;
    while (scan_is_digit(scan_peek(scan, 0))) {
        scan->at++;
    }
    scan->runs_comment = true;
}

static bool skip_mysql_comment(struct guard_scan *scan)
{
    if (scan_starts_with(scan, "/*!") || scan_starts_with(scan, "/*M!")) {
        scan->at += scan_starts_with(scan, "/*M!") ? 1 : 0;
        enter_comment(scan);
    } else if (scan->runs_comment && scan_starts_with(scan, "*/")) {
        scan->at += 2;
        scan->runs_comment = false;
    } else if (scan_peek(scan, 0) == '#' ||
               (scan_starts_with(scan, "--") &&
                (scan_left(scan) == 2 || (unsigned char)scan->at[2] <= ' '))) {
        scan_skip_line(scan);
    } else if (scan_starts_with(scan, "/*")) {
        skip_block(scan);
    } else {
        /* The end of a comment that began in another dialect. */
        scan->is_open = scan->is_open || scan_starts_with(scan, "*/");
        return false;
    }
    return true;
}

static bool skip_standard_comment(struct guard_scan *scan)
{
    if (scan_starts_with(scan, "--")) {
        scan->dialects_differ = true;
        scan_skip_line(scan);
    } else if (scan_starts_with(scan, "/*")) {
        scan->dialects_differ = scan->dialects_differ || scan_starts_with(scan, "/*!");
        skip_block(scan);
    } else if (scan_peek(scan, 0) == '#' && (scan->starts_line || scan->starts_statement)) {
        scan_skip_line(scan);
    } else {
        scan->dialects_differ = scan->dialects_differ || scan_peek(scan, 0) == '#';
        return false;
    }
    return true;
}

static bool skip_cypher_comment(struct guard_scan *scan)
{
    if (scan_starts_with(scan, "//")) {
        scan_skip_line(scan);
    } else if (scan_starts_with(scan, "/*")) {
        skip_block(scan);
    } else {
        return false;
    }
    return true;
}

static bool skip_comment(struct guard_scan *scan)
{
    switch (scan->dialect) {
    case GUARD_DIALECT_MYSQL:
        return skip_mysql_comment(scan);
    case GUARD_DIALECT_CYPHER:
        return skip_cypher_comment(scan);
    default:
        return skip_standard_comment(scan);
    }
}

void scan_skip_space(struct guard_scan *scan)
{
    while (scan->at < scan->end) {
        if (*scan->at == '\n') {
            scan->starts_line = true;
            scan->at++;
        } else if (scan_is_blank(*scan->at)) {
            scan->at++;
        } else if (!skip_comment(scan)) {
            return;
        }
    }
}
