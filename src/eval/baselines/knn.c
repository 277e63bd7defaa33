/* k nearest training prompts by cosine: a model's score is its mean quality over those of them where it was observed,
 * equal votes or (eval.knn_weights: distance) votes of 1 / (1 - cosine + 1e-6); observed in none, its training mean. k
 * is chosen on dev. */
#include "eval/internal.h"

#include "base/memory.h"
#include "ops/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Unit rows of the embeddings of `rows`. */
static float *unit_rows(const fr_eval_input *input, const int64_t *rows, int64_t count)
{
    float *unit = FR_NEW(float, count * input->d);
    for (int64_t j = 0; j < count; j++)
        fr_unit_rows(unit + j * input->d, input->embedding + rows[j] * input->d, 1, input->d);
    return unit;
}

/* Prompts to route, and their neighbours among the training prompts. */
typedef struct neighbours {
    int64_t queries, corpus, k;
    int64_t *query, *train; /* rows of the data */
    int32_t *index;         /* (queries, k) into train, nearest first, -1 none */
    float *similarity;      /* (queries, k) */
} neighbours;

static neighbours find_neighbours(const fr_eval_input *input, int64_t k)
{
    const fr_dataset *data = input->data;
    neighbours found = {.query = FR_NEW(int64_t, data->N), .train = FR_NEW(int64_t, data->N)};
    for (int64_t i = 0; i < data->N; i++) {
        if (data->split[i] == FR_SPLIT_TRAIN)
            found.train[found.corpus++] = i;
        else
            found.query[found.queries++] = i;
    }
    found.k = k < found.corpus ? k : found.corpus;
    found.index = FR_NEW(int32_t, found.queries * found.k);
    found.similarity = FR_NEW(float, found.queries *found.k);
    float *queries = unit_rows(input, found.query, found.queries),
          *corpus = unit_rows(input, found.train, found.corpus);
    fr_knn_shared(input->device, found.index, found.similarity, queries, corpus, found.queries, found.corpus, input->d,
                  found.k, NULL, NULL, NULL);
    free(queries);
    free(corpus);
    return found;
}

/* Rounding makes the cosine of equal prompts a little more or less than 1. */
static double vote(float similarity, int weights)
{
    return weights == FR_EQUAL ? 1 : 1 / (fmax(0, 1 - (double)similarity) + 1e-6);
}

/* Scores by the k nearest. mean (M): training means. */
static void score_by(fr_scores *scores, const fr_dataset *data, const neighbours *found, int64_t k, int weights,
                     const double *mean)
{
    int64_t M = data->M;
    k = k < found->k ? k : found->k;
#pragma omp parallel
    {
        double *sum = FR_NEW(double, M), *votes = FR_NEW(double, M);
#pragma omp for schedule(static)
        for (int64_t j = 0; j < found->queries; j++) {
            for (int64_t m = 0; m < M; m++)
                sum[m] = votes[m] = 0;
            for (int64_t l = 0; l < k; l++) {
                int32_t at = found->index[j * found->k + l];
                const float *quality = at >= 0 ? data->quality + found->train[at] * M : NULL;
                double weight = vote(found->similarity[j * found->k + l], weights);
                for (int64_t m = 0; quality && m < M; m++)
                    if (!isnan(quality[m]))
                        sum[m] += weight * quality[m], votes[m] += weight;
            }
            for (int64_t m = 0; m < M; m++)
                scores->score[found->query[j] * M + m] = (float)(votes[m] > 0 ? sum[m] / votes[m] : mean[m]);
        }
        free(sum);
        free(votes);
    }
}

fr_status fr_baseline_knn(fr_scores *scores, const fr_eval_input *input)
{
    const fr_dataset *data = input->data;
    const fr_reals *grid = &input->config->eval.knn_k;
    int weights = input->config->eval.knn_weights;
    FR_CHECK(input->embedding, "knn needs the prompt embeddings");
    if (grid->count == 0)
        return fr_fail(FR_USAGE, "eval.knn_k: is empty, want at least one number of neighbours");
    double most = 1, *mean = FR_NEW(double, data->M), *cost = FR_NEW(double, data->M);
    double *quality = FR_NEW(double, grid->count);
    for (int64_t g = 0; g < grid->count; g++)
        most = grid->value[g] > most ? grid->value[g] : most;
    fr_train_means(mean, data, -1);
    fr_expected_cost(cost, data);
    neighbours found = find_neighbours(input, llround(most));
    fr_scores_begin(scores, "knn", data);
    for (int64_t g = 0; g < grid->count; g++) {
        score_by(scores, data, &found, llround(grid->value[g]), weights, mean);
        quality[g] = fr_routed_quality(scores->score, NULL, data, cost, FR_SPLIT_DEV);
    }
    int64_t k = llround(grid->value[fr_choose_smoothed(quality, grid->count)]);
    score_by(scores, data, &found, k, weights, mean);
    snprintf(scores->setting, sizeof scores->setting, "k = %lld%s", (long long)k,
             weights == FR_DISTANCE ? ", by distance" : "");
    free(found.query);
    free(found.train);
    free(found.index);
    free(found.similarity);
    free(mean);
    free(cost);
    free(quality);
    return FR_OK;
}
