/*
 * mask.h - what must never be shown, and a text without it.
 *
 * A server may send back what it was sent, headers and all. Each secret's bytes become asterisks,
 * so that the text keeps its length. Secrets under four bytes are not looked for: they would blot
 * out half of every text.
 */
#ifndef MEMFERRY_PLUGINS_MASK_H
#define MEMFERRY_PLUGINS_MASK_H

#include <stddef.h>

enum { MASK_SECRETS_MAX = 16 };

/* All zero to begin with. */
struct mask {
    struct mask_secret {
        char *bytes;
        size_t size;
    } secrets[MASK_SECRETS_MAX];
    size_t count;
};

/* Copies are kept, and wiped by mask_deinit. What is there already is no other one. 0 or -ENOMEM.
 * At most MASK_SECRETS_MAX. */
int mask_add(struct mask *mask, const char *secret, size_t size);
/* The base64 of "user:password", as it goes over the wire. */
int mask_add_login(struct mask *mask, const char *user, const char *password);
void mask_deinit(struct mask *mask);

void mask_text(const struct mask *mask, char *text, size_t size);

#endif
