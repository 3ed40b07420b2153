/*
 * parts.c - the older parts of the file: path.1, path.2 … by what lies in the directory.
 *
 * Failure modes: the directory cannot be read, or no memory: a negative errno.
 */
#include "mirror.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number behind "name." with no sign, blank or leading zero; 0: it is no part. */
static uint64_t part_number(const char *entry, const char *name)
{
    size_t size = strlen(name);
    uint64_t number;
    char *end;

    if (strncmp(entry, name, size) != 0 || entry[size] != '.' || entry[size + 1] < '1' ||
        entry[size + 1] > '9') {
        return 0;
    }
    errno = 0;
    number = strtoull(entry + size + 1, &end, 10);
    return errno == 0 && *end == '\0' && number < UINT64_MAX ? number : 0;
}

static int add(uint64_t **parts, size_t *count, uint64_t part)
{
    uint64_t *grown = reallocarray(*parts, *count + 1, sizeof *grown);

    if (grown == NULL) {
        return -ENOMEM;
    }
    *parts = grown;
    grown[(*count)++] = part;
    return 0;
}

static int collect(DIR *dir, const char *name, uint64_t **parts, size_t *count)
{
    struct dirent *entry;
    int result = 0;

    while (result == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        uint64_t part = part_number(entry->d_name, name);
        result = part == 0 ? 0 : add(parts, count, part);
    }
    return result != 0 ? result : -errno;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

int file_parts(const struct file *file, uint64_t **ret, size_t *ret_count)
{
    char *path = strdup(file->path);
    uint64_t *parts = NULL;
    size_t count = 0;

    if (path == NULL) {
        return -ENOMEM;
    }
    char *slash = strrchr(path, '/');
    *slash = '\0';
    DIR *dir = opendir(slash == path ? "/" : path);
    int result = dir == NULL ? -errno : collect(dir, slash + 1, &parts, &count);
    if (dir != NULL) {
        closedir(dir);
    }
    free(path);
    if (result != 0) {
        free(parts);
        return result;
    }
    if (count > 0) {
        qsort(parts, count, sizeof *parts, compare);
    }
    *ret = parts;
    *ret_count = count;
    return 0;
}

char *file_part_path(const struct file *file, uint64_t part)
{
    char *path = NULL;

    if (part == 0) {
        return strdup(file->path);
    }
    return asprintf(&path, "%s.%llu", file->path, (unsigned long long)part) < 0 ? NULL : path;
}
