/* A classifier of the best model: embedding -> hidden layers with ReLU -> a logit a model.
 *
 *   h_0 = x;   h_k = relu(W_k h_(k-1) + b_k);   logits = W_L h_(L-1) + b_L
 *
 * Labels are multi-hot: every observed model of a prompt's highest quality. The loss is the logistic one of each label,
 * summed over observed models, the mean over prompts: what sklearn.neural_network.MLPClassifier does with multi-label
 * targets. */
#include "learner.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct layer {
    int64_t width;             /* of its output */
    int64_t weight, bias;      /* indices of parameters: (width, width before), (width) */
    fr_tensor output, doutput; /* (batch, width) */
} layer;

typedef struct mlp {
    fr_learner *learner;
    layer *layer;
    int64_t layers;
    fr_arena *arena;
} mlp;

static void declare(mlp *m)
{
    fr_learner *l = m->learner;
    const fr_reals *hidden = &l->input->config->mlp.hidden;
    m->layers = hidden->count + 1;
    m->layer = FR_NEW(layer, m->layers);
    int64_t before = l->d;
    for (int64_t k = 0; k < m->layers; k++) {
        layer *now = &m->layer[k];
        char name[64];
        now->width = k < hidden->count ? (int64_t)hidden->value[k] : l->M;
        snprintf(name, sizeof name, "mlp.%lld.weight", (long long)k);
        now->weight = fr_params_add(&l->params, name, FR_SHAPE(now->width, before), true, false, FR_GROUP_HEAD);
        snprintf(name, sizeof name, "mlp.%lld.bias", (long long)k);
        now->bias = fr_params_add(&l->params, name, FR_SHAPE(now->width), true, false, FR_GROUP_HEAD);
        before = now->width;
    }
}

static void layout(mlp *m)
{
    fr_learner *l = m->learner;
    for (int64_t k = 0; k < m->layers; k++) {
        layer *now = &m->layer[k];
        now->output = fr_arena_tensor(m->arena, l->device->wide, FR_SHAPE(l->batch, now->width));
        now->doutput = fr_arena_tensor(m->arena, l->device->wide, FR_SHAPE(l->batch, now->width));
    }
}

/* logits (count, M) */
static fr_tensor forward(mlp *m, fr_tensor x, int64_t count)
{
    const fr_param *param = m->learner->params.item;
    for (int64_t k = 0; k < m->layers; k++) {
        const layer *now = &m->layer[k];
        fr_tensor y = fr_tensor_rows(now->output, 0, count);
        fr_linear_forward(y, x, param[now->weight].value, param[now->bias].value);
        if (k < m->layers - 1)
            fr_activate_forward(y, y, FR_RELU);
        x = y;
    }
    return x;
}

/* From the gradient by the logits, which lies in the last layer's doutput. A ReLU's output is positive where its input
 * is. */
static void backward(mlp *m, fr_tensor x, int64_t count)
{
    const fr_param *param = m->learner->params.item;
    for (int64_t k = m->layers - 1; k >= 0; k--) {
        const layer *now = &m->layer[k];
        fr_tensor dy = fr_tensor_rows(now->doutput, 0, count), input = x, dinput = FR_NONE;
        if (k > 0) {
            input = fr_tensor_rows(m->layer[k - 1].output, 0, count);
            dinput = fr_tensor_rows(m->layer[k - 1].doutput, 0, count);
        }
        fr_linear_backward(dinput, param[now->weight].grad, param[now->bias].grad, dy, input, param[now->weight].value);
        if (k > 0)
            fr_activate_backward(dinput, dinput, input, FR_RELU);
    }
}

/* The loss of these rows; their logits in `logits` become its gradient. */
static double loss_of(double *logits, const fr_dataset *data, const int64_t *rows, int64_t count)
{
    int64_t M = data->M;
    double loss = 0;
    for (int64_t i = 0; i < count; i++) {
        const float *quality = data->quality + rows[i] * M;
        float best = fr_prompt_oracle(data, rows[i]);
        for (int64_t m = 0; m < M; m++) {
            double *d = &logits[i * M + m];
            if (isnan(quality[m])) {
                *d = 0;
                continue;
            }
            loss += fr_bce_term(d, *d, quality[m] >= best);
            *d /= (double)count;
        }
    }
    return loss / (double)count;
}

static double step(void *model, const int64_t *rows, int64_t count, int64_t number)
{
    (void)number;
    mlp *m = model;
    fr_learner *l = m->learner;
    fr_tensor x = fr_learner_batch(l, rows, count);
    fr_tensor_get_f64(forward(m, x, count), l->host);
    double loss = loss_of(l->host, l->data, rows, count);
    fr_tensor_set_f64(fr_tensor_rows(m->layer[m->layers - 1].doutput, 0, count), l->host);
    backward(m, x, count);
    return loss;
}

static void score(void *model, float *score, const int64_t *rows, int64_t count)
{
    mlp *m = model;
    fr_tensor_get(forward(m, fr_learner_batch(m->learner, rows, count), count), score);
}

static void open_mlp(fr_learner *l, fr_learning *how, const fr_eval_input *input)
{
    mlp *m = FR_NEW(mlp, 1);
    m->learner = l;
    fr_learner_begin(l, input, "mlp", input->config->mlp.batch);
    declare(m);
    fr_learner_commit(l);
    m->arena = fr_arena_create(l->device);
    layout(m);
    fr_arena_commit(m->arena);
    layout(m);
    *how = (fr_learning){.lr = input->config->mlp.lr,
                         .l2 = input->config->mlp.l2,
                         .epochs = input->config->mlp.epochs,
                         .patience = input->config->mlp.patience,
                         .model = m,
                         .step = step,
                         .score = score};
    snprintf(how->setting, sizeof how->setting, "hidden =");
    for (int64_t k = 0; k < m->layers; k++) {
        const fr_param *weight = &l->params.item[m->layer[k].weight];
        fr_learner_init_linear(l, weight->name, l->params.item[m->layer[k].bias].name);
        size_t used = strlen(how->setting);
        if (k < m->layers - 1)
            snprintf(how->setting + used, sizeof how->setting - used, "%s %lld", k ? "," : "",
                     (long long)m->layer[k].width);
    }
}

static void close_mlp(void *model)
{
    mlp *m = model;
    fr_arena_close(m->arena);
    free(m->layer);
    free(m);
}

const fr_learned fr_learned_mlp = {open_mlp, close_mlp};

fr_status fr_baseline_mlp(fr_scores *scores, const fr_eval_input *input)
{
    return fr_learned_score(scores, input, &fr_learned_mlp);
}
