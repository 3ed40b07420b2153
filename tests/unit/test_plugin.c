/*
 * The loader takes a plugin only when its file can be trusted and its table is right, holds the
 * config against the table, and gives the instance what the header promises.
 */
#include "broker/plugin.h"

#include "plugins/exposed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

#define ORIGIN "11111111-2222-4333-8444-555555555555"

struct fixture {
    char root[40];       /* holds plugins/, state/ and memferry.conf */
    char plugin_dir[60]; /* 0755, whatever the umask of who built us */
    char config_file[60];
    char state_dir[60];
    int log_fds[2];
    struct log log;
    struct plugin_context context;
    struct config *config;
    struct plugin *plugin;
    struct instance *instance;
    struct error err;
};

static void write_file(const char *path, const char *text, size_t size, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

/* A name below the fixture's root. Valid until the next call. */
static const char *below(const struct fixture *f, const char *name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", f->root, name);
    return path;
}

static void install_plugin(const struct fixture *f, const char *name)
{
    char from[512], to[512];
    static char bytes[1 << 22];

    snprintf(from, sizeof from, "%s/%s.so", BUILT_PLUGINS, name);
    int fd = open(from, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t size = read(fd, bytes, sizeof bytes);
    assert_in_range(size, 1, sizeof bytes - 1);
    close(fd);
    snprintf(to, sizeof to, "%s/%s.so", f->plugin_dir, name);
    write_file(to, bytes, (size_t)size, 0755);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL) {
        return -1;
    }
    strcpy(f->root, "/tmp/memferry-plugin-XXXXXX");
    if (mkdtemp(f->root) == NULL || pipe2(f->log_fds, O_NONBLOCK) != 0) {
        return -1;
    }
    snprintf(f->plugin_dir, sizeof f->plugin_dir, "%s/plugins", f->root);
    snprintf(f->config_file, sizeof f->config_file, "%s/memferry.conf", f->root);
    snprintf(f->state_dir, sizeof f->state_dir, "%s/state", f->root);
    unsetenv("JOURNAL_STREAM");
    unsetenv("EXPOSED_PASSWORD");
    setenv("HOME", "/home/ada", 1);
    log_init(&f->log, f->log_fds[1], LOG_LEVEL_DEBUG);
    f->context = (struct plugin_context){.plugin_dir = f->plugin_dir,
                                         .config_file = f->config_file,
                                         .state_dir = f->state_dir,
                                         .origin = ORIGIN,
                                         .dims = 4,
                                         .log = &f->log};
    *state = f;
    return mkdir(f->plugin_dir, 0700) == 0 ? chmod(f->plugin_dir, 0755) : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[100];

    instance_close(f->instance);
    plugin_unload(f->plugin);
    config_free(f->config);
    close(f->log_fds[0]);
    close(f->log_fds[1]);
    snprintf(command, sizeof command, "rm -rf %s", f->root);
    free(f);
    return system(command);
}

/* Loads the plugin of the only backend in the config's text. */
static int load(struct fixture *f, const char *text)
{
    f->instance = instance_close(f->instance);
    f->plugin = plugin_unload(f->plugin);
    f->config = config_free(f->config);
    write_file(f->config_file, text, strlen(text), 0600);
    if (config_load(&f->config, f->config_file, &f->err) != 0) {
        fail_msg("%s", f->err.text);
    }
    memset(&f->err, 0, sizeof f->err);
    return plugin_load(&f->plugin, &f->config->backends[0], &f->context, &f->err);
}

static void load_ok(struct fixture *f, const char *text)
{
    if (load(f, text) != 0) {
        fail_msg("%s", f->err.text);
    }
}

static const struct memferry_host *open_ok(struct fixture *f)
{
    if (instance_open(&f->instance, f->plugin, &f->err) != 0) {
        fail_msg("%s", f->err.text);
    }
    const struct exposed *e = instance_self(f->instance);
    return e->host;
}

static void assert_refused(struct fixture *f, const char *text, unsigned line, const char *want)
{
    char place[100];
    int result = load(f, text);

    snprintf(place, sizeof place, "%s:%u: ", f->config_file, line);
    if (result == 0 || strncmp(f->err.text, place, strlen(place)) != 0 ||
        strstr(f->err.text, want) == NULL || strstr(f->err.text, "S3CRET") != NULL) {
        fail_msg("%s gave %d: %s (want %s)", text, result, f->err.text, want);
    }
    assert_null(f->plugin);
}

static const char *log_text(struct fixture *f)
{
    static char text[8192];
    ssize_t size = read(f->log_fds[0], text, sizeof text - 1);

    text[size > 0 ? size : 0] = '\0';
    return text;
}

#define EXPOSED "[backend \"b\"]\nplugin = exposed\nurl = here\n"

static void test_a_good_plugin_is_loaded_by_name_and_by_path(void **state)
{
    struct fixture *f = *state;
    char text[200];

    install_plugin(f, "exposed");
    load_ok(f, EXPOSED);
    assert_string_equal(plugin_table(f->plugin)->name, "exposed");
    assert_non_null(plugin_table(f->plugin)->deliver);
    assert_null(plugin_table(f->plugin)->fetch);
    snprintf(text, sizeof text, "[backend \"b\"]\nplugin = %s/exposed.so\nurl = here\n",
             f->plugin_dir);
    load_ok(f, text);
    assert_string_equal(plugin_table(f->plugin)->summary, "shows its host to a test");
}

static void test_options_come_typed_or_by_default(void **state)
{
    struct fixture *f = *state;

    install_plugin(f, "exposed");
    load_ok(f, EXPOSED "any = -5\npatience = 2s\nquick = on\nplace = /p\n");
    const struct memferry_host *host = open_ok(f);
    assert_int_equal(host->abi, MEMFERRY_PLUGIN_ABI);
    assert_int_equal(host->size, sizeof *host);
    assert_string_equal(host->backend, "b");
    assert_string_equal(host->origin, ORIGIN);
    assert_int_equal(host->dims, 4);
    assert_string_equal(host->option(host, "url"), "here");
    assert_int_equal(host->option_int(host, "any"), -5);
    assert_int_equal(host->option_int(host, "count"), 7);
    assert_string_equal(host->option(host, "count"), "7");
    assert_int_equal(host->option_int(host, "patience"), 2000);
    assert_int_equal(host->option_int(host, "quick"), 1);
    assert_int_equal(host->option_int(host, "room"), 65536);
    assert_string_equal(host->option(host, "place"), "/p");
    assert_null(host->option(host, "fail"));
    assert_string_equal(host->option(host, "password"), "environment"); /* never the secret */
    assert_null(host->option(host, "no_such"));
    assert_int_equal(host->option_int(host, "no_such"), 0);
}

static void test_a_tilde_of_a_path_is_expanded_in_defaults_too(void **state)
{
    struct fixture *f = *state;

    install_plugin(f, "exposed");
    load_ok(f, EXPOSED);
    const struct memferry_host *host = open_ok(f);
    assert_string_equal(host->option(host, "place"), "/home/ada/place");
    assert_int_equal(host->option_int(host, "any"), 0);
}

static void test_the_batch_is_the_backends_or_the_plugins(void **state)
{
    struct fixture *f = *state;

    install_plugin(f, "exposed");
    install_plugin(f, "wrong");
    load_ok(f, EXPOSED);
    assert_int_equal(plugin_batch(f->plugin), 200);
    load_ok(f, EXPOSED "batch = 300\n");
    assert_int_equal(plugin_batch(f->plugin), 300);
    const struct memferry_host *host = open_ok(f);
    assert_int_equal(host->option_int(host, "batch"), 300);
    assert_refused(f, EXPOSED "batch = 1001\n", 4, "give a whole number from 1 to 1000");
    load_ok(f, "[backend \"b\"]\nplugin = wrong\nbatch = 9\n");
    assert_int_equal(plugin_batch(f->plugin), 9);
    load_ok(f, "[backend \"b\"]\nplugin = wrong\n");
    assert_int_equal(plugin_batch(f->plugin), 0);
}

static void test_a_config_that_does_not_fit_is_refused_at_its_line(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *want;
    } rows[] = {
        {"\n[backend \"b\"]\nplugin = exposed\n", 2, "backend \"b\" needs url (where it is)"},
        {EXPOSED "cuont = 3\n", 4, "unknown key \"cuont\""},
        {EXPOSED "cuont = 3\n", 4, "did you mean \"count\"?"},
        {EXPOSED "max_aeg = 3s\n", 4, "did you mean \"max_age\"?"},
        {EXPOSED "passwrod_env = X\n", 4, "did you mean \"password_env\"?"},
        {EXPOSED "\nzzz = 3\n", 5, "[backend \"b\"] of plugin exposed; it may have url, count"},
        {EXPOSED "count_env = X\n", 4, "unknown key \"count_env\""},
        {EXPOSED "count = 0\n", 4, "give a whole number from 1 to 9"},
        {EXPOSED "count = 10\n", 4, "bad value \"10\" for count"},
        {EXPOSED "count =\n", 4, "bad value"},
        {EXPOSED "any = 1.0\n", 4, "give a whole number"},
        {EXPOSED "quick = 1\n", 4, "give yes or no"},
        {EXPOSED "patience = 9ms\n", 4, "from 10 to 60000ms"},
        {EXPOSED "patience = 9\n", 4, "a time such as"},
        {EXPOSED "room = 1X\n", 4, "a size such as"},
        {EXPOSED "place = here\n", 4, "begins with / or with ~/"},
        {EXPOSED "signing = S3CRET\n", 4, "signing_env or a file by signing_file"},
        {EXPOSED "signing_env = S3CRET!\n", 4, "not the secret"},
        {EXPOSED "signing_file = x\n", 4, "bad value \"x\" for signing_file"},
        {EXPOSED "signing_file = /x\nsigning_env = X\n", 5, "both signing_env and signing_file"},
        {EXPOSED "password_env = A\npassword_file = /x\n", 5, "keep one of them"},
    };
    struct fixture *f = *state;

    install_plugin(f, "exposed");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_refused(f, rows[i].text, rows[i].line, rows[i].want);
    }
}

static void test_a_plugin_that_is_wrong_is_refused(void **state)
{
    static const struct {
        const char *name, *want;
    } rows[] = {
        {"abi", "is made for plugin ABI 99, this broker has 1"},
        {"tiny", "16 bytes, which cannot be"},
        {"odd", "which cannot be"},
        {"nameless", "has no proper name"},
        {"misnamed", "has no proper name"},
        {"other_name", "calls itself \"another\"; rename the file to another.so"},
        {"no_open", "lacks open, close or probe"},
        {"no_close", "lacks open, close or probe"},
        {"no_probe", "lacks open, close or probe"},
        {"useless", "can do nothing"},
        {"no_symbol", "exports no memferry_plugin"},
        {"row_name", "bad option \"Second\": names are"},
        {"row_type", "bad option \"second\": its type is none"},
        {"row_twice", "bad option \"first\": another has that name"},
        {"row_clash", "bad option \"first_file\": another has that name"},
        {"row_common", "bad option \"max_age\": every backend has"},
        {"row_batch", "batch must be an INT"},
        {"row_range", "its min is above its max"},
        {"row_default", "bad option \"second\": bad value \"1\""},
        {"row_required", "it is required and has a default"},
        {"row_secret", "its default is no name of a variable"},
    };
    struct fixture *f = *state;
    char text[100];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        install_plugin(f, rows[i].name);
        snprintf(text, sizeof text, "[backend \"b\"]\nplugin = %s\n", rows[i].name);
        assert_refused(f, text, 1, rows[i].want);
    }
}

static void load_by_path(struct fixture *f, const char *name)
{
    char text[200];

    install_plugin(f, name);
    snprintf(text, sizeof text, "[backend \"b\"]\nplugin = %s/%s.so\n", f->plugin_dir, name);
    load_ok(f, text);
}

static void test_fields_beyond_a_plugins_size_are_null(void **state)
{
    struct fixture *f = *state;

    load_by_path(f, "shorter");
    assert_null(plugin_table(f->plugin)->fetch);
    assert_non_null(plugin_table(f->plugin)->deliver);
    assert_string_equal(plugin_table(f->plugin)->version, "");
    load_by_path(f, "longer");
    assert_non_null(plugin_table(f->plugin)->deliver);
}

static void test_a_plugin_sees_nothing_of_the_broker(void **state)
{
    struct fixture *f = *state;

    install_plugin(f, "curious");
    assert_refused(f, "[backend \"b\"]\nplugin = curious\n", 1, "undefined symbol: config_free");
}

static void test_a_plugin_that_is_not_there_is_told_with_its_neighbour(void **state)
{
    struct fixture *f = *state;

    install_plugin(f, "exposed");
    assert_refused(f, "[backend \"b\"]\nplugin = expsoed\n", 1, "did you mean \"exposed\"?");
    assert_refused(f, "[backend \"b\"]\nplugin = nothing-like-it\n", 1, "install it there");
    assert_refused(f, "[backend \"b\"]\nplugin = /nonexistent/x.so\n", 1, "check the path");
    write_file(below(f, "plugins/text.so"), "hello", 5, 0644);
    assert_refused(f, "[backend \"b\"]\nplugin = text\n", 1, "cannot load plugin");
    assert_int_equal(mkdir(below(f, "plugins/dir.so"), 0755), 0);
    assert_refused(f, "[backend \"b\"]\nplugin = dir\n", 1, "no regular file");
}

static void test_a_plugin_that_others_may_write_is_not_loaded(void **state)
{
    struct fixture *f = *state;
    const mode_t modes[] = {0757, 0777, 0775};
    size_t count = geteuid() == 0 ? 3 : 2; /* a private group of our own may write */

    install_plugin(f, "exposed");
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(chmod(below(f, "plugins/exposed.so"), modes[i]), 0);
        assert_refused(f, EXPOSED, 1, "exposed.so may be written by others");
        assert_int_equal(chmod(below(f, "plugins/exposed.so"), 0755), 0);
        assert_int_equal(chmod(f->plugin_dir, modes[i]), 0);
        assert_refused(f, EXPOSED, 1, "directory");
        assert_int_equal(chmod(f->plugin_dir, 0755), 0);
    }
    load_ok(f, EXPOSED);
}

static void test_every_directory_above_a_plugin_is_looked_at(void **state)
{
    struct fixture *f = *state;

    install_plugin(f, "exposed");
    assert_int_equal(chmod(f->root, 0777), 0);
    assert_refused(f, EXPOSED, 1, "the directory above a plugin");
    assert_int_equal(chmod(f->root, 01777), 0); /* what is ours there stays ours */
    load_ok(f, EXPOSED);
    if (geteuid() == 0) {
        assert_int_equal(chmod(f->root, 0755), 0);
        assert_int_equal(chown(f->root, 65534, 65534), 0);
        assert_refused(f, EXPOSED, 1, "belongs to user 65534");
        assert_int_equal(chown(f->root, 0, 0), 0);
    }
}

static void test_a_plugin_of_another_user_is_not_loaded(void **state)
{
    struct fixture *f = *state;

    if (geteuid() != 0) {
        skip(); /* only root can give a file away */
    }
    install_plugin(f, "exposed");
    assert_int_equal(chown(below(f, "plugins/exposed.so"), 65534, 65534), 0);
    assert_refused(f, EXPOSED, 1, "belongs to user 65534");
    assert_int_equal(chown(below(f, "plugins/exposed.so"), 0, 0), 0);
    assert_int_equal(chown(f->plugin_dir, 65534, 65534), 0);
    assert_refused(f, EXPOSED, 1, "belongs to user 65534");
}

static void test_a_link_is_as_good_as_what_it_leads_to(void **state)
{
    struct fixture *f = *state;
    char real[512];

    install_plugin(f, "exposed");
    assert_int_equal(mkdir(below(f, "elsewhere"), 0755), 0);
    snprintf(real, sizeof real, "%s", below(f, "elsewhere/x.so"));
    assert_int_equal(rename(below(f, "plugins/exposed.so"), real), 0);
    assert_int_equal(symlink(real, below(f, "plugins/exposed.so")), 0);
    load_ok(f, EXPOSED);
    assert_int_equal(chmod(below(f, "elsewhere"), 0777), 0);
    assert_refused(f, EXPOSED, 1, "may be written by others");
    assert_int_equal(chmod(below(f, "elsewhere"), 0755), 0);
    assert_int_equal(chmod(real, 0666), 0);
    assert_refused(f, EXPOSED, 1, "may be written by others");
    assert_int_equal(chmod(real, 0644), 0);
    assert_int_equal(chmod(f->plugin_dir, 0777), 0);
    assert_refused(f, EXPOSED, 1, "may be written by others");
}

static void test_a_secret_from_a_variable_is_as_it_was_at_load(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why = {.text = ""};
    size_t size = 0;

    install_plugin(f, "exposed");
    setenv("EXPOSED_PASSWORD", "tea", 1);
    setenv("OTHER", "milk", 1);
    load_ok(f, EXPOSED "signing_env = OTHER\n");
    setenv("EXPOSED_PASSWORD", "changed", 1);
    const struct memferry_host *host = open_ok(f);
    assert_string_equal(host->secret(host, "password", &size, &why), "tea");
    assert_string_equal(host->option(host, "password"), "environment");
    assert_int_equal(size, 3);
    assert_string_equal(host->secret(host, "signing", NULL, NULL), "milk");
    assert_string_equal(why.text, "");
}

static void test_a_missing_secret_says_why(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why = {.text = ""};
    size_t size = 5;

    install_plugin(f, "exposed");
    load_ok(f, EXPOSED);
    const struct memferry_host *host = open_ok(f);
    assert_null(host->secret(host, "password", &size, &why));
    assert_int_equal(size, 0);
    assert_non_null(strstr(why.text, "environment variable EXPOSED_PASSWORD was not set"));
    assert_null(host->secret(host, "signing", &size, &why));
    assert_non_null(strstr(why.text, "add signing_env or signing_file"));
    assert_null(host->option(host, "signing"));
    assert_null(host->secret(host, "url", &size, &why));
    assert_non_null(strstr(why.text, "no secret named url"));
    assert_null(host->secret(host, "password", NULL, NULL));
}

static void test_a_secret_from_a_file_is_read_again_at_each_open(void **state)
{
    struct fixture *f = *state;
    char text[800];
    size_t size = 0;

    install_plugin(f, "exposed");
    snprintf(text, sizeof text, EXPOSED "password_file = %s\n", below(f, "pw"));
    write_file(below(f, "pw"), "one\n", 4, 0600);
    load_ok(f, text);
    const struct memferry_host *host = open_ok(f);
    assert_string_equal(host->secret(host, "password", &size, NULL), "one");
    assert_string_equal(host->option(host, "password"), "file");
    assert_int_equal(size, 3);
    write_file(below(f, "pw"), "t\0wo\r\n\n", 7, 0400);
    assert_string_equal(host->secret(host, "password", &size, NULL), "one");
    f->instance = instance_close(f->instance);
    host = open_ok(f);
    const char *secret = host->secret(host, "password", &size, NULL);
    assert_int_equal(size, 6);
    assert_memory_equal(secret, "t\0wo\r\n", 7);
}

static void test_a_secrets_file_that_cannot_be_trusted_is_not_read(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;
    char text[800];
    static char large[64 * 1024 + 1];
    size_t size;

    install_plugin(f, "exposed");
    snprintf(text, sizeof text, EXPOSED "password_file = %s\n", below(f, "pw"));
    load_ok(f, text);
    const struct memferry_host *host = open_ok(f);
    assert_null(host->secret(host, "password", &size, &why));
    assert_non_null(strstr(why.text, "No such file"));
    write_file(below(f, "pw"), "S3CRET", 6, 0644);
    assert_null(host->secret(host, "password", &size, &why));
    assert_non_null(strstr(why.text, "chmod 600"));
    write_file(below(f, "pw"), "S3CRET", 6, 0640);
    assert_null(host->secret(host, "password", &size, &why));
    write_file(below(f, "pw"), "\n", 1, 0600);
    assert_null(host->secret(host, "password", &size, &why));
    assert_non_null(strstr(why.text, "is empty"));
    write_file(below(f, "pw"), large, sizeof large, 0600);
    assert_null(host->secret(host, "password", &size, &why));
    assert_non_null(strstr(why.text, "that is no secret"));
    assert_int_equal(unlink(below(f, "pw")), 0);
    assert_int_equal(mkfifo(below(f, "pw"), 0600), 0);
    assert_null(host->secret(host, "password", &size, &why));
    assert_non_null(strstr(why.text, "no regular file"));
    assert_int_equal(unlink(below(f, "pw")), 0);
    write_file(below(f, "pw"), "S3CRET", 6, 0600); /* mended while it runs */
    assert_string_equal(host->secret(host, "password", &size, &why), "S3CRET");
    assert_null(strstr(log_text(f), "S3CRET"));
}

static void test_the_state_directory_is_the_backends_own(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    install_plugin(f, "exposed");
    load_ok(f, EXPOSED);
    const struct memferry_host *host = open_ok(f);
    assert_string_equal(host->state_dir, below(f, "state/backends/b"));
    assert_int_equal(stat(host->state_dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    f->instance = instance_close(f->instance);
    assert_int_equal(chmod(below(f, "state/backends/b"), 0755), 0);
    assert_int_equal(instance_open(&f->instance, f->plugin, &f->err), -EPERM);
    assert_null(f->instance);
    assert_non_null(strstr(f->err.text, "chmod 700"));
}

static bool is_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1;
}

static void test_cancel_holds_until_the_instance_closes(void **state)
{
    struct fixture *f = *state;

    install_plugin(f, "exposed");
    load_ok(f, EXPOSED);
    const struct memferry_host *host = open_ok(f);
    assert_false(host->cancelled(host));
    assert_false(is_readable(host->wake_fd));
    plugin_cancel(f->plugin);
    plugin_cancel(f->plugin);
    assert_true(host->cancelled(host));
    assert_true(is_readable(host->wake_fd));
    assert_true(is_readable(host->wake_fd));
    f->instance = instance_close(f->instance);
    host = open_ok(f);
    assert_false(host->cancelled(host));
    assert_false(is_readable(host->wake_fd));
}

static void test_cancel_before_the_open_is_not_lost(void **state)
{
    struct fixture *f = *state;

    install_plugin(f, "exposed");
    load_ok(f, EXPOSED);
    plugin_cancel(f->plugin);
    const struct memferry_host *host = open_ok(f);
    assert_true(host->cancelled(host));
    assert_true(is_readable(host->wake_fd));
}

static void test_a_plugin_that_does_not_open_is_no_instance(void **state)
{
    struct fixture *f = *state;

    install_plugin(f, "exposed");
    load_ok(f, EXPOSED "fail = today\n");
    assert_int_equal(instance_open(&f->instance, f->plugin, &f->err), -EACCES);
    assert_null(f->instance);
    assert_non_null(strstr(f->err.text, "backend b does not open: told to fail: today"));
    assert_non_null(strstr(log_text(f), "error   plugin: backend b: told to fail: today\n"));
    load_ok(f, EXPOSED "fail = badly\n");
    assert_int_equal(instance_open(&f->instance, f->plugin, &f->err), -EPROTO);
}

static void test_a_line_of_the_log_is_marked_and_bounded(void **state)
{
    struct fixture *f = *state;
    char text[4000];

    install_plugin(f, "exposed");
    load_ok(f, EXPOSED);
    const struct memferry_host *host = open_ok(f);
    host->log(host, MEMFERRY_LOG_WARNING, "two\nlines %d", 7);
    assert_non_null(strstr(log_text(f), "warning plugin: backend b: two lines 7\n"));
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    host->log(host, MEMFERRY_LOG_DEBUG, "%s", text);
    assert_in_range(strlen(log_text(f)), 1000, 2048);
}

static void test_without_a_config_file_messages_stand_alone(void **state)
{
    struct fixture *f = *state;

    install_plugin(f, "exposed");
    f->context.config_file = NULL;
    assert_int_equal(load(f, EXPOSED "count = 0\n"), -EINVAL);
    assert_int_equal(strncmp(f->err.text, "bad value", 9), 0);
}

static void test_two_backends_of_one_plugin_are_apart(void **state)
{
    struct fixture *f = *state;
    struct plugin *other = NULL;
    struct instance *other_instance = NULL;

    install_plugin(f, "exposed");
    load_ok(f, EXPOSED "[backend \"c\"]\nplugin = exposed\nurl = there\n");
    assert_int_equal(plugin_load(&other, &f->config->backends[1], &f->context, &f->err), 0);
    const struct memferry_host *host = open_ok(f);
    assert_int_equal(instance_open(&other_instance, other, &f->err), 0);
    const struct exposed *e = instance_self(other_instance);
    plugin_cancel(other);
    assert_string_equal(host->option(host, "url"), "here");
    assert_string_equal(e->host->option(e->host, "url"), "there");
    assert_false(host->cancelled(host));
    assert_true(e->host->cancelled(e->host));
    instance_close(other_instance);
    plugin_unload(other);
    assert_string_equal(host->option(host, "url"), "here");
}

static struct memferry_string string(const char *text)
{
    return (struct memferry_string){.data = text, .size = strlen(text)};
}

static int count_fetched(void *arg, const struct memferry_memory *memory)
{
    unsigned *count = arg;

    assert_string_equal(memory->id.data, "fetched");
    *count += 1;
    return 0;
}

static void check_v1_deliver(const struct memferry_plugin *table, void *self)
{
    const struct memferry_value items[] = {
        {.type = MEMFERRY_VALUE_FLOAT, .as.floating = 0.5},
        {.type = MEMFERRY_VALUE_FLOAT, .as.floating = 2.5},
    };
    const struct memferry_prop props[] = {
        {.name = string("a"), .value = {.type = MEMFERRY_VALUE_INT, .as.integer = -9}},
        {.name = string("b"),
         .value = {.type = MEMFERRY_VALUE_LIST, .as.list = {.items = items, .count = 2}}},
    };
    const struct memferry_string tag = string("t");
    const float embedding[] = {1, 2, 3, 4.5f};
    struct memferry_memory m[2] = {
        {.id = string("one"),
         .content = string("c"),
         .kind = string("note"),
         .tags = &tag,
         .tag_count = 1,
         .props = props,
         .prop_count = 2,
         .embedding = embedding,
         .dims = 4,
         .embedding_model = string("caller"),
         .embedding_state = MEMFERRY_EMBEDDING_READY,
         .created_ms = 1,
         .updated_ms = 2,
         .deleted_ms = 3,
         .version = 4,
         .stamp = 5,
         .origin = string(ORIGIN),
         .session_id = string("s")},
    };
    struct memferry_outcome outcomes[2] = {0};

    m[1] = m[0];
    m[1].id = string("two");
    table->deliver(self, m, 2, outcomes);
    assert_string_equal(outcomes[1].reason.text,
                        "two|c|note|1:t|a=-9|b=2.5|4.5|caller|2|1|2|3|4|5|" ORIGIN "|s");
    assert_int_equal(outcomes[1].verdict, MEMFERRY_RETRY);
    assert_int_equal(outcomes[1].blame, MEMFERRY_BLAME_BATCH);
    assert_int_equal(outcomes[1].retry_after_ms, 1001);
}

static void test_a_plugin_of_the_first_interface_loads_and_runs(void **state)
{
    struct fixture *f = *state;
    struct memferry_reason why;
    unsigned fetched = 0;

    install_plugin(f, "plugin_v1");
    setenv("PLUGIN_V1_KEY", "1234", 1);
    load_ok(f, "[backend \"old\"]\nplugin = plugin_v1\nword = up\n");
    const struct memferry_plugin *table = plugin_table(f->plugin);
    assert_null(table->embed);
    assert_null(table->notify);
    if (instance_open(&f->instance, f->plugin, &f->err) != 0) {
        fail_msg("%s", f->err.text);
    }
    void *self = instance_self(f->instance);
    assert_non_null(strstr(log_text(f), "v1 opened with 4 dims"));
    assert_int_equal(table->probe(self, &why), 0);
    assert_string_equal(why.text, "old " ORIGIN " 4 up 4 4096 /old");
    check_v1_deliver(table, self);
    assert_int_equal(table->fetch(self, "", 10, count_fetched, &fetched), 1);
    assert_int_equal(table->fetch(self, "fetched", 10, count_fetched, &fetched), 0);
    assert_int_equal(fetched, 1);
    plugin_cancel(f->plugin);
    assert_int_equal(table->probe(self, &why), -ECANCELED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_good_plugin_is_loaded_by_name_and_by_path),
        TEST(test_options_come_typed_or_by_default),
        TEST(test_a_tilde_of_a_path_is_expanded_in_defaults_too),
        TEST(test_the_batch_is_the_backends_or_the_plugins),
        TEST(test_a_config_that_does_not_fit_is_refused_at_its_line),
        TEST(test_a_plugin_that_is_wrong_is_refused),
        TEST(test_fields_beyond_a_plugins_size_are_null),
        TEST(test_a_plugin_sees_nothing_of_the_broker),
        TEST(test_a_plugin_that_is_not_there_is_told_with_its_neighbour),
        TEST(test_a_plugin_that_others_may_write_is_not_loaded),
        TEST(test_every_directory_above_a_plugin_is_looked_at),
        TEST(test_a_plugin_of_another_user_is_not_loaded),
        TEST(test_a_link_is_as_good_as_what_it_leads_to),
        TEST(test_a_secret_from_a_variable_is_as_it_was_at_load),
        TEST(test_a_missing_secret_says_why),
        TEST(test_a_secret_from_a_file_is_read_again_at_each_open),
        TEST(test_a_secrets_file_that_cannot_be_trusted_is_not_read),
        TEST(test_the_state_directory_is_the_backends_own),
        TEST(test_cancel_holds_until_the_instance_closes),
        TEST(test_cancel_before_the_open_is_not_lost),
        TEST(test_a_plugin_that_does_not_open_is_no_instance),
        TEST(test_a_line_of_the_log_is_marked_and_bounded),
        TEST(test_without_a_config_file_messages_stand_alone),
        TEST(test_two_backends_of_one_plugin_are_apart),
        TEST(test_a_plugin_of_the_first_interface_loads_and_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
