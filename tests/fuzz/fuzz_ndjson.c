/*
 * fuzz_ndjson.c - a file of memories, line by line, as `memferry put --from-json` reads it.
 *
 * Lines come as they would if they were cut at each newline. A line that is taken becomes params
 * that hold all that stands there, as it stands there, and what was missing; another is refused
 * with a text.
 */
#include "client/cli/bulk.h"
#include "client/cli/lines.h"
#include "memferry/client.h"
#include "tests/fuzz/must.h"

#include <string.h>

enum { LINE_BYTES = 1000, PROBLEM_SIZE = 200 };

static bool same_json(const struct memferry_node *a, const struct memferry_node *b)
{
    char *one = memferry_node_json(a), *other = memferry_node_json(b);
    bool same = one != NULL && other != NULL && strcmp(one, other) == 0;

    free(one);
    free(other);
    return same;
}

static void compare(struct memferry *m, const char *line, const char *params)
{
    struct memferry_reply *before, *after;

    must(memferry_parse_json(m, line, &before) == MEMFERRY_OK, "what was taken is JSON");
    must(memferry_parse_json(m, params, &after) == MEMFERRY_OK, "so are the params");
    const struct memferry_node *memory = memferry_reply_root(before);
    const struct memferry_node *request = memferry_reply_root(after);
    must(memferry_node_kind(memory) == MEMFERRY_NODE_MAP, "a memory is an object");
    for (size_t i = 0; i < memferry_node_count(memory); i++) {
        const char *key = memferry_node_key(memory, i);
        must(same_json(memferry_node_at(memory, i), memferry_node_get(request, key)),
             "each field is there, as it was");
    }
    must(memferry_node_get(request, "id") != NULL && memferry_node_get(request, "event_id") != NULL,
         "it can be sent again");
    must(memferry_node_get(request, "session_id") != NULL, "it has a session");
    must(memferry_node_get(request, "retry") == NULL, "and says nothing that is not a line's");
    must(memferry_node_count(request) <= memferry_node_count(memory) + 3, "and nothing else");
    memferry_reply_free(after);
    memferry_reply_free(before);
}

static void take_line(struct memferry *m, const char *line)
{
    char problem[PROBLEM_SIZE] = "";
    char *params = bulk_params(m, line, "a-session", problem, sizeof problem);

    must((params != NULL) == (problem[0] == '\0'), "taken, or told why not");
    if (params != NULL) {
        compare(m, line, params);
    }
    free(params);
}

/* Where a line ends, looked up in the bytes. */
static const uint8_t *check_line(const struct line_reader *lines, enum line_status status,
                                 const uint8_t *at, const uint8_t *end)
{
    const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
    size_t size = (size_t)((newline == NULL ? end : newline) - at);

    if (status == LINE_GOOD) {
        must(lines->size == size && memcmp(lines->text, at, size) == 0, "a line is as it stands");
        must(size <= LINE_BYTES && strlen(lines->text) == size, "within its bound, and text");
    } else if (status == LINE_TOO_LONG) {
        must(size > LINE_BYTES, "too long is what is");
    } else {
        must(status == LINE_HAS_NUL && memchr(at, 0, size) != NULL, "a NUL is where there is one");
    }
    return newline == NULL ? end : newline + 1;
}

static const uint8_t *skip_lines(const uint8_t *at, const uint8_t *end, unsigned long count)
{
    while (count > 0) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        must(newline != NULL, "lines are counted");
        at = newline + 1;
        count--;
    }
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memferry_settings settings = {.size = sizeof settings, .session_file = ""};
    const uint8_t *at = data, *end = data + size;
    unsigned long number = 0;
    enum line_status status;
    struct line_reader lines;
    struct memferry *m;

    if (size == 0) {
        return 0;
    }
    FILE *stream = fmemopen((void *)(uintptr_t)data, size, "r");
    must(stream != NULL && memferry_open(&m, &settings) == MEMFERRY_OK, "memory");
    lines_init(&lines, stream);
    lines.max = LINE_BYTES;
    while ((status = lines_next(&lines)) != LINE_END) {
        must(status != LINE_FAILED && lines.number > number, "lines go on");
        at = skip_lines(at, end, lines.number - number - 1);
        at = check_line(&lines, status, at, end);
        number = lines.number;
        if (status == LINE_GOOD) {
            take_line(m, lines.text);
        }
    }
    lines_deinit(&lines);
    fclose(stream);
    memferry_close(m);
    return 0;
}
