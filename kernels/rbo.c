/* Rank-biased overlap of two preference lists with ties (Corsi & Urbano, "The Treatment of Ties in Rank-Biased
 * Overlap", 2024):
 *
 *     RBO = (1-p)/p sum_{d=1..M} A_d p^d + A_M p^M
 *     c_d = 1 if b <= d;  (d-t+1)/(b-t+1) if t <= d < b;  0 if d < t      an item in a tie group of ranks t..b
 *     A_d = sum c c' / d  (variant a),  sum c c' / sqrt(sum c^2 sum c'^2)  (variant b) */
#include "common.h"

/* Closes up the ranks of the models that stand in both lists (common[m]); returns how many they are. */
static int64_t close_up(double *t, double *b, const int16_t *top, const int16_t *bottom, const bool *common, int64_t M)
{
    int64_t count = 0;
    for (int64_t m = 0; m < M; m++) {
        if (!common[m])
            continue;
        int64_t before = 0, group = 0;
        for (int64_t o = 0; o < M; o++) {
            before += common[o] && bottom[o] < top[m];
            group += common[o] && top[o] == top[m];
        }
        t[count] = (double)(before + 1);
        b[count] = (double)(before + group);
        count++;
    }
    return count;
}

static double contribution(double t, double b, double d)
{
    return b <= d ? 1 : d < t ? 0 : (d - t + 1) / (b - t + 1);
}

static double overlap(const double *t1, const double *b1, const double *t2, const double *b2, int64_t n, double p,
                      bool corrected)
{
    double sum = 0, weight = 1, agreement = 0;
    for (int64_t d = 1; d <= n; d++) {
        double both = 0, first = 0, second = 0;
        for (int64_t i = 0; i < n; i++) {
            double c1 = contribution(t1[i], b1[i], (double)d), c2 = contribution(t2[i], b2[i], (double)d);
            both += c1 * c2;
            first += c1 * c1;
            second += c2 * c2;
        }
        weight *= p;
        agreement = corrected ? both / sqrt(first * second) : both / (double)d;
        sum += agreement * weight;
    }
    return (1 - p) / p * sum + agreement * weight;
}

void FR_KERNEL(rbo)(fr_queue *q, float *rbo, const int32_t *edges, const int16_t *top, const int16_t *bottom, int64_t E,
                    int64_t M, double p, bool corrected)
{
    (void)q;
#pragma omp parallel if (E * M > PARALLEL_FROM / 64)
    {
        double *ranks = scratch_new(4 * M, sizeof(double));
        bool *common = scratch_new(M, sizeof(bool));
#pragma omp for schedule(static)
        for (int64_t e = 0; e < E; e++) {
            const int16_t *t1 = top + edges[2 * e] * M, *t2 = top + edges[2 * e + 1] * M;
            const int16_t *b1 = bottom + edges[2 * e] * M, *b2 = bottom + edges[2 * e + 1] * M;
            for (int64_t m = 0; m < M; m++)
                common[m] = t1[m] > 0 && t2[m] > 0;
            int64_t n = close_up(ranks, ranks + M, t1, b1, common, M);
            close_up(ranks + 2 * M, ranks + 3 * M, t2, b2, common, M);
            rbo[e] = n ? (float)overlap(ranks, ranks + M, ranks + 2 * M, ranks + 3 * M, n, p, corrected) : 0;
        }
        free(ranks);
        free(common);
    }
}
