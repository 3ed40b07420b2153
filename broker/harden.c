/* harden.c - see harden.h. Nothing here can fail but for want of a system call, and then the rest
 * still holds. */
#include "broker/harden.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

void harden_process(bool core_dumps)
{
    const struct rlimit none = {0};

    umask(0077);
    if (!core_dumps) {
        setrlimit(RLIMIT_CORE, &none);
        prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
    }
}
