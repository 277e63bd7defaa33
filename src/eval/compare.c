/* The metrics that set routers of a run against each other and against single models. */
#include "eval/internal.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

_Static_assert(sizeof(fr_router_metrics) % sizeof(double) == 0, "fr_router_metrics holds doubles alone");

void fr_metrics_unknown(fr_router_metrics *metrics)
{
    double *value = (double *)metrics;
    for (size_t k = 0; k < sizeof *metrics / sizeof *value; k++)
        value[k] = NAN;
}

/* What all routers of a run are measured against. */
typedef struct yardstick {
    fr_point *all; /* curve points of the competitors */
    int64_t count;
    double reach;                    /* of AIQ */
    fr_point low, high, best_single; /* least and greatest cost and quality of a single model; the best on train */
} yardstick;

static bool tested(const fr_result *result, int64_t i)
{
    return result->chosen[i] != FR_NOT_TESTED;
}

static bool competes(const fr_result *result)
{
    if (fr_router_is_bound(result->name))
        return false;
    for (int64_t i = 0; i < result->N; i++)
        if (tested(result, i))
            return result->chosen[i] != FR_ALL_MODELS;
    return true;
}

/* result's curve into point (result->points). */
static void curve_points(fr_point *point, const fr_result *result)
{
    for (int64_t p = 0; p < result->points; p++)
        point[p] = (fr_point){result->curve[p].cost, result->curve[p].quality};
}

/* Mean over tested prompts of one model's quality and known cost. */
static fr_point single_model(const fr_result *result, const fr_dataset *data, int64_t m)
{
    double quality = 0, cost = 0, observed = 0, priced = 0;
    for (int64_t i = 0; i < data->N; i++) {
        float q = data->quality[i * data->M + m], c = data->cost[i * data->M + m];
        if (!tested(result, i) || isnan(q))
            continue;
        quality += q, observed++;
        if (!isnan(c))
            cost += c, priced++;
    }
    return (fr_point){cost / priced, quality / observed}; /* 0 / 0: NaN */
}

static fr_point best_single_model(const fr_result *result)
{
    double quality = 0, cost = 0, observed = 0, priced = 0;
    for (int64_t i = 0; i < result->N; i++) {
        if (!isnan(result->prompt_best_single[i]))
            quality += result->prompt_best_single[i], observed++;
        if (!isnan(result->prompt_best_single_cost[i]))
            cost += result->prompt_best_single_cost[i], priced++;
    }
    return (fr_point){cost / priced, quality / observed};
}

/* Without a competitor the bounds are compared with each other. */
static void collect_points(yardstick *y, const fr_result *results, int64_t count, bool competitors)
{
    for (int64_t r = 0; r < count; r++) {
        fr_point *own = y->all + y->count;
        if (competes(&results[r]) != competitors)
            continue;
        curve_points(own, &results[r]);
        y->reach = fmax(y->reach, fr_aiq_reach(own, results[r].points)); /* fmax passes NaN over */
        y->count += results[r].points;
    }
}

static yardstick measure(const fr_result *results, int64_t count, const fr_dataset *data)
{
    yardstick y = {.reach = NAN, .low = {NAN, NAN}, .high = {NAN, NAN}};
    int64_t points = 0;
    for (int64_t r = 0; r < count; r++)
        points += results[r].points;
    y.all = FR_NEW(fr_point, points);
    collect_points(&y, results, count, true);
    if (y.count == 0)
        collect_points(&y, results, count, false);
    for (int64_t m = 0; m < data->M; m++) {
        fr_point single = single_model(&results[0], data, m);
        y.low = (fr_point){fmin(y.low.cost, single.cost), fmin(y.low.quality, single.quality)};
        y.high = (fr_point){fmax(y.high.cost, single.cost), fmax(y.high.quality, single.quality)};
    }
    y.best_single = best_single_model(&results[0]);
    return y;
}

/* Against random, best single and the oracle on the very prompts that the router answered. */
static void gains(fr_router_metrics *metrics, const fr_result *result, const fr_dataset *data)
{
    double own = 0, random = 0, oracle = 0, paired = 0, single = 0;
    for (int64_t i = 0; i < data->N; i++) {
        double q = result->prompt_quality[i], sum = 0, observed = 0;
        if (isnan(q))
            continue;
        for (int64_t m = 0; m < data->M; m++)
            if (!isnan(data->quality[i * data->M + m]))
                sum += data->quality[i * data->M + m], observed++;
        own += q;
        random += sum / observed;
        oracle += fr_prompt_oracle(data, i);
        if (!isnan(result->prompt_best_single[i]))
            paired += q, single += result->prompt_best_single[i];
    }
    metrics->gain_random = fr_metric_gain(own, random);
    metrics->gain_best_single = fr_metric_gain(paired, single);
    metrics->gap_oracle = 0 - fr_metric_gain(own, oracle);
}

static void pair_metrics(fr_routellm *pair, const fr_result *result, const fr_dataset *data)
{
    float *strong = FR_NEW(float, data->N), *weak = FR_NEW(float, data->N);
    for (int64_t i = 0; i < data->N; i++) {
        strong[i] = data->quality[i * data->M + result->strong];
        weak[i] = data->quality[i * data->M + result->weak];
    }
    const double *share = pair->share, *quality = pair->quality;
    fr_pair_curve(pair->share, pair->quality, result->prompt_margin, strong, weak, data->N);
    double low = quality[0], high = quality[FR_PAIR_POINTS - 1];
    pair->cpt20 = fr_metric_cpt(share, quality, FR_PAIR_POINTS, .2, low, high);
    pair->cpt50 = fr_metric_cpt(share, quality, FR_PAIR_POINTS, .5, low, high);
    pair->cpt80 = fr_metric_cpt(share, quality, FR_PAIR_POINTS, .8, low, high);
    pair->apgr = fr_metric_apgr(share, quality, FR_PAIR_POINTS, low, high);
    free(strong);
    free(weak);
}

static void compare(fr_result *result, const fr_dataset *data, const yardstick *y)
{
    fr_router_metrics *m = &result->metrics;
    int64_t points = result->points;
    fr_point *point = FR_NEW(fr_point, points);
    curve_points(point, result);
    m->aiq = fr_metric_aiq(point, points, y->reach);
    m->orbit = fr_metric_orbit(point, points, y->best_single);
    m->arqgc = fr_metric_arqgc(point, points, y->low, y->high);
    m->arena_usd_per_1k = 1000 * result->cost;
    m->arena_score = fr_metric_arena_score(m->arena_usd_per_1k, result->quality);
    m->optimality = fr_metric_optimality(result->chosen, data->quality, data->cost, data->N, data->M);
    gains(m, result, data);
    m->perf_gain = fr_metric_perf_gain(point, points, y->best_single.quality);
    m->cost_save = fr_metric_cost_save(point, points, y->best_single);
    m->pareto_dist = fr_router_is_bound(result->name) ? NAN : fr_metric_pareto_dist(point, points, y->all, y->count);
    pair_metrics(&m->routellm, result, data);
    free(result->recall);
    result->recall = FR_NEW(fr_recall, data->M + 1);
    fr_metric_recall(result->recall, result->chosen, data->quality, data->N, data->M);
    free(point);
}

void fr_results_compare(fr_result *results, int64_t count, const fr_dataset *data)
{
    if (count == 0)
        return;
    yardstick y = measure(results, count, data);
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < count; r++)
        compare(&results[r], data, &y);
    free(y.all);
}

fr_calibration fr_calibration_of(const fr_dataset *data)
{
    fr_calibration calibration = {.low = 0, .high = 1};
    for (int64_t e = 0; e < data->N * data->M; e++) {
        calibration.low = fmin(calibration.low, data->quality[e]);
        calibration.high = fmax(calibration.high, data->quality[e]);
    }
    return calibration;
}
