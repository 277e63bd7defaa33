#include "check.h"
#include "ops.h"

void fr_gemm(fr_tensor c, fr_tensor a, bool ta, fr_tensor b, bool tb, fr_tensor bias, double alpha, double beta)
{
    WANT_RANK(c, 2);
    WANT_RANK(a, 2);
    WANT_RANK(b, 2);
    OP(a);
    int64_t m = c.shape[0], n = c.shape[1], k = a.shape[ta ? 0 : 1];
    fr_want(__func__, "c", &c, device, c.dtype == wide ? wide : real, FR_SHAPE(m, n));
    WANT(a, device, ta ? k : m, ta ? m : k);
    WANT(b, device, tb ? n : k, tb ? k : n);
    if (bias.data) {
        WANT(bias, device, n);
        WANT(c, device, m, n);
    }
    if (m == 0 || n == 0)
        return;
    kernels->gemm(device->queue, c.data, a.data, b.data, bias.data, m, n, k, ta, tb, a.shape[1], b.shape[1], n, alpha,
                  beta, c.dtype != real);
}

void fr_linear_forward(fr_tensor y, fr_tensor x, fr_tensor w, fr_tensor bias)
{
    fr_gemm(y, x, false, w, true, bias, 1, 0);
}

void fr_linear_backward(fr_tensor dx, fr_tensor dw, fr_tensor dbias, fr_tensor dy, fr_tensor x, fr_tensor w)
{
    WANT_RANK(dy, 2);
    OP(dy);
    if (dx.data)
        fr_gemm(dx, dy, false, w, false, FR_NONE, 1, 0);
    if (dw.data)
        fr_gemm(dw, dy, true, x, false, FR_NONE, 1, 1);
    if (dbias.data) {
        WANT_WIDE(dbias, device, dy.shape[1]);
        WANT(dy, device, dy.shape[0], dy.shape[1]);
        kernels->column_sum(device->queue, dbias.data, dy.data, dy.shape[0], dy.shape[1]);
    }
}
