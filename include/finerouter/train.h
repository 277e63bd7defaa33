/* finerouter/train.h - training of the task classifier and of the quality estimator.
 *
 * A trunk turns prompts into h (B, d):
 *   frozen     h = the cached embedding, through a trainable d x d projection that starts at the identity
 *              (encoder.projection), not renormalised
 *   top, full  h = the text encoder itself, its last encoder.top_layers layers or all of it trained with encoder.lr
 * Classifier and estimator own a trunk each, so phase 1 knows nothing of tasks and is reused when only tasks change.
 *
 * Training: AdamW, batches shuffled by (seed, epoch), loss = mean over the batch's observed entries, learning rate by
 * train.schedule, early stopping on dev; the best epoch's parameters are kept. By `qe.early_stop: routed` an epoch
 * counts with the mean routed quality of itself and the two before it (ties: lower loss), and the parameters kept are
 * those of that epoch, the last of the three. Test prompts are never read.
 *
 * On several ranks (comm.h) all of them call these functions together: each does its part of every batch and of the
 * rows that a trained model is applied to, and all end with the same results (loop.h). A rank that works apart does all
 * of it, and so does every rank in fr_classifier_apply and fr_estimator_hidden_apply.
 *
 * Deterministic: equal seed and threads give equal bits, also through kill and resume: a checkpoint (parameters,
 * moments, step, best epoch's parameters, dev history) is written atomically to `checkpoint` every
 * train.checkpoint_seconds and when fr_interrupt_wanted(), and removed when training has ended. One with another key is
 * refused with a clear line, a damaged one too. The first loss that is not finite stops the run and names the first bad
 * tensor.
 *
 * Errors: FR_FAILED for files, checkpoints and losses that are not finite; FR_INTERRUPTED when asked to stop. On an
 * error nothing is left to close. */
#ifndef FINEROUTER_TRAIN_H
#define FINEROUTER_TRAIN_H

#include "finerouter/config.h"
#include "finerouter/dataset.h"
#include "finerouter/status.h"
#include "finerouter/tokenizer.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fr_device;
struct fr_h5;

/* What every training reads. The struct is copied; what it points to must outlive classifier and estimator. */
typedef struct fr_training {
    const fr_config *config;
    const fr_dataset *data;
    struct fr_device *device;
    const float *embedding; /* (N, d) prompt embeddings of the untrained encoder; always there */
    int64_t d;
    const float *hidden; /* (N, d) fr_estimator_hidden of all prompts where it is known, for phase 2; NULL: computed */
    const fr_tokens *tokens; /* prompts' token ids; for encoder.train top and full, else NULL */
    const char
        *encoder_folder; /* for top and full; a fresh encoder (encoder.init: random) is exported to a folder first */
} fr_training;

/* ---- classifier: logits[i,t] = s h_i^T W e_t + b_t ---- */

typedef struct fr_classifier fr_classifier;

/* label (N): task, or -1 (Others: an all-zero row of the multi-label cross-entropy).
 * role (N): 0 train on it, 1 watch it for early stopping, 2 leave alone.
 * start (T, d): where the task encodings e start. T may be 0: nothing is trained.
 * frozen: train on cached embeddings whatever encoder.train says (out-of-fold classifiers).
 * checkpoint NULL: none. key: 32 hex digits that name what is trained. quiet: no progress. */
FR_NODISCARD fr_status fr_classifier_train(fr_classifier **classifier, const fr_training *training,
                                           const int32_t *label, const uint8_t *role, int64_t T, const float *start,
                                           bool frozen, const char *checkpoint, const char *key, bool quiet);
void fr_classifier_close(fr_classifier *classifier); /* accepts NULL */

/* logits (count, T) for rows of the data set (rows NULL: 0 .. count-1). */
FR_NODISCARD fr_status fr_classifier_logits(fr_classifier *classifier, float *logits, const int64_t *rows,
                                            int64_t count);
/* The same for prompts outside the data set: embedding (count, d) of the untrained encoder; tokens for trained
 * encoders. */
FR_NODISCARD fr_status fr_classifier_apply(fr_classifier *classifier, float *logits, const float *embedding,
                                           const fr_tokens *tokens, int64_t count);

/* Deals prompts into folds: fold (N) of every training prompt, with `dev` of every dev prompt too, else -1. Equal texts
 * stay together. Seeded. */
void fr_deal_folds(int64_t *fold, const fr_dataset *data, bool dev, int64_t folds, uint64_t seed);

/* Out of fold: every training row's logits come from a frozen classifier that was trained without it (stage1.folds
 * folds by seed, equal texts together; dev rows watch with their labels); other rows' logits are NaN. logits (N, T).
 * Costs stage1.folds trainings. */
FR_NODISCARD fr_status fr_classifier_out_of_fold(float *logits, const fr_training *training, const int32_t *label,
                                                 int64_t T, const float *start, bool quiet);

/* Parameters under /classifier/<name> of an open file, and back; a missing or wrong-shaped one is an error. */
FR_NODISCARD fr_status fr_classifier_save(const fr_classifier *classifier, struct fr_h5 *file);
FR_NODISCARD fr_status fr_classifier_restore(fr_classifier **classifier, const fr_training *training, int64_t T,
                                             struct fr_h5 *file);

/* ---- quality estimator: a head per model, and per (task, candidate), on [h; u_m] ---- */

typedef struct fr_estimator fr_estimator;

/* Phase 1: trunk, LLM embeddings u and general heads on all training prompts. */
FR_NODISCARD fr_status fr_estimator_train(fr_estimator **estimator, const fr_training *training, const char *checkpoint,
                                          const char *key);
void fr_estimator_close(fr_estimator *estimator); /* accepts NULL */

/* Phase 2: a head per (task, candidate); trunk and u are frozen, h is computed once. assignment (N): task of every
 * prompt by the trained classifier, -1 none; candidates (T, M) 0/1. Each task trains on its own; the number of epochs,
 * from 0 (heads as they start) to qe.task_epochs, is chosen once, on all dev prompts that have a task. Replaces the
 * task heads that were there; after an error there are none. */
FR_NODISCARD fr_status fr_estimator_train_tasks(fr_estimator *estimator, const fr_training *training,
                                                const int32_t *assignment, const uint8_t *candidates, int64_t T,
                                                const char *checkpoint, const char *key);

/* h (count, d): trunk output for rows of the data set (NULL: 0 .. count-1), and for prompts outside it. */
FR_NODISCARD fr_status fr_estimator_hidden(fr_estimator *estimator, float *h, const int64_t *rows, int64_t count);
FR_NODISCARD fr_status fr_estimator_hidden_apply(fr_estimator *estimator, float *h, const float *embedding,
                                                 const fr_tokens *tokens, int64_t count);

/* Quality estimates (count, M) from h (count, d). assignment NULL or -1: general heads; else the task's heads for its
 * candidates and general heads for the rest. */
FR_NODISCARD fr_status fr_estimator_apply(fr_estimator *estimator, float *estimate, const float *h,
                                          const int32_t *assignment, int64_t count);

/* /estimator/<name>: trunk, u, general heads; /task_heads/<t>/<name>: heads of task t, rows in the order of its
 * candidates. */
FR_NODISCARD fr_status fr_estimator_save(const fr_estimator *estimator, struct fr_h5 *file);
FR_NODISCARD fr_status fr_estimator_save_tasks(const fr_estimator *estimator, struct fr_h5 *file);
FR_NODISCARD fr_status fr_estimator_restore(fr_estimator **estimator, const fr_training *training, struct fr_h5 *file);
FR_NODISCARD fr_status fr_estimator_restore_tasks(fr_estimator *estimator, const fr_training *training,
                                                  const uint8_t *candidates, int64_t T, struct fr_h5 *file);

/* Exports a trained encoder (top, full) as a sentence-transformers folder; FR_USAGE when it is frozen. */
FR_NODISCARD fr_status fr_estimator_export(const fr_estimator *estimator, const fr_training *training,
                                           const char *folder);

#ifdef __cplusplus
}
#endif
#endif
