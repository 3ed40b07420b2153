/*
 * guard_shell_command.c - what one command does: removes (guard_shell_remove.c), or hands a
 * statement to a database's client or to another shell.
 *
 * Happy path: the command's name finds its row in a table; the row's function looks at the words.
 * What stands in no table does nothing that is known here.
 */
#include "broker/guard_shell_command.h"

#include <stdint.h>
#include <string.h>

const struct shell_word *command_word(const struct command *command, size_t i)
{
    return &command->words->words[i];
}

bool command_has(const struct command *command, char flag, const char *option, size_t least)
{
    return shell_words_have(command->words, 1, flag, option, least);
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
                judge_statement(command, reader, command_word(command, ++i));
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
        if (command_word(command, i)->size > 0 && command_word(command, i)->text[0] != '-') {
            judge_statement(command, reader, command_word(command, i));
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
            if (holds(command_word(command, i), drops[k])) {
                guard_found_mass_statement(command->finding, "a collection emptied");
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
            judge_statement(command, SHELL_READS_SHELL, command_word(command, i + 1));
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

    for (; at < command->words->count && command_word(command, at)->text[0] == '-'; at++) {
        const struct shell_word *word = command_word(command, at);
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
} clients[] = {
    {"psql", judge_psql},       {"pgcli", judge_psql},       {"mysql", judge_mysql},
    {"mariadb", judge_mysql},   {"cqlsh", judge_mysql},      {"clickhouse-client", judge_query},
    {"sqlcmd", judge_query},    {"snowsql", judge_query},    {"sqlite3", judge_sqlite},
    {"sqlite", judge_sqlite},   {"duckdb", judge_sqlite},    {"cypher-shell", judge_cypher_shell},
    {"redis-cli", judge_redis}, {"valkey-cli", judge_redis}, {"mongosh", judge_mongo},
    {"mongo", judge_mongo},     {"sh", judge_shell},         {"bash", judge_shell},
    {"dash", judge_shell},      {"zsh", judge_shell},        {"ksh", judge_shell},
    {"ash", judge_shell},       {"fish", judge_shell},       {"su", judge_su},
    {"eval", judge_eval},       {"ssh", judge_ssh},          {"echo", judge_echo},
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
    command_judge_removal(&command, &name);
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
        if (shell_word_is(&name, clients[i].name)) {
            clients[i].judge(&command);
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
