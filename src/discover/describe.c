/* What is known of each task once its members are. */
#include "discover_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NEAREST = 3, NAME_BYTES = 200 };

static float dot(const float *a, const float *b, int64_t d)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < d; j++)
        sum += a[j] * b[j];
    return sum;
}

/* The three rows of highest cosine to the centre, equal ones by row; -1 where there are fewer. */
static void find_nearest(int64_t *nearest, const float *centre, const float *embedding, const int64_t *rows,
                         int64_t count, int64_t d)
{
    float best[NEAREST] = {-INFINITY, -INFINITY, -INFINITY};
    for (int r = 0; r < NEAREST; r++)
        nearest[r] = -1;
    for (int64_t i = 0; i < count; i++) {
        float cosine = dot(centre, embedding + rows[i] * d, d);
        int place = NEAREST;
        while (place > 0 && cosine > best[place - 1])
            place--;
        if (place == NEAREST)
            continue;
        memmove(best + place + 1, best + place, (size_t)(NEAREST - 1 - place) * sizeof *best);
        memmove(nearest + place + 1, nearest + place, (size_t)(NEAREST - 1 - place) * sizeof *nearest);
        best[place] = cosine;
        nearest[place] = rows[i];
    }
}

static char *name_of(const fr_dataset *data, int64_t row)
{
    fr_buffer line = {0};
    fr_add_line(&line, data->description[row][0] ? data->description[row] : data->text[row], NAME_BYTES);
    return line.data;
}

/* Models by descending mrr, equal ones in model order. */
static void fused_order(int32_t *order, const double *mrr, int64_t M)
{
    for (int64_t m = 0; m < M; m++) {
        int64_t place = 0;
        for (int64_t j = 0; j < M; j++)
            place += mrr[j] > mrr[m] || (mrr[j] == mrr[m] && j < m);
        order[place] = (int32_t)m;
    }
}

static void quality_of(float *mean, float *median, const fr_dataset *data, const int64_t *rows, int64_t count)
{
    int64_t M = data->M;
    float *value = FR_NEW(float, count);
    for (int64_t m = 0; m < M; m++) {
        int64_t n = 0;
        double sum = 0;
        for (int64_t i = 0; i < count; i++) {
            float q = data->quality[rows[i] * M + m];
            if (isnan(q))
                continue;
            value[n++] = q;
            sum += (double)q;
        }
        mean[m] = n ? (float)(sum / (double)n) : NAN;
        median[m] = fr_median(value, n);
    }
    free(value);
}

/* Mean weight over the edges of round 1 that have both ends in the task, and over those with one. Dropped edges are no
 * edges. */
static void cohesion(fr_tasks *tasks, const int32_t *label)
{
    int64_t T = tasks->T;
    double *sum = FR_NEW(double, 2 * T);
    int64_t *edges = FR_NEW(int64_t, 2 * T);
    const fr_graph *graph = &tasks->graph[0];
    for (int64_t e = 0; e < graph->E; e++) {
        if (!(graph->weight[e] > 0))
            continue;
        int32_t a = label[graph->edges[2 * e]], b = label[graph->edges[2 * e + 1]];
        int64_t slot[2] = {a < 0 ? -1 : a == b ? a : T + a, b < 0 || a == b ? -1 : T + b};
        for (int x = 0; x < 2; x++) {
            if (slot[x] < 0)
                continue;
            sum[slot[x]] += (double)graph->weight[e];
            edges[slot[x]]++;
        }
    }
    for (int64_t t = 0; t < T; t++) {
        tasks->cohesion_inside[t] = edges[t] ? (float)(sum[t] / (double)edges[t]) : NAN;
        tasks->cohesion_outside[t] = edges[T + t] ? (float)(sum[T + t] / (double)edges[T + t]) : NAN;
    }
    free(edges);
    free(sum);
}

void fr_tasks_describe(fr_tasks *tasks, const fr_dataset *data, const float *embedding, const int16_t *top,
                       const int16_t *bottom, double mrr_c)
{
    int64_t T = tasks->T, M = tasks->M, d = tasks->d;
    const int32_t *label = tasks->membership + (tasks->rounds - 1) * tasks->N;
    tasks->name = FR_NEW(char *, T);
    tasks->size = FR_NEW(int64_t, T);
    tasks->centre = FR_NEW(float, T *d);
    tasks->nearest = FR_NEW(int64_t, NEAREST * T);
    tasks->name_row = FR_NEW(int64_t, T);
    tasks->fused_order = FR_NEW(int32_t, T * M);
    tasks->candidates = FR_NEW(uint8_t, T * M);
    tasks->coverage = FR_NEW(float, T);
    tasks->cohesion_inside = FR_NEW(float, T);
    tasks->cohesion_outside = FR_NEW(float, T);
    tasks->mean = FR_NEW(float, T *M);
    tasks->median = FR_NEW(float, T *M);
    tasks->stage1 = FR_NEW(float, (T + 1) * M);
    fr_groups groups = fr_groups_create(label, tasks->N, T);
#pragma omp parallel for schedule(dynamic)
    for (int64_t t = 0; t < T; t++) {
        const int64_t *rows = groups.member + groups.start[t];
        int64_t count = groups.start[t + 1] - groups.start[t];
        double *mrr = FR_NEW(double, M);
        tasks->size[t] = count;
        fr_centre(tasks->centre + t * d, embedding, rows, count, d);
        find_nearest(tasks->nearest + NEAREST * t, tasks->centre + t * d, embedding, rows, count, d);
        tasks->name_row[t] = tasks->nearest[NEAREST * t];
        tasks->name[t] = name_of(data, tasks->name_row[t]);
        fr_fuse(mrr, top, bottom, rows, count, M, mrr_c);
        fused_order(tasks->fused_order + t * M, mrr, M);
        quality_of(tasks->mean + t * M, tasks->median + t * M, data, rows, count);
        free(mrr);
    }
    cohesion(tasks, label);
    fr_groups_close(&groups);
}
