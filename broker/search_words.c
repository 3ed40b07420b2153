/* search_words.c - see search_words.h. */
#include "broker/search_words.h"

#include "broker/search_text.h"

#include <string.h>

/* ---- taking apart ---- */

static size_t skip_spaces(const char *query, size_t size, size_t at)
{
    size_t bytes;

    while (at < size && search_char_is_space(search_char(query + at, size - at, &bytes))) {
        at += bytes;
    }
    return at;
}

static size_t word_end(const char *query, size_t size, size_t at)
{
    size_t bytes;

    for (; at < size && query[at] != '"'; at += bytes) {
        if (search_char_is_space(search_char(query + at, size - at, &bytes))) {
            break;
        }
    }
    return at;
}

static bool is_there(const struct search_words *words, const struct search_word *word)
{
    for (size_t i = 0; i < words->count; i++) {
        const struct search_word *one = &words->items[i];
        if (one->size == word->size && one->is_phrase == word->is_phrase &&
            one->is_beginning == word->is_beginning &&
            memcmp(one->data, word->data, word->size) == 0) {
            return true;
        }
    }
    return false;
}

/* Asked for again it would find the same, and be looked up once more. */
static void add(struct search_words *words, const char *data, size_t size, bool is_phrase,
                bool is_beginning)
{
    struct search_word word = {
        .data = data, .size = size, .is_phrase = is_phrase, .is_beginning = is_beginning};

    if (size > 0 && words->count < SEARCH_WORDS_MAX && !is_there(words, &word)) {
        words->items[words->count++] = word;
    }
}

/* `at` is behind the quote. */
static size_t take_phrase(const char *query, size_t size, size_t at, struct search_words *words)
{
    const char *close = memchr(query + at, '"', size - at);
    size_t end = close == NULL ? size : (size_t)(close - query);
    size_t next = close == NULL ? size : end + 1;
    bool is_beginning = next < size && query[next] == '*';

    add(words, query + at, end - at, true, is_beginning);
    return is_beginning ? next + 1 : next;
}

static size_t take_word(const char *query, size_t size, size_t at, struct search_words *words)
{
    size_t next = word_end(query, size, at), end = next;

    while (end > at && query[end - 1] == '*') {
        end--;
    }
    add(words, query + at, end - at, false, end < next);
    return next;
}

void search_words_parse(const char *query, size_t size, struct search_words *ret)
{
    ret->count = 0;
    for (size_t at = skip_spaces(query, size, 0); at < size; at = skip_spaces(query, size, at)) {
        at = query[at] == '"' ? take_phrase(query, size, at + 1, ret)
                              : take_word(query, size, at, ret);
    }
}

/* ---- what is looked up ---- */

/* Whether the text ends in a dense character that stands alone: the index has it as the beginning
 * of a pair only. */
static bool ends_alone(const char *data, size_t size)
{
    bool dense = false, before;
    size_t bytes;

    for (size_t at = 0, run = 0; at < size; at += bytes) {
        before = dense;
        dense = search_char_is_dense(search_char(data + at, size - at, &bytes));
        run = dense && before ? run + 1 : 0;
        if (at + bytes == size) {
            return dense && run == 0;
        }
    }
    return false;
}

static void add_string(struct search_strings *strings, const char *data, size_t size,
                       bool is_beginning)
{
    if (strings->count < SEARCH_STRINGS_MAX) {
        strings->items[strings->count++] = (struct search_string){
            .data = data, .size = size, .is_beginning = is_beginning || ends_alone(data, size)};
    }
}

/* How much of a word must be there for another to count as a form of it. */
static size_t beginning_chars(size_t chars)
{
    if (chars < 5) {
        return chars;
    }
    return chars < 7 ? chars - 1 : chars < 10 ? chars - 2 : chars - 3;
}

static void add_spaced(struct search_strings *strings, const char *data, size_t size,
                       bool is_beginning)
{
    size_t chars = search_char_count(data, size);
    bool uuid = size == SEARCH_UUID_SIZE && search_text_is_uuid(data, size);

    if (!is_beginning && !uuid && chars >= 3) {
        bool short_plural = chars == 4 && data[size - 1] == 's'; /* logs, jobs */
        size = short_plural ? size - 1 : search_char_prefix(data, size, beginning_chars(chars));
        is_beginning = true;
    }
    add_string(strings, data, size, is_beginning);
}

static void add_pairs(struct search_strings *strings, const char *data, size_t size)
{
    size_t bytes, next_bytes;

    search_char(data, size, &bytes);
    if (bytes == size) {
        add_string(strings, data, size, true);
        return;
    }
    for (size_t at = 0; at + bytes < size; at += bytes, bytes = next_bytes) {
        search_char(data + at + bytes, size - at - bytes, &next_bytes);
        add_string(strings, data + at, bytes + next_bytes, false);
    }
}

/* Each run of a word by itself. */
static void add_loose(struct search_strings *strings, const struct search_word *word)
{
    size_t bytes;

    for (size_t at = 0, end; at < word->size; at = end) {
        bool dense = search_char_is_dense(search_char(word->data + at, word->size - at, &bytes));
        for (end = at + bytes; end < word->size; end += bytes) {
            if (search_char_is_dense(search_char(word->data + end, word->size - end, &bytes)) !=
                dense) {
                break;
            }
        }
        if (dense) {
            add_pairs(strings, word->data + at, end - at);
        } else {
            add_spaced(strings, word->data + at, end - at, word->is_beginning);
        }
    }
}

static size_t count_loose(const struct search_words *words)
{
    size_t count = 0;

    for (size_t i = 0; i < words->count; i++) {
        count += !words->items[i].is_phrase;
    }
    return count;
}

void search_words_strings(const struct search_words *words, enum search_reading reading,
                          struct search_strings *ret)
{
    ret->count = 0;
    for (size_t i = 0; i < words->count; i++) {
        const struct search_word *word = &words->items[i];
        if (reading != SEARCH_ALL && !word->is_phrase) {
            add_loose(ret, word);
        } else {
            add_string(ret, word->data, word->size, word->is_beginning);
        }
    }
}

/* ---- FTS5's language ---- */

struct writer {
    msgpack_sbuffer *out;
    bool failed;
};

static void put(struct writer *writer, const char *data, size_t size)
{
    writer->failed |= msgpack_sbuffer_write(writer->out, data, size) != 0;
}

static void put_text(struct writer *writer, const char *text)
{
    put(writer, text, strlen(text));
}

static void put_string(struct writer *writer, const struct search_string *string)
{
    put_text(writer, "\"");
    for (size_t i = 0; i < string->size; i++) {
        if (string->data[i] == '"') {
            put_text(writer, "\"");
        }
        put(writer, string->data + i, 1);
    }
    put_text(writer, string->is_beginning ? "\" *" : "\"");
}

static void put_strings(struct writer *writer, const struct search_strings *strings,
                        const char *between)
{
    for (size_t i = 0; i < strings->count; i++) {
        if (i > 0) {
            put_text(writer, between);
        }
        put_string(writer, &strings->items[i]);
    }
}

/* What is in quotes must be there, and stands among the rest so that the rest need not. */
static void put_any(struct writer *writer, const struct search_words *words,
                    struct search_strings *strings)
{
    bool phrases = count_loose(words) < words->count;

    if (phrases) {
        strings->count = 0;
        for (size_t i = 0; i < words->count; i++) {
            const struct search_word *word = &words->items[i];
            if (word->is_phrase) {
                add_string(strings, word->data, word->size, word->is_beginning);
            }
        }
        put_text(writer, "(");
        put_strings(writer, strings, " ");
        put_text(writer, ") AND (");
    }
    search_words_strings(words, SEARCH_ANY_BEGINNING, strings);
    put_strings(writer, strings, " OR ");
    if (phrases) {
        put_text(writer, ")");
    }
}

bool search_words_express(const struct search_words *words, enum search_reading reading,
                          msgpack_sbuffer *out, bool *ret_failed)
{
    struct writer writer = {.out = out};
    struct search_strings strings;

    *ret_failed = false;
    if (words->count == 0 || (reading != SEARCH_ALL && count_loose(words) == 0)) {
        return false;
    }
    if (reading == SEARCH_ALL) {
        /* Behind each other means AND, and what has no word in it is passed over. */
        search_words_strings(words, SEARCH_ALL, &strings);
        put_strings(&writer, &strings, " ");
    } else {
        put_any(&writer, words, &strings);
    }
    put(&writer, "", 1);
    *ret_failed = writer.failed;
    return !writer.failed;
}
