/* doctor_broker.c - checks of what a broker says of itself. */
#include "client/cli/json.h"
#include "client/cli/times.h"
#include "client/cli/version.h"
#include "client/heavy/doctor.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OLD_PENDING_MS   (15 * 60 * 1000)
#define WAL_MANY_BYTES   (256ll << 20)
#define BEHIND_EVENTS    10000
#define FILES_MIN        2048 /* 1,000 connections, and what backends, store and journal open */
#define CLOCK_MIN_MS     (1704067200ll * 1000) /* 2024 */
#define CLOCK_AHEAD_MS   60000
#define UNAPPLIED_OLD_MS 30000

static const char *waits(int64_t count)
{
    return count == 1 ? "memory waits" : "memories wait";
}

static const struct memferry_node *section(const struct doctor *doctor, const char *name)
{
    return memferry_node_get(doctor->look.stats, name);
}

/* The file that the process runs was replaced or removed. */
static bool program_is_gone(long long pid)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/%lld/exe", pid);
    ssize_t size = readlink(link, path, sizeof path - 1);

    if (size < 0) {
        return false;
    }
    path[size] = '\0';
    return strstr(path, " (deleted)") != NULL;
}

static void tell_running(struct doctor *doctor)
{
    const struct memferry_node *server = section(doctor, "server");
    const char *version = field_text(server, "version");
    long long pid = field_int(server, "pid");
    char restart[64], uptime[TIME_TEXT_SIZE];

    snprintf(restart, sizeof restart, "kill %lld", pid);
    if (strcmp(version, MEMFERRY_CLI_VERSION) != 0) {
        doctor_tell(doctor, DOCTOR_TODO, "broker", restart,
                    "memferryd %s runs (pid %lld), and this command is of %s: end it, and the next "
                    "command or its unit starts the new one",
                    version, pid, MEMFERRY_CLI_VERSION);
    } else if (program_is_gone(pid)) {
        doctor_tell(doctor, DOCTOR_TODO, "broker", restart,
                    "the program of memferryd (pid %lld) was replaced since it started: end it, "
                    "and the next command or its unit starts the new one",
                    pid);
    } else {
        doctor_tell(doctor, DOCTOR_OK, "broker", NULL, "memferryd %s, pid %lld, up %s", version,
                    pid, duration_text(field_int(server, "uptime_ms"), uptime));
    }
}

static void tell_not_answered(struct doctor *doctor)
{
    bool is_absent = doctor->look.code == MEMFERRY_E_CONNECT;
    const char *why = memferry_error(doctor->cli->m);

    if (is_absent && doctor->program[0] != '\0') {
        doctor_tell(doctor, DOCTOR_NOTE, "broker", NULL,
                    "none runs: the next command that needs one starts %s", doctor->program);
    } else if (is_absent) {
        doctor_tell(doctor, DOCTOR_TODO, "broker", "memferryd",
                    "none runs, and memferryd is neither beside this command nor in PATH: install "
                    "it, or start it");
    } else {
        doctor_tell(doctor, DOCTOR_TODO, "broker", NULL, "it does not answer: %s",
                    why[0] != '\0' ? why : memferry_strerror(doctor->look.code));
    }
}

void doctor_check_broker(struct doctor *doctor)
{
    if (doctor->answered) {
        tell_running(doctor);
    } else {
        tell_not_answered(doctor);
    }
}

/* ---- progress ---- */

static void tell_recovery(struct doctor *doctor)
{
    struct memferry_reply *reply = NULL;
    int code = memferry_call(doctor->cli->m, "backend.recovery", NULL, &reply);
    const struct memferry_node *root = memferry_reply_root(reply);
    const char *state = code == MEMFERRY_OK ? field_text(root, "state") : "";
    char mend[160];

    snprintf(mend, sizeof mend, "memferry recover --from %.64s", field_text(root, "name"));
    if (strcmp(state, "running") == 0) {
        doctor_tell(doctor, DOCTOR_NOTE, "progress", NULL,
                    "a recovery from backend %s is under way: writes are answered busy until it "
                    "has ended",
                    field_text(root, "name"));
    } else if (strcmp(state, "failed") == 0) {
        doctor_tell(doctor, DOCTOR_TODO, "progress", mend,
                    "a recovery from backend %s has stopped, and writes are held: %.300s",
                    field_text(root, "name"), field_text(root, "error"));
    }
    memferry_reply_free(reply);
}

void doctor_check_progress(struct doctor *doctor)
{
    const struct memferry_node *health = doctor->look.health;
    const struct memferry_node *stuck = memferry_node_get(health, "stuck");
    unsigned before = doctor->todo + doctor->notes;

    for (size_t i = 0; i < memferry_node_count(stuck); i++) {
        doctor_tell(doctor, DOCTOR_TODO, "progress", "dmesg | tail",
                    "%s has work and does not finish a step of it: look at the disk, or at that "
                    "backend",
                    memferry_node_string(memferry_node_at(stuck, i), "?"));
    }
    if (field_bool(health, "full")) {
        doctor_tell(doctor, DOCTOR_TODO, "progress", NULL,
                    "the disk is full, and new memories are refused: make room");
    } else if (field_int(health, "unapplied_ms") >= UNAPPLIED_OLD_MS) {
        doctor_tell(doctor, DOCTOR_TODO, "progress", NULL,
                    "%lld events wait for the store: something holds memferry.db, or the disk is "
                    "slow",
                    (long long)field_int(health, "unapplied"));
    }
    tell_recovery(doctor);
    if (before == doctor->todo + doctor->notes) {
        doctor_tell(doctor, DOCTOR_OK, "progress", NULL, "journal and store go on");
    }
}

/* ---- backends ---- */

static void tell_not_ok(struct doctor *doctor, const struct memferry_node *backend)
{
    const char *name = field_text(backend, "name"), *health = field_text(backend, "health");
    long long pending = field_int(backend, "pending");
    char mend[160];

    if (strcmp(health, "paused") == 0) {
        snprintf(mend, sizeof mend, "memferry backends resume %.64s", name);
        doctor_tell(doctor, DOCTOR_NOTE, "backends", mend, "%s is paused; %lld %s", name, pending,
                    waits(pending));
    } else if (strcmp(health, "detached") == 0) {
        snprintf(mend, sizeof mend, "memferry backends forget %.64s", name);
        doctor_tell(doctor, DOCTOR_NOTE, "backends", mend,
                    "%s has left the config; what it had confirmed is remembered", name);
    } else {
        snprintf(mend, sizeof mend, "memferry backends probe %.64s", name);
        doctor_tell(doctor, DOCTOR_TODO, "backends", mend, "%s is down, %lld %s: %.300s", name,
                    pending, waits(pending), field_text(backend, "last_error"));
    }
}

static void probe(struct doctor *doctor, const char *name)
{
    struct memferry_reply *reply = NULL;
    struct json json;
    char mend[160];

    json_open(&json);
    json_field_text(&json, "name", name);
    const char *params = json_close(&json);
    int code = params != NULL ? memferry_call(doctor->cli->m, "backend.probe", params, &reply)
                              : MEMFERRY_E_MEMORY;
    json_free(&json);
    snprintf(mend, sizeof mend, "memferry backends probe %.64s", name);
    if (code == MEMFERRY_OK) {
        doctor_tell(doctor, DOCTOR_OK, "backends", NULL, "%s is reachable %s", name,
                    field_text(memferry_reply_root(reply), "detail"));
    } else {
        doctor_tell(doctor, DOCTOR_TODO, "backends", mend, "%s", memferry_error(doctor->cli->m));
    }
    memferry_reply_free(reply);
}

static void check_backend(struct doctor *doctor, const struct memferry_node *backend)
{
    const char *name = field_text(backend, "name");
    int64_t dead = field_int(backend, "dead"), oldest_ms = field_int(backend, "oldest_pending_ms");
    bool is_ok = strcmp(field_text(backend, "health"), "ok") == 0;
    char mend[160], age[TIME_TEXT_SIZE];

    if (!is_ok) {
        tell_not_ok(doctor, backend);
    } else if (oldest_ms >= OLD_PENDING_MS) {
        snprintf(mend, sizeof mend, "memferry backends probe %.64s", name);
        doctor_tell(doctor, DOCTOR_TODO, "backends", mend,
                    "%s is reachable, but %lld %s, the oldest for %s%s%.200s", name,
                    (long long)field_int(backend, "pending"), waits(field_int(backend, "pending")),
                    duration_text(oldest_ms, age),
                    field_text(backend, "last_error")[0] != '\0' ? ": " : "",
                    field_text(backend, "last_error"));
    }
    if (dead > 0) {
        snprintf(mend, sizeof mend, "memferry dead --backend %.64s", name);
        doctor_tell(doctor, DOCTOR_TODO, "backends", mend, "%s refuses %lld %s", name,
                    (long long)dead, look_memories(dead));
    }
    if (doctor->probe && look_is_attached(backend)) {
        probe(doctor, name);
    }
}

void doctor_check_backends(struct doctor *doctor)
{
    size_t count = memferry_node_count(doctor->look.backends);
    unsigned before = doctor->todo + doctor->notes;

    for (size_t i = 0; i < count; i++) {
        check_backend(doctor, memferry_node_at(doctor->look.backends, i));
    }
    if (count == 0) {
        doctor_tell(doctor, DOCTOR_OK, "backends", NULL,
                    "none is configured: memories stay on this machine");
    } else if (before == doctor->todo + doctor->notes && !doctor->probe) {
        doctor_tell(doctor, DOCTOR_OK, "backends", NULL, "%zu, and none is behind or refuses",
                    count);
    }
}

void doctor_check_alerts(struct doctor *doctor)
{
    long long open = field_int(section(doctor, "store"), "alerts_open");

    if (open > 0) {
        doctor_tell(doctor, DOCTOR_TODO, "alerts", "memferry alert", "%lld %s not acked", open,
                    open == 1 ? "is" : "are");
    } else {
        doctor_tell(doctor, DOCTOR_OK, "alerts", NULL, "none is open");
    }
}

void doctor_check_limits(struct doctor *doctor)
{
    const struct memferry_node *server = section(doctor, "server"),
                               *peers = section(doctor, "peers");
    long long open = field_int(server, "open_files"), most = field_int(server, "open_files_max");
    long long now = field_int(peers, "now"), max = field_int(peers, "max");

    if (most > 0 && most < FILES_MIN) {
        doctor_tell(doctor, DOCTOR_TODO, "limits", "ulimit -n 20000",
                    "the broker may open %lld files, and needs up to %d: raise the limit where it "
                    "is started (LimitNOFILE= in a unit)",
                    most, FILES_MIN);
    } else if (max > 0 && now * 10 >= max * 9) {
        doctor_tell(doctor, DOCTOR_TODO, "limits", NULL,
                    "%lld of %lld connections are taken: find who keeps them, or raise [broker] "
                    "max_peers",
                    now, max);
    } else {
        doctor_tell(doctor, DOCTOR_OK, "limits", NULL,
                    "%lld of %lld files open, %lld of %lld "
                    "connections",
                    open, most, now, max);
    }
}

void doctor_check_search(struct doctor *doctor)
{
    long long behind = field_int(section(doctor, "search"), "behind");
    long long wal = field_int(section(doctor, "store"), "wal_bytes");
    long long vectors = field_int(section(doctor, "store"), "embeddings_pending");
    char mend[PATH_MAX + 32];

    if (wal > WAL_MANY_BYTES) {
        snprintf(mend, sizeof mend, "fuser -v %s/memferry.db", doctor->state_dir);
        doctor_tell(doctor, DOCTOR_TODO, "store", mend,
                    "the WAL holds %lld MiB: another program keeps an old view of memferry.db open",
                    wal >> 20);
    } else {
        doctor_tell(doctor, DOCTOR_OK, "store", NULL, "%lld %s, %lld KiB, WAL %lld KiB",
                    (long long)field_int(section(doctor, "store"), "memories"),
                    look_memories(field_int(section(doctor, "store"), "memories")),
                    (long long)field_int(section(doctor, "store"), "bytes") >> 10, wal >> 10);
    }
    if (behind > BEHIND_EVENTS) {
        doctor_tell(doctor, DOCTOR_NOTE, "search", NULL,
                    "the search index is %lld events behind, and is being brought up to date",
                    behind);
    } else if (vectors > 0) {
        doctor_tell(doctor, DOCTOR_NOTE, "search", "memferry backends", "%lld %s for a vector",
                    vectors, waits(vectors));
    } else {
        doctor_tell(doctor, DOCTOR_OK, "search", NULL, "the index is level");
    }
}

void doctor_check_clock(struct doctor *doctor)
{
    struct memferry_reply *reply = NULL;
    char ahead[TIME_TEXT_SIZE];
    int code =
        memferry_call(doctor->cli->m, "memory.list", "{\"limit\":1,\"deleted\":\"any\"}", &reply);
    const struct memferry_node *newest = memferry_node_at(
        memferry_node_get(code == MEMFERRY_OK ? memferry_reply_root(reply) : NULL, "memories"), 0);
    int64_t ahead_ms = field_int(newest, "updated_ms") - time_now_ms();

    if (time_now_ms() < CLOCK_MIN_MS) {
        doctor_tell(doctor, DOCTOR_TODO, "clock", "timedatectl", "the clock is not set");
    } else if (ahead_ms > CLOCK_AHEAD_MS) {
        doctor_tell(doctor, DOCTOR_NOTE, "clock", "timedatectl",
                    "the newest memory is %s ahead of the clock: it was set back, or another "
                    "machine's goes ahead. The order of memories holds all the same",
                    duration_text(ahead_ms, ahead));
    } else {
        doctor_tell(doctor, DOCTOR_OK, "clock", NULL, "it agrees with the newest memory");
    }
    memferry_reply_free(reply);
}
