/* From scores to metrics, through one choice of a model a prompt. */
#include "eval/internal.h"

#include "base/memory.h"
#include "finerouter/route.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fr_result_close(fr_result *result)
{
    free(result->source_quality);
    free(result->curve);
    free(result->prompt_quality);
    free(result->prompt_cost);
    free(result->prompt_best_single);
    free(result->prompt_best_single_cost);
    free(result->chosen);
    free(result->prompt_margin);
    free(result->recall);
    *result = (fr_result){0};
}

static float *new_nans(int64_t count)
{
    float *value = FR_NEW(float, count);
    for (int64_t i = 0; i < count; i++)
        value[i] = NAN;
    return value;
}

static void begin(fr_result *result, const char *name, const char *setting, const fr_dataset *data, int64_t points)
{
    *result = (fr_result){.sources = data->sources, .N = data->N, .M = data->M, .points = points};
    snprintf(result->name, sizeof result->name, "%s", name);
    snprintf(result->setting, sizeof result->setting, "%s", setting);
    result->source_quality = FR_NEW(double, data->sources);
    result->curve = FR_NEW(fr_curve_point, points);
    result->prompt_quality = new_nans(data->N);
    result->prompt_cost = new_nans(data->N);
    result->prompt_best_single = new_nans(data->N);
    result->prompt_best_single_cost = new_nans(data->N);
    result->prompt_margin = new_nans(data->N);
    result->chosen = FR_NEW(int32_t, data->N);
    for (int64_t i = 0; i < data->N; i++)
        result->chosen[i] = FR_NOT_TESTED;
    fr_metrics_unknown(&result->metrics);
    result->seed_quality_std = NAN;
    result->quality_low = result->quality_high = NAN;
    result->vs_full = result->vs_full_low = result->vs_full_high = result->vs_full_p = NAN;
}

/* Mean over observed models of a prompt's quality, and over those of them with a known cost of its cost. */
static void expectation(float *quality, float *cost, const fr_dataset *data, int64_t i)
{
    double sum = 0, paid = 0;
    int64_t observed = 0, priced = 0;
    for (int64_t m = 0; m < data->M; m++) {
        float q = data->quality[i * data->M + m], c = data->cost[i * data->M + m];
        if (isnan(q))
            continue;
        sum += q, observed++;
        if (!isnan(c))
            paid += c, priced++;
    }
    *quality = observed ? (float)(sum / (double)observed) : NAN;
    *cost = priced ? (float)(paid / (double)priced) : NAN;
}

/* Quality and cost of what the router answers to prompt i; returns the model. */
static int32_t answer(float *quality, float *cost, const fr_scores *scores, const fr_dataset *data,
                      const double *expected, double tolerance, int64_t i)
{
    int64_t M = data->M;
    if (scores->expectation) {
        expectation(quality, cost, data, i);
        return FR_ALL_MODELS;
    }
    int32_t m = fr_choose(scores->score + i * M, scores->tie ? scores->tie + i * M : NULL, expected, M, tolerance);
    *quality = data->quality[i * M + m];
    *cost = isnan(*quality) ? NAN : data->cost[i * M + m];
    return m;
}

static float margin(const fr_scores *scores, int64_t i, int32_t strong, int32_t weak)
{
    return scores->expectation ? 0 : scores->score[i * scores->M + strong] - scores->score[i * scores->M + weak];
}

static fr_curve_point curve_point(const fr_scores *scores, const fr_dataset *data, const double *expected,
                                  double tolerance, int split)
{
    fr_curve_point point = {.tolerance = tolerance};
    double quality_sum = 0, cost_sum = 0;
    for (int64_t i = 0; i < data->N; i++) {
        float quality, cost;
        if (data->split[i] != split)
            continue;
        answer(&quality, &cost, scores, data, expected, tolerance, i);
        if (!isnan(quality))
            quality_sum += quality, point.scored++;
        if (!isnan(cost))
            cost_sum += cost, point.priced++;
    }
    point.quality = point.scored ? quality_sum / (double)point.scored : NAN;
    point.cost = point.priced ? cost_sum / (double)point.priced : NAN;
    return point;
}

static double mean_of(double sum, int64_t count)
{
    return count ? sum / (double)count : NAN;
}

/* Means over the prompts that have a prompt_quality:
 *   regret = mean(oracle_i - q_i);   gap closed = sum(q_i - b_i) / sum(oracle_i - b_i), b the best single model */
static void summarize(fr_result *result, const fr_dataset *data)
{
    double quality = 0, cost = 0, regret = 0, gained = 0, gap = 0;
    int64_t priced = 0, *in_source = FR_NEW(int64_t, data->sources);
    for (int64_t i = 0; i < data->N; i++) {
        double q = result->prompt_quality[i], c = result->prompt_cost[i], b = result->prompt_best_single[i];
        if (isnan(q))
            continue;
        double oracle = fr_prompt_oracle(data, i);
        quality += q;
        regret += oracle - q;
        result->scored++;
        result->source_quality[data->source[i]] += q;
        in_source[data->source[i]]++;
        if (!isnan(c))
            cost += c, priced++;
        if (!isnan(b))
            gained += q - b, gap += oracle - b;
    }
    result->quality = mean_of(quality, result->scored);
    result->regret = mean_of(regret, result->scored);
    result->cost = mean_of(cost, priced);
    result->gap_closed = gap > 0 ? gained / gap : NAN;

    double by_source = 0;
    int64_t sources = 0;
    for (int64_t s = 0; s < data->sources; s++) {
        result->source_quality[s] = mean_of(result->source_quality[s], in_source[s]);
        if (in_source[s])
            by_source += result->source_quality[s], sources++;
    }
    result->quality_by_source = mean_of(by_source, sources);
    free(in_source);
}

void fr_evaluate(fr_result *result, const fr_scores *scores, const fr_dataset *data, const fr_config *config, int split)
{
    FR_CHECK(scores->N == data->N && scores->M == data->M, "scores of %s are %lld x %lld, the data %lld x %lld",
             scores->name, (long long)scores->N, (long long)scores->M, (long long)data->N, (long long)data->M);
    double *expected = FR_NEW(double, data->M);
    fr_expected_cost(expected, data);
    int64_t best_single = fr_best_single(data);
    double tolerance = scores->reference ? 0 : config->route.tolerance;
    int32_t strong, weak;
    FR_CHECK(fr_pair_find(&strong, &weak, data, config) == FR_OK, "%s", fr_error_text());
    const fr_reals *tolerances = &config->eval.tolerances;

    /* An expectation knows no tolerance: its curve is one point. */
    begin(result, scores->name, scores->setting, data, scores->expectation ? 1 : tolerances->count);
    result->strong = strong;
    result->weak = weak;
    for (int64_t i = 0; i < data->N; i++) {
        if (data->split[i] != split)
            continue;
        result->chosen[i] =
            answer(&result->prompt_quality[i], &result->prompt_cost[i], scores, data, expected, tolerance, i);
        result->left_out += isnan(result->prompt_quality[i]);
        result->prompt_margin[i] = margin(scores, i, strong, weak);
        result->prompt_best_single[i] = data->quality[i * data->M + best_single];
        if (!isnan(result->prompt_best_single[i]))
            result->prompt_best_single_cost[i] = data->cost[i * data->M + best_single];
    }
    summarize(result, data);
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < result->points; p++)
        result->curve[p] = curve_point(scores, data, expected, scores->expectation ? 0 : tolerances->value[p], split);
    free(expected);
}

/* Adds to a mean over `count` another over `more`. */
static void add_mean(double *mean, int64_t *count, double other, int64_t more)
{
    if (more == 0)
        return;
    *mean = (*count ? *mean * (double)*count : 0) + other * (double)more;
    *count += more;
    *mean /= (double)*count;
}

void fr_results_pool(fr_result *pooled, const fr_result *const *fold, int64_t folds, const fr_dataset *data)
{
    begin(pooled, fold[0]->name, fold[0]->setting, data, fold[0]->points);
    pooled->strong = fold[0]->strong;
    pooled->weak = fold[0]->weak;
    for (int64_t p = 0; p < pooled->points; p++)
        pooled->curve[p] = (fr_curve_point){.tolerance = fold[0]->curve[p].tolerance, .quality = NAN, .cost = NAN};
    for (int64_t f = 0; f < folds; f++) {
        FR_CHECK(fold[f]->N == data->N && fold[f]->points == pooled->points, "fold %lld has %lld prompts, %lld points",
                 (long long)f, (long long)fold[f]->N, (long long)fold[f]->points);
        FR_CHECK(fold[f]->strong == pooled->strong && fold[f]->weak == pooled->weak, "fold %lld has another pair",
                 (long long)f);
        pooled->left_out += fold[f]->left_out;
        pooled->seconds += fold[f]->seconds;
        for (int64_t i = 0; i < data->N; i++) {
            if (fold[f]->chosen[i] == FR_NOT_TESTED)
                continue;
            FR_CHECK(pooled->chosen[i] == FR_NOT_TESTED, "prompt %s is tested in two folds", data->id[i]);
            pooled->chosen[i] = fold[f]->chosen[i];
            pooled->prompt_margin[i] = fold[f]->prompt_margin[i];
            pooled->prompt_best_single[i] = fold[f]->prompt_best_single[i];
            pooled->prompt_best_single_cost[i] = fold[f]->prompt_best_single_cost[i];
            pooled->prompt_quality[i] = fold[f]->prompt_quality[i];
            pooled->prompt_cost[i] = fold[f]->prompt_cost[i];
        }
        for (int64_t p = 0; p < pooled->points; p++) {
            fr_curve_point *to = &pooled->curve[p];
            const fr_curve_point *from = &fold[f]->curve[p];
            add_mean(&to->quality, &to->scored, from->quality, from->scored);
            add_mean(&to->cost, &to->priced, from->cost, from->priced);
        }
    }
    summarize(pooled, data);
}
