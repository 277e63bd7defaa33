/* One vector for each packed sequence: the mean of its tokens, or its first token. An empty sequence gives zeros. */
#include "common.h"

void FR_KERNEL(pool_forward)(fr_queue *q, void *y_, const void *x_, const int32_t *cu, int64_t B, int64_t N, int64_t C,
                             bool cls, bool wide)
{
    (void)q;
    (void)wide; /* the same type */
    const real *x = x_;
#pragma omp parallel for schedule(dynamic, 4) if (N * C > PARALLEL_FROM)
    for (int64_t b = 0; b < B; b++) {
        real *y = (real *)y_ + b * C;
        int64_t begin = cu[b], end = cls ? smaller(cu[b] + 1, cu[b + 1]) : cu[b + 1];
        memset(y, 0, (size_t)C * sizeof(real));
        for (int64_t n = begin; n < end; n++)
            add_row(y, x + n * C, C);
        real factor = end > begin ? 1 / (real)(end - begin) : 0;
#pragma omp simd
        for (int64_t j = 0; j < C; j++)
            y[j] *= factor;
    }
}

void FR_KERNEL(pool_backward)(fr_queue *q, void *dx_, const void *dy_, const int32_t *cu, int64_t B, int64_t N,
                              int64_t C, bool cls, bool wide)
{
    (void)q;
    (void)wide;
    const real *dy = dy_;
#pragma omp parallel for schedule(dynamic, 4) if (N * C > PARALLEL_FROM)
    for (int64_t b = 0; b < B; b++) {
        int64_t length = cu[b + 1] - cu[b];
        for (int64_t n = cu[b]; n < cu[b + 1]; n++) {
            real *dx = (real *)dx_ + n * C;
            real factor = cls ? (n == cu[b] ? 1 : 0) : 1 / (real)length;
#pragma omp simd
            for (int64_t j = 0; j < C; j++)
                dx[j] = dy[b * C + j] * factor;
        }
    }
}
