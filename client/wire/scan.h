/*
 * scan.h - finds where a frame ends, and refuses what must never reach a decoder.
 *
 * Both scanners are fed a growing buffer and remember how far they came, so that a frame that drips
 * in byte by byte costs its length once. They allocate nothing and trust no header: a MessagePack
 * container that claims more elements than the frame may still hold bytes is refused at its header.
 *
 * A failure is final for the connection: framing is lost.
 */
#ifndef MEMFERRY_WIRE_SCAN_H
#define MEMFERRY_WIRE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_FRAME_MAX (4u << 20)
#define WIRE_DEPTH_MAX 32 /* containers open at once, the outermost counted */

/* Values (keys too) that one frame may hold. A decoded value takes 24 bytes, so a frame of one-byte
 * values would grow to 100 MiB; this bounds a tree to 24 MiB. Whatever needs 4 bytes or more for a
 * value, such as lists of float32, fills a frame before it meets the bound. Kept by the decoders:
 * the frame is refused, the connection stays. */
#define WIRE_ELEMENTS_MAX (1u << 20)

enum scan_status {
    SCAN_COMPLETE = 0, /* a whole frame: *ret_size bytes from the start of the buffer */
    SCAN_MORE,         /* so far so good */
    SCAN_TOO_LARGE,    /* over WIRE_FRAME_MAX, or a header that claims so */
    SCAN_TOO_DEEP,
    SCAN_MALFORMED /* not MessagePack: a reserved byte, an ext type */
};

struct msgpack_scan {
    size_t offset;    /* where the next value begins; may lie behind the buffer's end */
    uint64_t pending; /* values still to come, on all levels */
    unsigned depth;
    uint32_t left[WIRE_DEPTH_MAX]; /* values still to come, by level */
};

/* `scan` is zero before the first byte of a frame, and is zeroed again on SCAN_COMPLETE. The same
 * buffer start is passed until then. */
enum scan_status msgpack_scan(struct msgpack_scan *scan, const uint8_t *buffer, size_t size,
                              size_t *ret_size);

/* A JSON line ends at '\n', which is part of the frame. Depth and strings are tracked; anything
 * else is the decoder's to judge, because the next line begins behind the newline whatever this one
 * holds. A line that is too deep is SCAN_COMPLETE with *ret_too_deep set. */
struct json_scan {
    size_t offset;
    unsigned depth;
    bool in_string, escaped, too_deep;
};
enum scan_status json_line_scan(struct json_scan *scan, const uint8_t *buffer, size_t size,
                                size_t *ret_size, bool *ret_too_deep);

/* What to tell the peer: a clause such as "the frame is over 4 MiB". */
const char *scan_status_text(enum scan_status status);

#endif
