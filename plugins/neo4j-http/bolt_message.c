/* bolt_message.c - what a Bolt client says: who it is, and a statement with its parameters. */
#include "plugins/neo4j-http/bolt_internal.h"

enum { TAG_HELLO = 0x01, TAG_RUN = 0x10, TAG_PULL = 0x3f, TAG_LOGON = 0x6a };

static void write_pair(struct pack *p, const char *key, const char *value)
{
    pack_text(p, key);
    pack_text(p, value);
}

static void write_hello(struct pack *p)
{
    static const char agent[] = "memferry/" MEMFERRY_VERSION;

    pack_message_begin(p);
    pack_structure(p, TAG_HELLO, 1);
    pack_map(p, 2);
    write_pair(p, "user_agent", agent);
    pack_text(p, "bolt_agent");
    pack_map(p, 1);
    write_pair(p, "product", agent);
    pack_message_end(p);
}

void bolt_write_login(struct bolt_connection *c)
{
    const struct bolt_settings *s = &c->bolt->settings;
    struct pack *p = &c->out;

    pack_reset(p);
    write_hello(p);
    pack_message_begin(p);
    pack_structure(p, TAG_LOGON, 1);
    pack_map(p, s->user == NULL ? 1 : 3);
    write_pair(p, "scheme", s->user == NULL ? "none" : "basic");
    if (s->user != NULL) {
        write_pair(p, "principal", s->user);
        write_pair(p, "credentials", s->password);
    }
    pack_message_end(p);
}

void bolt_write_run(struct bolt_connection *c)
{
    struct pack *p = &c->out;

    pack_reset(p);
    pack_message_begin(p);
    pack_structure(p, TAG_RUN, 3);
    pack_text(p, c->request->cypher);
    c->request->parameters(c->request, p);
    pack_map(p, 1);
    write_pair(p, "db", c->bolt->settings.database);
    pack_message_end(p);
    pack_message_begin(p);
    pack_structure(p, TAG_PULL, 1);
    pack_map(p, 1);
    pack_text(p, "n");
    pack_int(p, -1); /* all rows */
    pack_message_end(p);
}
