#include "check.h"
#include "ops.h"

void fr_gather_rows(fr_tensor y, fr_tensor x, fr_tensor rows)
{
    WANT_RANK(y, 2);
    WANT_RANK(x, 2);
    fr_device *device = y.device;
    int64_t n = y.shape[0], C = y.shape[1];
    WANT(y, device, n, C);
    WANT(x, device, x.shape[0], C);
    WANT_AS(rows, device, FR_I64, n);
    const int64_t *row = rows.data;
    for (int64_t i = 0; i < n && !device->queue; i++)
        FR_CHECK(row[i] >= 0 && row[i] < x.shape[0], "rows[%ld] is %ld, want 0 .. %ld", (long)i, (long)row[i],
                 (long)(x.shape[0] - 1));
    device->kernels->gather_rows(device->queue, y.data, x.data, rows.data, n, C);
}

void fr_axpy(fr_tensor y, fr_tensor x, double alpha)
{
    fr_device *device = y.device;
    int64_t n = fr_tensor_count(&y);
    WANT_COUNT(y, device, n);
    WANT_COUNT(x, device, n);
    device->kernels->axpy(device->queue, y.data, x.data, n, alpha);
}

void fr_pull(fr_tensor g, fr_tensor w, fr_tensor w0, double c)
{
    fr_device *device = g.device;
    int64_t n = fr_tensor_count(&g);
    WANT_COUNT(g, device, n);
    WANT_COUNT(w, device, n);
    if (w0.data)
        WANT_COUNT(w0, device, n);
    device->kernels->pull(device->queue, g.data, w.data, w0.data, n, c);
}

void fr_adamw(fr_tensor w, fr_tensor m, fr_tensor v, fr_tensor g, fr_adamw_step step)
{
    fr_device *device = w.device;
    int64_t n = fr_tensor_count(&w);
    WANT_COUNT(w, device, n);
    WANT_COUNT(m, device, n);
    WANT_COUNT(v, device, n);
    WANT_COUNT(g, device, n);
    FR_CHECK(step.step >= 1, "step is %ld, want 1 at the first", (long)step.step);
    device->kernels->adamw(device->queue, w.data, m.data, v.data, g.data, n, step.lr, step.beta1, step.beta2,
                           step.epsilon, step.decay, step.step, step.grad_scale);
}

double fr_sum_squares(fr_tensor x)
{
    fr_device *device = x.device;
    int64_t n = fr_tensor_count(&x);
    WANT_COUNT(x, device, n);
    double sum, *out = fr_result_begin(device, &sum, sizeof sum);
    device->kernels->sum_squares(device->queue, out, x.data, n);
    fr_result_end(device, &sum, out, sizeof sum);
    return sum;
}

int64_t fr_find_nonfinite(fr_tensor x)
{
    fr_device *device = x.device;
    int64_t n = fr_tensor_count(&x);
    WANT_COUNT(x, device, n);
    int64_t index, *out = fr_result_begin(device, &index, sizeof index);
    device->kernels->find_nonfinite(device->queue, out, x.data, n);
    fr_result_end(device, &index, out, sizeof index);
    return index;
}
