/* reader_recovery.c - the recovery that is under way, as store_recovery.c wrote it. */
#include "broker/reader_internal.h"

#include <stdio.h>
#include <string.h>

static int read_meta(struct reader *reader, const char *name, char *ret, size_t size,
                     struct error *err)
{
    sqlite3_stmt *find = reader_statement(reader, READER_META);
    bool row;

    ret[0] = '\0';
    sql_bind_text(find, 1, name, strlen(name));
    int r = sql_step(&reader->sql, find, &row, err);
    if (r == 0 && row) {
        struct event_text value = reader_column_text(find, 0);
        snprintf(ret, size, "%.*s", (int)value.size, value.data != NULL ? value.data : "");
        sql_reset(find);
    }
    return r;
}

int reader_recovery(struct reader *reader, struct reader_recovery *ret, struct error *err)
{
    int r = reader_begin(reader, err);

    if (r != 0) {
        return r;
    }
    r = read_meta(reader, "recover_from", ret->backend, sizeof ret->backend, err);
    if (r == 0) {
        r = read_meta(reader, "recover_after", ret->after, sizeof ret->after, err);
    }
    return reader_end(reader, r, err);
}
