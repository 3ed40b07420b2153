/* journal_check.c - reads a journal that no broker runs on, and changes nothing. */
#include "broker/journal.h"
#include "broker/journal_internal.h"
#include "broker/util/container.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct check_walk {
    struct journal_walk walk;
    struct journal_recovery *found;
};

static void check_damaged(struct journal_walk *walk, const struct journal_damage *damage)
{
    (void)damage;
    container_of(walk, struct check_walk, walk)->found->damaged_groups++;
}

static int check_files(int dir_fd, const char *dir, journal_visit_fn *visit, void *arg,
                       struct journal_recovery *ret_found, struct error *err)
{
    struct check_walk check = {
        .walk = {.dir_fd = dir_fd, .visit = visit, .visit_arg = arg, .damaged = check_damaged},
        .found = ret_found};
    struct journal_files files;
    int r = journal_files_list(&files, dir_fd, dir, NULL, err);

    if (r < 0) {
        return r;
    }
    ret_found->fresh = files.fresh;
    r = journal_walk_run(&check.walk, &files.held, dir, err);
    ret_found->first_seq = files.fresh ? 1 : files.held.head->header.base_seq;
    ret_found->last_seq = check.walk.next_seq - 1;
    ret_found->torn_bytes = check.walk.torn_bytes;
    segment_queue_clear(&files.held);
    segment_queue_clear(&files.freed);
    segment_queue_clear(&files.blank);
    return r;
}

int journal_check(const char *dir, journal_visit_fn *visit, void *arg,
                  struct journal_recovery *ret_found, struct error *err)
{
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), lock_fd, r;

    *ret_found = (struct journal_recovery){0};
    if (dir_fd < 0) {
        return error_set_errno(err, -errno, "cannot open the journal's directory %s", dir);
    }
    r = journal_lock_share(dir_fd, dir, &lock_fd, err);
    if (r == 0) {
        r = check_files(dir_fd, dir, visit, arg, ret_found, err);
        if (lock_fd >= 0) {
            close(lock_fd);
        }
    }
    close(dir_fd);
    return r;
}
