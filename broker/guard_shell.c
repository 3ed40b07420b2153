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
    char *at, *end;
    unsigned depth;
    struct guard_finding *finding;
    struct shell_word words[SHELL_WORDS_MAX];
    size_t count;
    unsigned pipeline; /* counts them */
    bool after_pipe;   /* nothing has followed it */
    struct shell_word feeds[SHELL_FEEDS_MAX];
    size_t feed_count;
    struct document documents[DOCUMENTS_MAX];
    size_t document_count;
};

static char peek(const struct shell *shell, size_t ahead)
{
    return ahead < (size_t)(shell->end - shell->at) ? shell->at[ahead] : '\0';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct shell *shell)
{
    while (is_blank(peek(shell, 0)) || (peek(shell, 0) == '\\' && peek(shell, 1) == '\n')) {
        shell->at += is_blank(*shell->at) ? 1 : 2;
    }
}

/* ---- words ---- */

/* Where the parenthesis that was opened before `at` is closed; the end when it is not. */
static char *closing_parenthesis(const struct shell *shell, char *at)
{
    unsigned depth = 1;
    char quote = '\0';

    for (; at < shell->end; at++) {
        if (*at == '\\' && quote != '\'') {
            at += at + 1 < shell->end ? 1 : 0;
        } else if (quote != '\0') {
            quote = *at == quote ? '\0' : quote;
        } else if (*at == '\'' || *at == '"' || *at == '`') {
            quote = *at;
        } else if (*at == '(') {
            depth++;
        } else if (*at == ')' && --depth == 0) {
            return at;
        }
    }
    return at;
}

static char *closing_backquote(const struct shell *shell, char *at)
{
    while (at < shell->end && *at != '`') {
        at += *at == '\\' && at + 1 < shell->end ? 2 : 1;
    }
    return at;
}

/* At $( or `: judges what it runs; a $ stands for what that prints. */
static char *take_substitution(struct shell *shell, char *to)
{
    bool backquote = *shell->at == '`';
    char *from = shell->at + (backquote ? 1 : 2);
    char *close = backquote ? closing_backquote(shell, from) : closing_parenthesis(shell, from);

    guard_judge_shell(from, (size_t)(close - from), shell->depth + 1, shell->finding);
    shell->at = close < shell->end ? close + 1 : close;
    *to = '$';
    return to + 1;
}

static bool is_substitution(const struct shell *shell)
{
    return peek(shell, 0) == '`' || (peek(shell, 0) == '$' && peek(shell, 1) == '(');
}

static char *take_single(struct shell *shell, char *to, bool escapes)
{
    for (shell->at++; shell->at < shell->end && *shell->at != '\''; shell->at++) {
        if (escapes && *shell->at == '\\' && shell->at + 1 < shell->end) {
            shell->at++;
            *to++ = *shell->at == 'n' ? '\n' : *shell->at;
        } else {
            *to++ = *shell->at;
        }
    }
    shell->at += shell->at < shell->end ? 1 : 0;
    return to;
}

static char *take_double(struct shell *shell, char *to)
{
    shell->at++;
    while (shell->at < shell->end && *shell->at != '"') {
        if (is_substitution(shell)) {
            to = take_substitution(shell, to);
        } else if (*shell->at == '\\' && peek(shell, 1) == '\n') {
            shell->at += 2;
        } else {
            shell->at += *shell->at == '\\' && peek(shell, 1) != '\0' &&
                                 strchr("\\\"$`", peek(shell, 1)) != NULL
                             ? 1
                             : 0;
            *to++ = *shell->at++;
        }
    }
    shell->at += shell->at < shell->end ? 1 : 0;
    return to;
}

/* ${name:-some words} */
static char *take_braces(struct shell *shell, char *to)
{
    while (shell->at < shell->end && *shell->at != '}') {
        if (is_substitution(shell)) {
            to = take_substitution(shell, to);
        } else {
            *to++ = *shell->at++;
        }
    }
    return to;
}

static char *take_escaped(struct shell *shell, char *to)
{
    shell->at++;
    if (peek(shell, 0) == '\n') {
        shell->at++;
    } else if (shell->at < shell->end) {
        *to++ = *shell->at++;
    }
    return to;
}

static char *take_some(struct shell *shell, char *to)
{
    if (is_substitution(shell)) {
        return take_substitution(shell, to);
    }
    switch (*shell->at) {
    case '\\':
        return take_escaped(shell, to);
    case '\'':
        return take_single(shell, to, false);
    case '"':
        return take_double(shell, to);
    case '$':
        if (peek(shell, 1) == '\'') {
            shell->at++;
            return take_single(shell, to, true);
        }
        if (peek(shell, 1) == '{') {
            return take_braces(shell, to);
        }
        break;
    default:
        break;
    }
    *to++ = *shell->at++;
    return to;
}

static bool ends_word(char c)
{
    return is_blank(c) || (c != '\0' && strchr("\n;&|()<>", c) != NULL);
}

static struct shell_word take_word(struct shell *shell)
{
    struct shell_word word = {.text = shell->at};
    char *to = shell->at;

    while (shell->at < shell->end && !ends_word(*shell->at)) {
        to = take_some(shell, to);
    }
    word.size = (size_t)(to - word.text);
    return word;
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
        shell_judge_input(reader, &shell->feeds[i], shell->depth + 1, shell->finding);
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
    struct shell_effect effect = shell_judge_command(&words, shell->depth, shell->finding);
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
    bool strips_tabs = peek(shell, 2) == '-';

    shell->at += strips_tabs ? 3 : 2;
    skip_blanks(shell);
    struct document document = {
        .delimiter = take_word(shell), .strips_tabs = strips_tabs, .pipeline = shell->pipeline};
    if (shell->document_count < DOCUMENTS_MAX && document.delimiter.size > 0) {
        shell->documents[shell->document_count++] = document;
    }
}

static void take_here_string(struct shell *shell)
{
    shell->at += 3;
    skip_blanks(shell);
    struct shell_word word = take_word(shell);
    feed(shell, &word);
}

static void redirect(struct shell *shell)
{
    if (peek(shell, 0) == '<' && peek(shell, 1) == '<') {
        if (peek(shell, 2) == '<') {
            take_here_string(shell);
        } else {
            announce_document(shell);
        }
        return;
    }
    while (peek(shell, 0) != '\0' && strchr("<>&|", peek(shell, 0)) != NULL) {
        shell->at++;
    }
    skip_blanks(shell);
    if (peek(shell, 0) != '(') {
        take_word(shell);
    }
}

/* ---- here-documents ---- */

/* The next line, without its end; the position moves behind it. */
static struct shell_word take_line(struct shell *shell)
{
    struct shell_word line = {.text = shell->at};
    char *newline = memchr(shell->at, '\n', (size_t)(shell->end - shell->at));

    shell->at = newline != NULL ? newline + 1 : shell->end;
    line.size = (size_t)((newline != NULL ? newline : shell->end) - line.text);
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
    struct shell_word body = {.text = shell->at};

    while (shell->at < shell->end) {
        struct shell_word line = take_line(shell);
        if (is_delimiter(document, line)) {
            break;
        }
        body.size = (size_t)(line.text + line.size - body.text);
    }
    if (document->reader != SHELL_READS_NOTHING) {
        shell_judge_input(document->reader, &body, shell->depth + 1, shell->finding);
    } else if (document->pipeline == shell->pipeline) {
        feed(shell, &body);
    }
}

static void end_line(struct shell *shell)
{
    end_pipeline(shell);
    shell->at++;
    for (size_t i = 0; i < shell->document_count; i++) {
        read_document(shell, &shell->documents[i]);
    }
    shell->document_count = 0;
}

/* ---- the text ---- */

static void take_pipe(struct shell *shell)
{
    if (peek(shell, 1) == '|') {
        end_pipeline(shell);
        shell->at += 2;
        return;
    }
    end_command(shell);
    shell->after_pipe = true;
    shell->at += peek(shell, 1) == '&' ? 2 : 1;
}

static void take_ampersand(struct shell *shell)
{
    if (peek(shell, 1) == '>') {
        redirect(shell);
        return;
    }
    end_pipeline(shell);
    shell->at++;
}

/* a=(…) is a list of words, nothing that is run. */
static void take_opening(struct shell *shell)
{
    const struct shell_word *last = shell->count > 0 ? &shell->words[shell->count - 1] : NULL;

    if (last != NULL && last->text[last->size - (last->size > 0)] == '=' &&
        shell_word_is_assignment(last)) {
        char *close = closing_parenthesis(shell, shell->at + 1);
        shell->at = close < shell->end ? close + 1 : close;
        return;
    }
    end_pipeline(shell);
    shell->at++;
}

static void take_something(struct shell *shell)
{
    switch (*shell->at) {
    case '\n':
        end_line(shell);
        break;
    case ';':
    case ')':
        end_pipeline(shell);
        shell->at++;
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
        while (shell->at < shell->end && *shell->at != '\n') {
            shell->at++;
        }
        break;
    default: {
        struct shell_word word = take_word(shell);
        add_word(shell, &word);
    }
    }
}

void guard_judge_shell(char *text, size_t size, unsigned depth, struct guard_finding *finding)
{
    if (depth >= GUARD_NESTING_MAX) {
        return;
    }
    struct shell shell = {.at = text, .end = text + size, .depth = depth, .finding = finding};
    skip_blanks(&shell);
    while (shell.at < shell.end) {
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
