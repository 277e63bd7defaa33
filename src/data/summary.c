#include "finerouter/dataset.h"

#include "base/memory.h"
#include "build.h"

#include <math.h>
#include <stdlib.h>

/* Sums of observed quality and their number, for every model, over the prompts of a split (-1: all) and, where sums are
 * kept by source, in one row for each source. */
typedef struct means {
    double *sum;
    int64_t *count;
} means;

static means means_over(const fr_dataset *data, int split, bool by_source)
{
    int64_t rows = by_source ? data->sources : 1, M = data->M;
    means a = {FR_NEW(double, rows *M), FR_NEW(int64_t, rows * M)};
    for (int64_t i = 0; i < data->N; i++) {
        if (split >= 0 && data->split[i] != split)
            continue;
        int64_t row = by_source ? data->source[i] : 0;
        for (int64_t m = 0; m < M; m++) {
            float q = data->quality[i * M + m];
            if (!isnan(q)) {
                a.sum[row * M + m] += q;
                a.count[row * M + m]++;
            }
        }
    }
    return a;
}

static void means_close(means *a)
{
    free(a->sum);
    free(a->count);
}

/* The model of highest mean, the first among equals; -1 if nothing was observed. */
static int64_t best_of(const means *a, int64_t row, int64_t M)
{
    int64_t best = -1;
    double highest = -INFINITY;
    for (int64_t m = 0; m < M; m++) {
        int64_t at = row * M + m;
        if (a->count[at] && a->sum[at] / (double)a->count[at] > highest) {
            highest = a->sum[at] / (double)a->count[at];
            best = m;
        }
    }
    return best;
}

static void summarize_models(fr_summary *summary, const fr_dataset *data)
{
    means all = means_over(data, -1, false);
    for (int64_t m = 0; m < data->M; m++) {
        double cost = 0;
        int64_t known = 0;
        for (int64_t i = 0; i < data->N; i++)
            if (!isnan(data->cost[i * data->M + m])) {
                cost += data->cost[i * data->M + m];
                known++;
            }
        summary->models[m].observed = all.count[m];
        summary->models[m].quality = all.count[m] ? all.sum[m] / (double)all.count[m] : NAN;
        summary->models[m].cost = known ? cost / (double)known : NAN;
    }
    means_close(&all);
    means train = means_over(data, FR_SPLIT_TRAIN, false);
    summary->best_single = best_of(&train, 0, data->M);
    summary->best_single_quality = summary->best_single < 0 ? NAN : summary->models[summary->best_single].quality;
    means_close(&train);
}

/* Best model of each source over all its prompts; prompts where that model was not observed are left out. */
static double dataset_oracle(const fr_dataset *data)
{
    means a = means_over(data, -1, true);
    double sum = 0;
    int64_t count = 0;
    for (int64_t s = 0; s < data->sources; s++) {
        int64_t best = best_of(&a, s, data->M);
        if (best < 0)
            continue;
        sum += a.sum[s * data->M + best];
        count += a.count[s * data->M + best];
    }
    means_close(&a);
    return count ? sum / (double)count : NAN;
}

static void summarize_prompts(fr_summary *summary, const fr_dataset *data)
{
    double oracle = 0, random = 0;
    int64_t with = 0, tied = 0, observed = 0;
    for (int64_t i = 0; i < data->N; i++) {
        double sum = 0, best = -INFINITY;
        int64_t here = 0, at_best = 0;
        for (int64_t m = 0; m < data->M; m++) {
            float q = data->quality[i * data->M + m];
            if (isnan(q))
                continue;
            here++;
            sum += q;
            at_best = q > best ? 1 : at_best + (q == best);
            best = q > best ? q : best;
        }
        summary->counts[data->source[i]][data->split[i]]++;
        summary->with_description += data->description[i][0] != 0;
        observed += here;
        if (!here)
            continue;
        with++;
        oracle += best;
        random += sum / (double)here;
        tied += at_best > 1;
    }
    double prompts = with ? (double)with : NAN;
    summary->oracle_quality = oracle / prompts;
    summary->random_quality = random / prompts;
    summary->tied_best_share = (double)tied / prompts;
    summary->missing_share = data->N > 0 && data->M > 0 ? 1 - (double)observed / (double)(data->N * data->M) : 0;
}

static int64_t count_duplicates(const fr_dataset *data)
{
    int64_t *group = FR_NEW(int64_t, data->N), *size = NULL, duplicates = 0;
    int64_t groups = fr_dataset_text_groups(group, data);
    size = FR_NEW(int64_t, groups);
    for (int64_t i = 0; i < data->N; i++)
        size[group[i]]++;
    for (int64_t g = 0; g < groups; g++)
        duplicates += size[g] > 1 ? size[g] : 0;
    free(size);
    free(group);
    return duplicates;
}

void fr_summarize(fr_summary *summary, const fr_dataset *data)
{
    *summary = (fr_summary){0};
    summary->counts = fr_calloc((size_t)data->sources, sizeof *summary->counts);
    summary->models = FR_NEW(fr_model_summary, data->M);
    summarize_models(summary, data);
    summarize_prompts(summary, data);
    summary->dataset_oracle_quality = dataset_oracle(data);
    summary->duplicates = count_duplicates(data);
}

void fr_summary_close(fr_summary *summary)
{
    free(summary->counts);
    free(summary->models);
    *summary = (fr_summary){0};
}
