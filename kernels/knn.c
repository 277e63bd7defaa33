/* Exact nearest neighbours by inner product, the plain way: every score of a query, a few at a time, into its top-k.
 * src/ops/knn.c does the same through the GEMM where that is faster. */
#include "common.h"

enum { SCORES = 256 }; /* at a time */

static real dot(const float *a, const float *b, int64_t d)
{
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < d; i++)
        sum += (real)a[i] * (real)b[i];
    return sum;
}

void FR_KERNEL(knn)(fr_queue *q, float *value, int32_t *index, const float *queries, const float *corpus, int64_t nq,
                    int64_t nc, int64_t d, int64_t k, const int32_t *skip)
{
    for (int64_t i = 0; i < nq * k; i++) {
        value[i] = -INFINITY;
        index[i] = -1;
    }
#pragma omp parallel for schedule(static) if (nq * nc * d > PARALLEL_FROM)
    for (int64_t i = 0; i < nq; i++) {
        float scores[SCORES];
        for (int64_t first = 0; first < nc; first += SCORES) {
            int64_t n = smaller(SCORES, nc - first);
            for (int64_t j = 0; j < n; j++)
                scores[j] = (float)dot(queries + i * d, corpus + (first + j) * d, d);
            FR_KERNEL(topk_merge)(q, value + i * k, index + i * k, scores, 1, n, n, first, k, skip ? skip + i : NULL);
        }
    }
}
