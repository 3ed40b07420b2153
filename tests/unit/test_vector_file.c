/* The file of vectors: what is appended, marked and copied is what is found, and what is damaged is
 * refused. The kernels agree, and the best are the best. */
#include "broker/vector_dot.h"
#include "broker/vector_file.h"
#include "broker/vector_top.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DIMS       5
#define GENERATION 77
#define MODEL      9
#define ROWS       1000 /* more than a file begins with room for */

struct rig {
    char dir[64], path[80];
    struct vector_file *file;
    struct error err;
};

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    snprintf(rig->dir, sizeof rig->dir, "/tmp/mf-vectors-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    snprintf(rig->path, sizeof rig->path, "%s/vectors.idx", rig->dir);
    assert_int_equal(vector_file_make(&rig->file, rig->path, DIMS, GENERATION, &rig->err), 0);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    vector_file_close(rig->file);
    unlink(rig->path);
    assert_int_equal(rmdir(rig->dir), 0); /* nothing else was left behind */
    free(rig);
    return 0;
}

static float chance(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return (float)(*seed >> 8) / (float)(1 << 24) - 0.5f;
}

/* The vector of a document, always the same. */
static void vector_of(int64_t doc, float *ret)
{
    uint32_t seed = (uint32_t)doc;

    for (size_t i = 0; i < DIMS; i++) {
        ret[i] = chance(&seed);
    }
}

static int64_t append(struct rig *rig, int64_t doc, uint64_t model, bool deleted)
{
    const struct vector_row row = {.doc = doc, .vector_seq = (uint64_t)doc * 10, .model = model};
    float vector[DIMS];
    int64_t at;

    vector_of(doc, vector);
    assert_int_equal(vector_file_append(rig->file, &row, vector, deleted, &at, &rig->err), 0);
    return at;
}

static void fill(struct rig *rig, int64_t count)
{
    for (int64_t doc = 1; doc <= count; doc++) {
        assert_int_equal(append(rig, doc, MODEL, false), doc - 1);
    }
    vector_file_publish(rig->file);
}

/* Those nearest to a document's vector. */
static size_t near(struct rig *rig, int64_t doc, const struct vector_query *how, size_t max,
                   struct vector_hit *ret)
{
    struct vector_query query = *how;
    float vector[DIMS], scaled[DIMS];
    size_t count;

    vector_of(doc, vector);
    assert_true(vector_normalize(vector, DIMS, scaled));
    query.vector = scaled;
    assert_int_equal(vector_file_top(rig->file, &query, max, ret, &count, &rig->err), 0);
    return count;
}

static const struct vector_query live = {.model = MODEL, .deleted_mask = VECTOR_DELETED};

static void assert_nearest(struct rig *rig, int64_t doc, int64_t wanted)
{
    struct vector_hit hit;

    assert_int_equal(near(rig, doc, &live, 1, &hit), 1);
    assert_int_equal(hit.doc, wanted);
}

static void test_every_row_is_found_by_its_own_vector(void **state)
{
    struct rig *rig = *state;
    struct vector_hit hit;

    fill(rig, ROWS);
    for (int64_t doc = 1; doc <= ROWS; doc += 7) {
        assert_int_equal(near(rig, doc, &live, 1, &hit), 1);
        assert_int_equal(hit.doc, doc);
        assert_int_equal(hit.vector_seq, doc * 10);
        assert_true(fabsf(hit.score - 1) < 1e-5f);
    }
}

static double cosine(const float *a, const float *b)
{
    double dot = 0, aa = 0, bb = 0;

    for (size_t i = 0; i < DIMS; i++) {
        dot += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return dot / sqrt(aa * bb);
}

static void test_the_best_are_those_that_a_plain_loop_finds(void **state)
{
    struct rig *rig = *state;
    struct vector_hit hits[20];
    float query[DIMS], vector[DIMS];

    fill(rig, ROWS);
    for (int64_t doc = 5000; doc < 5020; doc++) {
        vector_of(doc, query);
        assert_int_equal(near(rig, doc, &live, 20, hits), 20);
        for (size_t i = 0; i < 20; i++) {
            vector_of(hits[i].doc, vector);
            assert_true(fabs(cosine(query, vector) - (double)hits[i].score) < 1e-5);
            assert_true(i == 0 || hits[i].score <= hits[i - 1].score);
        }
        size_t better = 0;
        for (int64_t other = 1; other <= ROWS; other++) {
            vector_of(other, vector);
            better += cosine(query, vector) > (double)hits[19].score + 1e-6;
        }
        assert_in_range(better, 0, 19);
    }
}

static void test_nothing_is_seen_before_it_is_published(void **state)
{
    struct rig *rig = *state;
    struct vector_hit hit;

    append(rig, 1, MODEL, false);
    assert_int_equal(near(rig, 1, &live, 1, &hit), 0);
    vector_file_forget(rig->file);
    assert_int_equal(append(rig, 2, MODEL, false), 0);
    vector_file_publish(rig->file);
    assert_nearest(rig, 1, 2);
}

static void test_marks_models_and_chosen_documents_decide_who_may_be_found(void **state)
{
    struct rig *rig = *state;
    struct vector_hit hits[4];
    uint8_t docs[1] = {1u << 3};

    append(rig, 1, MODEL, false);
    append(rig, 2, MODEL, true);
    append(rig, 3, MODEL, false);
    append(rig, 4, MODEL + 1, false);
    vector_file_publish(rig->file);
    assert_int_equal(near(rig, 1, &live, 4, hits), 2);
    const struct vector_query only = {
        .model = MODEL, .deleted_mask = VECTOR_DELETED, .deleted_marks = VECTOR_DELETED};
    assert_int_equal(near(rig, 1, &only, 4, hits), 1);
    assert_int_equal(hits[0].doc, 2);
    const struct vector_query any = {.model = MODEL};
    assert_int_equal(near(rig, 1, &any, 4, hits), 3);
    const struct vector_query chosen = {.model = MODEL, .docs = docs, .doc_count = 8};
    assert_int_equal(near(rig, 1, &chosen, 4, hits), 1);
    assert_int_equal(hits[0].doc, 3);
    assert_int_equal(vector_file_mark(rig->file, 0, 0, &rig->err), 0);
    assert_int_equal(near(rig, 1, &live, 4, hits), 1);
    assert_int_equal(vector_file_dead(rig->file), 1);
}

static void test_a_zero_vector_gets_no_row(void **state)
{
    struct rig *rig = *state;
    const struct vector_row row = {.doc = 1, .model = MODEL};
    const float zero[DIMS] = {0}, huge[DIMS] = {3e38f, 3e38f, 3e38f, 3e38f, 3e38f};
    int64_t at;

    assert_int_equal(vector_file_append(rig->file, &row, zero, false, &at, &rig->err), 0);
    assert_int_equal(at, -1);
    assert_int_equal(vector_file_rows(rig->file), 0);
    assert_int_equal(vector_file_append(rig->file, &row, huge, false, &at, &rig->err), 0);
    assert_int_equal(at, 0);
}

static int reopen(struct rig *rig, uint64_t generation, uint64_t rows)
{
    rig->file = vector_file_close(rig->file);
    return vector_file_open(&rig->file, rig->path, DIMS, generation, rows, &rig->err);
}

static void test_what_was_written_is_there_after_a_reopen(void **state)
{
    struct rig *rig = *state;

    fill(rig, 300);
    assert_int_equal(vector_file_mark(rig->file, 4, 0, &rig->err), 0);
    append(rig, 301, MODEL, false); /* never committed: the index knows 300 rows */
    assert_int_equal(reopen(rig, GENERATION, 300), 0);
    assert_int_equal(vector_file_rows(rig->file), 300);
    assert_int_equal(vector_file_dead(rig->file), 1);
    assert_nearest(rig, 7, 7);
    assert_true(vector_file_has(rig->file, 6, 7, 70));
    assert_false(vector_file_has(rig->file, 6, 8, 70));
    assert_false(vector_file_has(rig->file, 6, 7, 71));
    assert_false(vector_file_has(rig->file, 4, 5, 50));
    assert_false(vector_file_has(rig->file, 300, 301, 3010));
    assert_int_equal(append(rig, 302, MODEL, false), 300);
}

static void write_at(struct rig *rig, off_t offset, const void *data, size_t size)
{
    int fd = open(rig->path, O_WRONLY);

    assert_int_equal(pwrite(fd, data, size, offset), size);
    close(fd);
}

static void test_a_file_that_is_not_what_it_should_be_is_refused(void **state)
{
    struct rig *rig = *state;

    fill(rig, 300);
    assert_int_equal(reopen(rig, GENERATION + 1, 300), -EIO);
    assert_int_equal(reopen(rig, GENERATION, 300), 0);
    rig->file = vector_file_close(rig->file);
    assert_int_equal(vector_file_open(&rig->file, rig->path, DIMS + 1, GENERATION, 300, &rig->err),
                     -EIO);
    assert_int_equal(truncate(rig->path, 4096 + 1000), 0);
    assert_int_equal(reopen(rig, GENERATION, 300), -EIO);
    assert_non_null(strstr(rig->err.text, "cut short"));
    write_at(rig, 20, "x", 1);
    assert_int_equal(reopen(rig, GENERATION, 0), -EIO);
    assert_int_equal(truncate(rig->path, 0), 0);
    assert_int_equal(reopen(rig, GENERATION, 0), -EIO);
    unlink(rig->path);
    assert_int_equal(reopen(rig, GENERATION, 0), -EIO);
}

static void test_a_row_with_a_flipped_bit_is_noticed(void **state)
{
    struct rig *rig = *state;
    uint8_t row[64];

    fill(rig, 3);
    int fd = open(rig->path, O_RDWR);
    for (size_t byte = 0; byte < 32 + DIMS * sizeof(float); byte++) {
        if (byte >= 24 && byte < 28) {
            continue; /* the marks have no sum: they change */
        }
        assert_int_equal(pread(fd, row, 64, 4096 + 64), 64);
        row[byte] ^= 1;
        assert_int_equal(pwrite(fd, row, 64, 4096 + 64), 64);
        assert_false(vector_file_has(rig->file, 1, 2, 20));
        row[byte] ^= 1;
        assert_int_equal(pwrite(fd, row, 64, 4096 + 64), 64);
        assert_true(vector_file_has(rig->file, 1, 2, 20));
    }
    close(fd);
}

static void test_a_file_that_is_cut_while_it_is_open_is_an_error_and_no_end(void **state)
{
    struct rig *rig = *state;
    float vector[DIMS] = {1};
    const struct vector_query query = {.vector = vector, .model = MODEL};
    struct vector_file *copy;
    struct vector_hit hit;
    size_t count;

    fill(rig, 300);
    assert_int_equal(vector_file_top(rig->file, &query, 1, &hit, &count, &rig->err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(truncate(rig->path, 4096), 0);
    assert_int_equal(vector_file_top(rig->file, &query, 1, &hit, &count, &rig->err), -EIO);
    assert_int_equal(count, 0);
    assert_false(vector_file_has(rig->file, 1, 2, 20));
    assert_int_equal(vector_file_mark(rig->file, 1, 0, &rig->err), -EIO);
    assert_int_equal(vector_file_compact(rig->file, GENERATION + 1, NULL, NULL, &copy, &rig->err),
                     -EIO);
}

/* ---- compaction ---- */

struct moves {
    int64_t to[ROWS + 1];
    int fails_at;
    int count;
};

static int note_move(void *arg, const struct vector_row *row, int64_t to)
{
    struct moves *moves = arg;

    moves->to[row->doc] = to;
    return moves->count++ == moves->fails_at ? -ENOSPC : 0;
}

static void test_a_copy_has_what_lives_and_takes_the_place_of_the_old(void **state)
{
    struct rig *rig = *state;
    struct moves *moves = calloc(1, sizeof *moves);
    struct vector_file *copy;

    moves->fails_at = -1;
    fill(rig, ROWS);
    for (uint64_t row = 0; row < ROWS; row++) {
        if (row % 3 != 0) {
            assert_int_equal(vector_file_mark(rig->file, row, 0, &rig->err), 0);
        }
    }
    assert_int_equal(
        vector_file_compact(rig->file, GENERATION + 1, note_move, moves, &copy, &rig->err), 0);
    assert_nearest(rig, 1, 1); /* the old one answers until then */
    assert_int_equal(vector_file_replace(rig->file, copy, &rig->err), 0);
    assert_int_equal(vector_file_rows(rig->file), moves->count);
    assert_int_equal(vector_file_dead(rig->file), 0);
    for (int64_t doc = 1; doc <= ROWS; doc += 3) {
        assert_nearest(rig, doc, doc);
        assert_true(vector_file_has(rig->file, (uint64_t)moves->to[doc], doc, (uint64_t)doc * 10));
    }
    assert_int_equal(append(rig, ROWS + 1, MODEL, false), moves->count);
    assert_int_equal(reopen(rig, GENERATION + 1, (uint64_t)moves->count), 0);
    assert_nearest(rig, 4, 4);
    free(moves);
}

static void test_a_copy_that_fails_leaves_everything_as_it_was(void **state)
{
    struct rig *rig = *state;
    struct moves *moves = calloc(1, sizeof *moves);
    struct vector_file *copy;

    moves->fails_at = 5;
    fill(rig, 20);
    assert_int_equal(
        vector_file_compact(rig->file, GENERATION + 1, note_move, moves, &copy, &rig->err),
        -ENOSPC);
    assert_null(copy);
    assert_nearest(rig, 3, 3);
    assert_int_equal(reopen(rig, GENERATION, 20), 0);
    free(moves);
}

/* ---- kernels, heap ---- */

static void test_all_kernels_agree_at_every_length(void **state)
{
    float a[1100], b[1100];
    uint32_t seed = 1;

    (void)state;
    for (size_t i = 0; i < 1100; i++) {
        a[i] = chance(&seed);
        b[i] = chance(&seed);
    }
    for (size_t count = 0; count <= 1027; count++) {
        size_t offset = count % 7; /* rows need no alignment for it */
        double exact = 0, size = 0;
        for (size_t i = 0; i < count; i++) {
            exact += (double)a[offset + i] * (double)b[i];
            size += fabs((double)a[offset + i] * (double)b[i]);
        }
        for (const struct vector_dot *dot = vector_dots; dot->name != NULL; dot++) {
            if (dot->is_supported()) {
                double found = (double)dot->run(a + offset, b, count);
                assert_true(fabs(found - exact) <= 1e-6 * size + 1e-12);
            }
        }
    }
    assert_non_null(vector_dot_best());
}

static void test_the_heap_keeps_the_best_and_the_older_of_equals(void **state)
{
    struct vector_hit items[10];
    uint32_t seed = 3;

    (void)state;
    for (size_t max = 0; max <= 10; max++) {
        struct vector_top top = {.items = items, .max = max};
        float scores[200];
        for (int64_t doc = 0; doc < 200; doc++) {
            scores[doc] = roundf(chance(&seed) * 20);
            const struct vector_hit hit = {.doc = doc, .score = scores[doc]};
            vector_top_add(&top, &hit);
        }
        vector_top_sort(&top);
        assert_int_equal(top.count, max);
        for (size_t i = 0; i < max; i++) {
            size_t better = 0;
            for (int64_t doc = 0; doc < 200; doc++) {
                better += scores[doc] > items[i].score ||
                          (!(scores[doc] < items[i].score) && doc < items[i].doc);
            }
            assert_int_equal(better, i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_row_is_found_by_its_own_vector, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_best_are_those_that_a_plain_loop_finds, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_seen_before_it_is_published, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_marks_models_and_chosen_documents_decide_who_may_be_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_zero_vector_gets_no_row, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_written_is_there_after_a_reopen, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_not_what_it_should_be_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_row_with_a_flipped_bit_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_copy_has_what_lives_and_takes_the_place_of_the_old,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_copy_that_fails_leaves_everything_as_it_was, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_a_file_that_is_cut_while_it_is_open_is_an_error_and_no_end, setup, teardown),
        cmocka_unit_test(test_all_kernels_agree_at_every_length),
        cmocka_unit_test(test_the_heap_keeps_the_best_and_the_older_of_equals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
