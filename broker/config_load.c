/*
 * config_load.c - reads a config file line by line.
 *
 * Happy path: the whole file is read (it is small), cut into lines, and each line is a comment, a
 * section, or an entry that inih splits into name and value.
 *
 * inih gets one line at a time: it cuts a line at 200 bytes, a section at 50 and a name at 50
 * without a word, takes an indented line for the continuation of the one before, and cannot say
 * which line it is at. So sections are read here, lengths are checked here, and lines are counted
 * here.
 *
 * Failure modes: a file that cannot be read or is too long; a line that is no UTF-8, too long, or
 * neither section nor entry; what the sink refuses. Each is told with its line. The text of a line
 * that could not be read is not repeated: it may hold a secret.
 */
#include "broker/config_file.h"

#include "client/wire/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* inih wants room for "\r\n" and a NUL behind the longest line. */
#define LINE_SIZE_MAX    (INI_MAX_LINE - 3)
#define NAME_SIZE_MAX    49 /* inih's 50 with a NUL */
#define SECTION_SIZE_MAX 128
#define BLANKS           " \t\r"
#define STACK_BYTES      16384 /* more than one entry's way through inih takes */

struct reader {
    struct config_sink *sink;
    struct config_place place;
    struct error *err;
};

/* What inih made of one line. */
struct entry {
    char key[INI_MAX_LINE], value[INI_MAX_LINE];
    bool found;
};

static int entry_cb(void *user, const char *section, const char *name, const char *value)
{
    struct entry *entry = user;

    (void)section;
    strncpy(entry->key, name, sizeof entry->key - 1);
    strncpy(entry->value, value, sizeof entry->value - 1);
    entry->found = true;
    return 1;
}

/* Quotes keep blanks at a value's ends. There is no escape, so none may stand inside. */
static int unquote(struct reader *r, struct entry *entry)
{
    size_t size = strlen(entry->value);

    if (entry->value[0] != '"') {
        return 0;
    }
    if (size < 2 || strchr(entry->value + 1, '"') != entry->value + size - 1) {
        return config_error(r->err, &r->place,
                            "the value of %s begins with a quote that does not end it; close it at "
                            "the value's end, and have neither a quote nor \" ;\" inside",
                            entry->key);
    }
    memmove(entry->value, entry->value + 1, size - 2);
    entry->value[size - 2] = '\0';
    return 0;
}

static int read_entry(struct reader *r, const char *line)
{
    struct entry entry = {.found = false};
    size_t name_size = strcspn(line, "=:");

    if (strlen(line) > LINE_SIZE_MAX) {
        return config_error(r->err, &r->place,
                            "the line is too long (%zu bytes); at most %d bytes fit", strlen(line),
                            LINE_SIZE_MAX);
    }
    while (name_size > 0 && strchr(BLANKS, line[name_size - 1]) != NULL) {
        name_size--;
    }
    if (name_size > NAME_SIZE_MAX) {
        return config_error(r->err, &r->place, "the name is too long; at most %d bytes fit",
                            NAME_SIZE_MAX);
    }
    if (ini_parse_string(line, entry_cb, &entry) != 0 || !entry.found || entry.key[0] == '\0') {
        return config_error(r->err, &r->place, "no entry; write it as: name = value");
    }
    int result = unquote(r, &entry);
    if (result == 0) {
        result = r->sink->entry(r->sink, &r->place, entry.key, entry.value, r->err);
    }
    explicit_bzero(&entry, sizeof entry); /* a secret that somebody wrote into the file, too */
    return result;
}

static int bad_section(struct reader *r)
{
    return config_error(r->err, &r->place,
                        "bad section; write it as [broker] or as [backend \"name\"]");
}

/* Whether nothing but blanks and a comment stands here. */
static bool is_end(const char *text)
{
    text += strspn(text, BLANKS);
    return *text == '\0' || *text == ';' || *text == '#';
}

/* [type] or [type "name"], with blanks where a person may put them. */
static int read_section(struct reader *r, const char *line)
{
    char type[SECTION_SIZE_MAX] = "", name[SECTION_SIZE_MAX] = "";
    bool named = false;
    const char *at = line + 1;

    at += strspn(at, BLANKS);
    size_t size = strcspn(at, BLANKS "\"]");
    if (size == 0 || size >= sizeof type) {
        return bad_section(r);
    }
    memcpy(type, at, size);
    at += size;
    at += strspn(at, BLANKS);
    if (*at == '"') {
        size = strcspn(at + 1, "\"");
        if (size >= sizeof name || at[1 + size] != '"') {
            return bad_section(r);
        }
        memcpy(name, at + 1, size);
        named = true;
        at += size + 2;
        at += strspn(at, BLANKS);
    }
    if (*at != ']' || !is_end(at + 1)) {
        return bad_section(r);
    }
    return r->sink->section(r->sink, &r->place, type, named ? name : NULL, r->err);
}

static int read_line(struct reader *r, char *line, size_t size)
{
    if (!utf8_valid_no_nul(line, size)) {
        return config_error(r->err, &r->place,
                            "the line is not UTF-8 text; save the file as UTF-8");
    }
    if (is_end(line)) {
        return 0;
    }
    line += strspn(line, BLANKS);
    for (size = strlen(line); strchr(BLANKS, line[size - 1]) != NULL; size--) {
        line[size - 1] = '\0';
    }
    return line[0] == '[' ? read_section(r, line) : read_entry(r, line);
}

static int read_text(struct reader *r, char *text, size_t size)
{
    char *end = text + size;

    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
    }
    while (text < end) {
        char *newline = memchr(text, '\n', (size_t)(end - text));
        char *line_end = newline != NULL ? newline : end;
        *line_end = '\0'; /* the buffer has one byte more than the text */
        r->place.line++;
        int result = read_line(r, text, (size_t)(line_end - text));
        if (result != 0) {
            return result;
        }
        text = line_end + 1;
    }
    return 0;
}

/* Reads into buffer, which holds CONFIG_FILE_SIZE_MAX + 1 bytes; the size, or a negative errno. */
static ssize_t read_all(const char *file, char *buffer)
{
    size_t size = 0;
    int fd = open(file, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return -errno;
    }
    for (;;) {
        ssize_t got = read(fd, buffer + size, CONFIG_FILE_SIZE_MAX + 1 - size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            ssize_t result = got < 0 ? -errno : (ssize_t)size;
            close(fd);
            return result;
        }
        size += (size_t)got;
    }
}

/* What inih, and we, had of the lines on the stack. */
__attribute__((noinline)) static void wipe_stack(void)
{
    char below[STACK_BYTES];

    explicit_bzero(below, sizeof below);
}

int config_file_read(const char *file, struct config_sink *sink, struct error *err)
{
    struct reader reader = {.sink = sink, .place = {.file = file}, .err = err};
    char *buffer = malloc(CONFIG_FILE_SIZE_MAX + 1);

    if (buffer == NULL) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    ssize_t size = read_all(file, buffer);
    int result;
    if (size < 0) {
        result = error_set_errno(err, (int)size, "cannot read the config %s", file);
    } else if ((size_t)size > CONFIG_FILE_SIZE_MAX) {
        result = error_set(err, -EINVAL, "%s is over %zu bytes; that is no config", file,
                           CONFIG_FILE_SIZE_MAX);
    } else {
        result = read_text(&reader, buffer, (size_t)size);
        wipe_stack();
    }
    if (size > 0) {
        explicit_bzero(buffer, (size_t)size);
    }
    free(buffer);
    return result;
}
