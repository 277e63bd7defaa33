/* The ends of the estimator and of the classifier: per-model biases, per-model output units, logit scale and bias.
 * Each thread owns rows of the result, so every sum runs in one order. */
#include "common.h"

static real dot(const real *a, const real *b, int64_t n)
{
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < n; j++)
        sum += a[j] * b[j];
    return sum;
}

/* to += factor from */
static void add_scaled(real *to, const real *from, real factor, int64_t n)
{
#pragma omp simd
    for (int64_t j = 0; j < n; j++)
        to[j] += factor * from[j];
}

void FR_KERNEL(scale_bias_forward)(fr_queue *q, void *logits_, const void *x_, const void *s_, const void *b_,
                                   int64_t B, int64_t T)
{
    (void)q;
    const real *b = b_, s = *(const real *)s_;
#pragma omp parallel for schedule(static) if (B * T > PARALLEL_FROM)
    for (int64_t i = 0; i < B; i++) {
        real *logits = (real *)logits_ + i * T;
        const real *x = (const real *)x_ + i * T;
#pragma omp simd
        for (int64_t t = 0; t < T; t++)
            logits[t] = s * x[t] + b[t];
    }
}

/* dx = s dlogits;  ds += sum dlogits x;  db[t] += sum_i dlogits[i,t] */
void FR_KERNEL(scale_bias_backward)(fr_queue *q, void *dx_, void *ds_, void *db, const void *dlogits_, const void *x_,
                                    const void *s_, int64_t B, int64_t T)
{
    real s = *(const real *)s_, *part = scratch_new(B, sizeof(real));
    /* db first: dx may overwrite dlogits */
    FR_KERNEL(column_sum)(q, db, dlogits_, B, T);
#pragma omp parallel for schedule(static) if (B * T > PARALLEL_FROM)
    for (int64_t i = 0; i < B; i++) {
        const real *dlogits = (const real *)dlogits_ + i * T;
        real *dx = (real *)dx_ + i * T;
        part[i] = dot(dlogits, (const real *)x_ + i * T, T);
#pragma omp simd
        for (int64_t t = 0; t < T; t++)
            dx[t] = s * dlogits[t];
    }
    double sum = 0;
    for (int64_t i = 0; i < B; i++)
        sum += (double)part[i];
    *(real *)ds_ += (real)sum;
    free(part);
}

void FR_KERNEL(head_bias_forward)(fr_queue *q, void *beta_, const void *u_, const void *wu_, const void *b1_, int64_t M,
                                  int64_t H, int64_t U)
{
    (void)q;
    real *beta = beta_;
    const real *u = u_, *wu = wu_, *b1 = b1_;
#pragma omp parallel for schedule(static) if (M * H * U > PARALLEL_FROM)
    for (int64_t row = 0; row < M * H; row++)
        beta[row] = b1[row] + dot(wu + row * U, u + row / H * U, U);
}

void FR_KERNEL(head_bias_backward)(fr_queue *q, void *du_, void *dwu_, void *db1_, const void *dbeta_, const void *u_,
                                   const void *wu_, int64_t M, int64_t H, int64_t U)
{
    (void)q;
    real *du = du_, *dwu = dwu_, *db1 = db1_;
    const real *dbeta = dbeta_, *u = u_, *wu = wu_;
#pragma omp parallel for schedule(static) if (M * H * U > PARALLEL_FROM)
    for (int64_t m = 0; m < M; m++)
        for (int64_t row = m * H; row < (m + 1) * H; row++) {
            add_scaled(dwu + row * U, u + m * U, dbeta[row], U);
            if (du)
                add_scaled(du + m * U, wu + row * U, dbeta[row], U);
            db1[row] += dbeta[row];
        }
}

void FR_KERNEL(head_out_forward)(fr_queue *q, void *y_, const void *a_, const void *w2_, const void *b2_, int64_t B,
                                 int64_t M, int64_t H)
{
    (void)q;
    real *y = y_;
    const real *a = a_, *w2 = w2_, *b2 = b2_;
#pragma omp parallel for schedule(static) if (B * M * H > PARALLEL_FROM)
    for (int64_t i = 0; i < B; i++)
        for (int64_t m = 0; m < M; m++)
            y[i * M + m] = b2[m] + dot(a + (i * M + m) * H, w2 + m * H, H);
}

/* da = dy w2;  dw2[m] += sum_i dy a;  db2[m] += sum_i dy */
void FR_KERNEL(head_out_backward)(fr_queue *q, void *da_, void *dw2_, void *db2_, const void *dy_, const void *a_,
                                  const void *w2_, int64_t B, int64_t M, int64_t H)
{
    (void)q;
    real *da = da_, *dw2 = dw2_, *db2 = db2_;
    const real *dy = dy_, *a = a_, *w2 = w2_;
#pragma omp parallel for schedule(static) if (B * M * H > PARALLEL_FROM)
    for (int64_t m = 0; m < M; m++)
        for (int64_t i = 0; i < B; i++) {
            real d = dy[i * M + m], *dai = da + (i * M + m) * H;
            const real *ai = a + (i * M + m) * H;
#pragma omp simd
            for (int64_t h = 0; h < H; h++) {
                dw2[m * H + h] += d * ai[h];
                dai[h] = d * w2[m * H + h];
            }
            db2[m] += d;
        }
}
