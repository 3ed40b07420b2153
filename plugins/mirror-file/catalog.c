/*
 * catalog.c - which line holds the newest state of each memory.
 *
 * Happy path: every line of every part, oldest first, becomes an entry; now and then, and at the
 * end, the new entries are sorted by id and merged with the others, and only the newest of each id
 * stays. So memory is bounded by the number of memories, not of lines, and what was appended since
 * costs no more than itself and one pass.
 *
 * Failure modes: a part cannot be read, no memory, too many memories. A line that is damaged is
 * counted and skipped: its memory may have another.
 */
#include "mirror.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENTRIES_MAX   ((size_t)16 * 1024 * 1024)
#define COMPACT_FIRST 4096 /* entries before the first compaction */
#define ORIGIN_SIZE   40   /* a UUID with its NUL */

struct entry {
    char *id;
    int64_t stamp;
    char origin[ORIGIN_SIZE];
    uint64_t order; /* of the line among all: of equals the last counts */
    uint64_t part;
    off_t offset;
    size_t size;
};

struct catalog {
    struct entry *entries;
    size_t count, capacity;
    size_t sorted; /* of the count; behind them as they came */
    size_t compact_at;
    uint64_t lines;
    off_t end; /* of what was read of the file itself */
};

struct catalog *catalog_free(struct catalog *catalog)
{
    if (catalog == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < catalog->count; i++) {
        free(catalog->entries[i].id);
    }
    free(catalog->entries);
    free(catalog);
    return NULL;
}

/* By id; of one id the newest state last. */
static int compare(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    int order = strcmp(left->id, right->id);

    if (order != 0) {
        return order;
    }
    if (left->stamp != right->stamp) {
        return left->stamp < right->stamp ? -1 : 1;
    }
    order = strcmp(left->origin, right->origin);
    return order != 0 ? order : (left->order > right->order) - (left->order < right->order);
}

/* What is given last of an id stays. Returns how many there are now. */
static size_t keep(struct entry *entries, size_t count, const struct entry *entry)
{
    if (count > 0 && strcmp(entries[count - 1].id, entry->id) == 0) {
        free(entries[--count].id);
    }
    entries[count] = *entry;
    return count + 1;
}

static int compact(struct catalog *c)
{
    struct entry *fresh, *merged;
    size_t fresh_count = c->count - c->sorted, kept = 0;

    if (fresh_count == 0) {
        return 0;
    }
    merged = reallocarray(NULL, c->capacity, sizeof *merged);
    if (merged == NULL) {
        return -ENOMEM;
    }
    fresh = &c->entries[c->sorted];
    qsort(fresh, fresh_count, sizeof *fresh, compare);
    for (size_t i = 0, k = 0; i < c->sorted || k < fresh_count;) {
        bool old = k == fresh_count || (i < c->sorted && compare(&c->entries[i], &fresh[k]) < 0);
        kept = keep(merged, kept, old ? &c->entries[i++] : &fresh[k++]);
    }
    free(c->entries);
    c->entries = merged;
    c->count = c->sorted = kept;
    c->compact_at = kept * 2 > COMPACT_FIRST ? kept * 2 : COMPACT_FIRST;
    return 0;
}

static int make_room(struct catalog *c)
{
    int result = c->count >= c->compact_at ? compact(c) : 0;

    if (result != 0 || c->count < c->capacity) {
        return result;
    }
    size_t capacity = c->capacity == 0 ? 256 : c->capacity * 2;
    if (capacity > ENTRIES_MAX) {
        return -EFBIG;
    }
    struct entry *entries = reallocarray(c->entries, capacity, sizeof *entries);
    if (entries == NULL) {
        return -ENOMEM;
    }
    c->entries = entries;
    c->capacity = capacity;
    return 0;
}

static int add(struct catalog *c, const struct memferry_memory *m, uint64_t part, off_t offset,
               size_t size)
{
    int result = make_room(c);

    if (result != 0) {
        return result;
    }
    struct entry *entry = &c->entries[c->count];
    *entry = (struct entry){
        .stamp = m->stamp, .order = c->lines, .part = part, .offset = offset, .size = size};
    snprintf(entry->origin, sizeof entry->origin, "%s", m->origin.data);
    entry->id = strdup(m->id.data);
    if (entry->id == NULL) {
        return -ENOMEM;
    }
    c->count++;
    return 0;
}

static int add_line(struct catalog *c, const char *text, size_t size, uint64_t part, off_t offset,
                    uint64_t *bad_lines)
{
    struct line *line = NULL;
    int result = size > LINE_SIZE_MAX ? -EBADMSG : line_read(&line, text, size);

    c->lines++;
    if (result == 0) {
        result = add(c, line_memory(line), part, offset, size);
    } else if (result == -EBADMSG) {
        ++*bad_lines;
        result = 0;
    }
    line_free(line);
    return result;
}

/* From *offset on, which is moved on. */
static int read_lines(struct catalog *c, FILE *stream, uint64_t part, off_t *offset,
                      uint64_t *bad_lines)
{
    char *text = NULL;
    size_t capacity = 0;
    ssize_t size;
    int result = fseeko(stream, *offset, SEEK_SET) < 0 ? -errno : 0;

    while (result == 0 && (errno = 0, size = getline(&text, &capacity, stream)) > 0) {
        result = add_line(c, text, (size_t)size, part, *offset, bad_lines);
        *offset += size;
    }
    if (result == 0 && ferror(stream)) {
        result = errno != 0 ? -errno : -EIO;
    }
    free(text);
    return result;
}

static int read_part(struct catalog *c, const struct file *file, uint64_t part, off_t *offset,
                     uint64_t *bad_lines)
{
    char *path = file_part_path(file, part);

    if (path == NULL) {
        return -ENOMEM;
    }
    FILE *stream = fopen(path, "re");
    int result = stream == NULL ? -errno : read_lines(c, stream, part, offset, bad_lines);
    if (stream != NULL) {
        fclose(stream);
    }
    free(path);
    return result;
}

int catalog_new(struct catalog **ret, const struct file *file, uint64_t *ret_bad_lines)
{
    struct catalog *c = calloc(1, sizeof *c);
    uint64_t *parts = NULL;
    size_t count = 0;
    int result = c == NULL ? -ENOMEM : file_parts(file, &parts, &count);

    *ret_bad_lines = 0;
    if (c != NULL) {
        c->compact_at = COMPACT_FIRST;
    }
    for (size_t i = 0; result == 0 && i < count; i++) {
        off_t offset = 0;
        result = read_part(c, file, parts[i], &offset, ret_bad_lines);
    }
    free(parts);
    if (result == 0) {
        result = catalog_go_on(c, file, ret_bad_lines);
    }
    *ret = result == 0 ? c : catalog_free(c);
    return result;
}

int catalog_go_on(struct catalog *c, const struct file *file, uint64_t *bad_lines)
{
    int result = read_part(c, file, 0, &c->end, bad_lines);

    return result == 0 ? compact(c) : result;
}

size_t catalog_after(const struct catalog *catalog, const char *id)
{
    size_t low = 0, high = catalog->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(catalog->entries[middle].id, id) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t catalog_count(const struct catalog *catalog)
{
    return catalog->count;
}

/* Reads exactly `size` bytes at `offset`. */
static int read_at(const char *path, off_t offset, char *bytes, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return -errno;
    }
    ssize_t got = pread(fd, bytes, size, offset);
    int result = got < 0 ? -errno : (size_t)got == size ? 0 : -EBADMSG;
    close(fd);
    return result;
}

int catalog_read(const struct catalog *catalog, const struct file *file, size_t i,
                 struct line **ret)
{
    const struct entry *entry = &catalog->entries[i];
    char *path = file_part_path(file, entry->part);
    char *text = malloc(entry->size);
    int result =
        path == NULL || text == NULL ? -ENOMEM : read_at(path, entry->offset, text, entry->size);

    if (result == 0) {
        result = line_read(ret, text, entry->size);
    }
    free(text);
    free(path);
    return result;
}
