/* footprint.c - see footprint.h. */
#include "broker/footprint.h"

#include "broker/backup_file.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static uint64_t rss_bytes(void)
{
    unsigned long long size, resident;
    FILE *file = fopen("/proc/self/statm", "re");
    bool good = file != NULL && fscanf(file, "%llu %llu", &size, &resident) == 2;

    if (file != NULL) {
        fclose(file);
    }
    return good ? (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static uint64_t cpu_ms(void)
{
    struct rusage used;

    if (getrusage(RUSAGE_SELF, &used) < 0) {
        return 0;
    }
    return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
           (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
}

static uint64_t descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    uint64_t count = 0;

    if (directory == NULL) {
        return 0;
    }
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count > 3 ? count - 3 : 0; /* ".", "..", and the directory itself */
}

static uint64_t file_bytes(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* Of a database, its write-ahead log. */
static uint64_t wal_bytes(const char *path)
{
    char wal[PATH_MAX];
    int length = snprintf(wal, sizeof wal, "%s-wal", path);

    return length < (int)sizeof wal ? file_bytes(wal) : 0;
}

/* 0: none is known. */
static int64_t backup_ms(const char *state_dir)
{
    char path[PATH_MAX];
    struct stat note;
    int length = snprintf(path, sizeof path, "%s/" BACKUP_NOTE_NAME, state_dir);

    if (length >= (int)sizeof path || stat(path, &note) < 0) {
        return 0;
    }
    return (int64_t)note.st_mtim.tv_sec * 1000 + note.st_mtim.tv_nsec / 1000000;
}

static void disk_read(const char *state_dir, struct footprint *ret)
{
    struct statvfs disk;

    if (statvfs(state_dir, &disk) == 0) {
        ret->disk_bytes = (uint64_t)disk.f_blocks * disk.f_frsize;
        ret->disk_free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    }
}

void footprint_read(const struct places *places, struct footprint *ret)
{
    struct rlimit limit;

    *ret = (struct footprint){.rss_bytes = rss_bytes(),
                              .cpu_ms = cpu_ms(),
                              .descriptors = descriptors(),
                              .store_bytes = file_bytes(places->store_file),
                              .wal_bytes = wal_bytes(places->store_file),
                              .index_bytes = file_bytes(places->index_file) +
                                             wal_bytes(places->index_file) +
                                             file_bytes(places->vector_file),
                              .backup_ms = backup_ms(places->state_dir)};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        ret->descriptors_max = limit.rlim_cur;
    }
    disk_read(places->state_dir, ret);
}
