/* verbs.c - see manual.h. Pure. */
#include "client/manual/manual.h"

#include <string.h>

static size_t word_size(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyz-");
}

const char *manual_verb(const char *synopsis, size_t i, size_t *ret_size)
{
    const char *text = synopsis;

    while (text != NULL) {
        text += strspn(text, " |[");
        size_t size = word_size(text);
        if (size > 1 && text[0] != '-' && i-- == 0) {
            *ret_size = size;
            return text;
        }
        text = strchr(text, '|');
    }
    return NULL;
}

bool manual_is_file(const char *placeholder)
{
    return placeholder != NULL &&
           (strstr(placeholder, "FILE") != NULL || strstr(placeholder, "PATH") != NULL ||
            strstr(placeholder, "DIR") != NULL);
}
