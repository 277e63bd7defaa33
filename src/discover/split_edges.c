/* Edges of a graph over several ranks, out of directed neighbour lists. */
#include "circulate.h"
#include "comm/comm.h"
#include "edge_weights.h"
#include "half_edges.h"
#include "split_graph.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 18 }; /* pairs that go around at once */

/* A neighbour found from the larger end. */
typedef struct pair {
    int32_t small, large;
    float cosine;
} pair;

typedef struct lists {
    int64_t at, count, k; /* own nodes at .. at+count-1 */
    int32_t *index;       /* (count, k) */
    float *similarity;
    pair *came; /* from other ranks, their smaller ends here */
    int64_t arrived, room;
} lists;

static bool owns(const lists *l, int32_t node)
{
    return node >= l->at && node < l->at + l->count;
}

/* Whether entry x of the lists is a pair for a rank before this one. */
static bool leaves(const lists *l, int64_t x)
{
    return l->index[x] >= 0 && l->index[x] < l->at;
}

static fr_status take(void *context, int from, const void *piece, size_t bytes)
{
    lists *l = context;
    if (from == fr_comm_rank())
        return FR_OK;
    int64_t count = (int64_t)(bytes / sizeof(pair)), mine = 0;
    const pair *p = piece;
    for (int64_t i = 0; i < count; i++)
        mine += owns(l, p[i].small);
    if (l->arrived + mine > l->room) {
        l->room = l->arrived + mine + l->room / 4;
        l->came = fr_realloc(l->came, (size_t)l->room * sizeof *l->came);
    }
    for (int64_t i = 0; i < count; i++)
        if (owns(l, p[i].small))
            l->came[l->arrived++] = p[i];
    return FR_OK;
}

/* Pairs whose smaller end lies before this rank's nodes go around until the ranks that own them have them. */
static fr_status exchange(lists *l)
{
    int64_t leaving = 0, x = 0;
    for (int64_t i = 0; i < l->count * l->k; i++)
        leaving += leaves(l, i);
    int64_t rounds = (fr_most(leaving) + PIECE - 1) / PIECE;
    fr_ring ring = {0};
    fr_status status = FR_OK;
    for (int64_t round = 0; round < rounds && status == FR_OK; round++) {
        int64_t count = 0;
        pair *out = fr_ring_room(&ring, (size_t)(leaving < PIECE ? leaving + 1 : PIECE) * sizeof *out);
        for (; x < l->count * l->k && count < PIECE; x++)
            if (leaves(l, x))
                out[count++] = (pair){l->index[x], (int32_t)(l->at + x / l->k), l->similarity[x]};
        fr_comm_at("edges", round);
        status = fr_circulate(&ring, (size_t)count * sizeof *out, take, l);
    }
    fr_ring_close(&ring);
    return status;
}

/* The own node at the smaller end of entry x, -1: there is none. */
static int64_t small_end(const lists *l, int64_t x)
{
    int64_t i = x / l->k, j = l->index[x] - l->at;
    return l->index[x] < 0 || j < 0 ? -1 : j < i ? j : i;
}

/* start (count + 1): where the half edges of each own node begin. */
static fr_half_edge *bucket(int64_t *start, const lists *l)
{
    int64_t *next = FR_NEW(int64_t, l->count);
    for (int64_t x = 0; x < l->count * l->k; x++)
        if (small_end(l, x) >= 0)
            start[small_end(l, x) + 1]++;
    for (int64_t p = 0; p < l->arrived; p++)
        start[l->came[p].small - l->at + 1]++;
    for (int64_t i = 0; i < l->count; i++)
        start[i + 1] += start[i];
    if (l->count)
        memcpy(next, start, (size_t)l->count * sizeof *next);
    fr_half_edge *half = FR_NEW(fr_half_edge, start[l->count]);
    for (int64_t x = 0; x < l->count * l->k; x++) {
        int64_t small = small_end(l, x), i = l->at + x / l->k;
        if (small < 0)
            continue;
        bool backward = l->index[x] < i;
        half[next[small]++] = (fr_half_edge){backward ? (int32_t)i : l->index[x], backward, l->similarity[x]};
    }
    for (int64_t p = 0; p < l->arrived; p++)
        half[next[l->came[p].small - l->at]++] = (fr_half_edge){l->came[p].large, true, l->came[p].cosine};
    free(next);
    return half;
}

static void to_edges(fr_graph *graph, lists *l)
{
    int64_t *start = FR_NEW(int64_t, l->count + 1);
    fr_half_edge *half = bucket(start, l);
    free(l->index);
    free(l->similarity);
    free(l->came);
    *l = (lists){.at = l->at, .count = l->count};
    fr_half_edges_join(graph, half, start, l->at, l->count);
    free(half);
    free(start);
}

fr_status fr_split_edges(fr_graph *graph, const int64_t *first, float **embedding, int64_t d, const fr_config *config,
                         struct fr_device *device, const char *what)
{
    int rank = fr_comm_rank();
    int64_t n = first[fr_comm_ranks()], k = config->discover.k < n - 1 ? config->discover.k : n - 1;
    *graph = (fr_graph){.nodes = n};
    lists l = {.at = first[rank], .count = first[rank + 1] - first[rank], .k = k};
    fr_status status = FR_OK;
    if (k > 0) {
        l.index = FR_NEW(int32_t, l.count * k);
        l.similarity = FR_NEW(float, l.count *k);
        status = fr_split_neighbours(l.index, l.similarity, first, *embedding, d, k, device, what);
    }
    free(*embedding);
    *embedding = NULL;
    if (status == FR_OK && k > 0)
        status = exchange(&l);
    if (status == FR_OK && k > 0)
        to_edges(graph, &l);
    free(l.came);
    free(l.similarity);
    free(l.index);
    return status;
}

/* The spans of all ranks' edges. */
static fr_edge_spans all_spans(const fr_graph *graph, double tau)
{
    int ranks = fr_comm_ranks();
    fr_edge_spans *of = FR_NEW(fr_edge_spans, ranks);
    of[fr_comm_rank()] = fr_edge_spans_of(graph, tau);
    fr_comm_each(of, sizeof *of);
    fr_edge_spans all = of[0];
    for (int r = 1; r < ranks; r++)
        fr_edge_spans_join(&all, &of[r]);
    free(of);
    return all;
}

fr_status fr_split_weights(fr_graph *graph, const int64_t *first, const int16_t *top, const int16_t *bottom, int64_t M,
                           const fr_config *config, struct fr_device *device)
{
    graph->rbo = FR_NEW(float, graph->E);
    graph->weight = FR_NEW(float, graph->E);
    FR_TRY(fr_split_rbo(graph, first, top, bottom, M, config, device));
    fr_edge_spans spans = all_spans(graph, config->discover.tau);
    fr_edges_weigh(graph, &spans, config->discover.tau, config->discover.weight);
    return FR_OK;
}
