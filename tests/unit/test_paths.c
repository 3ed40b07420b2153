/* Paths come from the environment in their order, and a private directory is private or refused. */
#include "broker/util/paths.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const variables[] = {"MEMFERRY_SOCKET",     "MEMFERRY_STATE_DIR",
                                        "MEMFERRY_PLUGIN_DIR", "XDG_RUNTIME_DIR",
                                        "XDG_STATE_HOME",      "XDG_CONFIG_HOME"};

static void reset_environment(void)
{
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        unsetenv(variables[i]);
    }
    setenv("HOME", "/home/ada", 1);
}

typedef int path_fn(char **, struct error *);

struct row {
    path_fn *path;
    const char *name1, *value1, *name2, *value2;
    const char *want;
};

static void test_the_first_variable_that_is_set_wins(void **state)
{
    char default_socket[64];
    snprintf(default_socket, sizeof default_socket, "/tmp/memferry-%u/memferry.sock",
             (unsigned)getuid());
    const struct row rows[] = {
        {paths_socket, "MEMFERRY_SOCKET", "/a/b", "XDG_RUNTIME_DIR", "/run/user/1", "/a/b"},
        {paths_socket, "MEMFERRY_SOCKET", "", "XDG_RUNTIME_DIR", "/run/user/1",
         "/run/user/1/memferry/memferry.sock"},
        {paths_socket, NULL, NULL, "XDG_RUNTIME_DIR", "/run/user/1/",
         "/run/user/1/memferry/memferry.sock"},
        {paths_socket, NULL, NULL, "XDG_RUNTIME_DIR", "relative", default_socket},
        {paths_socket, NULL, NULL, NULL, NULL, default_socket},
        {paths_state_dir, "MEMFERRY_STATE_DIR", "/s", "XDG_STATE_HOME", "/x", "/s"},
        {paths_state_dir, NULL, NULL, "XDG_STATE_HOME", "/x", "/x/memferry"},
        {paths_state_dir, NULL, NULL, NULL, NULL, "/home/ada/.local/state/memferry"},
        {paths_config_file, NULL, NULL, "XDG_CONFIG_HOME", "/c", "/c/memferry/memferry.conf"},
        {paths_config_file, NULL, NULL, NULL, NULL, "/home/ada/.config/memferry/memferry.conf"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *path = NULL;
        reset_environment();
        if (rows[i].name1 != NULL) {
            setenv(rows[i].name1, rows[i].value1, 1);
        }
        if (rows[i].name2 != NULL) {
            setenv(rows[i].name2, rows[i].value2, 1);
        }
        assert_int_equal(rows[i].path(&path, NULL), 0);
        assert_string_equal(path, rows[i].want);
        free(path);
    }
}

static void test_plugins_are_where_the_variable_or_the_build_says(void **state)
{
    char *path;

    (void)state;
    reset_environment();
    assert_int_equal(paths_plugin_dir(&path, "/usr/lib/memferry/plugins", NULL), 0);
    assert_string_equal(path, "/usr/lib/memferry/plugins");
    free(path);
    setenv("MEMFERRY_PLUGIN_DIR", "/p", 1);
    assert_int_equal(paths_plugin_dir(&path, "/usr/lib/memferry/plugins", NULL), 0);
    assert_string_equal(path, "/p");
    free(path);
}

static void test_a_tilde_is_the_home_directory(void **state)
{
    const char *const rows[][2] = {
        {"~/x/y", "/home/ada/x/y"}, {"~", "/home/ada"}, {"/a/~/b", "/a/~/b"},
        {"~bob/x", "~bob/x"},       {"x", "x"},
    };

    (void)state;
    reset_environment();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *path;
        assert_int_equal(paths_expand(&path, rows[i][0], NULL), 0);
        assert_string_equal(path, rows[i][1]);
        free(path);
    }
}

struct fixture {
    char root[64];
    char path[256];
    struct error err;
    mode_t umask;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL) {
        return -1;
    }
    strcpy(f->root, "/tmp/memferry-test-XXXXXX");
    f->umask = umask(022);
    *state = f;
    return mkdtemp(f->root) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[256];

    umask(f->umask);
    snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", f->root, f->root);
    int result = system(command);
    free(f);
    return result;
}

static const char *below(struct fixture *f, const char *name)
{
    snprintf(f->path, sizeof f->path, "%s/%s", f->root, name);
    return f->path;
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

static void test_a_private_directory_is_made_with_its_parents_under_any_umask(void **state)
{
    struct fixture *f = *state;
    const mode_t masks[] = {0, 022, 077, 0777};

    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "%zu/b/c/", i);
        umask(masks[i]);
        assert_int_equal(paths_ensure_private_dir(below(f, name), &f->err), 0);
        umask(022);
        assert_int_equal(mode_of(f->path), 0700);
        snprintf(name, sizeof name, "%zu", i);
        assert_int_equal(mode_of(below(f, name)), 0700);
    }
}

static void test_a_private_directory_that_is_there_is_fine(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(paths_ensure_private_dir(f->root, &f->err), 0);
    assert_int_equal(paths_ensure_private_dir(f->root, NULL), 0);
}

static void test_a_directory_open_to_others_is_refused_and_not_mended(void **state)
{
    struct fixture *f = *state;
    const mode_t modes[] = {0701, 0710, 0755, 0777, 01777};

    assert_int_equal(mkdir(below(f, "open"), 0700), 0);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(f->path, modes[i]), 0);
        assert_int_equal(paths_ensure_private_dir(f->path, &f->err), -EPERM);
        assert_non_null(strstr(f->err.text, "chmod 700"));
        assert_non_null(strstr(f->err.text, f->path));
        assert_int_equal(mode_of(f->path), modes[i]);
    }
}

static void test_a_link_is_refused_with_a_slash_behind_it_too(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(symlink(f->root, below(f, "link")), 0);
    assert_int_equal(paths_ensure_private_dir(f->path, &f->err), -ELOOP);
    assert_non_null(strstr(f->err.text, "is a link"));
    assert_int_equal(paths_ensure_private_dir(below(f, "link//"), &f->err), -ELOOP);
    assert_int_equal(unlink(below(f, "link")), 0);
    assert_int_equal(symlink("nowhere", below(f, "link")), 0);
    assert_int_equal(paths_ensure_private_dir(f->path, &f->err), -ELOOP);
}

static void test_a_file_in_the_way_is_refused(void **state)
{
    struct fixture *f = *state;
    FILE *file = fopen(below(f, "file"), "w");

    assert_non_null(file);
    fclose(file);
    assert_int_equal(paths_ensure_private_dir(f->path, &f->err), -ENOTDIR);
    assert_int_equal(paths_ensure_private_dir(below(f, "file/below"), &f->err), -ENOTDIR);
    assert_int_equal(paths_ensure_private_dir("", &f->err), -ENOENT);
}

static void test_a_directory_of_another_user_is_refused(void **state)
{
    struct fixture *f = *state;

    if (geteuid() == 0) {
        assert_int_equal(mkdir(below(f, "other"), 0700), 0);
        assert_int_equal(chown(f->path, 65534, 65534), 0);
    } else {
        strcpy(f->path, "/etc");
    }
    assert_int_equal(paths_ensure_private_dir(f->path, &f->err), -EPERM);
    assert_non_null(strstr(f->err.text, "belongs to user"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_variable_that_is_set_wins),
        cmocka_unit_test(test_plugins_are_where_the_variable_or_the_build_says),
        cmocka_unit_test(test_a_tilde_is_the_home_directory),
        cmocka_unit_test_setup_teardown(
            test_a_private_directory_is_made_with_its_parents_under_any_umask, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_private_directory_that_is_there_is_fine, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_directory_open_to_others_is_refused_and_not_mended,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_link_is_refused_with_a_slash_behind_it_too, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_file_in_the_way_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_directory_of_another_user_is_refused, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
