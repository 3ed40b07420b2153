/* top.h - memferry top from inside: what is shown, and how it is drawn. */
#ifndef MEMFERRY_HEAVY_TOP_H
#define MEMFERRY_HEAVY_TOP_H

#include "client/heavy/look.h"

struct top_look {
    struct look look;
    bool answered;
    char problem[300]; /* when it did not */
    struct memferry_reply *sessions, *alerts;
};

/* One look, connecting if need be. */
void top_take(struct cli *cli, struct top_look *look);
void top_free(struct top_look *look);

struct top_frame {
    FILE *out;
    unsigned columns, rows; /* columns 0: lines are not cut; rows 0: as many as there are */
    bool screen;            /* on a screen that is drawn again: each line clears what was there */
    bool color;
};

/* `before`: the look before, for the rates; NULL: there are none. */
void top_draw(struct top_frame *frame, const struct top_look *look, const struct top_look *before);

#endif
