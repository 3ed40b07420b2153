/* store_large.c - the memories that are large as they stand, for who begins (see large.h). */
#include "broker/store_internal.h"

int store_large_memories(struct store *store, void (*each)(void *, const struct event_text *),
                         void *arg, struct error *err)
{
    /* The index holds such states alone, so that nothing else is looked at. */
    static const char *const text = "SELECT e.memory_id FROM event e INDEXED BY event_large "
                                    "CROSS JOIN memory m ON m.version=e.seq "
                                    "WHERE " STORE_IS_LARGE("e.");
    sqlite3_stmt *find;
    bool row = true;
    int r = sql_prepare(&store->sql, &text, 1, &find, err);

    if (r != 0) {
        return store_outcome_of(r);
    }
    while (r == 0 && row) {
        r = sql_step(&store->sql, find, &row, err);
        if (r == 0 && row) {
            const struct event_text id = {.data = (const char *)sqlite3_column_text(find, 0),
                                          .size = (size_t)sqlite3_column_bytes(find, 0)};
            each(arg, &id);
        }
    }
    sql_finalize(&find, 1);
    return store_outcome_of(r);
}
