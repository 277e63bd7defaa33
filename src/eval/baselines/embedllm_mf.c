/* Matrix factorisation of right and wrong answers (EmbedLLM: Zhuang et al., "Learning compact representations of large
 * language models", 2024).
 *
 *   z = W x + b                                          (dim) of a prompt; in training x carries noise
 *   logits[m] = C (P_m * z) + c                          (2) wrong and right;  C (2, dim), c (2)
 *
 * The loss is the cross-entropy of the two classes, right being quality >= 0.5, the mean over observed entries. It and
 * the ranking depend on the difference of the two logits alone:
 *
 *   logit[m] = (v * P_m) . z + c_1 - c_0,   v = C_1 - C_0
 *
 * so that the products are one matrix product with the table A_m = v * P_m, and C_1 gets v's gradient, C_0 minus it. */
#include "learner.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct factors {
    fr_learner *learner;
    int64_t dim;
    fr_param *model, *weight, *bias, *classes, *class_bias; /* P (M, dim), W (dim, d), b (dim), C (2, dim), c (2) */
    fr_arena *arena;
    fr_tensor z, dz;         /* (batch, dim) */
    fr_tensor logits;        /* (batch, M), then their gradient */
    fr_tensor v, dv;         /* (1, dim) */
    fr_tensor table, dtable; /* A (M, dim) */
    double offset;           /* c_1 - c_0 */
} factors;

static void layout(factors *m)
{
    fr_learner *l = m->learner;
    fr_dtype wide = l->device->wide;
    m->z = fr_arena_tensor(m->arena, wide, FR_SHAPE(l->batch, m->dim));
    m->dz = fr_arena_tensor(m->arena, wide, FR_SHAPE(l->batch, m->dim));
    m->logits = fr_arena_tensor(m->arena, wide, FR_SHAPE(l->batch, l->M));
    m->v = fr_arena_tensor(m->arena, wide, FR_SHAPE(1, m->dim));
    m->dv = fr_arena_tensor(m->arena, wide, FR_SHAPE(1, m->dim));
    m->table = fr_arena_tensor(m->arena, wide, FR_SHAPE(l->M, m->dim));
    m->dtable = fr_arena_tensor(m->arena, wide, FR_SHAPE(l->M, m->dim));
}

/* What the parameters of the models and classes come to. */
static void prepare(void *model)
{
    factors *m = model;
    double c[2];
    fr_tensor_copy(m->v, fr_tensor_rows(m->classes->value, 1, 1));
    fr_axpy(m->v, fr_tensor_rows(m->classes->value, 0, 1), -1);
    fr_columns_forward(m->table, m->model->value, m->v);
    fr_tensor_get_f64(m->class_bias->value, c);
    m->offset = c[1] - c[0];
}

/* (v * P_m) . z, (count, M) */
static fr_tensor forward(factors *m, fr_tensor x, int64_t count)
{
    fr_tensor z = fr_tensor_rows(m->z, 0, count), logits = fr_tensor_rows(m->logits, 0, count);
    fr_linear_forward(z, x, m->weight->value, m->bias->value);
    fr_linear_forward(logits, z, m->table, FR_NONE);
    return logits;
}

/* From the gradient of the logits on the device, whose sum is `sum`. */
static void backward(factors *m, fr_tensor x, int64_t count, double sum)
{
    fr_tensor z = fr_tensor_rows(m->z, 0, count), dz = fr_tensor_rows(m->dz, 0, count),
              dlogits = fr_tensor_rows(m->logits, 0, count);
    fr_tensor_zero(m->dtable);
    fr_tensor_zero(m->dv);
    fr_linear_backward(dz, m->dtable, FR_NONE, dlogits, z, m->table);
    fr_linear_backward(FR_NONE, m->weight->grad, m->bias->grad, dz, x, m->weight->value);
    fr_columns_backward(m->dtable, m->dv, m->dtable, m->model->value, m->v);
    fr_axpy(m->model->grad, m->dtable, 1);
    fr_axpy(fr_tensor_rows(m->classes->grad, 0, 1), m->dv, -1);
    fr_axpy(fr_tensor_rows(m->classes->grad, 1, 1), m->dv, 1);
    double c[2];
    fr_tensor_get_f64(m->class_bias->grad, c);
    c[0] -= sum;
    c[1] += sum;
    fr_tensor_set_f64(m->class_bias->grad, c);
}

/* The loss of these rows; the products in `logits` become its gradient by the logits, *sum its sum. */
static double loss_of(double *logits, double *sum, double offset, const fr_dataset *data, const int64_t *rows,
                      int64_t count)
{
    int64_t M = data->M, observed = 0;
    double loss = 0;
    *sum = 0;
    for (int64_t i = 0; i < count; i++)
        for (int64_t m = 0; m < M; m++)
            observed += !isnan(data->quality[rows[i] * M + m]);
    for (int64_t i = 0; i < count; i++)
        for (int64_t m = 0; m < M; m++) {
            float quality = data->quality[rows[i] * M + m];
            double *d = &logits[i * M + m];
            if (isnan(quality)) {
                *d = 0;
                continue;
            }
            loss += fr_bce_term(d, *d + offset, quality >= 0.5f);
            *d /= (double)observed;
            *sum += *d;
        }
    return observed ? loss / (double)observed : 0;
}

static double step(void *model, const int64_t *rows, int64_t count, int64_t number)
{
    factors *m = model;
    fr_learner *l = m->learner;
    double sum;
    fr_tensor x = fr_learner_batch(l, rows, count);
    fr_learner_noise(l, x, l->input->config->embedllm_mf.noise, number);
    prepare(m);
    fr_tensor logits = forward(m, x, count);
    fr_tensor_get_f64(logits, l->host);
    double loss = loss_of(l->host, &sum, m->offset, l->data, rows, count);
    fr_tensor_set_f64(logits, l->host);
    backward(m, x, count, sum);
    return loss;
}

static void score(void *model, float *score, const int64_t *rows, int64_t count)
{
    factors *m = model;
    fr_learner *l = m->learner;
    fr_tensor_get_f64(forward(m, fr_learner_batch(l, rows, count), count), l->host);
    for (int64_t i = 0; i < count * l->M; i++)
        score[i] = (float)(l->host[i] + m->offset);
}

/* A batch counts entries; it is cut into whole prompts. */
static void open_factors(fr_learner *l, fr_learning *how, const fr_eval_input *input)
{
    factors *m = FR_NEW(factors, 1);
    int64_t prompts = input->config->embedllm_mf.batch / input->data->M;
    m->learner = l;
    m->dim = input->config->embedllm_mf.dim;
    fr_learner_begin(l, input, "embedllm_mf", prompts > 0 ? prompts : 1);
    fr_params_add(&l->params, "embedllm.model", FR_SHAPE(l->M, m->dim), true, false, FR_GROUP_HEAD);
    fr_params_add(&l->params, "embedllm.weight", FR_SHAPE(m->dim, l->d), true, false, FR_GROUP_HEAD);
    fr_params_add(&l->params, "embedllm.bias", FR_SHAPE(m->dim), true, false, FR_GROUP_HEAD);
    fr_params_add(&l->params, "embedllm.classes", FR_SHAPE(2, m->dim), true, false, FR_GROUP_HEAD);
    fr_params_add(&l->params, "embedllm.class_bias", FR_SHAPE(2), true, false, FR_GROUP_HEAD);
    fr_learner_commit(l);
    m->model = &l->params.item[0];
    m->weight = &l->params.item[1];
    m->bias = &l->params.item[2];
    m->classes = &l->params.item[3];
    m->class_bias = &l->params.item[4];
    m->arena = fr_arena_create(l->device);
    layout(m);
    fr_arena_commit(m->arena);
    layout(m);
    fr_param_init_normal(m->model, 1, (uint64_t)input->config->top.seed);
    fr_learner_init_linear(l, "embedllm.weight", "embedllm.bias");
    fr_learner_init_linear(l, "embedllm.classes", "embedllm.class_bias");
    *how = (fr_learning){.lr = input->config->embedllm_mf.lr,
                         .l2 = input->config->embedllm_mf.weight_decay,
                         .epochs = input->config->embedllm_mf.epochs,
                         .patience = input->config->embedllm_mf.patience,
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
    free(m);
}

const fr_learned fr_learned_embedllm_mf = {open_factors, close_factors};

fr_status fr_baseline_embedllm_mf(fr_scores *scores, const fr_eval_input *input)
{
    return fr_learned_score(scores, input, &fr_learned_embedllm_mf);
}
