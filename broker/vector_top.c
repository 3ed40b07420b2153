/* vector_top.c - see vector_top.h. */
#include "broker/vector_top.h"

#include <stdlib.h>

static bool is_worse(const struct vector_hit *a, const struct vector_hit *b)
{
    return a->score < b->score || (a->score == b->score && a->doc > b->doc);
}

static void swap(struct vector_hit *a, struct vector_hit *b)
{
    struct vector_hit kept = *a;

    *a = *b;
    *b = kept;
}

static void rise(struct vector_hit *items, size_t at)
{
    while (at > 0 && is_worse(&items[at], &items[(at - 1) / 2])) {
        swap(&items[at], &items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void sink(struct vector_hit *items, size_t count)
{
    for (size_t at = 0;;) {
        size_t worst = at, child = 2 * at + 1;
        for (size_t i = child; i < child + 2 && i < count; i++) {
            worst = is_worse(&items[i], &items[worst]) ? i : worst;
        }
        if (worst == at) {
            return;
        }
        swap(&items[at], &items[worst]);
        at = worst;
    }
}

void vector_top_add(struct vector_top *top, const struct vector_hit *hit)
{
    if (top->count < top->max) {
        top->items[top->count] = *hit;
        rise(top->items, top->count++);
    } else if (top->max > 0 && is_worse(&top->items[0], hit)) {
        top->items[0] = *hit;
        sink(top->items, top->count);
    }
}

static int better_first(const void *a, const void *b)
{
    return is_worse(a, b) ? 1 : is_worse(b, a) ? -1 : 0;
}

void vector_top_sort(struct vector_top *top)
{
    qsort(top->items, top->count, sizeof *top->items, better_first);
}
