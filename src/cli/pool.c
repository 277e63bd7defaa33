#include "stages.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Mean over the runs that have a value; NaN when none has. */
static float mean_over(fr_result *const *runs, int64_t first, int64_t last, int64_t router, int64_t i, bool cost)
{
    double sum = 0;
    int64_t count = 0;
    for (int64_t r = first; r < last; r++) {
        float value = (cost ? runs[r][router].prompt_cost : runs[r][router].prompt_quality)[i];
        if (!isnan(value)) {
            sum += value;
            count++;
        }
    }
    return count ? (float)(sum / (double)count) : NAN;
}

static double mean_of(const float *value, int64_t n)
{
    double sum = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(value[i])) {
            sum += value[i];
            count++;
        }
    return count ? sum / (double)count : NAN;
}

static void pool_sources(fr_result *out, const fr_dataset *data)
{
    out->source_quality = FR_NEW(double, data->sources);
    double total = 0;
    int64_t sources = 0;
    for (int64_t s = 0; s < data->sources; s++) {
        double sum = 0;
        int64_t count = 0;
        for (int64_t i = 0; i < data->N; i++)
            if (data->source[i] == s && !isnan(out->prompt_quality[i])) {
                sum += out->prompt_quality[i];
                count++;
            }
        out->source_quality[s] = count ? sum / (double)count : NAN;
        if (count) {
            total += sum / (double)count;
            sources++;
        }
    }
    out->quality_by_source = sources ? total / (double)sources : NAN;
}

/* Weighted by the prompts each run scored. */
static double weighted(fr_result *const *runs, int64_t count, int64_t router,
                       double (*value)(const fr_result *, int64_t), int64_t point)
{
    double sum = 0, weight = 0;
    for (int64_t r = 0; r < count; r++) {
        double v = value(&runs[r][router], point), w = (double)runs[r][router].scored;
        if (!isnan(v)) {
            sum += w * v;
            weight += w;
        }
    }
    return weight > 0 ? sum / weight : NAN;
}

static double regret_of(const fr_result *result, int64_t point)
{
    (void)point;
    return result->regret;
}

static double curve_quality(const fr_result *result, int64_t point)
{
    return result->curve[point].quality;
}

static double curve_cost(const fr_result *result, int64_t point)
{
    return result->curve[point].cost;
}

/* Deviation over seeds of the quality pooled over folds. */
static double seed_deviation(fr_result *const *runs, int64_t router, int64_t seeds, int64_t folds, int64_t N)
{
    if (seeds < 2)
        return NAN;
    double sum = 0, squares = 0, *quality = FR_NEW(double, seeds);
    float *prompt = FR_NEW(float, N);
    for (int64_t s = 0; s < seeds; s++) {
        for (int64_t i = 0; i < N; i++)
            prompt[i] = mean_over(runs, s * folds, (s + 1) * folds, router, i, false);
        quality[s] = mean_of(prompt, N);
        sum += quality[s];
    }
    for (int64_t s = 0; s < seeds; s++)
        squares += (quality[s] - sum / (double)seeds) * (quality[s] - sum / (double)seeds);
    free(quality);
    free(prompt);
    return sqrt(squares / (double)(seeds - 1));
}

static void pool_router(fr_result *out, fr_result *const *runs, int64_t router, int64_t seeds, int64_t folds,
                        const fr_dataset *data)
{
    int64_t total = seeds * folds, N = data->N;
    const fr_result *first = &runs[0][router];
    *out = (fr_result){.vs_full = NAN, .vs_full_low = NAN, .vs_full_high = NAN, .vs_full_p = NAN};
    memcpy(out->name, first->name, sizeof out->name);
    memcpy(out->setting, first->setting, sizeof out->setting);
    out->prompt_quality = FR_NEW(float, N);
    out->prompt_cost = FR_NEW(float, N);
    for (int64_t i = 0; i < N; i++) {
        out->prompt_quality[i] = mean_over(runs, 0, total, router, i, false);
        out->prompt_cost[i] = mean_over(runs, 0, total, router, i, true);
        out->scored += !isnan(out->prompt_quality[i]);
    }
    for (int64_t r = 0; r < folds; r++)
        out->left_out += runs[r][router].left_out;
    out->quality = mean_of(out->prompt_quality, N);
    out->cost = mean_of(out->prompt_cost, N);
    out->regret = weighted(runs, total, router, regret_of, 0);
    out->seed_quality_std = seed_deviation(runs, router, seeds, folds, N);
    pool_sources(out, data);
    out->points = first->points;
    out->curve = FR_NEW(fr_curve_point, out->points);
    for (int64_t p = 0; p < out->points; p++)
        out->curve[p] = (fr_curve_point){first->curve[p].tolerance, weighted(runs, total, router, curve_quality, p),
                                         weighted(runs, total, router, curve_cost, p)};
}

void fr_pool_results(fr_result *pooled, fr_result *const *runs, int64_t count, int64_t seeds, int64_t folds,
                     const fr_dataset *data)
{
    double best_single = NAN;
    for (int64_t router = 0; router < count; router++) {
        pool_router(&pooled[router], runs, router, seeds, folds, data);
        if (strcmp(pooled[router].name, "best_single") == 0)
            best_single = pooled[router].quality;
    }
    for (int64_t router = 0; router < count; router++) {
        fr_result *r = &pooled[router];
        double oracle = r->quality + r->regret;
        r->gap_closed = oracle - best_single > 1e-12 ? (r->quality - best_single) / (oracle - best_single) : NAN;
    }
}
