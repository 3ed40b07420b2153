/*
 * hook.h - memferry hook: what an agent's hook runs, at every prompt and tool. Its parts.
 *
 * It is in an agent's way, so each wait has a bound of its own, and whatever goes wrong is a note
 * on stderr: the exit code is 0.
 */
#ifndef MEMFERRY_CLI_HOOK_H
#define MEMFERRY_CLI_HOOK_H

#include "client/cli/cli.h"

#include <stddef.h>

#define HOOK_INPUT_MAX     ((size_t)4 << 20)
#define HOOK_INPUT_MS      1000 /* for all of it, from its first byte on too */
#define HOOK_ANSWER_MS     100  /* for the broker's answers, all together */
#define HOOK_STATEMENT_MAX ((size_t)64 << 10)
#define HOOK_SESSION_MAX   64

/* ---- hook_input.c ---- */

/* One JSON object from fd, which is not waited for to end; what follows it is left. Free it. NULL:
 * there is none; *ret_why says why. */
char *hook_input_read(int fd, const char **ret_why);

/* ---- hook_context.c ---- */

/* What an agent should know at the beginning of a session, as the output of its hook: a line of
 * JSON, or nothing when there are no memories. `project` is a tag, or "". Either list may be NULL.
 * False: out of memory. */
bool hook_context_write(int fd, const char *project, const struct memferry_node *of_project,
                        const struct memferry_node *newest);

/* ---- hook_statement.c ---- */

struct hook_statement {
    const char *text;     /* NULL: the tool runs no statement that the guard knows */
    const char *language; /* for guard.observe */
};

struct hook_statement hook_statement_find(const char *tool, const struct memferry_node *input);

#endif
