#include "stages.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Mean of the values that are there; NaN when none is. */
static double mean_known(const double *value, int64_t count)
{
    double sum = 0;
    int64_t known = 0;
    for (int64_t i = 0; i < count; i++)
        if (!isnan(value[i])) {
            sum += value[i];
            known++;
        }
    return known ? sum / (double)known : NAN;
}

static double deviation(const double *value, int64_t count)
{
    double mean = mean_known(value, count), squares = 0;
    for (int64_t i = 0; i < count; i++)
        squares += (value[i] - mean) * (value[i] - mean);
    return count > 1 ? sqrt(squares / (double)(count - 1)) : NAN;
}

/* out = mean over seeds of one double member, at `offset` of fr_result. */
static double mean_member(const fr_result *seed, int64_t seeds, size_t offset, double *scratch)
{
    for (int64_t s = 0; s < seeds; s++)
        memcpy(&scratch[s], (const char *)&seed[s] + offset, sizeof(double));
    return mean_known(scratch, seeds);
}

static float *mean_prompts(const fr_result *seed, int64_t seeds, size_t offset, int64_t N, double *scratch)
{
    float *mean = FR_NEW(float, N);
    for (int64_t i = 0; i < N; i++) {
        for (int64_t s = 0; s < seeds; s++) {
            float *prompts;
            memcpy(&prompts, (const char *)&seed[s] + offset, sizeof prompts);
            scratch[s] = prompts[i];
        }
        mean[i] = (float)mean_known(scratch, seeds);
    }
    return mean;
}

/* seed (seeds): one router's results. */
static void average_seeds(fr_result *out, const fr_result *seed, int64_t seeds)
{
    const fr_result *first = &seed[0];
    double *scratch = FR_NEW(double, seeds);
#define MEAN(member) mean_member(seed, seeds, offsetof(fr_result, member), scratch)
#define PROMPTS(member) mean_prompts(seed, seeds, offsetof(fr_result, member), first->N, scratch)
    *out = (fr_result){.quality = MEAN(quality),
                       .quality_by_source = MEAN(quality_by_source),
                       .cost = MEAN(cost),
                       .regret = MEAN(regret),
                       .gap_closed = MEAN(gap_closed),
                       .sources = first->sources,
                       .scored = first->scored,
                       .left_out = first->left_out,
                       .points = first->points,
                       .N = first->N,
                       .prompt_quality = PROMPTS(prompt_quality),
                       .prompt_cost = PROMPTS(prompt_cost),
                       .prompt_best_single = PROMPTS(prompt_best_single),
                       .vs_full = NAN,
                       .vs_full_low = NAN,
                       .vs_full_high = NAN,
                       .vs_full_p = NAN};
#undef MEAN
#undef PROMPTS
    memcpy(out->name, first->name, sizeof out->name);
    memcpy(out->setting, first->setting, sizeof out->setting);
    for (int64_t s = 0; s < seeds; s++)
        scratch[s] = seed[s].quality;
    out->seed_quality_std = deviation(scratch, seeds);
    out->source_quality = FR_NEW(double, out->sources);
    for (int64_t k = 0; k < out->sources; k++) {
        for (int64_t s = 0; s < seeds; s++)
            scratch[s] = seed[s].source_quality[k];
        out->source_quality[k] = mean_known(scratch, seeds);
    }
    out->curve = FR_NEW(fr_curve_point, out->points);
    for (int64_t p = 0; p < out->points; p++) {
        out->curve[p] = first->curve[p];
        for (int64_t s = 0; s < seeds; s++)
            scratch[s] = seed[s].curve[p].quality;
        out->curve[p].quality = mean_known(scratch, seeds);
        for (int64_t s = 0; s < seeds; s++)
            scratch[s] = seed[s].curve[p].cost;
        out->curve[p].cost = mean_known(scratch, seeds);
    }
    free(scratch);
}

void fr_pool_passes(fr_result *pooled, fr_result *const *passes, int64_t count, int64_t seeds, int64_t folds,
                    const fr_dataset *data)
{
    const fr_result **fold = FR_NEW(const fr_result *, folds);
    fr_result *seed = FR_NEW(fr_result, seeds);
    for (int64_t router = 0; router < count; router++) {
        for (int64_t s = 0; s < seeds; s++) {
            for (int64_t f = 0; f < folds; f++)
                fold[f] = &passes[s * folds + f][router];
            fr_results_pool(&seed[s], fold, folds, data);
        }
        average_seeds(&pooled[router], seed, seeds);
        for (int64_t s = 0; s < seeds; s++)
            fr_result_close(&seed[s]);
    }
    free(fold);
    free(seed);
}
