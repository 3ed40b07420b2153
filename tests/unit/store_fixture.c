/* store_fixture.c - see store_fixture.h. */
#include "store_fixture.h"

#include "broker/event_embed.h"
#include "broker/store_hash.h"

#include <assert.h>
#include <jansson.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void open_store(struct fixture *fixture)
{
    struct store_options options = {
        .path = fixture->path, .origin = FIXTURE_ORIGIN, .dims = FIXTURE_DIMS};
    struct error err = {0};

    int r = store_open(&fixture->store, &options, &err);
    if (r != 0) {
        fail_msg("store_open: %s", err.text);
    }
}

void fixture_init(struct fixture *fixture)
{
    memset(fixture, 0, sizeof *fixture);
    strcpy(fixture->dir, "/tmp/memferry-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    snprintf(fixture->path, sizeof fixture->path, "%s/memferry.db", fixture->dir);
    msgpack_sbuffer_init(&fixture->answer);
    open_store(fixture);
}

void fixture_deinit(struct fixture *fixture)
{
    char command[128];

    reader_close(fixture->reader);
    store_close(fixture->store);
    msgpack_sbuffer_destroy(&fixture->answer);
    free(fixture->text);
    snprintf(command, sizeof command, "rm -r %s", fixture->dir);
    assert_int_equal(system(command), 0);
}

int fixture_setup(void **state)
{
    struct fixture *fixture = malloc(sizeof *fixture);

    assert_non_null(fixture);
    fixture_init(fixture);
    *state = fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    fixture_deinit(*state);
    free(*state);
    return 0;
}

void fixture_reopen(struct fixture *fixture)
{
    fixture->reader = reader_close(fixture->reader);
    fixture->store = store_close(fixture->store);
    open_store(fixture);
}

struct reader *fixture_reader(struct fixture *fixture)
{
    struct error err = {0};

    if (fixture->reader == NULL && reader_open(&fixture->reader, fixture->path, &err) != 0) {
        fail_msg("reader_open: %s", err.text);
    }
    return fixture->reader;
}

/* ---- fields ---- */

static char *with_quotes(const char *json)
{
    char *text = strdup(json);

    for (char *at = text; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    return text;
}

static void pack_json(msgpack_packer *out, const json_t *json);

static void pack_object(msgpack_packer *out, const json_t *json)
{
    const char *name;
    json_t *value;

    msgpack_pack_map(out, json_object_size(json));
    json_object_foreach((json_t *)(uintptr_t)json, name, value)
    {
        msgpack_pack_str_with_body(out, name, strlen(name));
        if (strcmp(name, "embedding") == 0 && json_is_array(value)) {
            float floats[16];
            for (size_t i = 0; i < json_array_size(value); i++) {
                const json_t *number = json_array_get(value, i);
                floats[i] = json_is_integer(number) ? (float)json_integer_value(number)
                                                    : (float)json_real_value(number);
            }
            msgpack_pack_bin_with_body(out, floats, json_array_size(value) * sizeof *floats);
        } else {
            pack_json(out, value);
        }
    }
}

static void pack_json(msgpack_packer *out, const json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        pack_object(out, json);
        break;
    case JSON_ARRAY:
        msgpack_pack_array(out, json_array_size(json));
        for (size_t i = 0; i < json_array_size(json); i++) {
            pack_json(out, json_array_get(json, i));
        }
        break;
    case JSON_STRING:
        msgpack_pack_str_with_body(out, json_string_value(json), json_string_length(json));
        break;
    case JSON_INTEGER:
        msgpack_pack_int64(out, json_integer_value(json));
        break;
    case JSON_REAL:
        msgpack_pack_double(out, json_real_value(json));
        break;
    case JSON_NULL:
        msgpack_pack_nil(out);
        break;
    default:
        json_is_true(json) ? msgpack_pack_true(out) : msgpack_pack_false(out);
        break;
    }
}

void fields_init(struct fields *fields, const char *json)
{
    char *text = with_quotes(json);
    json_error_t error;
    json_t *tree = json_loads(text, 0, &error);
    msgpack_packer out;

    if (tree == NULL) {
        fail_msg("%s: %s", text, error.text);
    }
    msgpack_sbuffer_init(&fields->buffer);
    msgpack_packer_init(&out, &fields->buffer, msgpack_sbuffer_write);
    pack_json(&out, tree);
    json_decref(tree);
    free(text);
}

void fields_deinit(struct fields *fields)
{
    msgpack_sbuffer_destroy(&fields->buffer);
}

/* ---- events ---- */

struct event_text fixture_text(const char *text)
{
    return (struct event_text){.data = text, .size = text == NULL ? 0 : strlen(text)};
}

struct event fixture_put(const char *memory_id, const struct fields *fields)
{
    return (struct event){.op = EVENT_PUT,
                          .memory_id = fixture_text(memory_id),
                          .fields = (const uint8_t *)fields->buffer.data,
                          .fields_size = fields->buffer.size};
}

struct journal_record fixture_record(uint64_t seq, const struct event *event)
{
    uint8_t *payload = malloc(event_size_max(event));

    return (struct journal_record){.payload = payload,
                                   .payload_size = event_encode(event, payload),
                                   .seq = seq,
                                   .at_ms = (int64_t)seq * 1000,
                                   .stamp_us = (int64_t)seq * 1000000};
}

int fixture_apply(struct fixture *fixture, const struct event *event, struct apply_result *ret)
{
    struct journal_record record = fixture_record(++fixture->seq, event);
    struct error err = {0};

    assert_int_equal(store_begin(fixture->store, &err), 0);
    int r = store_apply(fixture->store, &record, ret, &err);
    if (r == 0) {
        r = store_commit(fixture->store, &err);
    } else {
        store_rollback(fixture->store);
    }
    free((void *)(uintptr_t)record.payload);
    return r;
}

uint64_t fixture_put_json(struct fixture *fixture, const char *memory_id, const char *json)
{
    struct apply_result result;
    struct fields fields;

    fields_init(&fields, json);
    struct event event = fixture_put(memory_id, &fields);
    assert_int_equal(fixture_apply(fixture, &event, &result), 0);
    assert_int_equal(result.outcome, APPLY_CHANGED);
    fields_deinit(&fields);
    return result.seq;
}

uint64_t fixture_delete(struct fixture *fixture, const char *memory_id)
{
    struct event event = {.op = EVENT_DELETE, .memory_id = fixture_text(memory_id)};
    struct apply_result result;

    assert_int_equal(fixture_apply(fixture, &event, &result), 0);
    assert_int_equal(result.outcome, APPLY_CHANGED);
    return result.seq;
}

struct apply_result fixture_raise(struct fixture *fixture, const struct alert *alert)
{
    struct apply_result result = {0};
    msgpack_sbuffer fields;
    struct event event;

    msgpack_sbuffer_init(&fields);
    assert_int_equal(alert_event(alert, &fields, &event), 0);
    assert_int_equal(fixture_apply(fixture, &event, &result), 0);
    msgpack_sbuffer_destroy(&fields);
    return result;
}

struct apply_result fixture_embed(struct fixture *fixture, const char *memory_id,
                                  const char *content, const char *model, float first, float second)
{
    float floats[FIXTURE_DIMS] = {first, second};
    uint8_t hash[CONTENT_HASH_SIZE];
    struct event_text text = fixture_text(content);
    struct apply_result result;
    msgpack_sbuffer fields;

    store_hash_content(&text, hash);
    struct event_embed embed = {.content_hash = hash,
                                .model = fixture_text(model),
                                .vector = {.data = (const uint8_t *)floats, .size = sizeof floats}};
    msgpack_sbuffer_init(&fields);
    assert_int_equal(event_embed_pack(&embed, &fields), 0);
    struct event event = {.op = EVENT_EMBED,
                          .memory_id = fixture_text(memory_id),
                          .fields = (const uint8_t *)fields.data,
                          .fields_size = fields.size};
    assert_int_equal(fixture_apply(fixture, &event, &result), 0);
    msgpack_sbuffer_destroy(&fields);
    return result;
}

bool fixture_set_embedder(struct fixture *fixture, const char *lane, const char *model)
{
    struct error err = {0};
    bool changed;

    assert_int_equal(store_begin(fixture->store, &err), 0);
    assert_int_equal(store_lane_ensure(fixture->store, lane, LANE_EMBEDDER, &err), 0);
    assert_int_equal(store_set_embedder(fixture->store, lane, model, &changed, &err), 0);
    assert_int_equal(store_commit(fixture->store, &err), 0);
    return changed;
}

/* ---- answers ---- */

static void print_object(FILE *out, const msgpack_object *object);

static void print_floats(FILE *out, const msgpack_object *object)
{
    fprintf(out, "[");
    for (uint32_t i = 0; i < object->via.bin.size / sizeof(float); i++) {
        float number;
        memcpy(&number, object->via.bin.ptr + i * sizeof number, sizeof number);
        fprintf(out, "%s%g", i == 0 ? "" : ",", (double)number);
    }
    fprintf(out, "]");
}

static void print_container(FILE *out, const msgpack_object *object)
{
    bool is_map = object->type == MSGPACK_OBJECT_MAP;
    uint32_t size = is_map ? object->via.map.size : object->via.array.size;

    fprintf(out, is_map ? "{" : "[");
    for (uint32_t i = 0; i < size; i++) {
        fprintf(out, "%s", i == 0 ? "" : ",");
        if (is_map) {
            print_object(out, &object->via.map.ptr[i].key);
            fprintf(out, ":");
            print_object(out, &object->via.map.ptr[i].val);
        } else {
            print_object(out, &object->via.array.ptr[i]);
        }
    }
    fprintf(out, is_map ? "}" : "]");
}

static void print_object(FILE *out, const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_STR:
        fprintf(out, "'%.*s'", (int)object->via.str.size, object->via.str.ptr);
        break;
    case MSGPACK_OBJECT_BIN:
        print_floats(out, object);
        break;
    case MSGPACK_OBJECT_MAP:
    case MSGPACK_OBJECT_ARRAY:
        print_container(out, object);
        break;
    default:
        msgpack_object_print(out, *object);
        break;
    }
}

const char *fixture_json(struct fixture *fixture)
{
    msgpack_unpacked unpacked;
    size_t offset = 0, size;

    free(fixture->text);
    fixture->text = NULL;
    FILE *out = open_memstream(&fixture->text, &size);
    msgpack_unpacked_init(&unpacked);
    assert_int_equal(
        msgpack_unpack_next(&unpacked, fixture->answer.data, fixture->answer.size, &offset),
        MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(offset, fixture->answer.size);
    print_object(out, &unpacked.data);
    msgpack_unpacked_destroy(&unpacked);
    fclose(out);
    return fixture->text;
}

const char *fixture_get(struct fixture *fixture, const char *memory_id, uint64_t version)
{
    struct error err = {0};

    msgpack_sbuffer_clear(&fixture->answer);
    int r = reader_get(fixture_reader(fixture), memory_id, version, &fixture->answer, &err);
    if (r == READER_E_NOT_FOUND) {
        return NULL;
    }
    if (r != 0) {
        fail_msg("reader_get: %s", err.text);
    }
    return fixture_json(fixture);
}

/* ---- the whole database ---- */

static void dump_table(sqlite3 *db, const char *name, FILE *out)
{
    char text[256];
    sqlite3_stmt *rows;

    snprintf(text, sizeof text, "SELECT * FROM \"%s\" ORDER BY 1, 2", name);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &rows, NULL), SQLITE_OK);
    while (sqlite3_step(rows) == SQLITE_ROW) {
        fprintf(out, "%s", name);
        for (int i = 0; i < sqlite3_column_count(rows); i++) {
            const uint8_t *bytes = sqlite3_column_blob(rows, i);
            fprintf(out, "|%d:", sqlite3_column_type(rows, i));
            for (int k = 0; k < sqlite3_column_bytes(rows, i); k++) {
                fprintf(out, "%02x", bytes[k]);
            }
        }
        fprintf(out, "\n");
    }
    sqlite3_finalize(rows);
}

char *fixture_dump(const char *path)
{
    sqlite3 *db;
    sqlite3_stmt *tables;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT name FROM sqlite_schema WHERE type='table' "
                                        "ORDER BY name",
                                        -1, &tables, NULL),
                     SQLITE_OK);
    while (sqlite3_step(tables) == SQLITE_ROW) {
        dump_table(db, (const char *)sqlite3_column_text(tables, 0), out);
    }
    sqlite3_finalize(tables);
    sqlite3_close(db);
    fclose(out);
    return text;
}
