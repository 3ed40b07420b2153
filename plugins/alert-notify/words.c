/* words.c - splits a command line into words. No shell, so nothing in it is a command, a variable
 * or a pattern. */
#include "plugins/alert-notify/notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* One word from *at, which is no space, into `ret`, which has room for all that is left. False: a
 * quote is not closed, or nothing follows a backslash. */
static bool take_word(const char **at, char *ret)
{
    const char *c = *at;
    char quote = '\0';
    size_t size = 0;

    for (; *c != '\0' && (quote != '\0' || !is_space(*c)); c++) {
        if (*c == quote) {
            quote = '\0';
        } else if (quote == '\0' && (*c == '\'' || *c == '"')) {
            quote = *c;
        } else if (*c == '\\' && quote != '\'') {
            c++;
            if (*c == '\0') {
                return false;
            }
            ret[size++] = *c;
        } else {
            ret[size++] = *c;
        }
    }
    ret[size] = '\0';
    *at = c;
    return quote == '\0';
}

static int fail(struct words *words, int code, struct memferry_reason *why, const char *text)
{
    words_free(words);
    snprintf(why->text, sizeof why->text, "%s", text);
    return code;
}

int words_split(struct words *ret, const char *text, struct memferry_reason *why)
{
    *ret = (struct words){.count = 0};
    for (const char *at = text;;) {
        while (is_space(*at)) {
            at++;
        }
        if (*at == '\0') {
            break;
        }
        if (ret->count == WORDS_MAX) {
            return fail(ret, -E2BIG, why, "it has more than 64 words");
        }
        char *word = malloc(strlen(at) + 1);
        if (word == NULL) {
            return fail(ret, -ENOMEM, why, "out of memory");
        }
        ret->items[ret->count++] = word;
        if (!take_word(&at, word)) {
            return fail(ret, -EINVAL, why, "a quote in it is not closed, or it ends with a \\");
        }
    }
    return ret->count > 0 ? 0 : fail(ret, -EINVAL, why, "it is empty");
}

void words_free(struct words *words)
{
    for (size_t i = 0; i < words->count; i++) {
        free(words->items[i]);
    }
    *words = (struct words){.count = 0};
}
