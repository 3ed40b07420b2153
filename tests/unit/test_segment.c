/* The format of a segment: what was written whole is read back, and nothing else ever is. */
#include "broker/segment.h"
#include "broker/segment_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEGMENT_BYTES (32 * SEGMENT_BLOCK)

/* A segment in memory, written as the writer would. */
struct writing {
    struct segment_header header;
    struct segment_group group;
    uint8_t *bytes;
    size_t offset;
    uint64_t number, seq;
};

static const uint8_t origin_a[SEGMENT_ORIGIN_BYTES] = "one journal ....";
static const uint8_t origin_b[SEGMENT_ORIGIN_BYTES] = "another journal.";

static void begin(struct writing *writing, uint64_t generation, uint64_t base_seq)
{
    writing->header = (struct segment_header){.generation = generation,
                                              .base_seq = base_seq,
                                              .first_seq = base_seq,
                                              .base_stamp_us = 17,
                                              .segment_bytes = SEGMENT_BYTES};
    memcpy(writing->header.origin, origin_a, sizeof origin_a);
    segment_header_encode(&writing->header, writing->bytes);
    writing->offset = SEGMENT_HEADER_BYTES;
    writing->number = 1;
    writing->seq = base_seq;
}

static int setup(void **state)
{
    struct writing *writing = calloc(1, sizeof *writing);

    writing->bytes = calloc(1, SEGMENT_BYTES);
    writing->group.bytes = aligned_alloc(SEGMENT_BLOCK, SEGMENT_BYTES);
    begin(writing, 5, 100);
    *state = writing;
    return 0;
}

static int teardown(void **state)
{
    struct writing *writing = *state;

    free(writing->group.bytes);
    free(writing->bytes);
    free(writing);
    return 0;
}

static void fill_payload(uint8_t *payload, size_t size, uint64_t seq)
{
    for (size_t i = 0; i < size; i++) {
        payload[i] = (uint8_t)(seq * 31 + i * 7 + 1);
    }
}

/* Writes a group of `count` records with `size` bytes each; returns where. */
static struct segment_span put_group(struct writing *writing, unsigned count, size_t size)
{
    uint8_t *payload = malloc(size + 1);
    struct segment_span span = {.offset = writing->offset,
                                .number = writing->number,
                                .first_seq = writing->seq,
                                .next_seq = writing->seq + count};

    segment_group_begin(&writing->group, &writing->header, writing->number++, writing->seq);
    for (unsigned i = 0; i < count; i++) {
        struct journal_record record = {.payload = payload,
                                        .payload_size = size,
                                        .seq = writing->seq++,
                                        .at_ms = 1000 + (int64_t)i,
                                        .stamp_us = 2000 + (int64_t)writing->seq};
        fill_payload(payload, size, record.seq);
        size_t grown = segment_group_grown(&writing->group, size);
        segment_group_add(&writing->group, &record);
        assert_true(writing->group.size <= grown);
    }
    span.end = span.offset + writing->group.size;
    size_t bytes = segment_group_finish(&writing->group);
    assert_int_equal(bytes % SEGMENT_BLOCK, 0);
    assert_true(writing->offset + bytes <= SEGMENT_BYTES);
    memcpy(writing->bytes + writing->offset, writing->group.bytes, bytes);
    writing->offset += bytes;
    free(payload);
    return span;
}

static void scan_begin(const struct writing *writing, struct segment_scan *scan)
{
    segment_scan_init(scan, writing->bytes, SEGMENT_BYTES, writing->header.origin,
                      writing->header.generation, writing->header.base_seq);
}

static unsigned count_groups(const struct writing *writing)
{
    struct segment_scan scan;
    struct segment_span span;
    enum segment_found found;
    unsigned count = 0;

    scan_begin(writing, &scan);
    while ((found = segment_scan_next(&scan, &span)) == SEGMENT_GROUP || found == SEGMENT_DAMAGED) {
        count += found == SEGMENT_GROUP;
    }
    return count;
}

/* ---- headers ---- */

static void test_a_header_comes_back_as_it_was(void **state)
{
    struct writing *writing = *state;
    struct segment_header header;

    memset(&header, 0, sizeof header);
    assert_int_equal(segment_header_decode(writing->bytes, &header), SEGMENT_KIND_GOOD);
    assert_int_equal(header.generation, 5);
    assert_int_equal(header.base_seq, 100);
    assert_int_equal(header.base_stamp_us, 17);
    assert_int_equal(header.segment_bytes, SEGMENT_BYTES);
    assert_memory_equal(header.origin, origin_a, sizeof origin_a);
}

static void test_one_bad_copy_of_a_header_costs_nothing(void **state)
{
    struct writing *writing = *state;
    struct segment_header header;

    for (size_t bit = 0; bit < sizeof(struct format_header) * 8; bit++) {
        for (size_t copy = 0; copy < 2; copy++) {
            uint8_t *byte = writing->bytes + copy * SEGMENT_BLOCK + bit / 8;
            *byte ^= (uint8_t)(1u << bit % 8);
            memset(&header, 0, sizeof header);
            assert_int_equal(segment_header_decode(writing->bytes, &header), SEGMENT_KIND_GOOD);
            assert_int_equal(header.generation, 5);
            *byte ^= (uint8_t)(1u << bit % 8);
        }
    }
}

static void test_a_header_without_a_good_copy_is_bad(void **state)
{
    struct writing *writing = *state;
    struct segment_header header;

    writing->bytes[20] ^= 1;
    writing->bytes[SEGMENT_BLOCK + 70] ^= 1;
    assert_int_equal(segment_header_decode(writing->bytes, &header), SEGMENT_KIND_BAD);
    memset(writing->bytes, 0, SEGMENT_HEADER_BYTES);
    assert_int_equal(segment_header_decode(writing->bytes, &header), SEGMENT_KIND_BLANK);
    writing->bytes[SEGMENT_HEADER_BYTES - 1] = 1;
    assert_int_equal(segment_header_decode(writing->bytes, &header), SEGMENT_KIND_BAD);
}

static void test_of_a_header_written_by_half_the_newer_counts(void **state)
{
    struct writing *writing = *state;
    struct segment_header header;
    uint8_t old[SEGMENT_HEADER_BYTES];

    memcpy(old, writing->bytes, sizeof old);
    begin(writing, 9, 500);
    memcpy(writing->bytes, old, SEGMENT_BLOCK);
    assert_int_equal(segment_header_decode(writing->bytes, &header), SEGMENT_KIND_GOOD);
    assert_int_equal(header.generation, 9);
    begin(writing, 9, 500);
    memcpy(writing->bytes + SEGMENT_BLOCK, old, SEGMENT_BLOCK);
    assert_int_equal(segment_header_decode(writing->bytes, &header), SEGMENT_KIND_GOOD);
    assert_int_equal(header.generation, 9);
}

static void test_a_header_of_a_newer_format_is_known_as_such(void **state)
{
    struct writing *writing = *state;
    struct segment_header header;
    struct format_header raw;

    memcpy(&raw, writing->bytes, sizeof raw);
    raw.version++;
    raw.checksum = XXH3_64bits(&raw, offsetof(struct format_header, checksum));
    memcpy(writing->bytes, &raw, sizeof raw);
    memcpy(writing->bytes + SEGMENT_BLOCK, &raw, sizeof raw);
    assert_int_equal(segment_header_decode(writing->bytes, &header), SEGMENT_KIND_NEWER);
}

/* ---- groups ---- */

static void check_records(const struct segment_scan *scan, const struct segment_span *span,
                          size_t size)
{
    uint8_t *payload = malloc(size + 1);
    struct journal_record record;
    uint64_t seq = span->first_seq;
    size_t offset = 0;

    while (segment_record_next(scan, span, &offset, &record)) {
        assert_int_equal(record.seq, seq);
        assert_int_equal(record.at_ms, 1000 + (int64_t)(seq - span->first_seq));
        assert_int_equal(record.stamp_us, 2001 + (int64_t)seq);
        assert_int_equal(record.payload_size, size);
        fill_payload(payload, size, seq);
        assert_memory_equal(record.payload, payload, size);
        seq++;
    }
    assert_int_equal(seq, span->next_seq);
    free(payload);
}

static void test_groups_come_back_as_they_were(void **state)
{
    static const size_t sizes[] = {0, 1, 7, 8, 9, 600, 4007, 4008, 4009, 10000};
    struct writing *writing = *state;
    struct segment_scan scan;
    struct segment_span span;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        put_group(writing, i == 9 ? 1 : 2, sizes[i]);
    }
    scan_begin(writing, &scan);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(segment_scan_next(&scan, &span), SEGMENT_GROUP);
        assert_int_equal(span.number, i + 1);
        check_records(&scan, &span, sizes[i]);
    }
    assert_int_equal(segment_scan_next(&scan, &span), SEGMENT_END);
    assert_int_equal(segment_scan_next(&scan, &span), SEGMENT_END);
}

static void test_a_group_to_the_last_block_is_read(void **state)
{
    struct writing *writing = *state;

    put_group(writing, 1,
              SEGMENT_BYTES - SEGMENT_HEADER_BYTES - sizeof(struct format_group) -
                  sizeof(struct format_record));
    assert_int_equal(writing->offset, SEGMENT_BYTES);
    assert_int_equal(count_groups(writing), 1);
}

static void test_what_a_recycled_segment_held_is_never_read_as_new(void **state)
{
    struct writing *writing = *state;

    for (unsigned i = 0; i < 20; i++) {
        put_group(writing, 3, 100);
    }
    assert_int_equal(count_groups(writing), 20);
    begin(writing, 6, 100); /* even with the seqs of before */
    assert_int_equal(count_groups(writing), 0);
    put_group(writing, 3, 100);
    assert_int_equal(count_groups(writing), 1);
}

static void test_another_journal_s_groups_are_not_read(void **state)
{
    struct writing *writing = *state;

    put_group(writing, 3, 100);
    memcpy(writing->header.origin, origin_b, sizeof origin_b);
    assert_int_equal(count_groups(writing), 0);
}

/* ---- torn and damaged ---- */

static void test_a_last_group_with_any_blocks_missing_is_not_read(void **state)
{
    struct writing *writing = *state;
    uint8_t *whole = malloc(SEGMENT_BYTES), *before = malloc(SEGMENT_BYTES);

    begin(writing, 4, 1); /* what the segment held once: the blocks that a torn write leaves */
    for (unsigned i = 0; i < 6; i++) {
        put_group(writing, 2, 8000);
    }
    begin(writing, 5, 100);
    put_group(writing, 4, 500);
    memcpy(before, writing->bytes, SEGMENT_BYTES);
    struct segment_span last = put_group(writing, 5, 4000);
    memcpy(whole, writing->bytes, SEGMENT_BYTES);
    size_t blocks = (last.end - last.offset + SEGMENT_BLOCK - 1) / SEGMENT_BLOCK;
    assert_int_equal(blocks, 5);
    for (unsigned written = 0; written < 1u << blocks; written++) {
        memcpy(writing->bytes, before, SEGMENT_BYTES);
        for (size_t i = 0; i < blocks; i++) {
            size_t at = last.offset + i * SEGMENT_BLOCK;
            if (written & 1u << i) {
                memcpy(writing->bytes + at, whole + at, SEGMENT_BLOCK);
            }
        }
        assert_int_equal(count_groups(writing), written == (1u << blocks) - 1 ? 2 : 1);
    }
    free(whole);
    free(before);
}

/* Flips each bit of [from, to) and expects the scan to find `groups` groups then. */
static void flip_each(struct writing *writing, size_t from, size_t to, unsigned groups)
{
    for (size_t at = from; at < to; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            writing->bytes[at] ^= (uint8_t)(1u << bit);
            if (count_groups(writing) != groups) {
                fail_msg("byte %zu bit %u: %u groups, not %u", at, bit, count_groups(writing),
                         groups);
            }
            writing->bytes[at] ^= (uint8_t)(1u << bit);
        }
    }
}

static void test_a_flipped_bit_in_the_last_group_makes_it_torn(void **state)
{
    struct writing *writing = *state;
    struct segment_scan scan;
    struct segment_span span;

    put_group(writing, 2, 40);
    struct segment_span last = put_group(writing, 3, 40);
    flip_each(writing, last.offset, last.end, 1);
    writing->bytes[last.end - 1] ^= 4;
    scan_begin(writing, &scan);
    assert_int_equal(segment_scan_next(&scan, &span), SEGMENT_GROUP);
    assert_int_equal(segment_scan_next(&scan, &span), SEGMENT_TORN);
    assert_int_equal(span.offset, last.offset);
    assert_int_equal(span.end, last.end);
    assert_int_equal(segment_scan_next(&scan, &span), SEGMENT_END);
}

static void test_a_flipped_bit_in_a_group_with_others_behind_is_damage(void **state)
{
    struct writing *writing = *state;
    struct segment_scan scan;
    struct segment_span span;

    put_group(writing, 2, 40);
    struct segment_span middle = put_group(writing, 3, 40);
    put_group(writing, 2, 40);
    put_group(writing, 1, 40);
    flip_each(writing, middle.offset, middle.end, 3);
    writing->bytes[middle.offset + 9] ^= 4;
    scan_begin(writing, &scan);
    assert_int_equal(segment_scan_next(&scan, &span), SEGMENT_GROUP);
    assert_int_equal(segment_scan_next(&scan, &span), SEGMENT_DAMAGED);
    assert_int_equal(span.first_seq, middle.first_seq);
    assert_int_equal(span.next_seq, middle.next_seq);
    assert_int_equal(segment_scan_next(&scan, &span), SEGMENT_GROUP);
    assert_int_equal(span.first_seq, middle.next_seq);
    assert_int_equal(segment_scan_next(&scan, &span), SEGMENT_GROUP);
    assert_int_equal(segment_scan_next(&scan, &span), SEGMENT_END);
}

static void test_a_flipped_bit_in_the_padding_costs_nothing(void **state)
{
    struct writing *writing = *state;
    struct segment_span first = put_group(writing, 2, 4000);

    put_group(writing, 2, 40);
    for (size_t at = first.end; at % SEGMENT_BLOCK != 0; at += 7) {
        writing->bytes[at] ^= 0x40;
        assert_int_equal(count_groups(writing), 2);
        if (at + 7 > (first.end | (SEGMENT_BLOCK - 1))) {
            break;
        }
    }
}

static unsigned salvage(const struct segment_scan *scan, const struct segment_span *span,
                        uint64_t *ret_sum)
{
    struct journal_record record;
    unsigned count = 0;
    size_t offset = 0;

    *ret_sum = 0;
    while (segment_salvage_next(scan, span, &offset, &record)) {
        count++;
        *ret_sum += record.seq;
    }
    return count;
}

static void test_the_readable_records_of_a_damaged_group_are_found(void **state)
{
    struct writing *writing = *state;
    struct segment_span span, middle;
    struct segment_scan scan;
    uint64_t sum;

    put_group(writing, 1, 40);
    middle = put_group(writing, 10, 1000); /* 101 … 110 */
    put_group(writing, 1, 40);
    writing->bytes[middle.offset] ^= 1;                                     /* the head */
    writing->bytes[middle.offset + 48 + 8] ^= 0x80;                         /* 101: its size */
    writing->bytes[middle.offset + 48 + 4 * 1040 + 500] ^= 1;               /* 105: payload */
    memset(writing->bytes + middle.offset + 48 + 7 * 1040 - 20, 0xff, 200); /* 107, 108 */
    scan_begin(writing, &scan);
    assert_int_equal(segment_scan_next(&scan, &span), SEGMENT_GROUP);
    assert_int_equal(segment_scan_next(&scan, &span), SEGMENT_DAMAGED);
    assert_int_equal(salvage(&scan, &span, &sum), 6);
    assert_int_equal(sum, 102 + 103 + 104 + 106 + 109 + 110);
}

/* ---- lies ---- */

/* Rewrites the head of a group with a good checksum. */
static void forge_head(struct writing *writing, const struct segment_span *span,
                       uint64_t byte_count, uint32_t record_count, uint64_t first_seq)
{
    struct format_group head;
    uint64_t seed = segment_seed(writing->header.origin, writing->header.generation);

    memcpy(&head, writing->bytes + span->offset, sizeof head);
    head.byte_count = byte_count;
    head.record_count = record_count;
    head.first_seq = first_seq;
    head.checksum = format_group_checksum(&head, seed);
    memcpy(writing->bytes + span->offset, &head, sizeof head);
}

static void test_a_head_that_lies_about_its_size_is_not_believed(void **state)
{
    static const uint64_t sizes[] = {0,          47,         48,      87, SEGMENT_BYTES,
                                     UINT32_MAX, UINT64_MAX, 1u << 31};
    static const uint32_t counts[] = {0, 2, 4, 1000, UINT32_MAX};
    struct writing *writing = *state;
    struct segment_span group = put_group(writing, 3, 100);
    uint64_t bytes = group.end - group.offset;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        forge_head(writing, &group, sizes[i], 3, 100);
        assert_int_equal(count_groups(writing), 0);
    }
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        forge_head(writing, &group, bytes, counts[i], 100);
        assert_int_equal(count_groups(writing), 0);
    }
    forge_head(writing, &group, bytes, 3, UINT64_MAX - 1);
    assert_int_equal(count_groups(writing), 0);
    forge_head(writing, &group, bytes, 3, 101);
    assert_int_equal(count_groups(writing), 0);
    forge_head(writing, &group, bytes, 3, 100);
    assert_int_equal(count_groups(writing), 1);
}

static void test_a_file_of_any_length_can_be_scanned(void **state)
{
    struct writing *writing = *state;
    struct segment_scan scan;
    struct segment_span span;

    put_group(writing, 3, 3000);
    for (size_t size = 0; size <= 6 * SEGMENT_BLOCK; size += 13) {
        uint8_t *cut = malloc(size + 1);
        memcpy(cut, writing->bytes, size);
        segment_scan_init(&scan, cut, size, writing->header.origin, 5, 100);
        enum segment_found found = segment_scan_next(&scan, &span);
        assert_true(found == (size >= SEGMENT_HEADER_BYTES + (3 * 3040) + 48 ? SEGMENT_GROUP
                              : size < SEGMENT_HEADER_BYTES + 48             ? SEGMENT_END
                                                                             : SEGMENT_TORN));
        free(cut);
    }
}

static void test_a_lost_header_s_generation_is_found_in_the_groups(void **state)
{
    struct writing *writing = *state;
    struct segment_header header = {0};

    for (unsigned i = 0; i < 10; i++) {
        put_group(writing, 1, 100);
    }
    begin(writing, 6, 700);
    put_group(writing, 1, 100);
    put_group(writing, 1, 100);
    assert_true(segment_find_generation(writing->bytes, SEGMENT_BYTES, origin_a, &header));
    assert_int_equal(header.generation, 6);
    assert_int_equal(header.base_seq, 700);
    assert_false(segment_find_generation(writing->bytes, SEGMENT_BYTES, origin_b, &header));
    writing->bytes[SEGMENT_HEADER_BYTES] ^= 1;
    assert_true(segment_find_generation(writing->bytes, SEGMENT_BYTES, origin_a, &header));
    assert_int_equal(header.generation, 6);
    assert_int_equal(header.base_seq, 0);
}

#define segment_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        segment_test(test_a_header_comes_back_as_it_was),
        segment_test(test_one_bad_copy_of_a_header_costs_nothing),
        segment_test(test_a_header_without_a_good_copy_is_bad),
        segment_test(test_of_a_header_written_by_half_the_newer_counts),
        segment_test(test_a_header_of_a_newer_format_is_known_as_such),
        segment_test(test_groups_come_back_as_they_were),
        segment_test(test_a_group_to_the_last_block_is_read),
        segment_test(test_what_a_recycled_segment_held_is_never_read_as_new),
        segment_test(test_another_journal_s_groups_are_not_read),
        segment_test(test_a_last_group_with_any_blocks_missing_is_not_read),
        segment_test(test_a_flipped_bit_in_the_last_group_makes_it_torn),
        segment_test(test_a_flipped_bit_in_a_group_with_others_behind_is_damage),
        segment_test(test_a_flipped_bit_in_the_padding_costs_nothing),
        segment_test(test_the_readable_records_of_a_damaged_group_are_found),
        segment_test(test_a_head_that_lies_about_its_size_is_not_believed),
        segment_test(test_a_file_of_any_length_can_be_scanned),
        segment_test(test_a_lost_header_s_generation_is_found_in_the_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
