/* Copies, sums and scans over flat arrays. */
#include "common.h"

#include <float.h>

enum { SCAN = 4096 }; /* elements per partial sum; fixed, so that sums do not depend on the number of threads */

void FR_KERNEL(gather_rows)(fr_queue *q, void *y, const void *x, const int64_t *rows, int64_t n, int64_t C)
{
    (void)q;
#pragma omp parallel for schedule(static) if (n * C > PARALLEL_FROM)
    for (int64_t i = 0; i < n; i++)
        memcpy((real *)y + i * C, (const real *)x + rows[i] * C, (size_t)C * sizeof(real));
}

void FR_KERNEL(axpy)(fr_queue *q, void *y_, const void *x_, int64_t n, double alpha)
{
    (void)q;
    real *y = y_, factor = (real)alpha;
    const real *x = x_;
#pragma omp parallel for simd schedule(static) if (parallel : n > PARALLEL_FROM)
    for (int64_t i = 0; i < n; i++)
        y[i] += factor * x[i];
}

void FR_KERNEL(pull)(fr_queue *q, void *g_, const void *w_, const void *w0_, int64_t n, double c)
{
    (void)q;
    real *g = g_, factor = (real)c;
    const real *w = w_, *w0 = w0_;
    if (!w0) {
        FR_KERNEL(axpy)(q, g, w, n, c);
        return;
    }
#pragma omp parallel for simd schedule(static) if (parallel : n > PARALLEL_FROM)
    for (int64_t i = 0; i < n; i++)
        g[i] += factor * (w[i] - w0[i]);
}

void FR_KERNEL(sum_squares)(fr_queue *q, double *out, const void *x_, int64_t n)
{
    (void)q;
    const real *x = x_;
    int64_t chunks = (n + SCAN - 1) / SCAN;
    double *part = scratch_new(chunks, sizeof(double));
#pragma omp parallel for schedule(static) if (n > PARALLEL_FROM)
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        double sum = 0;
        int64_t end = smaller(n, (chunk + 1) * SCAN);
#pragma omp simd reduction(+ : sum)
        for (int64_t i = chunk * SCAN; i < end; i++)
            sum += (double)x[i] * (double)x[i];
        part[chunk] = sum;
    }
    double total = 0;
    for (int64_t chunk = 0; chunk < chunks; chunk++)
        total += part[chunk];
    *out += total;
    free(part);
}

/* The magnitude of a NaN is not <= the largest number either. */
static bool finite_all(const real *x, int64_t n)
{
    const real largest = sizeof(real) == sizeof(float) ? (real)FLT_MAX : (real)DBL_MAX;
    int bad = 0;
#pragma omp simd reduction(| : bad)
    for (int64_t i = 0; i < n; i++)
        bad |= !(x[i] <= largest && x[i] >= -largest);
    return !bad;
}

void FR_KERNEL(find_nonfinite)(fr_queue *q, int64_t *index, const void *x_, int64_t n)
{
    (void)q;
    const real *x = x_;
    int64_t chunks = (n + SCAN - 1) / SCAN, worst = chunks;
#pragma omp parallel for schedule(static) reduction(min : worst) if (n > PARALLEL_FROM)
    for (int64_t chunk = 0; chunk < chunks; chunk++)
        if (chunk < worst && !finite_all(x + chunk * SCAN, smaller(SCAN, n - chunk * SCAN)))
            worst = chunk;
    *index = -1;
    for (int64_t i = worst * SCAN; i < n && *index < 0; i++)
        if (!isfinite(x[i]))
            *index = i;
}

void FR_KERNEL(from_f32)(fr_queue *q, void *y_, const float *x, int64_t n)
{
    (void)q;
    real *y = y_;
#pragma omp parallel for simd schedule(static) if (parallel : n > PARALLEL_FROM)
    for (int64_t i = 0; i < n; i++)
        y[i] = (real)x[i];
}

void FR_KERNEL(to_f32)(fr_queue *q, float *y, const void *x_, int64_t n)
{
    (void)q;
    const real *x = x_;
#pragma omp parallel for simd schedule(static) if (parallel : n > PARALLEL_FROM)
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)x[i];
}

void FR_KERNEL(column_sum)(fr_queue *q, void *dbias_, const void *dy_, int64_t m, int64_t n)
{
    (void)q;
    real *dbias = dbias_;
    const real *dy = dy_;
    int64_t each = chunk_rows(m), chunks = chunk_count(m);
    real *part = scratch_new(chunks * n, sizeof(real));
#pragma omp parallel for schedule(static) if (m * n > PARALLEL_FROM)
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        real *sum = part + chunk * n;
        memset(sum, 0, (size_t)n * sizeof(real));
        for (int64_t i = chunk * each; i < smaller(m, (chunk + 1) * each); i++)
            add_row(sum, dy + i * n, n);
    }
    for (int64_t chunk = 0; chunk < chunks; chunk++)
        add_row(dbias, part + chunk * n, n);
    free(part);
}
