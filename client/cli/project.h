/*
 * project.h - the tag by which memories of one project are found: "project:NAME".
 *
 * NAME is that of the directory that holds .git, at or above where one works, else of where one
 * works. A home directory and the root are no projects.
 */
#ifndef MEMFERRY_CLI_PROJECT_H
#define MEMFERRY_CLI_PROJECT_H

#include <stdbool.h>

#define PROJECT_NAME_MAX 200
#define PROJECT_TAG_SIZE (PROJECT_NAME_MAX + 9)

/* Of a directory, which need not exist; NULL: of the one we are in. "" when it has none. */
const char *project_of(const char *directory, char tag[PROJECT_TAG_SIZE]);
/* Of a name that was given, "" for none; NULL: of where we are. False: it is too long. */
bool project_find(const char *given, char tag[PROJECT_TAG_SIZE]);

#endif
