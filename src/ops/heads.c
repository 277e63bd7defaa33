#include "check.h"
#include "ops.h"

void fr_scale_bias_forward(fr_tensor logits, fr_tensor x, fr_tensor s, fr_tensor b)
{
    WANT_RANK(logits, 2);
    OP_WIDE(logits);
    int64_t B = logits.shape[0], T = logits.shape[1];
    WANT(logits, device, B, T);
    WANT(x, device, B, T);
    WANT(s, device, 1);
    WANT(b, device, T);
    kernels->scale_bias_forward(device->queue, logits.data, x.data, s.data, b.data, B, T);
}

void fr_scale_bias_backward(fr_tensor dx, fr_tensor ds, fr_tensor db, fr_tensor dlogits, fr_tensor x, fr_tensor s)
{
    WANT_RANK(dlogits, 2);
    OP_WIDE(dlogits);
    int64_t B = dlogits.shape[0], T = dlogits.shape[1];
    WANT(dx, device, B, T);
    WANT(ds, device, 1);
    WANT(db, device, T);
    WANT(dlogits, device, B, T);
    WANT(x, device, B, T);
    WANT(s, device, 1);
    kernels->scale_bias_backward(device->queue, dx.data, ds.data, db.data, dlogits.data, x.data, s.data, B, T);
}

void fr_bce_add(fr_tensor loss, fr_tensor dlogits, fr_tensor logits, fr_tensor label, fr_tensor pos_weight,
                double scale)
{
    WANT_RANK(logits, 2);
    OP_WIDE(logits);
    int64_t B = logits.shape[0], T = logits.shape[1];
    if (dlogits.data)
        WANT(dlogits, device, B, T);
    WANT(logits, device, B, T);
    WANT_AS(label, device, FR_I32, B);
    WANT_AS(pos_weight, device, FR_F32, T);
    const int32_t *t = label.data;
    for (int64_t i = 0; i < B && !device->queue; i++)
        FR_CHECK(t[i] >= -1 && t[i] < T, "label[%ld] is %d, want -1 .. %ld", (long)i, t[i], (long)(T - 1));
    fr_want_count(__func__, "loss", &loss, device, FR_F64, 1);
    kernels->bce(device->queue, loss.data, dlogits.data, logits.data, label.data, pos_weight.data, B, T, scale);
}

void fr_mse_add(fr_tensor loss, fr_tensor dy, fr_tensor y, fr_tensor target, double scale)
{
    OP_WIDE(y);
    int64_t n = fr_tensor_count(&y);
    if (dy.data)
        WANT_COUNT(dy, device, n);
    WANT_COUNT(y, device, n);
    fr_want_count(__func__, "target", &target, device, FR_F32, n);
    fr_want_count(__func__, "loss", &loss, device, FR_F64, 1);
    kernels->mse(device->queue, loss.data, dy.data, y.data, target.data, n, scale);
}

double fr_bce(fr_tensor dlogits, fr_tensor logits, fr_tensor label, fr_tensor pos_weight, double scale)
{
    fr_tensor loss = fr_device_scalar(logits.device);
    fr_tensor_zero(loss);
    fr_bce_add(loss, dlogits, logits, label, pos_weight, scale);
    return fr_scalar_get(loss);
}

double fr_mse(fr_tensor dy, fr_tensor y, fr_tensor target, double scale)
{
    fr_tensor loss = fr_device_scalar(y.device);
    fr_tensor_zero(loss);
    fr_mse_add(loss, dy, y, target, scale);
    return fr_scalar_get(loss);
}

void fr_head_bias_forward(fr_tensor beta, fr_tensor u, fr_tensor wu, fr_tensor b1)
{
    WANT_RANK(wu, 3);
    OP_WIDE(wu);
    int64_t M = wu.shape[0], H = wu.shape[1], U = wu.shape[2];
    WANT(beta, device, M, H);
    WANT(u, device, M, U);
    WANT(wu, device, M, H, U);
    WANT(b1, device, M, H);
    kernels->head_bias_forward(device->queue, beta.data, u.data, wu.data, b1.data, M, H, U);
}

void fr_head_bias_backward(fr_tensor du, fr_tensor dwu, fr_tensor db1, fr_tensor dbeta, fr_tensor u, fr_tensor wu)
{
    WANT_RANK(wu, 3);
    OP_WIDE(wu);
    int64_t M = wu.shape[0], H = wu.shape[1], U = wu.shape[2];
    if (du.data)
        WANT(du, device, M, U);
    WANT(dwu, device, M, H, U);
    WANT(db1, device, M, H);
    WANT(dbeta, device, M, H);
    WANT(u, device, M, U);
    WANT(wu, device, M, H, U);
    kernels->head_bias_backward(device->queue, du.data, dwu.data, db1.data, dbeta.data, u.data, wu.data, M, H, U);
}

void fr_head_out_forward(fr_tensor y, fr_tensor a, fr_tensor w2, fr_tensor b2)
{
    WANT_RANK(a, 3);
    OP_WIDE(a);
    int64_t B = a.shape[0], M = a.shape[1], H = a.shape[2];
    WANT(y, device, B, M);
    WANT(a, device, B, M, H);
    WANT(w2, device, M, H);
    WANT(b2, device, M);
    kernels->head_out_forward(device->queue, y.data, a.data, w2.data, b2.data, B, M, H);
}

void fr_head_out_backward(fr_tensor da, fr_tensor dw2, fr_tensor db2, fr_tensor dy, fr_tensor a, fr_tensor w2)
{
    WANT_RANK(a, 3);
    OP_WIDE(a);
    int64_t B = a.shape[0], M = a.shape[1], H = a.shape[2];
    WANT(da, device, B, M, H);
    WANT(dw2, device, M, H);
    WANT(db2, device, M);
    WANT(dy, device, B, M);
    WANT(a, device, B, M, H);
    WANT(w2, device, M, H);
    kernels->head_out_backward(device->queue, da.data, dw2.data, db2.data, dy.data, a.data, w2.data, B, M, H);
}
