#include "check.h"
#include "ops.h"

void fr_gelu_forward(fr_tensor y, fr_tensor x)
{
    OP(y);
    int64_t n = fr_tensor_count(&y);
    WANT_COUNT(y, device, n);
    WANT_COUNT(x, device, n);
    kernels->gelu_forward(device->queue, y.data, x.data, n);
}

void fr_gelu_backward(fr_tensor dx, fr_tensor dy, fr_tensor x)
{
    OP(dx);
    int64_t n = fr_tensor_count(&dx);
    WANT_COUNT(dx, device, n);
    WANT_COUNT(dy, device, n);
    WANT_COUNT(x, device, n);
    kernels->gelu_backward(device->queue, dx.data, dy.data, x.data, n);
}

void fr_activate_forward(fr_tensor y, fr_tensor x, int kind)
{
    OP_WIDE(y);
    int64_t n = fr_tensor_count(&y);
    FR_CHECK(kind == FR_RELU || kind == FR_SOFTPLUS, "kind %d, want FR_RELU or FR_SOFTPLUS", kind);
    WANT_COUNT(y, device, n);
    WANT_COUNT(x, device, n);
    kernels->activate_forward(device->queue, y.data, x.data, n, kind);
}

void fr_activate_backward(fr_tensor dx, fr_tensor dy, fr_tensor x, int kind)
{
    OP_WIDE(dx);
    int64_t n = fr_tensor_count(&dx);
    FR_CHECK(kind == FR_RELU || kind == FR_SOFTPLUS, "kind %d, want FR_RELU or FR_SOFTPLUS", kind);
    WANT_COUNT(dx, device, n);
    WANT_COUNT(dy, device, n);
    WANT_COUNT(x, device, n);
    kernels->activate_backward(device->queue, dx.data, dy.data, x.data, n, kind);
}

void fr_dropout(fr_tensor y, fr_tensor x, fr_dropout_key key)
{
    OP(y);
    int64_t n = fr_tensor_count(&y);
    FR_CHECK(y.rank >= 2, "y has rank %d, want 2 or more", y.rank);
    FR_CHECK(key.p >= 0 && key.p < 1, "p is %g, want 0 <= p < 1", key.p);
    WANT_COUNT(y, device, n);
    WANT_COUNT(x, device, n);
    if (key.p > 0) {
        int64_t columns = y.shape[0] ? n / y.shape[0] : 0;
        kernels->dropout(device->queue, y.data, x.data, n, key.p, key.seed, key.stream, key.first * columns);
    } else if (y.data != x.data) {
        fr_tensor_copy(y, x);
    }
}
