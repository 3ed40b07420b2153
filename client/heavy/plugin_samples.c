/*
 * plugin_samples.c - memories, texts and alerts to be handed over, in an arena of their own that
 * can be made read-only and taken out of reach.
 *
 * Odd ones are all within the contract: whatever a caller may put, a plugin may be handed.
 */
#include "client/heavy/plugin_bench.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ARENA_SIZE    ((size_t)24 << 20)
#define ORIGIN        "00000000-0000-4000-8000-000000000001"
#define CONTENT_MAX   ((size_t)1 << 20)
#define ID_MAX        256
#define TEXT_MAX_KIND 64
#define SUMMARY_MAX   512
#define CREATED_MS    INT64_C(1700000000000)

/* ---- the arena ---- */

static void *take(struct samples *samples, size_t size)
{
    size_t at = (samples->arena_used + 15) & ~(size_t)15;

    if (at + size > samples->arena_size) {
        abort(); /* the arena is made for these samples */
    }
    samples->arena_used = at + size;
    return samples->arena + at;
}

static struct memferry_string bytes(struct samples *samples, const char *data, size_t size)
{
    char *copy = take(samples, size + 1);

    memcpy(copy, data, size);
    copy[size] = '\0';
    return (struct memferry_string){.data = copy, .size = size};
}

static struct memferry_string text(struct samples *samples, const char *data)
{
    return bytes(samples, data, strlen(data));
}

/* `unit` again and again, up to `size` bytes. */
static struct memferry_string repeat(struct samples *samples, const char *unit, size_t size)
{
    size_t unit_size = strlen(unit), filled = 0;
    char *copy = take(samples, size + 1);

    for (; filled + unit_size <= size; filled += unit_size) {
        memcpy(copy + filled, unit, unit_size);
    }
    copy[filled] = '\0';
    return (struct memferry_string){.data = copy, .size = filled};
}

void samples_protect(const struct samples *samples, bool reachable)
{
    mprotect(samples->arena, samples->arena_size, reachable ? PROT_READ : PROT_NONE);
}

/* ---- a memory ---- */

static void plain(struct samples *samples, struct memferry_memory *memory, const char *id,
                  int64_t stamp)
{
    *memory = (struct memferry_memory){
        .id = text(samples, id),
        .content = text(samples, "Tea is at four, in the garden"),
        .kind = text(samples, "note"),
        .embedding_model = text(samples, ""),
        .created_ms = CREATED_MS,
        .updated_ms = CREATED_MS + 1000,
        .version = 1,
        .stamp = stamp,
        .origin = text(samples, ORIGIN),
        .session_id = text(samples, ""),
    };
}

static void add_tags(struct samples *samples, struct memferry_memory *memory)
{
    struct memferry_string *tags = take(samples, 4 * sizeof *tags);

    tags[0] = text(samples, "habits");
    tags[1] = text(samples, "a \"tag\"\twith\nthings\\");
    tags[2] = text(samples, "t\xc3\xa4g \xf0\x9f\x8d\xb5");
    tags[3] = text(samples, "");
    memory->tags = tags;
    memory->tag_count = 4;
}

static struct memferry_value number(int64_t value)
{
    return (struct memferry_value){.type = MEMFERRY_VALUE_INT, .as.integer = value};
}

static struct memferry_value real(double value)
{
    return (struct memferry_value){.type = MEMFERRY_VALUE_FLOAT, .as.floating = value};
}

static struct memferry_value list_of(struct samples *samples, struct memferry_value first,
                                     struct memferry_value second, size_t count)
{
    struct memferry_value *items = take(samples, 2 * sizeof *items);

    items[0] = first;
    items[1] = second;
    return (struct memferry_value){.type = MEMFERRY_VALUE_LIST,
                                   .as.list = {.items = items, .count = count}};
}

/* Sorted by name. */
static void add_props(struct samples *samples, struct memferry_memory *memory)
{
    struct memferry_value yes = {.type = MEMFERRY_VALUE_BOOL, .as.boolean = true};
    struct memferry_value word = {.type = MEMFERRY_VALUE_STRING,
                                  .as.string = text(samples, "\xe8\x8c\xb6 \"'`\\\n\x01")};
    const struct {
        const char *name;
        struct memferry_value value;
    } props[] = {
        {" name with a space", word},
        {"a", number(INT64_MIN)},
        {"b", number(INT64_MAX)},
        {"c", real(DBL_MAX)},
        {"d", real(DBL_TRUE_MIN)},
        {"e", real(-0.0)},
        {"f", real(1.0)},
        {"g", yes},
        {"h", list_of(samples, number(1), number(2), 2)},
        {"i", list_of(samples, real(1.0), real(0.1), 2)},
        {"j", list_of(samples, word, word, 2)},
        {"k", list_of(samples, yes, yes, 1)},
        {"l", list_of(samples, yes, yes, 0)},
        {"m-n.o", word},
        {"\xc3\xbc", word},
    };
    size_t count = sizeof props / sizeof props[0];
    struct memferry_prop *copy = take(samples, count * sizeof *copy);

    for (size_t i = 0; i < count; i++) {
        copy[i] =
            (struct memferry_prop){.name = text(samples, props[i].name), .value = props[i].value};
    }
    memory->props = copy;
    memory->prop_count = count;
}

static void add_embedding(struct samples *samples, struct memferry_memory *memory, float value)
{
    float *embedding = take(samples, BENCH_DIMS * sizeof *embedding);

    for (size_t i = 0; i < BENCH_DIMS; i++) {
        embedding[i] = i % 2 == 0 ? value : -value;
    }
    memory->embedding = embedding;
    memory->dims = BENCH_DIMS;
    memory->embedding_state = MEMFERRY_EMBEDDING_READY;
    memory->embedding_model = text(samples, "caller");
}

/* ---- odd ones ---- */

static const char *const odd_names[] = {
    "a memory without content",
    "a memory with 1 MiB of content",
    "a memory with control characters",
    "a memory in many scripts",
    "a memory with quotes, braces and statements",
    "an id of 256 bytes",
    "an id with slashes, dots and spaces",
    "an id with quotes and line ends",
    "a memory with odd tags",
    "a memory with props of every type",
    "a memory with a vector",
    "a memory with a vector of large numbers",
    "a memory whose vector is to come",
    "a deleted memory",
    "a deleted memory with everything",
    "a memory without kind, of a session, from 1970",
};

size_t samples_odd_count(void)
{
    return sizeof odd_names / sizeof odd_names[0];
}

static void make_content_odd(struct samples *samples, struct memferry_memory *memory, size_t which)
{
    char controls[33];

    switch (which) {
    case 0:
        memory->content = text(samples, "");
        break;
    case 1:
        memory->content = repeat(samples, "All work and \xc3\xbc play. ", CONTENT_MAX);
        break;
    case 2:
        for (int i = 1; i < 32; i++) {
            controls[i - 1] = (char)i;
        }
        controls[31] = 0x7f;
        controls[32] = '\0';
        memory->content = text(samples, controls);
        break;
    case 3:
        memory->content =
            text(samples, "\xe8\x8c\xb6\xe3\x81\xaf \xd8\xb4\xd8\xa7\xd9\x8a \xd7\xaa\xd7\x94 "
                          "\xf0\x9f\x8d\xb5\xe2\x80\x8d\xf0\x9f\x91\xa9 e\xcc\x81 \xe2\x80\xa8 "
                          "\xef\xbb\xbf \xef\xbf\xbf \xf4\x8f\xbf\xbf");
        break;
    default:
        memory->content = text(samples, "'; DROP TABLE memory; -- \"}]} $id {{x}} %s %n \\u0000 "
                                        "</script> ${HOME} `id` \\");
    }
}

static void make_id_odd(struct samples *samples, struct memferry_memory *memory, size_t which,
                        const char *prefix)
{
    char id[ID_MAX + 1];

    if (which == 5) {
        int size = snprintf(id, sizeof id, "%s", prefix);
        memset(id + size, 'x', (size_t)(ID_MAX - size));
        id[ID_MAX] = '\0';
    } else {
        snprintf(id, sizeof id, "%s%s", prefix,
                 which == 6 ? "../../a b/c?d=e&f#g" : "'\"\\\n\r\t;\xc3\xbc{}$`");
    }
    memory->id = text(samples, id);
}

static void make_odd(struct samples *samples, struct memferry_memory *memory, size_t which,
                     const char *prefix)
{
    if (which <= 4) {
        make_content_odd(samples, memory, which);
    } else if (which <= 7) {
        make_id_odd(samples, memory, which, prefix);
    }
    if (which == 8 || which == 14) {
        add_tags(samples, memory);
    }
    if (which == 9 || which == 14) {
        add_props(samples, memory);
    }
    if (which == 10 || which == 11 || which == 14) {
        add_embedding(samples, memory, which == 11 ? FLT_MAX : 0.036F);
    }
    if (which == 12) {
        memory->embedding_state = MEMFERRY_EMBEDDING_PENDING;
    }
    if (which == 13 || which == 14) {
        memory->deleted_ms = CREATED_MS + 2000;
    }
    if (which == 15) {
        memory->kind = text(samples, "");
        memory->session_id = repeat(samples, "s", TEXT_MAX_KIND);
        memory->created_ms = 0;
    }
}

/* ---- what else is made of it ---- */

static struct memferry_string head(struct memferry_string of, size_t max)
{
    while (of.size > max || (of.size > 0 && of.size == max)) { /* whole characters */
        of.size--;
        while (of.size > 0 && ((unsigned char)of.data[of.size] & 0xc0) == 0x80) {
            of.size--;
        }
    }
    return of;
}

static void make_others(struct samples *samples, size_t i)
{
    const struct memferry_memory *memory = &samples->memories[i];
    struct memferry_string summary = head(memory->content, SUMMARY_MAX);

    samples->texts[i] = (struct memferry_text){.text = memory->content, .query = i % 7 == 6};
    samples->alerts[i] = (struct memferry_alert){
        .id = memory->id,
        .rule = text(samples, i % 2 == 0 ? "rapid-delete" : "mass-statement"),
        .severity = (enum memferry_severity)(1 + i % 3),
        .at_ms = memory->updated_ms,
        .session_id = memory->session_id,
        .peer_pid = i % 2 == 0 ? 0 : 4711,
        .peer_command = text(samples, i % 2 == 0 ? "" : "claude\n--resume"),
        .count = 1 + i,
        .sample_ids = i % 3 == 0 ? NULL : &memory->id,
        .sample_count = i % 3 == 0 ? 0 : 1,
        .statement = text(samples, i % 2 == 0 ? "" : "DELETE FROM users"),
        .summary = bytes(samples, summary.data, summary.size),
        .undo = text(samples, i % 2 == 0 ? "memferry undo x" : ""),
    };
}

static bool allocate(struct bench *bench, struct samples *samples, size_t n)
{
    samples->arena_size = ARENA_SIZE;
    samples->arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    samples->names = calloc(n, sizeof *samples->names);
    samples->vectors = calloc(n * BENCH_DIMS, sizeof *samples->vectors);
    samples->outcomes = calloc(n, sizeof *samples->outcomes);
    samples->texts = calloc(n, sizeof *samples->texts); /* of which the plugin sets `truncated` */
    if (samples->arena != MAP_FAILED && samples->names != NULL && samples->vectors != NULL &&
        samples->outcomes != NULL && samples->texts != NULL) {
        return true;
    }
    samples->arena = samples->arena == MAP_FAILED ? NULL : samples->arena;
    samples_free(samples);
    bench_not_done(bench, "out of memory");
    return false;
}

bool samples_make(struct bench *bench, struct samples *ret, enum samples_kind kind, size_t n,
                  const char *prefix, int64_t stamp)
{
    char id[ID_MAX + 1];

    n = kind == SAMPLES_ODD ? samples_odd_count() : n;
    *ret = (struct samples){.n = n};
    if (!allocate(bench, ret, n)) {
        return false;
    }
    ret->memories = take(ret, n * sizeof *ret->memories);
    ret->alerts = take(ret, n * sizeof *ret->alerts);
    for (size_t i = 0; i < n; i++) {
        snprintf(id, sizeof id, "%s%zu", prefix, i);
        plain(ret, &ret->memories[i], id, stamp);
        ret->names[i] = "a plain one";
        if (kind == SAMPLES_ODD) {
            ret->names[i] = odd_names[i];
            make_odd(ret, &ret->memories[i], i, prefix);
        }
        make_others(ret, i);
    }
    return true;
}

void samples_free(struct samples *samples)
{
    if (samples->arena != NULL) {
        munmap(samples->arena, samples->arena_size);
    }
    free(samples->names);
    free(samples->vectors);
    free(samples->outcomes);
    free(samples->texts);
    *samples = (struct samples){0};
}
