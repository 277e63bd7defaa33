/* Discovery: the graph of round 1, then at any resolution Leiden, communities as nodes, Leiden again; or labels that
 * came from elsewhere. */
#include "discover_internal.h"

#include "finerouter/log.h"
#include "graph_shards.h"

#include "base/rng.h"
#include "comm/comm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct fr_discovery {
    const fr_dataset *data;
    const fr_config *config;
    struct fr_device *device;
    const float *embedding; /* (N, d) */
    int64_t d;
    int16_t *top, *bottom; /* (N, M) preference lists */
    int64_t n;             /* training prompts: the nodes of round 1 */
    int64_t *row;          /* (n) */
    fr_graph first;        /* ends are nodes of round 1 */
    int64_t guests, k;     /* other prompts, and how many training prompts vote for each */
    int64_t *guest_row;    /* (guests) */
    int32_t *neighbour;    /* (guests, k) nodes of round 1 */
    float *cosine;         /* (guests, k) */
};

void fr_discovery_close(fr_discovery *discovery)
{
    if (!discovery)
        return;
    fr_graph_close(&discovery->first);
    free(discovery->top);
    free(discovery->bottom);
    free(discovery->row);
    free(discovery->guest_row);
    free(discovery->neighbour);
    free(discovery->cosine);
    free(discovery);
}

static float *take_rows(const float *embedding, const int64_t *rows, int64_t count, int64_t d)
{
    float *taken = FR_NEW(float, count *d);
    for (int64_t i = 0; i < count; i++)
        memcpy(taken + i * d, embedding + rows[i] * d, (size_t)d * sizeof *taken);
    return taken;
}

static int16_t *take_ranks(const int16_t *rank, const int64_t *rows, int64_t count, int64_t M)
{
    int16_t *taken = FR_NEW(int16_t, count * M);
    for (int64_t i = 0; i < count; i++)
        memcpy(taken + i * M, rank + rows[i] * M, (size_t)M * sizeof *taken);
    return taken;
}

static fr_status find_voters(fr_discovery *x, const float *training)
{
    x->k = x->config->discover.k < x->n ? x->config->discover.k : x->n;
    x->neighbour = FR_NEW(int32_t, x->guests * x->k);
    x->cosine = FR_NEW(float, x->guests * x->k);
    if (x->guests == 0 || x->k == 0)
        return FR_OK;
    float *guests = take_rows(x->embedding, x->guest_row, x->guests, x->d);
    fr_status status = fr_neighbours(x->neighbour, x->cosine, guests, training, x->guests, x->n, x->d, x->k, NULL,
                                     x->device, "neighbours dev, test");
    free(guests);
    return status;
}

fr_status fr_discovery_create(fr_discovery **discovery, const fr_dataset *data, const float *embedding, int64_t d,
                              const fr_config *config, struct fr_device *device)
{
    fr_discovery *x = FR_NEW(fr_discovery, 1);
    *x = (fr_discovery){.data = data, .config = config, .device = device, .embedding = embedding, .d = d};
    x->top = FR_NEW(int16_t, data->N * data->M);
    x->bottom = FR_NEW(int16_t, data->N * data->M);
    x->row = FR_NEW(int64_t, data->N);
    x->guest_row = FR_NEW(int64_t, data->N);
    for (int64_t i = 0; i < data->N; i++) {
        if (data->split[i] == FR_SPLIT_TRAIN)
            x->row[x->n++] = i;
        else
            x->guest_row[x->guests++] = i;
    }
    fr_preference_ranks(x->top, x->bottom, data, config);
    float *training = take_rows(embedding, x->row, x->n, d);
    int16_t *top = take_ranks(x->top, x->row, x->n, data->M), *bottom = take_ranks(x->bottom, x->row, x->n, data->M);
    fr_status status = config->discover.graph[0] ? fr_graph_shards_read(&x->first, data, training, x->n, d, config)
                                                 : fr_graph_build(&x->first, training, top, bottom, x->n, d, data->M,
                                                                  config, device, "neighbours");
    if (status == FR_OK)
        status = find_voters(x, training);
    free(bottom);
    free(top);
    free(training);
    if (status != FR_OK) {
        fr_discovery_close(x);
        return status;
    }
    *discovery = x;
    return FR_OK;
}

/* On the root: it takes seconds, and one thread. The others get what it found. */
static fr_status run_leiden(int32_t *community, int64_t *communities, const fr_graph *graph, const fr_config *config,
                            double resolution, int64_t round)
{
    fr_status status = fr_interrupt_wanted() ? fr_interrupted() : FR_OK;
    fr_comm_at("leiden, round", round);
    if (status == FR_OK && fr_is_root()) {
        uint64_t bits;
        memcpy(&bits, &resolution, sizeof bits);
        uint64_t seed = fr_rng_u64((uint64_t)config->top.seed, fr_stream("leiden", bits, (uint64_t)round), 0);
        status = fr_leiden(community, communities, graph, config->discover.objective, resolution,
                           config->discover.iterations, seed);
    }
    FR_TRY(fr_comm_agree(status));
    fr_comm_broadcast(communities, sizeof *communities, 0);
    fr_comm_broadcast(community, (size_t)graph->nodes * sizeof *community, 0);
    return FR_OK;
}

/* The graph of a later round: a node is the median of its prompts' embeddings with the fusion of their lists. */
static fr_status build_later(fr_graph *graph, const fr_discovery *x, const int32_t *label, int64_t communities)
{
    int64_t M = x->data->M, d = x->d;
    fr_groups groups = fr_groups_create(label, x->data->N, communities);
    float *centre = FR_NEW(float, communities *d);
    int16_t *top = FR_NEW(int16_t, communities * M), *bottom = FR_NEW(int16_t, communities * M);
#pragma omp parallel
    {
        double *mrr = FR_NEW(double, M);
#pragma omp for schedule(dynamic)
        for (int64_t c = 0; c < communities; c++) {
            const int64_t *rows = groups.member + groups.start[c];
            int64_t count = groups.start[c + 1] - groups.start[c];
            fr_centre(centre + c * d, x->embedding, rows, count, d);
            fr_fuse(mrr, x->top, x->bottom, rows, count, M, x->config->discover.mrr_c);
            fr_rank_scores(top + c * M, bottom + c * M, mrr, NULL, M, true);
        }
        free(mrr);
    }
    fr_status status = fr_graph_build(graph, centre, top, bottom, communities, d, M, x->config, x->device, NULL);
    free(bottom);
    free(top);
    free(centre);
    fr_groups_close(&groups);
    return status;
}

/* label (N): communities of the round before, becomes those of this round. A community without an edge stays as it is.
 */
static void compose(int32_t *label, int64_t N, const int32_t *node_label, int64_t nodes, int64_t *communities)
{
    int64_t next = *communities;
    int32_t *of = FR_NEW(int32_t, nodes);
    for (int64_t c = 0; c < nodes; c++)
        of[c] = node_label[c] >= 0 ? node_label[c] : (int32_t)next++;
    for (int64_t i = 0; i < N; i++)
        label[i] = label[i] >= 0 ? of[label[i]] : -1;
    free(of);
    *communities = fr_labels_compact(label, N, next);
}

static fr_status later_rounds(fr_tasks *tasks, const fr_discovery *x, int64_t *communities)
{
    int64_t N = tasks->N;
    while (tasks->rounds<x->config->discover.rounds && * communities> 1) {
        int64_t nodes = *communities;
        int32_t *label = tasks->membership + tasks->rounds * N;
        memcpy(label, label - N, (size_t)N * sizeof *label);
        FR_TRY(build_later(&tasks->graph[tasks->rounds], x, label, nodes));
        tasks->rounds++; /* its graph is there to be freed */
        int32_t *node_label = FR_NEW(int32_t, nodes);
        fr_status status = run_leiden(node_label, communities, &tasks->graph[tasks->rounds - 1], x->config,
                                      tasks->resolution, tasks->rounds);
        if (status == FR_OK) {
            tasks->modularity = fr_modularity(&tasks->graph[tasks->rounds - 1], node_label);
            compose(label, N, node_label, nodes, communities);
        }
        free(node_label);
        FR_TRY(status);
        if (*communities == nodes) /* nothing merges any more */
            break;
    }
    return FR_OK;
}

typedef struct sized {
    int64_t size, label;
} sized;

static int by_size(const void *a, const void *b)
{
    const sized *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return (x->label > y->label) - (x->label < y->label);
}

/* Communities of the last round become tasks 0 .. T-1 by descending size, small ones become Others. */
static int64_t number_tasks(int32_t *label, int64_t N, int64_t communities, int64_t min_size)
{
    sized *order = FR_NEW(sized, communities);
    int32_t *task = FR_NEW(int32_t, communities);
    int64_t T = 0;
    for (int64_t c = 0; c < communities; c++)
        order[c].label = c;
    for (int64_t i = 0; i < N; i++)
        if (label[i] >= 0)
            order[label[i]].size++;
    qsort(order, (size_t)communities, sizeof *order, by_size);
    for (int64_t c = 0; c < communities; c++)
        task[order[c].label] = order[c].size >= min_size ? (int32_t)T++ : -1;
    for (int64_t i = 0; i < N; i++)
        label[i] = label[i] >= 0 ? task[label[i]] : -1;
    free(task);
    free(order);
    return T;
}

/* A prompt outside the training split takes the task with the largest sum of cosines (negative ones count nothing)
 * among its neighbours; equal sums: the smaller task number, Others last. */
static void vote(fr_tasks *tasks, const fr_discovery *x)
{
    const int32_t *label = tasks->membership + (tasks->rounds - 1) * tasks->N;
    memcpy(tasks->vote, label, (size_t)tasks->N * sizeof *label);
    int64_t T = tasks->T;
    double *votes = FR_NEW(double, T + 1); /* Others at T */
    for (int64_t g = 0; g < x->guests; g++) {
        int64_t best = T;
        memset(votes, 0, (size_t)(T + 1) * sizeof *votes);
        for (int64_t v = g * x->k; v < (g + 1) * x->k; v++) {
            int32_t task = x->neighbour[v] < 0 ? -1 : label[x->row[x->neighbour[v]]];
            if (x->neighbour[v] >= 0 && x->cosine[v] > 0)
                votes[task < 0 ? T : task] += (double)x->cosine[v];
        }
        for (int64_t t = T; t-- > 0;)
            if (votes[t] > 0 && votes[t] >= votes[best])
                best = t;
        tasks->vote[x->guest_row[g]] = best == T ? -1 : (int32_t)best;
    }
    free(votes);
}

/* Tasks with the graph of round 1 and room for `rounds` labelings; everything else is still to be filled. */
static fr_tasks begin(const fr_discovery *x, double resolution, int64_t rounds)
{
    int64_t N = x->data->N;
    fr_tasks tasks = {.N = N, .M = x->data->M, .d = x->d, .rounds = 1, .resolution = resolution};
    tasks.graph = FR_NEW(fr_graph, rounds);
    tasks.membership = FR_NEW(int32_t, rounds * N);
    tasks.vote = FR_NEW(int32_t, N);
    tasks.graph[0] = fr_graph_copy(&x->first);
    for (int64_t e = 0; e < 2 * x->first.E; e++)
        tasks.graph[0].edges[e] = (int32_t)x->row[x->first.edges[e]];
    return tasks;
}

/* The labels of round 1, by nodes, as the tasks' first labeling. */
static void set_labels(fr_tasks *tasks, const fr_discovery *x, const int32_t *node_label)
{
    tasks->modularity = fr_modularity(&x->first, node_label);
    for (int64_t i = 0; i < tasks->N; i++)
        tasks->membership[i] = -1;
    for (int64_t i = 0; i < x->n; i++)
        tasks->membership[x->row[i]] = node_label[i];
}

/* What follows from the last labeling. */
static void finish(fr_tasks *tasks, const fr_discovery *x, int64_t communities)
{
    const fr_config *config = x->config;
    tasks->T = number_tasks(tasks->membership + (tasks->rounds - 1) * tasks->N, tasks->N, communities,
                            config->discover.min_task_size);
    vote(tasks, x);
    fr_tasks_describe(tasks, x->data, x->embedding, x->top, x->bottom, config->discover.mrr_c);
}

fr_status fr_discovery_partition(fr_discovery *x, double resolution, fr_tasks *tasks)
{
    int64_t communities = 0;
    *tasks = begin(x, resolution, x->config->discover.rounds);
    int32_t *node_label = FR_NEW(int32_t, x->n);
    fr_status status = run_leiden(node_label, &communities, &x->first, x->config, resolution, 1);
    if (status == FR_OK) {
        set_labels(tasks, x, node_label);
        status = later_rounds(tasks, x, &communities);
    }
    free(node_label);
    if (status != FR_OK) {
        fr_tasks_close(tasks);
        return status;
    }
    finish(tasks, x, communities);
    return FR_OK;
}

void fr_discovery_label(fr_discovery *x, const int32_t *label, fr_tasks *tasks)
{
    int32_t *node_label = FR_NEW(int32_t, x->n), most = -1;
    for (int64_t i = 0; i < x->n; i++) {
        node_label[i] = label[x->row[i]];
        most = node_label[i] > most ? node_label[i] : most;
    }
    *tasks = begin(x, NAN, 1);
    set_labels(tasks, x, node_label);
    finish(tasks, x, most + 1);
    free(node_label);
}
