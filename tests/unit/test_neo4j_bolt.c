/* PackStream, and the Bolt client against a scripted server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/neo4j-http/neo4j.h"
#include "tests/lib/fake_host.h"
#include "tests/lib/fault_server.h"
#include "tests/lib/sample_memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern const struct memferry_plugin memferry_plugin;

/* ---- PackStream ---- */

static void assert_packed(const struct pack *p, const char *bytes, size_t size)
{
    assert_int_equal(pack_status(p), 0);
    assert_int_equal(p->size, size);
    assert_memory_equal(p->data, bytes, size);
}

#define ASSERT_PACKED(p, literal) assert_packed(p, literal, sizeof literal - 1)

static void test_values_are_written_as_packstream_says(void **state)
{
    struct pack p;
    const float one = 1;

    (void)state;
    pack_init(&p, 1 << 20);
    pack_list(&p, 5);
    pack_null(&p);
    pack_bool(&p, true);
    pack_int(&p, -16);
    pack_int(&p, 128);
    pack_floats(&p, &one, 1);
    ASSERT_PACKED(&p, "\x95\xc0\xc3\xf0"
                      "\xcb\0\0\0\0\0\0\0\x80"
                      "\x91\xc1\x3f\xf0\0\0\0\0\0\0");
    pack_reset(&p);
    pack_map(&p, 16);
    pack_text(&p, "sixteen letters.");
    pack_structure(&p, 0x10, 3);
    ASSERT_PACKED(&p, "\xd8\x10\xd0\x10sixteen letters.\xb3\x10");
    pack_deinit(&p);
}

static void test_a_long_message_goes_in_chunks_and_comes_back_whole(void **state)
{
    enum { LONG = 200000 };
    char *text = malloc(LONG);
    struct pack p;
    size_t size, used;

    (void)state;
    for (size_t i = 0; i < LONG; i++) {
        text[i] = (char)('a' + i % 26);
    }
    pack_init(&p, 1 << 20);
    pack_message_begin(&p);
    pack_string(&p, text, LONG);
    pack_message_end(&p);
    pack_message_begin(&p);
    pack_int(&p, 7);
    pack_message_end(&p);
    assert_int_equal(pack_status(&p), 0);
    assert_memory_equal(p.data, "\xff\xff\xd2", 3);
    size_t whole = p.size - 5; /* of the first: behind it are a head, the 7, and an end */
    assert_null(pack_message(p.data, whole - 1, &size, &used));
    const char *message = pack_message(p.data, p.size, &size, &used);
    assert_int_equal(used, whole);
    json_t *value = pack_read(message, size);
    assert_int_equal(json_string_length(value), LONG);
    assert_memory_equal(json_string_value(value), text, LONG);
    json_decref(value);
    pack_deinit(&p);
    free(text);
}

static void test_what_is_over_the_limit_is_told(void **state)
{
    struct pack p;

    (void)state;
    pack_init(&p, 20);
    pack_text(&p, "more than there is room for");
    pack_int(&p, 1);
    assert_int_equal(pack_status(&p), -EMSGSIZE);
    pack_deinit(&p);
}

static void test_values_that_are_cut_or_lie_about_their_size_are_none(void **state)
{
    static const char *const bad[] = {"\xd0",
                                      "\xd2\x7f\xff\xff\xff_",
                                      "\x92\x01",
                                      "\xa1\x81k",
                                      "\xd6\xff\xff\xff\xff\x01",
                                      "\xc1\x7f",
                                      "\xb1\x01\x01",
                                      "\xa1\x01\x01",
                                      "\xcc\x01\x01",
                                      "\x81\xff",
                                      "\xdf\x01"};
    static const char not_a_number[] = "\xc1\x7f\xf8\0\0\0\0\0\0";
    char deep[100];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_null(pack_read(bad[i], strlen(bad[i])));
    }
    assert_null(pack_read(not_a_number, sizeof not_a_number - 1));
    memset(deep, 0x91, sizeof deep);
    assert_null(pack_read(deep, sizeof deep));
    assert_null(pack_read("", 0));
}

/* ---- a server ---- */

#define VERSION    "\0\0\4\5"
#define SUCCESS    "\0\3\xb1\x70\xa0\0\0"
#define ROW(bytes) "\0\5\xb1\x71\x92" bytes "\x90\0\0" /* [number, []], as a delivery answers */
#define FAILURE(code)                                                                              \
    "\0\x40\xb1\x7f\xa2\x84"                                                                       \
    "code\xd0\x29" code "\x87message\x84text\0\0"
#define TYPE_ERROR   "Neo.ClientError.Statement.TypeError\0\0\0\0\0\0"
#define UNAUTHORIZED "Neo.ClientError.Security.Unauthorized\0\0\0\0"

struct answer {
    const char *bytes;
    size_t size;
    bool closes; /* after it */
};

#define ANSWER(literal)                                                                            \
    {                                                                                              \
        literal, sizeof literal - 1, false                                                         \
    }
#define LAST_ANSWER(literal)                                                                       \
    {                                                                                              \
        literal, sizeof literal - 1, true                                                          \
    }

/* Each handshake, login and statement takes the next answer. */
struct bolt_server {
    int listener;
    unsigned port;
    const struct answer *answers;
    size_t count, taken;
    atomic_uint connections;
    pthread_t thread;
};

static bool read_whole(int fd, char *buffer, size_t size)
{
    return recv(fd, buffer, size, MSG_WAITALL) == (ssize_t)size;
}

static bool skip_message(int fd)
{
    char head[2], rest[65536];
    bool any = false;

    for (;;) {
        if (!read_whole(fd, head, 2)) {
            return false;
        }
        size_t size = (size_t)(unsigned char)head[0] << 8 | (unsigned char)head[1];
        if (size == 0 && any) {
            return true;
        }
        any = any || size > 0;
        if (!read_whole(fd, rest, size)) {
            return false;
        }
    }
}

static bool give(struct bolt_server *server, int fd)
{
    if (server->taken == server->count) {
        return false;
    }
    const struct answer *answer = &server->answers[server->taken++];
    return send(fd, answer->bytes, answer->size, MSG_NOSIGNAL) == (ssize_t)answer->size &&
           !answer->closes;
}

static void serve(struct bolt_server *server, int fd)
{
    char hello[20];

    if (!read_whole(fd, hello, sizeof hello) || memcmp(hello, "\x60\x60\xb0\x17", 4) != 0) {
        return;
    }
    while (give(server, fd) && skip_message(fd) && skip_message(fd)) { /* two and two */
    }
}

static void *server_thread(void *arg)
{
    struct bolt_server *server = arg;
    int fd;

    while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
        server->connections++;
        serve(server, fd);
        close(fd);
    }
    return NULL;
}

static void start(struct bolt_server *server, const struct answer *answers, size_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    *server = (struct bolt_server){.answers = answers, .count = count};
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, server_thread, server), 0);
}

static void stop(struct bolt_server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
}

/* ---- deliveries ---- */

enum { DIMS = 4, BATCH = 60 };

struct fixture {
    struct fake_host host;
    struct neo4j graph; /* as much of it as a delivery uses */
    struct bolt_server server;
    struct memferry_memory memories[BATCH];
    struct memferry_outcome outcomes[BATCH];
    char ids[BATCH][8];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    fake_host_init(&f->host, memferry_plugin.options);
    f->host.quiet = true;
    f->host.host.dims = DIMS;
    for (unsigned i = 0; i < BATCH; i++) {
        snprintf(f->ids[i], sizeof f->ids[i], "m%02u", i);
        f->memories[i] = sample_memory(f->ids[i], 1 + i);
    }
    *state = f;
    return 0;
}

static void begin(struct fixture *f, const struct answer *answers, size_t count)
{
    char address[32];

    start(&f->server, answers, count);
    snprintf(address, sizeof address, "127.0.0.1:%u", f->server.port);
    f->graph = (struct neo4j){.host = &f->host.host, .connections = 1};
    f->graph.bolt = bolt_new(&(struct bolt_settings){.host = &f->host.host,
                                                     .address = address,
                                                     .user = "neo4j",
                                                     .password = "hunter2",
                                                     .database = "neo4j",
                                                     .connect_timeout_ms = 5000,
                                                     .timeout_ms = 300,
                                                     .connections = 1,
                                                     .request_max = 1 << 20,
                                                     .reply_max = 1 << 16});
    assert_non_null(f->graph.bolt);
}

#define BEGIN(f, answers) begin(f, answers, sizeof answers / sizeof answers[0])

static int teardown(void **state)
{
    struct fixture *f = *state;

    f->graph.bolt = bolt_free(f->graph.bolt);
    if (f->server.listener > 0) {
        stop(&f->server);
    }
    fake_host_deinit(&f->host);
    free(f);
    return 0;
}

static void deliver(struct fixture *f, size_t n)
{
    memset(f->outcomes, 0, sizeof f->outcomes);
    neo4j_deliver(&f->graph, f->memories, n, f->outcomes);
}

static void assert_all(const struct fixture *f, size_t n, enum memferry_verdict verdict,
                       enum memferry_blame blame, const char *reason)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(f->outcomes[i].verdict, verdict);
        if (verdict != MEMFERRY_DONE) {
            assert_int_equal(f->outcomes[i].blame, blame);
            assert_non_null(strstr(f->outcomes[i].reason.text, reason));
        }
    }
}

static void test_what_the_server_confirms_is_done_over_one_connection(void **state)
{
    static const struct answer answers[] = {ANSWER(VERSION), ANSWER(SUCCESS SUCCESS),
                                            ANSWER(SUCCESS ROW("\3") SUCCESS),
                                            ANSWER(SUCCESS ROW("\2") SUCCESS)};
    struct fixture *f = *state;

    BEGIN(f, answers);
    deliver(f, 3);
    assert_all(f, 3, MEMFERRY_DONE, 0, "");
    deliver(f, 2);
    assert_all(f, 2, MEMFERRY_DONE, 0, "");
    assert_int_equal(f->server.connections, 1);
}

static void test_other_rows_than_were_sent_are_no_confirmation(void **state)
{
    static const struct answer answers[] = {ANSWER(VERSION), ANSWER(SUCCESS SUCCESS),
                                            ANSWER(SUCCESS ROW("\2") SUCCESS)};
    struct fixture *f = *state;

    BEGIN(f, answers);
    deliver(f, 3);
    assert_all(f, 3, MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND, "confirmed other rows");
}

static void test_a_value_that_is_refused_rejects_the_batch_and_the_next_goes_on(void **state)
{
    static const struct answer answers[] = {
        ANSWER(VERSION), ANSWER(SUCCESS SUCCESS), LAST_ANSWER(FAILURE(TYPE_ERROR)),
        ANSWER(VERSION), ANSWER(SUCCESS SUCCESS), ANSWER(SUCCESS ROW("\1") SUCCESS)};
    struct fixture *f = *state;

    BEGIN(f, answers);
    deliver(f, 3);
    assert_all(f, 3, MEMFERRY_REJECT, MEMFERRY_BLAME_BATCH, "TypeError");
    deliver(f, 1);
    assert_all(f, 1, MEMFERRY_DONE, 0, "");
    assert_int_equal(f->server.connections, 2);
}

static void test_a_row_before_the_end_of_the_transaction_confirms_nothing(void **state)
{
    static const struct answer answers[] = {ANSWER(VERSION), ANSWER(SUCCESS SUCCESS),
                                            LAST_ANSWER(SUCCESS ROW("\3"))};
    struct fixture *f = *state;

    BEGIN(f, answers);
    deliver(f, 3);
    assert_all(f, 3, MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND, "closed the connection");
}

static void test_an_answer_that_comes_before_the_question_is_not_taken_for_one(void **state)
{
    static const struct answer answers[] = {
        ANSWER(VERSION),
        ANSWER(SUCCESS SUCCESS),
        ANSWER(SUCCESS ROW("\3") SUCCESS SUCCESS ROW("\3") SUCCESS),
        ANSWER(VERSION),
        ANSWER(SUCCESS SUCCESS),
        ANSWER(SUCCESS ROW("\2") SUCCESS)};
    struct fixture *f = *state;

    BEGIN(f, answers);
    deliver(f, 3);
    deliver(f, 3);
    assert_all(f, 3, MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND, "confirmed other rows");
    assert_int_equal(f->server.connections, 2);
}

static void test_a_connection_that_was_closed_while_idle_is_made_anew(void **state)
{
    static const struct answer answers[] = {
        ANSWER(VERSION), ANSWER(SUCCESS SUCCESS), LAST_ANSWER(SUCCESS ROW("\1") SUCCESS),
        ANSWER(VERSION), ANSWER(SUCCESS SUCCESS), ANSWER(SUCCESS ROW("\1") SUCCESS)};
    struct fixture *f = *state;

    BEGIN(f, answers);
    deliver(f, 1);
    assert_all(f, 1, MEMFERRY_DONE, 0, "");
    deliver(f, 1);
    assert_all(f, 1, MEMFERRY_DONE, 0, "");
}

static void test_a_login_that_is_refused_is_tried_once_for_all(void **state)
{
    static const struct answer answers[] = {ANSWER(VERSION),
                                            LAST_ANSWER(SUCCESS FAILURE(UNAUTHORIZED))};
    struct bolt_request requests[3] = {0};
    struct fixture *f = *state;

    BEGIN(f, answers);
    for (size_t i = 0; i < 3; i++) {
        requests[i].cypher = "RETURN 1";
    }
    bolt_exchange(f->graph.bolt, requests, 3);
    for (size_t i = 0; i < 3; i++) {
        struct neo4j_reply reply;
        assert_false(neo4j_reply_of_bolt(&reply, &requests[i], 1, bolt_target(f->graph.bolt)));
        assert_int_equal(reply.failure.blame, MEMFERRY_BLAME_BACKEND);
        assert_non_null(strstr(reply.failure.reason.text, "Unauthorized"));
        neo4j_reply_deinit(&reply);
        bolt_request_deinit(&requests[i]);
    }
    assert_int_equal(f->server.connections, 1);
}

static void test_a_server_that_says_nothing_is_waited_for_no_longer_than_the_time_out(void **state)
{
    static const struct answer answers[] = {ANSWER(VERSION), ANSWER(SUCCESS SUCCESS), ANSWER("")};
    struct fixture *f = *state;

    BEGIN(f, answers);
    deliver(f, 2);
    assert_all(f, 2, MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND, "in time");
}

static void test_what_is_no_bolt_is_the_backends_trouble(void **state)
{
    static const struct answer answers[] = {LAST_ANSWER("\0\0\0\0")};
    struct fixture *f = *state;

    BEGIN(f, answers);
    deliver(f, 2);
    assert_all(f, 2, MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND, "no Bolt 5.1 to 5.4");
}

static void test_a_memory_too_large_to_send_is_rejected_alone(void **state)
{
    static const struct answer answers[] = {ANSWER(VERSION), ANSWER(SUCCESS SUCCESS)};
    struct fixture *f = *state;
    char *large = calloc(1, 2 << 20);

    BEGIN(f, answers);
    f->memories[0].content = (struct memferry_string){large, 2 << 20};
    deliver(f, 1);
    assert_all(f, 1, MEMFERRY_REJECT, MEMFERRY_BLAME_RECORD, "too large");
    free(large);
}

static void test_a_cancelled_delivery_ends_and_confirms_nothing(void **state)
{
    static const struct answer answers[] = {ANSWER(VERSION), ANSWER(SUCCESS SUCCESS), ANSWER("")};
    struct fixture *f = *state;

    BEGIN(f, answers);
    fake_host_cancel(&f->host);
    deliver(f, BATCH);
    assert_all(f, BATCH, MEMFERRY_RETRY, MEMFERRY_BLAME_BACKEND, "");
    assert_int_equal(f->server.connections, 0);
}

/* ---- by which way ---- */

#define EMPTY      "{\"results\":[{\"columns\":[],\"data\":[]}],\"errors\":[]}"
#define ID         "{\"results\":[{\"columns\":[],\"data\":[{\"row\":[\"ours\"]}]}],\"errors\":[]}"
#define ID_ROW(id) "\0\x08\xb1\x71\x91\x84" id "\0\0"

/* What a probe tells, of a server whose Bolt is at this address. */
static struct memferry_reason probe(struct fixture *f, const char *bolt_host)
{
    struct fault_server *http = fault_server_start();
    struct memferry_reason why = {.text = ""};
    char discovery[300];
    void *self;

    snprintf(discovery, sizeof discovery,
             "{\"transaction\":\"x\",\"neo4j_version\":\"5.26\",\"bolt_direct\":\"bolt://%s:%u\"}",
             bolt_host, f->server.port);
    const char *const bodies[] = {discovery, EMPTY, EMPTY, ID};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        fault_server_push(http, (struct fault_answer){.status = 200, .body = bodies[i]});
    }
    fake_host_set(&f->host, "url", fault_server_url(http));
    fake_host_set(&f->host, "password", "hunter2");
    fake_host_set(&f->host, "connections", "1");
    fake_host_set(&f->host, "vector_index", "false");
    assert_int_equal(memferry_plugin.open(&f->host.host, &self), 0);
    assert_int_equal(memferry_plugin.probe(self, &why), 0);
    memferry_plugin.close(self);
    fault_server_stop(http);
    return why;
}

static void test_a_probe_finds_bolt_on_the_same_machine_and_database(void **state)
{
    static const struct answer answers[] = {ANSWER(VERSION), ANSWER(SUCCESS SUCCESS),
                                            ANSWER(SUCCESS ID_ROW("ours") SUCCESS)};
    struct fixture *f = *state;

    BEGIN(f, answers);
    assert_non_null(strstr(probe(f, "127.0.0.1").text, "and Bolt"));
}

static void test_another_servers_bolt_is_left_alone(void **state)
{
    static const struct answer answers[] = {ANSWER(VERSION), ANSWER(SUCCESS SUCCESS),
                                            ANSWER(SUCCESS ID_ROW("else") SUCCESS)};
    struct fixture *f = *state;

    BEGIN(f, answers);
    assert_null(strstr(probe(f, "127.0.0.1").text, "Bolt"));
    assert_int_equal(f->server.connections, 1);
}

static void test_another_machine_is_not_asked_for_bolt(void **state)
{
    static const struct answer answers[] = {ANSWER(VERSION)};
    struct fixture *f = *state;

    BEGIN(f, answers);
    assert_null(strstr(probe(f, "127.0.0.2").text, "Bolt"));
    assert_int_equal(f->server.connections, 0);
}

static void test_bolt_can_be_switched_off(void **state)
{
    static const struct answer answers[] = {ANSWER(VERSION)};
    struct fixture *f = *state;

    BEGIN(f, answers);
    fake_host_set(&f->host, "bolt", "false");
    assert_null(strstr(probe(f, "127.0.0.1").text, "Bolt"));
    assert_int_equal(f->server.connections, 0);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_written_as_packstream_says),
        cmocka_unit_test(test_a_long_message_goes_in_chunks_and_comes_back_whole),
        cmocka_unit_test(test_what_is_over_the_limit_is_told),
        cmocka_unit_test(test_values_that_are_cut_or_lie_about_their_size_are_none),
        WITH_SERVER(test_what_the_server_confirms_is_done_over_one_connection),
        WITH_SERVER(test_other_rows_than_were_sent_are_no_confirmation),
        WITH_SERVER(test_a_value_that_is_refused_rejects_the_batch_and_the_next_goes_on),
        WITH_SERVER(test_a_row_before_the_end_of_the_transaction_confirms_nothing),
        WITH_SERVER(test_an_answer_that_comes_before_the_question_is_not_taken_for_one),
        WITH_SERVER(test_a_connection_that_was_closed_while_idle_is_made_anew),
        WITH_SERVER(test_a_login_that_is_refused_is_tried_once_for_all),
        WITH_SERVER(test_a_server_that_says_nothing_is_waited_for_no_longer_than_the_time_out),
        WITH_SERVER(test_what_is_no_bolt_is_the_backends_trouble),
        WITH_SERVER(test_a_memory_too_large_to_send_is_rejected_alone),
        WITH_SERVER(test_a_cancelled_delivery_ends_and_confirms_nothing),
        WITH_SERVER(test_a_probe_finds_bolt_on_the_same_machine_and_database),
        WITH_SERVER(test_another_servers_bolt_is_left_alone),
        WITH_SERVER(test_another_machine_is_not_asked_for_bolt),
        WITH_SERVER(test_bolt_can_be_switched_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
