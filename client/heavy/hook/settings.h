/*
 * settings.h - our hooks in an agent's settings: which they are, and how they get in and out. Pure.
 *
 * {"hooks": {EVENT: [{"matcher": …, "hooks": [{"type": "command", "command": …}]}]}}
 */
#ifndef MEMFERRY_HOOK_SETTINGS_H
#define MEMFERRY_HOOK_SETTINGS_H

#include "client/heavy/hook/json_text.h"

#define SETTINGS_EVENTS 4 /* that have a hook of ours */

/* "memferry hook", by any path. */
bool settings_is_ours(const char *command);
/* NULL, or what in the settings is not as it must be: nothing can be put there. */
const char *settings_check(const struct json_text *text);
/* Puts what is missing in; hooks of ours with another command are replaced. 0 or -ENOMEM. */
int settings_install(struct json_text *text, const char *command);
/* Takes out all that is ours, and what has become empty by that. */
void settings_remove(struct json_text *text);

#endif
