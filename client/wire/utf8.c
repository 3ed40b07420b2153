/*
 * utf8.c - checks text, eight ASCII bytes at a time, one character at a time otherwise.
 */
#include "client/wire/utf8.h"

#include <stdint.h>
#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define LOW_BITS  UINT64_C(0x0101010101010101)

static bool continues(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

static size_t three_bytes(const unsigned char *text)
{
    if (!continues(text[1]) || !continues(text[2])) {
        return 0;
    }
    if (text[0] == 0xe0 && text[1] < 0xa0) {
        return 0; /* overlong */
    }
    if (text[0] == 0xed && text[1] > 0x9f) {
        return 0; /* a surrogate */
    }
    return 3;
}

static size_t four_bytes(const unsigned char *text)
{
    if (!continues(text[1]) || !continues(text[2]) || !continues(text[3])) {
        return 0;
    }
    if (text[0] == 0xf0 && text[1] < 0x90) {
        return 0; /* overlong */
    }
    if (text[0] == 0xf4 && text[1] > 0x8f) {
        return 0; /* above U+10FFFF */
    }
    return 4;
}

size_t utf8_character(const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;

    if (bytes[0] < 0x80) {
        return 1;
    }
    if (bytes[0] >= 0xc2 && bytes[0] <= 0xdf) {
        return size >= 2 && continues(bytes[1]) ? 2 : 0;
    }
    if (bytes[0] >= 0xe0 && bytes[0] <= 0xef) {
        return size >= 3 ? three_bytes(bytes) : 0;
    }
    if (bytes[0] >= 0xf0 && bytes[0] <= 0xf4) {
        return size >= 4 ? four_bytes(bytes) : 0;
    }
    return 0;
}

/* Eight ASCII bytes, none of them NUL. */
static bool eight_plain(const char *text)
{
    uint64_t word;

    memcpy(&word, text, sizeof word);
    return ((word | (word - LOW_BITS)) & HIGH_BITS) == 0;
}

static bool check(const char *text, size_t size, bool nul_allowed)
{
    size_t at = 0;

    while (at < size) {
        if (size - at >= 8 && eight_plain(text + at)) {
            at += 8;
            continue;
        }
        if (size - at < 8 && size >= 8 && eight_plain(text + size - 8)) {
            return true; /* looked at again, some of them: quicker than one by one */
        }
        if (text[at] == '\0' && !nul_allowed) {
            return false;
        }
        size_t step = utf8_character(text + at, size - at);
        if (step == 0) {
            return false;
        }
        at += step;
    }
    return true;
}

bool utf8_valid(const char *text, size_t size)
{
    return check(text, size, true);
}

bool utf8_valid_no_nul(const char *text, size_t size)
{
    return check(text, size, false);
}

size_t utf8_whole(const char *text, size_t size)
{
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        unsigned char byte = (unsigned char)text[size - back];
        if (continues(byte)) {
            continue;
        }
        size_t wanted = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
        return wanted > back ? size - back : size;
    }
    return size;
}
