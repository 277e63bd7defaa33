/* Paired bootstrap over prompts: how sure is the difference between `full` and another router? */
#include "eval/internal.h"

#include "base/memory.h"
#include "base/rng.h"
#include "comm/comm.h"

#include <math.h>
#include <stdlib.h>

/* The differences of the prompts that full scored: value[j, r] = full - router r on prompt j, weight 0 where r left it
 * out. */
typedef struct differences {
    int64_t n, count;
    double *value;
    uint8_t *weight;
    bool complete; /* every weight is 1 */
} differences;

static differences collect(const fr_result *results, int64_t count, int64_t full, const fr_dataset *data)
{
    differences d = {.count = count, .complete = true};
    d.value = FR_NEW(double, data->N *count);
    d.weight = FR_NEW(uint8_t, data->N * count);
    for (int64_t i = 0; i < data->N; i++) {
        double q = results[full].prompt_quality[i];
        if (isnan(q))
            continue;
        for (int64_t r = 0; r < count; r++) {
            double other = results[r].prompt_quality[i];
            d.weight[d.n * count + r] = !isnan(other);
            d.value[d.n * count + r] = isnan(other) ? 0 : q - other;
            d.complete = d.complete && !isnan(other);
        }
        d.n++;
    }
    return d;
}

/* Mean differences of one resample into mean (count). Prompt j of the resample is word j % 4 of Philox block j / 4,
 * scaled to 0 .. n-1. */
static void resample_means(double *mean, double *weight, const differences *d, int64_t resample, uint64_t seed)
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

static void fill(fr_result *result, const differences *d, int64_t r, const double *mean, int64_t resamples)
{
    double sum = 0, *column = FR_NEW(double, resamples);
    int64_t n = 0, known = 0;
    for (int64_t j = 0; j < d->n; j++) {
        sum += d->value[j * d->count + r];
        n += d->weight[j * d->count + r];
    }
    for (int64_t b = 0; b < resamples; b++)
        if (!isnan(mean[b * d->count + r]))
            column[known++] = mean[b * d->count + r];
    if (n > 0 && known > 0) {
        qsort(column, (size_t)known, sizeof *column, ascending);
        result->vs_full = sum / (double)n;
        result->vs_full_low = quantile(column, known, 0.025);
        result->vs_full_high = quantile(column, known, 0.975);
        result->vs_full_p = two_sided(column, known);
    }
    free(column);
}

/* mean (resamples, count), every rank a range of them. */
static void all_means(double *mean, const differences *d, int64_t resamples, uint64_t seed)
{
    int64_t *first = FR_NEW(int64_t, fr_comm_ranks() + 1);
    fr_shares(first, NULL, resamples, fr_comm_ranks());
    fr_comm_at("bootstrap", resamples);
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

void fr_bootstrap(fr_result *results, int64_t count, int64_t full, const fr_dataset *data, int64_t resamples,
                  uint64_t seed)
{
    FR_CHECK(full >= 0 && full < count, "full is router %lld of %lld", (long long)full, (long long)count);
    for (int64_t r = 0; r < count; r++)
        results[r].vs_full = results[r].vs_full_low = results[r].vs_full_high = results[r].vs_full_p = NAN;
    if (resamples <= 0)
        return;
    differences d = collect(results, count, full, data);
    double *mean = FR_NEW(double, resamples *count);
    all_means(mean, &d, resamples, seed);
    for (int64_t r = 0; r < count; r++)
        if (r != full)
            fill(&results[r], &d, r, mean, resamples);
    free(mean);
    free(d.value);
    free(d.weight);
}
