#include "checkpoint.h"

#include "base/files.h"
#include "base/hash.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAGIC_BYTES = 8, KEY_BYTES = 32, NAME_BYTES = 24, SUM_BYTES = 32 };
static const char magic[MAGIC_BYTES + 1] = "FRCKPT01";

fr_status fr_checkpoint_write(const char *path, const char *key, const fr_block *block, int64_t count)
{
    FR_CHECK(strlen(key) == KEY_BYTES, "checkpoint key \"%s\" has %zu characters, want %d", key, strlen(key),
             KEY_BYTES);
    fr_buffer file = {0};
    fr_buffer_add(&file, magic, MAGIC_BYTES);
    fr_buffer_add(&file, key, KEY_BYTES);
    fr_buffer_add(&file, &count, sizeof count);
    for (int64_t i = 0; i < count; i++) {
        char name[NAME_BYTES] = {0};
        FR_CHECK(strlen(block[i].name) < NAME_BYTES, "block name %s is too long", block[i].name);
        memcpy(name, block[i].name, strlen(block[i].name));
        int64_t bytes = (int64_t)block[i].bytes;
        fr_buffer_add(&file, name, NAME_BYTES);
        fr_buffer_add(&file, &bytes, sizeof bytes);
        fr_buffer_add(&file, block[i].data, block[i].bytes);
    }
    char sum[FR_HASH_CHARS];
    fr_hash *hash = fr_hash_create();
    fr_hash_add(hash, file.data, file.bytes);
    fr_hash_end(hash, sum);
    fr_buffer_add(&file, sum, SUM_BYTES);
    fr_status status = fr_file_write(path, file.data, file.bytes);
    fr_buffer_close(&file);
    return status;
}

static fr_status unusable(const char *path, const char *why)
{
    return fr_fail(FR_FAILED, "%s: %s: not a usable checkpoint; delete it to start this training over", path, why);
}

/* Walks the blocks of a file whose checksum is right; their names and sizes must be the wanted ones. */
static bool blocks_fit(const char *data, size_t bytes, const fr_block *block, int64_t count)
{
    size_t at = MAGIC_BYTES + KEY_BYTES;
    int64_t blocks, size;
    memcpy(&blocks, data + at, sizeof blocks);
    at += sizeof blocks;
    if (blocks != count)
        return false;
    for (int64_t i = 0; i < count; i++) {
        if (bytes - at < NAME_BYTES + sizeof size)
            return false;
        bool named = strncmp(data + at, block[i].name, NAME_BYTES) == 0;
        memcpy(&size, data + at + NAME_BYTES, sizeof size);
        at += NAME_BYTES + sizeof size;
        if (!named || size != (int64_t)block[i].bytes || bytes - at < block[i].bytes)
            return false;
        at += block[i].bytes;
    }
    return at == bytes;
}

static fr_status check(const char *path, const char *key, const char *data, size_t bytes, const fr_block *block,
                       int64_t count)
{
    if (bytes < MAGIC_BYTES + KEY_BYTES + sizeof count + SUM_BYTES || memcmp(data, magic, MAGIC_BYTES) != 0)
        return unusable(path, "no checkpoint of this program, or cut off");
    char sum[FR_HASH_CHARS];
    fr_hash *hash = fr_hash_create();
    fr_hash_add(hash, data, bytes - SUM_BYTES);
    fr_hash_end(hash, sum);
    if (memcmp(sum, data + bytes - SUM_BYTES, SUM_BYTES) != 0)
        return unusable(path, "damaged or cut off (checksum)");
    if (memcmp(data + MAGIC_BYTES, key, KEY_BYTES) != 0)
        return fr_fail(FR_FAILED,
                       "%s: a checkpoint of another config or other data (%.8s, this one is %.8s); delete it, or run "
                       "what it belongs to",
                       path, data + MAGIC_BYTES, key);
    if (!blocks_fit(data, bytes - SUM_BYTES, block, count))
        return unusable(path, "its parts have other sizes");
    return FR_OK;
}

fr_status fr_checkpoint_read(const char *path, const char *key, const fr_block *block, int64_t count, bool *found)
{
    FR_CHECK(strlen(key) == KEY_BYTES, "checkpoint key \"%s\" has %zu characters, want %d", key, strlen(key),
             KEY_BYTES);
    *found = fr_file_exists(path);
    if (!*found)
        return FR_OK;
    char *data;
    size_t bytes;
    FR_TRY(fr_file_read(&data, &bytes, path, 0));
    fr_status status = check(path, key, data, bytes, block, count);
    size_t at = MAGIC_BYTES + KEY_BYTES + sizeof count;
    for (int64_t i = 0; status == FR_OK && i < count; i++) {
        at += NAME_BYTES + sizeof(int64_t);
        if (block[i].bytes)
            memcpy(block[i].data, data + at, block[i].bytes);
        at += block[i].bytes;
    }
    free(data);
    return status;
}

void fr_checkpoint_remove(const char *path)
{
    if (path)
        unlink(path);
}

size_t fr_part_bytes(const fr_params *params)
{
    return (size_t)fr_params_total(params, true) * fr_dtype_bytes(params->device->wide);
}

static fr_tensor part_of(const fr_param *param, fr_part part)
{
    return part == FR_PART_VALUE ? param->value : part == FR_PART_M ? param->m : param->v;
}

void fr_part_get(const fr_params *params, fr_part part, void *host)
{
    char *at = host;
    for (int64_t i = 0; i < params->count; i++)
        if (params->item[i].trainable) {
            fr_tensor tensor = part_of(&params->item[i], part);
            fr_tensor_get_raw(tensor, at);
            at += fr_tensor_bytes(&tensor);
        }
    FR_CHECK((size_t)(at - (char *)host) == fr_part_bytes(params), "parameters are not of the device's type");
}

void fr_part_set(const fr_params *params, fr_part part, const void *host)
{
    const char *at = host;
    for (int64_t i = 0; i < params->count; i++)
        if (params->item[i].trainable) {
            fr_tensor tensor = part_of(&params->item[i], part);
            fr_tensor_set_raw(tensor, at);
            at += fr_tensor_bytes(&tensor);
        }
    if (part == FR_PART_VALUE)
        fr_params_refresh(params);
}
