/* choose.c - choices on a dev split that is too small to trust its highest point. */
#include "finerouter/eval.h"

#include <math.h>
#include <stdlib.h>

/* s_k = sum_j w_j q_j / sum_j w_j over the neighbours j = k-1, k, k+1 that are there and not NaN, w = 1, 2, 1 */
static double smoothed(const double *quality, int64_t count, int64_t k)
{
    double sum = 0, weight = 0;
    if (isnan(quality[k]))
        return NAN;
    for (int64_t j = k - 1; j <= k + 1; j++) {
        if (j < 0 || j >= count || isnan(quality[j]))
            continue;
        double w = j == k ? 2 : 1;
        sum += w * quality[j];
        weight += w;
    }
    return sum / weight;
}

int64_t fr_choose_smoothed(const double *quality, int64_t count)
{
    double best = NAN;
    for (int64_t k = 0; k < count; k++) {
        double s = smoothed(quality, count, k);
        if (s > best || isnan(best))
            best = s;
    }
    int64_t first = 0, length = 0; /* of the longest plateau so far */
    for (int64_t k = 0; k < count;) {
        int64_t end = k;
        while (end < count && smoothed(quality, count, end) >= best - 1e-12)
            end++;
        if (end - k > length)
            first = k, length = end - k;
        k = end > k ? end : k + 1;
    }
    return length ? first + (length - 1) / 2 : 0;
}

/* Mean and variance of the mean of a - b over the entries where both are there. */
static void paired(double *mean, double *variance, const float *a, const float *b, int64_t n)
{
    double sum = 0, squares = 0;
    int64_t pairs = 0;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(a[i]) && !isnan(b[i])) {
            double d = (double)a[i] - b[i];
            sum += d;
            squares += d * d;
            pairs++;
        }
    *mean = pairs ? sum / (double)pairs : NAN;
    *variance = pairs > 1 ? fmax(0, squares / (double)pairs - *mean * *mean) / (double)(pairs - 1) : 0;
}

static double mean_known(const float *quality, int64_t n)
{
    double sum = 0;
    int64_t known = 0;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(quality[i])) {
            sum += quality[i];
            known++;
        }
    return known ? sum / (double)known : -INFINITY;
}

int64_t fr_choose_plateau(const float *quality, int64_t count, int64_t n, int64_t prior)
{
    int64_t best = 0;
    double highest = -INFINITY;
    for (int64_t k = 0; k < count; k++) {
        double mean = mean_known(quality + k * n, n);
        if (mean > highest) {
            highest = mean;
            best = k;
        }
    }
    int64_t nearest = best;
    for (int64_t k = 0; k < count; k++) {
        double mean, variance;
        paired(&mean, &variance, quality + best * n, quality + k * n, n);
        if (mean <= sqrt(variance) + 1e-12 && llabs(k - prior) < llabs(nearest - prior))
            nearest = k;
    }
    return nearest;
}
