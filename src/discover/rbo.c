/* Rank-biased overlap by definition, in f64; kernels/rbo.c has the fast one. */
#include "discover_internal.h"

#include <math.h>
#include <stdlib.h>

/* Contribution at depth d of an item whose tie group spans ranks t..b:
 *
 *   c_d = 1 if b <= d;   (d - t + 1) / (b - t + 1) if t <= d < b;   0 if d < t */
static double contribution(int64_t d, int64_t t, int64_t b)
{
    if (b <= d)
        return 1;
    return d < t ? 0 : (double)(d - t + 1) / (double)(b - t + 1);
}

/* Ranks of model m among the models that both lists hold. */
static void common_ranks(int64_t *t, int64_t *b, const int16_t *list, const int16_t *other, int64_t m, int64_t M)
{
    *t = 1;
    *b = 0;
    for (int64_t j = 0; j < M; j++) {
        if (list[j] == 0 || other[j] == 0)
            continue;
        *t += list[j] < list[m];
        *b += list[j] <= list[m];
    }
}

/*   RBO = (1-p)/p sum_{d=1..n} A_d p^d + A_n p^n,  n the number of models that both lists hold
 *   a:  A_d = sum c c' / d        b:  A_d = sum c c' / sqrt(sum c^2 sum c'^2) */
double fr_rbo(const int16_t *top_a, const int16_t *bottom_a, const int16_t *top_b, const int16_t *bottom_b, int64_t M,
              double p, int variant)
{
    int64_t(*rank)[4] = fr_calloc((size_t)M, sizeof *rank); /* t, b in list a, t, b in list b */
    int64_t n = 0;
    for (int64_t m = 0; m < M; m++) {
        FR_CHECK((top_a[m] == 0) == (bottom_a[m] == 0) && (top_b[m] == 0) == (bottom_b[m] == 0),
                 "model %lld is half ranked", (long long)m);
        if (top_a[m] == 0 || top_b[m] == 0)
            continue;
        common_ranks(&rank[n][0], &rank[n][1], top_a, top_b, m, M);
        common_ranks(&rank[n][2], &rank[n][3], top_b, top_a, m, M);
        n++;
    }
    double sum = 0, agreement = 0;
    for (int64_t d = 1; d <= n; d++) {
        double cross = 0, square_a = 0, square_b = 0;
        for (int64_t m = 0; m < n; m++) {
            double c = contribution(d, rank[m][0], rank[m][1]), e = contribution(d, rank[m][2], rank[m][3]);
            cross += c * e;
            square_a += c * c;
            square_b += e * e;
        }
        agreement = variant == FR_RBO_A ? cross / (double)d : cross / sqrt(square_a * square_b);
        sum += agreement * pow(p, (double)d);
    }
    free(rank);
    return (1 - p) / p * sum + agreement * pow(p, (double)n);
}
