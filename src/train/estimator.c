/* estimator.c - quality estimation, phase 1: y = heads(trunk(x)) for all models, and inference.
 *
 *   objective = 1/Q sum_{i,m observed} (y_im - q_im)^2 + ridge/Q (|w|^2 + |P - I|^2),   Q the observed training scores
 *
 * (a step takes the mean over its batch for the first sum). w are the weights of the heads, not their biases, P is the
 * projection of a frozen trunk. Measured this way `ridge` counts prompts whatever M is: without a projection, a linear
 * head solves the ridge regression min sum_i (w x_i + b - q_i)^2 + ridge |w|^2 of its model. */
#include "estimator_internal.h"

#include "base/memory.h"
#include "base/rng.h"
#include "comm/comm.h"
#include "finerouter/log.h"
#include "model_file.h"
#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

fr_heads_shape fr_estimator_heads_shape(const fr_estimator *e, int64_t heads)
{
    return (fr_heads_shape){heads, e->training.d, e->training.config->qe.llm_dim, e->training.config->qe.hidden};
}

static void layout(fr_estimator *e)
{
    fr_dtype wide = e->params.device->wide;
    e->x = fr_arena_tensor(e->arena, wide, FR_SHAPE(e->most_rows, e->training.d));
    e->y = fr_arena_tensor(e->arena, wide, FR_SHAPE(e->most_rows, e->M));
    e->dy = fr_arena_tensor(e->arena, wide, FR_SHAPE(e->most_rows, e->M));
    e->target = fr_arena_tensor(e->arena, FR_F32, FR_SHAPE(e->most_rows, e->M));
}

static fr_status create(fr_estimator **estimator, const fr_training *training, bool trainable)
{
    fr_estimator *e = FR_NEW(fr_estimator, 1);
    const fr_config *config = training->config;
    e->training = *training;
    e->M = training->data->M;
    e->most_rows = config->qe.batch < 256 ? 256 : config->qe.batch;
    if (e->most_rows > training->data->N)
        e->most_rows = training->data->N;
    fr_params_create(&e->params, training->device);
    fr_status status = fr_trunk_create(&e->trunk, &e->params, &e->training, false, trainable, e->most_rows);
    if (status != FR_OK) {
        fr_estimator_close(e);
        *estimator = NULL;
        return status;
    }
    e->u =
        fr_params_add(&e->params, "llm_embedding", FR_SHAPE(e->M, config->qe.llm_dim), trainable, true, FR_GROUP_HEAD);
    fr_heads_shape shape = fr_estimator_heads_shape(e, e->M);
    e->general = fr_heads_create(&shape, &e->params, "general.", e->u, NULL, trainable, trainable, e->most_rows);
    fr_params_commit(&e->params);
    fr_trunk_commit(e->trunk);
    fr_heads_commit(e->general);
    e->arena = fr_arena_create(training->device);
    layout(e);
    fr_arena_commit(e->arena);
    layout(e);
    e->host_x = FR_NEW(float, e->most_rows * training->d);
    e->host_y = FR_NEW(float, e->most_rows * e->M);
    *estimator = e;
    return FR_OK;
}

void fr_estimator_close(fr_estimator *e)
{
    if (!e)
        return;
    fr_task_heads_close(e);
    fr_heads_close(e->general);
    fr_trunk_close(e->trunk);
    fr_arena_close(e->arena);
    fr_params_close(&e->params);
    free(e->host_x);
    free(e->host_y);
    free(e->dev);
    free(e->estimate);
    free(e);
}

/* ---- phase 1 ---- */

double *fr_training_means(const fr_dataset *data)
{
    double *mean = FR_NEW(double, data->M);
    int64_t *count = FR_NEW(int64_t, data->M);
    for (int64_t i = 0; i < data->N; i++)
        for (int64_t m = 0; m < data->M && data->split[i] == FR_SPLIT_TRAIN; m++)
            if (!isnan(data->quality[i * data->M + m])) {
                mean[m] += data->quality[i * data->M + m];
                count[m]++;
            }
    for (int64_t m = 0; m < data->M; m++)
        mean[m] = count[m] ? mean[m] / (double)count[m] : 0;
    free(count);
    return mean;
}

fr_measure fr_estimator_measure(const float *estimate, const fr_dataset *data, const int64_t *rows, int64_t count)
{
    int64_t M = data->M, observed = 0, answered = 0;
    double squares = 0, quality = 0;
    for (int64_t i = 0; i < count; i++) {
        const float *y = estimate + i * M, *q = data->quality + rows[i] * M;
        int64_t best = 0;
        for (int64_t m = 0; m < M; m++) {
            best = y[m] > y[best] ? m : best;
            if (!isnan(q[m])) {
                squares += ((double)y[m] - q[m]) * ((double)y[m] - q[m]);
                observed++;
            }
        }
        if (!isnan(q[best])) {
            quality += q[best];
            answered++;
        }
    }
    return (fr_measure){observed ? squares / (double)observed : NAN, answered ? quality / (double)answered : NAN};
}

static int64_t observed_of(const fr_dataset *data, const int64_t *rows, int64_t count)
{
    int64_t observed = 0;
    for (int64_t i = 0; i < count; i++)
        for (int64_t m = 0; m < data->M; m++)
            observed += !isnan(data->quality[rows[i] * data->M + m]);
    return observed;
}

static fr_tensor set_target(fr_estimator *e, const int64_t *rows, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        memcpy(e->host_y + i * e->M, e->training.data->quality + rows[i] * e->M, (size_t)e->M * sizeof(float));
    fr_tensor target = fr_tensor_rows(e->target, 0, count);
    fr_tensor_set(target, e->host_y);
    return target;
}

static fr_status step(void *model, const int64_t *rows, int64_t count, int64_t step_number, fr_tensor loss)
{
    fr_estimator *e = model;
    const fr_config *config = e->training.config;
    fr_prompts prompts = {e->training.embedding, e->training.tokens};
    uint64_t seed = (uint64_t)config->top.seed;
    fr_encoder_randomness inside = {config->encoder.dropout, seed, (uint64_t)step_number, 0};
    fr_dropout_key key = {config->qe.dropout, seed, fr_stream("head dropout", (uint64_t)step_number, 0), 0};
    int64_t observed = observed_of(e->training.data, rows, count);
    double scale = observed ? 1 / (double)observed : 0;
    fr_share share = fr_trunk_share(e->trunk, &prompts, rows, count);
    inside.first_token = share.first_token;
    key.first = share.first;
    rows += share.first;
    for (int64_t done = 0, taken, tokens; done < share.count;
         done += taken, inside.first_token += tokens, key.first += taken) {
        taken = fr_trunk_slice(e->trunk, &prompts, rows + done, share.count - done, &tokens);
        fr_tensor h = fr_trunk_forward(e->trunk, &prompts, rows + done, taken, inside),
                  dh = fr_trunk_dh(e->trunk, taken);
        fr_tensor y = fr_tensor_rows(e->y, 0, taken), dy = fr_tensor_rows(e->dy, 0, taken);
        fr_heads_forward(e->general, y, h, key);
        fr_mse_add(loss, dy, y, set_target(e, rows + done, taken), scale);
        fr_heads_backward(e->general, dh, dy, h);
        fr_trunk_backward(e->trunk, dh);
    }
    if (e->pull > 0 && fr_is_root()) {
        fr_heads_pull(e->general, NULL, e->pull);
        fr_trunk_pull(e->trunk, e->pull);
    }
    return FR_OK;
}

typedef struct estimate_sink {
    fr_estimator *estimator;
    float *estimate; /* (count, M) */
} estimate_sink;

static void take_estimate(void *context, fr_tensor h, const int64_t *place, int64_t count)
{
    estimate_sink *sink = context;
    fr_estimator *e = sink->estimator;
    fr_tensor y = fr_tensor_rows(e->y, 0, count);
    fr_heads_forward(e->general, y, h, (fr_dropout_key){0});
    fr_tensor_get(y, e->host_y);
    for (int64_t i = 0; i < count; i++)
        memcpy(sink->estimate + place[i] * e->M, e->host_y + i * e->M, (size_t)e->M * sizeof(float));
}

static fr_status watch(void *model, fr_measure *measure)
{
    fr_estimator *e = model;
    fr_prompts prompts = {e->training.embedding, e->training.tokens};
    FR_TRY(fr_trunk_apply_shared(e->trunk, &prompts, e->dev, e->dev_count, take_estimate,
                                 &(estimate_sink){e, e->estimate}, e->estimate, e->M));
    *measure = fr_estimator_measure(e->estimate, e->training.data, e->dev, e->dev_count);
    return FR_OK;
}

static const char *first_bad(void *model)
{
    const fr_estimator *e = model;
    const char *name = fr_trunk_first_bad(e->trunk);
    return name ? name : fr_find_nonfinite(e->y) >= 0 ? "y (quality estimates)" : NULL;
}

fr_optimizer fr_estimator_optimizer(const fr_config *config, double lr)
{
    return (fr_optimizer){.lr = {lr, config->encoder.lr},
                          .decay = config->qe.weight_decay,
                          .beta1 = config->train.beta1,
                          .beta2 = config->train.beta2,
                          .epsilon = config->train.epsilon,
                          .clip = config->train.clip,
                          .schedule = config->train.schedule,
                          .warmup = config->train.warmup};
}

static fr_status start(fr_estimator *e)
{
    uint64_t seed = (uint64_t)e->training.config->top.seed;
    double *mean = fr_training_means(e->training.data);
    fr_param_init_normal(&e->params.item[e->u], 1 / sqrt((double)e->training.config->qe.llm_dim),
                         seed); /* rows of about unit length, as h */
    fr_heads_init(e->general, seed, mean);
    free(mean);
    return fr_trunk_start(e->trunk);
}

static fr_status train(fr_estimator *e, const char *checkpoint, const char *key)
{
    const fr_config *config = e->training.config;
    const fr_dataset *data = e->training.data;
    int64_t *rows, n = fr_split_rows(&rows, data, FR_SPLIT_TRAIN);
    e->dev_count = fr_split_rows(&e->dev, data, FR_SPLIT_DEV);
    e->estimate = FR_NEW(float, e->dev_count * e->M);
    int64_t observed = observed_of(data, rows, n);
    e->pull = observed ? 2 * config->qe.ridge / (double)observed : 0;
    fr_status status = start(e);
    if (status == FR_OK) {
        fr_fit fit = {.what = "quality estimator",
                      .params = &e->params,
                      .optimizer = fr_estimator_optimizer(config, config->qe.lr),
                      .rows = rows,
                      .n = n,
                      .batch = config->qe.batch,
                      .epochs = config->qe.epochs,
                      .patience = config->qe.patience,
                      .seed = (uint64_t)config->top.seed,
                      .by_routed = config->qe.early_stop == FR_STOP_ROUTED,
                      .shared = true,
                      .checkpoint = checkpoint,
                      .key = key,
                      .checkpoint_seconds = config->train.checkpoint_seconds,
                      .model = e,
                      .step = step,
                      .watch = watch,
                      .first_bad = first_bad};
        status = fr_fit_run(&fit);
    }
    free(rows);
    return status;
}

fr_status fr_estimator_train(fr_estimator **estimator, const fr_training *training, const char *checkpoint,
                             const char *key)
{
    FR_TRY(create(estimator, training, true));
    fr_status status = train(*estimator, checkpoint, key);
    if (status != FR_OK) {
        fr_estimator_close(*estimator);
        *estimator = NULL;
    }
    return status;
}

/* ---- inference ---- */

typedef struct hidden_sink {
    float *h; /* (count, d) */
    float *host;
    int64_t d;
} hidden_sink;

static void take_hidden(void *context, fr_tensor h, const int64_t *place, int64_t count)
{
    hidden_sink *sink = context;
    fr_tensor_get(h, sink->host);
    for (int64_t i = 0; i < count; i++)
        memcpy(sink->h + place[i] * sink->d, sink->host + i * sink->d, (size_t)sink->d * sizeof(float));
}

fr_status fr_estimator_hidden(fr_estimator *e, float *h, const int64_t *rows, int64_t count)
{
    fr_prompts prompts = {e->training.embedding, e->training.tokens};
    return fr_trunk_apply_shared(e->trunk, &prompts, rows, count, take_hidden,
                                 &(hidden_sink){h, e->host_x, e->training.d}, h, e->training.d);
}

fr_status fr_estimator_hidden_apply(fr_estimator *e, float *h, const float *embedding, const fr_tokens *tokens,
                                    int64_t count)
{
    fr_prompts prompts = {embedding, tokens};
    return fr_trunk_apply(e->trunk, &prompts, NULL, count, take_hidden, &(hidden_sink){h, e->host_x, e->training.d});
}

/* Slices are dealt to the ranks, as everywhere (fr_trunk_apply_shared). */
static void apply_general(fr_estimator *e, float *estimate, const float *h, int64_t count)
{
    int64_t d = e->training.d, M = e->M, ranks = fr_comm_ranks();
    for (int64_t done = 0, slice = 0; done < count; done += e->most_rows, slice++) {
        int64_t rows = count - done < e->most_rows ? count - done : e->most_rows;
        if (slice % ranks != fr_comm_rank()) {
            memset(estimate + done * M, 0, (size_t)(rows * M) * sizeof *estimate);
            continue;
        }
        fr_tensor x = fr_tensor_rows(e->x, 0, rows), y = fr_tensor_rows(e->y, 0, rows);
        fr_tensor_set(x, h + done * d);
        fr_heads_forward(e->general, y, x, (fr_dropout_key){0});
        fr_tensor_get(y, estimate + done * M);
    }
    fr_comm_unite(estimate, (size_t)(count * M) * sizeof *estimate);
}

/* Estimates of task t for its rows, rows[first[t]] to rows[first[t + 1] - 1]; tasks are dealt to the ranks. */
static void apply_tasks(fr_estimator *e, float *estimate, const float *h, const int64_t *rows, const int64_t *first)
{
    int64_t M = e->M, ranks = fr_comm_ranks(), count = first[e->T];
    for (int64_t t = 0; t < e->T; t++)
        if (t % ranks == fr_comm_rank())
            fr_task_heads_apply(e, t, estimate, h, rows + first[t], first[t + 1] - first[t]);
    if (ranks == 1)
        return;
    float *own = FR_NEW(float, count *M);
    for (int64_t t = fr_comm_rank(); t < e->T; t += ranks)
        for (int64_t i = first[t]; i < first[t + 1]; i++)
            memcpy(own + i * M, estimate + rows[i] * M, (size_t)M * sizeof *own);
    fr_comm_unite(own, (size_t)(count * M) * sizeof *own);
    for (int64_t i = 0; i < count; i++)
        memcpy(estimate + rows[i] * M, own + i * M, (size_t)M * sizeof *own);
    free(own);
}

fr_status fr_estimator_apply(fr_estimator *e, float *estimate, const float *h, const int32_t *assignment, int64_t count)
{
    apply_general(e, estimate, h, count);
    if (!assignment || e->T == 0)
        return FR_OK;
    /* Rows by task (counting sort). */
    int64_t *first = FR_NEW(int64_t, e->T + 1), *rows = FR_NEW(int64_t, count);
    for (int64_t i = 0; i < count; i++) {
        FR_CHECK(assignment[i] >= -1 && assignment[i] < e->T, "task %d, want -1 .. %lld", assignment[i],
                 (long long)e->T - 1);
        if (assignment[i] >= 0)
            first[assignment[i] + 1]++;
    }
    for (int64_t t = 0; t < e->T; t++)
        first[t + 1] += first[t];
    int64_t *at = FR_NEW(int64_t, e->T);
    memcpy(at, first, (size_t)e->T * sizeof *at);
    for (int64_t i = 0; i < count; i++)
        if (assignment[i] >= 0)
            rows[at[assignment[i]]++] = i;
    apply_tasks(e, estimate, h, rows, first);
    free(first);
    free(rows);
    free(at);
    return FR_OK;
}

/* ---- files ---- */

fr_status fr_estimator_save(const fr_estimator *e, struct fr_h5 *file)
{
    return fr_params_save(&e->params, file, "/estimator", NULL);
}

fr_status fr_estimator_restore(fr_estimator **estimator, const fr_training *training, struct fr_h5 *file)
{
    FR_TRY(create(estimator, training, false));
    fr_status status = fr_params_restore(&(*estimator)->params, file, "/estimator", NULL);
    if (status != FR_OK) {
        fr_estimator_close(*estimator);
        *estimator = NULL;
    }
    return status;
}

fr_status fr_estimator_export(const fr_estimator *e, const fr_training *training, const char *folder)
{
    fr_encoder *encoder = fr_trunk_encoder(e->trunk);
    if (!encoder)
        return fr_fail(FR_USAGE, "encoder.train: frozen has no trained encoder to export; top or full would have one");
    fr_tokenizer *tokenizer;
    FR_TRY(fr_tokenizer_open(&tokenizer, training->encoder_folder));
    fr_status status = fr_encoder_export(encoder, tokenizer, folder);
    fr_tokenizer_close(tokenizer);
    return status;
}
