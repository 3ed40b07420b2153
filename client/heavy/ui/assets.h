/* assets.h - the page's files, as they lie in page/; made a table when this is built. */
#ifndef MEMFERRY_UI_ASSETS_H
#define MEMFERRY_UI_ASSETS_H

#include <stddef.h>

struct asset {
    const char *path; /* such as /app.js; NULL ends the table */
    const char *type; /* its Content-Type */
    const unsigned char *bytes;
    size_t size;
};

extern const struct asset assets[];

#endif
