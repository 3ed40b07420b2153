/* put_args.h - a memory from the words and options of `memferry put`. */
#ifndef MEMFERRY_CLI_PUT_ARGS_H
#define MEMFERRY_CLI_PUT_ARGS_H

#include "client/cli/cli.h"

struct put_args {
    struct memferry_put put;
    char *content; /* owned */
    const char **tags;
    struct memferry_property *props;
    char **names;                   /* of the props, owned */
    struct memferry_reply **values; /* what := gave, owned; by prop, NULL without */
    char **lists;                   /* the same as text, where it is a list */
};

/* An exit code; what was wrong was told. Free it either way. */
int put_args_read(struct put_args *input, struct cli *cli, const struct args *args);
void put_args_free(struct put_args *input);

/* A whole stream as text; NULL: told. At most CONTENT_MAX bytes. */
#define CONTENT_MAX (1u << 20)
char *stream_read(struct cli *cli, FILE *stream, size_t max);

#endif
