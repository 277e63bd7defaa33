/* Bootstrap over prompts: how sure is a router's quality, and (paired) the difference between `full` and another? */
#include "eval/internal.h"

#include "base/memory.h"
#include "base/rng.h"
#include "comm/comm.h"

#include <math.h>
#include <stdlib.h>

/* A value for every prompt of a sample and router: value[j, r] of router r on prompt j, weight 0 where r left it out.
 */
typedef struct sample {
    int64_t n, count;
    double *value;
    uint8_t *weight;
    bool complete; /* every weight is 1 */
} sample;

/* paired: full - router r on the prompts that full scored; else router r's quality on those that any router scored. */
static sample collect(const fr_result *results, int64_t count, int64_t full, const fr_dataset *data, bool paired)
{
    sample d = {.count = count, .complete = true};
    d.value = FR_NEW(double, data->N *count);
    d.weight = FR_NEW(uint8_t, data->N * count);
    for (int64_t i = 0; i < data->N; i++) {
        double q = results[full].prompt_quality[i];
        bool used = !isnan(q);
        for (int64_t r = 0; r < count && !paired; r++)
            used = used || !isnan(results[r].prompt_quality[i]);
        if (!used)
            continue;
        for (int64_t r = 0; r < count; r++) {
            double other = results[r].prompt_quality[i];
            d.weight[d.n * count + r] = !isnan(other);
            d.value[d.n * count + r] = isnan(other) ? 0 : paired ? q - other : other;
            d.complete = d.complete && !isnan(other);
        }
        d.n++;
    }
    return d;
}

/* Means of one resample into mean (count). Prompt j of the resample is word j % 4 of Philox block j / 4,
 * scaled to 0 .. n-1. */
static void resample_means(double *mean, double *weight, const sample *d, int64_t resample, uint64_t seed)
{
    uint64_t stream = fr_stream("bootstrap", (uint64_t)resample, 0);
    uint32_t word[4];
    for (int64_t r = 0; r < d->count; r++)
        mean[r] = weight[r] = 0;
    for (int64_t j = 0; j < d->n; j++) {
        if (j % 4 == 0)
            fr_philox(word, seed, stream, (uint64_t)j / 4);
        int64_t row = (int64_t)(((uint64_t)word[j % 4] * (uint64_t)d->n) >> 32);
        const double *value = d->value + row * d->count;
        for (int64_t r = 0; r < d->count; r++)
            mean[r] += value[r];
        if (!d->complete)
            for (int64_t r = 0; r < d->count; r++)
                weight[r] += d->weight[row * d->count + r];
    }
    for (int64_t r = 0; r < d->count; r++)
        mean[r] /= d->complete ? (double)d->n : weight[r]; /* 0 / 0: NaN */
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Linear interpolation between order statistics. */
static double quantile(const double *sorted, int64_t n, double share)
{
    double at = share * (double)(n - 1);
    int64_t low = (int64_t)floor(at), high = low + 1 < n ? low + 1 : low;
    return sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
}

/* p = 2 min(share of means <= 0, share >= 0), within [1 / (n + 1), 1]; a resample of equal answers counts for both. */
static double two_sided(const double *sorted, int64_t n)
{
    int64_t below = 0, above = 0;
    for (int64_t b = 0; b < n; b++) {
        below += sorted[b] <= 0;
        above += sorted[b] >= 0;
    }
    double p = 2.0 * (double)(below < above ? below : above) / (double)n, least = 1 / ((double)n + 1);
    return p < least ? least : p > 1 ? 1 : p;
}

/* The means of router r over the resamples, ascending; returns how many there are. */
static int64_t sorted_means(double *column, const sample *d, int64_t r, const double *mean, int64_t resamples)
{
    int64_t known = 0;
    for (int64_t b = 0; b < resamples; b++)
        if (!isnan(mean[b * d->count + r]))
            column[known++] = mean[b * d->count + r];
    qsort(column, (size_t)known, sizeof *column, ascending);
    return known;
}

static void fill_difference(fr_result *result, const sample *d, int64_t r, const double *column, int64_t known)
{
    double sum = 0;
    int64_t n = 0;
    for (int64_t j = 0; j < d->n; j++) {
        sum += d->value[j * d->count + r];
        n += d->weight[j * d->count + r];
    }
    if (n == 0)
        return;
    result->vs_full = sum / (double)n;
    result->vs_full_low = quantile(column, known, 0.025);
    result->vs_full_high = quantile(column, known, 0.975);
    result->vs_full_p = two_sided(column, known);
}

static void fill_quality(fr_result *result, const double *column, int64_t known)
{
    result->quality_low = quantile(column, known, 0.025);
    result->quality_high = quantile(column, known, 0.975);
}

/* mean (resamples, count), every rank a range of them. */
static void all_means(double *mean, const sample *d, int64_t resamples, uint64_t seed)
{
    int64_t *first = FR_NEW(int64_t, fr_comm_ranks() + 1);
    fr_shares(first, NULL, resamples, fr_comm_ranks());
    fr_comm_at("the bootstrap", -1);
#pragma omp parallel
    {
        double *weight = FR_NEW(double, d->count);
#pragma omp for schedule(static)
        for (int64_t b = first[fr_comm_rank()]; b < first[fr_comm_rank() + 1]; b++)
            resample_means(mean + b * d->count, weight, d, b, seed);
        free(weight);
    }
    fr_comm_gather(mean, first, (size_t)d->count * sizeof *mean);
    free(first);
}

/* Both kinds draw the same prompts where they have the same ones. */
static void bootstrap(fr_result *results, int64_t count, int64_t full, const fr_dataset *data, int64_t resamples,
                      uint64_t seed, bool paired)
{
    sample d = collect(results, count, full, data, paired);
    double *mean = FR_NEW(double, resamples *count), *column = FR_NEW(double, resamples);
    all_means(mean, &d, resamples, seed);
    for (int64_t r = 0; r < count; r++) {
        int64_t known = sorted_means(column, &d, r, mean, resamples);
        if (known > 0 && paired && r != full)
            fill_difference(&results[r], &d, r, column, known);
        else if (known > 0 && !paired)
            fill_quality(&results[r], column, known);
    }
    free(column);
    free(mean);
    free(d.value);
    free(d.weight);
}

void fr_bootstrap(fr_result *results, int64_t count, int64_t full, const fr_dataset *data, int64_t resamples,
                  uint64_t seed)
{
    FR_CHECK(full >= 0 && full < count, "full is router %lld of %lld", (long long)full, (long long)count);
    for (int64_t r = 0; r < count; r++)
        results[r].quality_low = results[r].quality_high = results[r].vs_full = results[r].vs_full_low =
            results[r].vs_full_high = results[r].vs_full_p = NAN;
    if (resamples <= 0)
        return;
    bootstrap(results, count, full, data, resamples, seed, true);
    bootstrap(results, count, full, data, resamples, seed, false);
}
