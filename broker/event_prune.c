/* event_prune.c - the fields of an EVENT_PRUNE: {through}. */
#include "broker/event_prune.h"

#include "broker/unpack.h"

#include <errno.h>
#include <string.h>

#define NAME "through"

int event_prune_pack(uint64_t through, msgpack_sbuffer *out)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    int failed = msgpack_pack_map(&packer, 1);
    failed |= msgpack_pack_str_with_body(&packer, NAME, strlen(NAME));
    failed |= msgpack_pack_uint64(&packer, through);
    return failed == 0 ? 0 : -ENOMEM;
}

int event_prune_read(const uint8_t *fields, size_t size, uint64_t *ret_through)
{
    struct unpack in = unpack_over(fields, size);
    const char *name;
    size_t name_size;
    uint32_t count;

    bool good = fields != NULL && unpack_map(&in, &count) && count == 1 &&
                unpack_text(&in, &name, &name_size) && name_size == strlen(NAME) &&
                memcmp(name, NAME, name_size) == 0 && unpack_uint(&in, ret_through) &&
                in.at == in.end && *ret_through <= INT64_MAX;
    return good ? 0 : -EBADMSG;
}
