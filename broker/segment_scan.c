/*
 * segment_scan.c - reads a segment back. Pure functions over bytes that may be anything at all:
 * each size, count and seq is checked against what is there before it is used.
 *
 * A scan takes time in proportion to the segment: heads are looked for on block boundaries only,
 * and always further on.
 */
#include "broker/segment.h"
#include "broker/segment_format.h"

#include <string.h>

void segment_scan_init(struct segment_scan *scan, const uint8_t *bytes, size_t size,
                       const uint8_t origin[SEGMENT_ORIGIN_BYTES], uint64_t generation,
                       uint64_t base_seq)
{
    *scan = (struct segment_scan){
        .bytes = bytes,
        .size = size,
        .generation = generation,
        .seed = segment_seed(origin, generation),
        .offset = SEGMENT_HEADER_BYTES,
        .number = 1,
        .seq = base_seq,
    };
}

/* Is there a group head at offset that was written with this seed? Says nothing of its records. */
static bool head_read(const uint8_t *bytes, size_t size, size_t offset, uint64_t seed,
                      struct format_group *ret_head)
{
    struct format_group head;

    if (size < sizeof head || offset > size - sizeof head) {
        return false;
    }
    memcpy(&head, bytes + offset, sizeof head);
    if (head.magic != FORMAT_GROUP_MAGIC || head.checksum != format_group_checksum(&head, seed)) {
        return false;
    }
    *ret_head = head;
    return head.byte_count >= sizeof head + sizeof(struct format_record) &&
           head.byte_count <= size - offset && head.record_count > 0 &&
           head.record_count <= head.byte_count / sizeof(struct format_record) &&
           head.first_seq > 0 && head.first_seq < UINT64_MAX - head.record_count;
}

static bool scan_head_read(const struct segment_scan *scan, size_t offset,
                           struct format_group *ret_head)
{
    return head_read(scan->bytes, scan->size, offset, scan->seed, ret_head) &&
           ret_head->generation == scan->generation;
}

/* Is there what could be a record at offset, and does it end by `end`? */
static bool record_read(const struct segment_scan *scan, size_t offset, size_t end,
                        struct journal_record *ret_record)
{
    struct format_record raw;

    if (offset > end || end - offset < sizeof raw) {
        return false;
    }
    memcpy(&raw, scan->bytes + offset, sizeof raw);
    if (raw.payload_size > JOURNAL_PAYLOAD_MAX || raw.reserved != 0 ||
        raw.payload_size > end - offset - sizeof raw) {
        return false;
    }
    *ret_record = (struct journal_record){
        .payload = scan->bytes + offset + sizeof raw,
        .payload_size = raw.payload_size,
        .seq = raw.seq,
        .at_ms = raw.at_ms,
        .stamp_us = raw.stamp_us,
    };
    return true;
}

static bool record_is_good(const struct segment_scan *scan, size_t offset,
                           const struct journal_record *record)
{
    const uint8_t *bytes = scan->bytes + offset;
    uint64_t checksum;

    memcpy(&checksum, bytes, sizeof checksum);
    return checksum == format_record_checksum(bytes, record->payload_size, scan->seed);
}

/* All records of a group: good, in order, as many and as long as the head says. */
static bool group_is_good(const struct segment_scan *scan, const struct format_group *head)
{
    size_t offset = scan->offset + sizeof *head;
    size_t end = scan->offset + (size_t)head->byte_count;
    struct journal_record record;

    for (uint32_t i = 0; i < head->record_count; i++) {
        if (!record_read(scan, offset, end, &record) || record.seq != head->first_seq + i ||
            !record_is_good(scan, offset, &record)) {
            return false;
        }
        offset += format_record_bytes(record.payload_size);
    }
    return offset == end;
}

/* The next place behind the expected group where a later one begins; 0: nowhere. */
static size_t find_later_head(const struct segment_scan *scan, struct format_group *ret_head)
{
    for (size_t at = scan->offset + SEGMENT_BLOCK; at < scan->size; at += SEGMENT_BLOCK) {
        if (scan_head_read(scan, at, ret_head) && ret_head->number > scan->number &&
            ret_head->first_seq >= scan->seq) {
            return at;
        }
    }
    return 0;
}

static enum segment_found take_group(struct segment_scan *scan, const struct format_group *head,
                                     struct segment_span *ret_span)
{
    *ret_span = (struct segment_span){
        .offset = scan->offset,
        .end = scan->offset + (size_t)head->byte_count,
        .number = head->number,
        .first_seq = head->first_seq,
        .next_seq = head->first_seq + head->record_count,
    };
    scan->offset = format_round_up(ret_span->end, SEGMENT_BLOCK);
    scan->number++;
    scan->seq = ret_span->next_seq;
    return SEGMENT_GROUP;
}

static enum segment_found take_damage(struct segment_scan *scan, size_t later,
                                      const struct format_group *head,
                                      struct segment_span *ret_span)
{
    *ret_span = (struct segment_span){
        .offset = scan->offset,
        .end = later,
        .number = scan->number,
        .first_seq = scan->seq,
        .next_seq = head->first_seq,
    };
    scan->offset = later;
    scan->number = head->number;
    scan->seq = head->first_seq;
    return SEGMENT_DAMAGED;
}

/* Nothing good follows. A trace of this generation in the block tells a torn group from the place
 * where writing stopped. */
static enum segment_found take_tail(struct segment_scan *scan, struct segment_span *ret_span)
{
    struct format_group head = {0};
    bool sound = scan_head_read(scan, scan->offset, &head);
    size_t left = scan->size - scan->offset;
    size_t bytes = sound ? (size_t)head.byte_count : left < SEGMENT_BLOCK ? left : SEGMENT_BLOCK;

    scan->over = true;
    *ret_span = (struct segment_span){
        .offset = scan->offset,
        .end = scan->offset + bytes,
        .number = scan->number,
        .first_seq = scan->seq,
    };
    if (left >= sizeof head) {
        memcpy(&head, scan->bytes + scan->offset, sizeof head);
    }
    return head.magic == FORMAT_GROUP_MAGIC && head.generation == scan->generation ? SEGMENT_TORN
                                                                                   : SEGMENT_END;
}

enum segment_found segment_scan_next(struct segment_scan *scan, struct segment_span *ret_span)
{
    struct format_group head;
    size_t later;

    if (scan->over || scan->offset >= scan->size) {
        *ret_span = (struct segment_span){.offset = scan->size,
                                          .end = scan->size,
                                          .number = scan->number,
                                          .first_seq = scan->seq};
        scan->over = true;
        return SEGMENT_END;
    }
    if (scan_head_read(scan, scan->offset, &head) && head.number == scan->number &&
        (scan->seq == 0 || head.first_seq == scan->seq) && group_is_good(scan, &head)) {
        return take_group(scan, &head, ret_span);
    }
    later = find_later_head(scan, &head);
    return later != 0 ? take_damage(scan, later, &head, ret_span) : take_tail(scan, ret_span);
}

bool segment_record_next(const struct segment_scan *scan, const struct segment_span *span,
                         size_t *offset, struct journal_record *ret_record)
{
    size_t at = *offset != 0 ? *offset : span->offset + sizeof(struct format_group);

    if (!record_read(scan, at, span->end, ret_record)) {
        return false;
    }
    *offset = at + format_record_bytes(ret_record->payload_size);
    return true;
}

bool segment_salvage_next(const struct segment_scan *scan, const struct segment_span *span,
                          size_t *offset, struct journal_record *ret_record)
{
    uint64_t limit = span->next_seq != 0 ? span->next_seq : UINT64_MAX;
    size_t at = *offset != 0 ? *offset : span->offset;

    for (; at + sizeof(struct format_record) <= span->end; at += FORMAT_ALIGNMENT) {
        if (!record_read(scan, at, span->end, ret_record) || ret_record->seq == 0 ||
            ret_record->seq < span->first_seq || ret_record->seq >= limit ||
            !record_is_good(scan, at, ret_record)) {
            continue;
        }
        *offset = at + format_record_bytes(ret_record->payload_size);
        return true;
    }
    return false;
}

bool segment_find_generation(const uint8_t *bytes, size_t size,
                             const uint8_t origin[SEGMENT_ORIGIN_BYTES],
                             struct segment_header *ret_header)
{
    struct format_group head;
    uint64_t generation = 0;

    for (size_t at = SEGMENT_HEADER_BYTES; at + sizeof head <= size; at += SEGMENT_BLOCK) {
        memcpy(&head, bytes + at, sizeof head);
        if (head.magic != FORMAT_GROUP_MAGIC || head.generation <= generation ||
            !head_read(bytes, size, at, segment_seed(origin, head.generation), &head)) {
            continue;
        }
        generation = head.generation;
        *ret_header = (struct segment_header){
            .generation = generation,
            .base_seq = head.number == 1 ? head.first_seq : 0,
            .segment_bytes = size,
        };
        memcpy(ret_header->origin, origin, SEGMENT_ORIGIN_BYTES);
    }
    return generation != 0;
}
