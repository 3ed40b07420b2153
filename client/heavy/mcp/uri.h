/* uri.h - memferry://memory/ID, with ?version=N: memories as resources. Pure. */
#ifndef MEMFERRY_MCP_URI_H
#define MEMFERRY_MCP_URI_H

#include <stdbool.h>
#include <stdint.h>

#define URI_PREFIX   "memferry://memory/"
#define URI_ID_SIZE  257
#define URI_SIZE_MAX (sizeof URI_PREFIX + 3 * 256)

/* The id with all but letters, digits, '-', '.', '_' and '~' as %XX. */
void uri_write(char uri[URI_SIZE_MAX], const char *id);
/* False: it names no memory. *ret_version 0: the current one. */
bool uri_read(const char *uri, char id[URI_ID_SIZE], int64_t *ret_version);

#endif
