/* reason.h - a plugin's sentence, made safe for a row, a reply and a terminal: ended by a NUL, one
 * line, valid UTF-8. Cannot fail. */
#ifndef MEMFERRY_REASON_H
#define MEMFERRY_REASON_H

#include <memferry/plugin.h>

/* Control characters become spaces. An empty one becomes `fallback`. */
void reason_clean(struct memferry_reason *reason, const char *fallback);

#endif
