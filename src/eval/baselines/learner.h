/* learner.h - what the baselines that learn by gradient descent share.
 *
 * A baseline declares its parameters, says what a step does to a batch of prompts and how prompts are scored; shuffled
 * batches, Adam, early stopping by the routing of the dev split, and the scores of all prompts are the learner's.
 * Matrix products run on the device; losses over a batch's (B, M) scores are plain C on the host.
 *
 *     fr_learner l;
 *     fr_learner_begin(&l, input, "mlp", batch);
 *     ... fr_params_add(&l.params, ...)
 *     fr_learner_commit(&l);            parameters, embeddings and the batch's room are on the device
 *     ... initial values
 *     status = fr_learner_fit(&l, &how);
 *     if (status == FR_OK) fr_learner_scores(&l, &how, scores);
 *     fr_learner_close(&l);
 *
 * Where nothing else is to be done, the first half of that is a function `open` and fr_learned_score does the rest, so
 * that tests can look at the gradient of a single step. */
#ifndef FR_EVAL_LEARNER_H
#define FR_EVAL_LEARNER_H

#include "eval/internal.h"
#include "nn/params.h"
#include "ops/ops.h"

typedef struct fr_learner {
    const fr_eval_input *input;
    const fr_dataset *data;
    fr_device *device;
    const char *name;
    int64_t N, M, d, batch;
    fr_params params;
    fr_arena *arena;
    fr_tensor embedding; /* (N, d) unit rows */
    fr_tensor rows, x;   /* (batch) I64, (batch, d): the batch */
    int64_t *train, trains, *dev, devs;
    double *cost; /* (M) expected */
    double *host; /* (batch, M) to and from the device */
} fr_learner;

/* How one baseline learns. The callbacks get `model`. */
typedef struct fr_learning {
    char setting[96];     /* for people: fr_scores.setting */
    double lr, l2, decay; /* l2 is added to the gradient (Adam), decay is decoupled (AdamW) of parameters declared so */
    int64_t epochs, patience;
    void *model;
    /* Adds the gradient of the mean loss over these rows of the data to the parameters' and returns that loss. Random
     * draws are keyed by `step`. */
    double (*step)(void *model, const int64_t *rows, int64_t count, int64_t step);
    /* score (count, M) of these rows. */
    void (*score)(void *model, float *score, const int64_t *rows, int64_t count);
    /* Before dev is scored and after the fit, when scoring needs more than parameters; or NULL. */
    void (*prepare)(void *model);
} fr_learning;

/* batch: most rows a step or a call of `score` gets; smaller where the data is. */
void fr_learner_begin(fr_learner *learner, const fr_eval_input *input, const char *name, int64_t batch);
void fr_learner_commit(fr_learner *learner);
void fr_learner_close(fr_learner *learner);

/* x (count, d) of these rows; valid until the next call. */
fr_tensor fr_learner_batch(fr_learner *learner, const int64_t *rows, int64_t count);

/* x += N(0, deviation) drawn by (seed, step); for input noise. Deviation 0: nothing. */
void fr_learner_noise(fr_learner *learner, fr_tensor x, double deviation, int64_t step);

FR_NODISCARD fr_status fr_learner_fit(fr_learner *learner, const fr_learning *how);

/* Scores of every prompt by the parameters that dev liked best; begins `scores`. */
void fr_learner_scores(fr_learner *learner, const fr_learning *how, fr_scores *scores);

/* A linear layer's start as torch.nn.Linear has it: uniform in +-1/sqrt(in), weight (out, in) and bias (or NULL). */
void fr_learner_init_linear(fr_learner *learner, const char *weight, const char *bias);

/* A router as its own file gives it: `open` runs fr_learner_begin to initial values and fills `how`, whose model
 * `close` frees (before fr_learner_close). */
typedef struct fr_learned {
    void (*open)(fr_learner *learner, fr_learning *how, const fr_eval_input *input);
    void (*close)(void *model);
} fr_learned;
extern const fr_learned fr_learned_mlp, fr_learned_mirt, fr_learned_embedllm_mf, fr_learned_routellm_mf;

/* Opens, fits, scores and closes; fills an all-zero struct. */
FR_NODISCARD fr_status fr_learned_score(fr_scores *scores, const fr_eval_input *input, const fr_learned *router);

/* -t log sigmoid(l) - (1 - t) log sigmoid(-l) of a logit l and a target t in [0, 1]; its derivative by l is
 * sigmoid(l) - t. */
double fr_bce_term(double *derivative, double logit, double target);

/* Mean over observed entries of fr_bce_term of logits (count, M) against quality clamped to [0, 1], and its gradient by
 * the logits, which may be in place. 0 where nothing was observed. */
double fr_bce_on_quality(double *gradient, const double *logits, const fr_dataset *data, const int64_t *rows,
                         int64_t count);

/* a[m,k] = r[m,k] v[k] and its backward, dr[m,k] = da[m,k] v[k], dv[k] += sum_m da[m,k] r[m,k], on the host: tables of
 * models are small.  a, r, da, dr (M,K), v, dv (K) in any shape */
void fr_columns_forward(fr_tensor a, fr_tensor r, fr_tensor v);
void fr_columns_backward(fr_tensor dr, fr_tensor dv, fr_tensor da, fr_tensor r, fr_tensor v);

#endif
