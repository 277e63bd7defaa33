#include "pending.h"

#include "base/memory.h"

#include <stdlib.h>

enum { DEVICE_STEPS = 64 };

static void layout(fr_pending *pending)
{
    pending->loss = fr_arena_tensor(pending->arena, FR_F64, FR_SHAPE(pending->capacity));
    pending->squares = fr_arena_tensor(pending->arena, FR_F64, FR_SHAPE(pending->capacity));
}

void fr_pending_open(fr_pending *pending, fr_device *device)
{
    *pending = (fr_pending){.arena = fr_arena_create(device), .capacity = device->queue ? DEVICE_STEPS : 1};
    layout(pending);
    fr_arena_commit(pending->arena);
    layout(pending);
    pending->host_loss = FR_NEW(double, pending->capacity);
    pending->host_squares = FR_NEW(double, pending->capacity);
}

void fr_pending_close(fr_pending *pending)
{
    fr_arena_close(pending->arena);
    free(pending->host_loss);
    free(pending->host_squares);
    *pending = (fr_pending){0};
}

fr_tensor fr_pending_next(fr_pending *pending)
{
    FR_CHECK(!fr_pending_full(pending), "%lld steps are pending, read them first", (long long)pending->count);
    if (pending->count == 0) {
        fr_tensor_zero(pending->loss);
        fr_tensor_zero(pending->squares);
    }
    return fr_tensor_rows(pending->loss, pending->count++, 1);
}

void fr_pending_launch(fr_pending *pending, const fr_optimizer *optimizer, fr_params *params, int64_t step)
{
    fr_optimizer_launch(optimizer, params, step, fr_tensor_rows(pending->squares, 0, pending->count),
                        fr_tensor_rows(pending->loss, 0, pending->count));
}

bool fr_pending_full(const fr_pending *pending)
{
    return pending->count == pending->capacity;
}

int64_t fr_pending_read(fr_pending *pending)
{
    int64_t count = pending->count;
    if (count > 0) {
        fr_tensor_get_raw(fr_tensor_rows(pending->loss, 0, count), pending->host_loss);
        fr_tensor_get_raw(fr_tensor_rows(pending->squares, 0, count), pending->host_squares);
    }
    pending->count = 0;
    return count;
}
