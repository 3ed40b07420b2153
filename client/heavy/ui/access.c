/* access.c - see access.h. */
#include "client/heavy/ui/access.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static int make_secret(char *secret)
{
    unsigned char bytes[(ACCESS_SECRET_SIZE - 1) / 2];

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return errno != 0 ? -errno : -EIO;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(secret + 2 * i, 3, "%02x", bytes[i]);
    }
    return 0;
}

/* In the same time wherever they differ. */
static bool is_same_secret(const char *secret, const char *text, size_t size)
{
    unsigned differs = 0;

    if (size != ACCESS_SECRET_SIZE - 1) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        differs |= (unsigned)(secret[i] ^ text[i]);
    }
    return differs == 0;
}

int access_init(struct access *access, uint16_t port)
{
    *access = (struct access){.port = port};
    int result = make_secret(access->token);
    return result == 0 ? make_secret(access->cookie) : result;
}

bool access_take_token(struct access *access, const char *token)
{
    if (token == NULL || access->token_used ||
        !is_same_secret(access->token, token, strlen(token))) {
        return false;
    }
    access->token_used = true;
    return true;
}

int access_set_cookie(const struct access *access, char *buffer, size_t size)
{
    return snprintf(buffer, size, "memferry_ui_%u=%s; HttpOnly; SameSite=Strict; Path=/",
                    (unsigned)access->port, access->cookie);
}

bool access_has_cookie(const struct access *access, const char *header)
{
    char name[32];
    int name_size = snprintf(name, sizeof name, "memferry_ui_%u=", (unsigned)access->port);

    while (header != NULL) {
        header += strspn(header, " ;");
        if (strncmp(header, name, (size_t)name_size) == 0) {
            const char *value = header + name_size;
            return is_same_secret(access->cookie, value, strcspn(value, "; "));
        }
        header = strchr(header, ';');
    }
    return false;
}

bool access_is_our_host(const struct access *access, const char *header)
{
    char number[32], name[32];

    snprintf(number, sizeof number, "127.0.0.1:%u", (unsigned)access->port);
    snprintf(name, sizeof name, "localhost:%u", (unsigned)access->port);
    return header != NULL && (strcmp(header, number) == 0 || strcmp(header, name) == 0);
}

bool access_is_our_origin(const struct access *access, const char *header)
{
    static const char scheme[] = "http://";

    return header != NULL && strncmp(header, scheme, strlen(scheme)) == 0 &&
           access_is_our_host(access, header + strlen(scheme));
}
