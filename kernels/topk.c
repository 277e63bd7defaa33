/* Running top-k per row. Most candidates lose against the row's k-th value: a block of them is compared at once and
 * skipped. */
#include "common.h"
#include "topk_insert.h"

enum { BLOCK = 64 };

static bool any_reaches(const float *scores, int64_t n, float least)
{
    int any = 0;
#pragma omp simd reduction(| : any)
    for (int64_t j = 0; j < n; j++)
        any |= scores[j] >= least;
    return any != 0;
}

void FR_KERNEL(topk_merge)(fr_queue *q, float *value, int32_t *index, const float *scores, int64_t rows, int64_t n,
                           int64_t stride, int64_t first, int64_t k, const int32_t *skip)
{
    (void)q;
#pragma omp parallel for schedule(static) if (rows * n > PARALLEL_FROM)
    for (int64_t r = 0; r < rows; r++) {
        float *v = value + r * k;
        int32_t *best = index + r * k;
        for (int64_t j0 = 0; j0 < n; j0 += BLOCK) {
            const float *s = scores + r * stride + j0;
            int64_t count = smaller(BLOCK, n - j0);
            if (!any_reaches(s, count, v[k - 1]))
                continue;
            for (int64_t j = 0; j < count; j++)
                if (s[j] >= v[k - 1] && !(skip && skip[r] == first + j0 + j))
                    topk_insert(v, best, k, s[j], (int32_t)(first + j0 + j));
        }
    }
}
