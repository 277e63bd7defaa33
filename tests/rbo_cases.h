/* rbo_cases.h - random preference lists. */
#ifndef FR_TEST_RBO_CASES_H
#define FR_TEST_RBO_CASES_H

#include "test.h"

#include "base/memory.h"
#include "base/rng.h"

/* Lists of n prompts over M models. levels: distinct scores (0: no ties); missing: share not ranked. */
static inline void random_lists(int16_t *top, int16_t *bottom, int64_t n, int64_t M, int64_t levels, double missing)
{
    uint64_t stream = fr_stream("lists", (uint64_t)M, (uint64_t)levels);
    double *score = FR_NEW(double, M);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t m = 0; m < M; m++) {
            uint64_t index = (uint64_t)(2 * (i * M + m));
            bool absent = fr_rng_uniform(7, stream, index + 1) < missing;
            double u = fr_rng_uniform(7, stream, index);
            score[m] = absent ? NAN : levels ? floor(u * (double)levels) : u;
        }
        for (int64_t m = 0; m < M; m++) {
            int16_t before = 0, level = 0;
            for (int64_t j = 0; j < M; j++) {
                before += score[j] > score[m];
                level += score[j] == score[m];
            }
            top[i * M + m] = (int16_t)(isnan(score[m]) ? 0 : before + 1);
            bottom[i * M + m] = (int16_t)(isnan(score[m]) ? 0 : before + level);
        }
    }
    free(score);
}

#endif
