/* AdamW: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019. */
#include "common.h"
#include "realmath.h"

void FR_KERNEL(adamw)(fr_queue *q, void *w_, void *m_, void *v_, void *copy, const void *g_, int64_t n, double lr,
                      double b1, double b2, double epsilon, double decay, int64_t step, double grad_scale,
                      const double *factor_)
{
    (void)q;
    (void)copy;
    real *w = w_, *m = m_, *v = v_;
    const real *g = g_;
    if (factor_ && *factor_ != *factor_)
        return;
    if (factor_)
        grad_scale *= *factor_;
    real keep1 = (real)b1, take1 = (real)(1 - b1), keep2 = (real)b2, take2 = (real)(1 - b2), factor = (real)grad_scale;
    /* lr (m / c1) / (sqrt(v / c2) + epsilon) = rate m / (sqrt(v) root + epsilon) */
    real rate = (real)(lr / (1 - pow(b1, (double)step))), root = (real)(1 / sqrt(1 - pow(b2, (double)step)));
    real shrink = (real)(lr * decay), small = (real)epsilon;
#pragma omp parallel for simd schedule(static) if (parallel : n > PARALLEL_FROM)
    for (int64_t i = 0; i < n; i++) {
        real gi = factor * g[i];
        m[i] = keep1 * m[i] + take1 * gi;
        v[i] = keep2 * v[i] + take2 * gi * gi;
        w[i] -= rate * m[i] / (real_sqrt(v[i]) * root + small) + shrink * w[i];
    }
}

void FR_KERNEL(clip_factor)(fr_queue *q, double *factor, const double *squares, const double *losses, int64_t n,
                            double clip)
{
    (void)q;
    *factor = 1;
    if (clip > 0 && sqrt(squares[n - 1]) > clip)
        *factor = clip / sqrt(squares[n - 1]);
    for (int64_t i = 0; i < n; i++)
        if (squares[i] - squares[i] != 0 || (losses && losses[i] - losses[i] != 0)) /* NaN or infinite */
            *factor = NAN;
}
