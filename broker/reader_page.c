/*
 * reader_page.c - what the pages of all lists have in common, and the pages of those by falling
 * seq.
 *
 * Happy path of the latter: a statement gives rows from the newest on, the filter is checked on
 * each. A page ends at its limit, at 1 MiB, or after LOOK_MAX rows, so that a rare match never
 * holds the thread; `next` is the seq of the last row that was looked at.
 */
#include "broker/reader_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOOK_MAX      100000u
#define LIMIT_MAX     1000u
#define NEXT_TEXT_MAX 32

int reader_bad_cursor(const char *after, struct error *err)
{
    return error_set(err, READER_E_CURSOR, "`after` is no place in this list: %.80s", after);
}

bool reader_parse_number(const char *text, size_t size, uint64_t *ret)
{
    uint64_t number = 0;

    if (size == 0 || size > 18) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    *ret = number;
    return true;
}

int reader_pack_page(struct reader *reader, const char *name, uint32_t count, const char *next,
                     msgpack_sbuffer *ret_result, struct error *err)
{
    msgpack_packer out;

    msgpack_packer_init(&out, ret_result, msgpack_sbuffer_write);
    int failed = msgpack_pack_map(&out, 2);
    failed |= reader_pack_name(&out, name);
    failed |= msgpack_pack_array(&out, count);
    if (count > 0) {
        failed |= msgpack_pack_str_body(&out, reader->body.data, reader->body.size);
    }
    failed |= reader_pack_name(&out, "next");
    failed |= next[0] == '\0' ? msgpack_pack_nil(&out) : reader_pack_name(&out, next);
    return failed == 0 ? 0 : error_set(err, -ENOMEM, "out of memory while making a list");
}

/* ---- by falling seq ---- */

struct page {
    const struct reader_seq_list *list;
    uint64_t before; /* seqs below this one */
    uint32_t count, looked;
    bool full; /* there may be more */
};

static int add_row(struct reader *reader, sqlite3_stmt *row, struct page *page, struct error *err)
{
    msgpack_packer out;

    msgpack_packer_init(&out, &reader->body, msgpack_sbuffer_write);
    if (page->list->pack(&out, row) != 0) {
        return error_set(err, -ENOMEM, "out of memory while making a list");
    }
    page->count++;
    return 0;
}

static int fill_page(struct reader *reader, sqlite3_stmt *scan, struct page *page,
                     struct error *err)
{
    const struct reader_seq_list *list = page->list;
    bool row;

    msgpack_sbuffer_clear(&reader->body);
    sql_bind_uint(scan, 1, page->before);
    while (!page->full) {
        int r = sql_step(&reader->sql, scan, &row, err);
        if (r == 0 && row && list->passes(scan, list->filter)) {
            r = add_row(reader, scan, page, err);
        }
        if (r != 0 || !row) {
            return r;
        }
        page->before = sql_column_uint(scan, list->seq_column);
        page->full = page->count == list->limit || ++page->looked == LOOK_MAX ||
                     reader->body.size >= READER_PAGE_BYTES_MAX;
    }
    return 0;
}

int reader_list_by_seq(struct reader *reader, sqlite3_stmt *scan,
                       const struct reader_seq_list *list, msgpack_sbuffer *ret_result,
                       struct error *err)
{
    struct page page = {.list = list, .before = INT64_MAX};
    const char *after = list->after;
    char next[NEXT_TEXT_MAX] = "";

    assert(list->limit >= 1 && list->limit <= LIMIT_MAX);
    if (after != NULL && (after[0] != list->letter ||
                          !reader_parse_number(after + 1, strlen(after + 1), &page.before))) {
        return reader_bad_cursor(after, err);
    }
    int r = reader_begin(reader, err);
    if (r == 0) {
        r = reader_end(reader, fill_page(reader, scan, &page, err), err);
    }
    if (r != 0) {
        return r;
    }
    if (page.full) {
        snprintf(next, sizeof next, "%c%llu", list->letter, (unsigned long long)page.before);
    }
    return reader_pack_page(reader, list->name, page.count, next, ret_result, err);
}
