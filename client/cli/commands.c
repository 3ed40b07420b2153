/* commands.c - the table of commands: everything help and the parser know. */
#include "client/cli/commands.h"

#include "client/cli/cmd_export.h"
#include "client/cli/cmd_ops.h"
#include "client/cli/cmd_undo.h"
#include "client/cli/suggest.h"

#include <string.h>

const struct option global_options[] = {
    {"socket", "PATH", "where the broker listens"},
    {"json", NULL, "results as JSON, one object a line, and errors too"},
    {"timeout", "TIME", "wait for an answer as long as this: 500ms, 30s, 5m (default 30s)"},
    {"no-start", NULL, "do not start a broker when none runs"},
    {"quiet", NULL, "print nothing but what was asked for, and errors"},
    {"help", NULL, "show the help of the command"},
    {NULL, NULL, NULL}};

static const struct option put_options[] = {
    {"id", "ID", "of the memory; without it a new one is made"},
    {"kind", "KIND", "such as fact, decision or episode (default note)"},
    {"tag", "TAG", "may be repeated; the tags given replace those there are"},
    {"prop", "NAME=VALUE", "may be repeated; true, 12 and 1.5 keep their type"},
    {"session", "UUID", "that it belongs to (default: the one in force; see memferry session)"},
    {"expect", "VERSION", "fail unless it has this version; 0: it must not exist"},
    {"wait", NULL, "until every backend has it, at most --timeout"},
    {"from-json", "FILE", "put each line of FILE (- is stdin), a JSON object each"},
    {NULL, NULL, NULL}};

static const struct option get_options[] = {{"version", "N", "as it was at that version"},
                                            {"content", NULL, "only its content"},
                                            {NULL, NULL, NULL}};

/* Which memories: of list and search. */
/* clang-format off */
#define MEMORY_FILTERS \
    {"kind", "KIND", "only of this kind"}, \
    {"tag", "TAG", "only with this tag"}, \
    {"session", "UUID", "only of this session"}, \
    {"since", "TIME", "changed since then: 2h (ago), or 2026-01-31T08:00:00Z"}, \
    {"until", "TIME", "changed until then"}, \
    {"deleted", "[=only]", "deleted ones too, or only them"}
/* clang-format on */

static const struct option list_options[] = {MEMORY_FILTERS,
                                             {"limit", "N", "at most this many (default 50)"},
                                             {"after", "PLACE", "go on where another list ended"},
                                             {"all", NULL, "every one, page by page"},
                                             {NULL, NULL, NULL}};

static const struct option search_options[] = {{"mode", "MODE", "auto (default), text or semantic"},
                                               {"limit", "N", "at most this many (default 10)"},
                                               MEMORY_FILTERS,
                                               {NULL, NULL, NULL}};

static const struct option delete_options[] = {{"reason", "TEXT", "why; it is kept in the history"},
                                               {NULL, NULL, NULL}};

static const struct option verify_options[] = {
    {"repair", NULL, "send again what is missing, older, changed or deleted there"},
    {NULL, NULL, NULL}};

static const struct option recover_options[] = {
    {"from", "BACKEND", "whose memories to bring back"},
    {"merge", NULL, "though there are memories here"},
    {"abandon", NULL, "give up a recovery that was stopped"},
    {NULL, NULL, NULL}};

static const struct option backup_options[] = {{"force", NULL, "replace what has that name"},
                                               {NULL, NULL, NULL}};

static const struct option guard_options[] = {
    {"language", "LANGUAGE", "sql, cypher, shell or auto (default auto)"},
    {"source", "TEXT", "who saw it, such as the name of a hook"},
    {"session", "UUID", "whose statement it is (default the session in force)"},
    {NULL, NULL, NULL}};

static const struct option dead_options[] = {{"backend", "NAME", "only of this backend"},
                                             {"all", NULL, "every one (retry and drop)"},
                                             {NULL, NULL, NULL}};

static const struct option alert_options[] = {
    {"rule", "RULE", "only of this rule, such as rapid-delete"},
    {"session", "UUID", "only of this session"},
    {"since", "TIME", "that went on since then: 2h (ago), or 2026-01-31T08:00:00Z"},
    {"until", "TIME", "that went on until then"},
    {"acked", "[=only]", "those that were acked too, or only them"},
    {"limit", "N", "at most this many"},
    {"all", NULL, "every one that is open (ack)"},
    {NULL, NULL, NULL}};

static const struct option webhook_options[] = {
    {"secret-env", "NAME", "variable that holds the secret (default MEMORY_WEBHOOK_TOKEN)"},
    {"secret-file", "FILE", "file that holds it; of both options two may be given"},
    {"signature-header", "NAME", "for the hash of the body (default X-Signature-256)"},
    {"id", "ID", "sign: the webhook-id; without it a new one"},
    {"timestamp", "SECONDS", "sign: as of that time since 1970, not now"},
    {"header", "NAME:VALUE", "verify: a header that came; may be repeated"},
    {"headers", "FILE", "verify: all that came, a line each"},
    {"now", "SECONDS", "verify: as if it were that time"},
    {NULL, NULL, NULL}};

static const struct option hook_options[] = {
    {"agent", "NAME", "who the session is of (default claude)"},
    {"user", NULL, "install, remove: the user's settings (default)"},
    {"project", NULL, "install, remove: .claude/settings.json here"},
    {"settings", "FILE", "install, remove: another file"},
    {"dry-run", NULL, "install, remove: only show the change"},
    {"yes", NULL, "install, remove: do not ask"},
    {NULL, NULL, NULL}};

static const struct option mcp_options[] = {
    {"session", "UUID", "that memories belong to (default: the one in force)"},
    {"project", "NAME",
     "new memories get the tag project:NAME (default: by directory; \"\": none)"},
    {NULL, NULL, NULL}};

static const struct option plugin_options[] = {
    {"kind", "KIND", "new: sink (the default), embedder or alerts"},
    {"option", "NAME=VALUE", "check: an option as in the config; may be repeated"},
    {"place", "NAME", "check: the option that is a server's address, http://HOST:PORT/..."},
    {"limit", "TIME", "check: how long a cancelled call may take to end (default 2s)"},
    {"verbose", NULL, "check: what the plugin logs goes to stderr"},
    {NULL, NULL, NULL}};

static const struct option session_options[] = {
    {"agent", "NAME", "who it is (begin, run), or only of this one (list)"},
    {"pid", "N", "the process that it ends with (begin)"},
    {"reason", "TEXT", "why; it is kept (end)"},
    {"peek", NULL, "only look: begin none, and use none (current)"},
    {"active", NULL, "only those that have not ended (list)"},
    {"limit", "N", "at most this many (list; default 100)"},
    {"after", "PLACE", "go on where another list ended (list)"},
    {NULL, NULL, NULL}};

static const struct option ui_options[] = {
    {"port", "N", "where to listen on 127.0.0.1 (default: one that is free)"}, {NULL, NULL, NULL}};

const struct command commands[] = {
    {.group = "Memories",
     .name = "put",
     .synopsis = "[OPTIONS] CONTENT... | - | --from-json FILE",
     .summary = "Store a memory, or change one",
     .text =
         "Returns when the memory is on disk, and prints its id. What is not given stays as it\n"
         "is; NAME:=JSON sets a property exactly, and NAME:=null removes it.\n",
     .examples = "  memferry put Tea is at four\n"
                 "  memferry put --id tea --kind fact --tag habits --prop sugar=2 \"Tea is at "
                 "four\"\n"
                 "  memferry put --id tea --prop sugar:=null\n"
                 "  git log -1 | memferry put --kind episode -\n"
                 "  memferry put --from-json memories.ndjson\n",
     .options = put_options,
     .run = command_put},
    {.name = "get",
     .synopsis = "ID [--version N]",
     .summary = "Show a memory",
     .examples = "  memferry get tea\n"
                 "  memferry get tea --version 12\n"
                 "  memferry get tea --json\n",
     .options = get_options,
     .run = command_get},
    {.name = "list",
     .synopsis = "[OPTIONS]",
     .summary = "List memories, the newest first",
     .examples = "  memferry list --kind decision --since 7d\n"
                 "  memferry list --deleted=only\n"
                 "  memferry list --all --json > memories.ndjson\n",
     .options = list_options,
     .run = command_list},
    {.name = "search",
     .synopsis = "[OPTIONS] QUERY...",
     .summary = "Find memories by words, and by meaning where there is an embedder",
     .text = "The best match first. \"a phrase\" stands as it is, word* is a beginning; where not\n"
             "every word is found, words that begin alike and memories with some of them follow.\n",
     .examples = "  memferry search release deadline\n"
                 "  memferry search '\"at four\"' --kind fact\n"
                 "  memferry search 'dead*' --since 7d --json\n",
     .options = search_options,
     .run = command_search},
    {.name = "delete",
     .synopsis = "ID... [--reason TEXT]",
     .summary = "Delete memories; their history stays",
     .examples = "  memferry delete tea --reason \"coffee now\"\n",
     .options = delete_options,
     .run = command_delete},
    {.group = "Versions",
     .name = "history",
     .synopsis = "ID",
     .summary = "List the versions of a memory, the newest first",
     .examples = "  memferry history tea\n",
     .run = command_history},
    {.name = "diff",
     .synopsis = "ID [VERSION [VERSION]]",
     .summary = "Show what changed between two versions of a memory",
     .text = "Without versions the last two are compared; with one, that with the newest.\n",
     .examples = "  memferry diff tea\n"
                 "  memferry diff tea 12\n"
                 "  memferry diff tea 12 40\n",
     .run = command_diff},
    {.name = "restore",
     .synopsis = "ID... [--version N]",
     .summary = "Bring memories back, by id",
     .text =
         "The last version that is not deleted, or the given one, is written as a new version;\n"
         "no version is changed or lost.\n",
     .examples = "  memferry restore tea coffee\n"
                 "  memferry restore tea --version 12\n",
     .options = restore_options,
     .run = command_restore},
    {.name = "undo",
     .synopsis = "ALERT | --session UUID | --since TIME [--dry-run] [--yes]",
     .summary = "Undo what an alert tells of, what a session did, or all since a time",
     .text = "Shows what would be done and asks. What another session has changed since is left\n"
             "alone, unless --force is given; what was made since stays. No version is lost: an\n"
             "undo can be undone.\n",
     .examples = "  memferry undo --session 5f0c7a52-8f8b-4a41-9f6f-0a4b6e3f1c11 --dry-run\n"
                 "  memferry undo --since 10m --kind decision\n"
                 "  memferry undo --since 2026-01-31T08:00:00Z --yes\n",
     .options = undo_options,
     .run = command_undo},
    {.name = "purge",
     .synopsis = "ID... [--yes]",
     .summary = "Remove memories with all their versions, for good",
     .text = "Refused unless the broker's config allows it ([broker] allow_purge = yes). What a\n"
             "delete removes can be brought back; this can not. Each purge is an alert.\n",
     .examples = "  memferry purge tea --reason \"held a password\"\n",
     .options = purge_options,
     .run = command_purge},
    {.group = "Sessions",
     .name = "session",
     .synopsis = "[list] | current | begin | end [ID] | run -- CMD...",
     .summary = "Show, begin or end sessions, or run a command in one",
     .text =
         "The session in force stands in ~/.claude-session-id, without a broker too. Current\n"
         "prints it, and begins one if there is none, or if it was idle for 30 minutes. Run gives\n"
         "CMD a session of its own, in MEMFERRY_SESSION_ID, which ends when CMD does.\n",
     .examples = "  memferry session current\n"
                 "  memferry session begin --agent claude --pid $$\n"
                 "  memferry session run -- claude --resume\n"
                 "  memferry session list --active\n",
     .options = session_options,
     .run = command_session},
    {.group = "The broker and its backends",
     .name = "status",
     .synopsis = "",
     .summary = "Show how the broker and its backends are",
     .examples = "  memferry status\n"
                 "  memferry status --json\n",
     .never_starts = true,
     .run = command_status},
    {.name = "backends",
     .synopsis = "[list] | pause NAME | resume NAME | probe [NAME...] | forget NAME",
     .summary = "List backends, or tell one to do something",
     .text =
         "A paused backend gets nothing until it is resumed, and loses nothing. Probe asks each\n"
         "backend, or those named: is it reachable, does it let us in, is it set up? Forget drops\n"
         "what is known of a backend that has left the config.\n",
     .examples = "  memferry backends\n"
                 "  memferry backends probe\n"
                 "  memferry backends pause graph\n",
     .run = command_backends},
    {.name = "flush",
     .synopsis = "[NAME...]",
     .summary = "Wait until backends have everything",
     .examples = "  memferry flush\n"
                 "  memferry flush graph --timeout 5m\n",
     .run = command_flush},
    {.name = "verify",
     .synopsis = "BACKEND [--repair]",
     .summary = "Compare what a backend has with what is here",
     .text =
         "Says what is missing there, older, newer, changed behind our back, deleted, or not\n"
         "ours. Repair sends again what sending can mend. Exits with 2 when something differs.\n",
     .examples = "  memferry verify graph\n"
                 "  memferry verify graph --repair\n",
     .options = verify_options,
     .run = command_verify},
    {.name = "dead",
     .synopsis = "[list] | retry ID... | drop ID... | retry --all | drop --all",
     .summary = "List what a backend refuses, try it again, or give it up",
     .text = "Drop gives up the delivery, never the memory.\n",
     .examples = "  memferry dead\n"
                 "  memferry dead retry tea --backend graph\n"
                 "  memferry dead drop --all --backend graph\n",
     .options = dead_options,
     .run = command_dead},
    {.name = "recover",
     .synopsis = "--from BACKEND [--merge] | --abandon",
     .summary = "Get back what a backend holds, after a disk was lost",
     .text =
         "Into an empty journal; with --merge into any: what is newer of each memory wins. Until\n"
         "all is here and verified, writes are answered busy and nothing is delivered. One that\n"
         "was stopped goes on where it was. Abandon lets all go on with what has come.\n",
     .examples = "  memferry recover --from graph\n"
                 "  memferry recover --from mirror --merge\n",
     .options = recover_options,
     .run = command_recover},
    {.group = "Alerts",
     .name = "alert",
     .synopsis = "[list] | ack ID... | ack --all",
     .summary = "Show what needs a look, or say that somebody looks at it",
     .text = "The last one comes first, each with the command that undoes it. An alert that was\n"
             "acked and goes on is open again.\n",
     .examples = "  memferry alert\n"
                 "  memferry alert --acked --since 7d\n"
                 "  memferry alert ack backend-gone/flow\n",
     .options = alert_options,
     .run = command_alert},
    {.name = "guard",
     .synopsis = "observe STATEMENT | observe - | test FILE",
     .summary = "Tell the guard of a statement, or ask what it would say",
     .text =
         "Observe keeps the statement, with its secrets masked, and says which alerts it raises.\n"
         "Test judges each line of a file, and keeps nothing.\n",
     .examples = "  memferry guard observe --source hook \"psql -c 'DROP TABLE users'\"\n"
                 "  memferry guard observe --language cypher - < statement\n"
                 "  memferry guard test ~/.bash_history\n",
     .options = guard_options,
     .run = command_guard},
    {.name = "ui",
     .synopsis = "[--port N]",
     .summary = "Show memories, sessions, backends and alerts in a browser",
     .text = "Prints a link that opens once; nobody else on this machine or elsewhere gets in. It "
             "ends by\n"
             "Ctrl-C, or when nobody has looked for an hour.\n",
     .examples = "  memferry ui\n",
     .options = ui_options,
     .run = command_heavy},
    {.group = "Files",
     .name = "export",
     .synopsis = "[FILE] [--resume]",
     .summary = "Write every memory to a file, a line of JSON each, deleted ones too",
     .text =
         "In the order of ids, with all that makes a memory the same elsewhere; not its history.\n"
         "FILE is there when it is whole; until then it is FILE.part, and --resume goes on with\n"
         "that.\n",
     .examples = "  memferry export memories.ndjson\n"
                 "  memferry export | gzip > memories.ndjson.gz\n",
     .options = export_options,
     .run = command_export},
    {.name = "import",
     .synopsis = "FILE | -",
     .summary = "Take memories from an export, with their times and their order",
     .text =
         "Of a memory that is here already the newer state stays. What is replaced is kept in the\n"
         "history. An import may be run again.\n",
     .examples = "  memferry import memories.ndjson\n",
     .run = command_import},
    {.name = "backup",
     .synopsis = "FILE [--force]",
     .summary = "Copy everything, with its history, to one file",
     .text =
         "The broker writes it while it works. FILE is there when it is whole and was read back.\n"
         "memferryd --check-journal FILE verifies it, memferryd --from-backup FILE goes on from\n"
         "it.\n",
     .examples = "  memferry backup /media/stick/memferry-$(date +%F).db\n",
     .options = backup_options,
     .run = command_backup},
    {.group = "For operators",
     .name = "doctor",
     .synopsis = "[--probe]",
     .summary = "Look for what is wrong, and say the command that mends it",
     .text =
         "Looks at config, broker, socket, state directory, disk, journal, backends, alerts, "
         "limits,\n"
         "backup, log and session, with a broker and without. Changes nothing. Exits with 1 when\n"
         "there is something to do.\n",
     .examples = "  memferry doctor\n"
                 "  memferry doctor --probe\n"
                 "  memferry doctor --quiet\n",
     .options = doctor_options,
     .never_starts = true,
     .run = command_heavy},
    {.name = "health",
     .synopsis = "[OPTIONS]",
     .summary = "Say whether everything goes on, for monitoring",
     .text =
         "Exits with 0: ok, 1: a warning, 2: critical. It goes by what is finished: the age of\n"
         "the oldest memory that a backend does not have, and whether the broker's threads end\n"
         "their steps. No broker is critical.\n",
     .examples = "  memferry health\n"
                 "  memferry health --stuck 1h --down 3d --json\n",
     .options = health_options,
     .never_starts = true,
     .run = command_heavy},
    {.name = "metrics",
     .synopsis = "[--textfile FILE]",
     .summary = "Print the broker's figures, in the text format of Prometheus",
     .text =
         "Without a broker there is memferry_up 0. With --textfile the file, in the directory of\n"
         "node_exporter's textfile collector, is replaced as a whole.\n",
     .examples = "  memferry metrics\n"
                 "  memferry metrics --textfile /var/lib/prometheus/node-exporter/memferry.prom\n",
     .options = metrics_options,
     .never_starts = true,
     .run = command_heavy},
    {.name = "top",
     .synopsis = "[--interval TIME] [--once]",
     .summary = "Show backends, rates, alerts and sessions, drawn again and again",
     .text =
         "Space looks at once, q ends it. Where the output is no terminal one frame is printed.\n",
     .examples = "  memferry top\n"
                 "  memferry top --interval 500ms\n"
                 "  memferry top --once\n",
     .options = top_options,
     .never_starts = true,
     .run = command_heavy},
    {.name = "tail",
     .synopsis = "[OPTIONS]",
     .summary = "Follow what happens, as it happens",
     .text =
         "A line for each event and alert; JSON when it goes to a file or a pipe. It goes on where "
         "it\n"
         "was when the broker is started anew: nothing is missed, and nothing told twice. --since\n"
         "looks through all events that the store holds.\n",
     .examples = "  memferry tail\n"
                 "  memferry tail --op alert --op delete\n"
                 "  memferry tail --since 1h --session 5f0c7a52-8f8b-4a41-9f6f-0a4b6e3f1c11\n",
     .options = tail_options,
     .never_starts = true,
     .run = command_heavy},
    {.name = "explain",
     .synopsis = "[ID...]",
     .summary = "Say what an id means, and what to do: of the log, an error, an alert",
     .text = "Without an id all are listed. Each line of the broker's log begins with one.\n",
     .examples = "  memferry explain journal-full\n"
                 "  memferry explain storage_full\n"
                 "  journalctl --user -u memferryd -p warning\n",
     .never_starts = true,
     .run = command_heavy},
    {.group = "For agents",
     .name = "mcp",
     .synopsis = "[--session UUID] [--project NAME]",
     .summary = "Serve the Model Context Protocol on stdin and stdout",
     .text = "For an agent's settings, not for a terminal. It has the tools remember, recall,\n"
             "forget, history, undo, session and status, and memories as resources.\n",
     .examples = "  claude mcp add memferry -- memferry mcp\n",
     .options = mcp_options,
     .run = command_heavy},
    {.name = "hook",
     .synopsis = "[--agent NAME] | install | remove",
     .summary = "Take what an agent's host tells its hooks, on stdin",
     .text = "Begins and ends sessions, gives recent memories as context, tells the guard of\n"
             "statements. It waits for nothing and always exits with 0. Install puts it into the\n"
             "settings of Claude Code and shows the change first; remove takes out the same.\n",
     .examples = "  memferry hook install --dry-run\n"
                 "  memferry hook install --project\n"
                 "  memferry hook remove --yes\n",
     .options = hook_options,
     .run = command_hook},
    {.group = "For programs and their makers",
     .name = "call",
     .synopsis = "METHOD [JSON | -]",
     .summary = "Call any method of the protocol",
     .examples = "  memferry call stats\n"
                 "  memferry call memory.get '{\"id\":\"tea\"}'\n",
     .run = command_call},
    {.name = "webhook",
     .synopsis = "sign FILE | verify FILE [OPTIONS]",
     .summary = "Sign a webhook's body, or verify a request, to try out a receiver",
     .text = "Sign prints the headers of a request with that body. Verify says valid, or what is\n"
             "wrong with the request: its signature, its time or its headers. FILE - is stdin.\n",
     .examples = "  memferry webhook sign body.json | curl -H @- --data-binary @body.json URL\n"
                 "  memferry webhook verify --headers headers.txt body.json\n"
                 "  memferry webhook verify --header \"X-Signature-256: sha256=...\" body.json\n",
     .options = webhook_options,
     .never_starts = true,
     .run = command_heavy},
    {.name = "plugin",
     .synopsis = "new NAME [DIR] [--kind KIND] | check FILE.so [--option NAME=VALUE]...",
     .summary = "Make a plugin of your own, or hold one to its contract",
     .text = "New writes the source of a plugin that works, with a Makefile. Check loads a plugin as\n"
             "the broker does, and hands it all that a broker may, and faults: give options of a\n"
             "place for trying out, for it gets odd memories. Each point is ok, FAILED or not done.\n",
     .examples = "  memferry plugin new postcard\n"
                 "  memferry plugin check --option path=/tmp/cards.txt ./postcard.so\n",
     .options = plugin_options,
     .never_starts = true,
     .run = command_heavy},
    {.name = "version",
     .synopsis = "",
     .summary = "Show the version of this command",
     .run = command_version},
    {.name = "help",
     .synopsis = "[COMMAND]",
     .summary = "Show this, or the help of a command",
     .run = command_help},
    {.name = NULL}};

const struct command *command_find(const char *name)
{
    for (const struct command *command = commands; command->name != NULL; command++) {
        if (strcmp(command->name, name) == 0) {
            return command;
        }
    }
    return NULL;
}

const char *command_suggest(const char *name)
{
    struct suggestion nearest = suggestion_begin(name);

    for (const struct command *command = commands; command->name != NULL; command++) {
        suggestion_try(&nearest, command->name);
    }
    return suggestion_end(&nearest);
}
