/* guard_shell_words.c - a command's words: what they are, and what options they hold. */
#include "broker/guard_shell.h"

#include <string.h>
#include <strings.h>

bool shell_word_is(const struct shell_word *word, const char *text)
{
    return word->size == strlen(text) && strncasecmp(word->text, text, word->size) == 0;
}

bool shell_word_in(const struct shell_word *word, const char *const *texts)
{
    for (; *texts != NULL; texts++) {
        if (shell_word_is(word, *texts)) {
            return true;
        }
    }
    return false;
}

bool shell_word_begins(const struct shell_word *word, const char *text)
{
    size_t size = strlen(text);

    return word->size >= size && strncasecmp(word->text, text, size) == 0;
}

struct shell_word shell_word_base(const struct shell_word *word)
{
    const char *slash = memrchr(word->text, '/', word->size);
    size_t skip = slash != NULL ? (size_t)(slash + 1 - word->text) : 0;

    return (struct shell_word){.text = word->text + skip, .size = word->size - skip};
}

bool shell_word_is_assignment(const struct shell_word *word)
{
    size_t at = 0;

    while (at < word->size &&
           (word->text[at] == '_' || (word->text[at] >= 'a' && word->text[at] <= 'z') ||
            (word->text[at] >= 'A' && word->text[at] <= 'Z') ||
            (at > 0 && word->text[at] >= '0' && word->text[at] <= '9'))) {
        at++;
    }
    return at > 0 && at < word->size && word->text[at] == '=';
}

bool shell_word_has_flag(const struct shell_word *word, char flag)
{
    return word->size > 1 && word->text[0] == '-' && word->text[1] != '-' &&
           memchr(word->text + 1, flag, word->size - 1) != NULL;
}

bool shell_word_is_long(const struct shell_word *word, const char *option, size_t least)
{
    const char *equals = memchr(word->text, '=', word->size);
    size_t size = equals != NULL ? (size_t)(equals - word->text) : word->size;

    return size >= least && size <= strlen(option) && memcmp(word->text, option, size) == 0;
}

bool shell_words_have(const struct shell_words *words, size_t from, char flag, const char *option,
                      size_t least)
{
    for (size_t i = from; i < words->count && !shell_word_is(&words->words[i], "--"); i++) {
        const struct shell_word *word = &words->words[i];
        if ((flag != '\0' && shell_word_has_flag(word, flag)) ||
            (option != NULL && shell_word_is_long(word, option, least))) {
            return true;
        }
    }
    return false;
}

struct shell_word shell_words_join(const struct shell_words *words, size_t from)
{
    if (from >= words->count) {
        return (struct shell_word){0};
    }
    struct shell_word joined = words->words[from];
    for (size_t i = from + 1; i < words->count; i++) {
        /* Between two words there was a blank at least, so there is room for one. */
        joined.text[joined.size++] = ' ';
        memmove(joined.text + joined.size, words->words[i].text, words->words[i].size);
        joined.size += words->words[i].size;
    }
    return joined;
}

struct shell_words shell_words_from(const struct shell_words *words, size_t from)
{
    return from >= words->count
               ? (struct shell_words){0}
               : (struct shell_words){.words = words->words + from, .count = words->count - from};
}
