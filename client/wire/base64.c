/*
 * base64.c - binary fields for JSON. Decoding is strict: whole quads, padding at the end only, and
 * no bits set behind the data, so that each value has one text.
 */
#include "client/wire/rpc.h"

#include <errno.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
size_t base64_encode(const void *data, size_t size, char *out)
{
    const uint8_t *bytes = data;
    char *at = out;

    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        size_t padding = left < 3 ? 3 - left : 0;
        uint32_t triple = (uint32_t)bytes[i] << 16;
        triple |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        triple |= left > 2 ? bytes[i + 2] : 0;
        at[0] = alphabet[triple >> 18];
        at[1] = alphabet[triple >> 12 & 63];
        at[2] = alphabet[triple >> 6 & 63];
        at[3] = alphabet[triple & 63];
        memset(at + 4 - padding, '=', padding);
        at += 4;
    }
    *at = '\0';
    return (size_t)(at - out);
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Takes `digits` (2..4) digits of one quad; the number of bytes they make, or -EBADMSG. */
static int quad_decode(const char *text, int digits, uint8_t *out)
{
    uint32_t bits = 0;

    for (int i = 0; i < 4; i++) {
        int value = i < digits ? digit(text[i]) : 0;
        if (value < 0) {
            return -EBADMSG;
        }
        bits = bits << 6 | (uint32_t)value;
    }
    int count = digits - 1;
    if ((bits & (0xffffffu >> (8 * count))) != 0) {
        return -EBADMSG;
    }
    for (int i = 0; i < count; i++) {
        out[i] = (uint8_t)(bits >> (16 - 8 * i));
    }
    return count;
}

long base64_decode(const char *text, size_t size, void *out)
{
    uint8_t *at = out;

    if (size % 4 != 0) {
        return -EBADMSG;
    }
    for (size_t i = 0; i < size; i += 4) {
        int digits = 4;
        if (i + 4 == size && text[i + 3] == '=') {
            digits = text[i + 2] == '=' ? 2 : 3;
        }
        int count = quad_decode(text + i, digits, at);
        if (count < 0) {
            return count;
        }
        at += count;
    }
    return at - (uint8_t *)out;
}
