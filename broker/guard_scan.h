/*
 * guard_scan.h - takes SQL and Cypher apart: words, quoted names, strings, numbers, signs.
 *
 * Comments are passed over, and what is quoted is one token whatever stands in it, so that only
 * what would be executed is left. Nothing is allocated; tokens are borrowed from the text. Each
 * byte is looked at a few times at most: time is linear, and what is not closed ends with the text.
 */
#ifndef MEMFERRY_GUARD_SCAN_H
#define MEMFERRY_GUARD_SCAN_H

#include <stdbool.h>
#include <stddef.h>

enum guard_dialect {
    GUARD_DIALECT_STANDARD, /* PostgreSQL, SQLite, SQL Server, Oracle */
    GUARD_DIALECT_MYSQL,    /* backslashes in strings, # comments, comments that are executed */
    GUARD_DIALECT_CYPHER
};

enum guard_token_kind {
    GUARD_TOKEN_END = 1,
    GUARD_TOKEN_BREAK,  /* ; and whatever else ends a statement */
    GUARD_TOKEN_WORD,   /* a keyword or a bare name */
    GUARD_TOKEN_NAME,   /* "quoted", `quoted` or [quoted] */
    GUARD_TOKEN_STRING, /* text: what is between the quotes, escapes and all */
    GUARD_TOKEN_NUMBER,
    GUARD_TOKEN_SIGN, /* one character */
    GUARD_TOKEN_META  /* a line for the client itself: \! ls, .tables, :use; text: the whole line */
};

struct guard_token {
    enum guard_token_kind kind;
    const char *text;
    size_t size;
    bool starts_line;
};

#define GUARD_DELIMITER_MAX 16

struct guard_scan {
    const char *at, *end;
    enum guard_dialect dialect;
    bool starts_line;                    /* nothing but blanks stands before in its line */
    bool starts_statement;               /* no token since the last break */
    bool runs_comment;                   /* within a comment that MySQL executes */
    bool dialects_differ;                /* MySQL may read this text in another way */
    bool is_open;                        /* a quote or comment has no end */
    char delimiter[GUARD_DELIMITER_MAX]; /* of mysql's DELIMITER; empty: only ; */
    size_t delimiter_size;
};

struct guard_scan guard_scan_over(const char *text, size_t size, enum guard_dialect dialect);
void guard_scan_next(struct guard_scan *scan, struct guard_token *ret_token);

/* In any case; `word` in capitals. Only a bare word is one. */
bool guard_token_is(const struct guard_token *token, const char *word);
/* …one of a list that ends with NULL. */
bool guard_token_in(const struct guard_token *token, const char *const *words);
bool guard_token_is_sign(const struct guard_token *token, char sign);
/* A name of something, bare or quoted. */
bool guard_token_is_name(const struct guard_token *token);

#endif
