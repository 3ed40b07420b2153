/*
 * memory_json.h - a memory's fields as JSON, by the names of docs/data-model.md.
 *
 * Plugins choose which fields they write, in which order and whether what is absent is null or left
 * out; how a field is written is here.
 */
#ifndef MEMFERRY_PLUGINS_MEMORY_JSON_H
#define MEMFERRY_PLUGINS_MEMORY_JSON_H

#include "plugins/common/json_writer.h"

#include <memferry/memory.h>

/* A key and its value. */
void json_field_string(struct json_writer *w, const char *key, struct memferry_string value);
void json_field_text(struct json_writer *w, const char *key, const char *value);
void json_field_int(struct json_writer *w, const char *key, int64_t value);
void json_field_uint(struct json_writer *w, const char *key, uint64_t value);
/* Null instead of an empty string, or of 0. */
void json_field_string_or_null(struct json_writer *w, const char *key,
                               struct memferry_string value);
void json_field_int_or_null(struct json_writer *w, const char *key, int64_t value);

/* The key and the array of them. */
void memory_json_tags(struct json_writer *w, const struct memferry_memory *memory);
/* Each prop as a key and its value, into the object that is open. */
void memory_json_prop_items(struct json_writer *w, const struct memferry_memory *memory);

/* The key and an array of numbers, or null. */
void memory_json_embedding(struct json_writer *w, const struct memferry_memory *memory);

/* "none", "pending" or "ready". */
const char *memory_json_embedding_state(const struct memferry_memory *memory);

/* Its times, version, stamp, origin and session; absent ones as null. */
void memory_json_state(struct json_writer *w, const struct memferry_memory *memory);

/* Every field into the object that is open, absent ones as null; the embedding as an array of
 * numbers, or left out when it is not wanted. */
void memory_json_fields(struct json_writer *w, const struct memferry_memory *memory,
                        bool with_embedding);

#endif
