/*
 * access.h - who may ask the page's server: only a browser that came by the link, at the address
 * that was given, from the page itself. Pure but for the secrets, which are made of getrandom().
 *
 * The link's token is good once: it is exchanged for a cookie that lives as long as the server. The
 * Host header must be ours, so that no other name that resolves to loopback reaches us; what
 * changes something must come from our own page, by its Origin.
 */
#ifndef MEMFERRY_UI_ACCESS_H
#define MEMFERRY_UI_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCESS_SECRET_SIZE 33 /* 32 hex digits and a NUL */

struct access {
    uint16_t port;
    bool token_used;
    char token[ACCESS_SECRET_SIZE], cookie[ACCESS_SECRET_SIZE];
};

/* 0, or a negative errno when the system gives no random bytes. */
int access_init(struct access *access, uint16_t port);

/* Whether this is the link's token and was not used before; it is used then. NULL: no. */
bool access_take_token(struct access *access, const char *token);

/* "NAME=VALUE", to be set; name differs from port to port, since browsers share cookies among them.
 */
int access_set_cookie(const struct access *access, char *buffer, size_t size);
/* Whether a Cookie header has ours. */
bool access_has_cookie(const struct access *access, const char *header);

bool access_is_our_host(const struct access *access, const char *header);
bool access_is_our_origin(const struct access *access, const char *header);

#endif
