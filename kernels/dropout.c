/* Dropout. Element e (global index) takes word e % 4 of Philox counter e / 4, so slices of a batch draw what the whole
 * draws. */
#include "common.h"
#include "philox.h"

enum { GROUPS = 64 }; /* counters drawn at a time */

/* Elements e0 .. e1-1 of the global numbering, at most 4 GROUPS of them after aligning down; y and x point at element
 * e0. */
static void drop(real *y, const real *x, int64_t e0, int64_t e1, uint32_t threshold, real scale, uint64_t seed,
                 uint64_t stream)
{
    uint32_t words[4 * GROUPS];
    int64_t group = e0 / 4, skip = e0 % 4;
    philox_words(words, seed, stream, (uint64_t)group, (e1 - 1) / 4 - group + 1);
    const uint32_t *word = words + skip;
#pragma omp simd
    for (int64_t i = 0; i < e1 - e0; i++) {
        real keep = word[i] >= threshold ? scale : 0;
        y[i] = x[i] * keep;
    }
}

void FR_KERNEL(dropout)(fr_queue *q, void *y_, const void *x_, int64_t n, double p, uint64_t seed, uint64_t stream,
                        int64_t first)
{
    (void)q;
    real *y = y_;
    const real *x = x_;
    uint32_t threshold = philox_threshold(p);
    real scale = (real)(p < 1 ? 1 / (1 - p) : 0);
    int64_t block0 = first / (4 * GROUPS), blocks = n > 0 ? (first + n - 1) / (4 * GROUPS) - block0 + 1 : 0;
#pragma omp parallel for schedule(static) if (n > PARALLEL_FROM)
    for (int64_t block = 0; block < blocks; block++) {
        int64_t e0 = (block0 + block) * 4 * GROUPS, e1 = smaller(e0 + 4 * GROUPS, first + n);
        if (e0 < first)
            e0 = first;
        drop(y + (e0 - first), x + (e0 - first), e0, e1, threshold, scale, seed, stream);
    }
}
