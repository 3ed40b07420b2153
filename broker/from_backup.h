/*
 * from_backup.h - memferryd --from-backup FILE: goes on from a backup where journal and store are
 * lost, or the store alone. Says what it did, and exits.
 *
 * Happy path: FILE is copied into the state directory under another name, brought to this version,
 * verified as --check-journal does, and synced; a journal is made that carries its origin and goes
 * on behind its last event and its newest stamp; the copy gets the store's name. The next start
 * finds the two as any others.
 *
 * Where the journal is still there, and reaches back to the backup, it stays as it is: the next
 * start applies what it holds beyond. Nothing is lost then.
 *
 * Failure modes: a store that is there, a journal of another origin or one with a gap to the backup
 * are refused with nothing changed. Whatever cuts it short leaves no store, so that no broker
 * starts there; the same command begins again.
 */
#ifndef MEMFERRY_FROM_BACKUP_H
#define MEMFERRY_FROM_BACKUP_H

#include "broker/options.h"

/* An exit code of sysexits.h. */
int from_backup(const struct options *options, struct log *log);

#endif
