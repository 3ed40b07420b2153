/*
 * broker.h - the whole of memferryd, put together: who owns what, in which order it starts and
 * ends.
 *
 * Start: state directory → journal (lock, recovery) → store → replay → store thread → writer thread
 * → reader thread → lanes → socket. From here the loop runs. Stop, by SIGTERM, SIGINT or a failed
 * disk: socket closed → peers answered and closed, lanes ended → store thread → journal → loop. It
 * is bounded by BROKER_STOP_MS; what was not answered by then has no receipt.
 *
 * Upward calls (a journal's records, a lane's news) are wired here and nowhere else.
 */
#ifndef MEMFERRY_BROKER_H
#define MEMFERRY_BROKER_H

#include "broker/config.h"
#include "broker/options.h"
#include "broker/util/log.h"

#define BROKER_STOP_MS 20000

/* Runs until it is told to stop. Returns an exit code of sysexits.h. */
int broker_run(const struct options *options, struct log *log);

#endif
