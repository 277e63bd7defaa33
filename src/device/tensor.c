#include "base/memory.h"
#include "device.h"

#include <stdlib.h>
#include <string.h>

int64_t fr_tensor_count(const fr_tensor *tensor)
{
    int64_t count = 1;
    for (int i = 0; i < tensor->rank; i++)
        count *= tensor->shape[i];
    return count;
}

size_t fr_tensor_bytes(const fr_tensor *tensor)
{
    return (size_t)fr_tensor_count(tensor) * fr_dtype_bytes(tensor->dtype);
}

fr_tensor fr_tensor_rows(fr_tensor tensor, int64_t first, int64_t rows)
{
    FR_CHECK(tensor.rank >= 1 && first >= 0 && rows >= 0 && first + rows <= tensor.shape[0],
             "rows %ld .. %ld of a tensor of rank %d with %ld rows", (long)first, (long)(first + rows), tensor.rank,
             (long)tensor.shape[0]);
    int64_t row = 1;
    for (int i = 1; i < tensor.rank; i++)
        row *= tensor.shape[i];
    if (tensor.data)
        tensor.data = (char *)tensor.data + (size_t)(first * row) * fr_dtype_bytes(tensor.dtype);
    tensor.shape[0] = rows;
    return tensor;
}

fr_tensor fr_tensor_view(fr_tensor tensor, int rank, const int64_t *shape)
{
    fr_tensor view = tensor;
    FR_CHECK(rank >= 0 && rank <= 4, "rank %d", rank);
    view.rank = rank;
    memset(view.shape, 0, sizeof view.shape);
    for (int i = 0; i < rank; i++)
        view.shape[i] = shape[i];
    FR_CHECK(fr_tensor_count(&view) == fr_tensor_count(&tensor), "view of %ld elements as %ld",
             (long)fr_tensor_count(&tensor), (long)fr_tensor_count(&view));
    return view;
}

void fr_tensor_set_raw(fr_tensor tensor, const void *host)
{
    tensor.device->copy_in(tensor.device, tensor.data, host, fr_tensor_bytes(&tensor));
}

void fr_tensor_get_raw(fr_tensor tensor, void *host)
{
    tensor.device->synchronize(tensor.device);
    tensor.device->copy_out(tensor.device, host, tensor.data, fr_tensor_bytes(&tensor));
}

/* ---- transfers between types go through a host copy in the tensor's own type ---- */

static uint16_t bf16_of(double x)
{
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (f != f)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16); /* to nearest, ties to even */
}

static float float_of_bf16(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* raw[i] of the type `dtype` = value */
static void put(void *raw, fr_dtype dtype, int64_t i, double value)
{
    if (dtype == FR_F64)
        ((double *)raw)[i] = value;
    else if (dtype == FR_F32)
        ((float *)raw)[i] = (float)value;
    else
        ((uint16_t *)raw)[i] = bf16_of(value);
}

static double take(const void *raw, fr_dtype dtype, int64_t i)
{
    return dtype == FR_F64   ? ((const double *)raw)[i]
           : dtype == FR_F32 ? (double)((const float *)raw)[i]
                             : (double)float_of_bf16(((const uint16_t *)raw)[i]);
}

static void check_real(const fr_tensor *tensor)
{
    FR_CHECK(tensor->dtype == FR_F32 || tensor->dtype == FR_F64 || tensor->dtype == FR_BF16,
             "dtype %d, want a real type", (int)tensor->dtype);
}

/* host: elements of type `dtype`, FR_F32 or FR_F64 */
static void set_from(fr_tensor tensor, const void *host, fr_dtype dtype)
{
    check_real(&tensor);
    if (tensor.dtype == dtype) {
        fr_tensor_set_raw(tensor, host);
        return;
    }
    int64_t count = fr_tensor_count(&tensor);
    void *raw = fr_calloc((size_t)count + 1, fr_dtype_bytes(tensor.dtype));
    for (int64_t i = 0; i < count; i++)
        put(raw, tensor.dtype, i, take(host, dtype, i));
    fr_tensor_set_raw(tensor, raw);
    free(raw);
}

static void get_into(fr_tensor tensor, void *host, fr_dtype dtype)
{
    check_real(&tensor);
    if (tensor.dtype == dtype) {
        fr_tensor_get_raw(tensor, host);
        return;
    }
    int64_t count = fr_tensor_count(&tensor);
    void *raw = fr_calloc((size_t)count + 1, fr_dtype_bytes(tensor.dtype));
    fr_tensor_get_raw(tensor, raw);
    for (int64_t i = 0; i < count; i++)
        put(host, dtype, i, take(raw, tensor.dtype, i));
    free(raw);
}

void fr_tensor_set(fr_tensor tensor, const float *host)
{
    set_from(tensor, host, FR_F32);
}

void fr_tensor_get(fr_tensor tensor, float *host)
{
    get_into(tensor, host, FR_F32);
}

void fr_tensor_set_f64(fr_tensor tensor, const double *host)
{
    set_from(tensor, host, FR_F64);
}

void fr_tensor_get_f64(fr_tensor tensor, double *host)
{
    get_into(tensor, host, FR_F64);
}

void fr_tensor_zero(fr_tensor tensor)
{
    tensor.device->zero(tensor.device, tensor.data, fr_tensor_bytes(&tensor));
}

void fr_tensor_copy(fr_tensor to, fr_tensor from)
{
    FR_CHECK(to.device == from.device && to.dtype == from.dtype && fr_tensor_count(&to) == fr_tensor_count(&from),
             "copy of %ld elements (dtype %d) into %ld (dtype %d)%s", (long)fr_tensor_count(&from), (int)from.dtype,
             (long)fr_tensor_count(&to), (int)to.dtype, to.device == from.device ? "" : " on another device");
    to.device->copy(to.device, to.data, from.data, fr_tensor_bytes(&to));
}
