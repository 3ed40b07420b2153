/*
 * segment.h - one segment file of the journal: its format, and the scan that reads it back.
 *
 * Everything here works on bytes in memory; nothing touches a file. Numbers are little-endian.
 *
 *   block 0, block 1   the same header twice, so that one bad block does not cost the segment
 *   block 2 …          groups, each beginning on a block: a head, its records, zeros to the block
 *
 * A group is what one write and one fdatasync made durable. All checksums are XXH3 seeded by the
 * journal's origin and the generation of the segment, so that what a recycled segment held before,
 * or another journal wrote, is never read as new.
 *
 * Happy path of a scan: segment_scan_next gives SEGMENT_GROUP for each group and SEGMENT_END where
 * writing stopped; segment_record_next walks a group's records.
 *
 * Failure modes: the next group is written only after the last one's fdatasync, so a bad group with
 * a later one behind it was once good (SEGMENT_DAMAGED), and a bad one with nothing behind it never
 * was acknowledged in this segment (SEGMENT_TORN). Sizes and counts are checked against what is
 * there before they are used.
 */
#ifndef MEMFERRY_SEGMENT_H
#define MEMFERRY_SEGMENT_H

#include "broker/journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_BLOCK        4096u
#define SEGMENT_HEADER_BYTES (2u * SEGMENT_BLOCK)
#define SEGMENT_ORIGIN_BYTES 16

struct segment_header {
    uint64_t generation;    /* 1, 2, 3 …: every use of a file as a segment has its own */
    uint64_t base_seq;      /* the first event written here has this seq */
    uint64_t first_seq;     /* the oldest event the journal still held when this was begun */
    int64_t base_stamp_us;  /* the clock when this was begun */
    uint64_t segment_bytes; /* size of the file */
    uint8_t origin[SEGMENT_ORIGIN_BYTES]; /* of the journal */
};

/* What stands where a header should be. */
enum segment_kind {
    SEGMENT_KIND_GOOD = 1,
    SEGMENT_KIND_BLANK, /* zeros: a spare one */
    SEGMENT_KIND_BAD,   /* neither */
    SEGMENT_KIND_NEWER  /* a header of a format that this program does not know */
};

/* Fills the first SEGMENT_HEADER_BYTES of a segment. */
void segment_header_encode(const struct segment_header *header, uint8_t *bytes);
/* `bytes` has SEGMENT_HEADER_BYTES. ret_header is filled with SEGMENT_KIND_GOOD only. */
enum segment_kind segment_header_decode(const uint8_t *bytes, struct segment_header *ret_header);

/* Seed of all checksums of one generation of one journal. */
uint64_t segment_seed(const uint8_t origin[SEGMENT_ORIGIN_BYTES], uint64_t generation);

/* ---- writing ---- */

/* A group in the making, in a buffer that is used again and again. */
struct segment_group {
    uint8_t *bytes; /* aligned to SEGMENT_BLOCK, owned by the user of this struct */
    size_t size;    /* so far, without the padding */
    uint64_t generation, number, first_seq, seed;
    uint32_t count;
};

/* What a group with one record of this payload takes on disk: the least room a segment must have.
 */
size_t segment_group_bytes(size_t payload_size);
/* What the group would take on disk with one more record. */
size_t segment_group_grown(const struct segment_group *group, size_t payload_size);

void segment_group_begin(struct segment_group *group, const struct segment_header *header,
                         uint64_t number, uint64_t first_seq);
/* The buffer must have room for segment_group_grown. Records come with seq, at_ms and stamp_us. */
void segment_group_add(struct segment_group *group, const struct journal_record *record);
/* Writes head and padding; returns the bytes to write, a whole number of blocks. */
size_t segment_group_finish(struct segment_group *group);

/* ---- reading ---- */

enum segment_found {
    SEGMENT_END = 1, /* nothing more of this generation */
    SEGMENT_GROUP,   /* a good group */
    SEGMENT_DAMAGED, /* not readable as groups, with a later group behind it; the scan goes on */
    SEGMENT_TORN     /* a bad group with nothing behind it: the scan ends */
};

/* A piece of a segment that the scan found. */
struct segment_span {
    size_t offset, end;           /* of the bytes; of a good group without the padding */
    uint64_t number;              /* of the group that is, or should be, here */
    uint64_t first_seq, next_seq; /* it holds, or should: first_seq <= seq < next_seq; 0 where that
                                     is not known */
};

struct segment_scan {
    const uint8_t *bytes;
    size_t size;
    uint64_t generation, seed;
    size_t offset;   /* where to look next */
    uint64_t number; /* of the group expected there */
    uint64_t seq;    /* expected next; 0: any will do */
    bool over;
};

/* `bytes` is the whole file and is borrowed while the scan is used. base_seq 0: not known. */
void segment_scan_init(struct segment_scan *scan, const uint8_t *bytes, size_t size,
                       const uint8_t origin[SEGMENT_ORIGIN_BYTES], uint64_t generation,
                       uint64_t base_seq);
enum segment_found segment_scan_next(struct segment_scan *scan, struct segment_span *ret_span);

/* The next record of a good group. *offset begins at 0 and is moved on; false: no more. The payload
 * points into the scanned bytes. */
bool segment_record_next(const struct segment_scan *scan, const struct segment_span *span,
                         size_t *offset, struct journal_record *ret_record);
/* The same for a damaged or torn piece: what is readable of it, found record by record. */
bool segment_salvage_next(const struct segment_scan *scan, const struct segment_span *span,
                          size_t *offset, struct journal_record *ret_record);

/* For a segment whose header is lost: the generation and first seq of the first sound group head
 * of this origin. False: there is none. */
bool segment_find_generation(const uint8_t *bytes, size_t size,
                             const uint8_t origin[SEGMENT_ORIGIN_BYTES],
                             struct segment_header *ret_header);

#endif
