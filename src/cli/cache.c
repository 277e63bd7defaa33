#include "cache.h"

#include "base/files.h"
#include "base/memory.h"
#include "comm/comm.h"
#include "finerouter/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

fr_key fr_key_make(const char *stage, int version, const fr_config *config, const char *letters,
                   const fr_device *device, int count, const char *const *inputs)
{
    fr_hash *hash = fr_hash_create();
    char text[96];
    snprintf(text, sizeof text, "%s %d", stage, version);
    fr_hash_add_text(hash, text);
    if (device) {
        /* Kind and instruction set, not the whole description: library versions do not make a run another run. */
        snprintf(text, sizeof text, "%d %s", device->kind, device->kernels->name);
        fr_hash_add_text(hash, text);
    }
    if (letters)
        fr_config_hash(config, letters, hash);
    for (int i = 0; i < count; i++)
        fr_hash_add_text(hash, inputs[i]);
    fr_key key;
    fr_hash_end(hash, key.hex);
    return key;
}

char *fr_cache_path(const char *cache, const char *stage, fr_key key, const char *suffix)
{
    return fr_format("%s/%s-%.20s%s", cache, stage, key.hex, suffix);
}

/* Whether the descriptor is still the file of that name: who held the lock before has removed it when done. */
static bool is_current(int descriptor, const char *path)
{
    struct stat mine, named;
    return fstat(descriptor, &mine) == 0 && stat(path, &named) == 0 && mine.st_ino == named.st_ino &&
           mine.st_dev == named.st_dev;
}

/* One attempt: *descriptor < 0 with FR_OK when another holds it. */
static fr_status try_lock(int *descriptor, const char *path)
{
    *descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*descriptor < 0)
        return fr_fail(FR_FAILED, "%s: cannot write into the cache folder: %s", path, strerror(errno));
    bool taken = flock(*descriptor, LOCK_EX | LOCK_NB) == 0;
    bool unlockable = !taken && errno != EWOULDBLOCK && errno != EINTR; /* a file system without locks */
    if (unlockable || (taken && is_current(*descriptor, path)))
        return FR_OK;
    close(*descriptor);
    *descriptor = -1;
    return FR_OK;
}

static fr_status take(fr_cache_lock *lock, bool *made, const char *result)
{
    static const struct timespec pause = {.tv_nsec = 50000000};
    *lock = (fr_cache_lock){.path = fr_format("%s.lock", result), .descriptor = -1};
    fr_status status = FR_OK;
    while (!(*made = fr_file_exists(result)) && status == FR_OK && lock->descriptor < 0) {
        status = try_lock(&lock->descriptor, lock->path);
        if (status == FR_OK && lock->descriptor < 0) {
            nanosleep(&pause, NULL);
            if (fr_interrupt_wanted())
                status = fr_interrupted();
        }
    }
    /* Made by another between the look and the lock. */
    if (status != FR_OK || *made || (*made = fr_file_exists(result)))
        fr_cache_release(lock);
    return status;
}

/* The root takes the lock for all ranks. */
fr_status fr_cache_take(fr_cache_lock *lock, bool *made, const char *result)
{
    *lock = (fr_cache_lock){.descriptor = -1};
    fr_status status = fr_is_root() ? take(lock, made, result) : FR_OK;
    fr_comm_broadcast(made, sizeof *made, 0);
    return fr_comm_agree(status);
}

void fr_cache_release(fr_cache_lock *lock)
{
    if (lock->path && lock->descriptor >= 0) {
        unlink(lock->path);
        close(lock->descriptor);
    }
    free(lock->path);
    *lock = (fr_cache_lock){0};
}
