#include "check.h"

#include "ops.h"

#include "base/memory.h"

#include <stdlib.h>

static const char *dtype_name(fr_dtype dtype)
{
    static const char *const names[] = {"f32", "f64", "bf16", "i32", "i64"};
    return names[dtype];
}

static char *shape_text(fr_dtype dtype, int rank, const int64_t *shape)
{
    fr_buffer text = {0};
    fr_buffer_addf(&text, "%s", dtype_name(dtype));
    for (int i = 0; i < rank; i++)
        fr_buffer_addf(&text, "%s%ld", i ? " x " : " ", (long)shape[i]);
    return text.data;
}

static void want_there(const char *op, const char *name, const fr_tensor *tensor, const fr_device *device)
{
    FR_CHECK(tensor->device == device, "%s: %s is on another device than the first tensor, or not there", op, name);
    FR_CHECK(tensor->data || fr_tensor_count(tensor) == 0, "%s: %s has no memory", op, name);
}

void fr_want(const char *op, const char *name, const fr_tensor *tensor, const fr_device *device, fr_dtype dtype,
             int rank, const int64_t *shape)
{
    want_there(op, name, tensor, device);
    bool same = tensor->dtype == dtype && tensor->rank == rank;
    for (int i = 0; i < rank && same; i++)
        same = tensor->shape[i] == shape[i];
    FR_CHECK(same, "%s: %s is %s, want %s", op, name, shape_text(tensor->dtype, tensor->rank, tensor->shape),
             shape_text(dtype, rank, shape));
}

void fr_want_count(const char *op, const char *name, const fr_tensor *tensor, const fr_device *device, fr_dtype dtype,
                   int64_t count)
{
    want_there(op, name, tensor, device);
    FR_CHECK(tensor->dtype == dtype && fr_tensor_count(tensor) == count, "%s: %s is %s, want %s of %ld elements", op,
             name, shape_text(tensor->dtype, tensor->rank, tensor->shape), dtype_name(dtype), (long)count);
}

void fr_want_rank(const char *op, const char *name, const fr_tensor *tensor, int rank)
{
    FR_CHECK(tensor->device, "%s: %s is not there", op, name);
    FR_CHECK(tensor->rank == rank, "%s: %s is %s, want rank %d", op, name,
             shape_text(tensor->dtype, tensor->rank, tensor->shape), rank);
}

int64_t fr_want_sequences(const char *op, const fr_tensor *cu, const fr_device *device, int64_t N)
{
    want_there(op, "cu", cu, device);
    FR_CHECK(cu->dtype == FR_I32 && cu->rank == 1 && cu->shape[0] >= 1, "%s: cu is %s, want i32 B+1", op,
             shape_text(cu->dtype, cu->rank, cu->shape));
    if (device->queue)
        return N;
    const int32_t *at = cu->data;
    int64_t B = cu->shape[0] - 1, longest = 0;
    FR_CHECK(at[0] == 0 && at[B] == N, "%s: cu runs from %d to %d, want 0 to %ld", op, at[0], at[B], (long)N);
    for (int64_t b = 0; b < B; b++) {
        FR_CHECK(at[b] <= at[b + 1], "%s: cu[%ld] is %d, cu[%ld] is %d, want a rising list", op, (long)b, at[b],
                 (long)(b + 1), at[b + 1]);
        longest = at[b + 1] - at[b] > longest ? at[b + 1] - at[b] : longest;
    }
    return longest;
}

static void *small_of(fr_device *device)
{
    if (!device->small)
        device->small = device->allocate(device, FR_SMALL_BYTES);
    return device->small;
}

fr_tensor fr_device_scalar(fr_device *device)
{
    return (fr_tensor){.data = small_of(device), .device = device, .dtype = FR_F64, .rank = 1, .shape = {1}};
}

double fr_scalar_get(fr_tensor scalar)
{
    double value;
    fr_tensor_get_raw(scalar, &value);
    return value;
}

void *fr_result_begin(fr_device *device, void *host, size_t bytes)
{
    if (!device->queue)
        return host;
    if (bytes > FR_SMALL_BYTES)
        return device->allocate(device, bytes);
    return small_of(device);
}

void fr_result_end(fr_device *device, void *host, void *result, size_t bytes)
{
    if (result == host)
        return;
    device->synchronize(device);
    device->copy_out(device, host, result, bytes);
    if (result != device->small)
        device->release(device, result);
}

const void *fr_operand_begin(fr_device *device, const void *host, size_t bytes)
{
    if (!device->queue)
        return host;
    void *operand = device->allocate(device, bytes);
    device->copy_in(device, operand, host, bytes);
    return operand;
}

void fr_operand_end(fr_device *device, const void *host, const void *operand)
{
    if (operand != host)
        device->release(device, (void *)operand);
}
