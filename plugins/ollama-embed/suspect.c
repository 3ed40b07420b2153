/*
 * suspect.c - the last text that got no answer alone, though the server was reached.
 *
 * It is kept in a file of the backend's own, since the broker makes a new instance before it goes
 * on sending: a text that silences every server would otherwise be the first one again for ever.
 *
 * Failure modes: a file that can't be read or written is as good as none.
 */
#include "plugins/ollama-embed/ollama.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HASH_DIGITS = 16 };

/* FNV-1a: enough to know a text again. */
static uint64_t hash_of(struct memferry_string text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < text.size; i++) {
        hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

int ollama_suspect_init(struct ollama_suspect *suspect, const struct memferry_host *host)
{
    char text[HASH_DIGITS + 1] = "";

    if (asprintf(&suspect->path, "%s/suspect", host->state_dir) < 0) {
        suspect->path = NULL;
        return -ENOMEM;
    }
    int fd = open(suspect->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        suspect->known = read(fd, text, HASH_DIGITS) == HASH_DIGITS;
        suspect->hash = strtoull(text, NULL, 16);
        close(fd);
    }
    return 0;
}

void ollama_suspect_deinit(struct ollama_suspect *suspect)
{
    free(suspect->path);
}

static void save(const struct ollama_suspect *suspect)
{
    char text[HASH_DIGITS + 1];
    int fd = open(suspect->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0) {
        return;
    }
    snprintf(text, sizeof text, "%016" PRIx64, suspect->hash);
    bool saved = write(fd, text, HASH_DIGITS) == HASH_DIGITS;
    close(fd);
    if (!saved) {
        unlink(suspect->path);
    }
}

bool ollama_suspect_text(struct ollama_suspect *suspect, struct memferry_string text)
{
    uint64_t hash = hash_of(text);
    bool again = suspect->known && suspect->hash == hash && suspect->well_since;

    suspect->hash = hash;
    suspect->known = true;
    suspect->well_since = false;
    save(suspect);
    return again;
}

void ollama_suspect_answered(struct ollama_suspect *suspect, struct memferry_string text)
{
    suspect->well_since = true;
    if (suspect->known && suspect->hash == hash_of(text)) {
        suspect->known = false;
        unlink(suspect->path);
    }
}
