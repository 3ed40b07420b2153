/*
 * guard_shell_take.c - one word of a shell's text, unquoted where it stands.
 *
 * What is unquoted is never longer than what it was, so it is written over it. Nothing is expanded:
 * $ stands for what a command would print.
 */
#include "broker/guard_shell.h"

#include <string.h>

char shell_peek(const struct shell_text *text, size_t ahead)
{
    return (char)(ahead < (size_t)(text->end - text->at) ? text->at[ahead] : '\0');
}

bool shell_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

char *shell_closing_parenthesis(const struct shell_text *text, char *at)
{
    unsigned depth = 1;
    char quote = '\0';

    for (; at < text->end; at++) {
        if (*at == '\\' && quote != '\'') {
            at += at + 1 < text->end ? 1 : 0;
        } else if (quote != '\0') {
            quote = (char)(*at == quote ? '\0' : quote);
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

static char *closing_backquote(const struct shell_text *text, char *at)
{
    while (at < text->end && *at != '`') {
        at += *at == '\\' && at + 1 < text->end ? 2 : 1;
    }
    return at;
}

/* At $( or `: judges what it runs; a $ stands for what that prints. */
static char *take_substitution(struct shell_text *text, char *to)
{
    bool backquote = *text->at == '`';
    char *from = text->at + (backquote ? 1 : 2);
    char *close = backquote ? closing_backquote(text, from) : shell_closing_parenthesis(text, from);

    guard_judge_shell(from, (size_t)(close - from), text->depth + 1, text->finding);
    text->at = close < text->end ? close + 1 : close;
    *to = '$';
    return to + 1;
}

static bool is_substitution(const struct shell_text *text)
{
    return shell_peek(text, 0) == '`' || (shell_peek(text, 0) == '$' && shell_peek(text, 1) == '(');
}

static char *take_single(struct shell_text *text, char *to, bool escapes)
{
    for (text->at++; text->at < text->end && *text->at != '\''; text->at++) {
        if (escapes && *text->at == '\\' && text->at + 1 < text->end) {
            text->at++;
            *to++ = (char)(*text->at == 'n' ? '\n' : *text->at);
        } else {
            *to++ = *text->at;
        }
    }
    text->at += text->at < text->end ? 1 : 0;
    return to;
}

static char *take_double(struct shell_text *text, char *to)
{
    text->at++;
    while (text->at < text->end && *text->at != '"') {
        if (is_substitution(text)) {
            to = take_substitution(text, to);
        } else if (*text->at == '\\' && shell_peek(text, 1) == '\n') {
            text->at += 2;
        } else {
            text->at += *text->at == '\\' && shell_peek(text, 1) != '\0' &&
                                strchr("\\\"$`", shell_peek(text, 1)) != NULL
                            ? 1
                            : 0;
            *to++ = *text->at++;
        }
    }
    text->at += text->at < text->end ? 1 : 0;
    return to;
}

/* ${name:-some words} */
static char *take_braces(struct shell_text *text, char *to)
{
    while (text->at < text->end && *text->at != '}') {
        if (is_substitution(text)) {
            to = take_substitution(text, to);
        } else {
            *to++ = *text->at++;
        }
    }
    return to;
}

static char *take_escaped(struct shell_text *text, char *to)
{
    text->at++;
    if (shell_peek(text, 0) == '\n') {
        text->at++;
    } else if (text->at < text->end) {
        *to++ = *text->at++;
    }
    return to;
}

static char *take_some(struct shell_text *text, char *to)
{
    if (is_substitution(text)) {
        return take_substitution(text, to);
    }
    switch (*text->at) {
    case '\\':
        return take_escaped(text, to);
    case '\'':
        return take_single(text, to, false);
    case '"':
        return take_double(text, to);
    case '$':
        if (shell_peek(text, 1) == '\'') {
            text->at++;
            return take_single(text, to, true);
        }
        if (shell_peek(text, 1) == '{') {
            return take_braces(text, to);
        }
        break;
    default:
        break;
    }
    *to++ = *text->at++;
    return to;
}

static bool ends_word(char c)
{
    return shell_is_blank(c) || (c != '\0' && strchr("\n;&|()<>", c) != NULL);
}

struct shell_word shell_take_word(struct shell_text *text)
{
    struct shell_word word = {.text = text->at};
    char *to = text->at;

    while (text->at < text->end && !ends_word(*text->at)) {
        to = take_some(text, to);
    }
    word.size = (size_t)(to - word.text);
    return word;
}
