/*
 * text.c - a text as it is sent.
 *
 * A tokenizer takes a word apart in time that grows with the square of its length: a word of
 * 100,000 letters keeps a server busy for minutes. So a word gets a blank in it after every
 * WORD_MAX bytes. Scripts without blanks lose nothing that a tokenizer would have seen.
 */
#include "plugins/ollama-embed/ollama.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 256 };

static bool is_blank(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Whether a character begins here, rather than goes on. */
static bool is_start(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

static size_t skip_blanks(struct memferry_string text, size_t at)
{
    while (at < text.size && is_blank(text.data[at])) {
        at++;
    }
    return at;
}

bool ollama_text_is_empty(const char *prefix, struct memferry_string text)
{
    return prefix[0] == '\0' && skip_blanks(text, 0) == text.size;
}

static int make_room(struct ollama_text *text, size_t size)
{
    if (size <= text->capacity) {
        return 0;
    }
    char *data = realloc(text->data, size);
    if (data == NULL) {
        return -ENOMEM;
    }
    text->data = data;
    text->capacity = size;
    return 0;
}

/* Copies text from *at on, until it ends or `end` bytes are there. */
static void copy_words(struct ollama_text *ret, struct memferry_string text, size_t *at, size_t end)
{
    size_t word = 0;

    while (*at < text.size && ret->size < end) {
        char byte = text.data[*at];
        word = is_blank(byte) ? 0 : word + 1;
        if (word > WORD_MAX && is_start(byte)) {
            ret->data[ret->size++] = ' ';
            word = 0;
            continue;
        }
        ret->data[ret->size++] = byte;
        ++*at;
    }
}

/* Takes back the word, or at least the character, that the end went through. */
static void cut_back(struct ollama_text *ret)
{
    size_t word = ret->size, character = ret->size;

    while (word > ret->prefix_size && !is_blank(ret->data[word - 1])) {
        word--;
    }
    while (character > ret->prefix_size && !is_start(ret->data[character - 1])) {
        character--;
    }
    /* The last character begins at character - 1, and may not be whole. */
    if (word > ret->prefix_size) {
        ret->size = word;
    } else if (character > ret->prefix_size) {
        ret->size = character - 1;
    }
}

int ollama_text_make(struct ollama_text *ret, const char *prefix, struct memferry_string text,
                     size_t max)
{
    size_t at = skip_blanks(text, 0), whole = text.size + text.size / WORD_MAX + 1;

    max = max < whole ? max : whole;
    ret->size = ret->prefix_size = strlen(prefix);
    if (make_room(ret, ret->prefix_size + max) < 0) {
        return -ENOMEM;
    }
    memcpy(ret->data, prefix, ret->prefix_size);
    copy_words(ret, text, &at, ret->prefix_size + max);
    ret->cut = skip_blanks(text, at) < text.size;
    if (ret->cut && !is_blank(text.data[at])) {
        cut_back(ret);
    }
    while (ret->size > ret->prefix_size && is_blank(ret->data[ret->size - 1])) {
        ret->size--;
    }
    return 0;
}

void ollama_text_deinit(struct ollama_text *text)
{
    free(text->data);
    *text = (struct ollama_text){0};
}
