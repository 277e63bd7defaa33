/* GraphRouter (Feng, Shen & You, ICLR 2025): routing as the prediction of edges in a graph of prompts and LLMs.
 *
 * Nodes, H = graphrouter.hidden wide:
 *   prompt   z_i = W x_i + b, x the prompt's embedding
 *   LLM      x_m = e_m + p_m w, e learned, p its price: log(1 + expected cost / mean expected cost), 0 where unknown
 * An edge (i, m) is an observed answer, with features f_im = (quality, log(1 + cost / mean expected cost)); a model's
 * mean quality and cost over the graph reach its node through them, so that nothing of an edge outside the graph does.
 *
 * Two layers pass messages from prompts to LLMs, h^0 = (z, x), with BN a batch norm over all nodes of the graph:
 *   g_m = h^l_m + 1/n_m sum_i (V h^l_i + U f_im + c)        the sum over the edges of m, n_m of them
 *   g_i = h^l_i                                             prompts get no message: identity alone
 *   h^1 = relu(BN(g^0)),   h^2 = BN(g^1)
 * The published sum is divided by the number of edges, so that a node does not depend on how many training prompts
 * there are: a step sees a few of them, routing all. For the same reason prompts together and LLMs together have half
 * the weight each in the statistics of the batch norm. graphrouter.edges: gate lets V depend on the edge's features
 * too, V + quality V' + cost V'': the sum over edges then tells a model's good prompts from its bad ones, which added
 * features cannot. With A (prompts, M F) the 1/n_m times 1 or (1, quality, cost), the messages are A^T h, one GEMM.
 *
 * Answer: sigmoid(1/H sum_c z_ic h^2_mc), the prompt's node before any layer.
 *
 * A step's graph is made of its prompts; each edge is held out of it with probability graphrouter.mask and asked for,
 * by binary cross-entropy against its quality. Routing puts all training edges into the graph and computes LLM nodes
 * once (the batch norm's statistics are that graph's, there are no running ones): a prompt then costs one GEMM.
 * Left out of the published model: task nodes, which need to be told a prompt's task, and the small network over edge
 * features. */
#include "graphrouter.h"

#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 2, EDGE_FEATURES = 2 };
enum { EDGES_ADD, EDGES_GATE }; /* graphrouter.edges */
enum { EDGE_NONE, EDGE_SEEN, EDGE_HELD };
static const double norm_epsilon = 1e-5;

/* Node rows: first the M LLMs, then the prompts. */
typedef struct layer {
    fr_param *message, *edge, *bias, *scale, *shift; /* V (H, F H), U (H, 2), c, and the batch norm's (H) */
    fr_tensor sum;                                   /* (M F, H) A^T h */
    double *hat;                                     /* (M + capacity, H) g, then its normalised form */
    double *rstd, *gamma, *beta;                     /* (H) */
} layer;

struct fr_graphrouter {
    fr_learner *l;
    int64_t H, F, capacity; /* F: 1, or 3 with gated edges; capacity: most prompts in a graph */
    double mask, scale;     /* scale: mean expected cost; 0 where none is known */
    fr_param *w, *b, *llm, *price;
    layer layer[LAYERS];
    fr_arena *arena;
    fr_tensor z, h, a;            /* (capacity, H) each, (capacity, M F) */
    fr_tensor dz, dh, logits;     /* (batch, H) each, (batch, M) */
    fr_tensor u, du, ds, nodes;   /* (M, H), (M, H), (M F, H), (M, H) */
    uint8_t *edge;                /* (capacity, M) EDGE_... of the graph */
    double *edge_mean, *seen;     /* (M, 2), (M): over the edges of the graph */
    double *host_a, *host_logits; /* (capacity, M F), (batch, M) */
    double *host_nodes, *dnode;   /* (M, H), (M + batch, H) */
};

/* ---- the graph ---- */

bool fr_graphrouter_held(const fr_graphrouter *g, int64_t row, int64_t m, int64_t step)
{
    uint64_t stream = fr_stream("graphrouter mask", (uint64_t)step, 0);
    return fr_rng_uniform((uint64_t)g->l->input->config->top.seed, stream, (uint64_t)(row * g->l->M + m)) < g->mask;
}

/* log(1 + cost / scale); 0 where the cost is not known */
static double price_of(const fr_graphrouter *g, double cost)
{
    return g->scale > 0 && !isnan(cost) ? log1p(cost / g->scale) : 0;
}

static void edge_features(double feature[EDGE_FEATURES], const fr_graphrouter *g, int64_t row, int64_t m)
{
    double cost = g->l->data->cost[row * g->l->M + m];
    feature[0] = g->l->data->quality[row * g->l->M + m];
    feature[1] = price_of(g, isnan(cost) ? g->l->cost[m] : cost);
}

/* step < 0: no edge is held out. */
static void mark_edges(fr_graphrouter *g, const int64_t *rows, int64_t count, int64_t step)
{
    int64_t M = g->l->M;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++)
        for (int64_t m = 0; m < M; m++)
            g->edge[i * M + m] = isnan(g->l->data->quality[rows[i] * M + m])             ? EDGE_NONE
                                 : step >= 0 && fr_graphrouter_held(g, rows[i], m, step) ? EDGE_HELD
                                                                                         : EDGE_SEEN;
}

/* a_i,mf = 1/n_m (1, quality, cost)_f for the edges of the graph, else 0; the edges' number and mean features */
static void build_graph(fr_graphrouter *g, const int64_t *rows, int64_t count, int64_t step)
{
    int64_t M = g->l->M, F = g->F;
    mark_edges(g, rows, count, step);
    memset(g->host_a, 0, (size_t)(count * M * F) * sizeof *g->host_a);
#pragma omp parallel for schedule(static)
    for (int64_t m = 0; m < M; m++) {
        double *mean = g->edge_mean + m * EDGE_FEATURES, n = 0;
        for (int64_t i = 0; i < count; i++)
            n += g->edge[i * M + m] == EDGE_SEEN;
        g->seen[m] = n;
        memset(mean, 0, EDGE_FEATURES * sizeof *mean);
        for (int64_t i = 0; i < count; i++) {
            if (g->edge[i * M + m] != EDGE_SEEN)
                continue;
            double feature[EDGE_FEATURES], *a = g->host_a + (i * M + m) * F;
            edge_features(feature, g, rows[i], m);
            a[0] = 1 / n;
            for (int64_t f = 0; f < EDGE_FEATURES; f++) {
                mean[f] += feature[f] / n;
                if (F > 1)
                    a[1 + f] = feature[f] / n;
            }
        }
    }
    fr_tensor_set_f64(fr_tensor_rows(g->a, 0, count), g->host_a);
}

/* ---- batch norm ---- */

enum {
    COLUMNS = 8
}; /* that a thread takes at a time: the sums of a column are one thread's, in the order of the rows */

/* Each kind of node has half the weight in a batch norm: of n rows the first M are LLMs. */
static double node_weight(int64_t row, int64_t n, int64_t M)
{
    return 0.5 / (double)(row < M ? M : n - M);
}

/* hat = (g - mean) rstd,  rstd = 1 / sqrt(variance + epsilon), mean and variance weighted over the rows of g (n, H); in
 * place */
static void norm_forward(double *g, double *rstd, int64_t n, int64_t M, int64_t H)
{
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < H; first += COLUMNS) {
        int64_t columns = H - first < COLUMNS ? H - first : COLUMNS;
        double mean[COLUMNS] = {0}, variance[COLUMNS] = {0};
        for (int64_t i = 0; i < n; i++) {
            double w = node_weight(i, n, M);
            for (int64_t c = 0; c < columns; c++)
                mean[c] += w * g[i * H + first + c];
        }
        for (int64_t i = 0; i < n; i++) {
            double w = node_weight(i, n, M);
            for (int64_t c = 0; c < columns; c++) {
                double *x = &g[i * H + first + c];
                *x -= mean[c];
                variance[c] += w * *x * *x;
            }
        }
        for (int64_t c = 0; c < columns; c++)
            rstd[first + c] = 1 / sqrt(variance[c] + norm_epsilon);
        for (int64_t i = 0; i < n; i++)
            for (int64_t c = 0; c < columns; c++)
                g[i * H + first + c] *= rstd[first + c];
    }
}

/* With w the rows' weights: dg = gamma rstd (dy - w sum dy - w hat sum(dy hat)),  dgamma = sum dy hat,  dbeta = sum dy;
 * dy becomes dg */
static void norm_backward(double *dy, double *dgamma, double *dbeta, const layer *at, int64_t n, int64_t M, int64_t H)
{
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < H; first += COLUMNS) {
        int64_t columns = H - first < COLUMNS ? H - first : COLUMNS;
        double sum[COLUMNS] = {0}, along[COLUMNS] = {0};
        for (int64_t i = 0; i < n; i++)
            for (int64_t c = 0; c < columns; c++) {
                sum[c] += dy[i * H + first + c];
                along[c] += dy[i * H + first + c] * at->hat[i * H + first + c];
            }
        for (int64_t c = 0; c < columns; c++) {
            dgamma[first + c] = along[c];
            dbeta[first + c] = sum[c];
        }
        for (int64_t i = 0; i < n; i++) {
            double w = node_weight(i, n, M);
            for (int64_t c = 0; c < columns; c++) {
                double *x = &dy[i * H + first + c];
                *x = at->gamma[first + c] * at->rstd[first + c] *
                     (*x - w * sum[c] - w * at->hat[i * H + first + c] * along[c]);
            }
        }
    }
}

/* ---- forward ---- */

/* A parameter's values as f64; malloc'd. */
static double *values_of(const fr_param *param)
{
    double *value = FR_NEW(double, fr_tensor_count(&param->value));
    fr_tensor_get_f64(param->value, value);
    return value;
}

static void add_gradient(const fr_param *param, const double *more)
{
    int64_t n = fr_tensor_count(&param->grad);
    double *sum = FR_NEW(double, n);
    fr_tensor_get_f64(param->grad, sum);
    for (int64_t i = 0; i < n; i++)
        sum[i] += more[i];
    fr_tensor_set_f64(param->grad, sum);
    free(sum);
}

/* z of the graph's prompts; the last batch of x stays for backward. */
static void project(fr_graphrouter *g, const int64_t *rows, int64_t count)
{
    for (int64_t from = 0; from < count; from += g->l->batch) {
        int64_t some = count - from < g->l->batch ? count - from : g->l->batch;
        fr_tensor x = fr_learner_batch(g->l, rows + from, some);
        fr_linear_forward(fr_tensor_rows(g->z, from, some), x, g->w->value, g->b->value);
    }
}

/* x_m = e_m + p_m w */
static void start_nodes(fr_graphrouter *g, double *x)
{
    double *llm = values_of(g->llm), *w = values_of(g->price);
    for (int64_t m = 0; m < g->l->M; m++)
        for (int64_t c = 0; c < g->H; c++)
            x[m * g->H + c] = llm[m * g->H + c] + price_of(g, g->l->cost[m]) * w[c];
    free(llm);
    free(w);
}

/* Adds a layer's messages from h (count, H), the prompts' nodes, to the LLMs' rows; seen or not, an LLM keeps itself.
 */
static void add_messages(fr_graphrouter *g, layer *at, double *llm, fr_tensor h, int64_t count)
{
    int64_t M = g->l->M, H = g->H;
    fr_gemm(at->sum, fr_tensor_rows(g->a, 0, count), true, h, false, FR_NONE, 1, 0);
    fr_linear_forward(g->u, fr_tensor_view(at->sum, FR_SHAPE(M, g->F * H)), at->message->value, FR_NONE);
    double *u = FR_NEW(double, M *H), *edge = values_of(at->edge), *bias = values_of(at->bias);
    fr_tensor_get_f64(g->u, u);
    for (int64_t m = 0; m < M; m++)
        for (int64_t c = 0; c < H; c++) {
            llm[m * H + c] += u[m * H + c] + (g->seen[m] > 0 ? bias[c] : 0);
            for (int64_t f = 0; f < EDGE_FEATURES; f++)
                llm[m * H + c] += edge[c * EDGE_FEATURES + f] * g->edge_mean[m * EDGE_FEATURES + f];
        }
    free(u);
    free(edge);
    free(bias);
}

static void normalize(fr_graphrouter *g, layer *at, int64_t count)
{
    fr_tensor_get_f64(at->scale->value, at->gamma);
    fr_tensor_get_f64(at->shift->value, at->beta);
    norm_forward(at->hat, at->rstd, g->l->M + count, g->l->M, g->H);
}

/* LLM nodes of the graph of these prompts. */
static void forward(fr_graphrouter *g, const int64_t *rows, int64_t count, int64_t step)
{
    int64_t M = g->l->M, H = g->H;
    layer *first = &g->layer[0], *last = &g->layer[1];
    fr_tensor z = fr_tensor_rows(g->z, 0, count), h = fr_tensor_rows(g->h, 0, count);
    build_graph(g, rows, count, step);
    project(g, rows, count);
    start_nodes(g, first->hat);
    fr_tensor_get_f64(z, first->hat + M * H);
    add_messages(g, first, first->hat, z, count);
    normalize(g, first, count);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < M + count; i++)
        for (int64_t c = 0; c < H; c++) {
            double y = first->gamma[c] * first->hat[i * H + c] + first->beta[c];
            last->hat[i * H + c] = y > 0 ? y : 0;
        }
    fr_tensor_set_f64(h, last->hat + M * H);
    add_messages(g, last, last->hat, h, count);
    normalize(g, last, count);
    for (int64_t i = 0; i < M * H; i++)
        g->host_nodes[i] = last->gamma[i % H] * last->hat[i] + last->beta[i % H];
    fr_tensor_set_f64(g->nodes, g->host_nodes);
}

const double *fr_graphrouter_nodes(const fr_graphrouter *g)
{
    return g->host_nodes;
}

/* logit_im = 1/H z_i . h_m */
static fr_tensor logits_of(fr_graphrouter *g, fr_tensor z)
{
    fr_tensor logits = fr_tensor_rows(g->logits, 0, z.shape[0]);
    fr_gemm(logits, z, false, g->nodes, true, FR_NONE, 1 / (double)g->H, 0);
    return logits;
}

/* ---- backward ---- */

/* Mean over held-out edges of -q log sigmoid(l) - (1 - q) log sigmoid(-l), quality clamped to [0, 1]; logits become
 * their gradient. */
static double loss_of_held(const fr_graphrouter *g, double *logits, const int64_t *rows, int64_t count)
{
    int64_t M = g->l->M, asked = 0;
    double loss = 0;
    for (int64_t i = 0; i < count; i++)
        for (int64_t m = 0; m < M; m++) {
            double *l = &logits[i * M + m], q = g->l->data->quality[rows[i] * M + m];
            if (g->edge[i * M + m] != EDGE_HELD) {
                *l = 0;
                continue;
            }
            q = q < 0 ? 0 : q > 1 ? 1 : q;
            loss += log1p(exp(-fabs(*l))) + (*l > 0 ? *l : 0) - q * *l;
            *l = 1 / (1 + exp(-*l)) - q;
            asked++;
        }
    for (int64_t i = 0; i < count * M && asked; i++)
        logits[i] /= (double)asked;
    return asked ? loss / (double)asked : 0;
}

/* From the gradient of a layer's output, in dnode, to that of its input but for what messages send to prompts, which is
 * left to a GEMM with ds. */
static void layer_backward(fr_graphrouter *g, layer *at, int64_t count)
{
    int64_t M = g->l->M, H = g->H;
    double *dgamma = FR_NEW(double, H), *dbeta = FR_NEW(double, H), *dbias = FR_NEW(double, H);
    double *dedge = FR_NEW(double, H *EDGE_FEATURES);
    norm_backward(g->dnode, dgamma, dbeta, at, M + count, M, H);
    for (int64_t m = 0; m < M; m++)
        for (int64_t c = 0; c < H; c++) {
            double du = g->dnode[m * H + c];
            dbias[c] += g->seen[m] > 0 ? du : 0;
            for (int64_t f = 0; f < EDGE_FEATURES; f++)
                dedge[c * EDGE_FEATURES + f] += du * g->edge_mean[m * EDGE_FEATURES + f];
        }
    add_gradient(at->scale, dgamma);
    add_gradient(at->shift, dbeta);
    add_gradient(at->bias, dbias);
    add_gradient(at->edge, dedge);
    fr_tensor_set_f64(g->du, g->dnode);
    fr_linear_backward(fr_tensor_view(g->ds, FR_SHAPE(M, g->F * H)), at->message->grad, FR_NONE, g->du,
                       fr_tensor_view(at->sum, FR_SHAPE(M, g->F * H)), at->message->value);
    free(dgamma);
    free(dbeta);
    free(dbias);
    free(dedge);
}

/* dnode: through the ReLU between the layers, after what the second layer's messages send to the prompts. */
static void between_backward(fr_graphrouter *g, int64_t count)
{
    int64_t M = g->l->M, H = g->H;
    const layer *first = &g->layer[0];
    fr_tensor dh = fr_tensor_rows(g->dh, 0, count);
    double *sent = FR_NEW(double, count *H);
    fr_gemm(dh, fr_tensor_rows(g->a, 0, count), false, g->ds, false, FR_NONE, 1, 0);
    fr_tensor_get_f64(dh, sent);
    for (int64_t i = 0; i < M + count; i++)
        for (int64_t c = 0; c < H; c++) {
            double *d = &g->dnode[i * H + c];
            *d += i < M ? 0 : sent[(i - M) * H + c];
            if (!(first->gamma[c] * first->hat[i * H + c] + first->beta[c] > 0))
                *d = 0;
        }
    free(sent);
}

static void start_backward(fr_graphrouter *g)
{
    int64_t M = g->l->M, H = g->H;
    double *dprice = FR_NEW(double, H);
    for (int64_t m = 0; m < M; m++)
        for (int64_t c = 0; c < H; c++)
            dprice[c] += price_of(g, g->l->cost[m]) * g->dnode[m * H + c];
    add_gradient(g->price, dprice);
    add_gradient(g->llm, g->dnode);
    free(dprice);
}

static void backward(fr_graphrouter *g, fr_tensor dlogits, int64_t count)
{
    int64_t M = g->l->M, H = g->H;
    fr_tensor z = fr_tensor_rows(g->z, 0, count), dz = fr_tensor_rows(g->dz, 0, count),
              dh = fr_tensor_rows(g->dh, 0, count), a = fr_tensor_rows(g->a, 0, count);
    fr_gemm(dz, dlogits, false, g->nodes, false, FR_NONE, 1 / (double)H, 0);
    fr_gemm(g->du, dlogits, true, z, false, FR_NONE, 1 / (double)H, 0);
    memset(g->dnode, 0, (size_t)((M + count) * H) * sizeof *g->dnode);
    fr_tensor_get_f64(g->du, g->dnode);
    layer_backward(g, &g->layer[1], count);
    between_backward(g, count);
    layer_backward(g, &g->layer[0], count);
    start_backward(g);
    fr_tensor_set_f64(dh, g->dnode + M * H);
    fr_gemm(dz, a, false, g->ds, false, FR_NONE, 1, 1);
    fr_axpy(dz, dh, 1);
    fr_linear_backward(FR_NONE, g->w->grad, g->b->grad, dz, fr_tensor_rows(g->l->x, 0, count), g->w->value);
}

/* ---- what the learner asks ---- */

static double step(void *model, const int64_t *rows, int64_t count, int64_t number)
{
    fr_graphrouter *g = model;
    forward(g, rows, count, number);
    fr_tensor logits = logits_of(g, fr_tensor_rows(g->z, 0, count));
    fr_tensor_get_f64(logits, g->host_logits);
    double loss = loss_of_held(g, g->host_logits, rows, count);
    fr_tensor_set_f64(logits, g->host_logits);
    backward(g, logits, count);
    return loss;
}

static void prepare(void *model)
{
    fr_graphrouter *g = model;
    forward(g, g->l->train, g->l->trains, -1);
}

static void score(void *model, float *score, const int64_t *rows, int64_t count)
{
    fr_graphrouter *g = model;
    project(g, rows, count);
    fr_tensor_get_f64(logits_of(g, fr_tensor_rows(g->z, 0, count)), g->host_logits);
    for (int64_t i = 0; i < count * g->l->M; i++)
        score[i] = (float)(1 / (1 + exp(-g->host_logits[i])));
}

/* ---- opening ---- */

static const char *layer_name(int index, const char *what)
{
    static char name[32];
    snprintf(name, sizeof name, "layer.%d.%s", index, what);
    return name;
}

static void declare(fr_graphrouter *g)
{
    fr_params *params = &g->l->params;
    int64_t M = g->l->M, H = g->H;
    fr_params_add(params, "prompt.weight", FR_SHAPE(H, g->l->d), true, true, FR_GROUP_HEAD);
    fr_params_add(params, "prompt.bias", FR_SHAPE(H), true, false, FR_GROUP_HEAD);
    fr_params_add(params, "llm", FR_SHAPE(M, H), true, true, FR_GROUP_HEAD);
    fr_params_add(params, "llm.price", FR_SHAPE(H), true, true, FR_GROUP_HEAD);
    for (int k = 0; k < LAYERS; k++) {
        fr_params_add(params, layer_name(k, "message"), FR_SHAPE(H, g->F * H), true, true, FR_GROUP_HEAD);
        fr_params_add(params, layer_name(k, "edge"), FR_SHAPE(H, EDGE_FEATURES), true, true, FR_GROUP_HEAD);
        fr_params_add(params, layer_name(k, "bias"), FR_SHAPE(H), true, false, FR_GROUP_HEAD);
        fr_params_add(params, layer_name(k, "norm.scale"), FR_SHAPE(H), true, false, FR_GROUP_HEAD);
        fr_params_add(params, layer_name(k, "norm.shift"), FR_SHAPE(H), true, false, FR_GROUP_HEAD);
    }
}

static void find(fr_graphrouter *g)
{
    fr_params *params = &g->l->params;
    g->w = fr_params_find(params, "prompt.weight");
    g->b = fr_params_find(params, "prompt.bias");
    g->llm = fr_params_find(params, "llm");
    g->price = fr_params_find(params, "llm.price");
    for (int k = 0; k < LAYERS; k++) {
        layer *at = &g->layer[k];
        at->message = fr_params_find(params, layer_name(k, "message"));
        at->edge = fr_params_find(params, layer_name(k, "edge"));
        at->bias = fr_params_find(params, layer_name(k, "bias"));
        at->scale = fr_params_find(params, layer_name(k, "norm.scale"));
        at->shift = fr_params_find(params, layer_name(k, "norm.shift"));
    }
}

static void layout(fr_graphrouter *g)
{
    fr_dtype wide = g->l->device->wide;
    int64_t M = g->l->M, H = g->H, batch = g->l->batch;
    g->z = fr_arena_tensor(g->arena, wide, FR_SHAPE(g->capacity, H));
    g->h = fr_arena_tensor(g->arena, wide, FR_SHAPE(g->capacity, H));
    g->a = fr_arena_tensor(g->arena, wide, FR_SHAPE(g->capacity, M * g->F));
    g->dz = fr_arena_tensor(g->arena, wide, FR_SHAPE(batch, H));
    g->dh = fr_arena_tensor(g->arena, wide, FR_SHAPE(batch, H));
    g->logits = fr_arena_tensor(g->arena, wide, FR_SHAPE(batch, M));
    g->u = fr_arena_tensor(g->arena, wide, FR_SHAPE(M, H));
    g->du = fr_arena_tensor(g->arena, wide, FR_SHAPE(M, H));
    g->ds = fr_arena_tensor(g->arena, wide, FR_SHAPE(M * g->F, H));
    g->nodes = fr_arena_tensor(g->arena, wide, FR_SHAPE(M, H));
    for (int k = 0; k < LAYERS; k++)
        g->layer[k].sum = fr_arena_tensor(g->arena, wide, FR_SHAPE(M * g->F, H));
}

static void allocate(fr_graphrouter *g)
{
    int64_t M = g->l->M, H = g->H;
    g->arena = fr_arena_create(g->l->device);
    layout(g);
    fr_arena_commit(g->arena);
    layout(g);
    g->edge = FR_NEW(uint8_t, g->capacity * M);
    g->edge_mean = FR_NEW(double, M *EDGE_FEATURES);
    g->seen = FR_NEW(double, M);
    g->host_a = FR_NEW(double, g->capacity *M * g->F);
    g->host_logits = FR_NEW(double, g->l->batch *M);
    g->host_nodes = FR_NEW(double, M *H);
    g->dnode = FR_NEW(double, (M + g->l->batch) * H);
    for (int k = 0; k < LAYERS; k++) {
        g->layer[k].hat = FR_NEW(double, (M + g->capacity) * H);
        g->layer[k].rstd = FR_NEW(double, H);
        g->layer[k].gamma = FR_NEW(double, H);
        g->layer[k].beta = FR_NEW(double, H);
    }
}

static void initial_values(fr_graphrouter *g)
{
    uint64_t seed = (uint64_t)g->l->input->config->top.seed;
    fr_learner_init_linear(g->l, "prompt.weight", "prompt.bias");
    fr_param_init_normal(g->llm, 1, seed);
    fr_param_init_normal(g->price, 1, seed);
    for (int k = 0; k < LAYERS; k++) {
        fr_learner_init_linear(g->l, g->layer[k].message->name, g->layer[k].bias->name);
        fr_learner_init_linear(g->l, g->layer[k].edge->name, NULL);
        fr_param_init_constant(g->layer[k].scale, 1);
        fr_param_init_constant(g->layer[k].shift, 0);
    }
}

/* Mean of the expected costs that are known; 0 when there is none above 0 */
static double cost_scale(const double *cost, int64_t M)
{
    double sum = 0, known = 0;
    for (int64_t m = 0; m < M; m++)
        if (!isnan(cost[m]))
            sum += cost[m], known++;
    return known > 0 ? sum / known : 0;
}

void fr_graphrouter_open(fr_learner *l, fr_learning *how, const fr_eval_input *input)
{
    const fr_config *config = input->config;
    fr_learner_begin(l, input, "graphrouter", config->graphrouter.batch);
    fr_graphrouter *g = FR_NEW(fr_graphrouter, 1);
    *g = (fr_graphrouter){.l = l,
                          .H = config->graphrouter.hidden,
                          .F = config->graphrouter.edges == EDGES_GATE ? 1 + EDGE_FEATURES : 1,
                          .capacity = l->trains > l->batch ? l->trains : l->batch,
                          .mask = config->graphrouter.mask,
                          .scale = cost_scale(l->cost, l->M)};
    declare(g);
    fr_learner_commit(l);
    find(g);
    allocate(g);
    initial_values(g);
    *how = (fr_learning){.lr = config->graphrouter.lr,
                         .decay = config->graphrouter.weight_decay,
                         .epochs = config->graphrouter.epochs,
                         .patience = config->graphrouter.patience,
                         .model = g,
                         .step = step,
                         .score = score,
                         .prepare = prepare};
    snprintf(how->setting, sizeof how->setting, "%lld wide, edge features %s", (long long)g->H,
             g->F > 1 ? "gate messages" : "added to messages");
}

void fr_graphrouter_close(void *model)
{
    fr_graphrouter *g = model;
    fr_arena_close(g->arena);
    for (int k = 0; k < LAYERS; k++) {
        free(g->layer[k].hat);
        free(g->layer[k].rstd);
        free(g->layer[k].gamma);
        free(g->layer[k].beta);
    }
    free(g->edge);
    free(g->edge_mean);
    free(g->seen);
    free(g->host_a);
    free(g->host_logits);
    free(g->host_nodes);
    free(g->dnode);
    free(g);
}

fr_status fr_baseline_graphrouter(fr_scores *scores, const fr_eval_input *input)
{
    static const fr_learned graphrouter = {fr_graphrouter_open, fr_graphrouter_close};
    return fr_learned_score(scores, input, &graphrouter);
}
