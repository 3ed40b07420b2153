/*
 * plugin_contract.c - checks of what the broker sees before it hands anything over: the table, the
 * options, open, close and probe. What the broker itself would refuse is told in its words.
 */
#include "client/heavy/plugin_bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- the table ---- */

static void check_load(struct bench *bench)
{
    struct bench_plugin it;
    struct error err;

    if (bench_load_with(bench, &it, NULL, NULL, &err) != 0) {
        bench_fail(bench, "%s", err.text);
        return;
    }
    const struct memferry_plugin *table = it.table;
    bench_ok(bench, "%s %s, %s%s", table->name, table->version,
             table->deliver != NULL  ? "a sink"
             : table->embed != NULL  ? "an embedder"
             : table->notify != NULL ? "for alerts"
                                     : "a source",
             table->deliver != NULL && table->fetch != NULL ? " and source" : "");
    if ((table->deliver != NULL) + (table->embed != NULL) + (table->notify != NULL) > 1) {
        bench_fail(bench, "it sets more than one of deliver, embed and notify; a backend is one");
    }
    bench_close(&it);
}

static bool is_line(const char *text)
{
    return text != NULL && text[0] != '\0' && strchr(text, '\n') == NULL;
}

/* Without the options given: those that are required may be missing. */
static void check_words(struct bench *bench)
{
    struct bench_plugin it;
    struct error err;

    if (bench_load_with(bench, &it, NULL, NULL, &err) != 0) {
        bench_not_done(bench, "it does not load");
        return;
    }
    const struct memferry_plugin *table = it.table;
    if (!is_line(table->version) || !is_line(table->summary)) {
        bench_fail(bench, "version and summary are one line each, for people; fill them in");
    }
    bool has_model = false;
    for (size_t i = 0; table->options != NULL && table->options[i].name != NULL; i++) {
        const struct memferry_option *row = &table->options[i];
        has_model = has_model || strcmp(row->name, "model") == 0;
        if (!is_line(row->help)) {
            bench_fail(bench, "option %s has no help; say in one line what it does", row->name);
        }
    }
    if (table->embed != NULL && !has_model) {
        bench_fail(bench,
                   "an embedder needs an option `model`, which names what makes its vectors");
    }
    bench_close(&it);
}

/* ---- options ---- */

static const char *bad_value(const struct memferry_option *row)
{
    switch (row->type) {
    case MEMFERRY_OPTION_INT:
    case MEMFERRY_OPTION_BOOL:
    case MEMFERRY_OPTION_DURATION:
    case MEMFERRY_OPTION_SIZE:
        return "many";
    default:
        return NULL;
    }
}

/* The broker must refuse, and name what is wrong. */
static void must_refuse(struct bench *bench, const char *key, const char *value, const char *name,
                        const char *what)
{
    struct bench_plugin it;
    struct error err;

    if (bench_load_with(bench, &it, key, value, &err) == 0) {
        bench_fail(bench, "%s %s is taken", what, name);
        bench_close(&it);
    } else if (strstr(err.text, name) == NULL) {
        bench_fail(bench, "%s %s is refused without naming it: %s", what, name, err.text);
    }
}

/* Whether the broker had nothing to say but the errno: the plugin has logged no error. */
static bool refused_without_words(const struct error *err)
{
    char bare[sizeof err->text];

    snprintf(bare, sizeof bare, "backend bench does not open: %s", strerror(-err->code));
    return strcmp(err->text, bare) == 0;
}

/* What no type forbids is for the plugin to refuse, in open (logged) or probe (told). */
static void try_odd_text(struct bench *bench, const char *name)
{
    struct memferry_reason why;
    struct bench_plugin it;
    struct error err;

    if (bench_load_with(bench, &it, name, "/dev/null/no such thing?", &err) != 0) {
        return; /* refused by the broker */
    }
    bench_stage(bench, "open with an odd %s", name);
    if (instance_open(&it.instance, it.plugin, &err) == 0) {
        it.self = instance_self(it.instance);
        bench_probe(bench, &it, &why);
    } else if (refused_without_words(&err)) {
        bench_fail(bench, "open refuses an odd %s without saying why; host->log it as an error",
                   name);
    } else if (err.code == -EPROTO) {
        bench_fail(bench, "open answers a positive number; answer 0 or a negative errno");
    }
    bench_close(&it);
}

static void check_options(struct bench *bench)
{
    struct bench_plugin it;
    struct error err;
    size_t count = 0;

    if (bench_load_with(bench, &it, NULL, NULL, &err) != 0) {
        bench_not_done(bench, "it does not load");
        return;
    }
    must_refuse(bench, "no_such_option", "x", "no_such_option", "an unknown option");
    const struct memferry_option *options = it.table->options;
    for (size_t i = 0; options != NULL && options[i].name != NULL; i++, count++) {
        const struct memferry_option *row = &options[i];
        if (row->required && row->type != MEMFERRY_OPTION_SECRET) {
            must_refuse(bench, row->name, NULL, row->name, "to leave out");
        }
        if (bad_value(row) != NULL) {
            must_refuse(bench, row->name, bad_value(row), row->name, "a bad value for");
        } else if (row->type != MEMFERRY_OPTION_SECRET) {
            try_odd_text(bench, row->name);
        }
    }
    bench_close(&it);
    bench_ok(bench, "%zu of them", count);
}

/* ---- open, close, probe ---- */

static void check_open(struct bench *bench)
{
    struct bench_plugin first, second;

    if (!bench_open(bench, &first)) {
        return;
    }
    if (bench_open(bench, &second)) { /* two backends of one plugin */
        bench_stage(bench, "close");
        bench_close(&second);
    }
    bench_close(&first);
}

static void check_probe(struct bench *bench)
{
    struct memferry_reason why;
    struct bench_plugin it;

    if (!bench_open(bench, &it)) {
        return;
    }
    int r = bench_probe(bench, &it, &why);
    if (r == 0) {
        r = bench_probe(bench, &it, &why);
        if (r != 0) {
            bench_fail(bench, "the second probe fails: %s", why.text);
        }
        bench_ok(bench, "%s", why.text);
    } else {
        bench_not_done(bench, "it says: %s; give --option for a place that can be reached",
                       why.text);
    }
    bench_close(&it);
}

const struct check contract_checks[] = {
    {"loads as the broker loads it", check_load},
    {"says what it is", check_words},
    {"options that are wrong", check_options},
    {"open and close", check_open},
    {"probe", check_probe},
    {NULL, NULL},
};
