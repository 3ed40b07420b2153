/* segment.c - writes the format of segment.h: headers and groups. Cannot fail. */
#include "broker/segment.h"
#include "broker/segment_format.h"

#include <string.h>

uint64_t segment_seed(const uint8_t origin[SEGMENT_ORIGIN_BYTES], uint64_t generation)
{
    return XXH3_64bits_withSeed(origin, SEGMENT_ORIGIN_BYTES, generation);
}

static uint64_t header_checksum(const struct format_header *raw)
{
    return XXH3_64bits(raw, offsetof(struct format_header, checksum));
}

void segment_header_encode(const struct segment_header *header, uint8_t *bytes)
{
    struct format_header raw = {
        .magic = FORMAT_HEADER_MAGIC,
        .version = FORMAT_VERSION,
        .block_bytes = SEGMENT_BLOCK,
        .generation = header->generation,
        .base_seq = header->base_seq,
        .first_seq = header->first_seq,
        .base_stamp_us = header->base_stamp_us,
        .segment_bytes = header->segment_bytes,
    };

    memcpy(raw.origin, header->origin, sizeof raw.origin);
    raw.checksum = header_checksum(&raw);
    memset(bytes, 0, SEGMENT_HEADER_BYTES);
    memcpy(bytes, &raw, sizeof raw);
    memcpy(bytes + SEGMENT_BLOCK, &raw, sizeof raw);
}

static enum segment_kind header_decode_one(const uint8_t *bytes, struct segment_header *ret_header)
{
    struct format_header raw;

    memcpy(&raw, bytes, sizeof raw);
    if (memcmp(raw.magic, FORMAT_HEADER_MAGIC, sizeof raw.magic) != 0 ||
        raw.checksum != header_checksum(&raw)) {
        return SEGMENT_KIND_BAD;
    }
    if (raw.version != FORMAT_VERSION || raw.block_bytes != SEGMENT_BLOCK) {
        return SEGMENT_KIND_NEWER;
    }
    *ret_header = (struct segment_header){
        .generation = raw.generation,
        .base_seq = raw.base_seq,
        .first_seq = raw.first_seq,
        .base_stamp_us = raw.base_stamp_us,
        .segment_bytes = raw.segment_bytes,
    };
    memcpy(ret_header->origin, raw.origin, sizeof raw.origin);
    return SEGMENT_KIND_GOOD;
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* The two copies differ when the write of a header was torn: the newer one counts, because what the
 * older one stood for had been given up before. */
enum segment_kind segment_header_decode(const uint8_t *bytes, struct segment_header *ret_header)
{
    struct segment_header first, second;
    enum segment_kind kind = header_decode_one(bytes, &first);
    enum segment_kind kind_second = header_decode_one(bytes + SEGMENT_BLOCK, &second);

    if (kind == SEGMENT_KIND_NEWER || kind_second == SEGMENT_KIND_NEWER) {
        return SEGMENT_KIND_NEWER;
    }
    if (kind_second == SEGMENT_KIND_GOOD &&
        (kind != SEGMENT_KIND_GOOD || second.generation > first.generation)) {
        kind = kind_second;
        first = second;
    }
    if (kind == SEGMENT_KIND_GOOD) {
        *ret_header = first;
        return kind;
    }
    return all_zero(bytes, SEGMENT_HEADER_BYTES) ? SEGMENT_KIND_BLANK : SEGMENT_KIND_BAD;
}

size_t segment_group_bytes(size_t payload_size)
{
    return format_round_up(sizeof(struct format_group) + format_record_bytes(payload_size),
                           SEGMENT_BLOCK);
}

size_t segment_group_grown(const struct segment_group *group, size_t payload_size)
{
    return format_round_up(group->size + format_record_bytes(payload_size), SEGMENT_BLOCK);
}

void segment_group_begin(struct segment_group *group, const struct segment_header *header,
                         uint64_t number, uint64_t first_seq)
{
    group->size = sizeof(struct format_group);
    group->generation = header->generation;
    group->number = number;
    group->first_seq = first_seq;
    group->seed = segment_seed(header->origin, header->generation);
    group->count = 0;
}

void segment_group_add(struct segment_group *group, const struct journal_record *record)
{
    uint8_t *bytes = group->bytes + group->size;
    size_t used = sizeof(struct format_record) + record->payload_size;
    struct format_record raw = {
        .payload_size = (uint32_t)record->payload_size,
        .seq = record->seq,
        .at_ms = record->at_ms,
        .stamp_us = record->stamp_us,
    };

    assert(record->seq == group->first_seq + group->count);
    assert(record->payload_size <= JOURNAL_PAYLOAD_MAX);
    memcpy(bytes, &raw, sizeof raw);
    if (record->payload_size > 0) {
        memcpy(bytes + sizeof raw, record->payload, record->payload_size);
    }
    raw.checksum = format_record_checksum(bytes, record->payload_size, group->seed);
    memcpy(bytes, &raw.checksum, sizeof raw.checksum);
    memset(bytes + used, 0, format_record_bytes(record->payload_size) - used);
    group->size += format_record_bytes(record->payload_size);
    group->count++;
}

size_t segment_group_finish(struct segment_group *group)
{
    size_t padded = format_round_up(group->size, SEGMENT_BLOCK);
    struct format_group head = {
        .magic = FORMAT_GROUP_MAGIC,
        .record_count = group->count,
        .generation = group->generation,
        .number = group->number,
        .byte_count = group->size,
        .first_seq = group->first_seq,
    };

    assert(group->count > 0);
    head.checksum = format_group_checksum(&head, group->seed);
    memcpy(group->bytes, &head, sizeof head);
    memset(group->bytes + group->size, 0, padded - group->size);
    return padded;
}
