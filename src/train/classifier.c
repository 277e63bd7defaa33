/* classifier.c - the task classifier: logits = matcher(trunk(x)), trained by multi-label cross-entropy.
 *
 *   loss = 1 / (B T) sum_it -(p_t y_it log sigmoid(l_it) + (1 - y_it) log sigmoid(-l_it)),   y_it = (label_i == t), p_t
 * = clip(negatives_t / positives_t, 1, cap)
 *
 * Prompts of no task (label -1) are all-zero rows. The matcher starts with scale s = 10 and bias b = -5: embeddings are
 * unit rows with cosines between about .2 and 1, so a prompt on its task's centre starts at l = 5, one that has nothing
 * to do with it at -3, and gradients are of use from the first step. */
#include "base/memory.h"
#include "base/rng.h"
#include "comm/comm.h"
#include "finerouter/log.h"
#include "finerouter/train.h"
#include "loop.h"
#include "model_file.h"
#include "nn/matcher.h"
#include "ops/ops.h"
#include "trunk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double start_scale = 10, start_bias = -5;

struct fr_classifier {
    fr_training training;
    int64_t T, most_rows; /* most_rows: of one slice */
    fr_params params;
    fr_trunk *trunk;
    fr_matcher *matcher;
    fr_arena *arena;
    fr_tensor logits, dlogits, label, pos_weight; /* (most_rows, T) twice, (most_rows) i32, (T) f32 */
    float *host_logits;                           /* (most_rows, T) */

    /* while training */
    const int32_t *row_label; /* (N) */
    int64_t *dev;             /* (dev_count) rows that are watched */
    int64_t dev_count;
    int32_t *slice_label; /* (most_rows) */
};

static void layout(fr_classifier *c)
{
    fr_dtype wide = c->params.device->wide;
    c->logits = fr_arena_tensor(c->arena, wide, FR_SHAPE(c->most_rows, c->T));
    c->dlogits = fr_arena_tensor(c->arena, wide, FR_SHAPE(c->most_rows, c->T));
    c->label = fr_arena_tensor(c->arena, FR_I32, FR_SHAPE(c->most_rows));
    c->pos_weight = fr_arena_tensor(c->arena, FR_F32, FR_SHAPE(c->T));
}

static fr_status create(fr_classifier **classifier, const fr_training *training, int64_t T, bool frozen, bool trainable)
{
    fr_classifier *c = FR_NEW(fr_classifier, 1);
    c->training = *training;
    c->T = T;
    c->most_rows = training->config->classifier.batch < 256 ? 256 : training->config->classifier.batch;
    if (c->most_rows > training->data->N)
        c->most_rows = training->data->N;
    *classifier = c;
    if (T == 0)
        return FR_OK;
    fr_params_create(&c->params, training->device);
    fr_status status = fr_trunk_create(&c->trunk, &c->params, &c->training, frozen, trainable, c->most_rows);
    if (status != FR_OK) {
        fr_classifier_close(c);
        *classifier = NULL;
        return status;
    }
    c->matcher = fr_matcher_create(&c->params, "matcher.", T, training->d, c->most_rows);
    fr_params_commit(&c->params);
    fr_trunk_commit(c->trunk);
    fr_matcher_commit(c->matcher);
    c->arena = fr_arena_create(training->device);
    layout(c);
    fr_arena_commit(c->arena);
    layout(c);
    c->host_logits = FR_NEW(float, c->most_rows *T);
    c->slice_label = FR_NEW(int32_t, c->most_rows);
    return FR_OK;
}

void fr_classifier_close(fr_classifier *c)
{
    if (!c)
        return;
    fr_matcher_close(c->matcher);
    fr_trunk_close(c->trunk);
    fr_arena_close(c->arena);
    fr_params_close(&c->params);
    free(c->host_logits);
    free(c->slice_label);
    free(c->dev);
    free(c);
}

/* ---- inference ---- */

typedef struct logit_sink {
    fr_classifier *classifier;
    float *logits; /* (count, T) */
} logit_sink;

static void take_logits(void *context, fr_tensor h, const int64_t *place, int64_t count)
{
    logit_sink *sink = context;
    fr_classifier *c = sink->classifier;
    fr_tensor logits = fr_tensor_rows(c->logits, 0, count);
    fr_matcher_forward(c->matcher, logits, h, (fr_dropout_key){0});
    fr_tensor_get(logits, c->host_logits);
    for (int64_t i = 0; i < count; i++)
        memcpy(sink->logits + place[i] * c->T, c->host_logits + i * c->T, (size_t)c->T * sizeof(float));
}

fr_status fr_classifier_logits(fr_classifier *c, float *logits, const int64_t *rows, int64_t count)
{
    if (c->T == 0)
        return FR_OK;
    fr_prompts prompts = {c->training.embedding, c->training.tokens};
    logit_sink sink = {c, logits};
    return fr_trunk_apply_shared(c->trunk, &prompts, rows, count, take_logits, &sink, logits, c->T);
}

fr_status fr_classifier_apply(fr_classifier *c, float *logits, const float *embedding, const fr_tokens *tokens,
                              int64_t count)
{
    if (c->T == 0)
        return FR_OK;
    fr_prompts prompts = {embedding, tokens};
    return fr_trunk_apply(c->trunk, &prompts, NULL, count, take_logits, &(logit_sink){c, logits});
}

/* ---- training ---- */

static void set_labels(fr_classifier *c, const int64_t *rows, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        c->slice_label[i] = c->row_label[rows[i]];
    fr_tensor_set_raw(fr_tensor_rows(c->label, 0, count), c->slice_label);
}

static fr_status step(void *model, const int64_t *rows, int64_t count, int64_t step_number, fr_tensor loss)
{
    fr_classifier *c = model;
    const fr_config *config = c->training.config;
    fr_prompts prompts = {c->training.embedding, c->training.tokens};
    uint64_t seed = (uint64_t)config->top.seed;
    fr_encoder_randomness inside = {config->encoder.dropout, seed, (uint64_t)step_number, 0};
    fr_dropout_key key = {config->classifier.dropout, seed, fr_stream("classifier dropout", (uint64_t)step_number, 0),
                          0};
    double scale = 1 / ((double)count * (double)c->T);
    fr_share share = fr_trunk_share(c->trunk, &prompts, rows, count);
    inside.first_token = share.first_token;
    key.first = share.first;
    rows += share.first;
    for (int64_t done = 0, taken, tokens; done < share.count;
         done += taken, inside.first_token += tokens, key.first += taken) {
        taken = fr_trunk_slice(c->trunk, &prompts, rows + done, share.count - done, &tokens);
        fr_tensor h = fr_trunk_forward(c->trunk, &prompts, rows + done, taken, inside),
                  dh = fr_trunk_dh(c->trunk, taken);
        fr_tensor logits = fr_tensor_rows(c->logits, 0, taken), dlogits = fr_tensor_rows(c->dlogits, 0, taken);
        fr_matcher_forward(c->matcher, logits, h, key);
        set_labels(c, rows + done, taken);
        fr_bce_add(loss, dlogits, logits, fr_tensor_rows(c->label, 0, taken), c->pos_weight, scale);
        fr_matcher_backward(c->matcher, dh, dlogits, h);
        fr_trunk_backward(c->trunk, dh);
    }
    return FR_OK;
}

typedef struct dev_sum {
    fr_classifier *classifier;
    double loss;
} dev_sum;

static void take_loss(void *context, fr_tensor h, const int64_t *place, int64_t count)
{
    dev_sum *sum = context;
    fr_classifier *c = sum->classifier;
    fr_tensor logits = fr_tensor_rows(c->logits, 0, count);
    fr_matcher_forward(c->matcher, logits, h, (fr_dropout_key){0});
    for (int64_t i = 0; i < count; i++)
        c->slice_label[i] = c->row_label[c->dev[place[i]]];
    fr_tensor label = fr_tensor_rows(c->label, 0, count);
    fr_tensor_set_raw(label, c->slice_label);
    sum->loss += fr_bce(FR_NONE, logits, label, c->pos_weight, 1 / ((double)c->dev_count * (double)c->T));
}

static fr_status watch(void *model, fr_measure *measure)
{
    fr_classifier *c = model;
    if (c->dev_count == 0)
        return FR_OK;
    fr_prompts prompts = {c->training.embedding, c->training.tokens};
    dev_sum sum = {c, 0};
    FR_TRY(fr_trunk_apply_shared(c->trunk, &prompts, c->dev, c->dev_count, take_loss, &sum, NULL, 0));
    fr_comm_sum(&sum.loss, 1, FR_F64);
    measure->loss = sum.loss;
    return FR_OK;
}

static const char *first_bad(void *model)
{
    const fr_classifier *c = model;
    const char *name = fr_trunk_first_bad(c->trunk);
    return name ? name : fr_find_nonfinite(c->logits) >= 0 ? "logits" : NULL;
}

/* p_t = clip(negatives / positives, 1, cap), or the number given. */
static void set_pos_weight(fr_classifier *c, const int64_t *rows, int64_t count)
{
    const fr_config *config = c->training.config;
    float *weight = FR_NEW(float, c->T);
    for (int64_t i = 0; i < count; i++)
        if (c->row_label[rows[i]] >= 0)
            weight[c->row_label[rows[i]]]++;
    for (int64_t t = 0; t < c->T; t++) {
        double positives = weight[t], cap = config->classifier.pos_weight_cap;
        double ratio = positives > 0 ? ((double)count - positives) / positives : cap;
        weight[t] = (float)(isnan(config->classifier.pos_weight) ? ratio < 1     ? 1
                                                                   : ratio > cap ? cap
                                                                                 : ratio
                                                                 : config->classifier.pos_weight);
    }
    fr_tensor_set(c->pos_weight, weight);
    free(weight);
}

static fr_fit plan(fr_classifier *c, const int64_t *rows, int64_t n)
{
    const fr_config *config = c->training.config;
    fr_optimizer optimizer = {.lr = {config->classifier.lr, config->encoder.lr},
                              .decay = config->classifier.weight_decay,
                              .beta1 = config->train.beta1,
                              .beta2 = config->train.beta2,
                              .epsilon = config->train.epsilon,
                              .clip = config->train.clip,
                              .schedule = config->train.schedule,
                              .warmup = config->train.warmup};
    return (fr_fit){.what = "classifier",
                    .params = &c->params,
                    .optimizer = optimizer,
                    .rows = rows,
                    .n = n,
                    .batch = config->classifier.batch,
                    .epochs = config->classifier.epochs,
                    .patience = config->classifier.patience,
                    .seed = (uint64_t)config->top.seed,
                    .shared = true,
                    .checkpoint_seconds = config->train.checkpoint_seconds,
                    .model = c,
                    .step = step,
                    .watch = watch,
                    .first_bad = first_bad};
}

static fr_status train(fr_classifier *c, const uint8_t *role, const float *start, const char *checkpoint,
                       const char *key, bool quiet)
{
    int64_t N = c->training.data->N, n = 0;
    int64_t *rows = FR_NEW(int64_t, N);
    c->dev = FR_NEW(int64_t, N);
    for (int64_t i = 0; i < N; i++) {
        FR_CHECK(c->row_label[i] >= -1 && c->row_label[i] < c->T, "label %d of row %lld, want -1 .. %lld",
                 c->row_label[i], (long long)i, (long long)c->T - 1);
        if (role[i] == 0)
            rows[n++] = i;
        else if (role[i] == 1)
            c->dev[c->dev_count++] = i;
    }
    set_pos_weight(c, rows, n);
    fr_matcher_init(c->matcher, start, start_scale, start_bias);
    fr_status status = fr_trunk_start(c->trunk);
    if (status == FR_OK) {
        fr_fit fit = plan(c, rows, n);
        fit.checkpoint = checkpoint;
        fit.key = key;
        fit.quiet = quiet;
        status = fr_fit_run(&fit);
    }
    free(rows);
    return status;
}

fr_status fr_classifier_train(fr_classifier **classifier, const fr_training *training, const int32_t *label,
                              const uint8_t *role, int64_t T, const float *start, bool frozen, const char *checkpoint,
                              const char *key, bool quiet)
{
    FR_TRY(create(classifier, training, T, frozen, true));
    fr_classifier *c = *classifier;
    c->row_label = label;
    fr_status status = T == 0 ? FR_OK : train(c, role, start, checkpoint, key, quiet);
    c->row_label = NULL;
    if (status != FR_OK) {
        fr_classifier_close(c);
        *classifier = NULL;
    }
    return status;
}

/* ---- files ---- */

fr_status fr_classifier_save(const fr_classifier *c, struct fr_h5 *file)
{
    return c->T == 0 ? FR_OK : fr_params_save(&c->params, file, "/classifier", NULL);
}

fr_status fr_classifier_restore(fr_classifier **classifier, const fr_training *training, int64_t T, struct fr_h5 *file)
{
    FR_TRY(create(classifier, training, T, false, false));
    fr_status status = T == 0 ? FR_OK : fr_params_restore(&(*classifier)->params, file, "/classifier", NULL);
    if (status != FR_OK) {
        fr_classifier_close(*classifier);
        *classifier = NULL;
    }
    return status;
}
