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

/* Seconds are spent once for every seed: they add up. */
static void average_metrics(fr_result *out, const fr_result *seed, int64_t seeds, double *scratch)
{
    double *mean = (double *)&out->metrics;
    for (size_t k = 0; k < sizeof out->metrics / sizeof *mean; k++)
        mean[k] = mean_member(seed, seeds, offsetof(fr_result, metrics) + k * sizeof *mean, scratch);
    out->recall = FR_NEW(fr_recall, out->M + 1);
    for (int64_t c = 0; c <= out->M; c++) {
        for (int64_t s = 0; s < seeds; s++)
            scratch[s] = seed[s].recall[c].prompts;
        out->recall[c].prompts = mean_known(scratch, seeds);
        for (int64_t s = 0; s < seeds; s++)
            scratch[s] = seed[s].recall[c].hit_rate;
        out->recall[c].hit_rate = mean_known(scratch, seeds);
    }
    for (int64_t s = 0; s < seeds; s++)
        out->seconds += seed[s].seconds;
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
                       .M = first->M,
                       .strong = first->strong,
                       .weak = first->weak,
                       .sources = first->sources,
                       .scored = first->scored,
                       .left_out = first->left_out,
                       .points = first->points,
                       .N = first->N,
                       .prompt_quality = PROMPTS(prompt_quality),
                       .prompt_cost = PROMPTS(prompt_cost),
                       .prompt_best_single = PROMPTS(prompt_best_single),
                       .prompt_best_single_cost = PROMPTS(prompt_best_single_cost),
                       .quality_low = NAN,
                       .quality_high = NAN,
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
    average_metrics(out, seed, seeds, scratch);
    free(scratch);
}

void fr_pool_passes(fr_result *pooled, fr_result *const *passes, int64_t count, int64_t seeds, int64_t folds,
                    const fr_dataset *data)
{
    const fr_result **fold = FR_NEW(const fr_result *, folds);
    fr_result *whole = FR_NEW(fr_result, seeds * count), *seed = FR_NEW(fr_result, seeds); /* whole (seeds, count) */
    for (int64_t s = 0; s < seeds; s++) {
        for (int64_t router = 0; router < count; router++) {
            for (int64_t f = 0; f < folds; f++)
                fold[f] = &passes[s * folds + f][router];
            fr_results_pool(&whole[s * count + router], fold, folds, data);
        }
        fr_results_compare(whole + s * count, count, data);
    }
    for (int64_t router = 0; router < count; router++) {
        for (int64_t s = 0; s < seeds; s++)
            seed[s] = whole[s * count + router]; /* the arrays stay the other's */
        average_seeds(&pooled[router], seed, seeds);
    }
    for (int64_t k = 0; k < seeds * count; k++)
        fr_result_close(&whole[k]);
    free(fold);
    free(whole);
    free(seed);
}

/* ---- trust ---- */

void fr_trust_of_pass(fr_pass_trust *trust, const fr_dataset *data, const fr_products *products)
{
    *trust = (fr_pass_trust){.stage1 = fr_calibration_of(data), .stage2 = fr_calibration_of(data)};
    int32_t *said = FR_NEW(int32_t, data->N), *truth = FR_NEW(int32_t, data->N);
    int64_t n = 0;
    for (int64_t i = 0; i < data->N; i++) {
        if (data->split[i] != FR_SPLIT_TEST)
            continue;
        said[n] = products->assignment[i];
        truth[n++] = products->tasks.vote[i];
        for (int64_t e = i * data->M; e < (i + 1) * data->M; e++) {
            fr_calibration_add(&trust->stage1, products->s1[e], data->quality[e]);
            fr_calibration_add(&trust->stage2, products->s2[e], data->quality[e]);
        }
    }
    fr_label_counts_add(&trust->labels, said, truth, n, products->tasks.T);
    free(said);
    free(truth);
}

static void trust_merge(fr_pass_trust *into, const fr_pass_trust *other)
{
    fr_calibration_merge(&into->stage1, &other->stage1);
    fr_calibration_merge(&into->stage2, &other->stage2);
    fr_label_counts_merge(&into->labels, &other->labels);
}

void fr_pool_trust(fr_run_trust *pooled, const fr_pass_trust *pass, int64_t seeds, int64_t folds)
{
    enum { CLASSIFIER = sizeof(fr_classifier_metrics) / sizeof(double), FIGURES = CLASSIFIER + 2 };
    *pooled = (fr_run_trust){.seeds = seeds};
    double *figure = FR_NEW(double, FIGURES *seeds); /* (FIGURES, seeds) */
    for (int64_t s = 0; s < seeds; s++) {
        fr_pass_trust whole = pass[s * folds];
        for (int64_t f = 1; f < folds; f++)
            trust_merge(&whole, &pass[s * folds + f]);
        fr_classifier_metrics classifier = fr_metric_classifier(&whole.labels);
        for (int k = 0; k < CLASSIFIER; k++)
            figure[k * seeds + s] = ((const double *)&classifier)[k];
        figure[CLASSIFIER * seeds + s] = fr_metric_ece(&whole.stage1);
        figure[(CLASSIFIER + 1) * seeds + s] = fr_metric_ece(&whole.stage2);
        if (s == 0) {
            pooled->stage1 = whole.stage1;
            pooled->stage2 = whole.stage2;
        } else {
            fr_calibration_merge(&pooled->stage1, &whole.stage1);
            fr_calibration_merge(&pooled->stage2, &whole.stage2);
        }
    }
    for (int k = 0; k < CLASSIFIER; k++)
        ((double *)&pooled->classifier)[k] = mean_known(figure + k * seeds, seeds);
    pooled->stage1_ece = mean_known(figure + CLASSIFIER * seeds, seeds);
    pooled->stage2_ece = mean_known(figure + (CLASSIFIER + 1) * seeds, seeds);
    free(figure);
}
