/* footprint.c - see footprint.h. */
#include "broker/footprint.h"

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

static bool file_status(const char *state_dir, const char *name, struct stat *ret)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", state_dir, name);

    return length < (int)sizeof path && stat(path, ret) == 0;
}

static uint64_t file_bytes(const char *state_dir, const char *name)
{
    struct stat status;

    return file_status(state_dir, name, &status) ? (uint64_t)status.st_size : 0;
}

static void disk_read(const char *state_dir, struct footprint *ret)
{
    struct statvfs disk;

    if (statvfs(state_dir, &disk) == 0) {
        ret->disk_bytes = (uint64_t)disk.f_blocks * disk.f_frsize;
        ret->disk_free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    }
}

void footprint_read(const char *state_dir, struct footprint *ret)
{
    struct rlimit limit;
    struct stat note;

    *ret = (struct footprint){.rss_bytes = rss_bytes(),
                              .cpu_ms = cpu_ms(),
                              .descriptors = descriptors(),
                              .store_bytes = file_bytes(state_dir, "memferry.db"),
                              .wal_bytes = file_bytes(state_dir, "memferry.db-wal"),
                              .index_bytes = file_bytes(state_dir, "search.db") +
                                             file_bytes(state_dir, "search.db-wal") +
                                             file_bytes(state_dir, "vectors.idx")};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        ret->descriptors_max = limit.rlim_cur;
    }
    if (file_status(state_dir, "newest-backup", &note)) {
        ret->backup_ms = (int64_t)note.st_mtim.tv_sec * 1000 + note.st_mtim.tv_nsec / 1000000;
    }
    disk_read(state_dir, ret);
}
