/*
 * doctor_agents.c - checks of the settings of Claude Code, where that is in use: are the hooks
 * there, and whole, and can what they name be run; are the tools there?
 *
 * Failure modes: a file that is not there, is too large or is no JSON tells nothing.
 */
#include "client/heavy/doctor.h"
#include "client/heavy/hook/settings.h"
#include "client/heavy/program.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SETTINGS_SIZE ((size_t)4 << 20)
#define TOOLS_COMMAND "claude mcp add memferry -- memferry mcp"

struct agents {
    struct doctor *doctor;
    char directory[PATH_MAX]; /* of the user's settings */
    char hooks[PATH_MAX];     /* where they are; "": nowhere */
    char command[PATH_MAX];   /* of one of them */
    size_t events;            /* that have one */
    char tools[PATH_MAX];     /* as hooks */
};

/* ---- files ---- */

/* The caller's; NULL: it can't be read, or is too large. */
static char *read_text(const char *path)
{
    char *text = malloc(SETTINGS_SIZE + 1);
    FILE *file = text != NULL ? fopen(path, "re") : NULL;
    size_t size = file != NULL ? fread(text, 1, SETTINGS_SIZE, file) : 0;

    if (file != NULL) {
        fclose(file);
    }
    if (size == 0 || size == SETTINGS_SIZE) {
        free(text);
        return NULL;
    }
    text[size] = '\0';
    return text;
}

/* The caller's; NULL: none that can be read. */
static struct memferry_reply *read_json(struct agents *agents, const char *path)
{
    char *text = read_text(path);
    struct memferry_reply *reply = NULL;

    if (text != NULL && memferry_parse_json(agents->doctor->cli->m, text, &reply) != MEMFERRY_OK) {
        memferry_reply_free(reply);
        reply = NULL;
    }
    free(text);
    return reply;
}

/* ---- hooks ---- */

/* Of an event: [{"hooks": [{"command": …}]}] */
static bool event_has_ours(struct agents *agents, const struct memferry_node *event)
{
    for (size_t i = 0; i < memferry_node_count(event); i++) {
        const struct memferry_node *hooks = memferry_node_get(memferry_node_at(event, i), "hooks");
        for (size_t k = 0; k < memferry_node_count(hooks); k++) {
            const char *command = field_text(memferry_node_at(hooks, k), "command");
            if (settings_is_ours(command)) {
                snprintf(agents->command, sizeof agents->command, "%s", command);
                return true;
            }
        }
    }
    return false;
}

static void look_for_hooks(struct agents *agents, const char *path)
{
    struct memferry_reply *reply = agents->hooks[0] == '\0' ? read_json(agents, path) : NULL;
    const struct memferry_node *hooks = memferry_node_get(memferry_reply_root(reply), "hooks");
    size_t events = 0;

    for (size_t i = 0; i < memferry_node_count(hooks); i++) {
        events += event_has_ours(agents, memferry_node_at(hooks, i));
    }
    if (events > 0) {
        agents->events = events;
        snprintf(agents->hooks, sizeof agents->hooks, "%s", path);
    }
    memferry_reply_free(reply);
}

/* Whether what a hook runs is there: 'PATH' hook, or NAME hook. */
static bool command_is_there(const char *command)
{
    bool quoted = command[0] == '\'';
    char name[PATH_MAX], path[PATH_MAX];

    snprintf(name, sizeof name, "%.*s", (int)strcspn(command + quoted, quoted ? "'" : " "),
             command + quoted);
    return strchr(name, '/') != NULL ? access(name, X_OK) == 0 : program_in_path(name, path);
}

/* ---- tools ---- */

/* {"memferry": {"command": "memferry", "args": ["mcp"]}} */
static bool servers_have_ours(const struct memferry_node *servers)
{
    for (size_t i = 0; i < memferry_node_count(servers); i++) {
        const struct memferry_node *server = memferry_node_at(servers, i);
        const char *command = field_text(server, "command"), *slash = strrchr(command, '/');
        const char *word =
            memferry_node_string(memferry_node_at(memferry_node_get(server, "args"), 0), "");
        if (strcmp(slash != NULL ? slash + 1 : command, "memferry") == 0 &&
            strcmp(word, "mcp") == 0) {
            return true;
        }
    }
    return false;
}

static void look_for_tools(struct agents *agents, const char *path)
{
    struct memferry_reply *reply = agents->tools[0] == '\0' ? read_json(agents, path) : NULL;
    const struct memferry_node *root = memferry_reply_root(reply);
    const struct memferry_node *projects = memferry_node_get(root, "projects");
    bool found = servers_have_ours(memferry_node_get(root, "mcpServers"));

    for (size_t i = 0; !found && i < memferry_node_count(projects); i++) {
        found = servers_have_ours(memferry_node_get(memferry_node_at(projects, i), "mcpServers"));
    }
    if (found) {
        snprintf(agents->tools, sizeof agents->tools, "%s", path);
    }
    memferry_reply_free(reply);
}

/* ---- told ---- */

static void tell(struct agents *agents)
{
    struct doctor *doctor = agents->doctor;
    bool has_hooks = agents->hooks[0] != '\0', has_tools = agents->tools[0] != '\0';

    if (has_hooks && !command_is_there(agents->command)) {
        doctor_tell(doctor, DOCTOR_TODO, "agents", "memferry hook install",
                    "the hooks in %s run %s, and there is no such program", agents->hooks,
                    agents->command);
    } else if (has_hooks && agents->events < SETTINGS_EVENTS) {
        doctor_tell(doctor, DOCTOR_NOTE, "agents", "memferry hook install",
                    "%zu of %d hooks are in %s", agents->events, SETTINGS_EVENTS, agents->hooks);
    } else if (has_hooks) {
        doctor_tell(doctor, DOCTOR_OK, "agents", NULL, "hooks are in %s", agents->hooks);
    }
    if (has_tools) {
        doctor_tell(doctor, DOCTOR_OK, "agents", NULL, "tools (MCP) are in %s", agents->tools);
    } else if (!has_hooks) {
        doctor_tell(doctor, DOCTOR_NOTE, "agents", "memferry hook install",
                    "there is %s, but neither hooks nor tools of memferry are set up; the tools: "
                    "%s",
                    agents->directory, TOOLS_COMMAND);
    }
}

/* Where the user's settings are, and the file that has his tools. False: there are none. */
static bool name_files(struct agents *agents, char *tools, size_t size)
{
    const char *home = getenv("HOME"), *named = getenv("CLAUDE_CONFIG_DIR");
    bool is_named = named != NULL && named[0] != '\0';

    if (!is_named && (home == NULL || home[0] != '/')) {
        return false;
    }
    int length = snprintf(agents->directory, sizeof agents->directory, "%s%s",
                          is_named ? named : home, is_named ? "" : "/.claude");
    int tools_length = snprintf(tools, size, "%s/.claude.json", is_named ? named : home);
    return length < (int)sizeof agents->directory && tools_length < (int)size &&
           access(agents->directory, F_OK) == 0;
}

void doctor_check_agents(struct doctor *doctor)
{
    struct agents agents = {.doctor = doctor};
    char settings[PATH_MAX + 32], tools[PATH_MAX];

    if (!name_files(&agents, tools, sizeof tools)) {
        return;
    }
    snprintf(settings, sizeof settings, "%s/settings.json", agents.directory);
    look_for_hooks(&agents, settings);
    look_for_hooks(&agents, ".claude/settings.json");
    look_for_hooks(&agents, ".claude/settings.local.json");
    look_for_tools(&agents, tools);
    look_for_tools(&agents, ".mcp.json");
    tell(&agents);
}
