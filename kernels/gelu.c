/* GELU in its exact (erf) form: Hendrycks & Gimpel 2016. */
#include "common.h"
#include "realmath.h"

static const real ROOT_HALF = (real)0.70710678118654752440, DENSITY = (real)0.39894228040143267794; /* 1 / sqrt(2 pi) */

void FR_KERNEL(gelu_forward)(fr_queue *q, void *y_, const void *x_, int64_t n)
{
    (void)q;
    real *y = y_;
    const real *x = x_;
#pragma omp parallel for simd schedule(static) if (parallel : n > PARALLEL_FROM)
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * ((real)0.5 * real_erf(x[i] * ROOT_HALF) + (real)0.5);
}

/* dx = dy (Phi(x) + x phi(x)), Phi and phi of the normal distribution */
void FR_KERNEL(gelu_backward)(fr_queue *q, void *dx_, const void *dy_, const void *x_, int64_t n)
{
    (void)q;
    real *dx = dx_;
    const real *dy = dy_, *x = x_;
#pragma omp parallel for simd schedule(static) if (parallel : n > PARALLEL_FROM)
    for (int64_t i = 0; i < n; i++) {
        real below = (real)0.5 * real_erf(x[i] * ROOT_HALF) + (real)0.5;
        dx[i] = dy[i] * (below + x[i] * DENSITY * real_exp((real)-0.5 * x[i] * x[i]));
    }
}
