/*
 * guard_secret.h - where a secret begins and ends, at a place of a text: values, URLs, and keys
 * that are known by their looks. For guard_mask.c. Pure; every text ends at `end`.
 */
#ifndef MEMFERRY_GUARD_SECRET_H
#define MEMFERRY_GUARD_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define SECRET_NAME_MAX 64 /* bytes of a name that are looked at */

struct span {
    const char *from, *to; /* from NULL: none */
};

extern const struct span secret_none;

bool secret_is_name(char c);
bool secret_begins(const char *at, const char *end, const char *text); /* in any case */
bool secret_holds(const char *name, size_t size, const char *part);    /* in any case */
const char *secret_skip_blanks(const char *at, const char *end);
const char *secret_skip_name(const char *at, const char *end);

/* What is between the quotes that begin here. */
struct span secret_quoted(const char *at, const char *end);
/* A value that is written here: quoted, or up to what would end it. */
struct span secret_value(const char *at, const char *end);
/* Behind the word at `at`: Bearer abc. */
struct span secret_scheme(const char *at, const char *end);
/* scheme://user:secret@host, from the colon on. */
struct span secret_url(const char *at, const char *end);
/* AKIA…, ghp_… and their like. */
struct span secret_known_key(const char *at, const char *end);
/* -----BEGIN … PRIVATE KEY----- up to its END, or the end. */
struct span secret_private_key(const char *at, const char *end);

#endif
