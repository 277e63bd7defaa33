#include "cache.h"

#include "base/memory.h"

#include <stdio.h>

fr_key fr_key_make(const char *stage, int version, const fr_config *config, const char *letters,
                   const fr_device *device, int count, const char *const *inputs)
{
    fr_hash *hash = fr_hash_create();
    char text[96];
    snprintf(text, sizeof text, "%s %d", stage, version);
    fr_hash_add_text(hash, text);
    if (device) {
        /* Kind and instruction set, not the whole description: library versions do not make a run another run. */
        snprintf(text, sizeof text, "%d %s %d", device->kind, device->kernels->name, device->threads);
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
