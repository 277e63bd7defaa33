/* What each stage costs. Letters: N prompts, n of them training, M models, T tasks, d (= C) embedding width, E edges,
 * R ranks. A rank's processor does `flops` at a rate; where memory is slower than that, the memory decides:
 *
 *   seconds = max(flops / rate, bytes / bandwidth) */
#include "costs.h"

#include <math.h>
#include <string.h>

const char *fr_plan_stage_name(fr_plan_stage stage)
{
    static const char *const name[FR_PLAN_STAGES] = {"data",   "embed",      "neighbours", "rbo",
                                                     "leiden", "classifier", "stage1",     "phase1",
                                                     "phase2", "score",      "evaluate",   "finish"};
    return name[stage];
}

/* ---- communication ---- */

double fr_plan_allreduce(double *sent, double bytes, fr_ranks ranks, const fr_rates *rates)
{
    double R = (double)ranks.ranks, moved = 2 * (R - 1) / R * bytes;
    bool far = ranks.nodes > 1;
    if (sent)
        *sent = moved;
    if (ranks.ranks == 1)
        return 0;
    return moved / rates->value[far ? FR_RATE_net_bandwidth : FR_RATE_link_bandwidth] +
           2 * (R - 1) * rates->value[far ? FR_RATE_net_latency : FR_RATE_link_latency];
}

double fr_plan_gather(double *sent, double bytes, fr_ranks ranks, const fr_rates *rates)
{
    double R = (double)ranks.ranks, moved = (R - 1) / R * bytes;
    bool far = ranks.nodes > 1;
    if (sent)
        *sent = moved;
    if (ranks.ranks == 1)
        return 0;
    return moved / fmin(rates->value[FR_RATE_mpi_bandwidth], far ? rates->value[FR_RATE_net_bandwidth] : INFINITY) +
           (R - 1) * rates->value[far ? FR_RATE_net_latency : FR_RATE_link_latency];
}

static void add_allreduce(const bill *b, fr_stage_cost *cost, double bytes, double times)
{
    double sent;
    cost->comm_seconds += times * fr_plan_allreduce(&sent, bytes, b->ranks, b->rates);
    cost->comm_bytes += times * sent;
}

/* Rows that are summed in host memory, all ranks but one bringing zeros, so that the bits stay: an all-reduce by MPI.
 */
void fr_plan_add_united(const bill *b, fr_stage_cost *cost, double bytes, double times)
{
    fr_rates by_mpi = *b->rates;
    double *link = &by_mpi.value[FR_RATE_link_bandwidth], *net = &by_mpi.value[FR_RATE_net_bandwidth], sent;
    *link = fmin(*link, by_mpi.value[FR_RATE_mpi_bandwidth]);
    *net = fmin(*net, by_mpi.value[FR_RATE_mpi_bandwidth]);
    cost->comm_seconds += times * fr_plan_allreduce(&sent, bytes, b->ranks, &by_mpi);
    cost->comm_bytes += times * sent;
}

static void add_gather(const bill *b, fr_stage_cost *cost, double bytes)
{
    double sent;
    cost->comm_seconds += fr_plan_gather(&sent, bytes, b->ranks, b->rates);
    cost->comm_bytes += sent;
}

/* ---- arithmetic ---- */

/* Work that the ranks share. */
static void add_shared(const bill *b, fr_stage_cost *cost, double flops, double rate, double bytes)
{
    double by_flops = flops / rate, by_memory = bytes / (b->rates->value[FR_RATE_memory_bandwidth]);
    cost->seconds += (by_flops > by_memory ? by_flops : by_memory) / b->R;
    cost->flops += flops;
    cost->bytes += bytes;
}

/* Work that every rank does alike, on its host. amount in the unit of the rate. */
static void add_alike(const bill *b, fr_stage_cost *cost, double amount, fr_rate rate, double bytes)
{
    cost->seconds += amount / (b->rates->value[rate] * b->threads);
    cost->bytes += bytes * b->R;
}

/* Work of the root alone on one core; the others wait. */
static void add_root(const bill *b, fr_stage_cost *cost, double amount, fr_rate rate)
{
    cost->seconds += amount / b->rates->value[rate];
}

static double device_rate(const bill *b, fr_rate rate)
{
    return b->rates->value[rate] * (b->rates->gpu ? 1 : b->threads);
}

/* Products of a matrix with 2 (4 C^2 + 2 C F) a layer and the two of attention, 2 tokens C each:
 *
 *   L (2 (4 C^2 + 2 C F) + 4 tokens C) */
double fr_plan_encoder_flops(const fr_encoder_shape *s, double tokens)
{
    double C = (double)s->hidden, F = (double)s->intermediate;
    return (double)s->layers * (2 * (4 * C * C + 2 * C * F) + 4 * tokens * C);
}

/* Activations that a token's layers read and write beside the products: 12 C + 4 F values, three times that in
 * training. */
static double encoder_bytes(const fr_encoder_shape *s, double real)
{
    return (double)s->layers * real * (12 * (double)s->hidden + 4 * (double)s->intermediate);
}

static double real_bytes(const bill *b)
{
    return b->rates->gpu && b->work->config->top.device != FR_DEVICE_CUDA ? 2 : 4;
}

/* Products, and then the rest: seconds = flops / gemm + bytes / elementwise. */
static void add_encoder(const bill *b, fr_stage_cost *cost, double flops, double bytes)
{
    bool f32 = b->work->config->top.device == FR_DEVICE_CUDA;
    cost->seconds +=
        (flops / device_rate(b, f32 ? FR_RATE_gemm_f32 : FR_RATE_gemm) + bytes / device_rate(b, FR_RATE_elementwise)) /
        b->R;
    cost->flops += flops;
    cost->bytes += bytes;
}

/* ---- stages ---- */

static void data(const bill *b, fr_stage_cost *cost)
{
    const fr_workload *w = b->work;
    double bytes = w->prompts * (w->text_bytes + 8 * w->models);
    if (w->config->synth.prompts > 0 && !w->config->data.file[0]) {
        add_root(b, cost, w->prompts, FR_RATE_synth); /* the root makes and writes it, the others read its file */
        add_root(b, cost, bytes, FR_RATE_write);
        if (b->ranks.ranks > 1)
            add_root(b, cost, bytes, FR_RATE_read);
    } else {
        add_root(b, cost, bytes, FR_RATE_read); /* every rank on one core, at the same time */
    }
    cost->bytes += b->R * bytes;
}

/* N prompts and the distinct descriptions forward, by batches; then every rank gets all rows. */
static void embed(const bill *b, fr_stage_cost *cost)
{
    const fr_workload *w = b->work;
    double described = w->prompts * w->distinct, tokens = w->prompts * w->tokens + described * w->description_tokens;
    double flops = w->prompts * w->tokens * fr_plan_encoder_flops(&w->shape, w->tokens) +
                   described * w->description_tokens * fr_plan_encoder_flops(&w->shape, w->description_tokens);
    add_encoder(b, cost, flops, tokens * encoder_bytes(&w->shape, real_bytes(b)));
    add_alike(b, cost, w->prompts * (w->tokens + w->description_tokens), FR_RATE_tokenizer, w->prompts * w->text_bytes);
    double rows = fr_plan_embedding_bytes(w);
    fr_plan_add_united(b, cost, rows, 1);
    add_root(b, cost, rows, FR_RATE_write);
}

double fr_plan_screening(const bill *b)
{
    const double crowded = 3.4; /* measured in experiments/006-scaling */
    return b->work->config->encoder.init == FR_INIT_RANDOM && !b->rates->gpu ? crowded : 1;
}

/* Products of 2 d, of the training prompts with each other (mirrored ones once), and of the others with them:
 *
 *   graph   mirrored n^2 + (N - n) n           resolution: auto, once more by the prompts' own embeddings
 *   auto    mirrored n^2 + dev n */
static void neighbours(const bill *b, fr_stage_cost *cost)
{
    const fr_workload *w = b->work;
    const fr_config *config = w->config;
    double n = w->training, d = (double)w->shape.hidden, k = (double)config->discover.k, K = real_bytes(b),
           half = b->rates->value[FR_RATE_knn_mirrored];
    double pairs = config->discover.graph[0] ? 0 : half * n * n;
    pairs += (w->prompts - n) * n;
    if (fr_plan_partitions(w) > 1)
        pairs += half * n * n + w->dev * n;
    /* Blocks of 1,024 rows are read once for each other block. */
    add_shared(b, cost, 2 * d * pairs, device_rate(b, FR_RATE_knn) / fr_plan_screening(b), pairs / 1024 * 2 * d * K);
    /* The CPU's ranks unite the lists of a set in itself after blocks 0, 1, 2, 4, 8 ... of 480 rows. */
    double turns = b->rates->gpu ? 1 : 2 + floor(log2(fmax(2, n / 480)));
    fr_plan_add_united(b, cost, (w->prompts - n) * k * 8, 1);
    if (!config->discover.graph[0])
        fr_plan_add_united(b, cost, n * k * 8, turns);
    if (fr_plan_partitions(w) > 1)
        fr_plan_add_united(b, cost, (n + w->dev) * k * 8, turns);
    add_alike(b, cost, n * k, FR_RATE_edges, n * k * 8);
}

/* E M work of the edges, shared out; the overlaps are gathered. */
static void rbo(const bill *b, fr_stage_cost *cost)
{
    const fr_workload *w = b->work;
    if (w->config->discover.graph[0])
        return;
    double E = fr_plan_edges(w), M = w->models;
    add_shared(b, cost, E * M, device_rate(b, w->binary ? FR_RATE_rbo_binary : FR_RATE_rbo_graded), E * (4 * M + 20));
    add_gather(b, cost, 4 * E);
}

/* The root: c E iterations for each resolution tried. Every rank: centres, cards and votes. */
static void leiden(const bill *b, fr_stage_cost *cost)
{
    const fr_workload *w = b->work;
    const fr_config *config = w->config;
    double tries = fr_plan_partitions(w), E = fr_plan_edges(w), d = (double)w->shape.hidden;
    if (config->discover.method == FR_TASKS_LEIDEN) {
        add_root(b, cost, tries * E * (double)config->discover.iterations, FR_RATE_leiden);
        cost->bytes += tries * E * (double)config->discover.iterations * 16;
    }
    add_alike(b, cost, tries * w->training * d, FR_RATE_partition, tries * w->training * d * 4);
    if (tries > 1) /* each is tried on the prompts left out */
        add_alike(b, cost, tries * (w->training + w->dev) * (w->tasks + 1) * w->models, FR_RATE_rows,
                  tries * w->prompts * w->tasks * 4);
    for (int i = 0; i < (int)tries; i++)
        add_gather(b, cost, w->training * 4);
    add_root(b, cost, E * 20, FR_RATE_write);
}

/* One training: epochs of ceil(n / batch) steps. A step: 3 times the forward operations of the batch, shared out, an
 * AdamW step of all P parameters on every rank, and their gradient summed over the ranks; after every epoch dev. */
typedef struct training {
    double n, dev, batch, epochs, params;
    double forward;          /* operations of a prompt outside the encoder */
    double encoder;          /* and in it; 0: cached embeddings */
    double encoder_backward; /* in units of its forward */
} training;

static void train(const bill *b, fr_stage_cost *cost, const training *t)
{
    const fr_workload *w = b->work;
    double steps = t->epochs * ceil(t->n / t->batch), prompts = t->epochs * t->n, watched = t->epochs * t->dev;
    add_shared(b, cost, 3 * t->forward * prompts, device_rate(b, FR_RATE_small_gemm), 0);
    add_shared(b, cost, t->forward * watched, device_rate(b, FR_RATE_small_gemm), 0);
    if (t->encoder > 0) {
        double bytes = w->tokens * encoder_bytes(&w->shape, real_bytes(b));
        add_encoder(b, cost, t->encoder * (1 + t->encoder_backward) * prompts,
                    (1 + t->encoder_backward) * bytes * prompts);
        add_encoder(b, cost, t->encoder * watched, bytes * watched);
    }
    cost->seconds += steps * (b->rates->value[FR_RATE_step] + t->params / device_rate(b, FR_RATE_optimizer));
    cost->flops += steps * 12 * t->params * b->R;
    cost->bytes += steps * 28 * t->params * b->R;
    add_allreduce(b, cost, 4 * t->params, b->ranks.ranks > 1 ? steps : 0);
}

/* Forward operations of the encoder for a prompt, and what backward takes of the trainable layers: twice their share.
 */
static void of_encoder(training *t, const fr_workload *w)
{
    const fr_config *config = w->config;
    if (config->encoder.train == FR_TRAIN_FROZEN)
        return;
    double layers = (double)w->shape.layers, top = (double)config->encoder.top_layers;
    t->encoder = w->tokens * fr_plan_encoder_flops(&w->shape, w->tokens);
    t->encoder_backward = 2 * (config->encoder.train == FR_TRAIN_FULL || top > layers ? 1 : top / layers);
}

/* A forward pass over `rows` prompts that is shared out, its results (values a prompt) gathered. */
static void apply(const bill *b, fr_stage_cost *cost, const training *t, double rows, double values)
{
    add_shared(b, cost, rows * t->forward, device_rate(b, FR_RATE_small_gemm), rows * 4 * values);
    if (t->encoder > 0)
        add_encoder(b, cost, rows * t->encoder, rows * b->work->tokens * encoder_bytes(&b->work->shape, real_bytes(b)));
    fr_plan_add_united(b, cost, rows * values * 4, 1);
}

/* Projection and matcher of a prompt: 2 (2 d^2 + d T), 2 (d^2 + d T) without the projection. */
static training classifier_training(const fr_workload *w, bool frozen)
{
    const fr_config *config = w->config;
    double d = (double)w->shape.hidden;
    bool projects = config->encoder.projection && (frozen || config->encoder.train == FR_TRAIN_FROZEN);
    training t = {.n = w->training,
                  .dev = w->dev,
                  .batch = (double)config->classifier.batch,
                  .epochs = (double)config->classifier.epochs,
                  .params = fr_plan_classifier_params(w, frozen),
                  .forward = 2 * ((projects ? 2 : 1) * d * d + d * w->tasks)};
    if (!frozen)
        of_encoder(&t, w);
    return t;
}

static void classifier(const bill *b, fr_stage_cost *cost)
{
    const fr_workload *w = b->work;
    training t = classifier_training(w, false);
    train(b, cost, &t);
    apply(b, cost, &t, w->prompts, w->tasks);
    add_root(b, cost, w->prompts * w->tasks * 4, FR_RATE_write);
}

/* stage1.folds frozen classifiers, each on the other folds, dealt out to the ranks: ceil(folds / R) one after another.
 */
static void stage1(const bill *b, fr_stage_cost *cost)
{
    const fr_workload *w = b->work;
    if (w->config->stage1.members != FR_MEMBERS_ASSIGNED)
        return;
    double folds = (double)w->config->stage1.folds, rounds = ceil(folds / b->R);
    bill alone = *b;
    alone.ranks = (fr_ranks){1, 1};
    alone.R = 1;
    training t = classifier_training(w, true);
    t.n *= 1 - 1 / folds;
    fr_stage_cost one = {0};
    train(&alone, &one, &t);
    apply(&alone, &one, &t, w->training / folds, w->tasks);
    cost->seconds += rounds * one.seconds;
    cost->flops += folds * one.flops;
    cost->bytes += folds * one.bytes;
    fr_plan_add_united(b, cost, w->prompts * w->tasks * 4, 1);
}

/* Projection and heads of a prompt: 2 (d^2 + M d H + M H), H = 1 and no second layer for linear heads. */
static double heads_forward(const fr_workload *w, double models)
{
    double d = (double)w->shape.hidden, H = (double)w->config->qe.hidden;
    return H > 0 ? 2 * models * (d * H + H) : 2 * models * d;
}

static void phase1(const bill *b, fr_stage_cost *cost)
{
    const fr_workload *w = b->work;
    const fr_config *config = w->config;
    double d = (double)w->shape.hidden;
    bool projects = config->encoder.projection && config->encoder.train == FR_TRAIN_FROZEN;
    training t = {.n = w->training,
                  .dev = w->dev,
                  .batch = (double)config->qe.batch,
                  .epochs = (double)config->qe.epochs,
                  .params = fr_plan_phase1_params(w),
                  .forward = (projects ? 2 * d * d : 0) + heads_forward(w, w->models)};
    of_encoder(&t, w);
    train(b, cost, &t);
    apply(b, cost, &t, w->prompts, d + w->models);
    add_root(b, cost, w->prompts * (d + w->models) * 4, FR_RATE_write);
}

/* Each task is a training of its own on one rank; together n prompts, in ceil(n_t / batch) steps each. Their number of
 * epochs is one, so dev is measured together after each. */
static void phase2(const bill *b, fr_stage_cost *cost)
{
    const fr_workload *w = b->work;
    double epochs = (double)w->config->qe.task_epochs, batch = (double)w->config->qe.batch, T = w->tasks;
    double steps = T * ceil(w->training / T / batch), forward = heads_forward(w, w->candidates),
           params = fr_plan_task_params(w), busiest = ceil(T / b->R) / T;
    double flops = epochs * forward * (3 * w->training + w->dev);
    cost->seconds +=
        busiest * (flops / device_rate(b, FR_RATE_small_gemm) +
                   epochs * steps * (b->rates->value[FR_RATE_task_step] + params / device_rate(b, FR_RATE_optimizer)));
    cost->flops += flops + epochs * steps * 12 * params;
    cost->bytes += epochs * steps * 28 * params;
    if (b->ranks.ranks > 1)
        for (int64_t e = 0; e < w->config->qe.task_epochs; e++)
            add_gather(b, cost, w->dev * w->models * 4);
    add_gather(b, cost, T * params * 4);
    add_shared(b, cost, w->prompts * (forward + heads_forward(w, w->models)), device_rate(b, FR_RATE_small_gemm), 0);
    fr_plan_add_united(b, cost, w->prompts * w->models * 4, 1);
    add_root(b, cost, w->prompts * w->models * 4, FR_RATE_write);
}

/* 12 values of theta over (N, T) and (N, M), 21 of alpha over (N, M), each routed on dev; by every rank. A soft
 * assignment's exponential takes the time of six values. */
static void score(const bill *b, fr_stage_cost *cost)
{
    const fr_workload *w = b->work;
    const fr_config *config = w->config;
    double each = config->route.assignment == FR_SOFT ? 6 : 1, cells = w->prompts * (each * w->tasks + w->models);
    if (isnan(config->classifier.theta))
        cells *= 13;
    if (isnan(config->route.alpha))
        cells += 21 * w->prompts * w->models;
    add_alike(b, cost, cells, FR_RATE_rows, cells * 4);
}

/* What ends a run: the bootstrap on every rank; the run folder's files by the root. */
static void finish(const bill *b, fr_stage_cost *cost)
{
    const fr_workload *w = b->work;
    const fr_config *config = w->config;
    double d = (double)w->shape.hidden, E = fr_plan_edges(w);
    add_alike(b, cost, (double)config->eval.bootstrap * w->test * (double)fr_plan_routers(config), FR_RATE_bootstrap,
              0);
    add_root(b, cost, w->prompts * d * 12 + E * 20, FR_RATE_write);
    if (config->eval.predictions)
        add_root(b, cost, (w->dev + w->test) * (150 + 75 * w->models), FR_RATE_write);
}

void fr_plan_stage_cost(const bill *b, fr_plan_stage stage, fr_stage_cost *cost)
{
    static void (*const of[FR_PLAN_STAGES])(const bill *, fr_stage_cost *) = {
        data, embed, neighbours, rbo, leiden, classifier, stage1, phase1, phase2, score, fr_plan_evaluate, finish};
    *cost = (fr_stage_cost){0};
    of[stage](b, cost);
    cost->seconds += cost->comm_seconds;
}
