/*
 * speak_nats.c - NATS: a publish into a JetStream subject, whose acknowledgement comes to an inbox
 * of the connection. The reply's subject carries the slot, for it may come in any order.
 *
 *     PUB bench.m _I.CCCC.SSSS SIZE\r\n RECORD \r\n
 *     MSG _I.CCCC.SSSS 1 SIZE\r\n {"stream":"B","seq":1} \r\n
 *
 * A PING is not answered: runs are shorter than the server's patience.
 */
#include "speak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBJECT    "PUB bench.m "
#define INBOX      "_I.0000.0000"
#define CONNECTION (sizeof(SUBJECT) - 1 + 3)
#define SLOT       (CONNECTION + 5)
#define RECORD     64 /* well inside it: it is 256 bytes or more */

static void put_four(char *at, uint32_t value)
{
    for (int i = 3; i >= 0; i--, value >>= 4)
        at[i] = "0123456789abcdef"[value & 15];
}

size_t nats_greet(char *out, uint32_t connection)
{
    return (size_t)snprintf(out, SPEAK_OVERHEAD,
                            "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n"
                            "SUB _I.%04x.* 1\r\n",
                            connection);
}

size_t nats_prepare(char *request, size_t size)
{
    int head = snprintf(request, SPEAK_OVERHEAD, SUBJECT INBOX " %zu\r\n", size);
    speak_fill(request + head, size);
    size_t at = (size_t)head + size;
    request[at++] = '\r';
    request[at++] = '\n';
    return at;
}

void nats_stamp(char *request, const struct stamp *stamp)
{
    put_four(request + CONNECTION, stamp->connection);
    put_four(request + SLOT, stamp->slot);
    speak_hex(request + RECORD, speak_scatter(stamp->unique));
}

/* The size that ends the line of a message, or 0. */
static size_t size_of_message(const char *line, const char *end)
{
    const char *at = end;
    while (at > line && at[-1] != ' ')
        at--;
    return strtoul(at, NULL, 10);
}

ssize_t nats_reply(const char *data, size_t size, uint32_t *ret_slot)
{
    const char *end = size > 0 ? memchr(data, '\n', size) : NULL;
    if (!end)
        return 0;
    size_t line = (size_t)(end + 1 - data);
    if (strncmp(data, "MSG _I.", 7) != 0) {
        *ret_slot = SPEAK_NO_REPLY;
        return strncmp(data, "-ERR", 4) == 0 ? -1 : (ssize_t)line;
    }
    size_t body = size_of_message(data, end - 1);
    if (size < line + body + 2)
        return 0;
    if (line < 16 || body < 9 || strncmp(data + line, "{\"stream\"", 9) != 0)
        return -1; /* an error, not an acknowledgement */
    *ret_slot = (uint32_t)strtoul(data + 12, NULL, 16);
    return (ssize_t)(line + body + 2);
}
