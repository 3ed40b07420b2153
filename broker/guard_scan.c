/* guard_scan.c - see guard_scan.h. */
#include "broker/guard_scan_space.h"

#include <string.h>

struct guard_scan guard_scan_over(const char *text, size_t size, enum guard_dialect dialect)
{
    return (struct guard_scan){.at = text,
                               .end = text + size,
                               .dialect = dialect,
                               .starts_line = true,
                               .starts_statement = true};
}

/* ---- tokens ---- */

static void take(struct guard_scan *scan, struct guard_token *token, enum guard_token_kind kind,
                 size_t size)
{
    token->kind = kind;
    token->text = scan->at;
    token->size = size;
    scan->at += size;
}

/* From the quote on: a doubled quote stands for itself, and so does an escaped one. */
static void take_quoted(struct guard_scan *scan, struct guard_token *token,
                        enum guard_token_kind kind, char quote, bool escapes)
{
    const char *from = ++scan->at;

    for (; scan->at < scan->end; scan->at++) {
        if (*scan->at == '\\') {
            scan->dialects_differ = true;
            scan->at += escapes && scan_left(scan) > 1 ? 1 : 0;
        } else if (*scan->at == quote && scan_peek(scan, 1) == quote &&
                   (scan->dialect != GUARD_DIALECT_CYPHER || quote == '`')) {
            scan->at++;
        } else if (*scan->at == quote) {
            break;
        }
    }
    *token = (struct guard_token){.kind = kind,
                                  .text = from,
                                  .size = (size_t)(scan->at - from),
                                  .starts_line = token->starts_line};
    scan->is_open = scan->is_open || scan->at == scan->end;
    scan->at += scan->at < scan->end ? 1 : 0;
}

/* The head of $tag$…$tag$; 0: none here. */
static size_t dollar_size(const struct guard_scan *scan)
{
    size_t size = 1;

    while (scan_is_word(scan_peek(scan, size)) && scan_peek(scan, size) != '$' &&
           !(size == 1 && scan_is_digit(scan_peek(scan, size)))) {
        size++;
    }
    return scan_peek(scan, size) == '$' ? size + 1 : 0;
}

static bool take_dollar(struct guard_scan *scan, struct guard_token *token)
{
    size_t head = dollar_size(scan);

    if (scan->dialect == GUARD_DIALECT_CYPHER || head == 0) {
        return false;
    }
    const char *tag = scan->at, *from = scan->at + head;
    const char *close = memmem(from, (size_t)(scan->end - from), tag, head);
    scan->is_open = scan->is_open || close == NULL;
    token->kind = GUARD_TOKEN_STRING;
    token->text = from;
    token->size = (size_t)((close != NULL ? close : scan->end) - from);
    scan->at = close != NULL ? close + head : scan->end;
    return true;
}

/* [a name] of SQL Server and SQLite; a[1] and ARRAY[…] are none. */
static bool take_bracket(struct guard_scan *scan, struct guard_token *token)
{
    size_t size = 1;

    if (scan->dialect != GUARD_DIALECT_STANDARD || !scan_is_word_start(scan_peek(scan, 1))) {
        return false;
    }
    while (size < scan_left(scan) && scan->at[size] != ']' && scan->at[size] != '\n') {
        size++;
    }
    if (scan_peek(scan, size) != ']') {
        return false;
    }
    take(scan, token, GUARD_TOKEN_NAME, size + 1);
    return true;
}

static bool take_quote(struct guard_scan *scan, struct guard_token *token)
{
    bool standard = scan->dialect == GUARD_DIALECT_STANDARD;

    switch (scan_peek(scan, 0)) {
    case '\'':
        take_quoted(scan, token, GUARD_TOKEN_STRING, '\'', !standard);
        return true;
    case '"':
        take_quoted(scan, token, standard ? GUARD_TOKEN_NAME : GUARD_TOKEN_STRING, '"', !standard);
        return true;
    case '`':
        take_quoted(scan, token, GUARD_TOKEN_NAME, '`', false);
        return true;
    case '$':
        return take_dollar(scan, token);
    case '[':
        return take_bracket(scan, token);
    default:
        return false;
    }
}

static size_t word_size(const struct guard_scan *scan, size_t from)
{
    size_t size = from;

    while (scan_is_word(scan_peek(scan, size))) {
        size++;
    }
    return size;
}

/* E'…', N'…' and their like: the letter belongs to the string. */
static bool take_prefixed(struct guard_scan *scan, struct guard_token *token)
{
    char letter = scan_peek(scan, 0);

    if (scan->dialect == GUARD_DIALECT_CYPHER || scan_peek(scan, 1) != '\'' ||
        strchr("EeNnBbXx", letter) == NULL) {
        return false;
    }
    scan->at++;
    take_quoted(scan, token, GUARD_TOKEN_STRING, '\'',
                scan->dialect == GUARD_DIALECT_MYSQL || letter == 'E' || letter == 'e');
    return true;
}

static bool take_word(struct guard_scan *scan, struct guard_token *token)
{
    char c = scan_peek(scan, 0);

    if (scan_is_word_start(c)) {
        if (!take_prefixed(scan, token)) {
            take(scan, token, GUARD_TOKEN_WORD, word_size(scan, 1));
        }
        return true;
    }
    if (c == '$' && scan->dialect == GUARD_DIALECT_CYPHER && scan_is_word(scan_peek(scan, 1))) {
        take(scan, token, GUARD_TOKEN_WORD, word_size(scan, 1));
        return true;
    }
    if (!scan_is_digit(c)) {
        return false;
    }
    size_t size = word_size(scan, 1);
    if (scan_peek(scan, size) == '.' && scan_is_digit(scan_peek(scan, size + 1))) {
        size = word_size(scan, size + 1);
    }
    take(scan, token, GUARD_TOKEN_NUMBER, size);
    return true;
}

/* ---- what ends a statement, and lines for the client ---- */

static bool rest_of_line_is_blank(const struct guard_scan *scan, size_t from)
{
    while (scan_is_blank(scan_peek(scan, from))) {
        from++;
    }
    return from >= scan_left(scan) || scan->at[from] == '\n';
}

static bool is_line_of_its_own(const struct guard_scan *scan, const char *text)
{
    return scan->starts_line && scan_starts_with(scan, text) &&
           rest_of_line_is_blank(scan, strlen(text));
}

/* GO and / on lines of their own; \g of psql and mysql; what DELIMITER said. 0: none of them. */
static size_t break_size(const struct guard_scan *scan)
{
    bool delimited = scan->delimiter_size > 0 && scan_left(scan) >= scan->delimiter_size &&
                     memcmp(scan->at, scan->delimiter, scan->delimiter_size) == 0;

    if (delimited) {
        return scan->delimiter_size;
    }
    if (scan_peek(scan, 0) == ';') {
        return 1;
    }
    if (scan->dialect == GUARD_DIALECT_CYPHER) {
        return 0;
    }
    if (scan_starts_with(scan, "\\g") || scan_starts_with(scan, "\\G")) {
        return word_size(scan, 1);
    }
    if (is_line_of_its_own(scan, "GO") || is_line_of_its_own(scan, "go")) {
        return 2;
    }
    return is_line_of_its_own(scan, "/") ? 1 : 0;
}

static bool take_break(struct guard_scan *scan, struct guard_token *token)
{
    size_t size = break_size(scan);

    if (size > 0) {
        take(scan, token, GUARD_TOKEN_BREAK, size);
    }
    return size > 0;
}

static bool take_meta(struct guard_scan *scan, struct guard_token *token)
{
    char c = scan_peek(scan, 0);
    bool cypher = scan->dialect == GUARD_DIALECT_CYPHER;

    if (!scan->starts_line || !scan->starts_statement ||
        (cypher ? c != ':' : c != '\\' && c != '.')) {
        return false;
    }
    const char *from = scan->at;
    scan_skip_line(scan);
    token->kind = GUARD_TOKEN_META;
    token->text = from;
    token->size = (size_t)(scan->at - from);
    return true;
}

/* "DELIMITER //" speaks to mysql, not to its server. True: it was one. */
static bool take_delimiter(struct guard_scan *scan, const struct guard_token *token)
{
    if (scan->dialect == GUARD_DIALECT_CYPHER || !scan->starts_statement ||
        !guard_token_is(token, "DELIMITER")) {
        return false;
    }
    while (scan_is_blank(scan_peek(scan, 0))) {
        scan->at++;
    }
    const char *from = scan->at;
    scan_skip_line(scan);
    size_t size = (size_t)(scan->at - from);
    while (size > 0 && scan_is_blank(from[size - 1])) {
        size--;
    }
    bool is_plain = size == 1 && from[0] == ';';
    scan->delimiter_size = is_plain || size > sizeof scan->delimiter ? 0 : size;
    memcpy(scan->delimiter, from, scan->delimiter_size);
    return true;
}

static void read_token(struct guard_scan *scan, struct guard_token *token)
{
    scan_skip_space(scan);
    *token = (struct guard_token){.text = scan->at, .starts_line = scan->starts_line};
    if (scan->at == scan->end) {
        token->kind = GUARD_TOKEN_END;
    } else if (!take_meta(scan, token) && !take_break(scan, token) && !take_word(scan, token) &&
               !take_quote(scan, token)) {
        take(scan, token, GUARD_TOKEN_SIGN, 1);
    }
    scan->starts_line = false;
}

void guard_scan_next(struct guard_scan *scan, struct guard_token *ret_token)
{
    do {
        read_token(scan, ret_token);
    } while (take_delimiter(scan, ret_token));
    scan->starts_statement =
        ret_token->kind == GUARD_TOKEN_BREAK || ret_token->kind == GUARD_TOKEN_META;
}

/* ---- what a token is ---- */

bool guard_token_is(const struct guard_token *token, const char *word)
{
    if (token->kind != GUARD_TOKEN_WORD || token->size != strlen(word)) {
        return false;
    }
    for (size_t i = 0; i < token->size; i++) {
        char c = token->text[i];
        if ((c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c) != word[i]) {
            return false;
        }
    }
    return true;
}

bool guard_token_in(const struct guard_token *token, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (guard_token_is(token, *words)) {
            return true;
        }
    }
    return false;
}

bool guard_token_is_sign(const struct guard_token *token, char sign)
{
    return token->kind == GUARD_TOKEN_SIGN && token->text[0] == sign;
}

bool guard_token_is_name(const struct guard_token *token)
{
    return token->kind == GUARD_TOKEN_WORD || token->kind == GUARD_TOKEN_NAME;
}
