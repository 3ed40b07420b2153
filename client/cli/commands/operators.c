/* operators.c - "For operators" of the table of commands: watching a broker, and mending it. */
#include "client/cli/commands.h"

static const struct option doctor_options[] = {
    {"probe", NULL, "ask each backend, too: is it reachable, does it let us in?"},
    {NULL, NULL, NULL}};

static const struct option health_options[] = {
    {"stuck", "TIME", "critical when a reachable backend has waited so long (default 15m)"},
    {"down", "TIME", "critical when one that is down or paused has (default 1d)"},
    {"behind", "TIME", "warning when any backend has waited so long (default 5m)"},
    {NULL, NULL, NULL}};

static const struct option metrics_options[] = {
    {"textfile", "FILE", "write to FILE, whole or not at all, for node_exporter"},
    {NULL, NULL, NULL}};

static const struct option top_options[] = {{"interval", "TIME", "between two looks (default 2s)"},
                                            {"once", NULL, "print one look, and end"},
                                            {NULL, NULL, NULL}};

static const struct option tail_options[] = {
    {"op", "OP", "only put, delete, restore, alert, session_begin …; may be repeated"},
    {"id", "ID", "only of this memory; may be repeated"},
    {"session", "UUID", "only of this session"},
    {"since", "TIME", "from then on: 2h (ago), or 2026-01-31T08:00:00Z; else from now on"},
    {"from-seq", "N", "from this event on"},
    {"count", "N", "end after so many"},
    {NULL, NULL, NULL}};

const struct command operators_commands[] = {
    {.name = "doctor",
     .synopsis = "[--probe]",
     .summary = "Look for what is wrong, and say the command that mends it",
     .text =
         "Looks at config, broker, socket, state directory, disk, journal, backends, alerts,\n"
         "limits, backup, log, session and agents, with a broker and without. Changes nothing.\n"
         "Exits with 1 when there is something to do.\n",
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
     .text = "A line for each event and alert; JSON when it goes to a file or a pipe. It goes on\n"
             "where it was when the broker is started anew: nothing is missed, and nothing told\n"
             "twice. --since looks through all events that the store holds.\n",
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
    {.name = NULL}};
