#include "learner.h"

#include "base/memory.h"
#include "base/rng.h"
#include "train/loop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fr_learner_begin(fr_learner *l, const fr_eval_input *input, const char *name, int64_t batch)
{
    const fr_dataset *data = input->data;
    FR_CHECK(input->embedding, "%s needs the prompt embeddings", name);
    *l = (fr_learner){.input = input,
                      .data = data,
                      .device = input->device,
                      .name = name,
                      .N = data->N,
                      .M = data->M,
                      .d = input->d,
                      .batch = batch < data->N ? batch : data->N,
                      .train = FR_NEW(int64_t, data->N),
                      .dev = FR_NEW(int64_t, data->N),
                      .cost = FR_NEW(double, data->M)};
    for (int64_t i = 0; i < data->N; i++) {
        if (data->split[i] == FR_SPLIT_TRAIN)
            l->train[l->trains++] = i;
        else if (data->split[i] == FR_SPLIT_DEV)
            l->dev[l->devs++] = i;
    }
    fr_expected_cost(l->cost, data);
    fr_params_create(&l->params, l->device);
}

static void layout(fr_learner *l)
{
    l->embedding = fr_arena_tensor(l->arena, l->device->wide, FR_SHAPE(l->N, l->d));
    l->x = fr_arena_tensor(l->arena, l->device->wide, FR_SHAPE(l->batch, l->d));
    l->rows = fr_arena_tensor(l->arena, FR_I64, FR_SHAPE(l->batch));
}

void fr_learner_commit(fr_learner *l)
{
    fr_params_commit(&l->params);
    l->arena = fr_arena_create(l->device);
    layout(l);
    fr_arena_commit(l->arena);
    layout(l);
    l->host = FR_NEW(double, l->batch * l->M);
    float *unit = FR_NEW(float, l->N * l->d);
    fr_unit_rows(unit, l->input->embedding, l->N, l->d);
    fr_tensor_set(l->embedding, unit);
    free(unit);
}

void fr_learner_close(fr_learner *l)
{
    fr_params_close(&l->params);
    fr_arena_close(l->arena);
    free(l->train);
    free(l->dev);
    free(l->cost);
    free(l->host);
    *l = (fr_learner){0};
}

fr_tensor fr_learner_batch(fr_learner *l, const int64_t *rows, int64_t count)
{
    fr_tensor x = fr_tensor_rows(l->x, 0, count), index = fr_tensor_rows(l->rows, 0, count);
    fr_tensor_set_raw(index, rows);
    fr_gather_rows(x, l->embedding, index);
    return x;
}

/* Four numbers of N(0, 1) by Box-Muller out of one block of Philox: a third of the time of fr_rng_normal, and 32 bits
 * are enough for noise. */
static void four_normals(float normal[4], uint64_t seed, uint64_t stream, uint64_t block)
{
    uint32_t word[4];
    fr_philox(word, seed, stream, block);
    for (int k = 0; k < 4; k += 2) {
        float u = (float)(((double)word[k] + 1) * 0x1p-32),
              angle = (float)(word[k + 1] * (6.283185307179586 * 0x1p-32));
        float radius = sqrtf(-2 * logf(u));
        normal[k] = radius * cosf(angle);
        normal[k + 1] = radius * sinf(angle);
    }
}

void fr_learner_noise(fr_learner *l, fr_tensor x, double deviation, int64_t step)
{
    if (!(deviation > 0))
        return;
    int64_t n = fr_tensor_count(&x);
    float *host = FR_NEW(float, n);
    fr_tensor_get(x, host);
    uint64_t seed = (uint64_t)l->input->config->top.seed, stream = fr_stream(l->name, (uint64_t)step, 1);
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < (n + 3) / 4; block++) {
        float normal[4];
        four_normals(normal, seed, stream, (uint64_t)block);
        for (int64_t i = 4 * block; i < n && i < 4 * block + 4; i++)
            host[i] += (float)deviation * normal[i - 4 * block];
    }
    fr_tensor_set(x, host);
    free(host);
}

/* ---- fitting ---- */

typedef struct fitting {
    fr_learner *learner;
    const fr_learning *how;
} fitting;

static void score_rows(fr_learner *l, const fr_learning *how, float *score, const int64_t *rows, int64_t count)
{
    for (int64_t from = 0; from < count; from += l->batch) {
        int64_t some = count - from < l->batch ? count - from : l->batch;
        how->score(how->model, score + from * l->M, rows + from, some);
    }
}

static fr_status step(void *model, const int64_t *rows, int64_t count, int64_t number, fr_tensor loss)
{
    fitting *f = model;
    double value = f->how->step(f->how->model, rows, count, number);
    fr_tensor_set_f64(loss, &value);
    if (f->how->l2 > 0)
        fr_pull(f->learner->params.grad_block,
                fr_tensor_rows(f->learner->params.value_block, 0, fr_tensor_count(&f->learner->params.grad_block)),
                FR_NONE, f->how->l2);
    return FR_OK;
}

/* Dev's answer to an epoch: the quality of the best-scored models. */
static fr_status watch(void *model, fr_measure *measure)
{
    fitting *f = model;
    fr_learner *l = f->learner;
    *measure = (fr_measure){NAN, NAN};
    if (f->how->prepare)
        f->how->prepare(f->how->model);
    if (l->devs == 0)
        return FR_OK;
    float *score = FR_NEW(float, l->devs * l->M);
    score_rows(l, f->how, score, l->dev, l->devs);
    double quality = fr_routed_rows(score, l->data, l->cost, l->dev, l->devs);
    free(score);
    if (!isnan(quality))
        *measure = (fr_measure){-quality, quality};
    return FR_OK;
}

static const char *first_bad(void *model)
{
    (void)model;
    return NULL;
}

fr_status fr_learner_fit(fr_learner *l, const fr_learning *how)
{
    const fr_config *config = l->input->config;
    fitting f = {l, how};
    fr_fit fit = {.what = l->name,
                  .params = &l->params,
                  .optimizer = {.lr = {how->lr, how->lr},
                                .decay = how->decay,
                                .beta1 = 0.9,
                                .beta2 = 0.999,
                                .epsilon = 1e-8,
                                .schedule = FR_SCHEDULE_CONSTANT},
                  .rows = l->train,
                  .n = l->trains,
                  .batch = l->batch,
                  .epochs = how->epochs,
                  .patience = how->patience,
                  .seed = (uint64_t)config->top.seed,
                  .by_routed = true,
                  .model = &f,
                  .step = step,
                  .watch = watch,
                  .first_bad = first_bad};
    FR_TRY(fr_fit_run(&fit));
    if (how->prepare)
        how->prepare(how->model);
    return FR_OK;
}

void fr_learner_scores(fr_learner *l, const fr_learning *how, fr_scores *scores)
{
    fr_scores_begin(scores, l->name, l->data);
    snprintf(scores->setting, sizeof scores->setting, "%s", how->setting);
    int64_t *rows = FR_NEW(int64_t, l->N);
    for (int64_t i = 0; i < l->N; i++)
        rows[i] = i;
    score_rows(l, how, scores->score, rows, l->N);
    free(rows);
}

fr_status fr_learned_score(fr_scores *scores, const fr_eval_input *input, const fr_learned *router)
{
    fr_learner l;
    fr_learning how = {0};
    router->open(&l, &how, input);
    fr_status status = fr_learner_fit(&l, &how);
    if (status == FR_OK)
        fr_learner_scores(&l, &how, scores);
    router->close(how.model);
    fr_learner_close(&l);
    return status;
}

/* ---- pieces ---- */

static void init_uniform(fr_learner *l, fr_param *param, double bound)
{
    int64_t n = fr_tensor_count(&param->value);
    float *host = FR_NEW(float, n);
    uint64_t stream = fr_stream(param->name, 0, 2);
    for (int64_t i = 0; i < n; i++)
        host[i] = (float)(bound * (2 * fr_rng_uniform((uint64_t)l->input->config->top.seed, stream, (uint64_t)i) - 1));
    fr_tensor_set(param->value, host);
    free(host);
}

void fr_learner_init_linear(fr_learner *l, const char *weight, const char *bias)
{
    fr_param *w = fr_params_find(&l->params, weight);
    FR_CHECK(w && w->value.rank == 2, "%s is no matrix among the parameters", weight);
    double bound = 1 / sqrt((double)w->value.shape[1]);
    init_uniform(l, w, bound);
    if (bias)
        init_uniform(l, fr_params_find(&l->params, bias), bound);
}

double fr_bce_term(double *derivative, double logit, double target)
{
    /* log sigmoid(l) = min(l, 0) - log1p(exp(-|l|)) */
    double tail = log1p(exp(-fabs(logit)));
    *derivative = 1 / (1 + exp(-logit)) - target;
    return target * (tail - fmin(logit, 0)) + (1 - target) * (tail + fmax(logit, 0));
}

double fr_bce_on_quality(double *gradient, const double *logits, const fr_dataset *data, const int64_t *rows,
                         int64_t count)
{
    int64_t M = data->M, observed = 0;
    double loss = 0;
    for (int64_t i = 0; i < count; i++)
        for (int64_t m = 0; m < M; m++) {
            double q = data->quality[rows[i] * M + m], derivative = 0;
            if (!isnan(q)) {
                loss += fr_bce_term(&derivative, logits[i * M + m], q < 0 ? 0 : q > 1 ? 1 : q);
                observed++;
            }
            gradient[i * M + m] = derivative;
        }
    for (int64_t j = 0; j < count * M && observed; j++)
        gradient[j] /= (double)observed;
    return observed ? loss / (double)observed : 0;
}

static double *host_copy(fr_tensor tensor) /* malloc'd */
{
    double *host = FR_NEW(double, fr_tensor_count(&tensor));
    fr_tensor_get_f64(tensor, host);
    return host;
}

void fr_columns_forward(fr_tensor a, fr_tensor r, fr_tensor v)
{
    int64_t K = fr_tensor_count(&v), n = fr_tensor_count(&r);
    double *table = host_copy(r), *scale = host_copy(v);
    for (int64_t i = 0; i < n; i++)
        table[i] *= scale[i % K];
    fr_tensor_set_f64(a, table);
    free(table);
    free(scale);
}

void fr_columns_backward(fr_tensor dr, fr_tensor dv, fr_tensor da, fr_tensor r, fr_tensor v)
{
    int64_t K = fr_tensor_count(&v), n = fr_tensor_count(&r);
    double *d = host_copy(da), *table = host_copy(r), *scale = host_copy(v), *dscale = host_copy(dv);
    for (int64_t i = 0; i < n; i++) {
        dscale[i % K] += d[i] * table[i];
        d[i] *= scale[i % K];
    }
    fr_tensor_set_f64(dr, d);
    fr_tensor_set_f64(dv, dscale);
    free(d);
    free(table);
    free(scale);
    free(dscale);
}
