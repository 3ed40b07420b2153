/* session.h - the verbs of memferry session, and what they share. */
#ifndef MEMFERRY_CLI_SESSION_H
#define MEMFERRY_CLI_SESSION_H

#include "client/cli/cli.h"

#include <sys/types.h>

/* Connects, as cli_connect; without a broker it warns that `what` will not be known to one, and
 * says false. */
bool session_connect(struct cli *cli, const char *what);
/* session.begin, as far as a broker is there. agent and cwd may be NULL, pid 0. */
int session_tell_begin(struct cli *cli, const char *id, const char *agent, pid_t pid);

/* memferry session run, words[0] being the command. Its exit code; or it ends by its signal. */
int session_run(struct cli *cli, const char *agent, const char *const *words);

#endif
