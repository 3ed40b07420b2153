/* fake_broker.c - accept, read, answer, break: one step after the other. */
#include "tests/lib/fake_broker.h"

#include "client/wire/rpc.h"
#include "client/wire/scan.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FAKE_BUFFER_SIZE (8u << 20)

static void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        abort();
    }
}

static bool readable(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    return poll(&wait, 1, FAKE_WAIT_MS) == 1;
}

static bool step_accept(struct fake_broker *broker)
{
    broker->in_size = 0;
    for (size_t i = 0; i < broker->request_count; i++) {
        broker->answered[i] = true;
    }
    broker->fd = readable(broker->listener) ? accept(broker->listener, NULL, NULL) : -1;
    return broker->fd >= 0;
}

static bool send_all(struct fake_broker *broker, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(broker->fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

static void note_request(struct fake_broker *broker, const struct rpc_request *request)
{
    msgpack_sbuffer text;

    must(broker->request_count < FAKE_REQUESTS_MAX, "too many requests for a fake broker");
    msgpack_sbuffer_init(&text);
    must(msgpack_sbuffer_write(&text, request->method, strlen(request->method)) == 0 &&
             msgpack_sbuffer_write(&text, " ", 1) == 0 &&
             json_from_msgpack(&text, &request->params) == 0 &&
             msgpack_sbuffer_write(&text, "", 1) == 0,
         "request as text");
    broker->msgids[broker->request_count] = request->id.msgid;
    broker->answered[broker->request_count] = false;
    broker->requests[broker->request_count++] = msgpack_sbuffer_release(&text);
}

/* Takes one frame of `size` bytes. False: it was none; *ret_hello: it was a greeting. */
static bool take_request(struct fake_broker *broker, size_t size, bool *ret_hello)
{
    struct rpc_request request;
    struct rpc_failure failure;
    msgpack_zone zone;

    must(msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE), "msgpack_zone_init");
    bool good =
        rpc_request_decode(WIRE_MSGPACK, broker->in, size, &zone, &request, &failure) == RPC_OK;
    if (good) {
        *ret_hello = strcmp(request.method, "hello") == 0;
        if (!*ret_hello) {
            note_request(broker, &request);
        }
    }
    msgpack_zone_destroy(&zone);
    broker->in_size -= size;
    memmove(broker->in, broker->in + size, broker->in_size);
    return good;
}

static bool read_more(struct fake_broker *broker)
{
    if (broker->in_size == FAKE_BUFFER_SIZE || !readable(broker->fd)) {
        return false;
    }
    ssize_t size =
        recv(broker->fd, broker->in + broker->in_size, FAKE_BUFFER_SIZE - broker->in_size, 0);
    broker->in_size += size > 0 ? (size_t)size : 0;
    return size > 0;
}

static bool step_read(struct fake_broker *broker)
{
    bool hello = true;

    while (hello) {
        struct msgpack_scan scan = {0};
        size_t size;
        enum scan_status status = msgpack_scan(&scan, broker->in, broker->in_size, &size);
        if (status == SCAN_MORE) {
            if (!read_more(broker)) {
                return false;
            }
        } else if (status != SCAN_COMPLETE || !take_request(broker, size, &hello)) {
            return false;
        }
    }
    return true;
}

/* Of the requests without an answer the first or the last; -1: there is none. */
static int next_request(const struct fake_broker *broker, bool last)
{
    int found = -1;

    for (size_t i = 0; i < broker->request_count; i++) {
        if (!broker->answered[i] && (last || found < 0)) {
            found = (int)i;
        }
    }
    return found;
}

static void result_from_json(const char *json, msgpack_sbuffer *out)
{
    struct rpc_failure failure;
    msgpack_object object;
    msgpack_packer packer;
    msgpack_zone zone;

    must(msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE), "msgpack_zone_init");
    must(json_to_msgpack(json, strlen(json), &zone, &object, &failure) == 0, json);
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    must(msgpack_pack_object(&packer, object) == 0, "msgpack_pack_object");
    msgpack_zone_destroy(&zone);
}

static struct rpc_id id_of(const struct fake_broker *broker, int i)
{
    return (struct rpc_id){.encoding = WIRE_MSGPACK, .present = true, .msgid = broker->msgids[i]};
}

static bool send_pieces(struct fake_broker *broker, const msgpack_sbuffer *frame,
                        enum fake_action how)
{
    if (how == FAKE_REPLY_TORN) {
        return send_all(broker, frame->data, frame->size / 2);
    }
    if (how != FAKE_REPLY_DRIP) {
        return send_all(broker, frame->data, frame->size);
    }
    for (size_t i = 0; i < frame->size; i++) {
        if (!send_all(broker, frame->data + i, 1)) {
            return false;
        }
    }
    return true;
}

static bool step_reply(struct fake_broker *broker, enum fake_action how, const char *json)
{
    msgpack_sbuffer frame, result;
    int i = next_request(broker, how == FAKE_REPLY_LAST);

    if (i < 0) {
        return false;
    }
    struct rpc_id id = id_of(broker, i);
    msgpack_sbuffer_init(&frame);
    msgpack_sbuffer_init(&result);
    result_from_json(json, &result);
    must(rpc_reply(&frame, &id, result.data, result.size) == 0, "rpc_reply");
    broker->answered[i] = true;
    bool good = send_pieces(broker, &frame, how);
    msgpack_sbuffer_destroy(&frame);
    msgpack_sbuffer_destroy(&result);
    return good;
}

static bool step_receipt(struct fake_broker *broker, const char *seq)
{
    char json[1024], id[300], event_id[300];
    int i = next_request(broker, false);

    if (i < 0) {
        return false;
    }
    fake_request_field(broker->requests[i], "id", id, sizeof id);
    fake_request_field(broker->requests[i], "event_id", event_id, sizeof event_id);
    snprintf(json, sizeof json,
             "{\"id\":\"%s\",\"event_id\":\"%s\",\"seq\":%s,\"duplicate\":false,\"durable\":true,"
             "\"backends\":{}}",
             id, event_id, seq);
    return step_reply(broker, FAKE_REPLY, json);
}

static bool step_error(struct fake_broker *broker, const char *text)
{
    struct rpc_failure failure = {.code = (enum rpc_code)strtol(text, NULL, 10)};
    const char *message = strchr(text, ' ') + 1, *data = strchr(message, '|');
    msgpack_sbuffer frame, map;
    int i = next_request(broker, false);

    if (i < 0) {
        return false;
    }
    struct rpc_id id = id_of(broker, i);
    msgpack_sbuffer_init(&frame);
    msgpack_sbuffer_init(&map);
    snprintf(failure.text, sizeof failure.text, "%.*s", (int)strcspn(message, "|"), message);
    if (data != NULL) {
        result_from_json(data + 1, &map);
    }
    must(rpc_error(&frame, &id, &failure, map.data, map.size) == 0, "rpc_error");
    broker->answered[i] = true;
    bool good = send_all(broker, frame.data, frame.size);
    msgpack_sbuffer_destroy(&frame);
    msgpack_sbuffer_destroy(&map);
    return good;
}

/* Either end may end it. */
static bool step_wait(struct fake_broker *broker)
{
    struct pollfd wait[2] = {{.fd = broker->go[0], .events = POLLIN},
                             {.fd = broker->fd, .events = POLLRDHUP}};
    char byte;

    if (poll(wait, 2, FAKE_WAIT_MS) < 1) {
        return false;
    }
    return !(wait[0].revents & POLLIN) || read(broker->go[0], &byte, 1) == 1;
}

static bool step_close(struct fake_broker *broker)
{
    bool good = broker->fd >= 0 && close(broker->fd) == 0;

    broker->fd = -1;
    return good;
}

static bool step_run(struct fake_broker *broker, const struct fake_step *step)
{
    switch (step->action) {
    case FAKE_ACCEPT:
        return step_accept(broker);
    case FAKE_READ:
        return step_read(broker);
    case FAKE_REPLY:
    case FAKE_REPLY_LAST:
    case FAKE_REPLY_DRIP:
    case FAKE_REPLY_TORN:
        return step_reply(broker, step->action, step->text);
    case FAKE_RECEIPT:
        return step_receipt(broker, step->text);
    case FAKE_ERROR:
        return step_error(broker, step->text);
    case FAKE_RAW:
        return send_all(broker, step->text, step->size != 0 ? step->size : strlen(step->text));
    case FAKE_WAIT:
        return step_wait(broker);
    case FAKE_CLOSE:
        return step_close(broker);
    case FAKE_STOP_LISTENING:
        return unlink(broker->socket) == 0;
    case FAKE_END:
        break;
    }
    return false;
}

static void *fake_main(void *argument)
{
    struct fake_broker *broker = argument;

    for (const struct fake_step *step = broker->steps; step->action != FAKE_END; step++) {
        if (!step_run(broker, step)) {
            broker->failed = true;
            break;
        }
    }
    if (broker->fd >= 0) {
        close(broker->fd);
    }
    close(broker->listener);
    return NULL;
}

struct path {
    char text[96];
};

static struct path in_directory(const struct fake_broker *broker, const char *name)
{
    struct path path;

    snprintf(path.text, sizeof path.text, "%s/%s", broker->directory, name);
    return path;
}

void fake_broker_start(struct fake_broker *broker, const struct fake_step *steps)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *broker = (struct fake_broker){.steps = steps, .fd = -1};
    snprintf(broker->directory, sizeof broker->directory, "/tmp/fake-broker-XXXXXX");
    must(mkdtemp(broker->directory) != NULL, "mkdtemp");
    snprintf(broker->socket, sizeof broker->socket, "%s/broker.sock", broker->directory);
    setenv("MEMFERRY_SESSION_FILE", in_directory(broker, "session").text, 1);
    memcpy(address.sun_path, broker->socket, sizeof broker->socket);
    must((broker->in = malloc(FAKE_BUFFER_SIZE)) != NULL, "malloc");
    must(pipe(broker->go) == 0, "pipe");
    broker->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(broker->listener, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    must(listen(broker->listener, 16) == 0, "listen");
    must(pthread_create(&broker->thread, NULL, fake_main, broker) == 0, "pthread_create");
}

void fake_broker_go(struct fake_broker *broker)
{
    must(write(broker->go[1], "", 1) == 1, "write");
}

void fake_broker_join(struct fake_broker *broker)
{
    must(pthread_join(broker->thread, NULL) == 0, "pthread_join");
}

void fake_broker_free(struct fake_broker *broker)
{
    for (size_t i = 0; i < broker->request_count; i++) {
        free(broker->requests[i]);
    }
    free(broker->in);
    close(broker->go[0]);
    close(broker->go[1]);
    unlink(broker->socket);
    unlink(in_directory(broker, "session").text);
    unlink(in_directory(broker, "session.lock").text);
    rmdir(broker->directory);
}

void fake_request_field(const char *request, const char *name, char *value, size_t size)
{
    char key[64];

    snprintf(key, sizeof key, "\"%s\":\"", name);
    const char *found = strstr(request, key);
    found = found != NULL ? found + strlen(key) : "";
    snprintf(value, size, "%.*s", (int)strcspn(found, "\""), found);
}
