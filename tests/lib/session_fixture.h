/* session_fixture.h - a session file in a directory of its own, and its writers. */
#ifndef MEMFERRY_TESTS_SESSION_FIXTURE_H
#define MEMFERRY_TESTS_SESSION_FIXTURE_H

#include "memferry/client.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define FOREIGN   "0b0e7c1e-2222-4111-8000-0123456789ab"
#define MINUTES   60
#define PATH_SIZE 96

struct world {
    char directory[64], file[PATH_SIZE], lock[PATH_SIZE], made[PATH_SIZE];
};

static inline void world_make(struct world *world)
{
    unsetenv("MEMFERRY_SESSION_ID");
    unsetenv("MEMFERRY_SESSION_IDLE");
    strcpy(world->directory, "/tmp/session-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    snprintf(world->file, PATH_SIZE, "%s/id", world->directory);
    snprintf(world->lock, PATH_SIZE, "%s/id.lock", world->directory);
    snprintf(world->made, PATH_SIZE, "%s/id.new", world->directory);
}

static inline void world_free(struct world *world)
{
    if (remove(world->file) != 0) {
        rmdir(world->file);
    }
    remove(world->lock);
    remove(world->made);
    assert_int_equal(rmdir(world->directory), 0);
}

static inline struct memferry *client(const struct world *world)
{
    struct memferry_settings settings = {
        .size = sizeof settings, .socket = "/nowhere", .session_file = world->file};
    struct memferry *m;

    assert_int_equal(memferry_open(&m, &settings), MEMFERRY_OK);
    return m;
}

static inline void write_text(const char *path, const void *text, size_t size, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    close(fd);
}

static inline void write_file(const struct world *world, const char *text)
{
    write_text(world->file, text, strlen(text), 0644);
}

/* Last used so long ago. */
static inline void age(const char *path, long seconds)
{
    struct timespec times[2];

    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= seconds;
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static inline void file_holds(const struct world *world, const char *id)
{
    char text[100] = "", wanted[100];
    FILE *file = fopen(world->file, "re");

    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    snprintf(wanted, sizeof wanted, "%s\n", id);
    assert_string_equal(text, wanted);
}

/* By a client of its own. */
static inline struct memferry_session current(const struct world *world)
{
    struct memferry_session session;
    struct memferry *m = client(world);

    assert_int_equal(memferry_session_current(m, &session), MEMFERRY_OK);
    memferry_close(m);
    return session;
}

#endif
