/*
 * plugin_bench.c - processes, findings, loading, calls and what they answer.
 *
 * Happy path: a child runs the check, and says what it found in shared memory. Failure modes: it is
 * ended by a signal (the plugin crashed), or is still there after BENCH_CHECK_MS (it hangs, and is
 * killed): the finding says in what.
 */
#include "client/heavy/plugin_bench.h"

#include "client/cli/times.h"
#include "client/wire/utf8.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_KEPT (1u << 20) /* of what a check's plugin logged, looked through for secrets */

/* ---- findings ---- */

__attribute__((format(printf, 3, 0))) static void set(struct bench *bench,
                                                      enum bench_verdict verdict,
                                                      const char *format, va_list args)
{
    struct bench_finding *finding = bench->finding;

    pthread_mutex_lock(&bench->lock);
    if (finding->verdict != BENCH_FAILED) {
        finding->verdict = verdict;
        vsnprintf(finding->text, sizeof finding->text, format, args);
        finding->text[utf8_whole(finding->text, strlen(finding->text))] = '\0';
    }
    pthread_mutex_unlock(&bench->lock);
}

void bench_ok(struct bench *bench, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set(bench, BENCH_OK, format, args);
    va_end(args);
}

void bench_fail(struct bench *bench, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set(bench, BENCH_FAILED, format, args);
    va_end(args);
}

void bench_not_done(struct bench *bench, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set(bench, BENCH_NOT_DONE, format, args);
    va_end(args);
}

void bench_stage(struct bench *bench, const char *format, ...)
{
    va_list args;

    pthread_mutex_lock(&bench->lock);
    va_start(args, format);
    vsnprintf(bench->finding->stage, sizeof bench->finding->stage, format, args);
    va_end(args);
    pthread_mutex_unlock(&bench->lock);
}

bool bench_failed(struct bench *bench)
{
    pthread_mutex_lock(&bench->lock);
    bool failed = bench->finding->verdict == BENCH_FAILED;
    pthread_mutex_unlock(&bench->lock);
    return failed;
}

/* ---- a process for a check ---- */

static const char *find_secret(const struct bench *bench, const char *text)
{
    for (size_t i = 0; i < bench->secret_count; i++) {
        if (strstr(text, bench->secrets[i]) != NULL) {
            return bench->secrets[i];
        }
    }
    return NULL;
}

static void check_log(struct bench *bench)
{
    char *text = calloc(1, LOG_KEPT + 1);

    if (text != NULL && pread(bench->log_fd, text, LOG_KEPT, 0) > 0) {
        if (find_secret(bench, text) != NULL) {
            bench_fail(bench, "it logs a secret; never hand one to host->log");
        }
        if (bench->verbose) {
            fputs(text, stderr);
        }
    }
    free(text);
}

_Noreturn static void child(struct bench *bench, const struct check *check)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bench->log_fd = memfd_create("log", MFD_CLOEXEC);
    log_init(&bench->log, bench->log_fd, LOG_LEVEL_DEBUG);
    check->run(bench);
    check_log(bench);
    if (bench->finding->verdict == 0) {
        bench_ok(bench, "%s", "");
    }
    exit(EXIT_SUCCESS); /* a leak sanitizer looks now */
}

/* False: it is still there. */
static bool wait_for(pid_t pid, int *ret_status)
{
    int64_t end = monotonic_ms() + BENCH_CHECK_MS;
    int nap_ms = 1;

    while (waitpid(pid, ret_status, WNOHANG) != pid) {
        if (monotonic_ms() >= end) {
            return false;
        }
        poll(NULL, 0, nap_ms);
        nap_ms = nap_ms < 50 ? nap_ms * 2 : 50;
    }
    return true;
}

static int remove_one(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
    (void)status;
    (void)flag;
    (void)walk;
    return remove(path);
}

static void conclude(struct bench *bench, int status)
{
    if (WIFSIGNALED(status)) {
        int signal_number = WTERMSIG(status);
        bench_fail(bench,
                   "it ended the process by SIG%s in %s%s; run it under a debugger, or with "
                   "-fsanitize=address,undefined",
                   sigabbrev_np(signal_number), bench->finding->stage,
                   signal_number == SIGSEGV || signal_number == SIGBUS
                       ? " (what a call is handed must not be written to, nor used behind it)"
                       : "");
    } else if (WEXITSTATUS(status) != EXIT_SUCCESS) {
        bench_fail(bench, "it ended the process with %d in %s; a sanitizer tells more above",
                   WEXITSTATUS(status), bench->finding->stage);
    }
}

void bench_run(struct bench *bench, const struct check *check)
{
    int status;

    *bench->finding = (struct bench_finding){.stage = "loading it"};
    pthread_mutex_init(&bench->lock, NULL);
    snprintf(bench->scratch, sizeof bench->scratch, "/tmp/memferry-check-XXXXXX");
    if (mkdtemp(bench->scratch) == NULL) {
        bench_not_done(bench, "cannot make %s: %s", bench->scratch, strerror(errno));
        return;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        child(bench, check);
    }
    if (pid < 0) {
        bench_not_done(bench, "cannot make a process: %s", strerror(errno));
    } else if (wait_for(pid, &status)) {
        conclude(bench, status);
    } else {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        bench_fail(bench,
                   "it was still in %s after %d s; end every wait by a time limit of its own",
                   bench->finding->stage, BENCH_CHECK_MS / 1000);
    }
    nftw(bench->scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- the plugin ---- */

int bench_load_with(struct bench *bench, struct bench_plugin *ret, const char *key,
                    const char *value, struct error *err)
{
    char name[] = "bench";
    struct config_option options[CONFIG_OPTIONS_MAX + 1];
    struct config_backend backend = {
        .name = name, .plugin = (char *)(uintptr_t)bench->file, .options = options};
    struct plugin_context context = {.plugin_dir = "/",
                                     .state_dir = bench->scratch,
                                     .origin = "00000000-0000-4000-8000-000000000001",
                                     .dims = BENCH_DIMS,
                                     .log = &bench->log};

    for (size_t i = 0; i < bench->option_count; i++) {
        if (key == NULL || strcmp(bench->options[i].key, key) != 0) {
            options[backend.option_count++] = bench->options[i];
        }
    }
    if (key != NULL && value != NULL) {
        options[backend.option_count++] = (struct config_option){.key = (char *)(uintptr_t)key,
                                                                 .value = (char *)(uintptr_t)value};
    }
    *ret = (struct bench_plugin){0};
    bench_stage(bench, "loading it");
    int r = plugin_load(&ret->plugin, &backend, &context, err);
    if (r == 0) {
        ret->table = plugin_table(ret->plugin);
    }
    return r;
}

bool bench_open_with(struct bench *bench, struct bench_plugin *ret, const char *key,
                     const char *value)
{
    struct error err;

    if (bench_load_with(bench, ret, key, value, &err) != 0) {
        bench_fail(bench, "%s", err.text);
        return false;
    }
    bench_stage(bench, "open");
    if (instance_open(&ret->instance, ret->plugin, &err) != 0) {
        bench_fail(bench, "%s", err.text);
        bench_close(ret);
        return false;
    }
    ret->self = instance_self(ret->instance);
    return true;
}

bool bench_open(struct bench *bench, struct bench_plugin *ret)
{
    return bench_open_with(bench, ret, NULL, NULL);
}

int bench_probe(struct bench *bench, const struct bench_plugin *it, struct memferry_reason *why)
{
    *why = (struct memferry_reason){0};
    bench_stage(bench, "probe");
    int r = it->table->probe(it->self, why);
    if (r > 0) {
        bench_fail(bench, "probe answers %d; answer 0, or a negative errno", r);
    } else if (r < 0 || why->text[0] != '\0') {
        bench_reason_good(bench, "probe", why);
    }
    return r;
}

bool bench_ready(struct bench *bench, struct bench_plugin *ret)
{
    struct memferry_reason why;

    if (!bench_open(bench, ret)) {
        return false;
    }
    if (bench_probe(bench, ret, &why) != 0) {
        bench_not_done(bench, "probe says: %s", why.text);
        bench_close(ret);
        return false;
    }
    return true;
}

void bench_close(struct bench_plugin *it)
{
    it->instance = instance_close(it->instance);
    it->plugin = plugin_unload(it->plugin);
}

bool bench_reason_good(struct bench *bench, const char *what, const struct memferry_reason *reason)
{
    size_t size = strnlen(reason->text, sizeof reason->text);

    if (size == sizeof reason->text) {
        bench_fail(bench, "the reason of %s has no end; use snprintf", what);
    } else if (size == 0) {
        bench_fail(bench, "%s gives no reason; say what happened, to what, and what to do", what);
    } else if (!utf8_valid(reason->text, size)) {
        bench_fail(bench, "the reason of %s is not UTF-8; cut texts at whole characters", what);
    } else if (find_secret(bench, reason->text) != NULL) {
        bench_fail(bench, "the reason of %s tells a secret; never do", what);
    }
    return !bench_failed(bench);
}

/* ---- calls ---- */

const char *bench_thing(const struct bench_plugin *it)
{
    return it->table->deliver != NULL  ? "memory"
           : it->table->embed != NULL  ? "text"
           : it->table->notify != NULL ? "alert"
                                       : NULL;
}

static bool answer_good(struct bench *bench, const char *what,
                        const struct memferry_outcome *outcome)
{
    bool backend =
        outcome->blame == MEMFERRY_BLAME_BACKEND || outcome->blame == MEMFERRY_BLAME_GONE;

    if ((int)outcome->verdict < 0 || outcome->verdict > MEMFERRY_REJECT) {
        bench_fail(bench, "the verdict of %s is %d; it is DONE, RETRY or REJECT", what,
                   (int)outcome->verdict);
    } else if ((int)outcome->blame < 0 || outcome->blame > MEMFERRY_BLAME_GONE) {
        bench_fail(bench, "the blame of %s is %d, which is none", what, (int)outcome->blame);
    } else if (outcome->verdict == MEMFERRY_REJECT && backend) {
        bench_fail(bench, "%s is REJECT with the backend to blame; say RETRY then", what);
    } else if (outcome->verdict == MEMFERRY_RETRY || outcome->verdict == MEMFERRY_REJECT) {
        return bench_reason_good(bench, what, &outcome->reason);
    }
    return !bench_failed(bench);
}

static bool vector_good(struct bench *bench, const char *what, const float *vector)
{
    double sum = 0;

    for (size_t i = 0; i < BENCH_DIMS; i++) {
        sum += (double)vector[i] * vector[i];
    }
    if (!(sum > 0.99 && sum < 1.01)) { /* no number is not either */
        bench_fail(bench, "the vector of %s has the length %g squared; bring it to length 1", what,
                   sum);
    }
    return !bench_failed(bench);
}

static void call(const struct bench_plugin *it, struct samples *samples, size_t from, size_t n)
{
    const struct memferry_plugin *table = it->table;

    if (table->deliver != NULL) {
        table->deliver(it->self, samples->memories + from, n, samples->outcomes + from);
    } else if (table->embed != NULL) {
        table->embed(it->self, samples->texts + from, n, samples->vectors + from * BENCH_DIMS,
                     samples->outcomes + from);
    } else {
        table->notify(it->self, samples->alerts + from, n, samples->outcomes + from);
    }
}

bool bench_hand(struct bench *bench, const struct bench_plugin *it, struct samples *samples,
                size_t from, size_t n)
{
    memset(samples->outcomes + from, 0, n * sizeof *samples->outcomes);
    bench_stage(bench, "a call with %zu %s%s, from \"%s\" on", n, bench_thing(it),
                n == 1 ? "" : "s", samples->names[from]);
    samples_protect(samples, true);
    call(it, samples, from, n);
    samples_protect(samples, false);
    for (size_t i = from; i < from + n; i++) {
        if (!answer_good(bench, samples->names[i], &samples->outcomes[i]) ||
            (it->table->embed != NULL && samples->outcomes[i].verdict == MEMFERRY_DONE &&
             !vector_good(bench, samples->names[i], samples->vectors + i * BENCH_DIMS))) {
            return false;
        }
    }
    return true;
}

bool bench_is_done(struct bench *bench, const struct samples *samples, size_t i)
{
    const struct memferry_outcome *outcome = &samples->outcomes[i];

    if (outcome->verdict == MEMFERRY_DONE) {
        return true;
    }
    bench_fail(bench, "%s is %s: %s", samples->names[i],
               outcome->verdict == 0                ? "left without an answer"
               : outcome->verdict == MEMFERRY_RETRY ? "RETRY, though probe says that all is well"
                                                    : "REJECT",
               outcome->reason.text[0] != '\0' ? outcome->reason.text : "no reason is given");
    return false;
}
