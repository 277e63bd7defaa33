/* Losses and their gradients. Loss terms are added in f64: per row or chunk, then in order. */
#include "common.h"
#include "realmath.h"

/* All labels 0:  -log sigmoid(-l) = max(l, 0) + log(1 + e^-|l|),  gradient sigmoid(l).
 * Returns the sum; gradient may be NULL. */
static double negatives(real *gradient, const real *l, int64_t T, real scale)
{
    double sum = 0;
    if (gradient) {
#pragma omp simd
        for (int64_t t = 0; t < T; t++) {
            real e = real_exp(-real_abs(l[t]));
            gradient[t] = scale * ((l[t] >= 0 ? 1 : e) / (1 + e));
        }
    }
#pragma omp simd reduction(+ : sum)
    for (int64_t t = 0; t < T; t++)
        sum += (double)((l[t] > 0 ? l[t] : l[t] * 0) + real_log1p(real_exp(-real_abs(l[t]))));
    return sum;
}

void FR_KERNEL(bce)(fr_queue *q, double *loss, void *dlogits_, const void *logits_, const int32_t *label,
                    const float *pos_weight, int64_t B, int64_t T, double scale)
{
    (void)q;
    const real *logits = logits_;
    double *part = scratch_new(B, sizeof(double));
#pragma omp parallel for schedule(static) if (B * T > PARALLEL_FROM / 4)
    for (int64_t i = 0; i < B; i++) {
        const real *l = logits + i * T;
        real *gradient = dlogits_ ? (real *)dlogits_ + i * T : NULL;
        double sum = negatives(gradient, l, T, (real)scale);
        int32_t t = label[i];
        if (t >= 0) { /* replace that one term: the positive has -w log sigmoid(l), gradient -w sigmoid(-l) */
            real tail = real_log1p(real_exp(-real_abs(l[t])));
            real weight = (real)pos_weight[t], e = real_exp(-real_abs(l[t]));
            sum -= (double)((l[t] > 0 ? l[t] : 0) + tail);
            sum += (double)(weight * ((l[t] < 0 ? -l[t] : 0) + tail));
            if (gradient)
                gradient[t] = -weight * (real)scale * ((l[t] >= 0 ? e : 1) / (1 + e));
        }
        part[i] = sum;
    }
    double total = 0;
    for (int64_t i = 0; i < B; i++)
        total += part[i];
    *loss += scale * total;
    free(part);
}

void FR_KERNEL(mse)(fr_queue *q, double *loss, void *dy_, const void *y_, const float *target, int64_t n, double scale)
{
    (void)q;
    real *dy = dy_;
    const real *y = y_;
    int64_t each = 4096, chunks = (n + each - 1) / each;
    double *part = scratch_new(chunks, sizeof(double));
#pragma omp parallel for schedule(static) if (n > PARALLEL_FROM)
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        double sum = 0;
        for (int64_t i = chunk * each; i < smaller(n, (chunk + 1) * each); i++) {
            bool seen = target[i] == target[i]; /* NaN: not observed */
            real difference = seen ? y[i] - (real)target[i] : 0;
            sum += (double)difference * (double)difference;
            if (dy)
                dy[i] = 2 * (real)scale * difference;
        }
        part[chunk] = sum;
    }
    double total = 0;
    for (int64_t chunk = 0; chunk < chunks; chunk++)
        total += part[chunk];
    *loss += scale * total;
    free(part);
}
