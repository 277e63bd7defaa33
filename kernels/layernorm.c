/* Layer normalisation (Ba et al. 2016) with the residual addition in front of it. */
#include "common.h"
#include "realmath.h"

void FR_KERNEL(layernorm_forward)(fr_queue *q, void *y_, void *s_, void *mean_, void *rstd_, const void *x_,
                                  const void *r_, const void *w_, const void *b_, int64_t N, int64_t C, double epsilon)
{
    (void)q;
    real *mean = mean_, *rstd = rstd_;
    const real *w = w_, *b = b_;
#pragma omp parallel for schedule(static) if (N * C > PARALLEL_FROM)
    for (int64_t i = 0; i < N; i++) {
        real *y = (real *)y_ + i * C, *s = (real *)s_ + i * C;
        const real *x = (const real *)x_ + i * C, *r = r_ ? (const real *)r_ + i * C : NULL;
        real sum = 0, squares = 0;
        if (r) {
#pragma omp simd reduction(+ : sum)
            for (int64_t j = 0; j < C; j++) {
                s[j] = x[j] + r[j];
                sum += s[j];
            }
        } else {
#pragma omp simd reduction(+ : sum)
            for (int64_t j = 0; j < C; j++) {
                s[j] = x[j];
                sum += s[j];
            }
        }
        real centre = sum / (real)C;
#pragma omp simd reduction(+ : squares)
        for (int64_t j = 0; j < C; j++)
            squares += (s[j] - centre) * (s[j] - centre);
        real factor = 1 / real_sqrt(squares / (real)C + (real)epsilon);
#pragma omp simd
        for (int64_t j = 0; j < C; j++)
            y[j] = (s[j] - centre) * factor * w[j] + b[j];
        mean[i] = centre;
        rstd[i] = factor;
    }
}

/* With n = (s - mean) rstd and g = dy w:  ds = rstd (g - avg(g) - n avg(g n));  dw += sum_i dy n;  db += sum_i dy */
static void backward_row(real *ds, real *dw, real *db, const real *dy, const real *s, real mean, real rstd,
                         const real *w, int64_t C)
{
    real g_sum = 0, gn_sum = 0;
#pragma omp simd reduction(+ : g_sum, gn_sum)
    for (int64_t j = 0; j < C; j++) {
        real n = (s[j] - mean) * rstd, g = dy[j] * w[j];
        g_sum += g;
        gn_sum += g * n;
    }
    real g_average = g_sum / (real)C, gn_average = gn_sum / (real)C;
#pragma omp simd
    for (int64_t j = 0; j < C; j++) {
        real n = (s[j] - mean) * rstd, d = dy[j];
        dw[j] += d * n;
        db[j] += d;
        ds[j] = rstd * (d * w[j] - g_average - n * gn_average);
    }
}

void FR_KERNEL(layernorm_backward)(fr_queue *q, void *ds, void *dw, void *db, const void *dy_, const void *s_,
                                   const void *mean_, const void *rstd_, const void *w, int64_t N, int64_t C)
{
    (void)q;
    const real *dy = dy_, *s = s_, *mean = mean_, *rstd = rstd_;
    int64_t each = chunk_rows(N), chunks = chunk_count(N);
    real *part = scratch_new(chunks * 2 * C, sizeof(real));
#pragma omp parallel for schedule(static) if (N * C > PARALLEL_FROM)
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        real *sums = part + chunk * 2 * C;
        memset(sums, 0, (size_t)(2 * C) * sizeof(real));
        for (int64_t i = chunk * each; i < smaller(N, (chunk + 1) * each); i++)
            backward_row((real *)ds + i * C, sums, sums + C, dy + i * C, s + i * C, mean[i], rstd[i], w, C);
    }
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        add_row(dw, part + chunk * 2 * C, C);
        add_row(db, part + chunk * 2 * C + C, C);
    }
    free(part);
}
