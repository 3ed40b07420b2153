/*
 * harden.h - what a process that holds others' secrets does first.
 *
 * What it makes is its user's alone, whatever umask it was started with. It leaves no core dump,
 * and other processes of its user can't look into its memory or environment: /proc/PID belongs to
 * root then, and no debugger attaches. `core_dumps` leaves that as the system has it, for who
 * looks for a bug.
 */
#ifndef MEMFERRY_HARDEN_H
#define MEMFERRY_HARDEN_H

#include <stdbool.h>

void harden_process(bool core_dumps);

#endif
