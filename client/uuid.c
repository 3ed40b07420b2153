/*
 * uuid.c - a random UUID (version 4). Done here, so that nobody who only puts a memory loads
 * libuuid. A kernel without random bytes ends the program: ids that repeat would lose memories.
 */
#include "client/put.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void uuid_text(char text[CLIENT_UUID_SIZE])
{
    unsigned char bytes[16];

    if (getentropy(bytes, sizeof bytes) < 0) {
        abort();
    }
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40); /* version 4 */
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80); /* the variant of RFC 9562 */
    for (size_t i = 0; i < sizeof bytes; i++) {
        text += sprintf(text, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", bytes[i]);
    }
}

int memferry_make_id(char *buffer, size_t size)
{
    if (size < CLIENT_UUID_SIZE) {
        return MEMFERRY_E_INVALID;
    }
    uuid_text(buffer);
    return CLIENT_UUID_SIZE - 1;
}
