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

int64_t fr_best_model(const double *mean, const double *cost, int64_t M, int64_t except)
{
    int64_t best = -1;
    for (int64_t m = 0; m < M; m++)
        if (m != except &&
            (best < 0 || mean[m] > mean[best] || isnan(mean[best]) ||
             (mean[m] == mean[best] && (cost[m] < cost[best] || (isnan(cost[best]) && !isnan(cost[m]))))))
            best = m;
    return best;
}

int64_t fr_best_single(const fr_dataset *data)
{
    double *mean = FR_NEW(double, data->M), *cost = FR_NEW(double, data->M);
    fr_train_means(mean, data, -1);
    fr_expected_cost(cost, data);
    int64_t best = fr_best_model(mean, cost, data->M, -1);
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

void fr_routed_prompts(float *quality, const float *score, const float *tie, const fr_dataset *data, const double *cost,
                       int split)
{
    int64_t M = data->M;
    for (int64_t i = 0; i < data->N; i++) {
        quality[i] = NAN;
        if (data->split[i] == split)
            quality[i] = data->quality[i * M + fr_choose(score + i * M, tie ? tie + i * M : NULL, cost, M, 0)];
    }
}

double fr_routed_quality(const float *score, const float *tie, const fr_dataset *data, const double *cost, int split)
{
    float *quality = FR_NEW(float, data->N);
    fr_routed_prompts(quality, score, tie, data, cost, split);
    int64_t scored = 0;
    double sum = 0;
    for (int64_t i = 0; i < data->N; i++)
        if (!isnan(quality[i])) {
            sum += quality[i];
            scored++;
        }
    free(quality);
    return scored ? sum / (double)scored : NAN;
}

void fr_unit_rows(float *unit, const float *x, int64_t n, int64_t d)
{
    for (int64_t i = 0; i < n; i++) {
        double square = 0;
        for (int64_t c = 0; c < d; c++)
            square += (double)x[i * d + c] * x[i * d + c];
        double scale = square > 0 ? 1 / sqrt(square) : 0;
        for (int64_t c = 0; c < d; c++)
            unit[i * d + c] = (float)(x[i * d + c] * scale);
    }
}

double fr_routed_rows(const float *score, const fr_dataset *data, const double *cost, const int64_t *rows,
                      int64_t count)
{
    int64_t M = data->M, scored = 0;
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        float q = data->quality[rows[i] * M + fr_choose(score + i * M, NULL, cost, M, 0)];
        if (!isnan(q))
            sum += q, scored++;
    }
    return scored ? sum / (double)scored : NAN;
}
