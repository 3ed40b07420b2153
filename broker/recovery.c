/* recovery.c - see recovery.h. */
#include "broker/recovery.h"

#include "broker/import_params.h"
#include "broker/memory_pack.h"
#include "broker/util/clock.h"
#include "broker/util/container.h"
#include "client/wire/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *recovery_state_name(enum recovery_state state)
{
    static const char *const names[] = {[RECOVERY_NONE] = "none",
                                        [RECOVERY_BEGINNING] = "running",
                                        [RECOVERY_RUNNING] = "running",
                                        [RECOVERY_FAILED] = "failed",
                                        [RECOVERY_DONE] = "done"};

    return names[state];
}

/* ---- a memory of the backend as an import, checked as a caller's is. In the lane's thread ---- */

/* Every text of it is what a call's would have to be. The plugin's word for it is not enough: one
 * that is not would spoil every reply it stands in. */
static bool texts_are_good(const msgpack_object *object)
{
    bool good = true;

    switch (object->type) {
    case MSGPACK_OBJECT_STR:
        return utf8_valid_no_nul(object->via.str.ptr, object->via.str.size);
    case MSGPACK_OBJECT_ARRAY:
        for (uint32_t i = 0; good && i < object->via.array.size; i++) {
            good = texts_are_good(&object->via.array.ptr[i]);
        }
        return good;
    case MSGPACK_OBJECT_MAP:
        for (uint32_t i = 0; good && i < object->via.map.size; i++) {
            good = texts_are_good(&object->via.map.ptr[i].key) &&
                   texts_are_good(&object->via.map.ptr[i].val);
        }
        return good;
    default:
        return true;
    }
}

static int read_import(struct recovery *recovery, const msgpack_object *memory,
                       msgpack_sbuffer *fields, struct error *err)
{
    struct import_params params;
    struct rpc_failure failure;

    if (!texts_are_good(memory)) {
        return error_set(err, -EINVAL, "it holds text that is not valid UTF-8, or a NUL");
    }
    if (import_params_read(&params, memory, recovery->dims, clock_wall_us(), &failure) != RPC_OK) {
        return error_set(err, -EINVAL, "%s", failure.text);
    }
    return import_params_pack(&params, fields);
}

static int pack(struct recover_importer *importer, const struct memferry_memory *memory,
                msgpack_sbuffer *fields, struct error *err)
{
    struct recovery *recovery = container_of(importer, struct recovery, importer);
    msgpack_sbuffer packed;
    msgpack_unpacked unpacked;

    msgpack_sbuffer_init(&packed);
    msgpack_unpacked_init(&unpacked);
    memory_pack(memory, &packed);
    bool whole =
        msgpack_unpack_next(&unpacked, packed.data, packed.size, NULL) == MSGPACK_UNPACK_SUCCESS;
    int status = whole ? read_import(recovery, &unpacked.data, fields, err) : -ENOMEM;
    msgpack_unpacked_destroy(&unpacked);
    msgpack_sbuffer_destroy(&packed);
    return status;
}

/* ---- hold and release ---- */

static void set_held(struct recovery *recovery, bool held)
{
    writes_set_held(recovery->writes, held ? recovery->backend : NULL);
    backends_set_held(recovery->backends, held);
}

static void resumed(struct lane_reply *reply, int status, const struct error *err)
{
    (void)reply; /* a pause that could not be taken back is seen in the list of backends */
    (void)status;
    (void)err;
}

static void release(struct recovery *recovery)
{
    struct backend *backend = backends_find(recovery->backends, recovery->backend);

    set_held(recovery, false);
    if (backend != NULL && backend->paused) { /* it paused itself before its first delivery */
        recovery->resume_reply.done = resumed;
        lane_set_paused(backend->lane, false, &recovery->resume_reply);
    }
}

/* ---- the end of a job ---- */

static void log_end(const struct recovery *recovery)
{
    const struct recover_progress *last = &recovery->last;

    if (recovery->state == RECOVERY_DONE) {
        log_write(recovery->log, LOG_LEVEL_INFO, "recovered",
                  "Everything that backend %s holds is here again and was verified: %llu memories, "
                  "%llu left out",
                  recovery->backend, (unsigned long long)last->compared,
                  (unsigned long long)last->refused);
        return;
    }
    log_write(recovery->log, LOG_LEVEL_ERROR, "recovery-failed",
              "The recovery from backend %s has stopped, and writes are held: %s. Go on with "
              "memferry recover --from %s, or give it up with memferry recover --abandon",
              recovery->backend, recovery->err.text, recovery->backend);
}

static void ended(struct note *note)
{
    struct recovery *recovery = container_of(note, struct recovery, note);
    struct lane_recover *job = recovery->job;

    recovery->job = NULL;
    recovery->last = lane_recover_progress(job);
    recovery->state = recovery->status == 0 ? RECOVERY_DONE : RECOVERY_FAILED;
    if (recovery->state == RECOVERY_FAILED) {
        recovery->err = recovery->job_err;
    }
    memcpy(recovery->refusals, job->refusals, sizeof recovery->refusals);
    lane_recover_deinit(job);
    free(job);
    log_end(recovery);
    if (recovery->state == RECOVERY_DONE) {
        release(recovery);
    }
}

/* In the lane's thread. */
static void done(struct lane_job *base, int status, const struct error *err)
{
    struct lane_recover *job = container_of(base, struct lane_recover, job);
    struct recovery *recovery = container_of(job->importer, struct recovery, importer);

    recovery->status = status;
    if (status != 0) {
        recovery->job_err = *err; /* the loop may be reading err */
    }
    mailbox_post(recovery->mailbox, &recovery->note);
}

/* ---- begin ---- */

void recovery_init(struct recovery *recovery, struct backends *backends, struct writes *writes,
                   struct mailbox *mailbox, struct journal *journal, uint32_t dims, struct log *log)
{
    *recovery = (struct recovery){.importer = {.pack = pack},
                                  .backends = backends,
                                  .writes = writes,
                                  .mailbox = mailbox,
                                  .journal = journal,
                                  .log = log,
                                  .dims = dims,
                                  .note = {.read = ended}};
}

void recovery_resume(struct recovery *recovery, const struct reader_recovery *stored)
{
    if (stored->backend[0] == '\0') {
        return;
    }
    recovery->state = RECOVERY_FAILED;
    memcpy(recovery->backend, stored->backend, sizeof recovery->backend);
    error_set(&recovery->err, -EINTR, "the broker was stopped in the middle");
    set_held(recovery, true);
    log_end(recovery);
}

bool recovery_claim(struct recovery *recovery, const char *backend)
{
    if (recovery->state == RECOVERY_BEGINNING || recovery->state == RECOVERY_RUNNING) {
        return false;
    }
    recovery->before = recovery->state;
    recovery->state = RECOVERY_BEGINNING;
    snprintf(recovery->claimed, sizeof recovery->claimed, "%s", backend);
    return true;
}

void recovery_unclaim(struct recovery *recovery)
{
    recovery->state = recovery->before;
}

/* The job, for the lane that is there now. */
static int give_job(struct recovery *recovery, const char *after_id, struct error *err)
{
    struct backend *backend = backends_find(recovery->backends, recovery->backend);

    if (backend == NULL) {
        return error_set(err, -ENOENT, "backend %s " BACKEND_WITHOUT_LANE, recovery->backend);
    }
    recovery->job = malloc(sizeof *recovery->job);
    if (recovery->job == NULL) {
        return error_set(err, -ENOMEM, "out of memory for a recovery");
    }
    lane_recover_init(recovery->job, after_id, recovery->journal, &recovery->importer, done);
    lane_run(backend->lane, &recovery->job->job);
    return 0;
}

int recovery_start(struct recovery *recovery, const char *after_id, struct error *err)
{
    memcpy(recovery->backend, recovery->claimed, sizeof recovery->backend);
    recovery->err.text[0] = '\0';
    memset(recovery->refusals, 0, sizeof recovery->refusals);
    set_held(recovery, true);
    recovery->state = RECOVERY_RUNNING;
    int status = give_job(recovery, after_id, err);
    if (status != 0) {
        recovery->state = RECOVERY_FAILED;
        recovery->err = *err;
        log_end(recovery);
    }
    return status;
}

bool recovery_abandon(struct recovery *recovery)
{
    if (recovery->state != RECOVERY_FAILED) {
        return false;
    }
    recovery->state = RECOVERY_NONE;
    release(recovery);
    return true;
}

struct recover_progress recovery_progress(struct recovery *recovery)
{
    return recovery->job != NULL ? lane_recover_progress(recovery->job) : recovery->last;
}
