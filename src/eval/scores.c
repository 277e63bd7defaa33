/* What routers and evaluation both need to know of the data. */
#include "eval/internal.h"

#include "base/memory.h"
#include "finerouter/route.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Mean of the values (N, M) that are not NaN over training prompts, by model. */
static void training_means(double *mean, const fr_dataset *data, const float *value, int32_t source)
{
    int64_t M = data->M, *count = FR_NEW(int64_t, M);
    for (int64_t m = 0; m < M; m++)
        mean[m] = 0;
    for (int64_t i = 0; i < data->N; i++) {
        if (data->split[i] != FR_SPLIT_TRAIN || (source >= 0 && data->source[i] != source))
            continue;
        for (int64_t m = 0; m < M; m++)
            if (!isnan(value[i * M + m])) {
                mean[m] += value[i * M + m];
                count[m]++;
            }
    }
    for (int64_t m = 0; m < M; m++)
        mean[m] = count[m] ? mean[m] / (double)count[m] : NAN;
    free(count);
}

void fr_train_means(double *mean, const fr_dataset *data, int32_t source)
{
    training_means(mean, data, data->quality, source);
}

void fr_expected_cost(double *cost, const fr_dataset *data)
{
    training_means(cost, data, data->cost, -1);
}

int64_t fr_best_single(const fr_dataset *data)
{
    double *mean = FR_NEW(double, data->M), *cost = FR_NEW(double, data->M);
    fr_train_means(mean, data, -1);
    fr_expected_cost(cost, data);
    int64_t best = 0;
    for (int64_t m = 1; m < data->M; m++)
        if (mean[m] > mean[best] || isnan(mean[best]) ||
            (mean[m] == mean[best] && (cost[m] < cost[best] || (isnan(cost[best]) && !isnan(cost[m])))))
            best = m;
    free(mean);
    free(cost);
    return best;
}

float fr_prompt_oracle(const fr_dataset *data, int64_t i)
{
    float best = NAN;
    for (int64_t m = 0; m < data->M; m++) {
        float q = data->quality[i * data->M + m];
        if (q > best || isnan(best))
            best = q;
    }
    return best;
}

bool fr_router_is_bound(const char *name)
{
    return !strcmp(name, "oracle") || !strcmp(name, "dataset_oracle");
}

int64_t fr_best_router(const fr_result *results, int64_t count)
{
    int64_t best = -1;
    for (int64_t r = 0; r < count; r++)
        if (!fr_router_is_bound(results[r].name) && !isnan(results[r].quality) &&
            (best < 0 || results[r].quality > results[best].quality))
            best = r;
    return best;
}

void fr_scores_begin(fr_scores *scores, const char *name, const fr_dataset *data)
{
    *scores = (fr_scores){.name = name, .N = data->N, .M = data->M, .score = FR_NEW(float, data->N * data->M)};
}

void fr_scores_close(fr_scores *scores)
{
    free(scores->score);
    free(scores->tie);
    scores->score = scores->tie = NULL;
}

double fr_routed_quality(const float *score, const float *tie, const fr_dataset *data, const double *cost, int split)
{
    int64_t M = data->M, scored = 0;
    double sum = 0;
    for (int64_t i = 0; i < data->N; i++) {
        if (data->split[i] != split)
            continue;
        int32_t m = fr_choose(score + i * M, tie ? tie + i * M : NULL, cost, M, 0);
        float q = data->quality[i * M + m];
        if (!isnan(q)) {
            sum += q;
            scored++;
        }
    }
    return scored ? sum / (double)scored : NAN;
}

/* s_k = sum_j w_j q_j / sum_j w_j over the neighbours j = k-1, k, k+1 that are there and not NaN, w = 1, 2, 1 */
static double smoothed(const double *quality, int64_t count, int64_t k)
{
    double sum = 0, weight = 0;
    if (isnan(quality[k]))
        return NAN;
    for (int64_t j = k - 1; j <= k + 1; j++) {
        if (j < 0 || j >= count || isnan(quality[j]))
            continue;
        double w = j == k ? 2 : 1;
        sum += w * quality[j];
        weight += w;
    }
    return sum / weight;
}

int64_t fr_choose_smoothed(const double *quality, int64_t count)
{
    double best = NAN;
    for (int64_t k = 0; k < count; k++) {
        double s = smoothed(quality, count, k);
        if (s > best || isnan(best))
            best = s;
    }
    int64_t first = 0, length = 0; /* of the longest plateau so far */
    for (int64_t k = 0; k < count;) {
        int64_t end = k;
        while (end < count && smoothed(quality, count, end) >= best - 1e-12)
            end++;
        if (end - k > length)
            first = k, length = end - k;
        k = end > k ? end : k + 1;
    }
    return length ? first + (length - 1) / 2 : 0;
}
