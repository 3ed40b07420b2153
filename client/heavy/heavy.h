/*
 * heavy.h - the frame of a program that is a verb of the memferry command (client/cli/cmd_heavy.c
 * runs it): the same options by the same table, the same streams, exit codes and errors.
 */
#ifndef MEMFERRY_HEAVY_H
#define MEMFERRY_HEAVY_H

#include "client/cli/cli.h"

/* Runs `run` for the verb with this name; returns the exit code. */
int heavy_main(int argc, char **argv, const char *verb,
               int (*run)(struct cli *cli, const struct args *args));

#endif
