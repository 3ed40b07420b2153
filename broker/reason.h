/* reason.h - a plugin's sentence, made safe for a row, a reply and a terminal: ended by a NUL, one
 * line, valid UTF-8. Cannot fail. */
#ifndef MEMFERRY_REASON_H
#define MEMFERRY_REASON_H

#include <memferry/plugin.h>

/* Control characters become spaces. An empty one becomes `fallback`. */
void reason_clean(struct memferry_reason *reason, const char *fallback);

/* A text that a plugin gave, such as an id, made valid UTF-8: what is no character becomes '?', and
 * what does not fit into `max` bytes with its NUL is cut at a whole character. Returns ret. */
const char *reason_show(char *ret, size_t max, const char *text);

#endif
