/* Activations of small networks by kind. NaN stays NaN. */
#include "common.h"
#include "realmath.h"

/*   relu(x) = max(x, 0);   softplus(x) = log(1 + e^x) = max(x, 0) + log(1 + e^-|x|) */
void FR_KERNEL(activate_forward)(fr_queue *q, void *y_, const void *x_, int64_t n, int kind)
{
    (void)q;
    real *y = y_;
    const real *x = x_;
    if (kind == FR_RELU) {
#pragma omp parallel for simd schedule(static) if (parallel : n > PARALLEL_FROM)
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] <= 0 ? 0 : x[i];
    } else {
#pragma omp parallel for simd schedule(static) if (parallel : n > PARALLEL_FROM)
        for (int64_t i = 0; i < n; i++)
            y[i] = (x[i] > 0 ? x[i] : 0) + real_log1p(real_exp(-real_abs(x[i])));
    }
}

/*   relu: dx = dy where x > 0;   softplus: dx = dy sigmoid(x) */
void FR_KERNEL(activate_backward)(fr_queue *q, void *dx_, const void *dy_, const void *x_, int64_t n, int kind)
{
    (void)q;
    real *dx = dx_;
    const real *dy = dy_, *x = x_;
    if (kind == FR_RELU) {
#pragma omp parallel for simd schedule(static) if (parallel : n > PARALLEL_FROM)
        for (int64_t i = 0; i < n; i++)
            dx[i] = x[i] <= 0 ? 0 : dy[i];
    } else {
#pragma omp parallel for simd schedule(static) if (parallel : n > PARALLEL_FROM)
        for (int64_t i = 0; i < n; i++) {
            real e = real_exp(-real_abs(x[i]));
            dx[i] = dy[i] * ((x[i] >= 0 ? 1 : e) / (1 + e));
        }
    }
}
