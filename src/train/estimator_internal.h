/* estimator_internal.h - what estimator.c (phase 1, inference, files) and task_heads.c (phase 2) share. */
#ifndef FR_TRAIN_ESTIMATOR_INTERNAL_H
#define FR_TRAIN_ESTIMATOR_INTERNAL_H

#include "finerouter/train.h"
#include "loop.h"
#include "nn/heads.h"
#include "trunk.h"

/* Heads of one task: a parameter list of its own, so that its training is a regression of its own. */
typedef struct fr_task_heads {
    fr_params params;  /* "llm_embedding", a frozen copy, then the heads */
    fr_heads *heads;   /* NULL: no candidates */
    int64_t count;     /* candidates */
    int64_t *model;    /* (count) */
    int64_t most_rows; /* of one forward */
} fr_task_heads;

struct fr_estimator {
    fr_training training;
    int64_t M, T, most_rows; /* most_rows: of one slice */
    fr_params params;
    fr_trunk *trunk;
    int64_t u; /* index of "llm_embedding" (M, U) in params */
    fr_heads *general;
    fr_task_heads *task; /* (T) */

    fr_arena *arena;
    fr_tensor x, y, dy,
        target; /* (most_rows, d) input of heads on host embeddings; (most_rows, M) twice; (most_rows, M) f32 */
    float *host_x, *host_y; /* (most_rows, d), (most_rows, M) */

    /* while phase 1 trains */
    int64_t *dev; /* (dev_count) */
    int64_t dev_count;
    double pull;     /* c of the ridge penalty c/2 |w|^2 */
    float *estimate; /* (dev_count, M) */
};

fr_heads_shape fr_estimator_heads_shape(const fr_estimator *estimator, int64_t heads);
fr_optimizer fr_estimator_optimizer(const fr_config *config, double lr);

/* Mean squared error over observed entries of estimate (count, M) against the quality of `rows`, and the mean quality
 * of the best-estimated model. NaN where nothing is observed. */
fr_measure fr_estimator_measure(const float *estimate, const fr_dataset *data, const int64_t *rows, int64_t count);

/* Mean quality of every model over the training split (M), malloc'd. */
double *fr_training_means(const fr_dataset *data);

/* Heads for every (task, candidate), values zero; closes what was there. candidates (T, M). */
void fr_task_heads_open(fr_estimator *estimator, const uint8_t *candidates, int64_t T, bool trainable);
void fr_task_heads_settle(fr_estimator *estimator); /* drops gradients and moments when training has ended */
void fr_task_heads_close(fr_estimator *estimator);

/* A tensor (rows, columns) over the beginning of `buffer`. */
fr_tensor fr_estimator_shaped(fr_tensor buffer, int64_t rows, int64_t columns);
/* h (?, d) of `count` rows on the device. */
fr_tensor fr_estimator_input(fr_estimator *estimator, const float *h, const int64_t *rows, int64_t count);

/* Overwrites estimates of the candidates of t for `count` rows of h (?, d) at `rows`: estimate (?, M), same numbering.
 */
void fr_task_heads_apply(fr_estimator *estimator, int64_t t, float *estimate, const float *h, const int64_t *rows,
                         int64_t count);

#endif
