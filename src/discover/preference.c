/* Preference lists: ranks of the models of one prompt, and their fusion over many. */
#include "discover_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* top = 1 + how many come before, bottom = how many are not behind. */
void fr_rank_scores(int16_t *top, int16_t *bottom, const double *score, const int32_t *before, int64_t M,
                    bool zero_is_missing)
{
    for (int64_t m = 0; m < M; m++) {
        int64_t ahead = 0, level = 0;
        bool ranked = !isnan(score[m]) && !(zero_is_missing && score[m] == 0);
        for (int64_t j = 0; j < M && ranked; j++) {
            ahead += score[j] > score[m] || (score[j] == score[m] && before && before[j] < before[m]);
            level += score[j] == score[m] && (!before || before[j] == before[m]);
        }
        top[m] = (int16_t)(ranked ? ahead + 1 : 0);
        bottom[m] = (int16_t)(ranked ? ahead + level : 0);
    }
}

/* place[m]: position of m when models stand by ascending value, NaN last, equal ones in model order. */
static void places(int32_t *place, const double *value, int64_t M)
{
    for (int64_t m = 0; m < M; m++) {
        place[m] = 0;
        for (int64_t j = 0; j < M; j++) {
            bool smaller = value[j] < value[m] || (isnan(value[m]) && !isnan(value[j]));
            bool equal = value[j] == value[m] || (isnan(value[m]) && isnan(value[j]));
            place[m] += smaller || (equal && j < m);
        }
    }
}

/* sum, count (M) += the known entries of table (N, M) in training rows. */
static void add_training(double *sum, int64_t *count, const float *table, const fr_dataset *data)
{
    for (int64_t m = 0; m < data->M; m++)
        for (int64_t i = 0; i < data->N; i++) {
            float x = table[i * data->M + m];
            if (data->split[i] != FR_SPLIT_TRAIN || isnan(x))
                continue;
            sum[m] += (double)x;
            count[m]++;
        }
}

void fr_tie_breaks_add(fr_tie_breaks *breaks, const fr_dataset *data, const fr_config *config)
{
    bool cost = config->discover.ties == FR_TIES_COST;
    if (config->discover.ties != FR_TIES_TIED)
        add_training(breaks->sum, breaks->count, cost ? data->cost : data->quality, data);
}

fr_tie_breaks fr_tie_breaks_create(int64_t M)
{
    return (fr_tie_breaks){.sum = FR_NEW(double, M), .count = FR_NEW(int64_t, M)};
}

void fr_tie_breaks_close(fr_tie_breaks *breaks)
{
    free(breaks->sum);
    free(breaks->count);
    *breaks = (fr_tie_breaks){0};
}

/* Models by mean cost, or by mean quality from the best on; NULL: ties stay. */
static int32_t *tie_order(const fr_tie_breaks *breaks, int64_t M, const fr_config *config)
{
    if (config->discover.ties == FR_TIES_TIED)
        return NULL;
    double *mean = FR_NEW(double, M), sign = config->discover.ties == FR_TIES_COST ? 1 : -1;
    int32_t *before = FR_NEW(int32_t, M);
    for (int64_t m = 0; m < M; m++)
        mean[m] = breaks->count[m] ? sign * (breaks->sum[m] / (double)breaks->count[m]) : NAN;
    places(before, mean, M);
    free(mean);
    return before;
}

void fr_preference_ranks(int16_t *top, int16_t *bottom, const fr_dataset *data, const fr_config *config)
{
    fr_tie_breaks breaks = fr_tie_breaks_create(data->M);
    fr_tie_breaks_add(&breaks, data, config);
    fr_preference_ranks_by(top, bottom, data, &breaks, config);
    fr_tie_breaks_close(&breaks);
}

void fr_preference_ranks_by(int16_t *top, int16_t *bottom, const fr_dataset *data, const fr_tie_breaks *breaks,
                            const fr_config *config)
{
    int64_t N = data->N, M = data->M;
    FR_CHECK(M <= INT16_MAX, "%lld models, ranks hold at most %d", (long long)M, INT16_MAX);
    int32_t *before = tie_order(breaks, M, config);
#pragma omp parallel
    {
        double *score = FR_NEW(double, M);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < N; i++) {
            for (int64_t m = 0; m < M; m++)
                score[m] = (double)data->quality[i * M + m];
            fr_rank_scores(top + i * M, bottom + i * M, score, before, M, false);
        }
        free(score);
    }
    free(before);
}

/* mrr(m) = sum_i 1 / (c + rank_i(m)), rank = (top + bottom) / 2: the average over the tie group.
 *
 * A row in which m is missing says nothing of m, neither good nor bad: the sum runs over the n_m rows that rank m and
 * is scaled by count / n_m. Ranks are counted first, since a sum over the counts in a fixed order gives equal bits
 * to models that hold equal ranks in another order of the prompts. */
void fr_fuse(double *mrr, const int16_t *top, const int16_t *bottom, const int64_t *rows, int64_t count, int64_t M,
             double c)
{
    int64_t *held = FR_NEW(int64_t, M * (2 * M + 1)); /* how often model m has top + bottom = s */
    for (int64_t i = 0; i < count; i++)
        for (int64_t m = 0; m < M; m++)
            held[m * (2 * M + 1) + top[rows[i] * M + m] + bottom[rows[i] * M + m]]++;
    for (int64_t m = 0; m < M; m++) {
        const int64_t *of = held + m * (2 * M + 1);
        int64_t ranked = count - of[0];
        double sum = 0;
        for (int64_t s = 2; s <= 2 * M; s++)
            sum += (double)of[s] / (c + 0.5 * (double)s);
        mrr[m] = ranked ? sum * (double)count / (double)ranked : 0;
    }
    free(held);
}
