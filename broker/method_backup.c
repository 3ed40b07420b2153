/*
 * method_backup.c - store.backup: a copy of all that had its receipt when the call came.
 *
 * The call is held until the store has applied that, as a read is; then a thread makes the copy.
 */
#include "broker/backup.h"
#include "broker/methods.h"
#include "broker/pack.h"
#include "broker/params.h"
#include "broker/util/container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RETRY_MS 1000

struct backup_call {
    struct query query; /* what holds it */
    struct backup backup;
    struct services *services;
    struct call *call;
};

/* ---- the answer ---- */

static void answer(struct backup_call *backup)
{
    const struct backup_made *made = &backup->backup.made;
    msgpack_sbuffer result;
    msgpack_packer packer;

    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&packer, &result, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 6);
    pack_text_member(&packer, "path", backup->backup.path);
    pack_uint_member(&packer, "memories", made->contents.memories);
    pack_uint_member(&packer, "deleted", made->contents.deleted);
    pack_uint_member(&packer, "events", made->contents.events);
    pack_uint_member(&packer, "seq", made->contents.applied_seq);
    pack_uint_member(&packer, "bytes", made->bytes);
    call_reply(backup->call, &result);
    msgpack_sbuffer_destroy(&result);
}

static void refuse(struct backup_call *backup)
{
    const char *text = backup->backup.err.text;
    struct rpc_failure failure;

    switch (backup->backup.status) {
    case BACKUP_E_PATH:
        rpc_failure_set(&failure, RPC_INVALID_PARAMS, "path", "%s", text);
        break;
    case BACKUP_E_FULL:
        rpc_failure_set(&failure, RPC_STORAGE_FULL, NULL, "%s", text);
        break;
    case BACKUP_E_CANCELLED:
        rpc_failure_set(&failure, RPC_UNAVAILABLE, NULL, "the broker is stopping: %s", text);
        break;
    case BACKUP_E_BUSY:
    case -EBUSY:
        call_fail_busy(backup->call, RETRY_MS, "%s", text);
        return;
    default:
        rpc_failure_set(&failure, RPC_INTERNAL, NULL, "%s", text);
    }
    call_fail_with(backup->call, &failure, NULL);
}

static void finish(struct backup_call *backup)
{
    if (backup->backup.status == 0) {
        answer(backup);
    } else {
        refuse(backup);
    }
    free(backup);
}

static void backup_done(struct backup *base)
{
    struct backup_call *backup = container_of(base, struct backup_call, backup);

    if (base->status == 0) {
        log_write(backup->services->log, LOG_LEVEL_INFO, "backup-made",
                  "%s holds all up to event %llu", base->path,
                  (unsigned long long)base->made.contents.applied_seq);
    }
    finish(backup);
}

/* ---- held until the store shows what it must ---- */

static void held_done(struct query *query)
{
    struct backup_call *backup = container_of(query, struct backup_call, query);

    query_deinit(query);
    if (query->timed_out || query->abandoned) {
        backup->backup.status =
            error_set(&backup->backup.err, -EBUSY, "the store is behind with what was written");
        finish(backup);
    } else if (!backups_run(backup->services->backups, &backup->backup)) {
        backup->backup.status = backup->backup.err.code;
        finish(backup);
    }
}

/* ---- the call ---- */

static enum rpc_code backup_params_read(void *target, const struct param *param)
{
    struct backup *backup = target;

    if (param_is(param, "path")) {
        enum rpc_code code = param_copy(param, 1, sizeof backup->path - 1, backup->path);
        return code == RPC_OK && backup->path[0] != '/'
                   ? param_fail(param, "path must be absolute: the broker has another directory")
                   : code;
    }
    if (param_is(param, "replace")) {
        return param_bool(param, &backup->replace);
    }
    return RPC_METHOD_NOT_FOUND;
}

/* The broker writes the file as its own user, so nobody else may name it. */
static enum rpc_code check_call(const struct call *call, const msgpack_object *params,
                                struct backup *backup, struct rpc_failure *ret_failure)
{
    if (call->peer->uid != geteuid()) {
        return rpc_failure_set(ret_failure, RPC_FORBIDDEN, NULL,
                               "only the broker's own user may have it write a file");
    }
    enum rpc_code code = params_read(params, backup_params_read, backup, ret_failure);
    if (code == RPC_OK && backup->path[0] == '\0') {
        code = rpc_failure_set(ret_failure, RPC_INVALID_PARAMS, "path", "path is missing");
    }
    return code;
}

void method_store_backup(struct services *services, struct call *call, const msgpack_object *params)
{
    struct backup_call *backup = calloc(1, sizeof *backup);
    struct rpc_failure failure = {0};

    if (backup == NULL) {
        call_fail(call, RPC_INTERNAL, "out of memory for the request");
        return;
    }
    if (check_call(call, params, &backup->backup, &failure) != RPC_OK) {
        free(backup);
        call_fail_with(call, &failure, NULL);
        return;
    }
    backup->services = services;
    backup->call = call;
    backup->backup.done = backup_done;
    backup->query.run = query_run_nothing;
    backup->query.done = held_done;
    services_read(services, &backup->query, call);
}
