/*
 * fuzz_segment.c - the scan of a segment, on bytes that may be anything.
 *
 * An input is a script: it writes groups into a segment, changes bytes, makes checksums good again
 * over what it changed (a fuzzer would never find one), and cuts the file. Then everything that
 * reads a segment is run over it: it must end, stay within the bytes, go forward only, and give
 * each event at most once and in order.
 */
#include "broker/segment.h"
#include "broker/segment_format.h"
#include "tests/fuzz/must.h"

#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES (24 * SEGMENT_BLOCK)
#define PAYLOAD_MAX   3000u

enum step {
    STEP_GROUP,   /* count, size of each */
    STEP_CHANGE,  /* offset, byte */
    STEP_HEAD,    /* block: the head there gets a good checksum */
    STEP_RECORD,  /* block: so does the first record behind it */
    STEP_RECYCLE, /* a new generation */
    STEP_CUT,     /* block */
    STEP_COUNT
};

struct script {
    const uint8_t *at, *end;
};

struct building {
    struct segment_header header;
    struct segment_group group;
    uint8_t *bytes;
    size_t size, offset;
    uint64_t number, seq;
};

static unsigned take(struct script *script)
{
    return script->at < script->end ? *script->at++ : 0;
}

static void begin(struct building *building, uint64_t generation)
{
    building->header.generation = generation;
    building->header.base_seq = building->seq;
    building->header.segment_bytes = SEGMENT_BYTES;
    segment_header_encode(&building->header, building->bytes);
    building->offset = SEGMENT_HEADER_BYTES;
    building->number = 1;
}

static void add_group(struct building *building, unsigned count, size_t size)
{
    static const uint8_t payload[PAYLOAD_MAX] = "a payload";
    uint64_t seq = building->seq;

    segment_group_begin(&building->group, &building->header, building->number, seq);
    do {
        struct journal_record record = {.payload = payload, .payload_size = size, .seq = seq++};
        segment_group_add(&building->group, &record);
    } while (--count > 0);
    size_t bytes = segment_group_finish(&building->group);
    if (bytes > SEGMENT_BYTES - building->offset) {
        return;
    }
    memcpy(building->bytes + building->offset, building->group.bytes, bytes);
    building->offset += bytes;
    building->number++;
    building->seq = seq;
}

static void mend_head(struct building *building, size_t offset)
{
    struct format_group head;

    memcpy(&head, building->bytes + offset, sizeof head);
    head.checksum =
        format_group_checksum(&head, segment_seed(building->header.origin, head.generation));
    memcpy(building->bytes + offset, &head, sizeof head);
}

static void mend_record(struct building *building, size_t offset)
{
    uint64_t seed = segment_seed(building->header.origin, building->header.generation);
    struct format_record record;

    offset += sizeof(struct format_group);
    memcpy(&record, building->bytes + offset, sizeof record);
    if (record.payload_size <= SEGMENT_BYTES - offset - sizeof record) {
        record.checksum =
            format_record_checksum(building->bytes + offset, record.payload_size, seed);
        memcpy(building->bytes + offset, &record, sizeof record);
    }
}

static void run_step(struct building *building, struct script *script)
{
    unsigned step = take(script) % STEP_COUNT, a = take(script), b = take(script), c = take(script);

    switch ((enum step)step) {
    case STEP_GROUP:
        add_group(building, 1 + a % 6, (b << 8 | c) % PAYLOAD_MAX);
        break;
    case STEP_CHANGE:
        building->bytes[(a << 8 | b) * 2 % SEGMENT_BYTES] = (uint8_t)c;
        break;
    case STEP_HEAD:
        mend_head(building, a * SEGMENT_BLOCK % SEGMENT_BYTES);
        break;
    case STEP_RECORD:
        mend_record(building, a * SEGMENT_BLOCK % SEGMENT_BYTES);
        break;
    case STEP_RECYCLE:
        begin(building, building->header.generation + 1 + a % 2);
        break;
    case STEP_CUT:
        building->size = (a << 8 | b) * 2 % (SEGMENT_BYTES + 1);
        break;
    case STEP_COUNT:
        break;
    }
}

/* ---- reading ---- */

static uint64_t touch(const uint8_t *bytes, size_t size)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < size; i++) {
        sum += bytes[i];
    }
    return sum;
}

static void check_record(const struct segment_scan *scan, const struct segment_span *span,
                         const struct journal_record *record)
{
    must(record->payload >= scan->bytes + span->offset, "a payload begins within its span");
    must(record->payload + record->payload_size <= scan->bytes + span->end, "and ends there");
    (void)touch(record->payload, record->payload_size);
}

static void read_group(const struct segment_scan *scan, const struct segment_span *span)
{
    struct journal_record record;
    uint64_t seq = span->first_seq;
    size_t offset = 0;

    while (segment_record_next(scan, span, &offset, &record)) {
        check_record(scan, span, &record);
        must(record.seq == seq++, "the records of a group are in order");
    }
    must(seq == span->next_seq, "and complete");
}

static void salvage(const struct segment_scan *scan, const struct segment_span *span)
{
    struct journal_record record;
    size_t offset = 0, last = 0;

    while (segment_salvage_next(scan, span, &offset, &record)) {
        check_record(scan, span, &record);
        must(offset > last, "salvage goes forward");
        last = offset;
    }
}

static void scan_all(const struct segment_header *header, const uint8_t *bytes, size_t size)
{
    struct segment_scan scan;
    struct segment_span span;
    enum segment_found found;
    uint64_t next_seq = header->base_seq;
    size_t end = 0;

    segment_scan_init(&scan, bytes, size, header->origin, header->generation, header->base_seq);
    while ((found = segment_scan_next(&scan, &span)) != SEGMENT_END) {
        must(span.offset >= end && span.offset <= span.end && span.end <= size, "spans in order");
        end = span.end;
        if (found == SEGMENT_GROUP) {
            must(span.first_seq >= next_seq && span.next_seq > span.first_seq, "seqs go up");
            read_group(&scan, &span);
        } else {
            salvage(&scan, &span);
        }
        next_seq = found == SEGMENT_TORN ? next_seq : span.next_seq;
    }
    must(segment_scan_next(&scan, &span) == SEGMENT_END, "the end stays the end");
}

static void read_all(const struct building *building)
{
    struct segment_header header = building->header;
    uint8_t *bytes = malloc(building->size + 1); /* its own, so that the sanitizer sees the end */

    memcpy(bytes, building->bytes, building->size);
    if (building->size >= SEGMENT_HEADER_BYTES &&
        segment_header_decode(bytes, &header) == SEGMENT_KIND_GOOD) {
        scan_all(&header, bytes, building->size);
    }
    scan_all(&building->header, bytes, building->size);
    if (segment_find_generation(bytes, building->size, building->header.origin, &header)) {
        scan_all(&header, bytes, building->size);
    }
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script script = {.at = data, .end = data + size};
    struct building building = {.size = SEGMENT_BYTES, .seq = 100};

    building.bytes = calloc(1, SEGMENT_BYTES);
    building.group.bytes = malloc(8 * SEGMENT_BLOCK);
    must(building.bytes != NULL && building.group.bytes != NULL, "memory");
    begin(&building, 1);
    while (script.at < script.end) {
        run_step(&building, &script);
    }
    read_all(&building);
    free(building.group.bytes);
    free(building.bytes);
    return 0;
}
