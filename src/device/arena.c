#include "base/memory.h"
#include "device.h"

#include <stdlib.h>

struct fr_arena {
    fr_device *device;
    char *block; /* NULL while measuring */
    size_t used, capacity;
};

fr_arena *fr_arena_create(fr_device *device)
{
    fr_arena *arena = FR_NEW(fr_arena, 1);
    arena->device = device;
    return arena;
}

void fr_arena_close(fr_arena *arena)
{
    if (!arena)
        return;
    if (arena->block)
        arena->device->release(arena->device, arena->block);
    free(arena);
}

fr_tensor fr_arena_tensor(fr_arena *arena, fr_dtype dtype, int rank, const int64_t *shape)
{
    fr_tensor tensor = {.device = arena->device, .dtype = dtype, .rank = rank};
    FR_CHECK(rank >= 0 && rank <= 4, "rank %d", rank);
    for (int i = 0; i < rank; i++) {
        FR_CHECK(shape[i] >= 0, "dimension %d is %ld", i, (long)shape[i]);
        tensor.shape[i] = shape[i];
    }
    size_t bytes = (fr_tensor_bytes(&tensor) + 63) / 64 * 64;
    if (arena->block) {
        FR_CHECK(bytes <= arena->capacity - arena->used, "tensor of %zu bytes, %zu left of the %zu measured", bytes,
                 arena->capacity - arena->used, arena->capacity);
        tensor.data = arena->block + arena->used;
    }
    arena->used += bytes;
    return tensor;
}

void fr_arena_commit(fr_arena *arena)
{
    FR_CHECK(!arena->block, "the arena of %zu bytes is committed already", arena->capacity);
    arena->capacity = arena->used;
    arena->used = 0;
    arena->block = arena->device->allocate(arena->device, arena->capacity);
}

size_t fr_arena_bytes(const fr_arena *arena)
{
    return arena->block ? arena->capacity : arena->used;
}
