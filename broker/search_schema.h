/* search_schema.h - the file of the text index: opening it, making it, throwing it away. */
#ifndef MEMFERRY_SEARCH_SCHEMA_H
#define MEMFERRY_SEARCH_SCHEMA_H

#include "broker/sql.h"

#include <stdbool.h>

/* Opens it to write, whole and of this origin; otherwise removes and makes it, with *ret_fresh, and
 * *ret_why (which may stay empty) telling what was wrong. */
int search_schema_open(struct sql *sql, const char *path, const char *origin, bool *ret_fresh,
                       struct error *ret_why, struct error *err);
int search_schema_open_reader(struct sql *sql, const char *path, struct error *err);
void search_schema_remove(const char *path);

#endif
