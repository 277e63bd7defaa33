/* Running top-k per row. Most candidates lose against the row's k-th value: a block of them is compared at once and
 * skipped. */
#include "common.h"

enum { BLOCK = 64 };

/* Better: higher score; equal: smaller index; an unfilled entry (-1) loses to everything. */
static bool better(float score, int32_t candidate, float value, int32_t index)
{
    return index < 0 || score > value || (score == value && candidate < index);
}

static void insert(float *value, int32_t *index, int64_t k, float score, int32_t candidate)
{
    if (!better(score, candidate, value[k - 1], index[k - 1]))
        return;
    int64_t at = k - 1;
    for (; at > 0 && better(score, candidate, value[at - 1], index[at - 1]); at--) {
        value[at] = value[at - 1];
        index[at] = index[at - 1];
    }
    value[at] = score;
    index[at] = candidate;
}

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
                    insert(v, best, k, s[j], (int32_t)(first + j0 + j));
        }
    }
}
