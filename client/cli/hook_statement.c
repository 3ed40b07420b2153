/*
 * hook_statement.c - which statement a tool is about to run, from its input.
 *
 * Bash runs its command. Of tools of other servers it goes by the name of the argument, and where
 * that may be anything ("query", "command") by the name of the tool too: words that somebody
 * searches for are no statement. Our own tools are passed over: the broker sees what they do.
 */
#include "client/cli/hook.h"

#include <string.h>

#define OWN_TOOLS "mcp__memferry__"

static const struct {
    const char *argument, *language;
    bool is_telling; /* whatever the tool is called */
} arguments[] = {
    {"sql", "sql", true},     {"cypher", "cypher", true}, {"statement", "auto", true},
    {"query", "auto", false}, {"command", "auto", false},
};

static bool names_a_database(const char *tool)
{
    static const char *const words[] = {"sql",      "cypher", "neo4j", "postgres", "maria",
                                        "database", "duckdb", "graph", "_db",      "db_"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasestr(tool, words[i]) != NULL) {
            return true;
        }
    }
    return false;
}

struct hook_statement hook_statement_find(const char *tool, const struct memferry_node *input)
{
    struct hook_statement found = {0};

    if (strcmp(tool, "Bash") == 0) {
        found.text = memferry_node_string(memferry_node_get(input, "command"), NULL);
        found.language = "shell";
        return found;
    }
    if (strncmp(tool, OWN_TOOLS, strlen(OWN_TOOLS)) == 0) {
        return found;
    }
    for (size_t i = 0; found.text == NULL && i < sizeof arguments / sizeof arguments[0]; i++) {
        if (arguments[i].is_telling || names_a_database(tool)) {
            found.text =
                memferry_node_string(memferry_node_get(input, arguments[i].argument), NULL);
            found.language = arguments[i].language;
        }
    }
    return found;
}
