/* RouterDC (Chen et al., NeurIPS 2024): a text encoder and an embedding E_m of each LLM, trained by two contrastive
 * losses (routerdc.h): a prompt is pulled to the LLMs that answer it best and pushed from those that answer it worst,
 * and pulled to a prompt of its cluster and pushed from prompts of others. Score: s = cosine(h, E_m).
 *
 *   loss = sample-LLM + routerdc.sample_weight * sample-sample
 *
 * E starts at N(0, deviation^2). Clusters: k-means of the training prompts' embeddings by the untrained encoder.
 * Unobserved models are neither positive nor negative.
 *
 * routerdc.encoder: full trains the whole text encoder, as published; frozen leaves the encoder as it is and trains a
 * d x d projection of its embeddings that starts at the identity. Both are a trunk (train/trunk.h). AdamW trains
 * encoder and LLM embeddings at one rate, as published; a projection at a rate of its own: at that of the LLM
 * embeddings it would learn the training prompts by heart before those have turned.
 *
 * The losses tie a batch's prompts together, and a trunk takes a batch in slices: with more than one, h of all comes
 * first, and each slice goes forward once more, with the same dropout, before its gradient goes backward. */
#include "routerdc.h"

#include "base/memory.h"
#include "base/rng.h"
#include "discover/kmeans.h"
#include "ops/ops.h"
#include "train/loop.h"
#include "train/trunk.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KMEANS_RESTARTS = 3, KMEANS_ITERATIONS = 100, INFERENCE_ROWS = 256 };

/* ---- losses ---- */

/* -log softmax_0 of x[at[0 .. n-1]] (at[0]: the positive) times weight; its gradient is added to dx. */
static double contrast(double *dx, const double *x, const int64_t *at, int64_t n, double weight)
{
    double most = x[at[0]], sum = 0;
    for (int64_t k = 1; k < n; k++)
        most = x[at[k]] > most ? x[at[k]] : most;
    for (int64_t k = 0; k < n; k++)
        sum += exp(x[at[k]] - most);
    for (int64_t k = 0; k < n; k++)
        dx[at[k]] += weight * (exp(x[at[k]] - most) / sum - (k == 0));
    return weight * (log(sum) + most - x[at[0]]);
}

typedef struct ranked {
    double quality, lot;
    int64_t m;
} ranked;

static int compare_ranked(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->quality < y->quality || x->quality > y->quality)
        return x->quality > y->quality ? -1 : 1;
    if (x->lot < y->lot || x->lot > y->lot)
        return x->lot < y->lot ? -1 : 1;
    return x->m < y->m ? -1 : x->m > y->m;
}

/* Observed models of a prompt, best first; how many. */
static int64_t rank_models(ranked *rank, const float *quality, int64_t M, int64_t b, fr_routerdc_draw draw)
{
    uint64_t stream = fr_stream("routerdc ties", (uint64_t)draw.step, 0);
    int64_t n = 0;
    for (int64_t m = 0; m < M; m++)
        if (!isnan(quality[m]))
            rank[n++] = (ranked){quality[m], fr_rng_uniform(draw.seed, stream, (uint64_t)(b * M + m)), m};
    qsort(rank, (size_t)n, sizeof *rank, compare_ranked);
    return n;
}

double fr_routerdc_llm_loss(double *ds, const double *s, const float *quality, int64_t B, int64_t M, int64_t positives,
                            int64_t negatives, fr_routerdc_draw draw)
{
    double loss = 0;
    ranked *rank = FR_NEW(ranked, M);
    int64_t *at = FR_NEW(int64_t, M + 1);
    memset(ds, 0, (size_t)(B * M) * sizeof *ds);
    for (int64_t b = 0; b < B; b++) {
        int64_t observed = rank_models(rank, quality + b * M, M, b, draw);
        for (int64_t i = 0; i < positives && i < observed && rank[i].quality > 0; i++) {
            int64_t n = 0, worst = observed > negatives ? observed - negatives : 0;
            at[n++] = rank[i].m;
            for (int64_t k = worst; k < observed; k++)
                if (k != i && !(rank[k].quality > 0.5))
                    at[n++] = rank[k].m;
            loss += contrast(ds + b * M, s + b * M, at, n, 1 / (double)B);
        }
    }
    free(rank);
    free(at);
    return loss;
}

/* at[0]: one prompt of b's cluster, at[1 ..]: up to `negatives` of others; how many, 0 where one kind is missing. */
static int64_t draw_samples(int64_t *at, int64_t *other, const int32_t *cluster, int64_t B, int64_t b,
                            int64_t negatives, fr_routerdc_draw draw)
{
    uint64_t stream = fr_stream("routerdc samples", (uint64_t)draw.step, (uint64_t)b);
    int64_t same = 0, others = 0;
    for (int64_t j = 0; j < B; j++)
        if (cluster[j] != cluster[b])
            other[others++] = j;
        else if (j != b)
            at[same++] = j;
    if (!same || !others)
        return 0;
    at[0] = at[fr_rng_below(draw.seed, stream, 0, same)];
    int64_t n = 1;
    for (int64_t left = others; n <= negatives && left > 0; n++, left--) {
        int64_t pick = fr_rng_below(draw.seed, stream, (uint64_t)n, left);
        at[n] = other[pick];
        other[pick] = other[left - 1];
    }
    return n;
}

double fr_routerdc_sample_loss(double *dg, const double *g, const int32_t *cluster, int64_t B, int64_t negatives,
                               fr_routerdc_draw draw)
{
    double loss = 0;
    int64_t used = 0, *at = FR_NEW(int64_t, B), *other = FR_NEW(int64_t, B);
    memset(dg, 0, (size_t)(B * B) * sizeof *dg);
    for (int64_t b = 0; b < B; b++) {
        int64_t n = draw_samples(at, other, cluster, B, b, negatives, draw);
        if (n == 0)
            continue;
        loss += contrast(dg + b * B, g + b * B, at, n, 1);
        used++;
    }
    for (int64_t k = 0; k < B * B && used; k++)
        dg[k] /= (double)used;
    free(at);
    free(other);
    return used ? loss / (double)used : 0;
}

/* ---- the model ---- */

struct fr_routerdc {
    const fr_eval_input *input;
    fr_config config;     /* the run's, with the encoder as routerdc.encoder wants it */
    fr_training training; /* what the trunk reads */
    fr_params params;
    fr_trunk *trunk;
    fr_param *llm; /* E (M, d) */
    int64_t M, d, batch, most_rows;
    fr_arena *arena;
    fr_tensor h, unit, norm, dh, dunit;            /* (batch, d), norm (batch) */
    fr_tensor llm_unit, llm_norm, dllm_unit, dllm; /* (M, d), norm (M) */
    fr_tensor s, g;                                /* (batch, M), (batch, batch); then their gradients */
    fr_tensor apply_unit, apply_norm, apply_s;     /* (most_rows, d), (most_rows), (most_rows, M) */
    double *host_s, *host_ds, *host_g, *host_dg;   /* of s and g */
    float *quality, *host_score;                   /* (batch, M), (most_rows, M) */
    int32_t *cluster, *batch_cluster;              /* (N), -1 outside train; (batch) */
    int64_t *train, trains, *dev, devs;
    double *cost; /* (M) expected */
};

static void layout(fr_routerdc *r)
{
    fr_dtype wide = r->params.device->wide;
    int64_t M = r->M, d = r->d;
    fr_tensor *batch_rows[] = {&r->h, &r->unit, &r->dh, &r->dunit},
              *llm_rows[] = {&r->llm_unit, &r->dllm_unit, &r->dllm};
    for (int k = 0; k < 4; k++)
        *batch_rows[k] = fr_arena_tensor(r->arena, wide, FR_SHAPE(r->batch, d));
    for (int k = 0; k < 3; k++)
        *llm_rows[k] = fr_arena_tensor(r->arena, wide, FR_SHAPE(M, d));
    r->norm = fr_arena_tensor(r->arena, wide, FR_SHAPE(r->batch));
    r->llm_norm = fr_arena_tensor(r->arena, wide, FR_SHAPE(M));
    r->s = fr_arena_tensor(r->arena, wide, FR_SHAPE(r->batch * M));
    r->g = fr_arena_tensor(r->arena, wide, FR_SHAPE(r->batch * r->batch));
    r->apply_unit = fr_arena_tensor(r->arena, wide, FR_SHAPE(r->most_rows, d));
    r->apply_norm = fr_arena_tensor(r->arena, wide, FR_SHAPE(r->most_rows));
    r->apply_s = fr_arena_tensor(r->arena, wide, FR_SHAPE(r->most_rows, M));
}

static void allocate(fr_routerdc *r)
{
    int64_t M = r->M, B = r->batch;
    r->arena = fr_arena_create(r->params.device);
    layout(r);
    fr_arena_commit(r->arena);
    layout(r);
    r->host_s = FR_NEW(double, B *M);
    r->host_ds = FR_NEW(double, B *M);
    r->host_g = FR_NEW(double, B *B);
    r->host_dg = FR_NEW(double, B *B);
    r->quality = FR_NEW(float, B *M);
    r->host_score = FR_NEW(float, r->most_rows *M);
    r->batch_cluster = FR_NEW(int32_t, B);
}

/* What the trunk reads: the run's training, or for cached embeddings what it needs of one. */
static fr_status plan_training(fr_routerdc *r)
{
    const fr_eval_input *input = r->input;
    bool full = input->config->routerdc.encoder == FR_ROUTERDC_FULL;
    if (full && !(input->training && input->training->tokens && input->training->encoder_folder))
        return fr_fail(FR_FAILED, "routerdc.encoder: full trains the text encoder, but there are no tokens of the "
                                  "prompts or no encoder's folder; want frozen");
    if (input->training)
        r->training = *input->training;
    r->training.config = &r->config;
    r->training.data = input->data;
    r->training.device = input->device;
    r->training.embedding = input->embedding;
    r->training.d = input->d;
    r->config.encoder.train = full ? FR_TRAIN_FULL : FR_TRAIN_FROZEN;
    r->config.encoder.projection = true;
    return FR_OK;
}

static void split_rows(fr_routerdc *r)
{
    const fr_dataset *data = r->input->data;
    r->train = FR_NEW(int64_t, data->N);
    r->dev = FR_NEW(int64_t, data->N);
    for (int64_t i = 0; i < data->N; i++) {
        if (data->split[i] == FR_SPLIT_TRAIN)
            r->train[r->trains++] = i;
        else if (data->split[i] == FR_SPLIT_DEV)
            r->dev[r->devs++] = i;
    }
    r->cost = FR_NEW(double, r->M);
    fr_expected_cost(r->cost, data);
}

/* k-means of the training prompts' unit embeddings. */
static fr_status find_clusters(fr_routerdc *r)
{
    const fr_eval_input *input = r->input;
    int64_t n = r->trains, d = r->d, k = input->config->routerdc.clusters;
    k = k < n ? k : n;
    r->cluster = FR_NEW(int32_t, input->data->N);
    int32_t *member = FR_NEW(int32_t, n);
    float *x = FR_NEW(float, n *d), *centre = FR_NEW(float, k *d);
    for (int64_t j = 0; j < n; j++)
        fr_unit_rows(x + j * d, input->embedding + r->train[j] * d, 1, d);
    fr_status status = FR_OK;
    if (n > 0)
        status = fr_kmeans(member, centre, NULL, x, n, d, k, KMEANS_RESTARTS, KMEANS_ITERATIONS,
                           (uint64_t)input->config->top.seed);
    for (int64_t i = 0; i < input->data->N; i++)
        r->cluster[i] = -1;
    for (int64_t j = 0; j < n && status == FR_OK; j++)
        r->cluster[r->train[j]] = member[j];
    free(member);
    free(x);
    free(centre);
    return status;
}

static fr_status open_model(fr_routerdc *r)
{
    const fr_config *config = r->input->config;
    int64_t N = r->input->data->N;
    FR_TRY(plan_training(r));
    r->batch = config->routerdc.batch < N ? config->routerdc.batch : N;
    r->most_rows = r->batch > INFERENCE_ROWS ? r->batch : INFERENCE_ROWS < N ? INFERENCE_ROWS : N;
    FR_TRY(fr_trunk_create(&r->trunk, &r->params, &r->training, false, true, r->most_rows));
    int64_t llm = fr_params_add(&r->params, "llm", FR_SHAPE(r->M, r->d), true, true, FR_GROUP_ENCODER);
    fr_params_commit(&r->params);
    fr_trunk_commit(r->trunk);
    allocate(r);
    split_rows(r);
    FR_TRY(find_clusters(r));
    r->llm = &r->params.item[llm];
    FR_TRY(fr_trunk_start(r->trunk));
    fr_param_init_normal(r->llm, config->routerdc.deviation, (uint64_t)config->top.seed);
    fr_params_refresh(&r->params);
    return FR_OK;
}

fr_status fr_routerdc_open(fr_routerdc **model, const fr_eval_input *input)
{
    FR_CHECK(input->embedding, "routerdc needs the prompt embeddings");
    fr_routerdc *r = FR_NEW(fr_routerdc, 1);
    *r = (fr_routerdc){.input = input, .M = input->data->M, .d = input->d};
    fr_config_copy(&r->config, input->config);
    fr_params_create(&r->params, input->device);
    fr_status status = open_model(r);
    if (status != FR_OK) {
        fr_routerdc_close(r);
        r = NULL;
    }
    *model = r;
    return status;
}

void fr_routerdc_close(fr_routerdc *r)
{
    if (!r)
        return;
    fr_trunk_close(r->trunk);
    fr_arena_close(r->arena);
    fr_params_close(&r->params);
    fr_config_close(&r->config);
    void *owned[] = {r->host_s,  r->host_ds,       r->host_g, r->host_dg, r->quality, r->host_score,
                     r->cluster, r->batch_cluster, r->train,  r->dev,     r->cost};
    for (size_t k = 0; k < sizeof owned / sizeof *owned; k++)
        free(owned[k]);
    free(r);
}

fr_params *fr_routerdc_params(fr_routerdc *r)
{
    return &r->params;
}

/* ---- a step ---- */

/* The first rows of a flat tensor as a matrix of its own. */
static fr_tensor matrix(fr_tensor flat, int64_t rows, int64_t columns)
{
    return fr_tensor_view(fr_tensor_rows(flat, 0, rows * columns), FR_SHAPE(rows, columns));
}

/* h of a batch, or (backward) its gradient back into the trunk, slice by slice; *slices: how many there were. */
static void through_trunk(fr_routerdc *r, const int64_t *rows, int64_t count, int64_t step, bool backward,
                          int64_t *slices)
{
    fr_prompts prompts = {r->training.embedding, r->training.tokens};
    fr_encoder_randomness inside = {r->input->config->routerdc.dropout, (uint64_t)r->config.top.seed, (uint64_t)step,
                                    0};
    bool again = backward && *slices > 1;
    *slices = 0;
    for (int64_t done = 0, taken, tokens; done < count; done += taken, inside.first_token += tokens, ++*slices) {
        taken = fr_trunk_slice(r->trunk, &prompts, rows + done, count - done, &tokens);
        if (!backward || again) {
            fr_tensor h = fr_trunk_forward(r->trunk, &prompts, rows + done, taken, inside);
            fr_tensor_copy(fr_tensor_rows(r->h, done, taken), h);
        }
        if (backward)
            fr_trunk_backward(r->trunk, fr_tensor_rows(r->dh, done, taken));
    }
}

static double sample_weight(const fr_config *config)
{
    double weight = config->routerdc.sample_weight;
    return isnan(weight) ? (config->routerdc.encoder == FR_ROUTERDC_FULL ? 1 : 0.3) : weight;
}

/* Both losses of the batch; host_ds, and host_dg as dg + dg^T, since g = u u^T. */
static double losses(fr_routerdc *r, const int64_t *rows, int64_t count, int64_t step)
{
    const fr_config *config = r->input->config;
    fr_routerdc_draw draw = {(uint64_t)config->top.seed, step};
    int64_t M = r->M;
    for (int64_t b = 0; b < count; b++) {
        memcpy(r->quality + b * M, r->input->data->quality + rows[b] * M, (size_t)M * sizeof(float));
        r->batch_cluster[b] = r->cluster[rows[b]];
    }
    double loss = fr_routerdc_llm_loss(r->host_ds, r->host_s, r->quality, count, M, config->routerdc.positives,
                                       config->routerdc.negatives, draw),
           weight = sample_weight(config);
    loss += weight *
            fr_routerdc_sample_loss(r->host_dg, r->host_g, r->batch_cluster, count, config->routerdc.negatives, draw);
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j <= i; j++) {
            double both = weight * (r->host_dg[i * count + j] + r->host_dg[j * count + i]);
            r->host_dg[i * count + j] = r->host_dg[j * count + i] = both;
        }
    return loss;
}

static void unit_llm(fr_routerdc *r)
{
    fr_l2norm_forward(r->llm_unit, r->llm_norm, r->llm->value);
}

/* With u, v the unit rows of h and E:  s = u v^T,  g = u u^T;  du = ds v + (dg + dg^T) u,  dv = ds^T u. */
double fr_routerdc_step(fr_routerdc *r, const int64_t *rows, int64_t count, int64_t step)
{
    int64_t slices = 0;
    through_trunk(r, rows, count, step, false, &slices);
    fr_tensor unit = fr_tensor_rows(r->unit, 0, count), norm = fr_tensor_rows(r->norm, 0, count),
              dunit = fr_tensor_rows(r->dunit, 0, count), s = matrix(r->s, count, r->M), g = matrix(r->g, count, count);
    fr_l2norm_forward(unit, norm, fr_tensor_rows(r->h, 0, count));
    unit_llm(r);
    fr_gemm(s, unit, false, r->llm_unit, true, FR_NONE, 1, 0);
    fr_gemm(g, unit, false, unit, true, FR_NONE, 1, 0);
    fr_tensor_get_f64(s, r->host_s);
    fr_tensor_get_f64(g, r->host_g);
    double loss = losses(r, rows, count, step);
    fr_tensor_set_f64(s, r->host_ds);
    fr_tensor_set_f64(g, r->host_dg);
    fr_gemm(dunit, s, false, r->llm_unit, false, FR_NONE, 1, 0);
    fr_gemm(dunit, g, false, unit, false, FR_NONE, 1, 1);
    fr_gemm(r->dllm_unit, s, true, unit, false, FR_NONE, 1, 0);
    fr_l2norm_backward(r->dllm, r->dllm_unit, r->llm_unit, r->llm_norm);
    fr_axpy(r->llm->grad, r->dllm, 1);
    fr_l2norm_backward(fr_tensor_rows(r->dh, 0, count), dunit, unit, norm);
    through_trunk(r, rows, count, step, true, &slices);
    return loss;
}

/* ---- fitting ---- */

static fr_status fit_step(void *model, const int64_t *rows, int64_t count, int64_t step, fr_tensor loss)
{
    double value = fr_routerdc_step(model, rows, count, step);
    fr_tensor_set_f64(loss, &value);
    return FR_OK;
}

typedef struct score_sink {
    fr_routerdc *model;
    float *score; /* (count, M) */
} score_sink;

static void take_scores(void *context, fr_tensor h, const int64_t *place, int64_t count)
{
    const score_sink *sink = context;
    fr_routerdc *r = sink->model;
    fr_tensor unit = fr_tensor_rows(r->apply_unit, 0, count), s = fr_tensor_rows(r->apply_s, 0, count);
    fr_l2norm_forward(unit, fr_tensor_rows(r->apply_norm, 0, count), h);
    fr_gemm(s, unit, false, r->llm_unit, true, FR_NONE, 1, 0);
    fr_tensor_get(s, r->host_score);
    for (int64_t i = 0; i < count; i++)
        memcpy(sink->score + place[i] * r->M, r->host_score + i * r->M, (size_t)r->M * sizeof(float));
}

/* score (count, M) of these rows (NULL: of all). */
static fr_status score_rows(fr_routerdc *r, float *score, const int64_t *rows, int64_t count)
{
    fr_prompts prompts = {r->training.embedding, r->training.tokens};
    unit_llm(r);
    return fr_trunk_apply(r->trunk, &prompts, rows, count, take_scores, &(score_sink){r, score});
}

/* Dev's answer to an epoch: the quality of the best-scored models. */
static fr_status watch(void *model, fr_measure *measure)
{
    fr_routerdc *r = model;
    if (r->devs == 0)
        return FR_OK;
    float *score = FR_NEW(float, r->devs * r->M);
    fr_status status = score_rows(r, score, r->dev, r->devs);
    double quality = fr_routed_rows(score, r->input->data, r->cost, r->dev, r->devs);
    free(score);
    if (status == FR_OK && !isnan(quality))
        *measure = (fr_measure){-quality, quality};
    return status;
}

static const char *first_bad(void *model)
{
    const fr_routerdc *r = model;
    return fr_trunk_first_bad(r->trunk);
}

static fr_status fit(fr_routerdc *r)
{
    const fr_config *config = r->input->config;
    bool full = config->routerdc.encoder == FR_ROUTERDC_FULL;
    double head_lr = config->routerdc.frozen_lr, /* the projection is the one parameter that is no encoder's */
        lr = full ? config->routerdc.lr : config->routerdc.frozen_llm_lr;
    fr_fit plan = {.what = "routerdc",
                   .params = &r->params,
                   .optimizer = {.lr = {head_lr, lr},
                                 .decay = config->routerdc.weight_decay,
                                 .beta1 = 0.9,
                                 .beta2 = 0.999,
                                 .epsilon = 1e-8,
                                 .schedule = FR_SCHEDULE_CONSTANT},
                   .rows = r->train,
                   .n = r->trains,
                   .batch = r->batch,
                   .epochs = config->routerdc.epochs,
                   .patience = config->routerdc.patience,
                   .seed = (uint64_t)config->top.seed,
                   .by_routed = true,
                   .model = r,
                   .step = fit_step,
                   .watch = watch,
                   .first_bad = first_bad};
    return fr_fit_run(&plan);
}

fr_status fr_baseline_routerdc(fr_scores *scores, const fr_eval_input *input)
{
    fr_routerdc *r;
    FR_TRY(fr_routerdc_open(&r, input));
    fr_status status = fit(r);
    if (status == FR_OK) {
        fr_scores_begin(scores, "routerdc", input->data);
        snprintf(scores->setting, sizeof scores->setting, "%s",
                 input->config->routerdc.encoder == FR_ROUTERDC_FULL ? "text encoder trained"
                                                                     : "frozen embeddings, trained projection");
        status = score_rows(r, scores->score, NULL, input->data->N);
        if (status != FR_OK)
            fr_scores_close(scores);
    }
    fr_routerdc_close(r);
    return status;
}
