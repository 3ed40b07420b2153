/*
 * statement.c - the Cypher of a delivery, and memories as its parameters.
 *
 * The graph: (:Session {id})-[:REMEMBERED]->(:Memory {id, …}). A memory's fields and its props lie
 * side by side as node properties; memferry_keys lists the names of the props, so that those which
 * are gone can be removed and those of others left alone.
 *
 * Why the statement reads as it does:
 *  - SET m.id = row.id takes the node's write lock before m.stamp is read. Without it two writers
 *    could both see the old stamp, and the older state could land last.
 *  - Cypher without APOC can't remove a property whose name it computes. So a row that has props to
 *    remove is not written but returned with their names, and comes again with them as nulls.
 *  - Links are made in the order of session ids, after all memories: any two writers lock in one
 *    order. The memory's lock, held by then, keeps links from being made twice.
 */
#include "plugins/neo4j-http/neo4j.h"

#include "plugins/common/memory_json.h"

#include <string.h>

const char deliver_cypher[] =
    "UNWIND $rows AS row "
    "MERGE (m:Memory {id: row.id}) "
    "ON MATCH SET m.id = row.id "
    "WITH row, m, "
    "  m.stamp IS NULL OR row.stamp > m.stamp "
    "    OR (row.stamp = m.stamp AND row.origin >= coalesce(m.origin, '')) AS wins, "
    "  [key IN coalesce(m." NEO4J_KEYS_PROPERTY ", []) WHERE NOT key IN row.known] AS gone "
    "WITH row, m, wins, gone, wins AND size(gone) = 0 AS takes "
    "FOREACH (_ IN CASE WHEN takes THEN [1] ELSE [] END | SET m += row.set) "
    "WITH row, m, wins, gone, takes ORDER BY row.session_id "
    "FOREACH (old IN CASE WHEN takes "
    "    THEN [(s:Session)-[r:REMEMBERED]->(m) "
    "          WHERE row.session_id IS NULL OR s.id <> row.session_id | r] "
    "    ELSE [] END | DELETE old) "
    "FOREACH (_ IN CASE WHEN takes AND row.session_id IS NOT NULL "
    "    AND NOT (m)<-[:REMEMBERED]-(:Session {id: row.session_id}) "
    "    THEN [1] ELSE [] END | "
    "  MERGE (s:Session {id: row.session_id}) "
    "  CREATE (s)-[:REMEMBERED]->(m)) "
    "RETURN count(*) AS rows, "
    "  collect(CASE WHEN takes THEN null ELSE [row.i, wins, gone] END) AS left";

static const char *const field_names[] = {
    "id",
    "content",
    "kind",
    "tags",
    "created_ms",
    "updated_ms",
    "deleted_ms",
    "version",
    "stamp",
    "origin",
    "session_id",
    "embedding",
    "embedding_model",
    "embedding_state",
    NEO4J_KEYS_PROPERTY,
};

bool is_field_name(struct memferry_string name)
{
    for (size_t i = 0; i < sizeof field_names / sizeof field_names[0]; i++) {
        if (strcmp(field_names[i], name.data) == 0) {
            return true;
        }
    }
    return false;
}

void statement_begin(struct json_writer *w, enum neo4j_api api, const char *cypher)
{
    json_begin_object(w);
    if (api == NEO4J_API_TX) {
        json_write_key(w, "statements");
        json_begin_array(w);
        json_begin_object(w);
    }
    json_write_key(w, "statement");
    json_write_text(w, cypher);
    json_write_key(w, "parameters");
    json_begin_object(w);
}

void statement_end(struct json_writer *w, enum neo4j_api api)
{
    json_end_object(w);
    if (api == NEO4J_API_TX) {
        json_end_object(w);
        json_end_array(w);
    }
    json_end_object(w);
}

static void write_prop_names(struct json_writer *w, const struct memferry_memory *memory)
{
    for (size_t i = 0; i < memory->prop_count; i++) {
        json_write_string(w, memory->props[i].name.data, memory->props[i].name.size);
    }
}

/* Where null removes a property, as for what a memory does not have. */
static void write_fields(struct json_writer *w, const struct memferry_memory *memory)
{
    json_field_string(w, "content", memory->content);
    json_field_string(w, "kind", memory->kind);
    memory_json_tags(w, memory);
    memory_json_state(w, memory);
    memory_json_embedding(w, memory);
    json_field_string_or_null(w, "embedding_model", memory->embedding_model);
    json_field_text(w, "embedding_state", memory_json_embedding_state(memory));
    json_write_key(w, NEO4J_KEYS_PROPERTY);
    json_begin_array(w);
    write_prop_names(w, memory);
    json_end_array(w);
}

/* All that SET m += is to do: fields, props, and nulls for what is gone. */
static void write_set(struct json_writer *w, const struct memferry_memory *memory,
                      const json_t *gone)
{
    json_write_key(w, "set");
    json_begin_object(w);
    for (size_t i = 0; i < json_array_size(gone); i++) {
        const json_t *name = json_array_get(gone, i);
        json_write_key_sized(w, json_string_value(name), json_string_length(name));
        json_write_null(w);
    }
    write_fields(w, memory);
    memory_json_prop_items(w, memory);
    json_end_object(w);
}

void deliver_row(struct json_writer *w, const struct memferry_memory *memory, size_t i,
                 const json_t *gone)
{
    json_begin_object(w);
    json_field_uint(w, "i", i);
    json_field_string(w, "id", memory->id);
    json_field_int(w, "stamp", memory->stamp);
    json_field_string(w, "origin", memory->origin);
    json_field_string_or_null(w, "session_id", memory->session_id);
    json_write_key(w, "known");
    json_begin_array(w);
    write_prop_names(w, memory);
    for (size_t k = 0; k < json_array_size(gone); k++) {
        const json_t *name = json_array_get(gone, k);
        json_write_string(w, json_string_value(name), json_string_length(name));
    }
    json_end_array(w);
    write_set(w, memory, gone);
    json_end_object(w);
}
