#include "check.h"
#include "ops.h"

void fr_gather_rows(fr_tensor y, fr_tensor x, fr_tensor rows)
{
    WANT_RANK(y, 2);
    WANT_RANK(x, 2);
    OP_WIDE(y);
    int64_t n = y.shape[0], C = y.shape[1];
    WANT(y, device, n, C);
    WANT(x, device, x.shape[0], C);
    WANT_AS(rows, device, FR_I64, n);
    const int64_t *row = rows.data;
    for (int64_t i = 0; i < n && !device->queue; i++)
        FR_CHECK(row[i] >= 0 && row[i] < x.shape[0], "rows[%ld] is %ld, want 0 .. %ld", (long)i, (long)row[i],
                 (long)(x.shape[0] - 1));
    kernels->gather_rows(device->queue, y.data, x.data, rows.data, n, C);
}

void fr_cast(fr_tensor y, fr_tensor x)
{
    fr_device *device = y.device;
    int64_t n = fr_tensor_count(&y);
    fr_want_count(__func__, "y", &y, device, y.dtype, n);
    fr_want_count(__func__, "x", &x, device, x.dtype, n);
    if (y.dtype == x.dtype)
        fr_tensor_copy(y, x);
    else if (x.dtype == FR_F32)
        fr_device_kernels(device, y.dtype)->from_f32(device->queue, y.data, x.data, n);
    else {
        FR_CHECK(y.dtype == FR_F32, "y is neither x's type nor f32");
        fr_device_kernels(device, x.dtype)->to_f32(device->queue, y.data, x.data, n);
    }
}

void fr_axpy(fr_tensor y, fr_tensor x, double alpha)
{
    OP_WIDE(y);
    int64_t n = fr_tensor_count(&y);
    WANT_COUNT(y, device, n);
    WANT_COUNT(x, device, n);
    kernels->axpy(device->queue, y.data, x.data, n, alpha);
}

void fr_pull(fr_tensor g, fr_tensor w, fr_tensor w0, double c)
{
    OP_WIDE(g);
    int64_t n = fr_tensor_count(&g);
    WANT_COUNT(g, device, n);
    WANT_COUNT(w, device, n);
    if (w0.data)
        WANT_COUNT(w0, device, n);
    kernels->pull(device->queue, g.data, w.data, w0.data, n, c);
}

void fr_adamw(fr_tensor w, fr_tensor m, fr_tensor v, fr_tensor copy, fr_tensor g, fr_adamw_step step)
{
    OP_WIDE(w);
    int64_t n = fr_tensor_count(&w);
    WANT_COUNT(w, device, n);
    WANT_COUNT(m, device, n);
    WANT_COUNT(v, device, n);
    if (copy.data)
        fr_want_count(__func__, "copy", &copy, device, FR_BF16, n);
    WANT_COUNT(g, device, n);
    if (step.factor.data)
        fr_want_count(__func__, "factor", &step.factor, device, FR_F64, 1);
    FR_CHECK(step.step >= 1, "step is %ld, want 1 at the first", (long)step.step);
    kernels->adamw(device->queue, w.data, m.data, v.data, copy.data, g.data, n, step.lr, step.beta1, step.beta2,
                   step.epsilon, step.decay, step.step, step.grad_scale, step.factor.data);
}

void fr_sum_squares_add(fr_tensor sum, fr_tensor x)
{
    OP_WIDE(x);
    int64_t n = fr_tensor_count(&x);
    WANT_COUNT(x, device, n);
    fr_want_count(__func__, "sum", &sum, device, FR_F64, 1);
    kernels->sum_squares(device->queue, sum.data, x.data, n);
}

void fr_clip_factor(fr_tensor factor, fr_tensor squares, fr_tensor losses, double clip)
{
    fr_device *device = factor.device;
    fr_want_count(__func__, "factor", &factor, device, FR_F64, 1);
    fr_want_count(__func__, "squares", &squares, device, FR_F64, fr_tensor_count(&squares));
    FR_CHECK(fr_tensor_count(&squares) > 0, "squares is empty");
    if (losses.data)
        fr_want_count(__func__, "losses", &losses, device, FR_F64, fr_tensor_count(&squares));
    device->wide_kernels->clip_factor(device->queue, factor.data, squares.data, losses.data, fr_tensor_count(&squares),
                                      clip);
}

double fr_sum_squares(fr_tensor x)
{
    fr_tensor sum = fr_device_scalar(x.device);
    fr_tensor_zero(sum);
    fr_sum_squares_add(sum, x);
    return fr_scalar_get(sum);
}

int64_t fr_find_nonfinite(fr_tensor x)
{
    OP(x);
    int64_t n = fr_tensor_count(&x);
    WANT_COUNT(x, device, n);
    int64_t index, *out = fr_result_begin(device, &index, sizeof index);
    kernels->find_nonfinite(device->queue, out, x.data, n);
    fr_result_end(device, &index, out, sizeof index);
    return index;
}
