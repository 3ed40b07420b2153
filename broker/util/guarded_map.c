/* guarded_map.c - see guarded_map.h. The handler makes system calls, and nothing else. */
#include "broker/util/guarded_map.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

/* A place in the table. `begin` and `end` are atomic: a handler reads them whenever it comes. */
struct guarded_map {
    uintptr_t begin, end; /* end 0: not in use */
    bool taken, broken;
};

static struct {
    pthread_mutex_t mutex; /* of the one who installs */
    struct sigaction before;
    uintptr_t page_mask;
    struct guarded_map maps[GUARDED_MAPS_MAX];
} guard = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static bool mark_broken(uintptr_t address)
{
    bool found = false;

    for (size_t i = 0; i < GUARDED_MAPS_MAX; i++) {
        struct guarded_map *map = &guard.maps[i];
        if (address < __atomic_load_n(&map->end, __ATOMIC_ACQUIRE) &&
            address >= __atomic_load_n(&map->begin, __ATOMIC_ACQUIRE)) {
            __atomic_store_n(&map->broken, true, __ATOMIC_RELEASE);
            found = true;
        }
    }
    return found;
}

static void on_bus(int number, siginfo_t *info, void *context)
{
    uintptr_t address = (uintptr_t)info->si_addr;
    size_t page = ~guard.page_mask + 1;
    int kept = errno;

    (void)context;
    if (info->si_code <= 0) { /* no fault: somebody sent it, and it has no address */
        sigaction(SIGBUS, &guard.before, NULL);
        raise(number); /* comes when we return, as it would have without us */
    } else if (!mark_broken(address) ||
               mmap((void *)(address & guard.page_mask), page, PROT_READ,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
        sigaction(SIGBUS, &guard.before, NULL); /* the instruction faults again, and is theirs */
    }
    errno = kept;
}

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) != 0 && action->sa_sigaction == on_bus;
}

/* Looked at with every map: somebody else may have taken the signal since. */
static int install(void)
{
    struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction before;
    int r = 0;

    sigemptyset(&action.sa_mask);
    pthread_mutex_lock(&guard.mutex);
    guard.page_mask = ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
    if (sigaction(SIGBUS, NULL, &before) < 0) {
        r = -errno;
    } else if (!is_ours(&before)) {
        guard.before = before;
        r = sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
    }
    pthread_mutex_unlock(&guard.mutex);
    return r;
}

static struct guarded_map *take(void)
{
    for (size_t i = 0; i < GUARDED_MAPS_MAX; i++) {
        if (!__atomic_exchange_n(&guard.maps[i].taken, true, __ATOMIC_ACQ_REL)) {
            return &guard.maps[i];
        }
    }
    return NULL;
}

static void give_back(struct guarded_map *map)
{
    __atomic_store_n(&map->end, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&map->taken, false, __ATOMIC_RELEASE);
}

int guarded_map_new(struct guarded_map **ret, int fd, size_t size)
{
    int r = install();

    *ret = NULL;
    if (r < 0) {
        return r;
    }
    struct guarded_map *map = take();
    if (map == NULL) {
        return -EMFILE;
    }
    void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED) {
        int number = errno;
        give_back(map);
        return -number;
    }
    __atomic_store_n(&map->broken, false, __ATOMIC_RELEASE);
    __atomic_store_n(&map->begin, (uintptr_t)bytes, __ATOMIC_RELEASE);
    __atomic_store_n(&map->end, (uintptr_t)bytes + size, __ATOMIC_RELEASE);
    *ret = map;
    return 0;
}

struct guarded_map *guarded_map_free(struct guarded_map *map)
{
    if (map != NULL) {
        uintptr_t begin = map->begin;
        size_t size = map->end - begin;
        __atomic_store_n(&map->end, 0, __ATOMIC_RELEASE);
        munmap((void *)begin, size);
        give_back(map);
    }
    return NULL;
}

const uint8_t *guarded_map_bytes(const struct guarded_map *map)
{
    return (const uint8_t *)map->begin;
}

bool guarded_map_is_broken(const struct guarded_map *map)
{
    return __atomic_load_n(&map->broken, __ATOMIC_ACQUIRE);
}
