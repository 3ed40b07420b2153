/* guard_shell.h - what the files of the shell's judge share: words, commands, pipelines. */
#ifndef MEMFERRY_GUARD_SHELL_H
#define MEMFERRY_GUARD_SHELL_H

#include "broker/guard_judge.h"

#define SHELL_WORDS_MAX 256 /* of a command; further ones are not looked at */
#define SHELL_FEEDS_MAX 8   /* texts that one pipeline is fed */

/* Unquoted, in the text itself. */
struct shell_word {
    char *text;
    size_t size;
};

struct shell_words {
    struct shell_word *words;
    size_t count;
};

/* Who reads a command's standard input, and as what. */
enum shell_reader {
    SHELL_READS_NOTHING, /* or nothing that we know of */
    SHELL_READS_SQL,
    SHELL_READS_CYPHER,
    SHELL_READS_SHELL,
    SHELL_READS_REDIS
};

/* What a command does. */
struct shell_effect {
    enum shell_reader reader;
    struct shell_word prints; /* what echo and printf write; text NULL: unknown */
};

/* Where a shell's text is read, and what it runs on its way. */
struct shell_text {
    char *at, *end;
    unsigned depth;
    struct guard_finding *finding;
};

/* ---- guard_shell_take.c ---- */

/* The character `ahead` of the next; NUL behind the end. */
char shell_peek(const struct shell_text *text, size_t ahead);
bool shell_is_blank(char c);
/* Takes a word, unquoted where it stands; what $(…) and `…` run is judged on the way. */
struct shell_word shell_take_word(struct shell_text *text);
/* Where the parenthesis that was opened before `at` is closed; the end when it is not. */
char *shell_closing_parenthesis(const struct shell_text *text, char *at);

/* ---- guard_shell_words.c ---- */

/* In capitals or not; `word` in small letters. */
bool shell_word_is(const struct shell_word *word, const char *text);
bool shell_word_in(const struct shell_word *word, const char *const *texts);
bool shell_word_begins(const struct shell_word *word, const char *text);
/* Behind the last slash. */
struct shell_word shell_word_base(const struct shell_word *word);
/* NAME=value, as it may stand before a command. */
bool shell_word_is_assignment(const struct shell_word *word);
/* A single dash and letters, one of which this is: -rf has r. */
bool shell_word_has_flag(const struct shell_word *word, char flag);
/* --recursive, or as much of its beginning as getopt takes: `least` bytes. */
bool shell_word_is_long(const struct shell_word *word, const char *option, size_t least);
/* One of the words, from `from` on and before "--", has this flag, or is this long option. */
bool shell_words_have(const struct shell_words *words, size_t from, char flag, const char *option,
                      size_t least);
/* The words from `from` on, with blanks between them, in the place of the first. */
struct shell_word shell_words_join(const struct shell_words *words, size_t from);
struct shell_words shell_words_from(const struct shell_words *words, size_t from);

/* ---- guard_shell_wrap.c ---- */

/* Takes what only runs another command (sudo, env, xargs, docker exec …) off the front. */
struct shell_words shell_unwrap(struct shell_words words);

/* ---- guard_shell_command.c ---- */

struct shell_effect shell_judge_command(const struct shell_words *all, unsigned depth,
                                        struct guard_finding *finding);
void shell_judge_input(enum shell_reader reader, const struct shell_word *input, unsigned depth,
                       struct guard_finding *finding);

#endif
