/* json_write.h - what replies need of JSON beside json_from_msgpack. Internal. */
#ifndef MEMFERRY_WIRE_JSON_WRITE_H
#define MEMFERRY_WIRE_JSON_WRITE_H

#include <msgpack.h>

/* Text in quotes, escaped. 0 or -ENOMEM. */
int json_put_string(msgpack_sbuffer *out, const char *text, size_t size);

#endif
