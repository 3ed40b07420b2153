/* uuid.c - a random UUID (version 4). Cannot fail: libuuid has its own ways when the kernel gives
 * no random bytes. */
#include "client/put.h"

#include <uuid/uuid.h>

void uuid_text(char text[CLIENT_UUID_SIZE])
{
    uuid_t uuid;

    uuid_generate_random(uuid);
    uuid_unparse_lower(uuid, text);
}

int memferry_make_id(char *buffer, size_t size)
{
    if (size < CLIENT_UUID_SIZE) {
        return MEMFERRY_E_INVALID;
    }
    uuid_text(buffer);
    return CLIENT_UUID_SIZE - 1;
}
