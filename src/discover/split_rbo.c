/* Rank-biased overlap of the edges of a graph over several ranks: slices of all preference lists pass by, and the edges
 * whose larger end is in the slice are compared, a batch at a time. */
#include "circulate.h"
#include "comm/comm.h"
#include "device/tables.h"
#include "finerouter/log.h"
#include "ops/ops.h"
#include "split_graph.h"

#include <stdlib.h>
#include <string.h>

enum {
    SLICE_BYTES = 8 << 20, /* of a slice of lists, at least */
    SLICES = 8,            /* most that a rank's lists are cut into */
    BATCH_BYTES = 16 << 20,
    LEAST_BATCH = 4096, /* edges */
    MOST_BATCH = 65536
};

typedef struct weighing {
    struct fr_device *device;
    const fr_config *config;
    fr_graph *graph;
    const int64_t *first;
    int64_t at, count, M;        /* own nodes */
    const int16_t *top, *bottom; /* (count, M) */
    const fr_rbo_parts *parts;   /* NULL: the device has one way */
    fr_rbo_way way;
    int64_t slice, slices;
    /* A batch: the edges with places of their lists among those that the batch names. */
    int64_t room, edges, lists;
    int64_t *edge;                     /* (room) which of the graph's */
    int32_t *ends;                     /* (room, 2) */
    float *rbo;                        /* (room) */
    int16_t *batch_top, *batch_bottom; /* (2 room, M) */
} weighing;

static void slice_of(int64_t *at, int64_t *rows, const weighing *w, int rank)
{
    int64_t all = w->first[rank + 1] - w->first[rank];
    *at = all * w->slice / w->slices;
    *rows = all * (w->slice + 1) / w->slices - *at;
}

static int32_t add_list(weighing *w, const int16_t *top, const int16_t *bottom)
{
    memcpy(w->batch_top + w->lists * w->M, top, (size_t)w->M * sizeof *top);
    memcpy(w->batch_bottom + w->lists * w->M, bottom, (size_t)w->M * sizeof *bottom);
    return (int32_t)w->lists++;
}

static void flush(weighing *w)
{
    double p = w->config->discover.rbo_p;
    bool corrected = w->config->discover.rbo_ties == FR_RBO_B;
    if (w->edges > 0 && w->parts)
        w->parts->compare(w->way, w->rbo, w->ends, w->batch_top, w->edges, w->lists, w->M, p, corrected);
    else if (w->edges > 0)
        fr_rbo_edges(w->device, w->rbo, w->ends, w->batch_top, w->batch_bottom, w->edges, w->M, p, corrected);
    for (int64_t e = 0; e < w->edges; e++)
        w->graph->rbo[w->edge[e]] = w->rbo[e];
    w->edges = w->lists = 0;
}

/* piece: the rows' tops, then their bottoms. */
static fr_status visit(void *context, int from, const void *piece, size_t bytes)
{
    weighing *w = context;
    int64_t base, rows, M = w->M;
    slice_of(&base, &rows, w, from);
    base += w->first[from];
    if (from < fr_comm_rank() || bytes == 0) /* larger ends only */
        return FR_OK;
    const int16_t *top = piece, *bottom = top + rows * M;
    int32_t *place = FR_NEW(int32_t, rows); /* of each row's list in the batch + 1 */
    int64_t last = -1;                      /* smaller end, and where its list is */
    int32_t last_place = 0;
    for (int64_t e = 0; e < w->graph->E; e++) {
        int64_t i = w->graph->edges[2 * e] - w->at, j = w->graph->edges[2 * e + 1] - base;
        if (j < 0 || j >= rows)
            continue;
        if (i != last)
            last_place = add_list(w, w->top + i * M, w->bottom + i * M);
        last = i;
        if (!place[j])
            place[j] = add_list(w, top + j * M, bottom + j * M) + 1;
        w->edge[w->edges] = e;
        w->ends[2 * w->edges] = last_place;
        w->ends[2 * w->edges++ + 1] = place[j] - 1;
        if (w->edges == w->room) {
            flush(w);
            memset(place, 0, (size_t)rows * sizeof *place);
            last = -1;
        }
    }
    flush(w);
    free(place);
    return fr_interrupt_wanted() ? fr_interrupted() : FR_OK;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int64_t unique(uint64_t *value, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || value[i] != value[i - 1])
            value[count++] = value[i];
    return count;
}

/* Sorted hashes of distinct lists, no more than most + 1 of them. */
typedef struct distinct {
    uint64_t *hash;
    int64_t count, most;
} distinct;

static fr_status join(void *context, int from, const void *piece, size_t bytes)
{
    distinct *d = context;
    int64_t more = (int64_t)(bytes / sizeof(uint64_t));
    if (from == fr_comm_rank() || d->count > d->most || more == 0)
        return FR_OK;
    d->hash = fr_realloc(d->hash, (size_t)(d->count + more) * sizeof *d->hash);
    memcpy(d->hash + d->count, piece, bytes);
    qsort(d->hash, (size_t)(d->count + more), sizeof *d->hash, by_value);
    d->count = unique(d->hash, d->count + more);
    return FR_OK;
}

/* How many distinct lists all ranks have together decides. */
static fr_status count_distinct(weighing *w)
{
    distinct d = {.most = w->parts->most_vectors(w->M)};
    d.hash = FR_NEW(uint64_t, w->count);
    w->parts->hash(d.hash, w->top, w->count, w->M);
    qsort(d.hash, (size_t)w->count, sizeof *d.hash, by_value);
    d.count = unique(d.hash, w->count);
    fr_status status = FR_OK;
    bool too_many = fr_comm_any(d.count > d.most);
    if (!too_many) {
        fr_ring ring = {0};
        size_t bytes = (size_t)d.count * sizeof *d.hash;
        memcpy(fr_ring_room(&ring, bytes + 1), d.hash, bytes);
        status = fr_circulate(&ring, bytes, join, &d);
        fr_ring_close(&ring);
    }
    w->way = too_many || d.count > d.most ? FR_RBO_DEFINITION : FR_RBO_VECTORS;
    free(d.hash);
    return status;
}

static fr_status choose_way(weighing *w)
{
    int64_t E = w->graph->E, room = BATCH_BYTES / (4 * w->M);
    w->room = room < LEAST_BATCH ? LEAST_BATCH : room < MOST_BATCH ? room : MOST_BATCH;
    if (!w->parts)
        return FR_OK;
    fr_rbo_look look = {0};
    w->parts->look(&look, w->top, w->bottom, w->count, w->M);
    int64_t sums[4] = {look.tied, look.incomplete, look.graded, E};
    fr_comm_sum(sums, 4, FR_I64);
    look = (fr_rbo_look){sums[0], sums[1], sums[2]};
    w->way = w->parts->way(&look, sums[3], w->M);
    if (w->way == FR_RBO_TWO && w->parts->table(&look, w->M) > w->room)
        w->room = w->parts->table(&look, w->M);
    return w->way == FR_RBO_WAYS ? count_distinct(w) : FR_OK;
}

static fr_status pass_lists(weighing *w)
{
    int64_t bytes = fr_most(w->count) * w->M * 2 * (int64_t)sizeof(int16_t);
    w->slices = (bytes + SLICE_BYTES - 1) / SLICE_BYTES;
    w->slices = w->slices < 1 ? 1 : w->slices < SLICES ? w->slices : SLICES;
    fr_ring ring = {0};
    fr_status status = FR_OK;
    for (w->slice = 0; w->slice < w->slices && status == FR_OK; w->slice++) {
        int64_t at, rows;
        slice_of(&at, &rows, w, fr_comm_rank());
        size_t half = (size_t)(rows * w->M) * sizeof(int16_t);
        char *room = fr_ring_room(&ring, 2 * half + 1);
        memcpy(room, w->top + at * w->M, half);
        memcpy(room + half, w->bottom + at * w->M, half);
        fr_comm_at("rank-biased overlap", w->slice);
        status = fr_circulate(&ring, 2 * half, visit, w);
    }
    fr_ring_close(&ring);
    return status;
}

fr_status fr_split_rbo(fr_graph *graph, const int64_t *first, const int16_t *top, const int16_t *bottom, int64_t M,
                       const fr_config *config, struct fr_device *device)
{
    int rank = fr_comm_rank();
    weighing w = {.device = device,
                  .config = config,
                  .graph = graph,
                  .first = first,
                  .at = first[rank],
                  .M = M,
                  .count = first[rank + 1] - first[rank],
                  .top = top,
                  .bottom = bottom};
    w.parts = fr_rbo_parts_for(device->kernels);
    FR_TRY(choose_way(&w));
    if (w.room > graph->E)
        w.room = graph->E > 0 ? graph->E : 1;
    w.edge = FR_NEW(int64_t, w.room);
    w.ends = FR_NEW(int32_t, 2 * w.room);
    w.rbo = FR_NEW(float, w.room);
    w.batch_top = FR_NEW(int16_t, 2 * w.room * M);
    w.batch_bottom = FR_NEW(int16_t, 2 * w.room * M);
    fr_status status = pass_lists(&w);
    free(w.batch_bottom);
    free(w.batch_top);
    free(w.rbo);
    free(w.ends);
    free(w.edge);
    return status;
}
