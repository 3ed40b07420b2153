/* systemd.h - what a service manager offers a daemon: a socket that is already open, a place to say
 * how it goes, and a watchdog. All are absent outside systemd, and then nothing happens. */
#ifndef MEMFERRY_SYSTEMD_H
#define MEMFERRY_SYSTEMD_H

#include "broker/util/error.h"

#include <stdint.h>

/* Sets *ret_fd to the one listening stream socket passed to us (LISTEN_PID, LISTEN_FDS), or to -1.
 * The descriptor is the caller's. -EINVAL when what was passed is none of that. */
int systemd_listen_fd(int *ret_fd, struct error *err);

/* Sends a state such as "READY=1" to NOTIFY_SOCKET. Failures are ignored: nobody could act on them.
 */
void systemd_notify(const char *state);
/* The same, up to 512 bytes of it. */
void systemd_notifyf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How often, at least, "WATCHDOG=1" is expected of this process (WATCHDOG_PID, WATCHDOG_USEC); 0:
 * never. */
int64_t systemd_watchdog_ms(void);

#endif
