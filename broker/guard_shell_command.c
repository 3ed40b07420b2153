/*
 * guard_shell_command.c - what one command does: removes recursively, wipes, or hands a statement
 * to a database's client.
 *
 * Happy path: the command's name finds its row in a table; the row's function looks at the words.
 * What stands in no table does nothing that is known here.
 */
#include "broker/guard_shell.h"

#include <stdint.h>
#include <string.h>

struct command {
    const struct shell_words *words; /* the first is its name */
    unsigned depth;
    struct guard_finding *finding;
    struct shell_effect effect;
};

static void found_mass(struct command *command, const char *what)
{
    guard_found_mass_statement(command->finding, what);
}

static const struct shell_word *word_at(const struct command *command, size_t i)
{
    return &command->words->words[i];
}

static bool has(const struct command *command, char flag, const char *option, size_t least)
{
    return shell_words_have(command->words, 1, flag, option, least);
}

/* One of the words is this one, or another. */
static bool has_word(const struct command *command, const char *const *texts)
{
    for (size_t i = 1; i < command->words->count; i++) {
        if (shell_word_in(word_at(command, i), texts)) {
            return true;
        }
    }
    return false;
}

/* ---- files ---- */

static void judge_rm(struct command *command)
{
    if (has(command, 'r', "--recursive", 3) || has(command, 'R', NULL, 0)) {
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
        if (shell_word_in(word_at(command, i), runs)) {
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
    bool forced = has(command, 'f', "--force", 4);
    bool tries = has(command, 'n', "--dry-run", 4);
    bool deep =
        has(command, 'd', NULL, 0) || has(command, 'x', NULL, 0) || has(command, 'X', NULL, 0);

    if (has_word(command, clean) && forced && deep && !tries) {
        found_mass(command, "git clean");
    }
}

static void judge_rsync(struct command *command)
{
    for (size_t i = 1; i < command->words->count; i++) {
        if (shell_word_begins(word_at(command, i), "--del") &&
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
        if (shell_word_begins(word_at(command, i), "of=/dev/") &&
            !shell_word_in(word_at(command, i), harmless)) {
            found_mass(command, "dd to a device");
        }
    }
}

static void judge_wipe(struct command *command)
{
    if (command->words->count > 1 && !has(command, '\0', "--help", 6) &&
        !has(command, '\0', "--version", 6)) {
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
        const struct shell_word *word = word_at(command, i);
        if (first && !second) {
            second = shell_word_is(word, row->second);
        }
        first = first || shell_word_is(word, row->first);
    }
    bool needs = row->flag != '\0' || row->option != NULL;
    return first && second &&
           (!needs ||
            has(command, row->flag, row->option, row->option != NULL ? strlen(row->option) : 0));
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
    if (command->words->count > 1 && !has(command, '\0', "--help", 6)) {
        found_mass(command, "dropdb");
    }
}

/* ---- clients of databases ---- */

static void judge_statement(struct command *command, enum shell_reader reader,
                            const struct shell_word *statement)
{
    shell_judge_input(reader, statement, command->depth + 1, command->finding);
}

/* -c STATEMENT, -cSTATEMENT, --command=STATEMENT, --command STATEMENT; -Bse STATEMENT. */
static void judge_option(struct command *command, enum shell_reader reader, char letter,
                         const char *option)
{
    size_t size = strlen(option);

    for (size_t i = 1; i < command->words->count; i++) {
        struct shell_word *word = &command->words->words[i];
        bool has_next = i + 1 < command->words->count;
        if (shell_word_is(word, option) ||
            (shell_word_has_flag(word, letter) && word->text[word->size - 1] == letter)) {
            if (has_next) {
                judge_statement(command, reader, word_at(command, ++i));
            }
        } else if (shell_word_begins(word, option) && word->size > size &&
                   word->text[size] == '=') {
            const struct shell_word value = {word->text + size + 1, word->size - size - 1};
            judge_statement(command, reader, &value);
        } else if (word->size > 2 && word->text[0] == '-' && word->text[1] == letter) {
            const struct shell_word value = {word->text + 2, word->size - 2};
            judge_statement(command, reader, &value);
        }
    }
}

static void judge_operands(struct command *command, enum shell_reader reader)
{
    for (size_t i = 1; i < command->words->count; i++) {
        if (word_at(command, i)->size > 0 && word_at(command, i)->text[0] != '-') {
            judge_statement(command, reader, word_at(command, i));
        }
    }
}

static void judge_psql(struct command *command)
{
    judge_option(command, SHELL_READS_SQL, 'c', "--command");
    command->effect.reader = SHELL_READS_SQL;
}

static void judge_mysql(struct command *command)
{
    judge_option(command, SHELL_READS_SQL, 'e', "--execute");
    command->effect.reader = SHELL_READS_SQL;
}

static void judge_query(struct command *command)
{
    judge_option(command, SHELL_READS_SQL, 'q', "--query");
    judge_option(command, SHELL_READS_SQL, 'Q', "--query");
    command->effect.reader = SHELL_READS_SQL;
}

/* sqlite3 FILE STATEMENT: what is a file's name is no statement. */
static void judge_sqlite(struct command *command)
{
    judge_operands(command, SHELL_READS_SQL);
    command->effect.reader = SHELL_READS_SQL;
}

static void judge_cypher_shell(struct command *command)
{
    judge_operands(command, SHELL_READS_CYPHER);
    command->effect.reader = SHELL_READS_CYPHER;
}

static void judge_redis(struct command *command)
{
    command->effect.reader = SHELL_READS_REDIS;
}

static bool holds(const struct shell_word *word, const char *text)
{
    return memmem(word->text, word->size, text, strlen(text)) != NULL;
}

static void judge_mongo(struct command *command)
{
    static const char *const drops[] = {"dropDatabase(", ".drop(", "deleteMany({})", "remove({})"};

    for (size_t i = 1; i < command->words->count; i++) {
        for (size_t k = 0; k < sizeof drops / sizeof *drops; k++) {
            if (holds(word_at(command, i), drops[k])) {
                found_mass(command, "a collection emptied");
            }
        }
    }
}

/* ---- shells ---- */

static void judge_shell(struct command *command)
{
    bool has_operand = false;

    for (size_t i = 1; i < command->words->count; i++) {
        struct shell_word *word = &command->words->words[i];
        if (shell_word_has_flag(word, 'c') && i + 1 < command->words->count) {
            judge_statement(command, SHELL_READS_SHELL, word_at(command, i + 1));
            return;
        }
        has_operand |= word->size > 0 && word->text[0] != '-';
    }
    command->effect.reader = has_operand ? SHELL_READS_NOTHING : SHELL_READS_SHELL;
}

/* su [USER] -c COMMAND */
static void judge_su(struct command *command)
{
    judge_option(command, SHELL_READS_SHELL, 'c', "--command");
}

static void judge_eval(struct command *command)
{
    struct shell_word joined = shell_words_join(command->words, 1);

    if (joined.text != NULL) {
        judge_statement(command, SHELL_READS_SHELL, &joined);
    }
}

/* ssh [OPTIONS] HOST COMMAND…: the words are joined and read by a shell there. */
static void judge_ssh(struct command *command)
{
    static const char valued[] = "BbcDEeFIiJLlmOopQRSWw";
    size_t at = 1;

    for (; at < command->words->count && word_at(command, at)->text[0] == '-'; at++) {
        const struct shell_word *word = word_at(command, at);
        at += word->size == 2 && strchr(valued, word->text[1]) != NULL ? 1 : 0;
    }
    struct shell_word joined = shell_words_join(command->words, at + 1);
    if (joined.text != NULL) {
        judge_statement(command, SHELL_READS_SHELL, &joined);
    } else {
        command->effect.reader = SHELL_READS_SHELL;
    }
}

static void judge_echo(struct command *command)
{
    command->effect.prints = shell_words_join(command->words, 1);
}

/* ---- the table ---- */

static const struct {
    const char *name;
    void (*judge)(struct command *);
} commands[] = {
    {"rm", judge_rm},
    {"find", judge_find},
    {"git", judge_git},
    {"rsync", judge_rsync},
    {"rd", judge_windows},
    {"rmdir", judge_windows},
    {"del", judge_windows},
    {"remove-item", judge_windows},
    {"ri", judge_windows},
    {"rimraf", judge_rimraf},
    {"dd", judge_dd},
    {"wipefs", judge_wipe},
    {"shred", judge_wipe},
    {"blkdiscard", judge_wipe},
    {"srm", judge_wipe},
    {"dropdb", judge_dropdb},
    {"dropuser", judge_dropdb},
    {"psql", judge_psql},
    {"pgcli", judge_psql},
    {"mysql", judge_mysql},
    {"mariadb", judge_mysql},
    {"cqlsh", judge_mysql},
    {"clickhouse-client", judge_query},
    {"sqlcmd", judge_query},
    {"snowsql", judge_query},
    {"sqlite3", judge_sqlite},
    {"sqlite", judge_sqlite},
    {"duckdb", judge_sqlite},
    {"cypher-shell", judge_cypher_shell},
    {"redis-cli", judge_redis},
    {"valkey-cli", judge_redis},
    {"mongosh", judge_mongo},
    {"mongo", judge_mongo},
    {"sh", judge_shell},
    {"bash", judge_shell},
    {"dash", judge_shell},
    {"zsh", judge_shell},
    {"ksh", judge_shell},
    {"ash", judge_shell},
    {"fish", judge_shell},
    {"su", judge_su},
    {"eval", judge_eval},
    {"ssh", judge_ssh},
    {"echo", judge_echo},
    {"printf", judge_echo},
};

struct shell_effect shell_judge_command(const struct shell_words *all, unsigned depth,
                                        struct guard_finding *finding)
{
    struct shell_words words = shell_unwrap(*all);
    struct command command = {.words = &words, .depth = depth, .finding = finding};

    if (words.count == 0 || depth >= GUARD_NESTING_MAX) {
        return command.effect;
    }
    struct shell_word name = shell_word_base(&words.words[0]);
    judge_destroyers(&command, &name);
    if (shell_word_begins(&name, "mkfs")) {
        judge_wipe(&command);
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (shell_word_is(&name, commands[i].name)) {
            commands[i].judge(&command);
            break;
        }
    }
    return command.effect;
}

/* ---- what a command is given to read ---- */

static void judge_redis_input(const struct shell_word *input, struct guard_finding *finding)
{
    const char *at = input->text, *end = input->text + input->size;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline != NULL ? newline : end;
        const struct shell_word line = {(char *)(uintptr_t)at, (size_t)(line_end - at)};
        if (shell_word_begins(&line, "flushall") || shell_word_begins(&line, "flushdb")) {
            guard_found_mass_statement(finding, "FLUSHALL or FLUSHDB");
        }
        at = newline != NULL ? newline + 1 : end;
    }
}

void shell_judge_input(enum shell_reader reader, const struct shell_word *input, unsigned depth,
                       struct guard_finding *finding)
{
    switch (reader) {
    case SHELL_READS_SQL:
        guard_judge_sql(input->text, input->size, depth, finding);
        break;
    case SHELL_READS_CYPHER:
        guard_judge_cypher(input->text, input->size, depth, finding);
        break;
    case SHELL_READS_SHELL:
        guard_judge_shell(input->text, input->size, depth, finding);
        break;
    case SHELL_READS_REDIS:
        judge_redis_input(input, finding);
        break;
    case SHELL_READS_NOTHING:
        break;
    }
}
