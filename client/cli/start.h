/*
 * start.h - starts the broker when none runs.
 *
 * memferryd is looked for beside this command's own file, then in ../libexec and ../bin from there,
 * then in PATH. It runs in a session of its own, with stdin from /dev/null and its output in
 * memferryd.log in the state directory. Several commands that start one at the same time end with
 * one broker: it locks its state directory, and whoever loses waits for the winner's socket.
 */
#ifndef MEMFERRY_CLI_START_H
#define MEMFERRY_CLI_START_H

#include "client/cli/cli.h"

#define START_WAIT_MS     10000 /* for the socket */
#define START_GRACE_MS    300   /* for another's socket, when ours ended with an error */
#define START_AGAIN_MS    1000  /* for the socket of who had the lock, before we try again */
#define START_EXIT_LOCKED 75    /* memferryd's exit code when another has the state directory */

/* Returns when cli->m is connected, or an exit code; then it was told. */
int start_broker(struct cli *cli);
/* Starts one and does not wait for it. An exit code; then it was told. */
int start_broker_for_later(struct cli *cli);

#endif
