/*
 * bare_rows.c - see bare_rows.h. Rows go in as the events came: all of one event, then the next's.
 */
#include "bare_rows.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX      32
#define CHECKPOINT_BYTES ((uint64_t)32 << 20)

/* What a put of a new memory writes. */
static const struct {
    const char *name, *seq;
} tables[] = {
    {"event", "seq"}, {"event_key", "seq"}, {"memory", "version"}, {"memory_tag", "version"}};

#define TABLES (sizeof tables / sizeof tables[0])

struct row {
    uint64_t seq;
    sqlite3_value *values[COLUMNS_MAX];
};

struct table_rows {
    struct row *rows;
    size_t count, next;
    int columns;
};

struct bare_rows {
    uint64_t from, to;
    struct table_rows tables[TABLES];
};

_Noreturn static void die(sqlite3 *db, const char *what)
{
    fprintf(stderr, "apply_rows: bare insert: %s: %s\n", what,
            db == NULL ? "out of memory" : sqlite3_errmsg(db));
    exit(1);
}

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        die(db, sql);
    }
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK) {
        die(db, sql);
    }
    return statement;
}

sqlite3 *bare_open(const char *path)
{
    sqlite3 *db;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        die(db, path);
    }
    run(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;"
            "PRAGMA cache_size=-32768; PRAGMA journal_size_limit=67108864;"
            "PRAGMA wal_autocheckpoint=0");
    return db;
}

/* ---- reading ---- */

static void keep_row(struct table_rows *table, sqlite3_stmt *select, int seq_column)
{
    if ((table->count & (table->count - 1)) == 0) { /* a power of two: full */
        size_t room = table->count == 0 ? 1 : 2 * table->count;
        table->rows = realloc(table->rows, room * sizeof *table->rows);
        if (table->rows == NULL) {
            die(NULL, "rows");
        }
    }
    struct row *row = &table->rows[table->count++];
    row->seq = (uint64_t)sqlite3_column_int64(select, seq_column);
    for (int i = 0; i < table->columns; i++) {
        row->values[i] = sqlite3_value_dup(sqlite3_column_value(select, i));
    }
}

static int column_of(sqlite3_stmt *select, const char *name)
{
    for (int i = 0; i < sqlite3_column_count(select); i++) {
        if (strcmp(sqlite3_column_name(select, i), name) == 0) {
            return i;
        }
    }
    die(NULL, name);
}

static void read_table(sqlite3 *db, size_t index, struct bare_rows *rows)
{
    struct table_rows *table = &rows->tables[index];
    char *sql = sqlite3_mprintf("SELECT * FROM %s WHERE %s > %llu AND %s <= %llu ORDER BY %s",
                                tables[index].name, tables[index].seq, rows->from,
                                tables[index].seq, rows->to, tables[index].seq);
    sqlite3_stmt *select = prepare(db, sql);

    table->columns = sqlite3_column_count(select);
    if (table->columns > COLUMNS_MAX) {
        die(NULL, "columns");
    }
    int seq_column = column_of(select, tables[index].seq);
    while (sqlite3_step(select) == SQLITE_ROW) {
        keep_row(table, select, seq_column);
    }
    sqlite3_finalize(select);
    sqlite3_free(sql);
}

struct bare_rows *bare_rows_read(const char *path, uint64_t from, uint64_t to)
{
    struct bare_rows *rows = calloc(1, sizeof *rows);
    sqlite3 *db;

    if (rows == NULL || sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
        die(NULL, path);
    }
    rows->from = from;
    rows->to = to;
    for (size_t i = 0; i < TABLES; i++) {
        read_table(db, i, rows);
    }
    sqlite3_close(db);
    if (rows->tables[0].count != to - from || rows->tables[2].count != to - from) {
        fprintf(stderr, "apply_rows: %llu events made %zu rows of events and %zu of memories\n",
                (unsigned long long)(to - from), rows->tables[0].count, rows->tables[2].count);
        exit(1);
    }
    return rows;
}

void bare_rows_free(struct bare_rows *rows)
{
    for (size_t i = 0; i < TABLES; i++) {
        struct table_rows *table = &rows->tables[i];
        for (size_t r = 0; r < table->count; r++) {
            for (int c = 0; c < table->columns; c++) {
                sqlite3_value_free(table->rows[r].values[c]);
            }
        }
        free(table->rows);
    }
    free(rows);
}

/* ---- inserting ---- */

static int wal_written_cb(void *data, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    *(uint64_t *)data = (uint64_t)pages * 4096;
    return SQLITE_OK;
}

static sqlite3_stmt *prepare_insert(sqlite3 *db, const char *name, int columns)
{
    char marks[2 * COLUMNS_MAX + 1] = "?";

    for (int i = 1; i < columns; i++) {
        strcat(marks, ",?");
    }
    char *sql = sqlite3_mprintf("INSERT INTO %s VALUES(%s)", name, marks);
    sqlite3_stmt *statement = prepare(db, sql);
    sqlite3_free(sql);
    return statement;
}

static void insert_event(sqlite3 *db, sqlite3_stmt **inserts, struct bare_rows *rows, uint64_t seq)
{
    for (size_t i = 0; i < TABLES; i++) {
        struct table_rows *table = &rows->tables[i];
        for (; table->next < table->count && table->rows[table->next].seq == seq; table->next++) {
            for (int c = 0; c < table->columns; c++) {
                sqlite3_bind_value(inserts[i], c + 1, table->rows[table->next].values[c]);
            }
            if (sqlite3_step(inserts[i]) != SQLITE_DONE) {
                die(db, tables[i].name);
            }
            sqlite3_reset(inserts[i]);
        }
    }
}

void bare_rows_insert(sqlite3 *db, struct bare_rows *rows, uint64_t transaction)
{
    sqlite3_stmt *inserts[TABLES];
    uint64_t wal_bytes = 0;

    sqlite3_wal_hook(db, wal_written_cb, &wal_bytes);
    for (size_t i = 0; i < TABLES; i++) {
        inserts[i] = prepare_insert(db, tables[i].name, rows->tables[i].columns);
    }
    for (uint64_t seq = rows->from; seq < rows->to;) {
        run(db, "BEGIN IMMEDIATE");
        for (uint64_t n = 0; n < transaction && seq < rows->to; n++) {
            insert_event(db, inserts, rows, ++seq);
        }
        run(db, "COMMIT");
        if (wal_bytes >= CHECKPOINT_BYTES) {
            sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
            wal_bytes = 0;
        }
    }
    for (size_t i = 0; i < TABLES; i++) {
        sqlite3_finalize(inserts[i]);
    }
    sqlite3_wal_hook(db, NULL, NULL);
}
