#include "hash.h"

#include "memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct fr_hash {
    XXH3_state_t *state;
};

fr_hash *fr_hash_create(void)
{
    fr_hash *hash = fr_alloc(sizeof *hash);
    hash->state = XXH3_createState();
    FR_CHECK(hash->state, "out of memory for a hash");
    XXH3_128bits_reset(hash->state);
    return hash;
}

void fr_hash_add(fr_hash *hash, const void *data, size_t bytes)
{
    if (bytes)
        XXH3_128bits_update(hash->state, data, bytes);
}

void fr_hash_add_text(fr_hash *hash, const char *text)
{
    uint64_t bytes = text ? strlen(text) : UINT64_MAX;
    fr_hash_add(hash, &bytes, sizeof bytes);
    if (text)
        fr_hash_add(hash, text, bytes);
}

void fr_hash_end(fr_hash *hash, char hex[FR_HASH_CHARS])
{
    XXH128_hash_t digest = XXH3_128bits_digest(hash->state);
    snprintf(hex, FR_HASH_CHARS, "%016llx%016llx", (unsigned long long)digest.high64, (unsigned long long)digest.low64);
    XXH3_freeState(hash->state);
    free(hash);
}

fr_status fr_hash_file(char hex[FR_HASH_CHARS], const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return fr_fail(FR_FAILED, "%s: cannot open: %s", path, strerror(errno));
    fr_hash *hash = fr_hash_create();
    char *block = fr_alloc(1 << 20);
    size_t got;
    while ((got = fread(block, 1, 1 << 20, file)) > 0)
        fr_hash_add(hash, block, got);
    int failed = ferror(file);
    free(block);
    fclose(file);
    fr_hash_end(hash, hex);
    return failed ? fr_fail(FR_FAILED, "%s: cannot read", path) : FR_OK;
}
