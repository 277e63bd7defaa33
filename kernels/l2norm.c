/* Rows to unit length. */
#include "common.h"
#include "realmath.h"

static const real SHORTEST = (real)1e-12;

static real dot(const real *a, const real *b, int64_t n)
{
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < n; j++)
        sum += a[j] * b[j];
    return sum;
}

void FR_KERNEL(l2norm_forward)(fr_queue *q, void *y_, void *norm_, const void *x_, int64_t B, int64_t C)
{
    (void)q;
    real *norm = norm_;
#pragma omp parallel for schedule(static) if (B * C > PARALLEL_FROM)
    for (int64_t i = 0; i < B; i++) {
        real *y = (real *)y_ + i * C;
        const real *x = (const real *)x_ + i * C;
        norm[i] = real_sqrt(dot(x, x, C));
        real factor = 1 / (norm[i] < SHORTEST ? SHORTEST : norm[i]);
#pragma omp simd
        for (int64_t j = 0; j < C; j++)
            y[j] = x[j] * factor;
    }
}

/* dx = (dy - y (y . dy)) / |x|;  where |x| was replaced by the floor, y is linear in x: dx = dy / floor */
void FR_KERNEL(l2norm_backward)(fr_queue *q, void *dx_, const void *dy_, const void *y_, const void *norm_, int64_t B,
                                int64_t C)
{
    (void)q;
    const real *norm = norm_;
#pragma omp parallel for schedule(static) if (B * C > PARALLEL_FROM)
    for (int64_t i = 0; i < B; i++) {
        real *dx = (real *)dx_ + i * C;
        const real *dy = (const real *)dy_ + i * C, *y = (const real *)y_ + i * C;
        bool floored = norm[i] < SHORTEST;
        real along = floored ? 0 : dot(y, dy, C), factor = 1 / (floored ? SHORTEST : norm[i]);
#pragma omp simd
        for (int64_t j = 0; j < C; j++)
            dx[j] = (dy[j] - y[j] * along) * factor;
    }
}
