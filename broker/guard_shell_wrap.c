/*
 * guard_shell_wrap.c - commands that run another one, which is what counts.
 *
 * A table tells which of their options take a value, and how many words stand before the command.
 */
#include "broker/guard_shell.h"

#include <string.h>

#define WRAPPERS_MAX 8 /* around each other */

struct wrapper {
    const char *name;
    const char *valued;             /* letters of options whose value is the next word */
    unsigned operands;              /* before the command */
    const char *const *long_valued; /* long options whose value is the next word; or NULL */
};

static const char *const sudo_long[] = {"--user", "--group", "--host", "--prompt", "--chdir", NULL};
static const char *const docker_long[] = {"--user",     "--workdir", "--env",
                                          "--env-file", "--name",    "--network",
                                          "--volume",   "--index",   NULL};
static const char *const xargs_long[] = {"--max-args",  "--max-procs", "--replace",
                                         "--delimiter", "--arg-file",  NULL};

static const struct wrapper wrappers[] = {
    {"sudo", "ughpCrtTUDR", 0, sudo_long},
    {"doas", "uC", 0, NULL},
    {"env", "uCS", 0, NULL},
    {"nice", "n", 0, NULL},
    {"ionice", "cn", 0, NULL},
    {"chrt", "", 1, NULL},
    {"nohup", "", 0, NULL},
    {"setsid", "", 0, NULL},
    {"time", "fo", 0, NULL},
    {"timeout", "sk", 1, NULL},
    {"stdbuf", "ioe", 0, NULL},
    {"command", "", 0, NULL},
    {"builtin", "", 0, NULL},
    {"exec", "a", 0, NULL},
    {"xargs", "InPLdasE", 0, xargs_long},
    {"parallel", "jIN", 0, NULL},
    {"watch", "n", 0, NULL},
    {"busybox", "", 0, NULL},
    {"toybox", "", 0, NULL},
    {"chroot", "", 1, NULL},
    {"flock", "wE", 1, NULL},
    {"taskset", "", 1, NULL},
    {"strace", "oeps", 0, NULL},
    {"unshare", "", 0, NULL},
    {"npx", "p", 0, NULL},
    {"dotenv", "ef", 0, NULL},
};

/* An option's value stands in the next word. */
static bool takes_next(const struct shell_word *word, const char *valued,
                       const char *const *long_valued)
{
    if (word->size > 2 && word->text[1] == '-') {
        return long_valued != NULL && shell_word_in(word, long_valued);
    }
    return word->size == 2 && strchr(valued, word->text[1]) != NULL;
}

/* Behind options and `operands` words. */
static size_t skip_options(const struct shell_words *words, size_t at, const char *valued,
                           const char *const *long_valued, unsigned operands)
{
    for (; at < words->count; at++) {
        const struct shell_word *word = &words->words[at];
        if (shell_word_is(word, "--")) {
            return at + 1 + operands;
        }
        if (word->size > 1 && word->text[0] == '-') {
            at += takes_next(word, valued, long_valued) ? 1 : 0;
        } else if (!shell_word_is_assignment(word)) {
            if (operands == 0) {
                return at;
            }
            operands--;
        }
    }
    return at;
}

/* docker exec [OPTIONS] CONTAINER COMMAND, docker compose … exec, kubectl exec POD -- COMMAND. */
static size_t skip_container(const struct shell_words *words)
{
    static const char *const runs[] = {"exec", "run", NULL};
    size_t at = 1;

    while (at < words->count && !shell_word_in(&words->words[at], runs)) {
        at++;
    }
    for (size_t i = at; i < words->count; i++) {
        if (shell_word_is(&words->words[i], "--")) {
            return i + 1;
        }
    }
    return at == words->count ? 0 : skip_options(words, at + 1, "uwevnc", docker_long, 1);
}

/* How many words the wrapper takes; 0: it is none. */
static size_t wrapper_size(const struct shell_words *words)
{
    static const char *const containers[] = {"docker",  "podman", "kubectl", "docker-compose",
                                             "nerdctl", "oc",     NULL};
    struct shell_word name = shell_word_base(&words->words[0]);

    if (shell_word_in(&name, containers)) {
        return skip_container(words);
    }
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        const struct wrapper *wrapper = &wrappers[i];
        if (shell_word_is(&name, wrapper->name)) {
            return skip_options(words, 1, wrapper->valued, wrapper->long_valued, wrapper->operands);
        }
    }
    return 0;
}

static size_t leading_words(const struct shell_words *words)
{
    static const char *const reserved[] = {"if",    "then", "else", "elif", "do",   "while",
                                           "until", "!",    "{",    "$",    "time", NULL};
    size_t at = 0;

    while (at < words->count && (shell_word_in(&words->words[at], reserved) ||
                                 shell_word_is_assignment(&words->words[at]))) {
        at++;
    }
    return at;
}

struct shell_words shell_unwrap(struct shell_words words)
{
    for (unsigned i = 0; i < WRAPPERS_MAX; i++) {
        words = shell_words_from(&words, leading_words(&words));
        size_t size = words.count > 0 ? wrapper_size(&words) : 0;
        if (size == 0 || size >= words.count) {
            return words;
        }
        words = shell_words_from(&words, size);
    }
    return words;
}
