/* notified.c - what the broker tells a connection that has subscribed. */
#include "client/connection.h"

int memferry_notified(struct memferry *m, int timeout_ms, const char **ret_name,
                      struct memferry_reply **ret)
{
    *ret = NULL;
    *ret_name = "";
    if (m->fd < 0) {
        return client_error(m, MEMFERRY_E_UNCERTAIN, "there is no connection: subscribe again");
    }
    int rc = exchange_notification(m, client_deadline(timeout_ms), ret_name, ret);
    if (rc == MEMFERRY_OK || rc == MEMFERRY_E_DEADLINE) {
        client_error_clear(m);
    }
    return rc == MEMFERRY_E_DEADLINE ? MEMFERRY_E_AGAIN : rc;
}
