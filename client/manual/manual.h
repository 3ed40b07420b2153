/*
 * manual.h - what is made of the table of commands at build time: the man page and what shells
 * complete. Each writes a whole file; whether it could be written the caller asks the stream.
 */
#ifndef MEMFERRY_MANUAL_H
#define MEMFERRY_MANUAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

void manual_page(FILE *out); /* memferry.1 */
void manual_bash(FILE *out);
void manual_zsh(FILE *out);
void manual_fish(FILE *out);

/*
 * The verbs within a command (begin, end ... of session), read from its synopsis: the lower-case
 * word each alternative begins with. The i-th with its length, or NULL.
 */
const char *manual_verb(const char *synopsis, size_t i, size_t *ret_size);

/* Whether an option's value, or a command's words, are names of files. */
bool manual_is_file(const char *placeholder);

#endif
