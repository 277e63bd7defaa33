/* Stage-1 scores: what is known of a model on a task from the task's training prompts. */
#include "discover_internal.h"

#include <math.h>
#include <stdlib.h>

static double mean_of(const float *value, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)value[i];
    return sum / (double)n;
}

/* Observed training scores of model m (m < 0: of all) into value; returns how many. */
static int64_t training_scores(float *value, const fr_dataset *data, int64_t m)
{
    int64_t n = 0, first = m < 0 ? 0 : m, last = m < 0 ? data->M : m + 1;
    for (int64_t i = 0; i < data->N; i++) {
        if (data->split[i] != FR_SPLIT_TRAIN)
            continue;
        for (int64_t j = first; j < last; j++)
            if (!isnan(data->quality[i * data->M + j]))
                value[n++] = data->quality[i * data->M + j];
    }
    return n;
}

/*   mean:   (sum q + a g) / (n + a)      median:   n / (n + a) median + a / (n + a) g      n = 0:   g */
static double shrunk(float *value, int64_t n, double g, int aggregate, double a)
{
    if (n == 0)
        return g;
    double middle = aggregate == FR_MEDIAN ? (double)fr_median(value, n) : mean_of(value, n);
    return ((double)n * middle + a * g) / ((double)n + a);
}

void fr_tasks_stage1(float *stage1, const fr_dataset *data, const int32_t *assignment, int64_t T, int aggregate,
                     double shrinkage)
{
    int64_t N = data->N, M = data->M;
    int32_t *label = FR_NEW(int32_t, N); /* Others are group T, rows outside the training split in none */
    for (int64_t i = 0; i < N; i++) {
        FR_CHECK(assignment[i] < T, "prompt %lld is assigned to task %d of %lld", (long long)i, assignment[i],
                 (long long)T);
        label[i] = data->split[i] != FR_SPLIT_TRAIN ? -1 : assignment[i] < 0 ? (int32_t)T : assignment[i];
    }
    fr_groups groups = fr_groups_create(label, N, T + 1);
    float *value = FR_NEW(float, N *M);
    int64_t observed = training_scores(value, data, -1);
    double overall = observed ? mean_of(value, observed) : 0; /* stands in for a model that training never saw */
    for (int64_t m = 0; m < M; m++) {
        observed = training_scores(value, data, m);
        double g = observed ? mean_of(value, observed) : overall;
        for (int64_t t = 0; t <= T; t++) {
            int64_t n = 0;
            for (int64_t x = groups.start[t]; x < groups.start[t + 1]; x++) {
                float q = data->quality[groups.member[x] * M + m];
                if (!isnan(q))
                    value[n++] = q;
            }
            stage1[t * M + m] = (float)shrunk(value, n, g, aggregate, shrinkage);
        }
    }
    free(value);
    fr_groups_close(&groups);
    free(label);
}
