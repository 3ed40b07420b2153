/*
 * plugin_new.c - memferry plugin new NAME [DIR]: a directory with a plugin that works.
 *
 * Happy path: the directory is made, and the templates are written into it with the plugin's name
 * in the place of "example". Failure modes: the directory is there already and not empty, or cannot
 * be written; files that are there are never overwritten.
 */
#include "client/heavy/plugin_new.h"

#include "client/cli/json.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES 64

struct kind {
    const char *name, *source;
    const char *check_options; /* for the Makefile */
    const char *config_lines;  /* for the README */
};

static const struct kind kinds[] = {
    {"sink", template_sink_c, "--option path=$(CURDIR)/tried.txt",
     "    path = ~/example-name.txt\n\n"},
    {"embedder", template_embedder_c, "", "\n"},
    {"alerts", template_alerts_c, "--option path=$(CURDIR)/tried.txt",
     "    path = ~/example-name.txt\n\n"},
};

struct words {
    const char *name;
    char identifier[NAME_MAX_BYTES + 3];
    const struct kind *kind;
};

/* ---- what was asked for ---- */

static bool is_name(const char *text)
{
    size_t size = strlen(text);

    return size >= 1 && size <= NAME_MAX_BYTES && text[0] != '.' && text[0] != '-' &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
               size;
}

/* A prefix for functions in C. */
static void make_identifier(struct words *words)
{
    char *at = words->identifier;

    if (isdigit((unsigned char)words->name[0])) {
        *at++ = 'p';
        *at++ = '_';
    }
    for (const char *c = words->name; *c != '\0'; c++) {
        *at++ = isalnum((unsigned char)*c) ? *c : '_';
    }
    *at = '\0';
}

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* ---- files ---- */

/* Longest first: "example" begins the others. */
static const char *replacement(const struct words *words, const char *at, size_t *ret_size)
{
    const struct {
        const char *word, *by;
    } table[] = {{"example-options", words->kind->check_options},
                 {"example-lines\n", words->kind->config_lines},
                 {"example-name", words->name},
                 {"example", words->identifier}};

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        *ret_size = strlen(table[i].word);
        if (strncmp(at, table[i].word, *ret_size) == 0) {
            return table[i].by;
        }
    }
    return NULL;
}

static void write_replaced(FILE *file, const struct words *words, const char *text)
{
    for (const char *at = text; *at != '\0';) {
        size_t size = 1;
        const char *by = replacement(words, at, &size);
        if (by == NULL) {
            putc(*at, file);
            size = 1;
        } else if (strstr(by, "example-name") != NULL && by != words->name) {
            write_replaced(file, words, by);
        } else {
            fputs(by, file);
        }
        at += size;
    }
}

static int write_file(struct cli *cli, const char *directory, const char *name,
                      const struct words *words, const char *text)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path) {
        return cli_usage(cli, "the directory's name is too long");
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        return cli_fail(cli, EXIT_CANNOT_CREATE, "cannot make %s: %s", path, strerror(errno));
    }
    write_replaced(file, words, text);
    if (fclose(file) != 0) {
        return cli_fail(cli, EXIT_CANNOT_CREATE, "cannot write %s: %s", path, strerror(errno));
    }
    return EXIT_OK;
}

static bool is_empty(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;

    while (dir != NULL && readdir(dir) != NULL) {
        count++;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count == 2; /* itself, and the one above */
}

/* Nobody else may write there: memferryd would not load what is made in it. */
static int make_directory(struct cli *cli, const char *path)
{
    umask(022);
    if (mkdir(path, 0755) == 0 || (errno == EEXIST && is_empty(path))) {
        return EXIT_OK;
    }
    return cli_fail(cli, EXIT_CANNOT_CREATE,
                    errno == EEXIST ? "%s is there already, and not an empty directory; name "
                                      "another"
                                    : "cannot make %s; check the path",
                    path);
}

static int tell(struct cli *cli, const char *directory, const char *source)
{
    struct json json;

    if (cli->json) {
        json_open(&json);
        json_field_text(&json, "directory", directory);
        json_field_text(&json, "source", source);
        return cli_print_object(cli, &json);
    }
    if (!cli->quiet) {
        fprintf(cli->out, "%s holds a plugin that works. Now: cd %s && make && make check\n",
                directory, directory);
    }
    return EXIT_OK;
}

static int write_all(struct cli *cli, const char *directory, const struct words *words)
{
    char source[NAME_MAX_BYTES + 3];
    int exit_code = make_directory(cli, directory);

    snprintf(source, sizeof source, "%s.c", words->name);
    if (exit_code == EXIT_OK) {
        exit_code = write_file(cli, directory, source, words, words->kind->source);
    }
    if (exit_code == EXIT_OK) {
        exit_code = write_file(cli, directory, "Makefile", words, template_makefile);
    }
    if (exit_code == EXIT_OK) {
        exit_code = write_file(cli, directory, "README.md", words, template_readme_md);
    }
    return exit_code == EXIT_OK ? tell(cli, directory, source) : exit_code;
}

int plugin_new(struct cli *cli, const struct args *args)
{
    const char *kind = args_value(args, "kind");
    struct words words = {.name = args_word(args, 1), .kind = find_kind(kind ? kind : "sink")};

    if (args->word_count < 2 || args->word_count > 3) {
        return cli_usage(cli, "plugin new wants a NAME, and maybe a directory");
    }
    if (!is_name(words.name)) {
        return cli_usage(cli,
                         "%.80s cannot be a plugin's name: 1 to %d of A-Z, a-z, 0-9, '.', '_' "
                         "and '-', the first neither '.' nor '-'",
                         words.name, NAME_MAX_BYTES);
    }
    if (words.kind == NULL) {
        return cli_usage(cli, "--kind %.40s is none; it is sink, embedder or alerts", kind);
    }
    make_identifier(&words);
    return write_all(cli, args->word_count == 3 ? args_word(args, 2) : words.name, &words);
}
