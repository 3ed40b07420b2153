/* uri.c - see uri.h. */
#include "client/heavy/mcp/uri.h"

#include "client/wire/utf8.h"

#include <stdio.h>
#include <string.h>

#define VERSION_DIGITS_MAX 18

static bool is_plain(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || strchr("-._~", byte) != NULL;
}

void uri_write(char uri[URI_SIZE_MAX], const char *id)
{
    char *at = uri + sprintf(uri, URI_PREFIX);

    for (size_t i = 0; i < URI_ID_SIZE - 1 && id[i] != '\0'; i++) {
        if (is_plain((unsigned char)id[i])) {
            *at++ = id[i];
        } else {
            at += sprintf(at, "%%%02X", (unsigned char)id[i]);
        }
    }
    *at = '\0';
}

static int hex(char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                          : -1;
}

/* Up to '?' or the end; what follows, or NULL: it is no id. */
static const char *read_id(const char *at, char id[URI_ID_SIZE])
{
    size_t size = 0;

    for (; *at != '\0' && *at != '?'; at++) {
        int byte = (unsigned char)*at;
        if (*at == '%') {
            int high = hex(at[1]), low = high >= 0 ? hex(at[2]) : -1;
            if (low < 0) {
                return NULL;
            }
            byte = 16 * high + low;
            at += 2;
        }
        if (byte == 0 || size == URI_ID_SIZE - 1) {
            return NULL;
        }
        id[size++] = (char)byte;
    }
    id[size] = '\0';
    return size > 0 && utf8_valid_no_nul(id, size) ? at : NULL;
}

static bool read_version(const char *text, int64_t *ret_version)
{
    static const char name[] = "?version=";
    size_t digits;

    *ret_version = 0;
    if (*text == '\0') {
        return true;
    }
    if (strncmp(text, name, sizeof name - 1) != 0) {
        return false;
    }
    text += sizeof name - 1;
    digits = strspn(text, "0123456789");
    if (digits == 0 || digits > VERSION_DIGITS_MAX || text[digits] != '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        *ret_version = *ret_version * 10 + (*text - '0');
    }
    return *ret_version > 0;
}

bool uri_read(const char *uri, char id[URI_ID_SIZE], int64_t *ret_version)
{
    if (strncmp(uri, URI_PREFIX, strlen(URI_PREFIX)) != 0) {
        return false;
    }
    const char *rest = read_id(uri + strlen(URI_PREFIX), id);
    return rest != NULL && read_version(rest, ret_version);
}
