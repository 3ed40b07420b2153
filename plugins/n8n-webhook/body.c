/*
 * body.c - a memory as one flat JSON object with `event` in it, and the id of what is sent.
 *
 * The id comes from what tells one state from another, so that a receiver that has answered an id
 * once need not look at it again: a memory whose vector came later is another state.
 */
#include "plugins/n8n-webhook/n8n.h"

#include "plugins/common/memory_json.h"

#include <errno.h>
#include <openssl/evp.h>

enum { DIGEST_SIZE = 32 };

/* With its length before it, so that no two states look alike. */
static bool digest_string(EVP_MD_CTX *context, struct memferry_string string)
{
    uint64_t size = string.size;

    return EVP_DigestUpdate(context, &size, sizeof size) == 1 &&
           EVP_DigestUpdate(context, string.data, string.size) == 1;
}

static bool digest_state(EVP_MD_CTX *context, const struct memferry_memory *memory)
{
    unsigned char flags[] = {memory->deleted_ms != 0, memory->embedding != NULL};
    static const struct memferry_string nobody = {.data = "", .size = 0};

    return EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
           digest_string(context, memory->id) &&
           EVP_DigestUpdate(context, &memory->stamp, sizeof memory->stamp) == 1 &&
           digest_string(context, memory->origin) &&
           EVP_DigestUpdate(context, flags, sizeof flags) == 1 &&
           digest_string(context, memory->embedding != NULL ? memory->embedding_model : nobody);
}

int body_state_id(char ret[WEBHOOK_EVENT_ID_SIZE], const struct memferry_memory *memory)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char digest[DIGEST_SIZE];
    bool good = context != NULL && digest_state(context, memory) &&
                EVP_DigestFinal_ex(context, digest, NULL) == 1;

    EVP_MD_CTX_free(context);
    if (!good) {
        return -EIO;
    }
    webhook_event_id(ret, digest);
    return 0;
}

void body_write_memory(struct json_writer *w, const char *id, const struct memferry_memory *memory,
                       bool with_embedding)
{
    webhook_event_begin(w, id, memory->deleted_ms != 0 ? "delete" : "put");
    json_field_uint(w, "version", memory->version);
    json_end_object(w);
    memory_json_fields(w, memory, with_embedding);
    json_end_object(w);
}
