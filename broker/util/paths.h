/*
 * paths.h - where things are: the environment first, then XDG, then the home directory.
 *
 * A variable that is empty counts as unset, and an XDG variable that is no absolute path is
 * ignored, as its specification says. What is returned is the caller's to free. Failures: -ENOMEM,
 * and where a home directory is needed and there is none, -ENOENT with a text.
 */
#ifndef MEMFERRY_UTIL_PATHS_H
#define MEMFERRY_UTIL_PATHS_H

#include "broker/util/error.h"

/* $MEMFERRY_SOCKET, else $XDG_RUNTIME_DIR/memferry/memferry.sock, else
 * /tmp/memferry-UID/memferry.sock. */
int paths_socket(char **ret, struct error *err);

/* $MEMFERRY_STATE_DIR, else $XDG_STATE_HOME/memferry, else ~/.local/state/memferry. */
int paths_state_dir(char **ret, struct error *err);

/* $XDG_CONFIG_HOME/memferry/memferry.conf, else ~/.config/memferry/memferry.conf; whether it is
 * there or not. $MEMFERRY_CONFIG is not looked at: a file that was named must exist. */
int paths_config_file(char **ret, struct error *err);

/* $MEMFERRY_PLUGIN_DIR, else the one given. */
int paths_plugin_dir(char **ret, const char *compiled_in, struct error *err);

/* A copy of path, with a leading "~/" (or a lone "~") replaced by the home directory. */
int paths_expand(char **ret, const char *path, struct error *err);

/* "directory/name". */
int paths_join(char **ret, const char *directory, const char *name, struct error *err);

/* Makes the directory 0700, and those above it, whatever the umask. One that is there is fine when
 * it is a directory of ours and closed to others; a link, another's, or one that others may enter
 * is refused with a text: -ELOOP, -ENOTDIR, -EPERM, or the errno of what failed. */
int paths_ensure_private_dir(const char *path, struct error *err);

#endif
