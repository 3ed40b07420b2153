/* Where the socket is, and who is trusted to have put it there.
 *
 * Not tested: a server or a socket of another uid, which takes a second user to make. */
#include "tests/lib/client_fixture.h"

static void test_without_a_broker_connecting_says_so(void **state)
{
    static const struct fake_step steps[] = {{0}};
    struct fake_broker broker;
    char path[200];

    (void)state;
    fake_broker_start(&broker, steps);
    fake_broker_join(&broker); /* the socket is there, and nobody listens */
    struct memferry *m = open_at(broker.socket, 1000);
    assert_int_equal(memferry_connect(m), MEMFERRY_E_CONNECT);
    assert_non_null(strstr(memferry_error(m), broker.socket));
    memferry_close(m);
    snprintf(path, sizeof path, "%s/none.sock", broker.directory);
    m = open_at(path, 1000);
    assert_int_equal(memferry_connect(m), MEMFERRY_E_CONNECT);
    memferry_close(m);
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    m = open_at(path, 1000);
    assert_int_equal(memferry_connect(m), MEMFERRY_E_INVALID);
    assert_int_equal(memferry_fd(m), -1);
    memferry_close(m);
    fake_broker_free(&broker);
}

static void test_only_a_private_directory_is_trusted_in_the_default_place(void **state)
{
    char runtime[] = "/tmp/client-runtime-XXXXXX", directory[64], real[64], socket[96];
    struct memferry *m;

    (void)state;
    assert_non_null(mkdtemp(runtime));
    snprintf(directory, sizeof directory, "%s/memferry", runtime);
    snprintf(real, sizeof real, "%s/real", runtime);
    snprintf(socket, sizeof socket, "%s/memferry.sock", directory);
    setenv("XDG_RUNTIME_DIR", runtime, 1);
    unsetenv("MEMFERRY_SOCKET");

    assert_int_equal(memferry_open(&m, NULL), MEMFERRY_OK);
    assert_int_equal(memferry_connect(m), MEMFERRY_E_CONNECT); /* not there */
    assert_int_equal(mkdir(directory, 0700), 0);
    assert_int_equal(memferry_connect(m), MEMFERRY_E_CONNECT); /* fine, but empty */
    static const mode_t bad[] = {0755, 0720, 0702, 01777};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(chmod(directory, bad[i]), 0);
        assert_int_equal(memferry_connect(m), MEMFERRY_E_UNTRUSTED);
    }
    assert_int_equal(chmod(directory, 0700), 0);
    FILE *file = fopen(socket, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(memferry_connect(m), MEMFERRY_E_UNTRUSTED); /* no socket */
    unlink(socket);
    assert_int_equal(rename(directory, real), 0);
    assert_int_equal(symlink(real, directory), 0);
    assert_int_equal(memferry_connect(m), MEMFERRY_E_UNTRUSTED); /* a link */
    assert_non_null(strstr(memferry_error(m), directory));

    memferry_close(m);
    unlink(directory);
    rmdir(real);
    rmdir(runtime);
}

static void test_the_default_socket_follows_the_documented_order(void **state)
{
    char path[108], expected[64];

    (void)state;
    setenv("MEMFERRY_SOCKET", "/a/b.sock", 1);
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    assert_int_equal(memferry_default_socket(path, sizeof path), 9);
    assert_string_equal(path, "/a/b.sock");
    assert_int_equal(memferry_default_socket(path, 9), MEMFERRY_E_INVALID);
    setenv("MEMFERRY_SOCKET", "", 1);
    memferry_default_socket(path, sizeof path);
    assert_string_equal(path, "/run/user/7/memferry/memferry.sock");
    setenv("XDG_RUNTIME_DIR", "relative", 1);
    memferry_default_socket(path, sizeof path);
    snprintf(expected, sizeof expected, "/tmp/memferry-%u/memferry.sock", (unsigned)geteuid());
    assert_string_equal(path, expected);
    unsetenv("MEMFERRY_SOCKET");
    unsetenv("XDG_RUNTIME_DIR");
}

static void test_settings_out_of_range_are_refused(void **state)
{
    struct memferry_settings settings = {.size = sizeof settings, .window = 1025};
    struct memferry *m;

    (void)state;
    assert_int_equal(memferry_open(&m, &settings), MEMFERRY_E_INVALID);
    assert_null(m);
    settings = (struct memferry_settings){.size = sizeof settings, .socket = ""};
    assert_int_equal(memferry_open(&m, &settings), MEMFERRY_E_INVALID);
    settings = (struct memferry_settings){0};
    assert_int_equal(memferry_open(&m, &settings), MEMFERRY_E_INVALID);
    assert_null(memferry_close(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_broker_connecting_says_so),
        cmocka_unit_test(test_only_a_private_directory_is_trusted_in_the_default_place),
        cmocka_unit_test(test_the_default_socket_follows_the_documented_order),
        cmocka_unit_test(test_settings_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
