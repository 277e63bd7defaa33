/* What a rank holds, and what is left in files. Every rank holds the whole data set and all embeddings. */
#include "costs.h"
#include "device/device.h"
#include "nn/encoder.h"

#include <math.h>

static const double program_bytes = 45e6; /* libraries and tables of the program itself, measured */
/* Of symmetric neighbour lists: undirected edges for each of n k neighbours, measured on 20,000 prompts. */
static const double edges_share = 0.66;

double fr_plan_edges(const fr_workload *work)
{
    double k = (double)work->config->discover.k;
    return edges_share * work->training * (k < work->training - 1 ? k : work->training - 1);
}

/* Prompts' and descriptions' rows, 4 bytes a value. */
double fr_plan_embedding_bytes(const fr_workload *work)
{
    return 2 * work->prompts * (double)work->shape.hidden * 4;
}

/* ---- parameters ---- */

static double encoder_params(const fr_workload *w, bool trainable)
{
    const fr_encoder_shape *s = &w->shape;
    const fr_config *config = w->config;
    double C = (double)s->hidden, F = (double)s->intermediate, L = (double)s->layers;
    double layer = 4 * (C * C + C) + 2 * C * F + F + C + 4 * C, top = (double)config->encoder.top_layers;
    double embeddings = ((double)s->vocabulary + (double)s->positions + (double)s->types + 2) * C;
    if (!trainable || config->encoder.train == FR_TRAIN_FULL)
        return embeddings + L * layer;
    return config->encoder.train == FR_TRAIN_TOP ? fmin(top, L) * layer : 0;
}

static double trunk_params(const fr_workload *w, bool frozen)
{
    double d = (double)w->shape.hidden;
    if (!frozen && w->config->encoder.train != FR_TRAIN_FROZEN)
        return encoder_params(w, true);
    return w->config->encoder.projection ? d * d : 0;
}

/* Matcher: W d^2, e T d, b T, s. */
double fr_plan_classifier_params(const fr_workload *w, bool frozen)
{
    double d = (double)w->shape.hidden;
    return trunk_params(w, frozen) + d * d + w->tasks * (d + 1) + 1;
}

/* A head: (d + U + 1) H weights and the second layer's H + 1; linear: d + U + 1. */
static double head_params(const fr_workload *w)
{
    double in = (double)w->shape.hidden + (double)w->config->qe.llm_dim + 1, H = (double)w->config->qe.hidden;
    return H > 0 ? in * H + H + 1 : in;
}

double fr_plan_phase1_params(const fr_workload *w)
{
    return trunk_params(w, false) + w->models * ((double)w->config->qe.llm_dim + head_params(w));
}

double fr_plan_task_params(const fr_workload *w)
{
    return w->candidates * head_params(w);
}

/* ---- devices ---- */

/* Bytes of an encoder's workspace and parameters, as the program itself would lay them out: nothing is allocated on the
 * device, which is one in name only. */
static double encoder_memory(const fr_workload *w, const fr_rates *rates, bool training, double rows)
{
    const fr_config *config = w->config;
    bool bf16 = rates->gpu && config->top.device != FR_DEVICE_CUDA;
    fr_device device = {.real = bf16 ? FR_BF16 : FR_F32,
                        .wide = FR_F32,
                        .inference_tokens = rates->gpu ? FR_GPU_INFERENCE_TOKENS : FR_HOST_INFERENCE_TOKENS,
                        .training_tokens = rates->gpu ? FR_GPU_TRAINING_TOKENS : FR_HOST_TRAINING_TOKENS};
    int64_t layers = !training ? 0 : config->encoder.train == FR_TRAIN_FULL ? -1 : config->encoder.top_layers;
    int64_t tokens = fr_encoder_batch_tokens(config, &device, &w->shape, training);
    if (rows > 0 && rows * (double)w->shape.max_tokens < (double)tokens)
        tokens = (int64_t)rows * w->shape.max_tokens;
    fr_params params;
    fr_params_create(&params, &device);
    fr_encoder *encoder =
        fr_encoder_create(&w->shape, &params, "", layers, tokens, rows > 0 ? (int64_t)rows : tokens / 2);
    size_t parameters, workspace = fr_encoder_bytes(encoder, &parameters);
    fr_encoder_close(encoder);
    fr_params_close(&params);
    return (double)workspace + (double)parameters + 8 * (double)tokens;
}

/* Values, gradient and two moments of P parameters, and a step's rows. */
static double training_memory(double params, double rows, double values)
{
    return 16 * params + rows * values * 4;
}

static void device_memory(fr_plan *plan, const fr_rates *rates)
{
    const fr_workload *w = &plan->work;
    const fr_config *config = w->config;
    double d = (double)w->shape.hidden, k = (double)config->discover.k;
    double class_rows = fmin(w->prompts, fmax(256, (double)config->classifier.batch)),
           quality_rows = fmin(w->prompts, fmax(256, (double)config->qe.batch));
    bool frozen = config->encoder.train == FR_TRAIN_FROZEN;
    fr_stage_cost *s = plan->stage;
    s[FR_PLAN_EMBED].device_bytes = encoder_memory(w, rates, false, 0);
    /* A GPU searches with all rows in f32 and rounded beside it, and its lists. */
    if (rates->gpu) {
        s[FR_PLAN_NEIGHBOURS].device_bytes = w->training * (d * 6 + 64 * 8) + 32768 * k * 8;
        s[FR_PLAN_RBO].device_bytes = fr_plan_edges(w) * 12 + w->training * w->models * 4;
        s[FR_PLAN_EVALUATE].device_bytes = w->training * (d * 6 + 64 * 8);
    }
    s[FR_PLAN_CLASSIFIER].device_bytes =
        training_memory(fr_plan_classifier_params(w, true), class_rows, 6 * d + 4 * w->tasks) +
        (frozen ? 0 : encoder_memory(w, rates, true, class_rows));
    s[FR_PLAN_STAGE1].device_bytes =
        training_memory(fr_plan_classifier_params(w, true), class_rows, 6 * d + 4 * w->tasks);
    s[FR_PLAN_PHASE1].device_bytes =
        training_memory(fr_plan_phase1_params(w) - (frozen ? 0 : encoder_params(w, true)), quality_rows,
                        6 * d + w->models * (4 + 3 * (double)config->qe.hidden)) +
        (frozen ? 0 : encoder_memory(w, rates, true, quality_rows));
    s[FR_PLAN_PHASE2].device_bytes = training_memory(w->tasks * fr_plan_task_params(w), quality_rows, 6 * d);
}

/* ---- hosts ---- */

static void host_memory(fr_plan *plan, const fr_rates *rates)
{
    const fr_workload *w = &plan->work;
    double N = w->prompts, n = w->training, d = (double)w->shape.hidden, k = (double)w->config->discover.k,
           M = w->models, T = w->tasks, E = fr_plan_edges(w);
    double data = program_bytes + N * (w->text_bytes + 3 * 16 + 29 + 8 * M);
    double texts = data + fr_plan_embedding_bytes(w) + N * (w->tokens * 4 + 8);
    double graph = texts + 20 * E, trained = graph + N * (T * 4 + d * 4 + 16 * M);
    const double held[FR_PLAN_STAGES] = {
        [FR_PLAN_DATA] = data,
        [FR_PLAN_EMBED] = texts + N * w->description_tokens * 4,
        [FR_PLAN_NEIGHBOURS] = texts + N * d * 4 + N * k * 8 + n * k * 12,
        [FR_PLAN_RBO] = graph + n * d * 4 + 4 * N * M,
        [FR_PLAN_LEIDEN] = graph + n * d * 4 + E * 60, /* igraph's own graph and weights */
        [FR_PLAN_CLASSIFIER] = graph + N * T * 4,
        [FR_PLAN_STAGE1] = graph + N * T * 8,
        [FR_PLAN_PHASE1] = graph + N * (T * 4 + d * 4 + 4 * M),
        [FR_PLAN_PHASE2] = trained + (N - w->test) * d * 4,
        [FR_PLAN_SCORE] = trained + 8 * N * M,
        [FR_PLAN_EVALUATE] = trained + N * d * 4 + 16 * N * M,
        [FR_PLAN_FINISH] = trained + (double)fr_plan_routers(w->config) * (w->test * 9 + N * 8),
    };
    for (int s = 0; s < FR_PLAN_STAGES; s++)
        plan->stage[s].host_bytes = held[s] + (rates->gpu ? 0 : plan->stage[s].device_bytes);
}

/* ---- files ---- */

static void files(fr_plan *plan)
{
    const fr_workload *w = &plan->work;
    const fr_config *config = w->config;
    double N = w->prompts, d = (double)w->shape.hidden, M = w->models, T = w->tasks, E = fr_plan_edges(w);
    double deflated = 0.86, rows = deflated * N * d * 4; /* of embeddings, measured */
    bool made = !config->data.file[0], frozen = config->encoder.train == FR_TRAIN_FROZEN;
    fr_stage_cost *s = plan->stage;
    s[FR_PLAN_DATA].disk_bytes = made ? N * (w->text_bytes + 128 + 4.5 * M) : 0;
    s[FR_PLAN_EMBED].disk_bytes = 2 * rows;
    s[FR_PLAN_LEIDEN].disk_bytes = E * 11;
    s[FR_PLAN_CLASSIFIER].disk_bytes = deflated * N * T * 4 + 4 * fr_plan_classifier_params(w, false);
    s[FR_PLAN_STAGE1].disk_bytes = config->stage1.members == FR_MEMBERS_ASSIGNED ? N * 2 : 0;
    s[FR_PLAN_PHASE1].disk_bytes = rows + N * M * 4 + 4 * fr_plan_phase1_params(w);
    s[FR_PLAN_PHASE2].disk_bytes = N * M * 4 + 4 * T * fr_plan_task_params(w);
    s[FR_PLAN_FINISH].disk_bytes =
        3 * rows + E * 11 +
        4 * (fr_plan_phase1_params(w) + fr_plan_classifier_params(w, false) + T * fr_plan_task_params(w)) +
        (frozen ? 0 : 4 * encoder_params(w, false)) +
        (config->eval.predictions ? (w->dev + w->test) * (180 + 75 * M) : 0);
}

void fr_plan_memory(fr_plan *plan, const fr_rates *rates)
{
    device_memory(plan, rates);
    host_memory(plan, rates);
    files(plan);
}
