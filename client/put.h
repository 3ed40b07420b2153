/* put.h - a memory and its request. Internal. */
#ifndef MEMFERRY_CLIENT_PUT_H
#define MEMFERRY_CLIENT_PUT_H

#include "client/connection.h"

#define CLIENT_UUID_SIZE 37

/* A new UUID4 as text. */
void uuid_text(char text[CLIENT_UUID_SIZE]);

/* What a put is sent under. Kept apart from it, so that a repeat says the same. */
struct put_ids {
    char id[CLIENT_UUID_SIZE], event_id[CLIENT_UUID_SIZE]; /* used where the put has none */
};

void put_ids_make(struct put_ids *ids, const struct memferry_put *put);
/* Writes the params of memory.put into m->params. MEMFERRY_E_INVALID with the field. */
int put_encode(struct memferry *m, const struct memferry_put *put, const struct put_ids *ids,
               bool retry);
/* An older caller's struct is shorter: gives it the size of ours. MEMFERRY_E_INVALID if its size
 * is none. */
int put_copy(struct memferry *m, const struct memferry_put *given, struct memferry_put *ret);
/* How long the broker may wait for delivery before it answers; 0: it doesn't. */
int put_wait_ms(const struct memferry_put *put);

/* A JSON object as params; NULL: an empty map. */
int params_from_json(struct memferry *m, const char *json);

/* An empty m->params, and a packer that notes in m->params_failed when memory ran out. */
void params_begin(struct memferry *m, msgpack_packer *packer);
int pack_text(msgpack_packer *packer, const char *text);
/* Nothing when text is NULL. */
void pack_field(msgpack_packer *packer, const char *name, const char *text);

#endif
