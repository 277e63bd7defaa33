/* loop.h - the training loop that classifier and estimator share: shuffled batches, optimizer, early stopping,
 * checkpoints.
 *
 * Epoch e visits the training rows in the order of a permutation keyed by (seed, e), cut into ceil(n / batch) batches
 * of nearly equal size. After an epoch the dev split is measured; the parameters of the best epoch are kept. Everything
 * that decides is in the checkpoint, and the rest is keyed by step or epoch: a resumed run gives the bits of an
 * uninterrupted one.
 *
 * A shared training is the work of all ranks: each adds the gradient of its part of a batch, the sum over the ranks is
 * what every one of them steps by, and so all hold the same parameters. The sum is the gradient of the whole batch, so
 * the number of ranks moves last bits only, and a checkpoint goes on on any number of them. Others are of the rank
 * alone, whatever the rest does. */
#ifndef FR_TRAIN_LOOP_H
#define FR_TRAIN_LOOP_H

#include "checkpoint.h"
#include "nn/params.h"

/* What dev says after an epoch. */
typedef struct fr_measure {
    double loss;   /* lower is better; NaN: nothing to watch, then the last epoch is kept */
    double routed; /* quality of the routed answers, higher is better; NaN where it does not apply */
} fr_measure;

/* Dev results in the order of the epochs. */
typedef struct fr_history {
    fr_measure *at;
    int64_t count;
    bool by_routed; /* best: highest routed quality as the mean of the last 3 entries (or of all there are), ties by
                       lower loss; else lowest loss */
    int64_t first;  /* entries before this one are no candidates */
} fr_history;

double fr_history_smoothed(const fr_history *history, int64_t index);
int64_t fr_history_best(const fr_history *history); /* -1 while nothing is a candidate; the earliest among equals */
bool fr_history_done(const fr_history *history,
                     int64_t patience); /* patience entries without a better one; 0 = never */

typedef struct fr_fit {
    const char *what; /* "classifier": for progress, log and errors */
    fr_params *params;
    fr_optimizer optimizer; /* steps is filled in by fr_fit_run */
    const int64_t *rows;    /* (n) training rows */
    int64_t n, batch, epochs, patience;
    uint64_t seed;
    bool by_routed;
    const char *checkpoint, *key; /* checkpoint NULL: none */
    double checkpoint_seconds;
    bool quiet;
    bool shared; /* by all ranks: fr_fit_run, step and watch are called together (comm.h) */

    void *model;
    /* Adds the gradient of a batch (gradients are zero before) and adds its loss to the f64 scalar `loss`, without
     * waiting for the device. Every random draw is keyed by `step`. When shared, gets the whole batch and adds this
     * rank's part of both (fr_trunk_share). */
    fr_status (*step)(void *model, const int64_t *rows, int64_t count, int64_t step, fr_tensor loss);
    fr_status (*watch)(void *model, fr_measure *measure);
    const char *(*first_bad)(void *model); /* name of the first activation that is not finite, NULL if all are */
} fr_fit;

/* Runs to the end and leaves the best epoch's parameters in place. FR_INTERRUPTED after a checkpoint when asked to
 * stop; on all ranks at the same step when one of them is. */
FR_NODISCARD fr_status fr_fit_run(fr_fit *fit);

/* Steps of an epoch, and the first row of batch i of them (i = steps: n). */
int64_t fr_fit_steps(int64_t n, int64_t batch);
int64_t fr_fit_first(int64_t n, int64_t steps, int64_t i);

#endif
