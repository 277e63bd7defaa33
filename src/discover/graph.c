/* The graph of one round: nearest neighbours, rank-biased overlap, filter, weights. */
#include "discover_internal.h"

#include "comm/comm.h"
#include "device/device.h"
#include "device/tables.h"
#include "edge_weights.h"
#include "finerouter/log.h"
#include "half_edges.h"
#include "ops/ops.h"

#include <stdlib.h>
#include <string.h>

static bool report(void *context, int64_t rows)
{
    fr_progress *progress = context;
    if (progress)
        fr_progress_add(progress, rows - progress->done);
    return !fr_interrupt_wanted();
}

fr_status fr_neighbours(int32_t *index, float *similarity, const float *queries, const float *corpus, int64_t nq,
                        int64_t nc, int64_t d, int64_t k, const int32_t *skip, struct fr_device *device,
                        const char *what)
{
    fr_progress progress;
    if (what)
        fr_progress_begin(&progress, what, "prompts", nq);
    bool done =
        fr_knn_shared(device, index, similarity, queries, corpus, nq, nc, d, k, skip, report, what ? &progress : NULL);
    if (what)
        fr_progress_end(&progress);
    return done ? FR_OK : fr_interrupted();
}

/* Directed neighbour lists (n, k) -> undirected edges: bucketed by the smaller end. */
static void merge_directions(fr_graph *graph, const int32_t *index, const float *similarity, int64_t k)
{
    int64_t n = graph->nodes;
    int64_t *start = FR_NEW(int64_t, n + 1), *next = FR_NEW(int64_t, n);
    for (int64_t x = 0; x < n * k; x++)
        if (index[x] >= 0)
            start[(index[x] < x / k ? index[x] : x / k) + 1]++;
    for (int64_t i = 0; i < n; i++)
        start[i + 1] += start[i];
    memcpy(next, start, (size_t)n * sizeof *next);
    fr_half_edge *half = FR_NEW(fr_half_edge, start[n]);
    for (int64_t x = 0; x < n * k; x++) {
        int32_t i = (int32_t)(x / k), j = index[x];
        if (j < 0)
            continue;
        half[next[i < j ? i : j]++] =
            (fr_half_edge){.other = i < j ? j : i, .backward = i > j, .cosine = similarity[x]};
    }
    fr_half_edges_join(graph, half, start, 0, n);
    free(half);
    free(next);
    free(start);
}

/* Edges first .. first+count-1, to the bits they get among all: the way to compare depends on all lists together. */
static void overlap_range(fr_graph *graph, int64_t first, int64_t count, const int16_t *top, const int16_t *bottom,
                          int64_t M, const fr_config *config, struct fr_device *device)
{
    const fr_rbo_parts *parts = device->queue ? NULL : fr_rbo_parts_for(device->kernels);
    bool corrected = config->discover.rbo_ties == FR_RBO_B;
    if (!parts || count == graph->E) {
        fr_rbo_edges(device, graph->rbo + first, graph->edges + 2 * first, top, bottom, count, M,
                     config->discover.rbo_p, corrected);
        return;
    }
    fr_rbo_look look = {0};
    int64_t lists = 0;
    for (int64_t x = 0; x < 2 * graph->E; x++)
        lists = graph->edges[x] >= lists ? graph->edges[x] + 1 : lists;
    parts->look(&look, top, bottom, lists, M);
    parts->compare(parts->way(&look, graph->E, M), graph->rbo + first, graph->edges + 2 * first, top, count, lists, M,
                   config->discover.rbo_p, corrected);
}

/* Every rank its range of the edges. */
static void overlap(fr_graph *graph, const int16_t *top, const int16_t *bottom, int64_t M, const fr_config *config,
                    struct fr_device *device)
{
    int64_t *first = FR_NEW(int64_t, fr_comm_ranks() + 1);
    fr_shares(first, NULL, graph->E, fr_comm_ranks());
    int64_t from = first[fr_comm_rank()], count = first[fr_comm_rank() + 1] - from;
    fr_comm_at("rank-biased overlap", -1);
    if (count > 0)
        overlap_range(graph, from, count, top, bottom, M, config, device);
    fr_comm_gather(graph->rbo, first, sizeof *graph->rbo);
    free(first);
}

fr_status fr_graph_build(fr_graph *graph, const float *embedding, const int16_t *top, const int16_t *bottom, int64_t n,
                         int64_t d, int64_t M, const fr_config *config, struct fr_device *device, const char *what)
{
    *graph = (fr_graph){.nodes = n};
    int64_t k = config->discover.k < n - 1 ? config->discover.k : n - 1;
    if (k > 0) {
        int32_t *index = FR_NEW(int32_t, n * k), *self = FR_NEW(int32_t, n);
        float *similarity = FR_NEW(float, n *k);
        for (int64_t i = 0; i < n; i++)
            self[i] = (int32_t)i;
        fr_status status = fr_neighbours(index, similarity, embedding, embedding, n, n, d, k, self, device, what);
        if (status == FR_OK)
            merge_directions(graph, index, similarity, k);
        free(similarity);
        free(self);
        free(index);
        FR_TRY(status);
    }
    graph->rbo = FR_NEW(float, graph->E);
    graph->weight = FR_NEW(float, graph->E);
    overlap(graph, top, bottom, M, config, device);
    fr_edge_spans spans = fr_edge_spans_of(graph, config->discover.tau);
    fr_edges_weigh(graph, &spans, config->discover.tau, config->discover.weight);
    return FR_OK;
}

static void *copy_of(const void *data, size_t bytes)
{
    void *copy = fr_alloc(bytes ? bytes : 1);
    if (bytes)
        memcpy(copy, data, bytes);
    return copy;
}

fr_graph fr_graph_copy(const fr_graph *graph)
{
    size_t E = (size_t)graph->E;
    return (fr_graph){
        .nodes = graph->nodes,
        .E = graph->E,
        .edges = copy_of(graph->edges, 2 * E * sizeof *graph->edges),
        .cosine = copy_of(graph->cosine, E * sizeof *graph->cosine),
        .rbo = copy_of(graph->rbo, E * sizeof *graph->rbo),
        .weight = copy_of(graph->weight, E * sizeof *graph->weight),
    };
}

void fr_graph_close(fr_graph *graph)
{
    free(graph->edges);
    free(graph->cosine);
    free(graph->rbo);
    free(graph->weight);
    *graph = (fr_graph){0};
}
