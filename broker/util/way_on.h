/* way_on.h - where a text says how to go on when a journal or a store is lost, it says it so. */
#ifndef MEMFERRY_UTIL_WAY_ON_H
#define MEMFERRY_UTIL_WAY_ON_H

#define WAY_ON                                                                                     \
    "go on from the newest backup (memferryd --from-backup FILE) or, with the state directory "    \
    "moved away, from what a backend holds (memferry recover --from BACKEND)"

#endif
