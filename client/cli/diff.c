/* diff.c - the common ends are cut off, and the longest common subsequence is found for what is
 * between, by a table of lengths. */
#include "client/cli/diff.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX ((size_t)4 << 20)

struct lines {
    struct diff_line *lines;
    size_t count;
};

static int split(const char *text, struct lines *ret)
{
    size_t count = 1, at = 0;

    for (const char *c = text; *c != '\0'; c++) {
        count += *c == '\n';
    }
    ret->count = 0;
    ret->lines = calloc(count, sizeof *ret->lines);
    if (ret->lines == NULL) {
        return -ENOMEM;
    }
    while (text[at] != '\0') {
        size_t size = strcspn(text + at, "\n");
        ret->lines[ret->count++] = (struct diff_line){.text = text + at, .size = size};
        at += size + (text[at + size] == '\n');
    }
    return 0;
}

static bool same(const struct diff_line *a, const struct diff_line *b)
{
    return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

static void add(struct diff *diff, enum diff_kind kind, const struct diff_line *line)
{
    diff->lines[diff->count] = *line;
    diff->lines[diff->count++].kind = kind;
}

static void add_all(struct diff *diff, enum diff_kind kind, const struct diff_line *lines,
                    size_t count)
{
    for (size_t i = 0; i < count; i++) {
        add(diff, kind, &lines[i]);
    }
}

/* lengths[i * (b_count + 1) + j]: of the longest common lines of a from i on and b from j on. */
static void fill_lengths(uint32_t *lengths, const struct diff_line *a, size_t a_count,
                         const struct diff_line *b, size_t b_count)
{
    size_t width = b_count + 1;

    for (size_t i = a_count; i-- > 0;) {
        for (size_t j = b_count; j-- > 0;) {
            uint32_t right = lengths[i * width + j + 1], below = lengths[(i + 1) * width + j];
            lengths[i * width + j] = same(&a[i], &b[j]) ? lengths[(i + 1) * width + j + 1] + 1
                                     : right > below    ? right
                                                        : below;
        }
    }
}

static void walk(struct diff *diff, const uint32_t *lengths, const struct diff_line *a,
                 size_t a_count, const struct diff_line *b, size_t b_count)
{
    size_t i = 0, j = 0, width = b_count + 1;

    while (i < a_count && j < b_count) {
        if (same(&a[i], &b[j])) {
            add(diff, DIFF_SAME, &b[j++]);
            i++;
        } else if (lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) {
            add(diff, DIFF_REMOVED, &a[i++]);
        } else {
            add(diff, DIFF_ADDED, &b[j++]);
        }
    }
    add_all(diff, DIFF_REMOVED, a + i, a_count - i);
    add_all(diff, DIFF_ADDED, b + j, b_count - j);
}

static int compare_middle(struct diff *diff, const struct diff_line *a, size_t a_count,
                          const struct diff_line *b, size_t b_count)
{
    if (a_count == 0 || b_count == 0 || a_count > PAIRS_MAX / b_count) {
        add_all(diff, DIFF_REMOVED, a, a_count);
        add_all(diff, DIFF_ADDED, b, b_count);
        return 0;
    }
    uint32_t *lengths = calloc((a_count + 1) * (b_count + 1), sizeof *lengths);
    if (lengths == NULL) {
        return -ENOMEM;
    }
    fill_lengths(lengths, a, a_count, b, b_count);
    walk(diff, lengths, a, a_count, b, b_count);
    free(lengths);
    return 0;
}

static int compare(struct diff *diff, const struct lines *a, const struct lines *b)
{
    size_t head = 0, tail = 0, shorter = a->count < b->count ? a->count : b->count;

    while (head < shorter && same(&a->lines[head], &b->lines[head])) {
        head++;
    }
    while (tail < shorter - head &&
           same(&a->lines[a->count - tail - 1], &b->lines[b->count - tail - 1])) {
        tail++;
    }
    add_all(diff, DIFF_SAME, b->lines, head);
    int r = compare_middle(diff, a->lines + head, a->count - head - tail, b->lines + head,
                           b->count - head - tail);
    add_all(diff, DIFF_SAME, b->lines + b->count - tail, tail);
    return r;
}

int diff_make(struct diff *diff, const char *before, const char *after)
{
    struct lines a = {0}, b = {0};

    *diff = (struct diff){0};
    int r = split(before, &a);
    if (r == 0) {
        r = split(after, &b);
    }
    if (r == 0) {
        diff->lines = calloc(a.count + b.count + 1, sizeof *diff->lines);
        r = diff->lines == NULL ? -ENOMEM : compare(diff, &a, &b);
    }
    free(a.lines);
    free(b.lines);
    return r;
}

void diff_free(struct diff *diff)
{
    free(diff->lines);
    *diff = (struct diff){0};
}
