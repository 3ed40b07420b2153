/* search_token.c - see search_token.h. A text is a row of runs: dense ones are paired here, others
 * go to unicode61 as they are, and what it finds is told with its place in the whole text. */
#include "broker/search_token.h"

#include "broker/search_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef int token_fn(void *, int flags, const char *token, int size, int start, int end);

struct Fts5Tokenizer { /* SQLite's name for whatever a tokenizer keeps */
    fts5_tokenizer words;
    Fts5Tokenizer *words_self;
};

/* ---- runs without spaces ---- */

struct pairing {
    const char *text;
    size_t end; /* of the run */
    bool is_query;
    void *context;
    token_fn *token;
};

static int give(const struct pairing *pairing, int flags, size_t from, size_t to)
{
    return pairing->token(pairing->context, flags, pairing->text + from, (int)(to - from),
                          (int)from, (int)to);
}

/* A query has the pairs alone: it is a phrase, and a phrase must match from place to place. */
static int give_pairs(const struct pairing *pairing, size_t at)
{
    size_t bytes, next_bytes;

    search_char(pairing->text + at, pairing->end - at, &bytes);
    if (at + bytes == pairing->end) {
        return give(pairing, 0, at, pairing->end);
    }
    while (at + bytes < pairing->end) {
        size_t next = at + bytes;
        search_char(pairing->text + next, pairing->end - next, &next_bytes);
        int rc = give(pairing, 0, at, next + next_bytes);
        if (rc != SQLITE_OK) {
            return rc;
        }
        at = next;
        bytes = next_bytes;
    }
    return pairing->is_query ? SQLITE_OK : give(pairing, FTS5_TOKEN_COLOCATED, at, pairing->end);
}

/* ---- runs of words ---- */

struct shift {
    void *context;
    token_fn *token;
    int by;
};

static int shifted(void *context, int flags, const char *token, int size, int start, int end)
{
    const struct shift *shift = context;

    return shift->token(shift->context, flags, token, size, start + shift->by, end + shift->by);
}

static bool is_alone(const char *text, size_t start, size_t end, size_t at)
{
    size_t next = at + SEARCH_UUID_SIZE;
    unsigned char before = at > start ? (unsigned char)text[at - 1] : ' ';
    unsigned char after = next < end ? (unsigned char)text[next] : ' ';

    return before < 0x80 && !isalnum(before) && after < 0x80 && !isalnum(after);
}

/* The next UUID of a run at or behind `from`; `end`: there is none. */
static size_t find_uuid(const char *text, size_t start, size_t end, size_t from)
{
    const char *dash = text + from;

    while ((dash = memchr(dash, '-', (size_t)(text + end - dash))) != NULL) {
        size_t at = (size_t)(dash - text);
        if (at >= from + 8 && search_text_is_uuid(dash - 8, end - (at - 8)) &&
            is_alone(text, start, end, at - 8)) {
            return at - 8;
        }
        dash++;
    }
    return end;
}

static int give_uuid(void *context, token_fn *token, const char *text, size_t at)
{
    char lower[SEARCH_UUID_SIZE];

    for (size_t i = 0; i < sizeof lower; i++) {
        lower[i] = (char)tolower((unsigned char)text[at + i]);
    }
    return token(context, 0, lower, sizeof lower, (int)at, (int)(at + sizeof lower));
}

static int give_words(Fts5Tokenizer *self, struct shift *shift, int flags, const char *text,
                      size_t start, size_t end)
{
    int rc = SQLITE_OK;

    for (size_t at = start; rc == SQLITE_OK && at < end;) {
        size_t uuid = find_uuid(text, start, end, at);
        shift->by = (int)at;
        if (uuid > at) {
            rc = self->words.xTokenize(self->words_self, shift, flags, text + at, (int)(uuid - at),
                                       shifted);
        }
        if (rc == SQLITE_OK && uuid < end) {
            rc = give_uuid(shift->context, shift->token, text, uuid);
        }
        at = uuid + SEARCH_UUID_SIZE;
    }
    return rc;
}

/* ---- the tokenizer ---- */

/* Most texts are ASCII to the end, and no ASCII is dense. */
static size_t skip_ascii(const char *text, size_t size, size_t at)
{
    while (at < size && (unsigned char)text[at] < 0x80) {
        at++;
    }
    return at;
}

static size_t run_end(const char *text, size_t size, size_t at, bool *ret_dense)
{
    size_t bytes;

    *ret_dense = search_char_is_dense(search_char(text + at, size - at, &bytes));
    for (at += bytes; at < size; at += bytes) {
        at = *ret_dense ? at : skip_ascii(text, size, at);
        if (at == size ||
            search_char_is_dense(search_char(text + at, size - at, &bytes)) != *ret_dense) {
            break;
        }
    }
    return at;
}

static int tokenize(Fts5Tokenizer *self, void *context, int flags, const char *text, int text_size,
                    token_fn *token)
{
    size_t size = text_size < 0 ? 0 : (size_t)text_size;
    int rc = SQLITE_OK;

    for (size_t at = 0, end; rc == SQLITE_OK && at < size; at = end) {
        bool dense;
        end = run_end(text, size, at, &dense);
        if (dense) {
            const struct pairing pairing = {.text = text,
                                            .end = end,
                                            .is_query = (flags & FTS5_TOKENIZE_QUERY) != 0,
                                            .context = context,
                                            .token = token};
            rc = give_pairs(&pairing, at);
        } else {
            struct shift shift = {.context = context, .token = token};
            rc = give_words(self, &shift, flags, text, at, end);
        }
    }
    return rc;
}

static void destroy(Fts5Tokenizer *self)
{
    self->words.xDelete(self->words_self);
    free(self);
}

static int create(void *context, const char **arguments, int count, Fts5Tokenizer **ret)
{
    static const char *words[] = {"remove_diacritics", "2", "categories", "L* N* Co Mn Mc"};
    fts5_api *api = context;
    Fts5Tokenizer *self = calloc(1, sizeof *self);
    void *words_context;

    (void)arguments;
    (void)count;
    if (self == NULL) {
        return SQLITE_NOMEM;
    }
    int rc = api->xFindTokenizer(api, "unicode61", &words_context, &self->words);
    if (rc == SQLITE_OK) {
        rc = self->words.xCreate(words_context, words, sizeof words / sizeof words[0],
                                 &self->words_self);
    }
    if (rc != SQLITE_OK) {
        free(self);
        return rc;
    }
    *ret = self;
    return SQLITE_OK;
}

/* As SQLite's manual has it. */
fts5_api *search_token_api(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    fts5_api *api = NULL;

    if (sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &statement, NULL) == SQLITE_OK) {
        sqlite3_bind_pointer(statement, 1, &api, "fts5_api_ptr", NULL);
        sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    return api;
}

int search_token_register(struct sql *sql, struct error *err)
{
    static fts5_tokenizer tokenizer = {create, destroy, tokenize};
    fts5_api *api = search_token_api(sql->db);

    if (api == NULL) {
        return error_set(err, -ENOTSUP,
                         "this SQLite was built without FTS5: text can't be searched");
    }
    return api->xCreateTokenizer(api, SEARCH_TOKENIZER, api, &tokenizer, NULL) == SQLITE_OK
               ? 0
               : sql_failed(sql, "prepare", err);
}
