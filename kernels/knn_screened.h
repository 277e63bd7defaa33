/* knn_screened.h - exact nearest neighbours with a cheap test first: integer products of rounded rows bound each score
 * from above, and only pairs whose bound reaches a threshold are scored in f32. */
#ifndef FR_KERNELS_KNN_SCREENED_H
#define FR_KERNELS_KNN_SCREENED_H

#include "kernels.h"

/* As kernels.h's knn; progress as fr_knn's. Where the queries begin with the corpus (the same memory, nq >= nc), each
 * pair of the corpus is computed once. d to KNN_SCREENED_D. Of several parts each gives the best of its pairs, and the
 * best of those are the answer. The answer depends on the data alone: a score is one f32
 * sum in one order, wherever it is computed, and the order of visits only decides which are left out. */
typedef struct fr_knn_job {
    float *value;   /* (nq,k) */
    int32_t *index; /* (nq,k) */
    const float *queries, *corpus;
    int64_t nq, nc, d, k;
    const int32_t *skip; /* (nq) or NULL */
    bool (*progress)(void *context, int64_t rows);
    void *context;
    int64_t part, parts; /* which of how many parts of the pairs; 0 of 1: all of them */
    int64_t threads;     /* of a part; the same for all, since blocks are cut by it */
    /* Called by all parts at the same times, NULL for a single one: makes the lists the best of all parts so far, so
     * that each leaves out what another's candidates beat. `more`: this part's progress goes on. False: one's does not,
     * and all stop. */
    bool (*exchange)(void *context, bool more);
    void *exchange_context;
} fr_knn_job;

enum { KNN_SCREENED_D = 4096 };

/* False: `progress` stopped it. These exist for f32 with AVX2 (src/device/tables.h picks). */
typedef bool fr_knn_screened(const fr_knn_job *job);
fr_knn_screened fr_knn_screened_f32_v3, fr_knn_screened_f32_v4;

#endif
