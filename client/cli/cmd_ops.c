/* cmd_ops.c - see cmd_ops.h. */
#include "client/cli/cmd_ops.h"

#include <stddef.h>

const struct option health_options[] = {
    {"stuck", "TIME", "critical when a reachable backend has waited so long (default 15m)"},
    {"down", "TIME", "critical when one that is down or paused has (default 1d)"},
    {"behind", "TIME", "warning when any backend has waited so long (default 5m)"},
    {NULL, NULL, NULL}};

const struct option doctor_options[] = {
    {"probe", NULL, "ask each backend, too: is it reachable, does it let us in?"},
    {NULL, NULL, NULL}};

const struct option top_options[] = {{"interval", "TIME", "between two looks (default 2s)"},
                                     {"once", NULL, "print one look, and end"},
                                     {NULL, NULL, NULL}};

const struct option tail_options[] = {
    {"op", "OP", "only put, delete, restore, alert, session_begin …; may be repeated"},
    {"id", "ID", "only of this memory; may be repeated"},
    {"session", "UUID", "only of this session"},
    {"since", "TIME", "from then on: 2h (ago), or 2026-01-31T08:00:00Z; else from now on"},
    {"from-seq", "N", "from this event on"},
    {"count", "N", "end after so many"},
    {NULL, NULL, NULL}};

const struct option metrics_options[] = {
    {"textfile", "FILE", "write to FILE, whole or not at all, for node_exporter"},
    {NULL, NULL, NULL}};
