/* search_sweep.c - what the store does not have any more leaves the search files. */
#include "broker/reader_search.h"
#include "broker/search_files.h"

#include <errno.h>
#include <stdlib.h>

#define SWEEP_DOCS 500 /* looked at in one transaction */

struct sweeping {
    struct search_files *files;
    struct reader *reader;
    struct error *err;
    int64_t last;
    size_t looked, gone_count;
    struct search_doc gone[SWEEP_DOCS];
};

static int sweep_doc(void *arg, const struct search_doc *doc, const char *memory_id)
{
    struct sweeping *it = arg;
    bool exists;

    int r = reader_has_memory(it->reader, memory_id, &exists, it->err);
    if (r == 0 && !exists) {
        it->gone[it->gone_count++] = *doc;
    }
    it->last = doc->doc;
    it->looked++;
    return r;
}

static int remove_gone(struct sweeping *it)
{
    struct search_files *files = it->files;
    int r = search_index_begin(files->index, it->err);

    for (size_t i = 0; r == 0 && i < it->gone_count; i++) {
        r = search_index_remove(files->index, it->gone[i].doc, it->err);
    }
    if (r == 0) {
        r = search_index_commit(files->index, search_index_cursor(files->index), it->err);
    }
    if (r != 0) {
        search_index_rollback(files->index);
        return r;
    }
    for (size_t i = 0; r == 0 && i < it->gone_count; i++) {
        if (it->gone[i].row != SEARCH_NO_ROW) {
            r = vector_file_mark(files->vectors, (uint64_t)it->gone[i].row, 0, it->err);
        }
    }
    return r;
}

int search_files_sweep(struct search_files *files, struct reader *reader, struct error *err)
{
    struct sweeping *it = calloc(1, sizeof *it);
    int r = 0;

    if (it == NULL) {
        return error_set(err, -ENOMEM, "out of memory while looking through the index");
    }
    *it = (struct sweeping){.files = files, .reader = reader, .err = err};
    do {
        if (atomic_load(&files->hurry)) {
            r = error_set(err, -ECANCELED, "the look through the index is left for later");
            break;
        }
        it->looked = it->gone_count = 0;
        r = search_index_each(files->index, false, it->last, SWEEP_DOCS, sweep_doc, it, err);
        if (r == 0 && it->gone_count > 0) {
            r = remove_gone(it);
        }
    } while (r == 0 && it->looked == SWEEP_DOCS);
    free(it);
    return r;
}
