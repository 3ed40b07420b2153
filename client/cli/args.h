/*
 * args.h - options and words of a command line, by a table. Pure.
 *
 * Options are --name, --name VALUE or --name=VALUE, anywhere before "--"; "-" is a word. -h means
 * --help. Everything is borrowed from argv.
 */
#ifndef MEMFERRY_CLI_ARGS_H
#define MEMFERRY_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct option {
    const char *name;  /* without dashes; NULL ends a table */
    const char *value; /* its placeholder; NULL: a flag; "[=X]": may have one, behind "=" only */
    const char *help;
};

struct given {
    const struct option *option;
    const char *value; /* NULL: none */
};

struct args {
    struct given *given;
    size_t given_count;
    const char **words;
    size_t word_count;
    size_t used; /* arguments looked at: all, or up to the first word */
    char problem[200];
};

/*
 * Reads argv, which does not begin with the program's name. Either table may be NULL. With
 * first_word_only it stops behind the first word. False: args->problem says why. Free either way.
 */
bool args_parse(struct args *args, int argc, const char *const *argv, const struct option *global,
                const struct option *own, bool first_word_only);
void args_free(struct args *args);

bool args_has(const struct args *args, const char *name);
/* The last value given; NULL: none. */
const char *args_value(const struct args *args, const char *name);
/* The n-th value of a repeated option, or NULL. */
const char *args_nth(const struct args *args, const char *name, size_t n);
/* A number in digits, from least to most; from 1 on it begins with no 0. False: it is none, and
 * *ret is left alone. */
bool number_parse(const char *text, uint64_t least, uint64_t most, uint64_t *ret);

/* The i-th word, or NULL. */
const char *args_word(const struct args *args, size_t i);

#endif
