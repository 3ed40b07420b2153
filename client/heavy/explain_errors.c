/* explain_errors.c - the errors of the protocol, and the rules of alerts. */
#include "client/heavy/explain_table.h"

#include <stddef.h>

const struct explanation explain_errors[] = {
    {"parse_error", "-32700",
     "What came was neither JSON nor MessagePack. The connection is closed.",
     "Send one JSON object a line, or MessagePack-RPC; docs/protocol.md has both."},
    {"invalid_request", "-32600",
     "What came is no request: the method is missing, or the frame is too large or too deep.",
     "docs/protocol.md has the form and the limits."},
    {"method_not_found", "-32601",
     "The broker has no such method; it may be older than its client.",
     "memferry call hello lists what it has. After an upgrade, restart the broker."},
    {"invalid_params", "-32602",
     "A parameter is missing, unknown, or not as it must be. data.field names it. Nothing was "
     "written.",
     "Mend that parameter; the message says what it must be."},
    {"internal", "-32603",
     "A mistake of the broker's own. data.id stands in its log, in a line that begins with "
     "`internal`.",
     "Report it with that line."},
    {"busy", "-32001", "A limit was reached, or a recovery is under way. Nothing was written.",
     "Try again after data.retry_after_ms. memferry status shows connections, memferry call "
     "backend.recovery a recovery."},
    {"not_found", "-32002", "There is no such memory, session, alert or backend; or it never was.",
     NULL},
    {"conflict", "-32003",
     "The memory has another version than expected_version, or what was asked for does not fit "
     "what is there. Nothing was written.",
     "Read what is there (data.version), decide, and ask again."},
    {"storage_full", "-32004", "The disk of the state directory is full. Nothing was written.",
     "Make room; the broker goes on by itself."},
    {"storage_failed", "-32005", "Journal or store have failed, and the broker is stopping.",
     "Check the disk, then start it again: what has a receipt is there."},
    {"timeout", "-32006",
     "The delivery that was waited for did not come in time. The memory is durable (data.receipt), "
     "and is delivered when that is possible.",
     "memferry backends shows which backend is behind, and why."},
    {"forbidden", "-32007",
     "The caller may not do this: another user, a process that is not its own, or a purge that the "
     "config does not allow.",
     NULL},
    {"unavailable", "-32008", "The backend can't be reached, or is not set up.",
     "The message has what it said; memferry backends probe NAME asks it again."},
    {"too_large", "-32009", "The memory would grow over 64 MiB, and stays as it was.",
     "Remove props with null, or begin another memory."},
    {NULL, NULL, NULL, NULL}};

const struct explanation explain_alerts[] = {
    {"backend-gone", "critical",
     "A backend says that it is gone for good (410). It is paused and loses nothing.",
     "Put its url right and reload, then memferry backends resume NAME."},
    {"backend-lost", "critical",
     "A comparison found that a backend has lost more than half of what it had confirmed.",
     "memferry verify NAME --repair sends it again."},
    {"backend-rejects", "warning",
     "A backend refused twenty different memories in a row. They are deferred, and its circuit is "
     "open.",
     "Look at the backend, then memferry backends probe NAME."},
    {"bulk-change", "critical",
     "More than half of the memories that existed a minute ago (or what [guard] bulk_change says) "
     "were updated or deleted since.",
     "memferry undo ALERT --dry-run shows what would come back."},
    {"event-set-aside", "critical",
     "The store could not take one event of the journal; its memory stays as it was.",
     "See the log (event-set-aside); put again what is missing."},
    {"journal-damage", "critical",
     "A start found pieces of the journal that can't be read; they are kept as aside-*.bin beside "
     "it.",
     "Look at the disk, then at what is missing: memferry verify BACKEND, or a backup."},
    {"journal-lost", "critical",
     "The journal is new, and a backend holds what another one wrote. The backend is paused.",
     "memferry recover --from NAME, or memferry backends resume NAME if nothing was lost."},
    {"mass-statement", "critical",
     "An observed statement deletes or changes without a condition, or a command removes "
     "recursively.",
     "It was only observed: look at the database or the files it was meant for."},
    {"purge", "critical",
     "Memories were removed with all their versions, as [broker] allow_purge permits.",
     "A backup made before has them."},
    {"rapid-delete", "critical",
     "More than ten memories were deleted within a minute (or what [guard] rapid_delete says).",
     "memferry undo ALERT --dry-run shows what would come back."},
    {"schema-change", "critical", "An observed statement drops, alters or truncates.",
     "It was only observed: look at the database it was meant for."},
    {NULL, NULL, NULL, NULL}};
