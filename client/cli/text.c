/*
 * text.c - measures and prints text of others.
 *
 * What an agent stored may hold escape sequences, and marks that turn the direction of writing: on
 * a terminal they are shown, never sent. Widths are right for letters, combining marks, CJK and
 * most emoji; a ligature that a font makes is its own affair. Cannot fail.
 */
#include "client/cli/text.h"

#include <stdbool.h>
#include <string.h>

#define REPLACEMENT 0xfffd
#define ESCAPE_SIZE 16

static unsigned sequence_size(unsigned char lead)
{
    return lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
}

uint32_t text_next(const char *text, size_t *ret_size)
{
    unsigned char lead = (unsigned char)text[0];
    unsigned size = sequence_size(lead);

    *ret_size = 1;
    if (size <= 1) {
        return size == 1 ? lead : REPLACEMENT;
    }
    uint32_t character = lead & (0x7fu >> size);
    for (unsigned i = 1; i < size; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80) {
            return REPLACEMENT;
        }
        character = character << 6 | ((unsigned char)text[i] & 0x3f);
    }
    *ret_size = size;
    return character;
}

struct range {
    uint32_t first, last;
};

static bool in_ranges(uint32_t character, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (character >= ranges[i].first && character <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

unsigned character_width(uint32_t character)
{
    static const struct range none[] = {{0x300, 0x36f},    {0x483, 0x489},   {0x591, 0x5bd},
                                        {0x610, 0x61a},    {0x64b, 0x65f},   {0x200b, 0x200f},
                                        {0x20d0, 0x20f0},  {0xfe00, 0xfe0f}, {0x1f3fb, 0x1f3ff},
                                        {0xe0100, 0xe01ef}};
    static const struct range wide[] = {{0x1100, 0x115f},   {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
                                        {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
                                        {0xffe0, 0xffe6},   {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff},
                                        {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};

    if (character < 0x300) {
        return 1;
    }
    if (in_ranges(character, none, sizeof none / sizeof none[0])) {
        return 0;
    }
    return in_ranges(character, wide, sizeof wide / sizeof wide[0]) ? 2 : 1;
}

static bool acts_on_terminal(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character < 0xa0) ||
           (character >= 0x202a && character <= 0x202e) ||
           (character >= 0x2066 && character <= 0x2069);
}

/* How a character is shown: `shown` gets its bytes. Returns its width. */
static size_t character_show(const char *text, size_t size, uint32_t character,
                             char shown[ESCAPE_SIZE])
{
    if (character == '\n' || character == '\t' || character == '\r') {
        strcpy(shown, " ");
        return 1;
    }
    if (acts_on_terminal(character)) {
        return (size_t)snprintf(shown, ESCAPE_SIZE, character < 0x80 ? "\\x%02x" : "\\u{%x}",
                                (unsigned)character);
    }
    if (character == REPLACEMENT && size == 1) {
        strcpy(shown, "\xef\xbf\xbd");
        return 1;
    }
    memcpy(shown, text, size);
    shown[size] = '\0';
    return character_width(character);
}

size_t text_width(const char *text)
{
    size_t width = 0, size;

    for (; *text != '\0'; text += size) {
        char shown[ESCAPE_SIZE];
        uint32_t character = text_next(text, &size);
        width += character_show(text, size, character, shown);
    }
    return width;
}

size_t text_print_line(FILE *out, const char *text, size_t columns)
{
    bool cut = columns > 0 && text_width(text) > columns;
    size_t width = 0, size;

    for (; *text != '\0'; text += size) {
        char shown[ESCAPE_SIZE];
        uint32_t character = text_next(text, &size);
        size_t more = character_show(text, size, character, shown);
        if (cut && width + more > columns - 1) {
            fputs("\xe2\x80\xa6", out);
            return width + 1;
        }
        fputs(shown, out);
        width += more;
    }
    return width;
}

/* Prints up to `end`, as it is shown. */
static void print_span(FILE *out, const char *text, const char *end)
{
    size_t size;

    for (; text < end; text += size) {
        char shown[ESCAPE_SIZE];
        uint32_t character = text_next(text, &size);
        character_show(text, size, character, shown);
        fputs(shown, out);
    }
}

/* The end of the line that begins at text: at its line end, else at the last space that fits, else
 * in the middle of a word. */
static const char *line_end(const char *text, size_t columns)
{
    const char *space = NULL, *at = text;
    size_t width = 0, size;

    for (; *at != '\0' && *at != '\n'; at += size) {
        char shown[ESCAPE_SIZE];
        uint32_t character = text_next(at, &size);
        width += character_show(at, size, character, shown);
        if (columns > 0 && width > columns && at > text) {
            return character == ' ' || space == NULL ? at : space;
        }
        if (character == ' ') {
            space = at;
        }
    }
    return at;
}

void text_print_wrapped(FILE *out, const char *text, size_t columns)
{
    while (*text != '\0') {
        const char *end = line_end(text, columns);
        print_span(out, text, end);
        fputc('\n', out);
        text = *end == '\n' || *end == ' ' ? end + 1 : end;
    }
}

void text_print_escaped(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '\t':
            fputs("\\t", out);
            break;
        case '\n':
            fputs("\\n", out);
            break;
        case '\r':
            fputs("\\r", out);
            break;
        case '\\':
            fputs("\\\\", out);
            break;
        default:
            fputc(*text, out);
        }
    }
}
