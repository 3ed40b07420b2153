/* search_snippet.c - see search_snippet.h. */
#include "broker/search_snippet.h"

#include "broker/search_marker.h"
#include "broker/search_text.h"

#include <errno.h>
#include <string.h>

#define MARKS_MAX 32
#define BEFORE    120 /* bytes that may stand before the first mark */

struct snippet {
    char text[SEARCH_SNIPPET_MAX];
    size_t size, chars;
    size_t marks[MARKS_MAX][2];
    size_t count;
    bool open;
};

static bool is_inside_char(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* Where to begin, so that the first mark is in what is kept. */
static size_t find_begin(const char *marked, size_t size)
{
    const char *first = memchr(marked, SEARCH_MARK_OPEN, size);
    size_t at = first == NULL ? 0 : (size_t)(first - marked);

    if (size <= SEARCH_SNIPPET_MAX || at <= BEFORE) {
        return 0;
    }
    at -= BEFORE;
    while (at < size && is_inside_char(marked[at])) {
        at++;
    }
    return at;
}

static void open_mark(struct snippet *snippet)
{
    if (!snippet->open && snippet->count < MARKS_MAX) {
        snippet->marks[snippet->count][0] = snippet->chars;
        snippet->open = true;
    }
}

static void close_mark(struct snippet *snippet)
{
    if (snippet->open) {
        snippet->marks[snippet->count++][1] = snippet->chars;
        snippet->open = false;
    }
}

static void take(struct snippet *snippet, const char *marked, size_t size)
{
    size_t bytes;

    for (size_t at = find_begin(marked, size); at < size; at += bytes) {
        search_char(marked + at, size - at, &bytes);
        if (marked[at] == SEARCH_MARK_OPEN) {
            open_mark(snippet);
        } else if (marked[at] == SEARCH_MARK_CLOSE) {
            close_mark(snippet);
        } else if (snippet->size + bytes > sizeof snippet->text) {
            break;
        } else {
            memcpy(snippet->text + snippet->size, marked + at, bytes);
            snippet->size += bytes;
            snippet->chars++;
        }
    }
    close_mark(snippet);
}

int search_snippet_pack(const char *marked, size_t size, msgpack_sbuffer *out)
{
    struct snippet snippet = {.size = 0};
    msgpack_packer packer;

    take(&snippet, marked, size);
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    int failed = msgpack_pack_str_with_body(&packer, "snippet", strlen("snippet"));
    failed |= msgpack_pack_str_with_body(&packer, snippet.text, snippet.size);
    failed |= msgpack_pack_str_with_body(&packer, "marks", strlen("marks"));
    failed |= msgpack_pack_array(&packer, snippet.count);
    for (size_t i = 0; i < snippet.count; i++) {
        failed |= msgpack_pack_array(&packer, 2);
        failed |= msgpack_pack_uint64(&packer, snippet.marks[i][0]);
        failed |= msgpack_pack_uint64(&packer, snippet.marks[i][1]);
    }
    return failed == 0 ? 0 : -ENOMEM;
}
