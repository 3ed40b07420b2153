/*
 * guard_shell_remove.c - commands that remove recursively, wipe a device, or destroy what a service
 * holds.
 */
#include "broker/guard_shell_command.h"

#include <string.h>

static void found_mass(struct command *command, const char *what)
{
    guard_found_mass_statement(command->finding, what);
}

/* One of the words is this one, or another. */
static bool has_word(const struct command *command, const char *const *texts)
{
    for (size_t i = 1; i < command->words->count; i++) {
        if (shell_word_in(command_word(command, i), texts)) {
            return true;
        }
    }
    return false;
}

/* ---- files ---- */

static void judge_rm(struct command *command)
{
    if (command_has(command, 'r', "--recursive", 3) || command_has(command, 'R', NULL, 0)) {
        found_mass(command, "rm -r");
    }
}

/* Up to the ; or + that ends it. */
static struct shell_words executed_by_find(const struct shell_words *words, size_t from)
{
    struct shell_words inner = shell_words_from(words, from);

    for (size_t i = 0; i < inner.count; i++) {
        if (shell_word_is(&inner.words[i], ";") || shell_word_is(&inner.words[i], "+")) {
            inner.count = i;
        }
    }
    return inner;
}

static void judge_find(struct command *command)
{
    static const char *const runs[] = {"-exec", "-execdir", "-ok", "-okdir", NULL};
    static const char *const deletes[] = {"-delete", NULL};
    static const char *const removes[] = {"rm", "unlink", "shred", NULL};

    if (has_word(command, deletes)) {
        found_mass(command, "find -delete");
    }
    for (size_t i = 1; i < command->words->count; i++) {
        if (shell_word_in(command_word(command, i), runs)) {
            struct shell_words inner = executed_by_find(command->words, i + 1);
            i += inner.count;
            inner = shell_unwrap(inner);
            struct shell_word name = {0};
            if (inner.count > 0) {
                name = shell_word_base(&inner.words[0]);
            }
            if (shell_word_in(&name, removes)) {
                found_mass(command, "find -exec rm");
            }
            shell_judge_command(&inner, command->depth + 1, command->finding);
        }
    }
}

static void judge_git(struct command *command)
{
    static const char *const clean[] = {"clean", NULL};
    bool forced = command_has(command, 'f', "--force", 4);
    bool tries = command_has(command, 'n', "--dry-run", 4);
    bool deep = command_has(command, 'd', NULL, 0) || command_has(command, 'x', NULL, 0) ||
                command_has(command, 'X', NULL, 0);

    if (has_word(command, clean) && forced && deep && !tries) {
        found_mass(command, "git clean");
    }
}

static void judge_rsync(struct command *command)
{
    for (size_t i = 1; i < command->words->count; i++) {
        if (shell_word_begins(command_word(command, i), "--del") &&
            !shell_words_have(command->words, 1, 'n', "--dry-run", 5)) {
            found_mass(command, "rsync --delete");
        }
    }
}

/* Windows: rd /s, del /s, Remove-Item -Recurse. */
static void judge_windows(struct command *command)
{
    static const char *const deep[] = {"/s", "-recurse", "-r", "-rec", NULL};

    if (has_word(command, deep)) {
        found_mass(command, "a recursive removal");
    }
}

static void judge_rimraf(struct command *command)
{
    if (command->words->count > 1) {
        found_mass(command, "rimraf");
    }
}

static void judge_dd(struct command *command)
{
    static const char *const harmless[] = {"of=/dev/null", "of=/dev/stdout", "of=/dev/fd/1",
                                           "of=/dev/zero", NULL};

    for (size_t i = 1; i < command->words->count; i++) {
        if (shell_word_begins(command_word(command, i), "of=/dev/") &&
            !shell_word_in(command_word(command, i), harmless)) {
            found_mass(command, "dd to a device");
        }
    }
}

static void judge_wipe(struct command *command)
{
    if (command->words->count > 1 && !command_has(command, '\0', "--help", 6) &&
        !command_has(command, '\0', "--version", 6)) {
        found_mass(command, "a command that wipes");
    }
}

/* ---- programs with a word that destroys ---- */

struct destroyer {
    const char *program, *first, *second; /* words, in this order; second may be NULL */
    char flag;                            /* needed as well, or this: */
    const char *option;
    const char *what;
};

static const struct destroyer destroyers[] = {
    {"mysqladmin", "drop", NULL, '\0', NULL, "mysqladmin drop"},
    {"mariadb-admin", "drop", NULL, '\0', NULL, "mysqladmin drop"},
    {"redis-cli", "flushall", NULL, '\0', NULL, "FLUSHALL"},
    {"redis-cli", "flushdb", NULL, '\0', NULL, "FLUSHDB"},
    {"valkey-cli", "flushall", NULL, '\0', NULL, "FLUSHALL"},
    {"valkey-cli", "flushdb", NULL, '\0', NULL, "FLUSHDB"},
    {"aws", "s3", "rm", '\0', "--recursive", "aws s3 rm --recursive"},
    {"aws", "s3", "rb", '\0', "--force", "aws s3 rb --force"},
    {"gsutil", "rm", NULL, 'r', NULL, "gsutil rm -r"},
    {"gsutil", "rm", NULL, 'R', NULL, "gsutil rm -r"},
    {"docker", "volume", "rm", '\0', NULL, "docker volume rm"},
    {"docker", "volume", "prune", '\0', NULL, "docker volume prune"},
    {"docker", "system", "prune", '\0', NULL, "docker system prune"},
    {"docker", "down", NULL, 'v', "--volumes", "docker compose down -v"},
    {"docker-compose", "down", NULL, 'v', "--volumes", "docker compose down -v"},
    {"kubectl", "delete", NULL, '\0', "--all", "kubectl delete --all"},
    {"kubectl", "delete", "namespace", '\0', NULL, "kubectl delete namespace"},
    {"kubectl", "delete", "ns", '\0', NULL, "kubectl delete namespace"},
    {"terraform", "destroy", NULL, '\0', NULL, "terraform destroy"},
    {"zfs", "destroy", NULL, '\0', NULL, "zfs destroy"},
    {"zpool", "destroy", NULL, '\0', NULL, "zpool destroy"},
};

static bool is_destroyed(const struct command *command, const struct destroyer *row)
{
    bool first = false, second = row->second == NULL;

    for (size_t i = 1; i < command->words->count; i++) {
        const struct shell_word *word = command_word(command, i);
        if (first && !second) {
            second = shell_word_is(word, row->second);
        }
        first = first || shell_word_is(word, row->first);
    }
    bool needs = row->flag != '\0' || row->option != NULL;
    return first && second &&
           (!needs || command_has(command, row->flag, row->option,
                                  row->option != NULL ? strlen(row->option) : 0));
}

static void judge_destroyers(struct command *command, const struct shell_word *name)
{
    for (size_t i = 0; i < sizeof destroyers / sizeof *destroyers; i++) {
        if (shell_word_is(name, destroyers[i].program) && is_destroyed(command, &destroyers[i])) {
            found_mass(command, destroyers[i].what);
            return;
        }
    }
}

static void judge_dropdb(struct command *command)
{
    if (command->words->count > 1 && !command_has(command, '\0', "--help", 6)) {
        found_mass(command, "dropdb");
    }
}

/* ---- the table ---- */

static const struct {
    const char *name;
    void (*judge)(struct command *);
} removers[] = {
    {"rm", judge_rm},           {"find", judge_find},
    {"git", judge_git},         {"rsync", judge_rsync},
    {"rd", judge_windows},      {"rmdir", judge_windows},
    {"del", judge_windows},     {"remove-item", judge_windows},
    {"ri", judge_windows},      {"rimraf", judge_rimraf},
    {"dd", judge_dd},           {"wipefs", judge_wipe},
    {"shred", judge_wipe},      {"blkdiscard", judge_wipe},
    {"srm", judge_wipe},        {"dropdb", judge_dropdb},
    {"dropuser", judge_dropdb},
};

void command_judge_removal(struct command *command, const struct shell_word *name)
{
    judge_destroyers(command, name);
    if (shell_word_begins(name, "mkfs")) {
        judge_wipe(command);
    }
    for (size_t i = 0; i < sizeof removers / sizeof *removers; i++) {
        if (shell_word_is(name, removers[i].name)) {
            removers[i].judge(command);
            return;
        }
    }
}
