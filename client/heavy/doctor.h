/*
 * doctor.h - memferry doctor from inside: what its checks share.
 *
 * A check tells what it found by doctor_tell, at least once: that all is well, that something is
 * worth knowing, or that there is something to do, with the command that does it. A check that
 * can't be made (no broker, no directory) tells nothing, for the one that is to blame has told.
 */
#ifndef MEMFERRY_HEAVY_DOCTOR_H
#define MEMFERRY_HEAVY_DOCTOR_H

#include "client/heavy/look.h"

#include <limits.h>

enum doctor_state { DOCTOR_OK = 0, DOCTOR_NOTE, DOCTOR_TODO };

struct doctor {
    struct cli *cli;
    struct look look;
    bool answered; /* a broker did, and `look` is one at it */
    bool probe;
    char socket[PATH_MAX];
    char program[PATH_MAX];   /* memferryd; "": not found */
    char state_dir[PATH_MAX]; /* "": not known */
    unsigned todo, notes;
};

/* `mend` is a command, or NULL. */
void doctor_tell(struct doctor *doctor, enum doctor_state state, const char *check,
                 const char *mend, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* ---- doctor_broker.c: what a broker says of itself ---- */

void doctor_check_broker(struct doctor *doctor);
void doctor_check_progress(struct doctor *doctor);
void doctor_check_backends(struct doctor *doctor);
void doctor_check_alerts(struct doctor *doctor);
void doctor_check_limits(struct doctor *doctor);
void doctor_check_search(struct doctor *doctor);
void doctor_check_clock(struct doctor *doctor);

/* ---- doctor_files.c: what lies on the disk ---- */

void doctor_check_socket(struct doctor *doctor);
void doctor_check_state(struct doctor *doctor);
void doctor_check_disk(struct doctor *doctor);
void doctor_check_leftovers(struct doctor *doctor);
void doctor_check_backup(struct doctor *doctor);
void doctor_check_log(struct doctor *doctor);

/* ---- doctor_setup.c: config and session ---- */

/* Where memferryd and the state directory are, too. */
void doctor_check_config(struct doctor *doctor);
void doctor_check_session(struct doctor *doctor);

/* ---- doctor_agents.c ---- */

void doctor_check_agents(struct doctor *doctor);

/* ---- doctor_run.c ---- */

/* Runs a program to its end and keeps the beginning of what it says, in one text. Its exit code;
 * -1: it could not be run, or did not end in time and was killed. */
int doctor_run(const char *const *argv, char *text, size_t size);

#endif
