/* sample_memory.h - memories for tests of plugins, and their comparison. */
#ifndef MEMFERRY_TESTS_SAMPLE_MEMORY_H
#define MEMFERRY_TESTS_SAMPLE_MEMORY_H

#include <memferry/memory.h>

/* A string literal or C string as a memferry_string. */
struct memferry_string text(const char *data);

struct memferry_prop prop_bool(const char *name, bool value);
struct memferry_prop prop_int(const char *name, int64_t value);
struct memferry_prop prop_float(const char *name, double value);
struct memferry_prop prop_string(const char *name, const char *value);
struct memferry_prop prop_list(const char *name, const struct memferry_value *items, size_t count);

/* A live note without props, tags, session or embedding. */
struct memferry_memory sample_memory(const char *id, int64_t stamp);

/* Embeddings of `dims` floats that differ by seed: small ones of both signs. */
void fill_embedding(float *embedding, size_t dims, unsigned seed);

/* The name of the first field that differs; NULL: the memories are equal, to the bit. */
const char *memory_difference(const struct memferry_memory *a, const struct memferry_memory *b);

#endif
