/* Token embeddings of packed sequences. */
#include "common.h"

#ifdef _OPENMP
#include <omp.h>
#endif

void FR_KERNEL(embedding_forward)(fr_queue *q, void *y_, const void *word_, const void *position_, const void *type_,
                                  const int32_t *ids, const int32_t *cu, int64_t B, int64_t N, int64_t C)
{
    (void)q;
    const real *word = word_, *position = position_, *type = type_;
#pragma omp parallel for schedule(dynamic, 4) if (N * C > PARALLEL_FROM)
    for (int64_t b = 0; b < B; b++)
        for (int64_t n = cu[b]; n < cu[b + 1]; n++) {
            real *y = (real *)y_ + n * C;
            const real *w = word + ids[n] * C, *p = position + (n - cu[b]) * C;
#pragma omp simd
            for (int64_t j = 0; j < C; j++)
                y[j] = w[j] + p[j] + type[j];
        }
}

/* Each thread owns the table rows with row % threads == its number and walks the tokens in order: no row has two
 * writers, and what is added to a row comes in the same order whatever the number of threads. */
void FR_KERNEL(embedding_backward)(fr_queue *q, void *dword_, void *dposition_, void *dtype_, const void *dy_,
                                   const int32_t *ids, const int32_t *cu, int64_t B, int64_t N, int64_t C)
{
    const real *dy = dy_;
    real *dword = dword_, *dposition = dposition_;
#pragma omp parallel if (N * C > PARALLEL_FROM)
    {
#ifdef _OPENMP
        int64_t threads = omp_get_num_threads(), me = omp_get_thread_num();
#else
        int64_t threads = 1, me = 0;
#endif
        for (int64_t b = 0; b < B; b++)
            for (int64_t n = cu[b]; n < cu[b + 1]; n++) {
                int64_t at = n - cu[b];
                if (ids[n] % threads == me)
                    add_row(dword + ids[n] * C, dy + n * C, C);
                if (at % threads == me)
                    add_row(dposition + at * C, dy + n * C, C);
            }
    }
    FR_KERNEL(column_sum)(q, dtype_, dy, N, C);
}
