/*
 * fuzz_session_file.c - the session file, where anybody may have written anything.
 *
 * The first byte says how old the file is. A UUID is taken as it stands there; the beginning of one
 * is replaced; all else is refused and left as it is, to the byte. Which it is, is judged here in
 * another way than the library does.
 */
#include "client/connection.h"
#include "tests/fuzz/must.h"

#include <fcntl.h>
#include <regex.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { READ_MAX = 128, TEXT_MAX = 4096 };
enum kind { KIND_ID, KIND_PARTIAL, KIND_OTHER };

int __wrap_nanosleep(const struct timespec *time, struct timespec *rest);

/* Nobody else writes the file: what is waited for does not come. */
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest)
{
    (void)time, (void)rest;
    return 0;
}

/* ---- what it is ---- */

static bool matches(const char *pattern, const char *text)
{
    regex_t regex;

    must(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) == 0, "a pattern");
    bool match = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return match;
}

static bool is_beginning(const char *text)
{
    static const char form[] = "00000000-0000-4000-8000-000000000000";
    char whole[sizeof form];
    size_t size = strlen(text);

    if (size >= sizeof form) {
        return false;
    }
    memcpy(whole, form, sizeof form);
    memcpy(whole, text, size);
    return matches("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", whole);
}

static enum kind kind_of(const uint8_t *data, size_t size, char id[READ_MAX + 1])
{
    size_t zeros = 0, end = size;

    id[0] = '\0';
    if (size > READ_MAX) { /* only zeros are nobody's, as far as is read */
        for (size_t i = 0; i <= READ_MAX; i++) {
            zeros += data[i] == 0;
        }
        return zeros == READ_MAX + 1 ? KIND_PARTIAL : KIND_OTHER;
    }
    for (size_t i = 0; i < size; i++) {
        zeros += data[i] == 0;
    }
    if (zeros > 0) {
        return zeros == size ? KIND_PARTIAL : KIND_OTHER;
    }
    while (end > 0 && strchr(" \t\r\n", data[end - 1]) != NULL) {
        end--;
    }
    size_t start = 0;
    while (start < end && strchr(" \t\r\n", data[start]) != NULL) {
        start++;
    }
    memcpy(id, data + start, end - start);
    id[end - start] = '\0';
    return !is_beginning(id) ? KIND_OTHER : strlen(id) == 36 ? KIND_ID : KIND_PARTIAL;
}

/* ---- the file ---- */

static void write_file(const char *path, const uint8_t *data, size_t size, bool old)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    must(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a file");
    if (old) {
        times[1] = (struct timespec){.tv_sec = 1000000};
    }
    must(futimens(fd, times) == 0, "its time");
    close(fd);
}

static size_t read_file(const char *path, uint8_t text[TEXT_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, TEXT_MAX);

    must(size >= 0, "the file is there");
    close(fd);
    return (size_t)size;
}

/* ---- what the library makes of it ---- */

static void use(struct memferry *m, const char *path, const uint8_t *data, size_t size, bool old)
{
    struct memferry_session peeked, session, again;
    uint8_t text[TEXT_MAX];
    char id[READ_MAX + 1];
    enum kind kind = kind_of(data, size, id);

    int rc = memferry_session_peek(m, &peeked);
    must(read_file(path, text) == size && memcmp(text, data, size) == 0, "a look changes nothing");
    must(rc == (kind == KIND_OTHER        ? MEMFERRY_E_SESSION
                : kind == KIND_ID && !old ? MEMFERRY_OK
                                          : MEMFERRY_E_NOT_FOUND),
         "a look tells what is there");
    rc = memferry_session_current(m, &session);
    size_t now = read_file(path, text);
    if (kind == KIND_OTHER) {
        must(rc == MEMFERRY_E_SESSION && memferry_error(m)[0] != '\0', "it is refused, and told");
        must(now == size && memcmp(text, data, size) == 0, "and left as it is");
        return;
    }
    must(rc == MEMFERRY_OK && strlen(session.id) == 36, "there is a session");
    must(session.begun == (kind == KIND_PARTIAL || old), "begun when there was none");
    must(session.begun || strcmp(session.id, id) == 0, "else it is the file's");
    must(memmem(text, now, session.id, 36) != NULL, "which the file holds");
    must(memferry_session_current(m, &again) == MEMFERRY_OK && !again.begun &&
             strcmp(again.id, session.id) == 0,
         "and the next use has the same");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char directory[] = "/dev/shm/memferry-fuzz-XXXXXX", path[64], lock[80];
    struct memferry_settings settings = {.size = sizeof settings, .session_file = path};
    struct memferry *m;

    if (size < 1 || size > TEXT_MAX) {
        return 0;
    }
    must(mkdtemp(directory) != NULL, "a directory");
    snprintf(path, sizeof path, "%s/id", directory);
    snprintf(lock, sizeof lock, "%s.lock", path);
    write_file(path, data + 1, size - 1, data[0] & 1);
    must(memferry_open(&m, &settings) == MEMFERRY_OK, "memory");
    use(m, path, data + 1, size - 1, data[0] & 1);
    memferry_close(m);
    unlink(path);
    unlink(lock);
    must(rmdir(directory) == 0, "nothing else is left beside it");
    return 0;
}
