/* finerouter/train.h - training of the task classifier and of the quality estimator.
 *
 * A trunk turns prompts into h (B, d) and takes dh back:
 *   frozen: h = cached embedding, through a trainable d x d projection that starts at the identity
 * (encoder.projection), not renormalised top, full: the text encoder itself, its last encoder.top_layers layers or all
 * of it trained with encoder.lr Both trainings own a trunk each, so phase 1 knows nothing of tasks and is reused when
 * only tasks change.
 *
 * Training: AdamW, batches shuffled by (seed, epoch), loss = mean over the batch's observed entries, learning rate as
 * train.schedule, early stopping on dev; the best epoch's parameters are kept. Deterministic: same seed and threads
 * give the same bits, also through a kill and resume: a checkpoint (parameters, moments, step, best snapshot, dev
 * history) is written atomically to `checkpoint` every train.checkpoint_seconds and at fr_interrupt_wanted(), and
 * removed when training has ended. A checkpoint of another config or data (its key differs) is refused with a clear
 * line. The first non-finite loss stops the run and names the first bad tensor. */
#ifndef FINEROUTER_TRAIN_H
#define FINEROUTER_TRAIN_H

#include "finerouter/config.h"
#include "finerouter/dataset.h"
#include "finerouter/status.h"
#include "finerouter/tokenizer.h"

#include <stdint.h>

struct fr_device;
struct fr_h5;

/* What every training reads. */
typedef struct fr_training {
    const fr_config *config;
    const fr_dataset *data;
    struct fr_device *device;
    const float *embedding; /* (N, d) prompt embeddings of the untrained encoder; always there */
    int64_t d;
    const fr_tokens *tokens;    /* prompts' token ids; needed for encoder.train top and full, else NULL */
    const char *encoder_folder; /* resolved; for top and full. A fresh encoder (encoder.init: random) is exported to a
                                   folder first, so this is always one */
} fr_training;

/* ---- classifier ---- */

typedef struct fr_classifier fr_classifier;

/* label (N): task or -1 (Others); role (N): 0 train on it, 1 watch it for early stopping, 2 leave alone. start (T, d):
 * initial task encodings. frozen: train on cached embeddings whatever encoder.train says (out-of-fold classifiers).
 * checkpoint NULL: none. key: 32 hex digits that name what is trained. quiet: no progress. */
FR_NODISCARD fr_status fr_classifier_train(fr_classifier **classifier, const fr_training *training,
                                           const int32_t *label, const uint8_t *role, int64_t T, const float *start,
                                           bool frozen, const char *checkpoint, const char *key, bool quiet);
void fr_classifier_close(fr_classifier *classifier);

/* logits (count, T) for rows of the data set (rows NULL: 0 .. count-1). */
FR_NODISCARD fr_status fr_classifier_logits(fr_classifier *classifier, float *logits, const int64_t *rows,
                                            int64_t count);
/* The same for prompts that are not in the data set: embedding (count, d) of the untrained encoder and, for trained
 * encoders, tokens. */
FR_NODISCARD fr_status fr_classifier_apply(fr_classifier *classifier, float *logits, const float *embedding,
                                           const fr_tokens *tokens, int64_t count);

/* Out of fold: every training row's logits come from a frozen classifier that was trained without it (stage1.folds
 * folds by seed, texts that are equal together); the other rows' logits are left NaN. logits (N, T). */
FR_NODISCARD fr_status fr_classifier_out_of_fold(float *logits, const fr_training *training, const int32_t *label,
                                                 int64_t T, const float *start, bool quiet);

/* Parameters under /classifier/<name> of an open file, and back (training gives config, device, encoder folder). */
FR_NODISCARD fr_status fr_classifier_save(const fr_classifier *classifier, struct fr_h5 *file);
FR_NODISCARD fr_status fr_classifier_restore(fr_classifier **classifier, const fr_training *training, int64_t T,
                                             struct fr_h5 *file);

/* ---- quality estimator ---- */

typedef struct fr_estimator fr_estimator;

/* Phase 1: trunk + LLM embeddings + general heads on all training prompts. */
FR_NODISCARD fr_status fr_estimator_train(fr_estimator **estimator, const fr_training *training, const char *checkpoint,
                                          const char *key);
void fr_estimator_close(fr_estimator *estimator);

/* Phase 2: a head per (task, candidate), encoder and LLM embeddings frozen. assignment (N): task of every prompt by the
 * trained classifier, -1 none; candidates (T, M). The trunk's output is computed once. dev prompts assigned to a task
 * watch its heads. */
FR_NODISCARD fr_status fr_estimator_train_tasks(fr_estimator *estimator, const fr_training *training,
                                                const int32_t *assignment, const uint8_t *candidates, int64_t T,
                                                const char *checkpoint, const char *key);

/* h (count, d): trunk output for rows of the data set. */
FR_NODISCARD fr_status fr_estimator_hidden(fr_estimator *estimator, float *h, const int64_t *rows, int64_t count);
FR_NODISCARD fr_status fr_estimator_hidden_apply(fr_estimator *estimator, float *h, const float *embedding,
                                                 const fr_tokens *tokens, int64_t count);

/* Quality estimates (count, M) from h (count, d). assignment NULL or -1: general heads; else the task's heads for its
 * candidates and general heads for the rest. */
FR_NODISCARD fr_status fr_estimator_apply(fr_estimator *estimator, float *estimate, const float *h,
                                          const int32_t *assignment, int64_t count);

FR_NODISCARD fr_status fr_estimator_save(const fr_estimator *estimator,
                                         struct fr_h5 *file); /* /estimator/<name>: trunk, u, general heads */
FR_NODISCARD fr_status fr_estimator_save_tasks(const fr_estimator *estimator,
                                               struct fr_h5 *file); /* /task_heads/<t>/<name> */
FR_NODISCARD fr_status fr_estimator_restore(fr_estimator **estimator, const fr_training *training, struct fr_h5 *file);
FR_NODISCARD fr_status fr_estimator_restore_tasks(fr_estimator *estimator, const fr_training *training,
                                                  const uint8_t *candidates, int64_t T, struct fr_h5 *file);

/* Exports a trained encoder (top, full) as a sentence-transformers folder; FR_USAGE when it is frozen. */
FR_NODISCARD fr_status fr_estimator_export(const fr_estimator *estimator, const fr_training *training,
                                           const char *folder);

#endif
