/* help.h - what help says besides the table of commands, for the man page too. Whole lines. */
#ifndef MEMFERRY_CLI_HELP_H
#define MEMFERRY_CLI_HELP_H

extern const char help_exit_codes[];
extern const char help_environment[];

#endif
