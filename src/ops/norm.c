#include "check.h"
#include "ops.h"

void fr_layernorm_forward(fr_tensor y, fr_tensor s, fr_tensor mean, fr_tensor rstd, fr_tensor x, fr_tensor r,
                          fr_tensor w, fr_tensor b, double epsilon)
{
    WANT_RANK(y, 2);
    OP(y);
    int64_t N = y.shape[0], C = y.shape[1];
    WANT(y, device, N, C);
    WANT(s, device, N, C);
    WANT_WIDE(mean, device, N);
    WANT_WIDE(rstd, device, N);
    WANT(x, device, N, C);
    if (r.data)
        WANT(r, device, N, C);
    WANT(w, device, C);
    WANT(b, device, C);
    kernels->layernorm_forward(device->queue, y.data, s.data, mean.data, rstd.data, x.data, r.data, w.data, b.data, N,
                               C, epsilon);
}

void fr_layernorm_backward(fr_tensor ds, fr_tensor dw, fr_tensor db, fr_tensor dy, fr_tensor s, fr_tensor mean,
                           fr_tensor rstd, fr_tensor w)
{
    WANT_RANK(ds, 2);
    OP(ds);
    int64_t N = ds.shape[0], C = ds.shape[1];
    WANT(ds, device, N, C);
    WANT_WIDE(dw, device, C);
    WANT_WIDE(db, device, C);
    WANT(dy, device, N, C);
    WANT(s, device, N, C);
    WANT_WIDE(mean, device, N);
    WANT_WIDE(rstd, device, N);
    WANT(w, device, C);
    kernels->layernorm_backward(device->queue, ds.data, dw.data, db.data, dy.data, s.data, mean.data, rstd.data, w.data,
                                N, C);
}

void fr_l2norm_forward(fr_tensor y, fr_tensor norm, fr_tensor x)
{
    WANT_RANK(y, 2);
    OP_WIDE(y);
    int64_t B = y.shape[0], C = y.shape[1];
    WANT(y, device, B, C);
    WANT(norm, device, B);
    WANT(x, device, B, C);
    kernels->l2norm_forward(device->queue, y.data, norm.data, x.data, B, C);
}

void fr_l2norm_backward(fr_tensor dx, fr_tensor dy, fr_tensor y, fr_tensor norm)
{
    WANT_RANK(dx, 2);
    OP_WIDE(dx);
    int64_t B = dx.shape[0], C = dx.shape[1];
    WANT(dx, device, B, C);
    WANT(dy, device, B, C);
    WANT(y, device, B, C);
    WANT(norm, device, B);
    kernels->l2norm_backward(device->queue, dx.data, dy.data, y.data, norm.data, B, C);
}
