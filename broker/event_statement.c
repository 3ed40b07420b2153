/* event_statement.c - see event_statement.h. */
#include "broker/event_statement.h"

#include "broker/unpack.h"

#include <errno.h>
#include <string.h>

static int pack_text(msgpack_packer *out, const char *name, const struct event_text *text)
{
    return msgpack_pack_str_with_body(out, name, strlen(name)) |
           msgpack_pack_str_with_body(out, text->data, text->size);
}

int event_statement_pack(const struct event_statement *statement, msgpack_sbuffer *out)
{
    bool has_source = statement->source.data != NULL;
    msgpack_packer packer;

    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    int failed = msgpack_pack_map(&packer, has_source ? 3 : 2);
    failed |= pack_text(&packer, "statement", &statement->statement);
    failed |= pack_text(&packer, "language", &statement->language);
    if (has_source) {
        failed |= pack_text(&packer, "source", &statement->source);
    }
    return failed == 0 ? 0 : -ENOMEM;
}

static struct event_text *text_of(struct event_statement *statement, const char *name, size_t size)
{
    const struct {
        const char *name;
        struct event_text *text;
    } texts[] = {{"statement", &statement->statement},
                 {"language", &statement->language},
                 {"source", &statement->source}};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (size == strlen(texts[i].name) && memcmp(name, texts[i].name, size) == 0) {
            return texts[i].text;
        }
    }
    return NULL;
}

int event_statement_read(const uint8_t *fields, size_t size, struct event_statement *ret)
{
    struct unpack in = unpack_over(fields, size);
    uint32_t count;

    *ret = (struct event_statement){0};
    if (fields == NULL || !unpack_map(&in, &count)) {
        return -EBADMSG;
    }
    for (uint32_t i = 0; i < count; i++) {
        const char *name;
        size_t name_size;
        if (!unpack_text(&in, &name, &name_size)) {
            return -EBADMSG;
        }
        struct event_text *text = text_of(ret, name, name_size);
        if (text == NULL || text->data != NULL || !unpack_text(&in, &text->data, &text->size)) {
            return -EBADMSG;
        }
    }
    bool complete = in.at == in.end && ret->statement.size > 0 &&
                    ret->statement.size <= STATEMENT_MAX && ret->language.size > 0;
    return complete ? 0 : -EBADMSG;
}
