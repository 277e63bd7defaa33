/* knn_cases.h - nearest neighbours on any device against brute force in f64. */
#ifndef FR_TEST_KNN_CASES_H
#define FR_TEST_KNN_CASES_H

#include "test.h"

#include "base/rng.h"
#include "ops/ops.h"

/* Unit rows; of every 50 rows two are the same, so that ties happen. */
static inline float *unit_rows(int64_t n, int64_t d, uint64_t stream)
{
    float *x = malloc((size_t)(n * d) * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < d; j++) {
            x[i * d + j] = (float)fr_rng_normal(3, stream, (uint64_t)((i % 50 == 7 ? i - 1 : i) * d + j));
            sum += (double)x[i * d + j] * (double)x[i * d + j];
        }
        for (int64_t j = 0; j < d; j++)
            x[i * d + j] *= (float)(1 / sqrt(sum));
    }
    return x;
}

static inline double inner(const float *a, const float *b, int64_t d)
{
    double sum = 0;
    for (int64_t j = 0; j < d; j++)
        sum += (double)a[j] * (double)b[j];
    return sum;
}

/* The answer holds up against brute force in f64: similarities are right, descending, ties by index, nobody better is
 * missing, nobody comes twice, the skipped row is not there. */
static inline void check_row(const int32_t *index, const float *similarity, const float *query, const float *corpus,
                             int64_t nc, int64_t d, int64_t k, int32_t skip)
{
    char *taken = calloc((size_t)nc, 1);
    int64_t filled = 0, possible = nc - (skip >= 0);
    for (; filled < k && index[filled] >= 0; filled++) {
        int32_t c = index[filled];
        assert_true(c < nc && c != skip && !taken[c]);
        taken[c] = 1;
        assert_close(similarity[filled], inner(query, corpus + c * d, d), 2e-6);
        if (filled > 0)
            assert_true(similarity[filled] < similarity[filled - 1] ||
                        (similarity[filled] == similarity[filled - 1] && c > index[filled - 1]));
    }
    assert_int_equal(filled, k < possible ? k : possible);
    for (int64_t i = filled; i < k; i++) {
        assert_int_equal(index[i], -1);
        assert_true(similarity[i] == -INFINITY);
    }
    for (int64_t c = 0; c < nc && filled == k; c++)
        if (!taken[c] && c != skip)
            assert_true(inner(query, corpus + c * d, d) <= similarity[k - 1] + 2e-6);
    free(taken);
}

static inline void check_knn(fr_device *device, int64_t nq, int64_t nc, int64_t d, int64_t k, bool self)
{
    float *corpus = unit_rows(nc, d, 1), *queries = self ? corpus : unit_rows(nq, d, 2);
    int32_t *index = malloc((size_t)(nq * k) * 4), *skip = malloc((size_t)nq * 4);
    float *similarity = malloc((size_t)(nq * k) * 4);
    for (int64_t i = 0; i < nq; i++)
        skip[i] = (int32_t)i;
    assert_true(fr_knn(device, index, similarity, queries, corpus, nq, nc, d, k, self ? skip : NULL, NULL, NULL));
    for (int64_t i = 0; i < nq; i++)
        check_row(index + i * k, similarity + i * k, queries + i * d, corpus, nc, d, k, self ? skip[i] : -1);
    if (!self)
        free(queries);
    free(corpus);
    free(index);
    free(skip);
    free(similarity);
}

#endif
