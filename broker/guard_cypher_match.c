/*
 * guard_cypher_match.c - what a MATCH binds, what makes it conditioned, and what is then changed.
 */
#include "broker/guard_cypher.h"

#include <string.h>

/* ---- variables ---- */

static struct variable *find_variable(struct cypher_judge *judge, const struct guard_token *name)
{
    for (size_t i = 0; i < judge->variable_count; i++) {
        struct variable *variable = &judge->variables[i];
        if (variable->size == name->size && memcmp(variable->text, name->text, name->size) == 0) {
            return variable;
        }
    }
    return NULL;
}

/* A variable in a pattern: what it is bound to before ties the path. */
static void see_variable(struct cypher_judge *judge)
{
    struct variable *variable = find_variable(judge, &judge->token);

    if (variable != NULL) {
        judge->path_conditioned |= variable->conditioned;
    } else if (judge->variable_count < VARIABLES_MAX) {
        variable = &judge->variables[judge->variable_count++];
        *variable = (struct variable){.text = judge->token.text,
                                      .size = judge->token.size,
                                      .conditioned = judge->clause == CLAUSE_MAKE};
    }
    if (variable != NULL) {
        variable->path = judge->path;
    }
}

void cypher_end_path(struct cypher_judge *judge)
{
    if (judge->path_conditioned && judge->clause == CLAUSE_MATCH) {
        judge->is_conditioned = true;
        for (size_t i = 0; i < judge->variable_count; i++) {
            judge->variables[i].conditioned |= judge->variables[i].path == judge->path;
        }
    }
    judge->path++;
    judge->path_conditioned = false;
}

static void changed(struct cypher_judge *judge, const struct guard_token *name, const char *what)
{
    const struct variable *variable = find_variable(judge, name);
    bool is_mass =
        variable != NULL ? !variable->conditioned : judge->matches && !judge->is_conditioned;

    if (is_mass && !judge->explains) {
        guard_found_mass_statement(judge->finding, what);
    }
}

/* ---- WHERE ---- */

static bool shares_a_path(const struct cypher_judge *judge, const struct variable *variable)
{
    for (size_t i = 0; i < judge->variable_count; i++) {
        if (judge->variables[i].was_named && judge->variables[i].path == variable->path) {
            return true;
        }
    }
    return false;
}

void cypher_end_where(struct cypher_judge *judge)
{
    bool names_any = false;

    if (guard_condition_end(&judge->condition) == GUARD_ALWAYS) {
        return;
    }
    judge->is_conditioned = true;
    for (size_t i = 0; i < judge->variable_count; i++) {
        names_any |= judge->variables[i].was_named;
    }
    for (size_t i = 0; i < judge->variable_count; i++) {
        struct variable *variable = &judge->variables[i];
        variable->conditioned |= !names_any || shares_a_path(judge, variable);
    }
}

void cypher_begin_where(struct cypher_judge *judge)
{
    guard_condition_init(&judge->condition);
    for (size_t i = 0; i < judge->variable_count; i++) {
        judge->variables[i].was_named = false;
    }
}

void cypher_feed_where(struct cypher_judge *judge)
{
    if (judge->token.kind == GUARD_TOKEN_WORD || judge->token.kind == GUARD_TOKEN_NAME) {
        struct variable *variable = find_variable(judge, &judge->token);
        if (variable != NULL && !guard_token_is_sign(&judge->last, '.')) {
            variable->was_named = true;
        }
    }
    guard_condition_feed(&judge->condition, &judge->token);
}

/* ---- patterns ---- */

static void feed_map(struct cypher_judge *judge)
{
    if (guard_token_is_sign(&judge->token, '{')) {
        judge->map_depth++;
    } else if (guard_token_is_sign(&judge->token, '}')) {
        judge->map_depth--;
        judge->path_conditioned |= judge->map_is_filled && judge->pattern_depth > 0; /* no {1,5} */
    } else {
        judge->map_is_filled = true;
    }
}

static void feed_pattern_sign(struct cypher_judge *judge)
{
    switch (judge->token.text[0]) {
    case '(':
    case '[':
        judge->pattern_depth++;
        break;
    case ')':
    case ']':
        judge->pattern_depth -= judge->pattern_depth > 0;
        break;
    case '{':
        judge->map_depth = 1;
        judge->map_is_filled = false;
        break;
    case ',':
        if (judge->pattern_depth == 0) {
            cypher_end_path(judge);
        }
        break;
    default:
        break;
    }
}

static bool is_parameter(const struct guard_token *token)
{
    return token->kind == GUARD_TOKEN_WORD && token->text[0] == '$';
}

void cypher_feed_pattern(struct cypher_judge *judge)
{
    bool opens = guard_token_is_sign(&judge->last, '(') || guard_token_is_sign(&judge->last, '[');

    if (judge->map_depth > 0) {
        feed_map(judge);
    } else if (judge->token.kind == GUARD_TOKEN_SIGN) {
        feed_pattern_sign(judge);
    } else if (judge->pattern_depth > 0 && guard_token_is_name(&judge->token)) {
        if (is_parameter(&judge->token) || guard_token_is(&judge->token, "WHERE")) {
            judge->path_conditioned = true; /* (n $props), (n WHERE n.x = 1) */
        } else if (opens) {
            see_variable(judge);
        }
    }
}

/* ---- DELETE, SET, REMOVE ---- */

void cypher_feed_delete(struct cypher_judge *judge)
{
    if (guard_token_is_name(&judge->token) && !guard_token_is_sign(&judge->last, '.') &&
        !guard_token_is_sign(&judge->last, ':')) {
        changed(judge, &judge->token, "DELETE without a condition");
    }
}

void cypher_feed_set(struct cypher_judge *judge)
{
    if (guard_token_is_sign(&judge->token, ',') && judge->pattern_depth == 0) {
        judge->wants_target = true;
    } else if (judge->token.kind == GUARD_TOKEN_SIGN && strchr("([{", judge->token.text[0])) {
        judge->pattern_depth++;
    } else if (judge->token.kind == GUARD_TOKEN_SIGN && strchr(")]}", judge->token.text[0])) {
        judge->pattern_depth -= judge->pattern_depth > 0;
    } else if (judge->wants_target && guard_token_is_name(&judge->token)) {
        judge->wants_target = false;
        changed(judge, &judge->token, "SET or REMOVE without a condition");
    }
}
