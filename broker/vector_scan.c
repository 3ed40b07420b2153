/* vector_scan.c - a query against every row: exact, and bound by the memory. */
#include "broker/vector_file_internal.h"
#include "broker/vector_top.h"

static bool may_be_found(const struct vector_query *query, const struct vector_row_head *head)
{
    uint32_t marks = __atomic_load_n(&head->marks, __ATOMIC_RELAXED);

    if ((marks & VECTOR_LIVE) == 0 || head->model != query->model ||
        (marks & query->deleted_mask) != query->deleted_marks) {
        return false;
    }
    if (query->docs == NULL) {
        return true;
    }
    size_t bit = (size_t)head->doc;
    return bit < query->doc_count && (query->docs[bit / 8] >> (bit % 8) & 1) != 0;
}

int vector_file_top(struct vector_file *file, const struct vector_query *query, size_t max,
                    struct vector_hit *ret, size_t *ret_count, struct error *err)
{
    struct vector_top top = {.items = ret, .max = max};

    pthread_rwlock_rdlock(&file->lock);
    for (uint64_t row = 0; row < file->published; row++) {
        const struct vector_row_head *head = vector_head(file, row);
        if (may_be_found(query, head)) {
            const struct vector_hit hit = {
                .doc = head->doc,
                .vector_seq = head->vector_seq,
                .score = file->dot(query->vector, vector_floats(head), file->dims)};
            vector_top_add(&top, &hit);
        }
    }
    int r = vector_check_map(file, err);
    pthread_rwlock_unlock(&file->lock);
    vector_top_sort(&top);
    *ret_count = r == 0 ? top.count : 0;
    return r;
}
