/*
 * guarded_map.h - a file mapped to be read, whose disk may fail under the reader.
 *
 * A page that the disk cannot read, or that somebody cut off, is SIGBUS for whoever touches it.
 * Here it becomes a page of zeros instead, and the map says that it is broken: a reader goes
 * through it as if nothing were, and asks afterwards.
 *
 * A signal has one handler for the whole process, so this keeps what it must know in a table of the
 * process: the one state of its kind. A SIGBUS elsewhere is what it was before. The threads that
 * read must not block the signal: a fault that is blocked ends the process.
 */
#ifndef MEMFERRY_GUARDED_MAP_H
#define MEMFERRY_GUARDED_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUARDED_MAPS_MAX 32 /* at once */

struct guarded_map;

/* size > 0. Negative errno; -EMFILE: too many. */
int guarded_map_new(struct guarded_map **ret, int fd, size_t size);
struct guarded_map *guarded_map_free(struct guarded_map *map);

const uint8_t *guarded_map_bytes(const struct guarded_map *map);
/* Something that was read was not what the file holds. For good. */
bool guarded_map_is_broken(const struct guarded_map *map);

#endif
