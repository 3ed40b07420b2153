/*
 * server.h - the page's HTTP server, on loopback: the page's files, and calls to the broker.
 *
 * One thread of its own serves all, so `m` is its alone between start and stop. Bounds: 32
 * connections, 30 s without a byte, 64 KiB of a request, 30 s for a broker's answer.
 */
#ifndef MEMFERRY_UI_SERVER_H
#define MEMFERRY_UI_SERVER_H

#include "client/heavy/ui/access.h"
#include "memferry/client.h"

#include <stdint.h>

struct server;

/* Port 0: one that is free. 0, or a negative errno. m is borrowed until stop. */
int server_start(struct server **ret, struct memferry *m, uint16_t port);
/* NULL is fine. */
struct server *server_stop(struct server *server);

/* Good once; see access.h. "http://127.0.0.1:PORT/?token=…". */
int server_link(const struct server *server, char *buffer, size_t size);
/* Since the page last asked for something, or since the start. Any thread. */
int64_t server_idle_ms(const struct server *server);

#endif
