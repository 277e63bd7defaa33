/* Matrix multiplication in plain loops: the definition, the reference backend, and what small sizes use. */
#include "common.h"

enum { COLUMNS = 64 };

/* One row of c, columns j0 .. j0+count-1:  sum[j] = sum_k op(a)[i,k] op(b)[k,j] */
static void row_sums(real *sum, const real *a, int64_t step, const real *b, int64_t k, bool tb, int64_t ldb, int64_t j0,
                     int64_t count)
{
    if (tb) {
        for (int64_t j = 0; j < count; j++) {
            const real *bj = b + (j0 + j) * ldb;
            real dot = 0;
#pragma omp simd reduction(+ : dot)
            for (int64_t l = 0; l < k; l++)
                dot += a[l * step] * bj[l];
            sum[j] = dot;
        }
        return;
    }
    for (int64_t j = 0; j < count; j++)
        sum[j] = 0;
    for (int64_t l = 0; l < k; l++) {
        real factor = a[l * step];
        const real *bl = b + l * ldb + j0;
#pragma omp simd
        for (int64_t j = 0; j < count; j++)
            sum[j] += factor * bl[j];
    }
}

/* c = alpha sum + beta c + bias; beta 0 does not read c */
static void row_store(real *c, const real *sum, const real *bias, int64_t count, real alpha, real beta)
{
    for (int64_t j = 0; j < count; j++) {
        real value = alpha * sum[j];
        if (beta != 0)
            value += beta * c[j];
        if (bias)
            value += bias[j];
        c[j] = value;
    }
}

void FR_KERNEL(gemm)(fr_queue *q, void *c_, const void *a_, const void *b_, const void *bias_, int64_t m, int64_t n,
                     int64_t k, bool ta, bool tb, int64_t lda, int64_t ldb, int64_t ldc, double alpha, double beta,
                     bool wide)
{
    (void)q;
    (void)wide; /* the same type */
    real *c = c_;
    const real *a = a_, *b = b_, *bias = bias_;
#pragma omp parallel for schedule(static) if (m * n * k > 100000)
    for (int64_t i = 0; i < m; i++) {
        const real *ai = a + (ta ? i : i * lda);
        for (int64_t j0 = 0; j0 < n; j0 += COLUMNS) {
            real sum[COLUMNS];
            int64_t count = smaller(COLUMNS, n - j0);
            row_sums(sum, ai, ta ? lda : 1, b, k, tb, ldb, j0, count);
            row_store(c + i * ldc + j0, sum, bias ? bias + j0 : NULL, count, (real)alpha, (real)beta);
        }
    }
}
