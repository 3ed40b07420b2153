/* segment_format.h - the bytes on disk, for segment.c and segment_scan.c only. */
#ifndef MEMFERRY_SEGMENT_FORMAT_H
#define MEMFERRY_SEGMENT_FORMAT_H

#include "broker/segment.h"

#include <assert.h>
#include <xxhash.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the journal is little-endian");

#define FORMAT_VERSION      1u
#define FORMAT_HEADER_MAGIC "MFERRYSG"
#define FORMAT_GROUP_MAGIC  0x5247464du /* "MFGR" */
#define FORMAT_ALIGNMENT    8u          /* of records within a group */

/* In block 0 and again in block 1; zeros to the end of the block. */
struct format_header {
    char magic[8];
    uint32_t version;
    uint32_t block_bytes;
    uint64_t generation;
    uint64_t base_seq;
    uint64_t first_seq;
    int64_t base_stamp_us;
    uint64_t segment_bytes;
    uint8_t origin[SEGMENT_ORIGIN_BYTES];
    uint64_t checksum; /* of all above */
};

struct format_group {
    uint32_t magic;
    uint32_t record_count;
    uint64_t generation;
    uint64_t number;     /* 1, 2, 3 … in a generation */
    uint64_t byte_count; /* this head and the records, without the padding */
    uint64_t first_seq;
    uint64_t checksum; /* of all above */
};

/* Followed by the payload and zeros up to FORMAT_ALIGNMENT. The checksum comes first so that it
 * covers one run of bytes: from payload_size to the end of the payload. */
struct format_record {
    uint64_t checksum;
    uint32_t payload_size;
    uint32_t reserved; /* 0 */
    uint64_t seq;
    int64_t at_ms;
    int64_t stamp_us;
};

static_assert(sizeof(struct format_header) == 80, "written to disk as it is");
static_assert(sizeof(struct format_group) == 48, "written to disk as it is");
static_assert(sizeof(struct format_record) == 40, "written to disk as it is");

static inline size_t format_round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

static inline size_t format_record_bytes(size_t payload_size)
{
    return format_round_up(sizeof(struct format_record) + payload_size, FORMAT_ALIGNMENT);
}

static inline uint64_t format_group_checksum(const struct format_group *head, uint64_t seed)
{
    return XXH3_64bits_withSeed(head, offsetof(struct format_group, checksum), seed);
}

/* `bytes` is the record as it lies on disk. */
static inline uint64_t format_record_checksum(const uint8_t *bytes, size_t payload_size,
                                              uint64_t seed)
{
    size_t from = offsetof(struct format_record, payload_size);

    return XXH3_64bits_withSeed(bytes + from, sizeof(struct format_record) - from + payload_size,
                                seed);
}

#endif
