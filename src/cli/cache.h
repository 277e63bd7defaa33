/* cache.h - stage results under the hash of their inputs and keys.
 *
 * A key is built from the stage's name, its format version, the config keys marked with its letters, the kind of device
 * and its instruction set, and the hashes of what it reads. The numbers of threads and of ranks are no part of it,
 * though they can move last bits: a run goes on, and reuses what it has, on any number of either. A file
 * <cache>/<stage>-<key>.h5 is either whole or absent. */
#ifndef FR_CLI_CACHE_H
#define FR_CLI_CACHE_H

#include "base/hash.h"
#include "device/device.h"
#include "finerouter/config.h"

typedef struct fr_key {
    char hex[FR_HASH_CHARS];
} fr_key;

/* inputs: `count` hash texts the stage depends on. device NULL: the result does not depend on it. */
fr_key fr_key_make(const char *stage, int version, const fr_config *config, const char *letters,
                   const fr_device *device, int count, const char *const *inputs);
#define FR_KEY(stage, version, config, letters, device, ...)                                                           \
    fr_key_make(stage, version, config, letters, device,                                                               \
                (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), (const char *[]){__VA_ARGS__})

/* One process at a time makes a stage's result: the one that finds no file at `result` takes <result>.lock, and who
 * comes later waits for it, then finds the file. What is made while a lock is held may take other locks, of stages it
 * reads: they are never taken the other way round. */
typedef struct fr_cache_lock {
    char *path;
    int descriptor; /* -1: not taken */
} fr_cache_lock;

/* *made: the result is there, and nothing is locked. FR_INTERRUPTED when asked to stop while waiting. Called by all
 * ranks together: they get the root's answer, and what is made is written by the root alone. */
FR_NODISCARD fr_status fr_cache_take(fr_cache_lock *lock, bool *made, const char *result);
void fr_cache_release(fr_cache_lock *lock); /* accepts an all-zero struct */

/* <cache>/<stage>-<key><suffix>, malloc'd. */
char *fr_cache_path(const char *cache, const char *stage, fr_key key, const char *suffix);

#endif
