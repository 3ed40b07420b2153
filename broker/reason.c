/* reason.c - byte by byte; a plugin may have written anything, or nothing, or no NUL. */
#include "broker/reason.h"

#include "client/wire/utf8.h"

#include <stdio.h>
#include <string.h>

/* A reason cut in the middle of a character ends before it. */
static size_t whole_characters(const char *text, size_t size)
{
    size_t cut = size;

    for (size_t back = 0; back < 4 && cut > 0; back++, cut--) {
        if (utf8_valid(text, cut)) {
            return cut;
        }
    }
    return size;
}

static bool is_control(const unsigned char *text, size_t i, size_t size)
{
    /* U+0080 to U+009F are control characters too: terminals obey them. */
    bool c1 = text[i] == 0xc2 && i + 1 < size && text[i + 1] >= 0x80 && text[i + 1] <= 0x9f;

    return text[i] < 0x20 || text[i] == 0x7f || c1;
}

void reason_clean(struct memferry_reason *reason, const char *fallback)
{
    size_t size = strnlen(reason->text, sizeof reason->text - 1);
    unsigned char *text = (unsigned char *)reason->text;

    size = whole_characters(reason->text, size);
    text[size] = '\0';
    bool valid = utf8_valid(reason->text, size);
    for (size_t i = 0; i < size; i++) {
        if (!valid && text[i] >= 0x80) {
            text[i] = '?';
        } else if (is_control(text, i, size)) {
            if (text[i] == 0xc2) {
                text[i + 1] = ' ';
            }
            text[i] = ' ';
        }
    }
    if (reason->text[strspn(reason->text, " ")] == '\0') {
        snprintf(reason->text, sizeof reason->text, "%s", fallback);
    }
}

const char *reason_show(char *ret, size_t max, const char *text)
{
    size_t left = strlen(text), size = 0;

    while (left > 0) {
        size_t step = utf8_character(text, left), taken = step == 0 ? 1 : step;
        if (size + taken >= max) {
            break;
        }
        memcpy(ret + size, step == 0 ? "?" : text, taken);
        size += taken;
        text += taken;
        left -= taken;
    }
    ret[size] = '\0';
    return ret;
}
