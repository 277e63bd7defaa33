#include "resolution.h"

#include "base/memory.h"
#include "finerouter/log.h"
#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Nearest training prompts of every training and dev prompt. */
typedef struct neighbours {
    int64_t n, k;
    int64_t *row;    /* (n) data rows, training first */
    int64_t trained; /* how many of them are training rows */
    int32_t *near;   /* (n, k) positions among the training rows, -1 none */
} neighbours;

static void find_neighbours(neighbours *found, const fr_run *run, const fr_dataset *data, const fr_texts *texts,
                            int64_t k)
{
    int64_t *train, *dev, d = texts->d;
    int64_t trained = fr_split_rows(&train, data, FR_SPLIT_TRAIN), watched = fr_split_rows(&dev, data, FR_SPLIT_DEV);
    *found = (neighbours){.n = trained + watched, .k = k, .trained = trained};
    found->row = FR_NEW(int64_t, found->n);
    memcpy(found->row, train, (size_t)trained * sizeof *train);
    memcpy(found->row + trained, dev, (size_t)watched * sizeof *dev);
    free(train);
    free(dev);
    float *queries = FR_NEW(float, found->n *d), *similarity = FR_NEW(float, found->n *k);
    int32_t *self = FR_NEW(int32_t, found->n);
    for (int64_t i = 0; i < found->n; i++) {
        memcpy(queries + i * d, texts->prompt + found->row[i] * d, (size_t)d * sizeof(float));
        self[i] = i < trained ? (int32_t)i : -1;
    }
    found->near = FR_NEW(int32_t, found->n * k);
    fr_knn_shared(run->device, found->near, similarity, queries, queries, found->n, trained, d, k, self, NULL, NULL);
    free(queries);
    free(similarity);
    free(self);
}

/* share (n, T + 1): of each prompt's neighbours, by task; the last column is Others. assignment (N): the largest share,
 * of training rows; -1 elsewhere. */
static float *vote(int32_t *assignment, const fr_tasks *tasks, const neighbours *found)
{
    int64_t T = tasks->T;
    const int32_t *member = tasks->membership + (tasks->rounds - 1) * tasks->N;
    float *share = FR_NEW(float, found->n *(T + 1));
    for (int64_t i = 0; i < tasks->N; i++)
        assignment[i] = -1;
    for (int64_t i = 0; i < found->n; i++) {
        float *mine = share + i * (T + 1);
        int64_t counted = 0, best = T;
        for (int64_t j = 0; j < found->k; j++) {
            int32_t near = found->near[i * found->k + j];
            if (near < 0)
                continue;
            int32_t t = member[found->row[near]];
            mine[t < 0 ? T : t] += 1;
            counted++;
        }
        for (int64_t t = 0; t <= T; t++) {
            if (mine[t] > mine[best])
                best = t;
            if (counted)
                mine[t] /= (float)counted;
        }
        assignment[found->row[i]] = best == T ? -1 : (int32_t)best;
    }
    return share;
}

/* Training prompts of each task with a score of each model, (T + 1, M). */
static int64_t *count_observed(const fr_dataset *data, const int32_t *assignment, int64_t T)
{
    int64_t M = data->M, *observed = FR_NEW(int64_t, (T + 1) * M);
    for (int64_t i = 0; i < data->N; i++)
        for (int64_t m = 0; m < M && data->split[i] == FR_SPLIT_TRAIN; m++)
            observed[(assignment[i] < 0 ? T : assignment[i]) * M + m] += !isnan(data->quality[i * M + m]);
    return observed;
}

static double partition_quality(const fr_tasks *tasks, const neighbours *found, const fr_config *config,
                                const fr_dataset *data, const double *cost)
{
    int64_t N = data->N, M = data->M, T = tasks->T;
    float *stage1 = FR_NEW(float, (T + 1) * M), *score = FR_NEW(float, N *M);
    int32_t *assignment = FR_NEW(int32_t, N);
    float *share = vote(assignment, tasks, found);
    double shrinkage = config->stage1.shrinkage;
    fr_tasks_stage1(stage1, data, assignment, T, config->stage1.aggregate, shrinkage);
    int64_t *observed = count_observed(data, assignment, T);
    for (int64_t i = 0; i < found->n; i++) {
        int64_t row = found->row[i], own = assignment[row] < 0 ? T : assignment[row];
        for (int64_t m = 0; m < M; m++) {
            double sum = 0, q = data->quality[row * M + m], n = (double)observed[own * M + m] + shrinkage;
            for (int64_t t = 0; t <= T; t++)
                sum += share[i * (T + 1) + t] * stage1[t * M + m];
            /* A training prompt is left out of its own task's mean: (n s - q) / (n - 1). */
            if (i < found->trained && config->stage1.aggregate == FR_MEAN && !isnan(q) && n > 1)
                sum += share[i * (T + 1) + own] * ((n * stage1[own * M + m] - q) / (n - 1) - stage1[own * M + m]);
            score[row * M + m] = (float)sum;
        }
    }
    double dev = fr_routed_quality(score, NULL, data, cost, FR_SPLIT_DEV), quality = dev;
    if (config->discover.resolution_by == FR_BY_LEFT_OUT) {
        double train = fr_routed_quality(score, NULL, data, cost, FR_SPLIT_TRAIN),
               watched = (double)(found->n - found->trained);
        quality = (train * (double)found->trained + dev * watched) / (double)found->n;
    }
    free(share);
    free(observed);
    free(stage1);
    free(score);
    free(assignment);
    return quality;
}

fr_status fr_choose_resolution(fr_tasks *tasks, double *quality, fr_discovery *discovery, const fr_run *run,
                               const fr_config *config, const fr_dataset *data, const fr_texts *texts)
{
    const fr_reals *grid = &config->discover.resolution_grid;
    double *cost = FR_NEW(double, data->M);
    fr_expected_cost(cost, data);
    neighbours found;
    find_neighbours(&found, run, data, texts, config->discover.k);
    fr_tasks *candidate = FR_NEW(fr_tasks, grid->count);
    fr_status status = FR_OK;
    for (int64_t g = 0; g < grid->count; g++) {
        FR_TRY_GOTO(fr_discovery_partition(discovery, grid->value[g], &candidate[g]), done);
        quality[g] = partition_quality(&candidate[g], &found, config, data, cost);
        fr_log("  resolution %-6g %4lld tasks, stage 1 routes held-out prompts to %.4f", grid->value[g],
               (long long)candidate[g].T, quality[g]);
        fr_log_event("resolution", "resolution=f tasks=d quality=f", grid->value[g], candidate[g].T, quality[g]);
    }
    int64_t best = fr_choose_smoothed(quality, grid->count);
    *tasks = candidate[best];
    candidate[best] = (fr_tasks){0};
done:
    for (int64_t g = 0; g < grid->count; g++)
        fr_tasks_close(&candidate[g]);
    free(candidate);
    free(cost);
    free(found.row);
    free(found.near);
    return status;
}
