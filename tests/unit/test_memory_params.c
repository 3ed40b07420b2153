/* memory.put's parameters: what is taken, and what is refused with which field. */
#include "broker/memory_params.h"
#include "client/wire/rpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DIMS 2

static const struct {
    const char *json;
    const char *field; /* NULL: taken */
} table[] = {
    {"{}", NULL},
    {"{\"id\":\"a\",\"content\":\"b\"}", NULL},
    {"{\"id\":\"\"}", "id"},
    {"{\"id\":7}", "id"},
    {"{\"content\":\"\"}", NULL},
    {"{\"content\":null}", "content"},
    {"{\"kind\":\"\"}", "kind"},
    {"{\"tags\":[]}", NULL},
    {"{\"tags\":[\"a\",\"b\"]}", NULL},
    {"{\"tags\":[\"a\",1]}", "tags"},
    {"{\"tags\":[\"\"]}", "tags"},
    {"{\"tags\":\"a\"}", "tags"},
    {"{\"props\":{}}", NULL},
    {"{\"props\":{\"a\":null,\"b\":true,\"c\":-1,\"d\":1.5,\"e\":\"x\",\"f\":[1,2],\"g\":[]}}",
     NULL},
    {"{\"props\":{\"a\":{}}}", "props"},
    {"{\"props\":{\"a\":[1,2.5]}}", "props"},
    {"{\"props\":{\"a\":[1,null]}}", "props"},
    {"{\"props\":{\"a\":[[1]]}}", "props"},
    {"{\"props\":{\"a\":9223372036854775807}}", NULL},
    {"{\"props\":{\"a\":9223372036854775808}}", "props"},
    {"{\"props\":{\"\":1}}", "props"},
    {"{\"props\":{\"id\":1}}", "props"},
    {"{\"props\":{\"memferry_keys\":1}}", "props"},
    {"{\"props\":{\"memferry_webhooks\":1}}", "props"},
    {"{\"props\":[]}", "props"},
    {"{\"embedding\":null}", NULL},
    {"{\"embedding\":[1,2.5]}", NULL},
    {"{\"embedding\":[1]}", "embedding"},
    {"{\"embedding\":[1,\"2\"]}", "embedding"},
    {"{\"embedding\":[1,1e39]}", "embedding"},
    {"{\"embedding\":\"AACAPwAAAEA=\"}", NULL},
    {"{\"embedding\":\"AACAPwAAwH8=\"}", "embedding"}, /* NaN */
    {"{\"embedding\":\"AACAPw==\"}", "embedding"},
    {"{\"embedding\":\"!\"}", "embedding"},
    {"{\"embedding\":true}", "embedding"},
    {"{\"expected_version\":0}", NULL},
    {"{\"expected_version\":-1}", "expected_version"},
    {"{\"expected_version\":1.0}", "expected_version"},
    {"{\"retry\":1}", "retry"},
    {"{\"wait\":\"delivered\",\"timeout_ms\":5}", NULL},
    {"{\"wait\":\"soon\"}", "wait"},
    {"{\"timeout_ms\":0}", "timeout_ms"},
    {"{\"session_id\":\"\"}", "session_id"},
    {"{\"colour\":\"blue\"}", "colour"},
    {"{\"version\":1}", "version"},
};

static enum rpc_code read_json(const char *json, msgpack_zone *zone, struct put_params *put,
                               struct rpc_failure *failure)
{
    msgpack_object params;

    assert_int_equal(json_to_msgpack(json, strlen(json), zone, &params, failure), 0);
    *put = (struct put_params){.dims = DIMS};
    return params_read(&params, put_params_read, put, failure);
}

static void test_the_table_of_parameters(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rpc_failure failure = {0};
        struct put_params put;
        msgpack_zone zone;

        msgpack_zone_init(&zone, 4096);
        enum rpc_code code = read_json(table[i].json, &zone, &put, &failure);
        if ((code == RPC_OK) != (table[i].field == NULL)) {
            fail_msg("%s gave %d: %s", table[i].json, code, failure.text);
        }
        if (table[i].field != NULL) {
            assert_int_equal(code, RPC_INVALID_PARAMS);
            assert_string_equal(failure.field, table[i].field);
            assert_true(strlen(failure.text) > 5);
        }
        msgpack_zone_destroy(&zone);
    }
}

static void test_an_embedding_is_the_same_in_each_form(void **state)
{
    static const char *const forms[] = {"{\"embedding\":[1,2]}", "{\"embedding\":[1.0,2.0]}",
                                        "{\"embedding\":\"AACAPwAAAEA=\"}"};
    msgpack_sbuffer first;

    (void)state;
    msgpack_sbuffer_init(&first);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct rpc_failure failure = {0};
        struct put_params put;
        msgpack_zone zone;
        msgpack_sbuffer fields;

        msgpack_zone_init(&zone, 4096);
        msgpack_sbuffer_init(&fields);
        assert_int_equal(read_json(forms[i], &zone, &put, &failure), RPC_OK);
        assert_int_equal(put_params_pack_fields(&put, &fields), 0);
        if (i == 0) {
            msgpack_sbuffer_write(&first, fields.data, fields.size);
        }
        assert_int_equal(fields.size, first.size);
        assert_memory_equal(fields.data, first.data, first.size);
        msgpack_sbuffer_destroy(&fields);
        msgpack_zone_destroy(&zone);
    }
    msgpack_sbuffer_destroy(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_of_parameters),
        cmocka_unit_test(test_an_embedding_is_the_same_in_each_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
