/* search_text.c - see search_text.h. */
#include "broker/search_text.h"

#include <ctype.h>

static size_t sequence_size(unsigned char lead)
{
    if (lead >= 0xf0) {
        return lead <= 0xf4 ? 4 : 1;
    }
    if (lead >= 0xe0) {
        return 3;
    }
    return lead >= 0xc2 ? 2 : 1;
}

uint32_t search_char(const char *text, size_t size, size_t *ret_bytes)
{
    static const unsigned char lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    const unsigned char *bytes = (const unsigned char *)text;
    size_t n = sequence_size(bytes[0]);
    uint32_t c;

    *ret_bytes = 1;
    if (n == 1 || n > size) {
        return bytes[0];
    }
    c = bytes[0] & lead_bits[n];
    for (size_t i = 1; i < n; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return bytes[0];
        }
        c = c << 6 | (bytes[i] & 0x3f);
    }
    *ret_bytes = n;
    return c;
}

size_t search_char_count(const char *text, size_t size)
{
    size_t count = 0, bytes;

    for (size_t at = 0; at < size; at += bytes) {
        search_char(text + at, size - at, &bytes);
        count++;
    }
    return count;
}

size_t search_char_prefix(const char *text, size_t size, size_t count)
{
    size_t at = 0, bytes;

    for (; at < size && count > 0; at += bytes, count--) {
        search_char(text + at, size - at, &bytes);
    }
    return at;
}

bool search_char_is_dense(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        {0x0e01, 0x0e3a}, {0x0e40, 0x0e4e},   {0x0e81, 0x0ece}, {0x0edc, 0x0edf}, /* Thai, Lao */
        {0x1000, 0x103f}, {0x1050, 0x109f},                                       /* Myanmar */
        {0x1100, 0x11ff},                                                         /* Hangul */
        {0x1780, 0x17d3},                                                         /* Khmer */
        {0x3005, 0x3007}, {0x3021, 0x3029},   {0x3031, 0x3035}, {0x3041, 0x3096}, /* kana, … */
        {0x3099, 0x309a}, {0x309d, 0x309f},   {0x30a1, 0x30fa}, {0x30fc, 0x30ff},
        {0x3105, 0x318e}, {0x31a0, 0x31bf},   {0x31f0, 0x31ff}, {0x3400, 0x4dbf}, /* Han, … */
        {0x4e00, 0x9fff}, {0xa960, 0xa97c},   {0xac00, 0xd7fb}, {0xf900, 0xfaff},
        {0xff66, 0xffdc}, {0x20000, 0x3ffff},
    };
    size_t low = 0, high = sizeof ranges / sizeof ranges[0];

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > ranges[middle][1]) {
            low = middle + 1;
        } else if (c < ranges[middle][0]) {
            high = middle;
        } else {
            return true;
        }
    }
    return false;
}

bool search_char_is_space(uint32_t c)
{
    return c <= ' ' || c == 0x7f || c == 0xa0 || c == 0x3000 || (c >= 0x2000 && c <= 0x200b) ||
           c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0xfeff;
}

bool search_text_is_uuid(const char *text, size_t size)
{
    if (size < SEARCH_UUID_SIZE) {
        return false;
    }
    for (size_t i = 0; i < SEARCH_UUID_SIZE; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i])) {
            return false;
        }
    }
    return true;
}
