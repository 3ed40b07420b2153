/*
 * guard_tell.c - from a window that has something to tell to an alert: its id, its words, what it
 * is about, and how to undo it.
 *
 * An update says what has changed; what it leaves out stays in the alert as it was.
 */
#include "broker/guard_internal.h"

#include "broker/guard_mask.h"
#include "broker/util/container.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define SAMPLE_ROOM   257
#define SESSION_TEXT  80
#define SUMMARY_ROOM  ALERT_SUMMARY_MAX
#define COMMAND_BYTES 1000
#define CMDLINE_BYTES 4096 /* more than is kept, so that no secret is cut before it is known */

static const struct {
    const char *name;
    enum memferry_severity severity;
    bool undoes; /* memferry undo brings back what it counts */
} rules[GUARD_RULES] = {
    [GUARD_SCHEMA_CHANGE] = {"schema-change", MEMFERRY_SEVERITY_CRITICAL, false},
    [GUARD_MASS_STATEMENT] = {"mass-statement", MEMFERRY_SEVERITY_CRITICAL, false},
    [GUARD_RAPID_DELETE] = {"rapid-delete", MEMFERRY_SEVERITY_CRITICAL, true},
    [GUARD_PURGE] = {"purge", MEMFERRY_SEVERITY_CRITICAL, false},
    [GUARD_BULK_CHANGE] = {"bulk-change", MEMFERRY_SEVERITY_CRITICAL, true},
};

const char *guard_rule_name(enum guard_rule rule)
{
    return rules[rule].name;
}

/* ---- ids: RULE-FIRST_SEQ-MARK ---- */

struct change_alert guard_mark_of(const struct guard *guard, enum guard_rule rule,
                                  const struct guard_alarm *alarm, struct event_text session)
{
    const char *origin = store_origin(guard->store);
    uint64_t seed = XXH3_64bits(origin, strlen(origin));
    bool is_own = rule != GUARD_BULK_CHANGE && alarm != &guard->rules[rule].rate.alarm;

    /* bulk-change is of all, even if all is one session's, which shows only at its end. */
    seed = is_own ? XXH3_64bits_withSeed(session.data, session.size, seed) : seed;
    return (struct change_alert){.first_seq = alarm->first_seq, .mark = (uint32_t)seed};
}

void guard_alert_id(enum guard_rule rule, const struct change_alert *alert, char *ret)
{
    snprintf(ret, GUARD_ALERT_ID_MAX, "%s-%" PRIu64 "-%08" PRIx32, rules[rule].name,
             alert->first_seq, alert->mark);
}

bool guard_read_id(const struct event_text *rule, const struct event_text *id,
                   enum guard_rule *ret_rule, uint64_t *ret_first_seq)
{
    for (enum guard_rule i = 0; i < GUARD_RULES; i++) {
        size_t size = strlen(rules[i].name);
        char number[GUARD_ALERT_ID_MAX] = "";
        if (rule->size != size || memcmp(rule->data, rules[i].name, size) != 0 ||
            id->size <= size + 1 || id->size - size > sizeof number) {
            continue;
        }
        memcpy(number, id->data + size + 1, id->size - size - 1);
        char *end;
        unsigned long long seq = strtoull(number, &end, 10);
        *ret_rule = i;
        *ret_first_seq = seq;
        return seq > 0 && *end == '-';
    }
    return false;
}

/* ---- who did it ---- */

static size_t read_proc(int64_t pid, const char *name, char *ret, size_t max)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%" PRId64 "/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t size = read(fd, ret, max);
    close(fd);
    return size > 0 ? (size_t)size : 0;
}

/* The command line of a process that still runs, masked as a statement is; else nothing. */
static struct event_text command_of(int64_t pid, char *room)
{
    char line[CMDLINE_BYTES];
    size_t size = pid > 0 ? read_proc(pid, "cmdline", line, sizeof line) : 0;

    if (size == 0 && pid > 0) {
        size = read_proc(pid, "comm", line, sizeof line);
    }
    while (size > 0 && (line[size - 1] == '\0' || line[size - 1] == '\n')) {
        size--;
    }
    for (size_t i = 0; i < size; i++) {
        if (line[i] == '\0') { /* between arguments */
            line[i] = ' ';
        }
    }
    size = guard_mask(line, size, room, COMMAND_BYTES);
    return (struct event_text){.data = size > 0 ? room : NULL, .size = size};
}

/* ---- what it says ---- */

/* " by session X", or nothing. */
static void write_session(struct event_text session, char *ret)
{
    ret[0] = '\0';
    if (session.size > 0) {
        snprintf(ret, SESSION_TEXT, " by session %.*s", (int)session.size, session.data);
    }
}

static void write_summary(const struct guard *guard, enum guard_rule rule,
                          const struct guard_alarm *alarm, struct event_text session, char *ret)
{
    const struct config_guard *config = &guard->config;
    char by[SESSION_TEXT];

    write_session(session, by);
    switch (rule) {
    case GUARD_RAPID_DELETE:
        snprintf(ret, SUMMARY_ROOM,
                 "%" PRIu64 " memories were deleted%s: more than %" PRIu32 " in %" PRId64 " s",
                 alarm->count, by, config->rapid_delete_count,
                 config->rapid_delete_window_ms / 1000);
        break;
    case GUARD_BULK_CHANGE:
        snprintf(ret, SUMMARY_ROOM,
                 "%" PRIu64 " memories were changed or deleted%s: more than %" PRIu32
                 "%% of all in %" PRId64 " s",
                 alarm->count, by, config->bulk_change_percent,
                 config->bulk_change_window_ms / 1000);
        break;
    case GUARD_PURGE:
        snprintf(ret, SUMMARY_ROOM,
                 "%" PRIu64 " %s purged%s with all versions: only a backup or a backend's own copy "
                 "has them still",
                 alarm->count, alarm->count == 1 ? "memory was" : "memories were", by);
        break;
    case GUARD_SCHEMA_CHANGE:
        snprintf(ret, SUMMARY_ROOM, "%" PRIu64 " statement%s observed%s that change%s a schema%s%s",
                 alarm->count, alarm->count == 1 ? " was" : "s were", by,
                 alarm->count == 1 ? "s" : "", guard->now.what != NULL ? ": " : "",
                 guard->now.what != NULL ? guard->now.what : "");
        break;
    default:
        snprintf(
            ret, SUMMARY_ROOM,
            "%" PRIu64 " statement%s observed%s that delete%s or change%s whatever is there%s%s",
            alarm->count, alarm->count == 1 ? " was" : "s were", by, alarm->count == 1 ? "s" : "",
            alarm->count == 1 ? "s" : "", guard->now.what != NULL ? ": " : "",
            guard->now.what != NULL ? guard->now.what : "");
        break;
    }
}

/* Of the events that were noted, each once. */
static size_t sample_events(struct guard *guard, const struct guard_alarm *alarm, char *room)
{
    size_t count = 0;

    for (size_t i = 0; i < alarm->sample_count; i++) {
        char *id = room + count * SAMPLE_ROOM;
        bool had =
            store_event_memory(guard->store, alarm->samples[i], id, NULL) != 0 || id[0] == '\0';
        for (size_t k = 0; k < count && !had; k++) {
            had = strcmp(room + k * SAMPLE_ROOM, id) == 0;
        }
        count += had ? 0 : 1;
    }
    return count;
}

static void find_samples(struct guard *guard, enum guard_rule rule, const struct guard_alarm *alarm,
                         char *room, struct alert *alert)
{
    size_t count = 0;

    if (rule == GUARD_BULK_CHANGE) {
        store_changed_memories(guard->store, alarm->first_seq, alarm->last_seq, GUARD_SAMPLES_MAX,
                               room, &count, NULL);
    } else {
        count = sample_events(guard, alarm, room);
    }
    for (size_t i = 0; i < count; i++) {
        char *id = room + i * SAMPLE_ROOM;
        alert->sample_ids[i] = (struct event_text){.data = id, .size = strlen(id)};
    }
    alert->sample_count = count;
}

/* ---- telling ---- */

void guard_tell(struct guard_listener *listener, const struct guard_alarm *alarm,
                struct event_text session, bool is_new)
{
    struct guard_rule_state *state = container_of(listener, struct guard_rule_state, listener);
    struct guard *guard = state->guard;
    char id[GUARD_ALERT_ID_MAX], undo[GUARD_ALERT_ID_MAX + 16], summary[SUMMARY_ROOM];
    char command[COMMAND_BYTES], samples[GUARD_SAMPLES_MAX * SAMPLE_ROOM];
    const char *name = rules[state->rule].name;
    const struct change_alert mark = guard_mark_of(guard, state->rule, alarm, session);

    guard_alert_id(state->rule, &mark, id);
    write_summary(guard, state->rule, alarm, session, summary);
    struct alert alert = {.id = {id, strlen(id)},
                          .rule = {name, strlen(name)},
                          .severity = rules[state->rule].severity,
                          .at_ms = alarm->last_ms,
                          .session_id = session,
                          .count = alarm->count,
                          .summary = {summary, strlen(summary)}};
    if (rules[state->rule].undoes) {
        snprintf(undo, sizeof undo, "memferry undo %s", id);
        alert.undo = (struct event_text){undo, strlen(undo)};
        alert.from_seq = alarm->first_seq;
        alert.to_seq = alarm->last_seq;
        alert.until_ms = alarm->until_ms;
    }
    if (is_new) {
        alert.peer_pid = guard->now.peer_pid;
        alert.peer_command = command_of(guard->now.peer_pid, command);
        alert.statement = guard->now.statement;
    }
    find_samples(guard, state->rule, alarm, samples, &alert);
    alerts_raise(guard->alerts, &alert);
}
