/* guard_condition.c - see guard_condition.h. */
#include "broker/guard_condition.h"

#include <string.h>

/* ---- truths ---- */

static enum guard_truth both(enum guard_truth a, enum guard_truth b)
{
    if (a == GUARD_NEVER || b == GUARD_NEVER) {
        return GUARD_NEVER;
    }
    return a == GUARD_ALWAYS && b == GUARD_ALWAYS ? GUARD_ALWAYS : GUARD_DEPENDS;
}

static enum guard_truth either(enum guard_truth a, enum guard_truth b)
{
    if (a == GUARD_ALWAYS || b == GUARD_ALWAYS) {
        return GUARD_ALWAYS;
    }
    return a == GUARD_NEVER && b == GUARD_NEVER ? GUARD_NEVER : GUARD_DEPENDS;
}

static enum guard_truth truth_of(bool holds)
{
    return holds ? GUARD_ALWAYS : GUARD_NEVER;
}

static enum guard_truth negated(enum guard_truth truth)
{
    return truth == GUARD_DEPENDS ? truth : truth_of(truth == GUARD_NEVER);
}

/* ---- one term ---- */

/* Digits and at most one point; enough to compare what people write. */
static double number_of(const struct guard_operand *operand)
{
    double value = 0, place = 0;

    for (size_t i = 0; i < operand->size && i < 32; i++) {
        char c = operand->text[i];
        if (c == '.') {
            place = 1;
        } else if (c >= '0' && c <= '9') {
            value = value * 10 + (c - '0');
            place *= 10;
        }
    }
    return place > 1 ? value / place : value;
}

static bool same_text(const struct guard_operand *a, const struct guard_operand *b)
{
    return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

static bool is_operation(const struct guard_term *term, const char *operation)
{
    return term->operation_size == strlen(operation) &&
           memcmp(term->operation, operation, term->operation_size) == 0;
}

static bool is_any_pattern(const struct guard_operand *operand)
{
    if (operand->kind != GUARD_TOKEN_STRING || operand->size == 0) {
        return false;
    }
    for (size_t i = 0; i < operand->size; i++) {
        if (operand->text[i] != '%') {
            return false;
        }
    }
    return true;
}

static enum guard_truth compared(const struct guard_term *term, int order)
{
    if (is_operation(term, "=") || is_operation(term, "==") || is_operation(term, "<=>")) {
        return truth_of(order == 0);
    }
    if (is_operation(term, "<>") || is_operation(term, "!=")) {
        return truth_of(order != 0);
    }
    if (is_operation(term, "<") || is_operation(term, "<=")) {
        return truth_of(order < 0 || (order == 0 && term->operation_size == 2));
    }
    if (is_operation(term, ">") || is_operation(term, ">=")) {
        return truth_of(order > 0 || (order == 0 && term->operation_size == 2));
    }
    return GUARD_ALWAYS; /* of constants, somehow */
}

static enum guard_truth comparison(const struct guard_term *term)
{
    const struct guard_operand *a = &term->operands[0], *b = &term->operands[1];

    if (is_operation(term, "LIKE") && is_any_pattern(b)) {
        return GUARD_ALWAYS;
    }
    if (a->kind == GUARD_TOKEN_SIGN || b->kind == GUARD_TOKEN_SIGN) {
        return GUARD_DEPENDS;
    }
    if (term->names_something) {
        return a->kind != GUARD_TOKEN_STRING && b->kind != GUARD_TOKEN_STRING && same_text(a, b)
                   ? compared(term, 0)
                   : GUARD_DEPENDS;
    }
    if (a->kind == GUARD_TOKEN_NUMBER && b->kind == GUARD_TOKEN_NUMBER) {
        double x = number_of(a), y = number_of(b);
        return compared(term, x < y ? -1 : x > y);
    }
    return compared(term, same_text(a, b) ? 0 : 1);
}

static enum guard_truth alone(const struct guard_operand *operand)
{
    switch (operand->kind) {
    case GUARD_TOKEN_NUMBER:
        return truth_of(number_of(operand) != 0);
    case GUARD_TOKEN_STRING:
        return GUARD_ALWAYS;
    case GUARD_TOKEN_SIGN:
        return operand->truth;
    default:
        return GUARD_DEPENDS;
    }
}

static enum guard_truth term_truth(const struct guard_term *term)
{
    enum guard_truth truth = term->names_something ? GUARD_DEPENDS : GUARD_ALWAYS;

    if (term->count == 0) {
        return GUARD_DEPENDS;
    }
    if (!term->is_complex && term->count == 1 && term->operation_size == 0) {
        truth = alone(&term->operands[0]);
    } else if (!term->is_complex && term->count == 2 && term->operation_size > 0) {
        truth = comparison(term);
    }
    return term->negated ? negated(truth) : truth;
}

/* ---- tokens ---- */

static void level_init(struct guard_level *level)
{
    *level = (struct guard_level){.any = GUARD_NEVER, .all = GUARD_ALWAYS};
}

void guard_condition_init(struct guard_condition *condition)
{
    condition->depth = condition->too_deep = 0;
    condition->after_name = condition->after_dot = false;
    level_init(&condition->levels[0]);
}

static void end_term(struct guard_level *level)
{
    level->all = both(level->all, term_truth(&level->term));
    level->term = (struct guard_term){0};
}

static void end_part(struct guard_level *level)
{
    end_term(level);
    level->any = either(level->any, level->all);
    level->all = GUARD_ALWAYS;
}

static void add_operand(struct guard_term *term, const struct guard_operand *operand)
{
    if (term->count == 2) {
        term->is_complex = true;
        return;
    }
    term->operands[term->count++] = *operand;
}

static void add_operation(struct guard_term *term, const char *text, size_t size)
{
    if (term->operation_size + size > sizeof term->operation || term->count != 1) {
        term->is_complex = true;
        return;
    }
    memcpy(term->operation + term->operation_size, text, size);
    term->operation_size += size;
}

/* a.b is one name; of anything else, (a).b or true.b, nobody knows the value. */
static void add_property(struct guard_term *term, const struct guard_token *token)
{
    struct guard_operand *last = &term->operands[term->count - 1];

    if (last->kind == GUARD_TOKEN_WORD || last->kind == GUARD_TOKEN_NAME) {
        last->size = (size_t)(token->text + token->size - last->text);
        return;
    }
    term->names_something = true;
    term->is_complex = true;
}

static void add_token_operand(struct guard_condition *condition, const struct guard_token *token)
{
    struct guard_term *term = &condition->levels[condition->depth].term;
    struct guard_operand operand = {.kind = token->kind, .text = token->text, .size = token->size};

    if (condition->after_dot && term->count > 0) {
        add_property(term, token);
        return;
    }
    if (guard_token_is_name(token)) {
        term->names_something = true;
    }
    add_operand(term, &operand);
}

static void add_truth(struct guard_term *term, bool holds)
{
    const struct guard_operand operand = {
        .kind = GUARD_TOKEN_NUMBER, .text = holds ? "1" : "0", .size = 1};

    add_operand(term, &operand);
}

static void open_level(struct guard_condition *condition)
{
    if (condition->depth + 1 == GUARD_CONDITION_DEPTH) {
        condition->too_deep++;
        condition->levels[condition->depth].term.names_something = true;
        condition->levels[condition->depth].term.is_complex = true;
        return;
    }
    condition->depth++;
    level_init(&condition->levels[condition->depth]);
    condition->levels[condition->depth].is_call = condition->after_name;
}

static void close_level(struct guard_condition *condition)
{
    if (condition->too_deep > 0) {
        condition->too_deep--;
        return;
    }
    if (condition->depth == 0) {
        return;
    }
    struct guard_level *level = &condition->levels[condition->depth];
    end_part(level);
    struct guard_operand operand = {.kind = GUARD_TOKEN_SIGN, .truth = level->any};
    struct guard_term *outer = &condition->levels[--condition->depth].term;
    if (level->is_call || level->any == GUARD_DEPENDS) {
        outer->names_something = true;
    }
    if (level->is_call) {
        outer->is_complex = true;
    }
    add_operand(outer, &operand);
}

static void feed_sign(struct guard_condition *condition, const struct guard_token *token)
{
    struct guard_term *term = &condition->levels[condition->depth].term;
    char sign = token->text[0];

    if (strchr("([{", sign) != NULL) {
        open_level(condition);
    } else if (strchr(")]}", sign) != NULL) {
        close_level(condition);
    } else if (strchr("=<>!~", sign) != NULL) {
        add_operation(term, &sign, 1);
    } else if (sign == '?') {
        term->names_something = true;
        term->is_complex = true;
        term->count += term->count == 0;
    } else if (sign != '.') {
        term->is_complex = true;
    }
}

/* True: it was a word of conditions, not a name. */
static bool feed_keyword(struct guard_condition *condition, const struct guard_token *token)
{
    static const char *const matches[] = {"LIKE", "ILIKE", "RLIKE", "GLOB", "SIMILAR", NULL};
    static const char *const operators[] = {"IS", "IN", "EXISTS", "ANY", "ALL", "XOR", NULL};
    static const char *const queries[] = {"SELECT", "VALUES", "WITH", "MATCH", NULL};
    struct guard_level *level = &condition->levels[condition->depth];

    if (guard_token_is(token, "AND") && level->term.in_between) {
        level->term.in_between = false;
    } else if (guard_token_is(token, "AND")) {
        end_term(level);
    } else if (guard_token_is(token, "OR")) {
        end_part(level);
    } else if (guard_token_is(token, "NOT")) {
        level->term.negated = !level->term.negated;
    } else if (guard_token_is(token, "BETWEEN")) {
        level->term.in_between = level->term.is_complex = true;
    } else if (guard_token_is(token, "TRUE") || guard_token_is(token, "FALSE") ||
               guard_token_is(token, "NULL")) {
        add_truth(&level->term, guard_token_is(token, "TRUE"));
    } else if (guard_token_in(token, matches)) {
        add_operation(&level->term, "LIKE", 4);
    } else if (guard_token_in(token, operators)) {
        level->term.is_complex = true;
        condition->after_name = true;
        return true;
    } else if (guard_token_in(token, queries)) {
        level->is_call = true;
    } else {
        return false;
    }
    condition->after_name = false;
    return true;
}

void guard_condition_feed(struct guard_condition *condition, const struct guard_token *token)
{
    if (condition->too_deep > 0 && token->kind != GUARD_TOKEN_SIGN) {
        return;
    }
    if (token->kind == GUARD_TOKEN_SIGN) {
        feed_sign(condition, token);
        condition->after_name = false;
        condition->after_dot = token->text[0] == '.';
        return;
    }
    if (condition->after_dot || token->kind != GUARD_TOKEN_WORD ||
        !feed_keyword(condition, token)) {
        add_token_operand(condition, token);
        condition->after_name = guard_token_is_name(token);
    }
    condition->after_dot = false;
}

bool guard_condition_is_flat(const struct guard_condition *condition)
{
    return condition->depth == 0 && condition->too_deep == 0;
}

enum guard_truth guard_condition_end(struct guard_condition *condition)
{
    while (!guard_condition_is_flat(condition)) {
        close_level(condition);
    }
    end_part(&condition->levels[0]);
    return condition->levels[0].any;
}
