/*
 * json_string.c - where a JSON string ends, and what its escapes stand for.
 */
#include "client/wire/json_parse.h"

#include <string.h>

#define SURROGATE_HIGH 0xd800u
#define SURROGATE_LOW  0xdc00u
#define SURROGATE_END  0xe000u

/* The value of four hex digits, or -1. */
static int hex4(const char *text)
{
    int value = 0;

    for (int i = 0; i < 4; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        value = value << 4 | digit;
    }
    return value;
}

/* The character that stands behind the backslash in a short escape, or -1. */
static int short_escape(char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
        return c;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return -1;
    }
}

/* Length of the escape that text begins with, or 0: it isn't one. */
static size_t escape_size(const char *text, const char *end)
{
    if (end - text < 2) {
        return 0;
    }
    if (text[1] == 'u') {
        return end - text >= 6 && hex4(text + 2) >= 0 ? 6 : 0;
    }
    return short_escape(text[1]) >= 0 ? 2 : 0;
}

const char *json_string_size(const char *text, const char *end, size_t *ret_size, bool *ret_escapes)
{
    const char *problem = "a string is not ended";
    const char *at = text;

    *ret_escapes = false;
    while (at < end) {
        unsigned char byte = (unsigned char)*at;
        if (byte == '"') {
            problem = NULL;
            break;
        }
        if (byte < 0x20) {
            problem = "a control character in a string must be escaped";
            break;
        }
        size_t step = byte == '\\' ? escape_size(at, end) : 1;
        if (step == 0) {
            problem = "an unknown escape in a string";
            break;
        }
        *ret_escapes = *ret_escapes || byte == '\\';
        at += step;
    }
    *ret_size = (size_t)(at - text);
    return problem;
}

static size_t utf8_put(uint32_t character, char *out)
{
    if (character < 0x80) {
        out[0] = (char)character;
        return 1;
    }
    if (character < 0x800) {
        out[0] = (char)(0xc0 | character >> 6);
        out[1] = (char)(0x80 | (character & 0x3f));
        return 2;
    }
    if (character < 0x10000) {
        out[0] = (char)(0xe0 | character >> 12);
        out[1] = (char)(0x80 | (character >> 6 & 0x3f));
        out[2] = (char)(0x80 | (character & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | character >> 18);
    out[1] = (char)(0x80 | (character >> 12 & 0x3f));
    out[2] = (char)(0x80 | (character >> 6 & 0x3f));
    out[3] = (char)(0x80 | (character & 0x3f));
    return 4;
}

/* One \uXXXX, or two that make one character. Bytes taken, or 0 for half of such a pair. */
static size_t unicode_escape(const char *text, const char *end, uint32_t *ret_character)
{
    uint32_t first = (uint32_t)hex4(text + 2);

    *ret_character = first;
    if (first < SURROGATE_HIGH || first >= SURROGATE_END) {
        return 6;
    }
    if (first >= SURROGATE_LOW || end - text < 12 || text[6] != '\\' || text[7] != 'u') {
        return 0;
    }
    uint32_t second = (uint32_t)hex4(text + 8);
    if (second < SURROGATE_LOW || second >= SURROGATE_END) {
        return 0;
    }
    *ret_character = 0x10000 + ((first - SURROGATE_HIGH) << 10) + (second - SURROGATE_LOW);
    return 12;
}

const char *json_string_unescape(const char *text, size_t size, char *out, size_t *ret_size)
{
    const char *end = text + size;
    const char *flaw = NULL;
    char *to = out;

    while (text < end) {
        const char *escape = memchr(text, '\\', (size_t)(end - text));
        size_t plain = (size_t)((escape != NULL ? escape : end) - text);
        memcpy(to, text, plain);
        to += plain;
        text += plain;
        if (escape == NULL) {
            break;
        }
        if (text[1] != 'u') {
            *to++ = (char)short_escape(text[1]);
            text += 2;
            continue;
        }
        uint32_t character;
        size_t taken = unicode_escape(text, end, &character);
        if (taken == 0) {
            flaw = "a surrogate stands alone";
            text += 6;
            continue;
        }
        to += utf8_put(character, to);
        text += taken;
    }
    *ret_size = (size_t)(to - out);
    return flaw;
}
