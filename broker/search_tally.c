/* search_tally.c - see search_tally.h. A row is its document's number and a byte for each string:
 * how often it stands there, by the weights of the columns. */
#include "broker/search_tally.h"

#include "broker/search_token.h"
#include "broker/search_words.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS       4
#define ESTIMATE_ROWS 500 /* of a string that is counted beforehand */
#define BYTES_FIRST   (64u << 10)
#define STRINGS_MAX   (2 * SEARCH_STRINGS_MAX) /* more than an expression has */

/* bm25's constants, as FTS5 has them */
#define K1        1.2
#define B         0.75
#define LEAST_IDF 1e-6

/* Halves: of content, tags, kind and id. A tag says more than a word among many. */
static const uint8_t weights[COLUMNS] = {2, 5, 2, 3};

struct search_tally {
    bool estimate, started;
    size_t strings, stride, count, max, capacity; /* rows */
    uint64_t matched;
    uint32_t documents;           /* what FTS5 has in all */
    double mean_size;             /* tokens */
    uint64_t having[STRINGS_MAX]; /* documents that have the string */
    bool empty[STRINGS_MAX];      /* it has no word */
    double idf[STRINGS_MAX];
    uint8_t *rows;
    struct search_tallied kept[TALLY_KEEP];
};

/* ---- during the pass ---- */

struct estimate {
    uint64_t count;
    int64_t last;
};

static int count_row(const Fts5ExtensionApi *api, Fts5Context *fts, void *arg)
{
    struct estimate *estimate = arg;

    estimate->count++;
    estimate->last = api->xRowid(fts);
    return estimate->count < ESTIMATE_ROWS ? SQLITE_OK : SQLITE_DONE;
}

/* The first rows that have a string tell how many there are up to the last of all. */
static int estimate(struct search_tally *tally, const Fts5ExtensionApi *api, Fts5Context *fts,
                    int string)
{
    struct estimate it = {0};
    int rc = api->xQueryPhrase(fts, string, &it, count_row);

    tally->having[string] = it.count;
    if (it.count == ESTIMATE_ROWS && it.last > 0) {
        double part = (double)tally->documents / (double)it.last;
        tally->having[string] = (uint64_t)((double)it.count * (part > 1 ? part : 1));
    }
    return rc;
}

static int start(struct search_tally *tally, const Fts5ExtensionApi *api, Fts5Context *fts)
{
    sqlite3_int64 documents = 0, tokens = 0;
    int rc = api->xRowCount(fts, &documents);

    if (rc == SQLITE_OK) {
        rc = api->xColumnTotalSize(fts, -1, &tokens);
    }
    tally->documents = documents > 0 ? (uint32_t)documents : 1;
    tally->mean_size = tokens > 0 ? (double)tokens / tally->documents : 1;
    tally->strings = (size_t)api->xPhraseCount(fts);
    if (tally->strings > STRINGS_MAX) {
        return SQLITE_RANGE;
    }
    tally->stride = (sizeof(int64_t) + tally->strings + 7) / 8 * 8;
    tally->max = TALLY_BYTES_MAX / tally->stride;
    tally->capacity = 0;
    for (int i = 0; rc == SQLITE_OK && i < (int)tally->strings; i++) {
        tally->empty[i] = api->xPhraseSize(fts, i) == 0;
        tally->having[i] = 0;
        if (tally->estimate && !tally->empty[i]) {
            rc = estimate(tally, api, fts, i);
        }
    }
    tally->started = rc == SQLITE_OK;
    return rc;
}

static uint8_t *row_at(const struct search_tally *tally, size_t at)
{
    return tally->rows + at * tally->stride;
}

static int64_t doc_at(const struct search_tally *tally, size_t at)
{
    int64_t doc;

    memcpy(&doc, row_at(tally, at), sizeof doc);
    return doc;
}

static int by_place(const void *left, const void *right)
{
    const struct search_tallied *a = left, *b = right;

    return a->at < b->at ? -1 : 1;
}

/* The best stay, in their order. */
static void thin_out(struct search_tally *tally)
{
    size_t count = search_tally_best(tally, tally->kept, TALLY_KEEP);

    qsort(tally->kept, count, sizeof tally->kept[0], by_place);
    for (size_t i = 0; i < count; i++) {
        memmove(row_at(tally, i), row_at(tally, tally->kept[i].at), tally->stride);
    }
    tally->count = count;
}

static int make_room(struct search_tally *tally)
{
    if (tally->count < tally->capacity) {
        return SQLITE_OK;
    }
    if (tally->capacity == tally->max) {
        thin_out(tally);
        return SQLITE_OK;
    }
    size_t capacity = tally->capacity == 0 ? BYTES_FIRST / tally->stride : tally->capacity * 2;
    capacity = capacity < tally->max ? capacity : tally->max;
    uint8_t *more = realloc(tally->rows, capacity * tally->stride);
    if (more == NULL) {
        return SQLITE_NOMEM;
    }
    tally->rows = more;
    tally->capacity = capacity;
    return SQLITE_OK;
}

static int note_string(const Fts5ExtensionApi *api, Fts5Context *fts, int string, uint8_t *ret)
{
    Fts5PhraseIter at;
    unsigned halves = 0;
    int column, offset;

    int rc = api->xPhraseFirst(fts, string, &at, &column, &offset);
    while (rc == SQLITE_OK && column >= 0 && halves < UINT8_MAX) {
        halves += weights[column < COLUMNS ? column : 0];
        api->xPhraseNext(fts, &at, &column, &offset);
    }
    *ret = (uint8_t)(halves < UINT8_MAX ? halves : UINT8_MAX);
    return rc;
}

static int note_row(struct search_tally *tally, const Fts5ExtensionApi *api, Fts5Context *fts)
{
    int64_t doc = api->xRowid(fts);
    int rc = make_room(tally);

    if (rc != SQLITE_OK) {
        return rc;
    }
    uint8_t *row = row_at(tally, tally->count);
    memcpy(row, &doc, sizeof doc);
    for (int i = 0; rc == SQLITE_OK && i < (int)tally->strings; i++) {
        uint8_t *halves = row + sizeof doc + i;
        rc = note_string(api, fts, i, halves);
        tally->having[i] += !tally->estimate && *halves > 0;
    }
    tally->count++;
    tally->matched++;
    return rc;
}

/* search_note(memory_fts): 0, so that no row goes any further. */
static void note(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *context, int count,
                 sqlite3_value **values)
{
    struct search_tally *tally = api->xUserData(fts);
    int rc = tally->started ? SQLITE_OK : start(tally, api, fts);

    (void)count;
    (void)values;
    if (rc == SQLITE_OK) {
        rc = note_row(tally, api, fts);
    }
    if (rc == SQLITE_OK) {
        sqlite3_result_int(context, 0);
    } else {
        sqlite3_result_error_code(context, rc);
    }
}

/* ---- after it ---- */

static double good_at(const struct search_tally *tally, size_t at, double size, bool *ret_has_all)
{
    const uint8_t *halves = row_at(tally, at) + sizeof(int64_t);
    double good = 0, longer = K1 * (1 - B + B * size / tally->mean_size);

    *ret_has_all = true;
    for (size_t i = 0; i < tally->strings; i++) {
        double often = halves[i] / 2.0;
        *ret_has_all = *ret_has_all && (often > 0 || tally->empty[i]);
        good += tally->idf[i] * often * (K1 + 1) / (often + longer);
    }
    return good;
}

static void compute_idf(struct search_tally *tally)
{
    for (size_t i = 0; i < tally->strings; i++) {
        double having = (double)tally->having[i], documents = (double)tally->documents;
        double idf = having < documents ? log((documents - having + 0.5) / (having + 0.5)) : 0;
        tally->idf[i] = idf > LEAST_IDF ? idf : LEAST_IDF;
    }
}

static bool is_better(const struct search_tallied *a, const struct search_tallied *b)
{
    if (a->has_all != b->has_all) {
        return a->has_all;
    }
    if (a->good < b->good || a->good > b->good) {
        return a->good > b->good;
    }
    return a->doc > b->doc;
}

static int better_first(const void *left, const void *right)
{
    return is_better(left, right) ? -1 : 1;
}

/* heap[0] is the worst of those kept. */
static void sift_down(struct search_tallied *heap, size_t count, size_t at)
{
    for (size_t child = 2 * at + 1; child < count; at = child, child = 2 * at + 1) {
        child += child + 1 < count && is_better(&heap[child], &heap[child + 1]);
        if (!is_better(&heap[at], &heap[child])) {
            return;
        }
        const struct search_tallied worse = heap[child];
        heap[child] = heap[at];
        heap[at] = worse;
    }
}

size_t search_tally_best(struct search_tally *tally, struct search_tallied *ret, size_t max)
{
    size_t count = 0;

    compute_idf(tally);
    for (size_t at = 0; at < tally->count; at++) {
        struct search_tallied one = {.doc = doc_at(tally, at), .at = (uint32_t)at};
        one.good = good_at(tally, at, tally->mean_size, &one.has_all);
        if (count < max) {
            ret[count++] = one;
            for (size_t i = count / 2; count == max && i-- > 0;) {
                sift_down(ret, count, i);
            }
        } else if (is_better(&one, &ret[0])) {
            ret[0] = one;
            sift_down(ret, count, 0);
        }
    }
    qsort(ret, count, sizeof ret[0], better_first);
    return count;
}

/* SQLite's numbers: seven bits a byte, the last byte without the eighth. A size is below 2^32. */
void search_tally_weigh(const struct search_tally *tally, struct search_tallied *tallied,
                        const uint8_t *sizes, size_t size)
{
    uint64_t sum = 0, number = 0;

    for (size_t i = 0; i < size; i++) {
        number = number << 7 | (sizes[i] & 0x7f);
        if ((sizes[i] & 0x80) == 0) {
            sum += number;
            number = 0;
        }
    }
    tallied->good = good_at(tally, tallied->at, (double)sum, &tallied->has_all);
}

uint64_t search_tally_count(const struct search_tally *tally)
{
    return tally->matched;
}

void search_tally_begin(struct search_tally *tally, bool estimate)
{
    tally->estimate = estimate;
    tally->started = false;
    tally->count = tally->strings = 0;
    tally->matched = 0;
}

void search_tally_end(struct search_tally *tally)
{
    free(tally->rows);
    tally->rows = NULL;
    tally->capacity = tally->count = 0;
}

static void destroy(void *arg)
{
    struct search_tally *tally = arg;

    free(tally->rows);
    free(tally);
}

int search_tally_register(struct sql *sql, struct search_tally **ret, struct error *err)
{
    fts5_api *api = search_token_api(sql->db);

    *ret = NULL;
    if (api == NULL) {
        return error_set(err, -ENOTSUP,
                         "this SQLite was built without FTS5: text can't be searched");
    }
    struct search_tally *tally = calloc(1, sizeof *tally);
    if (tally == NULL) {
        return error_set(err, -ENOMEM, "out of memory while opening %s", sql->path);
    }
    if (api->xCreateFunction(api, "search_note", tally, note, destroy) != SQLITE_OK) {
        free(tally);
        return sql_failed(sql, "prepare", err);
    }
    *ret = tally;
    return 0;
}
