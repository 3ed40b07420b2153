/*
 * search_marker.c - see search_marker.h.
 *
 * Each string keeps, as bits, which of its words the last word of the content may have been
 * (Shift-And): one word further, they move up by one, and those stay that this word is.
 */
#include "broker/search_marker.h"

#include "broker/search_token.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STRING_WORDS_MAX 64 /* bits of a state */
#define TEXT_BYTES       (2 * SEARCH_QUERY_MAX)

struct word {
    const char *data; /* in marker.text */
    uint16_t size;
    uint16_t string;
    uint8_t at; /* in the string */
    bool is_beginning;
};

struct string {
    uint64_t state, before; /* at this place, and at the one before */
    uint8_t count;          /* words */
};

struct match {
    size_t first, last; /* places: words of the content */
    size_t from, to;    /* bytes */
    uint16_t string;
};

struct search_marker {
    fts5_tokenizer functions;
    Fts5Tokenizer *tokenizer;
    struct word words[MARKER_WORDS_MAX];
    struct string strings[SEARCH_STRINGS_MAX];
    size_t word_count, string_count, text_size;
    bool begins[256]; /* a word does, with this byte */
    char text[TEXT_BYTES];
    /* of one content */
    size_t places;
    bool live, was_live;             /* a string has begun here, at the place before */
    size_t starts[STRING_WORDS_MAX]; /* bytes, of the last places */
    struct match matches[MARKER_MATCHES_MAX];
    size_t match_count;
    uint16_t seen[SEARCH_STRINGS_MAX]; /* the last window that counted the string */
};

int search_marker_new(struct search_marker **ret, struct sql *sql, struct error *err)
{
    struct search_marker *marker = calloc(1, sizeof *marker);
    fts5_api *api = search_token_api(sql->db);
    void *context;

    *ret = NULL;
    if (marker == NULL ||
        api->xFindTokenizer(api, SEARCH_TOKENIZER, &context, &marker->functions) != SQLITE_OK ||
        marker->functions.xCreate(context, NULL, 0, &marker->tokenizer) != SQLITE_OK) {
        free(marker);
        return error_set(err, -ENOMEM, "out of memory while opening %s", sql->path);
    }
    *ret = marker;
    return 0;
}

struct search_marker *search_marker_free(struct search_marker *marker)
{
    if (marker != NULL) {
        marker->functions.xDelete(marker->tokenizer);
        free(marker);
    }
    return NULL;
}

/* ---- the query ---- */

static int ask_word(void *arg, int flags, const char *token, int token_size, int start, int end)
{
    struct search_marker *marker = arg;
    struct string *string = &marker->strings[marker->string_count];
    size_t size = (size_t)token_size;

    (void)flags;
    (void)start;
    (void)end;
    if (marker->word_count == MARKER_WORDS_MAX || string->count == STRING_WORDS_MAX ||
        size > sizeof marker->text - marker->text_size || size == 0) {
        return SQLITE_DONE;
    }
    memcpy(marker->text + marker->text_size, token, size);
    marker->words[marker->word_count++] = (struct word){.data = marker->text + marker->text_size,
                                                        .size = (uint16_t)size,
                                                        .string = (uint16_t)marker->string_count,
                                                        .at = string->count++};
    marker->text_size += size;
    marker->begins[(unsigned char)token[0]] = true;
    return SQLITE_OK;
}

int search_marker_ask(struct search_marker *marker, const struct search_strings *strings)
{
    marker->word_count = marker->string_count = marker->text_size = 0;
    memset(marker->begins, 0, sizeof marker->begins);
    for (size_t i = 0; i < strings->count; i++) {
        const struct search_string *string = &strings->items[i];
        marker->strings[marker->string_count].count = 0;
        int rc = marker->functions.xTokenize(marker->tokenizer, marker, FTS5_TOKENIZE_QUERY,
                                             string->data, (int)string->size, ask_word);
        if (rc != SQLITE_OK && rc != SQLITE_DONE) {
            return -ENOMEM;
        }
        if (marker->strings[marker->string_count].count > 0) {
            marker->words[marker->word_count - 1].is_beginning = string->is_beginning;
            marker->string_count++;
        }
    }
    return 0;
}

/* ---- matches ---- */

static bool is_word(const struct word *word, const char *token, size_t size)
{
    return (word->is_beginning ? size >= word->size : size == word->size) &&
           memcmp(word->data, token, word->size) == 0;
}

static void next_place(struct search_marker *marker, size_t start)
{
    if (marker->live || marker->was_live) {
        marker->was_live = marker->live;
        marker->live = false;
        for (size_t i = 0; i < marker->string_count; i++) {
            marker->strings[i].before = marker->strings[i].state;
            marker->strings[i].state = 0;
        }
    }
    marker->starts[marker->places++ % STRING_WORDS_MAX] = start;
}

/* `start` and `end` are the last word's. */
static void found(struct search_marker *marker, uint16_t string, size_t start, size_t end)
{
    size_t count = marker->strings[string].count, last = marker->places - 1;
    size_t first = last + 1 - count;

    if (marker->match_count < MARKER_MATCHES_MAX) {
        marker->matches[marker->match_count++] =
            (struct match){.first = first,
                           .last = last,
                           .from = count == 1 ? start : marker->starts[first % STRING_WORDS_MAX],
                           .to = end,
                           .string = string};
    }
}

static int read_word(void *arg, int flags, const char *token, int token_size, int start, int end)
{
    struct search_marker *marker = arg;
    size_t size = (size_t)token_size;

    if ((flags & FTS5_TOKEN_COLOCATED) == 0) {
        next_place(marker, (size_t)start);
    }
    if (size == 0 || !marker->begins[(unsigned char)token[0]]) {
        return SQLITE_OK;
    }
    for (size_t i = 0; i < marker->word_count; i++) {
        const struct word *word = &marker->words[i];
        struct string *string = &marker->strings[word->string];
        uint64_t bit = (uint64_t)1 << word->at;
        if ((string->before << 1 | 1) & bit && !(string->state & bit) &&
            is_word(word, token, size)) {
            string->state |= bit;
            marker->live = true;
            if (word->at + 1 == string->count) {
                found(marker, word->string, (size_t)start, (size_t)end);
            }
        }
    }
    return SQLITE_OK;
}

static int read_content(struct search_marker *marker, const char *content, size_t size)
{
    marker->places = marker->match_count = 0;
    marker->live = marker->was_live = false;
    for (size_t i = 0; i < marker->string_count; i++) {
        marker->strings[i].state = marker->strings[i].before = 0;
    }
    int rc = marker->functions.xTokenize(marker->tokenizer, marker, FTS5_TOKENIZE_DOCUMENT, content,
                                         (int)size, read_word);
    return rc == SQLITE_OK ? 0 : -ENOMEM;
}

/* ---- the part to show ---- */

/* What stands from this match on, as far as is shown: each string once before any of them twice. */
static size_t worth(struct search_marker *marker, size_t from, size_t *ret_last)
{
    const struct match *matches = marker->matches;
    size_t worth = 0;

    *ret_last = matches[from].last;
    for (size_t i = from; i < marker->match_count; i++) {
        if (matches[i].last >= matches[from].first + MARKER_SHOWN) {
            break;
        }
        bool is_new = marker->seen[matches[i].string] != from + 1;
        marker->seen[matches[i].string] = (uint16_t)(from + 1);
        worth += is_new ? MARKER_MATCHES_MAX : 1;
        *ret_last = matches[i].last;
    }
    return worth;
}

/* The first place to show: the best matches in the middle. */
static size_t choose(struct search_marker *marker)
{
    size_t best = 0, first = 0, last = 0, one_last;

    memset(marker->seen, 0, sizeof marker->seen);
    for (size_t i = 0; i < marker->match_count; i++) {
        size_t one = worth(marker, i, &one_last);
        if (one > best) {
            best = one;
            first = marker->matches[i].first;
            last = one_last;
        }
    }
    size_t beside = last - first + 1 < MARKER_SHOWN ? MARKER_SHOWN - (last - first + 1) : 0;
    size_t begin = first > beside / 2 ? first - beside / 2 : 0;
    size_t most = marker->places > MARKER_SHOWN ? marker->places - MARKER_SHOWN : 0;
    return begin < most ? begin : most;
}

struct shown {
    size_t begin, place; /* places */
    size_t from, to;     /* bytes */
    bool has_more;       /* words behind */
};

static int find_bytes(void *arg, int flags, const char *token, int token_size, int start, int end)
{
    struct shown *shown = arg;

    (void)token;
    (void)token_size;
    if ((flags & FTS5_TOKEN_COLOCATED) != 0) {
        return SQLITE_OK;
    }
    if (shown->place == shown->begin) {
        shown->from = (size_t)start;
    }
    if (shown->place == shown->begin + MARKER_SHOWN) {
        shown->has_more = true;
        return SQLITE_DONE; /* of this run of the text: the next may come all the same */
    }
    shown->to = (size_t)end;
    shown->place++;
    return SQLITE_OK;
}

/* ---- the text ---- */

/* Without what looks like a mark. */
static int put(msgpack_sbuffer *out, const char *content, size_t from, size_t to)
{
    int failed = 0;

    for (size_t at = from; at <= to; at++) {
        if (at == to || content[at] == SEARCH_MARK_OPEN || content[at] == SEARCH_MARK_CLOSE) {
            failed |= from < at ? msgpack_sbuffer_write(out, content + from, at - from) : 0;
            from = at + 1;
        }
    }
    return failed;
}

static int put_mark(msgpack_sbuffer *out, char mark)
{
    return msgpack_sbuffer_write(out, &mark, 1);
}

/* Matches that overlap are marked as one; they end in the order they stand in, as they were found.
 */
static int put_marked(const struct search_marker *marker, const char *content,
                      const struct shown *shown, msgpack_sbuffer *out)
{
    size_t at = shown->from, from = 0, to = 0;
    int failed = 0;

    for (size_t i = 0; i <= marker->match_count; i++) {
        const struct match *match = i < marker->match_count ? &marker->matches[i] : NULL;
        if (match != NULL && (match->from < shown->from || match->to > shown->to)) {
            continue;
        }
        if (match != NULL && match->from < to) {
            from = match->from < from ? match->from : from;
            to = match->to > to ? match->to : to;
            continue;
        }
        if (to > 0) {
            from = from < at ? at : from;
            failed |= put(out, content, at, from) | put_mark(out, SEARCH_MARK_OPEN);
            failed |= put(out, content, from, to) | put_mark(out, SEARCH_MARK_CLOSE);
            at = to;
        }
        if (match != NULL) {
            from = match->from;
            to = match->to;
        }
    }
    return failed | put(out, content, at, shown->to);
}

int search_marker_mark(struct search_marker *marker, const char *content, size_t size,
                       msgpack_sbuffer *out)
{
    static const char more[] = "…";

    int r = read_content(marker, content, size);
    if (r != 0 || marker->match_count == 0) {
        return r;
    }
    struct shown shown = {.begin = choose(marker)};
    int rc = marker->functions.xTokenize(marker->tokenizer, &shown, FTS5_TOKENIZE_DOCUMENT, content,
                                         (int)size, find_bytes);
    if (rc != SQLITE_OK && rc != SQLITE_DONE) {
        return -ENOMEM;
    }
    shown.from = shown.begin == 0 ? 0 : shown.from;
    shown.to = shown.has_more ? shown.to : size;
    int failed = shown.from > 0 ? msgpack_sbuffer_write(out, more, sizeof more - 1) : 0;
    failed |= put_marked(marker, content, &shown, out);
    failed |= shown.to < size ? msgpack_sbuffer_write(out, more, sizeof more - 1) : 0;
    return failed == 0 ? 0 : -ENOMEM;
}
