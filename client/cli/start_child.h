/* start_child.h - the child's side of starting the broker, and where its output goes. */
#ifndef MEMFERRY_CLI_START_CHILD_H
#define MEMFERRY_CLI_START_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#define START_PATH_SIZE 4096

/* Where it is without a config. False: there is no HOME, or it is too long. */
bool start_state_directory(char *path, size_t size);

struct start_log {
    char path[START_PATH_SIZE]; /* "": output goes nowhere */
    int fd;                     /* -1: the same */
    off_t size_before;          /* what comes behind it is the new broker's */
};

/* memferryd.log in the state directory, which is made if need be. */
void start_log_open(struct start_log *log);
void start_log_close(struct start_log *log);

/* Becomes memferryd; writes an errno to status_fd when it cannot. Never returns. socket may be
 * NULL. */
_Noreturn void start_child(const struct start_log *log, const char *socket, int status_fd);

#endif
