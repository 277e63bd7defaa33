/* Matrix factorisation of preferences (RouteLLM: Ong et al., "RouteLLM: learning to route LLMs with preference data",
 * 2024), for any number of models.
 *
 *   u_m = P_m / |P_m|                                    (dim) of a model
 *   score[m] = w . (u_m * W x)                           in training x carries noise
 *   logit(m better than n) = score[m] - score[n] = w . ((u_m - u_n) * W x)
 *
 * A step draws one pair of models for each prompt, uniformly among those of which one is strictly better; prompts
 * without such a pair are passed over. The loss is the mean of -log sigmoid(logit) over the pairs. Scores are one
 * matrix product with the table A_m = w * u_m. */
#include "learner.h"

#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct observed {
    float quality;
    int64_t model, worse; /* worse: how many of the prompt's models are strictly worse */
} observed;

typedef struct factors {
    fr_learner *learner;
    int64_t dim;
    fr_param *model, *weight, *scale; /* P (M, dim), W (dim, d), w (1, dim) */
    fr_arena *arena;
    fr_tensor z, dz;         /* (batch, dim) */
    fr_tensor score;         /* (batch, M), then its gradient */
    fr_tensor unit, dunit;   /* u (M, dim) */
    fr_tensor norm;          /* (M) */
    fr_tensor table, dtable; /* A (M, dim) */
    observed *sorted;        /* (M) */
} factors;

static void layout(factors *m)
{
    fr_learner *l = m->learner;
    fr_dtype wide = l->device->wide;
    m->z = fr_arena_tensor(m->arena, wide, FR_SHAPE(l->batch, m->dim));
    m->dz = fr_arena_tensor(m->arena, wide, FR_SHAPE(l->batch, m->dim));
    m->score = fr_arena_tensor(m->arena, wide, FR_SHAPE(l->batch, l->M));
    m->unit = fr_arena_tensor(m->arena, wide, FR_SHAPE(l->M, m->dim));
    m->dunit = fr_arena_tensor(m->arena, wide, FR_SHAPE(l->M, m->dim));
    m->norm = fr_arena_tensor(m->arena, wide, FR_SHAPE(l->M));
    m->table = fr_arena_tensor(m->arena, wide, FR_SHAPE(l->M, m->dim));
    m->dtable = fr_arena_tensor(m->arena, wide, FR_SHAPE(l->M, m->dim));
}

/* ---- pairs ---- */

static int by_quality(const void *a_, const void *b_)
{
    const observed *a = a_, *b = b_;
    if (a->quality < b->quality || a->quality > b->quality)
        return a->quality < b->quality ? -1 : 1;
    return a->model < b->model ? -1 : 1;
}

/* Draws a pair of a prompt whose quality is (M); false when there is none. */
static bool draw_pair(factors *m, int64_t *win, int64_t *lose, const float *quality, int64_t number, int64_t i)
{
    const fr_learner *l = m->learner;
    observed *sorted = m->sorted;
    int64_t n = 0, pairs = 0;
    for (int64_t k = 0; k < l->M; k++)
        if (!isnan(quality[k]))
            sorted[n++] = (observed){.quality = quality[k], .model = k};
    qsort(sorted, (size_t)n, sizeof *sorted, by_quality);
    for (int64_t k = 1; k < n; k++) {
        sorted[k].worse = sorted[k].quality > sorted[k - 1].quality ? k : sorted[k - 1].worse;
        pairs += sorted[k].worse;
    }
    if (pairs == 0)
        return false;
    uint64_t stream = fr_stream(l->name, (uint64_t)number, 3);
    int64_t pair = fr_rng_below((uint64_t)l->input->config->top.seed, stream, (uint64_t)i, pairs), k = 0;
    for (; pair >= sorted[k].worse; k++)
        pair -= sorted[k].worse;
    *win = sorted[k].model;
    *lose = sorted[pair].model;
    return true;
}

/* The loss of these rows by their scores (count, M), which become its gradient. */
static double loss_of(factors *m, double *score, const int64_t *rows, int64_t count, int64_t number)
{
    const fr_dataset *data = m->learner->data;
    int64_t M = data->M, pairs = 0;
    double loss = 0;
    for (int64_t i = 0; i < count; i++) {
        double *s = score + i * M, derivative;
        int64_t win, lose;
        bool drawn = draw_pair(m, &win, &lose, data->quality + rows[i] * M, number, i);
        if (drawn)
            loss += fr_bce_term(&derivative, s[win] - s[lose], 1);
        for (int64_t k = 0; k < M; k++)
            s[k] = 0;
        if (drawn) {
            s[win] = derivative;
            s[lose] = -derivative;
            pairs++;
        }
    }
    for (int64_t j = 0; j < count * M && pairs; j++)
        score[j] /= (double)pairs;
    return pairs ? loss / (double)pairs : 0;
}

/* ---- the model ---- */

static void prepare(void *model)
{
    factors *m = model;
    fr_l2norm_forward(m->unit, m->norm, m->model->value);
    fr_columns_forward(m->table, m->unit, m->scale->value);
}

static fr_tensor forward(factors *m, fr_tensor x, int64_t count)
{
    fr_tensor z = fr_tensor_rows(m->z, 0, count), score = fr_tensor_rows(m->score, 0, count);
    fr_linear_forward(z, x, m->weight->value, FR_NONE);
    fr_linear_forward(score, z, m->table, FR_NONE);
    return score;
}

/* From the gradient of the scores on the device. */
static void backward(factors *m, fr_tensor x, int64_t count)
{
    fr_tensor z = fr_tensor_rows(m->z, 0, count), dz = fr_tensor_rows(m->dz, 0, count),
              dscore = fr_tensor_rows(m->score, 0, count);
    fr_tensor_zero(m->dtable);
    fr_linear_backward(dz, m->dtable, FR_NONE, dscore, z, m->table);
    fr_linear_backward(FR_NONE, m->weight->grad, FR_NONE, dz, x, m->weight->value);
    fr_columns_backward(m->dunit, m->scale->grad, m->dtable, m->unit, m->scale->value);
    fr_l2norm_backward(m->dtable, m->dunit, m->unit, m->norm);
    fr_axpy(m->model->grad, m->dtable, 1);
}

static double step(void *model, const int64_t *rows, int64_t count, int64_t number)
{
    factors *m = model;
    fr_learner *l = m->learner;
    fr_tensor x = fr_learner_batch(l, rows, count);
    fr_learner_noise(l, x, l->input->config->routellm_mf.noise, number);
    prepare(m);
    fr_tensor score = forward(m, x, count);
    fr_tensor_get_f64(score, l->host);
    double loss = loss_of(m, l->host, rows, count, number);
    fr_tensor_set_f64(score, l->host);
    backward(m, x, count);
    return loss;
}

static void score(void *model, float *score, const int64_t *rows, int64_t count)
{
    factors *m = model;
    fr_tensor_get(forward(m, fr_learner_batch(m->learner, rows, count), count), score);
}

static void open_factors(fr_learner *l, fr_learning *how, const fr_eval_input *input)
{
    factors *m = FR_NEW(factors, 1);
    m->learner = l;
    m->dim = input->config->routellm_mf.dim;
    fr_learner_begin(l, input, "routellm_mf", input->config->routellm_mf.batch);
    fr_params_add(&l->params, "routellm.model", FR_SHAPE(l->M, m->dim), true, false, FR_GROUP_HEAD);
    fr_params_add(&l->params, "routellm.weight", FR_SHAPE(m->dim, l->d), true, false, FR_GROUP_HEAD);
    fr_params_add(&l->params, "routellm.scale", FR_SHAPE(1, m->dim), true, false, FR_GROUP_HEAD);
    fr_learner_commit(l);
    m->model = &l->params.item[0];
    m->weight = &l->params.item[1];
    m->scale = &l->params.item[2];
    m->arena = fr_arena_create(l->device);
    layout(m);
    fr_arena_commit(m->arena);
    layout(m);
    m->sorted = FR_NEW(observed, l->M);
    fr_param_init_normal(m->model, 1, (uint64_t)input->config->top.seed);
    fr_learner_init_linear(l, "routellm.weight", NULL);
    fr_learner_init_linear(l, "routellm.scale", NULL);
    *how = (fr_learning){.lr = input->config->routellm_mf.lr,
                         .l2 = input->config->routellm_mf.weight_decay,
                         .epochs = input->config->routellm_mf.epochs,
                         .patience = input->config->routellm_mf.patience,
                         .model = m,
                         .step = step,
                         .score = score,
                         .prepare = prepare};
    snprintf(how->setting, sizeof how->setting, "dim = %lld", (long long)m->dim);
}

static void close_factors(void *model)
{
    factors *m = model;
    fr_arena_close(m->arena);
    free(m->sorted);
    free(m);
}

const fr_learned fr_learned_routellm_mf = {open_factors, close_factors};

fr_status fr_baseline_routellm_mf(fr_scores *scores, const fr_eval_input *input)
{
    return fr_learned_score(scores, input, &fr_learned_routellm_mf);
}
