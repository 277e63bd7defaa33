/* Nearest neighbours and rank-biased overlap at the paper's scale. */
#include "bench.h"

enum { D = 384, K = 20, PAPER_PROMPTS = 278977 };

/* Unit rows around 300 centres, as the embeddings of prompts that belong to tasks are. */
static float *make_rows(int64_t n)
{
    float *x = FR_NEW(float, n *D);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++) {
        int64_t centre = fr_rng_below(1, 1, (uint64_t)i, 300);
        double sum = 0;
        for (int64_t j = 0; j < D; j++) {
            double value = fr_rng_normal(1, 2, (uint64_t)(centre * D + j)) + fr_rng_normal(1, 3, (uint64_t)(i * D + j));
            x[i * D + j] = (float)value;
            sum += value * value;
        }
        for (int64_t j = 0; j < D; j++)
            x[i * D + j] *= (float)(1 / sqrt(sum));
    }
    return x;
}

typedef struct neighbours {
    fr_device *device;
    int64_t n, queries;
    const float *rows;
    int32_t *index, *skip;
    float *similarity;
    void *on_device[4]; /* rows, skip, index, similarity */
} neighbours;

static void run_knn(void *context)
{
    neighbours *w = context;
    fr_knn(w->device, w->index, w->similarity, w->rows, w->rows, w->queries, w->n, D, K, w->skip, NULL, NULL);
}

static void run_knn_kernel(void *context)
{
    neighbours *w = context;
    w->device->wide_kernels->knn(w->device->queue, w->on_device[3], w->on_device[2], w->on_device[0], w->on_device[0],
                                 w->queries, w->n, D, K, w->on_device[1]);
}

static void knn_line(bench *b, const neighbours *w, const char *from, double seconds)
{
    bench_line(b, "knn",
               "\"nq\": %ld, \"nc\": %ld, \"d\": %d, \"k\": %d, \"from\": \"%s\", \"seconds\": %.4e, \"tflops\": %.2f",
               (long)w->queries, (long)w->n, D, K, from, seconds,
               2e-12 * (double)w->queries * (double)w->n * D / seconds);
}

static void knn_on_device(bench *b, neighbours *w)
{
    fr_device *d = b->device;
    const void *host[] = {w->rows, w->skip};
    const size_t bytes[] = {(size_t)(w->n * D) * 4, (size_t)w->n * 4, (size_t)(w->n * K) * 4, (size_t)(w->n * K) * 4};
    for (int i = 0; i < 4; i++) {
        w->on_device[i] = d->allocate(d, bytes[i]);
        if (i < 2)
            d->copy_in(d, w->on_device[i], host[i], bytes[i]);
    }
    knn_line(b, w, "device", bench_median(b, run_knn_kernel, w, 3, 1));
    for (int i = 0; i < 4; i++)
        d->release(d, w->on_device[i]);
}

/* Every prompt's neighbours among all others: from rows on the host to neighbours on the host, and the kernel alone;
 * then a part of the queries, which the peers do too. */
void bench_knn(bench *b)
{
    int64_t n = b->small ? 1500 : PAPER_PROMPTS, part = b->small ? 300 : 32768;
    float *rows = make_rows(n);
    neighbours w = {.device = b->device, .n = n, .queries = n, .rows = rows};
    w.index = FR_NEW(int32_t, n * K);
    w.skip = FR_NEW(int32_t, n);
    w.similarity = FR_NEW(float, n *K);
    for (int64_t i = 0; i < n; i++)
        w.skip[i] = (int32_t)i;
    knn_line(b, &w, "host", bench_median(b, run_knn, &w, 3, 1));
    if (b->device->queue)
        knn_on_device(b, &w);
    w.queries = part;
    knn_line(b, &w, "host", bench_median(b, run_knn, &w, 3, 1));
    bench_write(b, "knn-rows.f32", rows, (size_t)(n * D) * sizeof *rows);
    bench_write(b, "knn-index-ours.i32", w.index, (size_t)(part * K) * sizeof *w.index);
    free(w.similarity);
    free(w.skip);
    free(w.index);
    free(rows);
}

/* ---- rank-biased overlap ------------------------------------------------------------------------------------------
 */

enum { MODELS = 11 };

typedef struct overlap {
    fr_device *device;
    int64_t E;
    int32_t *edges;
    int16_t *top, *bottom;
    float *rbo;
    void *on_device[4]; /* edges, top, bottom, rbo */
} overlap;

/* levels: distinct scores, 0: no ties. */
static void make_lists(overlap *w, int64_t n, double levels)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++) {
        double score[MODELS];
        for (int m = 0; m < MODELS; m++) {
            double u = fr_rng_uniform(2, 1, (uint64_t)(i * MODELS + m));
            score[m] = levels > 0 ? floor(u * levels) : u;
        }
        for (int m = 0; m < MODELS; m++) {
            int16_t before = 0, level = 0;
            for (int j = 0; j < MODELS; j++) {
                before += score[j] > score[m];
                level += score[j] == score[m];
            }
            w->top[i * MODELS + m] = (int16_t)(before + 1);
            w->bottom[i * MODELS + m] = (int16_t)(before + level);
        }
    }
}

static void run_rbo(void *context)
{
    overlap *w = context;
    fr_rbo_edges(w->device, w->rbo, w->edges, w->top, w->bottom, w->E, MODELS, .9, true);
}

static void run_rbo_kernel(void *context)
{
    overlap *w = context;
    w->device->wide_kernels->rbo(w->device->queue, w->on_device[3], w->on_device[0], w->on_device[1], w->on_device[2],
                                 w->E, MODELS, .9, true);
}

static void rbo_line(bench *b, const overlap *w, const char *lists, const char *from, double seconds)
{
    bench_line(b, "rbo",
               "\"lists\": \"%s\", \"edges\": %ld, \"M\": %d, \"from\": \"%s\", \"seconds\": %.4e, "
               "\"edges_per_s\": %.4e",
               lists, (long)w->E, MODELS, from, seconds, (double)w->E / seconds);
}

void bench_rbo(bench *b)
{
    int64_t n = b->small ? 500 : PAPER_PROMPTS, E = b->small ? 5000 : 5600000;
    overlap w = {.device = b->device, .E = E};
    w.edges = FR_NEW(int32_t, 2 * E);
    w.top = FR_NEW(int16_t, n * MODELS);
    w.bottom = FR_NEW(int16_t, n * MODELS);
    w.rbo = FR_NEW(float, E);
    for (int64_t e = 0; e < E; e++) { /* as a graph has them: sorted by the smaller end, the other anywhere */
        w.edges[2 * e] = (int32_t)(e * n / E);
        w.edges[2 * e + 1] = (int32_t)fr_rng_below(2, 2, (uint64_t)e, n);
    }
    const char *const lists[] = {"no ties", "right or wrong", "ten grades"};
    const double levels[] = {0, 2, 10};
    for (int k = 0; k < 3; k++) {
        make_lists(&w, n, levels[k]);
        rbo_line(b, &w, lists[k], "host", bench_median(b, run_rbo, &w, 3, 1));
        if (k == 0) {
            bench_write(b, "rbo-edges.i32", w.edges, (size_t)(2 * E) * sizeof *w.edges);
            bench_write(b, "rbo-ranks.i16", w.top, (size_t)(n * MODELS) * sizeof *w.top);
            bench_write(b, "rbo-ours.f32", w.rbo, (size_t)E * sizeof *w.rbo);
        }
        if (!b->device->queue)
            continue;
        fr_device *d = b->device;
        const void *host[] = {w.edges, w.top, w.bottom};
        const size_t bytes[] = {(size_t)(2 * E) * 4, (size_t)(n * MODELS) * 2, (size_t)(n * MODELS) * 2, (size_t)E * 4};
        for (int i = 0; i < 4; i++) {
            w.on_device[i] = d->allocate(d, bytes[i]);
            if (i < 3)
                d->copy_in(d, w.on_device[i], host[i], bytes[i]);
        }
        rbo_line(b, &w, lists[k], "device", bench_median(b, run_rbo_kernel, &w, 9, 10));
        for (int i = 0; i < 4; i++)
            d->release(d, w.on_device[i]);
    }
    free(w.rbo);
    free(w.bottom);
    free(w.top);
    free(w.edges);
}
