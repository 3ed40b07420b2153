/*
 * guard_shell.c - judges a shell's text: splits it into commands and hands each on.
 *
 * Happy path: words are unquoted where they stand and gathered until something ends the command;
 * what a pipeline's echo prints, and what stands in here-documents and here-strings, goes to the
 * command of that pipeline that reads statements. What $(…) and `…` run is judged for itself.
 *
 *     echo "DROP TABLE t" | sudo psql      echo prints, psql reads
 *     psql <<EOF … EOF                     the body comes after the line
 *
 * Nothing is expanded: a variable is the text it is written as.
 */
#include "broker/guard_shell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DOCUMENTS_MAX 8 /* here-documents of one line */

/* A here-document that was announced; its body follows the line. */
struct document {
    struct shell_word delimiter;
    bool strips_tabs;
    unsigned pipeline;
    enum shell_reader reader;
};

struct shell {
    struct shell_text text;
    struct shell_word words[SHELL_WORDS_MAX];
    size_t count;
    unsigned pipeline; /* counts them */
    bool after_pipe;   /* nothing has followed it */
    struct shell_word feeds[SHELL_FEEDS_MAX];
    size_t feed_count;
    struct document documents[DOCUMENTS_MAX];
    size_t document_count;
};

static void skip_blanks(struct shell *shell)
{
    while (shell_is_blank(shell_peek(&shell->text, 0)) ||
           (shell_peek(&shell->text, 0) == '\\' && shell_peek(&shell->text, 1) == '\n')) {
        shell->text.at += shell_is_blank(*shell->text.at) ? 1 : 2;
    }
}

/* ---- commands and pipelines ---- */

static void feed(struct shell *shell, const struct shell_word *text)
{
    if (shell->feed_count < SHELL_FEEDS_MAX) {
        shell->feeds[shell->feed_count++] = *text;
    }
}

/* A command that reads statements: it is given what the pipeline has for it. */
static void read_feeds(struct shell *shell, enum shell_reader reader)
{
    for (size_t i = 0; i < shell->feed_count; i++) {
        shell_judge_input(reader, &shell->feeds[i], shell->text.depth + 1, shell->text.finding);
    }
    shell->feed_count = 0;
    for (size_t i = 0; i < shell->document_count; i++) {
        if (shell->documents[i].pipeline == shell->pipeline) {
            shell->documents[i].reader = reader;
        }
    }
}

static void end_command(struct shell *shell)
{
    const struct shell_words words = {.words = shell->words, .count = shell->count};

    if (shell->count == 0) {
        return;
    }
    struct shell_effect effect =
        shell_judge_command(&words, shell->text.depth, shell->text.finding);
    if (effect.reader != SHELL_READS_NOTHING) {
        read_feeds(shell, effect.reader);
    }
    if (effect.prints.text != NULL) {
        feed(shell, &effect.prints);
    }
    shell->count = 0;
    shell->after_pipe = false;
}

static void end_pipeline(struct shell *shell)
{
    end_command(shell);
    if (!shell->after_pipe) {
        shell->pipeline++;
        shell->feed_count = 0;
    }
}

static void add_word(struct shell *shell, const struct shell_word *word)
{
    bool is_brace = word->size == 1 && (word->text[0] == '{' || word->text[0] == '}');

    if (is_brace) {
        end_pipeline(shell);
    } else if (shell->count < SHELL_WORDS_MAX) {
        shell->words[shell->count++] = *word;
    }
}

/* ---- redirections ---- */

static void announce_document(struct shell *shell)
{
    bool strips_tabs = shell_peek(&shell->text, 2) == '-';

    shell->text.at += strips_tabs ? 3 : 2;
    skip_blanks(shell);
    struct document document = {.delimiter = shell_take_word(&shell->text),
                                .strips_tabs = strips_tabs,
                                .pipeline = shell->pipeline};
    if (shell->document_count < DOCUMENTS_MAX && document.delimiter.size > 0) {
        shell->documents[shell->document_count++] = document;
    }
}

static void take_here_string(struct shell *shell)
{
    shell->text.at += 3;
    skip_blanks(shell);
    struct shell_word word = shell_take_word(&shell->text);
    feed(shell, &word);
}

static void redirect(struct shell *shell)
{
    if (shell_peek(&shell->text, 0) == '<' && shell_peek(&shell->text, 1) == '<') {
        if (shell_peek(&shell->text, 2) == '<') {
            take_here_string(shell);
        } else {
            announce_document(shell);
        }
        return;
    }
    while (shell_peek(&shell->text, 0) != '\0' &&
           strchr("<>&|", shell_peek(&shell->text, 0)) != NULL) {
        shell->text.at++;
    }
    skip_blanks(shell);
    if (shell_peek(&shell->text, 0) != '(') {
        shell_take_word(&shell->text);
    }
}

/* ---- here-documents ---- */

/* The next line, without its end; the position moves behind it. */
static struct shell_word take_line(struct shell *shell)
{
    struct shell_word line = {.text = shell->text.at};
    char *newline = memchr(shell->text.at, '\n', (size_t)(shell->text.end - shell->text.at));

    shell->text.at = newline != NULL ? newline + 1 : shell->text.end;
    line.size = (size_t)((newline != NULL ? newline : shell->text.end) - line.text);
    return line;
}

static bool is_delimiter(const struct document *document, struct shell_word line)
{
    while (document->strips_tabs && line.size > 0 && line.text[0] == '\t') {
        line.text++;
        line.size--;
    }
    if (line.size > 0 && line.text[line.size - 1] == '\r') {
        line.size--;
    }
    return line.size == document->delimiter.size &&
           memcmp(line.text, document->delimiter.text, line.size) == 0;
}

static void read_document(struct shell *shell, const struct document *document)
{
    struct shell_word body = {.text = shell->text.at};

    while (shell->text.at < shell->text.end) {
        struct shell_word line = take_line(shell);
        if (is_delimiter(document, line)) {
            break;
        }
        body.size = (size_t)(line.text + line.size - body.text);
    }
    if (document->reader != SHELL_READS_NOTHING) {
        shell_judge_input(document->reader, &body, shell->text.depth + 1, shell->text.finding);
    } else if (document->pipeline == shell->pipeline) {
        feed(shell, &body);
    }
}

static void end_line(struct shell *shell)
{
    end_pipeline(shell);
    shell->text.at++;
    for (size_t i = 0; i < shell->document_count; i++) {
        read_document(shell, &shell->documents[i]);
    }
    shell->document_count = 0;
}

/* ---- the text ---- */

static void take_pipe(struct shell *shell)
{
    if (shell_peek(&shell->text, 1) == '|') {
        end_pipeline(shell);
        shell->text.at += 2;
        return;
    }
    end_command(shell);
    shell->after_pipe = true;
    shell->text.at += shell_peek(&shell->text, 1) == '&' ? 2 : 1;
}

static void take_ampersand(struct shell *shell)
{
    if (shell_peek(&shell->text, 1) == '>') {
        redirect(shell);
        return;
    }
    end_pipeline(shell);
    shell->text.at++;
}

/* a=(…) is a list of words, nothing that is run. */
static void take_opening(struct shell *shell)
{
    const struct shell_word *last = shell->count > 0 ? &shell->words[shell->count - 1] : NULL;

    if (last != NULL && last->text[last->size - (last->size > 0)] == '=' &&
        shell_word_is_assignment(last)) {
        char *close = shell_closing_parenthesis(&shell->text, shell->text.at + 1);
        shell->text.at = close < shell->text.end ? close + 1 : close;
        return;
    }
    end_pipeline(shell);
    shell->text.at++;
}

static void take_something(struct shell *shell)
{
    switch (*shell->text.at) {
    case '\n':
        end_line(shell);
        break;
    case ';':
    case ')':
        end_pipeline(shell);
        shell->text.at++;
        break;
    case '(':
        take_opening(shell);
        break;
    case '|':
        take_pipe(shell);
        break;
    case '&':
        take_ampersand(shell);
        break;
    case '<':
    case '>':
        redirect(shell);
        break;
    case '#':
        while (shell->text.at < shell->text.end && *shell->text.at != '\n') {
            shell->text.at++;
        }
        break;
    default: {
        struct shell_word word = shell_take_word(&shell->text);
        add_word(shell, &word);
    }
    }
}

void guard_judge_shell(char *text, size_t size, unsigned depth, struct guard_finding *finding)
{
    if (depth >= GUARD_NESTING_MAX) {
        return;
    }
    struct shell shell = {
        .text = {.at = text, .end = text + size, .depth = depth, .finding = finding}};
    skip_blanks(&shell);
    while (shell.text.at < shell.text.end) {
        take_something(&shell);
        skip_blanks(&shell);
    }
    end_pipeline(&shell);
}

int guard_judge_shell_copy(const char *text, size_t size, unsigned depth,
                           struct guard_finding *finding)
{
    char *copy = size > 0 ? malloc(size) : NULL;

    if (copy == NULL) {
        return size > 0 ? -ENOMEM : 0;
    }
    memcpy(copy, text, size);
    guard_judge_shell(copy, size, depth, finding);
    free(copy);
    return 0;
}
