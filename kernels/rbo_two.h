/* rbo_two.h - rank-biased overlap of lists of at most two grades, complete or not, for rbo.c alone. Scores of right and
 * wrong give such lists.
 *
 * Among the n models that both lists hold let s be in the upper grade of the first, t in that of the second and k in
 * both. RBO depends on these four numbers alone: with g_1, g_2 the contributions of the upper and the lower grade
 * at depth d, and w_d = (1-p) p^(d-1),
 *
 *   RBO = sum_{d<n} w_d A_d + p^(n-1),   A_d = (k g_1 g'_1 + (s-k) g_1 g'_2 + (t-k) g_2 g'_1 + (n-s-t+k) g_2 g'_2) /
 * N_d
 *
 * N_d = d (variant a) or sqrt((s g_1^2 + (n-s) g_2^2) (t g'_1^2 + (n-t) g'_2^2)) (b). An edge is four bit counts and a
 * look-up. */
#ifndef FR_KERNELS_RBO_TWO_H
#define FR_KERNELS_RBO_TWO_H

#include "common.h"

enum { TWO_MODELS = 64 };

typedef struct two_grades {
    uint64_t held, upper; /* a bit per model */
} two_grades;

/* Every list of the nodes as bits; false where one has more than two grades. */
static bool as_two_grades(two_grades *list, bool *complete, const int16_t *top, int64_t nodes, int64_t M)
{
    *complete = true;
    for (int64_t i = 0; i < nodes; i++, top += M) {
        list[i] = (two_grades){0, 0};
        int16_t lower = 0; /* first rank of the lower grade */
        for (int64_t m = 0; m < M; m++) {
            list[i].held |= (uint64_t)(top[m] > 0) << m;
            list[i].upper |= (uint64_t)(top[m] == 1) << m;
            if (top[m] > 1 && lower != 0 && top[m] != lower)
                return false;
            lower = top[m] > 1 ? top[m] : lower;
            *complete &= top[m] > 0;
        }
    }
    return true;
}

/* Contributions of both grades and the norm, for every size s of the upper grade and depth d: of[s n + d - 1]. */
typedef struct grade_depth {
    double upper, lower, norm;
} grade_depth;

static double grade_contribution(int64_t depth, int64_t size)
{
    return depth <= 0 || size == 0 ? 0 : depth >= size ? 1 : (double)depth / (double)size;
}

static void grade_depths(grade_depth *of, int64_t n, bool corrected)
{
    for (int64_t s = 0; s <= n; s++) {
        for (int64_t d = 1; d <= n; d++) {
            double u = grade_contribution(d, s), l = grade_contribution(d - s, n - s);
            double squares = (double)s * u * u + (double)(n - s) * l * l;
            of[s * n + d - 1] = (grade_depth){u, l, sqrt(corrected ? squares : (double)d)};
        }
    }
}

/* value[(s (n+1) + t) (n+1) + k] for lists of n common models */
static void fill_two(float *value, grade_depth *of, int64_t n, double p, bool corrected)
{
    grade_depths(of, n, corrected);
    for (int64_t s = 0; s <= n; s++) {
        for (int64_t t = 0; t <= n; t++, value += n + 1) {
            double uu = 0, ul = 0, lu = 0, ll = 0, weight = 1 - p;
            for (int64_t d = 0; d < n - 1; d++, weight *= p) {
                grade_depth a = of[s * n + d], b = of[t * n + d];
                double w = weight / (a.norm * b.norm);
                uu += w * a.upper * b.upper;
                ul += w * a.upper * b.lower;
                lu += w * a.lower * b.upper;
                ll += w * a.lower * b.lower;
            }
            for (int64_t k = s + t > n ? s + t - n : 0; k <= smaller(s, t); k++)
                value[k] = in_unit_range((double)k * uu + (double)(s - k) * ul + (double)(t - k) * lu +
                                         (double)(n - s - t + k) * ll + pow(p, (double)(n - 1)));
        }
    }
}

static int64_t cube(int64_t n)
{
    return n * n * n;
}

static void by_two_grades(float *rbo, const int32_t *edges, const two_grades *list, bool complete, int64_t E, int64_t M,
                          double p, bool corrected)
{
    int64_t start[TWO_MODELS + 1], entries = 0, least = complete ? M : 1;
    for (int64_t n = least; n <= M; n++) {
        start[n] = entries;
        entries += cube(n + 1);
    }
    float *value = scratch_new(entries, sizeof *value);
    grade_depth *of = scratch_new((M + 1) * M, sizeof *of);
    for (int64_t n = least; n <= M; n++)
        fill_two(value + start[n], of, n, p, corrected);
#pragma omp parallel for schedule(static) if (E > PARALLEL_FROM)
    for (int64_t e = 0; e < E; e++) {
        two_grades a = list[edges[2 * e]], b = list[edges[2 * e + 1]];
        uint64_t common = a.held & b.held, ua = a.upper & common, ub = b.upper & common;
        int64_t n = __builtin_popcountll(common), s = __builtin_popcountll(ua), t = __builtin_popcountll(ub);
        rbo[e] = n ? value[start[n] + (s * (n + 1) + t) * (n + 1) + __builtin_popcountll(ua & ub)] : 0;
    }
    free(of);
    free(value);
}

/* About how many entries the table has. */
static int64_t two_entries(bool complete, int64_t M)
{
    return cube(M + 1) * (complete ? 1 : M / 4 + 1);
}

/* Does it where the lists have two grades at most and the table is no larger than the work, or however large it is;
 * false where not. */
static bool two(float *rbo, const int32_t *edges, const int16_t *top, int64_t E, int64_t nodes, int64_t M, double p,
                bool corrected, bool however_large)
{
    if (M > TWO_MODELS)
        return false;
    bool complete;
    two_grades *list = scratch_new(nodes, sizeof *list);
    bool fits = as_two_grades(list, &complete, top, nodes, M) && (however_large || two_entries(complete, M) <= E);
    if (fits)
        by_two_grades(rbo, edges, list, complete, E, M, p, corrected);
    free(list);
    return fits;
}

#endif
