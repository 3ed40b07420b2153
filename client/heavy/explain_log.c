/* explain_log.c - the ids of the broker's log, in alphabetic order. */
#include "client/heavy/explain_table.h"

#include <stddef.h>

const struct explanation explain_log[] = {
    {"accept-failed", "warning",
     "New connections can't be accepted, for the reason it gives; mostly the limit of open files "
     "or memory has been reached. The broker tries again by itself.",
     "If it goes on, raise the limit of open files (LimitNOFILE= in the unit) or find who keeps so "
     "many connections: memferry status shows how many there are."},
    {"alert", "warning",
     "An alert was raised or counted up. The line has its severity, its summary, its id and, where "
     "there is one, the command that undoes what it tells of.",
     "memferry alert shows it in full; memferry explain with the alert's id says what its rule "
     "means."},
    {"alert-lost", "error",
     "An alert could not be kept (the journal was full or had failed, or the broker was stopping). "
     "The line has all that it says, and is the only place where that stands.",
     "Read it as you would read the alert; then mend what kept it from being stored."},
    {"backend-failed", "error",
     "A backend of the config can't be set up (its plugin is missing or refuses an option), and "
     "has no lane: what is meant for it waits in the journal and the store.",
     "memferryd --check-config says what is wrong and where. Put it right, then reload (SIGHUP)."},
    {"backup-made", "info",
     "A backup that was asked for is whole, was synced and read back. The line has its path and "
     "the last event it holds.",
     NULL},
    {"config-refused", "error",
     "A reload found a config that is not good. The old one stays in force, whole.",
     "memferryd --check-config says the line; put it right, then reload again."},
    {"config-restart", "warning",
     "The config was taken, but some settings of [broker] or [journal] are in force only after a "
     "restart.",
     "Restart the broker when it suits you; memories and deliveries are safe meanwhile."},
    {"config-taken", "info",
     "A reload read the config, and all that can change at run time is in force.", NULL},
    {"event-set-aside", "error",
     "One event of the journal could not be applied to the store, three times, for a reason of its "
     "own. It was passed over; its memory stays as it was before. An alert tells of it too.",
     "Keep the line and the state directory: this is a bug or a damaged record. memferry history "
     "ID shows what is there; put again what is missing."},
    {"guard-began", "debug",
     "The guard has read back what happened before the start, as far as its rules look back: from "
     "now on it counts that in.",
     NULL},
    {"guard-blind", "error",
     "The guard is out of memory or could not read what happened before the start: it watches less "
     "than it should. Nothing else is affected.",
     "Free memory, then reload the config (SIGHUP) or restart."},
    {"internal", "error",
     "A request failed by a mistake of the broker's own, and was answered `internal` with the same "
     "id as in this line. What has a receipt is not in doubt.",
     "Report it with this line. If it comes again and again, restart the broker."},
    {"journal-behind", "warning",
     "The journal ends before the store does: its newest segment was lost or is older than the "
     "store. Numbers go on behind the store's, and nothing the store holds is lost.",
     "Find out why the journal's files went back (a restored copy, a disk); then run memferry "
     "verify for each backend."},
    {"journal-damage", "error",
     "A start found events in the middle of the journal that can't be read. What can be read was "
     "applied, the damaged piece is kept as aside-*.bin beside the journal, and an alert was "
     "raised.",
     "Look at the disk (dmesg, smartctl). The line says which events are gone: memferry verify "
     "BACKEND and a backup tell what they were. Delete the file when you have done with it."},
    {"journal-failed", "error",
     "The journal could not be written or synced. A failed sync is final: nothing more is "
     "accepted, and the broker ends with exit code 74. What has a receipt is safe.",
     "Check the disk and its file system, then start the broker again."},
    {"journal-full", "error",
     "There is no room for another segment of the journal (16 MB by default). Puts are answered "
     "storage_full, reads and deliveries go on.",
     "Make room on the disk of the state directory. It goes on by itself (journal-room)."},
    {"journal-header", "warning",
     "The header of a segment can't be read, but its events were found without it. Nothing is "
     "lost.",
     "Look at the disk if it happens again."},
    {"journal-no-spare", "warning",
     "The next segment of the journal can't be made ahead of need, mostly because the disk is "
     "nearly full. Memories are still taken until the present one is full.",
     "Make room before it is: memferry doctor says how much there is."},
    {"journal-remove", "warning",
     "A file of the journal that is no longer needed can't be removed. It costs room, nothing "
     "else.",
     "Look at the owner and the mode of the state directory's files."},
    {"journal-room", "info", "The disk has room again, and memories are taken.", NULL},
    {"journal-torn", "info",
     "The last write before the end (a crash, a power cut) was not finished. It had no receipt, "
     "and was cut. This is as it should be.",
     NULL},
    {"journal-unreadable", "warning",
     "A file of the journal has neither a header nor events that can be read. It was renamed to "
     "*.bad and is kept.",
     "Look at the disk. Delete the file when you have done with it."},
    {"lane-circuit-closed", "info", "A backend answers again, and deliveries go on.", NULL},
    {"lane-circuit-open", "warning",
     "A backend failed as a whole: it is unreachable, refuses to let us in, or is not set up. "
     "Nothing is sent until a probe succeeds; probes back off from 1 s to 10 min. What is meant "
     "for it waits, and no memory is blamed.",
     "The line has the reason. When it is mended, memferry backends probe NAME tries at once."},
    {"lane-dead", "warning",
     "A backend refuses some memories for what they are. They are dead letters there: kept, "
     "listed, and not sent again until they change or are retried.",
     "memferry dead lists them with the reasons; memferry dead retry tries again."},
    {"lane-gone", "error",
     "A backend says that it is gone for good (410). It is paused, and loses nothing.",
     "Put its url right in the config and reload, then memferry backends resume NAME. If it is "
     "gone, take it out of the config, and memferry backends forget NAME."},
    {"lane-journal-lost", "warning",
     "The journal is new, and a backend holds what another journal wrote: either the disk was "
     "lost, or this is a new machine beside others. The backend is paused until you say which.",
     "memferry recover --from NAME brings back what it holds; memferry backends resume NAME says "
     "that nothing was lost."},
    {"lane-probe-failed", "debug", "A probe of a backend whose circuit is open failed again.",
     "See lane-circuit-open."},
    {"lane-ready", "info", "A backend was probed for the first time and answers.", NULL},
    {"lane-rejected-in-a-row", "warning",
     "A backend refused twenty different memories in a row. That is taken to be the backend's "
     "fault: they are deferred, not dead, and the circuit opens. An alert tells of it.",
     "Look at the backend: its schema, its workflow, its version. Then memferry backends probe "
     "NAME."},
    {"lane-store-failed", "error",
     "A lane can't read or write how far it is, and waits. Its deliveries stand still.",
     "The line has the reason, mostly a full disk or a lock that another program holds on "
     "memferry.db."},
    {"lane-stuck", "error",
     "A plugin did not end its call at a stop, though it was asked to. It was left behind with its "
     "thread; what it was delivering is delivered again.",
     "Report it to the plugin's author; memferry backends shows which backend is slow."},
    {"newest-backup", "warning",
     "Said beside start-failed: where the newest backup lies that was made here.",
     "If journal or store are lost, docs/operations.md says how to go on from it."},
    {"peer-budget", "warning",
     "The buffers of all connections together reached their limit (256 MiB) and stayed there; the "
     "connection that held most was closed.",
     "Find the client by its pid: it sends or asks for more than it reads."},
    {"peer-memory", "error", "There was no memory for a reply; that connection was closed.",
     "Free memory. A request that was not answered may have been done: send it again with its "
     "event_id and retry: true, as the library does."},
    {"peer-refused", "warning",
     "Another user tried to connect and was refused. Told at most once a minute, with the count.",
     "If that user may connect, name it in [broker] users."},
    {"peer-unread", "warning",
     "A client does not read its replies: over 64 MiB waited for it, and its connection was "
     "closed.",
     "Find the client by its pid. A subscriber must read what it asked for."},
    {"plugin", "info",
     "A plugin's own words, with the backend's name before them; the level is the plugin's.", NULL},
    {"prune-failed", "warning",
     "Old versions could not be removed as [history] keep says. They stay for now; the next pass "
     "tries again.",
     "The line has the reason."},
    {"pruned", "info", "Old versions were removed, as [history] keep says.", NULL},
    {"recovered", "info",
     "Everything that a backend holds is here again, and was read back and compared.", NULL},
    {"recovery-failed", "error",
     "A recovery has stopped, and writes are answered busy until it has been ended.",
     "Mend what the line names and run memferry recover --from NAME again: it goes on where it "
     "was. memferry recover --abandon goes on with what has come."},
    {"search-anew", "warning",
     "The search index was missing, damaged or of another version, and is made anew from the "
     "store. Until it is level, searches say that they are behind.",
     NULL},
    {"search-failed", "warning",
     "The search index can't be brought up to date. Searches answer with what it has and say that "
     "it is behind; it is tried again by itself.",
     "The line has the reason, mostly a full disk. The files search.db* and vectors.idx may be "
     "removed while no broker runs: they are made anew."},
    {"session-owner-exit", "debug",
     "The process that owned a session has ended, and so has the session.", NULL},
    {"sessions-full", "warning",
     "1,024 owners of sessions are watched, which is the most. The exit of others is not seen; "
     "their sessions end when they are idle.",
     "End sessions that are over: memferry session list --active."},
    {"start-failed", "error",
     "The broker refuses to start; the line says why and what to do. Nothing was changed.",
     "docs/operations.md has a table of what it says."},
    {"started", "info", "The broker listens; the line has its version, socket and state directory.",
     NULL},
    {"stop-late", "error",
     "The broker could not end within 20 s of being asked to, and ended at once. What has a "
     "receipt is safe.",
     "If it comes again, look for lane-stuck before it: a plugin that does not end its call."},
    {"stopped", "info", "The broker has ended.", NULL},
    {"stopping", "info", "The broker was asked to end, and finishes what it has taken.", NULL},
    {"storage-failed", "error",
     "Journal or store failed in a way that can't be mended while it runs. It stops with exit code "
     "74, because nothing more could be promised. What has a receipt is there.",
     "Check the disk, then start it again."},
    {"store-behind", "warning",
     "The broker stopped before the store had everything. The rest is in the journal, and the next "
     "start applies it.",
     NULL},
    {"store-failed", "error",
     "The store can't be written, for a reason that does not pass (a damaged file, an I/O error). "
     "storage-failed follows.",
     "Check the disk; memferryd --check-journal verifies the store while no broker runs. "
     "docs/operations.md says how a lost store comes back."},
    {"store-full", "error",
     "The disk of the state directory is full: new memories are answered storage_full. Reads and "
     "deliveries go on.",
     "Make room. It goes on by itself (store-has-room)."},
    {"store-has-room", "info", "The disk has room again, and memories are taken.", NULL},
    {"store-locked", "warning",
     "Another program holds a lock on memferry.db. The broker waits for it and tries again; "
     "receipts do not wait.",
     "Close the program that has the database open for writing (fuser memferry.db)."},
    {"store-replayed", "info",
     "A start applied the events that were in the journal and not yet in the store, as it does "
     "after a crash.",
     NULL},
    {"stuck", "error",
     "Writer or store have had work for 30 s and have not finished a step of it: the disk does not "
     "answer. Under systemd's watchdog the broker is then ended and started again, which loses "
     "nothing that has a receipt.",
     "Look at the disk (dmesg); memferry health says how long it has been."},
    {"subscriber-failed", "warning",
     "A subscriber could not be told some events. Where its connection was closed it can go on "
     "with from_seq, and misses nothing.",
     "The line has the reason."},
    {"unstuck", "warning", "Writer and store go on after they had stood still (stuck).", NULL},
    {NULL, NULL, NULL, NULL}};
