/* Multidimensional item response theory: models have abilities, prompts ask for them.
 *
 *   a = softplus(W_a x)   (dim)      what prompt x asks of each ability
 *   b = w_b . x                      how hard it is
 *   logit[m] = a . theta_m - b       of the probability that model m answers well
 *
 * The loss is the binary cross-entropy against quality clamped to [0, 1], the mean over observed entries. */
#include "learner.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

/* Deviation of abilities at the start: from 1 instead, mmlu_pro's dev split ends 0.013 lower. */
static const double START = 0.1;

typedef struct mirt {
    fr_learner *learner;
    int64_t dim;
    fr_param *demand, *difficulty, *ability; /* W_a (dim, d), w_b (1, d), theta (M, dim) */
    fr_arena *arena;
    fr_tensor z, a, da; /* (batch, dim) before and after softplus */
    fr_tensor b;        /* (batch, 1), then its gradient */
    fr_tensor logits;   /* (batch, M) a . theta, then the gradient */
    double *host_b;     /* (batch) */
} mirt;

static void layout(mirt *m)
{
    fr_learner *l = m->learner;
    m->z = fr_arena_tensor(m->arena, l->device->wide, FR_SHAPE(l->batch, m->dim));
    m->a = fr_arena_tensor(m->arena, l->device->wide, FR_SHAPE(l->batch, m->dim));
    m->da = fr_arena_tensor(m->arena, l->device->wide, FR_SHAPE(l->batch, m->dim));
    m->b = fr_arena_tensor(m->arena, l->device->wide, FR_SHAPE(l->batch, 1));
    m->logits = fr_arena_tensor(m->arena, l->device->wide, FR_SHAPE(l->batch, l->M));
}

/* Logits (count, M) into the learner's host memory. */
static void forward(mirt *m, fr_tensor x, int64_t count)
{
    fr_learner *l = m->learner;
    fr_tensor z = fr_tensor_rows(m->z, 0, count), a = fr_tensor_rows(m->a, 0, count),
              b = fr_tensor_rows(m->b, 0, count), logits = fr_tensor_rows(m->logits, 0, count);
    fr_linear_forward(z, x, m->demand->value, FR_NONE);
    fr_activate_forward(a, z, FR_SOFTPLUS);
    fr_linear_forward(logits, a, m->ability->value, FR_NONE);
    fr_linear_forward(b, x, m->difficulty->value, FR_NONE);
    fr_tensor_get_f64(logits, l->host);
    fr_tensor_get_f64(b, m->host_b);
    for (int64_t i = 0; i < count * l->M; i++)
        l->host[i] -= m->host_b[i / l->M];
}

static double step(void *model, const int64_t *rows, int64_t count, int64_t number)
{
    (void)number;
    mirt *m = model;
    fr_learner *l = m->learner;
    fr_tensor x = fr_learner_batch(l, rows, count);
    forward(m, x, count);
    double loss = fr_bce_on_quality(l->host, l->host, l->data, rows, count);
    for (int64_t i = 0; i < count; i++) {
        m->host_b[i] = 0;
        for (int64_t k = 0; k < l->M; k++)
            m->host_b[i] -= l->host[i * l->M + k];
    }
    fr_tensor dlogits = fr_tensor_rows(m->logits, 0, count), db = fr_tensor_rows(m->b, 0, count),
              da = fr_tensor_rows(m->da, 0, count);
    fr_tensor_set_f64(dlogits, l->host);
    fr_tensor_set_f64(db, m->host_b);
    fr_linear_backward(da, m->ability->grad, FR_NONE, dlogits, fr_tensor_rows(m->a, 0, count), m->ability->value);
    fr_activate_backward(da, da, fr_tensor_rows(m->z, 0, count), FR_SOFTPLUS);
    fr_linear_backward(FR_NONE, m->demand->grad, FR_NONE, da, x, m->demand->value);
    fr_linear_backward(FR_NONE, m->difficulty->grad, FR_NONE, db, x, m->difficulty->value);
    return loss;
}

static void score(void *model, float *score, const int64_t *rows, int64_t count)
{
    mirt *m = model;
    forward(m, fr_learner_batch(m->learner, rows, count), count);
    for (int64_t i = 0; i < count * m->learner->M; i++)
        score[i] = (float)m->learner->host[i];
}

static void open_mirt(fr_learner *l, fr_learning *how, const fr_eval_input *input)
{
    mirt *m = FR_NEW(mirt, 1);
    m->learner = l;
    m->dim = input->config->mirt.dim;
    fr_learner_begin(l, input, "mirt", input->config->mirt.batch);
    fr_params_add(&l->params, "mirt.demand", FR_SHAPE(m->dim, l->d), true, false, FR_GROUP_HEAD);
    fr_params_add(&l->params, "mirt.difficulty", FR_SHAPE(1, l->d), true, false, FR_GROUP_HEAD);
    fr_params_add(&l->params, "mirt.ability", FR_SHAPE(l->M, m->dim), true, false, FR_GROUP_HEAD);
    fr_learner_commit(l);
    m->demand = &l->params.item[0];
    m->difficulty = &l->params.item[1];
    m->ability = &l->params.item[2];
    m->arena = fr_arena_create(l->device);
    layout(m);
    fr_arena_commit(m->arena);
    layout(m);
    m->host_b = FR_NEW(double, l->batch);
    fr_learner_init_linear(l, "mirt.demand", NULL);
    fr_learner_init_linear(l, "mirt.difficulty", NULL);
    fr_param_init_normal(m->ability, START, (uint64_t)input->config->top.seed);
    *how = (fr_learning){.lr = input->config->mirt.lr,
                         .epochs = input->config->mirt.epochs,
                         .patience = input->config->mirt.patience,
                         .model = m,
                         .step = step,
                         .score = score};
    snprintf(how->setting, sizeof how->setting, "dim = %lld", (long long)m->dim);
}

static void close_mirt(void *model)
{
    mirt *m = model;
    fr_arena_close(m->arena);
    free(m->host_b);
    free(m);
}

const fr_learned fr_learned_mirt = {open_mirt, close_mirt};

fr_status fr_baseline_mirt(fr_scores *scores, const fr_eval_input *input)
{
    return fr_learned_score(scores, input, &fr_learned_mirt);
}
