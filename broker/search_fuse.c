/*
 * search_fuse.c - two lists become one: what was found by words, and what is near.
 *
 * Both are held to what the store says now before they are ranked, so that what is no hit any more
 * takes no rank from what is. Words alone need no ranks: there it is left out when it is read.
 */
#include "broker/search_run.h"

#include <stdlib.h>

#define FUSE_K        60.0
#define FUSE_ANY_WORD 0.5 /* what has only some of the words counts half */

static struct reader_candidate *candidate_of(struct search_run *run, int64_t doc)
{
    for (size_t i = 0; i < run->count; i++) {
        if (run->candidates[i].doc == doc) {
            return &run->candidates[i];
        }
    }
    return NULL;
}

static void add_found(struct search_run *run)
{
    for (size_t i = 0; i < run->found_count; i++) {
        run->candidates[run->count++] =
            (struct reader_candidate){.id = run->found[i].id,
                                      .doc = run->found[i].doc,
                                      .reading = run->found[i].reading,
                                      .by_text = true,
                                      .text_score = run->found[i].score};
        run->found[i].id = NULL; /* moved */
    }
}

static int add_near(struct search_run *run, struct error *err)
{
    for (size_t i = 0; i < run->near_count; i++) {
        const struct vector_hit *hit = &run->near[i];
        struct reader_candidate *candidate = candidate_of(run, hit->doc);
        if (candidate == NULL) {
            char *id;
            int r = search_finder_id(run->searcher->finder, hit->doc, &id, err);
            if (r != 0) {
                return r;
            }
            if (id == NULL) {
                continue;
            }
            candidate = &run->candidates[run->count++];
            *candidate = (struct reader_candidate){.id = id, .doc = hit->doc};
        }
        /* A vector that was replaced stands beside its old one for a moment. */
        if (!candidate->by_vector || hit->vector_seq > candidate->vector_seq) {
            candidate->by_vector = true;
            candidate->vector_score = (double)hit->score;
            candidate->vector_seq = hit->vector_seq;
        }
    }
    return 0;
}

static double fused(const struct reader_candidate *candidate, bool both)
{
    double weight = candidate->reading == SEARCH_ANY_BEGINNING ? FUSE_ANY_WORD : 1;
    double score = 0;

    if (!both) {
        return candidate->by_text ? candidate->text_score : candidate->vector_score;
    }
    if (candidate->by_text) {
        score += weight / (FUSE_K + (double)candidate->text_rank);
    }
    if (candidate->by_vector) {
        score += 1 / (FUSE_K + (double)candidate->vector_rank);
    }
    return score;
}

static int better_first(const void *left, const void *right)
{
    const struct reader_candidate *a = left, *b = right;

    if (a->score != b->score) {
        return a->score < b->score ? 1 : -1;
    }
    return a->doc < b->doc ? 1 : -1; /* the newer one */
}

static int nearer_first(const void *left, const void *right)
{
    const struct reader_candidate *a = left, *b = right;

    if (a->by_vector != b->by_vector) {
        return a->by_vector ? -1 : 1;
    }
    if (a->vector_score != b->vector_score) {
        return a->vector_score < b->vector_score ? 1 : -1;
    }
    return a->doc < b->doc ? -1 : 1;
}

/* The text's are in their order as they come. */
static void rank(struct search_run *run)
{
    size_t text_rank = 0;

    for (size_t i = 0; i < run->count; i++) {
        if (run->candidates[i].by_text) {
            run->candidates[i].text_rank = ++text_rank;
        }
    }
    qsort(run->candidates, run->count, sizeof run->candidates[0], nearer_first);
    for (size_t i = 0; i < run->count; i++) {
        run->candidates[i].vector_rank = i + 1;
    }
    for (size_t i = 0; i < run->count; i++) {
        run->candidates[i].score = fused(&run->candidates[i], run->by_text && run->by_vector);
    }
}

/* What is no hit any more goes. */
static void drop_stale(struct search_run *run)
{
    size_t kept = 0;

    for (size_t i = 0; i < run->count; i++) {
        if (run->candidates[i].by_text || run->candidates[i].by_vector) {
            run->candidates[kept++] = run->candidates[i];
        } else {
            free(run->candidates[i].id);
        }
    }
    run->count = kept;
}

int search_fuse(struct search_run *run, struct error *err)
{
    add_found(run);
    int r = add_near(run, err);
    if (r != 0) {
        return search_index_failed(run->searcher, r, err);
    }
    if (run->by_vector) {
        r = reader_check_candidates(run->reader, &run->request->filter, run->candidates, run->count,
                                    err);
        if (r != 0) {
            return r;
        }
        drop_stale(run);
    }
    rank(run);
    qsort(run->candidates, run->count, sizeof run->candidates[0], better_first);
    return 0;
}
