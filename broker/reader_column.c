/* reader_column.c - columns of a row: compared, and packed for an answer. */
#include "broker/reader_internal.h"

#include <string.h>

int reader_pack_name(msgpack_packer *out, const char *name)
{
    return msgpack_pack_str_with_body(out, name, strlen(name));
}

struct event_text reader_column_text(sqlite3_stmt *statement, int column)
{
    /* The text first: asking for it may change the size. */
    const char *data = (const char *)sqlite3_column_text(statement, column);

    return (struct event_text){.data = data,
                               .size = (size_t)sqlite3_column_bytes(statement, column)};
}

bool reader_column_is(sqlite3_stmt *row, int column, const char *wanted)
{
    if (wanted == NULL) {
        return true;
    }
    struct event_text found = reader_column_text(row, column);
    return found.data != NULL && found.size == strlen(wanted) &&
           memcmp(found.data, wanted, found.size) == 0;
}

int reader_pack_text_column(msgpack_packer *out, const char *name, sqlite3_stmt *row, int column)
{
    struct event_text text = reader_column_text(row, column);
    int failed = reader_pack_name(out, name);

    return failed | (text.data == NULL ? msgpack_pack_nil(out)
                                       : msgpack_pack_str_with_body(out, text.data, text.size));
}

int reader_pack_int_column(msgpack_packer *out, const char *name, sqlite3_stmt *row, int column)
{
    int failed = reader_pack_name(out, name);

    return failed | (sqlite3_column_type(row, column) == SQLITE_NULL
                         ? msgpack_pack_nil(out)
                         : msgpack_pack_int64(out, sqlite3_column_int64(row, column)));
}
