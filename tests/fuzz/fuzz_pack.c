/*
 * fuzz_pack.c - what a Bolt server, or whoever stands there, sends: chunks, and PackStream in them.
 *
 * A message is read from a copy of exact size; whatever value it begins with is written again and
 * read again as the same.
 */
#include "plugins/neo4j-http/pack.h"
#include "tests/fuzz/must.h"

#include <string.h>

enum { LIMIT = 64 << 20, CHUNK_BYTES = 4 };

static void write_value(struct pack *p, json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        pack_map(p, json_object_size(value));
        json_object_keylen_foreach(value, key, i, item)
        {
            pack_string(p, key, i);
            write_value(p, item);
        }
        break;
    case JSON_ARRAY:
        pack_list(p, json_array_size(value));
        json_array_foreach(value, i, item)
        {
            write_value(p, item);
        }
        break;
    case JSON_STRING:
        pack_string(p, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        pack_int(p, json_integer_value(value));
        break;
    case JSON_REAL:
        pack_double(p, json_real_value(value));
        break;
    case JSON_NULL:
        pack_null(p);
        break;
    default:
        pack_bool(p, json_is_true(value));
    }
}

static struct pack message_of(json_t *value)
{
    struct pack p;

    pack_init(&p, LIMIT);
    pack_message_begin(&p);
    write_value(&p, value);
    pack_message_end(&p);
    must(pack_status(&p) == 0, "it can be written");
    return p;
}

/* Compared as written: json_equal cuts keys at a NUL. */
static void write_again(json_t *value)
{
    struct pack first = message_of(value), copy = message_of(value);
    size_t size, used;

    const char *message = pack_message(copy.data, copy.size, &size, &used);
    must(message != NULL && used == copy.size, "the message is whole");
    json_t *again = pack_read(message, size);
    must(again != NULL, "it can be read");
    struct pack second = message_of(again);
    must(first.size == second.size && memcmp(first.data, second.data, first.size) == 0,
         "the value is the same");
    json_decref(again);
    pack_deinit(&first);
    pack_deinit(&copy);
    pack_deinit(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t message_size, used;
    char *bytes = malloc(size == 0 ? 1 : size);

    must(bytes != NULL, "memory");
    if (size > 0) {
        memcpy(bytes, data, size);
    }
    const char *message = pack_message(bytes, size, &message_size, &used);
    if (message != NULL) {
        must(message_size > 0 && message_size + CHUNK_BYTES <= used && used <= size, "sizes");
        char *exact = malloc(message_size);
        must(exact != NULL, "memory");
        memcpy(exact, message, message_size);
        json_t *value = pack_read(exact, message_size);
        if (value != NULL) {
            write_again(value);
        }
        json_decref(value);
        free(exact);
    }
    free(bytes);
    return 0;
}
