/* memory_pack.h - a memory as plugins know it, as the map that memory.import takes. */
#ifndef MEMFERRY_MEMORY_PACK_H
#define MEMFERRY_MEMORY_PACK_H

#include <memferry/memory.h>
#include <msgpack.h>

/* Appends. A buffer that could not grow does not read back. */
void memory_pack(const struct memferry_memory *memory, msgpack_sbuffer *out);

#endif
