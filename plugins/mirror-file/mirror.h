/*
 * mirror.h - what the files of this plugin share.
 */
#ifndef MEMFERRY_MIRROR_FILE_H
#define MEMFERRY_MIRROR_FILE_H

#include "plugins/common/json_writer.h"

#include <memferry/plugin.h>

#include <sys/types.h>

/* Content of 1 MiB whose every byte is escaped to six, and a large embedding, still fit. */
#define LINE_SIZE_MAX ((size_t)32 * 1024 * 1024)

/* Every line begins so: it tells our files from others, and 1 is the version of the format. */
#define LINE_START "{\"memferry\":1,"

/* ---- line_write.c ---- */

/* One memory as one line, newline included, in place of what the writer held. */
void line_write(struct json_writer *writer, const struct memferry_memory *memory);

/* ---- line_read.c ---- */

struct line; /* a line that was read, and the memory in it */

/* 0, -EBADMSG when it is no line of ours, or -ENOMEM. Free with line_free. */
int line_read(struct line **ret, const char *text, size_t size);
const struct memferry_memory *line_memory(const struct line *line);
struct line *line_free(struct line *line); /* NULL is fine; returns NULL */

/* ---- file.c ---- */

/* The file that is written, and its older parts path.1, path.2 … with the largest the newest. */
struct file {
    char *path;
    int64_t rotate_size;
    int64_t keep; /* older parts; 0: all */
    int fd;       /* -1: not open */
    off_t size;   /* what is written and synced */
};

/* Opens it, or makes it (0600); cuts off the torn line that a crash may have left. *ret_cut says
 * how many bytes that were. On failure why is filled. */
int file_open(struct file *file, off_t *ret_cut, struct memferry_reason *why);
void file_close(struct file *file);
/* Writes behind the end. Not safe before file_sync. */
int file_append(struct file *file, const char *bytes, size_t size, struct memferry_reason *why);
/* Makes what was appended safe, or takes it away again. */
int file_sync(struct file *file, struct memferry_reason *why);
/* Takes away what was appended since the last sync. */
void file_undo(struct file *file);
/* When the file has grown to rotate_size: renames it to its next part and begins a new one. */
int file_rotate(struct file *file, struct memferry_reason *why);

/* ---- mend.c ---- */

/* Makes an open file of `size` bytes end in a whole line, and sets file->size. *ret_cut: bytes that
 * were cut off. -EMEDIUMTYPE: the file is none of ours, and was not touched. */
int file_mend(struct file *file, off_t size, off_t *ret_cut);

/* ---- parts.c ---- */

/* The numbers of the older parts, smallest first; *ret is the caller's to free. */
int file_parts(const struct file *file, uint64_t **ret, size_t *ret_count);
/* The path of a part; part 0 is the file itself. NULL: no memory. The caller's to free. */
char *file_part_path(const struct file *file, uint64_t part);

/* ---- catalog.c ---- */

/* Where the newest state of each memory lies, sorted by id. In memory: about 100 bytes and its id
 * for each memory, twice that while it is made. */
struct catalog;

/* Reads all parts. Lines that cannot be read are counted and skipped. */
int catalog_new(struct catalog **ret, const struct file *file, uint64_t *ret_bad_lines);
/* What was appended to the file since, and did not begin a new part. Adds to *bad_lines. */
int catalog_go_on(struct catalog *catalog, const struct file *file, uint64_t *bad_lines);
struct catalog *catalog_free(struct catalog *catalog); /* NULL is fine; returns NULL */
/* Index of the first memory whose id is greater, and how many there are. */
size_t catalog_after(const struct catalog *catalog, const char *id);
size_t catalog_count(const struct catalog *catalog);
/* Reads the i-th memory's line. */
int catalog_read(const struct catalog *catalog, const struct file *file, size_t i,
                 struct line **ret);

#endif
