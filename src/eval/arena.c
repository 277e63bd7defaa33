/* RouterArena's score and optimality, and recall by number of right models. */
#include "finerouter/metrics.h"

#include <math.h>
#include <stdbool.h>

/* USD of 1,000 prompts at which the score of the cost is 0 and 1. */
#define DEAREST 200.0
#define CHEAPEST .0044

static bool is_right(float quality)
{
    return quality >= .5f; /* false for NaN */
}

double fr_metric_arena_cost(double usd_per_1k)
{
    double c = (log2(DEAREST) - log2(usd_per_1k)) / (log2(DEAREST) - log2(CHEAPEST));
    return isnan(usd_per_1k) || isnan(c) ? NAN : c < 0 ? 0 : c > 1 ? 1 : c;
}

double fr_metric_arena_score(double usd_per_1k, double accuracy)
{
    const double beta = .1;
    double c = fr_metric_arena_cost(usd_per_1k), weight = beta * accuracy + c;
    return weight == 0 ? 0 : (1 + beta) * accuracy * c / weight;
}

/* The least known cost of a right answer; NaN if there is none. */
static double cheapest_right(bool *solvable, const float *quality, const float *cost, int64_t M)
{
    double least = NAN;
    *solvable = false;
    for (int64_t m = 0; m < M; m++)
        if (is_right(quality[m])) {
            *solvable = true;
            if (cost[m] < least || isnan(least))
                least = cost[m];
        }
    return least;
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : NAN;
}

fr_optimality fr_metric_optimality(const int32_t *chosen, const float *quality, const float *cost, int64_t N, int64_t M)
{
    double solvable = 0, right = 0, priced = 0, optimal = 0, paid = 0, needed = 0;
    for (int64_t i = 0; i < N; i++) {
        const float *q = quality + i * M, *c = cost + i * M;
        bool some;
        if (chosen[i] < 0 || isnan(q[chosen[i]]))
            continue;
        double least = cheapest_right(&some, q, c, M), own = c[chosen[i]];
        bool hit = is_right(q[chosen[i]]);
        solvable += some;
        right += hit;
        if (!isnan(least)) {
            priced++;
            optimal += hit && own == least;
        }
        if (hit && !isnan(own)) {
            paid += own;
            needed += least;
        }
    }
    return (fr_optimality){share(optimal, priced), share(right, solvable), share(needed, paid)};
}

void fr_metric_recall(fr_recall *recall, const int32_t *chosen, const float *quality, int64_t N, int64_t M)
{
    for (int64_t c = 0; c <= M; c++)
        recall[c] = (fr_recall){0};
    for (int64_t i = 0; i < N; i++) {
        const float *q = quality + i * M;
        int64_t right = 0, observed = 0;
        for (int64_t m = 0; m < M; m++) {
            right += is_right(q[m]);
            observed += !isnan(q[m]);
        }
        if (chosen[i] == FR_NOT_TESTED || observed == 0 || (chosen[i] >= 0 && isnan(q[chosen[i]])))
            continue;
        recall[right].prompts++;
        recall[right].hit_rate +=
            chosen[i] == FR_ALL_MODELS ? (double)right / (double)observed : is_right(q[chosen[i]]);
    }
    for (int64_t c = 0; c <= M; c++)
        recall[c].hit_rate = share(recall[c].hit_rate, recall[c].prompts);
}
