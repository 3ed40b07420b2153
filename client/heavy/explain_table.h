/*
 * explain_table.h - what each stable id means, and what to do: of lines in the broker's log, of
 * errors of the protocol, and of alerts' rules. A test holds the tables to the source: every id
 * that the code has is here, and none that it has not.
 */
#ifndef MEMFERRY_HEAVY_EXPLAIN_TABLE_H
#define MEMFERRY_HEAVY_EXPLAIN_TABLE_H

struct explanation {
    const char *id;    /* NULL ends a table */
    const char *level; /* of the log line, or severity of the alert; an error's code as text */
    const char *means;
    const char *todo; /* NULL: nothing */
};

extern const struct explanation explain_log[];
extern const struct explanation explain_errors[];
extern const struct explanation explain_alerts[];

#endif
