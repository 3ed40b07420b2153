/*
 * journal_recover.c - what is done with what lies in the directory when a broker starts.
 *
 * Happy path: the segments are found and their directory is synced; those that hold what the store
 * lacks, and the newest, are synced too (a killed broker may have left pages and names that no sync
 * covered), and walked once, which tells where the events end. Nothing is written to a segment: a
 * torn tail is cut by the header of the next one, which begins with the seq of the cut.
 *
 * The others hold nothing that anybody needs. They were synced before the header behind them was
 * written; damage in them is for --check-journal.
 *
 * Damage is saved aside and told of; where that fails, its segment is kept from reuse.
 */
#include "broker/journal_internal.h"
#include "broker/util/container.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uuid/uuid.h>

struct recover_walk {
    struct journal_walk walk;
    struct journal *journal;
};

static void recover_damaged(struct journal_walk *walk, const struct journal_damage *damage)
{
    struct journal *journal = container_of(walk, struct recover_walk, walk)->journal;
    char name[JOURNAL_NAME_MAX];
    uint64_t readable, first = damage->span.first_seq, last = damage->span.next_seq - 1;
    bool is_new;
    int r = journal_aside_save(journal->dir_fd, damage, name, &readable, &is_new);

    if (r < 0) {
        damage->file->pinned = true;
        journal->found.damaged_groups++;
        log_write(
            journal->log, LOG_LEVEL_ERROR, "journal-damage",
            "events %" PRIu64 " to %" PRIu64 " of the journal are damaged in %s/%s, and saving "
            "them aside failed: %s; that file is kept",
            first, last, journal->dir, damage->file->name, strerrordesc_np(-r) ?: "unknown error");
    } else if (is_new) {
        if (journal->found.damaged_groups++ == 0) {
            snprintf(journal->found.aside, sizeof journal->found.aside, "%s", name);
        }
        log_write(journal->log, LOG_LEVEL_ERROR, "journal-damage",
                  "events %" PRIu64 " to %" PRIu64 " of the journal are damaged in %s/%s; %" PRIu64
                  " of them can be read; saved to %s/%s",
                  first, last, journal->dir, damage->file->name, readable, journal->dir, name);
    }
}

static int sync_file(struct journal *journal, const struct segment_file *file)
{
    int fd, r = disk_open(journal->disk, journal->dir_fd, file->name, O_RDWR, &fd);

    if (r == 0) {
        r = journal->disk->fdatasync(journal->disk, fd);
        close(fd);
    }
    return r;
}

static int sync_held(struct journal *journal, const struct segment_queue *held, uint64_t stored_seq,
                     struct error *err)
{
    for (const struct segment_file *file = held->head; file != NULL; file = file->next) {
        int r = journal_walk_passes(file, stored_seq) ? 0 : sync_file(journal, file);
        if (r < 0) {
            return error_set_errno(err, r, "cannot sync %s/%s; check the disk", journal->dir,
                                   file->name);
        }
    }
    return 0;
}

static int read_held(struct journal *journal, const struct segment_queue *held, uint64_t stored_seq,
                     struct error *err)
{
    struct recover_walk recover = {
        .walk = {.dir_fd = journal->dir_fd, .after_seq = stored_seq, .damaged = recover_damaged},
        .journal = journal};
    int r = sync_held(journal, held, stored_seq, err);

    if (r == 0) {
        r = journal_walk_run(&recover.walk, held, journal->dir, err);
    }
    if (r < 0) {
        return r;
    }
    if (journal->writer.stamp_us < recover.walk.stamp_us) {
        journal->writer.stamp_us = recover.walk.stamp_us;
    }
    journal->writer.next_seq = recover.walk.next_seq;
    journal->found.first_seq = held->head->header.base_seq;
    journal->found.last_seq = recover.walk.next_seq - 1;
    journal->found.torn_bytes = recover.walk.torn_bytes;
    if (recover.walk.torn_bytes > 0) {
        log_write(
            journal->log, LOG_LEVEL_INFO, "journal-torn",
            "the last write to %s had not been finished and was not acknowledged; the journal "
            "goes on behind event %" PRIu64,
            journal->dir, journal->found.last_seq);
    }
    return 0;
}

/* Hands the lists to the pool. Blank ones of another size go the way of surplus ones. */
static void fill_pool(struct journal_pool *pool, struct journal_files *files)
{
    struct segment_file *file;

    while ((file = segment_queue_pop(&files->blank)) != NULL) {
        segment_queue_push(file->bytes == pool->segment_bytes ? &pool->blank : &pool->freed, file);
    }
    while ((file = segment_queue_pop(&files->freed)) != NULL) {
        segment_queue_push(&pool->freed, file);
    }
    pool->held = files->held;
    pool->next_name = files->next_name;
    *files = (struct journal_files){0};
}

static int set_base(struct journal *journal, const struct journal_base *base, struct error *err)
{
    if (base == NULL) {
        uuid_generate_random(journal->origin);
    } else if (uuid_parse(base->origin, journal->origin) < 0) {
        return error_set(err, -EINVAL, "%.40s is no origin of a journal", base->origin);
    }
    journal->found.last_seq = base != NULL ? base->seq : 0;
    journal->found.first_seq = journal->writer.next_seq = journal->found.last_seq + 1;
    journal->writer.stamp_us = base != NULL ? base->stamp_us : 0;
    journal->found.fresh = true;
    return 0;
}

/* A new journal: its first segment is begun at once, so that the origin is on disk before anything
 * else carries it. */
static int make_fresh(struct journal *journal, const struct journal_base *base, struct error *err)
{
    int r = set_base(journal, base, err);

    if (r < 0) {
        return r;
    }
    struct segment_file *file = segment_queue_pop(&journal->pool.blank);
    if (file == NULL) {
        r = spare_make(journal, &file);
    }
    if (r == 0) {
        r = writer_begin_segment(journal, file);
        if (r < 0) {
            segment_queue_push(&journal->pool.blank, file);
        }
    }
    if (r == -ENOSPC || r == -EDQUOT) {
        return error_set(err, JOURNAL_E_FULL,
                         "no room for a journal in %s: make room for %" PRIu64 " bytes",
                         journal->dir, journal->pool.segment_bytes);
    }
    return r == 0 ? 0 : error_set_errno(err, r, "cannot make a journal in %s", journal->dir);
}

int journal_recover_files(struct journal *journal, const struct journal_base *base,
                          struct error *err)
{
    struct journal_files files;
    bool fresh;
    int r = disk_sync_dir(journal->dir_fd);

    if (r < 0) {
        return error_set_errno(err, r, "cannot sync the directory %s; check the disk",
                               journal->dir);
    }
    r = journal_files_list(&files, journal->dir_fd, journal->dir, journal->log, err);
    if (r < 0) {
        return r;
    }
    fresh = files.fresh;
    journal->writer.generation = files.generation;
    journal->writer.stamp_us = files.stamp_us;
    memcpy(journal->origin, files.origin, sizeof journal->origin);
    fill_pool(&journal->pool, &files);
    r = fresh ? make_fresh(journal, base, err) : 0;
    uuid_unparse_lower(journal->origin, journal->origin_text);
    return r;
}

int journal_recover_events(struct journal *journal, uint64_t stored_seq, struct error *err)
{
    return journal->found.fresh ? 0 : read_held(journal, &journal->pool.held, stored_seq, err);
}
